//! K1: one name, one key, and everybody has the same.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_coordinator::api::Observation;
use firn_proto::certificate::statement;
use firn_proto::{Digest, Epoch, KeyId, Point};
use std::collections::BTreeMap;

/// What honest nodes finished with.
#[derive(Debug, Default)]
pub struct K1 {
    active: BTreeMap<String, Point>,
    packages: BTreeMap<KeyId, Digest>,
    epochs: BTreeMap<(String, Epoch), KeyId>,
}

impl Invariant for K1 {
    fn id(&self) -> &'static str {
        "K1"
    }

    fn statement(&self) -> &'static str {
        "At most one group key per key and epoch is ever active at honest nodes, and all who finished a key generation hold \
         equal public key packages; no epoch is made twice, and all epochs of a name have one group key (SIMULATOR section 5.5)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let ended = matches!(
            entry.what,
            What::Observed(Observation::KeyPhase { phase: "active" | "certified", .. }) | What::Started { .. }
        );
        let (id, process) = sight.honest(entry).filter(|_| ended)?;
        let finished = process.engine.keys().into_iter().filter(|key| matches!(key.state, "certified" | "active"));
        for held in finished.filter_map(|key| sight.wire.held_by(id.node, key.key_id)) {
            let package = statement(Digest(held.transcript), &held.group_key, &held.verifying_shares);
            if *self.packages.entry(held.key_id).or_insert(package) != package {
                return violation("K1", entry, format!("key {} has two public key packages", held.key_id));
            }
        }
        for view in process.engine.keys().into_iter().filter(|view| view.state == "active") {
            let Some(key) = view.group_key else { continue };
            let (name, epoch) = (view.name.clone(), view.epoch);
            if epoch > Epoch(0) && *self.epochs.entry((name, epoch)).or_insert(view.key_id) != view.key_id {
                return violation("K1", entry, format!("epoch {} of {} was made twice", epoch.0, view.name));
            }
            if *self.active.entry(view.name.clone()).or_insert(key) != key {
                return violation("K1", entry, format!("a second group key is active as {}", view.name));
            }
        }
        None
    }
}
