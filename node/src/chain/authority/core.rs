//! What EigenLayer says: who slashes each set, who is paid, who administers the AVS. The core's generation is asked for.

use super::abi::{ICore, OperatorSet};
use super::roles::joined;
use super::{BOTH, Generation, PAYING, SLASHING, Survey};
use crate::chain::{Chain, Trouble};
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, FixedBytes};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use firn_proto::Code;
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::IAllocationManager;
use std::collections::BTreeSet;

/// Functions of the AllocationManager that an AVS's appointees may be given, with their names; both forms of what creates sets.
const APPOINTABLE: [(&str, [u8; 4]); 10] = [
    ("slashOperator", IAllocationManager::slashOperatorCall::SELECTOR),
    ("updateSlasher", IAllocationManager::updateSlasherCall::SELECTOR),
    ("addStrategiesToOperatorSet", IAllocationManager::addStrategiesToOperatorSetCall::SELECTOR),
    ("removeStrategiesFromOperatorSet", IAllocationManager::removeStrategiesFromOperatorSetCall::SELECTOR),
    ("deregisterFromOperatorSets", calls::deregisterFromOperatorSetsCall::SELECTOR),
    ("setAVSRegistrar", calls::setAVSRegistrarCall::SELECTOR),
    ("createOperatorSets", calls::createOperatorSets_0Call::SELECTOR),
    ("createOperatorSets", calls::createOperatorSets_1Call::SELECTOR),
    ("createRedistributingOperatorSets", calls::createRedistributingOperatorSets_0Call::SELECTOR),
    ("createRedistributingOperatorSets", calls::createRedistributingOperatorSets_1Call::SELECTOR),
];

mod calls {
    alloy::sol! {
        struct DeregisterParams { address operator; address avs; uint32[] operatorSetIds; }
        struct CreateSetParams { uint32 operatorSetId; address[] strategies; }
        struct CreateSetParamsV2 { uint32 operatorSetId; address[] strategies; address slasher; }
        interface IAppointable {
            function deregisterFromOperatorSets(DeregisterParams calldata params) external;
            function setAVSRegistrar(address avs, address registrar) external;
            function createOperatorSets(address avs, CreateSetParams[] calldata params) external;
            function createOperatorSets(address avs, CreateSetParamsV2[] calldata params) external;
            function createRedistributingOperatorSets(address avs, CreateSetParams[] calldata params, address[] calldata recipients) external;
            function createRedistributingOperatorSets(address avs, CreateSetParamsV2[] calldata params, address[] calldata recipients) external;
        }
    }
    pub(super) use IAppointable::*;
}

impl Chain {
    /// The finalised block's number, and which core there is at it.
    ///
    /// # Errors
    /// Why the endpoint could not tell.
    pub(crate) async fn look(&self) -> Result<(u64, Generation), Code> {
        let looked = async {
            let (block, _) = self.checked_block().await?;
            Ok((block.number, self.generation(block).await?))
        };
        looked.await.map_err(|trouble| match trouble {
            Trouble::Unavailable(code) => code,
            Trouble::Reverted => Code::ChainUnavailable,
        })
    }

    /// Reads at a block; what is not there, or reverts, has no answer. An answer to something else is the endpoint's failure.
    pub(super) async fn ask<C: SolCall>(
        &self,
        to: Address,
        call: C,
        block: BlockReference,
    ) -> Result<Option<C::Return>, Trouble> {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        match self.call(request, block).await {
            Ok(answer) if answer.is_empty() => Ok(None),
            Ok(answer) => C::abi_decode_returns_validate(&answer)
                .map(Some)
                .map_err(|_| Trouble::Unavailable(Code::ChainUnavailable)),
            Err(Trouble::Reverted) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Which core there is at this block: by what it answers to, and never by configuration.
    pub(super) async fn generation(&self, block: BlockReference) -> Result<Generation, Trouble> {
        let core = self.allocation_manager;
        let set = OperatorSet { avs: Address::ZERO, id: 0 };
        // From v1.9 on it answers for every set, and for one that is not there with nobody.
        if self.ask(core, ICore::getSlasherCall { operatorSet: set }, block).await?.is_none() {
            return Ok(Generation::Appointees);
        }
        let Some(strategies) = self.strategy_manager else { return Ok(Generation::Slashers) };
        Ok(match self.ask(strategies, ICore::SLASH_RESOLUTION_DELAY_BLOCKSCall {}, block).await? {
            Some(_) => Generation::Resolution,
            None => Generation::Slashers,
        })
    }
}

impl Survey<'_> {
    pub(super) async fn core(&mut self) -> Result<(), Trouble> {
        let before = self.facts.len();
        self.sets().await?;
        self.admins().await?;
        self.facts.iter_mut().skip(before).for_each(|fact| fact.eigenlayer = true);
        Ok(())
    }

    async fn sets(&mut self) -> Result<(), Trouble> {
        let (core, avs) = (self.chain.allocation_manager, self.contracts.avs);
        for entry in &self.declared.sets {
            let id = entry.id;
            let set = || OperatorSet { avs, id };
            if self.generation != Generation::Appointees {
                let expected = self.label(entry.slasher.unwrap_or(self.contracts.gate));
                let found = self.ask(core, ICore::getSlasherCall { operatorSet: set() }).await?;
                let found = found.map_or_else(|| "none".to_owned(), |address| self.label(address));
                self.fact(format!("slasher of operator set {id}"), expected, found, SLASHING);
                let next = self.ask(core, ICore::getPendingSlasherCall { operatorSet: set() }).await?;
                let next = next.filter(|next| !next.slasher.is_zero());
                let is_gate = next.as_ref().is_some_and(|next| next.slasher == self.contracts.gate);
                let found = next.map(|next| format!("{} from block {} on", self.label(next.slasher), next.effectBlock));
                let (name, found) =
                    (format!("next slasher of operator set {id}"), found.unwrap_or_else(|| "none".to_owned()));
                if is_gate {
                    self.pending(name, found);
                } else {
                    self.fact(name, "none", found, SLASHING);
                }
            }
            let expected = self.label(entry.recipient.unwrap_or(self.contracts.treasury));
            let found = self.ask(core, ICore::getRedistributionRecipientCall { operatorSet: set() }).await?;
            let found = found.map_or_else(|| "none".to_owned(), |address| self.label(address));
            self.fact(format!("recipient of operator set {id}"), expected, found, PAYING);
        }
        Ok(())
    }

    async fn admins(&mut self) -> Result<(), Trouble> {
        let (core, account) = (self.chain.allocation_manager, self.contracts.avs);
        let Some(permissions) = self.definition.chain.permission_controller else {
            return Err(Trouble::Unavailable(Code::ChainUnavailable));
        };
        let names = |all: &[Address]| joined(all.iter().map(|address| self.label(*address)).collect());
        let timelock = [self.contracts.timelock];
        let expected = names(if self.declared.admins.is_empty() { &timelock } else { &self.declared.admins });
        let found = self.ask(permissions, ICore::getAdminsCall { account }).await?;
        let pending = self.ask(permissions, ICore::getPendingAdminsCall { account }).await?;
        let pending = pending.unwrap_or_default();
        let (found, waiting) = (names(&found.unwrap_or_default()), names(&pending));
        self.fact("admins of the AVS", expected, found, BOTH);
        if pending == timelock {
            self.pending("pending admins of the AVS", waiting);
        } else {
            self.fact("pending admins of the AVS", "nobody", waiting, BOTH);
        }
        for (name, selector) in APPOINTABLE {
            let selector = FixedBytes(selector);
            let said = self.declared.appointees.iter().filter(|entry| entry.selector == selector);
            let mut expected: BTreeSet<_> = said.map(|entry| self.label(entry.appointee)).collect();
            // Up to v1.8.1 the slasher is an appointee.
            let is_slash = selector == FixedBytes(IAllocationManager::slashOperatorCall::SELECTOR);
            if is_slash && self.generation == Generation::Appointees {
                let slashers = self.declared.sets.iter().map(|set| set.slasher.unwrap_or(self.contracts.gate));
                expected.extend(slashers.map(|slasher| self.label(slasher)));
            }
            let call = ICore::getAppointeesCall { account, target: core, selector };
            let found = self.ask(permissions, call).await?.unwrap_or_default();
            let found = joined(found.into_iter().map(|address| self.label(address)).collect());
            let stops = if is_slash { SLASHING } else { BOTH };
            self.fact(format!("appointees for {name} ({selector})"), joined(expected), found, stops);
        }
        Ok(())
    }
}
