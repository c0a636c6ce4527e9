//! What a node does for its keys by itself: a backup whenever it has other shares than before, and refreshes once shares are old,
//! each over a backup of the shares of now that was made for it (docs/how-to/schedule.md).

use super::{Facts, missing, since};
use crate::api::Shared;
use crate::api::json::{NextEpoch, ProposeBody};
use crate::backup::standing::Standing;
use crate::config::{Keys, Window};
use crate::failure::{Exit, Failure};
use crate::runtime::wall_time;
use firn_coordinator::Engine;
use firn_coordinator::api::Command;
use firn_coordinator::view::KeyView;
use firn_proto::time::WallTime;
use firn_proto::{KeyId, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it looks whether there is anything to do.
const LOOK: Duration = Duration::from_secs(2);

/// The longest time between two tries of a backup that fails, in seconds; it doubles from one look on.
const AGAIN_SECONDS_MAX: u64 = 60;

/// How long a backup may take before that is said.
const PATIENCE: Duration = Duration::from_secs(60);

/// Seconds by which each member begins later than the one before it, so that they do not begin at once.
const RANK_SECONDS: u64 = 600;

/// Seconds that all members have to accept.
const WITHIN_SECONDS: u64 = 60;

/// The task, and what it remembers.
pub(crate) struct Upkeep {
    api: Arc<Shared>,
    standing: Option<Arc<Standing>>,
    /// From which age of shares on it accepts a refresh.
    after: Option<u64>,
    refreshes: Option<Refreshes>,
    /// What the standing backup of this run holds.
    kept: BTreeSet<KeyId>,
    failures: u32,
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
        // Where nothing has to be backed up, the engine accepts.
        let after = keys.refresh_after.filter(|_| standing.is_some());
        let (idle, standing) = (standing.is_none() && refreshes.is_none(), standing.map(Arc::new));
        let (kept, failures, backup_again) = (BTreeSet::new(), 0, 0);
        (!idle).then(|| Self { api, standing, after, refreshes, kept, failures, backup_again })
    }

    /// Never ends.
    pub(crate) async fn run(mut self) {
        loop {
            sleep(LOOK).await;
            // A loop that is busy is asked again.
            let Ok((keys, pauses)) = self.api.look(|engine| (engine.keys(), engine.pauses())).await else { continue };
            // What came out of an old backup may be older than what the file holds: first others confirm it.
            if pauses.restored.is_some() {
                continue;
            }
            if ours(&keys, self.api.me) != self.kept {
                self.back_up(&keys).await;
            }
            if pauses.own.is_none() && pauses.network.is_none() {
                self.accept(&keys).await;
                self.begin(&keys).await;
            }
        }
    }

    /// Makes the standing backup anew, where there is to be one. Whether the shares of now are safe.
    async fn back_up(&mut self, keys: &[KeyView]) -> bool {
        let Some(standing) = &self.standing else { return true };
        let ours = ours(keys, self.api.me);
        if ours.is_empty() || wall_time().0 < self.backup_again {
            return false;
        }
        match self.make(Arc::clone(standing), &ours).await {
            Ok(()) => {
                tracing::info!(keys = ours.len(), "backup_verified");
                (self.kept, self.failures) = (ours, 0);
                true
            }
            Err(failure) => {
                tracing::warn!(code = failure.code, cause = failure.cause, next = failure.next_step, "backup_failed");
                let seconds = LOOK.as_secs().checked_shl(self.failures).unwrap_or(AGAIN_SECONDS_MAX);
                self.backup_again = wall_time().0.saturating_add(seconds.min(AGAIN_SECONDS_MAX));
                self.failures = self.failures.saturating_add(1).min(u64::BITS - 3);
                self.kept.clear();
                false
            }
        }
    }

    async fn make(&self, standing: Arc<Standing>, ours: &BTreeSet<KeyId>) -> Result<(), Failure> {
        let shares = self.api.shares().await?;
        // The file may hold what this node has lost: one that lacks a share never takes its place. What was retired meanwhile is
        // not lost.
        let still = self.api.look(Engine::keys).await.map_err(|refused| {
            Failure::general("NODE_BUSY", format!("the node did not say which keys it has: {}", refused.code()))
        })?;
        if ours.intersection(&self::ours(&still, self.api.me)).any(|key| !shares.of.contains(key)) {
            let cause = "this node lacks its share of a key, and the backup before may hold it";
            let next =
                "restore that one, or have the share repaired; the node backs up again once it has all its shares";
            return Err(Failure::new("BACKUP_INCOMPLETE", cause, next, Exit::Conflict));
        }
        let mut made = tokio::task::spawn_blocking(move || standing.make(shares));
        let made = match timeout(PATIENCE, &mut made).await {
            Ok(made) => made,
            Err(_) => {
                tracing::warn!(code = "BACKUP_FILE", "backup_slow: see the directory, and the recipients' plugins");
                made.await
            }
        };
        made.unwrap_or_else(|error| Err(Failure::general("BACKUP_FILE", error.to_string())))
    }

    /// Accepts refreshes that are due, each over a backup that is made for it.
    async fn accept(&mut self, keys: &[KeyView]) {
        let Some(after) = self.after else { return };
        let due = self.api.look(move |engine| engine.refreshes_due(after)).await.unwrap_or_default();
        for key_id in due {
            if !self.back_up(keys).await {
                return;
            }
            if let Err(refused) = self.api.command(key_id.to_string(), Command::AcceptKey(key_id)).await {
                tracing::warn!(key_id = %key_id, code = refused.code(), "refresh_not_accepted");
            }
        }
    }

    /// Begins refreshes that are due in the operator's hours.
    async fn begin(&mut self, keys: &[KeyView]) {
        let Some(refreshes) = &mut self.refreshes else { return };
        let connected = self.api.connected();
        let due = refreshes.due(&self.api.facts(keys, &connected));
        for name in due {
            if !self.back_up(keys).await {
                return;
            }
            if let Some(refreshes) = &mut self.refreshes {
                refreshes.asked.insert(name.clone(), wall_time().0);
            }
            tracing::info!(key = name, "refresh_begun");
            let body =
                ProposeBody { name: name.clone(), within_seconds: WITHIN_SECONDS, next: Some(NextEpoch::Refresh) };
            if let Err(refused) = self.api.propose_key(body).await {
                tracing::warn!(key = name, code = refused.code(), "refresh_refused");
            }
        }
    }
}

/// The keys of which a node is to have a share.
fn ours(keys: &[KeyView], me: NodeId) -> BTreeSet<KeyId> {
    let held = keys.iter().filter(|key| matches!(key.state, "certified" | "active"));
    held.filter(|key| key.members.values().any(|node| *node == me)).map(|key| key.key_id).collect()
}

impl Refreshes {
    /// The keys whose next epoch this node proposes now: once while the window is open, each member later than the one before it.
    fn due(&self, facts: &Facts<'_>) -> Vec<String> {
        let Some(opened) = self.window.opened(WallTime(facts.now)) else { return Vec::new() };
        let due = facts.definition.keys.iter().filter(|listed| {
            let Some(rank) = listed.nodes().position(|node| node == facts.me) else { return false };
            let of_key = || facts.keys.iter().filter(|view| view.name == listed.name);
            let Some(active) = of_key().filter(|view| view.state == "active").max_by_key(|view| view.epoch) else {
                return false;
            };
            let ended =
                |view: &KeyView| matches!(view.state, "active" | "retired" | "aborted" | "abandoned" | "given-up");
            let old = since(active).map(|since| since.saturating_add(self.after).max(opened.0));
            old.is_some_and(|old| old.saturating_add(RANK_SECONDS.saturating_mul(rank as u64)) <= facts.now)
                && self.asked.get(&listed.name).is_none_or(|asked| *asked < opened.0)
                && active.is_as_listed(listed)
                && of_key().all(ended)
                && missing(&listed.name, facts).is_empty()
        });
        due.map(|listed| listed.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
