//! What the vault can be asked, and what it answers. No type here holds a secret.

use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{KeyCertificate, KeyProposal};
use firn_proto::commitments::Commitments;
use firn_proto::message::{KeyCertified, KeyComplaint, KeyRedeal, KeyRound1, KeyShares, SigningPackage};
use firn_proto::opinion::Opinions;
use firn_proto::request;
use firn_proto::time::WallTime;
use firn_proto::{
    Code, Digest, Epoch, GroupSignature, Identifier, KeyId, Message, NodeId, Point, PublicScalar, Repair, SessionId,
    SubjectId,
};
use std::collections::{BTreeMap, BTreeSet};

/// A question to the vault. It trusts none of it: everything that decides over a share is checked again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Put a message of this node into a signed envelope. Answer: [`Reply::Envelope`].
    Author {
        /// The session it belongs to.
        session: SessionId,
        /// What to say.
        message: Box<Message>,
    },
    /// Start an attempt: make a polynomial and its round-1 package. Answer: [`Reply::Dealt`].
    Deal {
        /// The proposal, whose digest is the key id.
        proposal: KeyProposal,
    },
    /// Check all round-1 packages, freeze them, and encrypt a share to every other member. Answer: [`Reply::Shared`].
    Share {
        /// The attempt.
        key_id: KeyId,
        /// The packages of all members, our own included.
        round1: BTreeMap<Identifier, KeyRound1>,
    },
    /// Open our shares and check their sum; store the key as pending. Answer: [`Reply::Finished`], or
    /// [`Reply::BadShares`] where a dealer's share does not fit its commitment.
    Finish {
        /// The attempt.
        key_id: KeyId,
        /// The dealings of all members, our own included.
        dealings: BTreeMap<Identifier, KeyShares>,
    },
    /// Sign the certificate, given the sealed record as it was read back from storage. Answer: [`Reply::Certified`].
    Certify {
        /// The attempt.
        key_id: KeyId,
        /// The epoch that it makes.
        epoch: Epoch,
        /// The record under [`crate::Vault::share_record`], read back by the host; `None` where it is absent.
        stored: Option<Vec<u8>>,
    },
    /// Make a pending key usable. After our own abandonment was signed, only together with an activation signature:
    /// that proves t members who never abandon. Answer: [`Reply::Done`].
    AcceptCertificate {
        /// The whole certificate.
        certificate: Box<KeyCertificate>,
        /// The activation signature, where it is known.
        activation: Option<GroupSignature>,
    },
    /// Sign the abandonment of a pending key without certificate, or of an attempt in memory, which ends. Answer: [`Reply::Abandoned`].
    Abandon {
        /// The attempt.
        key_id: KeyId,
    },
    /// As [`Self::Abandon`], for an attempt that this vault holds nothing of: it ended, or its memory went with a
    /// restart. The key id is used up for good. Answer: [`Reply::Abandoned`].
    AbandonProposal {
        /// The attempt's proposal, which names the key and so our identifier.
        proposal: KeyProposal,
    },
    /// Deal our share of a key's epoch to the members of the next. Answer: [`Reply::Redealt`].
    Redeal {
        /// The proposal, which names the epoch that we hold.
        proposal: KeyProposal,
    },
    /// Open our shares of the dealings that are here, and tell the good ones. Answer: [`Reply::Checked`].
    CheckRedeals(Redeals),
    /// Make our share of the new epoch of exactly these dealings, and store it as pending. Answer: [`Reply::Finished`].
    FinishRedeals(Redeals),
    /// Help to repair another member's share: our parts for all helpers. Answer: [`Reply::RepairDealt`].
    RepairDeal {
        /// The repair, whose digest is its id.
        repair: Repair,
    },
    /// Add up the parts that the helpers made for us. Answer: [`Reply::RepairSummed`].
    RepairSum {
        /// The repair.
        repair: Repair,
        /// The parts of all helpers, our own included.
        deltas: BTreeMap<Identifier, KeyShares>,
    },
    /// Make our lost share of the helpers' sums, and store it if it is the right one. Answer: [`Reply::Repaired`].
    RepairFinish(Box<RepairFinish>),
    /// Erase our share of the epoch before an active one. Answer: [`Reply::Retired`].
    Retire {
        /// The attempt that made the epoch that is over.
        key_id: KeyId,
        /// The certificate of a later epoch, which is active.
        successor: Box<KeyCertificate>,
        /// Its activation.
        activation: GroupSignature,
    },
    /// Erase a pending key that all members have abandoned. Answer: [`Reply::Done`].
    Erase {
        /// The attempt.
        key_id: KeyId,
        /// The abandonment signatures of all members.
        abandonments: BTreeMap<Identifier, AuthorSignature>,
    },
    /// Forget an attempt that ended before its certificate signature was made. Answer: [`Reply::Done`].
    Forget {
        /// The attempt.
        key_id: KeyId,
    },
    /// Make nonces and commit to them, for one coordinator, until they expire. Answer: [`Reply::Committed`].
    Commit {
        /// The key.
        key_id: KeyId,
        /// The epoch of the share.
        epoch: Epoch,
        /// The one coordinator that may use them.
        coordinator: NodeId,
        /// How many pairs: 1 to 16.
        count: u16,
        /// When their life begins.
        now: WallTime,
    },
    /// Lend a signature share. Answer: [`Reply::Released`].
    Release(Box<ReleaseRequest>),
    /// A request has ended on chain: frees what no later payload can get into conflict with. Answer: [`Reply::Settled`].
    Settle {
        /// The request.
        request: Box<request::Request>,
        /// How it ended.
        settlement: Settlement,
    },
}

/// What the helpers of a repair made for the member that lost its share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepairFinish {
    /// The repair.
    pub repair: Repair,
    /// The certificate of the epoch.
    pub certificate: Box<KeyCertificate>,
    /// Its activation.
    pub activation: GroupSignature,
    /// The sums of all helpers.
    pub sigmas: BTreeMap<Identifier, KeyShares>,
}

/// Dealings in a resharing, by dealer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redeals {
    /// The proposal.
    pub proposal: KeyProposal,
    /// The certificate of the epoch that it comes of.
    pub source: Box<KeyCertificate>,
    /// The dealings.
    pub redeals: BTreeMap<Identifier, KeyRedeal>,
}

/// How a request ended on the finalised chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settlement {
    /// Its account nonce is used. What the requester meant by its nonce belongs to this payload for ever.
    Executed,
    /// Its account nonce is unused, and its validity is over: both locks are free.
    Lapsed {
        /// The time to compare its deadline with.
        now: WallTime,
    },
}

/// Everything the vault needs to decide over a share by itself (DESIGN section 3, rule 2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseRequest {
    /// What is signed. The vault rebuilds the digest from it.
    pub subject: Subject,
    /// What people say to it.
    pub opinions: Opinions,
    /// The coordinator's package.
    pub package: SigningPackage,
    /// The time to compare deadlines with.
    pub now: WallTime,
    /// How many fresh commitments to make for the same coordinator: 1 or 2.
    pub next: u16,
}

/// What a group key can sign: a closed set of typed things, never a hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A requester's request.
    Request(Box<request::Request>),
    /// The activation of a freshly certified key.
    Activation(Box<KeyCertificate>),
}

/// The answer, and the records that must be durable before anybody sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Records to write, in order, in one synced batch.
    pub writes: Vec<Write>,
    /// The answer.
    pub reply: Reply,
}

/// A change to the vault's records. Values are sealed; keys are public.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Insert or replace.
    Put {
        /// Record key.
        key: Vec<u8>,
        /// Sealed value.
        value: Vec<u8>,
    },
    /// Remove.
    Delete {
        /// Record key.
        key: Vec<u8>,
    },
}

/// What the vault answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// To [`Request::Author`]: the encoded envelope.
    Envelope(Vec<u8>),
    /// To [`Request::Deal`].
    Dealt {
        /// The attempt.
        key_id: KeyId,
        /// Our round-1 package.
        package: KeyRound1,
    },
    /// To [`Request::Share`].
    Shared {
        /// The attempt.
        key_id: KeyId,
        /// Our dealing.
        dealing: KeyShares,
    },
    /// To [`Request::Finish`]: the key is stored as pending.
    Finished {
        /// The attempt.
        key_id: KeyId,
        /// What to certify.
        outcome: KeyOutcome,
    },
    /// To [`Request::Finish`]: one complaint per dealer whose share does not fit.
    BadShares {
        /// The attempt.
        key_id: KeyId,
        /// The complaints, with proofs.
        complaints: Vec<KeyComplaint>,
    },
    /// To [`Request::Redeal`].
    Redealt {
        /// The attempt.
        key_id: KeyId,
        /// Our dealing.
        redeal: Box<KeyRedeal>,
    },
    /// To [`Request::CheckRedeals`].
    Checked {
        /// The attempt.
        key_id: KeyId,
        /// Whose dealings are good.
        good: BTreeSet<Identifier>,
        /// Whose dealings are wrong for all to see: length, constant term or recipients.
        faulty: Vec<Identifier>,
        /// Complaints about dealings of which our share alone is wrong, with proofs.
        complaints: Vec<KeyComplaint>,
    },
    /// To [`Request::RepairDeal`].
    RepairDealt {
        /// The repair's id.
        repair: KeyId,
        /// Our parts.
        deltas: KeyShares,
    },
    /// To [`Request::RepairSum`].
    RepairSummed {
        /// The repair's id.
        repair: KeyId,
        /// Our sum.
        sigma: KeyShares,
    },
    /// To [`Request::RepairFinish`]: our share is stored.
    Repaired {
        /// The repair's id.
        repair: KeyId,
    },
    /// To [`Request::Retire`]: our share of this epoch is gone.
    Retired {
        /// The attempt that made it.
        key_id: KeyId,
    },
    /// To [`Request::Certify`].
    Certified {
        /// The attempt.
        key_id: KeyId,
        /// Our certificate signature.
        certified: KeyCertified,
    },
    /// To [`Request::Abandon`] and [`Request::AbandonProposal`].
    Abandoned {
        /// The attempt.
        key_id: KeyId,
        /// Our signature.
        signature: AuthorSignature,
    },
    /// To [`Request::AcceptCertificate`], [`Request::Erase`] and [`Request::Forget`].
    Done {
        /// The attempt.
        key_id: KeyId,
    },
    /// To [`Request::Commit`].
    Committed(Vec<Commitments>),
    /// To [`Request::Release`].
    Released {
        /// What was signed.
        subject: SubjectId,
        /// The package it answers.
        package: Digest,
        /// The signature share.
        share: PublicScalar,
        /// Fresh commitments for the same coordinator.
        next: Vec<Commitments>,
    },
    /// To [`Request::Settle`].
    Settled {
        /// The request.
        subject: SubjectId,
    },
    /// The vault refuses, and no record changes. A refused [`Request::Share`] or [`Request::Finish`] has ended the
    /// attempt where its inputs were used, and a release that failed inside the signature has spent its nonces.
    Refused(VaultRefusal),
}

/// The public result of a key generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyOutcome {
    /// What was said in public ([`firn_proto::certificate::transcript`]).
    pub transcript: Digest,
    /// The group's public key.
    pub group_key: Point,
    /// All members' verifying shares.
    pub verifying_shares: BTreeMap<Identifier, Point>,
}

impl KeyOutcome {
    /// The digest that members certify.
    #[must_use]
    pub fn statement(&self) -> Digest {
        firn_proto::certificate::statement(self.transcript, &self.group_key, &self.verifying_shares)
    }
}

/// Why the vault refused, about what, and through whose provable fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VaultRefusal {
    /// The stable code.
    pub code: Code,
    /// The session asked about.
    pub session: SessionId,
    /// The package asked about, for a release.
    pub package: Option<Digest>,
    /// The member at fault, where the input proves it.
    pub culprit: Option<Identifier>,
}

impl Subject {
    /// The subject's id within `definition`'s network.
    #[must_use]
    pub fn id(&self, network: firn_proto::NetworkId) -> SubjectId {
        match self {
            Self::Request(request) => request.id(),
            Self::Activation(certificate) => certificate.activation(network),
        }
    }

    /// The 32 bytes that the group key signs: an EIP-712 digest, or the activation's digest.
    #[must_use]
    pub fn digest(&self, definition: &firn_proto::Definition) -> Digest {
        match self {
            Self::Request(request) => request.payload_digest(definition),
            Self::Activation(certificate) => certificate.activation(definition.network_id()).0,
        }
    }
}
