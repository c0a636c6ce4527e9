//! What a way between two nodes does to a frame: delay, loss, limits.

use super::World;
use crate::geography::one_way;
use crate::scenario::{Loss, Micros, Ppm};
use firn_proto::NodeId;

/// A direction between two nodes at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Frames get through.
    pub delivers: bool,
    /// Nearly all frames take at most this long.
    pub delay_max: Micros,
    /// Share of frames lost.
    pub loss: Ppm,
    /// Frames wait for something to end.
    pub jammed: bool,
}

/// The state of a lossy direction: good and bad times alternate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    count: u64,
    bad: bool,
    until: Micros,
}

impl World {
    /// How a direction is at this moment.
    #[must_use]
    pub fn link(&self, from: NodeId, to: NodeId) -> Link {
        let way = (from, to);
        let rtt = self.geography.rtt(from, to);
        let loss = self.loss(way).map_or(0, |loss| loss.rate);
        let jammed = self.trouble.jams(way);
        let filtered = self.trouble.filters_any(way);
        let slow = |delay: Micros| delay.saturating_mul(self.trouble.slowness(way)) / 100;
        // The 99th percentile, and beside the tail.
        let delay_max = slow(one_way((u64::from(u32::MAX / 100 * 99) << 32) | 1, rtt));
        let delivers = !jammed && !filtered && self.trouble.cut_since(way).is_none();
        Link { delivers, delay_max, loss, jammed }
    }

    /// Why the network holds frames back on a way, if it does.
    pub(super) fn holds(&self, way: (NodeId, NodeId)) -> Option<&'static str> {
        match (self.trouble.cut_since(way), self.trouble.jams(way)) {
            (Some(_), _) => Some("partition"),
            (None, true) => Some("jam"),
            (None, false) => None,
        }
    }

    /// Whether handshakes get through.
    pub(super) fn reaches_both(&self, a: NodeId, b: NodeId) -> bool {
        self.holds((a, b)).is_none() && self.holds((b, a)).is_none()
    }

    /// The delay of a frame, which may have to wait for others on a way with a limit.
    pub(super) fn delay(&mut self, way: (NodeId, NodeId), ordinal: u64, bytes: usize) -> Micros {
        let draw = self.source.number("delay", &[way.0.0.into(), way.1.0.into(), ordinal]);
        let delay = one_way(draw, self.geography.rtt(way.0, way.1));
        let delay = delay.saturating_mul(self.trouble.slowness(way)) / 100;
        let delay = delay.saturating_add(self.stray);
        let limits = [self.scenario.network.bandwidth, self.trouble.bandwidth(way)];
        let Some(limit) = limits.into_iter().flatten().min() else { return delay };
        let takes = (bytes as u64).saturating_mul(1_000_000).checked_div(limit).unwrap_or(Micros::MAX >> 8);
        let free = self.ways.free.entry(way).or_default();
        *free = (*free).max(self.now).saturating_add(takes);
        (*free - self.now).saturating_add(delay)
    }

    fn loss(&self, way: (NodeId, NodeId)) -> Option<Loss> {
        let losses = self.trouble.losses(way).chain(self.scenario.network.loss);
        losses.max_by_key(|loss| loss.rate)
    }

    /// Whether a frame sent now meets a bad time. Good and bad times last up to twice their mean, drawn evenly.
    pub(super) fn drops(&mut self, way: (NodeId, NodeId)) -> bool {
        let Some(loss) = self.loss(way).filter(|loss| loss.rate > 0) else { return false };
        let bad = loss.burst.max(1);
        let good = bad.saturating_mul(1_000_000_u64.saturating_sub(loss.rate.into())) / u64::from(loss.rate);
        let start = Burst { count: 0, bad: true, until: 0 };
        let mut burst = self.ways.bursts.get(&way).copied().unwrap_or(start);
        while burst.until <= self.now {
            burst.count += 1;
            burst.bad = !burst.bad;
            let mean = if burst.bad { bad } else { good };
            let path = [way.0.0.into(), way.1.0.into(), burst.count];
            burst.until += 1 + self.source.below(mean.saturating_mul(2).max(1), "burst", &path);
        }
        self.ways.bursts.insert(way, burst);
        burst.bad
    }
}
