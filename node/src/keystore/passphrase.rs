//! Where a passphrase may come from: a terminal, a file, an inherited descriptor. Never an argument or an
//! environment value, both of which every process of the same user can read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeystoreError, Passphrase};
use crate::data_dir::files;

/// How to get the passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PassphraseSource {
    /// Ask on the controlling terminal.
    Prompt,
    /// The first line of a file, such as a systemd credential.
    File(PathBuf),
    /// The first line of a pipe or file the parent process left open.
    Descriptor(u32),
}

impl PassphraseSource {
    /// The passphrase of an existing keystore.
    pub(crate) fn read(&self) -> Result<Passphrase, KeystoreError> {
        match self {
            Self::Prompt => self.prompt("Passphrase: "),
            Self::File(path) => {
                let file = File::open(path).map_err(|error| self.unavailable(&error))?;
                // On the open file, not the path, so that what was checked is what is read.
                let metadata = file.metadata().map_err(|error| self.unavailable(&error))?;
                check_file(path, &metadata, files::user())?;
                self.first_line(file)
            }
            // Taking a descriptor by number is `unsafe` in Rust; opening it through the kernel's own listing of
            // this process is not, and works for pipes and files, though not for sockets.
            Self::Descriptor(number) => {
                let file = File::open(format!("/proc/self/fd/{number}")).map_err(|error| self.unavailable(&error))?;
                self.first_line(file)
            }
        }
    }

    /// A passphrase for a new keystore: a person types it twice, since nobody can recover from a slip. One that is
    /// guessed at once, whatever the key derivation, is refused.
    pub(crate) fn read_new(&self) -> Result<Passphrase, KeystoreError> {
        let Self::Prompt = self else { return self.check_length(self.read()?) };
        let first = self.check_length(self.prompt("New passphrase: ")?)?;
        let second = self.prompt("Again: ")?;
        if first.expose() != second.expose() {
            return Err(KeystoreError::PassphraseMismatch);
        }
        Ok(first)
    }

    fn check_length(&self, new: Passphrase) -> Result<Passphrase, KeystoreError> {
        if new.expose().len() < NEW_BYTES_MIN {
            return Err(KeystoreError::PassphraseShort { origin: self.origin(), least: NEW_BYTES_MIN });
        }
        Ok(new)
    }

    fn prompt(&self, text: &str) -> Result<Passphrase, KeystoreError> {
        let typed = rpassword::prompt_password(text).map_err(|error| self.unavailable(&error))?;
        self.accept(Zeroizing::new(typed.into_bytes()))
    }

    fn first_line(&self, source: impl Read) -> Result<Passphrase, KeystoreError> {
        // Sized up front: a vector that grows leaves copies of its content behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
        source.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| self.unavailable(&error))?;
        if bytes.len() > BYTES_MAX {
            return Err(self.unavailable(&io::Error::other(format!("more than {BYTES_MAX} bytes"))));
        }
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            bytes.truncate(end);
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        self.accept(bytes)
    }

    fn accept(&self, bytes: Zeroizing<Vec<u8>>) -> Result<Passphrase, KeystoreError> {
        if bytes.is_empty() {
            return Err(KeystoreError::PassphraseEmpty { origin: self.origin() });
        }
        Ok(Passphrase::new(bytes))
    }

    fn unavailable(&self, error: &io::Error) -> KeystoreError {
        KeystoreError::PassphraseUnavailable { origin: self.origin(), reason: error.to_string() }
    }

    fn origin(&self) -> String {
        match self {
            Self::Prompt => "the terminal".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Descriptor(number) => format!("file descriptor {number}"),
        }
    }
}

/// Looser than the data directory's rule on purpose: a credential that systemd hands to a service user belongs
/// to root and shows its access-control mask as a readable group.
pub(super) fn check_file(path: &Path, metadata: &Metadata, user: u32) -> Result<(), KeystoreError> {
    let mode = metadata.mode() & 0o7777;
    let owner = metadata.uid();
    if !metadata.is_file() || mode & 0o037 != 0 || (owner != user && owner != ROOT) {
        return Err(KeystoreError::PassphraseExposed { path: path.to_owned(), mode });
    }
    Ok(())
}

const ROOT: u32 = 0;

/// Below it no derivation helps. It is a floor against slips, no sign of strength.
const NEW_BYTES_MIN: usize = 8;

/// Far above anything a person types or a generator prints.
const BYTES_MAX: usize = 1024;
