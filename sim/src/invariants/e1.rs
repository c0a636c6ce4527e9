//! E1: what is retired stays retired.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, ProcessId, What};
use crate::scenario::FaultKind;
use crate::verdict::Violation;
use firn_coordinator::api::Observation;
use firn_proto::{Digest, Epoch, KeyId, NodeId};
use firn_vault::Vault;
use std::collections::{BTreeMap, BTreeSet};

/// Which epochs each process has retired, and of which epoch the shares for each package were.
#[derive(Debug, Default)]
pub struct E1 {
    retired: BTreeMap<ProcessId, BTreeSet<(KeyId, Epoch)>>,
    packages: BTreeMap<Digest, (KeyId, Epoch)>,
    /// Nodes whose disk a fault set back: an old share is back with it, and stays where there is no new one.
    spoilt: BTreeSet<NodeId>,
}

impl E1 {
    /// A share of a retired epoch on the disk of a process.
    fn left_over(&self, entry: &Entry, sight: &Sight<'_>, id: ProcessId) -> Option<Violation> {
        let process = sight.world.process(id)?;
        if process.disk.lies() || self.spoilt.contains(&id.node) {
            return None;
        }
        let records = &process.disk.recoverable().vault;
        let retired = self.retired.get(&id)?;
        let (key_id, epoch) =
            retired.iter().find(|(key_id, epoch)| records.contains_key(&Vault::share_record(*key_id, *epoch)))?;
        violation("E1", entry, format!("the share of epoch {} of key {key_id} is retired and still on disk", epoch.0))
    }
}

impl Invariant for E1 {
    fn id(&self) -> &'static str {
        "E1"
    }

    fn statement(&self) -> &'static str {
        "Once a node has retired an epoch, its vault lends no share of it and its disk, unless a fault set it back, holds none, and all shares for one \
         package are of one epoch (SIMULATOR section 5.5; docs/spec/reshare.md)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        match &entry.what {
            What::FaultBegins { fault } => {
                let kind = sight.world.scenario().faults.get(*fault).map(|fault| &fault.kind);
                self.spoilt.extend(kind.into_iter().flat_map(FaultKind::spoils));
                None
            }
            What::Observed(Observation::KeyPhase { phase: "retired", .. }) | What::Started { .. } => {
                let (id, process) = sight.honest(entry)?;
                let retired = process.engine.keys().into_iter().filter(|key| key.state == "retired");
                // What a disk that was set back says now is what counts.
                self.retired.insert(id, retired.map(|key| (key.key_id, key.epoch)).collect());
                self.left_over(entry, sight, id)
            }
            What::Released { key_id, epoch, package, .. } => {
                let (id, _) = sight.honest(entry)?;
                if self.retired.get(&id).is_some_and(|retired| retired.contains(&(*key_id, *epoch))) {
                    return violation("E1", entry, format!("a share of epoch {}, which is retired here", epoch.0));
                }
                let first = *self.packages.entry(*package).or_insert((*key_id, *epoch));
                if first != (*key_id, *epoch) {
                    return violation("E1", entry, format!("shares of two epochs for package {package}"));
                }
                None
            }
            _ => None,
        }
    }

    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        let entry = Entry { at: sight.world.now(), process: None, what: What::Synced { records: 0 } };
        sight.honest_processes().find_map(|(id, _)| self.left_over(&entry, sight, id))
    }
}
