//! An AccessManager and the gate behind it (contracts/src/SlashGate.sol), as far as slashes go through them: scheduled, executed when
//! they are ready, cancelled, expired; each piece of evidence once.

use super::time_of;
use crate::scenario::{self, Micros};
use alloy_primitives::{Address, B256};
use firn_coordinator::api::{GateFacts, GateQuery};
use firn_proto::account::Call;
use firn_proto::operation::Scheduled;
use firn_proto::policy::PastSlash;
use firn_proto::time::WallTime;
use firn_proto::{Definition, Digest, Request, SubjectId};
use std::collections::BTreeMap;

/// The contracts of one AVS.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) address: Address,
    /// In seconds.
    delay: u64,
    expires: u64,
    operations: BTreeMap<SubjectId, Operation>,
    /// What was cancelled can be executed: a bug.
    pub(super) revives: bool,
}

/// What a request has the manager do.
#[derive(Debug)]
struct Operation {
    scheduled: Scheduled,
    evidence: Option<Digest>,
    slash: PastSlash,
    /// What happened to it, with the block, in order.
    steps: Vec<(u64, Step)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Scheduled { ready: WallTime },
    Cancelled,
    Executed,
}

impl Operation {
    /// The last step up to a block.
    fn step(&self, block: u64) -> Option<Step> {
        self.steps.iter().rev().find(|(at, _)| *at <= block).map(|(_, step)| *step)
    }

    /// When it became or becomes ready, whatever came between.
    fn once_ready(&self, block: u64) -> Option<WallTime> {
        self.steps.iter().rev().filter(|(at, _)| *at <= block).find_map(|(_, step)| match step {
            Step::Scheduled { ready } => Some(*ready),
            _ => None,
        })
    }
}

impl Gate {
    pub(super) fn new(address: Address, gate: &scenario::Gate, revives: bool) -> Self {
        let seconds = |time: Micros| time / 1_000_000;
        let (delay, expires) = (seconds(gate.delay), seconds(gate.expires));
        Self { address, delay, expires, operations: BTreeMap::new(), revives }
    }

    /// Reads what a request's payloads call.
    pub(super) fn announce(&mut self, request: &Request, definition: &Definition) {
        let (operation, evidence) = (request.operation(), request.evidence());
        let Some((scheduled, slash)) = operation.scheduled(definition).zip(operation.slash()) else { return };
        let operation = Operation { scheduled, evidence, slash: slash.into(), steps: Vec::new() };
        self.operations.entry(request.asked()).or_insert(operation);
    }

    /// `getSchedule`, at a block.
    pub(super) fn ready(&self, request: SubjectId, block: u64) -> Option<WallTime> {
        match self.operations.get(&request)?.step(block)? {
            Step::Scheduled { ready } if time_of(block).0 < ready.0.saturating_add(self.expires) => Some(ready),
            _ => None,
        }
    }

    /// When it was to be ready, if it was ever scheduled, and whether it was cancelled since.
    pub(super) fn once_ready(&self, request: SubjectId, block: u64) -> Option<(WallTime, bool)> {
        let operation = self.operations.get(&request)?;
        Some((operation.once_ready(block)?, operation.step(block) == Some(Step::Cancelled)))
    }

    /// Which request used a piece of evidence up.
    fn used_by(&self, evidence: Option<Digest>, block: u64) -> Option<SubjectId> {
        let used = |operation: &Operation| {
            operation.evidence == evidence
                && operation.steps.iter().any(|(at, step)| *at <= block && *step == Step::Executed)
        };
        self.operations.iter().find(|(_, operation)| used(operation)).map(|(request, _)| *request)
    }

    fn find(&self, is: impl Fn(&Scheduled) -> bool) -> Option<(SubjectId, &Operation)> {
        self.operations.iter().find(|(_, operation)| is(&operation.scheduled)).map(|(request, one)| (*request, one))
    }

    /// Whether a call goes through in a block on top of all up to `state`.
    fn succeeds(&self, request: SubjectId, second: bool, (state, block): (u64, u64)) -> bool {
        let Some(operation) = self.operations.get(&request) else { return false };
        let revived = operation.once_ready(state).filter(|_| self.revives);
        let ready = self.ready(request, state).or(revived);
        let ready = ready.filter(|ready| time_of(block).0 < ready.0.saturating_add(self.expires));
        match second {
            false => ready.is_none(),
            true => {
                ready.is_some_and(|ready| ready <= time_of(block)) && self.used_by(operation.evidence, state).is_none()
            }
        }
    }

    pub(super) fn facts(&self, query: &GateQuery, block: u64) -> GateFacts {
        let found = self.find(|scheduled| scheduled.id == query.scheduled.id);
        let used = found.and_then(|(_, operation)| self.used_by(operation.evidence, block));
        let second = query.call == *query.scheduled.call(true);
        GateFacts {
            time: time_of(block),
            delay: self.delay,
            ready: found.and_then(|(request, _)| self.ready(request, block)),
            used_by: used.map_or(B256::ZERO, |request| request.0.0.into()),
            call_succeeds: found.is_some_and(|(request, _)| self.succeeds(request, second, (block, block))),
        }
    }

    /// Makes a call of the account's in this block; what it slashes there. `None` where it reverts.
    pub(super) fn call(&mut self, call: &Call, block: u64) -> Option<Option<PastSlash>> {
        let second = |scheduled: &Scheduled| scheduled.call(true) == call;
        let (request, operation) = self.find(|scheduled| second(scheduled) || scheduled.call(false) == call)?;
        let second = second(&operation.scheduled);
        if !self.succeeds(request, second, (block, block)) {
            return None;
        }
        let ready = WallTime(time_of(block).0.saturating_add(self.delay));
        let operation = self.operations.get_mut(&request)?;
        operation.steps.push((block, if second { Step::Executed } else { Step::Scheduled { ready } }));
        Some(second.then(|| PastSlash { time: time_of(block), ..operation.slash.clone() }))
    }

    /// Forgets what happened in later blocks; whose cancellations that were.
    pub(super) fn reorganise(&mut self, kept: u64) -> Vec<SubjectId> {
        let mut cancelled = Vec::new();
        for (request, operation) in &mut self.operations {
            let gone = |(block, step): &(u64, Step)| *block > kept && *step == Step::Cancelled;
            cancelled.extend(operation.steps.iter().any(gone).then_some(*request));
            operation.steps.retain(|(block, _)| *block <= kept);
        }
        cancelled
    }

    /// Somebody who may cancels it in this block; false where there is nothing to cancel.
    pub(super) fn cancel(&mut self, request: SubjectId, block: u64) -> bool {
        let waits = self.ready(request, block).is_some();
        let operation = self.operations.get_mut(&request).filter(|_| waits);
        operation.map(|operation| operation.steps.push((block, Step::Cancelled))).is_some()
    }
}
