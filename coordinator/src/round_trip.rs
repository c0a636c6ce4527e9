//! How long peers take: round trips of their channels as the transport measures them, and their answers to packages.
//! Estimated as RFC 6298 has it, in whole microseconds.

use crate::limits::{ANSWER_MS, ROUND_TRIP_DEFAULT_MS, ROUND_TRIP_MS_MAX, SYNC_MS};
use firn_proto::NodeId;
use std::collections::BTreeMap;

/// SRTT and RTTVAR.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    smoothed: u64,
    variation: u64,
}

/// Estimates by peer. A hint: never relied on for safety.
#[derive(Default, Debug)]
pub(crate) struct RoundTrips {
    channels: BTreeMap<NodeId, Estimate>,
    answers: BTreeMap<NodeId, Estimate>,
    /// From enough willing members to another's signature.
    signatures: BTreeMap<NodeId, Estimate>,
}

impl Estimate {
    fn add(estimates: &mut BTreeMap<NodeId, Self>, node: NodeId, milliseconds: u64) {
        let sample = milliseconds.min(ROUND_TRIP_MS_MAX) * 1_000;
        let first = Self { smoothed: sample, variation: sample / 2 };
        let update = |known: &mut Self| {
            known.variation = (3 * known.variation + known.smoothed.abs_diff(sample)) / 4;
            known.smoothed = (7 * known.smoothed + sample) / 8;
        };
        estimates.entry(node).and_modify(update).or_insert(first);
    }

    /// Beyond this a peer is late: SRTT + 4 RTTVAR, in milliseconds.
    fn late(self) -> u64 {
        (self.smoothed + 4 * self.variation).div_ceil(1_000).min(ROUND_TRIP_MS_MAX)
    }
}

impl RoundTrips {
    /// The transport measured a round trip.
    pub(crate) fn measured(&mut self, node: NodeId, milliseconds: u64) {
        Estimate::add(&mut self.channels, node, milliseconds);
    }

    /// A peer answered a package.
    pub(crate) fn answered(&mut self, node: NodeId, milliseconds: u64) {
        Estimate::add(&mut self.answers, node, milliseconds);
    }

    /// A coordinator's signature came so long after enough members were willing.
    pub(crate) fn served(&mut self, node: NodeId, milliseconds: u64) {
        Estimate::add(&mut self.signatures, node, milliseconds);
    }

    /// After how long a coordinator's signature is late by what it took before, in milliseconds: half as long again. 0 where
    /// it gave none yet.
    pub(crate) fn served_late(&self, node: NodeId) -> u64 {
        self.signatures.get(&node).map_or(0, |estimate| (3 * estimate.smoothed / 2).div_ceil(1_000))
    }

    /// The round trip to expect, in microseconds.
    pub(crate) fn expected(&self, node: NodeId) -> u64 {
        self.channels.get(&node).map_or(ROUND_TRIP_DEFAULT_MS * 1_000, |estimate| estimate.smoothed)
    }

    /// After how long without a word a peer's answer to what is said to it is late, in milliseconds.
    pub(crate) fn late(&self, node: NodeId) -> u64 {
        self.channels.get(&node).map_or(2 * ROUND_TRIP_DEFAULT_MS, |estimate| estimate.late())
    }

    /// After how long a signer's answer to a package is late, in milliseconds: a round trip, the chain's facts, a synced
    /// write. What it took before counts, so that nobody gives up slow disks and busy machines too early.
    pub(crate) fn answer_late(&self, node: NodeId) -> u64 {
        let channel = self.late(node);
        self.answers.get(&node).map_or(channel + ANSWER_MS, |estimate| estimate.late().max(channel)) + SYNC_MS
    }

    /// How long a lower rank at this distance may take to sign, and to tell us, once t are willing: one and a half round
    /// trips and a synced write. It varies by half a round trip at most: taking over too early is harmless, too late is not.
    pub(crate) fn takeover(&self, node: NodeId) -> u64 {
        let expected = self.expected(node);
        let variation = self.channels.get(&node).map_or(0, |estimate| 4 * estimate.variation).min(expected / 2);
        (3 * expected / 2 + variation).div_ceil(1_000) + SYNC_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId(2);

    #[test]
    fn the_first_samples_are_as_in_the_rfc() {
        let mut known = RoundTrips::default();
        assert_eq!(known.late(PEER), 2 * ROUND_TRIP_DEFAULT_MS);
        known.measured(PEER, 100);
        assert_eq!((known.expected(PEER), known.late(PEER)), (100_000, 300), "SRTT = R, RTTVAR = R / 2");
        known.measured(PEER, 200);
        // RTTVAR = 3/4 x 50 + 1/4 x 100 = 62.5; SRTT = 7/8 x 100 + 1/8 x 200 = 112.5
        assert_eq!((known.expected(PEER), known.late(PEER)), (112_500, 363));
    }

    #[test]
    fn a_steady_peer_is_late_soon_and_no_sample_goes_beyond_the_bound() {
        let mut known = RoundTrips::default();
        (0..40).for_each(|_| known.measured(PEER, 80));
        assert_eq!(known.late(PEER), 80);
        assert_eq!(known.takeover(PEER), 120 + SYNC_MS, "one and a half");
        known.measured(PEER, u64::MAX);
        (0..40).for_each(|_| known.answered(PEER, u64::MAX));
        assert_eq!(known.answer_late(PEER), ROUND_TRIP_MS_MAX + SYNC_MS);
    }
}
