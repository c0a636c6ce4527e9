//! Probes: rare events by name, so that a scenario can demand that what it is about did happen.

use crate::history::{Entry, ProcessId, What};
use crate::scenario::Micros;
use crate::world::World;
use firn_coordinator::Engine;
use firn_coordinator::api::Observation;
use firn_proto::{Code, KeyId, Message, NodeId, SessionId, SubjectId, Verified};
use std::collections::{BTreeMap, BTreeSet};

/// A member that hears of a new epoch so much later than the first one is late.
const LATE: Micros = 10_000_000;

/// All probes, each with what it means.
pub const ALL: [(&str, &str); 40] = [
    ("takeover", "an attempt was opened by a node other than the one that received the request"),
    ("attempt-retried", "a coordinator opened a second attempt for a request"),
    ("attempt-warm", "an attempt was opened before any other member had declared itself willing"),
    ("two-coordinators", "two nodes opened attempts for one request"),
    ("share-again", "the same share was given out again for the same package"),
    ("share-durable-unsent-crash", "a process stopped after a share was durable and before it left"),
    ("rival-refused", "a member refused a rival of a payload that it is bound to"),
    ("conflict-refused", "a node refused to take in a rival of a request that it knew"),
    ("request-limit", "a node refused a request as its requester's room was full"),
    ("chain-behind", "a signer refused a package as its chain view was behind"),
    ("commitment-unknown", "a signer refused a package over commitments that it no longer had"),
    ("quarantine", "a peer's boot went backwards or was there twice, and it was quarantined"),
    ("catch-up", "a process that had started late or again learnt a signature from others"),
    ("evidence", "a fault was proven"),
    ("pool-topped-up", "commitments were made for a coordinator with no request open"),
    ("commitments-expired", "commitments were thrown away for their age"),
    ("key-undecided", "a key generation was reported as undecided"),
    ("key-aborted", "a key generation ended without a key"),
    ("key-active", "a key was activated in the run"),
    ("start-refused", "a process did not start on what its disk held"),
    ("expired", "a request was closed as expired"),
    ("signed-twice", "two different valid signatures of one request were known"),
    ("relay-raced", "a relayed payload met a nonce that another relayer had used"),
    ("version-adopted", "a node took the next version of the definition up"),
    ("version-elsewhere", "a node met a peer that runs under another version"),
    ("node-paused", "an operator paused a node"),
    ("network-paused", "a node heard that the network is paused"),
    ("scheduled", "a node saw on chain that a slash is scheduled"),
    ("schedule-gone", "a node refused to execute what was scheduled and is no more"),
    ("cancelled", "what was scheduled was cancelled on chain"),
    ("vanished", "an execution, or a cancellation, was in a block that was replaced"),
    ("pending", "a transaction waited for the end of a gas spike"),
    ("dropped", "a transaction was lost in a gas spike"),
    ("epoch-switched-under-load", "an epoch became active while a request was open"),
    ("dealer-left-out", "an epoch was made without the dealing of a member of the one before"),
    ("reshare-aborted-and-retried", "an attempt at an epoch ended, and a later one succeeded"),
    ("member-learned-late", "a member heard ten seconds and more after another that an epoch is active"),
    ("epoch-retired", "a node let go of an epoch that is over"),
    ("share-repaired", "a member had a share again that it had lost, or a helper its part in that"),
    ("misbehaved", "a corrupted node did something of its own"),
];

/// Counts probes as the ledger grows.
#[derive(Debug, Default)]
pub struct Probes {
    counts: BTreeMap<String, u64>,
    coordinators: BTreeMap<SubjectId, BTreeSet<NodeId>>,
    willing: BTreeMap<SubjectId, BTreeSet<NodeId>>,
    signatures: BTreeMap<SubjectId, [u8; 96]>,
    restarted: BTreeSet<ProcessId>,
    unsent: BTreeMap<ProcessId, i64>,
    /// When each epoch was first active, and who dealt for it without being convicted.
    active: BTreeMap<KeyId, Micros>,
    dealt: BTreeMap<SessionId, BTreeSet<NodeId>>,
    convicted: BTreeSet<NodeId>,
}

impl Probes {
    /// How often each fired.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    fn fire(&mut self, name: &str) {
        debug_assert!(ALL.iter().any(|(known, _)| *known == name), "{name} is listed");
        match self.counts.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(name.to_owned(), 1)),
        }
    }

    /// Looks at an entry.
    pub fn see(&mut self, entry: &Entry, world: &World) {
        let process = entry.process;
        match &entry.what {
            What::Observed(Observation::KeyPhase { key_id, phase }) => self.key(entry, *key_id, phase, world),
            What::Observed(observation) => self.observed(observation, process, world),
            What::Started { .. } => {
                if entry.at > 0 {
                    self.restarted.extend(process);
                }
                self.unsent.extend(process.map(|process| (process, 0)));
            }
            What::Stopped { why } => {
                if process.and_then(|process| self.unsent.remove(&process)).is_some_and(|unsent| unsent > 0) {
                    self.fire("share-durable-unsent-crash");
                }
                if matches!(*why, "corrupt" | "refused") {
                    self.fire("start-refused");
                }
            }
            What::Released { again, own, .. } => {
                if *again {
                    self.fire("share-again");
                }
                let local = process.is_some_and(|process| process.node == own.coordinator);
                if let Some(unsent) = process.filter(|_| !local).and_then(|process| self.unsent.get_mut(&process)) {
                    *unsent += 1;
                }
            }
            What::Sent { kind: "signature-share", .. } => {
                if let Some(unsent) = process.and_then(|process| self.unsent.get_mut(&process)) {
                    *unsent = (*unsent - 1).max(0);
                }
            }
            What::Sent { kind: "key-redeal", session, .. } => {
                self.dealt.entry(*session).or_default().extend(process.map(|process| process.node));
            }
            What::Sent { kind: "commitments-offered", .. } => self.fire("pool-topped-up"),
            What::Sent { kind: "share-refused", .. } => match world.message().map(Verified::content) {
                Some(Message::ShareRefused { code: Code::RivalLocked, .. }) => self.fire("rival-refused"),
                Some(Message::ShareRefused { code: Code::ChainBehind, .. }) => self.fire("chain-behind"),
                Some(Message::ShareRefused { code: Code::CommitmentUnknown, .. }) => self.fire("commitment-unknown"),
                _ => {}
            },
            What::Signed { subject, signature, .. } => self.signed(*subject, *signature.as_bytes(), process),
            What::Answered { outcome: Err(Code::RequestLimit), .. } => self.fire("request-limit"),
            What::Answered { outcome: Err(Code::RequestConflict), .. } => self.fire("conflict-refused"),
            What::Reverted { used: true, .. } => self.fire("relay-raced"),
            What::Cancelled { .. } => self.fire("cancelled"),
            What::Vanished { .. } => self.fire("vanished"),
            What::Misbehaved { .. } => self.fire("misbehaved"),
            What::Probe { name } => self.fire(name),
            _ => {}
        }
    }

    fn key(&mut self, entry: &Entry, key_id: KeyId, phase: &str, world: &World) {
        match phase {
            "retired" => return self.fire("epoch-retired"),
            "repair-done" => return self.fire("share-repaired"),
            "active" => self.fire("key-active"),
            _ => return,
        }
        let known = self.active.get(&key_id).copied();
        if known.is_some_and(|first| first.saturating_add(LATE) <= entry.at) {
            self.fire("member-learned-late");
        }
        if known.is_none() {
            self.active.insert(key_id, entry.at);
            let dealt = self.dealt.get(&key_id.into()).cloned().unwrap_or_default();
            let all =
                entry.process.and_then(|id| world.process(id)).map_or(0, |process| dealers(&process.engine, key_id));
            if dealt.difference(&self.convicted).count() < all {
                self.fire("dealer-left-out");
            }
        }
    }

    fn observed(&mut self, observation: &Observation, process: Option<ProcessId>, world: &World) {
        let Some(node) = process.map(|process| process.node) else { return };
        match observation {
            Observation::AttemptOpened { subject, attempt, .. } => self.opened(*subject, *attempt, node, world),
            Observation::Subject { subject, state: "willing", .. } => {
                self.willing.entry(*subject).or_default().insert(node);
            }
            Observation::Subject { state: "expired", .. } => self.fire("expired"),
            Observation::Subject { code: Some(Code::ScheduleGone), .. } => self.fire("schedule-gone"),
            Observation::Subject { subject, state: "received", .. }
                if world.posted(*subject).is_some_and(|posted| posted.follows == Some(*subject)) =>
            {
                self.fire("scheduled");
            }
            Observation::Evidence { culprit, .. } => {
                self.convicted.insert(*culprit);
                self.fire("evidence");
            }
            Observation::Version { state: "adopted", .. } => self.fire("version-adopted"),
            Observation::Elsewhere { .. } => self.fire("version-elsewhere"),
            Observation::Pause { paused: true, network } => {
                self.fire(if *network { "network-paused" } else { "node-paused" });
            }
            Observation::Quarantine { over: false, .. } => self.fire("quarantine"),
            Observation::KeyEnded { key_id, .. } => {
                let keys = process.and_then(|id| world.process(id)).map(|process| process.engine.keys());
                let state = keys.into_iter().flatten().find(|key| key.key_id == *key_id).map(|key| key.state);
                self.fire(if state == Some("undecided") { "key-undecided" } else { "key-aborted" });
            }
            Observation::Ignored { code: Code::RequestConflict, .. } => self.fire("conflict-refused"),
            Observation::Ignored { code: Code::RequestLimit, .. } => self.fire("request-limit"),
            _ => {}
        }
    }

    fn opened(&mut self, subject: SubjectId, attempt: u32, node: NodeId, world: &World) {
        let posted = world.posted(subject).map(|posted| posted.node);
        if posted.is_some_and(|posted| posted != node) {
            self.fire("takeover");
        }
        if attempt > 0 {
            self.fire("attempt-retried");
        }
        let others = self.willing.get(&subject).is_some_and(|willing| willing.iter().any(|other| *other != node));
        if posted.is_some() && !others {
            self.fire("attempt-warm");
        }
        let coordinators = self.coordinators.entry(subject).or_default();
        if coordinators.insert(node) && coordinators.len() == 2 {
            self.fire("two-coordinators");
        }
    }

    fn signed(&mut self, subject: SubjectId, signature: [u8; 96], process: Option<ProcessId>) {
        if process.is_some_and(|process| self.restarted.contains(&process)) {
            self.fire("catch-up");
        }
        if *self.signatures.entry(subject).or_insert(signature) != signature {
            self.fire("signed-twice");
        }
    }
}

/// How many members the epoch before this one has.
fn dealers(engine: &Engine, key_id: KeyId) -> usize {
    let keys = engine.keys();
    let epoch = keys.iter().find(|key| key.key_id == key_id).map_or(0, |key| key.epoch.0);
    let before = keys.iter().find(|key| key.epoch.0 + 1 == epoch && matches!(key.state, "active" | "retired"));
    before.map_or(0, |before| before.members.len())
}
