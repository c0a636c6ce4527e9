//! Versions of the definition: what follows what, who signs it, and processes that start anew under the next one.

use super::chain::block_at;
use super::governance::{admin, rules, sign};
use super::{Occurrence, SLOT, World, setting};
use crate::geography::Invalid;
use crate::history::ProcessId;
use crate::scenario::{Micros, Renewal, Roster, Scenario, Version};
use firn_coordinator::api::Event;
use firn_proto::definition::{Content, Definition, SignedChange, change};
use firn_proto::{Digest, NodeId};

/// From the end under one version to the start under the next: at least, and how much more by chance.
const RENEWAL: (Micros, Micros) = (300_000, 700_000);

/// How long whoever hands a version in takes before another try, and how often it is tried.
const PATIENCE: Micros = 1_000_000;
const TRIES_MAX: u32 = 120;

/// From the time at which a resharing is wanted to the block from which on the definition says so.
const NOTICE: Micros = 2 * SLOT;

/// A version and the signatures on it.
pub(super) struct Next {
    /// When it is handed in, and where.
    at: Micros,
    node: NodeId,
    definition: Definition,
    signed: SignedChange,
}

/// A version of the scenario, or the one that a resharing needs; with the roster that it changes to.
fn planned(scenario: &Scenario) -> Vec<(Version, Option<Roster>)> {
    let written = scenario.versions.iter().map(|version| (version.clone(), None));
    let rosters = scenario.rosters();
    let mut organisations: Vec<_> = scenario.organisations.iter().map(|one| one.name.clone()).collect();
    organisations.dedup();
    let reshares = scenario.key.renewals.iter().zip(rosters.iter().skip(1)).filter(|(renewal, _)| renewal.is_reshare());
    let reshare = |(renewal, roster): (&Renewal, &Roster)| {
        let node = roster.members.first().copied()?;
        let expelled = |name: &String| {
            let before = scenario.versions.iter().filter(|version| version.at < renewal.at);
            before.flat_map(|version| &version.expels).any(|gone| gone == name)
        };
        let version = Version {
            at: renewal.at,
            node,
            block: renewal.at.saturating_add(NOTICE),
            rules: Vec::new(),
            drops: Vec::new(),
            expels: Vec::new(),
            signers: organisations.iter().filter(|name| !expelled(name)).cloned().collect(),
        };
        Some((version, Some(roster.clone())))
    };
    let mut all: Vec<_> = written.chain(reshares.filter_map(reshare)).collect();
    all.sort_by_key(|(version, _)| version.at);
    all
}

/// The versions that follow the first.
pub(super) fn versions(scenario: &Scenario, first: &Definition) -> Result<Vec<Next>, Invalid> {
    let mut all: Vec<Next> = Vec::new();
    for (version, roster) in planned(scenario) {
        let before = all.last().map_or(first, |next| &next.definition);
        let mut content = content(before, &version);
        if let (Some(roster), Some(key)) = (roster, content.keys.first_mut()) {
            key.threshold = roster.threshold;
            key.members = setting::roster(Some(roster));
        }
        let invalid = |refusal: firn_proto::Refusal| Invalid { line: None, detail: format!("a version: {refusal}") };
        let definition = before.succeeded_by(content, block_at(version.block)).map_err(invalid)?;
        let mut signed = SignedChange::propose(&definition);
        let digest = change::digest(&definition);
        signed.signatures = version.signers.iter().map(|organisation| sign(&admin(organisation), digest)).collect();
        all.push(Next { at: version.at, node: version.node, definition, signed });
    }
    Ok(all)
}

/// What a version makes of the one before it.
fn content(before: &Definition, version: &Version) -> Content {
    let mut content = Content::clone(before);
    content.policy.rules.retain(|name, _| !version.drops.contains(name));
    content.policy.rules.extend(rules(&version.rules));
    content.organisations.retain(|organisation| !version.expels.contains(organisation));
    content.policy.people.retain(|_, person| !version.expels.contains(&person.organisation));
    // Whoever holds a share keeps it: another organisation answers for the machine.
    let heir = content.organisations.first().cloned().unwrap_or_default();
    let orphans = content.nodes.values_mut().filter(|node| version.expels.contains(&node.organisation));
    orphans.for_each(|node| node.organisation.clone_from(&heir));
    content
}

impl World {
    pub(super) fn queue_versions(&mut self) {
        for (version, at) in self.versions.iter().map(|version| version.at).enumerate().collect::<Vec<_>>() {
            self.at(at, Occurrence::Change { version, tries: 0 });
        }
    }

    /// Hands a version in, or tries again where the node does not run or has yet to take up the one before.
    pub(super) fn change(&mut self, version: usize, tries: u32) {
        let Some(next) = self.versions.get(version) else { return };
        let id = ProcessId { node: next.node, twin: 0 };
        let process = self.processes.get(&id).filter(|process| process.up && !process.paused);
        match process.and_then(|process| next.signed.clone().verify(&process.definition).ok()) {
            Some(change) => self.input(id, Event::Changed { change: Box::new(change) }),
            None if tries < TRIES_MAX => self.after(PATIENCE, Occurrence::Change { version, tries: tries + 1 }),
            None => {}
        }
    }

    /// Another version is in force: engine and vault start anew under it, from their disk.
    pub(super) fn supersede(&mut self, id: ProcessId) {
        let boot = self.processes.get(&id).map_or(0, |process| process.boot);
        let pause = RENEWAL.0 + self.source.below(RENEWAL.1, "renewal", &[id.node.0.into(), id.twin.into(), boot]);
        self.stop(id, SUPERSEDED);
        self.after(pause, Occurrence::Start { process: id });
    }

    /// The version of this number; the first where there is none.
    pub(super) fn version(&self, number: u32) -> &Definition {
        let later = usize::try_from(number).ok().and_then(|number| number.checked_sub(2));
        later.and_then(|index| self.versions.get(index)).map_or(&self.definition, |next| &next.definition)
    }

    /// All versions, the first one first, whether they have come or not.
    pub fn versions(&self) -> impl Iterator<Item = &Definition> {
        std::iter::once(&self.definition).chain(self.versions.iter().map(|next| &next.definition))
    }

    /// The version that a node runs, or ran last, under.
    #[must_use]
    pub fn in_force(&self, node: NodeId) -> &Definition {
        self.node(node).map_or(&self.definition, |process| &process.definition)
    }

    /// How many batches the sender of the newest `Sent` entry's frame had synced when it said it.
    #[must_use]
    pub fn frame_syncs(&self) -> u64 {
        self.frame.as_ref().map_or(0, |frame| frame.syncs)
    }

    /// How many batches a process has synced since its start.
    #[must_use]
    pub fn syncs(&self, id: ProcessId) -> u64 {
        self.processes.get(&id).map_or(0, |process| process.work.synced)
    }

    /// Which version all of these nodes run under, if one.
    #[must_use]
    pub fn same_version(&self, a: NodeId, b: NodeId) -> bool {
        let digest = |node: NodeId| -> Digest { self.in_force(node).digest() };
        digest(a) == digest(b)
    }
}

/// Why a process stops that starts anew under the next version.
pub const SUPERSEDED: &str = "superseded";
