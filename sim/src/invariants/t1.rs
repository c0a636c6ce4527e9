//! T1: behind every signature stand t vaults, corrupted ones included.

use super::{Invariant, Sight, violation, wire};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_proto::{Digest, KeyId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Who released a share of what, and what was signed.
#[derive(Debug, Default)]
pub struct T1 {
    released: BTreeMap<Digest, BTreeMap<KeyId, BTreeSet<NodeId>>>,
    checked: BTreeSet<Digest>,
}

impl Invariant for T1 {
    fn id(&self) -> &'static str {
        "T1"
    }

    fn statement(&self) -> &'static str {
        "A valid signature on m in an epoch implies that at least t - c distinct honest vaults released a share of that epoch for exactly m, \
         c being the number of corrupted members (SIMULATOR section 5.5)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        match &entry.what {
            What::Released { digest, key_id, .. } => {
                let node = sight.honest(entry)?.0.node;
                self.released.entry(*digest).or_default().entry(*key_id).or_default().insert(node);
            }
            What::Signed { digest, signature, .. } if !self.checked.contains(digest) => {
                let mut keys = sight.wire.held().map(|(_, held)| held.group_key);
                if !keys.any(|key| wire::verifies(&key, *digest, signature)) {
                    return None;
                }
                self.checked.insert(*digest);
                // The claim is made for t - 1 corrupted at most: with more, one honest vault is still asked for.
                let needed = |t: u16| usize::from(t).saturating_sub(world.corrupted_count()).max(1);
                let threshold = |key_id: &KeyId| {
                    let mut held = sight.wire.held().filter(|(_, held)| held.key_id == *key_id);
                    held.next().map_or(u16::MAX, |(_, held)| held.threshold)
                };
                let released = self.released.get(digest).into_iter().flatten();
                let mut epochs = released.clone().map(|(key_id, nodes)| (nodes.len(), needed(threshold(key_id))));
                if !epochs.any(|(honest, needed)| honest >= needed) {
                    let honest: Vec<_> = released.map(|(_, nodes)| nodes.len()).collect();
                    let least = needed(world.scenario().threshold_min());
                    let detail = format!(
                        "{digest} is signed; {honest:?} honest vaults released a share by epoch, {least} had to in one"
                    );
                    return violation("T1", entry, detail);
                }
            }
            _ => {}
        }
        None
    }
}
