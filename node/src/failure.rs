//! What a command ends with when it fails: a stable code, what happened, what to do, and an exit code.

use crate::api::json::ErrorDetail;
use firn_proto::Refusal;
use serde_json::json;

/// Exit codes (docs/reference/exit-codes.md).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Failure = 1,
    Usage = 2,
    Refused = 3,
    NotReady = 4,
    Timeout = 5,
    Verification = 6,
    Conflict = 7,
    Interrupted = 130,
}

/// A command's failure.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) cause: String,
    pub(crate) next_step: String,
    pub(crate) exit: Exit,
}

impl Failure {
    pub(crate) fn new(code: &str, cause: impl Into<String>, next_step: impl Into<String>, exit: Exit) -> Self {
        Self { code: code.to_owned(), cause: cause.into(), next_step: next_step.into(), exit }
    }

    /// Something that should work and did not.
    pub(crate) fn general(code: &str, cause: impl Into<String>) -> Self {
        Self::new(code, cause, "look at the cause; if it is not on this machine, report it with the log", Exit::Failure)
    }

    /// Arguments that cannot be meant.
    pub(crate) fn usage(cause: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new("USAGE", cause, next_step, Exit::Usage)
    }

    pub(crate) fn node_unreachable(at: &str, cause: &str) -> Self {
        let next = "start the node with `firn run`, or name its data directory with --data-dir";
        Self::new("NODE_UNREACHABLE", format!("no node answers at {at}: {cause}"), next, Exit::NotReady)
    }

    pub(crate) fn from_api(error: ErrorDetail) -> Self {
        let detail = if error.detail.is_empty() { String::new() } else { format!(" ({})", error.detail) };
        let exit = match error.code.as_str() {
            "KEY_NOT_READY" | "CHAIN_UNAVAILABLE" | "DRAINING" => Exit::NotReady,
            "DKG_CONFLICT"
            | "REQUEST_CONFLICT"
            | "OPINION_TOO_LATE"
            | "OPINION_OUTDATED"
            | "CHANGE_CONFLICT"
            | "DEFINITION_MISMATCH"
            | "NODE_NOT_PAUSED"
            | "PAUSE_OUTDATED" => Exit::Conflict,
            _ => Exit::Refused,
        };
        Self::new(&error.code, format!("{}{detail}", error.cause), error.next_step, exit)
    }

    /// For `--output json`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({ "schema": "firn.error.v1", "error": { "code": self.code, "cause": self.cause, "next_step": self.next_step } })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}\n  next: {}", self.code, self.cause, self.next_step)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let detail = if refusal.detail.is_empty() { String::new() } else { format!(" ({})", refusal.detail) };
        Self::new(
            refusal.code.as_str(),
            format!("{}{detail}", refusal.code.cause()),
            refusal.code.next_step(),
            Exit::Refused,
        )
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        Self::new(error.code(), error.to_string(), error.hint(), Exit::Failure)
    }
}

impl From<crate::data_dir::DataDirError> for Failure {
    fn from(error: crate::data_dir::DataDirError) -> Self {
        let exit = if error.code() == "DATA_DIR_LOCKED" { Exit::Conflict } else { Exit::Failure };
        Self::new(error.code(), error.to_string(), error.hint(), exit)
    }
}

impl From<crate::keystore::KeystoreError> for Failure {
    fn from(error: crate::keystore::KeystoreError) -> Self {
        Self::new(error.code(), error.to_string(), error.hint(), Exit::Failure)
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::new(error.code(), error.to_string(), error.hint(), Exit::Failure)
    }
}
