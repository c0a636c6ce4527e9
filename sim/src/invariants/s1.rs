//! S1: secrets stay in vaults.

use super::secrets::Keys;
use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_coordinator::api::Observation;
use firn_vault::api::Write;
use std::collections::BTreeMap;

/// Secrets by their first two bytes, and a map of which first two bytes occur.
#[derive(Debug)]
pub struct S1 {
    shares: usize,
    secrets: BTreeMap<[u8; 2], Vec<(String, [u8; 32])>>,
    starts: Vec<u64>,
    /// The frame looked at last: the same bytes go to many.
    last: Vec<u8>,
}

impl Default for S1 {
    fn default() -> Self {
        Self { shares: 0, secrets: BTreeMap::new(), starts: vec![0; 1024], last: Vec::new() }
    }
}

impl S1 {
    fn learn(&mut self, name: String, secret: [u8; 32]) {
        let [first, second, ..] = secret;
        let known = self.secrets.entry([first, second]).or_default();
        if known.iter().any(|(_, other)| *other == secret) {
            return;
        }
        known.push((name, secret));
        let index = usize::from(u16::from_be_bytes([first, second]));
        if let Some(word) = self.starts.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// All roots, and what is derived from them.
    fn begin(&mut self, sight: &Sight<'_>) {
        for node in sight.world.nodes() {
            let network = sight.world.definition().network_id();
            let keys = Keys::new(network, node, sight.world.seed_root(node));
            keys.all().into_iter().for_each(|(name, secret)| self.learn(format!("{name} of node {node}"), secret));
        }
    }

    /// Shares that have come to lie on disks since.
    fn learn_shares(&mut self, sight: &Sight<'_>) {
        if sight.wire.held().count() != self.shares {
            self.shares = sight.wire.held().count();
            for (node, held) in sight.wire.held() {
                self.learn(format!("share of node {node} of key {}", held.key_id), held.share);
            }
        }
    }

    /// The secret in `bytes`, if there is one.
    fn find(&self, bytes: &[u8]) -> Option<&str> {
        bytes.windows(32).find_map(|window| {
            let (first, _) = window.split_first_chunk::<2>()?;
            let index = usize::from(u16::from_be_bytes(*first));
            self.starts.get(index / 64).filter(|word| **word >> (index % 64) & 1 == 1)?;
            let known = self.secrets.get(first)?;
            known.iter().find(|(_, secret)| window == secret).map(|(name, _)| name.as_str())
        })
    }
}

impl Invariant for S1 {
    fn id(&self) -> &'static str {
        "S1"
    }

    fn statement(&self) -> &'static str {
        "Root secrets, the keys derived from them, and key shares never appear in a frame, an unsealed or sealed record, an \
         observation or evidence of an honest node (DESIGN section 7, rule 1; SECURITY R46)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        if self.secrets.is_empty() {
            self.begin(sight);
        }
        sight.honest(entry)?;
        let found = match &entry.what {
            What::Started { .. } => {
                self.learn_shares(sight);
                None
            }
            What::Sent { .. } if self.last == sight.world.frame_bytes() => None,
            What::Sent { .. } => {
                self.last = sight.world.frame_bytes().to_vec();
                self.find(&self.last)
            }
            What::Synced { .. } => {
                let batch = sight.world.synced_batch();
                self.learn_shares(sight);
                let records = batch.records.iter().filter_map(|record| record.value.as_ref());
                let writes = batch.writes.iter().filter_map(|write| match write {
                    Write::Put { value, .. } => Some(value),
                    Write::Delete { .. } => None,
                });
                records.chain(writes).find_map(|value| self.find(value))
            }
            What::Evidence { envelopes, .. } | What::Observed(Observation::Evidence { envelopes, .. }) => {
                envelopes.iter().find_map(|envelope| self.find(envelope))
            }
            _ => None,
        };
        found.and_then(|name| violation("S1", entry, format!("{name} in the clear")))
    }
}
