//! The ledger, the digest over everything that happens, and counts per session.

use super::{Occurrence, World};
use crate::history::{Entry, ProcessId, What};
use crate::oracle::Findings;
use crate::scenario::Micros;
use firn_coordinator::api::{Event, Observation};
use firn_proto::{Digest, NodeId, SessionId};
use sha2::{Digest as _, Sha256};
use std::mem::discriminant;

/// What was spent on a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Attempts opened by all coordinators.
    pub attempts: u32,
    /// Frames sent.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// The rolling digest over events, effects and draws.
#[derive(Default)]
pub(super) struct Trail {
    hasher: Sha256,
    /// Events handled.
    pub(super) events: u64,
    /// The digest's beginning after each event, where kept.
    marks: Option<Vec<Mark>>,
}

/// The state of the digest after an event: two runs differ from the first mark that differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// When.
    pub at: Micros,
    /// Where.
    pub process: Option<ProcessId>,
    /// What, in a word.
    pub what: &'static str,
    /// The beginning of the digest.
    pub digest: u64,
}

impl Trail {
    pub(super) fn keep(&mut self) {
        self.marks = Some(Vec::new());
    }

    pub(super) fn occurrence(&mut self, at: Micros, number: u64, occurrence: &Occurrence) {
        self.number(at);
        self.number(number);
        if self.marks.is_some() {
            self.mark(at, None, occurrence.name());
        }
    }

    pub(super) fn event(&mut self, at: Micros, process: ProcessId, event: &Event) {
        self.events += 1;
        self.number(u64::from(process.node.0) << 8 | u64::from(process.twin));
        match event {
            Event::Received { message, .. } => self.bytes(message.envelope()),
            Event::TimerFired(timer) => self.bytes(format!("{timer:?}").as_bytes()),
            other => self.bytes(format!("{:?}", discriminant(other)).as_bytes()),
        }
        if self.marks.is_some() {
            self.mark(at, Some(process), "event");
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hasher.update(bytes);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.hasher.update(number.to_be_bytes());
    }

    pub(super) fn digest(&self) -> Digest {
        Digest(self.hasher.clone().finalize().into())
    }

    fn mark(&mut self, at: Micros, process: Option<ProcessId>, what: &'static str) {
        let [a, b, c, d, e, f, g, h, ..] = self.digest().0;
        let digest = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if let Some(marks) = &mut self.marks {
            marks.push(Mark { at, process, what, digest });
        }
    }
}

impl Occurrence {
    fn name(&self) -> &'static str {
        match self {
            Self::Wake { .. } => "wake",
            Self::Resume { .. } => "resume",
            Self::Input { .. } => "input",
            Self::Put { .. } => "put",
            Self::Arrive { .. } => "arrive",
            Self::Dial { .. } => "dial",
            Self::Connect { .. } => "connect",
            Self::Down { .. } => "down",
            Self::KeepAlive { .. } => "keep-alive",
            Self::Block => "block",
            Self::Include(_) => "include",
            Self::Post(_) => "post",
            Self::Speak { .. } => "speak",
            Self::Cancel { .. } => "cancel",
            Self::Halt { .. } => "halt",
            Self::Change { .. } => "change",
            Self::Propose { .. } => "propose",
            Self::Renew { .. } => "renew",
            Self::Repair { .. } => "repair",
            Self::Fault { .. } => "fault",
            Self::Links => "links",
            Self::Start { .. } => "start",
            Self::Loss => "loss",
        }
    }
}

impl World {
    /// Appends to the ledger, and shows the entry to the oracle.
    pub(super) fn record(&mut self, process: Option<ProcessId>, what: What) {
        self.count(&what);
        let entry = Entry { at: self.now, process, what };
        if let Some(mut oracle) = self.oracle.take() {
            let found = oracle.see(&entry, self);
            self.violations.extend(found);
            self.oracle = Some(oracle);
        }
        if self.options.keep_history {
            self.history.push(entry);
        }
    }

    /// Shows the end of the run to the oracle.
    pub(crate) fn end(&mut self) -> Findings {
        let findings = self.oracle.take().map(|mut oracle| oracle.end(self)).unwrap_or_default();
        self.violations.extend(findings.violations.clone());
        findings
    }

    /// Digest of all that has happened, and how many events that were.
    #[must_use]
    pub fn digest(&self) -> (Digest, u64) {
        (self.trail.digest(), self.trail.events)
    }

    /// Has the digest after each event kept.
    pub(crate) fn keep_marks(&mut self) {
        self.trail.keep();
    }

    /// The digest after each event, where kept.
    #[must_use]
    pub(crate) fn marks(&self) -> &[Mark] {
        self.trail.marks.as_deref().unwrap_or_default()
    }

    /// What was spent on a session.
    #[must_use]
    pub fn tally(&self, session: impl Into<SessionId>) -> Tally {
        self.tallies.get(&session.into()).copied().unwrap_or_default()
    }

    /// The whole ledger, which the world loses.
    pub(crate) fn take_history(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.history)
    }

    fn count(&mut self, what: &What) {
        match what {
            What::Sent { session, bytes, .. } => {
                let tally = self.tallies.entry(*session).or_default();
                tally.messages += 1;
                tally.bytes += u64::from(*bytes);
            }
            What::Observed(Observation::AttemptOpened { subject, .. }) => {
                self.tallies.entry((*subject).into()).or_default().attempts += 1;
            }
            _ => {}
        }
    }

    /// The node of a process, where there is one.
    pub(super) fn other(&self, of: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.definition.nodes.keys().copied().filter(move |node| *node != of)
    }
}
