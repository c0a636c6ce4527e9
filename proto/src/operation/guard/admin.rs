//! `Timelocked`: what the timelock, as EigenLayer's admin of the AVS, calls there in the AVS's name.
//!
//! What it calls is one of the kinds that an admin's own account could ask for, or a function that the definition lists for
//! governance: it is read as strictly as these, and shown as they are.

use super::Act;
use super::way::{self, Opened, Way};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Contracts, Definition, Purpose};
use crate::limits::CALLDATA_BYTES_MAX;
use crate::operation::form::written;
use crate::operation::{Operation, Rendering, Terms, listed_call};
use alloy_primitives::{Bytes, U256};
use alloy_sol_types::sol;
use serde::{Deserialize, Serialize};

sol! {
    /// Have the timelock call `target` with `data`, after a delay in which the veto can cancel it.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Timelocked {
        #[serde(with = "written")] address avs;
        #[serde(with = "written")] address target;
        #[serde(with = "written")] bytes data;
        string step;
        uint64 delay;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }
}

/// The kinds that EigenLayer lets an admin of the AVS do.
const ADMINS: [&str; 6] =
    ["update_slasher", "add_strategies", "remove_strategies", "accept_admin", "set_appointee", "remove_appointee"];

impl Timelocked {
    fn way(&self) -> Way<'_> {
        Way::Timelock(&self.step, self.reference, self.delay)
    }

    /// What the timelock's call means.
    fn inner(&self, definition: &Definition) -> Result<Rendering, Refusal> {
        // Nothing that waits inside what waits: reading would go as deep as somebody's bytes do.
        if self.data.len() > CALLDATA_BYTES_MAX || way::open(&self.data)?.is_some() {
            let detail = format!("data: more than {CALLDATA_BYTES_MAX} bytes, or a call that waits itself");
            return Err(Refusal::new(Code::OperationFieldInvalid, detail));
        }
        let (target, chain) = (self.target, &definition.chain);
        if target == chain.allocation_manager || Some(target) == chain.permission_controller {
            let account = definition.contracts_of(self.avs)?.timelock;
            let terms = Terms { account, ..self.common() };
            let call = Call { target, value: U256::ZERO, data: self.data.clone() };
            match Operation::decode(&call, definition, terms) {
                Ok(inner) if inner.avs() != self.avs => {
                    return Err(Refusal::new(Code::OperationFieldInvalid, format!("data: of AVS {}", inner.avs())));
                }
                Ok(inner) if ADMINS.contains(&inner.kind()) => return Ok(inner.render(definition)),
                Ok(inner) => {
                    let detail = format!("data: {} is nothing that an admin does", inner.kind());
                    return Err(Refusal::new(Code::OperationFieldInvalid, detail));
                }
                // Where no kind has the function, the definition may list it.
                Err(refusal) if refusal.code == Code::CalldataInvalid => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let arguments = listed_call::read(definition, Purpose::Governance, target, &self.data)?;
        let title = format!("call contract {target} for AVS {}", self.avs);
        Ok(Rendering { title, details: arguments.render(), warnings: Vec::new() })
    }
}

impl Act for Timelocked {
    const PURPOSE: Purpose = Purpose::Governance;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        self.way().check(Some(self.reference), self.delay)
    }

    fn sound_in(&self, definition: &Definition) -> Result<(), Refusal> {
        self.sound(definition.contracts_of(self.avs)?)?;
        self.inner(definition).map(drop)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        self.way().call(contracts, self.target, self.data.to_vec())
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let title = format!("have the timelock call {} for AVS {}", self.target, self.avs);
        Rendering { title, details: self.way().show(contracts), warnings: Vec::new() }
    }

    fn show_in(&self, definition: &Definition) -> Rendering {
        let way = self.show(&definition.contracts_of(self.avs).cloned().unwrap_or_default());
        let reference = format!("reference {}", self.reference);
        match self.inner(definition) {
            Ok(inner) => Rendering {
                title: format!("{}, by the timelock", inner.title),
                details: way.details.into_iter().chain([reference]).chain(inner.details).collect(),
                warnings: inner.warnings,
            },
            Err(refusal) => Rendering { details: vec![format!("refused: {refusal}")], ..way },
        }
    }
}

/// What is called in the timelock and is nothing of Firn's own contracts.
pub(super) fn decode(opened: &Opened, terms: Terms) -> Option<Operation> {
    let Terms { avs, account, nonce, deadline } = terms;
    let Opened { step, salt: Some(reference), delay, target, data } = opened else { return None };
    let (step, data): (_, Bytes) = (step.clone(), data.clone());
    let (target, delay, reference) = (*target, *delay, *reference);
    Some(Operation::Timelocked(Timelocked { avs, target, data, step, delay, reference, account, nonce, deadline }))
}
