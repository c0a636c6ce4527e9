//! The key of a swarm scenario is renewed in some: a refresh, or a resharing by which a spare node joins. Shares that disks took along
//! are repaired in some.

use super::draw::Draw;
use super::{HEALED, SECOND};
use crate::scenario::{FaultKind, Moment, Renewal, Scenario, ShareRepair};
use firn_proto::NodeId;

/// How many of a hundred seeds have a refresh, how many of these have two, and how many of the others have a resharing.
const REFRESHED: u64 = 14;
const TWICE: u64 = 30;
const RESHARED: u64 = 8;

/// How many of a hundred lost shares are repaired.
const REPAIRED: u64 = 60;

pub(super) fn renew(scenario: &mut Scenario, draw: &Draw) {
    if draw.percent(REFRESHED, "refreshed", 0) {
        let count = if draw.percent(TWICE, "refreshed twice", 0) { 2 } else { 1 };
        let mut times: Vec<_> =
            (0..count).map(|index| draw.micros(2 * SECOND, HEALED + 30 * SECOND, "refresh", index)).collect();
        times.sort_unstable();
        scenario.key.renewals = times.into_iter().map(Renewal::refresh).collect();
    } else if draw.percent(RESHARED, "reshared", 0) && scenario.versions.is_empty() {
        reshare(scenario, draw);
    }
    let repaired = scenario.faults.iter().filter_map(|fault| match (&fault.kind, &fault.begin) {
        (FaultKind::Wipe { node }, Moment::At(at)) if draw.percent(REPAIRED, "repaired", u64::from(node.0)) => {
            let at = at.saturating_add(draw.micros(SECOND, 30 * SECOND, "repair", u64::from(node.0)));
            Some(ShareRepair { at, node: *node })
        }
        _ => None,
    });
    scenario.key.repairs = repaired.collect();
}

/// One node is a spare at first, and joins; a member may leave.
fn reshare(scenario: &mut Scenario, draw: &Draw) {
    let before = scenario.key.clone();
    let all: Vec<_> = (1..=scenario.node_count()).map(NodeId).collect();
    // Identifiers are ids of nodes here, and whoever joins has a new one.
    let Some(spare) = all.last().copied() else { return };
    let members: Vec<_> = all.into_iter().filter(|node| *node != spare).collect();
    let leaver = draw.pick(&members, "leaver", 0).copied().filter(|_| draw.percent(50, "leaves", 0));
    let at = draw.micros(2 * SECOND, HEALED, "reshare", 0);
    let remove = leaver.into_iter().collect();
    scenario.key.renewals = vec![Renewal { at, add: vec![spare], remove, threshold: None }];
    scenario.key.members = members;
    // Where n is too small for a spare, or diversity asks for all that there are, the key stays as it is.
    if !scenario.renewals_fit() || scenario.key.organisations_min > 1 {
        scenario.key = before;
    }
}
