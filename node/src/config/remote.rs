//! The API for other machines: where, by which certificates, and whose.

use crate::access::Role;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The API beyond loopback: TLS 1.3 with client certificates, or nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remote {
    pub(crate) listen: SocketAddr,
    /// The server's certificate with those between it and its authority, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) key: PathBuf,
    /// The authority of the clients' certificates, PEM.
    pub(crate) ca: PathBuf,
    /// What that authority has revoked, PEM.
    pub(crate) crl: Option<PathBuf>,
    /// Who may call. Everybody else is cut off.
    pub(crate) clients: Vec<RemoteClient>,
}

/// A client by its certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoteClient {
    /// For the log.
    pub(crate) name: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) role: Role,
}

/// SHA-256 of a certificate in DER: 64 hexadecimal digits, with or without colons, as `openssl x509 -fingerprint -sha256` has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Fingerprint(pub(crate) [u8; 32]);

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        let digits = text.replace(':', "");
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| "a fingerprint is 64 hexadecimal digits (SHA-256)")?;
        Ok(Self(bytes))
    }
}

impl Remote {
    /// What types alone cannot say.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.clients.is_empty() || self.clients.len() > CLIENTS_MAX {
            return Err(format!("name 1 to {CLIENTS_MAX} clients"));
        }
        let fingerprints: BTreeSet<_> = self.clients.iter().map(|client| client.fingerprint).collect();
        if fingerprints.len() != self.clients.len() {
            return Err("two clients have the same certificate: one certificate, one role".to_owned());
        }
        Ok(())
    }
}

/// More clients of one node are a mistake.
const CLIENTS_MAX: usize = 100;
