//! Opening a vault: from its root secret and the records that the host has kept.

use crate::held::HeldKey;
use crate::nonces::Pools;
use crate::record::{KeyState, Kind, key_of, key_record};
use crate::release::MARKER_BYTES;
use crate::{RootSecret, Vault};
use firn_proto::{Code, Definition, Digest, Epoch, Incarnation, KeyId, NodeId, SubjectId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why a vault does not open. Nothing was changed or recreated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// The definition has no such node.
    #[error("{code}: the network definition names no node {0}", code = Code::DefinitionInvalid)]
    NodeUnknown(NodeId),
    /// The definition lists another author key or vault key for this node than its root secret gives.
    #[error(
        "{code}: the definition lists other keys for node {0} than its vault has; check key file and network.toml",
        code = Code::DefinitionInvalid
    )]
    KeysDiffer(NodeId),
    /// A record does not open, or says what it cannot say.
    #[error(
        "{code}: {cause} (record {0}); {next}",
        code = Code::RecordCorrupt,
        cause = Code::RecordCorrupt.cause(),
        next = Code::RecordCorrupt.next_step()
    )]
    RecordCorrupt(RecordKey),
}

impl OpenError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NodeUnknown(_) | Self::KeysDiffer(_) => Code::DefinitionInvalid,
            Self::RecordCorrupt(_) => Code::RecordCorrupt,
        }
    }
}

/// The key of a record, shown in hex.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordKey(pub Vec<u8>);

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Vault {
    /// Opens the vault of `node`, with all of its records.
    ///
    /// # Errors
    /// [`OpenError`]: other keys than the definition's, or a record that is not exactly as it was written.
    pub fn open(
        definition: Definition,
        node: NodeId,
        incarnation: Incarnation,
        root: RootSecret,
        records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, OpenError> {
        let listed = definition.nodes.get(&node).ok_or(OpenError::NodeUnknown(node))?;
        if root.public_keys() != (listed.author_key, listed.vault_key) {
            return Err(OpenError::KeysDiffer(node));
        }
        let mut vault = Self {
            network: definition.network_id(),
            definition,
            node,
            incarnation,
            keys: root.derive(),
            sequence: 0,
            attempts: BTreeMap::new(),
            dealt: BTreeSet::new(),
            held: BTreeMap::new(),
            buried: BTreeSet::new(),
            pools: Pools::default(),
            released: BTreeMap::new(),
            locks: BTreeMap::new(),
            markers: BTreeMap::new(),
        };
        let mut states = BTreeMap::new();
        for (record_key, sealed) in records {
            let read = vault.read(&record_key, &sealed, &mut states);
            read.ok_or(OpenError::RecordCorrupt(RecordKey(record_key)))?;
        }
        vault.restore_states(states)?;
        Ok(vault)
    }

    /// Takes one record in; `None` where anything about it is not as it was written.
    fn read(
        &mut self,
        record_key: &[u8],
        sealed: &[u8],
        states: &mut BTreeMap<(KeyId, Epoch), KeyState>,
    ) -> Option<()> {
        let (kind, suffix) = Kind::of(record_key)?;
        let content = self.open_record(kind, record_key, sealed)?;
        let fresh = match kind {
            Kind::Share => {
                let (key_id, epoch) = key_of(suffix)?;
                let held = HeldKey::decode(&self.definition, self.node, key_id, &content)?;
                self.held.insert((key_id, epoch), held).is_none()
            }
            Kind::State => states.insert(key_of(suffix)?, KeyState::decode(&content)?).is_none(),
            Kind::AccountLock | Kind::RequesterLock | Kind::BucketLock | Kind::EvidenceLock => {
                self.locks.insert(record_key.to_vec(), Digest::from_slice(&content)?).is_none()
            }
            Kind::Release => {
                let subject = SubjectId(Digest::from_slice(content.get(..32)?)?);
                self.markers.entry(subject).or_default().push(record_key.to_vec());
                suffix.len() == 32 && content.len() == MARKER_BYTES
            }
        };
        fresh.then_some(())
    }

    /// Share and state belong together: one without the other was lost or brought back.
    fn restore_states(&mut self, states: BTreeMap<(KeyId, Epoch), KeyState>) -> Result<(), OpenError> {
        let corrupt = |kind, (key_id, epoch)| OpenError::RecordCorrupt(RecordKey(key_record(kind, key_id, epoch)));
        if let Some(orphan) = self.held.keys().find(|key| !states.contains_key(*key)) {
            return Err(corrupt(Kind::State, *orphan));
        }
        for (key, state) in states {
            match (self.held.get_mut(&key), state.erased) {
                (Some(held), false) => {
                    held.restore(&self.definition, state).ok_or_else(|| corrupt(Kind::State, key))?;
                }
                (None, true) => {
                    self.buried.insert(key.0);
                }
                (Some(_), true) | (None, false) => return Err(corrupt(Kind::Share, key)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
