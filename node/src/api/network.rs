//! The definition's versions over HTTP: what is in force, what comes next, and taking a signed change in.

use super::{Accepted, Api, Refused, read_at_most};
use crate::host::versions::parse_signatures;
use crate::runtime::Call;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use firn_coordinator::Engine;
use firn_proto::definition::SignedChange;
use firn_proto::limits::CHANGE_BYTES_MAX;
use firn_proto::{Code, Definition, Refusal};
use serde::{Deserialize, Serialize};

/// What a `firn.change.v1` document is called in its `schema`.
pub(crate) const CHANGE_SCHEMA: &str = "firn.change.v1";

/// Quotes and line ends take two bytes in JSON; the signatures of 500 admins take 70 KB.
const CHANGE_JSON_BYTES_MAX: usize = 2 * CHANGE_BYTES_MAX + 128 * 1024;

/// A definition with its signatures, as organisations pass it on and nodes take it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    pub(crate) schema: String,
    /// The `network.toml`.
    pub(crate) definition: String,
    /// 0x and 130 hexadecimal digits each.
    pub(crate) signatures: Vec<String>,
}

/// What a node runs under.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NetworkView {
    pub(crate) schema: String,
    pub(crate) network: String,
    /// The version in force here.
    pub(crate) current: VersionView,
    /// The version that waits for its block.
    pub(crate) next: Option<VersionView>,
    pub(crate) finalised_block: u64,
    /// Nodes that have the newest of both on disk.
    pub(crate) holders: Vec<String>,
}

/// A version of the definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionView {
    pub(crate) version: u32,
    pub(crate) digest: String,
    pub(crate) effective_block: u64,
    /// The `network.toml`.
    pub(crate) definition: String,
}

impl ChangeBody {
    pub(crate) fn new(change: &SignedChange) -> Self {
        let signatures = change.signatures.iter().map(|signature| format!("0x{}", hex::encode(signature))).collect();
        Self { schema: CHANGE_SCHEMA.to_owned(), definition: change.text.clone(), signatures }
    }

    /// Not checked further than its form.
    pub(crate) fn to_signed(&self) -> Result<SignedChange, Refusal> {
        if self.schema != CHANGE_SCHEMA {
            return Err(Refusal::new(Code::RequestMalformed, format!("schema {}, not {CHANGE_SCHEMA}", self.schema)));
        }
        let signatures = parse_signatures(self.signatures.iter().map(String::as_str));
        let signatures = signatures.ok_or_else(|| Refusal::new(Code::RequestMalformed, "signatures"))?;
        Ok(SignedChange { text: self.definition.clone(), signatures })
    }
}

fn version(definition: &Definition) -> VersionView {
    VersionView {
        version: definition.version(),
        digest: definition.digest().to_string(),
        effective_block: definition.effective_block(),
        definition: definition.to_toml(),
    }
}

pub(super) async fn show(State(api): Api) -> Result<Json<NetworkView>, Refused> {
    let view = api.look(Engine::versions).await?;
    let name = |node| view.current.nodes.get(node).map_or_else(|| node.to_string(), |entry| entry.name.clone());
    Ok(Json(NetworkView {
        schema: "firn.network-status.v1".to_owned(),
        network: view.current.network_id().0.to_string(),
        current: version(&view.current),
        next: view.next.as_ref().map(|change| version(change.definition())),
        finalised_block: view.finalised,
        holders: view.holders.iter().map(name).collect(),
    }))
}

/// Needs no token: the admins signed it.
pub(super) async fn change(State(api): Api, body: Body) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let body: ChangeBody = read_at_most(body, CHANGE_JSON_BYTES_MAX).await?;
    let change = body.to_signed()?.verify(&api.definition)?;
    let id = change.definition().digest().to_string();
    api.settle(|answer| Call::Change(Box::new(change), answer)).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id })))
}
