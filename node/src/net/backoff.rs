//! How long to wait before trying again.

use std::time::Duration;

use libp2p::PeerId;

use super::limits::Limits;

/// The delay before an attempt: none for attempt 0, then doubling, within a quarter up or down.
///
/// The jitter keeps two nodes, or all peers of one, from retrying in step. It need not be unpredictable, so it is a
/// hash of peer and attempt rather than entropy, and a trace can be repeated.
pub(super) fn delay(peer: &PeerId, attempt: u32, limits: &Limits) -> Duration {
    let Some(doublings) = attempt.checked_sub(1) else {
        return Duration::ZERO;
    };
    let delay = limits.retry_min.saturating_mul(2u32.saturating_pow(doublings)).min(limits.retry_max);
    // 75 % .. 125 % in steps of 1/256 of the half.
    let jitter = u32::from(hash(peer, attempt));
    delay * 3 / 4 + delay / 512 * jitter
}

/// FNV-1a, folded to a byte.
fn hash(peer: &PeerId, attempt: u32) -> u8 {
    let bytes = peer.to_bytes().into_iter().chain(attempt.to_be_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash.to_be_bytes().into_iter().fold(0, |folded, byte| folded ^ byte)
}
