//! Complaints about a dealer's share, and the public judgement over them (CRYPTO section 6).
//!
//! A complainer opens the Diffie-Hellman point K = x E of one dealing and proves by Chaum and Pedersen that it used
//! the same x as in its vault key. Anybody can then decrypt that one share and test it.

use crate::dealing::Route;
use crate::root::DecryptionKey;
use crate::suite::{SecretScalar, point, projective};
use firn_proto::digest::CanonicalHasher;
use firn_proto::message::{KeyComplaint, KeyShares};
use firn_proto::polynomial::evaluate;
use firn_proto::{Identifier, KeyId, NetworkId, Point, PublicScalar};
use hkdf::Hkdf;
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::{LinearCombination, Reduce};
use k256::{ProjectivePoint, Scalar};
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Who is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The dealer sent a share that does not fit its commitment.
    DealerAtFault,
    /// The complaint is false, or proves nothing.
    ComplainerAtFault,
}

/// What a complaint claims: `shared_point` is to `ephemeral` as `vault_key` is to G.
struct Claim {
    route: Route,
    vault_key: Point,
    ephemeral: Point,
    shared_point: Point,
}

/// Judges a complaint of `complainer` with `vault_key` about `dealing`, given the dealer's round-1 `commitment`.
/// Dealing, commitment and complaint must each be signed by their authors; the verdict rests on them alone.
#[must_use]
pub fn judge(
    network: NetworkId,
    key_id: KeyId,
    commitment: &[Point],
    dealing: &KeyShares,
    complainer: Identifier,
    vault_key: &Point,
    complaint: &KeyComplaint,
) -> Verdict {
    let route = Route { network, key_id, dealer: complaint.dealer, recipient: complainer };
    let claim =
        Claim { route, vault_key: *vault_key, ephemeral: dealing.ephemeral, shared_point: complaint.shared_point };
    if complainer == complaint.dealer || !claim.holds(&complaint.challenge, &complaint.response) {
        return Verdict::ComplainerAtFault;
    }
    let shared = projective(&complaint.shared_point);
    let share = dealing.sealed.get(&complainer).and_then(|ciphertext| route.decrypt(&shared, ciphertext));
    match share {
        Some(share) if point(&share.public()) == evaluate(commitment, complainer) => Verdict::ComplainerAtFault,
        _ => Verdict::DealerAtFault,
    }
}

/// Opens our Diffie-Hellman point with a dealing, with its proof.
pub(crate) fn prove<R: RngCore + CryptoRng>(
    route: Route,
    key: &DecryptionKey,
    ephemeral: &Point,
    rng: &mut R,
) -> KeyComplaint {
    let shared_point = wire(&key.shared_point(ephemeral));
    let claim = Claim { route, vault_key: key.public(), ephemeral: *ephemeral, shared_point };
    loop {
        let Some(nonce) = claim.nonce(key, rng) else { continue };
        let challenge = claim.challenge(&nonce.public(), &(projective(ephemeral) * nonce.scalar()));
        let response = *nonce.scalar() + challenge * key.secret().scalar();
        // The wire has no zero scalar; a nonce that gives one, 1 in 2^255, is thrown away.
        if let (Some(challenge), Some(response)) = (public_scalar(&challenge), public_scalar(&response)) {
            return KeyComplaint { dealer: route.dealer, shared_point, challenge, response };
        }
    }
}

impl Claim {
    /// A nonce from fresh randomness, the key and the claim: as in RFC 9591, a repeating generator alone leaks no key.
    fn nonce<R: RngCore + CryptoRng>(&self, key: &DecryptionKey, rng: &mut R) -> Option<SecretScalar> {
        let mut random = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *random);
        let mut nonce = Zeroizing::new([0; 32]);
        let derive = Hkdf::<Sha256>::new(Some(&*random), &*key.secret().to_bytes());
        derive.expand(&self.statement("firn/key-complaint-nonce/v1").finish().0, &mut *nonce).ok()?;
        SecretScalar::parse(&*nonce)
    }

    fn holds(&self, challenge: &PublicScalar, response: &PublicScalar) -> bool {
        let (c, z) = (challenge.to_scalar(), response.to_scalar());
        let commitment =
            |base: &ProjectivePoint, image: &Point| ProjectivePoint::lincomb(base, &z, &projective(image), &-c);
        let first = commitment(&ProjectivePoint::GENERATOR, &self.vault_key);
        let second = commitment(&projective(&self.ephemeral), &self.shared_point);
        self.challenge(&first, &second) == c
    }

    fn challenge(&self, first: &ProjectivePoint, second: &ProjectivePoint) -> Scalar {
        let encode =
            |element: &ProjectivePoint| point(element).map_or_else(Vec::new, |point| point.as_bytes().to_vec());
        let digest = self.statement("firn/key-complaint/v1").field(encode(first)).field(encode(second)).finish();
        <Scalar as Reduce<U256>>::reduce_bytes(&digest.0.into())
    }

    fn statement(&self, domain: &str) -> CanonicalHasher {
        CanonicalHasher::new(domain)
            .field(self.route.network.0.0)
            .field(self.route.key_id.0.0)
            .number(self.route.dealer.0)
            .number(self.route.recipient.0)
            .field(self.vault_key.as_bytes())
            .field(self.ephemeral.as_bytes())
            .field(self.shared_point.as_bytes())
    }
}

fn wire(element: &ProjectivePoint) -> Point {
    let Some(point) = point(element) else { unreachable!("a nonzero multiple of a point of prime order") };
    point
}

fn public_scalar(scalar: &Scalar) -> Option<PublicScalar> {
    PublicScalar::from_slice(&scalar.to_bytes()).ok()
}

#[cfg(test)]
mod tests;
