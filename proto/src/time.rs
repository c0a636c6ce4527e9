//! Two kinds of time that must not be mixed.

/// Seconds since the Unix epoch. Compared with deadlines only, never with timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct WallTime(pub u64);

/// Milliseconds since the process started, never going back. Compared with timers only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct MonotonicTime(pub u64);

impl MonotonicTime {
    /// This time plus `milliseconds`.
    #[must_use]
    pub fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }
}

/// Both readings at one moment, as the host hands them to the core.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Time {
    /// For timers.
    pub monotonic: MonotonicTime,
    /// For deadlines.
    pub wall: WallTime,
}
