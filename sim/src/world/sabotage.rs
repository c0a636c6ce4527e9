//! What seeded bugs do at the boundary of the host: each where an honest host does otherwise, and nowhere else.

use super::disk::Batch;
use super::frame::Said;
use super::{Occurrence, World};
use crate::history::{ProcessId, What};
use crate::invariants::secrets::Keys;
use crate::scenario::Micros;
use crate::seeded::Bug;
use firn_coordinator::api::{ChainAnswer, Effect, Event, Family, Observation, Record, Timer};
use firn_proto::{Code, Epoch, GroupSignature, KeyId, Message, NodeId, SessionId};
use firn_vault::api::Write;
use firn_vault::{SHARES, Vault};

/// When all data directories are lost.
const LOSS: Micros = 5_000_000;

/// How long records are kept back.
const LATE: Micros = 2_000_000;

/// Timers that doubling stops at, so that the run comes to its end.
const TIMERS_MAX: usize = 4_000;

impl World {
    /// Whether this is the bug of the run.
    pub(super) fn has(&self, bug: Bug) -> bool {
        self.options.seeded == Some(bug)
    }

    /// Queues what happens by itself.
    pub(super) fn queue_sabotage(&mut self) {
        if self.has(Bug::SecondKey) {
            self.at(LOSS, Occurrence::Loss);
        }
    }

    /// All disks are gone, and people generate the key again.
    pub(super) fn lose_all(&mut self) {
        self.lose_key();
        for node in self.nodes() {
            self.wipe(ProcessId { node, twin: 0 });
        }
        let round = self.keys.proposals;
        self.after(LOSS, Occurrence::Propose { round });
    }

    /// Whether a host forgets to carry an effect out.
    pub(super) fn forgets(&self, effect: &Effect) -> bool {
        match effect {
            Effect::SetTimer { timer: Timer::Takeover { .. }, .. } => self.has(Bug::ForgottenTakeover),
            Effect::Observe(Observation::Evidence { .. }) => self.has(Bug::SwallowedEvidence),
            _ => false,
        }
    }

    /// What a host makes of records that it is to keep.
    pub(super) fn spoil_records(&self, mut records: Vec<Record>) -> Vec<Record> {
        if self.has(Bug::DroppedRecord) {
            records.retain(|record| record.family != Family::Requests);
        }
        if self.has(Bug::SkippedEntry) {
            records
                .retain(|record| record.family != Family::Audit || record.key.last().is_none_or(|byte| byte % 5 != 3));
        }
        records
    }

    /// What a host writes instead of a batch, and what of it comes later.
    pub(super) fn spoil_batch(&mut self, id: ProcessId, batch: &mut Batch) {
        if self.has(Bug::LatePersist)
            && let Some(process) = self.processes.get_mut(&id)
        {
            let now = self.now;
            process.work.late.extend(batch.records.drain(..).map(|record| (now, record)));
            let due = process.work.late.iter().take_while(|(since, _)| since + LATE < now).count();
            batch.records.extend(process.work.late.drain(..due).map(|(_, record)| record));
        }
    }

    /// What becomes of shares: erasures that are not carried out, and some that nobody asked for.
    pub(super) fn spoil_shares(&mut self, id: ProcessId, batch: &mut Batch) {
        let of_share = |write: &Write| matches!(write, Write::Delete { key } if key.starts_with(SHARES));
        if self.has(Bug::KeptShare) {
            batch.writes.retain(|write| !of_share(write));
        }
        let Some(process) = self.processes.get_mut(&id) else { return };
        let keys = process.engine.keys();
        let dealing = ["active", "round-1"].iter().all(|state| keys.iter().any(|key| key.state == *state));
        if dealing && self.options.seeded == Some(Bug::EarlyErase) {
            process.disk.lose_shares();
        }
    }

    /// A share of another polynomial takes the place of the one that was certified.
    pub(super) fn swap_share(&mut self, id: ProcessId, key_id: KeyId) {
        if !self.has(Bug::ForeignShare) || id.node.0.is_multiple_of(2) {
            return;
        }
        let keys = Keys::new(self.definition.network_id(), id.node, self.seed_root(id.node));
        let Some(process) = self.processes.get_mut(&id) else { return };
        let epoch = process.engine.keys().iter().find(|key| key.key_id == key_id).map_or(Epoch(0), |key| key.epoch);
        let record = Vault::share_record(key_id, epoch);
        process.disk.exchange(&record, |sealed| keys.foreign(&record, sealed).filter(|_| epoch > Epoch(0)));
    }

    /// What a host writes beside a batch.
    pub(super) fn add_log(&self, id: ProcessId, batch: &mut Batch) {
        if self.has(Bug::LoggedSecret) {
            let value = Some(self.seed_root(id.node).to_vec());
            batch.records.push(Record { family: Family::Audit, key: b"log".to_vec(), value });
        }
    }

    /// What a host says instead of a message.
    pub(super) fn spoil_message(&self, message: Message) -> Message {
        match message {
            Message::Signed(signature) if self.has(Bug::FlippedSignature) => {
                let mut bytes = *signature.as_bytes();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                Message::Signed(GroupSignature::from_slice(&bytes).unwrap_or(signature))
            }
            other => other,
        }
    }

    /// A share that a host sends when it comes to it.
    pub(super) fn put_later(
        &mut self,
        id: ProcessId,
        to: &[NodeId],
        (kind, session): (&'static str, SessionId),
        bytes: &[u8],
    ) {
        let boot = self.processes.get(&id).map_or(0, |process| process.boot);
        for to in to.iter().copied() {
            let said = Box::new(self.frame(id, to, kind, session, &Said::new(bytes.to_vec())));
            self.after(LATE, Occurrence::Put { process: id, boot, to, said });
        }
    }

    /// What a host makes of the chain's answer.
    pub(super) fn forget_slashes(&self, answer: &mut ChainAnswer) {
        if let ChainAnswer::Slash(facts) = answer
            && self.has(Bug::ForgottenSlashes)
        {
            facts.history.iter_mut().for_each(|history| history.slashes.clear());
        }
    }

    /// Whether a process falls over an event.
    pub(super) fn falls_over(&self, id: ProcessId, event: &Event) -> bool {
        let package =
            matches!(event, Event::Received { message, .. } if matches!(message.content(), Message::SigningPackage(_)));
        package && id.node == NodeId(2) && self.has(Bug::PanicOnMessage)
    }

    /// Evidence that a host makes up: whoever comes next is to blame for an inconsistent broadcast.
    pub(super) fn blame_hastily(&mut self, id: ProcessId, observation: &Observation) {
        let Observation::KeyEnded { .. } = observation else { return };
        let honest = |node: &NodeId| *node != id.node && !self.is_corrupted(*node);
        let culprit = self.nodes().into_iter().find(honest);
        if let Some(culprit) = culprit.filter(|_| self.has(Bug::HastyBlame)) {
            let evidence = Observation::Evidence { culprit, code: Code::DkgEchoMismatch, envelopes: Vec::new() };
            self.record(Some(id), What::Observed(evidence));
        }
    }

    /// Timers that are set again twice as they fire.
    pub(super) fn double(&mut self, id: ProcessId, timer: Timer, now_ms: u64) {
        let doubles = self.has(Bug::DoubledTimers);
        let Some(process) = self.processes.get_mut(&id).filter(|p| doubles && p.work.timers.len() < TIMERS_MAX) else {
            return;
        };
        for _ in 0..2 {
            process.work.timer_count += 1;
            process.work.timers.insert((now_ms + 1_000, process.work.timer_count), timer);
        }
        self.arm(id, now_ms + 1_000);
    }
}
