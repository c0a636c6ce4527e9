//! How often keys change, by kind, and at which time of the day.

use firn_proto::time::WallTime;
use serde::Deserialize;

/// How long each kind is in use, and how long before that is over it is due.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    /// Shares of one epoch, until the next refresh.
    pub(crate) share_epoch: Span,
    /// A group key, until a new one takes its place.
    pub(crate) group_key: Span,
    /// A node's transport identity and vault keys.
    pub(crate) node_identity: Span,
    /// The passphrase that wraps the keystore.
    pub(crate) key_encryption_key: Span,
    /// How long before the end of a certificate a new one is due.
    pub(crate) tls: Span,
    /// The key of a requester that does not expire.
    pub(crate) requester: Span,
    /// The key of a person who approves or administers.
    pub(crate) approver: Span,
    /// The author key, which signs heads of the audit log.
    pub(crate) audit_signer: Span,
    /// How long before its end everything else is due.
    pub(crate) notice: Span,
}

/// A length of time in seconds, written as days (`90d`) or hours (`12h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) u64);

impl TryFrom<String> for Span {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let invalid = "expected days or hours, such as 90d or 12h";
        let units = [('d', 86_400), ('h', 3_600)];
        let parts = units.into_iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
        let (number, size) = parts.ok_or(invalid)?;
        let number: u64 = number.parse().map_err(|_| invalid)?;
        // A hundred years are for ever.
        number.checked_mul(size).filter(|span| (1..=36_500 * 86_400).contains(span)).map(Self).ok_or(invalid)
    }
}

/// A part of each day, in UTC, written as `02:00-04:30`. It may go past midnight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Window {
    /// Seconds of the day, the last one not included.
    from: u64,
    to: u64,
}

impl Window {
    /// Since when it is open, where it is.
    pub(crate) fn opened(self, now: WallTime) -> Option<WallTime> {
        let since = (now.0 % DAY_SECONDS + DAY_SECONDS - self.from) % DAY_SECONDS;
        let length = (self.to + DAY_SECONDS - self.from - 1) % DAY_SECONDS + 1;
        (since < length).then(|| WallTime(now.0.saturating_sub(since)))
    }
}

impl TryFrom<String> for Window {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let invalid = "expected two times of the day in UTC that differ, such as 02:00-04:30";
        let time = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let number = |text: &str| {
                let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| text.parse::<u64>().ok())?
            };
            let seconds = number(hour)? * 3_600 + number(minute).filter(|minute| *minute < 60)? * 60;
            Some(seconds).filter(|seconds| *seconds <= DAY_SECONDS)
        };
        let (from, to) = text.split_once('-').ok_or(invalid)?;
        let (from, to) = time(from).zip(time(to)).ok_or(invalid)?;
        if from == to { Err(invalid) } else { Ok(Self { from, to }) }
    }
}

const DAY_SECONDS: u64 = 86_400;
