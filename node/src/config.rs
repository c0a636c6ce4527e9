//! Local configuration: `config.toml`, environment and flags, parsed once into types that cannot be wrong.
//!
//! Nothing shared lives here. Who the members are, what the keys may do, which chain it is: all that comes from
//! the agreed network definition, so that no two nodes can disagree about it by a local edit. No secret lives
//! here either; a secret is named by the file it is in.

use firn_proto::{Definition, Incarnation, NodeId};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use libp2p::Multiaddr;
use serde::Deserialize;

mod error;
mod layers;
mod remote;
mod schedule;
#[cfg(test)]
mod tests;

pub(crate) use error::ConfigError;
pub(crate) use layers::{Layers, Origin, Overrides};
pub(crate) use remote::Remote;
pub(crate) use schedule::{Schedule, Span, Window};

/// Everything one node is told locally.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// This node's name in the network definition.
    pub(crate) node: String,
    /// Where other members reach it.
    pub(crate) listen: Vec<Multiaddr>,
    /// The local API.
    pub(crate) api: Api,
    /// Access to the chain.
    pub(crate) chain: Chain,
    /// How the keystore is opened at start.
    #[serde(default)]
    pub(crate) unseal: Unseal,
    /// What this node does for its keys by itself.
    #[serde(default)]
    pub(crate) keys: Keys,
    /// This organisation's evidence verifier, where it has one.
    pub(crate) evidence: Option<Evidence>,
    /// Who can decrypt backups.
    #[serde(default)]
    pub(crate) backup: Backup,
    /// Who is told of what happens on chain, where anybody is.
    pub(crate) webhook: Option<Webhook>,
    /// How often keys change.
    pub(crate) schedule: Schedule,
}

/// The local API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    /// A loopback address: here the API has no TLS, so nothing else may reach it.
    pub(crate) listen: SocketAddr,
    /// The API for other machines, where there is one.
    pub(crate) remote: Option<Remote>,
}

/// Access to the chain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chain {
    /// Its JSON-RPC endpoints.
    pub(crate) rpc: Vec<RpcUrl>,
    /// How many of them must give the same answer.
    pub(crate) agree: NonZeroUsize,
    /// A finalised block that is older, in seconds, is no ground for a decision.
    pub(crate) stale_after: u64,
    /// What relaying may cost at most, in gwei per gas.
    pub(crate) fee_max: u32,
}

/// How the keystore is opened at start.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unseal {
    /// Absent: the operator types the passphrase.
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// What a node does for its keys by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    /// From which age of its shares on, in seconds, it takes part in a refresh without its operator. Absent: never.
    pub(crate) refresh_after: Option<u64>,
    /// When, in each day, it begins one. Absent: never.
    pub(crate) refresh_window: Option<Window>,
}

/// Backups of this node.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// age recipients: each of them alone can decrypt.
    #[serde(default)]
    pub(crate) recipients: Vec<String>,
    /// Where the node keeps a backup of its shares by itself. Absent: nowhere.
    pub(crate) directory: Option<PathBuf>,
    /// What is done without one.
    #[serde(default)]
    pub(crate) policy: BackupPolicy,
}

/// Whether a share counts as safe before a backup of it was verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackupPolicy {
    /// It does not: its key's address is withheld, and no refresh begins that would leave every backup stale.
    #[default]
    Required,
    /// This organisation does without, or sees to it by other means.
    Waived,
}

/// How this organisation's evidence verifier is asked: by one of these.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evidence {
    /// POST here.
    pub(crate) endpoint: Option<RpcUrl>,
    /// Run this program with these arguments. No shell reads them.
    pub(crate) command: Option<Vec<String>>,
}

/// Where notices of the chain are posted to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) url: RpcUrl,
    /// Its first line is the secret that signs them.
    pub(crate) secret_file: PathBuf,
}

/// An RPC endpoint. Providers put access keys into the path, so it is shown by its host only.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RpcUrl(reqwest::Url);

impl RpcUrl {
    /// The whole address, for the client that connects to it.
    pub(crate) fn expose(&self) -> &reqwest::Url {
        &self.0
    }

    /// Whether nobody else can answer in its place: by TLS, or since it is this machine. A name may lead anywhere.
    pub(crate) fn is_authentic(&self) -> bool {
        self.0.scheme() == "https" || self.is_loopback()
    }

    /// The machine behind it, and the port there.
    pub(crate) fn host(&self) -> (String, Option<u16>) {
        (self.0.host_str().unwrap_or_default().to_owned(), self.0.port_or_known_default())
    }

    /// Whether it is an address of this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

impl std::str::FromStr for RpcUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "not a URL")
    }
}

impl TryFrom<String> for RpcUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Debug for RpcUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = !matches!(self.0.path(), "" | "/") || self.0.query().is_some() || !self.0.username().is_empty();
        write!(out, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(out, ":{port}")?;
        }
        if hidden { write!(out, "/...") } else { Ok(()) }
    }
}

impl Config {
    /// What the protocol is told of it.
    pub(crate) fn of_engine(
        &self,
        definition: &Definition,
        me: NodeId,
        incarnation: Incarnation,
    ) -> firn_coordinator::Config {
        // Where the new share has to be backed up, whoever looks after that accepts.
        let refresh_after = self.keys.refresh_after.filter(|_| self.backup.directory.is_none());
        let check_evidence = self.evidence.is_some();
        firn_coordinator::Config { definition: definition.clone(), me, incarnation, check_evidence, refresh_after }
    }

    /// Reads the layers' result and checks what types alone cannot say.
    pub(crate) fn parse(layers: &Layers) -> Result<Self, ConfigError> {
        let config: Self = layers.merged().try_into().map_err(|error| layers.explain(&error))?;
        let invalid = |key: &'static str, reason: String| Err(ConfigError::invalid(key, layers.origin(key), reason));
        if config.node.is_empty() {
            return invalid("node", "it is empty".to_owned());
        }
        if config.listen.is_empty() || config.listen.len() > ADDRESSES_MAX {
            return invalid("listen", format!("give 1 to {ADDRESSES_MAX} addresses"));
        }
        // The parser takes an empty string for an address without parts.
        if config.listen.iter().any(Multiaddr::is_empty) {
            return invalid("listen", "one address is empty".to_owned());
        }
        if !config.api.listen.ip().is_loopback() {
            return Err(ConfigError::ApiNotLoopback {
                address: config.api.listen,
                origin: layers.origin("api.listen"),
            });
        }
        if let Some(Err(reason)) = config.api.remote.as_ref().map(Remote::check) {
            return invalid("api.remote.clients", reason);
        }
        if let Err(reason) = check_endpoints(&config.chain.rpc) {
            return invalid("chain.rpc", reason);
        }
        match config.evidence.as_ref().map(|evidence| (&evidence.endpoint, &evidence.command)) {
            Some((Some(url), None)) if !matches!(url.0.scheme(), "http" | "https") => {
                return invalid("evidence.endpoint", format!("{url} is neither http nor https"));
            }
            Some((Some(url), None)) if !url.is_authentic() => {
                let origin = layers.origin("evidence.endpoint");
                return Err(ConfigError::EvidenceEndpointInsecure { url: url.to_string(), origin });
            }
            Some((None, Some(command))) if !command.first().is_some_and(|program| program.starts_with('/')) => {
                return invalid("evidence.command", "it begins with the program's whole path".to_owned());
            }
            Some((Some(_), Some(_))) => return invalid("evidence.command", "give it or evidence.endpoint".to_owned()),
            _ => {}
        }
        if let Err((key, reason)) = config.check_upkeep() {
            return invalid(key, reason.to_owned());
        }
        match config.webhook.as_ref().map(|webhook| &webhook.url) {
            Some(url) if !matches!(url.0.scheme(), "http" | "https") => {
                invalid("webhook.url", format!("{url} is neither http nor https"))
            }
            Some(url) if !url.is_authentic() => {
                let origin = layers.origin("webhook.url");
                Err(ConfigError::WebhookInsecure { url: url.to_string(), origin })
            }
            _ => Ok(config),
        }
    }
}

impl Config {
    /// Nothing is begun that leaves every backup stale, and nothing stands there that does nothing.
    fn check_upkeep(&self) -> Result<(), (&'static str, &'static str)> {
        let Backup { recipients, directory, policy } = &self.backup;
        if directory.as_ref().is_some_and(|directory| !directory.is_absolute()) {
            return Err(("backup.directory", "give its whole path"));
        }
        if directory.is_some() && recipients.is_empty() {
            return Err(("backup.directory", "name backup.recipients, who can open what is put there"));
        }
        if self.keys.refresh_after.is_some() && *policy == BackupPolicy::Required && directory.is_none() {
            let reason = "a refresh leaves every backup stale: name backup.recipients and backup.directory, so that the new \
                          share is backed up with it, or set backup.policy to waived";
            return Err(("keys.refresh_after", reason));
        }
        if self.keys.refresh_window.is_some() && self.keys.refresh_after.is_none() {
            return Err(("keys.refresh_window", "set keys.refresh_after, from which age on shares are refreshed"));
        }
        Ok(())
    }
}

/// Another question for each endpoint, each time: more than this many buy no safety.
const ENDPOINTS_MAX: usize = 8;

fn check_endpoints(urls: &[RpcUrl]) -> Result<(), String> {
    if urls.is_empty() || urls.len() > ENDPOINTS_MAX {
        return Err(format!("give 1 to {ENDPOINTS_MAX} endpoints"));
    }
    for (place, url) in urls.iter().enumerate() {
        if !matches!(url.0.scheme(), "http" | "https") {
            return Err(format!("{url} is neither http nor https"));
        }
        if urls.iter().take(place).any(|other| other == url) {
            return Err(format!("{url} is there twice: that proves nothing"));
        }
    }
    Ok(())
}

/// More listen addresses are a mistake.
const ADDRESSES_MAX: usize = 16;
