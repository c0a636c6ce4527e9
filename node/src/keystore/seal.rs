//! One sealed field: XChaCha20-Poly1305 with a random nonce, bound to what the field is and whose.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::file::SCHEMA;
use super::{Context, KeystoreError};

/// A symmetric key. Not printable, not copyable.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(super) fn generate() -> Result<Self, KeystoreError> {
        Ok(Self(random()?))
    }

    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a sealed field holds; part of the associated data, so that fields cannot trade places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Says whether a relayer key belongs to the file, so that dropping that field is noticed.
    DataKey {
        relayer: bool,
    },
    Transport,
    Relayer,
    VaultRoot,
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DataKey { .. } => "data_key",
            Self::Transport => "transport",
            Self::Relayer => "relayer",
            Self::VaultRoot => "vault_root",
        }
    }

    /// Kind, network, node and schema, each with its length in front, so that no two lists encode alike.
    fn associated_data(self, context: &Context) -> Vec<u8> {
        let kind = match self {
            Self::DataKey { relayer: true } => "data_key of transport, vault_root, relayer",
            Self::DataKey { relayer: false } => "data_key of transport, vault_root",
            field => field.name(),
        };
        let mut out = Vec::new();
        for part in ["firn keystore", kind, &context.network, &context.node] {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(&SCHEMA.to_be_bytes());
        out
    }
}

/// Nonce and ciphertext in hex.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    nonce: String,
    ciphertext: String,
}

impl Sealed {
    pub(super) fn seal(key: &Key, field: Field, context: &Context, plaintext: &[u8]) -> Result<Self, KeystoreError> {
        let nonce: Zeroizing<[u8; 24]> = random()?;
        let aad = field.associated_data(context);
        let ciphertext = XChaCha20Poly1305::new(key.expose().into())
            .encrypt(XNonce::from_slice(nonce.as_slice()), Payload { msg: plaintext, aad: &aad })
            .map_err(|_| KeystoreError::Crypto { action: "seal a secret" })?;
        Ok(Self { nonce: hex::encode(nonce.as_slice()), ciphertext: hex::encode(ciphertext) })
    }

    /// `None` for anything but the exact bytes that `seal` made for this field of this node.
    pub(super) fn open(&self, key: &Key, field: Field, context: &Context) -> Option<Zeroizing<Vec<u8>>> {
        let mut nonce = [0; 24];
        hex::decode_to_slice(&self.nonce, &mut nonce).ok()?;
        let ciphertext = hex::decode(&self.ciphertext).ok()?;
        let aad = field.associated_data(context);
        let payload = Payload { msg: &ciphertext, aad: &aad };
        let plaintext = XChaCha20Poly1305::new(key.expose().into()).decrypt(XNonce::from_slice(&nonce), payload);
        plaintext.ok().map(Zeroizing::new)
    }
}

/// Bytes from the operating system. Failure is an answer, not a panic: the caller refuses to start.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeystoreError> {
    let mut out = Zeroizing::new([0; N]);
    OsRng.try_fill_bytes(out.as_mut_slice()).map_err(|_| KeystoreError::Entropy)?;
    // A source that fills nothing and reports success has been seen in the field.
    if out.iter().all(|byte| *byte == 0) {
        return Err(KeystoreError::Entropy);
    }
    Ok(out)
}
