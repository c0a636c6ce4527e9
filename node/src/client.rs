//! A client of a node's HTTP API, for the command line and the devnet.

use crate::api::json::pause::{ApprovalsBody, PauseBody};
use crate::api::json::repair::{RepairBody, Repairs};
use crate::api::json::{
    Accepted, AuditPage, ErrorBody, HeadsView, Keys, OpinionBody, ProposeBody, RequestBody, RequestView, Requests,
    Status,
};
use crate::api::network::{ChangeBody, NetworkView};
use crate::api::session::{Call, Token};
use crate::failure::Failure;
use crate::runtime::wall_time;
use crate::schedule::ScheduleView;
use rand_core::{OsRng, RngCore};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Url};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Talks to one node. What changes the node's own state takes tokens made of `token`.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// For the node whose API listens at `address`; the token is read from its data directory where that is readable.
    pub(crate) fn new(address: SocketAddr, data_dir: Option<&Path>) -> Result<Self, Failure> {
        let token = data_dir.and_then(|dir| std::fs::read_to_string(token_file(dir)).ok());
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        let http = http.map_err(|error| Failure::general("API_CLIENT", error.to_string()))?;
        Ok(Self { http, base: format!("http://{address}"), token: token.map(|token| token.trim().to_owned()) })
    }

    /// For a node's API on another machine.
    pub(crate) fn remote(url: &Url, tls: ClientConfig) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).https_only(true);
        let http = http.tls_backend_preconfigured(tls).redirect(reqwest::redirect::Policy::none()).build();
        let http = http.map_err(|error| Failure::general("API_CLIENT", error.to_string()))?;
        Ok(Self { http, base: url.as_str().trim_end_matches('/').to_owned(), token: None })
    }

    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        self.get("/v1/status").await
    }

    pub(crate) async fn keys(&self) -> Result<Keys, Failure> {
        self.get("/v1/keys").await
    }

    pub(crate) async fn requests(&self) -> Result<Requests, Failure> {
        self.get("/v1/requests").await
    }

    pub(crate) async fn request(&self, id: &str) -> Result<RequestView, Failure> {
        self.get(&format!("/v1/requests/{id}")).await
    }

    pub(crate) async fn submit(&self, body: &RequestBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/requests", Some(body)).await
    }

    pub(crate) async fn opine(&self, id: &str, body: &OpinionBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, &format!("/v1/requests/{id}/opinions"), Some(body)).await
    }

    pub(crate) async fn schedule(&self) -> Result<ScheduleView, Failure> {
        self.get("/v1/schedule").await
    }

    pub(crate) async fn propose_key(&self, body: &ProposeBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/keys", Some(body)).await
    }

    pub(crate) async fn accept_key(&self, key_id: &str) -> Result<Accepted, Failure> {
        self.call(Method::POST, &format!("/v1/keys/{key_id}/accept"), None::<&()>).await
    }

    pub(crate) async fn abandon_key(&self, key_id: &str) -> Result<Accepted, Failure> {
        self.call(Method::POST, &format!("/v1/keys/{key_id}/abandon"), None::<&()>).await
    }

    pub(crate) async fn repairs(&self) -> Result<Repairs, Failure> {
        self.get("/v1/repairs").await
    }

    pub(crate) async fn repair_key(&self, body: &RepairBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/repairs", Some(body)).await
    }

    pub(crate) async fn consent_repair(&self, id: &str, body: &ApprovalsBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, &format!("/v1/repairs/{id}/consent"), Some(body)).await
    }

    pub(crate) async fn trust_peer(&self, name: &str) -> Result<Accepted, Failure> {
        self.call(Method::POST, &format!("/v1/peers/{name}/trust"), None::<&()>).await
    }

    pub(crate) async fn network(&self) -> Result<NetworkView, Failure> {
        self.get("/v1/network").await
    }

    pub(crate) async fn change(&self, body: &ChangeBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/network/changes", Some(body)).await
    }

    /// Entries of the audit log from this number on: a page.
    pub(crate) async fn audit(&self, from: u64) -> Result<AuditPage, Failure> {
        self.get(&format!("/v1/audit?from={from}")).await
    }

    pub(crate) async fn heads(&self) -> Result<HeadsView, Failure> {
        self.get("/v1/audit/heads").await
    }

    pub(crate) async fn checkpoint(&self) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/audit/heads", None::<&()>).await
    }

    pub(crate) async fn pause(&self) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/pause", None::<&()>).await
    }

    pub(crate) async fn resume(&self, body: &ApprovalsBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/resume", Some(body)).await
    }

    pub(crate) async fn say_pause(&self, body: &PauseBody) -> Result<Accepted, Failure> {
        self.call(Method::POST, "/v1/network/pause", Some(body)).await
    }

    /// Notices of the chain after this one, or all that are kept: a stream of server-sent events, which ends when the node does.
    pub(crate) async fn events(&self, since: Option<&str>) -> Result<reqwest::Response, Failure> {
        let url = format!("{}/v1/events{}", self.base, since.map(|id| format!("?since={id}")).unwrap_or_default());
        let unreachable =
            |error: reqwest::Error| Failure::node_unreachable(&self.base, &error.without_url().to_string());
        let response = self.http.get(url).timeout(STREAM).send().await.map_err(unreachable)?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refused(&response.bytes().await.map_err(unreachable)?))
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None::<&()>).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let unreachable =
            |error: reqwest::Error| Failure::node_unreachable(&self.base, &error.without_url().to_string());
        let url: Url =
            format!("{}{path}", self.base).parse().map_err(|_| Failure::general("API_PATH", path.to_owned()))?;
        let bytes = body.map(serde_json::to_vec).transpose();
        let bytes = bytes.map_err(|error| Failure::general("JSON", error.to_string()))?;
        let mut request = self.http.request(method.clone(), url.clone());
        // What only looks needs none.
        if let Some(secret) = self.token.as_ref().filter(|_| method != Method::GET) {
            let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
            let body = bytes.as_deref().unwrap_or_default();
            let call = Call { method: method.as_str(), path: &path, body };
            request = request.header(AUTHORIZATION, new_token(secret, call).to_string());
        }
        if let Some(bytes) = bytes {
            request = request.header(CONTENT_TYPE, "application/json").body(bytes);
        }
        let response = request.send().await.map_err(unreachable)?;
        let is_refused = !response.status().is_success();
        let bytes = response.bytes().await.map_err(unreachable)?;
        if is_refused {
            return Err(refused(&bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| Failure::general("API_ANSWER", error.to_string()))
    }
}

/// A stream lasts for years if it may; that the other side is gone is seen by its silence.
const STREAM: Duration = Duration::from_secs(10 * 365 * 86_400);

/// What the node says against a call.
fn refused(answer: &[u8]) -> Failure {
    match serde_json::from_slice::<ErrorBody>(answer) {
        Ok(body) => Failure::from_api(body.error),
        Err(_) => Failure::general("API_ANSWER", String::from_utf8_lossy(answer).into_owned()),
    }
}

/// A token for one call, made now.
pub(crate) fn new_token(secret: &str, call: Call<'_>) -> Token {
    let mut nonce = [0; 16];
    OsRng.fill_bytes(&mut nonce);
    Token::new(secret, call, wall_time().0, nonce)
}

/// Where a running node keeps the secret of the tokens for its own operator.
pub(crate) fn token_file(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("run").join("token")
}
