//! Proof that a dealer made its dealing's ephemeral key itself.
//!
//! A complaint opens the Diffie-Hellman point of the complainer's vault key with the dealing's ephemeral key. If that key could be
//! another dealer's, or a multiple of it, a complaint about one dealing would open what the other dealer sent. So a dealing counts
//! only with a Schnorr proof of knowledge of its key, bound to network, attempt and dealer.

use super::KeyShares;
use crate::digest::CanonicalHasher;
use crate::ids::{KeyId, NetworkId, NodeId};
use crate::point::{Point, PublicScalar};
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::{LinearCombination, Reduce};
use k256::{ProjectivePoint, Scalar};

/// c and z of the proof: R = z G - c E, and c is the hash over it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Possession {
    /// Schnorr challenge.
    pub challenge: PublicScalar,
    /// Schnorr response.
    pub response: PublicScalar,
}

/// The challenge for the commitment `nonce` of a dealer of this attempt.
#[must_use]
pub fn challenge(
    network: NetworkId,
    key_id: KeyId,
    dealer: NodeId,
    ephemeral: &Point,
    nonce: &ProjectivePoint,
) -> Scalar {
    let nonce = Point::from_affine(&nonce.to_affine()).map(|point| point.as_bytes().to_vec()).unwrap_or_default();
    let digest = CanonicalHasher::new("firn/key-ephemeral/v1")
        .field(network.0.0)
        .field(key_id.0.0)
        .number(dealer.0)
        .field(ephemeral.as_bytes())
        .field(nonce)
        .finish();
    <Scalar as Reduce<U256>>::reduce_bytes(&digest.0.into())
}

impl KeyShares {
    /// Whether `dealer` proves that it made the ephemeral key for this attempt.
    #[must_use]
    pub fn is_by(&self, network: NetworkId, key_id: KeyId, dealer: NodeId) -> bool {
        let (c, z) = (self.possession.challenge.to_scalar(), self.possession.response.to_scalar());
        let ephemeral = ProjectivePoint::from(self.ephemeral.to_affine());
        let nonce = ProjectivePoint::lincomb(&ProjectivePoint::GENERATOR, &z, &ephemeral, &-c);
        challenge(network, key_id, dealer, &self.ephemeral, &nonce) == c
    }
}
