//! A gate of a swarm scenario. That there is one is its shape's, so that seeds share its key; what happens at it is the seed's own.

use super::draw::Draw;
use super::faults::{hurts, kind};
use super::{Cast, HEALED, SECOND};
use crate::scenario::{Cancel, Fault, Gate, Micros, Moment, Point, Scenario, Which};

/// What goes wrong between the sessions of two payloads.
const BETWEEN: [&str; 5] = ["crash", "partition", "chain-lag", "chain-down", "rolling"];

/// How long the core has for each of its payloads: longer than the bound.
const PART: Micros = 340 * SECOND;

/// Has slashes of a drawn scenario go through a gate.
pub(super) fn put(scenario: &mut Scenario, draw: &Draw, cast: &Cast) {
    let delay = draw.between(12, 60, "gate delay", 0) * SECOND;
    let count = if draw.percent(50, "cancelled", 0) { draw.between(1, 2, "cancels", 0) } else { 0 };
    let cancel = |index: u64| Cancel {
        which: Which::Share(10_000 * u32::try_from(draw.between(10, 60, "cancelled share", index)).unwrap_or(10)),
        after: draw.micros(0, delay + 40 * SECOND, "cancelled after", index),
    };
    let mut gate = Gate { cancels: (0..count).map(cancel).collect(), ..Gate::new(delay) };
    gate.shared_evidence = draw.percent(30, "shared evidence", 0);
    if draw.percent(15, "expires", 0) {
        gate.expires = draw.between(24, 120, "expires", 0) * SECOND;
    }
    scenario.gate = Some(gate);
    let count = if draw.percent(60, "between", 0) { draw.between(1, 2, "between", 0) } else { 0 };
    scenario.faults.extend((1_000..1_000 + count).filter_map(|index| between(draw, cast, index)));
    scenario.until = Some(HEALED + 2 * PART + delay);
}

/// A fault that begins when a node sees that something is scheduled.
fn between(draw: &Draw, cast: &Cast, index: u64) -> Option<Fault> {
    let kind = kind(draw, cast, draw.pick(&BETWEEN, "kind between", index)?, index)?;
    let node = *draw.pick(&cast.all, "scheduled at", index)?;
    let count = u32::try_from(draw.between(1, 3, "scheduled", index)).ok()?;
    // It may come late: it must not take the core apart in the second phase.
    let most = if hurts(&kind, &cast.core) { 5 } else { 60 };
    let lasts = Some(draw.micros(200_000, most * SECOND, "lasts between", index));
    Some(Fault { begin: Moment::When { node, point: Point::Scheduled, count }, lasts, kind })
}
