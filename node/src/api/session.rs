//! Tokens for one call each (R9): made of the operator's secret in `run/token`, and bound to method, path, body and time.
//!
//! The secret itself never travels, so what is seen of one call opens no other: not the same again, not with another body, not
//! at another node, whose secret is another.

use firn_proto::Digest;
use firn_proto::digest::CanonicalHasher;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// How the header's value begins.
const SCHEME: &str = "Firn ";

/// A token's life to both sides of the node's clock, in seconds: maker and node are on one machine.
const LIFE_SECONDS: u64 = 30;

/// Tokens remembered as used, 40 bytes each: within their life no operator gives so many commands.
const USED_MAX: usize = 4_096;

/// What one call is.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    /// With its query, as it travels.
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
}

/// A token, which says nothing about the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    time: u64,
    nonce: [u8; 16],
    seal: Digest,
}

/// Tokens that were used, until their life is over.
#[derive(Default)]
pub(crate) struct Used(Mutex<BTreeMap<[u8; 16], u64>>);

/// Why a token does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// There is none, or it is not made of this node's secret for this call.
    Missing,
    /// It is too old, or of another clock.
    Stale,
    /// It was used before.
    Repeated,
    /// Too many were used within their life.
    Many,
}

impl Token {
    /// The token for this call.
    pub(crate) fn new(secret: &str, call: Call<'_>, time: u64, nonce: [u8; 16]) -> Self {
        let inner = CanonicalHasher::new("firn/session-token/v1").field(secret).field(call.method).field(call.path);
        let inner = inner.field(call.body).number(time).field(nonce).finish();
        // Twice, as in HMAC, so that nobody goes on from a seal that was seen.
        let seal = CanonicalHasher::new("firn/session-token-seal/v1").field(secret).field(inner.0).finish();
        Self { time, nonce, seal }
    }

    /// Reads the header's value.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let mut parts = header.strip_prefix(SCHEME)?.split(',');
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        let (time, nonce, seal) = (part("time")?, part("nonce")?, part("seal")?);
        let mut bytes = [0; 16];
        hex::decode_to_slice(nonce, &mut bytes).ok()?;
        let seal = hex::decode(seal).ok().and_then(|seal| Digest::from_slice(&seal))?;
        parts.next().is_none().then_some(Self { time: time.parse().ok()?, nonce: bytes, seal })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nonce, seal) = (hex::encode(self.nonce), hex::encode(self.seal.0));
        write!(f, "{SCHEME}time={},nonce={nonce},seal={seal}", self.time)
    }
}

impl Used {
    /// Whether a token is for this call, now, and for the first time; then it is used.
    pub(crate) fn admit(&self, secret: &str, header: &str, call: Call<'_>, now: u64) -> Result<(), Fault> {
        let token = Token::parse(header).ok_or(Fault::Missing)?;
        let expected = Token::new(secret, call, token.time, token.nonce);
        // Compared whole whatever the first difference, so that its time tells nothing.
        let differs = token.seal.0.iter().zip(expected.seal.0).fold(0, |bits, (a, b)| bits | (a ^ b));
        if differs != 0 {
            return Err(Fault::Missing);
        }
        if now.abs_diff(token.time) > LIFE_SECONDS {
            return Err(Fault::Stale);
        }
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until >= now);
        if used.contains_key(&token.nonce) {
            return Err(Fault::Repeated);
        }
        if used.len() >= USED_MAX {
            return Err(Fault::Many);
        }
        used.insert(token.nonce, token.time.saturating_add(LIFE_SECONDS));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const CALL: Call<'_> = Call { method: "POST", path: "/v1/pause", body: b"{}" };

    fn header(nonce: u8) -> String {
        Token::new("secret", CALL, NOW, [nonce; 16]).to_string()
    }

    #[test]
    fn r09_a_token_is_for_one_call_at_one_node() {
        let used = Used::default();
        let admit = |secret: &str, header: &str, call: Call<'_>, now: u64| used.admit(secret, header, call, now);
        for other in [
            Call { method: "GET", ..CALL },
            Call { path: "/v1/resume", ..CALL },
            Call { path: "/v1/pause?", ..CALL },
            Call { body: b"{} ", ..CALL },
            Call { body: b"", ..CALL },
        ] {
            assert_eq!(admit("secret", &header(1), other, NOW), Err(Fault::Missing));
        }
        assert_eq!(admit("another node's", &header(1), CALL, NOW), Err(Fault::Missing));
        for text in ["", "Bearer secret", "Firn ", "Firn time=1,nonce=00,seal=00", &(header(1) + ",more=1")] {
            assert_eq!(admit("secret", text, CALL, NOW), Err(Fault::Missing), "{text}");
        }
        let moved = header(1).replace(&format!("time={NOW}"), &format!("time={}", NOW + 1));
        assert_eq!(admit("secret", &moved, CALL, NOW), Err(Fault::Missing));
        assert_eq!(admit("secret", &header(1), CALL, NOW), Ok(()), "what did not count used nothing up");
        assert_eq!(admit("secret", &header(1), CALL, NOW), Err(Fault::Repeated));
        assert_eq!(admit("secret", &header(2), CALL, NOW), Ok(()));
    }

    #[test]
    fn r09_a_token_is_short_lived_and_remembered_for_as_long() {
        let used = Used::default();
        for (late, expected) in
            [(31, Err(Fault::Stale)), (30, Ok(())), (0, Err(Fault::Repeated)), (30, Err(Fault::Repeated))]
        {
            assert_eq!(used.admit("secret", &header(1), CALL, NOW + late), expected, "{late}");
        }
        assert_eq!(used.admit("secret", &header(1), CALL, NOW - 31), Err(Fault::Stale), "a clock that is put back");
        assert_eq!(used.admit("secret", &header(1), CALL, NOW + 31), Err(Fault::Stale));
    }

    #[test]
    fn r09_used_tokens_are_bounded_and_make_room() {
        let used = Used::default();
        let token = |n: u64, time: u64| {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&n.to_be_bytes());
            Token::new("secret", CALL, time, nonce).to_string()
        };
        for n in 0..USED_MAX as u64 {
            assert_eq!(used.admit("secret", &token(n, NOW), CALL, NOW), Ok(()));
        }
        assert_eq!(used.admit("secret", &token(9_999, NOW), CALL, NOW), Err(Fault::Many));
        assert_eq!(used.admit("secret", &token(0, NOW), CALL, NOW), Err(Fault::Repeated));
        let later = NOW + LIFE_SECONDS + 1;
        assert_eq!(used.admit("secret", &token(9_999, later), CALL, later), Ok(()));
    }
}
