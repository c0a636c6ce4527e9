//! What rules demand over time: who holds a budget, how long requests have waited by the chain's clock, and how many came in.
//!
//! A bucket's holder is a request that our vault lent a share for and whose end the finalised chain has not shown: the vault
//! lends none for another (docs/adr/0015-budgets.md), and we say so before anybody asks it.

use super::State;
use crate::api::SlashFacts;
use crate::engine::Engine;
use crate::limits::{EXECUTION_SECONDS, FINALITY_SECONDS};
use alloy_primitives::Address;
use firn_proto::limits::BLOCK_SECONDS;
use firn_proto::message::Status;
use firn_proto::policy::{Moment, Waited};
use firn_proto::request::{Request, second_of};
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, SubjectId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default, Debug)]
pub(crate) struct Limits {
    /// By bucket, and by evidence.
    pub(super) holders: BTreeMap<Digest, BTreeSet<SubjectId>>,
    /// Which executed request had a piece of evidence: none other ever has it.
    pub(super) decided: BTreeMap<Digest, SubjectId>,
    /// The newest block at which one of our requests was found executed. An older one may not show what it slashed.
    floor: u64,
    /// The latest time of the finalised chain that we have seen in any of our boots; zero before the first.
    clock: WallTime,
    /// Requests whose waiting time begins with the next block that is final.
    fresh: BTreeSet<SubjectId>,
    /// When requests came in, by rule and requester: the newest, as many as the rate allows.
    intake: BTreeMap<(String, Address), BTreeSet<(WallTime, SubjectId)>>,
}

impl Limits {
    pub(crate) fn clock(&self) -> WallTime {
        self.clock
    }

    /// The chain's clock only goes forward.
    pub(crate) fn see_time(&mut self, time: WallTime) {
        self.clock = self.clock.max(time);
    }

    pub(crate) fn see_executed(&mut self, block: u64) {
        self.floor = self.floor.max(block);
    }

    /// Whether it holds anything: its end must not be missed.
    pub(crate) fn is_holder(&self, id: SubjectId) -> bool {
        self.holders.values().any(|holders| holders.contains(&id))
    }
}

impl Engine {
    /// What pauses and the policy say to our lending a share at this moment, without what only the chain's slashes tell.
    pub(crate) fn permitted(&self, id: SubjectId) -> Result<(), Status> {
        self.permitted_by(id, false)
    }

    /// The same by everything that is known, at the facts that the chain was last good with.
    pub(crate) fn permitted_by(&self, id: SubjectId, facts: bool) -> Result<(), Status> {
        if let Some(code) = self.halted(id) {
            return Err(Status::NotYet(code));
        }
        let Some(state) = self.subjects.get(&id) else { return Ok(()) };
        let Some(request) = state.request() else { return Ok(()) };
        let moment = Moment {
            now: self.now.wall,
            waited: Some(self.waited(state)),
            history: state.history.as_ref().filter(|_| facts),
        };
        self.definition.permits(self.me, request, self.opinions_of(id, state), moment)?;
        self.evidence_permits(state)?;
        if self.has_rival(request) { Err(Status::NotYet(Code::BudgetLocked)) } else { Ok(()) }
    }

    /// Before the first block that is final after it came in, no time passes.
    pub(crate) fn waited(&self, state: &State) -> Waited {
        let now = self.limits.clock;
        let first = state.request().and_then(|request| self.subjects.get(&request.asked()));
        let received = first.unwrap_or(state).received_chain;
        Waited { received: if received == WallTime::default() { now } else { received }, now }
    }

    /// In how many seconds a slash can execute at the earliest, and as things usually go: after what its rules and the chain still
    /// have it wait, and the time that signing and relaying take. A second payload is signed when the delay's end is final.
    pub(crate) fn seconds_left(&self, id: SubjectId, facts: &SlashFacts) -> (u64, u64) {
        let Some(state) = self.subjects.get(&id) else { return (0, 0) };
        let Some(request) = state.request() else { return (0, 0) };
        let Waited { received, now } = self.waited(state);
        let waited = now.0.saturating_sub(received.0);
        let left =
            self.definition.policy.delay_left(&self.definition, request, waited).saturating_add(EXECUTION_SECONDS);
        match facts.gate.as_ref().filter(|_| !request.is_second()) {
            Some(gate) => {
                let left = left.saturating_add(gate.delay).saturating_add(EXECUTION_SECONDS);
                (left, left.saturating_add(FINALITY_SECONDS))
            }
            None => (left, left),
        }
    }

    /// The first blocks at which that is: counted from the finalised one, and from the newest.
    pub(crate) fn earliest(&self, (least, usual): (u64, u64), facts: &SlashFacts) -> (u64, u64) {
        let finalised = facts.block.number;
        let seconds = self.definition.chain.block_seconds.unwrap_or(BLOCK_SECONDS).max(1);
        let head = facts.head.clamp(finalised, finalised.saturating_add(FINALITY_SECONDS.div_ceil(seconds)));
        (finalised.saturating_add(least.div_ceil(seconds)), head.saturating_add(usual.div_ceil(seconds)))
    }

    fn has_rival(&self, request: &Request) -> bool {
        let buckets = self.definition.policy.buckets(&self.definition, request);
        let held = buckets.iter().filter_map(|bucket| self.limits.holders.get(bucket));
        held.flatten().any(|holder| *holder != request.asked())
    }

    /// How far back the chain must be read for a request, and from which block on.
    pub(crate) fn history_needed(&self, request: &Request) -> Option<(u64, u64)> {
        let seconds = self.definition.policy.history_seconds(&self.definition, request)?;
        Some((seconds, self.limits.floor))
    }

    /// A block is final: the waiting time of what came in since the last one begins. So it is never shorter than the rule says,
    /// however far apart final blocks are.
    pub(crate) fn see_final(&mut self, time: WallTime) {
        self.limits.see_time(time);
        let received = self.limits.clock;
        for id in std::mem::take(&mut self.limits.fresh) {
            if let Some(state) = self.subjects.get_mut(&id) {
                state.received_chain = received;
                self.unwritten.extend(self.subject_record(id));
            }
        }
    }

    /// Our vault is asked for a share of it, or was: nothing else of its buckets is signed here before the chain shows its end.
    /// That it is a slash is enough for its record: a later version may have a budget that it counts for. False for the rest.
    pub(crate) fn hold_buckets(&mut self, id: SubjectId) -> bool {
        let Some(state) = self.subjects.get_mut(&id) else { return false };
        let Some(request) = state.slash_request() else {
            return false;
        };
        let buckets = self.definition.policy.buckets(&self.definition, request);
        let (evidence, holder) = (request.evidence(), request.asked());
        state.lent = true;
        for bucket in buckets.into_iter().chain(evidence) {
            self.limits.holders.entry(bucket).or_default().insert(holder);
        }
        true
    }

    /// The chain has shown its end, and our vault is told.
    pub(crate) fn free_buckets(&mut self, id: SubjectId) {
        let holder = self.asked(id);
        for id in [holder, second_of(holder)] {
            if let Some(state) = self.subjects.get_mut(&id).filter(|state| state.lent) {
                state.lent = false;
                self.unwritten.extend(self.subject_record(id));
            }
        }
        self.limits.holders.retain(|_, holders| {
            holders.remove(&holder);
            !holders.is_empty()
        });
    }

    // ---- rates ----

    /// A request is here, from now or from its record; `at` by the chain's clock, where that was known.
    pub(crate) fn count_intake(&mut self, id: SubjectId, at: WallTime) {
        let Some(state) = self.subjects.get(&id) else { return };
        let Some(request) = state.request() else { return };
        if state.received_chain == WallTime::default() && self.is_undecided(id) {
            self.limits.fresh.insert(id);
        }
        let at = if at == WallTime::default() { state.received } else { at };
        for (rule, rate) in self.definition.policy.rates(&self.definition, request) {
            let times = self.limits.intake.entry((rule.clone(), request.requester())).or_default();
            times.insert((at, id));
            while times.len() > usize::try_from(rate.requests).unwrap_or(usize::MAX) {
                times.pop_first();
            }
        }
    }

    /// In how many seconds the rates of its rules let a request in; `None` where they do at once.
    #[must_use]
    pub fn rate_wait(&self, request: &Request) -> Option<u64> {
        let clock = self.limits.clock;
        let now = if clock == WallTime::default() { self.now.wall } else { clock };
        let wait = |(rule, rate): (&String, firn_proto::policy::Rate)| {
            let times = self.limits.intake.get(&(rule.clone(), request.requester()))?;
            let full = times.len() >= usize::try_from(rate.requests).unwrap_or(usize::MAX);
            let (oldest, _) = times.first().filter(|_| full)?;
            oldest.0.saturating_add(rate.seconds).checked_sub(now.0).filter(|wait| *wait > 0)
        };
        self.definition.policy.rates(&self.definition, request).filter_map(wait).max()
    }
}
