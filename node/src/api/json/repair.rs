//! Repairs of lost shares.

use serde::{Deserialize, Serialize};

/// Body of the question for this node's lost share.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepairBody {
    /// Name of the key in the definition.
    pub(crate) name: String,
    /// Names of the t nodes that help; absent for the first t members that are connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) helpers: Option<Vec<String>>,
    /// Seconds until all helpers must have consented.
    pub(crate) within_seconds: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Repairs {
    pub(crate) repairs: Vec<RepairView>,
}

/// A repair that this node asked for, or is asked to help with, since its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RepairView {
    pub(crate) id: String,
    /// The attempt that made the epoch.
    pub(crate) key_id: String,
    pub(crate) name: String,
    pub(crate) epoch: u32,
    /// Who lost its share.
    pub(crate) target: String,
    pub(crate) helpers: Vec<String>,
    /// asked, helping, summing, done, ended.
    pub(crate) state: String,
    /// When consent is too late, in seconds since the epoch.
    pub(crate) deadline: u64,
    pub(crate) consented: Vec<String>,
    pub(crate) waiting_for: Vec<String>,
    pub(crate) code: Option<String>,
}
