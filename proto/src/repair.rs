//! The repair of one lost share (docs/spec/repair.md): who lost it, in which epoch, and who helps.

use crate::certificate::KeyCertificate;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition};
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, Epoch, Identifier, KeyId, NetworkId, NodeId};
use crate::limits::MEMBERS_MAX;
use crate::message::convert::identifier;
use crate::time::WallTime;
use crate::wire;
use std::collections::BTreeSet;

/// A member asks for the share that it lost: the same share of the same epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repair {
    /// The attempt that made the epoch.
    pub key_id: KeyId,
    /// The epoch.
    pub epoch: Epoch,
    /// Who lost its share.
    pub target: Identifier,
    /// The t members that help.
    pub helpers: BTreeSet<Identifier>,
    /// No helper consents after it.
    pub deadline: WallTime,
    /// Fresh randomness: every repair has another id.
    pub salt: [u8; 32],
}

impl Repair {
    /// The id of this repair, in which the share's parts are sealed: none counts in another one.
    #[must_use]
    pub fn id(&self, network: NetworkId) -> KeyId {
        KeyId(
            CanonicalHasher::new("firn/key-repair/v1")
                .field(network.0.0)
                .field(self.key_id.0.0)
                .number(self.epoch.0)
                .number(self.target.0)
                .list(self.helpers.iter(), |hasher, helper| hasher.number(helper.0))
                .number(self.deadline.0)
                .field(self.salt)
                .finish(),
        )
    }

    /// The key as its members were in this epoch, where the repair is one of `certificate`'s key: the target and exactly t
    /// others are members of it, and the target is still to be one. An identifier beside the members is never repaired: that
    /// would be a new share, and those come of a resharing.
    ///
    /// # Errors
    /// `EPOCH_MISMATCH`, `REPAIR_INVALID`.
    pub fn key<'a>(
        &self,
        definition: &'a Definition,
        certificate: &KeyCertificate,
    ) -> Result<&'a KeyDefinition, Refusal> {
        if (certificate.key_id(), certificate.epoch()) != (self.key_id, self.epoch) {
            return Err(Refusal::new(Code::EpochMismatch, "repair of another epoch"));
        }
        let name = &certificate.proposal().key_name;
        let invalid = |detail: &str| Refusal::new(Code::RepairInvalid, detail);
        let version = definition.at(certificate.proposal().definition);
        let key = version.and_then(|version| version.key(name)).ok_or_else(|| invalid("key"))?;
        let target = key.members.get(&self.target).ok_or_else(|| invalid("target is no member of the epoch"))?;
        let stays = definition.key(name).is_some_and(|key| key.members.get(&self.target) == Some(target));
        if !stays {
            return Err(invalid("the definition in force has no such member"));
        }
        if self.helpers.contains(&self.target) || self.helpers.len() != usize::from(key.threshold) {
            return Err(invalid("helpers are t members beside the target"));
        }
        if !self.helpers.iter().all(|helper| key.members.contains_key(helper)) {
            return Err(invalid("helper is no member of the epoch"));
        }
        Ok(key)
    }

    /// Who helps, by node.
    #[must_use]
    pub fn helper_nodes(&self, key: &KeyDefinition) -> BTreeSet<NodeId> {
        self.helpers.iter().filter_map(|helper| key.members.get(helper)).copied().collect()
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `BODY_MALFORMED`.
    pub fn from_wire(wire: &wire::KeyRepair) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::BodyMalformed, field);
        if wire.helpers.len() > MEMBERS_MAX || !wire.helpers.is_sorted_by(|a, b| a < b) {
            return Err(malformed("helpers"));
        }
        Ok(Self {
            key_id: KeyId(Digest::from_slice(&wire.key_id).ok_or_else(|| malformed("key_id"))?),
            epoch: Epoch(wire.epoch),
            target: identifier(wire.target)?,
            helpers: wire.helpers.iter().map(|helper| identifier(*helper)).collect::<Result<_, _>>()?,
            deadline: WallTime(wire.deadline),
            salt: wire.salt.as_slice().try_into().map_err(|_| malformed("salt"))?,
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::KeyRepair {
        wire::KeyRepair {
            key_id: self.key_id.0.0.to_vec(),
            epoch: self.epoch.0,
            target: self.target.0.into(),
            helpers: self.helpers.iter().map(|helper| helper.0.into()).collect(),
            deadline: self.deadline.0,
            salt: self.salt.to_vec(),
        }
    }
}
