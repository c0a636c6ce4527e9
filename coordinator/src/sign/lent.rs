//! Our own commitments: for which coordinators they are out, and which package each went into. One package each, so that
//! a coordinator can have us write no more than it asked us for commitments.

use crate::limits::{LENT_MAX, POOL_MAX};
use firn_proto::commitments::{CommitmentStatement, Commitments};
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, Incarnation, KeyId, NodeId};
use std::collections::BTreeMap;

#[derive(Default, Debug)]
pub(crate) struct Lent {
    /// Of this boot, once the vault has made commitments in it.
    incarnation: Option<Incarnation>,
    /// Offered and not used, with their expiry, by key and coordinator.
    offered: BTreeMap<(KeyId, NodeId), BTreeMap<u64, WallTime>>,
    packages: BTreeMap<u64, Digest>,
}

impl Lent {
    /// The vault made commitments: only those of its boot can be used.
    pub(crate) fn made(&mut self, commitments: &[Commitments]) {
        for own in commitments.iter().map(Commitments::statement) {
            self.incarnation = Some(own.incarnation);
            let offered = self.offered.entry((own.key_id, own.coordinator)).or_default();
            offered.insert(own.serial, own.expires);
            if offered.len() > POOL_MAX {
                offered.pop_first();
            }
        }
    }

    /// How many a coordinator has of us that it can still use.
    pub(crate) fn outstanding(&mut self, key_id: KeyId, coordinator: NodeId, now: WallTime) -> usize {
        let Some(offered) = self.offered.get_mut(&(key_id, coordinator)) else { return 0 };
        offered.retain(|_, expires| *expires > now);
        offered.len()
    }

    /// A coordinator has restarted, and what we offered to it is lost.
    pub(crate) fn forget(&mut self, coordinator: NodeId) {
        self.offered.retain(|(_, to), _| *to != coordinator);
    }

    /// Forgets what was offered with a key's shares.
    pub(crate) fn drop_key(&mut self, key_id: KeyId) {
        self.offered.retain(|(of, _), _| *of != key_id);
    }

    /// Takes our commitments for a package. True for the first time; the same package may come again, another never.
    pub(crate) fn take(&mut self, own: &CommitmentStatement, package: Digest) -> Result<bool, Code> {
        let full = self.packages.len() >= LENT_MAX;
        match self.packages.get(&own.serial) {
            _ if self.incarnation != Some(own.incarnation) => Err(Code::CommitmentUnknown),
            Some(known) if *known == package => Ok(false),
            Some(_) => Err(Code::PackageRival),
            None if full && self.packages.first_key_value().is_some_and(|(oldest, _)| own.serial < *oldest) => {
                Err(Code::CommitmentUnknown)
            }
            None => {
                self.packages.insert(own.serial, package);
                if full {
                    self.packages.pop_first();
                }
                if let Some(offered) = self.offered.get_mut(&(own.key_id, own.coordinator)) {
                    offered.remove(&own.serial);
                }
                Ok(true)
            }
        }
    }
}
