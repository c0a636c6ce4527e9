//! What becomes of a generated key: attested, certified, abandoned, erased.
//!
//! Two facts exclude each other for good: some member holds the whole certificate, and all members have abandoned.
//! A vault with the certificate never signs an abandonment; a vault that signed one attests nothing any more, takes no
//! part in an activation, and accepts a certificate only with the activation, behind which stand t that never abandon.

use crate::Vault;
use crate::api::{Decision, Reply, Write};
use crate::denial::Denial;
use crate::held::HeldKey;
use crate::keygen::Attempt;
use crate::limits::TOMBSTONES_MAX;
use crate::record::{KeyState, Kind, key_record};
use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{KeyCertificate, abandon_digest, certificate_digest, verify_member};
use firn_proto::message::KeyCertified;
use firn_proto::{Code, Epoch, GroupSignature, Identifier, KeyId};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;

impl Vault {
    /// Stores a finished key as pending.
    pub(crate) fn store<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        held: HeldKey,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let outcome = held.facts.outcome();
        let content = held.encode().ok_or(Code::VaultRefused)?;
        let place = (key_id, held.facts.proposal.epoch());
        let share = self.put(Kind::Share, key_record(Kind::Share, place.0, place.1), &content, rng);
        let writes = vec![share, self.put_state(place, &held.state(), rng)];
        let replaced = self.held.insert(place, held);
        assert!(replaced.is_none(), "one key id, one share");
        Ok(Decision { writes, reply: Reply::Finished { key_id, outcome } })
    }

    /// Attests that the share stands in storage: it is the record read back that must fit, not memory.
    pub(crate) fn certify<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        stored: Option<&[u8]>,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let held = self.pending_or_certified(key_id)?;
        if held.abandoned && !held.attested {
            return Err(Code::DkgAbandoned.into());
        }
        let record_key = key_record(Kind::Share, key_id, held.facts.proposal.epoch());
        let content = self.open_record(Kind::Share, &record_key, stored.ok_or(Code::ShareMissing)?);
        let read_back = content
            .and_then(|content| HeldKey::decode(&self.definition, self.node, key_id, &content))
            .filter(|read_back| read_back.facts == held.facts);
        let facts = read_back.ok_or(Code::RecordCorrupt)?.facts;
        let statement = facts.outcome().statement();
        let digest = certificate_digest(self.network, key_id, statement, facts.identifier);
        let signature = self.keys.author.sign(digest, rng);
        let writes = self.change(key_id, |held| held.attested = true, rng)?;
        let certified = KeyCertified { statement, signature };
        Ok(Decision { writes, reply: Reply::Certified { key_id, certified } })
    }

    /// Makes a pending key usable. A certificate is a verified one by its type, and the proposal, which must be ours, names
    /// the definition that it was verified against.
    pub(crate) fn accept_certificate<R: RngCore + CryptoRng>(
        &mut self,
        certificate: KeyCertificate,
        activation: Option<&GroupSignature>,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let key_id = certificate.key_id();
        let held = self.pending_or_certified(key_id)?;
        if !held.is_certified_by(&certificate) {
            return Err(Code::DkgTranscriptMismatch.into());
        }
        let activated = activation.is_some_and(|signature| {
            signature.verifies(certificate.group_key(), certificate.activation(self.network).0)
        });
        if held.certificate.is_none() && held.abandoned && !activated {
            return Err(Code::DkgAbandoned.into());
        }
        let accept = |held: &mut HeldKey| {
            held.attested = true;
            held.certificate.get_or_insert(certificate);
        };
        let writes = self.change(key_id, accept, rng)?;
        Ok(Decision { writes, reply: Reply::Done { key_id } })
    }

    /// Promises never to use the key. Where nothing was stored, the key id is used up durably, so that the promise holds
    /// in later boots. `member` is ours in the key, where the caller knows it from the proposal.
    pub(crate) fn abandon<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        member: Option<Identifier>,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let (member, writes) = if let Some(held) = self.held.get(&self.place_of(key_id)) {
            if held.certificate.is_some() {
                return Err(Code::VaultRefused.into());
            }
            (held.facts.identifier, self.change(key_id, |held| held.abandoned = true, rng)?)
        } else {
            let known = self.attempts.get(&key_id).map(Attempt::identifier);
            let member = known.or(member).ok_or(Code::ShareMissing)?;
            let writes = self.bury(key_id, rng)?;
            self.attempts.insert(key_id, Attempt::Ended(member));
            (member, writes)
        };
        let signature = self.keys.author.sign(abandon_digest(self.network, key_id, member), rng);
        Ok(Decision { writes, reply: Reply::Abandoned { key_id, signature } })
    }

    /// Erases a key that all members have abandoned, so that no certificate of it can be in anybody's hands.
    pub(crate) fn erase<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        abandonments: &BTreeMap<Identifier, AuthorSignature>,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let done = Reply::Done { key_id };
        if self.buried.contains(&key_id) {
            return Ok(Decision { writes: Vec::new(), reply: done });
        }
        let held = self.pending_or_certified(key_id)?;
        let key = self.key_of(held)?;
        if held.certificate.is_some() || !abandonments.keys().eq(key.members.keys()) {
            return Err(Code::VaultRefused.into());
        }
        for (member, signature) in abandonments {
            let digest = abandon_digest(self.network, key_id, *member);
            verify_member(&self.definition, key, *member, digest, signature)
                .map_err(|refusal| Denial::by(refusal.code, *member))?;
        }
        Ok(Decision { writes: self.bury(key_id, rng)?, reply: done })
    }

    /// Drops an attempt whose certificate signature was never made. Its id stays used up.
    pub(crate) fn forget<R: RngCore + CryptoRng>(&mut self, key_id: KeyId, rng: &mut R) -> Result<Decision, Denial> {
        let held = self.held.get(&self.place_of(key_id));
        if held.is_some_and(|held| held.attested || held.certificate.is_some()) {
            return Err(Code::VaultRefused.into());
        }
        let writes = if held.is_some() { self.bury(key_id, rng)? } else { Vec::new() };
        self.attempts.remove(&key_id);
        Ok(Decision { writes, reply: Reply::Done { key_id } })
    }

    fn pending_or_certified(&self, key_id: KeyId) -> Result<&HeldKey, Denial> {
        self.held.get(&self.place_of(key_id)).ok_or_else(|| Code::ShareMissing.into())
    }

    /// Changes what the state record says; no write where nothing changes.
    fn change<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        change: impl FnOnce(&mut HeldKey),
        rng: &mut R,
    ) -> Result<Vec<Write>, Denial> {
        let place = self.place_of(key_id);
        let held = self.held.get_mut(&place).ok_or(Code::ShareMissing)?;
        let before = held.state();
        change(held);
        let after = held.state();
        assert!(after.certificate.is_none() || after.attested, "a whole certificate holds our signature");
        Ok(if before == after { Vec::new() } else { vec![self.put_state(place, &after, rng)] })
    }

    /// Removes the share, if there is one, and uses the key id up for good.
    pub(crate) fn bury<R: RngCore + CryptoRng>(&mut self, key_id: KeyId, rng: &mut R) -> Result<Vec<Write>, Denial> {
        if self.buried.contains(&key_id) {
            return Ok(Vec::new());
        }
        if self.buried.len() >= TOMBSTONES_MAX {
            return Err(Code::VaultRefused.into());
        }
        let state = KeyState { erased: true, ..KeyState::default() };
        let place = self.place_of(key_id);
        let mut writes = vec![self.put_state(place, &state, rng)];
        if self.held.remove(&place).is_some() {
            writes.push(Write::Delete { key: key_record(Kind::Share, place.0, place.1) });
        }
        self.buried.insert(key_id);
        Ok(writes)
    }

    fn put_state<R: RngCore + CryptoRng>(&self, place: (KeyId, Epoch), state: &KeyState, rng: &mut R) -> Write {
        self.put(Kind::State, key_record(Kind::State, place.0, place.1), &state.encode(), rng)
    }
}

#[cfg(test)]
mod tests;
