//! The next epoch of a key: the same group key, in other shares, among the same members or others (CRYPTO section 5).
//!
//! Verifiable redistribution in its unweighted form. Each dealer shares its own share by a polynomial whose constant term
//! everybody knows: the dealer's verifying share, which the certificate of the epoch before states. So no dealer can bring in
//! anything else, and any t good dealings give the new epoch. A refresh is the case in which nobody joins or leaves.
//!
//! Nothing of a dealing stays here: the polynomial is gone once it is sealed, a dealer that stays seals a value to itself, and
//! what a member was sent is opened anew each time that it is asked about.

use crate::Vault;
use crate::api::{Decision, Redeals, Reply};
use crate::complaint;
use crate::dealing::{Route, possess};
use crate::denial::Denial;
use crate::held::HeldKey;
use crate::limits::DEALT_MAX;
use crate::record::KeyFacts;
use crate::suite::{SecretScalar, point, projective};
use firn_proto::certificate::{KeyCertificate, KeyProposal, reshare_transcript};
use firn_proto::definition::KeyDefinition;
use firn_proto::message::{KeyComplaint, KeyRedeal, KeyShares};
use firn_proto::polynomial::{combine, evaluate_elements, lagrange_at_zero};
use firn_proto::{Code, GroupSignature, Identifier, KeyId, NodeId, Point};
use k256::{ProjectivePoint, Scalar};
use rand_core::{CryptoRng, RngCore};
use std::collections::{BTreeMap, BTreeSet};

/// One resharing as this vault sees it: from whom, to whom.
struct Handover<'a> {
    vault: &'a Vault,
    key_id: KeyId,
    source: &'a KeyCertificate,
    /// The key as the new epoch has it.
    key: &'a KeyDefinition,
    /// The key as the epoch before has it.
    before: &'a KeyDefinition,
}

/// What a member makes of one dealing.
enum Found {
    Good(SecretScalar),
    /// What the dealer signed is wrong for all to see.
    Faulty,
    /// Only we can see that our share does not fit, and prove it.
    Misfit,
}

impl<'a> Handover<'a> {
    /// Checks who and what against our definition and the certificate of the epoch before.
    fn new(vault: &'a Vault, proposal: &KeyProposal, source: &'a KeyCertificate) -> Result<Self, Code> {
        let (definition, name) = (&vault.definition, &proposal.key_name);
        let version = definition.at(source.proposal().definition);
        let (key, before) =
            definition.key(name).zip(version.and_then(|version| version.key(name))).ok_or(Code::KeyUnknown)?;
        let fits = proposal.definition == definition.digest()
            && proposal.from == Some(source.source())
            && source.proposal().key_name == *name
            && key.purpose == before.purpose;
        if !fits {
            return Err(Code::DkgProposalInvalid);
        }
        key.may_follow(before)?;
        Ok(Self { vault, key_id: proposal.key_id(vault.network), source, key, before })
    }

    fn route(&self, dealer: Identifier, recipient: Identifier) -> Route {
        Route { network: self.vault.network, key_id: self.key_id, dealer, recipient }
    }

    fn vault_key(&self, node: &NodeId) -> Option<&Point> {
        self.vault.definition.nodes.get(node).map(|node| &node.vault_key)
    }

    /// Shares our share: a fresh polynomial of degree t'-1 through it, each member's value sealed to its vault.
    fn deal<R: RngCore + CryptoRng>(&self, held: &HeldKey, rng: &mut R) -> Option<KeyRedeal> {
        let share = zeroize::Zeroizing::new(held.package().signing_share().serialize());
        let mut coefficients = vec![SecretScalar::parse(&share)?];
        coefficients.extend((1..self.key.threshold).map(|_| SecretScalar::random(rng)));
        let commitment: Option<Vec<_>> = coefficients.iter().map(|coefficient| point(&coefficient.public())).collect();
        let ephemeral = SecretScalar::random(rng);
        let seal = |(recipient, node): (&Identifier, &NodeId)| {
            let shared = projective(self.vault_key(node)?) * ephemeral.scalar();
            let value = SecretScalar::evaluate(&coefficients, *recipient)?;
            Some((*recipient, self.route(held.facts.identifier, *recipient).encrypt(&shared, &value)))
        };
        let sealed = self.key.members.iter().map(seal).collect::<Option<_>>()?;
        let possession = possess(self.vault.network, self.key_id, self.vault.node, &ephemeral, rng)?;
        let shares = KeyShares { ephemeral: point(&ephemeral.public())?, possession, sealed };
        Some(KeyRedeal { commitment: commitment?, shares })
    }

    /// Length, constant term and recipients first, before any arithmetic; then our own share.
    fn look(&self, dealer: Identifier, redeal: &KeyRedeal, me: Identifier) -> Found {
        let known = self.source.verifying_shares().get(&dealer);
        // What another may have made is not opened, also not to complain about it.
        let own = self.before.members.get(&dealer);
        let own = own.is_some_and(|node| redeal.shares.is_by(self.vault.network, self.key_id, *node));
        if redeal.commitment.len() != usize::from(self.key.threshold)
            || !own
            || redeal.commitment.first() != known
            || !redeal.shares.sealed.keys().eq(self.key.members.keys())
        {
            return Found::Faulty;
        }
        let shared = self.vault.keys.decryption.shared_point(&redeal.shares.ephemeral);
        let share = redeal.shares.sealed.get(&me).and_then(|sealed| self.route(dealer, me).decrypt(&shared, sealed));
        let elements: Vec<_> = redeal.commitment.iter().map(projective).collect();
        match share {
            Some(share) if share.public() == evaluate_elements(&elements, me) => Found::Good(share),
            _ => Found::Misfit,
        }
    }

    fn complain<R: RngCore + CryptoRng>(
        &self,
        me: Identifier,
        (dealer, redeal): (Identifier, &KeyRedeal),
        rng: &mut R,
    ) -> KeyComplaint {
        complaint::prove(self.route(dealer, me), &self.vault.keys.decryption, &redeal.shares.ephemeral, rng)
    }

    /// Our share of the new epoch, from exactly t good dealings.
    fn combine(
        &self,
        proposal: KeyProposal,
        me: Identifier,
        redeals: &BTreeMap<Identifier, KeyRedeal>,
    ) -> Result<HeldKey, Denial> {
        let dealers: Vec<_> = redeals.keys().copied().collect();
        if dealers.len() != usize::from(self.before.threshold) {
            return Err(Code::ReshareDealersTooFew.into());
        }
        let mut total = Scalar::ZERO;
        let mut weights = Vec::new();
        for (dealer, redeal) in redeals {
            let weight = lagrange_at_zero(&dealers, *dealer).ok_or(Code::VaultRefused)?;
            let Found::Good(share) = self.look(*dealer, redeal, me) else {
                return Err(Denial::by(Code::ReshareDealingInvalid, *dealer));
            };
            total += weight * share.scalar();
            weights.push((weight, redeal.commitment.as_slice()));
        }
        let share = SecretScalar::from_scalar(total).ok_or(Code::GroupKeyUnusable)?;
        let commitment = combine(&weights, self.key.threshold.into());
        // Whoever dealt, the key stays: each constant term is a verifying share of the one before (R33).
        let group_key = commitment.first().and_then(point).filter(|key| key == self.source.group_key());
        let group_key = group_key.ok_or(Code::GroupKeyUnusable)?;
        if commitment.last() == Some(&ProjectivePoint::IDENTITY) {
            return Err(Code::GroupKeyUnusable.into());
        }
        let value = |member: &Identifier| Some((*member, point(&evaluate_elements(&commitment, *member))?));
        let verifying_shares: Option<BTreeMap<_, _>> = self.key.members.keys().map(value).collect();
        let verifying_shares = verifying_shares.ok_or(Code::GroupKeyUnusable)?;
        let transcript = reshare_transcript(self.vault.network, self.key_id, redeals, &group_key, &verifying_shares);
        let threshold = self.key.threshold;
        let facts = KeyFacts { proposal, identifier: me, threshold, transcript, group_key, verifying_shares };
        HeldKey::new(facts, &share).ok_or_else(|| Code::GroupKeyUnusable.into())
    }
}

impl Vault {
    /// Deals our share of the epoch before to the members of the next, once.
    pub(crate) fn redeal<R: RngCore + CryptoRng>(
        &mut self,
        proposal: &KeyProposal,
        rng: &mut R,
    ) -> Result<Reply, Denial> {
        let key_id = proposal.key_id(self.network);
        let from = proposal.from.ok_or(Code::DkgProposalInvalid)?;
        if self.dealt.contains(&key_id) || self.buried.contains(&key_id) || self.dealt.len() >= DEALT_MAX {
            return Err(Code::DkgConflict.into());
        }
        let held = self.certified(from.key_id, from.epoch)?;
        let source = held.certificate.as_ref().ok_or(Code::KeyNotReady)?;
        let redeal = Handover::new(self, proposal, source)?.deal(held, rng).ok_or(Code::VaultRefused)?;
        self.dealt.insert(key_id);
        Ok(Reply::Redealt { key_id, redeal: Box::new(redeal) })
    }

    /// Which dealings are good, which are wrong for all to see, and complaints about those of which only our share is wrong.
    pub(crate) fn check_redeals<R: RngCore + CryptoRng>(&self, ask: &Redeals, rng: &mut R) -> Result<Reply, Denial> {
        let handover = Handover::new(self, &ask.proposal, &ask.source)?;
        let me = handover.key.identifier_of(self.node).ok_or(Code::VaultRefused)?;
        let (mut good, mut faulty, mut complaints) = (BTreeSet::new(), Vec::new(), Vec::new());
        for (dealer, redeal) in &ask.redeals {
            match handover.look(*dealer, redeal, me) {
                Found::Good(_) => drop(good.insert(*dealer)),
                Found::Faulty => faulty.push(*dealer),
                Found::Misfit => complaints.push(handover.complain(me, (*dealer, redeal), rng)),
            }
        }
        Ok(Reply::Checked { key_id: handover.key_id, good, faulty, complaints })
    }

    /// Stores our share of the new epoch as pending, made of the dealings that all members have agreed on.
    pub(crate) fn finish_redeals<R: RngCore + CryptoRng>(
        &mut self,
        ask: &Redeals,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let handover = Handover::new(self, &ask.proposal, &ask.source)?;
        let me = handover.key.identifier_of(self.node).ok_or(Code::VaultRefused)?;
        let key_id = handover.key_id;
        if self.buried.contains(&key_id) || self.holds(key_id) {
            return Err(Code::DkgConflict.into());
        }
        let held = handover.combine(ask.proposal.clone(), me, &ask.redeals)?;
        self.store(key_id, held, rng)
    }

    /// Erases our share of the epoch before one that is active: t members of that have signed with theirs (R33). A member of
    /// the new one lets go of its old share only when it holds the new one.
    pub(crate) fn retire<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        successor: &KeyCertificate,
        activation: &GroupSignature,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let done = Reply::Retired { key_id };
        if self.buried.contains(&key_id) {
            return Ok(Decision { writes: Vec::new(), reply: done });
        }
        let old = self.held.get(&self.place_of(key_id)).ok_or(Code::ShareMissing)?;
        // A pending share of an epoch that came to nothing is a share of the same key.
        let known = old.facts.group_key == *successor.group_key() && old.facts.proposal.epoch() < successor.epoch();
        if !known || !activation.verifies(successor.group_key(), successor.activation(self.network).0) {
            return Err(Code::VaultRefused.into());
        }
        let KeyProposal { definition, key_name, .. } = successor.proposal();
        let key = self.definition.at(*definition).and_then(|version| version.key(key_name));
        if key.is_some_and(|key| key.identifier_of(self.node).is_some()) {
            self.certified(successor.key_id(), successor.epoch()).map_err(|_| Code::KeyNotReady)?;
        }
        let writes = self.bury(key_id, rng)?;
        self.pools.drop_key(key_id);
        Ok(Decision { writes, reply: done })
    }
}

#[cfg(test)]
mod tests;
