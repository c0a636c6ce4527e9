//! Public arithmetic of FROST(secp256k1, SHA-256), RFC 9591: what a coordinator computes from commitments and shares.
//!
//! No secret passes through here. The vault computes its own view of the same session with the stock crate; both must
//! give the same signature, which the tests check against the RFC's vectors.

use alloy_primitives::U256;
use firn_proto::message::SigningPackage;
use firn_proto::signature::challenge;
use firn_proto::{Digest, GroupSignature, Identifier, Point, PublicScalar};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::hash2curve::{ExpandMsgXmd, hash_to_field};
use k256::{ProjectivePoint, Scalar};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const CONTEXT: &str = "FROST-secp256k1-SHA256-v1";

/// One signer's part of a session.
struct Signer {
    /// D_i.
    hiding: ProjectivePoint,
    /// E_i.
    binding: ProjectivePoint,
    /// rho_i.
    factor: Scalar,
}

/// A signing session with everything cached that does not depend on shares. What only the check of a single share takes,
/// its signer's Lagrange coefficient, is computed then: shares are checked when their sum is wrong.
pub struct Session {
    signers: BTreeMap<Identifier, Signer>,
    group_commitment: Point,
    challenge: Scalar,
    digest: Digest,
    group_key: Point,
}

impl Session {
    /// Prepares a session over commitments `(hiding, binding)` by identifier.
    ///
    /// `None` where the group commitment is the identity (RFC 9591 section 5.3 forbids it) or there are no signers.
    #[must_use]
    pub fn new(group_key: &Point, digest: Digest, commitments: &BTreeMap<Identifier, (Point, Point)>) -> Option<Self> {
        Self::over_message(group_key, &digest.0, commitments).map(|session| Self { digest, ..session })
    }

    /// [`Self::new`] for a package, with each owner's identifier looked up by `identifier`.
    pub fn of_package(
        package: &SigningPackage,
        group_key: &Point,
        digest: Digest,
        identifier: impl Fn(firn_proto::NodeId) -> Option<Identifier>,
    ) -> Option<Self> {
        let commitments = package
            .commitments
            .iter()
            .map(|(node, c)| Some((identifier(*node)?, (c.statement().hiding, c.statement().binding))))
            .collect::<Option<_>>()?;
        Self::new(group_key, digest, &commitments)
    }

    fn over_message(
        group_key: &Point,
        message: &[u8],
        commitments: &BTreeMap<Identifier, (Point, Point)>,
    ) -> Option<Self> {
        let factors = binding_factors(group_key, message, commitments);
        let signer = |((identifier, (hiding, binding)), factor): ((&Identifier, &(Point, Point)), Scalar)| {
            let (hiding, binding) = (hiding.to_affine().into(), binding.to_affine().into());
            (*identifier, Signer { hiding, binding, factor })
        };
        let signers: BTreeMap<_, _> = commitments.iter().zip(factors).map(signer).collect();
        let hiding: ProjectivePoint = signers.values().map(|signer| signer.hiding).sum();
        let binding: Vec<_> = signers.values().map(|signer| (signer.binding, signer.factor)).collect();
        let group_commitment = Point::from_affine(&(hiding + sum_of_products(&binding)).to_affine())?;
        let challenge = challenge(&group_commitment, group_key, message);
        Some(Self { signers, group_commitment, challenge, digest: Digest::default(), group_key: *group_key })
    }

    /// Whether a share fits: z_i G = D_i + rho_i E_i + lambda_i c Y_i (RFC 9591 section 5.4).
    #[must_use]
    pub fn share_fits(&self, identifier: Identifier, verifying_share: &Point, share: &PublicScalar) -> bool {
        let Some(signer) = self.signers.get(&identifier) else { return false };
        let weight = lagrange(identifier, self.signers.keys()) * self.challenge;
        let key = ProjectivePoint::from(verifying_share.to_affine());
        let terms = [(ProjectivePoint::GENERATOR, share.to_scalar()), (key, -weight), (signer.binding, -signer.factor)];
        sum_of_products(&terms) == signer.hiding
    }

    /// Adds the shares up. `Some` only if the result verifies under the group key.
    #[must_use]
    pub fn aggregate<'a>(&self, shares: impl Iterator<Item = &'a PublicScalar>) -> Option<GroupSignature> {
        let z = shares.fold(Scalar::ZERO, |sum, share| sum + share.to_scalar());
        let z = PublicScalar::from_slice(&z.to_repr()).ok()?;
        let signature = GroupSignature::new(&self.group_commitment, &z);
        signature.verifies(&self.group_key, self.digest).then_some(signature)
    }
}

/// The sum of `k P` over all pairs, with the doublings shared (Straus), in width-5 non-adjacent form. It takes a time that
/// depends on the scalars, which are public.
fn sum_of_products(pairs: &[(ProjectivePoint, Scalar)]) -> ProjectivePoint {
    let tables: Vec<_> = pairs.iter().map(|(point, scalar)| (odd_multiples(point), digits(scalar))).collect();
    let length = tables.iter().map(|(_, digits)| digits.len()).max().unwrap_or_default();
    (0..length).rev().fold(ProjectivePoint::IDENTITY, |sum, place| {
        tables.iter().fold(sum.double(), |sum, (multiples, digits)| {
            let digit = digits.get(place).copied().unwrap_or_default();
            match multiples.get(usize::from(digit.unsigned_abs() / 2)) {
                Some(multiple) if digit > 0 => sum + multiple,
                Some(multiple) if digit < 0 => sum - multiple,
                _ => sum,
            }
        })
    })
}

/// P, 3 P, 5 P up to 15 P.
fn odd_multiples(point: &ProjectivePoint) -> Vec<ProjectivePoint> {
    let twice = point.double();
    std::iter::successors(Some(*point), |last| Some(last + &twice)).take(8).collect()
}

/// The digits of a scalar, lowest first: each is zero or odd between -15 and 15, and four zeros follow each that is not.
fn digits(scalar: &Scalar) -> Vec<i8> {
    let mut rest = U256::from_be_bytes::<32>(scalar.to_repr().into());
    let mut digits = Vec::with_capacity(257);
    while !rest.is_zero() {
        // The low five bits as a number between -16 and 15.
        let low = rest.as_limbs().first().map_or(0, |limb| i8::try_from(limb & 31).unwrap_or_default());
        let digit = match low {
            low if low & 1 == 0 => 0,
            low if low < 16 => low,
            low => low - 32,
        };
        let amount = U256::from(digit.unsigned_abs());
        // A scalar is below the curve order, so far below 2^256 that this does not overflow.
        rest = if digit < 0 { rest.wrapping_add(amount) } else { rest.wrapping_sub(amount) };
        digits.push(digit);
        rest >>= 1;
    }
    digits
}

/// rho_i for each signer (RFC 9591 section 4.4), in the order of their identifiers.
fn binding_factors(
    group_key: &Point,
    message: &[u8],
    commitments: &BTreeMap<Identifier, (Point, Point)>,
) -> Vec<Scalar> {
    let mut encoded = Vec::with_capacity(commitments.len() * 98);
    for (identifier, (hiding, binding)) in commitments {
        encoded.extend_from_slice(&scalar_bytes(*identifier));
        encoded.extend_from_slice(&hiding.compressed());
        encoded.extend_from_slice(&binding.compressed());
    }
    let h4 = Sha256::new().chain_update(CONTEXT).chain_update("msg").chain_update(message).finalize();
    let h5 = Sha256::new().chain_update(CONTEXT).chain_update("com").chain_update(encoded).finalize();
    let key = group_key.compressed();
    commitments
        .keys()
        .map(|identifier| hash_to_scalar("rho", &[&key, h4.as_slice(), h5.as_slice(), &scalar_bytes(*identifier)]))
        .collect()
}

/// H1 and its like: hash to a scalar under the suite's context and `tag`.
fn hash_to_scalar(tag: &str, input: &[&[u8]]) -> Scalar {
    let mut scalar = [Scalar::ZERO];
    // The expander fails only for output lengths beyond 255 blocks; one scalar takes 48 bytes.
    match hash_to_field::<ExpandMsgXmd<Sha256>, Scalar>(input, &[CONTEXT.as_bytes(), tag.as_bytes()], &mut scalar) {
        Ok(()) => scalar[0],
        Err(_) => Scalar::ZERO,
    }
}

fn scalar_bytes(identifier: Identifier) -> [u8; 32] {
    Scalar::from(u64::from(identifier.0)).to_repr().into()
}

/// The Lagrange coefficient of `identifier` at zero among `signers` (RFC 9591 section 4.2).
fn lagrange<'a>(identifier: Identifier, signers: impl Iterator<Item = &'a Identifier>) -> Scalar {
    let own = Scalar::from(u64::from(identifier.0));
    let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
    for other in signers.filter(|other| **other != identifier) {
        let other = Scalar::from(u64::from(other.0));
        numerator *= other;
        denominator *= other - own;
    }
    // Identifiers are distinct and small, so no difference is zero.
    numerator * Option::<Scalar>::from(denominator.invert()).unwrap_or(Scalar::ZERO)
}

#[cfg(test)]
mod tests;
