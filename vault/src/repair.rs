//! Repair of a lost share by t helpers (CRYPTO 1.3): the same share of the same epoch, and nobody else's changes.
//!
//! Helper i owes lambda_i(target) s_i. It splits that at random into a part for each helper; each helper adds up the parts that
//! it got; the sums add up to the lost share. All of it is sealed, and for the last only the target has the key.
//!
//! Parts and sums are sealed under two points, of which one is of both vaults' keys: so nobody but the named vault can have
//! made them. Else whoever feeds the vaults of t helpers, without their keys, could mix parts of its own with one helper's, and
//! have the target's vault open that helper's share. As it is, every sum takes one part of each helper, made for this repair: then
//! whatever is asked, and however often, nothing but multiples of the lost share can come of it.
//!
//! The scheme has no check of its own: the result must fit the verifying share that the certificate states. Which helper was
//! wrong does not show, except where what it sent does not open.

use crate::Vault;
use crate::api::{Decision, RepairFinish, Reply};
use crate::dealing::{Route, possess};
use crate::denial::Denial;
use crate::held::HeldKey;
use crate::limits::DEALT_MAX;
use crate::record::KeyFacts;
use crate::suite::{SecretScalar, point, projective};
use firn_proto::certificate::KeyCertificate;
use firn_proto::definition::KeyDefinition;
use firn_proto::message::KeyShares;
use firn_proto::polynomial::lagrange_at;
use firn_proto::{Code, Identifier, KeyId, Point, Repair};
use k256::Scalar;
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A repair as one of its vaults sees it.
struct Session<'a> {
    vault: &'a Vault,
    id: KeyId,
    key: &'a KeyDefinition,
    me: Identifier,
}

impl<'a> Session<'a> {
    fn new(vault: &'a Vault, repair: &Repair, certificate: &KeyCertificate) -> Result<Self, Denial> {
        let key = repair.key(&vault.definition, certificate)?;
        let me = key.identifier_of(vault.node).ok_or(Code::RepairInvalid)?;
        Ok(Self { vault, id: repair.id(vault.network), key, me })
    }

    /// A helper's side: it holds a share of this very epoch.
    fn helper(vault: &'a Vault, repair: &Repair) -> Result<(Self, &'a HeldKey), Denial> {
        let held = vault.certified(repair.key_id, repair.epoch)?;
        let session = Self::new(vault, repair, held.certificate.as_ref().ok_or(Code::KeyNotReady)?)?;
        if !repair.helpers.contains(&session.me) {
            return Err(Code::RepairInvalid.into());
        }
        Ok((session, held))
    }

    fn vault_key(&self, member: Identifier) -> Option<&Point> {
        let node = self.key.members.get(&member)?;
        self.vault.definition.nodes.get(node).map(|node| &node.vault_key)
    }

    fn route(&self, dealer: Identifier, recipient: Identifier) -> Route {
        Route { network: self.vault.network, key_id: self.id, dealer, recipient }
    }

    /// Seals values of ours, each for its member's vault.
    fn seal<R: RngCore + CryptoRng>(
        &self,
        values: impl Iterator<Item = (Identifier, SecretScalar)>,
        rng: &mut R,
    ) -> Option<KeyShares> {
        let ephemeral = SecretScalar::random(rng);
        let seal = |(member, value): (Identifier, SecretScalar)| {
            let key = self.vault_key(member)?;
            let shared = [projective(key) * ephemeral.scalar(), self.vault.keys.decryption.shared_point(key)];
            Some((member, self.route(self.me, member).encrypt_by(&shared, &value)))
        };
        let sealed = values.map(seal).collect::<Option<_>>()?;
        let possession = possess(self.vault.network, self.id, self.vault.node, &ephemeral, rng)?;
        Some(KeyShares { ephemeral: point(&ephemeral.public())?, possession, sealed })
    }

    /// Adds up what every helper has sealed for us, and nobody else.
    fn sum(&self, repair: &Repair, sealed: &BTreeMap<Identifier, KeyShares>) -> Result<SecretScalar, Denial> {
        if !sealed.keys().eq(repair.helpers.iter()) {
            return Err(Code::RepairInvalid.into());
        }
        let mut parts = Vec::new();
        for (from, made) in sealed {
            let open = || {
                let keys = &self.vault.keys.decryption;
                let shared = [keys.shared_point(&made.ephemeral), keys.shared_point(self.vault_key(*from)?)];
                self.route(*from, self.me).decrypt_by(&shared, made.sealed.get(&self.me)?)
            };
            parts.push(open().ok_or_else(|| Denial::by(Code::RepairWrong, *from))?);
        }
        sum(&parts).ok_or_else(|| Code::RepairWrong.into())
    }
}

/// Splits a secret at random into so many parts: all but one of them say nothing about it.
fn split<R: RngCore + CryptoRng>(secret: &SecretScalar, count: usize, rng: &mut R) -> Option<Vec<SecretScalar>> {
    let mut parts: Vec<_> = (1..count).map(|_| SecretScalar::random(rng)).collect();
    let rest = parts.iter().fold(*secret.scalar(), |rest, part| rest - part.scalar());
    parts.push(SecretScalar::from_scalar(rest)?);
    Some(parts)
}

fn sum(parts: &[SecretScalar]) -> Option<SecretScalar> {
    SecretScalar::from_scalar(parts.iter().fold(Scalar::ZERO, |sum, part| sum + part.scalar()))
}

/// What a helper owes: its share times its Lagrange coefficient at the target.
fn owed(repair: &Repair, me: Identifier, share: &SecretScalar) -> Option<SecretScalar> {
    let helpers: Vec<_> = repair.helpers.iter().copied().collect();
    SecretScalar::from_scalar(lagrange_at(&helpers, me, repair.target)? * share.scalar())
}

impl Vault {
    /// A helper's parts for all helpers, itself included, so that nothing has to be kept. Once for each repair.
    pub(crate) fn repair_deal<R: RngCore + CryptoRng>(
        &mut self,
        repair: &Repair,
        rng: &mut R,
    ) -> Result<Reply, Denial> {
        let (session, held) = Session::helper(self, repair)?;
        let id = session.id;
        if self.dealt.contains(&id) || self.dealt.len() >= DEALT_MAX {
            return Err(Code::DkgConflict.into());
        }
        let share = Zeroizing::new(held.package().signing_share().serialize());
        let owed = SecretScalar::parse(&share).and_then(|share| owed(repair, session.me, &share));
        let parts = owed.and_then(|owed| split(&owed, repair.helpers.len(), rng)).ok_or(Code::VaultRefused)?;
        let parts = repair.helpers.iter().copied().zip(parts);
        let deltas = session.seal(parts, rng).ok_or(Code::VaultRefused)?;
        self.dealt.insert(id);
        Ok(Reply::RepairDealt { repair: id, deltas })
    }

    /// The sum of the parts that all helpers made for us, sealed for the target.
    pub(crate) fn repair_sum<R: RngCore + CryptoRng>(
        &self,
        repair: &Repair,
        deltas: &BTreeMap<Identifier, KeyShares>,
        rng: &mut R,
    ) -> Result<Reply, Denial> {
        let (session, _) = Session::helper(self, repair)?;
        let sum = session.sum(repair, deltas)?;
        let sigma = session.seal(std::iter::once((repair.target, sum)), rng).ok_or(Code::VaultRefused)?;
        Ok(Reply::RepairSummed { repair: session.id, sigma })
    }

    /// Our share again, if it is the one that was lost. It counts as attested: the certificate, which has our signature, is
    /// stored with it, and t members have signed with shares of this epoch.
    pub(crate) fn repair_finish<R: RngCore + CryptoRng>(
        &mut self,
        ask: &RepairFinish,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let RepairFinish { repair, certificate, activation, sigmas } = ask;
        let session = Session::new(self, repair, certificate)?;
        let done = Reply::Repaired { repair: session.id };
        let activated = activation.verifies(certificate.group_key(), certificate.activation(self.network).0);
        if session.me != repair.target || !activated {
            return Err(Code::RepairInvalid.into());
        }
        if self.buried.contains(&repair.key_id) {
            return Err(Code::EpochRetired.into());
        }
        match self.held.get(&self.place_of(repair.key_id)) {
            // A repair before this one has stored it: what is held is never replaced.
            Some(held) if held.certificate.as_ref() == Some(&**certificate) => {
                return Ok(Decision { writes: Vec::new(), reply: done });
            }
            Some(_) => return Err(Code::RepairInvalid.into()),
            None => {}
        }
        let facts = KeyFacts {
            proposal: certificate.proposal().clone(),
            identifier: session.me,
            threshold: session.key.threshold,
            transcript: certificate.transcript(),
            group_key: *certificate.group_key(),
            verifying_shares: certificate.verifying_shares().clone(),
        };
        let mut held = HeldKey::new(facts, &session.sum(repair, sigmas)?).ok_or(Code::RepairWrong)?;
        held.attested = true;
        held.certificate = Some((**certificate).clone());
        let Decision { writes, .. } = self.store(repair.key_id, held, rng)?;
        Ok(Decision { writes, reply: done })
    }
}

#[cfg(test)]
mod tests;
