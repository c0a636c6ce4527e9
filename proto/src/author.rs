//! Author signatures: BIP-340 over secp256k1, made by a node's vault, checked by everybody.

use crate::code::{Code, Refusal};
use crate::ids::Digest;
use k256::schnorr;

/// A node's public author key, x-only as in BIP-340.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthorKey([u8; 32]);

/// A BIP-340 signature of 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthorSignature(pub [u8; 64]);

impl AuthorKey {
    /// Accepts the x coordinate of a point on the curve.
    ///
    /// # Errors
    /// `POINT_INVALID` for anything else.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Refusal> {
        let array = <[u8; 32]>::try_from(bytes).map_err(|_| Refusal::new(Code::PointInvalid, "author key length"))?;
        schnorr::VerifyingKey::from_bytes(&array).map_err(|_| Refusal::new(Code::PointInvalid, "author key"))?;
        Ok(Self(array))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks `signature` over `digest`.
    ///
    /// # Errors
    /// `ENVELOPE_SIGNATURE_INVALID`.
    pub fn verify(&self, digest: Digest, signature: &AuthorSignature) -> Result<(), Refusal> {
        let invalid = || Refusal::new(Code::EnvelopeSignatureInvalid, "author signature");
        let key = schnorr::VerifyingKey::from_bytes(&self.0).map_err(|_| invalid())?;
        let signature = schnorr::Signature::try_from(&signature.0[..]).map_err(|_| invalid())?;
        key.verify_raw(&digest.0, &signature).map_err(|_| invalid())
    }
}
