//! Points and scalars of secp256k1 in their only wire encodings.

use crate::code::{Code, Refusal};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use std::fmt;

/// A point other than the identity, uncompressed SEC1 (tag 04), checked to be on the curve.
///
/// One encoding only: the compact tag 05 that k256 also reads, compressed points and the identity are refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point([u8; 65]);

impl Point {
    /// Reads 65 bytes.
    ///
    /// # Errors
    /// `POINT_INVALID` for another length or tag, a coordinate of p or more, or a point off the curve.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Refusal> {
        let invalid = || Refusal::new(Code::PointInvalid, "expected 65 bytes 04 || x || y on secp256k1");
        let array = <[u8; 65]>::try_from(bytes).map_err(|_| invalid())?;
        if array[0] != 0x04 {
            return Err(invalid());
        }
        k256::PublicKey::from_sec1_bytes(&array).map_err(|_| invalid())?;
        Ok(Self(array))
    }

    /// The point in affine form.
    ///
    /// # Panics
    /// Never: construction checked it.
    #[must_use]
    pub fn to_affine(&self) -> k256::AffinePoint {
        k256::PublicKey::from_sec1_bytes(&self.0).map_or(k256::AffinePoint::IDENTITY, |key| *key.as_affine())
    }

    /// The encoding of `point`, or `None` for the identity.
    #[must_use]
    pub fn from_affine(point: &k256::AffinePoint) -> Option<Self> {
        point.to_encoded_point(false).as_bytes().try_into().ok().map(Self)
    }

    /// The uncompressed encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// The compressed encoding that RFC 9591 hashes: 02 or 03, then x.
    #[must_use]
    pub fn compressed(&self) -> [u8; 33] {
        let mut bytes = [0; 33];
        bytes[0] = 2 + (self.0[64] & 1);
        bytes[1..].copy_from_slice(&self.0[1..33]);
        bytes
    }

    /// The x coordinate, big-endian.
    #[must_use]
    pub fn x(&self) -> [u8; 32] {
        let mut x = [0; 32];
        x.copy_from_slice(&self.0[1..33]);
        x
    }

    /// The y coordinate, big-endian.
    #[must_use]
    pub fn y(&self) -> [u8; 32] {
        let mut y = [0; 32];
        y.copy_from_slice(&self.0[33..]);
        y
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Point({})", hex::encode(self.compressed()))
    }
}

/// A public scalar, 32 bytes big-endian, at least 1 and below the curve order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicScalar([u8; 32]);

impl PublicScalar {
    /// Reads 32 bytes.
    ///
    /// # Errors
    /// `SCALAR_INVALID` for another length, zero, or n and above.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Refusal> {
        let invalid = || Refusal::new(Code::ScalarInvalid, "expected 32 bytes in 1..n");
        let array = <[u8; 32]>::try_from(bytes).map_err(|_| invalid())?;
        let scalar = Option::<k256::Scalar>::from(k256::Scalar::from_repr(array.into())).ok_or_else(invalid)?;
        if bool::from(scalar.is_zero()) {
            return Err(invalid());
        }
        Ok(Self(array))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The scalar.
    #[must_use]
    pub fn to_scalar(&self) -> k256::Scalar {
        Option::from(k256::Scalar::from_repr(self.0.into())).unwrap_or(k256::Scalar::ZERO)
    }
}
