//! Logs for whoever watches the chain: those of final blocks, in their order, each with a name that stays.

use super::logs::{Blocks, EVENTS, Questions};
use super::{Chain, Trouble, history};
use alloy::primitives::B256;
use alloy::rpc::types::{Filter, Log};
use firn_proto::Code;
use firn_proto::operation::eigenlayer::IAllocationManager;
use firn_proto::time::WallTime;
use std::collections::BTreeMap;

/// Where a log stands in the chain: its block, and its place there.
pub(crate) type Place = (u64, u64);

/// A log of a final block.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) transaction: B256,
    pub(crate) log: alloy::primitives::Log,
}

impl Chain {
    /// The finalised block's number.
    ///
    /// # Errors
    /// Why the endpoint could not tell.
    pub(crate) async fn final_number(&self) -> Result<u64, Code> {
        self.checked_block().await.map(|(block, _)| block.number).map_err(code)
    }

    /// The logs of these blocks, which the caller knows to be final.
    ///
    /// # Errors
    /// Why the endpoint could not tell.
    pub(crate) async fn events(&self, filter: &Filter, wanted: (u64, u64)) -> Result<Vec<Event>, Code> {
        let (mut blocks, mut questions, mut found) = (Blocks::within(EVENTS), Questions::default(), BTreeMap::new());
        while let Some((range, logs)) =
            blocks.read(&self.provider, filter, wanted, false, &mut questions).await.map_err(code)?
        {
            for log in logs {
                // An endpoint that leaves out where a log stands is not believed.
                let event = event(log, range).ok_or(Code::ChainUnavailable)?;
                found.insert(event.place, event);
            }
            blocks.take(range);
        }
        Ok(found.into_values().collect())
    }

    /// When a block was made.
    ///
    /// # Errors
    /// Why the endpoint could not tell.
    pub(crate) async fn time_of(&self, number: u64) -> Result<WallTime, Code> {
        history::block_time(&self.provider, number).await.map_err(code)
    }

    /// For how many blocks an operator stays slashable that leaves a set, or takes back an allocation; `None` where the core does not say.
    ///
    /// # Errors
    /// Why the endpoint could not tell.
    pub(crate) async fn leaving_blocks(&self) -> Result<Option<u64>, Code> {
        let (block, _) = self.checked_block().await.map_err(code)?;
        let asked = self.read(self.allocation_manager, IAllocationManager::DEALLOCATION_DELAYCall {}, block).await;
        match asked {
            Ok(blocks) => Ok(Some(blocks.into())),
            Err(Trouble::Reverted) => Ok(None),
            Err(trouble) => Err(code(trouble)),
        }
    }
}

fn event(log: Log, (first, last): (u64, u64)) -> Option<Event> {
    let block = log.block_number.filter(|block| (first..=last).contains(block))?;
    Some(Event { place: (block, log.log_index?), transaction: log.transaction_hash?, log: log.inner })
}

fn code(trouble: Trouble) -> Code {
    match trouble {
        Trouble::Unavailable(code) => code,
        Trouble::Reverted => Code::ChainUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_its_place_in_the_blocks_asked_for_or_is_none() {
        let whole = Log {
            block_number: Some(40),
            log_index: Some(3),
            transaction_hash: Some(B256::repeat_byte(0xd1)),
            ..Log::default()
        };
        assert_eq!(event(whole.clone(), (40, 40)).unwrap().place, (40, 3));
        assert!(event(whole.clone(), (41, 50)).is_none(), "not asked for");
        for odd in [
            Log { block_number: None, ..whole.clone() },
            Log { log_index: None, ..whole.clone() },
            Log { transaction_hash: None, ..whole },
        ] {
            assert!(event(odd, (0, u64::MAX)).is_none());
        }
    }
}
