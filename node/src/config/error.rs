//! Why a configuration was refused: which key, where it was set, and what it should have been.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Origin;

/// A refusal of the configuration. Values are not repeated, since one may be a misplaced secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// No such key.
    #[error("unknown key {key} ({origin})")]
    UnknownKey { key: String, origin: Origin, nearest: Option<&'static str> },
    /// A key that has no default and is set nowhere.
    #[error("{key} is not set")]
    MissingKey { key: &'static str },
    /// The key exists and its value does not fit.
    #[error("{key} ({origin}): {reason}")]
    InvalidValue { key: String, origin: Origin, reason: String },
    /// The API without TLS would be reachable from elsewhere.
    #[error("api.listen ({origin}) is {address}, which is not a loopback address")]
    ApiNotLoopback { address: SocketAddr, origin: Origin },
    /// Whoever is on the way could answer for the evidence verifier.
    #[error("evidence.endpoint ({origin}) is {url}: http to what is not a loopback address")]
    EvidenceEndpointInsecure { url: String, origin: Origin },
    /// Whoever is on the way could keep notices from whom they are for.
    #[error("webhook.url ({origin}) is {url}: http to what is not a loopback address")]
    WebhookInsecure { url: String, origin: Origin },
    /// Not TOML at all.
    #[error("{} line {line}: not valid TOML", path.display())]
    Syntax { path: PathBuf, line: usize },
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl ConfigError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey { .. } => "CONFIG_UNKNOWN_KEY",
            Self::MissingKey { .. } => "CONFIG_MISSING_KEY",
            Self::InvalidValue { .. } => "CONFIG_INVALID_VALUE",
            Self::ApiNotLoopback { .. } => "API_NOT_LOOPBACK",
            Self::EvidenceEndpointInsecure { .. } => "EVIDENCE_ENDPOINT_INSECURE",
            Self::WebhookInsecure { .. } => "WEBHOOK_INSECURE",
            Self::Syntax { .. } => "CONFIG_SYNTAX",
            Self::Io { .. } => "CONFIG_IO",
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => format!("did you mean {nearest}?"),
            Self::UnknownKey { nearest: None, .. } => {
                "remove it; what all nodes share belongs in the network definition, not here".to_owned()
            }
            Self::MissingKey { key } => format!("set {key} in config.toml"),
            Self::InvalidValue { key, origin, .. } => format!("change {key} where it was set: {origin}"),
            Self::ApiNotLoopback { .. } => {
                "listen on 127.0.0.1 or [::1] and reach the API through a tunnel or a proxy that adds TLS".to_owned()
            }
            Self::EvidenceEndpointInsecure { .. } | Self::WebhookInsecure { .. } => {
                "give an https address, or http://127.0.0.1 or http://[::1] with what adds TLS behind it".to_owned()
            }
            Self::Syntax { .. } => "correct that line".to_owned(),
            Self::Io { .. } => "check --data-dir, and that config.toml is readable".to_owned(),
        }
    }

    pub(super) fn invalid(key: &str, origin: Origin, reason: String) -> Self {
        Self::InvalidValue { key: key.to_owned(), origin, reason }
    }
}
