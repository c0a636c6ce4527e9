//! What the core has to tell: its only logging.

use firn_proto::{Code, Digest, Identifier, Incarnation, KeyId, NodeId, SessionId, SubjectId};

/// What the core has to tell people and metrics. Text is made from it in the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observation {
    /// A key generation entered a phase.
    KeyPhase {
        /// The attempt.
        key_id: KeyId,
        /// Name of the phase.
        phase: &'static str,
    },
    /// A key generation ended without a key.
    KeyEnded {
        /// The attempt.
        key_id: KeyId,
        /// Why.
        code: Code,
        /// Who was missing.
        missing: Vec<Identifier>,
        /// Who is at fault.
        culprit: Option<Identifier>,
    },
    /// A subject changed its state.
    Subject {
        /// The subject.
        subject: SubjectId,
        /// Name of the state.
        state: &'static str,
        /// The code, for refusals.
        code: Option<Code>,
    },
    /// We lent a share.
    ShareReleased {
        /// The subject.
        subject: SubjectId,
        /// The coordinator.
        coordinator: NodeId,
    },
    /// An attempt was opened by us.
    AttemptOpened {
        /// The subject.
        subject: SubjectId,
        /// Our count.
        attempt: u32,
        /// The signers.
        signers: Vec<NodeId>,
    },
    /// A member's share did not fit, or it signed two contradicting things. The envelopes prove it.
    Evidence {
        /// The member.
        culprit: NodeId,
        /// What it did.
        code: Code,
        /// Its signed envelopes; after that of a share that does not fit, the wire form of the package that it answers.
        envelopes: Vec<Vec<u8>>,
    },
    /// A peer's quarantine has begun, or is over.
    Quarantine {
        /// The peer.
        peer: NodeId,
        /// The newest of its boots that was known.
        seen: Incarnation,
        /// The boot that greeted us, or that an operator trusts.
        met: Incarnation,
        /// Whether it is over.
        over: bool,
    },
    /// A version of the definition is on disk, or in force.
    Version {
        /// Its digest.
        digest: Digest,
        /// stored, adopted.
        state: &'static str,
    },
    /// A peer runs another version of the definition.
    Elsewhere {
        /// The peer.
        peer: NodeId,
        /// Digest of ours.
        ours: Digest,
        /// Digest of theirs.
        theirs: Digest,
    },
    /// A pause began, or is over.
    Pause {
        /// The network's, and not this node's own.
        network: bool,
        /// Whether it stands now.
        paused: bool,
    },
    /// Input that was ignored, and why.
    Ignored {
        /// From whom.
        from: NodeId,
        /// In which session.
        session: SessionId,
        /// Why.
        code: Code,
    },
}
