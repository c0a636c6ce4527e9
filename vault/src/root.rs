//! The root secret of a node's vault, and the three keys derived from it.

use crate::seal::Sealer;
use crate::suite::{SecretScalar, point, projective};
use firn_proto::author::{AuthorKey, AuthorSignature};
use firn_proto::{Digest, Point};
use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use secp256k1::{Keypair, Secp256k1, SignOnly};
use sha2::Sha256;
use zeroize::Zeroizing;

/// 32 uniform bytes that everything long-lived in a vault is derived from. The host keeps them sealed.
pub struct RootSecret(Zeroizing<[u8; 32]>);

impl RootSecret {
    /// A fresh root.
    pub fn generate<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// The root that a host has kept.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the host to seal.
    #[must_use]
    pub fn as_bytes(&self) -> &Zeroizing<[u8; 32]> {
        &self.0
    }

    /// The public keys that the network definition lists for this node: author key and vault key.
    #[must_use]
    pub fn public_keys(&self) -> (AuthorKey, Point) {
        let keys = self.derive();
        (keys.author.public(), keys.decryption.public())
    }

    pub(crate) fn derive(&self) -> RootKeys {
        RootKeys {
            author: self.author(),
            decryption: DecryptionKey(self.curve_key("firn/vault/share-decryption/v1", SecretScalar::parse)),
            sealer: Sealer::new(self.expand("firn/vault/record/v1", 0)),
        }
    }

    fn author(&self) -> Author {
        let mut context = Secp256k1::signing_only();
        context.seeded_randomize(&self.expand("firn/vault/blinding/v1", 0));
        let parse = |bytes: &[u8]| Keypair::from_seckey_byte_array(&context, bytes.try_into().ok()?).ok();
        Author { pair: Box::new(self.curve_key("firn/vault/author/v1", parse)), context }
    }

    /// The first derived candidate that is a valid key: nearly always the first, as all but 2^-127 of them are.
    fn curve_key<K>(&self, label: &str, parse: impl Fn(&[u8]) -> Option<K>) -> K {
        let mut candidates = (0..=u8::MAX).map(|counter| self.expand(label, counter));
        candidates.find_map(|bytes| parse(&*bytes)).unwrap_or_else(|| unreachable!("256 above the curve order"))
    }

    fn expand(&self, label: &str, counter: u8) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let expanded =
            Hkdf::<Sha256>::new(None, &*self.0).expand_multi_info(&[label.as_bytes(), &[counter]], &mut *key);
        assert!(expanded.is_ok(), "32 bytes are below HKDF's bound of 255 blocks");
        key
    }
}

/// What the root derives.
pub(crate) struct RootKeys {
    pub(crate) author: Author,
    pub(crate) decryption: DecryptionKey,
    pub(crate) sealer: Sealer,
}

/// Signs what this node says (BIP-340), in products blinded by a number that is this vault's own.
pub(crate) struct Author {
    context: Secp256k1<SignOnly>,
    pair: Box<Keypair>,
}

impl Drop for Author {
    fn drop(&mut self) {
        self.pair.non_secure_erase();
    }
}

impl Author {
    pub(crate) fn public(&self) -> AuthorKey {
        self.pair.x_only_public_key().0.into()
    }

    /// Signs a digest of a domain of its own. `rng` only hedges: the nonce depends on the key and the digest as well.
    pub(crate) fn sign<R: RngCore + CryptoRng>(&self, digest: Digest, rng: &mut R) -> AuthorSignature {
        let mut hedge = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *hedge);
        AuthorSignature(self.context.sign_schnorr_with_aux_rand(&digest.0, &self.pair, &hedge).to_byte_array())
    }
}

/// Opens the shares that dealers encrypt to this node, and is used for nothing else (CRYPTO section 6).
pub(crate) struct DecryptionKey(SecretScalar);

impl DecryptionKey {
    pub(crate) fn public(&self) -> Point {
        point(&self.0.public()).unwrap_or_else(|| unreachable!("a secret scalar is not zero"))
    }

    /// The Diffie-Hellman point with a dealing's ephemeral key.
    pub(crate) fn shared_point(&self, ephemeral: &Point) -> k256::ProjectivePoint {
        projective(ephemeral) * self.0.scalar()
    }

    pub(crate) fn secret(&self) -> &SecretScalar {
        &self.0
    }
}

#[cfg(test)]
mod tests;
