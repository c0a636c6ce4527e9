//! How an attempt ends without a key: expired, aborted, undecided, abandoned by all.

use super::Phase;
use super::reshare::GRACE;
use crate::api::{Class, Effect, Observation, Timer};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::limits::KEY_REPEAT_MS;
use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{abandon_digest, verify_member};
use firn_proto::message::KeyAbort;
use firn_proto::{Code, Identifier, KeyId, Message};
use firn_vault::api::Request;

impl Engine {
    /// The phase's bound has passed.
    pub(crate) fn key_phase_over(&mut self, key_id: KeyId, phase: u8) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        if phase & GRACE != 0 {
            return self.grace_over(key_id, phase & !GRACE);
        }
        if attempt.phase as u8 != phase {
            return;
        }
        let missing = attempt.waiting_for();
        match attempt.phase {
            Phase::Proposed => self.drop_proposal(key_id, Code::DkgExpired),
            Phase::Accepted => self.abort(key_id, Code::DkgExpired, missing, None),
            // Who only deals waits for what the others make of it.
            Phase::Round1 if attempt.key.identifier_of(self.me).is_none() && !attempt.undecided => self.wait_on(key_id),
            phase if phase.is_exchanging() => self.abort(key_id, Code::DkgMissing, missing, None),
            Phase::Certifying => self.certifying_over(key_id),
            _ => {}
        }
    }

    fn wait_on(&mut self, key_id: KeyId) {
        if let Some(attempt) = self.attempts.get_mut(&key_id) {
            attempt.undecided = true;
            self.set_timer(Timer::KeyPhase { key_id, phase: Phase::Round1 as u8 }, KEY_REPEAT_MS);
        }
    }

    /// Forgets a proposal that nobody here has accepted. It leaves no record.
    pub(crate) fn drop_proposal(&mut self, key_id: KeyId, code: Code) {
        self.attempts.remove(&key_id);
        self.observe(Observation::KeyEnded { key_id, code, missing: Vec::new(), culprit: None });
    }

    /// Ends an attempt whose certificate signature has not left, tells the others, and has the vault forget it.
    pub(crate) fn abort(&mut self, key_id: KeyId, code: Code, missing: Vec<Identifier>, culprit: Option<Identifier>) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        if attempt.phase >= Phase::Certifying {
            return;
        }
        let abort = KeyAbort { code, missing: missing.clone(), culprit };
        attempt.phase = Phase::Aborted;
        attempt.ended = Some(abort.clone());
        let key = attempt.party();
        self.observe(Observation::KeyEnded { key_id, code, missing, culprit });
        self.persist_attempt(key_id, "key-aborted", Some(code));
        self.ask_vault(Request::Forget { key_id });
        self.broadcast(&key, key_id.into(), Message::KeyAbort(abort), Class::Protocol);
    }

    /// Signs the abandonment of an undecided attempt, or gives up a certified key that was never activated.
    pub(crate) fn abandon(&mut self, key_id: KeyId) -> Result<(), Code> {
        let attempt = self.attempts.get(&key_id).ok_or(Code::KeyUnknown)?;
        if attempt.phase == Phase::Certified {
            self.give_up(key_id);
            return Ok(());
        }
        if attempt.phase == Phase::Accepted || attempt.phase.is_exchanging() {
            self.abort(key_id, Code::DkgStopped, Vec::new(), None);
            return Ok(());
        }
        if !matches!(attempt.phase, Phase::Certifying | Phase::Aborted) {
            return Err(Code::DkgConflict);
        }
        // By the proposal: an attempt that was aborted or lost with a restart is unknown to the vault.
        let proposal = attempt.proposal.clone();
        self.persist(Vec::new(), AuditNote::new(key_id, "key-abandonment-signed"));
        self.ask_vault(Request::AbandonProposal { proposal });
        Ok(())
    }

    /// A next epoch that cannot come to be is given up without people: there is the epoch before, and nothing is lost. Its certificate
    /// lacks a member that ended before it signed, or has abandoned; that one says so to whoever still waits for it, and all follow.
    pub(super) fn abandon_by_itself(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id).filter(|attempt| attempt.proposal.from.is_some()) else {
            return;
        };
        let Some(me) = attempt.key.identifier_of(self.me) else { return };
        let others = attempt.abandonments.keys().filter(|member| **member != me).count();
        let left = attempt.key.members.len().saturating_sub(others);
        let again = attempt.abandonments.contains_key(&me) || attempt.given_up;
        match attempt.phase {
            // As long as t may be left that have not, it may still be activated.
            Phase::Certified if again || left >= usize::from(attempt.key.threshold) => {}
            Phase::Certifying | Phase::Aborted if again => {}
            Phase::Certifying | Phase::Aborted | Phase::Certified => drop(self.abandon(key_id)),
            _ => {}
        }
    }

    /// A certified key whose other members have abandoned it can neither be activated nor abandoned by all. We decline its
    /// activation for good, which frees its name here; should t others activate it all the same, we follow.
    fn give_up(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        attempt.given_up = true;
        let activation = attempt.certificate.as_ref().map(|c| c.activation(self.definition.network_id()));
        self.persist_attempt(key_id, "key-given-up", Some(Code::DkgAbandoned));
        if let Some(activation) = activation {
            self.close(activation, Code::DkgAbandoned);
        }
    }

    pub(crate) fn on_abandonment(
        &mut self,
        key_id: KeyId,
        from: Identifier,
        signature: AuthorSignature,
        inbound: &Inbound<'_>,
    ) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        let version = self.definition.at(attempt.proposal.definition).unwrap_or(&self.definition);
        let digest = abandon_digest(self.definition.network_id(), key_id, from);
        if verify_member(version, &attempt.key, from, digest, &signature).is_err() {
            return self.effect(Effect::Penalise { peer: inbound.from, reason: Code::EnvelopeSignatureInvalid });
        }
        attempt.abandonments.insert(from, signature);
        let complete = attempt.abandonments.len() == attempt.key.members.len();
        if complete && matches!(attempt.phase, Phase::Certifying | Phase::Aborted) && !attempt.erasing {
            // Behind a certificate stands a member that never abandons: one of ours cannot have been accepted.
            attempt.certificate = None;
            attempt.erasing = true;
            let abandonments = attempt.abandonments.clone();
            self.ask_vault(Request::Erase { key_id, abandonments });
        } else if inbound.from == self.me {
            self.persist_attempt(key_id, "key-abandonment-sent", None);
        } else {
            self.abandon_by_itself(key_id);
        }
    }
}
