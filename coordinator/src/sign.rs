//! Subjects: requests and key activations, from intake to the finished signature (docs/spec/signing.md).
//!
//! Every member decides for itself: it checks the request, the key and the chain's finalised facts, says whether it is
//! willing, and checks again when it is handed a package. The coordinator's part is in [`crate::roast`].

use crate::api::{Observation, Timer};
use crate::audit::AuditNote;
use crate::election;
use crate::engine::{Engine, Inbound};
use crate::keygen::Phase;
use crate::limits::{CLOSED_SUBJECTS_MAX, COORDINATOR_BURST, COORDINATOR_MS, RECHECK_MS};
use crate::pace::Pace;
use crate::roast::Coordinator;
use crate::sign::ranks::Ranks;
use alloy_primitives::{Address, B256, U256};
use firn_proto::account::account_address;
use firn_proto::certificate::KeyCertificate;
use firn_proto::definition::KeyDefinition;
use firn_proto::message::{BlockReference, SigningPackage, Status, Willingness};
use firn_proto::opinion::Opinions;
use firn_proto::policy::SlashHistory;
use firn_proto::request::Request;
use firn_proto::time::{MonotonicTime, WallTime};
use firn_proto::{Code, Digest, GroupSignature, KeyId, NodeId, Point, SubjectId};
use firn_vault::api::Subject;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) mod evidence;
mod facts;
pub(crate) mod index;
pub(crate) mod intake;
pub(crate) mod lent;
pub(crate) mod limits;
pub(crate) mod offer;
mod people;
pub(crate) mod ranks;
mod release;
pub(crate) mod second;
mod store;

/// One subject as this node sees it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) subject: Subject,
    pub(crate) origin: NodeId,
    pub(crate) received: WallTime,
    /// The time of the first block that we saw as final after that; zero before.
    pub(crate) received_chain: WallTime,
    /// Our own answer.
    pub(crate) status: Option<Status>,
    /// The finalised block at which the chain facts were last good.
    pub(crate) checked: Option<BlockReference>,
    /// What was slashed before that block, where its rules ask for it.
    pub(crate) history: Option<SlashHistory>,
    /// A question to the chain is under way.
    asking: bool,
    /// It will be looked at again: once in `RECHECK_MS`, however often packages have had the chain asked in between.
    rechecking: bool,
    /// The members' answers, ours included.
    pub(crate) answers: BTreeMap<NodeId, Status>,
    /// When each member that did not know the subject was last told of it.
    pub(crate) told: BTreeMap<NodeId, MonotonicTime>,
    /// Packages that wait for chain facts, one per coordinator.
    pub(crate) packages: BTreeMap<NodeId, SigningPackage>,
    /// Whom to tell if the vault refuses a package that it was asked about.
    releasing: BTreeMap<Digest, NodeId>,
    /// The first block at which it can execute, and the last at which that takes anything.
    pub(crate) window: Option<(u64, u64)>,
    /// The shares that it would take, a strategy each.
    pub(crate) takes: Option<Vec<U256>>,
    /// When what its first payload scheduled can be executed, by the chain's clock.
    pub(crate) ready: Option<WallTime>,
    /// What our verifier says of its evidence.
    pub(crate) evidence: evidence::Check,
    /// What people say to it.
    pub(crate) opinions: Opinions,
    /// Members that were brought all of these.
    pub(crate) heard: BTreeSet<NodeId>,
    /// What each coordinator may still ask of us for this subject, so that none can have us write or compute without end.
    asked: BTreeMap<NodeId, Pace>,
    /// Refusals by our vault that are on record.
    refused: BTreeSet<(NodeId, Code)>,
    pub(crate) coordinator: Option<Coordinator>,
    pub(crate) ranks: Ranks,
    pub(crate) signature: Option<GroupSignature>,
    pub(crate) signers: Vec<NodeId>,
    pub(crate) executed: bool,
    /// The block at which that was seen.
    pub(crate) executed_at: u64,
    /// Our vault has lent a share for it, so that it holds its buckets.
    pub(crate) lent: bool,
    /// Our vault was told in this boot how it ended on chain.
    pub(crate) settled: bool,
    pub(crate) transaction: Option<B256>,
    /// A submission of ours is under way: the first outcome that is reported is its.
    pub(crate) submitting: bool,
    /// Why it will never be signed here.
    pub(crate) closed: Option<Code>,
    /// Why the version in force would not take it in: to be closed for that.
    pub(crate) superseded: Option<Code>,
}

impl State {
    fn new(subject: Subject, origin: NodeId, received: WallTime) -> Self {
        Self {
            subject,
            origin,
            received,
            received_chain: WallTime::default(),
            status: None,
            checked: None,
            history: None,
            asking: false,
            rechecking: false,
            answers: BTreeMap::new(),
            told: BTreeMap::new(),
            packages: BTreeMap::new(),
            releasing: BTreeMap::new(),
            window: None,
            takes: None,
            ready: None,
            evidence: evidence::Check::default(),
            opinions: Opinions::default(),
            heard: BTreeSet::new(),
            asked: BTreeMap::new(),
            refused: BTreeSet::new(),
            coordinator: None,
            ranks: Ranks::default(),
            signature: None,
            signers: Vec::new(),
            executed: false,
            executed_at: 0,
            lent: false,
            settled: false,
            transaction: None,
            submitting: false,
            closed: None,
            superseded: None,
        }
    }

    /// Whether it still is to be signed.
    pub(crate) fn is_open(&self) -> bool {
        self.signature.is_none() && self.closed.is_none() && !self.executed
    }

    /// Whether a member may ask for a share, for commitments, or for what came of it, once more.
    pub(crate) fn may_ask(&mut self, coordinator: NodeId, now: MonotonicTime) -> bool {
        self.asked.entry(coordinator).or_insert_with(|| Pace::new(COORDINATOR_BURST, COORDINATOR_MS)).allow(now)
    }

    /// Whether nothing more happens to it.
    pub(crate) fn is_settled(&self) -> bool {
        self.closed.is_some() || self.executed
    }

    /// What we say to whoever asks.
    pub(crate) fn answer(&self) -> Option<Status> {
        self.closed.map(Status::Declined).or(self.status)
    }

    /// Whether an attempt of ours is under way.
    pub(crate) fn is_signing(&self) -> bool {
        self.coordinator.as_ref().is_some_and(Coordinator::is_signing)
    }

    /// Whether its deadline has passed by this clock, which may be wrong.
    pub(crate) fn is_late(&self, now: WallTime) -> bool {
        self.request().is_some_and(|request| request.deadline() < now)
    }

    /// Whose turn it takes: nobody's, for a key's activation.
    pub(crate) fn requester(&self) -> Address {
        self.request().map_or(Address::ZERO, Request::requester)
    }

    /// The request, if it is for a slash.
    pub(crate) fn slash_request(&self) -> Option<&Request> {
        self.request().filter(|request| request.operation().slash().is_some())
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        match &self.subject {
            Subject::Request(request) => Some(request),
            Subject::Activation(_) => None,
        }
    }
}

impl Engine {
    /// Starts the session in which t members sign a certified key's activation.
    pub(crate) fn activate(&mut self, certificate: KeyCertificate) {
        let id = certificate.activation(self.definition.network_id());
        let state = State::new(Subject::Activation(Box::new(certificate)), NodeId(0), self.now.wall);
        self.subjects.entry(id).or_insert(state);
        self.reindex(id);
        self.evaluate(id);
    }

    /// Waits for a certified key's activation without a part in it: our vault has signed the key's abandonment.
    pub(crate) fn await_activation(&mut self, key_id: KeyId) {
        let certificate = self.attempts.get(&key_id).and_then(|attempt| attempt.certificate.clone());
        let Some(certificate) = certificate else { return };
        let id = certificate.activation(self.definition.network_id());
        let state = State::new(Subject::Activation(Box::new(certificate)), NodeId(0), self.now.wall);
        self.subjects.entry(id).or_insert(state);
        self.reindex(id);
    }

    /// Drops the longest-known closed requests from memory where there are too many; their records stay. What holds a budget is
    /// still to be settled.
    pub(crate) fn forget_closed(&mut self) {
        while let Some(id) = self.index.oldest_beyond(CLOSED_SUBJECTS_MAX, |id| self.limits.is_holder(self.asked(id))) {
            self.subjects.remove(&id);
            self.reindex(id);
        }
    }

    // ---- our own answer ----

    /// Decides anew whether we would lend a share, asking the chain where that takes facts.
    pub(crate) fn evaluate(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id).filter(|state| state.is_open()) else { return };
        let request = match &state.subject {
            Subject::Request(request) => request,
            Subject::Activation(certificate) => {
                let given_up = self.attempts.get(&certificate.key_id()).is_some_and(|attempt| attempt.given_up);
                return match self.permitted(id) {
                    _ if given_up => self.close(id, Code::DkgAbandoned),
                    Ok(()) => self.declare(id, Status::Willing),
                    Err(status) => self.not_permitted(id, status),
                };
            }
        };
        if let Some(code) = state.superseded {
            return self.close(id, code);
        }
        // A clock that jumps must not close anything for good: that is for the finalised chain's turn, after a grace.
        if state.is_late(self.now.wall) {
            self.recheck_later(id);
            return self.declare(id, Status::NotYet(Code::RequestExpired));
        }
        let Some((key_id, group_key)) = self.usable_key(request.key_name()) else {
            self.recheck_later(id);
            return self.declare(id, Status::NotYet(Code::KeyNotReady));
        };
        if request.account() != account_address(&group_key) {
            return self.close(id, Code::AccountMismatch);
        }
        if !self.attempts.get(&key_id).is_some_and(|attempt| attempt.holds) {
            self.recheck_later(id);
            return self.declare(id, Status::NotYet(Code::ShareMissing));
        }
        self.check_evidence(id);
        match self.permitted(id) {
            Ok(()) => self.ask_chain(id),
            Err(status) => {
                self.not_permitted(id, status);
                // What cannot make it in time is refused before anybody waits for it.
                let state = self.subjects.get(&id).filter(|state| state.is_open() && state.window.is_none());
                if state.and_then(State::slash_request).is_some() {
                    self.ask_chain(id);
                }
            }
        }
    }

    /// The policy says no: for good, or until people speak or time passes.
    fn not_permitted(&mut self, id: SubjectId, status: Status) {
        match status {
            Status::Declined(code) => self.close(id, code),
            status => {
                self.recheck_later(id);
                self.declare(id, status);
            }
        }
    }

    /// A look is due.
    pub(crate) fn recheck(&mut self, id: SubjectId) {
        if let Some(state) = self.subjects.get_mut(&id) {
            state.rechecking = false;
        }
        self.evaluate(id);
    }

    pub(crate) fn recheck_later(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get_mut(&id) else { return };
        if !std::mem::replace(&mut state.rechecking, true) {
            self.set_timer(Timer::Recheck { subject: id }, RECHECK_MS);
        }
    }

    /// Makes our answer known where it is new. Packages that waited for it go first: their shares are what others wait for.
    pub(crate) fn declare(&mut self, id: SubjectId, status: Status) {
        let me = self.me;
        // Only members have a say; a node beside the key passes requests on.
        let Some((key, _)) = self.order(id).filter(|(key, _)| key.identifier_of(me).is_some()) else { return };
        let behind = status == Status::Willing && self.is_behind(&key);
        if behind {
            self.recheck_later(id);
        }
        let status = if behind { Status::NotYet(Code::IncarnationBehind) } else { status };
        let Some(state) = self.subjects.get_mut(&id) else { return };
        if state.status != Some(status) {
            state.status = Some(status);
            state.answers.insert(me, status);
            let (name, code) = status_name(status);
            self.observe(Observation::Subject { subject: id, state: name, code });
            self.note(AuditNote { code, ..AuditNote::new(id, name) });
        }
        self.answer_waiting_packages(id);
        self.inform(id);
        self.arm_takeover(id);
    }

    // ---- the others' answers ----

    pub(crate) fn on_willingness(&mut self, inbound: &Inbound<'_>, willingness: &Willingness) {
        let id = SubjectId::from(inbound.session);
        if let Some(commitments) = willingness.commitments {
            self.pool(commitments);
        }
        let Some((key, _)) = self.order(id) else {
            // Its answer came before the request: ask for both.
            if willingness.status == Status::Willing {
                self.answer_unknown(inbound);
            }
            return;
        };
        if key.identifier_of(inbound.from).is_none() {
            return self.ignored(inbound, Code::SenderUnknown);
        }
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let unknown = willingness.status == Status::NotYet(Code::SubjectUnknown);
        if !state.is_open() {
            // Where it was vetoed, the veto is our answer.
            self.tell_opinions(id, inbound.from);
            return if unknown { self.tell_again(id, inbound.from) } else { self.answer_outcome(id, inbound.from) };
        }
        if unknown && matches!(state.answers.get(&inbound.from), Some(Status::Declined(_))) {
            return;
        }
        state.answers.insert(inbound.from, willingness.status);
        if unknown {
            self.tell_again(id, inbound.from);
        }
        if willingness.status == Status::NotYet(Code::PolicyApprovalsMissing) {
            self.tell_opinions(id, inbound.from);
        }
        self.arm_takeover(id);
        self.open_attempt(id);
    }

    // ---- look-ups ----

    /// The active key of this name, in its newest epoch.
    pub(crate) fn usable_key(&self, name: &str) -> Option<(KeyId, Point)> {
        let active = self.attempts.iter().filter(|(_, attempt)| attempt.phase == Phase::Active);
        let named = active.filter(|(_, attempt)| attempt.proposal.key_name == name);
        let known = named.filter_map(|(key_id, attempt)| Some((*key_id, attempt.certificate.as_ref()?)));
        let newest = known.max_by_key(|(key_id, certificate)| (certificate.epoch(), std::cmp::Reverse(*key_id)));
        newest.map(|(key_id, certificate)| (key_id, *certificate.group_key()))
    }

    /// The key and epoch that a subject is signed with.
    pub(crate) fn subject_key(&self, id: SubjectId) -> Option<(KeyId, firn_proto::Epoch)> {
        let key_id = match &self.subjects.get(&id)?.subject {
            Subject::Request(request) => self.usable_key(request.key_name())?.0,
            Subject::Activation(certificate) => certificate.key_id(),
        };
        Some((key_id, self.attempts.get(&key_id)?.certificate.as_ref()?.epoch()))
    }

    pub(crate) fn subject_group_key(&self, id: SubjectId) -> Option<Point> {
        let (key_id, _) = self.subject_key(id)?;
        self.attempts.get(&key_id)?.certificate.as_ref().map(|certificate| *certificate.group_key())
    }

    /// The key definition of a subject, and the order in which its members coordinate.
    pub(crate) fn order(&self, id: SubjectId) -> Option<(KeyDefinition, Vec<NodeId>)> {
        let state = self.subjects.get(&id)?;
        // The members of the epoch that signs, whoever the definition has beside them.
        let signing = self.subject_key(id);
        let (epoch, key) = match (signing.and_then(|(key_id, _)| self.attempts.get(&key_id)), &state.subject) {
            (Some(attempt), _) => (attempt.proposal.epoch(), attempt.key.clone()),
            (None, Subject::Request(request)) => (Default::default(), self.definition.key(request.key_name())?.clone()),
            (None, Subject::Activation(_)) => return None,
        };
        let order = election::order(id, epoch, state.origin, key.nodes());
        Some((key, order))
    }
}

fn status_name(status: Status) -> (&'static str, Option<Code>) {
    match status {
        Status::Willing => ("willing", None),
        Status::Declined(code) => ("declined", Some(code)),
        Status::NotYet(code) => ("not-yet", Some(code)),
    }
}
