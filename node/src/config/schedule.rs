//! How often keys change, by kind.

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
