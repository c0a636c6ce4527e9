//! Bounds of the protocol, with their arithmetic. Times are milliseconds of monotonic time.

use firn_proto::limits::COMMITMENTS_OFFERED_MAX;

/// How long one phase of a key generation may take once all have accepted. The slowest phase at 100 members is the
/// stock share check with 0.7 s of CPU; three round trips around the world are 1 s. Tenfold room and a restart.
pub const KEY_PHASE_MS: u64 = 20_000;

/// How long late dealers of a resharing are waited for, once the others are there: three round trips around the world are 1 s,
/// a member that restarts is back in about 3 s.
pub const KEY_GRACE_MS: u64 = 5_000;

/// Longest time between a proposal of a next epoch and its deadline, in seconds, for which nobody has to be asked: machines answer in a
/// second; one that restarts meanwhile has a minute more. Who starts another one waits no longer for the name.
pub const RESHARE_SECONDS_MAX: u64 = 120;

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

/// Requests whose end the finalised chain has not shown yet, signed ones included: each requester has an equal part. Ten in a
/// second fill it in 13 minutes, which is how long finality takes.
pub const UNSETTLED_SUBJECTS_MAX: usize = 8_000;

/// Refused requests of members remembered with our answer: as many as may be open, 2 x 40 bytes each, 80 kB.
pub const REFUSALS_MAX: usize = OPEN_SUBJECTS_MAX;

/// How long a request that met full queues is not asked for again.
pub const REFUSAL_RETRY_MS: u64 = 60_000;

/// Pause before a member that still does not know a subject is told of it again.
pub const TELL_AGAIN_MS: u64 = 1_000;

/// Closed requests kept in memory for views and catch-up; older ones stay on disk. About 2 kB each.
pub const CLOSED_SUBJECTS_MAX: usize = 4_000;

/// Subjects with an attempt of ours under way at once; the others wait in line. As many as a vault keeps commitments for
/// one coordinator, so that each can have some of every member.
pub const SESSIONS_MAX: usize = COMMITMENTS_OFFERED_MAX;

/// Waiting subjects that are looked at when a place may have come free: what one event can cost.
pub const QUEUE_LOOKS_MAX: usize = 4;

/// Commitments of each member that a coordinator wants to have ready: as many subjects can be signed at once without
/// waiting. Beyond it a share brings one for the one that it used up.
pub const POOL_TARGET: usize = COMMITMENTS_OFFERED_MAX / 2;

/// Commitments kept of each member: as many as its vault keeps for us. 16 x 400 bytes x 100 members = 640 kB a key.
pub const POOL_MAX: usize = COMMITMENTS_OFFERED_MAX;

/// Commitments are not used in their last seconds: clocks differ, and the package is on its way.
pub const POOL_MARGIN_SECONDS: u64 = 60;

/// Idle pools are filled up with what will last this much longer.
pub const POOL_REFRESH_SECONDS: u64 = 300;

/// Pause between two looks at idle pools. A member is asked when its pool is short, once in `POOL_ASK_MS` at most.
pub const POOL_LOOK_MS: u64 = 15_000;

/// Pause between two questions to one member for its pool.
pub const POOL_ASK_MS: u64 = 300_000;

/// A coordinator's questions for its pool are answered this often at once, and then once per `POOL_ANSWER_MS`: 16 x
/// 100 us of CPU each, 0.02 % for each of 100 coordinators that ask without end.
pub const POOL_ANSWER_BURST: u64 = 4;

/// See [`POOL_ANSWER_BURST`].
pub const POOL_ANSWER_MS: u64 = 60_000;

/// Refusals for which a member is excused, since its last share: it restarted, its commitments expired, or its chain is a
/// block behind. As many as stale commitments can be here.
pub const EXCUSES_MAX: usize = POOL_MAX;

/// Own commitments remembered with the package they went into, 40 bytes each: as many as the vault remembers shares.
pub const LENT_MAX: usize = 1_024;

/// A round trip that was not measured yet: once around the world.
pub const ROUND_TRIP_DEFAULT_MS: u64 = 300;

/// The longest round trip that is believed.
pub const ROUND_TRIP_MS_MAX: u64 = 10_000;

/// A synced write, on a disk that is not broken.
pub const SYNC_MS: u64 = 20;

/// What a signer's answer may take beyond its round trip until it was measured: facts from the chain, and a busy machine.
pub const ANSWER_MS: u64 = 500;

/// The shortest time that a lower rank is given: on one machine, round trips say nothing about how busy it is.
pub const TAKEOVER_MS_MIN: u64 = 100;

/// So many times as long a rank is given at most, when its signatures took longer than round trips explain: it is busy, or
/// would like to be thought so.
pub const TAKEOVER_PATIENCE: u64 = 4;

/// Members answer the first so many of the election's order that are connected; more with each time that none of them
/// gives a sign of life. Two may fail at once before that costs more than time.
pub const RANKS_TOLD: usize = 3;

/// The longest pause before a member that hears nothing of a subject tells more ranks: four calls of a coordinator.
pub const WIDEN_MS_MAX: u64 = 60_000;

/// A peer gets what it missed this often at once, and then once per `CATCH_UP_MS`: a channel that opens costs two, what we
/// said before and the answer to its heads. One answer is at most 1,000 requests of 3 kB and 64 certificates of 17 kB,
/// 4 MB; so 0.8 MB/s to a peer that does nothing but come back.
pub const CATCH_UP_BURST: u64 = 8;

/// See [`CATCH_UP_BURST`].
pub const CATCH_UP_MS: u64 = 5_000;

/// Shortest and longest pause between two calls for commitments. The first is a round trip; each is twice the one before.
pub const SOLICIT_MS: (u64, u64) = (100, 15_000);

/// How many sets of members a coordinator looks at for one in which all sign with each other.
pub const SUBSETS_MAX: u32 = 256;

/// A member has packages of one subject answered, is offered commitments for it and told its signature, this often at once, and
/// then once per `COORDINATOR_MS`: n - t + 1 attempts at 100 members twice over; later 8 MB of audit a day at most.
pub const COORDINATOR_BURST: u64 = 64;

/// See [`COORDINATOR_BURST`].
pub const COORDINATOR_MS: u64 = 5_000;

/// Pause between two peers to whom we say what we know, in turn, so that what was lost on a living channel is repaired.
pub const ANTI_ENTROPY_MS: u64 = 30_000;

/// Pause before chain facts that were not good enough are read again: a block or two.
pub const RECHECK_MS: u64 = 1_500;

/// So often the pause doubles before an evidence verifier that gives no answer is asked again: 1.5 s to 96 s.
pub const EVIDENCE_TRIES_MAX: u32 = 6;

/// What signing and relaying take, in seconds: a minute for people and machines, and the turns of two relayers.
pub const EXECUTION_SECONDS: u64 = 120;

/// How far the newest block is believed to be ahead of the finalised one, in seconds: two epochs of 384 s are usual on mainnet,
/// and one more passes when a few proposers fail.
pub const FINALITY_SECONDS: u64 = 1_200;

/// The relayer of rank k submits k times this long after the signature: two slots of 12 s, and the receipt.
pub const RELAY_MS: u64 = 30_000;

/// Pause before the same relayer tries again.
pub const RELAY_RETRY_MS: u64 = 5_000;

/// Pause before a transaction that was included is taken for lost: finality takes 13 minutes.
pub const RELAY_LOST_MS: u64 = 20 * 60 * 1_000;

/// How long after its deadline an unsigned request is closed, in seconds: a clock that is wrong by less closes nothing.
pub const EXPIRY_GRACE_SECONDS: u64 = 600;

/// Requests that end with one finalised block, one way or another: 64 x (0.2 ms and two records of up to 5 kB), in one batch.
pub const SETTLED_PER_BLOCK: usize = 64;

/// Requests whose nonce the chain is asked for with one finalised block: a quarter of what its queue holds.
pub const QUERIES_PER_BLOCK: usize = 256;

/// How far ahead of this node's clock a resumption, or what is said at its API, may be numbered, in seconds.
pub const PAUSE_AHEAD_SECONDS: u64 = 600;

/// What one person says to the network is written this often at once, and then once per `PAUSE_MS`: a synced write and a message
/// to each member each time.
pub const PAUSE_BURST: u64 = 8;

/// See [`PAUSE_BURST`].
pub const PAUSE_MS: u64 = 5_000;

/// Of how many open requests one list of heads has a member brought the opinions: lists go round, so all have their turn. At
/// most 500 people x 130 bytes each.
pub const OPINIONS_TOLD_MAX: usize = 16;

/// How many blocks ahead of the last finalised one a version of the definition may come into force: 30 days of 12 seconds.
pub(crate) const CHANGE_BLOCKS_MAX: u64 = 216_000;

/// Repairs remembered of each member that asks; the oldest goes first. A helper of one holds t x (t x 52 bytes): at 67 helpers 230 kB,
/// so 100 x 2 of them are 46 MB, where this node's operator consented to them all.
pub const REPAIRS_PER_MEMBER_MAX: usize = 2;
