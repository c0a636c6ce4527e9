//! Corrupted nodes.

use super::Micros;
use firn_proto::NodeId;

/// A corrupted node and what it does. All corrupted nodes share what they know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Byzantine {
    /// The node.
    pub node: NodeId,
    /// From when on.
    pub from: Micros,
    /// What it does, all together.
    pub acts: Vec<Act>,
}

/// What a corrupted node does instead of, or beside, the honest protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Act {
    /// Says nothing.
    Silent,
    /// Says nothing to every other member, by parity of the node id.
    SelectivelySilent,
    /// Says everything just before it would be given up.
    Slow,
    /// Sends different round-1 packages to different members.
    EquivocateRound1,
    /// Deals a wrong share to one member.
    WrongShareToOne,
    /// Complains about a correct share.
    FalseComplaint,
    /// Withholds its certificate signature.
    WithholdCertificate,
    /// Sends signature shares that do not fit.
    InvalidShare,
    /// Offers commitments that it has used before.
    ReplayCommitments,
    /// Offers commitments, and stays silent when it is handed a package.
    CommitThenSilence,
    /// Refuses each package with an excuse, some after a share that does not fit.
    MakeExcuses,
    /// As coordinator, sends different packages to different signers.
    SplitPackages,
    /// As coordinator, sends the same signers two packages with the same commitments.
    RivalPackages,
    /// As coordinator, opens attempts and never finishes them.
    StarveSigners,
    /// As coordinator, asks for commitments without end.
    DrainNonces,
    /// As coordinator, keeps the finished signature to itself.
    WithholdSignature,
    /// Spreads a wrong signature as the finished one.
    ForgeSignature,
    /// Relays fabricated evidence against honest members.
    FrameHonest,
    /// Sends many valid, useless messages.
    Flood,
    /// Sends bytes that are no envelope, truncated and oversized ones.
    Malformed,
    /// Answers for another epoch.
    StaleEpoch,
    /// Says Willing and Declined in turn.
    Contradict,
    /// In a refresh or resharing, deals another secret than its share.
    WrongConstantTerm,
}
