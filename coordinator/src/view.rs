//! Read-only views of the engine for the API and the command line.

use crate::api::EvidenceVerdict;
use alloy_primitives::{Address, B256, U256};
use firn_proto::definition::{Change, KeyDefinition};
use firn_proto::opinion::Opinions;
use firn_proto::pause::Pauses;
use firn_proto::policy::{SlashHistory, Waited};
use firn_proto::time::WallTime;
use firn_proto::{
    Code, Definition, Epoch, GroupSignature, Identifier, Incarnation, KeyId, NodeId, Point, Request, SubjectId,
};
use std::collections::{BTreeMap, BTreeSet};

/// A key generation attempt, or the key that came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyView {
    /// Attempt and key.
    pub key_id: KeyId,
    /// Name in the definition.
    pub name: String,
    /// proposed, accepting, round-1, echo, round-2, checking, certifying, undecided, certified, given-up, active, aborted,
    /// abandoned, retired.
    pub state: &'static str,
    /// Who proposed.
    pub proposer: NodeId,
    /// The epoch.
    pub epoch: Epoch,
    /// t.
    pub threshold: u16,
    /// When this node saw it become active, in seconds since the epoch; 0 before, and where that is unknown.
    pub since: u64,
    /// Members by identifier.
    pub members: BTreeMap<Identifier, NodeId>,
    /// The group key, once certified.
    pub group_key: Option<Point>,
    /// The account of the group key.
    pub account: Option<Address>,
    /// Who has signed the certificate.
    pub certified_by: Vec<NodeId>,
    /// Whom the current phase waits for, or who was missing at its end.
    pub waiting_for: Vec<NodeId>,
    /// Why it ended.
    pub code: Option<Code>,
    /// Who is provably at fault.
    pub culprit: Option<NodeId>,
}

impl KeyView {
    /// Whether the definition lists its members and its threshold: what follows is then a refresh, else a resharing.
    #[must_use]
    pub fn is_as_listed(&self, listed: &KeyDefinition) -> bool {
        (self.threshold, &self.members) == (listed.threshold, &listed.members)
    }
}

/// Who has met a restored node as the only and newest copy of itself, with all of its keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RestoredView {
    /// These members of its keys.
    pub confirmed: Vec<NodeId>,
    /// Not these.
    pub missing: Vec<NodeId>,
    /// Why it does not resume yet, whatever people say.
    pub code: Option<Code>,
}

/// A repair of a lost share that this node asked for, or is asked to help with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepairView {
    /// Its id.
    pub id: KeyId,
    /// The attempt that made the epoch.
    pub key_id: KeyId,
    /// The key's name in the definition.
    pub name: String,
    /// The epoch.
    pub epoch: Epoch,
    /// Who lost its share.
    pub target: NodeId,
    /// Who helps.
    pub helpers: Vec<NodeId>,
    /// asked, helping, summing, done, ended.
    pub state: &'static str,
    /// No helper consents after it.
    pub deadline: WallTime,
    /// Who has consented, as far as this node knows.
    pub consented: Vec<NodeId>,
    /// Whom it waits for, or who was missing at its end.
    pub waiting_for: Vec<NodeId>,
    /// Why it ended.
    pub code: Option<Code>,
}

/// What stands against lending shares at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PauseView {
    /// The number of this node's own pause, while it stands.
    pub own: Option<u64>,
    /// Who has confirmed this copy of the node, while it is paused since it was restored from a backup.
    pub restored: Option<RestoredView>,
    /// The number from which on the network is paused, while it is.
    pub network: Option<u64>,
    /// The smallest number by which a veto holder can change that.
    pub next_number: u64,
    /// What veto holders have said.
    pub said: Pauses,
}

/// A request as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectView {
    /// The id.
    pub id: SubjectId,
    /// The request.
    pub request: Request,
    /// received, checking, waiting, signing, signed, scheduled, executed, refused, expired.
    pub state: &'static str,
    /// What came of its first payload, where it has two and the second one's session has begun: the rest is of that.
    pub schedule: Option<ScheduleView>,
    /// Which node took it in.
    pub origin: NodeId,
    /// When this node first saw it, in seconds since the epoch.
    pub received: u64,
    /// t.
    pub threshold: u16,
    /// Each member's answer, as far as it is known here.
    pub members: Vec<MemberView>,
    /// The finished signature.
    pub signature: Option<GroupSignature>,
    /// Who signed, where this node coordinated.
    pub signers: Vec<NodeId>,
    /// Hash of the transaction, where this node relayed it.
    pub transaction: Option<B256>,
    /// Why it is refused or expired.
    pub code: Option<Code>,
    /// The first block at which a slash can execute, and the last at which it takes anything; as of the last finalised block.
    pub window: Option<(u64, u64)>,
    /// The shares that it would take at that block, a strategy each.
    pub takes: Option<Vec<U256>>,
    /// What this node's verifier says of its evidence.
    pub evidence: Option<EvidenceVerdict>,
    /// What people say to it.
    pub opinions: Opinions,
    /// How long it has been here by the chain's clock.
    pub waited: Waited,
    /// What was slashed before, where its rules ask for it.
    pub history: Option<SlashHistory>,
}

/// The first of a request's two payloads, which has executed: what it schedules waits on chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScheduleView {
    /// Its signature.
    pub signature: Option<GroupSignature>,
    /// Who signed, where this node coordinated.
    pub signers: Vec<NodeId>,
    /// Hash of the transaction, where this node relayed it.
    pub transaction: Option<B256>,
    /// The finalised block at which this node saw that it had executed.
    pub block: u64,
    /// When it can be executed, in seconds by the chain's clock.
    pub ready: Option<u64>,
}

/// One member's standing with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberView {
    /// The member.
    pub node: NodeId,
    /// willing, declined, not yet, silent, disconnected.
    pub status: &'static str,
    /// The code of a refusal.
    pub code: Option<Code>,
}

/// One member as a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerView {
    /// The member.
    pub node: NodeId,
    /// Its incarnation, while it is connected.
    pub connected: Option<Incarnation>,
    /// The newest of its boots that this node has met.
    pub seen: Option<Incarnation>,
    /// Whether it is not signed with until an operator trusts it.
    pub quarantined: bool,
}

/// Versions of the definition as this node knows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionsView {
    /// The one in force here.
    pub current: Definition,
    /// The one that waits for its block.
    pub next: Option<Change>,
    /// The last finalised block that this node has seen.
    pub finalised: u64,
    /// Nodes that have the newest of these on disk, this one among them.
    pub holders: BTreeSet<NodeId>,
}
