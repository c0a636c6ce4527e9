//! Why the store refused. Keys are shown, values never.

use std::path::{Path, PathBuf};

use super::Family;

/// A refusal of the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The record is there and is not what was written.
    #[error("record {}/{} is unreadable", family.name(), hex::encode(key))]
    Record { family: Family, key: Vec<u8> },
    /// A counter whose value must not be guessed.
    #[error("counter {name} is unreadable: {reason}")]
    Counter { name: String, reason: &'static str },
    /// The database does not open, or its parts do not fit together.
    #[error("the database at {} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// Written by a newer release.
    #[error("the database at {} has version {found}, this release reads up to {known}", path.display())]
    Version { path: PathBuf, found: u64, known: u64 },
    /// There is no database.
    #[error("there is no database at {}", path.display())]
    Missing { path: PathBuf },
    /// `create` never overwrites.
    #[error("there is a database at {} already", path.display())]
    Exists { path: PathBuf },
    /// Nothing of the batch may be relied on: full disk, read-only mount, failed sync.
    #[error("cannot write the database at {}: {reason}", path.display())]
    Write { path: PathBuf, reason: String },
    /// The system failed to read; the record may be fine.
    #[error("cannot read {} of the database at {}: {reason}", family.name(), path.display())]
    Read { path: PathBuf, family: Family, reason: String },
    /// The system failed to open the database; it may be fine.
    #[error("cannot open the database at {}: {reason}", path.display())]
    Open { path: PathBuf, reason: String },
    /// Beyond a bound of the format.
    #[error("a record of {} with a key of {key} bytes and {value} bytes is out of bounds", family.name())]
    TooLarge { family: Family, key: usize, value: usize },
}

impl StoreError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Record { .. } => "RECORD_CORRUPT",
            Self::Counter { .. } => "COUNTER_UNREADABLE",
            Self::Damaged { .. } => "STORE_CORRUPT",
            Self::Version { .. } => "STORE_VERSION",
            Self::Missing { .. } => "STORE_MISSING",
            Self::Exists { .. } => "STORE_EXISTS",
            Self::Write { .. } => "STORE_WRITE_FAILED",
            Self::Read { .. } => "STORE_READ_FAILED",
            Self::Open { .. } => "STORE_OPEN_FAILED",
            Self::TooLarge { .. } => "RECORD_TOO_LARGE",
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Record { .. } | Self::Counter { .. } | Self::Damaged { .. } => {
                "keep a copy of the data directory and check the disk; do not put an older copy back, since it has \
                 forgotten what this node signed since, and nobody else notices"
            }
            Self::Version { .. } => "run the release that wrote it, or a newer one",
            Self::Missing { .. } => {
                "check --data-dir; a node that lost its database has lost its key shares and locks, and none is made \
                 in its place"
            }
            Self::Exists { .. } => "an existing node is never overwritten; choose another data directory",
            Self::Write { .. } => "the node has sealed itself: free space, remount or replace the disk, then restart",
            Self::Read { .. } | Self::Open { .. } => {
                "check the disk and the mount, and that no other process has it open"
            }
            Self::TooLarge { .. } => "report this: what is stored is bounded before it gets here",
        }
    }

    pub(super) fn write(path: &Path, reason: String) -> Self {
        Self::Write { path: path.to_owned(), reason }
    }

    pub(super) fn counter(name: &[u8], reason: &'static str) -> Self {
        Self::Counter { name: String::from_utf8_lossy(name).into_owned(), reason }
    }

    /// RocksDB's own block checksums answer `Corruption`; with a key at hand that is our corrupt record.
    pub(super) fn read(path: &Path, family: Family, key: &[u8], error: rocksdb::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            rocksdb::ErrorKind::Corruption if key.is_empty() => {
                let reason = format!("in {}: {}", family.name(), error.into_string());
                Self::Damaged { path, reason }
            }
            rocksdb::ErrorKind::Corruption => Self::Record { family, key: key.to_vec() },
            _ => Self::Read { path, family, reason: error.into_string() },
        }
    }

    pub(super) fn open(path: &Path, error: rocksdb::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            // A missing file or family means that something was removed from under the database.
            rocksdb::ErrorKind::Corruption | rocksdb::ErrorKind::InvalidArgument | rocksdb::ErrorKind::NotFound => {
                Self::Damaged { path, reason: error.into_string() }
            }
            // RocksDB has no kind of its own for a file that its manifest or `CURRENT` names and that is gone.
            _ if error.as_ref().contains("No such file") => Self::Damaged { path, reason: error.into_string() },
            _ => Self::Open { path, reason: error.into_string() },
        }
    }
}
