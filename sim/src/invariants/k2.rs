//! K2: whoever holds it, the key stays.

use super::secrets::{Held, Keys, reconstruct};
use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_coordinator::api::Observation;
use firn_proto::{Epoch, KeyId, NodeId, Point};
use firn_vault::Vault;
use std::collections::{BTreeMap, BTreeSet};

/// The group key of the first epoch, and the sets of shares that were found to give it.
#[derive(Debug, Default)]
pub struct K2 {
    group_key: Option<Point>,
    good: BTreeSet<(KeyId, Vec<NodeId>)>,
}

impl Invariant for K2 {
    fn id(&self) -> &'static str {
        "K2"
    }

    fn statement(&self) -> &'static str {
        "Refresh and resharing keep the group public key, and any t shares of an active epoch that honest members have on \
         their disks give the secret of that key (SIMULATOR section 5.5; SECURITY R33)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let What::Observed(Observation::KeyPhase { key_id, phase: "active" }) = &entry.what else { return None };
        let (_, process) = sight.honest(entry)?;
        let view = process.engine.keys().into_iter().find(|view| view.key_id == *key_id)?;
        let key = view.group_key?;
        if view.epoch == Epoch(0) {
            self.group_key = Some(key);
            return None;
        }
        let before = sight.world.key().map(|(_, key)| key);
        if [self.group_key, before].into_iter().flatten().any(|before| before != key) {
            return violation("K2", entry, format!("epoch {} has another group key", view.epoch.0));
        }
        let shares = on_disk(sight, *key_id, view.epoch);
        let nodes: Vec<_> = shares.keys().copied().collect();
        let t = usize::from(view.threshold);
        for set in nodes.windows(t).chain(nodes.rchunks_exact(t)) {
            if !self.good.insert((*key_id, set.to_vec())) {
                continue;
            }
            let chosen = set.iter().filter_map(|node| shares.get(node)).map(|held| (held.identifier, held.share));
            if reconstruct(&chosen.collect()) != Some(key) {
                let set: Vec<_> = set.iter().map(|node| node.0).collect();
                let detail = format!("the shares of nodes {set:?} in epoch {} give another secret", view.epoch.0);
                return violation("K2", entry, detail);
            }
        }
        None
    }
}

/// Shares of an epoch that honest members would have after a crash at this moment.
fn on_disk(sight: &Sight<'_>, key_id: KeyId, epoch: Epoch) -> BTreeMap<NodeId, Held> {
    let record_key = Vault::share_record(key_id, epoch);
    let network = sight.world.definition().network_id();
    let held = sight.honest_processes().filter_map(|(id, process)| {
        let sealed = process.disk.recoverable().vault.get(&record_key)?;
        let keys = Keys::new(network, id.node, sight.world.seed_root(id.node));
        Some((id.node, keys.held(&record_key, sealed)?))
    });
    held.collect()
}
