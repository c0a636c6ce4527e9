//! A dealer's shares, each encrypted to its recipient's vault key (CRYPTO section 6).
//!
//! One ephemeral key per dealing: opening its Diffie-Hellman point with one recipient reveals one share and no more.
//! The key is used once, for one share, so the cipher's nonce is zero.

use crate::suite::{SecretScalar, point};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use firn_proto::digest::CanonicalHasher;
use firn_proto::message::possession::{Possession, challenge};
use firn_proto::{Identifier, KeyId, NetworkId, NodeId, PublicScalar};
use hkdf::Hkdf;
use k256::{ProjectivePoint, Scalar};
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use std::slice;
use zeroize::Zeroizing;

/// Length of an encrypted share: 32 bytes and a 16-byte tag.
pub(crate) const CIPHERTEXT_BYTES: usize = 48;

/// From whom to whom, in which attempt.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) network: NetworkId,
    pub(crate) key_id: KeyId,
    pub(crate) dealer: Identifier,
    pub(crate) recipient: Identifier,
}

/// A proof, by a dealer, that it made its ephemeral key for this attempt.
pub(crate) fn possess<R: RngCore + CryptoRng>(
    network: NetworkId,
    key_id: KeyId,
    dealer: NodeId,
    ephemeral: &SecretScalar,
    rng: &mut R,
) -> Option<Possession> {
    let public = point(&ephemeral.public())?;
    let scalar = |scalar: &Scalar| PublicScalar::from_slice(&scalar.to_bytes()).ok();
    // The wire has no zero scalar; a nonce that gives one, 1 in 2^255, is thrown away.
    std::iter::repeat_with(|| SecretScalar::random(rng)).take(2).find_map(|nonce| {
        let c = challenge(network, key_id, dealer, &public, &nonce.public());
        let z = *nonce.scalar() + c * ephemeral.scalar();
        Some(Possession { challenge: scalar(&c)?, response: scalar(&z)? })
    })
}

impl Route {
    /// Encrypts a share under the Diffie-Hellman point.
    pub(crate) fn encrypt(&self, shared: &ProjectivePoint, share: &SecretScalar) -> Vec<u8> {
        self.encrypt_by(slice::from_ref(shared), share)
    }

    /// Decrypts a share; `None` where the tag or the scalar is not valid.
    pub(crate) fn decrypt(&self, shared: &ProjectivePoint, ciphertext: &[u8]) -> Option<SecretScalar> {
        self.decrypt_by(slice::from_ref(shared), ciphertext)
    }

    /// As [`Self::encrypt`], under several points: whoever lacks one of them can neither read nor make it.
    pub(crate) fn encrypt_by(&self, shared: &[ProjectivePoint], share: &SecretScalar) -> Vec<u8> {
        let ciphertext = self.cipher(shared).encrypt(&Nonce::default(), &share.to_bytes()[..]);
        let Ok(ciphertext) = ciphertext else { unreachable!("32 bytes are far below the cipher's bound") };
        assert_eq!(ciphertext.len(), CIPHERTEXT_BYTES, "a share and a tag");
        ciphertext
    }

    /// As [`Self::decrypt`], under the same points.
    pub(crate) fn decrypt_by(&self, shared: &[ProjectivePoint], ciphertext: &[u8]) -> Option<SecretScalar> {
        let share = self.cipher(shared).decrypt(&Nonce::default(), ciphertext).ok().map(Zeroizing::new)?;
        SecretScalar::parse(&share)
    }

    fn cipher(&self, shared: &[ProjectivePoint]) -> ChaCha20Poly1305 {
        let mut secret = Zeroizing::new(Vec::with_capacity(33 * shared.len()));
        for shared in shared {
            let shared = point(shared).map(|point| Zeroizing::new(point.compressed()));
            let Some(shared) = shared else { unreachable!("a nonzero multiple of a point of prime order") };
            secret.extend_from_slice(&*shared);
        }
        let context = CanonicalHasher::new("firn/key-share/v1")
            .field(self.network.0.0)
            .field(self.key_id.0.0)
            .number(self.dealer.0)
            .number(self.recipient.0)
            .finish();
        let mut key = Zeroizing::new([0; 32]);
        let expanded = Hkdf::<Sha256>::new(None, &secret).expand(&context.0, &mut *key);
        assert!(expanded.is_ok(), "32 bytes are below HKDF's bound of 255 blocks");
        ChaCha20Poly1305::new((&*key).into())
    }
}
