//! The next epoch of a key (docs/spec/reshare.md): the members of one epoch deal their shares to the members of the next.
//!
//! It is an attempt like a key generation, with an id of its own, the same certificate as its commit point and the same
//! activation. What differs is how its shares come about: any t good dealings do, so that a member that is dead, late or lies
//! does not stop it. Every member of the new epoch says which dealings it found good; what all of them did is the same for all,
//! and the first t of those are the new epoch. Until it is active, the epoch before goes on signing.

use super::{Attempt, Phase};
use crate::api::{Class, Timer};
use crate::engine::{Engine, Inbound};
use crate::limits::{KEY_GRACE_MS, KEY_PHASE_MS, RESHARE_SECONDS_MAX};
use firn_proto::certificate::{KeyCertificate, KeyProposal, KeySource, redeal_digest};
use firn_proto::definition::KeyDefinition;
use firn_proto::message::{KeyComplaint, KeyRedeal, Status};
use firn_proto::{Code, Digest, GroupSignature, Identifier, Incarnation, KeyId, Message, NodeId, SubjectId};
use firn_vault::api::{Redeals, Request, Subject};
use std::collections::{BTreeMap, BTreeSet};

/// Set in the phase of a timer that ends the patience with dealers, not the phase.
pub(crate) const GRACE: u8 = 0x80;

/// The epoch that an attempt comes of.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) certificate: KeyCertificate,
    /// The key as its members were then.
    pub(crate) key: KeyDefinition,
    /// Dealings by dealer, as they came.
    redeals: BTreeMap<Identifier, Redeal>,
    /// Those that we found good.
    good: BTreeSet<Identifier>,
    /// Our vault looks at them.
    checking: bool,
    /// All members have accepted, and not yet all dealers.
    waits: bool,
    /// Dealers that are late are not waited for any more.
    impatient: bool,
}

/// A dealing with the envelope that proves who sent it.
#[derive(Clone, Debug)]
pub(crate) struct Redeal {
    pub(crate) redeal: KeyRedeal,
    pub(crate) incarnation: Incarnation,
    pub(crate) envelope: Vec<u8>,
}

impl Source {
    fn needed(&self) -> usize {
        self.key.threshold.into()
    }

    /// Dealers that have not dealt.
    pub(super) fn lacking(&self) -> impl Iterator<Item = Identifier> + '_ {
        self.key.members.keys().filter(|dealer| !self.redeals.contains_key(dealer)).copied()
    }
}

impl Attempt {
    /// Everybody who takes part: the members, and in a resharing those of the epoch before.
    pub(crate) fn party(&self) -> KeyDefinition {
        let mut party = self.key.clone();
        let before = self.source.iter().flat_map(|source| &source.key.members).map(|(id, node)| (*id, *node));
        party.members.extend(before);
        party
    }

    /// The identifier of a node that takes part.
    pub(crate) fn identifier_of(&self, node: NodeId) -> Option<Identifier> {
        self.key.identifier_of(node).or_else(|| self.source.as_ref()?.key.identifier_of(node))
    }

    /// The node of an identifier in it.
    pub(crate) fn node_of(&self, member: Identifier) -> Option<NodeId> {
        let before = self.source.as_ref().and_then(|source| source.key.members.get(&member));
        self.key.members.get(&member).or(before).copied()
    }

    /// The digests of the dealings that we found good.
    pub(super) fn good_digests(&self, key_id: KeyId) -> BTreeMap<Identifier, Digest> {
        let of = |source: &Source| {
            let good = source.redeals.iter().filter(|(dealer, _)| source.good.contains(dealer));
            good.map(|(dealer, known)| (*dealer, redeal_digest(key_id, *dealer, &known.redeal))).collect()
        };
        self.source.as_ref().map(of).unwrap_or_default()
    }

    /// The envelope of another dealing that this dealer signed in this attempt and incarnation.
    pub(super) fn other_redeal(
        &self,
        dealer: Identifier,
        redeal: &KeyRedeal,
        incarnation: Incarnation,
    ) -> Option<Vec<u8>> {
        let known = self.source.as_ref()?.redeals.get(&dealer)?;
        (known.incarnation == incarnation && known.redeal != *redeal).then(|| known.envelope.clone())
    }

    /// The dealings have served their purpose.
    pub(super) fn forget_redeals(&mut self) {
        if let Some(source) = &mut self.source {
            source.redeals.clear();
        }
    }

    /// Our own dealing, to be said again.
    pub(super) fn own_redeal(&self, me: Identifier) -> Option<Message> {
        let known = self.source.as_ref()?.redeals.get(&me)?;
        Some(Message::KeyRedeal(Box::new(known.redeal.clone())))
    }

    fn redeals(&self, of: &BTreeSet<Identifier>) -> Option<Redeals> {
        let source = self.source.as_ref()?;
        let chosen = source.redeals.iter().filter(|(dealer, _)| of.contains(dealer));
        let redeals = chosen.map(|(dealer, known)| (*dealer, known.redeal.clone())).collect();
        Some(Redeals { proposal: self.proposal.clone(), source: Box::new(source.certificate.clone()), redeals })
    }

    /// Whether our vault was asked for nothing but our own dealing yet.
    pub(super) fn is_dealing(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.checking)
    }

    fn all_accepted(&self) -> bool {
        self.key.members.keys().all(|member| self.accepted.contains_key(member))
    }

    /// Whether the new epoch's members have all accepted, and enough dealers: all, unless those who are late had their time.
    pub(super) fn may_deal(&self) -> bool {
        let all = self.all_accepted();
        let Some(source) = &self.source else { return all };
        let accepted = source.key.members.keys().filter(|dealer| self.accepted.contains_key(dealer)).count();
        all && (accepted == source.key.members.len() || source.impatient && accepted >= source.needed())
    }
}

impl Engine {
    /// The epoch of a key that signs now, for a proposal of the next.
    #[must_use]
    pub fn key_source(&self, name: &str) -> Option<KeySource> {
        let (key_id, _) = self.usable_key(name)?;
        self.attempts.get(&key_id)?.certificate.as_ref().map(KeyCertificate::source)
    }

    /// The source of a proposal, where that is the epoch that signs here now.
    pub(super) fn source_of(&self, proposal: &KeyProposal, key: &KeyDefinition) -> Result<Option<Source>, Code> {
        let Some(from) = proposal.from else { return Ok(None) };
        if self.key_source(&proposal.key_name) != Some(from) {
            return Err(Code::EpochMismatch);
        }
        let attempt = self.attempts.get(&from.key_id).ok_or(Code::KeyUnknown)?;
        key.may_follow(&attempt.key)?;
        Ok(Some(Source {
            certificate: attempt.certificate.clone().ok_or(Code::KeyNotReady)?,
            key: attempt.key.clone(),
            redeals: BTreeMap::new(),
            good: BTreeSet::new(),
            checking: false,
            waits: false,
            impatient: false,
        }))
    }

    /// Proposals of a next epoch that a host may accept without asking its operator, where shares are refreshed when they are
    /// `after` seconds old.
    #[must_use]
    pub fn refreshes_due(&self, after: u64) -> Vec<KeyId> {
        let due = |attempt: &Attempt| attempt.phase == Phase::Proposed && self.needs_nobody(attempt, Some(after));
        self.attempts.iter().filter(|(_, attempt)| due(attempt)).map(|(key_id, _)| *key_id).collect()
    }

    /// Whether nobody has to be asked: a version that the organisations signed changes the key's members; or it is time, as
    /// far as this node's operator is concerned.
    pub(super) fn accepts_by_itself(&self, attempt: &Attempt) -> bool {
        self.needs_nobody(attempt, self.refresh_after)
    }

    fn needs_nobody(&self, attempt: &Attempt, after: Option<u64>) -> bool {
        let Some(source) = &attempt.source else { return false };
        // Who leaves starts nothing, and nobody keeps the name for long.
        let soon = attempt.proposal.deadline.0 <= self.now.wall.0.saturating_add(RESHARE_SECONDS_MAX);
        if attempt.key.identifier_of(attempt.proposal.proposer).is_none() || !soon {
            return false;
        }
        let changed = (&source.key.members, source.key.threshold) != (&attempt.key.members, attempt.key.threshold);
        let since = attempt.proposal.from.and_then(|from| self.attempts.get(&from.key_id)).map_or(0, |old| old.since.0);
        changed || after.is_some_and(|seconds| since.saturating_add(seconds) <= self.now.wall.0)
    }

    /// Two members may have started at once: of attempts that still gather acceptances, the one with the smaller id goes on.
    pub(super) fn yield_to(&mut self, key_id: KeyId) {
        let Some(name) = self.attempts.get(&key_id).map(|attempt| attempt.proposal.key_name.clone()) else { return };
        let rival = |(other, attempt): &(&KeyId, &Attempt)| {
            **other > key_id && attempt.phase == Phase::Accepted && attempt.proposal.key_name == name
        };
        let rivals: Vec<_> = self.attempts.iter().filter(rival).map(|(other, _)| *other).collect();
        rivals.into_iter().for_each(|other| self.abort(other, Code::DkgConflict, Vec::new(), None));
    }

    /// Those who are to join know nothing of the key yet: they are told before they are asked.
    pub(super) fn introduce(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let Some(from) = attempt.proposal.from else { return };
        let others: Vec<_> = attempt.key.nodes().filter(|node| *node != self.me).collect();
        others.into_iter().for_each(|node| self.tell_key(from.key_id, node));
    }

    // ---- dealing ----

    /// All members have accepted, but not all dealers: those have some time more.
    pub(super) fn await_dealers(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let all = attempt.all_accepted();
        let first = |source: &mut Source| !std::mem::replace(&mut source.waits, true);
        if all && attempt.source.as_mut().is_some_and(first) {
            self.set_timer(Timer::KeyPhase { key_id, phase: GRACE | Phase::Accepted as u8 }, KEY_GRACE_MS);
        }
    }

    /// Shares our share, where we have one; a member that lost it only receives.
    pub(super) fn redeal(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let Some(source) = &mut attempt.source else { return };
        // Who has accepted has its time anew.
        source.impatient = false;
        let (dealer, proposal) = (source.key.identifier_of(self.me).is_some(), attempt.proposal.clone());
        let held = proposal.from.and_then(|from| self.attempts.get(&from.key_id)).is_some_and(|old| old.holds);
        self.set_timer(Timer::KeyPhase { key_id, phase: GRACE | Phase::Round1 as u8 }, KEY_GRACE_MS);
        if dealer && held {
            self.ask_vault(Request::Redeal { proposal });
        }
    }

    /// Those who are late had their time.
    pub(super) fn grace_over(&mut self, key_id: KeyId, phase: u8) {
        let attempt = self.attempts.get_mut(&key_id).filter(|attempt| attempt.phase as u8 == phase);
        let Some(source) = attempt.and_then(|attempt| attempt.source.as_mut()) else { return };
        source.impatient = true;
        self.advance(key_id);
    }

    pub(super) fn on_redeal(&mut self, key_id: KeyId, from: Identifier, redeal: &KeyRedeal, inbound: &Inbound<'_>) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let late = attempt.phase > Phase::Round1;
        let Some(source) = attempt.source.as_mut().filter(|source| source.key.members.contains_key(&from)) else {
            return;
        };
        match source.redeals.get(&from) {
            Some(known) if known.redeal == *redeal => return,
            Some(known) if known.incarnation == inbound.incarnation => {
                let envelopes = vec![known.envelope.clone(), inbound.envelope.to_vec()];
                return self.equivocation(key_id, from, envelopes);
            }
            _ if late || source.checking => return,
            _ => {}
        }
        let (incarnation, envelope) = (inbound.incarnation, inbound.envelope.to_vec());
        source.redeals.insert(from, Redeal { redeal: redeal.clone(), incarnation, envelope });
        self.advance(key_id);
    }

    /// Looks at the dealings once all are here, or enough of them and the others had their time.
    pub(super) fn look_at_redeals(&mut self, key_id: KeyId) {
        let me = self.me;
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let is_member = attempt.key.identifier_of(me).is_some();
        let (accepted, proven) = (attempt.accepted.clone(), attempt.proven.clone());
        let Some(source) = attempt.source.as_mut().filter(|source| is_member && !source.checking) else { return };
        let complete = source.lacking().all(|dealer| !accepted.contains_key(&dealer));
        if !complete && !source.impatient || source.redeals.len() < source.needed() {
            return;
        }
        source.checking = true;
        let here: BTreeSet<_> = source.redeals.keys().filter(|dealer| !proven.contains(dealer)).copied().collect();
        if let Some(redeals) = attempt.redeals(&here) {
            self.ask_vault(Request::CheckRedeals(redeals));
        }
    }

    /// Our vault has looked: what is wrong is shown to all, what is good is said to all.
    pub(super) fn checked(
        &mut self,
        key_id: KeyId,
        good: BTreeSet<Identifier>,
        faulty: &[Identifier],
        complaints: &[KeyComplaint],
    ) {
        let Some(attempt) = self.attempts.get_mut(&key_id).filter(|attempt| attempt.phase == Phase::Round1) else {
            return;
        };
        let party = attempt.party();
        let Some(source) = &mut attempt.source else { return };
        source.good = good;
        let envelope = |source: &Source, dealer| source.redeals.get(dealer).map(|known| known.envelope.clone());
        let faulty: Vec<_> = faulty.iter().filter_map(|dealer| Some((*dealer, envelope(source, dealer)?))).collect();
        let complaints: Vec<_> =
            complaints.iter().filter_map(|made| Some((*made, envelope(source, &made.dealer)?))).collect();
        for (dealer, envelope) in faulty {
            self.convict(key_id, dealer, Code::ReshareDealingInvalid, vec![envelope]);
        }
        for (complaint, envelope) in complaints {
            self.broadcast(&party, key_id.into(), Message::Relay(envelope), Class::Protocol);
            self.broadcast(&party, key_id.into(), Message::KeyComplaint(complaint), Class::Protocol);
        }
        self.echo(key_id);
    }

    /// All members have said what they found good: the first t that all did are the new epoch.
    pub(super) fn choose_dealers(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let Some(source) = &attempt.source else { return };
        let ours = attempt.good_digests(key_id);
        let all = |(dealer, digest): &(&Identifier, &Digest)| {
            attempt.echoes.values().all(|theirs| theirs.get(dealer) == Some(digest))
        };
        let agreed: BTreeSet<_> = ours.iter().filter(all).map(|(dealer, _)| *dealer).take(source.needed()).collect();
        if agreed.len() < source.needed() {
            // Whose echo leaves out what we found good is what lacks, or it is the dealers.
            let short = |theirs: &BTreeMap<_, _>| ours.keys().any(|dealer| !theirs.contains_key(dealer));
            let silent: Vec<_> = attempt.echoes.iter().filter(|(_, theirs)| short(theirs)).map(|(id, _)| *id).collect();
            let enough = ours.len() >= source.needed() && !silent.is_empty();
            let dealers = source.key.members.keys().filter(|dealer| !agreed.contains(dealer)).copied().collect();
            let missing = if enough { silent } else { dealers };
            return self.abort(key_id, Code::ReshareDealersTooFew, missing, None);
        }
        let Some(redeals) = attempt.redeals(&agreed) else { return };
        self.enter(key_id, Phase::Checking, "checking", KEY_PHASE_MS);
        self.ask_vault(Request::FinishRedeals(redeals));
    }

    // ---- the epoch before ----

    /// Takes in the certificate of an epoch that we hold no share of: we are to join, or were a member before, or lost it.
    pub(super) fn learn(&mut self, certificate: &KeyCertificate) -> Result<(), Code> {
        let (key_id, name) = (certificate.key_id(), &certificate.proposal().key_name);
        let version = self.definition.at(certificate.proposal().definition);
        let key = version.and_then(|version| version.key(name)).cloned().ok_or(Code::KeyUnknown)?;
        let joins = self.definition.key(name).is_some_and(|key| key.identifier_of(self.me).is_some());
        let of_name = |attempt: &&Attempt| attempt.proposal.key_name == *name;
        let in_use = |attempt: &&Attempt| matches!(attempt.phase, Phase::Active | Phase::Retired);
        let known =
            self.attempts.values().filter(of_name).filter(in_use).filter_map(|attempt| attempt.certificate.as_ref());
        let other = |known: &KeyCertificate| known.group_key() != certificate.group_key();
        if !joins && known.clone().next().is_none() {
            return Err(Code::KeyUnknown);
        }
        if certificate.proposal().from.is_some() && known.clone().any(other) {
            return Err(Code::DkgTranscriptMismatch);
        }
        let attempt = self.attempts.entry(key_id).or_insert_with(|| {
            Attempt::new(certificate.proposal().clone(), key, certificate.proposal().proposer, None)
        });
        attempt.certificate = Some(certificate.clone());
        attempt.ended = None;
        self.enter(key_id, Phase::Certified, "certified", 0);
        self.persist_attempt(key_id, "key-learned", None);
        self.await_activation(key_id);
        Ok(())
    }

    /// An epoch is active: the one before is over, and what was open goes on in this one.
    pub(super) fn succeed(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let (Some(certificate), Some(activation)) = (attempt.certificate.clone(), attempt.activation) else { return };
        let name = certificate.proposal().key_name.clone();
        if certificate.proposal().from.is_some() && self.usable_key(&name).is_some_and(|(newest, _)| newest == key_id) {
            self.retire(&certificate, activation);
        }
        self.switch(&name);
    }

    /// Asks the vault to erase our share of every epoch before this one.
    fn retire(&mut self, certificate: &KeyCertificate, activation: GroupSignature) {
        for key_id in self.epochs_before(certificate) {
            let Some(old) = self.attempts.get(&key_id) else { continue };
            if old.holds || old.phase == Phase::Certifying {
                self.ask_vault(Request::Retire { key_id, successor: Box::new(certificate.clone()), activation });
            } else {
                self.retired(key_id);
            }
        }
    }

    /// Whether a later epoch of the same key is active here.
    pub(super) fn is_over(&self, key_id: KeyId) -> bool {
        let Some(attempt) = self.attempts.get(&key_id) else { return false };
        self.usable_key(&attempt.proposal.key_name).is_some_and(|(newest, _)| newest != key_id)
    }

    /// Attempts that made shares of this key for an epoch before, pending ones too.
    fn epochs_before(&self, certificate: &KeyCertificate) -> Vec<KeyId> {
        let before = |attempt: &Attempt| {
            let pending = attempt.outcome.as_ref().map(|outcome| &outcome.group_key);
            let key = attempt.certificate.as_ref().map(KeyCertificate::group_key).or(pending);
            (Phase::Certifying..=Phase::Active).contains(&attempt.phase)
                && key == Some(certificate.group_key())
                && attempt.proposal.epoch() < certificate.epoch()
        };
        self.attempts.iter().filter(|(_, attempt)| before(attempt)).map(|(key_id, _)| *key_id).collect()
    }

    /// Our share of an epoch is gone for good.
    pub(crate) fn retired(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get_mut(&key_id).filter(|attempt| attempt.phase != Phase::Retired) else {
            return;
        };
        attempt.holds = false;
        self.kept.remove(&key_id);
        self.pools.drop_key(key_id);
        self.lent.drop_key(key_id);
        self.offers.retain(|(of, _), _| *of != key_id);
        self.enter(key_id, Phase::Retired, "retired", 0);
        self.persist_attempt(key_id, "key-retired", None);
    }

    /// Goes on, after a restart, where an epoch was active and the one before not yet erased.
    pub(super) fn resume_retirement(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let known = attempt.certificate.clone().zip(attempt.activation);
        if let Some((certificate, activation)) = known.filter(|(known, _)| known.proposal().from.is_some()) {
            self.retire(&certificate, activation);
        }
    }

    /// Every open request of this key begins anew with the epoch that signs now: nothing that people said names an epoch.
    fn switch(&mut self, name: &str) {
        let open: Vec<_> = self.open_subjects().map(|(id, _)| id).collect();
        for id in open {
            let Some((key, _)) = self.order(id) else { continue };
            let Some(state) = self.subjects.get_mut(&id) else { continue };
            if !matches!(&state.subject, Subject::Request(request) if request.key_name() == name) {
                continue;
            }
            let me = self.me;
            state.coordinator = None;
            state.ranks = Default::default();
            state.packages.clear();
            state.answers.retain(|node, _| *node != me && key.identifier_of(*node).is_some());
            state.status = state.status.filter(|status| matches!(status, Status::Declined(_)));
            self.stirred = true;
            self.evaluate(id);
        }
    }

    /// A member says that it does not sign with the epoch that we sign with: it may not know of it yet.
    pub(crate) fn tell_epoch(&mut self, id: SubjectId, to: NodeId) {
        if let Some((key_id, _)) = self.subject_key(id) {
            self.tell_key(key_id, to);
        }
    }

    /// A member works with another epoch than ours: whoever is behind hears of the newer one.
    pub(crate) fn compare_epochs(&mut self, theirs: KeyId, node: NodeId) {
        let Some(attempt) = self.attempts.get(&theirs) else { return };
        let newest = self.usable_key(&attempt.proposal.key_name).map(|(key_id, _)| key_id);
        if let Some(newest) = newest.filter(|newest| *newest != theirs) {
            self.tell_key(newest, node);
        }
    }
}
