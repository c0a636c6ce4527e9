//! Until when a slash takes anything: what the operator has allocated to the set, and when that ends or the operator is gone.

use super::{Chain, Trouble, or_absent, unavailable};
use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use firn_proto::Code;
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::IAllocationManager::{
    OperatorAddedToOperatorSet, OperatorRemovedFromOperatorSet,
};
use firn_proto::operation::eigenlayer::{Allocation, IAllocationManager, OperatorSet};

/// Blocks in one question: what public endpoints grant. EigenLayer's 100,800 on mainnet take eleven, for operators that have left.
const SPAN: u64 = 10_000;

impl Chain {
    /// The last block at which a slash in these strategies takes anything, as of `block`; zero where there is nothing to take.
    pub(super) async fn last_block(
        &self,
        operator: Address,
        set: &OperatorSet,
        strategies: &[Address],
        block: BlockReference,
    ) -> Result<u64, Trouble> {
        let manager = self.allocation_manager;
        let allocations = futures::future::join_all(strategies.iter().map(|strategy| {
            let operator_set = OperatorSet { avs: set.avs, id: set.id };
            let call =
                IAllocationManager::getAllocationCall { operator, operatorSet: operator_set, strategy: *strategy };
            self.read(manager, call, block)
        }));
        let mut last = 0;
        for allocation in allocations.await {
            // It answers for every strategy: what does not read is a bad answer, and not an allocation of nothing.
            let allocation = allocation.map_err(|_| Trouble::Unavailable(Code::ChainUnavailable))?;
            last = last.max(allocated_until(&allocation));
        }
        Ok(last.min(self.registered_until(operator, set, block).await?))
    }

    /// The last block at which the operator is slashable by the set, if it has left it.
    async fn registered_until(
        &self,
        operator: Address,
        set: &OperatorSet,
        block: BlockReference,
    ) -> Result<u64, Trouble> {
        let manager = self.allocation_manager;
        let operator_set = OperatorSet { avs: set.avs, id: set.id };
        let member = IAllocationManager::isMemberOfOperatorSetCall { operator, operatorSet: operator_set };
        // Where that is not there or fails, the logs decide.
        if self.read(manager, member, block).await.unwrap_or(false) {
            return Ok(u64::MAX);
        }
        let delay = self.read(manager, IAllocationManager::DEALLOCATION_DELAYCall {}, block).await;
        let delay = u64::from(or_absent(delay)?);
        let mut until = u64::MAX;
        let mut first = block.number.saturating_sub(delay);
        while first <= block.number {
            let last = block.number.min(first.saturating_add(SPAN - 1));
            let events =
                vec![OperatorAddedToOperatorSet::SIGNATURE_HASH, OperatorRemovedFromOperatorSet::SIGNATURE_HASH];
            let filter = Filter::new().address(manager).event_signature(events).topic1(operator.into_word());
            let logs = self.provider.get_logs(&filter.from_block(first).to_block(last)).await.map_err(unavailable)?;
            // No endpoint is believed that answers something else than it was asked.
            let is_asked = |log: &Log| {
                let block = log.block_number.is_some_and(|block| (first..=last).contains(&block));
                block && log.address() == manager && !log.removed && log.topics().get(1) == Some(&operator.into_word())
            };
            if !logs.iter().all(is_asked) {
                return Err(Trouble::Unavailable(Code::ChainUnavailable));
            }
            until = logs.iter().filter_map(|log| left(log, set, delay)).next_back().unwrap_or(until);
            let Some(next) = last.checked_add(1) else { break };
            first = next;
        }
        Ok(until)
    }
}

/// The last block at which anything is allocated; an allocation that only begins later counts, as its request may wait for it.
fn allocated_until(allocation: &Allocation) -> u64 {
    let after = i128::from(allocation.currentMagnitude).saturating_add(allocation.pendingDiff);
    match (allocation.currentMagnitude, after > 0) {
        (_, true) => u64::MAX,
        (0, false) => 0,
        (_, false) => u64::from(allocation.effectBlock).saturating_sub(1),
    }
}

/// What a log says of the operator in this set: slashable through the delay's last block where it has left, without end where it has come.
fn left(log: &Log, set: &OperatorSet, delay: u64) -> Option<u64> {
    let is_this = |named: &OperatorSet| (named.avs, named.id) == (set.avs, set.id);
    if let Ok(event) = OperatorRemovedFromOperatorSet::decode_log(&log.inner) {
        return log.block_number.filter(|_| is_this(&event.operatorSet)).map(|block| block.saturating_add(delay));
    }
    let event = OperatorAddedToOperatorSet::decode_log(&log.inner).ok()?;
    is_this(&event.operatorSet).then_some(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_an_allocation_lasts_until_the_block_before_it_is_gone() {
        let until = |current, difference, block| {
            allocated_until(&Allocation { currentMagnitude: current, pendingDiff: difference, effectBlock: block })
        };
        assert_eq!(until(10, 0, 0), u64::MAX);
        assert_eq!(until(10, -9, 500), u64::MAX, "something is left");
        assert_eq!(until(10, -10, 500), 499);
        assert_eq!(until(0, 0, 0), 0);
        assert_eq!(until(0, 10, 500), u64::MAX, "it begins later");
    }

    #[test]
    fn r17_who_left_is_slashable_through_the_delay_and_who_came_back_without_end() {
        let (operator, avs) = (Address::repeat_byte(0x22), Address::repeat_byte(0x11));
        let set = |id| OperatorSet { avs, id };
        let log = |data: alloy::primitives::LogData| Log {
            inner: alloy::primitives::Log { address: Address::ZERO, data },
            block_number: Some(40),
            ..Log::default()
        };
        let removed = |id| log(OperatorRemovedFromOperatorSet { operator, operatorSet: set(id) }.encode_log_data());
        let added = log(OperatorAddedToOperatorSet { operator, operatorSet: set(7) }.encode_log_data());
        assert_eq!(left(&removed(7), &set(7), 25), Some(65));
        assert_eq!(left(&removed(8), &set(7), 25), None, "another set");
        assert_eq!(left(&added, &set(7), 25), Some(u64::MAX));
    }
}
