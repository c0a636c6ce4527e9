//! The coordinator's role in signing, after ROAST (eprint 2022/550): an attempt opens with t members whose fresh
//! commitments are here; one that is silent, refuses or lies costs one attempt and is left out of the next.
//!
//! A share is only checked when the aggregate fails. Nobody is blamed for silence.

use crate::api::{Class, Observation, Timer};
use crate::arithmetic::Session;
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::limits::{ATTEMPT_STALLED_MS, COMMITMENTS_PER_MEMBER_MAX, SOLICIT_MS};
use firn_proto::message::{SignatureShare, SigningPackage, Status};
use firn_proto::{Code, Digest, Message, NodeId, PublicScalar, SubjectId};
use std::collections::{BTreeMap, BTreeSet};

/// Our own coordination of one subject.
#[derive(Default)]
pub(crate) struct Coordinator {
    /// How many attempts we have opened.
    attempts: u32,
    /// Attempts that may still complete, by the hash of their package.
    open: BTreeMap<Digest, Attempt>,
    /// Members whose share did not fit. They take no further part in this subject.
    malicious: BTreeSet<NodeId>,
    /// How many packages each member has left unanswered since its last share.
    missed: BTreeMap<NodeId, u32>,
    /// How many refusals of each member since its last share did not count as missed.
    excuses: BTreeMap<NodeId, usize>,
    /// Which call for commitments comes next; timers of others are stale.
    round: u32,
    /// How often the pause between calls has doubled.
    pauses: u32,
}

/// Who may be among the next signers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// Members that owe no answer, as ROAST has it: a silent one cannot spoil every attempt.
    Answering,
    /// All, those that owe least first: after a network fault everybody may owe something.
    Any,
}

struct Attempt {
    package: SigningPackage,
    session: Session,
    shares: BTreeMap<NodeId, (PublicScalar, Vec<u8>)>,
    /// A signer was silent, refused or is gone: it no longer holds up the next attempt.
    stalled: bool,
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Coordinator {{ attempts: {}, open: {} }}", self.attempts, self.open.len())
    }
}

impl Engine {
    /// Takes up the coordinator's role for a subject.
    pub(crate) fn coordinate(&mut self, id: SubjectId) {
        let me = self.me;
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.is_open() && state.coordinator.is_none())
        else {
            return;
        };
        state.coordinator = Some(Coordinator::default());
        let first = self.order(id).and_then(|(_, order)| order.first().copied());
        // Members offer commitments to the first in the order by themselves.
        if first == Some(me) {
            self.solicit_soon(id);
            self.open_attempt(id);
        } else {
            self.solicit_again(id, 0);
        }
    }

    /// Has the next call for commitments come after the shortest pause.
    pub(crate) fn solicit_soon(&mut self, id: SubjectId) {
        let Some(coordinator) = self.subjects.get_mut(&id).and_then(|state| state.coordinator.as_mut()) else { return };
        coordinator.round = coordinator.round.saturating_add(1);
        coordinator.pauses = 0;
        let round = coordinator.round;
        self.set_timer(Timer::Solicit { subject: id, round }, SOLICIT_MS.0);
    }

    /// Asks every member for commitments, again and again at growing intervals, until the subject is closed.
    pub(crate) fn solicit_again(&mut self, id: SubjectId, round: u32) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.is_open()) else { return };
        let Some(coordinator) = state.coordinator.as_mut().filter(|coordinator| coordinator.round == round) else {
            return;
        };
        coordinator.round = round.saturating_add(1);
        let pause = SOLICIT_MS.0.saturating_mul(1 << coordinator.pauses.min(8)).min(SOLICIT_MS.1);
        coordinator.pauses = coordinator.pauses.saturating_add(1);
        self.set_timer(Timer::Solicit { subject: id, round: round.saturating_add(1) }, pause);
        self.open(id, Choice::Any);
        if !self.is_signing(id) {
            self.solicit(id);
        }
    }

    fn solicit(&mut self, id: SubjectId) {
        let Some((key, _)) = self.order(id) else { return };
        let Some(coordinator) = self.subjects.get(&id).and_then(|state| state.coordinator.as_ref()) else { return };
        let attempt = coordinator.attempts;
        self.broadcast(&key, id.into(), Message::Solicit { attempt }, Class::Protocol);
        self.offer(id, self.me);
    }

    /// A coordinator asks us for commitments.
    pub(crate) fn on_solicit(&mut self, inbound: &Inbound<'_>) {
        let id = SubjectId::from(inbound.session);
        if self.order(id).is_some_and(|(key, _)| key.identifier_of(inbound.from).is_none()) {
            return self.ignored(inbound, Code::SenderUnknown);
        }
        let answer = match self.subjects.get(&id) {
            None => return self.answer_unknown(inbound),
            Some(state) if state.signature.is_some() => return self.tell_outcome(id, inbound.from),
            Some(state) => match (state.closed, state.status) {
                (Some(code), _) => Status::Declined(code),
                (None, Some(Status::Willing)) => return self.offer(id, inbound.from),
                (None, Some(status)) => status,
                (None, None) => return,
            },
        };
        let message = firn_proto::message::Willingness { status: answer, commitments: None };
        self.send(inbound.from, inbound.session, Message::Willingness(message), Class::Protocol);
    }

    /// Opens an attempt, if we coordinate, none is under way, and t willing members have commitments here.
    pub(crate) fn open_attempt(&mut self, id: SubjectId) {
        self.open(id, Choice::Answering);
    }

    /// The signers of the next attempt, in the order of the election; fewer than t where there are not enough.
    fn ready(&self, id: SubjectId, choice: Choice) -> Vec<NodeId> {
        let (Some((key, order)), Some((key_id, _))) = (self.order(id), self.subject_key(id)) else { return Vec::new() };
        let Some(state) = self.subjects.get(&id) else { return Vec::new() };
        let Some(coordinator) = &state.coordinator else { return Vec::new() };
        let missed = |node: &NodeId| coordinator.missed.get(node).copied().unwrap_or_default();
        let mut ready: Vec<NodeId> = order
            .into_iter()
            .filter(|node| state.answers.get(node) == Some(&Status::Willing) && !coordinator.malicious.contains(node))
            .filter(|node| *node == self.me || self.connected.contains_key(node))
            .filter(|node| self.pools.get(&(key_id, *node)).is_some_and(|pool| !pool.is_empty()))
            .filter(|node| choice == Choice::Any || missed(node) == 0)
            .collect();
        ready.sort_by_key(missed);
        ready.truncate(usize::from(key.threshold));
        ready
    }

    fn open(&mut self, id: SubjectId, choice: Choice) {
        let Some((key, _)) = self.order(id) else { return };
        let Some((key_id, epoch)) = self.subject_key(id) else { return };
        let Some(group_key) = self.subject_group_key(id) else { return };
        let ready = self.ready(id, choice);
        if ready.len() < usize::from(key.threshold) || self.is_signing(id) {
            return;
        }
        let me = self.me;
        let now = self.now.wall;
        let Some(state) = self.subjects.get_mut(&id).filter(|s| s.is_open() && !s.is_late(now)) else { return };
        let Some(coordinator) = state.coordinator.as_mut().filter(|_| state.status == Some(Status::Willing)) else {
            return;
        };
        // The newest commitments first: a vault forgets the oldest.
        let commitments: BTreeMap<_, _> =
            ready.iter().filter_map(|node| Some((*node, self.pools.get_mut(&(key_id, *node))?.pop()?))).collect();
        let block = state.checked.unwrap_or(self.finalised);
        let attempt = coordinator.attempts;
        let package = SigningPackage { subject: id, key_id, epoch, attempt, coordinator: me, block, commitments };
        let digest = state.subject.digest(&self.definition);
        let Some(session) = Session::of_package(&package, &group_key, digest, |node| key.identifier_of(node)) else {
            return;
        };
        let hash = package.hash();
        coordinator.attempts = coordinator.attempts.saturating_add(1);
        let opened = Attempt { package: package.clone(), session, shares: BTreeMap::new(), stalled: false };
        coordinator.open.insert(hash, opened);
        self.observe(Observation::AttemptOpened { subject: id, attempt, signers: ready.clone() });
        self.set_timer(Timer::Stalled { subject: id, package: hash }, ATTEMPT_STALLED_MS);
        let to: Vec<_> = ready.iter().copied().filter(|node| *node != me).collect();
        let message = Message::SigningPackage(Box::new(package));
        if ready.contains(&me) {
            self.send(me, id.into(), message.clone(), Class::Protocol);
        }
        self.effect(crate::api::Effect::Send { to, session: id.into(), message, class: Class::Protocol });
    }

    /// A share: kept if it answers an open package of ours and its sender is among the signers.
    pub(crate) fn on_share(&mut self, inbound: &Inbound<'_>, share: &SignatureShare) {
        let id = SubjectId::from(inbound.session);
        share.next.iter().for_each(|next| self.pool(*next));
        let Some(coordinator) = self.subjects.get_mut(&id).and_then(|state| state.coordinator.as_mut()) else { return };
        let Some(attempt) = coordinator.open.get_mut(&share.package) else { return };
        if !attempt.package.commitments.contains_key(&inbound.from) {
            return self.ignored(inbound, Code::PackageInvalid);
        }
        coordinator.missed.remove(&inbound.from);
        coordinator.excuses.remove(&inbound.from);
        attempt.shares.entry(inbound.from).or_insert_with(|| (share.share, inbound.envelope.to_vec()));
        if attempt.shares.len() < attempt.package.commitments.len() {
            return self.open_attempt(id);
        }
        let Some(complete) = coordinator.open.remove(&share.package) else { return };
        match complete.session.aggregate(complete.shares.values().map(|(share, _)| share)) {
            Some(signature) => {
                let signers: Vec<_> = complete.shares.keys().copied().collect();
                if self.finish(id, signature, signers)
                    && let Some((key, _)) = self.order(id)
                {
                    self.broadcast(&key, id.into(), Message::Signed(signature), Class::Protocol);
                }
            }
            None => self.blame(id, &complete),
        }
    }

    /// The aggregate does not verify: finds the shares that do not fit, and opens the next attempt without their senders.
    fn blame(&mut self, id: SubjectId, attempt: &Attempt) {
        let Some((key_id, _)) = self.subject_key(id) else { return };
        let Some((key, _)) = self.order(id) else { return };
        let certificate = self.attempts.get(&key_id).and_then(|attempt| attempt.certificate.as_ref());
        let Some(verifying) = certificate.map(|certificate| certificate.verifying_shares().clone()) else { return };
        for (node, (share, envelope)) in &attempt.shares {
            let fits = key.identifier_of(*node).is_some_and(|identifier| {
                verifying.get(&identifier).is_some_and(|point| attempt.session.share_fits(identifier, point, share))
            });
            if fits {
                continue;
            }
            if let Some(coordinator) = self.subjects.get_mut(&id).and_then(|state| state.coordinator.as_mut()) {
                coordinator.malicious.insert(*node);
            }
            let (code, evidence) = (Code::ShareInvalid, vec![envelope.clone()]);
            let (note, reference) = (AuditNote::new(id, "share-invalid"), attempt.package.hash().0);
            let (members, reference) = (&[*node], &reference);
            let note = AuditNote { code: Some(code), members, reference, evidence: &evidence, ..note };
            self.persist(Vec::new(), note);
            self.observe(Observation::Evidence { culprit: *node, code, envelopes: evidence });
        }
        self.open_attempt(id);
    }

    pub(crate) fn on_share_refused(&mut self, inbound: &Inbound<'_>, package: Digest, code: Code) {
        let id = SubjectId::from(inbound.session);
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(coordinator) = &mut state.coordinator else { return };
        let Some(attempt) = coordinator.open.get(&package) else { return };
        if !attempt.package.commitments.contains_key(&inbound.from) {
            return self.ignored(inbound, Code::PackageInvalid);
        }
        // What an honest member says after a restart or behind a block: excused as often as stale commitments can be here.
        let excusable = matches!(code, Code::CommitmentUnknown | Code::ChainBehind);
        let excuses = coordinator.excuses.entry(inbound.from).or_default();
        let excused = excusable && *excuses < COMMITMENTS_PER_MEMBER_MAX;
        if excused {
            *excuses += 1;
        } else {
            let missed = coordinator.missed.entry(inbound.from).or_default();
            *missed = missed.saturating_add(1);
        }
        // Without this share the attempt never completes; the other signers owe nothing.
        coordinator.open.remove(&package);
        if !excusable {
            state.answers.insert(inbound.from, Status::NotYet(code));
        }
        self.next_attempt(id);
    }

    /// An attempt has had its time: the next may open beside it, and members are asked again.
    pub(crate) fn stalled(&mut self, id: SubjectId, package: Digest) {
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(coordinator) = &mut state.coordinator else { return };
        let Some(attempt) = coordinator.open.get_mut(&package).filter(|attempt| !attempt.stalled) else { return };
        attempt.stalled = true;
        for node in attempt.package.commitments.keys().filter(|node| !attempt.shares.contains_key(node)) {
            let missed = coordinator.missed.entry(*node).or_default();
            *missed = missed.saturating_add(1);
        }
        // Each hanging attempt has a signer of its own that is silent, so more than n - t + 1 of them are old news.
        let excess = coordinator.open.len().saturating_sub(state.answers.len().max(1));
        let oldest: Vec<_> = {
            let mut by_age: Vec<_> = coordinator.open.iter().map(|(hash, a)| (a.package.attempt, *hash)).collect();
            by_age.sort_unstable();
            by_age.into_iter().take(excess).map(|(_, hash)| hash).collect()
        };
        oldest.iter().for_each(|hash| drop(coordinator.open.remove(hash)));
        self.next_attempt(id);
    }

    fn next_attempt(&mut self, id: SubjectId) {
        self.open_attempt(id);
        if !self.is_signing(id) {
            self.solicit(id);
        }
    }

    /// A signer's channel is gone: what waits for it counts as stalled at once.
    pub(crate) fn signer_gone(&mut self, node: NodeId) {
        let waiting: Vec<_> = self
            .subjects
            .iter()
            .filter_map(|(id, state)| Some((*id, state.coordinator.as_ref()?)))
            .flat_map(|(id, coordinator)| coordinator.open.iter().map(move |(hash, attempt)| (id, *hash, attempt)))
            .filter(|(_, _, attempt)| {
                attempt.package.commitments.contains_key(&node) && !attempt.shares.contains_key(&node)
            })
            .map(|(id, hash, _)| (id, hash))
            .collect();
        waiting.into_iter().for_each(|(id, hash)| self.stalled(id, hash));
    }

    /// A member is there in a new boot: what it left unanswered went with the old one.
    pub(crate) fn forgive(&mut self, node: NodeId) {
        for coordinator in self.subjects.values_mut().filter_map(|state| state.coordinator.as_mut()) {
            coordinator.missed.remove(&node);
            coordinator.excuses.remove(&node);
        }
    }

    /// Whether an attempt of ours is under way.
    pub(crate) fn is_signing(&self, id: SubjectId) -> bool {
        let coordinator = self.subjects.get(&id).and_then(|state| state.coordinator.as_ref());
        coordinator.is_some_and(|coordinator| coordinator.open.values().any(|attempt| !attempt.stalled))
    }
}
