//! Who is at fault, where a key generation can prove it; nobody otherwise.
//!
//! Only transferable proofs count: two packages signed by one member within one attempt and one incarnation, or a
//! complaint that opens one encrypted share. Silence never blames.

use crate::api::{Class, Observation};
use crate::engine::{Engine, Inbound};
use crate::keygen::{Attempt, Dealing, Phase, Round1};
use firn_proto::message::{KeyComplaint, KeyRound1, KeyShares};
use firn_proto::{Code, Identifier, KeyId, Message, envelope};
use firn_vault::complaint::{Verdict, judge};

impl Engine {
    pub(crate) fn on_round1(&mut self, key_id: KeyId, from: Identifier, package: &KeyRound1, inbound: &Inbound<'_>) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        match attempt.round1.get(&from) {
            Some(known) if known.package == *package => return,
            Some(known) => {
                let envelopes = vec![known.envelope.clone(), inbound.envelope.to_vec()];
                return self.equivocation(key_id, from, envelopes);
            }
            None if attempt.phase > Phase::Round1 => return,
            None => {}
        }
        attempt.round1.insert(from, Round1 { package: package.clone(), envelope: inbound.envelope.to_vec() });
        self.advance(key_id);
    }

    pub(crate) fn on_dealing(&mut self, key_id: KeyId, from: Identifier, shares: &KeyShares, inbound: &Inbound<'_>) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        match attempt.dealings.get(&from) {
            Some(known) if known.shares == *shares => return,
            Some(known) => {
                let envelopes = vec![known.envelope.clone(), inbound.envelope.to_vec()];
                return self.equivocation(key_id, from, envelopes);
            }
            None if attempt.phase > Phase::Round2 => return,
            None => {}
        }
        attempt.dealings.insert(from, Dealing { shares: shares.clone(), envelope: inbound.envelope.to_vec() });
        self.advance(key_id);
    }

    fn equivocation(&mut self, key_id: KeyId, from: Identifier, envelopes: Vec<Vec<u8>>) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let Some(culprit) = attempt.key.members.get(&from).copied() else { return };
        self.observe(Observation::Evidence { culprit, code: Code::DkgEquivocation, envelopes });
        self.abort(key_id, Code::DkgEquivocation, Vec::new(), Some(from));
    }

    /// After an echo mismatch: gives every member whose view differs the envelopes that we saw, so that whoever signed
    /// two packages is found out.
    pub(crate) fn exchange_round1(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let envelopes: Vec<_> = attempt.round1.values().map(|round1| round1.envelope.clone()).collect();
        let key = attempt.key.clone();
        for envelope in envelopes.into_iter().filter(|envelope| !envelope.is_empty()) {
            self.broadcast(&key, key_id.into(), Message::Relay(envelope), Class::Protocol);
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
        let Some(attempt) = self.attempts.get_mut(&key_id).filter(|_| header.session == inbound.session) else {
            return;
        };
        let author = attempt.key.identifier_of(header.sender);
        let (Some(author), Some(relayer)) = (author, attempt.key.identifier_of(inbound.from)) else { return };
        if attempt.accepted.get(&author) != Some(&header.incarnation) {
            return;
        }
        let known = match relayed.content() {
            Message::KeyRound1(package) => attempt
                .round1
                .get(&author)
                .filter(|known| known.package != *package)
                .map(|known| known.envelope.clone()),
            Message::KeyShares(shares) => {
                attempt.relayed.insert((relayer, author), shares.clone());
                attempt
                    .dealings
                    .get(&author)
                    .filter(|known| known.shares != *shares)
                    .map(|known| known.envelope.clone())
            }
            _ => None,
        };
        if let Some(known) = known.filter(|known| !known.is_empty()) {
            self.equivocation(key_id, author, vec![known, bytes.to_vec()]);
        }
    }

    /// Judges a complaint, against the dealing that the complainer passed on.
    pub(crate) fn on_complaint(&mut self, key_id: KeyId, from: Identifier, complaint: &KeyComplaint) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let Some((code, culprit)) = self.verdict(key_id, attempt, from, complaint) else { return };
        let Some(node) = attempt.key.members.get(&culprit).copied() else { return };
        self.observe(Observation::Evidence { culprit: node, code, envelopes: Vec::new() });
        self.abort(key_id, code, Vec::new(), Some(culprit));
    }

    fn verdict(
        &self,
        key_id: KeyId,
        attempt: &Attempt,
        complainer: Identifier,
        complaint: &KeyComplaint,
    ) -> Option<(Code, Identifier)> {
        let dealing = attempt.relayed.get(&(complainer, complaint.dealer))?;
        let commitment = &attempt.round1.get(&complaint.dealer)?.package.commitment;
        let node = self.definition.nodes.get(attempt.key.members.get(&complainer)?)?;
        let network = self.definition.network_id();
        Some(match judge(network, key_id, commitment, dealing, complainer, &node.vault_key, complaint) {
            Verdict::DealerAtFault => (Code::DkgShareInvalid, complaint.dealer),
            Verdict::ComplainerAtFault => (Code::DkgComplaintFalse, complainer),
        })
    }
}
