//! Bounds of the protocol, with their arithmetic. Times are milliseconds of monotonic time.

/// How long one phase of a key generation may take once all have accepted. The slowest phase at 100 members is the
/// stock share check with 0.7 s of CPU; three round trips around the world are 1 s. Tenfold room and a restart.
pub const KEY_PHASE_MS: u64 = 20_000;

/// Longest time between a proposal and its deadline, in seconds: a day, for people in all time zones.
pub const KEY_PROPOSAL_SECONDS_MAX: u64 = 24 * 3600;

/// Attempts remembered, ended ones included. Each holds at most 100 packages of 7 kB: 45 MB at worst, 64 kB at 3-of-5.
pub const KEY_ATTEMPTS_MAX: usize = 64;

/// Open requests. Each holds about 4 kB with its commitments: 4 MB.
pub const OPEN_SUBJECTS_MAX: usize = 1_000;

/// Closed requests kept in memory for views and catch-up; older ones stay on disk. About 2 kB each.
pub const CLOSED_SUBJECTS_MAX: usize = 4_000;

/// Commitments kept per member that coordinates nothing of ours: what one member may have us hold, 4 x 350 bytes.
pub const COMMITMENTS_PER_MEMBER_MAX: usize = 4;

/// A signer that has not answered a package after this long no longer holds up the next attempt: three times the
/// longest round trip of 300 ms, plus a synced write.
pub const ATTEMPT_STALLED_MS: u64 = 1_000;

/// The member of rank k takes over k times this long after it has seen t willing members.
pub const TAKEOVER_MS: u64 = 1_500;

/// First and longest pause between two calls for commitments.
pub const SOLICIT_MS: (u64, u64) = (1_000, 15_000);

/// Pause before chain facts that were not good enough are read again: a block or two.
pub const RECHECK_MS: u64 = 1_500;

/// The relayer of rank k submits k times this long after the signature: a block and its receipt.
pub const RELAY_MS: u64 = 6_000;

/// Pause before the same relayer tries again.
pub const RELAY_RETRY_MS: u64 = 5_000;
