//! B: how long a live core may take at most, from the protocol's own limits and the delays between its members.
//!
//! B = T_connect + T_discover + C x T_takeover + A x T_attempt (SIMULATOR section 5.6). It is a bound, not an estimate: each term
//! is the worst that the limits allow, so a usual signature takes a small part of it, and the slack says how small.

use crate::scenario::Micros;
use crate::world::SLOT;
use firn_coordinator::limits;

/// A channel that died is noticed after two keep-alives, and dialled again after the longest pause: what the simulated
/// network does at worst (`world/network.rs`).
const CONNECT: Micros = 2 * 5_000_000 + 5_000_000 * 5 / 4;

/// Where frames get lost, each loss ends a channel, and what was under way is said again once it is back.
const LOSSES: u64 = 3;

/// What B is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Until all channels of the core are open.
    pub connect: Micros,
    /// Until all of the core know the request, have looked at the chain, and know of t who are willing.
    pub discover: Micros,
    /// Members outside the core that come before its first coordinator.
    pub ranks: u64,
    /// Until the next rank takes over.
    pub takeover: Micros,
    /// One more than the members outside the core that can enter an attempt and spoil it.
    pub attempts: u64,
    /// Until an attempt is given up and the next opens.
    pub attempt: Micros,
}

/// What the core looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// The worst delay between two of its members, one way.
    pub delay: Micros,
    /// The longest that a member takes to sync and compute.
    pub step: Micros,
    /// Members that come before its first one in the order of the election.
    pub ranks_before: u64,
    /// Members outside it that run.
    pub outside: u64,
    /// n - t + 1.
    pub attempts_max: u64,
    /// Whether frames get lost between its members.
    pub lossy: bool,
    /// How many requests are open beside this one: each may have its turn first.
    pub queue: u64,
    /// Whether rules and people say when a share may be lent: what was missed of them comes with what peers tell in turn.
    pub ruled: bool,
    /// Whether it is a second payload: whoever learns of the request has yet to see on chain that it is scheduled.
    pub second: bool,
}

impl Terms {
    /// For a core of this shape.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let millis = |ms: u64| ms.saturating_mul(1_000);
        let round = shape.delay.saturating_mul(2).saturating_add(shape.step.saturating_mul(4));
        // What a lost word costs: until it is said again by whoever waits, or by catch-up.
        let repeat = millis(limits::CATCH_UP_MS.max(limits::SOLICIT_MS.1));
        let again = CONNECT.saturating_add(repeat).saturating_add(millis(limits::ANTI_ENTROPY_MS));
        let again = again.saturating_mul(if shape.lossy { LOSSES } else { 0 });
        let told = millis(limits::ANTI_ENTROPY_MS.saturating_add(limits::CATCH_UP_MS));
        let told = if shape.ruled { told } else { 0 };
        let shown = if shape.second { 2 * SLOT } else { 0 };
        // Members answer the first ranks; each further group of them costs a pause that doubles up to its longest.
        let widenings = shape.ranks_before.checked_div(limits::RANKS_TOLD as u64).unwrap_or_default();
        let widen = millis(limits::WIDEN_MS_MAX).saturating_mul(widenings);
        let late = millis(limits::ROUND_TRIP_MS_MAX.saturating_add(limits::ANSWER_MS).saturating_add(limits::SYNC_MS));
        Self {
            connect: CONNECT,
            discover: [repeat, millis(limits::RECHECK_MS), 2 * round, widen, again, told, shown].iter().sum(),
            ranks: shape.ranks_before,
            // Estimates may still remember worse times, up to what is believed at all.
            takeover: late.min(round.saturating_mul(6).saturating_add(millis(3 * limits::ROUND_TRIP_DEFAULT_MS))),
            attempts: shape.outside.saturating_add(1).min(shape.attempts_max),
            attempt: [late, millis(limits::SOLICIT_MS.1), 2 * round, shape.queue.saturating_mul(round), again]
                .iter()
                .sum(),
        }
    }

    /// B.
    #[must_use]
    pub fn sum(&self) -> Micros {
        let takeovers = self.ranks.saturating_mul(self.takeover);
        let attempts = self.attempts.saturating_mul(self.attempt);
        [self.connect, self.discover, takeovers, attempts].into_iter().fold(0, Micros::saturating_add)
    }
}

/// B for a key generation among all n: every phase in its time, and the repetitions of the last one.
#[must_use]
pub fn keygen(delay: Micros, step: Micros) -> Micros {
    let phase = limits::KEY_PHASE_MS.saturating_mul(1_000);
    let rounds = delay.saturating_add(step.saturating_mul(4)).saturating_mul(12);
    CONNECT.saturating_add(phase).saturating_add(limits::KEY_REPEAT_MS * 1_000).saturating_add(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        delay: 50_000,
        step: 1_000,
        ranks_before: 0,
        outside: 0,
        attempts_max: 3,
        lossy: false,
        queue: 0,
        ruled: false,
        second: false,
    };

    #[test]
    fn every_term_counts() {
        let calm = Terms::new(&SHAPE).sum();
        let worse = [
            Shape { delay: 60_000, ..SHAPE },
            Shape { step: 2_000, ..SHAPE },
            Shape { ranks_before: 1, ..SHAPE },
            Shape { outside: 1, ..SHAPE },
            Shape { lossy: true, ..SHAPE },
            Shape { queue: 1, ..SHAPE },
            Shape { ruled: true, ..SHAPE },
            Shape { second: true, ..SHAPE },
        ];
        for shape in worse {
            assert!(Terms::new(&shape).sum() > calm, "{shape:?}");
        }
        let most = Shape { outside: 2, ..SHAPE };
        let more = Shape { outside: 50, ..SHAPE };
        assert_eq!(Terms::new(&most).sum(), Terms::new(&more).sum(), "ROAST needs n - t + 1 attempts at most");
    }
}
