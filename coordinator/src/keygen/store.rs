//! An attempt on disk: written when our certificate signature leaves, when it is certified, activated, or ends.

use super::{Attempt, Phase};
use crate::api::Family;
use crate::audit::AuditNote;
use crate::engine::Engine;
use crate::limits::KEY_PHASE_MS;
use crate::record::{self, SCHEMA};
use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{KeyCertificate, KeyProposal};
use firn_proto::message::{KeyAbort, KeyCertified};
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, GroupSignature, Identifier, KeyId, Point, wire};
use firn_vault::api::{KeyOutcome, Request};
use std::collections::BTreeMap;

impl Engine {
    pub(crate) fn persist_attempt(&mut self, key_id: KeyId, event: &'static str, code: Option<Code>) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let me = attempt.identifier_of(self.me);
        let transcript = attempt.outcome.as_ref().map(|outcome| outcome.transcript.0).unwrap_or_default();
        let record = record::put(Family::Keys, key_id.0, &stored(attempt, me));
        self.persist(vec![record], AuditNote { code, reference: &transcript, ..AuditNote::new(key_id, event) });
    }

    /// Takes an attempt up from its record under `record_key`.
    pub(crate) fn restore_attempt(&mut self, record_key: &[u8], value: &[u8]) -> Option<()> {
        let stored: wire::StoredKey = record::decode(value)?;
        if stored.schema != SCHEMA {
            return None;
        }
        let proposal = KeyProposal::from_wire(stored.proposal.as_ref()?).ok()?;
        let version = self.definition.at(proposal.definition)?;
        let key = version.key(&proposal.key_name)?.clone();
        let me = key.identifier_of(self.me);
        let key_id = proposal.key_id(self.definition.network_id());
        if record_key != key_id.0.0 {
            return None;
        }
        let mut attempt = Attempt::new(proposal, key, self.me, None);
        attempt.since = WallTime(stored.since);
        attempt.holds = (stored.held || !stored.own_signature.is_empty()) && !stored.retired;
        // A record without more is of an attempt that we dealt for: the polynomial went with the restart.
        attempt.phase = Phase::Aborted;
        attempt.ended = Some(KeyAbort { code: Code::DkgRestarted, missing: me.into_iter().collect(), culprit: None });
        attempt.given_up = stored.given_up;
        let signature = |bytes: &[u8]| bytes.try_into().ok().map(AuthorSignature);
        if !stored.own_signature.is_empty() {
            let outcome = KeyOutcome {
                transcript: Digest::from_slice(&stored.transcript)?,
                group_key: Point::from_slice(&stored.group_key).ok()?,
                verifying_shares: shares(&stored.shares)?,
            };
            let (statement, signature) = (outcome.statement(), signature(&stored.own_signature)?);
            attempt.outcome = Some(outcome);
            attempt.certified.insert(me?, KeyCertified { statement, signature });
            attempt.phase = Phase::Certifying;
            attempt.ended = None;
        }
        if !stored.own_abandonment.is_empty() {
            attempt.abandonments.insert(me?, signature(&stored.own_abandonment)?);
        }
        if let Some(certificate) = &stored.certificate {
            let certificate = KeyCertificate::from_wire(certificate, &self.definition).ok()?;
            if certificate.key_id() != key_id {
                return None;
            }
            attempt.certificate = Some(certificate);
            attempt.phase = Phase::Certified;
            attempt.ended = None;
        }
        if !stored.activation.is_empty() {
            let signature = GroupSignature::from_slice(&stored.activation).ok()?;
            let certificate = attempt.certificate.as_ref()?;
            let activation = certificate.activation(self.definition.network_id());
            if !signature.verifies(certificate.group_key(), activation.0) {
                return None;
            }
            attempt.activation = Some(signature);
            attempt.phase = if stored.retired { Phase::Retired } else { Phase::Active };
        }
        if let Some(ended) = stored.ended.as_ref().filter(|_| attempt.certificate.is_none()) {
            attempt.ended = Some(restore_end(ended)?);
            attempt.phase = if ended.code == Code::DkgAbandoned.to_wire() { Phase::Abandoned } else { Phase::Aborted };
        }
        self.attempts.insert(key_id, attempt);
        Some(())
    }

    pub(crate) fn resume_attempt(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        match (attempt.phase, &attempt.certificate) {
            (Phase::Certifying, _) => self.enter(key_id, Phase::Certifying, "certifying", KEY_PHASE_MS),
            (Phase::Certified, Some(certificate)) if attempt.holds => self.activate(certificate.clone()),
            (Phase::Certified, Some(_)) => self.await_activation(key_id),
            (Phase::Active, Some(_)) => self.resume_retirement(key_id),
            (Phase::Aborted, _) if attempt.ended.as_ref().is_some_and(|end| end.code == Code::DkgRestarted) => {
                self.ask_vault(Request::Forget { key_id });
            }
            _ => {}
        }
    }
}

fn stored(attempt: &Attempt, me: Option<Identifier>) -> wire::StoredKey {
    let outcome = attempt.outcome.as_ref();
    let share = |(member, point): (&Identifier, &Point)| wire::VerifyingShare {
        member: member.0.into(),
        point: point.as_bytes().to_vec(),
    };
    let abandoned = KeyAbort { code: Code::DkgAbandoned, missing: Vec::new(), culprit: None };
    let ended = if attempt.phase == Phase::Abandoned { Some(&abandoned) } else { attempt.ended.as_ref() };
    wire::StoredKey {
        schema: SCHEMA,
        proposal: Some(attempt.proposal.to_wire()),
        transcript: outcome.map(|outcome| outcome.transcript.0.to_vec()).unwrap_or_default(),
        group_key: outcome.map(|outcome| outcome.group_key.as_bytes().to_vec()).unwrap_or_default(),
        shares: outcome.map(|outcome| outcome.verifying_shares.iter().map(share).collect()).unwrap_or_default(),
        own_signature: me
            .and_then(|me| attempt.certified.get(&me))
            .map(|own| own.signature.0.to_vec())
            .unwrap_or_default(),
        certificate: attempt
            .certificate
            .as_ref()
            .filter(|_| attempt.phase >= Phase::Certified)
            .map(KeyCertificate::to_wire),
        activation: attempt
            .activation
            .filter(|_| matches!(attempt.phase, Phase::Active | Phase::Retired))
            .map(|signature| signature.as_bytes().to_vec())
            .unwrap_or_default(),
        ended: ended.map(|ended| wire::KeyAbort {
            code: ended.code.to_wire(),
            missing: ended.missing.iter().map(|member| member.0.into()).collect(),
            culprit: ended.culprit.map_or(0, |member| member.0.into()),
        }),
        own_abandonment: me
            .and_then(|me| attempt.abandonments.get(&me))
            .map(|signature| signature.0.to_vec())
            .unwrap_or_default(),
        given_up: attempt.given_up,
        retired: attempt.phase == Phase::Retired,
        since: attempt.since.0,
        held: attempt.holds && me.is_none_or(|me| !attempt.certified.contains_key(&me)),
    }
}

fn shares(stored: &[wire::VerifyingShare]) -> Option<BTreeMap<Identifier, Point>> {
    stored
        .iter()
        .map(|share| Some((Identifier(u16::try_from(share.member).ok()?), Point::from_slice(&share.point).ok()?)))
        .collect()
}

fn restore_end(stored: &wire::KeyAbort) -> Option<KeyAbort> {
    let member = |id: &u32| u16::try_from(*id).ok().map(Identifier);
    Some(KeyAbort {
        code: Code::from_wire(stored.code)?,
        missing: stored.missing.iter().map(member).collect::<Option<_>>()?,
        culprit: if stored.culprit == 0 { None } else { member(&stored.culprit) },
    })
}
