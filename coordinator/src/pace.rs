//! How often a peer may have us say again what it missed: channels can open and close as fast as it likes.

use crate::limits::{CATCH_UP_BURST, CATCH_UP_MS};
use firn_proto::message::Heads;
use firn_proto::time::MonotonicTime;

/// An allowance: so often at once, and then once per period.
#[derive(Debug)]
pub(crate) struct Pace {
    burst: u64,
    period: u64,
    spent: u64,
    since: MonotonicTime,
}

/// What is due to one peer, and its allowance.
#[derive(Debug)]
pub(crate) struct Due {
    pace: Pace,
    /// For heads of its audit log.
    checkpoints: Pace,
    /// For versions of the definition.
    versions: Pace,
    armed: bool,
    /// Its channel opened, and it has not heard yet what we said before.
    pub(crate) greet: bool,
    /// What it says that it knows, not answered yet.
    pub(crate) heads: Option<Heads>,
}

impl Pace {
    pub(crate) fn new(burst: u64, period: u64) -> Self {
        Self { burst, period, spent: 0, since: MonotonicTime::default() }
    }

    /// Whether one more is allowed now, which counts.
    pub(crate) fn allow(&mut self, now: MonotonicTime) -> bool {
        let refilled = now.0.saturating_sub(self.since.0).checked_div(self.period).unwrap_or_default();
        self.since = self.since.plus(refilled.saturating_mul(self.period));
        self.spent = self.spent.saturating_sub(refilled);
        let allowed = self.spent < self.burst;
        self.spent = self.spent.saturating_add(u64::from(allowed));
        allowed
    }
}

impl Default for Due {
    fn default() -> Self {
        let pace = || Pace::new(CATCH_UP_BURST, CATCH_UP_MS);
        Self { pace: pace(), checkpoints: pace(), versions: pace(), armed: false, greet: false, heads: None }
    }
}

impl Due {
    /// Whether the peer may be answered now.
    pub(crate) fn allow(&mut self, now: MonotonicTime) -> bool {
        self.pace.allow(now)
    }

    /// Whether a head of its audit log may be cosigned now.
    pub(crate) fn allow_checkpoint(&mut self, now: MonotonicTime) -> bool {
        self.checkpoints.allow(now)
    }

    /// Whether the peer may be told of a version of the definition now.
    pub(crate) fn allow_version(&mut self, now: MonotonicTime) -> bool {
        self.versions.allow(now)
    }

    /// Whether a timer has to be set for what is due.
    pub(crate) fn arm(&mut self) -> bool {
        !std::mem::replace(&mut self.armed, true)
    }

    /// The timer fired: what is due, all at once.
    pub(crate) fn take_due(&mut self) -> (bool, Option<Heads>) {
        self.armed = false;
        (std::mem::take(&mut self.greet), self.heads.take())
    }
}
