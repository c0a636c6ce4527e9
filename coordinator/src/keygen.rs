//! Key generation (docs/spec/keygen.md): PedPop with what frost-core leaves to its caller. Echo broadcast of round 1,
//! shares encrypted to vaults, complaints that anybody can judge, a certificate signed by all n, and an activation.
//!
//! The certificate signature is the commit point: before ours leaves we may abort, after it our share stays pending
//! until the whole certificate, or an abandonment signed by all n, arrives.

use crate::api::{Class, Observation, Timer};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::limits::{KEY_ATTEMPTS_MAX, KEY_PHASE_MS, KEY_PROPOSAL_SECONDS_MAX, KEY_PROPOSALS_PER_MEMBER_MAX};
use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{KeyCertificate, KeyProposal, round1_digest};
use firn_proto::definition::KeyDefinition;
use firn_proto::message::{KeyAbort, KeyCertified, KeyRound1, KeyShares};
use firn_proto::time::{MonotonicTime, WallTime};
use firn_proto::{Code, Digest, GroupSignature, Identifier, Incarnation, KeyId, Message, NodeId, Point};
use firn_vault::api::{KeyOutcome, Request};
use reshare::Source;
use std::collections::{BTreeMap, BTreeSet};

mod answers;
mod blame;
mod certificate;
mod end;
pub(crate) mod reshare;
mod store;

/// Where an attempt stands. Ordered: later phases are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    Proposed,
    Accepted,
    Round1,
    Echo,
    Round2,
    Checking,
    Certifying,
    Certified,
    Active,
    Aborted,
    Abandoned,
    /// A later epoch is active, and no share of this one is left here.
    Retired,
}

impl Phase {
    /// All have accepted, and no certificate signature of ours has left.
    fn is_exchanging(self) -> bool {
        (Self::Round1..=Self::Checking).contains(&self)
    }
}

/// One attempt at a key, or the key that came of it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) proposal: KeyProposal,
    /// Which member we have the proposal from: what nobody here accepted counts against it.
    brought_by: NodeId,
    pub(crate) key: KeyDefinition,
    pub(crate) phase: Phase,
    pub(crate) accepted: BTreeMap<Identifier, Incarnation>,
    pub(crate) round1: BTreeMap<Identifier, Round1>,
    echoes: BTreeMap<Identifier, BTreeMap<Identifier, Digest>>,
    pub(crate) dealings: BTreeMap<Identifier, Dealing>,
    /// The dealing that each member passed on last, with its dealer: what its complaint is about.
    pub(crate) relayed: BTreeMap<Identifier, Relayed>,
    /// Who is proven at fault: told once.
    pub(crate) proven: BTreeSet<Identifier>,
    outcome: Option<KeyOutcome>,
    pub(crate) certified: BTreeMap<Identifier, KeyCertified>,
    pub(crate) certificate: Option<KeyCertificate>,
    abandonments: BTreeMap<Identifier, AuthorSignature>,
    pub(crate) activation: Option<GroupSignature>,
    pub(crate) ended: Option<KeyAbort>,
    /// The bound has passed while the certificate was incomplete.
    pub(crate) undecided: bool,
    /// When each member that still lacked the certificate was last given it.
    answered: BTreeMap<Identifier, MonotonicTime>,
    /// All have abandoned, and the vault was asked to erase the share.
    erasing: bool,
    /// Certified, and we shall not take part in its activation.
    pub(crate) given_up: bool,
    /// The epoch that it comes of, while it is a resharing under way.
    pub(crate) source: Option<Source>,
    /// Our vault has a share of it. Not so for who is to join, has left, or lost it.
    pub(crate) holds: bool,
    /// When it became active here.
    pub(crate) since: WallTime,
}

/// A round-1 package with the envelope that proves who sent it.
#[derive(Clone, Debug)]
pub(crate) struct Round1 {
    pub(crate) package: KeyRound1,
    pub(crate) incarnation: Incarnation,
    pub(crate) envelope: Vec<u8>,
}

/// A dealing with its envelope.
#[derive(Clone, Debug)]
pub(crate) struct Dealing {
    pub(crate) shares: KeyShares,
    pub(crate) incarnation: Incarnation,
    pub(crate) envelope: Vec<u8>,
}

/// A dealing that a member passed on.
#[derive(Clone, Debug)]
pub(crate) struct Relayed {
    pub(crate) dealer: Identifier,
    pub(crate) dealing: Dealing,
    /// The commitment that it comes with, in a resharing; else it is the dealer's round-1 package.
    pub(crate) commitment: Option<Vec<Point>>,
}

impl Attempt {
    fn new(proposal: KeyProposal, key: KeyDefinition, brought_by: NodeId, source: Option<Source>) -> Self {
        Self {
            proposal,
            brought_by,
            key,
            phase: Phase::Proposed,
            accepted: BTreeMap::new(),
            round1: BTreeMap::new(),
            echoes: BTreeMap::new(),
            dealings: BTreeMap::new(),
            relayed: BTreeMap::new(),
            proven: BTreeSet::new(),
            outcome: None,
            certified: BTreeMap::new(),
            certificate: None,
            abandonments: BTreeMap::new(),
            activation: None,
            ended: None,
            undecided: false,
            answered: BTreeMap::new(),
            erasing: false,
            given_up: false,
            source,
            holds: false,
            since: WallTime::default(),
        }
    }

    /// Whether this node has durably declined to take part in the key's activation. A new attempt at the name takes all
    /// members' acceptance, hence t - 1 liars at most are left for this one, which activates nothing.
    fn is_given_up(&self, me: NodeId) -> bool {
        let own = self.key.identifier_of(me).is_some_and(|me| self.abandonments.contains_key(&me));
        self.phase < Phase::Active && (self.given_up || own)
    }

    /// Whether secrets of this attempt exist or may come to exist here.
    fn is_running(&self) -> bool {
        (Phase::Accepted..=Phase::Certifying).contains(&self.phase)
    }

    /// Whom the present phase waits for.
    pub(crate) fn waiting_for(&self) -> Vec<Identifier> {
        if let Some(source) = self.source.as_ref().filter(|_| self.phase == Phase::Round1) {
            return source.lacking().collect();
        }
        let have: BTreeSet<Identifier> = match self.phase {
            Phase::Proposed | Phase::Accepted => self.accepted.keys().copied().collect(),
            Phase::Round1 => self.round1.keys().copied().collect(),
            Phase::Echo => self.echoes.keys().copied().collect(),
            Phase::Round2 => self.dealings.keys().copied().collect(),
            Phase::Certifying => self.certified.keys().copied().collect(),
            Phase::Aborted => return self.ended.as_ref().map(|ended| ended.missing.clone()).unwrap_or_default(),
            Phase::Checking | Phase::Certified | Phase::Active | Phase::Abandoned | Phase::Retired => {
                return Vec::new();
            }
        };
        self.key.members.keys().filter(|member| !have.contains(member)).copied().collect()
    }

    fn digests(&self, key_id: KeyId) -> BTreeMap<Identifier, Digest> {
        if self.source.is_some() {
            return self.good_digests(key_id);
        }
        self.round1.iter().map(|(id, round1)| (*id, round1_digest(key_id, *id, &round1.package))).collect()
    }

    /// What we have said so far, to be said again to a peer whose channel was lost.
    fn said(&self, key_id: KeyId, me: Identifier) -> Vec<Message> {
        let abandonment = self.abandonments.get(&me).map(|own| Message::KeyAbandon(*own));
        match self.phase {
            // A proposal that nobody here has accepted is its proposer's to spread.
            Phase::Proposed | Phase::Certified | Phase::Active | Phase::Retired => return Vec::new(),
            Phase::Aborted | Phase::Abandoned => return abandonment.into_iter().collect(),
            _ => {}
        }
        let mut said = vec![Message::KeyProposal(self.proposal.clone()), Message::KeyAccept];
        said.extend(self.round1.get(&me).map(|own| Message::KeyRound1(own.package.clone())));
        if self.echoes.contains_key(&me) {
            said.push(Message::KeyEcho(self.digests(key_id)));
        }
        said.extend(self.own_redeal(me));
        said.extend(self.dealings.get(&me).map(|own| Message::KeyShares(own.shares.clone())));
        // Who gives the key up helps nobody to a certificate any more: one beside abandonments could never be activated.
        said.extend(self.certified.get(&me).filter(|_| abandonment.is_none()).map(|own| Message::KeyCertified(*own)));
        said.extend(abandonment);
        said
    }
}

impl Engine {
    // ---- proposing and accepting ----

    /// Starts an attempt and accepts it here.
    pub(crate) fn propose(&mut self, proposal: KeyProposal) -> Result<(), Code> {
        let key_id = proposal.key_id(self.definition.network_id());
        let (key, source) = self.admit(&proposal, self.me)?;
        self.check_free(&proposal)?;
        let me = self.me;
        let attempt = self.attempts.entry(key_id).or_insert_with(|| Attempt::new(proposal.clone(), key, me, source));
        let party = attempt.party();
        self.introduce(key_id);
        self.broadcast(&party, key_id.into(), Message::KeyProposal(proposal), Class::Protocol);
        self.accept(key_id)
    }

    pub(crate) fn on_proposal(&mut self, inbound: &Inbound<'_>, proposal: &KeyProposal) {
        let key_id = inbound.session.into();
        if self.attempts.contains_key(&key_id) {
            return;
        }
        match self.admit(proposal, inbound.from) {
            Ok((key, source)) => {
                let milliseconds = (proposal.deadline.0 - self.now.wall.0).saturating_add(1).saturating_mul(1000);
                self.attempts.insert(key_id, Attempt::new(proposal.clone(), key, inbound.from, source));
                self.enter(key_id, Phase::Proposed, "proposed", milliseconds);
                let by_itself = self.attempts.get(&key_id).is_some_and(|attempt| self.accepts_by_itself(attempt));
                if by_itself {
                    self.yield_to(key_id);
                }
                if by_itself && let Err(code) = self.accept(key_id) {
                    self.ignored(inbound, code);
                }
            }
            Err(code) => self.ignored(inbound, code),
        }
    }

    /// Whether a proposal that `from` brings can be taken up. Does not look at other attempts for the same name.
    fn admit(&self, proposal: &KeyProposal, from: NodeId) -> Result<(KeyDefinition, Option<Source>), Code> {
        let key = self.definition.key(&proposal.key_name).ok_or(Code::KeyUnknown)?;
        let now = self.now.wall.0;
        let deadline = now..=now.saturating_add(KEY_PROPOSAL_SECONDS_MAX);
        let source = self.source_of(proposal, key)?;
        let party = |node| {
            let before = source.as_ref().is_some_and(|source| source.key.identifier_of(node).is_some());
            key.identifier_of(node).is_some() || before
        };
        if proposal.definition != self.definition.digest()
            || !deadline.contains(&proposal.deadline.0)
            || ![proposal.proposer, from, self.me].into_iter().all(party)
        {
            return Err(Code::DkgProposalInvalid);
        }
        let waiting = |attempt: &&Attempt| attempt.phase == Phase::Proposed && attempt.brought_by == from;
        if self.attempts.values().filter(waiting).count() >= KEY_PROPOSALS_PER_MEMBER_MAX {
            return Err(Code::DkgConflict);
        }
        Ok((key.clone(), source))
    }

    /// Whether no attempt runs for this name, and no key of it exists but the epoch that a new one comes of.
    fn check_free(&self, proposal: &KeyProposal) -> Result<(), Code> {
        let taken = |(key_id, other): (&KeyId, &Attempt)| {
            other.proposal.key_name == proposal.key_name
                && (other.is_running() || matches!(other.phase, Phase::Certified | Phase::Active))
                && !other.is_given_up(self.me)
                && proposal.from.is_none_or(|from| {
                    let epoch = other.certificate.as_ref().map(KeyCertificate::epoch);
                    from.key_id != *key_id && epoch.is_none_or(|epoch| epoch >= from.epoch)
                })
        };
        if self.attempts.iter().any(taken) { Err(Code::DkgConflict) } else { Ok(()) }
    }

    /// Forgets the oldest ended attempt where too many are remembered; its record stays.
    fn make_room(&mut self) -> Result<(), Code> {
        let beyond_proposal = self.attempts.values().filter(|attempt| attempt.phase > Phase::Proposed);
        if beyond_proposal.count() < KEY_ATTEMPTS_MAX {
            return Ok(());
        }
        let ended = |attempt: &Attempt| attempt.phase >= Phase::Aborted;
        let ended = self.attempts.iter().filter(|(_, attempt)| ended(attempt));
        let oldest = ended.min_by_key(|(_, attempt)| attempt.proposal.deadline).map(|(key_id, _)| *key_id);
        self.attempts.remove(&oldest.ok_or(Code::DkgConflict)?);
        Ok(())
    }

    /// Accepts a proposal on behalf of this node's operator.
    pub(crate) fn accept(&mut self, key_id: KeyId) -> Result<(), Code> {
        let attempt = self.attempts.get(&key_id).ok_or(Code::KeyUnknown)?;
        if attempt.phase != Phase::Proposed {
            return Err(Code::DkgConflict);
        }
        self.check_free(&attempt.proposal)?;
        if attempt.proposal.deadline < self.now.wall {
            return Err(Code::DkgExpired);
        }
        let (party, seconds) = (attempt.party(), attempt.proposal.deadline.0 - self.now.wall.0);
        let me = self.my_identifier(&party).ok_or(Code::DkgProposalInvalid)?;
        self.make_room()?;
        if let Some(attempt) = self.attempts.get_mut(&key_id) {
            attempt.accepted.insert(me, Incarnation::default());
        }
        self.persist(Vec::new(), AuditNote::new(key_id, "key-accepted"));
        self.enter(key_id, Phase::Accepted, "accepting", seconds.saturating_mul(1000).max(1));
        self.broadcast(&party, key_id.into(), Message::KeyAccept, Class::Protocol);
        self.advance(key_id);
        Ok(())
    }

    // ---- messages ----

    pub(crate) fn on_key_message(&mut self, inbound: &Inbound<'_>, message: &Message) {
        let key_id = KeyId::from(inbound.session);
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let Some(from) = attempt.identifier_of(inbound.from) else {
            return self.ignored(inbound, Code::SenderUnknown);
        };
        let is_member = attempt.key.members.contains_key(&from);
        let known = attempt.accepted.get(&from).copied();
        let local = inbound.from == self.me;
        if !local && self.restarted(key_id, from, known, inbound.incarnation) {
            return;
        }
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        match message {
            Message::KeyAccept if attempt.phase <= Phase::Accepted => {
                // Ours may have come before it knew what that was about.
                let news = attempt.accepted.insert(from, inbound.incarnation) != Some(inbound.incarnation);
                let ours = attempt.identifier_of(self.me).is_some_and(|me| attempt.accepted.contains_key(&me));
                if news && ours && !local && attempt.source.is_some() {
                    self.send(inbound.from, inbound.session, Message::KeyAccept, Class::Protocol);
                }
            }
            // It waits for an attempt that has ended here: what we said then did not reach it.
            Message::KeyAccept if attempt.phase == Phase::Aborted && !local => {
                if let Some(abort) = attempt.ended.clone() {
                    self.send(inbound.from, inbound.session, Message::KeyAbort(abort), Class::Protocol);
                }
                return;
            }
            Message::KeyRound1(package) => return self.on_round1(key_id, from, package, inbound),
            Message::KeyEcho(digests) if is_member && attempt.phase <= Phase::Echo => {
                attempt.echoes.entry(from).or_insert_with(|| digests.clone());
            }
            Message::KeyShares(shares) => return self.on_dealing(key_id, from, shares, inbound),
            Message::KeyRedeal(redeal) => return self.on_redeal(key_id, from, redeal, inbound),
            Message::KeyComplaint(complaint) => return self.on_complaint(key_id, from, complaint, inbound),
            Message::KeyCertified(certified) => return self.on_certified(key_id, from, *certified, inbound),
            // Without a dealer that only leaves, the others go on.
            Message::KeyAbort(abort) if is_member && !local => return self.on_abort(key_id, abort),
            Message::KeyAbandon(signature) => return self.on_abandonment(key_id, from, *signature, inbound),
            _ => {}
        }
        self.advance(key_id);
    }

    /// A member that restarted has lost its polynomial. While people are still accepting it only has to accept again,
    /// and what it said before counts no more; later the attempt ends without blame, unless certificate signatures are already leaving.
    fn restarted(&mut self, key_id: KeyId, from: Identifier, known: Option<Incarnation>, now: Incarnation) -> bool {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return false };
        let changed = known.is_some_and(|known| known != now);
        match attempt.phase {
            Phase::Accepted | Phase::Proposed if changed => {
                attempt.accepted.remove(&from);
                attempt.round1.remove(&from);
                attempt.echoes.remove(&from);
                attempt.dealings.remove(&from);
                false
            }
            phase if changed && phase.is_exchanging() && attempt.key.members.contains_key(&from) => {
                self.abort(key_id, Code::DkgRestarted, vec![from], None);
                true
            }
            _ => false,
        }
    }

    fn on_abort(&mut self, key_id: KeyId, abort: &KeyAbort) {
        // Another's word neither blames anybody nor undoes our certificate signature.
        match self.attempts.get(&key_id).map(|attempt| attempt.phase) {
            Some(Phase::Proposed) => self.drop_proposal(key_id, Code::DkgStopped),
            Some(phase) if phase < Phase::Certifying => {
                self.abort(key_id, Code::DkgStopped, abort.missing.clone(), None);
            }
            _ => {}
        }
    }

    // ---- progress ----

    /// Moves the attempt on as far as what has arrived allows.
    pub(crate) fn advance(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let n = attempt.key.members.len();
        match attempt.phase {
            Phase::Accepted if attempt.may_deal() => {
                let (proposal, reshares) = (attempt.proposal.clone(), attempt.source.is_some());
                self.enter(key_id, Phase::Round1, "round-1", KEY_PHASE_MS);
                // On record before a polynomial exists: after a restart this attempt has ended, and is not dealt for again.
                self.persist_attempt(key_id, "key-dealing", None);
                if reshares {
                    return self.redeal(key_id);
                }
                self.ask_vault(Request::Deal { proposal });
            }
            Phase::Accepted => self.await_dealers(key_id),
            Phase::Round1 if attempt.source.is_some() => self.look_at_redeals(key_id),
            Phase::Echo if attempt.source.is_some() && attempt.echoes.len() == n => self.choose_dealers(key_id),
            Phase::Round1 if attempt.round1.len() == n => self.echo(key_id),
            Phase::Echo if attempt.echoes.len() == n => self.compare_echoes(key_id),
            Phase::Round2 if attempt.dealings.len() == n => {
                let dealings = attempt.dealings.iter().map(|(id, dealing)| (*id, dealing.shares.clone())).collect();
                self.enter(key_id, Phase::Checking, "checking", KEY_PHASE_MS);
                self.ask_vault(Request::Finish { key_id, dealings });
            }
            Phase::Certifying if attempt.certified.len() == n => self.assemble(key_id),
            _ => {}
        }
    }

    pub(crate) fn echo(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let Some(me) = attempt.key.identifier_of(self.me) else { return };
        let (key, digests) = (attempt.party(), attempt.digests(key_id));
        attempt.echoes.insert(me, digests.clone());
        self.enter(key_id, Phase::Echo, "echo", KEY_PHASE_MS);
        self.broadcast(&key, key_id.into(), Message::KeyEcho(digests), Class::Protocol);
        self.advance(key_id);
    }

    fn compare_echoes(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let ours = attempt.digests(key_id);
        if attempt.echoes.values().all(|theirs| *theirs == ours) {
            let round1 = attempt.round1.iter().map(|(id, round1)| (*id, round1.package.clone())).collect();
            self.enter(key_id, Phase::Round2, "round-2", KEY_PHASE_MS);
            return self.ask_vault(Request::Share { key_id, round1 });
        }
        self.exchange_round1(key_id);
        self.abort(key_id, Code::DkgEchoMismatch, Vec::new(), None);
    }

    // ---- peers and restart ----

    pub(crate) fn key_peer_up(&mut self, node: NodeId, incarnation: Incarnation) {
        let attempts: Vec<_> = self.attempts.iter().map(|(id, attempt)| (*id, attempt.identifier_of(node))).collect();
        for (key_id, identifier) in attempts {
            let Some(identifier) = identifier else { continue };
            let known = self.attempts.get(&key_id).and_then(|attempt| attempt.accepted.get(&identifier)).copied();
            self.restarted(key_id, identifier, known, incarnation);
        }
    }

    /// What we have said in each attempt, for a peer whose channel was lost.
    pub(crate) fn say_keys_again(&mut self, node: NodeId) {
        for key_id in self.attempts.keys().copied().collect::<Vec<_>>() {
            let attempt = self.attempts.get(&key_id).filter(|attempt| attempt.identifier_of(node).is_some());
            let Some(attempt) = attempt else { continue };
            let Some(me) = attempt.identifier_of(self.me) else { continue };
            let said = attempt.said(key_id, me);
            if let Some(from) = attempt.proposal.from.filter(|_| attempt.is_running()) {
                self.tell_key(from.key_id, node);
            }
            for message in said {
                self.send(node, key_id.into(), message, Class::Protocol);
            }
        }
    }

    /// Enters a phase; `milliseconds` bounds it, zero for phases that may last.
    fn enter(&mut self, key_id: KeyId, phase: Phase, name: &'static str, milliseconds: u64) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        attempt.phase = phase;
        attempt.undecided = false;
        self.observe(Observation::KeyPhase { key_id, phase: name });
        if milliseconds > 0 {
            self.set_timer(Timer::KeyPhase { key_id, phase: phase as u8 }, milliseconds);
        }
    }
}
