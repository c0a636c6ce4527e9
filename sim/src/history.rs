//! The ledger of a run: everything that invariants, the liveness oracle, probes and reports look at.
//!
//! The kernel appends; nobody changes what is there. Two runs of one scenario give equal ledgers.

use crate::scenario::Micros;
use firn_coordinator::api::Observation;
use firn_proto::commitments::CommitmentStatement;
use firn_proto::message::BlockReference;
use firn_proto::{Digest, Epoch, GroupSignature, Incarnation, KeyId, NodeId, SessionId, SubjectId};

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, in virtual time.
    pub at: Micros,
    /// On which process, if on one.
    pub process: Option<ProcessId>,
    /// What.
    pub what: What,
}

/// A process of a node: normally one, two while the node has a twin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ProcessId {
    /// The node.
    pub node: NodeId,
    /// 0, or 1 for its twin.
    pub twin: u8,
}

/// Kinds of entry.
#[derive(Clone, Debug)]
pub enum What {
    // ---- processes ----
    /// A process started.
    Started {
        /// Its boot.
        incarnation: Incarnation,
    },
    /// A process stopped: memory is gone.
    Stopped {
        /// Why: `crash`, `disk-full`, `panic`, `corrupt`, ...
        why: &'static str,
    },
    /// A fault of the scenario began.
    FaultBegins {
        /// Its index.
        fault: usize,
    },
    /// A fault of the scenario ended.
    FaultEnds {
        /// Its index.
        fault: usize,
    },
    /// Links were cut or opened, or a machine stood still or went on.
    LinksChanged,
    // ---- messages ----
    /// A frame left a process.
    Sent {
        /// Its number in this run.
        frame: u64,
        /// To whom.
        to: NodeId,
        /// Kind of message in kebab-case.
        kind: &'static str,
        /// Its session.
        session: SessionId,
        /// Length of the envelope.
        bytes: u32,
    },
    /// A frame arrived at a process.
    Delivered {
        /// Its number.
        frame: u64,
        /// From whom.
        from: NodeId,
    },
    /// A frame was lost.
    Lost {
        /// Its number.
        frame: u64,
        /// Why: `partition`, `loss`, `reset`, `filter`, `down`.
        why: &'static str,
    },
    // ---- disk ----
    /// Engine records and vault writes became durable in one batch.
    Synced {
        /// How many.
        records: u32,
    },
    // ---- vault boundary ----
    /// A vault made commitments.
    Committed {
        /// What it says.
        statement: CommitmentStatement,
    },
    /// A vault released a share; its marker is durable.
    Released {
        /// What is signed.
        subject: SubjectId,
        /// The digest under the signature.
        digest: Digest,
        /// The key.
        key_id: KeyId,
        /// The epoch.
        epoch: Epoch,
        /// Hash of the package.
        package: Digest,
        /// The commitments that were used up.
        own: CommitmentStatement,
        /// An approval of the same request by this node was durable before.
        approved: bool,
        /// The same share as before, for the same package.
        again: bool,
        /// Under which version of the definition it was lent.
        version: u32,
        /// The block of the facts that its chain had shown it last; none for an activation.
        facts: Option<BlockReference>,
    },
    // ---- protocol ----
    /// The core observed something.
    Observed(Observation),
    /// A process knows a finished signature that it did not know before.
    Signed {
        /// The subject.
        subject: SubjectId,
        /// What was signed.
        digest: Digest,
        /// The signature.
        signature: GroupSignature,
    },
    /// Signed envelopes were presented as proof of a fault.
    Evidence {
        /// Whom they accuse.
        culprit: NodeId,
        /// The envelopes.
        envelopes: Vec<Vec<u8>>,
    },
    // ---- requests and chain ----
    /// A person said something, and a node that runs heard it.
    Said {
        /// Its index in all that was said.
        index: usize,
    },
    /// A request of the workload was posted.
    Posted {
        /// The request.
        subject: SubjectId,
        /// Its index among all requests of the run.
        request: usize,
    },
    /// A node answered a post.
    Answered {
        /// The request or key.
        session: SessionId,
        /// Accepted, or the code.
        outcome: Result<(), firn_proto::Code>,
    },
    /// A payload executed on the chain.
    Executed {
        /// The request.
        subject: SubjectId,
    },
    /// Somebody cancelled on chain what a request had scheduled.
    Cancelled {
        /// The request.
        subject: SubjectId,
    },
    /// An execution, or a cancellation, is on the chain no more.
    Vanished {
        /// The session, or the request.
        subject: SubjectId,
        /// Which of them.
        cancellation: bool,
    },
    /// A relayed payload was refused by the chain.
    Reverted {
        /// The request.
        subject: SubjectId,
        /// Because its nonce was used: an ordinary race of relayers.
        used: bool,
    },
    /// A corrupted node did something of its own.
    Misbehaved {
        /// What.
        act: crate::scenario::Act,
    },
    /// A probe fired: something rare was reached.
    Probe {
        /// Its name.
        name: &'static str,
    },
}
