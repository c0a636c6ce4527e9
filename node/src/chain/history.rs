//! Slashes of the past, from the AllocationManager's logs: what a budget needs is answered from memory.

use super::logs::{Blocks, Questions};
use super::{Trouble, unavailable};
use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use firn_proto::Code;
use firn_proto::limits::{HISTORY_SECONDS_MAX, PAST_SLASHES_MAX};
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::IAllocationManager::OperatorSlashed;
use firn_proto::policy::{PastSlash, SlashHistory};
use firn_proto::time::WallTime;
use std::collections::BTreeSet;
use tokio::sync::Mutex;

/// What was read of the chain so far.
pub(super) struct History {
    manager: Address,
    /// The network's operator sets: slashes in others are nobody's business here.
    sets: BTreeSet<(Address, u32)>,
    read: Mutex<Read>,
}

struct Read {
    blocks: Blocks,
    /// The time of the first of them.
    began: WallTime,
    slashes: Vec<(u64, PastSlash)>,
}

impl History {
    pub(super) fn new(manager: Address, sets: BTreeSet<(Address, u32)>) -> Self {
        let read = Read { blocks: Blocks::new(), began: WallTime::default(), slashes: Vec::new() };
        Self { manager, sets, read: Mutex::new(read) }
    }

    /// What was slashed in so many seconds up to a final block of that time. What was read before a failure is kept, so that the
    /// next question gets further.
    pub(super) async fn up_to(
        &self,
        provider: &DynProvider,
        block: BlockReference,
        time: WallTime,
        seconds: u64,
    ) -> Result<SlashHistory, Trouble> {
        let mut read = self.read.lock().await;
        let Read { blocks, began, slashes } = &mut *read;
        let filter = Filter::new().address(self.manager).event_signature(OperatorSlashed::SIGNATURE_HASH);
        let mut questions = Questions::default();
        loop {
            let covered = blocks.first().is_some() && began.0.saturating_add(seconds) <= time.0;
            let found = blocks.read(provider, &filter, (0, block.number), covered, &mut questions).await?;
            let Some((range, logs)) = found else { break };
            let since = block_time(provider, range.0).await?;
            slashes.extend(self.slashes(provider, range, &logs).await?);
            if blocks.first().is_none_or(|first| range.0 < first) {
                *began = since;
            }
            blocks.take(range);
        }
        slashes.retain(|(_, slash)| slash.time.0.saturating_add(HISTORY_SECONDS_MAX) > time.0);
        let in_window = |(number, slash): &&(u64, PastSlash)| {
            *number <= block.number && slash.time.0.saturating_add(seconds) > time.0
        };
        let slashes: Vec<_> = slashes.iter().filter(in_window).map(|(_, slash)| slash.clone()).collect();
        if slashes.len() > PAST_SLASHES_MAX {
            return Err(Trouble::Unavailable(Code::SlashHistoryUnavailable));
        }
        Ok(SlashHistory { time, slashes })
    }

    /// The network's slashes among these logs, which are all of these blocks.
    async fn slashes(
        &self,
        provider: &DynProvider,
        (first, last): (u64, u64),
        logs: &[Log],
    ) -> Result<Vec<(u64, PastSlash)>, Trouble> {
        let mut slashes = Vec::new();
        for log in logs {
            let Some((number, mut slash)) = decode(log, self.manager, first, last) else {
                return Err(Trouble::Unavailable(Code::SlashHistoryUnavailable));
            };
            if self.sets.contains(&(slash.avs, slash.operator_set_id)) {
                slash.time = block_time(provider, number).await?;
                slashes.push((number, slash));
            }
        }
        Ok(slashes)
    }
}

/// What a log says, without its time; `None` where it is not what was asked for.
fn decode(log: &Log, manager: Address, first: u64, last: u64) -> Option<(u64, PastSlash)> {
    let number = log.block_number.filter(|number| (first..=last).contains(number) && !log.removed)?;
    if log.address() != manager || log.topics() != [B256::from(OperatorSlashed::SIGNATURE_HASH)] {
        return None;
    }
    // Without validation: the chain takes descriptions that are no UTF-8, and whoever slashes in a set of its own must not
    // blind everybody by one. Nothing of the description is used.
    let event = OperatorSlashed::decode_log(&log.inner).ok()?.data;
    if event.strategies.len() != event.wadSlashed.len() {
        return None;
    }
    let slash = PastSlash {
        avs: event.operatorSet.avs,
        operator_set_id: event.operatorSet.id,
        operator: event.operator,
        wads: event.strategies.into_iter().zip(event.wadSlashed).collect(),
        time: WallTime::default(),
    };
    Some((number, slash))
}

pub(super) async fn block_time(provider: &DynProvider, number: u64) -> Result<WallTime, Trouble> {
    let block = provider.get_block_by_number(number.into()).await.map_err(unavailable)?;
    let header = block.ok_or(Trouble::Unavailable(Code::ChainUnavailable))?.header;
    Ok(WallTime(header.timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    #[test]
    fn r14_a_log_is_eigenlayers_own_or_nothing() {
        let manager = Address::repeat_byte(0xa1);
        let event = OperatorSlashed {
            operator: Address::repeat_byte(0x22),
            operatorSet: firn_proto::operation::eigenlayer::OperatorSet { avs: Address::repeat_byte(0x11), id: 7 },
            strategies: vec![Address::repeat_byte(0x33)],
            wadSlashed: vec![U256::from(5)],
            description: "double signing".to_owned(),
        };
        let log = |event: &OperatorSlashed, address| Log {
            inner: alloy::primitives::Log { address, data: event.encode_log_data() },
            block_number: Some(40),
            ..Log::default()
        };
        let (number, slash) = decode(&log(&event, manager), manager, 40, 40).unwrap();
        assert_eq!((number, slash.operator_set_id, slash.operator), (40, 7, Address::repeat_byte(0x22)));
        assert_eq!(slash.wads, [(Address::repeat_byte(0x33), U256::from(5))]);
        assert_eq!(decode(&log(&event, Address::ZERO), manager, 40, 40), None, "another contract's");
        assert_eq!(decode(&log(&event, manager), manager, 41, 50), None, "not asked for");
        let removed = Log { removed: true, ..log(&event, manager) };
        assert_eq!(decode(&removed, manager, 40, 40), None);
        let mut odd = log(&event, manager);
        let text = odd.inner.data.data.windows(6).position(|bytes| bytes == b"double").unwrap();
        let mut bytes = odd.inner.data.data.to_vec();
        bytes[text] = 0xff;
        odd.inner.data.data = bytes.into();
        assert!(decode(&odd, manager, 40, 40).is_some(), "the chain takes descriptions that are no UTF-8");
        let uneven = OperatorSlashed { wadSlashed: Vec::new(), ..event };
        assert_eq!(decode(&log(&uneven, manager), manager, 40, 40), None);
    }
}
