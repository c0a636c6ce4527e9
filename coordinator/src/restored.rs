//! A node that comes out of a backup: it is paused from before its first start on, and resumes only when members have met
//! it as the only and newest copy of itself, and its shares are of epochs that they know as active (docs/spec/backup.md).

use crate::api::{Family, Record};
use crate::audit::AuditNote;
use crate::engine::Engine;
use crate::keygen::{Attempt, Phase};
use crate::record::{self, SCHEMA};
use crate::view::RestoredView;
use firn_proto::certificate::KeyCertificate;
use firn_proto::message::Heads;
use firn_proto::time::Time;
use firn_proto::{Code, GroupSignature, KeyId, NodeId, SessionId, wire};
use std::collections::BTreeSet;

impl Engine {
    /// The keys that this node holds certified shares of, with their activations: what belongs into a backup.
    #[must_use]
    pub fn certified_keys(&self) -> Vec<(KeyCertificate, Option<GroupSignature>)> {
        let certified = self.held().map(|(_, attempt)| Some((attempt.certificate.clone()?, attempt.activation)));
        certified.flatten().collect()
    }

    /// Takes keys in out of a backup, before the start: the records to write with the vault's, in one batch. From here on
    /// this node is paused, until [`Self::resume`] finds it confirmed.
    ///
    /// # Errors
    /// `BACKUP_UNCERTIFIED` where a certificate or an activation is not one of this definition.
    pub fn restore_keys(
        &mut self,
        now: Time,
        keys: &[(KeyCertificate, Option<GroupSignature>)],
    ) -> Result<Vec<Record>, Code> {
        self.now = now;
        for (certificate, activation) in keys {
            let key_id = certificate.key_id();
            if self.attempts.get(&key_id).is_some_and(|attempt| attempt.certificate.is_some()) {
                continue;
            }
            let stored = wire::StoredKey {
                schema: SCHEMA,
                proposal: Some(certificate.proposal().to_wire()),
                certificate: Some(certificate.to_wire()),
                activation: activation.map(|signature| signature.as_bytes().to_vec()).unwrap_or_default(),
                held: true,
                ..wire::StoredKey::default()
            };
            let record = record::put(Family::Keys, key_id.0, &stored);
            let value = record.value.as_deref().unwrap_or_default();
            self.restore_attempt(&record.key, value).ok_or(Code::BackupUncertified)?;
            self.unwritten.push(record);
        }
        let pause = self.pause_restored();
        self.unwritten.push(pause);
        let reference: Vec<u8> = keys.iter().flat_map(|(certificate, _)| certificate.key_id().0.0).collect();
        let note = AuditNote::new(SessionId::default(), "node-restored");
        self.note(AuditNote { code: Some(Code::RestoreUnconfirmed), reference: &reference, ..note });
        Ok(std::mem::take(&mut self.unwritten))
    }

    /// A peer says which boot of ours is the newest that it has met, and which keys are active there.
    pub(crate) fn hear_as_restored(&mut self, from: NodeId, heads: &Heads) {
        if !self.is_restored() {
            return;
        }
        if heads.seen == self.incarnation {
            self.halt.met.insert(from, heads.keys.iter().copied().collect());
        } else {
            self.halt.met.remove(&from);
        }
    }

    /// Whether enough members of each of our keys have confirmed this copy, if it is a restored one: t of them, or all others
    /// where there are fewer, so that one of them at least says the truth.
    pub(crate) fn check_restored(&self) -> Result<(), Code> {
        let keys = if self.is_restored() { self.held().collect() } else { Vec::new() };
        for (key_id, attempt) in keys {
            let others: Vec<_> = attempt.key.nodes().filter(|node| *node != self.me).collect();
            let enough = usize::from(attempt.key.threshold).min(others.len());
            let met = |node: &&NodeId| self.halt.met.contains_key(node) && !self.is_quarantined(**node);
            let knows =
                |node: &&NodeId| met(node) && self.halt.met.get(node).is_some_and(|keys| keys.contains(&key_id));
            if others.iter().filter(met).count() < enough {
                return Err(Code::RestoreUnconfirmed);
            }
            if others.iter().filter(knows).count() < enough {
                return Err(Code::RestoreStale);
            }
        }
        Ok(())
    }

    pub(crate) fn restored_view(&self) -> RestoredView {
        let keys: Vec<_> = self.held().collect();
        let knows = |node: &NodeId, (key_id, attempt): &(KeyId, &Attempt)| {
            attempt.key.identifier_of(*node).is_none()
                || self.halt.met.get(node).is_some_and(|keys| keys.contains(key_id))
        };
        let members: BTreeSet<_> = keys.iter().flat_map(|(_, attempt)| attempt.key.nodes()).collect();
        let others = members.into_iter().filter(|node| *node != self.me);
        let (confirmed, missing) = others.partition(|node| keys.iter().all(|key| knows(node, key)));
        RestoredView { confirmed, missing, code: self.check_restored().err() }
    }

    fn held(&self) -> impl Iterator<Item = (KeyId, &Attempt)> {
        let held = |attempt: &&Attempt| attempt.holds && matches!(attempt.phase, Phase::Certified | Phase::Active);
        self.attempts.iter().map(|(key_id, attempt)| (*key_id, attempt)).filter(move |(_, attempt)| held(attempt))
    }
}
