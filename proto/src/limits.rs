//! Bounds of the wire, with their arithmetic.

/// Largest frame, hence largest envelope, in bytes. The largest body is a signing package of 100 members:
/// 100 x (2 x 65 + 64 + 32 + about 45) = 27 kB; dealings of 100 members are 100 x (65 + 56) = 12 kB. Tenfold room.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Most members of one key. Costs grow with the square (docs/spec/keygen.md); 100 is what was measured.
pub const MEMBERS_MAX: usize = 100;

/// How often the search for signers that meet a key's `per_...` limits tries another one: twenty times for
/// each of the most members that a key has.
pub const SEARCH_STEPS_MAX: usize = 2_000;

/// How long unused nonce commitments are valid, in seconds. Refreshing a pool of 16 costs one message of 4 kB an hour;
/// a shorter life makes more idle traffic, a longer one keeps more secrets that are worth stealing.
pub const NONCE_LIFETIME_SECONDS: u64 = 3_600;

/// Most commitments that one message offers: 16 x 270 bytes = 4.3 kB.
pub const COMMITMENTS_OFFERED_MAX: usize = 16;

/// Most commitments that ride on a share: the one used up is replaced, and one more lets a pool grow under load.
pub const COMMITMENTS_NEXT_MAX: usize = 2;

/// Most strategies in one slash. Each costs about 50 kgas, so 64 stay well below a block.
pub const STRATEGIES_MAX: usize = 64;

/// Longest description of a slash in bytes. It is logged on chain, 16 gas a byte.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;

/// Seconds between two blocks where the definition says nothing: mainnet's.
pub const BLOCK_SECONDS: u64 = 12;

/// Longest location of evidence, in bytes: a URL with a content hash, several times over.
pub const LOCATION_BYTES_MAX: usize = 512;

/// The reason that an evidence verifier gives, in bytes: two lines for people.
pub const REASON_BYTES_MAX: usize = 256;

/// Most calldata of a listed function in bytes. Nested twice, its 256 words may name 128 x 128 values.
pub const CALLDATA_BYTES_MAX: usize = 8 * 1024;

/// Most calldata that a veto cancels in bytes: hexadecimal, and with a kilobyte of other fields, it fits a request in JSON.
/// Ten times what the longest slash has.
pub const CANCELLED_BYTES_MAX: usize = 15 * 1024;

/// Tokens that a treasury is handed over with at once: 64 transfers of 100,000 gas at most, and 2 kB of calldata.
pub const HANDED_TOKENS_MAX: usize = 64;

/// Most listed functions in a definition: each request for one looks through them.
pub const CALLS_MAX: usize = 500;

/// Longest life of a request in seconds: 14 days, EigenLayer's deallocation delay. A later slash finds nothing.
pub const REQUEST_LIFETIME_SECONDS_MAX: u64 = 14 * 24 * 3600;

/// How long after its deadline a request that did not execute is still asked about and locked, in seconds: until every
/// block in which it could have executed is final.
pub const EXECUTION_GRACE_SECONDS: u64 = 3_600;

/// Largest request body over HTTP in bytes: 64 strategies x about 130 characters plus description, threefold.
pub const REQUEST_JSON_BYTES_MAX: usize = 32 * 1024;

/// Largest network definition file in bytes: 100 nodes x about 700 characters, 500 people x 150, threefold and less.
pub const DEFINITION_BYTES_MAX: usize = 256 * 1024;

/// Largest definition in a change: with 500 signatures of 67 bytes it fits a frame. 100 nodes are about 60 KB.
pub const CHANGE_BYTES_MAX: usize = 192 * 1024;

/// Most people in a definition: 100 organisations x about five. Each may have one opinion of a request, of 130 bytes.
pub const PEOPLE_MAX: usize = 500;

/// Most rules in a definition. Judging a request looks at each: 100 rules take some ten microseconds.
pub const RULES_MAX: usize = 200;

/// How far back a budget, a cool-down or a rate may look, in seconds: 30 days, 216,000 blocks of 12 s, which is 22 questions of
/// 10,000 blocks to a chain endpoint when a node starts, and one with each block after that.
pub const HISTORY_SECONDS_MAX: u64 = 30 * 24 * 3600;

/// Most slashes in one history: 512 x about 120 bytes. With more in 30 days, budgets count as spent.
pub const PAST_SLASHES_MAX: usize = 512;

/// Most requests that a rate allows: each costs a node 40 bytes per rule and requester, 200 x 40 kB at worst.
pub const RATE_REQUESTS_MAX: u32 = 1_000;

/// Most identifiers in one catch-up message: 3 x 1,000 x 34 bytes is below the frame.
pub const HEADS_MAX: usize = 1_000;
