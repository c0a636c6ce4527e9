//! Faults that act on links at this moment, as the network asks for them.

use super::disk::Image;
use crate::random::Source;
use crate::scenario::{FaultKind, Loss, Micros, Point, Ppm};
use firn_proto::NodeId;
use std::collections::{BTreeMap, BTreeSet};

type Way = (NodeId, NodeId);

/// What goes wrong now.
#[derive(Default)]
pub(super) struct Trouble {
    /// Faults under way by their index, with their beginning and end.
    pub(super) active: BTreeMap<usize, Active>,
    /// Ways cut by hand.
    pub(super) cut: BTreeSet<Way>,
    /// Disk images that rollbacks go back to.
    pub(super) images: BTreeMap<usize, Image>,
    /// How often what can trigger a fault has happened.
    pub(super) points: BTreeMap<(NodeId, Point), u32>,
    /// Ways on which nothing arrives, and since when.
    silent: BTreeMap<Way, Micros>,
}

/// A fault under way.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) kind: FaultKind,
    pub(super) begin: Micros,
    pub(super) end: Option<Micros>,
}

impl Trouble {
    pub(super) fn cut_since(&self, way: Way) -> Option<Micros> {
        self.silent.get(&way).copied()
    }

    /// Computes anew which of `ways` are cut; gives those that changed: cut now, or open again.
    pub(super) fn refresh(
        &mut self,
        now: Micros,
        source: Source,
        ways: impl Iterator<Item = Way>,
    ) -> (Vec<Way>, Vec<Way>) {
        let cuts = |way: Way| {
            self.cut.contains(&way) || self.active.iter().any(|(fault, active)| active.cuts(*fault, source, now, way))
        };
        let wanted: Vec<_> = ways.map(|way| (way, cuts(way))).collect();
        let changed = |cut: bool, silent: &BTreeMap<Way, Micros>| {
            let changed = wanted.iter().filter(|(way, wanted)| *wanted == cut && silent.contains_key(way) != cut);
            changed.map(|(way, _)| *way).collect::<Vec<_>>()
        };
        let (lost, back) = (changed(true, &self.silent), changed(false, &self.silent));
        self.silent.retain(|way, _| !back.contains(way));
        self.silent.extend(lost.iter().map(|way| (*way, now)));
        (lost, back)
    }

    pub(super) fn jams(&self, way: Way) -> bool {
        self.kinds().any(|kind| matches!(kind, FaultKind::Jam { from, to } if on(way, from, to)))
    }

    pub(super) fn filters(&self, way: Way, message_kind: &str) -> bool {
        self.kinds().any(|kind| {
            matches!(kind, FaultKind::Filter { from, to, message } if on(way, from, to) && message == message_kind)
        })
    }

    pub(super) fn filters_any(&self, way: Way) -> bool {
        self.kinds().any(|kind| matches!(kind, FaultKind::Filter { from, to, .. } if on(way, from, to)))
    }

    /// In percent of the usual delay.
    pub(super) fn slowness(&self, way: Way) -> u64 {
        let factor = |kind: &FaultKind| match kind {
            FaultKind::Slow { from, to, percent } if on(way, from, to) => Some(u64::from(*percent)),
            _ => None,
        };
        self.kinds().filter_map(factor).fold(100, |all, one| all * one / 100)
    }

    pub(super) fn bandwidth(&self, way: Way) -> Option<u64> {
        let limit = |kind: &FaultKind| match kind {
            FaultKind::Bandwidth { from, to, bytes_per_second } if on(way, from, to) => Some(*bytes_per_second),
            _ => None,
        };
        self.kinds().filter_map(limit).min()
    }

    pub(super) fn losses(&self, way: Way) -> impl Iterator<Item = Loss> + '_ {
        self.kinds().filter_map(move |kind| match kind {
            FaultKind::Lossy { from, to, loss } if on(way, from, to) => Some(*loss),
            _ => None,
        })
    }

    pub(super) fn duplicates(&self, way: Way) -> Ppm {
        let rate = |kind: &FaultKind| match kind {
            FaultKind::Duplicate { from, to, rate } if on(way, from, to) => Some(*rate),
            _ => None,
        };
        self.kinds().filter_map(rate).max().unwrap_or(0)
    }

    pub(super) fn reorders(&self, way: Way) -> Ppm {
        let rate = |kind: &FaultKind| match kind {
            FaultKind::Reorder { from, to, rate } if on(way, from, to) => Some(*rate),
            _ => None,
        };
        self.kinds().filter_map(rate).max().unwrap_or(0)
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &FaultKind> {
        self.active.values().map(|active| &active.kind)
    }
}

impl Active {
    /// Whether it silences a way at this moment.
    fn cuts(&self, fault: usize, source: Source, now: Micros, (from, to): Way) -> bool {
        match &self.kind {
            FaultKind::Partition { groups } => {
                let group = |node: NodeId| groups.iter().position(|group| group.contains(&node));
                matches!((group(from), group(to)), (Some(a), Some(b)) if a != b)
            }
            FaultKind::OneWay { from: senders, to: receivers } => senders.contains(&from) && receivers.contains(&to),
            FaultKind::Flapping { from: a, to: b, period } => {
                let down = ((now - self.begin) / (*period).max(1)).is_multiple_of(2);
                down && (on((from, to), a, b) || on((to, from), a, b))
            }
            FaultKind::Swizzle { nodes } => {
                let cut = |node: NodeId| nodes.contains(&node) && self.is_out(fault, source, now, nodes, node);
                cut(from) || cut(to)
            }
            _ => false,
        }
    }

    /// Swizzle: the kth node goes at k parts of the first half; in the second half they come back in a drawn order.
    fn is_out(&self, fault: usize, source: Source, now: Micros, nodes: &[NodeId], node: NodeId) -> bool {
        let part = self.part(nodes.len());
        let position = nodes.iter().position(|other| *other == node).unwrap_or_default() as u64;
        let draw = |node: &NodeId| source.number("swizzle", &[fault as u64, node.0.into()]);
        let place = nodes.iter().filter(|other| draw(other) < draw(&node)).count() as u64;
        let (gone, back) = (position * part, (nodes.len() as u64 + 1 + place) * part);
        (gone..back).contains(&(now - self.begin))
    }

    fn part(&self, nodes: usize) -> Micros {
        let lasts = self.end.map_or(SWIZZLE, |end| end - self.begin);
        (lasts / (2 * nodes as u64 + 2)).max(1)
    }

    /// When it next changes a link by itself.
    pub(super) fn next_change(&self, now: Micros) -> Option<Micros> {
        let step = match &self.kind {
            FaultKind::Flapping { period, .. } => (*period).max(1),
            FaultKind::Swizzle { nodes } => self.part(nodes.len()),
            _ => return None,
        };
        let next = self.begin + ((now - self.begin) / step + 1) * step;
        let swizzled = matches!(self.kind, FaultKind::Swizzle { .. }).then(|| self.begin + SWIZZLE);
        Some(next).filter(|next| self.end.or(swizzled).is_none_or(|end| *next <= end))
    }
}

/// How long a swizzle takes that says nothing about it.
const SWIZZLE: Micros = 60_000_000;

fn on((a, b): Way, from: &[NodeId], to: &[NodeId]) -> bool {
    from.contains(&a) && to.contains(&b)
}
