//! Bounds of the protocol, with their arithmetic. Times are milliseconds of monotonic time.

/// How long one phase of a key generation may take once all have accepted. The slowest phase at 100 members is the
/// stock share check with 0.7 s of CPU; three round trips around the world are 1 s. Tenfold room and a restart.
pub const KEY_PHASE_MS: u64 = 20_000;

/// Pause between two repetitions of a certificate signature that is not answered yet: at 100 members 100 x 150 bytes a
/// minute from each, for as long as people take to decide.
pub const KEY_REPEAT_MS: u64 = 60_000;

/// A member gets a whole certificate (17 kB at 100 members) for its signature no more often than this.
pub const KEY_ANSWER_MS: u64 = 10_000;

/// Longest time between a proposal and its deadline, in seconds: a day, for people in all time zones.
pub const KEY_PROPOSAL_SECONDS_MAX: u64 = 24 * 3600;

/// Attempts remembered that this node accepted, ended ones included; the oldest ended one goes first. A running or ended
/// one of 100 members holds packages (100 x 7 kB), dealings (100 x 12 kB, twice) and echoes (100 x 4 kB): 3.5 MB, so
/// 220 MB at worst, 1 MB at 3-of-5.
pub const KEY_ATTEMPTS_MAX: usize = 64;

/// Proposals that nobody here has accepted yet, per member that brought them: 100 x 4 x about 500 bytes = 200 kB.
pub const KEY_PROPOSALS_PER_MEMBER_MAX: usize = 4;

/// Open requests, in equal parts for each requester. Each holds about 4 kB with its commitments: 4 MB.
pub const OPEN_SUBJECTS_MAX: usize = 1_000;

/// Refused requests of members remembered with our answer: as many as may be open, 2 x 40 bytes each, 80 kB.
pub const REFUSALS_MAX: usize = OPEN_SUBJECTS_MAX;

/// How long a request that met full queues is not asked for again.
pub const REFUSAL_RETRY_MS: u64 = 60_000;

/// Pause before a member that still does not know a subject is told of it again: the first pause between calls.
pub const TELL_AGAIN_MS: u64 = SOLICIT_MS.0;

/// Closed requests kept in memory for views and catch-up; older ones stay on disk. About 2 kB each.
pub const CLOSED_SUBJECTS_MAX: usize = 4_000;

/// Commitments kept per member that coordinates nothing of ours: what one member may have us hold, 4 x 350 bytes.
pub const COMMITMENTS_PER_MEMBER_MAX: usize = 4;

/// Own commitments remembered with the package they went into, 40 bytes each: as many as the vault remembers shares.
pub const LENT_MAX: usize = 1_024;

/// A signer that has not answered a package after this long no longer holds up the next attempt: three times the
/// longest round trip of 300 ms, plus a synced write.
pub const ATTEMPT_STALLED_MS: u64 = 1_000;

/// The member of rank k takes over k times this long after it has seen t willing members.
pub const TAKEOVER_MS: u64 = 1_500;

/// A peer gets what it missed this often at once, and then once per `CATCH_UP_MS`: a channel that opens costs two, what we
/// said before and the answer to its heads. One answer is at most 1,000 requests of 3 kB and 64 certificates of 17 kB,
/// 4 MB; so 0.8 MB/s to a peer that does nothing but come back.
pub const CATCH_UP_BURST: u64 = 8;

/// See [`CATCH_UP_BURST`].
pub const CATCH_UP_MS: u64 = 5_000;

/// First and longest pause between two calls for commitments.
pub const SOLICIT_MS: (u64, u64) = (1_000, 15_000);

/// Pause before chain facts that were not good enough are read again: a block or two.
pub const RECHECK_MS: u64 = 1_500;

/// The relayer of rank k submits k times this long after the signature: two slots of 12 s, and the receipt.
pub const RELAY_MS: u64 = 30_000;

/// Pause before the same relayer tries again.
pub const RELAY_RETRY_MS: u64 = 5_000;

/// Pause before a transaction that was included is taken for lost: finality takes 13 minutes.
pub const RELAY_LOST_MS: u64 = 20 * 60 * 1_000;

/// How long after its deadline an unsigned request is closed, in seconds: a clock that is wrong by less closes nothing.
pub const EXPIRY_GRACE_SECONDS: u64 = 600;

/// How long after its deadline a signed request that did not execute is still asked about, in seconds: until every block
/// in which it could have executed is final.
pub const EXECUTION_GRACE_SECONDS: u64 = 3_600;
