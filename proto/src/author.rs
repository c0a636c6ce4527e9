//! Author signatures: BIP-340 over secp256k1, made by a node's vault, checked by everybody.

use crate::code::{Code, Refusal};
use crate::ids::Digest;
use secp256k1::{SECP256K1, XOnlyPublicKey, schnorr::Signature};

/// A node's public author key, x-only as in BIP-340: its bytes, and the point that was found once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthorKey {
    bytes: [u8; 32],
    point: XOnlyPublicKey,
}

/// A BIP-340 signature of 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthorSignature(pub [u8; 64]);

impl From<XOnlyPublicKey> for AuthorKey {
    fn from(key: XOnlyPublicKey) -> Self {
        Self { bytes: key.serialize(), point: key }
    }
}

impl AuthorKey {
    /// Accepts the x coordinate of a point on the curve.
    ///
    /// # Errors
    /// `POINT_INVALID` for anything else.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Refusal> {
        let array = <[u8; 32]>::try_from(bytes).map_err(|_| Refusal::new(Code::PointInvalid, "author key length"))?;
        let key = XOnlyPublicKey::from_byte_array(array).map_err(|_| Refusal::new(Code::PointInvalid, "author key"))?;
        Ok(key.into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Checks `signature` over `digest`.
    ///
    /// # Errors
    /// `ENVELOPE_SIGNATURE_INVALID`.
    pub fn verify(&self, digest: Digest, signature: &AuthorSignature) -> Result<(), Refusal> {
        SECP256K1
            .verify_schnorr(&Signature::from_byte_array(signature.0), &digest.0, &self.point)
            .map_err(|_| Refusal::new(Code::EnvelopeSignatureInvalid, "author signature"))
    }
}
