//! Pauses: this node's own, by its operator, and the network's, by veto holders (docs/spec/pause.md).
//!
//! While one stands, this node lends no share: its answers are taken back at once, a package is refused, and a share that the
//! vault has made in between stays here.

use crate::api::{Class, Effect, Family, Observation, Record};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::limits::{PAUSE_AHEAD_SECONDS, PAUSE_BURST, PAUSE_MS};
use crate::pace::Pace;
use crate::record::{self, SCHEMA};
use crate::view::PauseView;
use firn_proto::definition::Purpose;
use firn_proto::message::Status;
use firn_proto::pause::{Act, Pause, Pauses, RESUME, SignedPause, witnesses};
use firn_proto::{Code, KeyId, Message, NodeId, SessionId, SubjectId, wire};
use firn_vault::api::Subject;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// What stands against lending shares at all, and who knows of it.
#[derive(Default, Debug)]
pub(crate) struct Halt {
    /// Our own pause stands.
    own: bool,
    /// It began with the start from a backup, and ends only when members have confirmed this copy.
    restored: bool,
    /// Members that have met this boot of ours and know no newer one, with the keys that are active at them.
    pub(crate) met: BTreeMap<NodeId, BTreeSet<KeyId>>,
    /// Of our last own pause: each has a greater one than the one before.
    number: u64,
    said: Pauses,
    /// Members that were brought all of it.
    heard: BTreeSet<NodeId>,
    /// How often each person may have us write.
    paces: BTreeMap<String, Pace>,
}

/// How the keys of all records of [`Family::People`] begin: a host may keep them among others.
pub const PEOPLE: &[u8] = b"people/";

/// The record of our own pause, and that of what was said to the network.
const OWN: &[u8] = b"people/own-pause";
const SAID: &[u8] = b"people/pauses";

/// How many people it takes for an act of a node, where its organisation has so many.
const PEOPLE_NEEDED: usize = 2;

/// What people signed, as an audit entry names it.
pub(crate) fn reference(acts: &[Act]) -> Vec<u8> {
    wire::Acts { acts: acts.iter().map(|act| act.signed().to_wire()).collect() }.encode_to_vec()
}

impl Engine {
    /// After a start: what stands is seen again.
    pub(crate) fn observe_pauses(&mut self) {
        for (network, stands) in [(false, self.halt.own), (true, self.halt.said.standing(&self.definition).is_some())] {
            if stands {
                self.observe(Observation::Pause { network, paused: true });
            }
        }
    }

    // ---- our own pause ----

    /// Our operator pauses this node: no share leaves from here on, whatever else happens.
    pub(crate) fn pause(&mut self) -> Result<(), Code> {
        if !self.halt.own {
            self.next_own_pause();
            self.own_changed(true, "node-paused", &[]);
            self.withhold_halted();
        }
        Ok(())
    }

    fn next_own_pause(&mut self) {
        self.halt.number = self.now.wall.0.max(self.halt.number.saturating_add(1));
    }

    /// This node comes out of a backup: its pause stands from before its first start on. Its record.
    pub(crate) fn pause_restored(&mut self) -> Record {
        self.next_own_pause();
        (self.halt.own, self.halt.restored) = (true, true);
        self.own_record()
    }

    pub(crate) fn is_restored(&self) -> bool {
        self.halt.restored
    }

    /// Our operator resumes this node with what people of our organisation have signed: two of them, where it has two. A
    /// single person with two roles or two devices is one.
    pub(crate) fn resume(&mut self, acts: &[Act]) -> Result<(), Code> {
        if !self.halt.own {
            return Err(Code::NodeNotPaused);
        }
        self.check_restored()?;
        if !self.agreed(acts, RESUME, self.halt.number)? {
            return Err(Code::ResumeApprovalsMissing);
        }
        self.own_changed(false, "node-resumed", &reference(acts));
        self.reconsider_all();
        Ok(())
    }

    /// Whether enough people of our organisation have agreed to an act of this node.
    ///
    /// # Errors
    /// `ACT_MISMATCH` where one of them signed something else.
    pub(crate) fn agreed(&self, acts: &[Act], what: &str, number: u64) -> Result<bool, Code> {
        let names_it = |act: &Act| {
            let signed = act.signed();
            signed.what == what && signed.node == self.me && signed.number == number
        };
        if !acts.iter().all(names_it) {
            return Err(Code::ActMismatch);
        }
        let people: BTreeSet<_> = acts.iter().map(Act::person).collect();
        Ok(people.len() >= PEOPLE_NEEDED.min(witnesses(&self.definition, self.me).count()))
    }

    fn own_changed(&mut self, paused: bool, event: &'static str, reference: &[u8]) {
        self.halt.own = paused;
        self.halt.restored &= paused;
        let record = self.own_record();
        let code = paused.then_some(Code::NodePaused);
        self.persist(vec![record], AuditNote { code, reference, ..AuditNote::new(SessionId::default(), event) });
        self.observe(Observation::Pause { network: false, paused });
    }

    fn own_record(&self) -> Record {
        let Halt { own: paused, number, restored, .. } = self.halt;
        people_record(OWN, &wire::StoredOwnPause { schema: SCHEMA, paused, number, restored })
    }

    // ---- the network's ----

    /// What a veto holder says at this node's API: durable and on its way to all before it is answered.
    pub(crate) fn paused(&mut self, pause: &Pause) {
        let outcome = if self.is_ahead(pause) { Err(Code::PauseNumberAhead) } else { self.take_pause(pause, None) };
        self.effect(Effect::Answer { session: pause.session(), outcome });
    }

    /// The same brought by a member. Whoever spoke signed it: who brings it says nothing.
    pub(crate) fn on_pause(&mut self, inbound: &Inbound<'_>, pause: &Pause) {
        // A wrong clock may keep us paused, and never makes us go on.
        let outcome = match !pause.signed().paused && self.is_ahead(pause) {
            true => Err(Code::PauseNumberAhead),
            false => self.take_pause(pause, Some(inbound.from)),
        };
        if let Err(code) = outcome {
            self.ignored(inbound, code);
        }
    }

    fn is_ahead(&self, pause: &Pause) -> bool {
        pause.signed().number > self.now.wall.0.saturating_add(PAUSE_AHEAD_SECONDS)
    }

    /// Writes it down where it is news, acts by it, and hands it on.
    fn take_pause(&mut self, pause: &Pause, from: Option<NodeId>) -> Result<(), Code> {
        if self.definition.policy.pause.is_none() {
            return Err(Code::PauseNotDefined);
        }
        if !self.halt.said.is_news(pause) {
            return Err(Code::PauseOutdated);
        }
        let pace = self.halt.paces.entry(pause.person().to_owned()).or_insert_with(|| Pace::new(PAUSE_BURST, PAUSE_MS));
        if !pace.allow(self.now.monotonic) {
            return Err(Code::RequestLimit);
        }
        let before = self.halt.said.standing(&self.definition).is_some();
        self.halt.said.insert(pause.clone());
        self.halt.heard.clear();
        let after = self.halt.said.standing(&self.definition).is_some();
        let session = pause.session();
        let event = if pause.signed().paused { "pause-said" } else { "resume-said" };
        self.note(AuditNote { reference: &pause.encoded(), ..AuditNote::new(session, event) });
        if before != after {
            let (event, code) = match after {
                true => ("network-paused", Some(Code::NetworkPaused)),
                false => ("network-resumed", None),
            };
            self.note(AuditNote { code, ..AuditNote::new(session, event) });
            self.observe(Observation::Pause { network: true, paused: after });
        }
        let stored = wire::StoredPauses {
            schema: SCHEMA,
            pauses: self.halt.said.iter().map(|p| p.signed().to_wire()).collect(),
        };
        self.unwritten.push(people_record(SAID, &stored));
        self.write();
        let to: Vec<_> = self.connected.keys().copied().filter(|node| Some(*node) != from).collect();
        if !to.is_empty() {
            let message = Message::Pause(Box::new(pause.clone()));
            self.effect(Effect::Send { to, session: SessionId::default(), message, class: Class::Protocol });
        }
        match (before, after) {
            (false, true) => self.withhold_halted(),
            (true, false) => self.reconsider_all(),
            _ => {}
        }
        Ok(())
    }

    /// Tells a member on a new channel of the pause that stands, before anything else that we say to it. How often channels open is
    /// not bounded, so it is only what stops: the rest goes with what a member lacks.
    pub(crate) fn tell_standing(&mut self, to: NodeId) {
        let Some(level) = self.halt.said.standing(&self.definition) else { return };
        let stops = |pause: &&Pause| pause.signed().paused && pause.signed().number >= level;
        let said: Vec<_> = self.halt.said.iter().filter(stops).map(|pause| Box::new(pause.clone())).collect();
        for pause in said {
            self.send(to, SessionId::default(), Message::Pause(pause), Class::Protocol);
        }
    }

    /// Brings a member all that was said: once, until there is more.
    pub(crate) fn tell_pauses(&mut self, to: NodeId) {
        if to == self.me || self.halt.said.is_empty() || !self.halt.heard.insert(to) {
            return;
        }
        let said: Vec<_> = self.halt.said.iter().map(|pause| Box::new(pause.clone())).collect();
        for pause in said {
            self.send(to, SessionId::default(), Message::Pause(pause), Class::Protocol);
        }
    }

    /// A member holds other pauses than we do, or its channel is new: it may lack some of ours.
    pub(crate) fn forget_told(&mut self, node: NodeId) {
        self.halt.heard.remove(&node);
    }

    /// Names what was said to the network.
    pub(crate) fn pauses_digest(&self) -> Option<firn_proto::Digest> {
        self.halt.said.digest()
    }

    // ---- what they mean ----

    /// Why no share is lent for a subject, if it is paused or the chain contradicts what is declared. The network's pause leaves alone what only stops things: with the
    /// keys of purpose `veto`, people cancel on chain what is under way.
    pub(crate) fn halted(&self, id: SubjectId) -> Option<Code> {
        self.paused_for(id).or_else(|| self.contradicted(id))
    }

    fn paused_for(&self, id: SubjectId) -> Option<Code> {
        if self.halt.own {
            if let Err(code) = self.check_restored() {
                return Some(code);
            }
            return Some(Code::NodePaused);
        }
        self.halt.said.standing(&self.definition)?;
        let name = match &self.subjects.get(&id)?.subject {
            Subject::Request(request) => request.key_name(),
            Subject::Activation(certificate) => &certificate.proposal().key_name,
        };
        let stops = self.definition.key(name).is_some_and(|key| key.purpose == Purpose::Veto);
        (!stops).then_some(Code::NetworkPaused)
    }

    /// Takes our answers back: others hear it before they ask.
    pub(crate) fn withhold_halted(&mut self) {
        let open: Vec<_> = self.open_subjects().map(|(id, _)| id).collect();
        for id in open {
            if let Some(code) = self.halted(id) {
                self.recheck_later(id);
                self.declare(id, Status::NotYet(code));
            }
        }
    }

    pub(crate) fn reconsider_all(&mut self) {
        let open: Vec<_> = self.open_subjects().map(|(id, _)| id).collect();
        open.into_iter().for_each(|id| self.evaluate(id));
    }

    /// Both pauses, for people.
    #[must_use]
    pub fn pauses(&self) -> PauseView {
        PauseView {
            own: self.halt.own.then_some(self.halt.number),
            network: self.halt.said.standing(&self.definition),
            restored: self.halt.restored.then(|| self.restored_view()),
            next_number: self.halt.said.next_number(),
            said: self.halt.said.clone(),
        }
    }

    /// Takes a record of [`Family::People`] up.
    pub(crate) fn restore_people(&mut self, record_key: &[u8], value: &[u8]) -> Option<()> {
        match record_key {
            OWN => {
                let stored: wire::StoredOwnPause = record::decode(value)?;
                (self.halt.own, self.halt.number) = (stored.paused, stored.number);
                self.halt.restored = stored.restored;
                (stored.schema == SCHEMA && (stored.paused || !stored.restored)).then_some(())
            }
            SAID => {
                let stored: wire::StoredPauses = record::decode(value)?;
                for pause in &stored.pauses {
                    // A person who has no say any more is left out; whatever else does not read is damage.
                    match SignedPause::from_wire(pause).ok()?.verify(&self.definition) {
                        Ok(pause) => self.halt.said.insert(pause),
                        Err(refusal) if refusal.code == Code::OpinionSignatureInvalid => return None,
                        Err(_) => {}
                    }
                }
                (stored.schema == SCHEMA).then_some(())
            }
            _ => None,
        }
    }
}

fn people_record(key: &[u8], value: &impl prost::Message) -> Record {
    Record { family: Family::People, key: key.to_vec(), value: Some(value.encode_to_vec()) }
}
