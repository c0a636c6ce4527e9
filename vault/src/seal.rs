//! Sealed records: XChaCha20-Poly1305 under the record key, bound to where the record stands.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use firn_proto::digest::CanonicalHasher;
use firn_proto::{Epoch, KeyId, NetworkId, NodeId};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// The version of all record contents. A change of any needs another number and a reader for this one.
pub(crate) const SCHEMA: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals and opens records of one vault.
pub(crate) struct Sealer(Zeroizing<[u8; 32]>);

/// What a sealed record is bound to: moved anywhere else, it does not open (R46).
pub(crate) struct Place<'a> {
    pub(crate) kind: &'static str,
    pub(crate) network: NetworkId,
    pub(crate) node: NodeId,
    pub(crate) key_id: KeyId,
    pub(crate) epoch: Epoch,
    pub(crate) record_key: &'a [u8],
}

impl Sealer {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Schema byte, random nonce, ciphertext and tag.
    pub(crate) fn seal<R: RngCore + CryptoRng>(&self, place: &Place<'_>, content: &[u8], rng: &mut R) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: content, aad: &place.associated_data(SCHEMA) };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload);
        let Ok(sealed) = sealed else { unreachable!("records are far below the cipher's 256 GB") };
        [&[SCHEMA], &nonce[..], &sealed].concat()
    }

    /// The content, if this very record was sealed for this very place.
    pub(crate) fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (schema, rest) = sealed.split_first()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
        if *schema != SCHEMA {
            return None;
        }
        let payload = Payload { msg: ciphertext, aad: &place.associated_data(*schema) };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl Place<'_> {
    fn associated_data(&self, schema: u8) -> [u8; 32] {
        CanonicalHasher::new("firn/vault-record/v1")
            .field(self.kind)
            .field(self.network.0.0)
            .number(self.node.0)
            .field(self.key_id.0.0)
            .number(self.epoch.0)
            .number(schema)
            .field(self.record_key)
            .finish()
            .0
    }
}

#[cfg(test)]
mod tests;
