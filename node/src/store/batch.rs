//! What one commit writes.

use rocksdb::{ColumnFamily, WriteBatch};

use super::{RESERVED, StoreError, record};

/// Where a record lives. Each is a column family of its own, scanned on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// The store's own counters and the node's singletons, such as the definition in force.
    Meta,
    /// Sealed records of the vault.
    Vault,
    /// Public facts about keys: certificates, activations, attempts.
    Keys,
    /// Requests with their verdicts, approvals, locks and outcomes.
    Requests,
    /// Signing sessions and markers.
    Sessions,
    /// The audit log, by sequence number.
    Audit,
    /// What is remembered of each peer.
    Peers,
    /// Versions of the definition after the one that the node was set up with.
    Definitions,
}

impl Family {
    /// In the order of their tags.
    pub(crate) const ALL: [Self; 8] = [
        Self::Meta,
        Self::Vault,
        Self::Keys,
        Self::Requests,
        Self::Sessions,
        Self::Audit,
        Self::Peers,
        Self::Definitions,
    ];

    /// The column family's name; part of the format.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Vault => "vault",
            Self::Keys => "keys",
            Self::Requests => "requests",
            Self::Sessions => "sessions",
            Self::Audit => "audit",
            Self::Peers => "peers",
            Self::Definitions => "definitions",
        }
    }

    /// Goes into the checksum; part of the format.
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Meta => 0,
            Self::Vault => 1,
            Self::Keys => 2,
            Self::Requests => 3,
            Self::Sessions => 4,
            Self::Audit => 5,
            Self::Peers => 6,
            Self::Definitions => 7,
        }
    }
}

/// Writes and deletions that become durable together. Of two on one key the later one counts.
#[derive(Default)]
pub(crate) struct Batch {
    operations: Vec<(Family, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// An empty batch.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes `value` at `key`.
    pub(crate) fn put(&mut self, family: Family, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.operations.push((family, not_reserved(family, key.into()), Some(value.into())));
    }

    /// Removes `key`.
    pub(crate) fn delete(&mut self, family: Family, key: impl Into<Vec<u8>>) {
        self.operations.push((family, not_reserved(family, key.into()), None));
    }

    /// Whether it removes a share, of which nothing may be left in a file.
    pub(super) fn erases(&self) -> bool {
        let share = |key: &[u8]| key.starts_with(firn_vault::SHARES);
        self.operations.iter().any(|(family, key, value)| *family == Family::Vault && share(key) && value.is_none())
    }

    /// Refused here, a batch that is too large costs nothing and leaves the store usable.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let mut bytes = 0;
        for (family, key, value) in &self.operations {
            let length = value.as_ref().map_or(0, Vec::len);
            if key.is_empty() || key.len() > KEY_BYTES_MAX || length > VALUE_BYTES_MAX {
                return Err(StoreError::TooLarge { family: *family, key: key.len(), value: length });
            }
            bytes += key.len() + length;
            if bytes > BATCH_BYTES_MAX {
                return Err(StoreError::TooLarge { family: *family, key: key.len(), value: bytes });
            }
        }
        Ok(())
    }

    pub(super) fn encode<'a>(
        self,
        column: impl Fn(Family) -> Result<&'a ColumnFamily, StoreError>,
    ) -> Result<WriteBatch, StoreError> {
        let mut out = WriteBatch::default();
        for (family, key, value) in self.operations {
            match value {
                Some(value) => out.put_cf(column(family)?, &key, record::encode(family, &key, &value)),
                None => out.delete_cf(column(family)?, &key),
            }
        }
        Ok(out)
    }
}

/// The caller writes keys it made itself, so this is a broken invariant and not an input.
fn not_reserved(family: Family, key: Vec<u8>) -> Vec<u8> {
    assert!(family != Family::Meta || !key.starts_with(RESERVED), "the store's own keys are not written in a batch");
    key
}

/// Keys are identifiers and hashes; a long one is a mistake.
pub(super) const KEY_BYTES_MAX: usize = 256;

/// A network definition with a hundred nodes is near 100 KiB; nothing else comes close.
pub(super) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Four of the largest values, and half of what the write buffers hold before they are flushed.
const BATCH_BYTES_MAX: usize = 4 * VALUE_BYTES_MAX;
