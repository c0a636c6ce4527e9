//! What came of a run.

use crate::scenario::{Micros, Scenario};
use firn_proto::{Digest, NodeId, SubjectId};
use std::collections::BTreeMap;

/// A violated invariant, or a missed expectation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Its id: `N1`, `T1`, ..., `L1` for liveness, `EXPECT` for the scenario's own expectations.
    pub id: &'static str,
    /// When it was noticed.
    pub at: Micros,
    /// On which node, if on one.
    pub node: Option<NodeId>,
    /// What was seen, with identifiers a reader can look up in the trace.
    pub detail: String,
}

/// What became of one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestReport {
    /// The request.
    pub subject: SubjectId,
    /// Its number in the workload.
    pub request: usize,
    /// The node that took it in first.
    pub node: NodeId,
    /// Where it was to be posted; another node where this one did not answer.
    pub wanted: NodeId,
    /// When.
    pub posted: Micros,
    /// How long it was wanted.
    pub deadline: Micros,
    /// What became of it.
    pub end: End,
    /// Until the first honest node knew the signature.
    pub latency: Option<Micros>,
    /// Until the node that took it in knew the signature.
    pub latency_at_node: Option<Micros>,
    /// One round trip from that node to the member that completes the nearest eligible subset.
    pub floor: Micros,
    /// Attempts opened by all coordinators.
    pub attempts: u32,
    /// Messages sent about it.
    pub messages: u64,
    /// Bytes sent about it.
    pub bytes: u64,
    /// B of the liveness claim.
    pub bound: Micros,
    /// How long the longest live core lasted while it was open and unsigned, at most `bound` unless violated.
    pub core: Micros,
}

/// Terminal states of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// A valid signature exists.
    Signed,
    /// Too few members would sign: declined for good, with a code.
    Refused(firn_proto::Code),
    /// The deadline passed, and there was no live core for long enough.
    Expired,
    /// Not signed, and that was legitimate.
    Excused(&'static str),
    /// Not signed although a live core lasted longer than the bound.
    Violated,
}

/// A strip of the live core's size: from this time on, the largest set of nodes that could sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreSize {
    /// From when on.
    pub at: Micros,
    /// How many nodes.
    pub nodes: u16,
    /// Whether they contain an eligible subset.
    pub eligible: bool,
}

/// Everything about a finished run, beside its ledger.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What ran.
    pub scenario: Scenario,
    /// First first.
    pub violations: Vec<Violation>,
    /// Per request.
    pub requests: Vec<RequestReport>,
    /// How the live core changed.
    pub cores: Vec<CoreSize>,
    /// How often each probe fired.
    pub probes: BTreeMap<String, u64>,
    /// The number of the newest active epoch, and the nodes that have it active in the end.
    pub epoch: u32,
    /// See there.
    pub holding: Vec<NodeId>,
    /// Digest of all events, effects and draws.
    pub digest: Digest,
    /// Virtual time at the end.
    pub ended: Micros,
    /// Events handled.
    pub events: u64,
    /// Largest counters of R1 seen: name, value, limit.
    pub highs: Vec<(&'static str, u64, u64)>,
}

/// The worst thing about a run, as an exit code (SIMULATOR section 5.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exit {
    /// 0.
    Pass = 0,
    /// 1: a safety invariant.
    Safety = 1,
    /// 2: liveness, or an expectation about it.
    Liveness = 2,
    /// 3: two runs of one scenario differ.
    NonDeterminism = 3,
    /// 4: not a scenario, wrong arguments, or nothing to run.
    BadScenario = 4,
    /// 5: a probe that had to fire did not.
    ProbeMissing = 5,
}
