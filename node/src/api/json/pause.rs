//! Pauses as JSON.

use super::signature;
use firn_proto::code::Refusal;
use firn_proto::pause::SignedPause;
use serde::{Deserialize, Serialize};

/// What a veto holder says to the network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseBody {
    /// Whether to pause, or to resume.
    pub(crate) paused: bool,
    /// Above all that was said before: the time in seconds since the Unix epoch, by custom.
    pub(crate) number: u64,
    /// 0x and 130 hexadecimal digits: r || s || v, EIP-712.
    pub(crate) signature: String,
}

/// What people of a node's organisation have signed, so that it resumes, or helps with a repair.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalsBody {
    /// 0x and 130 hexadecimal digits each: r || s || v, EIP-712 over the act, the node and the act's number.
    #[serde(default)]
    pub(crate) approvals: Vec<String>,
}

/// Both pauses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PausesView {
    /// This node's own pause, by its number: the second since the Unix epoch in which it began.
    pub(crate) node: Option<u64>,
    /// Who has confirmed this node, while that pause stands since it was restored from a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restored: Option<RestoredView>,
    /// The network's, by the number from which on it stands.
    pub(crate) network: Option<u64>,
    /// How many organisations stop the network; absent: none can.
    pub(crate) stop: Option<u16>,
    /// How many organisations resume it.
    pub(crate) resume: Option<u16>,
    /// The smallest number by which a veto holder changes anything.
    pub(crate) next_number: u64,
    /// What veto holders have said to the network.
    pub(crate) said: Vec<SaidView>,
}

/// Members of a restored node's keys: who has met it as the only and newest copy of itself, with all of its keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RestoredView {
    pub(crate) confirmed_by: Vec<String>,
    pub(crate) waiting_for: Vec<String>,
    /// Why it cannot resume yet.
    pub(crate) code: Option<String>,
}

/// What a veto holder has said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SaidView {
    pub(crate) person: String,
    pub(crate) organisation: String,
    pub(crate) paused: bool,
    pub(crate) number: u64,
}

impl PauseBody {
    /// The typed statement, not verified yet.
    pub(crate) fn to_signed(&self) -> Result<SignedPause, Refusal> {
        Ok(SignedPause { paused: self.paused, number: self.number, signature: signature(&self.signature)? })
    }
}
