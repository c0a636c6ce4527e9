//! The coordinator's role in signing, after ROAST (eprint 2022/550): an attempt opens with an eligible subset of the willing
//! whose fresh commitments are here; one that is silent, refuses or lies costs one attempt and is left out of the next.
//!
//! The node that took a request in opens the first attempt ahead of anybody's answer, where it has commitments: a signer
//! judges for itself. A share is only checked when the aggregate fails. Nobody is blamed for silence.

use crate::api::{Class, Effect, Observation, Timer};
use crate::arithmetic::Session;
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::keygen;
use crate::limits::{EXCUSES_MAX, QUEUE_LOOKS_MAX, SESSIONS_MAX, SOLICIT_MS, SUBSETS_MAX};
use crate::sign::State;
use firn_proto::definition::{Content, KeyDefinition};
use firn_proto::diversity::eligible_subset;
use firn_proto::message::{SignatureShare, SigningPackage, Status};
use firn_proto::time::MonotonicTime;
use firn_proto::{Code, Digest, KeyId, Message, NodeId, PublicScalar, SubjectId};
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
    /// After how many attempts each member has failed one last, by silence or refusal, for whatever reason. Who failed longest
    /// ago comes first, so that no excuse buys another turn before others had theirs, and old trouble does not count for ever.
    failed: BTreeMap<NodeId, u32>,
    /// How many packages each member has left unanswered since its last share.
    missed: BTreeMap<NodeId, u32>,
    /// How many refusals of each member since its last share did not count as missed.
    excuses: BTreeMap<NodeId, usize>,
    /// Who has refused to sign together with whom.
    conflicts: BTreeSet<(NodeId, NodeId)>,
    /// Which call for commitments comes next; timers of others are stale.
    round: u32,
    /// How often the pause between calls has doubled.
    pauses: u32,
    /// Whether members that owe an answer may be among the next signers, who owe least first: after a network fault everybody
    /// may. Between two calls they may not, as ROAST has it: a silent one cannot spoil every attempt.
    anybody: bool,
}

struct Attempt {
    package: SigningPackage,
    opened: MonotonicTime,
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

impl Coordinator {
    /// Whether an attempt is under way that may complete soon.
    pub(crate) fn is_signing(&self) -> bool {
        self.open.values().any(|attempt| !attempt.stalled)
    }
}

impl Engine {
    /// Takes up the coordinator's role for a subject.
    pub(crate) fn coordinate(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.is_open() && state.coordinator.is_none())
        else {
            return;
        };
        state.coordinator = Some(Coordinator::default());
        self.solicit_soon(id);
        self.open_attempt(id);
        // Members offer commitments to the first ranks by themselves; whose are lacking nevertheless is asked.
        if !self.is_signing(id) {
            self.solicit(id, false);
        }
    }

    /// Coordinates a request that was just taken in: where commitments are at hand, the package follows the request at once.
    pub(crate) fn sign_ahead(&mut self, id: SubjectId) {
        let me = self.me;
        let ours = self.order(id).is_some_and(|(_, order)| order.first() == Some(&me));
        if ours && self.subject_key(id).is_some() && self.permitted(id).is_ok() {
            self.coordinate(id);
        }
    }

    /// Has the next call for commitments come after the shortest pause.
    pub(crate) fn solicit_soon(&mut self, id: SubjectId) {
        let pause = self.solicit_pause(id, 0);
        let Some(coordinator) = self.subjects.get_mut(&id).and_then(|state| state.coordinator.as_mut()) else { return };
        coordinator.round = coordinator.round.saturating_add(1);
        coordinator.pauses = 0;
        let round = coordinator.round;
        self.set_timer(Timer::Solicit { subject: id, round }, pause);
    }

    /// A round trip to the farthest member that is needed, doubled so often.
    fn solicit_pause(&self, id: SubjectId, doubled: u32) -> u64 {
        let farthest = self.order(id).and_then(|(key, _)| self.farthest(&key)).unwrap_or(self.me);
        self.round_trips.answer_late(farthest).max(SOLICIT_MS.0).saturating_mul(1 << doubled.min(16)).min(SOLICIT_MS.1)
    }

    /// Asks members for commitments, again and again at growing intervals, until the subject is closed.
    pub(crate) fn solicit_again(&mut self, id: SubjectId, round: u32) {
        let coordinator = self.subjects.get(&id).filter(|s| s.is_open()).and_then(|state| state.coordinator.as_ref());
        let Some(pauses) = coordinator.filter(|known| known.round == round).map(|known| known.pauses) else { return };
        let pause = self.solicit_pause(id, pauses.saturating_add(1));
        if let Some(coordinator) = self.subjects.get_mut(&id).and_then(|state| state.coordinator.as_mut()) {
            coordinator.round = round.saturating_add(1);
            coordinator.pauses = pauses.saturating_add(1);
            coordinator.anybody = true;
        }
        self.set_timer(Timer::Solicit { subject: id, round: round.saturating_add(1) }, pause);
        self.open_attempt(id);
        if !self.is_signing(id) {
            self.solicit(id, true);
        }
    }

    /// Asks the willing whose commitments are not here; with `all`, those too who have not answered, or not yet.
    fn solicit(&mut self, id: SubjectId, all: bool) {
        let (Some((key, _)), Some((key_id, _))) = (self.order(id), self.subject_key(id)) else { return };
        let Some(state) = self.subjects.get(&id) else { return };
        let Some(coordinator) = &state.coordinator else { return };
        let (attempt, now) = (coordinator.attempts, self.now.wall);
        let lacking = |node: &NodeId| match state.answers.get(node) {
            _ if coordinator.malicious.contains(node) => false,
            Some(Status::Willing) => self.pools.is_empty(key_id, *node, now),
            Some(Status::Declined(_)) => false,
            Some(Status::NotYet(_)) | None => all,
        };
        let mut to: Vec<_> = key.nodes().filter(lacking).collect();
        let ours = to.contains(&self.me) && state.status == Some(Status::Willing);
        to.retain(|node| *node != self.me && self.is_here(*node));
        if !to.is_empty() {
            self.effect(Effect::Send {
                to,
                session: id.into(),
                message: Message::Solicit { attempt },
                class: Class::Protocol,
            });
        }
        if ours {
            self.offer(id, self.me);
        }
    }

    /// A coordinator asks us for commitments.
    pub(crate) fn on_solicit(&mut self, inbound: &Inbound<'_>) {
        let id = SubjectId::from(inbound.session);
        if self.order(id).is_some_and(|(key, _)| key.identifier_of(inbound.from).is_none()) {
            return self.ignored(inbound, Code::SenderUnknown);
        }
        let answer = match self.subjects.get(&id) {
            None => return self.answer_unknown(inbound),
            Some(state) if state.signature.is_some() => return self.answer_outcome(id, inbound.from),
            Some(state) => state.answer(),
        };
        if let Some(state) = self.subjects.get_mut(&id) {
            state.ranks.alive = true;
        }
        let Some(answer) = answer else { return };
        self.is_informed(id, inbound.from, answer);
        let now = self.now.monotonic;
        if answer == Status::Willing && self.subjects.get_mut(&id).is_some_and(|state| state.may_ask(inbound.from, now))
        {
            return self.offer(id, inbound.from);
        }
        let message = firn_proto::message::Willingness { status: answer, commitments: None };
        self.send(inbound.from, inbound.session, Message::Willingness(message), Class::Protocol);
    }

    /// Has a subject that we coordinate wait for its next attempt: at the end of the line, which may be empty.
    pub(crate) fn open_attempt(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id).filter(|s| s.coordinator.is_some() && !s.is_signing()) else { return };
        self.queue.insert(state.requester(), id);
        self.stirred = true;
        self.serve_queue();
    }

    /// Opens attempts for the next in line, as long as there are places and commitments for them.
    pub(crate) fn serve_queue(&mut self) {
        while std::mem::take(&mut self.stirred) && !self.queue.is_empty() {
            self.sessions.retain(|session| self.subjects.get(session).is_some_and(State::is_signing));
            self.queue.next(QUEUE_LOOKS_MAX).into_iter().for_each(|id| self.open(id));
        }
    }

    /// The nearest eligible subset for the next attempt. `Err` where there is none: whether only commitments are lacking.
    fn signers(&self, key: &KeyDefinition, key_id: KeyId, state: &State) -> Result<Vec<NodeId>, bool> {
        let Some(coordinator) = &state.coordinator else { return Err(false) };
        let missed = |node: &NodeId| coordinator.missed.get(node).copied().unwrap_or_default();
        let may = |node: &NodeId| {
            self.is_here(*node) && !coordinator.malicious.contains(node) && (coordinator.anybody || missed(node) == 0)
        };
        // Where no t members that are here agree, some no longer mean what they said, or lied.
        let here: Vec<_> =
            key.nodes().filter(|node| self.is_here(*node) && !coordinator.malicious.contains(node)).collect();
        let possible = agreeing(&self.definition, key, &coordinator.conflicts, &here, &mut { SUBSETS_MAX }).is_some();
        let conflicts = if possible { &coordinator.conflicts } else { &BTreeSet::new() };
        // The first attempt of who took the request in asks nobody whether it is willing.
        let ahead = state.origin == self.me && coordinator.attempts == 0 && state.request().is_some();
        let subset = |unanswered: bool, supplied: bool| {
            let willing = |node: &NodeId| match state.answers.get(node) {
                Some(status) => *status == Status::Willing,
                None => unanswered,
            };
            let supply = |node: &NodeId| !supplied || !self.pools.is_empty(key_id, *node, self.now.wall);
            let mut nodes = self.by_distance(key.nodes().filter(|node| may(node) && willing(node) && supply(node)));
            nodes.sort_by_key(|node| (coordinator.failed.get(node).copied().unwrap_or_default(), missed(node)));
            agreeing(&self.definition, key, conflicts, &nodes, &mut { SUBSETS_MAX })
        };
        let found = subset(false, true).or_else(|| subset(true, true).filter(|_| ahead));
        // What others want as well, it waits for in line; what this subject alone lacks must not hold them up.
        let common = coordinator.missed.is_empty() && coordinator.malicious.is_empty() && coordinator.pauses < 2;
        found.ok_or_else(|| common && subset(ahead, false).is_some())
    }

    /// Opens the next attempt of the subject whose turn it is, where it can; who lacks more than that waits no longer.
    fn open(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id) else { return };
        let requester = state.requester();
        let signable = state.is_open() && !state.is_late(self.now.wall) && !state.is_signing();
        let willing = matches!(state.status, Some(Status::Willing) | None);
        let known = self.order(id).zip(self.subject_key(id)).filter(|_| signable && willing);
        let Some(((key, _), (key_id, _))) = known else {
            self.queue.remove(requester, id);
            return;
        };
        match self.signers(&key, key_id, state) {
            Ok(signers) if self.sessions.len() < SESSIONS_MAX => {
                self.queue.take(requester, id);
                self.stirred = true;
                self.open_with(id, &key, signers);
            }
            Ok(_) | Err(true) => {}
            Err(false) => drop(self.queue.remove(requester, id)),
        }
    }

    fn open_with(&mut self, id: SubjectId, key: &KeyDefinition, signers: Vec<NodeId>) {
        let Some((key_id, epoch)) = self.subject_key(id) else { return };
        let Some(group_key) = self.subject_group_key(id) else { return };
        let (me, now) = (self.me, self.now);
        let taken = signers.iter().map(|node| Some((*node, self.pools.take(key_id, *node, now.wall)?)));
        let Some(commitments) = taken.collect::<Option<BTreeMap<_, _>>>() else { return };
        let late = signers.iter().map(|node| self.round_trips.answer_late(*node)).max().unwrap_or_default();
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(coordinator) = &mut state.coordinator else { return };
        let block = state.checked.unwrap_or(self.finalised);
        let attempt = coordinator.attempts;
        let package = SigningPackage { subject: id, key_id, epoch, attempt, coordinator: me, block, commitments };
        let digest = state.subject.digest(&self.definition);
        let Some(session) = Session::of_package(&package, &group_key, digest, |node| key.identifier_of(node)) else {
            return;
        };
        let hash = package.hash();
        coordinator.attempts = coordinator.attempts.saturating_add(1);
        coordinator.anybody = false;
        let (package, opened) = (Box::new(package), now.monotonic);
        let opened = Attempt { package: (*package).clone(), opened, session, shares: BTreeMap::new(), stalled: false };
        coordinator.open.insert(hash, opened);
        self.sessions.insert(id);
        let to: Vec<_> = signers.iter().copied().filter(|node| *node != me).collect();
        let message = Message::SigningPackage(package);
        if signers.contains(&me) {
            self.send(me, id.into(), message.clone(), Class::Protocol);
        }
        self.effect(Effect::Send { to, session: id.into(), message, class: Class::Protocol });
        self.observe(Observation::AttemptOpened { subject: id, attempt, signers });
        self.set_timer(Timer::Stalled { subject: id, package: hash }, late);
    }

    /// A share: kept if it answers an open package of ours and its sender is among the signers.
    pub(crate) fn on_share(&mut self, inbound: &Inbound<'_>, share: &SignatureShare) {
        let id = SubjectId::from(inbound.session);
        self.hear_of_audit(inbound, share.audit, false);
        if self.is_quarantined(inbound.from) {
            return self.ignored(inbound, Code::PeerQuarantined);
        }
        share.next.iter().for_each(|next| self.pool(*next));
        let now = self.now.monotonic;
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(coordinator) = &mut state.coordinator else { return };
        let Some(attempt) = coordinator.open.get_mut(&share.package) else { return };
        if !attempt.package.commitments.contains_key(&inbound.from) {
            return self.ignored(inbound, Code::PackageInvalid);
        }
        self.round_trips.answered(inbound.from, now.0.saturating_sub(attempt.opened.0));
        state.answers.insert(inbound.from, Status::Willing);
        coordinator.missed.remove(&inbound.from);
        coordinator.excuses.remove(&inbound.from);
        attempt.shares.entry(inbound.from).or_insert_with(|| (share.share, inbound.envelope.to_vec()));
        if attempt.shares.len() < attempt.package.commitments.len() {
            return self.open_attempt(id);
        }
        let Some(complete) = coordinator.open.remove(&share.package) else { return };
        match complete.session.aggregate(complete.shares.values().map(|(share, _)| share)) {
            Some(signature) => {
                // Who deals for another epoch and leaves hears of its activation as well.
                let party = self.attempts.get(&complete.package.key_id).map(keygen::Attempt::party);
                if let Some(key) = party {
                    self.broadcast(&key, id.into(), Message::Signed(signature), Class::Protocol);
                }
                self.keep_pools(complete.package.key_id);
                self.finish(id, signature, complete.shares.keys().copied().collect());
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
        let package = attempt.package.encoded();
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
            // The package belongs to the proof: others have not seen it.
            let (code, evidence) = (Code::ShareInvalid, [envelope.clone(), package.clone()]);
            let (note, reference) = (AuditNote::new(id, "share-invalid"), attempt.package.hash().0);
            let (members, reference) = (&[*node], &reference);
            let note = AuditNote { code: Some(code), members, reference, evidence: &evidence, ..note };
            self.persist(Vec::new(), note);
            self.observe(Observation::Evidence { culprit: *node, code, envelopes: evidence.into() });
        }
        self.open_attempt(id);
    }

    pub(crate) fn on_share_refused(
        &mut self,
        inbound: &Inbound<'_>,
        package: Digest,
        code: Code,
        shunned: Option<NodeId>,
    ) {
        let id = SubjectId::from(inbound.session);
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(coordinator) = &mut state.coordinator else { return };
        let Some(attempt) = coordinator.open.get(&package) else { return };
        if !attempt.package.commitments.contains_key(&inbound.from) || attempt.shares.contains_key(&inbound.from) {
            return self.ignored(inbound, Code::PackageInvalid);
        }
        coordinator.failed.insert(inbound.from, coordinator.attempts);
        // Each keeps its own list of whom it does not sign with: one of the two is left out, and that may be either.
        let shunned = shunned.filter(|other| *other != inbound.from && attempt.package.commitments.contains_key(other));
        let is_new = shunned.is_some_and(|other| coordinator.conflicts.insert((inbound.from, other)));
        // What an honest member says after a restart or behind a block: excused a bounded number of times.
        let excusable = is_new || matches!(code, Code::CommitmentUnknown | Code::ChainBehind);
        let excuses = coordinator.excuses.entry(inbound.from).or_default();
        if excusable && *excuses < EXCUSES_MAX {
            *excuses += usize::from(!is_new);
        } else {
            let missed = coordinator.missed.entry(inbound.from).or_default();
            *missed = missed.saturating_add(1);
        }
        // Without this share the attempt never completes; the other signers owe nothing.
        coordinator.open.remove(&package);
        self.stirred = true;
        if !excusable {
            state.answers.insert(inbound.from, Status::NotYet(code));
        }
        if matches!(code, Code::EpochMismatch | Code::EpochRetired) {
            self.tell_epoch(id, inbound.from);
        }
        if code == Code::SubjectUnknown {
            self.tell_again(id, inbound.from);
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
            coordinator.failed.insert(*node, coordinator.attempts);
        }
        // Each hanging attempt has a signer of its own that is silent, so more than n - t + 1 of them are old news.
        let excess = coordinator.open.len().saturating_sub(state.answers.len().max(1));
        let oldest: Vec<_> = {
            let mut by_age: Vec<_> = coordinator.open.iter().map(|(hash, a)| (a.package.attempt, *hash)).collect();
            by_age.sort_unstable();
            by_age.into_iter().take(excess).map(|(_, hash)| hash).collect()
        };
        oldest.iter().for_each(|hash| drop(coordinator.open.remove(hash)));
        self.stirred = true;
        self.next_attempt(id);
    }

    fn next_attempt(&mut self, id: SubjectId) {
        self.open_attempt(id);
        if !self.is_signing(id) {
            self.solicit(id, false);
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
        self.subjects.get(&id).is_some_and(State::is_signing)
    }
}

/// The nearest eligible subset of `nodes` in which nobody refuses to sign with another: of each such pair one is left out.
/// Whoever disagrees with many is soon the one, since only n - t members can be spared. Looks at so many sets of nodes.
fn agreeing(
    definition: &Content,
    key: &KeyDefinition,
    conflicts: &BTreeSet<(NodeId, NodeId)>,
    nodes: &[NodeId],
    looks: &mut u32,
) -> Option<Vec<NodeId>> {
    *looks = looks.checked_sub(1).filter(|_| nodes.len() >= usize::from(key.threshold))?;
    let Some((by, of)) = conflicts.iter().find(|(by, of)| nodes.contains(by) && nodes.contains(of)) else {
        return eligible_subset(definition, key, nodes);
    };
    [of, by].into_iter().find_map(|out| {
        let rest: Vec<_> = nodes.iter().copied().filter(|node| node != out).collect();
        agreeing(definition, key, conflicts, &rest, looks)
    })
}
