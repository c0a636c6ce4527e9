//! T1: behind every signature stand t vaults, corrupted ones included.

use super::{Invariant, Sight, violation, wire};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_proto::{Digest, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Who released a share of what, and what was signed.
#[derive(Debug, Default)]
pub struct T1 {
    released: BTreeMap<Digest, BTreeSet<NodeId>>,
    checked: BTreeSet<Digest>,
}

impl Invariant for T1 {
    fn id(&self) -> &'static str {
        "T1"
    }

    fn statement(&self) -> &'static str {
        "A valid signature on m implies that at least t - c distinct honest vaults released a share for exactly m, \
         c being the number of corrupted members (SIMULATOR section 5.5)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        match &entry.what {
            What::Released { digest, .. } => {
                let node = sight.honest(entry)?.0.node;
                self.released.entry(*digest).or_default().insert(node);
            }
            What::Signed { digest, signature, .. } if !self.checked.contains(digest) => {
                let mut keys = sight.wire.held().map(|(_, held)| held.group_key);
                if !keys.any(|key| wire::verifies(&key, *digest, signature)) {
                    return None;
                }
                self.checked.insert(*digest);
                let threshold = world.definition().keys.iter().map(|key| key.threshold).min()?;
                // The claim is made for t - 1 corrupted at most: with more, one honest vault is still asked for.
                let needed = usize::from(threshold).saturating_sub(world.corrupted_count()).max(1);
                let honest = self.released.get(digest).map_or(0, BTreeSet::len);
                if honest < needed {
                    let detail =
                        format!("{digest} is signed; {honest} honest vaults released a share, {needed} had to");
                    return violation("T1", entry, detail);
                }
            }
            _ => {}
        }
        None
    }
}
