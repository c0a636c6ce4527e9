//! Liveness, with ground truth: whenever a live core lasted long enough, the request has to be signed.
//!
//! A set Q is a live core while all of it are up and honest, hold the active key, would lend their share by what the world
//! knows (never by what their engines say of themselves), hear each other in time, and one of them knows the request. If
//! the same Q lasts for B, all of Q must know the signature by then; anything else is a violation. Short of that, a
//! request that is not signed gets a reason, and the reasons are a closed list.

use self::core::{Committee, Graph, Members};
use crate::history::{Entry, What};
use crate::invariants::wire;
use crate::scenario::{FaultKind, Micros};
use crate::verdict::{CoreSize, RequestReport, Violation};
use crate::world::World;
use firn_coordinator::api::Observation;
use firn_proto::definition::KeyDefinition;
use firn_proto::{Epoch, Identifier};
use ground::Ground;
use track::Track;

pub mod bound;
pub mod core;
pub mod ground;
pub mod keygen;
pub mod renewal;
mod rules;
pub mod track;
pub mod windows;

/// Time between two looks at links that change by themselves.
const EVERY: Micros = 100_000;

/// And at rules, which time alone may meet.
const EVERY_RULED: Micros = 3_000_000;

/// The liveness oracle of a run.
#[derive(Debug, Default)]
pub struct Liveness {
    committee: Option<Committee>,
    epoch: Epoch,
    ground: Ground,
    /// How many requests have been posted, and the tracks of all their payloads.
    posted: usize,
    tracks: Vec<Track>,
    sizes: Vec<CoreSize>,
    keygen: keygen::Keygen,
    renewals: renewal::Renewals,
    looked: Micros,
    due: Option<Micros>,
}

impl Liveness {
    /// Looks at an entry, right after it was appended.
    pub fn see(&mut self, entry: &Entry, world: &World) -> Vec<Violation> {
        let mut changed = self.ground.see(entry, world);
        match &entry.what {
            What::Posted { request, .. } if *request >= self.posted => {
                let posted = (self.posted..=*request).flat_map(|request| Track::of(world, request));
                self.tracks.extend(posted);
                self.posted = request + 1;
                changed = true;
            }
            What::Answered { session, outcome } => {
                let track = self.tracks.iter_mut().find(|track| track.is(world, *session));
                if let Some(track) = track {
                    let owed = entry.process.filter(|id| track.is_owed_by(world, &self.ground, id.node));
                    if let (Err(code), Some(id)) = (outcome, owed) {
                        let detail =
                            format!("request {session:?} was refused with {code:?}, for no reason in the world");
                        return vec![Violation { id: "L1", at: entry.at, node: Some(id.node), detail }];
                    }
                    track.answered(*outcome);
                }
                changed = true;
            }
            What::Signed { subject, digest, signature } => {
                let honest = entry.process.is_some_and(|process| !world.is_corrupted(process.node));
                let valid = || world.key().is_some_and(|(_, key)| wire::verifies(&key, *digest, signature));
                let track = self.tracks.iter_mut().find(|track| track.is(world, (*subject).into()));
                if let Some((track, process)) = track.zip(entry.process).filter(|_| honest && valid()) {
                    track.signed(entry.at, process.node);
                    changed = true;
                }
            }
            // One corrupted member may have withheld the signature and executed it; the chain's word ends the wait as well.
            What::Observed(Observation::Subject { subject, state: "executed", .. }) => {
                let track = self.tracks.iter_mut().find(|track| track.is(world, (*subject).into()));
                if let Some((track, process)) = track.zip(entry.process).filter(|(_, id)| !world.is_corrupted(id.node))
                {
                    track.signed(entry.at, process.node);
                    changed = true;
                }
            }
            What::FaultBegins { fault } => {
                let kind = world.scenario().faults.get(*fault).map(|fault| &fault.kind);
                // What was under way is lost, although the links are as before.
                if matches!(kind, Some(FaultKind::Reset { .. })) {
                    self.tracks.iter_mut().for_each(Track::interrupt);
                }
            }
            _ => {}
        }
        self.keygen.see(entry, world);
        let due = self.due.is_some_and(|due| due < entry.at);
        let drifting = self.ground.moves(world) && entry.at >= self.looked.saturating_add(EVERY);
        // Budgets come free and waiting times end without an entry of their own.
        let waiting = (rules::take_time(world) || world.scenario().gate.is_some() || world.renewing().is_some())
            && entry.at >= self.looked.saturating_add(EVERY_RULED);
        if changed || due || drifting || waiting { self.look(world) } else { Vec::new() }
    }

    /// The end of the run: what is overdue, and a verdict for each request.
    pub fn end(&mut self, world: &World) -> (Vec<Violation>, Vec<RequestReport>) {
        let mut violations = self.look(world);
        violations.extend(self.keygen.end(world));
        violations.extend(self.ground.unended(world));
        let Some(committee) = &self.committee else { return (violations, Vec::new()) };
        let second = |first: &Track| self.tracks.iter().find(|track| track.follows(first));
        let firsts = self.tracks.iter().filter(|track| !track.is_second());
        let reports = firsts.filter_map(|first| first.report(second(first), world, committee, &self.ground)).collect();
        (violations, reports)
    }

    /// How the live core's size changed.
    #[must_use]
    pub fn sizes(&self) -> &[CoreSize] {
        &self.sizes
    }

    fn look(&mut self, world: &World) -> Vec<Violation> {
        self.looked = world.now();
        if self.epoch != world.epoch() {
            // Others hold the key now: whatever lasted begins anew.
            self.epoch = world.epoch();
            self.committee = None;
            self.tracks.iter_mut().for_each(Track::interrupt);
        }
        let committee = self.committee.get_or_insert_with(|| committee(world));
        let graph = self.ground.graph(world, committee);
        strip(&mut self.sizes, world.now(), committee, &graph);
        let mut violations: Vec<_> = self.keygen.look(world, committee, &graph).into_iter().collect();
        violations.extend(self.renewals.look(world, &self.ground));
        let open = self.tracks.iter().filter(|track| track.is_open()).count() as u64;
        self.due = None;
        for track in self.tracks.iter_mut().filter(|track| track.is_open()) {
            violations.extend(track.look(world, committee, &self.ground, &graph, open.saturating_sub(1)));
            self.due = [self.due, track.due()].into_iter().flatten().min();
        }
        violations
    }
}

/// The members of the one key's newest epoch.
fn committee(world: &World) -> Committee {
    let (definition, key, holders) = (world.definition(), &world.scenario().key, world.holders());
    match definition.keys.first() {
        Some(first) => {
            let members = holders.members.iter().map(|node| (Identifier(node.0), *node)).collect();
            let held = KeyDefinition { threshold: holders.threshold, members, ..first.clone() };
            Committee::new(definition, &held, key.organisations_min, key.regions_min)
        }
        None => Committee::plain([], 1),
    }
}

/// Notes the largest set that could sign, or the largest that could not, where that has changed.
fn strip(sizes: &mut Vec<CoreSize>, at: Micros, committee: &Committee, graph: &Graph) {
    let rank = |clique: &Members| (committee.is_eligible(*clique), clique.len());
    let (eligible, nodes) = graph.cliques().iter().map(rank).max().unwrap_or_default();
    let changed = sizes.last().is_none_or(|last| (last.nodes, last.eligible) != (nodes, eligible));
    if changed {
        sizes.push(CoreSize { at, nodes, eligible });
    }
}
