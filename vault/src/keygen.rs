//! Key generation: PedPop as in frost-core, with everything that it leaves to the caller (DESIGN section 4).
//!
//! An attempt lives in memory until its share is stored. It goes one way: dealt, shared, finished. Whatever fails
//! ends it and destroys its polynomial, so that nothing is ever asked twice of one secret with other inputs.

use crate::api::KeyOutcome;
use crate::complaint;
use crate::dealing::{Route, possess};
use crate::denial::Denial;
use crate::record::KeyFacts;
use crate::root::DecryptionKey;
use crate::suite::{self, SecretScalar, frost, point, projective};
use firn_proto::certificate::{KeyProposal, transcript};
use firn_proto::message::{KeyComplaint, KeyRound1, KeyShares};
use firn_proto::polynomial::{evaluate_elements, sum};
use firn_proto::{Code, Definition, Identifier, KeyId, NetworkId, NodeId, Point, PublicScalar};
use frost::keys::dkg;
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;

/// The public facts of an attempt.
pub(crate) struct Roster {
    pub(crate) network: NetworkId,
    pub(crate) key_id: KeyId,
    pub(crate) proposal: KeyProposal,
    pub(crate) threshold: u16,
    pub(crate) identifier: Identifier,
    /// All members' vault keys, our own included.
    pub(crate) vault_keys: BTreeMap<Identifier, Point>,
    /// All members' nodes.
    pub(crate) nodes: BTreeMap<Identifier, NodeId>,
}

/// An attempt in memory. No variant is ever cloned, shown or stored.
pub(crate) enum Attempt {
    /// Our polynomial is made and its commitment is out.
    Dealt(Dealt),
    /// The round-1 packages are frozen and our shares are out.
    Shared(Shared),
    /// It failed or was abandoned; only its id and our identifier are left.
    Ended(Identifier),
}

impl Attempt {
    /// Our identifier in the key.
    pub(crate) fn identifier(&self) -> Identifier {
        match self {
            Self::Dealt(dealt) => dealt.roster.identifier,
            Self::Shared(shared) => shared.roster.identifier,
            Self::Ended(identifier) => *identifier,
        }
    }
}

pub(crate) struct Dealt {
    roster: Roster,
    secret: dkg::round1::SecretPackage,
    package: KeyRound1,
}

pub(crate) struct Shared {
    roster: Roster,
    round1: BTreeMap<Identifier, KeyRound1>,
    /// Our polynomial's value for ourselves.
    own_share: SecretScalar,
    dealing: KeyShares,
}

/// A key that is ready to be stored.
pub(crate) struct Finished {
    pub(crate) facts: KeyFacts,
    pub(crate) share: SecretScalar,
}

/// Why an attempt gives no key.
pub(crate) enum Failure {
    Complaints(Vec<KeyComplaint>),
    Denied(Denial),
}

impl Roster {
    /// The facts of `proposal`, if it is for a key of `definition` that `node` is a member of.
    pub(crate) fn new(definition: &Definition, node: NodeId, proposal: KeyProposal) -> Option<Self> {
        let key = definition.key(&proposal.key_name).filter(|_| proposal.definition == definition.digest())?;
        let vault_key =
            |(identifier, node): (&Identifier, &NodeId)| Some((*identifier, definition.nodes.get(node)?.vault_key));
        let network = definition.network_id();
        Some(Self {
            network,
            key_id: proposal.key_id(network),
            threshold: key.threshold,
            identifier: key.identifier_of(node)?,
            vault_keys: key.members.iter().map(vault_key).collect::<Option<_>>()?,
            nodes: key.members.clone(),
            proposal,
        })
    }

    fn route(&self, dealer: Identifier, recipient: Identifier) -> Route {
        Route { network: self.network, key_id: self.key_id, dealer, recipient }
    }

    fn others(&self) -> impl Iterator<Item = (Identifier, &Point)> {
        self.vault_keys.iter().map(|(member, key)| (*member, key)).filter(|(member, _)| *member != self.identifier)
    }
}

impl Dealt {
    /// Makes a polynomial of degree t-1 and its package.
    pub(crate) fn new<R: RngCore + CryptoRng>(roster: Roster, rng: &mut R) -> Option<Self> {
        let size = u16::try_from(roster.vault_keys.len()).ok()?;
        let identifier = suite::identifier(roster.identifier)?;
        let (secret, package) = dkg::part1(identifier, size, roster.threshold, rng).ok()?;
        Self::from_frost(roster, secret, &package)
    }

    pub(crate) fn from_frost(
        roster: Roster,
        secret: dkg::round1::SecretPackage,
        package: &dkg::round1::Package,
    ) -> Option<Self> {
        let commitment = package.commitment().serialize().ok()?;
        let proof = package.proof_of_knowledge();
        let package = KeyRound1 {
            commitment: commitment.iter().map(|bytes| suite::point_from_frost(bytes)).collect::<Option<_>>()?,
            proof_r: point(proof.R())?,
            proof_z: PublicScalar::from_slice(&proof.z().to_bytes()).ok()?,
        };
        assert_eq!(package.commitment.len(), usize::from(roster.threshold), "our own polynomial has t coefficients");
        Some(Self { roster, secret, package })
    }

    pub(crate) fn package(&self) -> &KeyRound1 {
        &self.package
    }

    /// Checks all packages, freezes them and encrypts our shares. Lengths come before any arithmetic (R25).
    pub(crate) fn share<R: RngCore + CryptoRng>(
        self,
        round1: BTreeMap<Identifier, KeyRound1>,
        rng: &mut R,
    ) -> Result<Shared, Denial> {
        let Self { roster, secret, package } = self;
        if !round1.keys().eq(roster.vault_keys.keys()) || round1.get(&roster.identifier) != Some(&package) {
            return Err(Code::VaultRefused.into());
        }
        let length = usize::from(roster.threshold);
        if let Some((member, _)) = round1.iter().find(|(_, package)| package.commitment.len() != length) {
            return Err(Denial::by(Code::DkgRound1Invalid, *member));
        }
        let mut packages = BTreeMap::new();
        for (member, _) in roster.others() {
            let package = round1.get(&member).and_then(frost_package).zip(suite::identifier(member));
            let (package, identifier) = package.ok_or_else(|| Denial::by(Code::DkgRound1Invalid, member))?;
            packages.insert(identifier, package);
        }
        let (secret, shares) = dkg::part2(secret, &packages).map_err(|error| blame(&roster, &error))?;
        let own_share = SecretScalar::from_scalar(secret.secret_share()).ok_or(Code::VaultRefused)?;
        let dealing = deal(&roster, &shares, rng).ok_or(Code::VaultRefused)?;
        Ok(Shared { roster, round1, own_share, dealing })
    }
}

impl Shared {
    pub(crate) fn dealing(&self) -> &KeyShares {
        &self.dealing
    }

    /// Opens and checks our shares against the frozen packages. Consumes the attempt: after complaints were made, which
    /// open some shares, this attempt can never give a key.
    pub(crate) fn finish<R: RngCore + CryptoRng>(
        self,
        key: &DecryptionKey,
        dealings: &BTreeMap<Identifier, KeyShares>,
        rng: &mut R,
    ) -> Result<Finished, Failure> {
        let denied = |denial: Denial| Failure::Denied(denial);
        self.check_dealings(dealings).map_err(denied)?;
        let me = self.roster.identifier;
        let open = |(dealer, dealing): (&Identifier, &KeyShares)| {
            let ciphertext = dealing.sealed.get(&me)?;
            let share = self.roster.route(*dealer, me).decrypt(&key.shared_point(&dealing.ephemeral), ciphertext);
            Some((*dealer, share))
        };
        let received: BTreeMap<_, _> = dealings.iter().filter_map(open).collect();
        let (share, (group_key, verifying_shares)) = match self.combine(&received) {
            Ok(combined) => combined,
            Err(Combination::Unusable) => return Err(denied(Code::GroupKeyUnusable.into())),
            Err(Combination::Misfits(dealers)) => {
                let complain = |dealer: &Identifier| {
                    let ephemeral = &dealings.get(dealer)?.ephemeral;
                    Some(complaint::prove(self.roster.route(*dealer, me), key, ephemeral, rng))
                };
                return Err(Failure::Complaints(dealers.iter().filter_map(complain).collect()));
            }
        };
        let Self { roster, round1, .. } = self;
        let (network, key_id) = (roster.network, roster.key_id);
        let transcript = transcript(network, key_id, &round1, dealings, &group_key, &verifying_shares);
        let facts = KeyFacts {
            proposal: roster.proposal,
            identifier: me,
            threshold: roster.threshold,
            transcript,
            group_key,
            verifying_shares,
        };
        Ok(Finished { facts, share })
    }

    /// Everything about the dealings that needs no secret: who dealt, to whom, and that ours is ours.
    fn check_dealings(&self, dealings: &BTreeMap<Identifier, KeyShares>) -> Result<(), Denial> {
        let members = &self.roster.vault_keys;
        if !dealings.keys().eq(members.keys()) || dealings.get(&self.roster.identifier) != Some(&self.dealing) {
            return Err(Code::VaultRefused.into());
        }
        for (dealer, dealing) in dealings {
            let roster = &self.roster;
            let own = roster.nodes.get(dealer).is_some_and(|node| dealing.is_by(roster.network, roster.key_id, *node));
            // What another may have made is not opened, also not to complain about it.
            if !own || !dealing.sealed.keys().eq(members.keys().filter(|member| *member != dealer)) {
                return Err(Denial::by(Code::DkgShareInvalid, *dealer));
            }
        }
        Ok(())
    }

    /// Adds up the shares and tests the sum; only where that fails, each dealer's share (CRYPTO 2.4).
    pub(crate) fn combine(
        &self,
        received: &BTreeMap<Identifier, Option<SecretScalar>>,
    ) -> Result<(SecretScalar, GroupPublic), Combination> {
        let me = self.roster.identifier;
        assert!(received.keys().copied().eq(self.roster.others().map(|(member, _)| member)), "one share per dealer");
        let unreadable: Vec<_> =
            received.iter().filter(|(_, share)| share.is_none()).map(|(dealer, _)| *dealer).collect();
        if !unreadable.is_empty() {
            return Err(Combination::Misfits(self.misfits(received)));
        }
        let shares = received.values().flatten().map(|share| *share.scalar());
        let total = SecretScalar::from_scalar(shares.fold(*self.own_share.scalar(), |sum, share| sum + share));
        let commitment = sum(self.round1.values().map(|package| &package.commitment[..]), self.roster.threshold.into());
        let expected = evaluate_elements(&commitment, me);
        if total.as_ref().map(SecretScalar::public).unwrap_or_default() != expected {
            let misfits = self.misfits(received);
            assert!(!misfits.is_empty(), "the sum of fitting shares fits the sum of commitments");
            return Err(Combination::Misfits(misfits));
        }
        let share = total.ok_or(Combination::Unusable)?;
        let value = |member: &Identifier| Some((*member, point(&evaluate_elements(&commitment, *member))?));
        let verifying_shares: Option<BTreeMap<_, _>> = self.roster.vault_keys.keys().map(value).collect();
        let group_key = commitment.first().and_then(point).filter(|key| PublicScalar::from_slice(&key.x()).is_ok());
        let (Some(verifying_shares), Some(group_key)) = (verifying_shares, group_key) else {
            return Err(Combination::Unusable);
        };
        Ok((share, (group_key, verifying_shares)))
    }

    /// The dealers whose share does not fit their frozen commitment.
    fn misfits(&self, received: &BTreeMap<Identifier, Option<SecretScalar>>) -> Vec<Identifier> {
        let me = self.roster.identifier;
        let fits = |dealer: &Identifier, share: &SecretScalar| {
            let commitment = self.round1.get(dealer).map(|package| package.commitment.as_slice()).unwrap_or_default();
            let elements: Vec<_> = commitment.iter().map(projective).collect();
            share.public() == evaluate_elements(&elements, me)
        };
        assert!(fits(&me, &self.own_share), "our own share fits our own commitment");
        let misfit = |(dealer, share): (&Identifier, &Option<SecretScalar>)| {
            (!share.as_ref().is_some_and(|share| fits(dealer, share))).then_some(*dealer)
        };
        received.iter().filter_map(misfit).collect()
    }
}

/// The public part of a generated key: its group key and verifying shares.
type GroupPublic = (Point, BTreeMap<Identifier, Point>);

/// Why shares do not combine to a key.
pub(crate) enum Combination {
    /// These dealers' shares do not fit.
    Misfits(Vec<Identifier>),
    /// A verifying share is the identity, or the chain cannot verify the group key. Nobody's provable fault.
    Unusable,
}

impl KeyFacts {
    pub(crate) fn outcome(&self) -> KeyOutcome {
        KeyOutcome {
            transcript: self.transcript,
            group_key: self.group_key,
            verifying_shares: self.verifying_shares.clone(),
        }
    }
}

fn frost_package(package: &KeyRound1) -> Option<dkg::round1::Package> {
    let commitment = package.commitment.iter().map(Point::compressed);
    let commitment = frost::keys::VerifiableSecretSharingCommitment::deserialize(commitment).ok()?;
    let proof = frost::Signature::new(projective(&package.proof_r), package.proof_z.to_scalar());
    Some(dkg::round1::Package::new(commitment, proof))
}

/// Names the member whose package frost refused.
fn blame(roster: &Roster, error: &frost::Error) -> Denial {
    let culprits = error.culprits();
    let culprit =
        roster.others().find(|(member, _)| suite::identifier(*member).is_some_and(|id| culprits.contains(&id)));
    Denial { code: Code::DkgRound1Invalid, culprit: culprit.map(|(member, _)| member) }
}

fn deal<R: RngCore + CryptoRng>(
    roster: &Roster,
    shares: &BTreeMap<frost::Identifier, dkg::round2::Package>,
    rng: &mut R,
) -> Option<KeyShares> {
    let ephemeral = SecretScalar::random(rng);
    let seal = |(recipient, vault_key): (Identifier, &Point)| {
        let share = shares.get(&suite::identifier(recipient)?)?.signing_share();
        let share = SecretScalar::parse(&zeroize::Zeroizing::new(share.serialize()))?;
        let shared = projective(vault_key) * ephemeral.scalar();
        Some((recipient, roster.route(roster.identifier, recipient).encrypt(&shared, &share)))
    };
    let sealed = roster.others().map(seal).collect::<Option<_>>()?;
    let node = *roster.nodes.get(&roster.identifier)?;
    let possession = possess(roster.network, roster.key_id, node, &ephemeral, rng)?;
    Some(KeyShares { ephemeral: point(&ephemeral.public())?, possession, sealed })
}

#[cfg(test)]
mod tests;
