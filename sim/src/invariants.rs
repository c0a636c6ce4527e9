//! What must hold in every run, one file each, named after its id in SIMULATOR section 5.5.
//!
//! An invariant sees every entry of the ledger as it is appended, together with the world at that moment, and once more
//! the end of the run. Nothing here asks an engine whether all is well: the world knows who is corrupted, what is on
//! which disk and what was asked for, and `wire` and `secrets` compute for themselves.

use crate::history::{Entry, ProcessId};
use crate::verdict::Violation;
use crate::world::{Process, World};
use firn_proto::NodeId;
use std::collections::BTreeSet;
use wire::Wire;

pub mod a1;
pub mod a2;
pub mod b1;
pub mod d1;
pub mod e1;
pub mod f1;
pub mod g1;
pub mod h1;
pub mod i1;
pub mod k1;
pub mod k2;
pub mod n1;
pub mod p1;
pub mod p2;
pub mod pauses;
pub mod r1;
pub mod r2;
pub mod s1;
pub mod secrets;
pub mod t1;
pub mod v1;
pub mod wire;
pub mod x1;

/// The ids of all invariants, each with a file of its own, a seeded bug, and a row in `docs/explanation/simulator.md`.
pub const IDS: [&str; 20] = [
    "A1", "A2", "B1", "D1", "E1", "F1", "G1", "H1", "I1", "K1", "K2", "N1", "P1", "P2", "R1", "R2", "S1", "T1", "V1",
    "X1",
];

/// One statement about all runs.
pub trait Invariant {
    /// Its id, for example `N1`.
    fn id(&self) -> &'static str;

    /// The statement, and its source.
    fn statement(&self) -> &'static str;

    /// Called after `entry` was appended to the ledger.
    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation>;

    /// Called when the run is over and quiet.
    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        let _ = sight;
        None
    }

    /// The largest counters seen: name, value, limit.
    fn highs(&self) -> Vec<(&'static str, u64, u64)> {
        Vec::new()
    }
}

/// What an invariant may look at.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// Ground truth.
    pub world: &'a World,
    /// What was said, taken apart.
    pub wire: &'a Wire,
}

impl<'a> Sight<'a> {
    /// The process that an entry is about, unless its node is corrupted.
    #[must_use]
    pub fn honest(&self, entry: &Entry) -> Option<(ProcessId, &'a Process)> {
        let id = entry.process.filter(|id| !self.world.is_corrupted(id.node))?;
        Some((id, self.world.process(id)?))
    }

    /// Two quorums share 2t - n members. One of them that is honest and has not forgotten lends no share to both.
    #[must_use]
    pub fn quorums_share_a_sound_node(&self, forgetful: &BTreeSet<NodeId>) -> bool {
        let world = self.world;
        let unsound =
            |node: &&NodeId| world.is_corrupted(**node) || forgetful.contains(*node) || world.was_misled(**node);
        world.scenario().quorums_share(world.nodes().iter().filter(unsound).count())
    }

    /// Whether a process keeps a peer out.
    #[must_use]
    pub fn quarantines(&self, id: ProcessId, peer: NodeId) -> bool {
        let known = self.world.process(id).map(|process| process.engine.peers()).unwrap_or_default();
        known.iter().any(|known| known.node == peer && known.quarantined)
    }

    /// All processes of honest nodes, stopped ones included.
    pub fn honest_processes(&self) -> impl Iterator<Item = (ProcessId, &'a Process)> {
        let world = self.world;
        world.processes().filter(move |(id, _)| !world.is_corrupted(id.node))
    }
}

/// All invariants, fresh.
#[must_use]
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(a1::A1),
        Box::new(a2::A2::default()),
        Box::new(b1::B1::default()),
        Box::new(d1::D1::default()),
        Box::new(e1::E1::default()),
        Box::new(f1::F1),
        Box::new(g1::G1::default()),
        Box::new(h1::H1::default()),
        Box::new(i1::I1::default()),
        Box::new(k1::K1::default()),
        Box::new(k2::K2::default()),
        Box::new(n1::N1::default()),
        Box::new(p1::P1::default()),
        Box::new(p2::P2),
        Box::new(r1::R1::default()),
        Box::new(r2::R2::default()),
        Box::new(s1::S1::default()),
        Box::new(t1::T1::default()),
        Box::new(v1::V1::default()),
        Box::new(x1::X1),
    ]
}

/// A violation seen at an entry.
fn violation(id: &'static str, entry: &Entry, detail: String) -> Option<Violation> {
    Some(Violation { id, at: entry.at, node: entry.process.map(|process| process.node), detail })
}
