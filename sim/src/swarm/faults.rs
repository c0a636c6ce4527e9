//! Faults of a swarm scenario: of the kinds that its seed enables, timed or triggered, and kept away from the core in time.

use super::draw::Draw;
use super::{Cast, HEALED, SECOND};
use crate::scenario::names::{FAULTS, MESSAGES, POINTS};
use crate::scenario::{Fault, FaultKind, Moment, Point};
use firn_proto::NodeId;

/// What leaves a member short of its share, or under quarantine, until its operator acts: never done to the core.
const LASTING: [&str; 6] = ["rollback", "twin", "wipe", "lying-sync", "bit-flip", "entropy-repeat"];

/// Kinds with their numbers; a hostile chain has draws of its own.
fn drawn() -> impl Iterator<Item = (u64, (&'static str, &'static [&'static str]))> {
    (0_u64..).zip(FAULTS).take(29)
}

pub(super) fn faults(draw: &Draw, cast: &Cast) -> Vec<Fault> {
    let mut enabled: Vec<_> = drawn().filter(|(index, _)| draw.percent(35, "enabled", *index)).collect();
    if enabled.is_empty() {
        enabled.extend(drawn());
    }
    let kinds: Vec<_> = enabled.into_iter().map(|(_, (name, _))| name).collect();
    let count = draw.between(0, 6, "faults", 0);
    let each = |index| {
        let name = draw.pick(&kinds, "kind", index)?;
        let kind = kind(draw, cast, name, index)?;
        Some(timed(draw, cast, kind, index))
    };
    (0..count).filter_map(each).collect()
}

/// When a fault begins and ends: before the core is healed, or never where it spares the core.
fn timed(draw: &Draw, cast: &Cast, kind: FaultKind, index: u64) -> Fault {
    let hurts = hurts(&kind, &cast.core);
    let triggered = draw.percent(30, "triggered", index);
    let begin = if triggered { trigger(draw, cast, index) } else { None };
    let begin = begin.unwrap_or_else(|| Moment::At(draw.micros(SECOND, HEALED - 2 * SECOND, "begins", index)));
    let lasts = draw.micros(200_000, 30 * SECOND, "lasts", index);
    let lasts = match begin {
        // A trigger may come late: it must not wait for the second phase and then last.
        _ if !hurts && draw.percent(50, "for ever", index) => None,
        Moment::At(at) if hurts => Some(lasts.min(HEALED - at)),
        _ if hurts => Some(lasts.min(5 * SECOND)),
        _ => Some(lasts),
    };
    Fault { begin, lasts, kind }
}

fn trigger(draw: &Draw, cast: &Cast, index: u64) -> Option<Moment> {
    let node = *draw.pick(&cast.all, "trigger at", index)?;
    // The last one takes a gate.
    let (_, points) = POINTS.split_last()?;
    let (point, _) = *draw.pick(points, "point", index)?;
    let most = if point == Point::Effect { 400 } else { 3 };
    let count = u32::try_from(draw.between(1, most, "occurrence", index)).ok()?;
    Some(Moment::When { node, point, count })
}

/// Whether a core node, or a link between two of them, is touched.
pub(super) fn hurts(kind: &FaultKind, core: &[NodeId]) -> bool {
    let touches = |nodes: &[NodeId]| nodes.iter().any(|node| core.contains(node));
    match kind {
        FaultKind::Partition { groups } => groups.iter().filter(|group| touches(group)).count() > 1,
        FaultKind::OneWay { from, to }
        | FaultKind::Flapping { from, to, .. }
        | FaultKind::Jam { from, to }
        | FaultKind::Slow { from, to, .. }
        | FaultKind::Lossy { from, to, .. }
        | FaultKind::Bandwidth { from, to, .. }
        | FaultKind::Filter { from, to, .. }
        | FaultKind::Duplicate { from, to, .. }
        | FaultKind::Reorder { from, to, .. }
        | FaultKind::Reset { from, to } => touches(from) && touches(to),
        FaultKind::Swizzle { nodes }
        | FaultKind::Crash { nodes }
        | FaultKind::Rolling { nodes }
        | FaultKind::Pause { nodes }
        | FaultKind::SlowCpu { nodes, .. }
        | FaultKind::SlowDisk { nodes, .. }
        | FaultKind::LyingSync { nodes }
        | FaultKind::DiskFull { nodes }
        | FaultKind::ClockOffset { nodes, .. }
        | FaultKind::ClockDrift { nodes, .. }
        | FaultKind::ClockFreeze { nodes }
        | FaultKind::ChainDown { nodes }
        | FaultKind::ChainLag { nodes, .. }
        | FaultKind::LyingEndpoint { nodes, .. } => touches(nodes),
        FaultKind::FinalityStall => true,
        FaultKind::Reorg { .. } | FaultKind::GasSpike { .. } | FaultKind::MuddledOutcomes { .. } => false,
        FaultKind::Rollback { node, .. }
        | FaultKind::Twin { node }
        | FaultKind::Wipe { node }
        | FaultKind::BitFlip { node }
        | FaultKind::EntropyRepeat { node } => core.contains(node),
    }
}

pub(super) fn kind(draw: &Draw, cast: &Cast, name: &str, index: u64) -> Option<FaultKind> {
    // Without a core to spare, lasting damage could honestly leave too few shares.
    let spared = |node: &NodeId| LASTING.contains(&name) && (cast.core.is_empty() || cast.core.contains(node));
    let victims: Vec<_> = cast.all.iter().copied().filter(|node| !spared(node)).collect();
    let nodes = draw.some(&victims, "victims", index);
    let node = *nodes.first()?;
    Some(match name {
        "partition" => FaultKind::Partition { groups: groups(draw, cast, index)? },
        "swizzle" => FaultKind::Swizzle { nodes: draw.shuffle(&nodes, "swizzled", index) },
        "crash" => FaultKind::Crash { nodes },
        "rolling" => FaultKind::Rolling { nodes: draw.shuffle(&nodes, "rolled", index) },
        "pause" => FaultKind::Pause { nodes },
        "slow-cpu" => FaultKind::SlowCpu { nodes, step: draw.micros(1_000, 100_000, "step", index) },
        "rollback" => FaultKind::Rollback { node, image: draw.micros(0, HEALED, "image", index) },
        "twin" => FaultKind::Twin { node },
        "wipe" => FaultKind::Wipe { node },
        "slow-disk" => FaultKind::SlowDisk { nodes, sync: draw.micros(10_000, 1_000_000, "sync", index) },
        "lying-sync" => FaultKind::LyingSync { nodes },
        "disk-full" => FaultKind::DiskFull { nodes },
        "bit-flip" => FaultKind::BitFlip { node },
        "clock-offset" => FaultKind::ClockOffset { nodes, offset_ms: signed(draw, 600_000, index) },
        "clock-drift" => FaultKind::ClockDrift { nodes, ppm: signed(draw, 50_000, index) },
        "clock-freeze" => FaultKind::ClockFreeze { nodes },
        "entropy-repeat" => FaultKind::EntropyRepeat { node },
        "chain-down" => FaultKind::ChainDown { nodes },
        "chain-lag" => FaultKind::ChainLag { nodes, by: draw.micros(SECOND, 60 * SECOND, "lag", index) },
        link => on_links(draw, cast, link, index)?,
    })
}

fn on_links(draw: &Draw, cast: &Cast, name: &str, index: u64) -> Option<FaultKind> {
    let from = draw.some(&cast.all, "from", index);
    let to = draw.some(&cast.all, "to", index);
    let rate = u32::try_from(draw.between(1_000, 300_000, "rate", index)).ok()?;
    Some(match name {
        "one-way" => FaultKind::OneWay { from, to },
        "flapping" => FaultKind::Flapping { from, to, period: draw.micros(200_000, 5 * SECOND, "period", index) },
        "jam" => FaultKind::Jam { from, to },
        "slow" => {
            let percent = u32::try_from(draw.between(2, 30, "factor", index)).ok()?.saturating_mul(100);
            FaultKind::Slow { from, to, percent }
        }
        "lossy" => FaultKind::Lossy { from, to, loss: draw.loss(200_000, "link loss", index) },
        "bandwidth" => {
            let bytes_per_second = draw.between(2, 100, "limit", index) * 1_000;
            FaultKind::Bandwidth { from, to, bytes_per_second }
        }
        "filter" => FaultKind::Filter { from, to, message: (*draw.pick(&MESSAGES, "message", index)?).to_owned() },
        "duplicate" => FaultKind::Duplicate { from, to, rate },
        "reorder" => FaultKind::Reorder { from, to, rate },
        _ => FaultKind::Reset { from, to },
    })
}

/// Two or three groups; now and then some node is in none, and bridges them.
fn groups(draw: &Draw, cast: &Cast, index: u64) -> Option<Vec<Vec<NodeId>>> {
    let count = draw.between(2, 3, "groups", index);
    let mut groups = vec![Vec::new(); usize::try_from(count).ok()?];
    let bridge = draw.percent(20, "bridge", index).then(|| draw.pick(&cast.all, "bridge", index)).flatten();
    for node in cast.all.iter().filter(|node| Some(*node) != bridge) {
        let group = draw.between(0, count - 1, "group", index * 100 + u64::from(node.0));
        groups.get_mut(usize::try_from(group).ok()?)?.push(*node);
    }
    groups.retain(|group| !group.is_empty());
    (groups.len() > 1).then_some(groups)
}

fn signed(draw: &Draw, most: u64, index: u64) -> i64 {
    let size = i64::try_from(draw.between(1, most, "size of step", index)).unwrap_or_default();
    if draw.percent(50, "back", index) { -size } else { size }
}
