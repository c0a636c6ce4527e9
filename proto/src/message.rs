//! Protocol messages in their typed form, and their one encoding.

use crate::author::AuthorSignature;
use crate::certificate::{KeyCertificate, KeyProposal, ascending, signature_from};
use crate::checkpoint::SignedCheckpoint;
use crate::code::{Code, Refusal};
use crate::commitments::Commitments;
use crate::definition::{Change, Definition, SignedChange};
use crate::envelope::Header;
use crate::ids::{Digest, Epoch, Identifier, Incarnation, KeyId, NodeId, SubjectId};
use crate::limits::MEMBERS_MAX;
use crate::opinion::{Opinion, SignedOpinion};
use crate::pause::{Pause, SignedPause};
use crate::point::{Point, PublicScalar};
use crate::repair::Repair;
use crate::request::Request;
use crate::signature::GroupSignature;
use crate::wire;
use convert::{
    abort_from, abort_to, certificate_from, certified_from, certified_to, code, complaint_from, complaint_to, digest,
    echo_from, echo_to, heads_from, heads_to, malformed, node, offered_from, offered_to, own_shares, proposal_from,
    redeal_from, redeal_to, repair_from, request_from, round1_from, round1_to, share_from, share_to, shares_from,
    shares_to, strict, wanted_from, willingness_from, willingness_to,
};
use possession::Possession;
use prost::Message as _;
use std::collections::BTreeMap;

pub(crate) mod convert;
pub mod possession;

/// Everything that members say to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Start an attempt at a key. Session: the key id.
    KeyProposal(KeyProposal),
    /// An operator of the sender agreed to take part.
    KeyAccept,
    /// Round 1 of the key generation.
    KeyRound1(KeyRound1),
    /// The digests of all round-1 packages as the sender saw them; in a resharing, of the dealings that it found good.
    KeyEcho(BTreeMap<Identifier, Digest>),
    /// Round 2: encrypted shares for all.
    KeyShares(KeyShares),
    /// A member of the epoch before deals its share to the members of the next.
    KeyRedeal(Box<KeyRedeal>),
    /// The sender's share from a dealer does not fit; proof included.
    KeyComplaint(KeyComplaint),
    /// The sender's certificate signature.
    KeyCertified(KeyCertified),
    /// The whole certificate, for late comers.
    KeyCertificate(Box<KeyCertificate>),
    /// The sender has ended its attempt.
    KeyAbort(KeyAbort),
    /// The sender's signed abandonment of an undecided attempt.
    KeyAbandon(AuthorSignature),
    /// The sender asks for the share that it lost. Session, here and in the three that follow: the repair's id.
    RepairAsk(Repair),
    /// An operator of the sender agreed to help. From the member that asked: those of all helpers have.
    RepairConsent,
    /// A helper's parts of what it owes to the repair, a sealed one for each helper.
    RepairDeltas(KeyShares),
    /// The sum of the parts that the sender got, sealed for the member that asked.
    RepairSigma(KeyShares),
    /// Another member's envelope.
    Relay(Vec<u8>),
    /// A request. Session: its id.
    RequestSpread {
        /// The checked request.
        request: Box<Request>,
        /// The node that took it in.
        origin: NodeId,
    },
    /// Whether the sender would lend a share.
    Willingness(Willingness),
    /// The sender coordinates and asks for fresh commitments.
    Solicit {
        /// The attempt that it will open.
        attempt: u32,
    },
    /// Sign this.
    SigningPackage(Box<SigningPackage>),
    /// A signature share.
    SignatureShare(SignatureShare),
    /// The sender will not answer a package.
    ShareRefused {
        /// Hash of the package.
        package: Digest,
        /// Why.
        code: Code,
        /// The signer in it with whom the sender does not sign, if that is why.
        shunned: Option<NodeId>,
    },
    /// The finished signature.
    Signed(GroupSignature),
    /// The sender would coordinate and asks for commitments ahead of requests. Session: the key id.
    CommitmentsWanted {
        /// Of the shares of which epoch.
        epoch: Epoch,
        /// How many: 1 to [`crate::limits::COMMITMENTS_OFFERED_MAX`].
        count: u16,
    },
    /// The sender's commitments for the receiver to coordinate with. Session: the key id.
    CommitmentsOffered(Vec<Commitments>),
    /// What the sender knows: for catch-up.
    Heads(Heads),
    /// What a person says to a request. Session: the request's id.
    Opinion(Box<Opinion>),
    /// The head of the sender's audit log, or of the receiver's with the sender's cosignature.
    Checkpoint(SignedCheckpoint),
    /// The version that follows the receiver's.
    DefinitionChange(Box<Change>),
    /// The sender has the definition of this digest on disk, and takes it up at its block.
    DefinitionHeld(Digest),
    /// What a veto holder says to the network. No session.
    Pause(Box<Pause>),
}

/// A round-1 package: commitment to the polynomial and proof of knowledge of its constant term (RFC 9591 appendix C).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRound1 {
    /// Commitment to each coefficient, constant term first: t points.
    pub commitment: Vec<Point>,
    /// R of the Schnorr proof.
    pub proof_r: Point,
    /// z of the Schnorr proof.
    pub proof_z: PublicScalar,
}

/// A dealer's encrypted shares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyShares {
    /// The dealing's ephemeral public key.
    pub ephemeral: Point,
    /// Proof that the dealer made it.
    pub possession: Possession,
    /// For each other member, the sealed share: 32 bytes and a 16-byte tag.
    pub sealed: BTreeMap<Identifier, Vec<u8>>,
}

/// A dealing of one's share to the members of the next epoch (CRYPTO section 5): signed and sent as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRedeal {
    /// Commitment to each coefficient, t' points. The first is the dealer's verifying share, which all know.
    pub commitment: Vec<Point>,
    /// The polynomial's value for every member of the new epoch, the dealer too where it is one.
    pub shares: KeyShares,
}

/// A complaint that anybody can judge: the opened Diffie-Hellman point and a proof that it is the right one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyComplaint {
    /// The accused dealer.
    pub dealer: Identifier,
    /// The complainer's vault key times the dealing's ephemeral key.
    pub shared_point: Point,
    /// Chaum-Pedersen challenge.
    pub challenge: PublicScalar,
    /// Chaum-Pedersen response.
    pub response: PublicScalar,
}

/// A member's certificate signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyCertified {
    /// The [`crate::certificate::statement`] it signed.
    pub statement: Digest,
    /// Its signature over [`crate::certificate::certificate_digest`].
    pub signature: AuthorSignature,
}

/// The end of an attempt at one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyAbort {
    /// Why.
    pub code: Code,
    /// Who was missing.
    pub missing: Vec<Identifier>,
    /// Who is at fault, where that is provable.
    pub culprit: Option<Identifier>,
}

/// A member's answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Willingness {
    /// The answer.
    pub status: Status,
    /// Fresh commitments for the receiver, if it coordinates.
    pub commitments: Option<Commitments>,
}

/// Whether a member would lend a share. None of these is ever evidence against it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// Yes.
    Willing,
    /// No, and it will not change.
    Declined(Code),
    /// Not at this moment.
    NotYet(Code),
}

impl Status {
    /// Why not, unless it is yes.
    #[must_use]
    pub fn code(self) -> Option<Code> {
        match self {
            Self::Willing => None,
            Self::Declined(code) | Self::NotYet(code) => Some(code),
        }
    }
}

/// A coordinator's package: who signs with which commitments, and the finalised block it relies on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningPackage {
    /// What is signed.
    pub subject: SubjectId,
    /// With which key.
    pub key_id: KeyId,
    /// And shares of which epoch.
    pub epoch: Epoch,
    /// The coordinator's count of attempts.
    pub attempt: u32,
    /// The coordinator: the commitments were offered to it.
    pub coordinator: NodeId,
    /// The finalised block.
    pub block: BlockReference,
    /// Commitments of the signers, by node, each signed by its owner.
    pub commitments: BTreeMap<NodeId, Commitments>,
}

/// A block of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BlockReference {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Digest,
}

/// A signer's answer to a package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignatureShare {
    /// Hash of the package it answers.
    pub package: Digest,
    /// z_i (RFC 9591 section 5.2).
    pub share: PublicScalar,
    /// Commitments for the next attempts with the same coordinator, at most [`crate::limits::COMMITMENTS_NEXT_MAX`].
    pub next: Vec<Commitments>,
    /// How many entries the sender's audit log has on disk: never fewer in a later boot.
    pub audit: u64,
}

/// What a node knows, for catch-up: each list holds at most [`crate::limits::HEADS_MAX`] entries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Heads {
    /// Open subjects.
    pub open: Vec<SubjectId>,
    /// Subjects whose outcome the sender knows: the signature, or that the chain executed it.
    pub signed: Vec<SubjectId>,
    /// Keys that are active at the sender.
    pub keys: Vec<KeyId>,
    /// The newest boot of the receiver that the sender has met; the zero one stands for none.
    pub seen: Incarnation,
    /// How many entries the sender's audit log has on disk: never fewer in a later boot.
    pub audit: u64,
    /// Names the pauses that the sender holds; `None` where nobody has said anything.
    pub pauses: Option<Digest>,
}

impl SigningPackage {
    /// Hash of the package: what a share answers and what the durable marker records.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Self::hash_of(self.subject, &self.encoded())
    }

    /// The wire form: with the subject, what the hash is of.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Hash of the package for `subject` with this wire form: whoever has that needs nothing else to tell which package a
    /// signed share answers.
    #[must_use]
    pub fn hash_of(subject: SubjectId, wire: &[u8]) -> Digest {
        crate::digest::CanonicalHasher::new("firn/signing-package/v1").field(subject.0.0).field(wire).finish()
    }

    fn to_wire(&self) -> wire::SigningPackage {
        wire::SigningPackage {
            key_id: self.key_id.0.0.to_vec(),
            epoch: self.epoch.0,
            attempt: self.attempt,
            coordinator: self.coordinator.0.into(),
            block_number: self.block.number,
            block_hash: self.block.hash.0.to_vec(),
            commitments: self.commitments.values().map(Commitments::to_wire).collect(),
        }
    }

    fn from_wire(wire: &wire::SigningPackage, header: &Header, definition: &Definition) -> Result<Self, Refusal> {
        if wire.commitments.len() > MEMBERS_MAX {
            return Err(malformed("commitments"));
        }
        let commitments = ascending(wire.commitments.iter().map(|c| {
            let commitments = Commitments::from_wire(c, definition)?;
            Ok((commitments.statement().owner, commitments))
        }))?;
        let coordinator = node(wire.coordinator)?;
        if coordinator != header.sender {
            return Err(malformed("coordinator"));
        }
        Ok(Self {
            subject: header.session.into(),
            key_id: KeyId(digest(&wire.key_id)?),
            epoch: Epoch(wire.epoch),
            attempt: wire.attempt,
            coordinator,
            block: BlockReference { number: wire.block_number, hash: digest(&wire.block_hash)? },
            commitments,
        })
    }
}

impl Message {
    /// The kind number and canonical body.
    #[must_use]
    pub fn encode(&self) -> (u32, Vec<u8>) {
        match self {
            Self::KeyProposal(proposal) => (1, proposal.to_wire().encode_to_vec()),
            Self::KeyAccept => (2, Vec::new()),
            Self::KeyRound1(package) => (3, round1_to(package).encode_to_vec()),
            Self::KeyEcho(digests) => (4, echo_to(digests).encode_to_vec()),
            Self::KeyShares(dealing) => (5, shares_to(dealing).encode_to_vec()),
            Self::KeyComplaint(complaint) => (6, complaint_to(complaint).encode_to_vec()),
            Self::KeyCertified(certified) => (7, certified_to(certified).encode_to_vec()),
            Self::KeyCertificate(certificate) => (8, certificate.to_wire().encode_to_vec()),
            Self::KeyAbort(abort) => (9, abort_to(abort).encode_to_vec()),
            Self::KeyAbandon(signature) => (10, wire::KeyAbandon { signature: signature.0.to_vec() }.encode_to_vec()),
            Self::Relay(envelope) => (11, wire::Relay { envelope: envelope.clone() }.encode_to_vec()),
            Self::RequestSpread { request, origin } => (
                12,
                wire::RequestSpread { request: Some(request.signed().to_wire()), origin: origin.0.into() }
                    .encode_to_vec(),
            ),
            Self::Willingness(willingness) => (13, willingness_to(willingness).encode_to_vec()),
            Self::Solicit { attempt } => (14, wire::Solicit { attempt: *attempt }.encode_to_vec()),
            Self::SigningPackage(package) => (15, package.to_wire().encode_to_vec()),
            Self::SignatureShare(share) => (16, share_to(share).encode_to_vec()),
            Self::ShareRefused { package, code, shunned } => {
                let shunned = shunned.map_or(0, |node| node.0.into());
                (17, wire::ShareRefused { package: package.0.to_vec(), code: code.to_wire(), shunned }.encode_to_vec())
            }
            Self::Signed(signature) => (18, wire::Signed { signature: signature.as_bytes().to_vec() }.encode_to_vec()),
            Self::Heads(heads) => (19, heads_to(heads).encode_to_vec()),
            Self::CommitmentsWanted { epoch, count } => {
                (20, wire::CommitmentsWanted { epoch: epoch.0, count: (*count).into() }.encode_to_vec())
            }
            Self::CommitmentsOffered(offered) => (21, offered_to(offered).encode_to_vec()),
            Self::Opinion(opinion) => (22, opinion.signed().to_wire().encode_to_vec()),
            Self::Checkpoint(checkpoint) => (23, checkpoint.to_wire().encode_to_vec()),
            Self::DefinitionChange(change) => (24, change.signed().to_wire().encode_to_vec()),
            Self::DefinitionHeld(digest) => (26, wire::DefinitionHeld { digest: digest.0.to_vec() }.encode_to_vec()),
            Self::Pause(pause) => (25, pause.encoded()),
            Self::KeyRedeal(redeal) => (27, redeal_to(redeal).encode_to_vec()),
            Self::RepairAsk(repair) => (28, repair.to_wire().encode_to_vec()),
            Self::RepairConsent => (29, Vec::new()),
            Self::RepairDeltas(parts) => (30, shares_to(parts).encode_to_vec()),
            Self::RepairSigma(sum) => (31, shares_to(sum).encode_to_vec()),
        }
    }

    /// Decodes a body and checks everything in it that a definition can check, nested signatures included. That the sender
    /// in `header` said it is for the caller to know: [`crate::envelope::verify`] checks it for peers.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn decode(kind: u32, body: &[u8], header: &Header, definition: &Definition) -> Result<Self, Refusal> {
        Ok(match kind {
            1 => proposal_from(body, header, definition)?,
            2 if body.is_empty() => Self::KeyAccept,
            3 => Self::KeyRound1(round1_from(&strict(body)?)?),
            4 => Self::KeyEcho(echo_from(&strict(body)?)?),
            5 => Self::KeyShares(own_shares(shares_from(strict(body)?)?, header)?),
            6 => Self::KeyComplaint(complaint_from(&strict(body)?)?),
            7 => Self::KeyCertified(certified_from(&strict(body)?)?),
            8 => certificate_from(body, header, definition)?,
            9 => Self::KeyAbort(abort_from(&strict(body)?)?),
            10 => Self::KeyAbandon(signature_from(&strict::<wire::KeyAbandon>(body)?.signature)?),
            11 => Self::Relay(strict::<wire::Relay>(body)?.envelope),
            12 => request_from(body, header, definition)?,
            13 => Self::Willingness(willingness_from(&strict(body)?, header, definition)?),
            14 => Self::Solicit { attempt: strict::<wire::Solicit>(body)?.attempt },
            15 => Self::SigningPackage(Box::new(SigningPackage::from_wire(&strict(body)?, header, definition)?)),
            16 => Self::SignatureShare(share_from(&strict(body)?, header, definition)?),
            17 => {
                let refused: wire::ShareRefused = strict(body)?;
                let shunned = (refused.shunned != 0).then(|| node(refused.shunned)).transpose()?;
                Self::ShareRefused { package: digest(&refused.package)?, code: code(refused.code)?, shunned }
            }
            18 => Self::Signed(GroupSignature::from_slice(&strict::<wire::Signed>(body)?.signature)?),
            19 => Self::Heads(heads_from(&strict(body)?)?),
            20 => wanted_from(&strict(body)?)?,
            21 => Self::CommitmentsOffered(offered_from(&strict(body)?, header, definition)?),
            22 => {
                let opinion = SignedOpinion::from_wire(&strict(body)?, header.session.into())?;
                Self::Opinion(Box::new(opinion.verify(definition)?))
            }
            23 => Self::Checkpoint(SignedCheckpoint::from_wire(&strict(body)?, header.sender, definition)?),
            24 => Self::DefinitionChange(Box::new(SignedChange::from_wire(strict(body)?)?.verify(definition)?)),
            26 => Self::DefinitionHeld(digest(&strict::<wire::DefinitionHeld>(body)?.digest)?),
            25 => Self::Pause(Box::new(SignedPause::from_wire(&strict(body)?)?.verify(definition)?)),
            27 => {
                let KeyRedeal { commitment, shares } = redeal_from(strict(body)?)?;
                Self::KeyRedeal(Box::new(KeyRedeal { commitment, shares: own_shares(shares, header)? }))
            }
            28 => repair_from(body, header, definition)?,
            29 if body.is_empty() => Self::RepairConsent,
            30 => Self::RepairDeltas(own_shares(shares_from(strict(body)?)?, header)?),
            31 => Self::RepairSigma(own_shares(shares_from(strict(body)?)?, header)?),
            _ => return Err(malformed("kind")),
        })
    }
}
