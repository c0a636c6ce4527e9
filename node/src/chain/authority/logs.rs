//! What the contracts have logged since they are there. Final blocks do not change: what was read is kept.

use super::abi::{IGate, IManager, ITimelock, ITreasury};
use crate::chain::logs::{Blocks, Questions, YEARS};
use crate::chain::{Chain, Trouble};
use alloy::primitives::{Address, B256};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use firn_proto::Code;
use firn_proto::definition::Contracts;
use std::collections::BTreeSet;

/// Blocks that are read once more each time: three hours of 12 s each.
const OVERLAP: u64 = 1_000;
/// Logs that are kept. Only holders of roles can have them written.
const LOGS_MAX: usize = 100_000;

/// The logs of one AVS's contracts.
pub(super) struct Logs {
    filter: Filter,
    since: u64,
    blocks: Blocks,
    found: Vec<Log>,
}

impl Logs {
    pub(super) fn new(contracts: &Contracts, since: u64) -> Self {
        let addresses = vec![contracts.manager, contracts.timelock, contracts.gate, contracts.treasury];
        let filter = Filter::new().address(addresses).event_signature(wanted());
        Self { filter, since, blocks: Blocks::within(YEARS), found: Vec::new() }
    }

    /// Reads on up to this block. What was read before a failure is kept, so that the next try gets further.
    pub(super) async fn read(&mut self, chain: &Chain, newest: u64) -> Result<(), Trouble> {
        let Self { filter, since, blocks, found } = self;
        // Once more from a while ago: behind one address may be machines of which some lacked the newest blocks.
        blocks.forget_newest(OVERLAP);
        let place = |log: &Log| (log.block_number, log.log_index);
        let mut known: BTreeSet<_> = found.iter().map(place).collect();
        let mut questions = Questions::default();
        loop {
            let read = blocks.read(&chain.provider, filter, (*since, newest), false, &mut questions).await?;
            let Some((range, logs)) = read else { return Ok(()) };
            found.extend(logs.into_iter().filter(|log| known.insert(place(log))));
            blocks.take(range);
            if found.len() > LOGS_MAX {
                return Err(Trouble::Unavailable(Code::ChainUnavailable));
            }
        }
    }

    /// What a contract has logged of one kind, in no order.
    pub(super) fn of<E: SolEvent>(&self, address: Address) -> impl Iterator<Item = E> {
        let by = move |log: &&Log| log.address() == address && log.topic0() == Some(&E::SIGNATURE_HASH);
        self.found.iter().filter(by).filter_map(|log| Some(E::decode_log(&log.inner).ok()?.data))
    }
}

fn wanted() -> Vec<B256> {
    vec![
        IManager::RoleGranted::SIGNATURE_HASH,
        IManager::TargetFunctionRoleUpdated::SIGNATURE_HASH,
        IManager::TargetClosed::SIGNATURE_HASH,
        IManager::TargetAdminDelayUpdated::SIGNATURE_HASH,
        IManager::OperationScheduled::SIGNATURE_HASH,
        ITimelock::RoleGranted::SIGNATURE_HASH,
        ITimelock::CallScheduled::SIGNATURE_HASH,
        IGate::LimitsSet::SIGNATURE_HASH,
        ITreasury::PayeeSet::SIGNATURE_HASH,
    ]
}
