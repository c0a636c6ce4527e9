//! The keystore file: a checksum line, then one strict TOML document.
//!
//! The checksum needs no key and protects against nobody. It separates a bad disk from a wrong passphrase,
//! also where the damage hit the salt or the check value, and before a minute of Argon2 was spent on it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::KeystoreError;
use super::kdf::Kdf;
use super::seal::Sealed;

/// Everything in the file but the checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) schema: u32,
    pub(super) network: String,
    pub(super) node: String,
    pub(super) kdf: Kdf,
    pub(super) data_key: Sealed,
    pub(super) transport: Sealed,
    pub(super) vault_root: Sealed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) relayer: Option<Sealed>,
}

/// The one field whose meaning every schema keeps.
#[derive(Deserialize)]
struct AnySchema {
    schema: u32,
}

impl Document {
    pub(super) fn encode(&self) -> String {
        // Only map keys that are not strings can fail here, and there are none.
        let body = toml::to_string(self).unwrap_or_default();
        assert!(!body.is_empty(), "a keystore document always encodes");
        format!("{}{body}", checksum_line(&body))
    }

    pub(super) fn decode(path: &Path, text: &str) -> Result<Self, KeystoreError> {
        let (line, body) = text.split_at(text.find('\n').map_or(text.len(), |end| end + 1));
        if line != checksum_line(body) {
            return Err(KeystoreError::corrupt(path, "checksum"));
        }
        let malformed = |_| KeystoreError::corrupt(path, "document");
        // Before the strict reading: to an older release a newer file is all unknown fields.
        let AnySchema { schema } = toml::from_str(body).map_err(malformed)?;
        if schema > SCHEMA {
            return Err(KeystoreError::Version { path: path.to_owned(), found: schema, known: SCHEMA });
        }
        toml::from_str(body).map_err(malformed)
    }
}

fn checksum_line(body: &str) -> String {
    format!("checksum = \"{}\"\n", hex::encode(Sha256::digest(body)))
}

/// The format this release writes, and the newest it reads.
pub(super) const SCHEMA: u32 = 1;
