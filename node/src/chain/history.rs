//! Slashes of the past, from the AllocationManager's logs. Final blocks do not change: each is read once, in ranges that an
//! endpoint grants, and what a budget needs is answered from memory.

use super::{Trouble, unavailable};
use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use firn_proto::Code;
use firn_proto::definition::Content;
use firn_proto::limits::{HISTORY_SECONDS_MAX, PAST_SLASHES_MAX};
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::IAllocationManager::OperatorSlashed;
use firn_proto::policy::{PastSlash, SlashHistory};
use firn_proto::time::WallTime;
use std::collections::BTreeSet;
use tokio::sync::Mutex;

/// Blocks in one question, at most: what public endpoints grant. Where one grants less, it is asked for half, down to the least.
const SPAN: (u64, u64) = (500, 10_000);
/// Questions for one history: at the least span 30 days of 12 s take 432 of them, at the greatest 22.
const QUESTIONS_MAX: u32 = 600;

/// What was read of the chain so far.
pub(super) struct History {
    manager: Address,
    /// The network's operator sets: slashes in others are nobody's business here.
    sets: BTreeSet<(Address, u32)>,
    read: Mutex<Read>,
}

struct Read {
    /// The range of blocks that has been read, with the time of its first; nothing before the first question.
    range: Option<(u64, WallTime, u64)>,
    slashes: Vec<(u64, PastSlash)>,
    span: u64,
}

impl History {
    pub(super) fn new(definition: &Content) -> Self {
        Self {
            manager: definition.chain.allocation_manager,
            sets: definition.operator_sets.iter().map(|set| (set.avs, set.id)).collect(),
            read: Mutex::new(Read { range: None, slashes: Vec::new(), span: SPAN.1 }),
        }
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
        let mut questions = 0;
        while let Some((first, last)) = read.next(block.number, time, seconds) {
            questions += 1;
            if questions > QUESTIONS_MAX {
                return Err(Trouble::Unavailable(Code::SlashHistoryUnavailable));
            }
            match self.slashes(provider, first, last).await {
                Ok((slashes, began)) => read.take(first, began, last, slashes),
                Err(Trouble::Reverted) if read.span > SPAN.0 => read.span = (read.span / 2).max(SPAN.0),
                Err(trouble) => return Err(trouble),
            }
        }
        read.slashes.retain(|(_, slash)| slash.time.0.saturating_add(HISTORY_SECONDS_MAX) > time.0);
        let in_window = |(number, slash): &&(u64, PastSlash)| {
            *number <= block.number && slash.time.0.saturating_add(seconds) > time.0
        };
        let slashes: Vec<_> = read.slashes.iter().filter(in_window).map(|(_, slash)| slash.clone()).collect();
        if slashes.len() > PAST_SLASHES_MAX {
            return Err(Trouble::Unavailable(Code::SlashHistoryUnavailable));
        }
        Ok(SlashHistory { time, slashes })
    }

    /// The network's slashes in these blocks, and the time of the first block. `Reverted` where the endpoint wants fewer.
    async fn slashes(
        &self,
        provider: &DynProvider,
        first: u64,
        last: u64,
    ) -> Result<(Vec<(u64, PastSlash)>, WallTime), Trouble> {
        let filter = Filter::new().address(self.manager).event_signature(OperatorSlashed::SIGNATURE_HASH);
        let logs = provider.get_logs(&filter.from_block(first).to_block(last)).await;
        let logs = logs.map_err(|error| match error.as_error_resp() {
            Some(_) => Trouble::Reverted,
            None => unavailable(error),
        })?;
        let began = block_time(provider, first).await?;
        let mut slashes = Vec::new();
        for log in logs {
            let Some((number, mut slash)) = decode(&log, self.manager, first, last) else {
                return Err(Trouble::Unavailable(Code::SlashHistoryUnavailable));
            };
            if self.sets.contains(&(slash.avs, slash.operator_set_id)) {
                slash.time = block_time(provider, number).await?;
                slashes.push((number, slash));
            }
        }
        Ok((slashes, began))
    }
}

impl Read {
    /// The next range to be read: first what is new, then further back, until the window is covered.
    fn next(&self, newest: u64, time: WallTime, seconds: u64) -> Option<(u64, u64)> {
        let Some((first, began, last)) = self.range else {
            return Some((newest.saturating_sub(self.span - 1), newest));
        };
        if last < newest {
            return Some((last + 1, newest.min(last.saturating_add(self.span))));
        }
        let covered = first == 0 || began.0.saturating_add(seconds) <= time.0;
        (!covered).then(|| (first.saturating_sub(self.span), first - 1))
    }

    fn take(&mut self, first: u64, began: WallTime, last: u64, slashes: Vec<(u64, PastSlash)>) {
        self.range = Some(match self.range {
            Some((from, since, _)) if from < first => (from, since, last),
            Some((_, _, to)) => (first, began, to),
            None => (first, began, last),
        });
        self.slashes.extend(slashes);
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

async fn block_time(provider: &DynProvider, number: u64) -> Result<WallTime, Trouble> {
    let block = provider.get_block_by_number(number.into()).await.map_err(unavailable)?;
    let header = block.ok_or(Trouble::Unavailable(Code::ChainUnavailable))?.header;
    Ok(WallTime(header.timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    /// Reads until nothing is lacking, of a chain with a block every 12 s from time 0; the ranges.
    fn ranges(read: &mut Read, newest: u64, seconds: u64) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        while let Some((first, last)) = read.next(newest, WallTime(newest * 12), seconds) {
            read.take(first, WallTime(first * 12), last, Vec::new());
            all.push((first, last));
        }
        all
    }

    fn fresh() -> Read {
        Read { range: None, slashes: Vec::new(), span: 100 }
    }

    #[test]
    fn r14_every_block_of_the_window_is_read_once_and_no_more_than_that() {
        let mut read = fresh();
        assert_eq!(ranges(&mut read, 1_000, 2_400), [(901, 1_000), (801, 900), (701, 800)]);
        assert_eq!(ranges(&mut read, 1_000, 2_400), []);
        assert_eq!(ranges(&mut read, 1_001, 2_400), [(1_001, 1_001)]);
        assert_eq!(ranges(&mut read, 1_250, 2_400), [(1_002, 1_101), (1_102, 1_201), (1_202, 1_250)]);
        assert_eq!(ranges(&mut read, 900, 60), [], "an endpoint that is behind");
        assert_eq!(ranges(&mut read, 1_250, 100_000).last(), Some(&(0, 0)));
        assert_eq!(ranges(&mut fresh(), 5, 100_000), [(0, 5)], "a young chain");
    }

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
