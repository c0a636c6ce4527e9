//! What the chain says against the contracts that the definition declares (docs/adr/0019-declared-authority.md).
//!
//! A host surveys the chain and says whose signing a contradiction stops. What is not surveyed yet since the start is stopped
//! as well. Keys for veto and governance never are: they stop what is under way, and put right what contradicts.

use crate::engine::Engine;
use alloy_primitives::Address;
use firn_proto::definition::Purpose;
use firn_proto::{Code, SubjectId};
use firn_vault::api::Subject;
use std::collections::BTreeSet;

impl Engine {
    /// A survey of one AVS's contracts: our answers to its requests follow.
    pub(crate) fn authority_surveyed(&mut self, avs: Address, stopped: BTreeSet<Purpose>) {
        let before = self.surveyed.insert(avs, stopped.clone());
        if before.as_ref() == Some(&stopped) {
            return;
        }
        self.withhold_halted();
        self.reconsider_all();
    }

    /// Why no share is lent for a request, if the chain contradicts what is declared. Keys are generated whatever it says.
    pub(crate) fn contradicted(&self, id: SubjectId) -> Option<Code> {
        let Subject::Request(request) = &self.subjects.get(&id)?.subject else { return None };
        let purpose = self.definition.key(request.key_name())?.purpose;
        if matches!(purpose, Purpose::Veto | Purpose::Governance) {
            return None;
        }
        let avs = request.operation().avs();
        self.definition.contracts.iter().find(|listed| listed.avs == avs)?.declared.as_ref()?;
        match self.surveyed.get(&avs) {
            None => Some(Code::AuthorityUnchecked),
            Some(stopped) => stopped.contains(&purpose).then_some(Code::AuthorityDiffers),
        }
    }
}
