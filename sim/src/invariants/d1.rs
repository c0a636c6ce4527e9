//! D1: once confirmed, a key survives.

use super::secrets::Keys;
use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::scenario::FaultKind;
use crate::verdict::Violation;
use firn_proto::{KeyId, NodeId};
use firn_vault::Vault;
use std::collections::BTreeSet;

/// Keys that some honest vault holds certified, and sealed shares that were found to open.
#[derive(Debug, Default)]
pub struct D1 {
    confirmed: BTreeSet<KeyId>,
    good: BTreeSet<(NodeId, KeyId, Vec<u8>)>,
    /// Nodes whose disk a fault destroyed or set back: no modelled crash, and no claim about them alone.
    spoilt: BTreeSet<NodeId>,
}

impl D1 {
    fn recoverable(&mut self, sight: &Sight<'_>, node: NodeId, key_id: KeyId) -> bool {
        let record_key = Vault::share_record(key_id, firn_proto::Epoch(0));
        let mut processes = sight.honest_processes().filter(|(id, _)| id.node == node);
        processes.any(|(_, process)| {
            let Some(sealed) = process.disk.recoverable().vault.get(&record_key) else { return false };
            let known = (node, key_id, sealed.clone());
            if self.good.contains(&known) {
                return true;
            }
            let keys = Keys::new(sight.world.definition().network_id(), node, sight.world.seed_root(node));
            keys.held(&record_key, sealed).is_some_and(|held| held.fits()) && self.good.insert(known)
        })
    }

    fn check(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        for key_id in self.confirmed.clone() {
            let honest: Vec<_> = world.nodes().into_iter().filter(|node| !world.is_corrupted(*node)).collect();
            // At time zero, some have yet to be started.
            let started = |node: &NodeId| world.node(*node).is_some();
            let safe = honest.iter().copied().filter(|node| !self.spoilt.contains(node) && started(node));
            let safe: Vec<_> = safe.collect();
            let lost: Vec<_> = safe.iter().copied().filter(|node| !self.recoverable(sight, *node, key_id)).collect();
            if !lost.is_empty() {
                let lost: Vec<_> = lost.iter().map(|node| node.0).collect();
                return violation(
                    "D1",
                    entry,
                    format!("key {key_id} is confirmed; shares of {lost:?} are not on disk"),
                );
            }
        }
        None
    }
}

impl Invariant for D1 {
    fn id(&self) -> &'static str {
        "D1"
    }

    fn statement(&self) -> &'static str {
        "Once a key is confirmed, every honest member's share is on its disk after any modelled crash, opens, and fits its \
         verifying share, so that t can always sign; disks that a fault destroys or sets back are no crash (DESIGN section 4)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        match &entry.what {
            What::FaultBegins { fault } => {
                let kind = sight.world.scenario().faults.get(*fault).map(|fault| &fault.kind);
                // A copy takes nothing from the disk that it is of.
                let spoils = kind.filter(|kind| !matches!(kind, FaultKind::Twin { .. }));
                self.spoilt.extend(spoils.into_iter().flat_map(FaultKind::spoils));
                None
            }
            What::Observed(firn_coordinator::api::Observation::KeyPhase { .. })
            | What::Started { .. }
            | What::Stopped { .. } => {
                let (_, process) = sight.honest(entry)?;
                let keys = process.engine.keys().into_iter();
                let confirmed = keys.filter(|key| matches!(key.state, "certified" | "active"));
                self.confirmed.extend(confirmed.map(|key| key.key_id));
                self.check(entry, sight)
            }
            _ => None,
        }
    }

    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        self.check(&Entry { at: sight.world.now(), process: None, what: What::Synced { records: 0 } }, sight)
    }
}
