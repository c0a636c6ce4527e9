//! A run: a scenario from its beginning to its end, with everything that watches it.

use crate::byzantine;
use crate::geography::{Geography, Invalid};
use crate::history::Entry;
use crate::liveness::ground::rivals;
use crate::oracle::{Findings, Oracle};
use crate::scenario::{FaultKind, KeyOrigin, Micros, Moment, Scenario};
use crate::seeded::Bug;
use crate::verdict::{Outcome, Violation};
use crate::world::repair::holds_share;
use crate::world::{Fixtures, Mark, PostedRequest, Process, SLOT, World};
use firn_proto::{Digest, NodeId};
use std::collections::BTreeMap;

/// How a scenario is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A bug on purpose.
    pub seeded: Option<Bug>,
    /// Crash a node after its how-manieth effect or sync; it is back after two seconds.
    pub crash_after: Option<(NodeId, u64)>,
    /// Keep the ledger and the digest after each event; the oracle sees everything anyway.
    pub keep_history: bool,
    /// End at the first violation.
    pub stop_at_first_violation: bool,
    /// End when every request has come to its end and no fault is to come.
    pub stop_when_quiet: bool,
    /// Places and distances, where they are not those of a built-in matrix.
    pub geography: Option<Geography>,
    /// Keys made by earlier runs.
    pub fixtures: Fixtures,
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What came of it.
    pub outcome: Outcome,
    /// The ledger, if it was kept.
    pub history: Vec<Entry>,
    /// Where nodes are.
    pub geography: Option<Geography>,
    /// The digest after each event, if it was kept.
    pub marks: Vec<Mark>,
    /// Effects and syncs carried out by each node: the points at which it can be crashed.
    pub effects: BTreeMap<NodeId, u64>,
}

/// Time after the last deadline or fault before a run ends by itself.
const GRACE: Micros = 30_000_000;

/// Time in which a key is generated in a run, faults permitting.
const GENERATION: Micros = 120_000_000;

/// How long after its block a version is taken up, faults permitting.
const CHANGE: Micros = 2 * SLOT;

/// How often a run looks whether it is over.
const LOOK: Micros = 1_000_000;

/// Runs a scenario to its end.
#[must_use]
pub fn run(scenario: &Scenario, options: &Options) -> Finished {
    let mut world = match World::new(scenario, options) {
        Ok(world) => world,
        Err(invalid) => return refused(scenario, &invalid),
    };
    if options.keep_history {
        world.keep_marks();
    }
    world.watch(Oracle::default(), byzantine::adversary(scenario));
    world.begin();
    let end = scenario.until.unwrap_or_else(|| horizon(scenario));
    let mut look = LOOK;
    while world.next(end) {
        // What grows without bound might never come to its end.
        let ends = |violation: &Violation| options.stop_at_first_violation || violation.id == "R1";
        if world.violations().iter().any(ends) {
            break;
        }
        if options.stop_when_quiet && world.now() >= look {
            look = world.now() + LOOK;
            if is_over(&world) {
                break;
            }
        }
    }
    finish(world)
}

/// How many points each node has at which it can be crashed, in a run without a crash.
#[must_use]
pub fn crash_points(scenario: &Scenario, options: &Options) -> BTreeMap<NodeId, u64> {
    run(scenario, &Options { crash_after: None, ..options.clone() }).effects
}

/// The first mark in which two runs differ, as each of them has it; `None` where they are equal.
#[must_use]
pub fn difference(first: &Finished, second: &Finished) -> Option<(Option<Mark>, Option<Mark>)> {
    let at = first.marks.iter().zip(&second.marks).position(|(a, b)| a != b);
    let at = at.unwrap_or_else(|| first.marks.len().min(second.marks.len()));
    let found = (first.marks.get(at).copied(), second.marks.get(at).copied());
    (found != (None, None) || first.outcome.digest != second.outcome.digest).then_some(found)
}

/// When a scenario is over that does not say so.
#[must_use]
pub fn horizon(scenario: &Scenario) -> Micros {
    let requests = scenario.workload.iter().map(|workload| {
        let last = workload.every.saturating_mul(u64::from(workload.count).saturating_sub(1));
        workload.at.saturating_add(last).saturating_add(workload.deadline).saturating_add(scenario.gate_time())
    });
    let faults = scenario.faults.iter().map(|fault| match fault.begin {
        Moment::At(at) => at.saturating_add(fault.lasts.unwrap_or(0)),
        Moment::When { .. } => 0,
    });
    let key = match scenario.key.origin {
        KeyOrigin::Generated { at } if at != Micros::MAX => at.saturating_add(GENERATION),
        _ => 0,
    };
    let repairs = scenario.key.repairs.iter().map(|repair| repair.at);
    let renewals = scenario.key.renewals.iter().map(|renewal| renewal.at).chain(repairs);
    let renewals = renewals.map(|at| at.saturating_add(GENERATION));
    let governance = scenario.pauses.iter().filter_map(|pause| pause.end);
    let governance = governance.chain(scenario.versions.iter().map(|version| version.block.max(version.at)));
    requests
        .chain(faults)
        .chain(governance)
        .chain(renewals)
        .max()
        .unwrap_or(0)
        .saturating_add(key)
        .saturating_add(GRACE)
}

/// Whether nothing is to come: all is posted and signed or ended everywhere, and no fault ends or begins later.
fn is_over(world: &World) -> bool {
    let scenario = world.scenario();
    let expected: usize = scenario.workload.iter().map(posts).sum();
    let pending = scenario.faults.iter().any(|fault| match fault.begin {
        Moment::At(at) => at.saturating_add(fault.lasts.unwrap_or(0)) >= world.now(),
        Moment::When { .. } => false,
    });
    let governed = scenario.pauses.iter().any(|pause| pause.end.unwrap_or(pause.begin) >= world.now())
        || scenario
            .versions
            .iter()
            .any(|version| version.block.max(version.at) + CHANGE + scenario.finality >= world.now());
    let healing = world.active_faults().any(|(kind, end)| end.is_some() || matches!(kind, FaultKind::Jam { .. }));
    let settled = |state: &str| matches!(state, "executed" | "refused" | "expired");
    let honest = || world.processes().filter(|(id, process)| process.up && !world.is_corrupted(id.node));
    // What no honest node has taken in is nobody's to end, and a rival is known to some only.
    let ended = |posted: &PostedRequest| {
        let views: Vec<_> = honest().map(|(_, process)| process.engine.request(posted.subject)).collect();
        let some_need_not_know = rivals(world, posted).next().is_some() || views.iter().all(Option::is_none);
        views.iter().all(|view| view.as_ref().map_or(some_need_not_know, |view| settled(view.state)))
    };
    world.key().is_some()
        && !world.renews()
        && !world.repairs()
        && world.requests().len() >= expected
        && !pending
        && !governed
        && !healing
        && world.requests().iter().all(ended)
}

fn posts(workload: &crate::scenario::Workload) -> usize {
    usize::try_from(workload.count).unwrap_or(usize::MAX) << usize::from(workload.rivals)
}

fn finish(mut world: World) -> Finished {
    let Findings { requests, cores, probes, highs, .. } = world.end();
    let (digest, events) = world.digest();
    let holds = |process: &Process| {
        let newest = world.key().map(|(key_id, _)| key_id);
        let active = process.engine.keys().iter().any(|key| Some(key.key_id) == newest && key.state == "active");
        active && holds_share(&process.engine)
    };
    let holding = world.nodes().into_iter().filter(|node| world.node(*node).is_some_and(holds)).collect();
    let outcome = Outcome {
        scenario: world.scenario().clone(),
        violations: world.violations().to_vec(),
        requests,
        cores,
        probes,
        epoch: world.epoch().0,
        holding,
        digest,
        ended: world.now(),
        events,
        highs,
    };
    Finished {
        outcome,
        geography: Some(world.geography().clone()),
        marks: world.marks().to_vec(),
        effects: world.effects(),
        history: world.take_history(),
    }
}

/// A scenario that cannot be run at all.
fn refused(scenario: &Scenario, invalid: &Invalid) -> Finished {
    let violation = Violation { id: "SCENARIO", at: 0, node: None, detail: invalid.detail.clone() };
    let outcome = Outcome {
        scenario: scenario.clone(),
        violations: vec![violation],
        requests: Vec::new(),
        cores: Vec::new(),
        probes: BTreeMap::new(),
        epoch: 0,
        holding: Vec::new(),
        digest: Digest::default(),
        ended: 0,
        events: 0,
        highs: Vec::new(),
    };
    Finished { outcome, history: Vec::new(), geography: None, marks: Vec::new(), effects: BTreeMap::new() }
}
