//! Commitments of members for us as coordinator: what makes a signature cost one round trip. They are gone after any stop.

use crate::limits::{POOL_ASK_MS, POOL_MARGIN_SECONDS, POOL_MAX};
use firn_proto::commitments::Commitments;
use firn_proto::time::{MonotonicTime, WallTime};
use firn_proto::{Incarnation, KeyId, NodeId};
use std::collections::BTreeMap;

/// By key and owner, newest last.
#[derive(Default, Debug)]
pub(crate) struct Pools {
    pools: BTreeMap<(KeyId, NodeId), Vec<Commitments>>,
    /// When each owner was last asked to fill its pool.
    asked: BTreeMap<(KeyId, NodeId), MonotonicTime>,
}

impl Pools {
    pub(crate) fn len(&self) -> usize {
        self.pools.values().map(Vec::len).sum()
    }

    /// Keeps what a member offered; the oldest go when it offers too many, and those of earlier boots at once.
    pub(crate) fn add(&mut self, commitments: Commitments) {
        let statement = commitments.statement();
        let pool = self.pools.entry((statement.key_id, statement.owner)).or_default();
        if pool.iter().any(|known| known.statement().incarnation > statement.incarnation) {
            return;
        }
        pool.retain(|known| known.statement().incarnation == statement.incarnation && *known != commitments);
        pool.push(commitments);
        let excess = pool.len().saturating_sub(POOL_MAX);
        pool.drain(..excess);
    }

    /// Takes the newest that is not about to expire: a vault forgets the oldest first.
    /// Forgets what was offered with a key's shares.
    pub(crate) fn drop_key(&mut self, key_id: KeyId) {
        self.pools.retain(|(of, _), _| *of != key_id);
        self.asked.retain(|(of, _), _| *of != key_id);
    }

    pub(crate) fn take(&mut self, key_id: KeyId, owner: NodeId, now: WallTime) -> Option<Commitments> {
        let pool = self.pools.get_mut(&(key_id, owner))?;
        pool.retain(|known| lasts(known, now, POOL_MARGIN_SECONDS));
        pool.pop()
    }

    /// How many will still be of use in so many seconds.
    pub(crate) fn count(&self, key_id: KeyId, owner: NodeId, now: WallTime, seconds: u64) -> usize {
        let pool = self.pools.get(&(key_id, owner));
        pool.map_or(0, |pool| pool.iter().filter(|known| lasts(known, now, seconds)).count())
    }

    pub(crate) fn is_empty(&self, key_id: KeyId, owner: NodeId, now: WallTime) -> bool {
        self.count(key_id, owner, now, POOL_MARGIN_SECONDS) == 0
    }

    /// Whether an owner may be asked now, which counts as asked.
    pub(crate) fn ask(&mut self, key_id: KeyId, owner: NodeId, now: MonotonicTime) -> bool {
        let last = self.asked.get(&(key_id, owner));
        let due = last.is_none_or(|last| now >= last.plus(POOL_ASK_MS));
        if due {
            self.asked.insert((key_id, owner), now);
        }
        due
    }

    /// An owner is there in this boot: its nonces of others are gone.
    pub(crate) fn new_boot(&mut self, owner: NodeId, incarnation: Incarnation) {
        for (_, pool) in self.pools.iter_mut().filter(|((_, of), _)| *of == owner) {
            pool.retain(|known| known.statement().incarnation == incarnation);
        }
        self.asked.retain(|(_, of), _| *of != owner);
    }
}

fn lasts(commitments: &Commitments, now: WallTime, seconds: u64) -> bool {
    commitments.statement().expires.0 > now.0.saturating_add(seconds)
}
