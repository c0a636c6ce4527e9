//! What key generation ends with: the transcript, the certificate of all members, and the activation.

use crate::author::AuthorSignature;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition};
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, Epoch, Identifier, KeyId, NetworkId, NodeId, SubjectId};
use crate::limits::MEMBERS_MAX;
use crate::message::{
    KeyRedeal, KeyRound1, KeyShares,
    convert::{identifier, point},
};
use crate::point::Point;
use crate::time::WallTime;
use crate::wire;
use std::collections::BTreeMap;

/// A proposal to generate one of the definition's keys. Its digest is the key id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyProposal {
    /// The key's name in the definition.
    pub key_name: String,
    /// Who proposes.
    pub proposer: NodeId,
    /// Members that have not accepted by then end the attempt.
    pub deadline: WallTime,
    /// Makes every attempt another one.
    pub salt: [u8; 32],
    /// The definition that all members must hold.
    pub definition: Digest,
    /// The epoch that a new one comes of; `None` for a new key.
    pub from: Option<KeySource>,
}

/// The epoch of a key that its next epoch comes of: the same group key in other shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySource {
    /// Names the attempt that made it.
    pub key_id: KeyId,
    /// Its number.
    pub epoch: Epoch,
    /// What its certificate states: transcript, group key and verifying shares.
    pub statement: Digest,
}

impl KeyProposal {
    /// The id of this attempt and of the key, or the epoch of a key, that it makes.
    #[must_use]
    pub fn key_id(&self, network: NetworkId) -> KeyId {
        let hasher = CanonicalHasher::new("firn/key-id/v1")
            .field(network.0.0)
            .field(&self.key_name)
            .number(self.proposer.0)
            .number(self.deadline.0)
            .field(self.salt)
            .field(self.definition.0);
        let source = |hasher: CanonicalHasher, from: KeySource| {
            hasher.field("from").field(from.key_id.0.0).number(from.epoch.0).field(from.statement.0)
        };
        KeyId(self.from.into_iter().fold(hasher, source).finish())
    }

    /// The epoch that it makes: the one after the one that it comes of, and 0 for a new key.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.from.map_or(Epoch(0), |from| Epoch(from.epoch.0.saturating_add(1)))
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `BODY_MALFORMED`.
    pub fn from_wire(wire: &wire::KeyProposal) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::BodyMalformed, field);
        Ok(Self {
            key_name: wire.key_name.clone(),
            proposer: u16::try_from(wire.proposer).map(NodeId).map_err(|_| malformed("proposer"))?,
            deadline: WallTime(wire.deadline),
            salt: wire.salt.as_slice().try_into().map_err(|_| malformed("salt"))?,
            definition: Digest::from_slice(&wire.definition).ok_or_else(|| malformed("definition"))?,
            from: wire.from.as_ref().map(KeySource::from_wire).transpose()?,
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::KeyProposal {
        wire::KeyProposal {
            key_name: self.key_name.clone(),
            proposer: self.proposer.0.into(),
            deadline: self.deadline.0,
            salt: self.salt.to_vec(),
            definition: self.definition.0.to_vec(),
            from: self.from.map(KeySource::to_wire),
        }
    }
}

impl KeySource {
    /// The last epoch number that another can follow.
    const EPOCH_MAX: u32 = u32::MAX - 1;

    fn from_wire(wire: &wire::KeySource) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::BodyMalformed, field);
        Ok(Self {
            key_id: KeyId(Digest::from_slice(&wire.key_id).ok_or_else(|| malformed("from.key_id"))?),
            epoch: Some(Epoch(wire.epoch))
                .filter(|epoch| epoch.0 <= Self::EPOCH_MAX)
                .ok_or_else(|| malformed("from.epoch"))?,
            statement: Digest::from_slice(&wire.statement).ok_or_else(|| malformed("from.statement"))?,
        })
    }

    fn to_wire(self) -> wire::KeySource {
        wire::KeySource { key_id: self.key_id.0.0.to_vec(), epoch: self.epoch.0, statement: self.statement.0.to_vec() }
    }
}

/// The digest of one member's round-1 package within an attempt, as echoed to all.
#[must_use]
pub fn round1_digest(key_id: KeyId, member: Identifier, package: &KeyRound1) -> Digest {
    CanonicalHasher::new("firn/key-round1/v1")
        .field(key_id.0.0)
        .number(member.0)
        .list(package.commitment.iter(), |hasher, point| hasher.field(point.as_bytes()))
        .field(package.proof_r.as_bytes())
        .field(package.proof_z.as_bytes())
        .finish()
}

/// What all members sign: everything that was said in public, and what came of it.
#[must_use]
pub fn transcript(
    network: NetworkId,
    key_id: KeyId,
    round1: &BTreeMap<Identifier, KeyRound1>,
    dealings: &BTreeMap<Identifier, KeyShares>,
    group_key: &Point,
    verifying_shares: &BTreeMap<Identifier, Point>,
) -> Digest {
    CanonicalHasher::new("firn/key-transcript/v1")
        .field(network.0.0)
        .field(key_id.0.0)
        .list(round1.iter(), |hasher, (member, package)| hasher.field(round1_digest(key_id, *member, package).0))
        .list(dealings.iter(), |hasher, (member, dealing)| {
            hasher
                .number(member.0)
                .field(dealing.ephemeral.as_bytes())
                .list(dealing.sealed.iter(), |hasher, (recipient, ciphertext)| {
                    hasher.number(recipient.0).field(ciphertext)
                })
        })
        .field(group_key.as_bytes())
        .list(verifying_shares.iter(), |hasher, (member, point)| hasher.number(member.0).field(point.as_bytes()))
        .finish()
}

/// The digest of one dealing in a resharing, as echoed by those who found it good.
#[must_use]
pub fn redeal_digest(key_id: KeyId, dealer: Identifier, redeal: &KeyRedeal) -> Digest {
    CanonicalHasher::new("firn/key-redeal/v1")
        .field(key_id.0.0)
        .number(dealer.0)
        .list(redeal.commitment.iter(), |hasher, point| hasher.field(point.as_bytes()))
        .field(redeal.shares.ephemeral.as_bytes())
        .list(redeal.shares.sealed.iter(), |hasher, (recipient, ciphertext)| {
            hasher.number(recipient.0).field(ciphertext)
        })
        .finish()
}

/// What all members of a new epoch sign: whose dealings it is made of, and what came of them. The key id names the epoch that
/// it comes of, with all that the certificate of that one states.
#[must_use]
pub fn reshare_transcript(
    network: NetworkId,
    key_id: KeyId,
    redeals: &BTreeMap<Identifier, KeyRedeal>,
    group_key: &Point,
    verifying_shares: &BTreeMap<Identifier, Point>,
) -> Digest {
    CanonicalHasher::new("firn/key-reshare-transcript/v1")
        .field(network.0.0)
        .field(key_id.0.0)
        .list(redeals.iter(), |hasher, (dealer, redeal)| {
            hasher.number(dealer.0).field(redeal_digest(key_id, *dealer, redeal).0)
        })
        .field(group_key.as_bytes())
        .list(verifying_shares.iter(), |hasher, (member, point)| hasher.number(member.0).field(point.as_bytes()))
        .finish()
}

/// What a certificate states: the transcript, the group key and every verifying share, so that none of them can be
/// exchanged beside genuine signatures.
#[must_use]
pub fn statement(transcript: Digest, group_key: &Point, verifying_shares: &BTreeMap<Identifier, Point>) -> Digest {
    CanonicalHasher::new("firn/key-statement/v1")
        .field(transcript.0)
        .field(group_key.as_bytes())
        .list(verifying_shares.iter(), |hasher, (member, point)| hasher.number(member.0).field(point.as_bytes()))
        .finish()
}

/// The digest under a member's certificate signature: "my sealed share read back fits this [`statement`]".
#[must_use]
pub fn certificate_digest(network: NetworkId, key_id: KeyId, statement: Digest, member: Identifier) -> Digest {
    CanonicalHasher::new("firn/key-certificate/v1")
        .field(network.0.0)
        .field(key_id.0.0)
        .field(statement.0)
        .number(member.0)
        .finish()
}

/// The digest under a member's abandonment: "I hold no certificate and shall never use this key".
#[must_use]
pub fn abandon_digest(network: NetworkId, key_id: KeyId, member: Identifier) -> Digest {
    CanonicalHasher::new("firn/key-abandon/v1").field(network.0.0).field(key_id.0.0).number(member.0).finish()
}

/// Proof that all members generated the same key and stored their shares. Every value of this type was verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyCertificate {
    proposal: KeyProposal,
    key_id: KeyId,
    epoch: Epoch,
    transcript: Digest,
    group_key: Point,
    verifying_shares: BTreeMap<Identifier, Point>,
    signatures: BTreeMap<Identifier, AuthorSignature>,
}

impl KeyCertificate {
    /// Puts a certificate together and checks it: the key of the definition, all members, all signatures.
    ///
    /// # Errors
    /// `BODY_MALFORMED`, `DKG_PROPOSAL_INVALID`, `ENVELOPE_SIGNATURE_INVALID`.
    pub fn assemble(
        definition: &Definition,
        proposal: KeyProposal,
        transcript: Digest,
        group_key: Point,
        verifying_shares: BTreeMap<Identifier, Point>,
        signatures: BTreeMap<Identifier, AuthorSignature>,
    ) -> Result<Self, Refusal> {
        let network = definition.network_id();
        let key_id = proposal.key_id(network);
        let version = definition
            .at(proposal.definition)
            .ok_or_else(|| Refusal::new(Code::DkgProposalInvalid, proposal.key_name.clone()))?;
        let key = version
            .key(&proposal.key_name)
            .ok_or_else(|| Refusal::new(Code::DkgProposalInvalid, proposal.key_name.clone()))?;
        if !verifying_shares.keys().eq(key.members.keys()) || !signatures.keys().eq(key.members.keys()) {
            return Err(Refusal::new(Code::BodyMalformed, "certificate without exactly all members"));
        }
        let statement = statement(transcript, &group_key, &verifying_shares);
        for (member, signature) in &signatures {
            let digest = certificate_digest(network, key_id, statement, *member);
            verify_member(version, key, *member, digest, signature)?;
        }
        let epoch = proposal.epoch();
        Ok(Self { proposal, key_id, epoch, transcript, group_key, verifying_shares, signatures })
    }

    /// The proposal it fulfils.
    #[must_use]
    pub fn proposal(&self) -> &KeyProposal {
        &self.proposal
    }

    /// The key's id.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The epoch of the shares.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The digest that all members signed.
    #[must_use]
    pub fn transcript(&self) -> Digest {
        self.transcript
    }

    /// The group's public key.
    #[must_use]
    pub fn group_key(&self) -> &Point {
        &self.group_key
    }

    /// Each member's verifying share.
    #[must_use]
    pub fn verifying_shares(&self) -> &BTreeMap<Identifier, Point> {
        &self.verifying_shares
    }

    /// Who signed.
    #[must_use]
    pub fn signatures(&self) -> &BTreeMap<Identifier, AuthorSignature> {
        &self.signatures
    }

    /// What all members signed, with what they signed it about.
    #[must_use]
    pub fn statement(&self) -> Digest {
        statement(self.transcript, &self.group_key, &self.verifying_shares)
    }

    /// This epoch as the one that another comes of.
    #[must_use]
    pub fn source(&self) -> KeySource {
        KeySource { key_id: self.key_id, epoch: self.epoch, statement: self.statement() }
    }

    /// The session in which t members sign the activation, and the digest that they sign.
    #[must_use]
    pub fn activation(&self, network: NetworkId) -> SubjectId {
        SubjectId(
            CanonicalHasher::new("firn/key-activation/v1")
                .field(network.0.0)
                .field(self.key_id.0.0)
                .number(self.epoch.0)
                .field(self.transcript.0)
                .field(self.group_key.as_bytes())
                .finish(),
        )
    }

    /// Reads and verifies the wire form.
    ///
    /// # Errors
    /// As [`Self::assemble`].
    pub fn from_wire(wire: &wire::KeyCertificate, definition: &Definition) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::BodyMalformed, field);
        let proposal = KeyProposal::from_wire(wire.proposal.as_ref().ok_or_else(|| malformed("proposal"))?)?;
        if wire.epoch != proposal.epoch().0 {
            return Err(malformed("epoch"));
        }
        if wire.shares.len().max(wire.signatures.len()) > MEMBERS_MAX {
            return Err(malformed("list longer than a key's members"));
        }
        let shares = ascending(wire.shares.iter().map(|s| Ok((identifier(s.member)?, point(&s.point)?))))?;
        let signatures =
            ascending(wire.signatures.iter().map(|s| Ok((identifier(s.member)?, signature_from(&s.signature)?))))?;
        let transcript = Digest::from_slice(&wire.transcript).ok_or_else(|| malformed("transcript"))?;
        Self::assemble(definition, proposal, transcript, point(&wire.group_key)?, shares, signatures)
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::KeyCertificate {
        wire::KeyCertificate {
            proposal: Some(self.proposal.to_wire()),
            epoch: self.epoch.0,
            transcript: self.transcript.0.to_vec(),
            group_key: self.group_key.as_bytes().to_vec(),
            shares: self
                .verifying_shares
                .iter()
                .map(|(member, point)| wire::VerifyingShare {
                    member: member.0.into(),
                    point: point.as_bytes().to_vec(),
                })
                .collect(),
            signatures: self.signatures.iter().map(|(member, signature)| signature_to(*member, signature)).collect(),
        }
    }
}

/// Checks `signature` of a key's member over `digest`.
///
/// # Errors
/// `SENDER_UNKNOWN`, `ENVELOPE_SIGNATURE_INVALID`.
pub fn verify_member(
    definition: &Definition,
    key: &KeyDefinition,
    member: Identifier,
    digest: Digest,
    signature: &AuthorSignature,
) -> Result<(), Refusal> {
    let node = key.members.get(&member).and_then(|node| definition.nodes.get(node));
    let node = node.ok_or_else(|| Refusal::new(Code::SenderUnknown, format!("member {}", member.0)))?;
    node.author_key.verify(digest, signature)
}

/// Collects pairs whose keys must come strictly ascending, so that a list has one encoding.
pub(crate) fn ascending<K: Ord + Copy, V>(
    pairs: impl Iterator<Item = Result<(K, V), Refusal>>,
) -> Result<BTreeMap<K, V>, Refusal> {
    let mut map = BTreeMap::new();
    for pair in pairs {
        let (key, value) = pair?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(Refusal::new(Code::BodyMalformed, "list not ascending"));
        }
        map.insert(key, value);
    }
    Ok(map)
}

pub(crate) fn signature_from(bytes: &[u8]) -> Result<AuthorSignature, Refusal> {
    bytes.try_into().map(AuthorSignature).map_err(|_| Refusal::new(Code::BodyMalformed, "signature"))
}

pub(crate) fn signature_to(member: Identifier, signature: &AuthorSignature) -> wire::CertificateSignature {
    wire::CertificateSignature { member: member.0.into(), signature: signature.0.to_vec() }
}
