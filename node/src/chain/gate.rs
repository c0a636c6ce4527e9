//! Slashes that go through an AVS's gate (contracts/src/SlashGate.sol) and the AccessManager over it, and who may slash at all in
//! the core that is there.

use super::authority::abi::{ICore, IGate, IManager};
use super::{Chain, Trouble, or_absent};
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, FixedBytes};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use firn_coordinator::api::{GateFacts, GateQuery};
use firn_proto::Code;
use firn_proto::account::Call;
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::{IAllocationManager, OperatorSet};
use firn_proto::time::WallTime;

impl Chain {
    /// Reads what gate and manager say at one block. Contracts that are not there give none.
    pub(super) async fn gate_facts(
        &self,
        query: &GateQuery,
        account: Address,
        (operator, set): (Address, &OperatorSet),
        (block, time): (BlockReference, WallTime),
    ) -> Result<GateFacts, Trouble> {
        let scheduled = &query.scheduled;
        let selector = scheduled.data.first_chunk().copied().unwrap_or_default();
        let may = IManager::canCallCall { caller: account, target: scheduled.target, selector: selector.into() };
        let used = IGate::requestOfCall { evidence: query.evidence, avs: set.avs, operatorSetId: set.id, operator };
        let (may, ready, used_by, tried) = futures::join!(
            self.read(scheduled.manager, may, block),
            self.read(scheduled.manager, IManager::getScheduleCall { id: scheduled.id }, block),
            self.read(scheduled.target, used, block),
            self.try_call(account, &query.call, block),
        );
        // They answer for everything: what does not read is a bad answer, and not one that nothing is scheduled or used.
        let answered = |_| Trouble::Unavailable(Code::ChainUnavailable);
        let ready: u64 = ready.map_err(answered)?.to();
        Ok(GateFacts {
            time,
            delay: may.map_err(answered)?.delay.into(),
            ready: (ready != 0).then_some(WallTime(ready)),
            used_by: used_by.map_err(answered)?,
            call_succeeds: tried?,
        })
    }

    /// Whether a call by `account` would go through in that block.
    pub(super) async fn try_call(&self, account: Address, call: &Call, block: BlockReference) -> Result<bool, Trouble> {
        let request = TransactionRequest::default().with_from(account).with_to(call.target).with_value(call.value);
        or_absent(self.call(request.with_input(call.data.clone()), block).await.map(|_| true))
    }

    /// Who may slash: the set's slasher or, in a core before v1.9, `expected` where the AVS has appointed it (EIGENLAYER.md section 1).
    pub(super) async fn slasher(
        &self,
        set: OperatorSet,
        expected: Address,
        block: BlockReference,
    ) -> Result<Address, Trouble> {
        let (avs, manager) = (set.avs, self.allocation_manager);
        let slasher = self.read(manager, IAllocationManager::getSlasherCall { operatorSet: set }, block).await;
        let (Err(Trouble::Reverted), Some(controller)) = (&slasher, self.permission_controller) else {
            return or_absent(slasher);
        };
        let selector = FixedBytes(IAllocationManager::slashOperatorCall::SELECTOR);
        let may = ICore::canCallCall { account: avs, caller: expected, target: manager, selector };
        let appointed = or_absent(self.read(controller, may, block).await)?;
        Ok(if appointed { expected } else { Address::ZERO })
    }
}
