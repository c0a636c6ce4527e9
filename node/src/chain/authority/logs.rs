//! What the contracts have logged since they are there. Final blocks do not change: what was read is kept.

use super::abi::{IGate, IManager, ITimelock, ITreasury};
use crate::chain::{Chain, Trouble, unavailable};
use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use firn_proto::Code;
use firn_proto::definition::Contracts;
use std::collections::BTreeSet;

/// Blocks in one question, at most: what public endpoints grant. Where one grants less, it is asked for half, down to the least.
const SPAN: (u64, u64) = (100, 10_000);
/// Questions in one survey; the next goes on from there. At the greatest span they cover 27 years of blocks of 12 s.
const QUESTIONS_MAX: u32 = 7_000;
/// Blocks that are read once more each time: three hours of 12 s each.
const OVERLAP: u64 = 1_000;
/// Logs that are kept. Only holders of roles can have them written.
const LOGS_MAX: usize = 100_000;

/// The logs of one AVS's contracts.
pub(super) struct Logs {
    addresses: [Address; 4],
    since: u64,
    next: u64,
    span: u64,
    found: Vec<Log>,
}

impl Logs {
    pub(super) fn new(contracts: &Contracts, since: u64) -> Self {
        let addresses = [contracts.manager, contracts.timelock, contracts.gate, contracts.treasury];
        Self { addresses, since, next: since, span: SPAN.1, found: Vec::new() }
    }

    /// Reads on up to this block. What was read before a failure is kept, so that the next try gets further.
    pub(super) async fn read(&mut self, chain: &Chain, newest: u64) -> Result<(), Trouble> {
        let mut questions = 0;
        // Once more from a while ago: behind one address may be machines of which some lacked the newest blocks.
        self.next = self.next.saturating_sub(OVERLAP).max(self.since);
        let place = |log: &Log| (log.block_number, log.log_index);
        let mut known: BTreeSet<_> = self.found.iter().map(place).collect();
        while self.next <= newest {
            questions += 1;
            if questions > QUESTIONS_MAX || self.found.len() > LOGS_MAX {
                return Err(Trouble::Unavailable(Code::ChainUnavailable));
            }
            let (first, last) = (self.next, newest.min(self.next.saturating_add(self.span - 1)));
            let filter = Filter::new().address(self.addresses.to_vec()).event_signature(wanted());
            let logs = chain.provider.get_logs(&filter.from_block(first).to_block(last)).await;
            match logs {
                Ok(logs) => {
                    // No endpoint is believed that answers something else than it was asked.
                    if !logs.iter().all(|log| self.is_asked(log, first, last)) {
                        return Err(Trouble::Unavailable(Code::ChainUnavailable));
                    }
                    self.found.extend(logs.into_iter().filter(|log| known.insert(place(log))));
                    self.next = last.saturating_add(1);
                }
                Err(error) if error.as_error_resp().is_some() && self.span > SPAN.0 => {
                    self.span = (self.span / 2).max(SPAN.0);
                }
                Err(error) => return Err(unavailable(error)),
            }
        }
        Ok(())
    }

    fn is_asked(&self, log: &Log, first: u64, last: u64) -> bool {
        let in_range = log.block_number.is_some_and(|block| (first..=last).contains(&block));
        in_range && !log.removed && self.addresses.contains(&log.address())
    }

    /// What a contract has logged of one kind, in order.
    pub(super) fn of<E: SolEvent>(&self, address: Address) -> impl Iterator<Item = E> {
        let by = move |log: &&Log| log.address() == address && log.topic0() == Some(&E::SIGNATURE_HASH);
        self.found.iter().filter(by).filter_map(|log| Some(E::decode_log(&log.inner).ok()?.data))
    }
}

fn wanted() -> Vec<B256> {
    vec![
        IManager::RoleGranted::SIGNATURE_HASH,
        IManager::RoleGrantDelayChanged::SIGNATURE_HASH,
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
