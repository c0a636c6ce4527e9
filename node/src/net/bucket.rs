//! A token bucket kept as one instant: the moment at which everything taken so far is paid for.

use std::time::Duration;

use tokio::time::Instant;

/// One second of burst, whatever the rate.
const BURST: Duration = Duration::from_secs(1);

/// Limits a rate; costs are given as the time they take at the full rate.
#[derive(Debug)]
pub(super) struct Bucket {
    paid_at: Instant,
}

impl Bucket {
    pub(super) fn new(now: Instant) -> Self {
        Self { paid_at: now }
    }

    /// Takes the cost and says how long to wait before taking again.
    pub(super) fn take(&mut self, now: Instant, cost: Duration) -> Duration {
        self.paid_at = self.paid_at.max(now) + cost;
        self.paid_at.saturating_duration_since(now).saturating_sub(BURST)
    }

    /// Takes the cost only if that needs no waiting.
    pub(super) fn try_take(&mut self, now: Instant, cost: Duration) -> bool {
        let paid_at = self.paid_at.max(now) + cost;
        let fits = paid_at.saturating_duration_since(now) <= BURST;
        if fits {
            self.paid_at = paid_at;
        }
        fits
    }
}

/// What one of `per_s` costs.
pub(super) fn cost_of_one(per_s: u32) -> Duration {
    Duration::from_secs(1) / per_s.max(1)
}

/// What a frame costs: its share of the frame rate or of the byte rate, whichever is more.
pub(super) fn cost_of_frame(bytes: usize, frames_per_s: u32, bytes_per_s: u32) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    cost_of_one(frames_per_s).max(Duration::from_secs(1).saturating_mul(bytes) / bytes_per_s.max(1))
}
