//! A scenario: what a simulated network consists of, what is asked of it, and what goes wrong, all spelled out.
//!
//! This is the materialised form. A file parses to it, a swarm seed expands to it, a failing one shrinks to a smaller
//! one, and any of them can be written as a file again. A run is a pure function of it.

use firn_proto::NodeId;
use std::collections::BTreeMap;

mod byzantine;
mod fault;
mod gate;
mod governance;
mod halt;
pub mod names;
pub mod near;
pub mod parse;
mod place;
pub mod problem;
pub(crate) mod quantity;
mod read;
mod renewal;
mod select;
mod version;
mod write;

pub use byzantine::{Act, Byzantine};
pub use gate::{Cancel, Gate, Which};
pub use governance::{Person, Rule, Verifier};
pub use halt::{Halt, Quorums};
pub use problem::Problem;
pub use renewal::{RENEWALS_MAX, Renewal, Roster, ShareRepair};
pub use version::{VERSIONS_MAX, Version};

/// Microseconds of virtual time.
pub type Micros = u64;

/// Parts per million: probabilities and rates without floats.
pub type Ppm = u32;

/// Everything about a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// Short name in kebab-case; the file's stem for committed ones.
    pub name: String,
    /// What happens, in a sentence or two.
    pub about: String,
    /// Everything random follows from it. Run k of several uses `seed + k`.
    pub seed: u64,
    /// How many seeds a file asks for.
    pub runs: u32,
    /// The network between nodes.
    pub network: Network,
    /// Who runs nodes, and where. Node ids count up from 1 in this order.
    pub organisations: Vec<Organisation>,
    /// The one key (its own purpose: slash).
    pub key: Key,
    /// Rules of the definition.
    pub rules: Vec<Rule>,
    /// Who has a say.
    pub people: Vec<Person>,
    /// How many organisations' veto holders pause the network, and let it go on.
    pub quorums: Option<Quorums>,
    /// Pauses, of nodes and of the network.
    pub pauses: Vec<Halt>,
    /// Versions of the definition after the first, each following the one before it.
    pub versions: Vec<Version>,
    /// Nodes with an evidence verifier.
    pub verifiers: Vec<Verifier>,
    /// The gate that slashes go through.
    pub gate: Option<Gate>,
    /// How long it takes until a block is final.
    pub finality: Micros,
    /// What is asked, in order of declaration.
    pub workload: Vec<Workload>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Who is corrupted, and how.
    pub byzantine: Vec<Byzantine>,
    /// What must come out, beyond the invariants.
    pub expect: Expect,
    /// When the run ends at the latest; by default after the last deadline and a grace.
    pub until: Option<Micros>,
}

/// Links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// Name of a latency matrix, built in or found beside the scenario.
    pub latency: String,
    /// Overrides: round trip between two regions, in both directions, median.
    pub rtt: BTreeMap<(String, String), Micros>,
    /// Loss on every link.
    pub loss: Option<Loss>,
    /// Bytes per second of every link; unlimited by default.
    pub bandwidth: Option<u64>,
}

/// Loss in bursts (Gilbert-Elliott): a good state without loss, a bad state in which everything is lost. On a stream a loss
/// is a reset: the channel closes and opens again, and what was under way may or may not have arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Share of messages lost in the long run.
    pub rate: Ppm,
    /// Mean length of a bad state.
    pub burst: Micros,
}

/// An organisation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organisation {
    /// Name.
    pub name: String,
    /// How many nodes in which region, in the order of node ids. Node names are `name/1`, `name/2`, ...
    pub nodes: Vec<(String, u16)>,
    /// Hosting provider of its nodes; its own name by default.
    pub cloud: Option<String>,
}

/// The key under test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// t; n is the number of members.
    pub threshold: u16,
    /// Signers must come from this many organisations.
    pub organisations_min: u16,
    /// And from this many regions.
    pub regions_min: u16,
    /// Where the key comes from.
    pub origin: KeyOrigin,
    /// Who holds it at first; all nodes where nobody is named.
    pub members: Vec<NodeId>,
    /// What becomes of it, in order of time.
    pub renewals: Vec<Renewal>,
    /// Members that have a share repaired that they lost.
    pub repairs: Vec<ShareRepair>,
}

/// Where the key comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyOrigin {
    /// Generated before time zero without any fault: every node starts with its share.
    Given,
    /// Generated in the run, proposed at this time by the first node; all operators accept as soon as they see it. An
    /// attempt that aborts is proposed anew by the next living node.
    Generated {
        /// When.
        at: Micros,
    },
}

/// Requests, all signed by the simulated AVS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// When the first is posted.
    pub at: Micros,
    /// How many.
    pub count: u32,
    /// Time between two.
    pub every: Micros,
    /// At which nodes they are posted, in rotation; all nodes by default.
    pub to: Vec<NodeId>,
    /// How long each is wanted.
    pub deadline: Micros,
    /// Which of the scenario's requesters asks: 1 and up.
    pub requester: u16,
    /// The same request is posted this many more times, at the following nodes in rotation.
    pub repeats: u32,
    /// Each request gets a rival: same requester nonce, other content, posted at another node at the same time.
    pub rivals: bool,
}

/// A fault, when it begins and when it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// When it begins.
    pub begin: Moment,
    /// How long it lasts; for ever by default. Instantaneous kinds ignore it.
    pub lasts: Option<Micros>,
    /// What it is.
    pub kind: FaultKind,
}

/// A moment of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moment {
    /// At a time.
    At(Micros),
    /// When something has happened on a node for the nth time.
    When {
        /// Where.
        node: NodeId,
        /// What.
        point: Point,
        /// 1 and up.
        count: u32,
    },
}

/// What can trigger a fault, always as seen at one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Point {
    /// The node has taken a request in.
    RequestReceived,
    /// The node has declared itself willing.
    Willing,
    /// The node, as coordinator, has opened an attempt.
    AttemptOpened,
    /// The node, as coordinator, holds t - 1 shares of an attempt.
    SharesAlmost,
    /// A share of the node is durable but unsent.
    ShareDurable,
    /// A share of the node was sent.
    ShareSent,
    /// The node knows a finished signature.
    Signed,
    /// The node entered this phase of a key generation.
    KeyPhase(KeyPhase),
    /// The node has seen on chain that a request is scheduled.
    Scheduled,
    /// The node has carried out its nth effect of all: crash points are enumerated by it.
    Effect,
}

/// Phases of a key generation that can be named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyPhase {
    /// Accepted, waiting for the others.
    Accepting,
    /// Round 1.
    Round1,
    /// Echo of round 1.
    Echo,
    /// Round 2.
    Round2,
    /// Shares are checked.
    Checking,
    /// Waiting for certificate signatures.
    Certifying,
    /// Certified, not yet activated.
    Certified,
}

/// Kinds of fault. Sets of nodes are resolved: selectors of files are expanded before they come here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FaultKind {
    // ---- groups ----
    /// Nodes of different groups do not reach each other; nodes in no group reach everybody (a bridge).
    Partition {
        /// The groups.
        groups: Vec<Vec<NodeId>>,
    },
    /// What `from` sends to `to` is lost; the other direction works.
    OneWay {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
    },
    /// The links between the two sets go down and up again.
    Flapping {
        /// One side.
        from: Vec<NodeId>,
        /// The other side.
        to: Vec<NodeId>,
        /// Time down, then as long up.
        period: Micros,
    },
    /// One node after the other is cut off, then all come back in another order, within the fault's time (swizzle).
    Swizzle {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    // ---- links, each direction between `from` and `to` ----
    /// Messages wait, and arrive in one burst at the end.
    Jam {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
    },
    /// Delays are this many times as long.
    Slow {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
        /// Factor in percent, above 100.
        percent: u32,
    },
    /// More loss on these links.
    Lossy {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
        /// The loss.
        loss: Loss,
    },
    /// Bytes per second on these links.
    Bandwidth {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
        /// The limit.
        bytes_per_second: u64,
    },
    /// Messages of one kind are lost on these links.
    Filter {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
        /// Name of the message kind in kebab-case, as in `firn.proto`.
        message: String,
    },
    /// Frames arrive more than once.
    Duplicate {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
        /// Share of frames.
        rate: Ppm,
    },
    /// Frames overtake each other.
    Reorder {
        /// Senders.
        from: Vec<NodeId>,
        /// Receivers.
        to: Vec<NodeId>,
        /// Share of frames that are held back for one more delay.
        rate: Ppm,
    },
    /// Channels between the sets close now and open again; what is under way is lost.
    Reset {
        /// One side.
        from: Vec<NodeId>,
        /// The other side.
        to: Vec<NodeId>,
    },
    // ---- processes ----
    /// The nodes stop at once; memory is gone. They start again after the fault's time.
    Crash {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// The nodes stop one after the other, each for its part of the fault's time: a rolling restart.
    Rolling {
        /// In this order.
        nodes: Vec<NodeId>,
    },
    /// The nodes do nothing, keep their memory, and go on afterwards.
    Pause {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Every step of the nodes takes this much longer.
    SlowCpu {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Time per event.
        step: Micros,
    },
    /// The node stops and comes back from the disk as it was at time `image`.
    Rollback {
        /// The node.
        node: NodeId,
        /// When the image was taken.
        image: Micros,
    },
    /// A second process of the node starts from a copy of its disk and runs beside it (a cold twin).
    Twin {
        /// The node.
        node: NodeId,
    },
    /// The node stops, loses its disk, and comes back with its root secret only.
    Wipe {
        /// The node.
        node: NodeId,
    },
    // ---- disks ----
    /// A synced write takes this long.
    SlowDisk {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Per sync.
        sync: Micros,
    },
    /// Syncs report success and keep nothing: at the next crash of the node in this time, what was written since is lost.
    LyingSync {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Writes fail: the node ends at its next write, and cannot start meanwhile.
    DiskFull {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// A bit of a sealed record flips while the node is down: it must refuse to start.
    BitFlip {
        /// The node.
        node: NodeId,
    },
    // ---- clocks ----
    /// Wall clocks are off by this much, in milliseconds, forward or back, and jump back at the end.
    ClockOffset {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Milliseconds.
        offset_ms: i64,
    },
    /// Wall and monotonic clocks run fast or slow by this much.
    ClockDrift {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Parts per million, forward or back.
        ppm: i64,
    },
    /// Wall clocks stand still.
    ClockFreeze {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    // ---- entropy ----
    /// The node's generator repeats what it gave in its previous boot, as after a cloned machine.
    EntropyRepeat {
        /// The node.
        node: NodeId,
    },
    // ---- chain ----
    /// The chain endpoint of the nodes does not answer.
    ChainDown {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// The nodes see finality this much later.
    ChainLag {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// How much.
        by: Micros,
    },
    /// The newest blocks are replaced by others, without what was executed in them; final ones never are.
    Reorg {
        /// How many at most.
        depth: u32,
    },
    /// No block becomes final.
    FinalityStall,
    /// Nothing that is submitted is included.
    GasSpike {
        /// This share of it is lost; the rest is included when the spike is over.
        drops: Ppm,
    },
    /// The chain endpoint of the nodes says what is not so.
    LyingEndpoint {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// What it shows.
        shows: Shows,
    },
    /// What the nodes submit is executed, and its outcome is reported twice, or as unknown.
    MuddledOutcomes {
        /// The nodes.
        nodes: Vec<NodeId>,
    },
}

/// What a lying endpoint shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Shows {
    /// The newest block as if it were final.
    Head,
    /// The block that was final two minutes before the lie began.
    Old,
    /// Another chain, on which nothing was executed but what was scheduled, and nothing cancelled.
    Fork,
}

/// What must come out of a run, beside the invariants, which always hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expect {
    /// At least this share of authorised requests is signed.
    pub signed_min: Option<Ppm>,
    /// At most this share of authorised requests is signed.
    pub signed_max: Option<Ppm>,
    /// The 99th percentile of latency, in hundredths of the floor.
    pub p99_floors_max: Option<u32>,
    /// The median of latency, in hundredths of the floor.
    pub p50_floors_max: Option<u32>,
    /// Probes that must have fired.
    pub probes: Vec<String>,
    /// How many nodes end with the newest epoch of the key active and their share of it, at least.
    pub keys_active_min: Option<u16>,
    /// How many epochs follow the first, at least.
    pub epochs_min: Option<u16>,
    /// Invariants that must be violated: for tests of the checkers with t or more corrupted members.
    pub violates: Vec<String>,
}
