//! The engine: its state, and the dispatch of events. Each protocol has a file of its own.

use crate::api::{Class, Command, Effect, Event, Family, Observation, Record, Timer};
use crate::audit::{AuditLog, AuditNote, Head};
use crate::keygen::Attempt;
use crate::limits::ANTI_ENTROPY_MS;
use crate::pace::{Due, Pace};
use crate::pause::Halt;
use crate::pool::Pools;
use crate::quarantine::Peer;
use crate::queue::Queue;
use crate::repair::Repairing;
use crate::round_trip::RoundTrips;
use crate::sign::State;
use crate::sign::index::Index;
use crate::sign::intake::Refusals;
use crate::sign::lent::Lent;
use crate::sign::limits::Limits;
use crate::sign::offer::Want;
use crate::versions::Versions;
use alloy_primitives::Address;
use firn_proto::definition::{KeyDefinition, Purpose};
use firn_proto::message::BlockReference;
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Definition, Identifier, Incarnation, KeyId, Message, NodeId, SessionId, SubjectId, Verified};
use firn_vault::api::{Reply, Request as VaultRequest};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who this engine is, and in which network.
#[derive(Clone, Debug)]
pub struct Config {
    /// The network definition.
    pub definition: Definition,
    /// This node.
    pub me: NodeId,
    /// This start of it.
    pub incarnation: Incarnation,
    /// Whether its organisation has given it an evidence verifier.
    pub check_evidence: bool,
    /// From which age of an epoch on, in seconds, this node takes part in its refresh without its operator; `None` for never.
    pub refresh_after: Option<u64>,
}

/// The protocol state of one node. Free of secrets, clocks, entropy and input or output.
#[derive(Debug)]
pub struct Engine {
    pub(crate) definition: Definition,
    pub(crate) me: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) checks_evidence: bool,
    pub(crate) refresh_after: Option<u64>,
    pub(crate) now: Time,
    pub(crate) finalised: BlockReference,
    /// When that block was made, by the chain's clock.
    pub(crate) finalised_time: WallTime,
    pub(crate) connected: BTreeMap<NodeId, Incarnation>,
    /// The last boot of each peer that we have seen.
    pub(crate) boots: BTreeMap<NodeId, Incarnation>,
    /// What is remembered of each peer.
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// Pauses: what stands against lending shares at all.
    pub(crate) halt: Halt,
    /// Who has met a newer boot of ours than this one.
    pub(crate) doubts: BTreeSet<NodeId>,
    pub(crate) dues: BTreeMap<NodeId, Due>,
    pub(crate) round_trips: RoundTrips,
    pub(crate) attempts: BTreeMap<KeyId, Attempt>,
    /// Repairs of lost shares, of ours or others'.
    pub(crate) repairs: BTreeMap<KeyId, Repairing>,
    pub(crate) subjects: BTreeMap<SubjectId, State>,
    /// The requests among them, for questions about all.
    pub(crate) index: Index,
    /// Requests that we did not take in.
    pub(crate) refusals: Refusals,
    /// Budgets, waiting times and rates.
    pub(crate) limits: Limits,
    /// Whose signing the chain speaks against, for each AVS that was surveyed since the start.
    pub(crate) surveyed: BTreeMap<Address, BTreeSet<Purpose>>,
    /// Which packages our own commitments went into.
    pub(crate) lent: Lent,
    /// Commitments offered to us as coordinator.
    pub(crate) pools: Pools,
    /// For which keys our pools are kept full.
    pub(crate) kept: BTreeSet<KeyId>,
    /// What we have asked the vault for commitments for, by key and the coordinator they are for.
    pub(crate) wanted: BTreeMap<(KeyId, NodeId), VecDeque<Want>>,
    /// How often each coordinator may still ask us for its pool.
    pub(crate) offers: BTreeMap<(KeyId, NodeId), Pace>,
    /// Subjects with an attempt of ours under way, those that wait for a place, and whether one may have come free.
    pub(crate) sessions: BTreeSet<SubjectId>,
    pub(crate) queue: Queue,
    pub(crate) stirred: bool,
    /// The definition's versions.
    pub(crate) versions: Versions,
    /// Up to which subject the last finalised block was looked at.
    pub(crate) chain_turn: SubjectId,
    /// Whose turn it was to hear what we know, and from which subject on.
    pub(crate) turn: (Option<NodeId>, SubjectId),
    /// Records for the next batch.
    pub(crate) unwritten: Vec<Record>,
    audit: AuditLog,
    /// How far the audit log is durable before whatever leaves next.
    pub(crate) audited: Head,
    effects: Vec<Effect>,
    local: VecDeque<(SessionId, Message)>,
}

/// A message as the protocols see it, from a peer or from ourselves.
pub(crate) struct Inbound<'a> {
    pub(crate) from: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) session: SessionId,
    /// The signed envelope; empty for our own messages.
    pub(crate) envelope: &'a [u8],
}

impl Engine {
    /// Takes up where `records` end: all records but the audit log's, and of that the last.
    ///
    /// # Errors
    /// `RECORD_CORRUPT` with the record's key: nothing is guessed or made anew.
    pub fn restore(config: Config, records: &[Record]) -> Result<Self, (Code, Vec<u8>)> {
        let last_audit = records.iter().rev().find(|record| record.family == Family::Audit);
        let last = last_audit.and_then(|record| Some((record.key.as_slice(), record.value.as_deref()?)));
        let audit = AuditLog::restore(last)
            .ok_or_else(|| (Code::RecordCorrupt, last_audit.map(|record| record.key.clone()).unwrap_or_default()))?;
        let mut engine = Self {
            definition: config.definition,
            me: config.me,
            incarnation: config.incarnation,
            checks_evidence: config.check_evidence,
            refresh_after: config.refresh_after,
            now: Time::default(),
            finalised: BlockReference::default(),
            finalised_time: WallTime::default(),
            connected: BTreeMap::new(),
            boots: BTreeMap::new(),
            peers: BTreeMap::new(),
            halt: Halt::default(),
            doubts: BTreeSet::new(),
            dues: BTreeMap::new(),
            round_trips: RoundTrips::default(),
            attempts: BTreeMap::new(),
            repairs: BTreeMap::new(),
            subjects: BTreeMap::new(),
            index: Index::default(),
            refusals: Refusals::default(),
            limits: Limits::default(),
            surveyed: BTreeMap::new(),
            lent: Lent::default(),
            pools: Pools::default(),
            kept: BTreeSet::new(),
            wanted: BTreeMap::new(),
            offers: BTreeMap::new(),
            sessions: BTreeSet::new(),
            queue: Queue::default(),
            stirred: false,
            versions: Versions::default(),
            chain_turn: SubjectId::default(),
            turn: (None, SubjectId::default()),
            unwritten: Vec::new(),
            audited: audit.head(),
            audit,
            effects: Vec::new(),
            local: VecDeque::new(),
        };
        for record in records.iter().filter(|record| record.family == Family::Definitions) {
            engine.restore_change(record).ok_or_else(|| (Code::RecordCorrupt, record.key.clone()))?;
        }
        for family in [Family::Keys, Family::Requests, Family::Peers, Family::People] {
            for record in records.iter().filter(|record| record.family == family) {
                let value = record.value.as_deref().unwrap_or_default();
                let restored = match family {
                    Family::Keys => engine.restore_attempt(&record.key, value),
                    Family::Peers => engine.restore_peer(&record.key, value),
                    Family::People => engine.restore_people(&record.key, value),
                    _ => engine.restore_subject(&record.key, value),
                };
                restored.ok_or_else(|| (Code::RecordCorrupt, record.key.clone()))?;
            }
        }
        engine.forget_closed();
        Ok(engine)
    }

    /// Takes one event and returns what to do about it, in order.
    #[must_use]
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Effect> {
        // Under an older version nothing leaves any more.
        if self.versions.over {
            return Vec::new();
        }
        self.now = now;
        match event {
            Event::Started => self.started(),
            Event::Received { from, message } => self.received(from, &message),
            Event::PeerUp { node, incarnation } => self.peer_up(node, incarnation),
            Event::PeerElsewhere { node, definition } => self.peer_elsewhere(node, definition),
            Event::PeerDown { node } => self.peer_down(node),
            Event::RoundTrip { node, milliseconds } => self.round_trips.measured(node, milliseconds),
            Event::TimerFired(timer) => self.timer(timer),
            Event::Submitted { request } => self.submitted(*request),
            Event::Opined { opinion } => self.opined(*opinion),
            Event::Changed { change } => self.changed(&change),
            Event::Paused { pause } => self.paused(&pause),
            Event::ChainFinalised { block, time } => self.chain_finalised(block, time),
            Event::ChainReplied { subject, answer } => self.chain_replied(subject, answer),
            Event::SubmissionSettled { subject, outcome } => self.submission_settled(subject, outcome),
            Event::AuthoritySurveyed { avs, stopped } => self.authority_surveyed(avs, stopped),
            Event::EvidenceChecked { request, verdict } => self.evidence_checked(request, verdict),
            Event::EvidenceUnasked { request } => self.evidence_unasked(request),
            Event::VaultReplied { reply } => self.vault_replied(reply),
            Event::Operator(command) => self.operator(command),
        }
        self.serve_queue();
        while let Some((session, message)) = self.local.pop_front() {
            let inbound = Inbound { from: self.me, incarnation: Incarnation::default(), session, envelope: &[] };
            self.dispatch(&inbound, &message);
            self.serve_queue();
        }
        // Where the chain was just asked, its answer decides what is to be written: one batch for both.
        if !self.effects.iter().any(|effect| matches!(effect, Effect::AskChain { .. })) {
            self.write();
            self.forget_closed();
        }
        std::mem::take(&mut self.effects)
    }

    fn started(&mut self) {
        self.observe_pauses();
        let attempts: Vec<_> = self.attempts.keys().copied().collect();
        attempts.into_iter().for_each(|key_id| self.resume_attempt(key_id));
        let subjects: Vec<_> = self.subjects.keys().copied().collect();
        subjects.into_iter().for_each(|subject| self.resume_subject(subject));
        self.set_timer(Timer::AntiEntropy, ANTI_ENTROPY_MS);
    }

    fn received(&mut self, from: NodeId, message: &Verified<Message>) {
        let header = message.header();
        if header.sender != from || from == self.me {
            self.effect(Effect::Penalise { peer: from, reason: Code::SenderMismatch });
            return;
        }
        let inbound =
            Inbound { from, incarnation: header.incarnation, session: header.session, envelope: message.envelope() };
        // What an earlier or another process of the peer said is not this one's.
        if self.connected.get(&from).is_some_and(|boot| *boot != header.incarnation) {
            return self.ignored(&inbound, Code::SenderMismatch);
        }
        let about_versions = matches!(message.content(), Message::DefinitionChange(_) | Message::DefinitionHeld(_));
        if self.is_elsewhere(from) && !about_versions {
            return self.ignored(&inbound, Code::DefinitionMismatch);
        }
        if self.is_welcome(&inbound, message.content()) {
            self.dispatch(&inbound, message.content());
        }
    }

    fn dispatch(&mut self, inbound: &Inbound<'_>, message: &Message) {
        match message {
            Message::KeyProposal(proposal) => self.on_proposal(inbound, proposal),
            Message::RepairAsk(repair) => self.on_repair_ask(inbound, repair),
            Message::RepairConsent | Message::RepairDeltas(_) | Message::RepairSigma(_) => {
                self.on_repair_message(inbound, message);
            }
            Message::KeyAbort(_) if self.repairs.contains_key(&inbound.session.into()) => {
                self.on_repair_message(inbound, message);
            }
            Message::KeyAccept
            | Message::KeyRound1(_)
            | Message::KeyEcho(_)
            | Message::KeyShares(_)
            | Message::KeyRedeal(_)
            | Message::KeyComplaint(_)
            | Message::KeyCertified(_)
            | Message::KeyAbort(_)
            | Message::KeyAbandon(_) => self.on_key_message(inbound, message),
            Message::KeyCertificate(certificate) => self.on_certificate(inbound, certificate),
            Message::Relay(envelope) => self.on_relay(inbound, envelope),
            Message::RequestSpread { request, origin } => self.on_request(inbound, request, *origin),
            Message::Willingness(willingness) => self.on_willingness(inbound, willingness),
            Message::Solicit { .. } => self.on_solicit(inbound),
            Message::SigningPackage(package) => self.on_package(inbound, package),
            Message::SignatureShare(share) => self.on_share(inbound, share),
            Message::ShareRefused { package, code, shunned } => {
                self.on_share_refused(inbound, *package, *code, *shunned);
            }
            Message::Signed(signature) => self.on_signed(inbound, signature),
            Message::Heads(heads) => self.on_heads(inbound, heads),
            Message::CommitmentsWanted { epoch, count } => self.on_commitments_wanted(inbound, *epoch, *count),
            Message::CommitmentsOffered(offered) => self.on_commitments_offered(inbound, offered),
            Message::Opinion(opinion) => self.on_opinion(inbound, opinion),
            Message::Checkpoint(signed) => self.on_checkpoint(inbound, *signed),
            Message::DefinitionChange(change) => self.on_change(inbound, change),
            Message::DefinitionHeld(digest) => self.on_held(inbound, *digest),
            Message::Pause(pause) => self.on_pause(inbound, pause),
        }
    }

    fn timer(&mut self, timer: Timer) {
        match timer {
            Timer::KeyPhase { key_id, phase } => self.key_phase_over(key_id, phase),
            Timer::KeyRepair { repair, phase } => self.repair_over(repair, phase),
            Timer::Takeover { subject, round } => self.takeover(subject, round),
            Timer::Widen { subject } => self.widen(subject),
            Timer::Pools => self.fill_pools(),
            Timer::AntiEntropy => self.anti_entropy(),
            Timer::Solicit { subject, round } => self.solicit_again(subject, round),
            Timer::Stalled { subject, package } => self.stalled(subject, package),
            Timer::Recheck { subject } => self.recheck(subject),
            Timer::CatchUp { node } => self.catch_up(node),
            Timer::Relay { subject } => self.relay(subject),
        }
    }

    fn vault_replied(&mut self, reply: Reply) {
        match reply {
            // The host puts envelopes on the wire itself.
            Reply::Envelope(_) | Reply::Settled { .. } => {}
            Reply::Committed(commitments) => self.on_committed(commitments),
            Reply::Released { subject, package, share, next } => self.on_released(subject, package, share, next),
            Reply::Refused(refusal) => match refusal.package {
                Some(package) => self.on_release_refused(refusal.session.into(), package, refusal.code),
                None if self.repair_refused(&refusal) => {}
                None => self.on_key_refused(refusal),
            },
            Reply::RepairDealt { .. } | Reply::RepairSummed { .. } | Reply::Repaired { .. } => {
                self.on_repair_reply(reply)
            }
            other => self.on_key_reply(other),
        }
    }

    fn operator(&mut self, command: Command) {
        let session = command.session(self.definition.network_id());
        let outcome = match command {
            Command::ProposeKey(proposal) => self.propose(proposal),
            Command::AcceptKey(key_id) => self.accept(key_id),
            Command::AbandonKey(key_id) => self.abandon(key_id),
            Command::RepairKey(repair) => self.ask_repair(repair),
            Command::ConsentRepair(repair, acts) => self.consent_repair(repair, &acts),
            Command::TrustPeer { node, incarnation } => self.trust(node, incarnation),
            Command::ShowHead => self.show_head_to_all(),
            Command::Pause => self.pause(),
            Command::Resume(acts) => self.resume(&acts),
        };
        self.effect(Effect::Answer { session, outcome });
    }

    // ---- what the protocols share ----

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        self.effect(Effect::Observe(observation));
    }

    pub(crate) fn ask_vault(&mut self, request: VaultRequest) {
        self.effect(Effect::AskVault(request));
    }

    pub(crate) fn set_timer(&mut self, timer: Timer, milliseconds: u64) {
        let at: MonotonicTime = self.now.monotonic.plus(milliseconds);
        self.effect(Effect::SetTimer { timer, at });
    }

    /// Writes records and the audit entry that explains them, in one batch.
    pub(crate) fn persist(&mut self, records: Vec<Record>, entry: AuditNote<'_>) {
        self.unwritten.extend(records);
        self.note(entry);
        self.write();
    }

    /// An audit entry for the next batch: nothing that leaves before depends on it.
    pub(crate) fn note(&mut self, entry: AuditNote<'_>) {
        let record = self.audit.append(self.now.wall, entry);
        self.unwritten.push(record);
    }

    /// Writes what has gathered.
    pub(crate) fn write(&mut self) {
        if !self.unwritten.is_empty() {
            let records = std::mem::take(&mut self.unwritten);
            self.audited = self.audit.head();
            self.effect(Effect::Persist(records));
        }
    }

    /// Sends to one node, ourselves included.
    pub(crate) fn send(&mut self, to: NodeId, session: SessionId, message: Message, class: Class) {
        if to == self.me {
            self.local.push_back((session, message));
        } else {
            self.effect(Effect::Send { to: vec![to], session, message, class });
        }
    }

    /// Sends to all members of a key but ourselves, as one envelope.
    pub(crate) fn broadcast(&mut self, key: &KeyDefinition, session: SessionId, message: Message, class: Class) {
        let to: Vec<_> = key.nodes().filter(|node| *node != self.me).collect();
        if !to.is_empty() {
            self.effect(Effect::Send { to, session, message, class });
        }
    }

    /// Our identifier in a key.
    pub(crate) fn my_identifier(&self, key: &KeyDefinition) -> Option<Identifier> {
        key.identifier_of(self.me)
    }

    pub(crate) fn ignored(&mut self, inbound: &Inbound<'_>, code: Code) {
        self.observe(Observation::Ignored { from: inbound.from, session: inbound.session, code });
    }
}
