//! R1: everything that can grow has a bound, and goes back to rest.

use super::{Invariant, Sight};
use crate::history::{Entry, ProcessId, What};
use crate::scenario::Micros;
use crate::verdict::Violation;
use crate::world::Process;
use std::collections::BTreeMap;

/// Entries between two looks.
const EVERY: u64 = 256;

/// Timers per open request or key attempt: takeover, call, recheck, relay and widening, with a stale one of each, and one
/// per attempt. Beside them a few per peer, and as many that belong to nothing in particular.
const TIMERS_PER_SUBJECT: usize = 24;
const TIMERS_PER_PEER: usize = 8;
const TIMERS_BESIDE: usize = 64;

/// Frames that a process sends within one second: fifty times what was ever seen of one that is in order.
const FRAMES_MAX: u64 = 20_000;

/// In virtual time.
const SECOND: Micros = 1_000_000;

/// The highest counters seen.
#[derive(Debug, Default)]
pub struct R1 {
    entries: u64,
    /// Per process: a second, and the frames sent in it.
    sent: BTreeMap<ProcessId, (u64, u64)>,
    highs: BTreeMap<&'static str, (u64, u64)>,
}

impl R1 {
    fn check(&mut self, sight: &Sight<'_>, id: ProcessId, process: &Process) -> Option<Violation> {
        let load = process.engine.load();
        let subjects: usize = load.iter().filter(|load| load.subjects).map(|load| load.count).sum();
        let peers = sight.world.nodes().len();
        let timers = subjects * TIMERS_PER_SUBJECT + peers * TIMERS_PER_PEER + TIMERS_BESIDE;
        let counters = load.iter().map(|load| (load.name, load.count, load.limit));
        let frames = self.sent.get(&id).map_or(0, |(_, count)| *count);
        let counters = counters.map(|(name, count, limit)| (name, count as u64, limit as u64));
        let beside = [("timers", process.timers() as u64, timers as u64), ("frames-a-second", frames, FRAMES_MAX)];
        let mut excess = None;
        for (name, count, limit) in counters.chain(beside) {
            let high = self.highs.entry(name).or_insert((count, limit));
            if count.saturating_mul(high.1) >= high.0.saturating_mul(limit) {
                *high = (count, limit);
            }
            if count > limit && excess.is_none() {
                excess = Some(format!("{name}: {count}, at most {limit}"));
            }
        }
        excess.map(|detail| Violation { id: "R1", at: sight.world.now(), node: Some(id.node), detail })
    }

    fn count_frame(&mut self, entry: &Entry) {
        let (Some(id), What::Sent { .. }) = (entry.process, &entry.what) else { return };
        let (second, count) = self.sent.entry(id).or_default();
        if *second != entry.at / SECOND {
            (*second, *count) = (entry.at / SECOND, 0);
        }
        *count += 1;
    }
}

impl Invariant for R1 {
    fn id(&self) -> &'static str {
        "R1"
    }

    fn statement(&self) -> &'static str {
        "Requests, sessions, pools, queues and timers stay under the limits table, frames under 20,000 a second, and what belongs to no open request is \
         gone when nothing is open (DESIGN section 7, rule 6)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        self.entries += 1;
        self.count_frame(entry);
        let (id, process) = sight.honest(entry).filter(|_| self.entries.is_multiple_of(EVERY))?;
        self.check(sight, id, process)
    }

    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        for (id, process) in sight.honest_processes().filter(|(_, process)| process.up) {
            if let Some(violation) = self.check(sight, id, process) {
                return Some(violation);
            }
            let load = process.engine.load();
            let open = process
                .engine
                .requests()
                .iter()
                .any(|request| !matches!(request.state, "signed" | "executed" | "refused" | "expired"));
            let idle = !open
                && process.is_settled()
                && process.engine.keys().iter().all(|key| matches!(key.state, "active" | "retired"));
            if let Some(left) = load.iter().find(|load| idle && load.transient && load.count > 0) {
                let detail = format!("{}: {} are left, and nothing is open", left.name, left.count);
                return Some(Violation { id: "R1", at: sight.world.now(), node: Some(id.node), detail });
            }
        }
        None
    }

    fn highs(&self) -> Vec<(&'static str, u64, u64)> {
        self.highs.iter().map(|(name, (value, limit))| (*name, *value, *limit)).collect()
    }
}
