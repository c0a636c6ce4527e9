//! What the world knows about nodes and links, beside what engines believe.

use super::core::{Committee, Graph, Members};
use super::rules;
use crate::history::{Entry, ProcessId, What};
use crate::scenario::{Fault, FaultKind, Micros};
use crate::verdict::Violation;
use crate::world::{EPOCH, PostedRequest, Process, World};
use firn_coordinator::api::{Family, Observation};
use firn_coordinator::limits::{EXPIRY_GRACE_SECONDS, OPEN_SUBJECTS_MAX};
use firn_proto::policy::Rule;
use firn_proto::request::second_of;
use firn_proto::{KeyId, NodeId, SubjectId};
use std::collections::{BTreeMap, BTreeSet};

/// D: a way that takes longer does not count as delivering.
const DELAY_MAX: Micros = 2_000_000;

/// L: a way that loses more than 2 % does not count as delivering.
const LOSS_MAX: u32 = 20_000;

/// S: clocks that are further off do not count as equal.
const CLOCK_ERROR_MS_MAX: u64 = 2_000;

/// From the end of a request's grace to the finalised block that shows it, and some more where many end at once.
pub(super) const ENDING_SECONDS: u64 = 120;

/// A node whose syncs or steps take longer does not count as running.
const SYNC_MAX: Micros = 500_000;
const STEP_MAX: Micros = 10_000;

/// Facts that stand in no one place: which faults are on, whose identity is in doubt, who is bound to what.
#[derive(Debug, Default)]
pub struct Ground {
    faults: BTreeSet<usize>,
    /// Nodes whose disk was set back, copied or lost: peers may rightly keep them out until an operator acts.
    doubted: BTreeSet<NodeId>,
    /// By request: who is bound to its payload.
    bound: BTreeMap<SubjectId, BTreeSet<NodeId>>,
    /// By request: who runs and has taken it in.
    known: BTreeMap<SubjectId, BTreeMap<NodeId, Micros>>,
    /// When each request was executed.
    executed: BTreeMap<SubjectId, Micros>,
    /// Since when each node has run and seen the chain without a break.
    sees: BTreeMap<NodeId, Micros>,
    /// Who runs with which epoch of the key active.
    ready: BTreeMap<NodeId, KeyId>,
}

impl Ground {
    /// Takes an entry in; whether anything may have changed.
    pub fn see(&mut self, entry: &Entry, world: &World) -> bool {
        match &entry.what {
            What::FaultBegins { fault } => {
                self.faults.insert(*fault);
                self.doubt(world.scenario().faults.get(*fault).map(|fault| &fault.kind));
                true
            }
            What::FaultEnds { fault } => {
                self.faults.remove(fault);
                let kind = world.scenario().faults.get(*fault).map(|fault| &fault.kind);
                let blinded = world.nodes().into_iter().filter(|node| kind.is_some_and(|kind| kind.blinds(*node)));
                self.sees.extend(blinded.map(|node| (node, entry.at)));
                true
            }
            What::Released { subject, .. } => {
                let node = entry.process.map(|process| process.node);
                self.bound.entry(*subject).or_default().extend(node);
                world.requests().iter().any(|posted| posted.rival_of.is_some())
            }
            What::Stopped { .. } => {
                entry.process.into_iter().for_each(|process| self.forget(process.node));
                true
            }
            What::Started { .. } => {
                self.sees.extend(entry.process.map(|process| (process.node, entry.at)));
                entry.process.into_iter().for_each(|process| self.learn(world, process));
                true
            }
            What::Executed { subject } => {
                self.executed.entry(*subject).or_insert(entry.at);
                true
            }
            What::Vanished { subject, .. } => {
                self.executed.remove(subject);
                true
            }
            What::LinksChanged | What::Said { .. } | What::Cancelled { .. } => true,
            What::Synced { .. } => world.synced_batch().records.iter().any(|record| record.family == Family::People),
            What::Observed(Observation::Subject { subject, state, .. }) => {
                if *state == "received" {
                    let known = self.known.entry(*subject).or_default();
                    known.extend(entry.process.map(|process| (process.node, entry.at)));
                }
                matches!(*state, "received" | "refused" | "expired")
            }
            What::Observed(Observation::KeyPhase { phase, .. }) => {
                if matches!(*phase, "active" | "certified" | "retired") {
                    entry.process.into_iter().for_each(|process| self.learn(world, process));
                }
                true
            }
            _ => false,
        }
    }

    fn forget(&mut self, node: NodeId) {
        self.ready.remove(&node);
        self.known.values_mut().for_each(|nodes| {
            nodes.remove(&node);
        });
    }

    /// What a process has from its disk, or since its key is active.
    fn learn(&mut self, world: &World, id: ProcessId) {
        let Some(process) = world.process(id) else { return };
        for request in process.engine.requests() {
            let scheduled = request.schedule.as_ref().map(|_| second_of(request.id));
            for subject in [Some(request.id), scheduled].into_iter().flatten() {
                self.known.entry(subject).or_default().entry(id.node).or_insert_with(|| world.now());
            }
        }
        let active = process.engine.keys().into_iter().filter(|key| key.state == "active").max_by_key(|key| key.epoch);
        self.ready.extend(active.map(|key| (id.node, key.key_id)));
    }

    fn doubt(&mut self, kind: Option<&FaultKind>) {
        match kind {
            Some(
                FaultKind::Rollback { node, .. }
                | FaultKind::Twin { node }
                | FaultKind::Wipe { node }
                | FaultKind::BitFlip { node }
                | FaultKind::EntropyRepeat { node },
            ) => drop(self.doubted.insert(*node)),
            Some(FaultKind::LyingSync { nodes }) => self.doubted.extend(nodes),
            _ => {}
        }
    }

    /// Whether links or clocks change without an entry of their own.
    #[must_use]
    pub fn moves(&self, world: &World) -> bool {
        self.any(world, |kind| {
            matches!(kind, FaultKind::Flapping { .. } | FaultKind::Swizzle { .. } | FaultKind::ClockDrift { .. })
        })
    }

    /// Whether a fault of this sort is on.
    pub fn any(&self, world: &World, is: impl Fn(&FaultKind) -> bool) -> bool {
        self.kinds(world).any(is)
    }

    fn kinds<'a>(&'a self, world: &'a World) -> impl Iterator<Item = &'a FaultKind> {
        self.faults.iter().filter_map(|fault| world.scenario().faults.get(*fault)).map(|fault| &fault.kind)
    }

    /// Whose identity is in doubt.
    #[must_use]
    pub fn doubted(&self) -> &BTreeSet<NodeId> {
        &self.doubted
    }

    /// How long a node takes for a step with its sync.
    #[must_use]
    pub fn step(&self, world: &World, node: NodeId) -> Micros {
        let slow = self.kinds(world).map(|kind| match kind {
            FaultKind::SlowDisk { nodes, sync } if nodes.contains(&node) => *sync,
            FaultKind::SlowCpu { nodes, step } if nodes.contains(&node) => step.saturating_mul(20),
            _ => 0,
        });
        slow.sum::<Micros>().saturating_add(20_000)
    }

    /// Who runs, honest and sound, and hears whom.
    #[must_use]
    pub fn graph(&self, world: &World, committee: &Committee) -> Graph {
        let nodes = committee.nodes();
        let sound: Vec<_> = nodes.iter().map(|node| self.is_sound(world, *node)).collect();
        let hears = |a: NodeId, b: NodeId| {
            let link = world.link(a, b);
            world.same_version(a, b)
                && link.delivers
                && !link.jammed
                && link.delay_max <= DELAY_MAX
                && link.loss <= LOSS_MAX
        };
        Graph::new(nodes.len(), |a, b| {
            let both = sound.get(a) == Some(&true) && sound.get(b) == Some(&true);
            let pair = nodes.get(a).copied().zip(nodes.get(b).copied());
            both && pair.is_some_and(|(first, second)| a == b || hears(first, second) && hears(second, first))
        })
    }

    fn is_sound(&self, world: &World, node: NodeId) -> bool {
        let runs = |process: &Process| process.up && !process.paused;
        let slow = self.kinds(world).any(|kind| match kind {
            FaultKind::SlowDisk { nodes, sync } => nodes.contains(&node) && *sync > SYNC_MAX,
            FaultKind::SlowCpu { nodes, step } => nodes.contains(&node) && *step > STEP_MAX,
            FaultKind::LyingSync { nodes } | FaultKind::DiskFull { nodes } => nodes.contains(&node),
            FaultKind::Pause { nodes } | FaultKind::ClockFreeze { nodes } => nodes.contains(&node),
            _ => false,
        });
        !slow
            && !world.is_corrupted(node)
            && !self.doubted.contains(&node)
            && world.clock_error(node).unsigned_abs() <= CLOCK_ERROR_MS_MAX
            && process(world, node).is_some_and(runs)
    }

    /// Whose duty it would be to lend a share for this request.
    #[must_use]
    pub fn willing(&self, world: &World, committee: &Committee, posted: &PostedRequest, second: bool) -> Members {
        committee.members(committee.nodes().iter().copied().filter(|node| self.would(world, *node, posted, second)))
    }

    fn would(&self, world: &World, node: NodeId, posted: &PostedRequest, second: bool) -> bool {
        let blind = self.kinds(world).any(|kind| kind.blinds(node)) || world.was_misled(node);
        let late = duty_ends(posted, second) < world.now();
        let free =
            !blind && !late && world.scenario().verifiers.is_empty() && posted.authorised && self.is_ready(world, node);
        let ruled = rules::are_there(world);
        free && has_room(world)
            && (!second || self.sees_ready(world, node, posted))
            && !self.is_rival_bound(world, node, posted)
            && (!ruled || self.allows(world, node, posted))
    }

    /// Whether a node is a member with the newest epoch: whoever has yet to hear of it cannot lend a share.
    fn is_ready(&self, world: &World, node: NodeId) -> bool {
        let newest = world.key().map(|(key_id, _)| key_id);
        self.ready.get(&node).copied() == newest && newest.is_some() && world.holders().members.contains(&node)
    }

    /// Whether a node has long seen that what a request has scheduled is ready, and it is.
    fn sees_ready(&self, world: &World, node: NodeId, posted: &PostedRequest) -> bool {
        let (chain, now) = (world.chain(), world.now());
        let seen = chain.final_at(now.saturating_sub(rules::SEEN)).number;
        let ready = |block| chain.ready(posted.subject, block);
        ready(seen).is_some_and(|ready| ready <= chain.time_of(seen))
            && ready(chain.final_at(now).number).is_some()
            && self.sees_since(node).saturating_add(rules::seen(world)) <= now
    }

    /// Whether a node that is asked directly has to take the request in.
    #[must_use]
    pub fn owes_acceptance(&self, world: &World, node: NodeId, posted: &PostedRequest) -> bool {
        let sound = self.is_sound(world, node) && self.is_ready(world, node);
        let takes_in = |rule: &Rule| rule.rate.is_none() && rule.delay_seconds.is_none();
        sound
            && posted.authorised
            && has_room(world)
            && duty_ends(posted, false) >= world.now()
            && rules::fits(world, node, posted)
            && world.versions().flat_map(|definition| definition.policy.rules.values()).all(takes_in)
            && rivals(world, posted).next().is_none()
    }

    /// A request that is long over and open at an honest node all the same, where everybody always saw the chain.
    #[must_use]
    pub fn unended(&self, world: &World) -> Option<Violation> {
        let blind = |fault: &Fault| fault.kind.is_of_chain();
        if world.scenario().faults.iter().any(blind) {
            return None;
        }
        let over = |deadline: u64| EPOCH + world.now() / 1_000_000 > deadline + EXPIRY_GRACE_SECONDS + ENDING_SECONDS;
        let sound = world.nodes().into_iter().filter(|node| self.is_sound(world, *node));
        let engines = sound.filter_map(|node| Some((node, &process(world, node)?.engine)));
        engines.flat_map(|(node, engine)| engine.requests().into_iter().map(move |view| (node, view))).find_map(
            |(node, view)| {
                let ended = matches!(view.state, "signed" | "executed" | "refused" | "expired");
                let open = !ended && over(view.request.deadline().0);
                let detail = format!("request {} is {} long after its deadline", view.id, view.state);
                open.then(|| Violation { id: "L1", at: world.now(), node: Some(node), detail })
            },
        )
    }

    /// Whether the node lent a share to a rival, or knows a rival and not this one.
    #[must_use]
    pub fn is_rival_bound(&self, world: &World, node: NodeId, posted: &PostedRequest) -> bool {
        rivals(world, posted).any(|rival| {
            let bound = self.bound.get(&rival.subject).is_some_and(|nodes| nodes.contains(&node));
            let knows = |subject| self.known_since(subject, node).is_some();
            bound || knows(rival.subject) && !knows(posted.subject)
        })
    }

    /// Since when a node has known a request.
    #[must_use]
    pub fn known_since(&self, subject: SubjectId, node: NodeId) -> Option<Micros> {
        self.known.get(&subject)?.get(&node).copied()
    }

    /// When a request was executed.
    #[must_use]
    pub fn executed_at(&self, subject: SubjectId) -> Option<Micros> {
        self.executed.get(&subject).copied()
    }

    /// Since when a node has run and seen the chain.
    #[must_use]
    pub fn sees_since(&self, node: NodeId) -> Micros {
        self.sees.get(&node).copied().unwrap_or_default()
    }

    /// Who has taken the request in.
    #[must_use]
    pub fn knows(&self, committee: &Committee, subject: SubjectId) -> Members {
        committee.members(self.known.get(&subject).into_iter().flat_map(BTreeMap::keys).copied())
    }
}

/// Until when members have to sign a request: its deadline, less what their clocks may differ by, and its first payload less what
/// the gate takes.
#[must_use]
pub fn duty_ends(posted: &PostedRequest, second: bool) -> Micros {
    let seconds = posted.request.deadline().0.saturating_sub(EPOCH + CLOCK_ERROR_MS_MAX / 1_000);
    seconds.saturating_mul(1_000_000).saturating_sub(if second { 0 } else { posted.gate_time })
}

/// Other requests with the same requester nonce.
pub fn rivals<'a>(world: &'a World, posted: &'a PostedRequest) -> impl Iterator<Item = &'a PostedRequest> {
    let requests = world.requests();
    let first =
        |of: &PostedRequest| of.rival_of.and_then(|index| requests.get(index)).map_or(of.subject, |of| of.subject);
    let group = first(posted);
    requests.iter().filter(move |other| other.subject != posted.subject && first(other) == group)
}

/// Each requester has a part of the room for open requests; below that there is room for all.
fn has_room(world: &World) -> bool {
    let part = OPEN_SUBJECTS_MAX.checked_div(world.definition().requesters.len()).unwrap_or_default();
    world.requests().len() <= part.max(1)
}

fn process(world: &World, node: NodeId) -> Option<&Process> {
    world.process(ProcessId { node, twin: 0 })
}
