//! The keystore: the host's own secrets, sealed under a passphrase.
//!
//! The passphrase goes through Argon2id to a key-encryption key, which wraps one random data key, which seals
//! each secret on its own. Changing the passphrase therefore rewrites the wrapping and touches no secret.
//! Key shares are not here: they are the vault's, sealed with a key it derives from `vault_root`.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

mod error;
mod file;
mod kdf;
mod passphrase;
mod seal;
mod secrets;
#[cfg(test)]
mod tests;

use crate::data_dir::files::{self, Kind};
pub(crate) use error::KeystoreError;
use file::{Document, SCHEMA};
pub(crate) use kdf::KdfProfile;
use kdf::{Kdf, KeyEncryptionKey};
pub(crate) use passphrase::PassphraseSource;
use seal::{Field, Key, Sealed};
pub(crate) use secrets::{Passphrase, RelayerKey, Secrets, TransportIdentity, Unlocked, VaultRoot};

/// Whose keystore it is. Both names are part of what every seal authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    /// The network's name in its definition.
    pub(crate) network: String,
    /// This node's name in the definition.
    pub(crate) node: String,
}

/// The operations on a keystore directory. Nothing stays open between them.
pub(crate) struct Keystore;

impl Keystore {
    /// Writes a new keystore; one that exists is left as it is.
    pub(crate) fn create(
        dir: &Path,
        context: &Context,
        passphrase: &Passphrase,
        secrets: &Secrets,
        profile: KdfProfile,
    ) -> Result<(), KeystoreError> {
        let path = dir.join(FILE);
        let key = Key::generate()?;
        let seal = |field, plaintext: &[u8]| Sealed::seal(&key, field, context, plaintext);
        let relayer = secrets.relayer.as_ref().map(|relayer| seal(Field::Relayer, relayer.expose())).transpose()?;
        let (kdf, data_key) = wrap(&key, context, passphrase, profile, relayer.is_some())?;
        let document = Document {
            schema: SCHEMA,
            network: context.network.clone(),
            node: context.node.clone(),
            kdf,
            data_key,
            transport: seal(Field::Transport, secrets.transport.expose())?,
            vault_root: seal(Field::VaultRoot, secrets.vault_root.expose())?,
            relayer,
        };
        files::write_new(&path, document.encode().as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeystoreError::Exists { path: path.clone() },
            _ => KeystoreError::io(&path, error),
        })
    }

    /// Opens the keystore of `context`.
    pub(crate) fn open(dir: &Path, context: &Context, passphrase: &Passphrase) -> Result<Unlocked, KeystoreError> {
        let path = dir.join(FILE);
        let document = read(&path, context)?;
        let key = unwrap_key(&path, &document, context, passphrase)?;
        let open = |field, sealed: &Sealed| {
            sealed.open(&key, field, context).ok_or_else(|| KeystoreError::corrupt(&path, field.name()))
        };
        let insecure_kdf = document.kdf.is_insecure();
        if insecure_kdf {
            tracing::warn!(
                code = "INSECURE_FAST_KDF",
                keystore = %path.display(),
                "this keystore was created with insecure-fast-kdf: its passphrase can be guessed cheaply. \
                 Use it for tests and devnets only"
            );
        }
        Ok(Unlocked {
            transport: TransportIdentity::new(open(Field::Transport, &document.transport)?),
            relayer: match &document.relayer {
                Some(sealed) => Some(RelayerKey::new(exact(&path, Field::Relayer, &open(Field::Relayer, sealed)?)?)),
                None => None,
            },
            vault_root: VaultRoot::new(exact(&path, Field::VaultRoot, &open(Field::VaultRoot, &document.vault_root)?)?),
            insecure_kdf,
        })
    }

    /// Wraps the data key under a new passphrase, or the same one with stronger parameters. A crash leaves the
    /// old file or the new one, each complete. Old copies of the file still open with the old passphrase.
    pub(crate) fn change_passphrase(
        dir: &Path,
        context: &Context,
        old: &Passphrase,
        new: &Passphrase,
        profile: KdfProfile,
    ) -> Result<(), KeystoreError> {
        let path = dir.join(FILE);
        let mut document = read(&path, context)?;
        let key = unwrap_key(&path, &document, context, old)?;
        (document.kdf, document.data_key) = wrap(&key, context, new, profile, document.relayer.is_some())?;
        files::replace(&path, document.encode().as_bytes()).map_err(|error| KeystoreError::io(&path, error))
    }
}

fn wrap(
    key: &Key,
    context: &Context,
    passphrase: &Passphrase,
    profile: KdfProfile,
    relayer: bool,
) -> Result<(Kdf, Sealed), KeystoreError> {
    let (kdf, KeyEncryptionKey(wrapping)) = Kdf::generate(profile, passphrase)?;
    let data_key = Sealed::seal(&wrapping, Field::DataKey { relayer }, context, key.expose())?;
    Ok((kdf, data_key))
}

fn unwrap_key(
    path: &Path,
    document: &Document,
    context: &Context,
    passphrase: &Passphrase,
) -> Result<Key, KeystoreError> {
    let KeyEncryptionKey(wrapping) = document.kdf.derive(path, passphrase)?;
    let field = Field::DataKey { relayer: document.relayer.is_some() };
    let key = document.data_key.open(&wrapping, field, context);
    let key = key.ok_or_else(|| KeystoreError::corrupt(path, field.name()))?;
    Ok(Key::new(exact(path, field, &key)?))
}

fn read(path: &Path, context: &Context) -> Result<Document, KeystoreError> {
    files::check(path, Kind::File, files::user()).map_err(|error| KeystoreError::file(path, error))?;
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 <= FILE_BYTES_MAX => {}
        Ok(_) => return Err(KeystoreError::corrupt(path, "length")),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(KeystoreError::corrupt(path, "text")),
        Err(error) => return Err(KeystoreError::io(path, error)),
    }
    let document = Document::decode(path, &text)?;
    if document.network != context.network || document.node != context.node {
        let (network, node) = (document.network, document.node);
        return Err(KeystoreError::OtherNode { path: path.to_owned(), network, node });
    }
    Ok(document)
}

fn exact(path: &Path, field: Field, plaintext: &[u8]) -> Result<zeroize::Zeroizing<[u8; 32]>, KeystoreError> {
    let mut out = zeroize::Zeroizing::new([0; 32]);
    if plaintext.len() != out.len() {
        return Err(KeystoreError::corrupt(path, field.name()));
    }
    out.copy_from_slice(plaintext);
    Ok(out)
}

/// Where the keystore of `dir` is, for messages and schedules.
pub(crate) fn keystore_file(dir: &Path) -> std::path::PathBuf {
    dir.join(FILE)
}

const FILE: &str = "keystore.toml";

/// Four sealed fields of at most a few hundred hex digits, two names and a header: under 4 KiB.
const FILE_BYTES_MAX: u64 = 16 * 1024;
