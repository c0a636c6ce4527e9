//! Liveness of key generations: a phase ends in its time, and n connected members get a key.

use super::bound;
use super::core::{Committee, Graph};
use crate::history::{Entry, ProcessId, What};
use crate::scenario::{KeyOrigin, Micros};
use crate::verdict::Violation;
use crate::world::World;
use firn_coordinator::api::Observation;
use firn_coordinator::limits::KEY_PHASE_MS;
use firn_proto::KeyId;
use std::collections::BTreeMap;

/// Phases of which each has a bound.
const BOUNDED: [&str; 4] = ["round-1", "echo", "round-2", "checking"];

/// Beyond the phase's own time: a slow machine, and a clock that drifts.
const SLACK: Micros = 10_000_000;

/// What key generations are doing.
#[derive(Debug, Default)]
pub struct Keygen {
    phases: BTreeMap<(ProcessId, KeyId), (&'static str, Micros)>,
    /// Since when all members have been connected and a key was wanted.
    whole: Option<Micros>,
    done: bool,
}

impl Keygen {
    /// Takes an entry in.
    pub fn see(&mut self, entry: &Entry, world: &World) {
        let Some(process) = entry.process else { return };
        match &entry.what {
            What::Stopped { .. } => self.phases.retain(|(at, _), _| *at != process),
            What::Observed(Observation::KeyPhase { key_id, phase }) if !world.is_corrupted(process.node) => {
                self.phases.insert((process, *key_id), (phase, entry.at));
                self.done |= *phase == "active";
            }
            What::Observed(Observation::KeyEnded { key_id, .. }) => drop(self.phases.remove(&(process, *key_id))),
            _ => {}
        }
    }

    /// Judges at this moment.
    pub fn look(&mut self, world: &World, committee: &Committee, graph: &Graph) -> Option<Violation> {
        let all = graph.cliques().iter().any(|clique| usize::from(clique.len()) == committee.nodes().len());
        let wanted = matches!(world.scenario().key.origin, KeyOrigin::Generated { at } if at <= world.now());
        // Who lost its attempt while others had signed the certificate: only `firn dkg abandon` at all members frees the name.
        let undecided = world.nodes().into_iter().filter(|node| !world.is_corrupted(*node)).any(|node| {
            world.node(node).is_some_and(|process| process.engine.keys().iter().any(|key| key.state == "undecided"))
        });
        if !all || !wanted || undecided || self.done {
            self.whole = None;
            return None;
        }
        let since = *self.whole.get_or_insert_with(|| world.now());
        let delays = world.nodes().into_iter().flat_map(|a| world.nodes().into_iter().map(move |b| (a, b)));
        let delay = delays.filter(|(a, b)| a != b).map(|(a, b)| world.link(a, b).delay_max).max().unwrap_or_default();
        // An attempt that a fault spoilt before has to end first; then comes one that nothing spoils.
        let bound = bound::keygen(delay, 100_000).saturating_mul(2);
        if since.saturating_add(bound) >= world.now() {
            return None;
        }
        self.done = true;
        let detail = format!("all members have been connected since {} ms, and no key is active", since / 1_000);
        Some(Violation { id: "L1", at: since.saturating_add(bound), node: None, detail })
    }

    /// Judges what is still open at the end.
    pub fn end(&self, world: &World) -> Option<Violation> {
        let bound = KEY_PHASE_MS.saturating_mul(1_000).saturating_add(SLACK);
        let stuck = |((process, _), (phase, at)): &(&(ProcessId, KeyId), &(&'static str, Micros))| {
            let runs = world.process(*process).is_some_and(|process| process.up && !process.paused);
            // What a node did after it was corrupted was not looked at.
            runs && !world.is_corrupted(process.node)
                && BOUNDED.contains(phase)
                && at.saturating_add(bound) < world.now()
        };
        let ((process, key_id), (phase, at)) = self.phases.iter().find(stuck)?;
        let detail = format!("key generation {key_id} has been in phase {phase} since {} ms", at / 1_000);
        Some(Violation { id: "L1", at: at.saturating_add(bound), node: Some(process.node), detail })
    }
}
