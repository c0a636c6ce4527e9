//! Peers coming and going, and what they missed meanwhile.

use crate::api::{Class, Timer};
use crate::engine::{Engine, Inbound};
use crate::keygen::{Attempt, Phase};
use crate::limits::{ANTI_ENTROPY_MS, CATCH_UP_MS, OPINIONS_TOLD_MAX, TELL_AGAIN_MS};
use crate::sign::State;
use crate::view::{KeyView, MemberView, PeerView, ScheduleView, SubjectView};
use firn_proto::account::account_address;
use firn_proto::limits::HEADS_MAX;
use firn_proto::message::{Heads, Status, Willingness};
use firn_proto::request::second_of;
use firn_proto::{Code, Identifier, Incarnation, KeyId, Message, NodeId, SessionId, SubjectId};
use firn_vault::api::Subject;
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

impl Engine {
    pub(crate) fn peer_up(&mut self, node: NodeId, incarnation: Incarnation) {
        if node == self.me || !self.definition.nodes.contains_key(&node) {
            return;
        }
        self.connected.insert(node, incarnation);
        self.peer_is_here(node);
        self.meet(node, incarnation);
        self.key_peer_up(node, incarnation);
        self.repair_peer_up(node, incarnation);
        if self.boots.insert(node, incarnation) != Some(incarnation) {
            self.pools.new_boot(node, incarnation);
            self.lent.forget(node);
            self.forgive(node);
        }
        self.forget_heard(node);
        self.forget_told(node);
        self.tell_standing(node);
        self.ranks_changed(node);
        if self.dues.entry(node).or_default().allow(self.now.monotonic) {
            return self.greet(node);
        }
        self.dues.entry(node).or_default().greet = true;
        self.catch_up_later(node);
    }

    /// What a peer may have missed of our words.
    fn greet(&mut self, node: NodeId) {
        self.say_keys_again(node);
        self.say_repairs_again(node);
        let heads = self.heads(node);
        self.send(node, SessionId::default(), Message::Heads(heads), Class::Bulk);
        let signs = self.is_here(node);
        let coordinated =
            self.subjects.iter().filter(|(_, state)| signs && state.is_open() && state.coordinator.is_some());
        let coordinated: Vec<_> = coordinated.map(|(id, _)| *id).collect();
        for id in coordinated {
            self.send(node, id.into(), Message::Solicit { attempt: 0 }, Class::Protocol);
        }
    }

    fn catch_up_later(&mut self, node: NodeId) {
        if self.dues.entry(node).or_default().arm() {
            self.set_timer(Timer::CatchUp { node }, CATCH_UP_MS);
        }
    }

    /// A peer whose allowance was spent has waited long enough.
    pub(crate) fn catch_up(&mut self, node: NodeId) {
        let (greet, heads) = self.dues.entry(node).or_default().take_due();
        if !self.connected.contains_key(&node) {
            return;
        }
        if greet {
            self.greet(node);
        }
        if let Some(heads) = heads {
            self.answer_heads(node, &heads);
        }
    }

    pub(crate) fn peer_down(&mut self, node: NodeId) {
        self.connected.remove(&node);
        self.versions_forget(node);
        self.signer_gone(node);
        self.ranks_changed(node);
    }

    /// Says to the next connected peer what we know, so that what was lost on a living channel is repaired.
    pub(crate) fn anti_entropy(&mut self) {
        self.set_timer(Timer::AntiEntropy, ANTI_ENTROPY_MS);
        let after =
            self.turn.0.and_then(|last| self.connected.range(last..).map(|(node, _)| *node).find(|n| *n > last));
        let Some(node) = after.or_else(|| self.connected.keys().next().copied()) else { return };
        self.turn.0 = Some(node);
        let heads = self.heads(node);
        self.turn.1 = heads.open.last().copied().unwrap_or_default();
        self.send(node, SessionId::default(), Message::Heads(heads), Class::Bulk);
        self.show_head(node);
        self.tell_next_version(node);
    }

    /// All subjects, from where the last list ended: where they are too many for one list, the next has the others.
    fn in_turn(&self) -> impl Iterator<Item = (&SubjectId, &State)> {
        let from = self.turn.1;
        self.subjects.range((Excluded(from), Unbounded)).chain(self.subjects.range(..=from))
    }

    fn heads(&self, to: NodeId) -> Heads {
        let requests = |pick: fn(&State) -> bool| {
            let picked = self.in_turn().filter(move |(_, state)| state.request().is_some() && pick(state));
            picked.map(|(id, _)| *id).take(HEADS_MAX).collect::<Vec<_>>()
        };
        Heads {
            open: requests(State::is_open),
            signed: requests(|state| state.signature.is_some() || state.executed),
            keys: self
                .attempts
                .iter()
                .filter(|(_, a)| a.phase == Phase::Active)
                .map(|(id, _)| *id)
                .take(HEADS_MAX)
                .collect(),
            seen: self.peers.get(&to).map(|peer| peer.seen).unwrap_or_default(),
            audit: self.audited.size,
            pauses: self.pauses_digest(),
        }
    }

    /// A peer says what it knows: it gets what it lacks, now or when its allowance permits.
    pub(crate) fn on_heads(&mut self, inbound: &Inbound<'_>, heads: &Heads) {
        let node = inbound.from;
        self.hear_of_ourselves(node, heads.seen);
        self.hear_as_restored(node, heads);
        let allowed = self.dues.entry(node).or_default().allow(self.now.monotonic);
        self.hear_of_audit(inbound, heads.audit, allowed);
        if allowed {
            return self.answer_heads(node, heads);
        }
        self.dues.entry(node).or_default().heads = Some(heads.clone());
        self.catch_up_later(node);
    }

    fn answer_heads(&mut self, to: NodeId, heads: &Heads) {
        let known: BTreeSet<_> = heads.open.iter().chain(&heads.signed).copied().collect();
        let signed: BTreeSet<_> = heads.signed.iter().copied().collect();
        let keys: BTreeSet<_> = heads.keys.iter().copied().collect();
        self.tell_keys(to, &keys);
        if heads.pauses != self.pauses_digest() {
            self.forget_told(to);
            self.tell_pauses(to);
        }
        let ids: Vec<_> = self
            .in_turn()
            .filter(|(_, state)| state.closed.is_none() && state.request().is_some() && !state.is_late(self.now.wall))
            .map(|(id, state)| (*id, state.signature.is_some()))
            .filter(|(id, _)| covers(&heads.open, *id) && covers(&heads.signed, *id))
            .filter(|(id, is_signed)| !known.contains(id) || *is_signed && !signed.contains(id))
            .take(HEADS_MAX)
            .collect();
        for id in heads.open.iter().take(OPINIONS_TOLD_MAX) {
            self.tell_opinions(*id, to);
        }
        for (id, is_signed) in ids {
            if !known.contains(&id) && !known.contains(&self.asked(id)) {
                self.tell_request(id, to);
            }
            if is_signed && !signed.contains(&id) {
                self.tell_outcome(id, to);
            }
        }
    }

    /// Certificates and activations of keys that are not yet active at a peer.
    fn tell_keys(&mut self, to: NodeId, active: &BTreeSet<KeyId>) {
        let lacking = |id: &KeyId| !active.contains(id);
        let told =
            |attempt: &Attempt| attempt.certificate.is_some() && attempt.phase != Phase::Retired && !attempt.given_up;
        let certified = self.attempts.iter().filter(|(id, attempt)| told(attempt) && lacking(id));
        let certified: Vec<_> = certified.map(|(id, _)| *id).collect();
        certified.into_iter().for_each(|key_id| self.tell_key(key_id, to));
    }

    /// A key's certificate, and its activation if that is known.
    pub(crate) fn tell_key(&mut self, key_id: KeyId, to: NodeId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let Some(certificate) = attempt.certificate.clone() else { return };
        let activation = attempt.activation;
        let session = certificate.activation(self.definition.network_id()).into();
        self.send(to, key_id.into(), Message::KeyCertificate(Box::new(certificate)), Class::Protocol);
        if let Some(signature) = activation {
            self.send(to, session, Message::Signed(signature), Class::Protocol);
        }
    }

    /// A request, and what people say to it. A second session is begun by nobody but the chain.
    pub(crate) fn tell_request(&mut self, id: SubjectId, to: NodeId) {
        let id = self.asked(id);
        let Some(state) = self.subjects.get(&id) else { return };
        let Some(request) = state.request() else { return };
        let message = Message::RequestSpread { request: Box::new(request.clone()), origin: state.origin };
        self.send(to, id.into(), message, Class::Protocol);
        self.tell_opinions(id, to);
    }

    /// A member did not know a subject: it gets that, our answer and the signature, not faster than it could ask on its timers.
    pub(crate) fn tell_again(&mut self, id: SubjectId, to: NodeId) {
        let now = self.now.monotonic;
        let Some(state) = self.subjects.get_mut(&id) else { return };
        if state.told.get(&to).is_some_and(|last| now < last.plus(TELL_AGAIN_MS)) {
            return;
        }
        state.told.insert(to, now);
        let certified = match &state.subject {
            Subject::Activation(certificate) => Some(certificate.key_id()),
            Subject::Request(_) => None,
        };
        match certified {
            Some(key_id) => self.tell_key(key_id, to),
            None => self.tell_request(id, to),
        }
        self.tell_status(id, to);
        self.tell_outcome(id, to);
    }

    /// Our answer to a subject again, for a peer that may have missed it.
    pub(crate) fn tell_status(&mut self, id: SubjectId, to: NodeId) {
        let Some((key, _)) = self.order(id) else { return };
        let status = self.subjects.get(&id).and_then(|state| state.status);
        if let Some(status) = status.filter(|_| key.identifier_of(to).is_some()) {
            let message = Message::Willingness(Willingness { status, commitments: None });
            self.send(to, id.into(), message, Class::Bulk);
        }
    }

    /// The signature for a member that goes on as if there were none: no faster than it may ask, as it may ask again at once.
    pub(crate) fn answer_outcome(&mut self, id: SubjectId, to: NodeId) {
        let now = self.now.monotonic;
        if self.subjects.get_mut(&id).is_some_and(|state| state.may_ask(to, now)) {
            self.tell_outcome(id, to);
        }
    }

    pub(crate) fn tell_outcome(&mut self, id: SubjectId, to: NodeId) {
        if let Some(signature) = self.subjects.get(&id).and_then(|state| state.signature).filter(|_| to != self.me) {
            self.send(to, id.into(), Message::Signed(signature), Class::Protocol);
        }
    }

    // ---- views ----

    /// All key generation attempts and keys.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyView> {
        self.attempts.iter().map(|(key_id, attempt)| self.key_view(*key_id, attempt)).collect()
    }

    /// All requests.
    #[must_use]
    pub fn requests(&self) -> Vec<SubjectView> {
        let is_first =
            |(id, state): &(&SubjectId, &State)| state.request().is_some_and(|request| request.asked() == **id);
        self.subjects.iter().filter(is_first).filter_map(|(id, _)| self.request(*id)).collect()
    }

    /// One request.
    #[must_use]
    pub fn request(&self, id: SubjectId) -> Option<SubjectView> {
        let id = self.asked(id);
        let first = self.subjects.get(&id)?;
        let request = first.request()?;
        let key = request.key(&self.definition)?;
        // Of two sessions the second one tells how things are.
        let second = self.subjects.get(&second_of(id));
        let state = second.unwrap_or(first);
        Some(SubjectView {
            id,
            request: request.clone(),
            state: self.state_name(id, state),
            schedule: second.map(|second| ScheduleView {
                signature: first.signature,
                signers: first.signers.clone(),
                transaction: first.transaction,
                block: first.executed_at,
                ready: second.ready.map(|ready| ready.0),
            }),
            origin: state.origin,
            received: state.received.0,
            threshold: key.threshold,
            members: key.nodes().map(|node| self.member_view(node, state)).collect(),
            signature: state.signature,
            signers: state.signers.clone(),
            transaction: state.transaction,
            code: state.closed,
            window: state.window,
            takes: state.takes.clone(),
            evidence: state.evidence.verdict.clone(),
            opinions: first.opinions.clone(),
            waited: self.waited(state),
            history: state.history.clone(),
        })
    }

    /// All other nodes of the definition.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerView> {
        let others = self.definition.nodes.keys().filter(|node| **node != self.me);
        others
            .map(|node| PeerView {
                node: *node,
                connected: self.connected.get(node).copied(),
                seen: self.peers.get(node).map(|peer| peer.seen),
                quarantined: self.is_quarantined(*node),
            })
            .collect()
    }

    fn key_view(&self, key_id: KeyId, attempt: &Attempt) -> KeyView {
        let node = |id: &Identifier| attempt.node_of(*id);
        let state = match attempt.phase {
            Phase::Proposed => "proposed",
            Phase::Accepted => "accepting",
            Phase::Round1 => "round-1",
            Phase::Echo => "echo",
            Phase::Round2 => "round-2",
            Phase::Checking => "checking",
            Phase::Certifying if attempt.undecided => "undecided",
            Phase::Certifying => "certifying",
            Phase::Certified if attempt.given_up => "given-up",
            Phase::Certified => "certified",
            Phase::Active => "active",
            Phase::Aborted => "aborted",
            Phase::Abandoned => "abandoned",
            Phase::Retired => "retired",
        };
        let certificate = attempt.certificate.as_ref().filter(|_| attempt.phase >= Phase::Certified);
        KeyView {
            key_id,
            name: attempt.proposal.key_name.clone(),
            state,
            proposer: attempt.proposal.proposer,
            epoch: certificate.map(firn_proto::certificate::KeyCertificate::epoch).unwrap_or_default(),
            threshold: attempt.key.threshold,
            members: attempt.key.members.clone(),
            since: attempt.since.0,
            group_key: certificate.map(|certificate| *certificate.group_key()),
            account: certificate.map(|certificate| account_address(certificate.group_key())),
            certified_by: attempt
                .certified
                .keys()
                .chain(certificate.into_iter().flat_map(|c| c.signatures().keys()))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .filter_map(node)
                .collect(),
            waiting_for: attempt.waiting_for().iter().filter_map(node).collect(),
            code: attempt.ended.as_ref().map(|ended| ended.code),
            culprit: attempt
                .ended
                .as_ref()
                .and_then(|ended| ended.culprit)
                .or_else(|| attempt.proven.first().copied())
                .as_ref()
                .and_then(node),
        }
    }

    fn state_name(&self, id: SubjectId, state: &State) -> &'static str {
        match state {
            State { executed: true, .. } => "executed",
            State { closed: Some(Code::RequestExpired), .. } => "expired",
            State { signature: Some(_), .. } => "signed",
            State { closed: Some(_), .. } => "refused",
            State { status: Some(Status::NotYet(Code::ScheduleWaits)), .. } => "scheduled",
            State { status: None, .. } => "checking",
            _ if self.is_signing(id) => "signing",
            _ => "waiting",
        }
    }

    fn member_view(&self, node: NodeId, state: &State) -> MemberView {
        let connected = node == self.me || self.connected.contains_key(&node);
        let (status, code) = match state.answers.get(&node) {
            _ if !connected => ("disconnected", None),
            None => ("silent", None),
            Some(Status::Willing) => ("willing", None),
            Some(Status::Declined(code)) => ("declined", Some(*code)),
            Some(Status::NotYet(code)) => ("not yet", Some(*code)),
        };
        MemberView { node, status, code }
    }
}

/// Whether a list speaks of a subject: all, unless it is full and says nothing of those beyond its ends. Lists go round.
fn covers(list: &[SubjectId], id: SubjectId) -> bool {
    match (list.first(), list.last()) {
        (Some(first), Some(last)) if list.len() >= HEADS_MAX => match first <= last {
            true => (*first..=*last).contains(&id),
            false => id >= *first || id <= *last,
        },
        _ => true,
    }
}
