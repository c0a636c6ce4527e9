//! Clocks of machines: monotonic and wall time apart, each wrong in its own way.

use crate::scenario::Micros;
use firn_proto::time::WallTime;

/// Wall time when virtual time is zero, in seconds.
pub const EPOCH: u64 = 1_800_000_000;

/// The clocks of one machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Since when it runs at its rate, and what the monotonic clock showed then.
    since: Micros,
    shown: Micros,
    /// Parts per million too fast.
    ppm: i64,
    offset: i64,
    /// When the wall clock stopped.
    frozen: Option<Micros>,
}

impl Clock {
    /// Microseconds since the machine exists, by its own count.
    pub(super) fn monotonic(&self, now: Micros) -> Micros {
        let passed = now.saturating_sub(self.since);
        self.shown.saturating_add(passed).saturating_add_signed(part(passed, self.ppm))
    }

    /// The earliest virtual time at which the monotonic clock shows `shown`.
    pub(super) fn when(&self, shown: Micros) -> Micros {
        let ahead = u128::from(shown.saturating_sub(self.shown));
        let rate = u128::from(1_000_000_u64.saturating_add_signed(self.ppm).max(1));
        self.since.saturating_add(u64::try_from((ahead * 1_000_000).div_ceil(rate)).unwrap_or(u64::MAX))
    }

    pub(super) fn wall(&self, now: Micros) -> WallTime {
        WallTime(self.wall_micros(now) / 1_000_000)
    }

    /// How far the wall clock is ahead, in milliseconds.
    pub(super) fn error_ms(&self, now: Micros) -> i64 {
        let right = i128::from(EPOCH) * 1_000_000 + i128::from(now);
        i64::try_from((i128::from(self.wall_micros(now)) - right) / 1_000).unwrap_or(i64::MAX)
    }

    pub(super) fn drift(&mut self, now: Micros, ppm: i64) {
        *self = Self { since: now, shown: self.monotonic(now), ppm, ..*self };
    }

    pub(super) fn offset(&mut self, milliseconds: i64) {
        self.offset = milliseconds.saturating_mul(1_000);
    }

    pub(super) fn freeze(&mut self, now: Option<Micros>) {
        self.frozen = now;
    }

    fn wall_micros(&self, now: Micros) -> u64 {
        let now = self.frozen.unwrap_or(now);
        let drifted = part(now.saturating_sub(self.since), self.ppm);
        (EPOCH * 1_000_000).saturating_add(now).saturating_add_signed(drifted).saturating_add_signed(self.offset)
    }
}

fn part(of: Micros, ppm: i64) -> i64 {
    i64::try_from(i128::from(of) * i128::from(ppm) / 1_000_000).unwrap_or_default()
}
