//! Repair of a lost share by t helpers: frost's three parts, with the comparison that they leave out.
//!
//! frost's last part accepts any sigmas and gives a wrong share (CRYPTO 1.3); here the result must fit the verifying
//! share that everybody knows. Which helper was wrong does not show.
//! Only the vectors call it until there is a protocol for it.

use crate::suite::{self, SecretScalar, frost};
use firn_proto::{Identifier, Point};
use frost::Secp256K1Sha256;
use frost::keys::KeyPackage;
use frost::keys::repairable::{self, Delta, Sigma};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A helper's parts for all helpers, itself included.
pub(crate) fn deltas<R: RngCore + CryptoRng>(
    helpers: &[Identifier],
    own: &KeyPackage,
    lost: Identifier,
    rng: &mut R,
) -> Option<BTreeMap<Identifier, Delta>> {
    let identifiers = helpers.iter().map(|helper| suite::identifier(*helper)).collect::<Option<Vec<_>>>()?;
    let mut deltas =
        repairable::repair_share_part1::<Secp256K1Sha256, R>(&identifiers, own, rng, suite::identifier(lost)?).ok()?;
    helpers.iter().map(|helper| Some((*helper, deltas.remove(&suite::identifier(*helper)?)?))).collect()
}

/// A helper's answer to the one who repairs, from the parts that all helpers sent it.
pub(crate) fn sigma(deltas: &[Delta]) -> Sigma {
    repairable::repair_share_part2(deltas)
}

/// The repaired share; `None` unless it fits the known verifying share.
pub(crate) fn repaired(
    sigmas: &[Sigma],
    lost: Identifier,
    threshold: u16,
    group_key: &Point,
    verifying_shares: &BTreeMap<Identifier, Point>,
) -> Option<KeyPackage> {
    let entry =
        |(member, point): (&Identifier, &Point)| Some((suite::identifier(*member)?, suite::verifying_share(point)?));
    let shares = verifying_shares.iter().map(entry).collect::<Option<BTreeMap<_, _>>>()?;
    let key = frost::VerifyingKey::deserialize(&group_key.compressed()).ok()?;
    let public = frost::keys::PublicKeyPackage::new(shares, key, Some(threshold));
    let package = repairable::repair_share_part3(sigmas, suite::identifier(lost)?, &public).ok()?;
    let share = SecretScalar::parse(&Zeroizing::new(package.signing_share().serialize()))?;
    (suite::point(&share.public()).as_ref() == verifying_shares.get(&lost)).then_some(package)
}

#[cfg(test)]
mod tests;
