//! Schedules over HTTP, in the metrics, and as a check that warns and never fails.

use super::json::Check;
use super::{Api, Refused, Shared};
use crate::runtime::wall_time;
use crate::schedule::{Facts, ScheduleView};
use axum::extract::State;
use axum::response::Json;
use firn_coordinator::Engine;
use firn_proto::NodeId;
use std::time::Duration;
use tokio::time::timeout;

/// How long a probe waits for what only warns.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn show(State(api): Api) -> Result<Json<ScheduleView>, Refused> {
    Ok(Json(api.scheduled().await?))
}

impl Shared {
    /// For probes, which have to be answered while the loop is busy.
    pub(super) async fn scheduled_soon(&self) -> Option<ScheduleView> {
        timeout(PATIENCE, self.scheduled()).await.ok()?.ok()
    }

    pub(super) async fn scheduled(&self) -> Result<ScheduleView, Refused> {
        let keys = self.look(Engine::keys).await?;
        let up = (self.peers)()
            .iter()
            .filter(|peer| peer.takes_part())
            .map(|peer| NodeId(peer.node))
            .chain([self.me])
            .collect();
        let block = self.health.borrow().block.number;
        let (definition, now) = (&self.definition, wall_time().0);
        Ok(self.schedule.view(&Facts { now, definition, me: self.me, keys: &keys, connected: &up, block }))
    }
}

/// What is overdue, and keys that too many have left. A node does its work all the same.
pub(super) fn warning(view: &ScheduleView) -> Check {
    let overdue = view.entries.iter().filter(|entry| entry.is_overdue());
    let overdue = overdue.map(|entry| {
        let by = if entry.blocked_by.is_empty() {
            String::new()
        } else {
            format!(" (blocked: {})", entry.blocked_by.join(", "))
        };
        format!("{} of {} is overdue{by}", entry.kind, entry.name)
    });
    let left = view.departed.iter().filter(|departed| departed.alarm);
    let left = left.map(|departed| {
        format!(
            "{} members have left {} and {} of one epoch could sign: make a new key",
            departed.nodes.len(),
            departed.key,
            departed.threshold
        )
    });
    let said: Vec<_> = overdue.chain(left).collect();
    let detail =
        if said.is_empty() { "nothing is overdue".to_owned() } else { format!("WARNING: {}", said.join("; ")) };
    Check { name: "schedule".to_owned(), ok: true, detail }
}
