//! Who is at fault, where a key generation can prove it; nobody otherwise.
//!
//! Only transferable proofs count: two packages signed by one member within one attempt and one incarnation, or a
//! complaint that opens one encrypted share. Silence never blames.

use crate::api::{Class, Observation};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::keygen::{Dealing, Phase, Relayed, Round1};
use firn_proto::message::{KeyComplaint, KeyRound1, KeyShares};
use firn_proto::{Code, Identifier, KeyId, Message, envelope};
use firn_vault::complaint::{Verdict, judge};

impl Engine {
    pub(crate) fn on_round1(&mut self, key_id: KeyId, from: Identifier, package: &KeyRound1, inbound: &Inbound<'_>) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        match attempt.round1.get(&from) {
            Some(known) if known.package == *package => return,
            Some(known) if known.incarnation == inbound.incarnation => {
                let envelopes = vec![known.envelope.clone(), inbound.envelope.to_vec()];
                return self.equivocation(key_id, from, envelopes);
            }
            _ if attempt.phase > Phase::Round1 => return,
            _ => {}
        }
        let (incarnation, envelope) = (inbound.incarnation, inbound.envelope.to_vec());
        attempt.round1.insert(from, Round1 { package: package.clone(), incarnation, envelope });
        self.advance(key_id);
    }

    pub(crate) fn on_dealing(&mut self, key_id: KeyId, from: Identifier, shares: &KeyShares, inbound: &Inbound<'_>) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        match attempt.dealings.get(&from) {
            Some(known) if known.shares == *shares => return,
            Some(known) if known.incarnation == inbound.incarnation => {
                let envelopes = vec![known.envelope.clone(), inbound.envelope.to_vec()];
                return self.equivocation(key_id, from, envelopes);
            }
            _ if attempt.phase > Phase::Round2 => return,
            _ => {}
        }
        let (incarnation, envelope) = (inbound.incarnation, inbound.envelope.to_vec());
        attempt.dealings.insert(from, Dealing { shares: shares.clone(), incarnation, envelope });
        self.advance(key_id);
    }

    /// One member signed two contradicting things: all hear both, so that whoever saw only one learns of it.
    pub(super) fn equivocation(&mut self, key_id: KeyId, from: Identifier, envelopes: Vec<Vec<u8>>) {
        let Some(attempt) = self.attempts.get(&key_id).filter(|attempt| !attempt.proven.contains(&from)) else {
            return;
        };
        let key = attempt.party();
        for envelope in &envelopes {
            self.broadcast(&key, key_id.into(), Message::Relay(envelope.clone()), Class::Protocol);
        }
        self.convict(key_id, from, Code::DkgEquivocation, envelopes);
    }

    /// A proof against a member: shown once, kept with an attempt that ended without one, and the end of a running one.
    pub(super) fn convict(&mut self, key_id: KeyId, culprit: Identifier, code: Code, envelopes: Vec<Vec<u8>>) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let Some(node) = attempt.node_of(culprit) else { return };
        // In a resharing the others go on without it.
        let reshares = attempt.source.is_some();
        if !attempt.proven.insert(culprit) {
            return;
        }
        let ended = attempt.ended.as_mut().filter(|ended| attempt.phase == Phase::Aborted && ended.culprit.is_none());
        let late = ended.map(|ended| (ended.code, ended.culprit) = (code, Some(culprit))).is_some();
        let note = AuditNote::new(key_id, "key-evidence");
        self.persist(Vec::new(), AuditNote { code: Some(code), members: &[node], evidence: &envelopes, ..note });
        self.observe(Observation::Evidence { culprit: node, code, envelopes });
        if late {
            self.persist_attempt(key_id, "key-evidence", Some(code));
        }
        if !reshares {
            self.abort(key_id, code, Vec::new(), Some(culprit));
        }
    }

    /// After an echo mismatch: gives every member the envelopes of whom it saw another package, so that whoever signed
    /// two is found out.
    pub(crate) fn exchange_round1(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let ours = attempt.digests(key_id);
        let mut relays = Vec::new();
        for (echoer, theirs) in &attempt.echoes {
            let Some(node) = attempt.key.members.get(echoer) else { continue };
            let differing = attempt.round1.iter().filter(|(member, _)| theirs.get(member) != ours.get(member));
            relays.extend(differing.map(|(_, round1)| (*node, round1.envelope.clone())));
        }
        let me = self.me;
        for (node, envelope) in relays.into_iter().filter(|(node, envelope)| *node != me && !envelope.is_empty()) {
            self.send(node, key_id.into(), Message::Relay(envelope), Class::Protocol);
        }
    }

    /// Complains about our shares: first the dealings as we received them, then what is wrong with them.
    pub(crate) fn complain(&mut self, key_id: KeyId, complaints: &[KeyComplaint]) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let key = attempt.key.clone();
        let first = complaints.first().map(|complaint| complaint.dealer);
        for complaint in complaints {
            let dealing = self.attempts.get(&key_id).and_then(|attempt| attempt.dealings.get(&complaint.dealer));
            let Some(envelope) = dealing.map(|dealing| dealing.envelope.clone()) else { continue };
            self.broadcast(&key, key_id.into(), Message::Relay(envelope), Class::Protocol);
            self.broadcast(&key, key_id.into(), Message::KeyComplaint(*complaint), Class::Protocol);
        }
        self.abort(key_id, Code::DkgShareInvalid, Vec::new(), first);
    }

    /// An envelope that another passes on: looked at for contradictions and as the subject of a complaint.
    pub(crate) fn on_relay(&mut self, inbound: &Inbound<'_>, bytes: &[u8]) {
        let key_id = KeyId::from(inbound.session);
        let Ok(relayed) = envelope::verify(bytes, &self.definition) else {
            return self.ignored(inbound, Code::EnvelopeMalformed);
        };
        let header = *relayed.header();
        // Before the first round there is nothing to contradict, and a certified key has let go of what was exchanged.
        let judged = |phase: Phase| (Phase::Round1..=Phase::Certifying).contains(&phase) || phase == Phase::Aborted;
        let attempt = self.attempts.get_mut(&key_id).filter(|attempt| judged(attempt.phase));
        let Some(attempt) = attempt.filter(|_| header.session == inbound.session) else { return };
        let author = attempt.identifier_of(header.sender);
        let (Some(author), Some(relayer)) = (author, attempt.identifier_of(inbound.from)) else { return };
        if attempt.accepted.get(&author) != Some(&header.incarnation) {
            return;
        }
        let incarnation = header.incarnation;
        let known = match relayed.content() {
            Message::KeyRound1(package) => attempt
                .round1
                .get(&author)
                .filter(|known| known.incarnation == incarnation && known.package != *package)
                .map(|known| known.envelope.clone()),
            Message::KeyShares(shares) => {
                let dealing = Dealing { shares: shares.clone(), incarnation, envelope: bytes.to_vec() };
                attempt.relayed.insert(relayer, Relayed { dealer: author, dealing, commitment: None });
                attempt
                    .dealings
                    .get(&author)
                    .filter(|known| known.incarnation == incarnation && known.shares != *shares)
                    .map(|known| known.envelope.clone())
            }
            Message::KeyRedeal(redeal) => {
                let (shares, commitment) = (redeal.shares.clone(), Some(redeal.commitment.clone()));
                let dealing = Dealing { shares, incarnation, envelope: bytes.to_vec() };
                attempt.relayed.insert(relayer, Relayed { dealer: author, dealing, commitment });
                attempt.other_redeal(author, redeal, incarnation)
            }
            _ => None,
        };
        if let Some(known) = known.filter(|known| !known.is_empty()) {
            self.equivocation(key_id, author, vec![known, bytes.to_vec()]);
        }
    }

    /// Judges a complaint, against the dealing that the complainer passed on just before.
    pub(crate) fn on_complaint(
        &mut self,
        key_id: KeyId,
        from: Identifier,
        complaint: &KeyComplaint,
        inbound: &Inbound<'_>,
    ) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let relayed = attempt.relayed.get(&from).filter(|relayed| relayed.dealer == complaint.dealer);
        let Some(Relayed { dealing, commitment, .. }) = relayed else { return };
        let round1 = attempt.round1.get(&complaint.dealer);
        let Some(commitment) = commitment.as_ref().or_else(|| round1.map(|round1| &round1.package.commitment)) else {
            return;
        };
        let Some(complainer) = attempt.key.members.get(&from).and_then(|node| self.definition.nodes.get(node)) else {
            return;
        };
        let network = self.definition.network_id();
        let verdict = judge(network, key_id, commitment, &dealing.shares, from, &complainer.vault_key, complaint);
        let (code, culprit) = match verdict {
            Verdict::DealerAtFault => (Code::DkgShareInvalid, complaint.dealer),
            Verdict::ComplainerAtFault => (Code::DkgComplaintFalse, from),
        };
        let first = round1.map(|round1| round1.envelope.clone());
        let envelopes = first.into_iter().chain([dealing.envelope.clone(), inbound.envelope.to_vec()]).collect();
        self.convict(key_id, culprit, code, envelopes);
    }
}
