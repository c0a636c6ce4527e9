//! Versions of the definition: what follows what, who signs it, and processes that start anew under the next one.

use super::chain::block_at;
use super::governance::{admin, rules, sign};
use super::{Occurrence, World};
use crate::geography::Invalid;
use crate::history::ProcessId;
use crate::scenario::{Micros, Scenario, Version};
use firn_coordinator::api::Event;
use firn_proto::definition::{Content, Definition, SignedChange, change};
use firn_proto::{Digest, NodeId};

/// From the end under one version to the start under the next: at least, and how much more by chance.
const RENEWAL: (Micros, Micros) = (300_000, 700_000);

/// How long whoever hands a version in takes before another try, and how often it is tried.
const PATIENCE: Micros = 1_000_000;
const TRIES_MAX: u32 = 120;

/// A version and the signatures on it.
pub(super) struct Next {
    definition: Definition,
    signed: SignedChange,
}

/// The versions that follow the first.
pub(super) fn versions(scenario: &Scenario, first: &Definition) -> Result<Vec<Next>, Invalid> {
    let mut all: Vec<Next> = Vec::new();
    for version in &scenario.versions {
        let before = all.last().map_or(first, |next| &next.definition);
        let content = content(before, version);
        let invalid = |refusal: firn_proto::Refusal| Invalid { line: None, detail: format!("a version: {refusal}") };
        let definition = before.succeeded_by(content, block_at(version.block)).map_err(invalid)?;
        let mut signed = SignedChange::propose(&definition);
        let digest = change::digest(&definition);
        signed.signatures = version.signers.iter().map(|organisation| sign(&admin(organisation), digest)).collect();
        all.push(Next { definition, signed });
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
        for (version, at) in self.scenario.versions.iter().map(|version| version.at).enumerate().collect::<Vec<_>>() {
            self.at(at, Occurrence::Change { version, tries: 0 });
        }
    }

    /// Hands a version in, or tries again where the node does not run or has yet to take up the one before.
    pub(super) fn change(&mut self, version: usize, tries: u32) {
        let Some((wanted, next)) = self.scenario.versions.get(version).zip(self.versions.get(version)) else { return };
        let id = ProcessId { node: wanted.node, twin: 0 };
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
