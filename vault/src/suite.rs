//! The one place that names the ciphersuite: FROST(secp256k1, SHA-256), RFC 9591 section 6.5, and the conversions
//! between its types and the wire's.
//!
//! The crate opens its group elements only behind a feature outside its semver promise, so points cross as compressed
//! bytes, which [`Point`] yields canonically: tag 02 or 03, never the 05 that k256 would read too.

use firn_proto::{Identifier, Point};
pub(crate) use frost_secp256k1 as frost;
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::ops::MulByGenerator;
use k256::elliptic_curve::sec1::FromEncodedPoint;
use k256::{AffinePoint, EncodedPoint, ProjectivePoint, Scalar};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use zeroize::{Zeroize, Zeroizing};

/// A secret scalar in 1..n. Wiped when dropped; neither cloned nor shown.
pub(crate) struct SecretScalar(Scalar);

impl SecretScalar {
    /// Reads 32 canonical bytes: zero, the curve order and above, and other lengths are refused.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let array = Zeroizing::new(<[u8; 32]>::try_from(bytes).ok()?);
        Self::from_scalar(Option::from(Scalar::from_repr((*array).into()))?)
    }

    /// Takes a scalar, unless it is zero.
    pub(crate) fn from_scalar(scalar: Scalar) -> Option<Self> {
        (!bool::from(scalar.is_zero())).then_some(Self(scalar))
    }

    /// A fresh one.
    pub(crate) fn random<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        Self(*k256::NonZeroScalar::random(rng))
    }

    /// The value at a member's identifier of the polynomial with these coefficients, constant term first.
    pub(crate) fn evaluate(coefficients: &[Self], x: Identifier) -> Option<Self> {
        let x = Scalar::from(u64::from(x.0));
        Self::from_scalar(coefficients.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient.0))
    }

    /// The scalar itself, for arithmetic on the spot.
    pub(crate) fn scalar(&self) -> &Scalar {
        &self.0
    }

    /// The encoding.
    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// Its public point.
    pub(crate) fn public(&self) -> ProjectivePoint {
        ProjectivePoint::mul_by_generator(&self.0)
    }
}

impl Drop for SecretScalar {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The curve point of a wire point.
pub(crate) fn projective(point: &Point) -> ProjectivePoint {
    point.to_affine().into()
}

/// The wire point of a curve point, or `None` for the identity.
pub(crate) fn point(projective: &ProjectivePoint) -> Option<Point> {
    Point::from_affine(&projective.to_affine())
}

/// The wire point of a compressed encoding that frost made.
pub(crate) fn point_from_frost(compressed: &[u8]) -> Option<Point> {
    let encoded = EncodedPoint::from_bytes(compressed).ok()?;
    Point::from_affine(&Option::<AffinePoint>::from(AffinePoint::from_encoded_point(&encoded))?)
}

/// frost's form of an identifier; `None` for zero.
pub(crate) fn identifier(identifier: Identifier) -> Option<frost::Identifier> {
    frost::Identifier::try_from(identifier.0).ok()
}

/// frost's form of a verifying share.
pub(crate) fn verifying_share(point: &Point) -> Option<frost::keys::VerifyingShare> {
    frost::keys::VerifyingShare::deserialize(&point.compressed()).ok()
}

/// frost's signing package: who signs with which commitments, hiding first, and what.
pub(crate) fn signing_package(
    commitments: &BTreeMap<Identifier, (Point, Point)>,
    message: &[u8],
) -> Option<frost::SigningPackage> {
    let commitment = |point: &Point| frost::round1::NonceCommitment::deserialize(&point.compressed()).ok();
    let entry = |(signer, (hiding, binding)): (&Identifier, &(Point, Point))| {
        let pair = frost::round1::SigningCommitments::new(commitment(hiding)?, commitment(binding)?);
        Some((identifier(*signer)?, pair))
    };
    let commitments = commitments.iter().map(entry).collect::<Option<BTreeMap<_, _>>>()?;
    Some(frost::SigningPackage::new(commitments, message))
}

/// A member's key package, built so that its verifying share belongs to its signing share.
pub(crate) fn key_package(
    member: Identifier,
    share: &SecretScalar,
    group_key: &Point,
    threshold: u16,
) -> Option<frost::keys::KeyPackage> {
    let signing_share = frost::keys::SigningShare::deserialize(&*share.to_bytes()).ok()?;
    let verifying_share = verifying_share(&point(&share.public())?)?;
    let verifying_key = frost::VerifyingKey::deserialize(&group_key.compressed()).ok()?;
    Some(frost::keys::KeyPackage::new(identifier(member)?, signing_share, verifying_share, verifying_key, threshold))
}

#[cfg(test)]
mod tests;
