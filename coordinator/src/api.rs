//! Events into the engine and effects out of it: the contract between core and world (docs/spec/engine.md).

use alloy_primitives::{Address, B256, Bytes};
use firn_proto::account::Execute;
use firn_proto::certificate::KeyProposal;
use firn_proto::definition::{Change, Purpose};
use firn_proto::limits::REASON_BYTES_MAX;
use firn_proto::message::BlockReference;
use firn_proto::operation::sanitised;
use firn_proto::pause::{Act, Pause};
use firn_proto::time::{MonotonicTime, WallTime};
use firn_proto::{
    Code, Digest, Incarnation, KeyId, Message, NetworkId, NodeId, Opinion, Repair, Request, SessionId, SubjectId,
    Verified,
};
use firn_vault::api::{Reply, Request as VaultRequest};
use std::collections::BTreeSet;

mod chain;
mod observation;

pub use chain::{AccountFacts, ChainAnswer, ChainQuery, GateFacts, GateQuery, SlashFacts};
pub use observation::Observation;

/// Something that happened. [`crate::Engine::step`] is total over all of these, in any order.
#[derive(Clone, Debug)]
pub enum Event {
    /// The host has started: arms timers and takes up what was open.
    Started,
    /// An authenticated message from a peer. `from` is the channel's owner, who may relay another's envelope only
    /// inside [`Message::Relay`].
    Received {
        /// The peer on the channel.
        from: NodeId,
        /// The message.
        message: Box<Verified<Message>>,
    },
    /// A channel to a member opened. A hint: never relied on for safety.
    PeerUp {
        /// The member.
        node: NodeId,
        /// Its boot, as it said.
        incarnation: Incarnation,
    },
    /// A channel closed. A hint.
    PeerDown {
        /// The member.
        node: NodeId,
    },
    /// A peer whose greeting names another version of the definition: a channel to tell it of versions only.
    PeerElsewhere {
        /// The member.
        node: NodeId,
        /// Digest of the version that it runs.
        definition: Digest,
    },
    /// The transport measured how long a peer takes to answer. A hint.
    RoundTrip {
        /// The member.
        node: NodeId,
        /// There and back.
        milliseconds: u64,
    },
    /// A timer fired. A stale one is ignored.
    TimerFired(Timer),
    /// A request came in through this node's API, checked by `proto`.
    Submitted {
        /// The request.
        request: Box<Request>,
    },
    /// An opinion of a request came in through this node's API, checked by `proto`.
    Opined {
        /// The opinion.
        opinion: Box<Opinion>,
    },
    /// The definition's next version came in through this node's API, checked by `proto`.
    Changed {
        /// The change.
        change: Box<Change>,
    },
    /// What a veto holder says to the network came in through this node's API, checked by `proto`.
    Paused {
        /// The statement.
        pause: Box<Pause>,
    },
    /// The chain finalised a block.
    ChainFinalised {
        /// The block.
        block: BlockReference,
        /// When it was made, by the chain's clock.
        time: WallTime,
    },
    /// An answer to [`Effect::AskChain`].
    ChainReplied {
        /// What was asked about.
        subject: SubjectId,
        /// The answer.
        answer: ChainAnswer,
    },
    /// An answer to [`Effect::CheckEvidence`].
    EvidenceChecked {
        /// The request.
        request: SubjectId,
        /// What the verifier said; nothing where it failed or took too long.
        verdict: Option<EvidenceVerdict>,
    },
    /// Another one: the verifier was not asked, as too many questions wait.
    EvidenceUnasked {
        /// The request.
        request: SubjectId,
    },
    /// The host has compared what the definition declares of an AVS's contracts with the chain, or failed to for the first time.
    AuthoritySurveyed {
        /// The AVS.
        avs: Address,
        /// The purposes of keys whose signing a contradiction stops.
        stopped: BTreeSet<Purpose>,
    },
    /// An answer to [`Effect::SubmitToChain`].
    SubmissionSettled {
        /// What was submitted.
        subject: SubjectId,
        /// What came of it.
        outcome: SubmissionOutcome,
    },
    /// An answer to [`Effect::AskVault`]; its writes are durable.
    VaultReplied {
        /// The answer.
        reply: Reply,
    },
    /// An operator's command.
    Operator(Command),
}

/// What an operator can tell the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Propose a key generation, and accept it here.
    ProposeKey(KeyProposal),
    /// Accept a proposal.
    AcceptKey(KeyId),
    /// Abandon an undecided attempt.
    AbandonKey(KeyId),
    /// Ask helpers for this node's lost share.
    RepairKey(Repair),
    /// Help another member to the share that it lost, as people of this node's organisation have agreed to.
    ConsentRepair(KeyId, Vec<Act>),
    /// End a peer's quarantine: the copy of it that runs with `incarnation` is sound, and the only one.
    TrustPeer {
        /// The peer.
        node: NodeId,
        /// The boot that is trusted.
        incarnation: Incarnation,
    },
    /// Have every connected peer cosign the head of our audit log now.
    ShowHead,
    /// Lend no share from here on.
    Pause,
    /// Lend shares again, as people of this node's organisation have agreed to.
    Resume(Vec<Act>),
}

impl Command {
    /// The session of its answer: the key's, or one made of the peer's id.
    #[must_use]
    pub fn session(&self, network: NetworkId) -> SessionId {
        match self {
            Self::ProposeKey(proposal) => proposal.key_id(network).into(),
            Self::RepairKey(repair) => repair.id(network).into(),
            Self::AcceptKey(key_id) | Self::AbandonKey(key_id) | Self::ConsentRepair(key_id, _) => (*key_id).into(),
            Self::ShowHead => SessionId::default(),
            Self::Pause => SessionId(Digest([1; 32])),
            Self::Resume(_) => SessionId(Digest([2; 32])),
            Self::TrustPeer { node, .. } => {
                let mut bytes = [0; 32];
                bytes.iter_mut().zip(node.0.to_be_bytes()).for_each(|(to, from)| *to = from);
                SessionId(Digest(bytes))
            }
        }
    }
}

/// Something to be done, in order. Nothing after a `Persist` happens before it is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Records to write in one synced batch: a barrier.
    Persist(Vec<Record>),
    /// Sign a message of this node and send it to each of `to`.
    Send {
        /// Receivers, never ourselves.
        to: Vec<NodeId>,
        /// The session it belongs to.
        session: SessionId,
        /// The message.
        message: Message,
        /// Its queue.
        class: Class,
    },
    /// Ask the vault; the reply comes back as an event.
    AskVault(VaultRequest),
    /// Fire `timer` at `at`.
    SetTimer {
        /// The timer.
        timer: Timer,
        /// When.
        at: MonotonicTime,
    },
    /// Read facts at the finalised block.
    AskChain {
        /// What they are for.
        subject: SubjectId,
        /// Which facts.
        query: ChainQuery,
    },
    /// Ask this node's evidence verifier about a slash. One question at a time for each request.
    CheckEvidence {
        /// The request.
        request: Box<Request>,
    },
    /// Relay a signed payload.
    SubmitToChain {
        /// What it settles.
        subject: SubjectId,
        /// The account to call.
        account: Address,
        /// The typed data.
        execute: Execute,
        /// The group's signature.
        signature: firn_proto::GroupSignature,
    },
    /// Tell the submitter or operator what became of an input.
    Answer {
        /// The request or key it was about.
        session: SessionId,
        /// Accepted, or why not.
        outcome: Result<(), Code>,
    },
    /// The next version of the definition is in force: nothing more comes of this engine. Restore another one from the
    /// records, under that version.
    Restart,
    /// Count a peer's misbehaviour at network level.
    Penalise {
        /// The peer.
        peer: NodeId,
        /// What it did.
        reason: Code,
    },
    /// A metric or a log line: the only logging the core has.
    Observe(Observation),
}

/// What a node's own evidence verifier says of a slash. Its reason is cut and cleaned, whoever wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvidenceVerdict {
    accepts: bool,
    reason: String,
}

impl EvidenceVerdict {
    /// A verdict with its reason in a verifier's words.
    #[must_use]
    pub fn new(accepts: bool, reason: &str) -> Self {
        Self { accepts, reason: sanitised(reason, REASON_BYTES_MAX) }
    }

    /// Whether the slash may have this node's share.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.accepts
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// As records and journals have it: `None` is 0.
    pub(crate) fn to_wire(verdict: Option<&Self>) -> (u32, String) {
        verdict.map_or((0, String::new()), |said| (if said.accepts { 1 } else { 2 }, said.reason.clone()))
    }

    /// Reads that back; `None` where it is not what we write.
    pub(crate) fn from_wire(verdict: u32, reason: &str) -> Option<Option<Self>> {
        match verdict {
            0 => reason.is_empty().then_some(None),
            1 | 2 => Some(Some(Self::new(verdict == 1, reason))),
            _ => None,
        }
    }
}

/// Which queue a message takes when the network is slow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Part of a running protocol.
    Protocol,
    /// Spread and catch-up: dropped first.
    Bulk,
}

/// A timer that says itself what it is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// A phase of a key generation has lasted long enough.
    KeyPhase {
        /// The attempt.
        key_id: KeyId,
        /// The phase in which it was set.
        phase: u8,
    },
    /// A repair has waited long enough.
    KeyRepair {
        /// Its id.
        repair: KeyId,
        /// What for.
        phase: u8,
    },
    /// Our turn to coordinate, unless it is signed.
    Takeover {
        /// The subject.
        subject: SubjectId,
        /// The how-manieth such timer: an earlier one is stale.
        round: u32,
    },
    /// Look whether the ranks that we told our answer give a sign of life.
    Widen {
        /// The subject.
        subject: SubjectId,
    },
    /// Look whether our pools of commitments are full.
    Pools,
    /// Say to the next peer what we know.
    AntiEntropy,
    /// Ask members for commitments again.
    Solicit {
        /// The subject.
        subject: SubjectId,
        /// The how-manieth call.
        round: u32,
    },
    /// Signers have had their time for a package.
    Stalled {
        /// The subject.
        subject: SubjectId,
        /// Hash of the package.
        package: Digest,
    },
    /// Read chain facts again.
    Recheck {
        /// The subject.
        subject: SubjectId,
    },
    /// Say to a peer what it missed, as its allowance was spent before.
    CatchUp {
        /// The peer.
        node: NodeId,
    },
    /// Our turn to relay, unless it is executed.
    Relay {
        /// The subject.
        subject: SubjectId,
    },
}

/// What came of a relayed transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubmissionOutcome {
    /// Mined with success.
    Included {
        /// Its hash.
        transaction: B256,
        /// Gas used.
        gas: u64,
    },
    /// The call would revert, or did.
    Reverted {
        /// The revert data.
        data: Bytes,
    },
    /// Nobody knows: no receipt in time, or the endpoint failed. It may still execute.
    Unknown,
    /// This node has no relayer key.
    NoRelayer,
}

/// A durable record of the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its family.
    pub family: Family,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; `None` deletes.
    pub value: Option<Vec<u8>>,
}

/// Families of records, one column family each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    /// Key generations and certificates.
    Keys,
    /// Requests and what became of them.
    Requests,
    /// The audit log.
    Audit,
    /// What is remembered of each peer.
    Peers,
    /// The definition's versions after the one that the node was set up with.
    Definitions,
    /// What people said to this node and to the network, beside requests.
    People,
}
