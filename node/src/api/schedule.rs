//! Schedules over HTTP, in the metrics, and as a check that warns and never fails.

use super::json::Check;
use super::{Api, Refused, Shared};
use crate::net::PeerStatus;
use crate::runtime::wall_time;
use crate::schedule::{Facts, ScheduleView};
use axum::extract::State;
use axum::response::Json;
use firn_coordinator::Engine;
use firn_coordinator::view::KeyView;
use firn_proto::NodeId;
use std::collections::BTreeSet;

pub(super) async fn show(State(api): Api) -> Result<Json<ScheduleView>, Refused> {
    let keys = api.look(Engine::keys).await?;
    Ok(Json(api.scheduled(&keys, &(api.peers)())))
}

impl Shared {
    pub(super) fn scheduled(&self, keys: &[KeyView], peers: &[PeerStatus]) -> ScheduleView {
        self.schedule.view(&self.facts(keys, &self.among(peers)))
    }

    /// What a schedule is made of besides what it knows.
    pub(crate) fn facts<'a>(&'a self, keys: &'a [KeyView], connected: &'a BTreeSet<NodeId>) -> Facts<'a> {
        let block = self.health.borrow().block.number;
        Facts { now: wall_time().0, definition: &self.definition, me: self.me, keys, connected, block }
    }

    /// This node and those it is connected to.
    pub(crate) fn connected(&self) -> BTreeSet<NodeId> {
        self.among(&(self.peers)())
    }

    fn among(&self, peers: &[PeerStatus]) -> BTreeSet<NodeId> {
        peers.iter().filter(|peer| peer.takes_part()).map(|peer| NodeId(peer.node)).chain([self.me]).collect()
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
