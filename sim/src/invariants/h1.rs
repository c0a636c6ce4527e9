//! H1: what a node wrote down is all there, and is what it showed to others.

use super::{Invariant, Sight};
use crate::history::{Entry, What};
use crate::scenario::FaultKind;
use crate::verdict::Violation;
use crate::world::Process;
use firn_coordinator::api::Family;
use firn_coordinator::audit::Head;
use firn_coordinator::audit::verify::{Stored, verify};
use firn_proto::NodeId;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Verifies the logs in the end, as an auditor does.
#[derive(Debug, Default)]
pub struct H1 {
    /// Nodes whose disk a fault has spoilt.
    spoilt: BTreeSet<NodeId>,
}

impl Invariant for H1 {
    fn id(&self) -> &'static str {
        "H1"
    }

    fn statement(&self) -> &'static str {
        "The audit log of an honest node whose disk no fault has spoilt is gapless, survives restarts, names only requests that \
         a requester signed, and has every head that honest peers hold of it (SIMULATOR section 5.5; docs/spec/audit.md)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        if let What::FaultBegins { fault } = &entry.what {
            let kind = sight.world.scenario().faults.get(*fault).map(|fault| &fault.kind);
            self.spoilt.extend(kind.into_iter().flat_map(FaultKind::spoils));
        }
        None
    }

    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        sight.honest_processes().filter(|(id, _)| !self.spoilt.contains(&id.node)).find_map(|(id, process)| {
            let peers = sight.honest_processes().flat_map(|(_, peer)| peer.engine.heads_held());
            let of_it = peers.filter(|held| held.note.checkpoint.owner == id.node);
            let vouched: Vec<Head> = of_it.map(|held| held.note.checkpoint.head).collect();
            let Ok(verdict) = verify(|| log(process), sight.world.definition(), &vouched);
            let detail = verdict.err()?.to_string();
            Some(Violation { id: "H1", at: sight.world.now(), node: Some(id.node), detail })
        })
    }
}

/// The audit log on a process's disk.
fn log(process: &Process) -> impl Iterator<Item = Result<Stored, Infallible>> {
    let records = process.disk.visible().records.iter().filter(|((family, _), _)| *family == Family::Audit);
    records.map(|((_, key), value)| {
        let number = key.as_slice().try_into().map_or(u64::MAX, u64::from_be_bytes);
        Ok(Stored { number, bytes: value.clone() })
    })
}
