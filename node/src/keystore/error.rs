//! Why a keystore was not opened. No variant carries anything that was sealed, typed or derived.

use std::io;
use std::path::{Path, PathBuf};

use crate::data_dir::DataDirError;

/// A refusal of the keystore.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeystoreError {
    /// The file is intact and the passphrase is not the one it was sealed with.
    #[error("the passphrase does not open {}", path.display())]
    PassphraseWrong { path: PathBuf },
    /// The file changed since it was written, whatever the passphrase is.
    #[error("{} is damaged or was altered (at {part})", path.display())]
    Corrupt { path: PathBuf, part: &'static str },
    /// Cheaper to guess than the floor admits.
    #[error(
        "{} uses Argon2id with {memory_kib} KiB, {passes} passes and {lanes} lanes, below the floor of 65536, 3 and 1",
        path.display()
    )]
    ParametersWeak { path: PathBuf, memory_kib: u32, passes: u32, lanes: u32 },
    /// Written by a newer release.
    #[error("{} has schema {found}, this release reads up to {known}", path.display())]
    Version { path: PathBuf, found: u32, known: u32 },
    /// A keystore, but of somebody else.
    #[error("{} belongs to node {node:?} of network {network:?}", path.display())]
    OtherNode { path: PathBuf, network: String, node: String },
    /// There is none.
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    /// `create` never overwrites.
    #[error("{} already exists", path.display())]
    Exists { path: PathBuf },
    /// The passphrase could not be read.
    #[error("cannot read the passphrase from {origin}: {reason}")]
    PassphraseUnavailable { origin: String, reason: String },
    /// Nothing, or a line end only.
    #[error("the passphrase from {origin} is empty")]
    PassphraseEmpty { origin: String },
    /// Too short for a new keystore.
    #[error("the passphrase from {origin} has fewer than {least} bytes")]
    PassphraseShort { origin: String, least: usize },
    /// Somebody else may read the passphrase file.
    #[error("the passphrase file {} has mode {mode:04o} or another owner", path.display())]
    PassphraseExposed { path: PathBuf, mode: u32 },
    /// Typed twice, differently.
    #[error("the two passphrases differ")]
    PassphraseMismatch,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    Entropy,
    /// A primitive refused its input: a secret too long, or no memory for the derivation.
    #[error("cannot {action}")]
    Crypto { action: &'static str },
    /// The file is open to others, or a symlink.
    #[error(transparent)]
    File(DataDirError),
    /// The operating system said no.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl KeystoreError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::PassphraseWrong { .. } => "PASSPHRASE_WRONG",
            Self::Corrupt { .. } => "KEYSTORE_CORRUPT",
            Self::ParametersWeak { .. } => "KEYSTORE_PARAMETERS_WEAK",
            Self::Version { .. } => "KEYSTORE_VERSION",
            Self::OtherNode { .. } => "KEYSTORE_OTHER_NODE",
            Self::Missing { .. } => "KEYSTORE_MISSING",
            Self::Exists { .. } => "KEYSTORE_EXISTS",
            Self::PassphraseUnavailable { .. } => "PASSPHRASE_UNAVAILABLE",
            Self::PassphraseEmpty { .. } => "PASSPHRASE_EMPTY",
            Self::PassphraseShort { .. } => "PASSPHRASE_SHORT",
            Self::PassphraseExposed { .. } => "PASSPHRASE_EXPOSED",
            Self::PassphraseMismatch => "PASSPHRASE_MISMATCH",
            Self::Entropy => "ENTROPY_UNAVAILABLE",
            Self::Crypto { .. } => "KEYSTORE_CRYPTO",
            Self::File(error) => error.code(),
            Self::Io { .. } => "KEYSTORE_IO",
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::PassphraseWrong { .. } => "try again; nobody can recover a lost passphrase",
            Self::Corrupt { .. } => {
                "restore the keystore from its backup; if the disk is sound, treat this as tampering"
            }
            Self::ParametersWeak { .. } => {
                "restore a keystore made with the standard parameters, or make a new node identity; \
                 a weak file was either a test's or somebody lowered it"
            }
            Self::Version { .. } => "run the release that wrote it, or a newer one",
            Self::OtherNode { .. } => "check --data-dir and `node` in config.toml",
            Self::Missing { .. } => "`firn init` makes a new one; for an existing node restore its backup",
            Self::Exists { .. } => "an existing keystore is never overwritten; choose another data directory",
            Self::PassphraseUnavailable { .. } => {
                "run on a terminal, or set unseal.passphrase_file, or pass an open file descriptor"
            }
            Self::PassphraseEmpty { .. } | Self::PassphraseShort { .. } => "give a passphrase of several random words",
            Self::PassphraseExposed { .. } => "make it readable by its owner only (0400), then change the passphrase",
            Self::PassphraseMismatch => "type the same passphrase twice",
            Self::Entropy => "do not go on with this machine until its random source works",
            Self::Crypto { .. } => "check free memory; the derivation needs 64 MiB",
            Self::File(error) => return error.hint(),
            Self::Io { .. } => "check the file system: mounted, writable, not full",
        }
        .to_owned()
    }

    pub(super) fn corrupt(path: &Path, part: &'static str) -> Self {
        Self::Corrupt { path: path.to_owned(), part }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A keystore that is not there has its own answer.
    pub(super) fn file(path: &Path, error: DataDirError) -> Self {
        match error {
            DataDirError::Missing { .. } => Self::Missing { path: path.to_owned() },
            error => Self::File(error),
        }
    }
}
