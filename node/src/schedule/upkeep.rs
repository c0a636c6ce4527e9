//! What a node does for its keys by itself: a backup whenever it has other shares than before, and a refresh in its operator's hours,
//! where that backup holds the shares that it has now (docs/how-to/schedule.md).

use super::{Facts, missing, since};
use crate::api::Shared;
use crate::api::json::{NextEpoch, ProposeBody};
use crate::backup::standing::Standing;
use crate::config::{Keys, Window};
use crate::failure::Failure;
use crate::runtime::wall_time;
use firn_coordinator::view::KeyView;
use firn_proto::KeyId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often it looks whether there is anything to do.
const LOOK: Duration = Duration::from_secs(2);

/// Seconds between two tries of a backup that fails.
const BACKUP_AGAIN_SECONDS: u64 = 60;

/// Seconds between two refreshes of a key that this node begins: an attempt has ended by then.
const REFRESH_AGAIN_SECONDS: u64 = 900;

/// Seconds by which each member begins later than the one before it, so that they do not begin at once.
const RANK_SECONDS: u64 = 600;

/// Seconds that all members have to accept.
const WITHIN_SECONDS: u64 = 60;

/// The task, and what it remembers.
pub(crate) struct Upkeep {
    api: Arc<Shared>,
    standing: Option<Arc<Standing>>,
    refreshes: Option<Refreshes>,
    /// What the standing backup of this run holds.
    kept: BTreeSet<KeyId>,
    backup_again: u64,
}

/// When refreshes begin, and when one of each key began here last.
struct Refreshes {
    after: u64,
    window: Window,
    asked: BTreeMap<String, u64>,
}

impl Upkeep {
    /// Absent where there is nothing to do.
    pub(crate) fn new(api: Arc<Shared>, standing: Option<Standing>, keys: &Keys) -> Option<Self> {
        let times = keys.refresh_after.zip(keys.refresh_window);
        let refreshes = times.map(|(after, window)| Refreshes { after, window, asked: BTreeMap::new() });
        let idle = standing.is_none() && refreshes.is_none();
        let standing = standing.map(Arc::new);
        (!idle).then(|| Self { api, standing, refreshes, kept: BTreeSet::new(), backup_again: 0 })
    }

    /// Never ends.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            // A loop that is busy is asked again.
            let Ok((keys, pauses)) = self.api.look(|engine| (engine.keys(), engine.pauses())).await else { continue };
            self.back_up(&keys).await;
            if pauses.own.is_none() && pauses.network.is_none() {
                self.refresh(&keys).await;
            }
        }
    }

    /// Makes the standing backup anew where this node has other keys than it holds.
    async fn back_up(&mut self, keys: &[KeyView]) {
        let Some(standing) = &self.standing else { return };
        let me = self.api.me;
        let ours = keys.iter().filter(|key| matches!(key.state, "certified" | "active"));
        let ours: BTreeSet<_> =
            ours.filter(|key| key.members.values().any(|node| *node == me)).map(|key| key.key_id).collect();
        if ours.is_empty() || ours == self.kept || wall_time().0 < self.backup_again {
            return;
        }
        match self.make(Arc::clone(standing)).await {
            Ok(()) => {
                tracing::info!(keys = ours.len(), "backup_verified");
                self.kept = ours;
            }
            Err(failure) => {
                tracing::warn!(code = failure.code, cause = failure.cause, next = failure.next_step, "backup_failed");
                self.backup_again = wall_time().0.saturating_add(BACKUP_AGAIN_SECONDS);
            }
        }
    }

    async fn make(&self, standing: Arc<Standing>) -> Result<(), Failure> {
        let shares = self.api.shares().await?;
        let made = tokio::task::spawn_blocking(move || standing.make(shares)).await;
        made.unwrap_or_else(|error| Err(Failure::general("BACKUP_FILE", error.to_string())))
    }

    async fn refresh(&mut self, keys: &[KeyView]) {
        let Some(refreshes) = &mut self.refreshes else { return };
        let connected = self.api.connected();
        let safe = self.standing.is_some().then_some(&self.kept);
        let facts = self.api.facts(keys, &connected);
        for name in refreshes.begin(&facts, safe) {
            tracing::info!(key = name, "refresh_begun");
            let body = ProposeBody { name, within_seconds: WITHIN_SECONDS, next: Some(NextEpoch::Refresh) };
            if let Err(refused) = self.api.propose_key(body).await {
                tracing::warn!(code = refused.code(), "refresh_refused");
            }
        }
    }
}

impl Refreshes {
    /// The keys whose next epoch this node proposes now. Where the shares have to be backed up, only those that are.
    fn begin(&mut self, facts: &Facts<'_>, safe: Option<&BTreeSet<KeyId>>) -> Vec<String> {
        if !self.window.contains(firn_proto::time::WallTime(facts.now)) {
            return Vec::new();
        }
        let due = facts.definition.keys.iter().filter(|listed| {
            let Some(rank) = listed.nodes().position(|node| node == facts.me) else { return false };
            let of_key = || facts.keys.iter().filter(|view| view.name == listed.name);
            let Some(active) = of_key().filter(|view| view.state == "active").max_by_key(|view| view.epoch) else {
                return false;
            };
            let ended = |view: &KeyView| matches!(view.state, "active" | "retired" | "aborted" | "abandoned");
            let turn = self.after.saturating_add(RANK_SECONDS.saturating_mul(rank as u64));
            let last = self.asked.get(&listed.name).map_or(0, |asked| asked.saturating_add(REFRESH_AGAIN_SECONDS));
            since(active).is_some_and(|since| since.saturating_add(turn) <= facts.now)
                && last <= facts.now
                && active.is_as_listed(listed)
                && of_key().all(ended)
                && missing(&listed.name, facts).is_empty()
                && safe.is_none_or(|safe| safe.contains(&active.key_id))
        });
        let due: Vec<_> = due.map(|listed| listed.name.clone()).collect();
        self.asked.extend(due.iter().map(|name| (name.clone(), facts.now)));
        due
    }
}

#[cfg(test)]
mod tests;
