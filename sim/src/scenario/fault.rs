//! Faults in scenario files: a moment, and exactly one kind.

use super::names::{FAULTS, MESSAGES, POINTS, SHOWN};
use super::parse::{keys, loss, share, throughput};
use super::problem::Problem;
use super::quantity;
use super::read::{Section, Value};
use super::select;
use super::{Fault, FaultKind, Micros, Moment};
use crate::geography::Place;
use firn_proto::NodeId;
use std::collections::BTreeMap;

/// Reads one `[[fault]]`.
pub(crate) fn fault(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Fault, Problem> {
    let known: Vec<_> = keys("fault").iter().copied().chain(FAULTS.map(|(kind, _)| kind)).collect();
    let section = value.section(&known)?;
    let (begin, end) = match (section.value("at"), section.value("when")) {
        (Some(at), None) => at_time(&at)?,
        (None, Some(when)) => (trigger(&when, places)?, None),
        _ => {
            return Err(
                section.problem("SCENARIO_VALUE", "a fault begins either `at` a time or `when` something happens")
            );
        }
    };
    let lasts = section.get("lasts", Value::duration)?;
    if end.is_some() && lasts.is_some() {
        return Err(section.problem("SCENARIO_VALUE", "`at` already says when it ends, leave out `lasts`"));
    }
    let kinds: Vec<_> = FAULTS.iter().filter_map(|(kind, keys)| Some((*kind, *keys, section.value(kind)?))).collect();
    let kind = match kinds.as_slice() {
        [(name, keys, value)] => kind(name, keys, value, places)?,
        [] => return Err(section.problem("SCENARIO_FAULT_KIND", "no kind")),
        several => {
            let names: Vec<_> = several.iter().map(|(name, ..)| *name).collect();
            return Err(section.problem("SCENARIO_FAULT_KIND", format!("several kinds: {}", names.join(", "))));
        }
    };
    Ok(Fault { begin, lasts: end.or(lasts), kind })
}

fn at_time(value: &Value<'_>) -> Result<(Moment, Option<Micros>), Problem> {
    value.quantity("a time like \"58s\", or a window like \"58s..75s\"", |text| match text.split_once("..") {
        None => quantity::duration(text).map(|at| (Moment::At(at), None)),
        Some((from, to)) => {
            let (from, to) = (quantity::duration(from.trim())?, quantity::duration(to.trim())?);
            (to > from).then(|| (Moment::At(from), Some(to - from)))
        }
    })
}

/// `alpha/1 share-durable #2`.
fn trigger(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Moment, Problem> {
    let shape = "a trigger like \"alpha/1 share-durable #2\"";
    let (name, point, count) = value.read("SCENARIO_VALUE", shape, |text| {
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        match words.as_slice() {
            [name, point] => Some((name.clone(), point.clone(), 1)),
            [name, point, count] => {
                let count = count.strip_prefix('#')?.parse().ok().filter(|count| *count > 0)?;
                Some((name.clone(), point.clone(), count))
            }
            _ => None,
        }
    })?;
    let node = select::named(value, &name, places)?;
    Ok(Moment::When { node, point: value.named(&point, "a point", &POINTS)?, count })
}

fn kind(name: &str, keys: &[&str], value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<FaultKind, Problem> {
    if !keys.is_empty() {
        let section = value.section(keys)?;
        return if keys.contains(&"from") {
            on_links(name, &section, places)
        } else if let "reorg" | "gas-spike" = name {
            on_chain(name, &section)
        } else {
            on_hosts(name, &section, places)
        };
    }
    let nodes = |value| select::nodes(value, places);
    let node = |value| select::node(value, places);
    Ok(match name {
        "partition" => FaultKind::Partition { groups: groups(value, places)? },
        "swizzle" => FaultKind::Swizzle { nodes: nodes(value)? },
        "crash" => FaultKind::Crash { nodes: nodes(value)? },
        "rolling" => FaultKind::Rolling { nodes: nodes(value)? },
        "pause" => FaultKind::Pause { nodes: nodes(value)? },
        "lying-sync" => FaultKind::LyingSync { nodes: nodes(value)? },
        "disk-full" => FaultKind::DiskFull { nodes: nodes(value)? },
        "clock-freeze" => FaultKind::ClockFreeze { nodes: nodes(value)? },
        "chain-down" => FaultKind::ChainDown { nodes: nodes(value)? },
        "muddled-outcomes" => FaultKind::MuddledOutcomes { nodes: nodes(value)? },
        "finality-stall" if value.boolean()? => FaultKind::FinalityStall,
        "twin" => FaultKind::Twin { node: node(value)? },
        "wipe" => FaultKind::Wipe { node: node(value)? },
        "bit-flip" => FaultKind::BitFlip { node: node(value)? },
        "entropy-repeat" => FaultKind::EntropyRepeat { node: node(value)? },
        _ => return Err(value.problem("SCENARIO_FAULT_KIND", "no such kind")),
    })
}

/// Groups of a partition. A node belongs to the first group that selects it, so that a last `*` means the rest.
fn groups(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Vec<Vec<NodeId>>, Problem> {
    let mut groups: Vec<Vec<NodeId>> = Vec::new();
    for item in value.list()? {
        let mut group = select::nodes(&item, places)?;
        group.retain(|node| !groups.iter().flatten().any(|taken| taken == node));
        if group.is_empty() {
            return Err(item.problem("SCENARIO_EMPTY_SELECTION", "groups before this one already hold all of it"));
        }
        groups.push(group);
    }
    if groups.len() < 2 {
        return Err(value.problem("SCENARIO_VALUE", "a partition has at least two groups"));
    }
    Ok(groups)
}

fn on_links(name: &str, section: &Section<'_>, places: &BTreeMap<NodeId, Place>) -> Result<FaultKind, Problem> {
    let side = |key: &str| -> Result<Vec<NodeId>, Problem> {
        let all = || places.keys().copied().collect();
        Ok(section.get(key, |value| select::nodes(value, places))?.unwrap_or_else(all))
    };
    let (from, to) = (side("from")?, side("to")?);
    Ok(match name {
        "one-way" => FaultKind::OneWay { from, to },
        "flapping" => FaultKind::Flapping { from, to, period: section.need("period", positive)? },
        "jam" => FaultKind::Jam { from, to },
        "slow" => {
            let read = |text: &str| quantity::factor(text).filter(|percent| *percent > 100);
            let percent = section.need("factor", |value| value.quantity("a factor above \"1x\"", read))?;
            FaultKind::Slow { from, to, percent }
        }
        "lossy" => FaultKind::Lossy { from, to, loss: loss(section)? },
        "bandwidth" => FaultKind::Bandwidth { from, to, bytes_per_second: section.need("limit", throughput)? },
        "filter" => {
            let message =
                section.need("message", |value| value.name("a kind of message", &MESSAGES.map(|kind| (kind, kind))))?;
            FaultKind::Filter { from, to, message: message.to_owned() }
        }
        "duplicate" => FaultKind::Duplicate { from, to, rate: section.need("rate", share)? },
        "reorder" => FaultKind::Reorder { from, to, rate: section.need("rate", share)? },
        _ => FaultKind::Reset { from, to },
    })
}

fn on_chain(name: &str, section: &Section<'_>) -> Result<FaultKind, Problem> {
    Ok(match name {
        "reorg" => FaultKind::Reorg { depth: section.need("depth", |value| value.integer(1, 100))? },
        _ => FaultKind::GasSpike { drops: section.need("drops", share)? },
    })
}

fn on_hosts(name: &str, section: &Section<'_>, places: &BTreeMap<NodeId, Place>) -> Result<FaultKind, Problem> {
    if name == "rollback" {
        let node = section.need("node", |value| select::node(value, places))?;
        return Ok(FaultKind::Rollback { node, image: section.need("image", Value::duration)? });
    }
    let nodes = section.need("nodes", |value| select::nodes(value, places))?;
    Ok(match name {
        "slow-cpu" => FaultKind::SlowCpu { nodes, step: section.need("step", Value::duration)? },
        "slow-disk" => FaultKind::SlowDisk { nodes, sync: section.need("sync", Value::duration)? },
        "clock-offset" => {
            let read = |value: &Value<'_>| {
                value.quantity("an offset like \"+30s\" or \"-250ms\"", quantity::signed_milliseconds)
            };
            FaultKind::ClockOffset { nodes, offset_ms: section.need("offset", read)? }
        }
        "clock-drift" => {
            let read =
                |value: &Value<'_>| value.quantity("a drift like \"+200ppm\" or \"-0.1%\"", quantity::signed_share);
            FaultKind::ClockDrift { nodes, ppm: section.need("drift", read)? }
        }
        "lying-endpoint" => {
            FaultKind::LyingEndpoint { nodes, shows: section.need("shows", |value| value.name("a lie", &SHOWN))? }
        }
        _ => FaultKind::ChainLag { nodes, by: section.need("by", Value::duration)? },
    })
}

fn positive(value: &Value<'_>) -> Result<Micros, Problem> {
    value.quantity("a time above zero like \"2s\"", |text| quantity::duration(text).filter(|time| *time > 0))
}

impl FaultKind {
    /// Whether it has nodes see the chain late, or not as it is.
    #[must_use]
    pub fn blinds(&self, node: NodeId) -> bool {
        match self {
            Self::ChainDown { nodes } | Self::ChainLag { nodes, .. } | Self::LyingEndpoint { nodes, .. } => {
                nodes.contains(&node)
            }
            Self::FinalityStall => true,
            _ => false,
        }
    }

    /// Whether it has any node do so.
    #[must_use]
    pub fn is_of_chain(&self) -> bool {
        matches!(
            self,
            Self::ChainDown { .. } | Self::ChainLag { .. } | Self::LyingEndpoint { .. } | Self::FinalityStall
        )
    }

    /// Nodes whose disk it sets back, damages, loses or copies: what they had written may not be there.
    #[must_use]
    pub fn spoils(&self) -> Vec<NodeId> {
        match self {
            Self::Rollback { node, .. } | Self::Twin { node } | Self::Wipe { node } | Self::BitFlip { node } => {
                vec![*node]
            }
            Self::LyingSync { nodes } => nodes.clone(),
            _ => Vec::new(),
        }
    }
}
