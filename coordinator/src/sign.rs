//! Subjects: requests and key activations, from intake to the finished signature (docs/spec/signing.md).
//!
//! Every member decides for itself: it checks the request, the key and the chain's finalised facts, says whether it is
//! willing, and checks again when it is handed a package. The coordinator's part is in [`crate::roast`].

use crate::api::{ChainAnswer, ChainQuery, Class, Effect, Family, Observation, SlashFacts, Timer};
use crate::election;
use crate::engine::{AuditNote, Engine, Inbound};
use crate::keygen::Phase;
use crate::limits::{COMMITMENTS_PER_MEMBER_MAX, OPEN_SUBJECTS_MAX, RECHECK_MS, TAKEOVER_MS};
use crate::record::{self, SCHEMA};
use crate::roast::Coordinator;
use alloy_primitives::B256;
use firn_proto::account::{account_address, nonce_of, verifier_address};
use firn_proto::certificate::KeyCertificate;
use firn_proto::commitments::Commitments;
use firn_proto::definition::KeyDefinition;
use firn_proto::message::{BlockReference, SignatureShare, SigningPackage, Status, Willingness};
use firn_proto::request::{Operation, Request, SignedRequest};
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, GroupSignature, KeyId, Message, NodeId, Point, PublicScalar, SubjectId, wire};
use firn_vault::api::{ReleaseRequest, Request as VaultRequest, Subject};
use std::collections::BTreeMap;

/// One subject as this node sees it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) subject: Subject,
    pub(crate) origin: NodeId,
    pub(crate) received: WallTime,
    /// Our own answer.
    pub(crate) status: Option<Status>,
    /// The finalised block at which the chain facts were last good.
    pub(crate) checked: Option<BlockReference>,
    /// A question to the chain is under way.
    asking: bool,
    /// The members' answers, ours included.
    pub(crate) answers: BTreeMap<NodeId, Status>,
    /// Packages that wait for chain facts, one per coordinator.
    packages: BTreeMap<NodeId, SigningPackage>,
    pub(crate) coordinator: Option<Coordinator>,
    takeover_armed: bool,
    pub(crate) signature: Option<GroupSignature>,
    pub(crate) signers: Vec<NodeId>,
    pub(crate) executed: bool,
    pub(crate) transaction: Option<B256>,
    /// Why it will never be signed here.
    pub(crate) closed: Option<Code>,
}

impl State {
    fn new(subject: Subject, origin: NodeId, received: WallTime) -> Self {
        Self {
            subject,
            origin,
            received,
            status: None,
            checked: None,
            asking: false,
            answers: BTreeMap::new(),
            packages: BTreeMap::new(),
            coordinator: None,
            takeover_armed: false,
            signature: None,
            signers: Vec::new(),
            executed: false,
            transaction: None,
            closed: None,
        }
    }

    /// Whether it still is to be signed.
    pub(crate) fn is_open(&self) -> bool {
        self.signature.is_none() && self.closed.is_none() && !self.executed
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        match &self.subject {
            Subject::Request(request) => Some(request),
            Subject::Activation(_) => None,
        }
    }
}

impl Engine {
    // ---- intake ----

    /// A request from this node's API: answered at once, spread, and coordinated here.
    pub(crate) fn submitted(&mut self, request: Request) {
        let session = request.id().into();
        let outcome = match self.subjects.get(&request.id()) {
            Some(_) => Ok(()),
            None => self.admit_request(&request),
        };
        let fresh = outcome.is_ok() && !self.subjects.contains_key(&request.id());
        if fresh {
            self.take_in(request, self.me);
        }
        self.effect(Effect::Answer { session, outcome });
    }

    pub(crate) fn on_request(&mut self, inbound: &Inbound<'_>, request: &Request, origin: NodeId) {
        if self.subjects.contains_key(&request.id()) {
            return;
        }
        match self.admit_request(request) {
            Ok(()) => self.take_in(request.clone(), origin),
            Err(code) => {
                self.ignored(inbound, code);
                let answer = Willingness { status: Status::Declined(code), commitments: None };
                self.send(inbound.from, inbound.session, Message::Willingness(answer), Class::Protocol);
            }
        }
    }

    fn admit_request(&self, request: &Request) -> Result<(), Code> {
        request.check_time(self.now.wall)?;
        let key = request.key(&self.definition).ok_or(Code::KeyUnknown)?;
        if let Some((_, group_key)) = self.usable_key(&key.name)
            && request.account() != account_address(&group_key)
        {
            return Err(Code::AccountMismatch);
        }
        let open = self.subjects.values().filter(|state| state.is_open());
        if open.count() >= OPEN_SUBJECTS_MAX {
            return Err(Code::RequestLimit);
        }
        let rival = |other: &Request| other.requester() == request.requester() && nonce(other) == nonce(request);
        if self.subjects.values().filter_map(State::request).any(rival) {
            return Err(Code::RequestConflict);
        }
        Ok(())
    }

    fn take_in(&mut self, request: Request, origin: NodeId) {
        let (id, key) = (request.id(), request.key(&self.definition).cloned());
        let spread = Message::RequestSpread { request: Box::new(request.clone()), origin };
        self.subjects.insert(id, State::new(Subject::Request(Box::new(request)), origin, self.now.wall));
        self.persist_subject(id, "request-received", None, &[]);
        self.observe(Observation::Subject { subject: id, state: "received", code: None });
        if let Some(key) = key.filter(|_| origin == self.me) {
            self.broadcast(&key, id.into(), spread, Class::Protocol);
        }
        self.evaluate(id);
    }

    /// Starts the session in which t members sign a certified key's activation.
    pub(crate) fn activate(&mut self, certificate: KeyCertificate) {
        let id = certificate.activation(self.definition.network_id());
        let state = State::new(Subject::Activation(Box::new(certificate)), NodeId(0), self.now.wall);
        self.subjects.entry(id).or_insert(state);
        self.evaluate(id);
    }

    // ---- our own answer ----

    /// Decides anew whether we would lend a share, asking the chain where that takes facts.
    pub(crate) fn evaluate(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id).filter(|state| state.is_open()) else { return };
        let Subject::Request(request) = &state.subject else { return self.declare(id, Status::Willing) };
        if let Err(code) = request.check_time(self.now.wall) {
            return self.close(id, code);
        }
        let Some((_, group_key)) = self.usable_key(request.key_name()) else {
            self.set_timer(Timer::Recheck { subject: id }, RECHECK_MS);
            return self.declare(id, Status::NotYet(Code::KeyNotReady));
        };
        if request.account() != account_address(&group_key) {
            return self.close(id, Code::AccountMismatch);
        }
        self.ask_chain(id);
    }

    fn ask_chain(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(request) = state.request() else { return };
        let Operation::SlashOperator(slash) = request.operation();
        let query = ChainQuery::Slash {
            avs: slash.avs,
            operator: slash.operator,
            operator_set_id: slash.operatorSetId,
            account: slash.account,
            nonce: nonce_of(id),
        };
        if !std::mem::replace(&mut state.asking, true) {
            self.effect(Effect::AskChain { subject: id, query });
        }
    }

    pub(crate) fn chain_replied(&mut self, id: SubjectId, answer: ChainAnswer) {
        if let ChainAnswer::NonceUsed { used, .. } = answer {
            return if used { self.executed(id) } else { () };
        }
        let Some(state) = self.subjects.get_mut(&id) else { return };
        state.asking = false;
        if !state.is_open() {
            return;
        }
        let verdict = match answer {
            ChainAnswer::Slash(facts) => self.judge(id, &facts),
            ChainAnswer::Unavailable(code) => Err(code),
            ChainAnswer::NonceUsed { .. } => return,
        };
        match verdict {
            Ok(block) => {
                if let Some(state) = self.subjects.get_mut(&id) {
                    state.checked = Some(block);
                }
                self.declare(id, Status::Willing);
                self.answer_waiting_packages(id);
            }
            Err(Code::NonceUsed) => self.executed(id),
            Err(code) => {
                self.declare(id, Status::NotYet(code));
                self.answer_waiting_packages(id);
                self.set_timer(Timer::Recheck { subject: id }, RECHECK_MS);
            }
        }
    }

    /// Holds the chain's facts against the request (EIGENLAYER.md section 1).
    fn judge(&self, id: SubjectId, facts: &SlashFacts) -> Result<BlockReference, Code> {
        let request = self.subjects.get(&id).and_then(State::request).ok_or(Code::RequestUnknown)?;
        let (_, group_key) = self.usable_key(request.key_name()).ok_or(Code::KeyNotReady)?;
        let Operation::SlashOperator(slash) = request.operation();
        let signer = [verifier_address().as_slice(), &group_key.x(), &group_key.y()].concat();
        if facts.nonce_used {
            return Err(Code::NonceUsed);
        }
        if facts.signer.as_ref().map(|bytes| bytes.as_ref()) != Some(signer.as_slice()) {
            return Err(Code::AccountNotDeployed);
        }
        if facts.slasher != slash.account {
            return Err(Code::SlasherMismatch);
        }
        if !facts.slashable {
            return Err(Code::OperatorNotSlashable);
        }
        if slash.strategies.iter().any(|strategy| !facts.strategies.contains(strategy)) {
            return Err(Code::StrategyNotInSet);
        }
        Ok(facts.block)
    }

    /// Makes our answer known where it is new.
    fn declare(&mut self, id: SubjectId, status: Status) {
        let me = self.me;
        let Some(state) = self.subjects.get_mut(&id) else { return };
        if state.status == Some(status) {
            return;
        }
        state.status = Some(status);
        state.answers.insert(me, status);
        let (name, code) = status_name(status);
        self.observe(Observation::Subject { subject: id, state: name, code });
        self.persist(Vec::new(), AuditNote { code, ..AuditNote::new(id, name) });
        let Some((key, order)) = self.order(id) else { return };
        let first = order.first().copied().filter(|_| status == Status::Willing);
        let message = Message::Willingness(Willingness { status, commitments: None });
        for node in key.nodes().filter(|node| *node != me && Some(*node) != first) {
            self.send(node, id.into(), message.clone(), Class::Protocol);
        }
        if let Some(first) = first {
            self.offer(id, first);
            if first == me {
                self.coordinate(id);
            }
        }
        self.arm_takeover(id);
    }

    /// Asks the vault for commitments for `coordinator`; they leave with our willingness.
    pub(crate) fn offer(&mut self, id: SubjectId, coordinator: NodeId) {
        let Some((key_id, epoch)) = self.subject_key(id) else { return };
        self.wanted.entry(coordinator).or_default().push_back(id);
        self.ask_vault(VaultRequest::Commit { key_id, epoch, coordinator });
    }

    pub(crate) fn on_committed(&mut self, commitments: Commitments) {
        let coordinator = commitments.statement().coordinator;
        let Some(id) = self.wanted.get_mut(&coordinator).and_then(std::collections::VecDeque::pop_front) else {
            return;
        };
        let message = Willingness { status: Status::Willing, commitments: Some(commitments) };
        self.send(coordinator, id.into(), Message::Willingness(message), Class::Protocol);
    }

    // ---- the others' answers ----

    pub(crate) fn on_willingness(&mut self, inbound: &Inbound<'_>, willingness: &Willingness) {
        let id = SubjectId::from(inbound.session);
        if let Some(commitments) = willingness.commitments {
            self.pool(commitments);
        }
        let Some(state) = self.subjects.get_mut(&id) else { return };
        if !state.is_open() {
            return self.tell_outcome(id, inbound.from);
        }
        state.answers.insert(inbound.from, willingness.status);
        if willingness.status == Status::NotYet(Code::SubjectUnknown) {
            self.tell_request(id, inbound.from);
        }
        self.arm_takeover(id);
        self.open_attempt(id);
    }

    /// Keeps commitments that were offered to us; the oldest go when a member offers too many.
    pub(crate) fn pool(&mut self, commitments: Commitments) {
        let statement = commitments.statement();
        if statement.coordinator != self.me {
            return;
        }
        let pool = self.pools.entry((statement.key_id, statement.owner)).or_default();
        pool.retain(|known| known.statement().incarnation == statement.incarnation && *known != commitments);
        pool.push(commitments);
        let excess = pool.len().saturating_sub(COMMITMENTS_PER_MEMBER_MAX);
        pool.drain(..excess);
    }

    /// Once t members are willing, we take over after our rank's time, unless it is signed by then.
    fn arm_takeover(&mut self, id: SubjectId) {
        let Some((key, order)) = self.order(id) else { return };
        let me = self.me;
        let Some(rank) = order.iter().position(|node| *node == me) else { return };
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let willing = state.answers.values().filter(|status| **status == Status::Willing).count();
        if state.takeover_armed || state.coordinator.is_some() || willing < usize::from(key.threshold) {
            return;
        }
        state.takeover_armed = true;
        self.set_timer(Timer::Takeover { subject: id }, TAKEOVER_MS.saturating_mul(rank as u64));
    }

    pub(crate) fn takeover(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get_mut(&id) else { return };
        state.takeover_armed = false;
        if state.is_open() && state.status == Some(Status::Willing) {
            self.coordinate(id);
        }
    }

    // ---- signing ----

    /// A coordinator's package: answered only at facts at least as new as those it relies on.
    pub(crate) fn on_package(&mut self, inbound: &Inbound<'_>, package: &SigningPackage) {
        let id = package.subject;
        let refuse = match self.subjects.get(&id) {
            None => Some(Code::SubjectUnknown),
            Some(state) if state.signature.is_some() => return self.tell_outcome(id, inbound.from),
            Some(State { closed: Some(code), .. }) => Some(*code),
            Some(state) => match state.status {
                Some(Status::Willing) => None,
                Some(Status::NotYet(code) | Status::Declined(code)) => Some(code),
                None => Some(Code::SubjectUnknown),
            },
        };
        if let Some(code) = refuse {
            return self.refuse_package(id, package, code);
        }
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let checked = state.checked.map_or(0, |block| block.number);
        if state.request().is_none() || checked >= package.block.number {
            return self.release(id, package.clone());
        }
        state.packages.insert(package.coordinator, package.clone());
        self.ask_chain(id);
    }

    fn answer_waiting_packages(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let (status, checked) = (state.status, state.checked.map_or(0, |block| block.number));
        for package in std::mem::take(&mut state.packages).into_values() {
            match status {
                Some(Status::Willing) if checked >= package.block.number => self.release(id, package),
                Some(Status::Willing) | None => self.refuse_package(id, &package, Code::ChainBehind),
                Some(Status::NotYet(code) | Status::Declined(code)) => self.refuse_package(id, &package, code),
            }
        }
    }

    fn release(&mut self, id: SubjectId, package: SigningPackage) {
        let Some(state) = self.subjects.get(&id) else { return };
        let subject = state.subject.clone();
        let note = AuditNote::new(id, "share-release");
        let (hash, coordinator) = (package.hash(), package.coordinator);
        self.persist(Vec::new(), AuditNote { members: &[coordinator], reference: &hash.0, ..note });
        let now = self.now.wall;
        self.ask_vault(VaultRequest::Release(Box::new(ReleaseRequest { subject, package, now })));
    }

    pub(crate) fn on_released(&mut self, id: SubjectId, package: Digest, share: PublicScalar, next: Commitments) {
        let coordinator = next.statement().coordinator;
        self.observe(Observation::ShareReleased { subject: id, coordinator });
        let message = Message::SignatureShare(SignatureShare { package, share, next: Some(next) });
        self.send(coordinator, id.into(), message, Class::Protocol);
    }

    fn refuse_package(&mut self, id: SubjectId, package: &SigningPackage, code: Code) {
        let message = Message::ShareRefused { package: package.hash(), code };
        self.send(package.coordinator, id.into(), message, Class::Protocol);
    }

    /// The vault refused to release. The coordinator learns why; the package itself does not tell us who that is.
    pub(crate) fn on_release_refused(&mut self, id: SubjectId, package: Digest, code: Code) {
        self.persist(
            Vec::new(),
            AuditNote { code: Some(code), reference: &package.0, ..AuditNote::new(id, "share-refused") },
        );
        let Some((key, _)) = self.order(id) else { return };
        let message = Message::ShareRefused { package, code };
        self.broadcast(&key, id.into(), message.clone(), Class::Protocol);
        self.send(self.me, id.into(), message, Class::Protocol);
    }

    // ---- the end ----

    /// A finished signature, from our own session or from a member: kept only if it verifies.
    pub(crate) fn finish(&mut self, id: SubjectId, signature: GroupSignature, signers: Vec<NodeId>) -> bool {
        let Some(state) = self.subjects.get(&id) else { return false };
        if state.signature.is_some() {
            return false;
        }
        let Some(group_key) = self.subject_group_key(id) else { return false };
        if !signature.verifies(&group_key, state.subject.digest(&self.definition)) {
            return false;
        }
        let activation = match &state.subject {
            Subject::Activation(certificate) => Some(certificate.key_id()),
            Subject::Request(_) => None,
        };
        if let Some(state) = self.subjects.get_mut(&id) {
            state.signature = Some(signature);
            state.signers.clone_from(&signers);
            state.packages.clear();
            state.coordinator = None;
        }
        self.observe(Observation::Subject { subject: id, state: "signed", code: None });
        match activation {
            Some(key_id) => self.activated(key_id, signature),
            None => {
                self.persist_subject(id, "request-signed", None, &signers);
                self.arm_relay(id);
            }
        }
        true
    }

    pub(crate) fn on_signed(&mut self, inbound: &Inbound<'_>, signature: &GroupSignature) {
        let id = SubjectId::from(inbound.session);
        let open = self.subjects.get(&id).is_some_and(|state| state.signature.is_none());
        if open && !self.finish(id, *signature, Vec::new()) && self.subject_group_key(id).is_some() {
            self.effect(Effect::Penalise { peer: inbound.from, reason: Code::BodyMalformed });
        }
    }

    /// Will never be signed here.
    pub(crate) fn close(&mut self, id: SubjectId, code: Code) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.is_open()) else { return };
        state.closed = Some(code);
        state.coordinator = None;
        let state = if code == Code::RequestExpired { "expired" } else { "refused" };
        self.observe(Observation::Subject { subject: id, state, code: Some(code) });
        self.persist_subject(id, "request-closed", Some(code), &[]);
        let Some((key, _)) = self.order(id) else { return };
        let message = Message::Willingness(Willingness { status: Status::Declined(code), commitments: None });
        self.broadcast(&key, id.into(), message, Class::Protocol);
    }

    // ---- look-ups ----

    /// The active key of this name.
    pub(crate) fn usable_key(&self, name: &str) -> Option<(KeyId, Point)> {
        self.attempts
            .iter()
            .filter(|(_, attempt)| attempt.phase == Phase::Active && attempt.proposal.key_name == name)
            .find_map(|(key_id, attempt)| Some((*key_id, *attempt.certificate.as_ref()?.group_key())))
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
        let name = match &state.subject {
            Subject::Request(request) => request.key_name(),
            Subject::Activation(certificate) => &certificate.proposal().key_name,
        };
        let key = self.definition.key(name)?.clone();
        let epoch = self.subject_key(id).map(|(_, epoch)| epoch).unwrap_or_default();
        let order = election::order(id, epoch, state.origin, key.nodes());
        Some((key, order))
    }

    // ---- records ----

    pub(crate) fn persist_subject(
        &mut self,
        id: SubjectId,
        event: &'static str,
        code: Option<Code>,
        members: &[NodeId],
    ) {
        let Some(state) = self.subjects.get(&id) else { return };
        let Some(request) = state.request() else {
            return self.persist(Vec::new(), AuditNote { code, members, ..AuditNote::new(id, event) });
        };
        let stored = wire::StoredSubject {
            schema: SCHEMA,
            request: Some(request.signed().to_wire()),
            origin: state.origin.0.into(),
            received: state.received.0,
            signature: state.signature.map(|signature| signature.as_bytes().to_vec()).unwrap_or_default(),
            executed: state.executed,
            closed: state.closed.map_or(0, Code::to_wire),
            transaction: state.transaction.map(|hash| hash.to_vec()).unwrap_or_default(),
            signers: state.signers.iter().map(|node| node.0.into()).collect(),
        };
        let record = record::put(Family::Requests, id.0, &stored);
        self.persist(vec![record], AuditNote { code, members, ..AuditNote::new(id, event) });
    }

    pub(crate) fn restore_subject(&mut self, value: &[u8]) -> Option<()> {
        let stored: wire::StoredSubject = record::decode(value)?;
        if stored.schema != SCHEMA {
            return None;
        }
        let request = SignedRequest::from_wire(stored.request.as_ref()?).ok()?.verify(&self.definition).ok()?;
        let node = |id: u32| u16::try_from(id).ok().map(NodeId);
        let (id, origin) = (request.id(), node(stored.origin)?);
        let mut state = State::new(Subject::Request(Box::new(request)), origin, WallTime(stored.received));
        if !stored.signature.is_empty() {
            state.signature = Some(GroupSignature::from_slice(&stored.signature).ok()?);
        }
        if stored.closed != 0 {
            state.closed = Some(Code::from_wire(stored.closed)?);
        }
        if !stored.transaction.is_empty() {
            state.transaction = Some(B256::try_from(stored.transaction.as_slice()).ok()?);
        }
        state.executed = stored.executed;
        state.signers = stored.signers.iter().map(|id| node(*id)).collect::<Option<_>>()?;
        self.subjects.insert(id, state);
        Some(())
    }

    pub(crate) fn resume_subject(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id) else { return };
        if state.is_open() {
            self.evaluate(id);
        } else if state.signature.is_some() && !state.executed {
            self.arm_relay(id);
        }
    }
}

fn nonce(request: &Request) -> alloy_primitives::U256 {
    let Operation::SlashOperator(slash) = request.operation();
    slash.nonce
}

fn status_name(status: Status) -> (&'static str, Option<Code>) {
    match status {
        Status::Willing => ("willing", None),
        Status::Declined(code) => ("declined", Some(code)),
        Status::NotYet(code) => ("not-yet", Some(code)),
    }
}

#[cfg(test)]
mod tests;
