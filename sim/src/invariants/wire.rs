//! What was said in a run, taken apart: packages by their hash, digests under signatures, the keys' public parts. With it,
//! anybody can judge a share, by the arithmetic that RFC 9591's vectors test, and a signature, by the stock implementation.

use super::secrets::{Held, Keys};
use crate::history::{Entry, What};
use crate::world::World;
use firn_coordinator::arithmetic::Session;
use firn_proto::certificate::KeyProposal;
use firn_proto::message::{KeyRedeal, SigningPackage};
use firn_proto::{
    Digest, GroupSignature, Identifier, KeyId, Message, NodeId, Point, PublicScalar, SubjectId, Verified,
};
use firn_vault::api::Write;
use frost_secp256k1 as frost;
use std::collections::BTreeMap;

/// Everything public of a run that later checks look up.
#[derive(Debug, Default)]
pub struct Wire {
    packages: BTreeMap<Digest, SigningPackage>,
    digests: BTreeMap<SubjectId, Digest>,
    secrets: BTreeMap<NodeId, Keys>,
    held: BTreeMap<(NodeId, KeyId), Held>,
    proposals: BTreeMap<KeyId, KeyProposal>,
}

impl Wire {
    /// Takes in what `entry` shows.
    pub fn see(&mut self, entry: &Entry, world: &World) {
        match &entry.what {
            What::Sent { kind: "signing-package", .. } => {
                if let Some(Message::SigningPackage(package)) = world.message().map(Verified::content) {
                    self.packages.entry(package.hash()).or_insert_with(|| (**package).clone());
                }
            }
            What::Sent { kind: "key-proposal", session, .. } => {
                if let Some(Message::KeyProposal(proposal)) = world.message().map(Verified::content) {
                    self.proposals.entry((*session).into()).or_insert_with(|| proposal.clone());
                }
            }
            What::Posted { request, .. } => {
                if let Some(posted) = world.requests().get(*request) {
                    let payloads = [Some(posted.request.clone()), posted.request.second(world.definition())];
                    for payload in payloads.into_iter().flatten() {
                        self.digests.insert(payload.id(), payload.payload_digest(world.definition()));
                    }
                }
            }
            What::Released { subject, digest, .. } => {
                self.digests.entry(*subject).or_insert(*digest);
            }
            What::Started { .. } => {
                let process = entry.process.and_then(|id| world.process(id));
                let records = process.into_iter().flat_map(|process| &process.disk.visible().vault);
                records.for_each(|(key, sealed)| self.learn(entry, world, key, sealed));
            }
            What::Synced { .. } => {
                for write in &world.synced_batch().writes {
                    if let Write::Put { key, value } = write {
                        self.learn(entry, world, key, value);
                    }
                }
            }
            _ => {}
        }
    }

    fn learn(&mut self, entry: &Entry, world: &World, key: &[u8], sealed: &[u8]) {
        let Some(node) = entry.process.map(|process| process.node).filter(|_| key.starts_with(b"share/")) else {
            return;
        };
        let held = self.keys(world, node).held(key, sealed);
        self.held.extend(held.map(|held| ((node, held.key_id), held)));
    }

    /// The long-lived secrets of a node.
    fn keys(&mut self, world: &World, node: NodeId) -> &Keys {
        let network = world.definition().network_id();
        self.secrets.entry(node).or_insert_with(|| Keys::new(network, node, world.seed_root(node)))
    }

    /// The shares that have ever been on disks.
    pub fn held(&self) -> impl Iterator<Item = (NodeId, &Held)> {
        self.held.iter().map(|((node, _), held)| (*node, held))
    }

    /// A node's share of a key.
    #[must_use]
    pub fn held_by(&self, node: NodeId, key_id: KeyId) -> Option<&Held> {
        self.held.get(&(node, key_id))
    }

    /// Whether a dealing for a next epoch is wrong for all to see: its length, its constant term or its recipients.
    #[must_use]
    pub fn is_wrong(&self, world: &World, key_id: KeyId, dealer: NodeId, redeal: &KeyRedeal) -> Option<bool> {
        let proposal = self.proposals.get(&key_id)?;
        let version = world.versions().find(|version| version.digest() == proposal.definition)?;
        let (key, from) = (version.key(&proposal.key_name)?, proposal.from?);
        let (_, before) = self.held().find(|(_, held)| held.key_id == from.key_id)?;
        Some(
            redeal.commitment.len() != usize::from(key.threshold)
                || redeal.commitment.first() != before.verifying_shares.get(&Identifier(dealer.0))
                || !redeal.shares.sealed.keys().eq(key.members.keys()),
        )
    }

    /// The package of this hash, if it was ever sent.
    #[must_use]
    pub fn package(&self, hash: Digest) -> Option<&SigningPackage> {
        self.packages.get(&hash)
    }

    /// What is signed where this subject is.
    #[must_use]
    pub fn digest(&self, subject: SubjectId) -> Option<Digest> {
        self.digests.get(&subject).copied()
    }

    /// Whether `share` is `node`'s for the package of this hash; `None` where the package is not known.
    #[must_use]
    pub fn share_fits(&self, hash: Digest, node: NodeId, share: &PublicScalar) -> Option<bool> {
        let package = self.packages.get(&hash)?;
        let outcome = self.held().find(|(_, held)| held.key_id == package.key_id)?.1;
        let digest = self.digests.get(&package.subject)?;
        // Whoever is a member in any version has that identifier in all.
        let identifier_of =
            |node: NodeId| Some(Identifier(node.0)).filter(|id| outcome.verifying_shares.contains_key(id));
        let identifier = identifier_of(node)?;
        package.commitments.get(&node)?;
        let session = Session::of_package(package, &outcome.group_key, *digest, identifier_of)?;
        Some(session.share_fits(identifier, outcome.verifying_shares.get(&identifier)?, share))
    }
}

/// Whether the contract would take this signature: the rule of RFC 9591 section 6.5, by the stock implementation.
#[must_use]
pub fn verifies(group_key: &Point, digest: Digest, signature: &GroupSignature) -> bool {
    let bytes = signature.as_bytes();
    let mut point = [4; 65];
    point[1..].copy_from_slice(&bytes[..64]);
    let Ok(point) = Point::from_slice(&point) else { return false };
    let encoded = [&point.compressed()[..], &bytes[64..]].concat();
    let signature = frost::Signature::deserialize(&encoded).ok();
    signature.zip(verifying_key(group_key)).is_some_and(|(signature, key)| key.verify(&digest.0, &signature).is_ok())
}

fn verifying_key(point: &Point) -> Option<frost::VerifyingKey> {
    frost::VerifyingKey::deserialize(&point.compressed()).ok()
}
