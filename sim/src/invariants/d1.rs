//! D1: once confirmed, a key survives.

use super::secrets::Keys;
use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::scenario::FaultKind;
use crate::verdict::Violation;
use firn_coordinator::view::KeyView;
use firn_proto::{Epoch, KeyId, NodeId};
use firn_vault::Vault;
use std::collections::{BTreeMap, BTreeSet};

/// Epochs that some honest vault holds certified, with their members, and sealed shares that were found to open.
#[derive(Debug, Default)]
pub struct D1 {
    confirmed: BTreeMap<(KeyId, Epoch), Confirmed>,
    good: BTreeSet<(NodeId, KeyId, Vec<u8>)>,
    /// Nodes whose disk a fault destroyed or set back: no modelled crash, and no claim about them alone.
    spoilt: BTreeSet<NodeId>,
}

/// Who holds an epoch.
#[derive(Debug)]
struct Confirmed {
    threshold: usize,
    members: BTreeSet<NodeId>,
}

impl D1 {
    fn recoverable(&mut self, sight: &Sight<'_>, node: NodeId, (key_id, epoch): (KeyId, Epoch)) -> bool {
        let record_key = Vault::share_record(key_id, epoch);
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

    fn confirm(&mut self, keys: &[KeyView]) {
        for key in keys.iter().filter(|key| matches!(key.state, "certified" | "active")) {
            let of = || Confirmed { threshold: key.threshold.into(), members: key.members.values().copied().collect() };
            self.confirmed.entry((key.key_id, key.epoch)).or_insert_with(of);
        }
    }

    fn check(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        // At time zero, some have yet to be started.
        let sound = |node: &NodeId| !world.is_corrupted(*node) && world.node(*node).is_some();
        let places: Vec<_> = self.confirmed.keys().copied().collect();
        let (mut enough, mut possible) = (places.is_empty(), false);
        for place in places {
            let Some(Confirmed { threshold, members }) = self.confirmed.get(&place) else { continue };
            let (threshold, members) = (*threshold, members.clone());
            let safe: Vec<_> =
                members.iter().copied().filter(|node| sound(node) && !self.spoilt.contains(node)).collect();
            let lost: Vec<_> = safe.iter().filter(|node| !self.recoverable(sight, **node, place)).copied().collect();
            enough |= safe.len() - lost.len() >= threshold;
            possible |= safe.len() >= threshold;
            // Who has a later epoch active needs this one no more.
            let needs =
                |node: &&NodeId| world.node(**node).is_some_and(|process| !is_over(&process.engine.keys(), place));
            let lost: Vec<_> = lost.iter().filter(needs).map(|node| node.0).collect();
            if !lost.is_empty() {
                let detail = format!("key {} is confirmed; shares of {lost:?} are not on disk", place.0);
                return violation("D1", entry, detail);
            }
        }
        let lost = possible && !enough;
        lost.then(|| violation("D1", entry, "no epoch has enough shares on disk".to_owned())).flatten()
    }
}

/// Whether a node knows a later epoch as active, or this one as retired, or nothing of it at all.
fn is_over(keys: &[KeyView], (key_id, epoch): (KeyId, Epoch)) -> bool {
    let later = |key: &KeyView| key.epoch > epoch && matches!(key.state, "active" | "retired");
    keys.iter().any(|key| later(key) || key.key_id == key_id && key.state == "retired")
}

impl Invariant for D1 {
    fn id(&self) -> &'static str {
        "D1"
    }

    fn statement(&self) -> &'static str {
        "Once an epoch is confirmed, every honest member's share is on its disk after any modelled crash, opens, and fits its \
         verifying share, until the member has a later one active; so at every instant some epoch has t shares on disk. Disks \
         that a fault destroys or sets back are no crash (DESIGN section 4)."
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
                self.confirm(&process.engine.keys());
                self.check(entry, sight)
            }
            _ => None,
        }
    }

    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        self.check(&Entry { at: sight.world.now(), process: None, what: What::Synced { records: 0 } }, sight)
    }
}
