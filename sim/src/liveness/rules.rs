//! What rules, people, pauses and versions leave to be demanded of a node, by what the world knows.
//!
//! Where it is not certain that a rule is met, nothing is demanded: docs/explanation/simulator.md says where.

use super::core::{Committee, Members};
use super::ground::{ENDING_SECONDS, Ground, duty_ends};
use crate::invariants::pauses;
use crate::scenario::Micros;
use crate::world::{PostedRequest, SLOT, Said, Word, World};
use alloy_primitives::U256;
use firn_coordinator::api::Family;
use firn_coordinator::limits::EXPIRY_GRACE_SECONDS;
use firn_proto::opinion::Decision;
use firn_proto::policy::Rule;
use firn_proto::{NodeId, envelope, wire};
use std::collections::BTreeSet;

/// From a block to when all who see the chain have looked at it again.
pub(super) const SEEN: Micros = 3 * SLOT;

/// The same from the moment at which it happens, which is final later.
pub(super) fn seen(world: &World) -> Micros {
    SEEN.saturating_add(world.scenario().finality)
}

/// How a decision to approve is written down.
const APPROVE: u32 = 2;

/// What is slashed by a request.
fn wad(posted: &PostedRequest) -> U256 {
    let slash = posted.request.operation().slash();
    slash.into_iter().flat_map(|slash| &slash.wadsToSlash).fold(U256::ZERO, |sum, wad| sum.saturating_add(*wad))
}

/// What was said to a request.
fn opinions<'a>(world: &'a World, posted: &'a PostedRequest) -> impl Iterator<Item = (&'a Said, Decision)> {
    world.said().iter().filter_map(move |said| match said.word {
        Word::Opinion(subject, decision) if subject == posted.subject => Some((said, decision)),
        _ => None,
    })
}

/// Whether no version so far would refuse the request for good as soon as it comes in.
#[must_use]
pub(super) fn fits(world: &World, node: NodeId, posted: &PostedRequest) -> bool {
    let newest = world.in_force(node).version();
    let versions = world.versions().filter(|definition| definition.version() <= newest);
    versions
        .flat_map(|definition| definition.policy.rules.values())
        .all(|rule| rule.budget.as_ref().is_none_or(|budget| wad(posted) <= budget.wad_max))
}

/// Nodes at which people said what the request needs, or that the network may go on: what they know has to come from there.
#[must_use]
pub(super) fn bearers(world: &World, committee: &Committee, posted: &PostedRequest) -> Members {
    let approves = world.versions().any(|one| one.policy.rules.values().any(|rule| rule.approvals.is_some()));
    let needed = |said: &&Said| match said.word {
        Word::Opinion(subject, _) => approves && subject == posted.subject,
        Word::Pause { .. } => true,
    };
    committee.members(world.said().iter().filter(needed).map(|said| said.node))
}

impl Ground {
    /// Whether the version in force at a node has it lend a share at this moment.
    pub(super) fn allows(&self, world: &World, node: NodeId, posted: &PostedRequest) -> bool {
        let Some(process) = world.node(node) else { return false };
        let rules = &process.definition.policy.rules;
        let against = opinions(world, posted).any(|(_, decision)| decision != Decision::Approve);
        let paused = || pauses::on_disk(process).0 || pauses::said(world) || !pauses_are_told(world);
        !against
            && fits(world, node, posted)
            && rules.values().all(|rule| self.is_met(world, node, posted, rule))
            && !paused()
    }

    fn is_met(&self, world: &World, node: NodeId, posted: &PostedRequest, rule: &Rule) -> bool {
        let known = self.known_since(posted.subject, node);
        let since = |time: Micros| time.max(self.sees_since(node));
        let waits = |seconds: u64| seconds.saturating_mul(1_000_000).saturating_add(seen(world));
        // Its time begins anew where a start or a fault of the chain may have hidden a block.
        let waited = rule
            .delay_seconds
            .is_none_or(|delay| known.is_some_and(|known| since(known).saturating_add(waits(delay)) <= world.now()));
        // A rate keeps requests out; what is in is in.
        let is_in = rule.rate.is_none() || known.is_some();
        let rested = rule
            .cooldown
            .as_ref()
            .is_none_or(|cooldown| self.others_are_settled(world, node, posted, waits(cooldown.seconds)));
        let budgeted = rule.budget.as_ref().is_none_or(|budget| {
            let executed = world.requests().iter().filter(|other| self.executed_at(other.last()).is_some());
            let sum = executed.fold(wad(posted), |sum, other| sum.saturating_add(wad(other)));
            sum <= budget.wad_max && self.others_are_settled(world, node, posted, seen(world))
        });
        waited
            && is_in
            && rested
            && budgeted
            && rule.approvals.is_none_or(|needed| {
                let policy = &world.in_force(node).policy;
                let approves = opinions(world, posted).filter(|(said, _)| is_written(world, said, posted));
                let people: BTreeSet<_> = approves
                    .filter_map(|(said, _)| Some((&said.person, &policy.people.get(&said.person)?.organisation)))
                    .collect();
                let organisations: BTreeSet<_> = people.iter().map(|(_, organisation)| *organisation).collect();
                people.len() >= usize::from(needed.people) && organisations.len() >= usize::from(needed.organisations)
            })
    }

    /// Whether nothing else can hold a budget that this request counts for: all others have executed so long ago, or are long over.
    fn others_are_settled(&self, world: &World, node: NodeId, posted: &PostedRequest, rest: Micros) -> bool {
        let gone = (EXPIRY_GRACE_SECONDS + ENDING_SECONDS) * 1_000_000;
        let mut others = world.requests().iter().filter(|other| other.subject != posted.subject);
        others.all(|other| match self.executed_at(other.last()) {
            Some(at) => at.max(self.sees_since(node)).saturating_add(rest) <= world.now(),
            // What was scheduled holds its budgets for longer than any run that we do.
            None => other.follows.is_none() && duty_ends(other, false).saturating_add(gone) <= world.now(),
        })
    }
}

/// Whether who was to bring it has it on disk: it may have crashed before.
fn is_written(world: &World, said: &Said, posted: &PostedRequest) -> bool {
    let image = world.node(said.node).map(|process| process.disk.visible());
    let record = image.and_then(|image| image.records.get(&(Family::Requests, posted.subject.0.0.to_vec())));
    let stored = record.and_then(|bytes| envelope::decode_strict::<wire::StoredSubject>(bytes));
    let here = opinions(world, posted).filter(|(other, _)| other.node == said.node).count();
    stored.is_some_and(|stored| stored.opinions.iter().filter(|one| one.decision == APPROVE).count() >= here)
}

/// Whether every node at which people spoke to the network has on disk that it goes on, if it does.
fn pauses_are_told(world: &World) -> bool {
    let spoken = world.said().iter().filter(|said| matches!(said.word, Word::Pause { .. }));
    let nodes: BTreeSet<_> = spoken.map(|said| said.node).collect();
    nodes.into_iter().all(|node| world.node(node).is_some_and(|process| !pauses::on_disk(process).1))
}

/// Whether time alone can change what is demanded.
#[must_use]
pub(super) fn take_time(world: &World) -> bool {
    world.versions().any(|definition| !definition.policy.rules.is_empty())
}

/// Whether anything but links and processes says who lends a share.
#[must_use]
pub(super) fn are_there(world: &World) -> bool {
    take_time(world) || !world.scenario().people.is_empty() || !world.scenario().pauses.is_empty()
}
