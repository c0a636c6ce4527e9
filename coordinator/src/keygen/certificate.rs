//! The certificate: signed by all n, assembled by whoever has all signatures, and passed on to whoever lacks one.

use super::Phase;
use crate::api::{Class, Effect, Observation};
use crate::engine::{Engine, Inbound};
use crate::limits::{KEY_ANSWER_MS, KEY_REPEAT_MS};
use firn_proto::certificate::{KeyCertificate, certificate_digest, verify_member};
use firn_proto::message::KeyCertified;
use firn_proto::{Code, Identifier, KeyId, Message, NodeId};
use firn_vault::api::{KeyOutcome, Request};

impl Engine {
    pub(super) fn on_certified(
        &mut self,
        key_id: KeyId,
        from: Identifier,
        certified: KeyCertified,
        inbound: &Inbound<'_>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        if matches!(attempt.phase, Phase::Certified | Phase::Active) && inbound.from != self.me {
            return self.answer_certified(key_id, from, inbound.from);
        }
        let ended = attempt.phase == Phase::Aborted && attempt.proposal.from.is_some() && inbound.from != self.me;
        if attempt.phase >= Phase::Certified && !ended {
            return;
        }
        let version = self.definition.at(attempt.proposal.definition).unwrap_or(&self.definition);
        let digest = certificate_digest(self.definition.network_id(), key_id, certified.statement, from);
        if verify_member(version, &attempt.key, from, digest, &certified.signature).is_err() {
            return self.effect(Effect::Penalise { peer: inbound.from, reason: Code::EnvelopeSignatureInvalid });
        }
        if ended {
            return self.abandon_by_itself(key_id);
        }
        let ours = |certified: &KeyCertified| {
            attempt.outcome.as_ref().is_some_and(|own| own.statement() == certified.statement)
        };
        // Whoever first signed something else may still join us.
        if attempt.certified.get(&from).is_none_or(|known| !ours(known) && ours(&certified)) {
            attempt.certified.insert(from, certified);
        }
        let differs = |own: &KeyOutcome| own.statement() != certified.statement;
        if attempt.phase < Phase::Certifying && attempt.outcome.as_ref().is_some_and(differs) {
            return self.abort(key_id, Code::DkgTranscriptMismatch, Vec::new(), None);
        }
        self.advance(key_id);
    }

    pub(crate) fn on_certificate(&mut self, inbound: &Inbound<'_>, certificate: &KeyCertificate) {
        let key_id = certificate.key_id();
        match self.attempts.get(&key_id).map(|attempt| attempt.phase) {
            Some(Phase::Certifying) => self.accept_certificate(certificate.clone()),
            Some(phase) if phase == Phase::Aborted || phase < Phase::Checking => self.learn_of(inbound, certificate),
            Some(_) => {}
            None => self.learn_of(inbound, certificate),
        }
    }

    fn learn_of(&mut self, inbound: &Inbound<'_>, certificate: &KeyCertificate) {
        if let Err(code) = self.learn(certificate) {
            self.ignored(inbound, code);
        }
    }

    pub(super) fn assemble(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id).filter(|attempt| attempt.abandonments.is_empty()) else {
            return;
        };
        let Some(outcome) = &attempt.outcome else { return };
        if attempt.certified.values().any(|certified| certified.statement != outcome.statement()) {
            // Our signature has left: only the members together can abandon now.
            return self.observe(Observation::KeyEnded {
                key_id,
                code: Code::DkgTranscriptMismatch,
                missing: Vec::new(),
                culprit: None,
            });
        }
        let signatures = attempt.certified.iter().map(|(id, certified)| (*id, certified.signature)).collect();
        let assembled = KeyCertificate::assemble(
            &self.definition,
            attempt.proposal.clone(),
            outcome.transcript,
            outcome.group_key,
            outcome.verifying_shares.clone(),
            signatures,
        );
        if let Ok(certificate) = assembled {
            self.accept_certificate(certificate);
        }
    }

    pub(super) fn accept_certificate(&mut self, certificate: KeyCertificate) {
        let Some(attempt) = self.attempts.get_mut(&certificate.key_id()) else { return };
        let activation = attempt.activation;
        attempt.certificate = Some(certificate.clone());
        self.ask_vault(Request::AcceptCertificate { certificate: Box::new(certificate), activation });
    }

    /// The certificate is complete here: who lacks a signature need not wait for it.
    pub(super) fn spread_certificate(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let Some(certificate) = attempt.certificate.clone() else { return };
        let party = attempt.party();
        self.broadcast(&party, key_id.into(), Message::KeyCertificate(Box::new(certificate)), Class::Bulk);
    }

    /// A member still says its certificate signature: it lacks the certificate.
    fn answer_certified(&mut self, key_id: KeyId, from: Identifier, to: NodeId) {
        let now = self.now.monotonic;
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        if attempt.answered.get(&from).is_some_and(|last| now < last.plus(KEY_ANSWER_MS)) {
            return;
        }
        attempt.answered.insert(from, now);
        self.tell_key(key_id, to);
    }

    /// The bound has passed while the certificate is incomplete: says again what we have said, as any of it may be lost.
    pub(super) fn certifying_over(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let (key, missing) = (attempt.key.clone(), attempt.waiting_for());
        let first = !std::mem::replace(&mut attempt.undecided, true);
        let Some(me) = attempt.key.identifier_of(self.me) else { return };
        let said = match attempt.abandonments.get(&me) {
            Some(own) => Some(Message::KeyAbandon(*own)),
            None => attempt.certified.get(&me).map(|own| Message::KeyCertified(*own)),
        };
        if first {
            self.observe(Observation::KeyEnded { key_id, code: Code::DkgMissing, missing, culprit: None });
        }
        if let Some(message) = said {
            self.broadcast(&key, key_id.into(), message, Class::Bulk);
        }
        self.set_timer(crate::api::Timer::KeyPhase { key_id, phase: Phase::Certifying as u8 }, KEY_REPEAT_MS);
    }
}
