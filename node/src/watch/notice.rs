//! What is said about an event on chain, and what one can do about it.

use crate::chain::events::Place;
use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// How loud a notice is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// As it should be.
    Info,
    /// To be looked at by day.
    Warning,
    /// To be looked at now.
    Alarm,
}

/// When something begins or ends: at a time of the chain, or at a block, for which the time is what the definition's pace makes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Until {
    /// What does.
    pub(crate) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) block: Option<u64>,
    /// Seconds since the epoch.
    pub(crate) time: u64,
}

/// A notice as everybody gets it: by the API, the command line and the webhook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The log's block and its place there: the same at every node, and for ever.
    pub(crate) id: Id,
    pub(crate) level: Level,
    /// One of [`KINDS`].
    pub(crate) kind: String,
    pub(crate) block: u64,
    /// The block's time, in seconds since the epoch.
    pub(crate) time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avs: Option<Address>,
    /// One sentence. What others wrote into the chain stands in it cut and escaped.
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Until>,
    /// The request of this network that it came of, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<String>,
    /// What to do.
    pub(crate) next_step: String,
    /// The contract that logged it.
    pub(crate) contract: Address,
    pub(crate) transaction: B256,
    /// What the log says.
    pub(crate) fields: Value,
}

/// Names a notice: `BLOCK:INDEX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Id(pub(crate) Place);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.0, self.0.1)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.split_once(':').and_then(|(block, place)| Some((block.parse().ok()?, place.parse().ok()?)));
        // One notice, one name: neither signs nor zeros in front.
        parts.map(Self).filter(|id| id.to_string() == text).ok_or("the id of a notice is BLOCK:INDEX")
    }
}

/// What to do about a notice of this kind.
pub(super) fn next_step(kind: &str) -> &'static str {
    KINDS.iter().find(|(name, _)| *name == kind).map_or("", |(_, next)| next)
}

const VETO_NOW: &str = "have the veto pause gate and treasury and cancel the operation before it is ready (docs/how-to/watch.md#alarms); \
                        compare with other nodes; then treat the key as stolen";
const LOOK_SLASHED: &str = "compare with other nodes (`firn request show`); have the veto pause the gate; what was slashed can be kept from moving only by EigenLayer";
const LOOK_RIGHTS: &str = "`firn chain verify` shows what differs from the definition; where nobody of you did it, have the veto pause, and governance take it back";
const LOOK_SCHEDULED: &str = "read what it calls; if nobody of you asked for it, cancel it before it is ready";
const NOTHING: &str = "nothing, if you know of it";

/// Every kind, with what to do about it. Their names never change.
pub(crate) const KINDS: [(&str, &str); 38] = [
    ("unknown_operation", VETO_NOW),
    ("unknown_execution", VETO_NOW),
    ("unknown_slash", LOOK_SLASHED),
    ("slashed", "nothing here: tell the operator; funds move after the resolution block"),
    (
        "slash_resolution",
        "until that block EigenLayer alone can stop what was slashed; afterwards anybody may send it on",
    ),
    ("slash_cleared", NOTHING),
    (
        "slasher_changes",
        "where it is not the gate: the AVS's admin sets it back with updateSlasher before that block; pause signing if nobody of you did it",
    ),
    ("set_created", "look at its strategies, slasher and recipient, which can never change"),
    ("recipient_set", "it can never change: compare it with the treasury's address"),
    ("strategy_added", NOTHING),
    ("strategy_removed", "stake in it is out of reach at once; ask who of the AVS's admins did it"),
    ("suspect_left", "the slash has to execute by that block: have approvals and evidence checked now"),
    ("suspect_deallocates", "the slash has to execute by that block: have approvals and evidence checked now"),
    ("operator_left", "a slash for what it did before has to execute by that block"),
    ("registrar_set", LOOK_RIGHTS),
    ("core_paused", "EigenLayer's pausers did it; slashes or clearing fail until it ends"),
    ("core_unpaused", NOTHING),
    ("appointee_set", LOOK_RIGHTS),
    ("appointee_removed", LOOK_RIGHTS),
    ("admin_pending", LOOK_RIGHTS),
    ("admin_set", LOOK_RIGHTS),
    ("admin_removed", LOOK_RIGHTS),
    ("role_granted", LOOK_RIGHTS),
    ("role_revoked", LOOK_RIGHTS),
    ("rules_changed", LOOK_RIGHTS),
    ("operation_scheduled", LOOK_SCHEDULED),
    ("operation_executed", NOTHING),
    ("operation_canceled", "ask the veto's holders why; a new request is needed to try again"),
    ("limits_set", NOTHING),
    ("unpinned", "the gate slashes nobody of that set any more, until governance pins it again"),
    ("payee_set", NOTHING),
    ("paid", NOTHING),
    ("handed_over", LOOK_RIGHTS),
    ("paused", "find out why from whoever holds the veto; it ends by itself"),
    ("unpaused", NOTHING),
    ("account_executed", NOTHING),
    ("nonce_invalidated", "a payload that was signed can never execute; ask for it again if it is needed"),
    ("unreadable", "update Firn; if it is current, compare the log with another endpoint's"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_id_has_one_spelling() {
        let id = |text: &str| Id::try_from(text.to_owned()).ok();
        assert_eq!(id("120:3"), Some(Id((120, 3))));
        for odd in ["", "120", "120:", ":3", "+1:3", "01:3", "1:3:4", "1: 3", "18446744073709551616:0"] {
            assert_eq!(id(odd), None, "{odd}");
        }
    }

    #[test]
    fn every_kind_is_on_the_page_that_says_what_to_do() {
        let page = include_str!("../../../docs/how-to/watch.md");
        let names: BTreeSet<_> = KINDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), KINDS.len());
        for (kind, next) in KINDS {
            assert!(page.contains(&format!("`{kind}`")), "docs/how-to/watch.md says nothing of {kind}");
            assert!(!next.is_empty(), "{kind}");
        }
    }
}
