//! What is asked for about keys.

use serde::{Deserialize, Serialize};

/// Body of a key proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProposeBody {
    /// Name of the key in the definition.
    pub(crate) name: String,
    /// Seconds until members must have accepted.
    pub(crate) within_seconds: u64,
    /// The next epoch of a key that there is; absent for a new key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<NextEpoch>,
}

/// What becomes of a key's members in its next epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NextEpoch {
    /// They stay: the shares are made anew.
    Refresh,
    /// The definition in force has others, or another threshold.
    Reshare,
}
