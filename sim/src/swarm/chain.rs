//! A hostile chain of a swarm scenario: finality that takes its time, and what goes wrong with blocks, endpoints and transactions.

use super::draw::Draw;
use super::{Cast, HEALED, SECOND};
use crate::scenario::names::SHOWN;
use crate::scenario::{Fault, FaultKind, Moment, Scenario};
use crate::world::SLOT;

/// Reorganisations and spikes come in the second phase as well: neither is the core's.
const ENDS: u64 = HEALED + 120 * SECOND;

/// Has blocks become final later, and one to three things go wrong.
pub(super) fn harden(scenario: &mut Scenario, draw: &Draw, cast: &Cast) {
    scenario.finality = draw.between(1, 4, "finality", 0) * SLOT;
    let unsound = cast.corrupted.len();
    let liars = usize::from(scenario.key.threshold).saturating_sub(1).saturating_sub(unsound);
    let count = draw.between(1, 3, "hostilities", 0);
    scenario.faults.extend((0..count).filter_map(|index| fault(draw, cast, liars, index)));
}

fn fault(draw: &Draw, cast: &Cast, liars: usize, index: u64) -> Option<Fault> {
    let begin = draw.micros(SECOND, ENDS, "hostile from", index);
    let lasts = draw.micros(SECOND, 90 * SECOND, "hostile for", index);
    let early = draw.micros(SECOND, HEALED - SECOND, "hostile early", index);
    let beside: Vec<_> = cast.all.iter().copied().filter(|node| !cast.core.contains(node)).collect();
    let (begin, lasts, kind) = match draw.between(0, 4, "hostility", index) {
        0 => (begin, None, FaultKind::Reorg { depth: u32::try_from(draw.between(1, 4, "depth", index)).ok()? }),
        // All see it: the core has to have its time afterwards.
        1 => (early, Some(lasts.min(HEALED - early)), FaultKind::FinalityStall),
        2 => {
            let drops = 10_000 * u32::try_from(draw.between(0, 100, "drops", index)).ok()?;
            (begin, Some(lasts), FaultKind::GasSpike { drops })
        }
        3 if liars > 0 && !beside.is_empty() => {
            let mut nodes = draw.some(&beside, "lied to", index);
            nodes.truncate(liars);
            let (shows, _) = *draw.pick(&SHOWN, "lie", index)?;
            (early, draw.percent(70, "lies end", index).then_some(lasts), FaultKind::LyingEndpoint { nodes, shows })
        }
        _ => (begin, Some(lasts), FaultKind::MuddledOutcomes { nodes: draw.some(&cast.all, "muddled", index) }),
    };
    Some(Fault { begin: Moment::At(begin), lasts, kind })
}
