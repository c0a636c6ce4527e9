//! From passphrase to key-encryption key.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::seal::{Key, random};
use super::{KeystoreError, Passphrase};

/// How expensive a guess is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KdfProfile {
    /// 64 MiB, 3 passes, 1 lane: the floor, and what `create` writes.
    #[serde(rename = "standard")]
    Standard,
    /// 256 KiB and one pass, for tests and devnets that open many keystores. The file says so for ever, and
    /// every start warns.
    #[serde(rename = "insecure-fast-kdf")]
    InsecureFast,
}

/// Wraps the data key and nothing else.
pub(super) struct KeyEncryptionKey(pub(super) Key);

/// The derivation as the file states it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kdf {
    algorithm: Name,
    profile: KdfProfile,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    /// Tells a wrong passphrase from a damaged file. A guess costs as much to test against this as against
    /// the wrapped key itself.
    check: String,
}

#[derive(Serialize, Deserialize)]
enum Name {
    #[serde(rename = "argon2id")]
    Argon2id,
}

impl Kdf {
    /// A fresh salt, and the key it gives.
    pub(super) fn generate(
        profile: KdfProfile,
        passphrase: &Passphrase,
    ) -> Result<(Self, KeyEncryptionKey), KeystoreError> {
        let cost = match profile {
            KdfProfile::Standard => STANDARD,
            KdfProfile::InsecureFast => INSECURE_FAST,
        };
        let salt: Zeroizing<[u8; SALT_BYTES]> = random()?;
        let key = derive(cost, salt.as_slice(), passphrase)?;
        let kdf = Self {
            algorithm: Name::Argon2id,
            profile,
            memory_kib: cost.memory_kib,
            passes: cost.passes,
            lanes: cost.lanes,
            salt: hex::encode(salt.as_slice()),
            check: check_value(&key),
        };
        Ok((kdf, key))
    }

    /// The key, if the parameters are acceptable and the passphrase is the right one.
    pub(super) fn derive(&self, path: &Path, passphrase: &Passphrase) -> Result<KeyEncryptionKey, KeystoreError> {
        let floor = match self.profile {
            KdfProfile::Standard => STANDARD,
            KdfProfile::InsecureFast => INSECURE_FAST,
        };
        let Self { memory_kib, passes, lanes, .. } = *self;
        if memory_kib < floor.memory_kib || passes < floor.passes || lanes < floor.lanes {
            return Err(KeystoreError::ParametersWeak { path: path.to_owned(), memory_kib, passes, lanes });
        }
        // Checked before the allocation: a file must not be able to ask for all memory.
        if memory_kib > CEILING.memory_kib || passes > CEILING.passes || lanes > CEILING.lanes {
            return Err(KeystoreError::corrupt(path, "kdf"));
        }
        let mut salt = [0; SALT_BYTES];
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| KeystoreError::corrupt(path, "kdf"))?;
        let key = derive(Cost { memory_kib, passes, lanes }, &salt, passphrase)?;
        if check_value(&key) != self.check {
            return Err(KeystoreError::PassphraseWrong { path: path.to_owned() });
        }
        Ok(key)
    }

    pub(super) fn is_insecure(&self) -> bool {
        self.profile == KdfProfile::InsecureFast
    }
}

#[derive(Debug, Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

fn derive(cost: Cost, salt: &[u8], passphrase: &Passphrase) -> Result<KeyEncryptionKey, KeystoreError> {
    let failed = || KeystoreError::Crypto { action: "derive the key from the passphrase" };
    let mut out = Zeroizing::new([0; 32]);
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(out.len())).map_err(|_| failed())?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, out.as_mut_slice())
        .map_err(|_| failed())?;
    Ok(KeyEncryptionKey(Key::new(out)))
}

/// A one-way image of the key under a label of its own, so that it says nothing about any ciphertext.
fn check_value(key: &KeyEncryptionKey) -> String {
    hex::encode(Sha256::new().chain_update(CHECK_LABEL).chain_update(key.0.expose()).finalize())
}

const CHECK_LABEL: &[u8] = b"firn keystore passphrase check 1";

const SALT_BYTES: usize = 32;

/// RFC 9106's second recommendation is 64 MiB, 3 passes, 4 lanes. One lane, since four only help a machine
/// that runs them in parallel, and the defender here does not.
const STANDARD: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

const INSECURE_FAST: Cost = Cost { memory_kib: 256, passes: 1, lanes: 1 };

/// Room to raise the cost sixteenfold without a new schema.
const CEILING: Cost = Cost { memory_kib: 1024 * 1024, passes: 48, lanes: 16 };
