//! The finished Schnorr signature of a group key, in the form that the chain verifies.

use crate::code::{Code, Refusal};
use crate::ids::Digest;
use crate::point::{Point, PublicScalar};
use k256::elliptic_curve::hash2curve::{ExpandMsgXmd, hash_to_field};
use k256::elliptic_curve::ops::LinearCombination;
use k256::{ProjectivePoint, Scalar};
use sha2::Sha256;
use std::fmt;

/// R.x || R.y || z, 96 bytes (contracts/src/FrostVerifier.sol). One encoding per signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GroupSignature([u8; 96]);

impl GroupSignature {
    /// From its parts.
    #[must_use]
    pub fn new(r: &Point, z: &PublicScalar) -> Self {
        let mut bytes = [0; 96];
        bytes[..64].copy_from_slice(&r.as_bytes()[1..]);
        bytes[64..].copy_from_slice(z.as_bytes());
        Self(bytes)
    }

    /// Reads 96 bytes.
    ///
    /// # Errors
    /// `POINT_INVALID`, `SCALAR_INVALID`.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Refusal> {
        let array = <[u8; 96]>::try_from(bytes).map_err(|_| Refusal::new(Code::BodyMalformed, "signature length"))?;
        let signature = Self(array);
        signature.parts()?;
        Ok(signature)
    }

    /// The bytes that the contract takes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 96] {
        &self.0
    }

    /// Verifies the signature as RFC 9591 section 6.5 does: z G = R + c P.
    #[must_use]
    pub fn verifies(&self, group_key: &Point, digest: Digest) -> bool {
        let Ok((r, z)) = self.parts() else { return false };
        let challenge = challenge(&r, group_key, &digest.0);
        let key = ProjectivePoint::from(group_key.to_affine());
        let left = ProjectivePoint::lincomb(&ProjectivePoint::GENERATOR, &z.to_scalar(), &key, &-challenge);
        left == ProjectivePoint::from(r.to_affine())
    }

    fn parts(&self) -> Result<(Point, PublicScalar), Refusal> {
        let mut point = [4; 65];
        point[1..].copy_from_slice(&self.0[..64]);
        Ok((Point::from_slice(&point)?, PublicScalar::from_slice(&self.0[64..])?))
    }
}

/// H2 of FROST(secp256k1, SHA-256) over R, the group key and the message (RFC 9591 sections 4.4 and 6.5).
#[must_use]
pub fn challenge(r: &Point, group_key: &Point, message: &[u8]) -> Scalar {
    const DST: &[u8] = b"FROST-secp256k1-SHA256-v1chal";
    let mut scalar = [Scalar::ZERO];
    let input: [&[u8]; 3] = [&r.compressed(), &group_key.compressed(), message];
    // The expander fails only for output lengths beyond 255 blocks; one scalar takes 48 bytes.
    match hash_to_field::<ExpandMsgXmd<Sha256>, Scalar>(&input, &[DST], &mut scalar) {
        Ok(()) => scalar[0],
        Err(_) => Scalar::ZERO,
    }
}

impl fmt::Debug for GroupSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Display for GroupSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
