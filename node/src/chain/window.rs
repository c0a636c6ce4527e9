//! Until when a slash takes anything: what the operator has allocated to the set, and when that ends or the operator is gone.

use super::logs::{Blocks, Questions};
use super::{Chain, Trouble, or_absent};
use alloy::primitives::Address;
use alloy::providers::DynProvider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use firn_proto::Code;
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::IAllocationManager::{
    OperatorAddedToOperatorSet, OperatorRemovedFromOperatorSet,
};
use firn_proto::operation::eigenlayer::{Allocation, IAllocationManager, OperatorSet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Operators whose coming and going is remembered.
const OPERATORS_MAX: usize = 256;

/// What was read of operators' coming to the network's sets and going.
pub(super) struct Memberships {
    sets: BTreeSet<(Address, u32)>,
    /// How often was asked, and what is known of each operator.
    read: Mutex<(u64, BTreeMap<Address, Remembered>)>,
}

/// What was read of one operator, and when it was asked for last.
struct Remembered {
    asked: u64,
    membership: Arc<Mutex<Membership>>,
}

/// An operator's changes.
struct Membership {
    blocks: Blocks,
    /// The newest change for each set in these blocks: its block and place there, and whether the operator left.
    changes: BTreeMap<(Address, u32), Change>,
}

/// Ordered by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Change {
    block: u64,
    place: u64,
    left: bool,
}

impl Chain {
    /// The last block at which a slash in these strategies takes anything, as of `block`; zero where there is nothing to take.
    pub(super) async fn last_block(
        &self,
        operator: Address,
        set: &OperatorSet,
        strategies: &[Address],
        slashable: bool,
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
        // Who is not slashable now has no end of it to be looked for.
        if !slashable || last == 0 {
            return Ok(last);
        }
        Ok(last.min(self.registered_until(operator, set, block).await?))
    }

    /// The last block at which the operator, who is slashable at this one, is so by the set.
    async fn registered_until(
        &self,
        operator: Address,
        set: &OperatorSet,
        block: BlockReference,
    ) -> Result<u64, Trouble> {
        let manager = self.allocation_manager;
        let operator_set = OperatorSet { avs: set.avs, id: set.id };
        let member = IAllocationManager::isMemberOfOperatorSetCall { operator, operatorSet: operator_set };
        let member = match self.read(manager, member, block).await {
            Ok(true) => return Ok(u64::MAX),
            Ok(false) => Some(false),
            // Where that is not there, the logs decide.
            Err(Trouble::Reverted) => None,
            Err(trouble) => return Err(trouble),
        };
        let delay = self.read(manager, IAllocationManager::DEALLOCATION_DELAYCall {}, block).await;
        let delay = u64::from(or_absent(delay)?);
        let change = self.memberships.newest(&self.provider, manager, operator, set, (block.number, delay)).await?;
        let until = slashable_until(member, change, block.number, delay);
        if until.is_none() {
            // Its logs may have lagged behind its blocks: they are read anew.
            self.memberships.read.lock().await.1.remove(&operator);
        }
        until.ok_or(Trouble::Unavailable(Code::ChainUnavailable))
    }
}

impl Memberships {
    pub(super) fn new(sets: BTreeSet<(Address, u32)>) -> Self {
        Self { sets, read: Mutex::default() }
    }

    /// The newest change between operator and set in the blocks of the delay. What was read before a failure is kept.
    async fn newest(
        &self,
        provider: &DynProvider,
        manager: Address,
        operator: Address,
        set: &OperatorSet,
        (block, delay): (u64, u64),
    ) -> Result<Option<Change>, Trouble> {
        let of_operator = self.of(operator).await;
        let mut read = of_operator.lock().await;
        let Membership { blocks, changes } = &mut *read;
        let events = vec![OperatorAddedToOperatorSet::SIGNATURE_HASH, OperatorRemovedFromOperatorSet::SIGNATURE_HASH];
        let filter = Filter::new().address(manager).event_signature(events).topic1(operator.into_word());
        let (oldest, mut questions) = (block.saturating_sub(delay), Questions::default());
        loop {
            let known = changes.get(&(set.avs, set.id)).filter(|change| change.block >= oldest).copied();
            match blocks.read(provider, &filter, (oldest, block), known.is_some(), &mut questions).await? {
                // It has happened later than the block: what was before it is not known any more.
                None if known.is_some_and(|change| change.block > block) => {
                    return Err(Trouble::Unavailable(Code::ChainUnavailable));
                }
                None => return Ok(known),
                Some((range, logs)) => {
                    let found: Option<Vec<_>> = logs.iter().map(change).collect();
                    for (set, change) in found.ok_or(Trouble::Unavailable(Code::ChainUnavailable))? {
                        if self.sets.contains(&set) {
                            let newest = changes.entry(set).or_insert(change);
                            *newest = change.max(*newest);
                        }
                    }
                    blocks.take(range);
                }
            }
        }
    }

    /// What is remembered of an operator, in the place of who was not asked for the longest.
    async fn of(&self, operator: Address) -> Arc<Mutex<Membership>> {
        let mut read = self.read.lock().await;
        let (asked, all) = &mut *read;
        *asked = asked.saturating_add(1);
        if all.len() >= OPERATORS_MAX && !all.contains_key(&operator) {
            let oldest = all.iter().min_by_key(|(_, of)| of.asked).map(|(operator, _)| *operator);
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        let nothing = || Membership { blocks: Blocks::new(), changes: BTreeMap::new() };
        let new = || Remembered { asked: 0, membership: Arc::new(Mutex::new(nothing())) };
        let of_operator = all.entry(operator).or_insert_with(new);
        of_operator.asked = *asked;
        Arc::clone(&of_operator.membership)
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

/// Until when an operator is slashable that is so at this block; `None` where the endpoint contradicts itself.
fn slashable_until(member: Option<bool>, change: Option<Change>, block: u64, delay: u64) -> Option<u64> {
    match (member, change) {
        (Some(true), _) | (None, None | Some(Change { left: false, .. })) => Some(u64::MAX),
        // Through the delay's last block.
        (_, Some(Change { left: true, block: at, .. })) => {
            Some(at.saturating_add(delay)).filter(|until| *until >= block)
        }
        (Some(false), _) => None,
    }
}

/// What a log says of its operator, and for which set; `None` where it does not read.
fn change(log: &Log) -> Option<((Address, u32), Change)> {
    let (block, place) = (log.block_number?, log.log_index?);
    let (set, left) = match OperatorRemovedFromOperatorSet::decode_log_validate(&log.inner) {
        Ok(event) => (event.data.operatorSet, true),
        Err(_) => (OperatorAddedToOperatorSet::decode_log_validate(&log.inner).ok()?.data.operatorSet, false),
    };
    Some(((set.avs, set.id), Change { block, place, left }))
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
        let change = |block, left| Some(Change { block, place: 0, left });
        assert_eq!(slashable_until(None, change(40, true), 50, 25), Some(65));
        assert_eq!(slashable_until(Some(false), change(40, true), 65, 25), Some(65), "the last block");
        assert_eq!(slashable_until(None, change(40, false), 50, 25), Some(u64::MAX));
        assert_eq!(slashable_until(None, None, 50, 25), Some(u64::MAX), "it was there all the time");
        assert_eq!(slashable_until(Some(true), change(40, true), 50, 25), Some(u64::MAX));
    }

    #[test]
    fn r17_an_endpoint_that_contradicts_itself_says_nothing() {
        let change = |block, left| Some(Change { block, place: 0, left });
        assert_eq!(slashable_until(Some(false), None, 50, 25), None, "not there, slashable, and it never left");
        assert_eq!(slashable_until(Some(false), change(40, false), 50, 25), None, "not there, and came last");
        assert_eq!(slashable_until(None, change(40, true), 66, 25), None, "slashable, and gone for longer");
    }

    #[test]
    fn r17_a_log_is_of_its_set_and_in_its_place() {
        let (operator, avs) = (Address::repeat_byte(0x22), Address::repeat_byte(0x11));
        let operator_set = || OperatorSet { avs, id: 7 };
        let log = |data: alloy::primitives::LogData| Log {
            inner: alloy::primitives::Log { address: Address::ZERO, data },
            block_number: Some(40),
            log_index: Some(3),
            ..Log::default()
        };
        let removed = log(OperatorRemovedFromOperatorSet { operator, operatorSet: operator_set() }.encode_log_data());
        let added = log(OperatorAddedToOperatorSet { operator, operatorSet: operator_set() }.encode_log_data());
        assert_eq!(change(&removed), Some(((avs, 7), Change { block: 40, place: 3, left: true })));
        assert_eq!(change(&added), Some(((avs, 7), Change { block: 40, place: 3, left: false })));
        assert_eq!(change(&Log { log_index: None, ..added.clone() }), None);
        let mut cut = added;
        cut.inner.data.data = alloy::primitives::Bytes::new();
        assert_eq!(change(&cut), None);
    }

    #[tokio::test]
    async fn r17_no_more_operators_are_remembered_than_there_is_room_for() {
        let memberships = Memberships::new(BTreeSet::new());
        let operator = |number: usize| Address::left_padding_from(&number.to_be_bytes());
        let first = memberships.of(operator(0)).await;
        for number in 1..=OPERATORS_MAX {
            memberships.of(operator(number)).await;
            assert!(Arc::ptr_eq(&memberships.of(operator(0)).await, &first), "asked for all the time");
        }
        let read = memberships.read.lock().await;
        assert_eq!(read.1.len(), OPERATORS_MAX);
        assert!(!read.1.contains_key(&operator(1)), "the longest not asked for");
    }
}
