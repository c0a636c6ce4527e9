//! What the vault answers during a key generation, and what follows from it.

use super::{Attempt, Phase};
use crate::api::{Class, Effect};
use crate::engine::Engine;
use crate::limits::KEY_PHASE_MS;
use firn_proto::message::KeyCertified;
use firn_proto::{Code, GroupSignature, KeyId, Message};
use firn_vault::api::{Reply, Request, VaultRefusal};

impl Engine {
    pub(crate) fn on_key_reply(&mut self, reply: Reply) {
        match reply {
            Reply::Dealt { key_id, package } => self.say(key_id, Message::KeyRound1(package)),
            Reply::Shared { key_id, dealing } => self.say(key_id, Message::KeyShares(dealing)),
            Reply::Finished { key_id, outcome } => {
                let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
                if attempt.phase != Phase::Checking {
                    return;
                }
                let differs = attempt.certified.values().any(|certified| certified.statement != outcome.statement());
                attempt.outcome = Some(outcome);
                if differs {
                    return self.abort(key_id, Code::DkgTranscriptMismatch, Vec::new(), None);
                }
                let epoch = attempt.proposal.epoch();
                self.ask_vault(Request::Certify { key_id, epoch, stored: None });
            }
            Reply::Redealt { key_id, redeal } => self.say(key_id, Message::KeyRedeal(redeal)),
            Reply::Checked { key_id, good, faulty, complaints } => self.checked(key_id, good, &faulty, &complaints),
            Reply::Retired { key_id } => self.retired(key_id),
            Reply::BadShares { key_id, complaints } => self.complain(key_id, &complaints),
            Reply::Certified { key_id, certified } => self.certify(key_id, certified),
            Reply::Abandoned { key_id, signature } => self.say(key_id, Message::KeyAbandon(signature)),
            Reply::Done { key_id } => self.settled(key_id),
            Reply::Envelope(_)
            | Reply::Committed(_)
            | Reply::Released { .. }
            | Reply::Settled { .. }
            | Reply::RepairDealt { .. }
            | Reply::RepairSummed { .. }
            | Reply::Repaired { .. }
            | Reply::Refused(_) => {}
        }
    }

    /// Says something of our own in an attempt, to the others and to ourselves.
    fn say(&mut self, key_id: KeyId, message: Message) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let party = attempt.party();
        self.broadcast(&party, key_id.into(), message.clone(), Class::Protocol);
        self.send(self.me, key_id.into(), message, Class::Protocol);
    }

    /// Our certificate signature is about to leave: from here on the share stays until all decide.
    fn certify(&mut self, key_id: KeyId, certified: KeyCertified) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        if attempt.phase != Phase::Checking {
            return;
        }
        let Some(me) = attempt.key.identifier_of(self.me) else { return };
        attempt.certified.insert(me, certified);
        self.enter(key_id, Phase::Certifying, "certifying", KEY_PHASE_MS);
        self.persist_attempt(key_id, "key-certificate-signed", None);
        self.say(key_id, Message::KeyCertified(certified));
    }

    pub(crate) fn on_key_refused(&mut self, refusal: VaultRefusal) {
        let key_id = KeyId::from(refusal.session);
        let attempt = self.attempts.get(&key_id);
        match attempt.map(|attempt| attempt.phase) {
            // Only our own dealing comes of it: any t others do.
            Some(Phase::Round1) if attempt.is_some_and(Attempt::is_dealing) => {}
            // What we were to erase is not there.
            Some(Phase::Active | Phase::Certified) if refusal.code == Code::ShareMissing && self.is_over(key_id) => {
                self.retired(key_id);
            }
            Some(phase) if phase == Phase::Accepted || phase.is_exchanging() => {
                self.abort(key_id, refusal.code, Vec::new(), refusal.culprit)
            }
            Some(Phase::Certifying) if refusal.code == Code::DkgAbandoned => self.await_activation(key_id),
            Some(_) => {
                // Whatever else was asked of this key gets the same answer.
                self.wanted.retain(|(wanted, _), _| *wanted != key_id);
                self.effect(Effect::Answer { session: refusal.session, outcome: Err(refusal.code) });
            }
            None => {}
        }
    }

    /// The vault has accepted a certificate, erased an abandoned share, or forgotten an aborted attempt.
    fn settled(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        if attempt.erasing && matches!(attempt.phase, Phase::Certifying | Phase::Aborted) {
            self.enter(key_id, Phase::Abandoned, "abandoned", 0);
            return self.persist_attempt(key_id, "key-abandoned", Some(Code::DkgAbandoned));
        }
        let Some(certificate) = attempt.certificate.clone().filter(|_| attempt.phase == Phase::Certifying) else {
            return;
        };
        let activation = attempt.activation;
        attempt.holds = true;
        // What was exchanged has served its purpose.
        attempt.round1.clear();
        attempt.echoes.clear();
        attempt.dealings.clear();
        attempt.relayed.clear();
        attempt.forget_redeals();
        self.enter(key_id, Phase::Certified, "certified", 0);
        self.persist_attempt(key_id, "key-certified", None);
        self.spread_certificate(key_id);
        self.activate(certificate);
        if let Some(signature) = activation {
            self.activated(key_id, signature);
        }
    }

    /// The activation was signed by t members: the key may be used.
    pub(crate) fn activated(&mut self, key_id: KeyId, signature: GroupSignature) {
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        attempt.activation = Some(signature);
        match (attempt.phase, attempt.certificate.clone()) {
            (Phase::Certified, _) => {
                attempt.since = self.now.wall;
                self.enter(key_id, Phase::Active, "active", 0);
                self.persist_attempt(key_id, "key-activated", None);
                self.succeed(key_id);
            }
            // We have abandoned, the others have not: now our vault takes the certificate.
            (Phase::Certifying, Some(certificate)) => self.accept_certificate(certificate),
            _ => {}
        }
    }
}
