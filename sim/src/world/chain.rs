//! A chain as nodes see it: facts at a finalised block, and payloads that execute once.

use super::EPOCH;
use crate::scenario;
use crate::scenario::Micros;
use alloy_primitives::{Address, Bytes, U256};
use firn_coordinator::api::{AccountFacts, ChainAnswer, ChainQuery, SlashFacts, SubmissionOutcome};
use firn_proto::account::{Execute, account_address, execute_digest, verifier_address};
use firn_proto::message::BlockReference;
use firn_proto::policy::{PastSlash, SlashHistory};
use firn_proto::time::WallTime;
use firn_proto::{Definition, Digest, GroupSignature, Point, Request, SubjectId};
use gate::Gate;
use std::collections::BTreeMap;

mod gate;

/// A slot. A block is final at once or later, and nodes see it then or later still.
pub const SLOT: Micros = 12_000_000;

/// The block at time zero.
const FIRST: u64 = 1_000;

/// The simulated chain.
#[derive(Debug, Default)]
pub struct Chain {
    id: u64,
    now: Micros,
    accounts: BTreeMap<Address, Point>,
    slasher: Address,
    strategies: Vec<Address>,
    /// By account and nonce: the block.
    used: BTreeMap<(Address, U256), u64>,
    executions: Vec<Execute>,
    /// What they slashed, with the block.
    slashes: Vec<(u64, PastSlash)>,
    reverts: u64,
    gate: Option<Gate>,
    /// How long it takes until a block is final.
    finality: Micros,
    /// From when on which block was the last final one; and whether none becomes so, or until when none did.
    finalised: Vec<(Micros, u64)>,
    stalled: (bool, Micros),
    /// From which block on the chain is its how-manieth fork.
    forks: BTreeMap<u64, u64>,
}

impl Chain {
    /// A chain with one operator set of these strategies.
    #[must_use]
    pub fn new(id: u64, strategies: Vec<Address>) -> Self {
        Self { id, strategies, finalised: vec![(0, FIRST)], ..Self::default() }
    }

    /// Puts the gate of the AVS up, where it has one; `revives` is a bug.
    pub(super) fn put_gate(&mut self, definition: &Definition, gate: Option<&scenario::Gate>, revives: bool) {
        let address = definition.contracts.first().map(|contracts| contracts.gate);
        self.gate = address.zip(gate).map(|(address, gate)| Gate::new(address, gate, revives));
    }

    /// Knows from now on what a request's payloads call.
    pub(super) fn announce(&mut self, request: &Request, definition: &Definition) {
        self.gate.iter_mut().for_each(|gate| gate.announce(request, definition));
    }

    /// Deploys the account of a group key; the slasher is the gate or, where there is none, the account.
    pub fn deploy(&mut self, group_key: Point) -> Address {
        let account = account_address(&group_key);
        self.accounts.insert(account, group_key);
        self.slasher = self.gate.as_ref().map_or(account, |gate| gate.address);
        account
    }

    /// What has executed, in order.
    #[must_use]
    pub fn executions(&self) -> &[Execute] {
        &self.executions
    }

    /// What was slashed, in order.
    #[must_use]
    pub fn slashes(&self) -> &[(u64, PastSlash)] {
        &self.slashes
    }

    /// How many payloads were refused.
    #[must_use]
    pub fn reverts(&self) -> u64 {
        self.reverts
    }

    /// The newest block.
    #[must_use]
    pub fn number(&self) -> u64 {
        FIRST + self.now / SLOT
    }

    /// The time of a block.
    #[must_use]
    pub fn time_of(&self, block: u64) -> WallTime {
        time_of(block)
    }

    /// When what a request has scheduled can be executed, as of a block; `None` where nothing is, or is no more.
    #[must_use]
    pub fn ready(&self, request: SubjectId, block: u64) -> Option<WallTime> {
        self.gate.as_ref()?.ready(request, block)
    }

    /// When it was to be ready, if it was ever scheduled, and whether it was cancelled since.
    #[must_use]
    pub fn once_ready(&self, request: SubjectId, block: u64) -> Option<(WallTime, bool)> {
        self.gate.as_ref()?.once_ready(request, block)
    }

    /// Somebody cancels what a request has scheduled, in the next block; false where there is nothing.
    pub(super) fn cancel(&mut self, request: SubjectId) -> bool {
        let block = self.number() + 1;
        self.gate.as_mut().is_some_and(|gate| gate.cancel(request, block))
    }

    pub(super) fn set_finality(&mut self, finality: Micros) {
        self.finality = finality;
    }

    pub(super) fn advance(&mut self, now: Micros) {
        self.now = now;
        let slots = now.saturating_sub(self.finality) / SLOT;
        let known = self.finalised.last().map_or(FIRST, |(_, number)| *number);
        if !self.stalled.0 && FIRST + slots > known {
            let since = slots * SLOT + self.finality;
            self.finalised.push((since.max(self.stalled.1), FIRST + slots));
        }
    }

    /// Has no block become final, or the chain go on.
    pub(super) fn stall(&mut self, stalled: bool) {
        self.stalled = (stalled, self.now);
        self.advance(self.now);
    }

    /// The last block that was final at a time.
    #[must_use]
    pub fn final_at(&self, time: Micros) -> BlockReference {
        let number = self.finalised.iter().rev().find(|(since, _)| *since <= time).map_or(FIRST, |(_, number)| *number);
        self.reference(number)
    }

    /// Whether a block is one of this chain, and final.
    #[must_use]
    pub fn is_final(&self, block: BlockReference) -> bool {
        block.number <= self.final_at(self.now).number && block == self.reference(block.number)
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> BlockReference {
        self.reference(self.number())
    }

    fn reference(&self, number: u64) -> BlockReference {
        let mut hash = [0; 32];
        let fork = self.forks.range(..=number).next_back().map_or(0, |(_, fork)| *fork);
        if let Some(end) = hash.last_chunk_mut() {
            *end = fork.to_be_bytes();
        }
        BlockReference { number, hash: Digest(hash) }
    }

    /// Replaces the newest blocks, so many at most and none that is final, and what waits for the next one; the nonces that are unused
    /// again, and whose cancellations are gone.
    pub(super) fn reorganise(&mut self, depth: u64) -> (Vec<U256>, Vec<SubjectId>) {
        let kept = self.final_at(self.now).number.max(self.number().saturating_sub(depth));
        let fork = self.forks.values().max().map_or(1, |last| last + 1);
        self.forks.retain(|first, _| *first <= kept);
        self.forks.insert(kept + 1, fork);
        let gone: Vec<_> = self.used.iter().filter(|(_, block)| **block > kept).map(|((_, nonce), _)| *nonce).collect();
        self.used.retain(|_, block| *block <= kept);
        self.executions.retain(|execute| !gone.contains(&execute.nonce));
        self.slashes.retain(|(block, _)| *block <= kept);
        (gone, self.gate.as_mut().map(|gate| gate.reorganise(kept)).unwrap_or_default())
    }

    pub(super) fn answer(&self, query: &ChainQuery, block: BlockReference) -> ChainAnswer {
        let used = |account: &Address, nonce: &U256| {
            self.used.get(&(*account, *nonce)).is_some_and(|number| *number <= block.number)
        };
        match query {
            ChainQuery::Slash { account, nonce, history_seconds, gate, .. } => ChainAnswer::Slash(SlashFacts {
                head: self.number(),
                gate: self.gate.as_ref().zip(gate.as_deref()).map(|(gate, query)| gate.facts(query, block.number)),
                block,
                slasher: self.slasher,
                slashable: true,
                strategies: self.strategies.clone(),
                signer: self.accounts.get(account).map(signer),
                nonce_used: used(account, nonce),
                history: history_seconds.map(|seconds| self.history(block.number, seconds)),
                last_block: u64::MAX,
                takes: None,
            }),
            ChainQuery::Account { account, nonce, .. } => ChainAnswer::Account(AccountFacts {
                block,
                signer: self.accounts.get(account).map(signer),
                nonce_used: used(account, nonce),
                calls_succeed: true,
            }),
            ChainQuery::NonceUsed { account, nonce } => ChainAnswer::NonceUsed { block, used: used(account, nonce) },
        }
    }

    fn history(&self, block: u64, seconds: u64) -> SlashHistory {
        let time = time_of(block);
        let within = |(number, slash): &&(u64, PastSlash)| *number <= block && slash.time.0 + seconds > time.0;
        SlashHistory { time, slashes: self.slashes.iter().filter(within).map(|(_, slash)| slash.clone()).collect() }
    }

    /// Executes a payload as `FrostAccount` would, in the next block: signature by the account's key, each nonce once.
    /// Beside the outcome, whether the nonce was used before.
    pub(super) fn submit(
        &mut self,
        account: Address,
        execute: &Execute,
        signature: &GroupSignature,
    ) -> (SubmissionOutcome, bool) {
        let key = self.accounts.get(&account);
        let genuine = key.is_some_and(|key| signature.verifies(key, execute_digest(self.id, account, execute)));
        let used = self.used.contains_key(&(account, execute.nonce));
        let block = self.number() + 1;
        let slashed = if genuine && !used { self.call(execute, block) } else { None };
        let Some(slashed) = slashed else {
            self.reverts += 1;
            return (SubmissionOutcome::Reverted { data: Bytes::new() }, used);
        };
        self.used.insert((account, execute.nonce), block);
        self.executions.push(execute.clone());
        self.slashes.extend(slashed.into_iter().map(|slash| (block, slash)));
        (SubmissionOutcome::Included { transaction: Digest::default().0.into(), gas: 0 }, false)
    }

    /// Makes a payload's calls in a block; what they slash. `None` where one reverts, and all with it.
    fn call(&mut self, execute: &Execute, block: u64) -> Option<Vec<PastSlash>> {
        let Some(gate) = &mut self.gate else {
            let slashes = execute.calls.iter().filter_map(PastSlash::of_call);
            return Some(slashes.map(|slash| PastSlash { time: time_of(block), ..slash }).collect());
        };
        // Payloads have one call here: there is none to be taken back.
        let [call] = execute.calls.as_slice() else { return None };
        gate.call(call, block).map(|slashed| slashed.into_iter().collect())
    }
}

/// The first block at or after a time.
pub(super) fn block_at(time: Micros) -> u64 {
    FIRST + time.div_ceil(SLOT)
}

fn time_of(block: u64) -> WallTime {
    WallTime(EPOCH + block.saturating_sub(FIRST) * SLOT / 1_000_000)
}

fn signer(key: &Point) -> Bytes {
    [verifier_address().as_slice(), &key.x(), &key.y()].concat().into()
}
