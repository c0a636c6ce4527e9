//! The HTTP API: posting and watching requests, looking at keys and peers, and the operator's key ceremonies.
//!
//! It listens on loopback, and where that is configured on another address with TLS and client certificates. What changes the
//! node's own state needs the token in `run/token`, which the node makes at every start and only its own user can read;
//! posting a request needs none, since its requester signed it.

use crate::chain::Health;
use crate::chain::authority::watch::View;
use crate::metrics::{Metrics, PeerLabel};
use crate::net::PeerStatus;
use crate::runtime::{Call, wall_time};
use crate::watch::board::Board;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use firn_coordinator::Engine;
use firn_coordinator::api::Command;
use firn_coordinator::view::KeyView;
use firn_proto::limits::REQUEST_JSON_BYTES_MAX;
use firn_proto::policy::Moment;
use firn_proto::{Code, Definition, Digest, Incarnation, NodeId, Refusal, SubjectId};
pub(crate) use guard::Door;
pub(crate) use intake::Intake;
use json::{
    Accepted, AuditPage, Check, ErrorBody, HeadsView, OpinionBody, PageQuery, Peers, RequestBody, Requests, Status,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

mod backups;
mod events;
mod guard;
mod intake;
pub(crate) mod json;
mod keys;
pub(crate) mod network;
mod pause;
pub(crate) mod remote;
mod repair;
mod schedule;
pub(crate) mod session;
mod view;

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) definition: Definition,
    pub(crate) me: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) calls: mpsc::Sender<Call>,
    pub(crate) intake: Intake,
    pub(crate) data_dir: std::path::PathBuf,
    pub(crate) metrics: Arc<Metrics>,
    /// What the operator's tokens are made of.
    pub(crate) token: String,
    pub(crate) used: Arc<session::Used>,
    /// What the chain's endpoint last said.
    pub(crate) health: watch::Receiver<Health>,
    /// What the last surveys of the declared contracts came to.
    pub(crate) surveyed: watch::Receiver<Vec<View>>,
    /// What happened on chain, and how the watch over it stands.
    pub(crate) notices: Arc<Board>,
    /// The network task's view of the peers.
    pub(crate) peers: Box<dyn Fn() -> Vec<PeerStatus> + Send + Sync>,
    /// The keystore was made for tests and devnets: its passphrase can be guessed cheaply.
    pub(crate) insecure_kdf: bool,
    /// Whether keys count as safe without a backup.
    pub(crate) backups_waived: bool,
    /// When which key is to be changed.
    pub(crate) schedule: crate::schedule::Schedule,
}

type Api = State<Arc<Shared>>;

/// A refusal as an HTTP response.
pub(crate) struct Refused(StatusCode, ErrorBody);

impl Refused {
    pub(crate) fn code(&self) -> &str {
        &self.1.error.code
    }
}

/// How long a probe waits for the loop.
const PATIENCE: Duration = Duration::from_secs(1);

/// Seconds after which a client that was told to come back may: what waits is worked off by then.
const RETRY_AFTER_SECONDS: u64 = 5;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let wait = self.1.error.retry_after_seconds;
        let mut response = (self.0, Json(self.1)).into_response();
        if matches!(self.0, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let seconds = HeaderValue::from(wait.unwrap_or(RETRY_AFTER_SECONDS));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(http_status(refusal.code), ErrorBody::from(&refusal))
    }
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Self(http_status(code), ErrorBody::from(code))
    }
}

/// 400 malformed, 401 unauthorised, 404 unknown, 409 conflict, 413 too large, 422 refused by the rules, 429 too many,
/// 503 not ready.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::RequestMalformed => StatusCode::BAD_REQUEST,
        Code::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RequestUnknown | Code::KeyUnknown => StatusCode::NOT_FOUND,
        Code::RequestConflict
        | Code::DkgConflict
        | Code::PeerNotQuarantined
        | Code::OpinionTooLate
        | Code::OpinionOutdated
        | Code::ChangeConflict
        | Code::DefinitionMismatch
        | Code::NodeNotPaused
        | Code::PauseOutdated => StatusCode::CONFLICT,
        Code::RequestLimit | Code::PolicyRate => StatusCode::TOO_MANY_REQUESTS,
        Code::Draining | Code::KeyNotReady | Code::ChainUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// The routes.
pub(crate) fn router(shared: Arc<Shared>, door: Door) -> Router {
    Router::new()
        .route("/v1/requests", get(list_requests).post(post_request))
        .route("/v1/requests/{id}", get(show_request))
        .route("/v1/requests/{id}/opinions", post(post_opinion))
        .route("/v1/keys", get(keys::list).post(keys::propose))
        .route("/v1/keys/{id}/accept", post(keys::accept))
        .route("/v1/keys/{id}/abandon", post(keys::abandon))
        .route("/v1/repairs", get(repair::list).post(repair::ask))
        .route("/v1/repairs/{id}/consent", post(repair::consent))
        .route("/v1/schedule", get(schedule::show))
        .route("/v1/pause", get(pause::show).post(pause::pause))
        .route("/v1/resume", post(pause::resume))
        .route("/v1/network/pause", post(pause::say))
        .route("/v1/peers", get(list_peers))
        .route("/v1/peers/{name}/trust", post(trust_peer))
        .route("/v1/audit", get(list_audit))
        .route("/v1/audit/heads", get(list_heads).post(show_head))
        .route("/v1/network", get(network::show))
        .route("/v1/network/changes", post(network::change))
        .route("/v1/events", get(events::stream))
        .route("/v1/status", get(status))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(|| async {
            Refused(
                StatusCode::NOT_FOUND,
                ErrorBody::new("ROUTE_UNKNOWN", "there is no such route", "", "docs/reference/api.md lists the routes"),
            )
        })
        .method_not_allowed_fallback(|| async { unknown_method() })
        .route_layer(from_fn_with_state((Arc::clone(&shared), door), guard::guard))
        .with_state(shared)
}

fn unknown_method() -> Refused {
    let next = "docs/reference/api.md lists the methods of each route";
    Refused(StatusCode::METHOD_NOT_ALLOWED, ErrorBody::new("METHOD_UNKNOWN", "the route has no such method", "", next))
}

async fn post_request(State(api): Api, body: Body) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let body: RequestBody = read(body).await?;
    let request = body.to_signed()?.verify(&api.definition)?;
    request.check_time(wall_time())?;
    let arrival = Moment::of_arrival(wall_time());
    if let Some((code, finding)) = api.definition.policy.refuses(&api.definition, &request, arrival) {
        return Err(Refusal::new(code, format!("rule `{}` {}", finding.rule, finding.describe())).into());
    }
    let id = request.id();
    // Held until the answer is here: what one requester has under way leaves room for the others.
    let _place = api.intake.enter(request.requester()).ok_or(Code::RequestLimit)?;
    let asked = request.clone();
    let settled = api.settle(|answer| Call::Submit(Box::new(request), answer)).await;
    if settled.as_ref().is_err_and(|refused| refused.1.error.code == Code::PolicyRate.as_str()) {
        let wait = api.look(move |engine| engine.rate_wait(&asked)).await?.unwrap_or_default().max(1);
        let refusal = Refusal::new(Code::PolicyRate, format!("in {wait} s"));
        let mut body = ErrorBody::from(&refusal);
        body.error.retry_after_seconds = Some(wait);
        return Err(Refused(StatusCode::TOO_MANY_REQUESTS, body));
    }
    settled?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: id.to_string() })))
}

async fn list_requests(State(api): Api) -> Result<Json<Requests>, Refused> {
    let views = api.look(Engine::requests).await?;
    Ok(Json(Requests { requests: views.iter().map(|view| view::request(view, &api.definition)).collect() }))
}

async fn show_request(State(api): Api, Path(id): Path<String>) -> Result<Json<json::RequestView>, Refused> {
    let id = subject(&id)?;
    let found = api.look(move |engine| engine.request(id)).await?;
    let found = found.ok_or_else(|| Refusal::new(Code::RequestUnknown, id.to_string()))?;
    let mut view = view::request(&found, &api.definition);
    view.life = api.notices.life(&view.id).iter().map(|notice| json::LifeView::from(&**notice)).collect();
    Ok(Json(view))
}

/// Needs no token: the person signed it.
async fn post_opinion(
    State(api): Api,
    Path(id): Path<String>,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let id = subject(&id)?;
    let body: OpinionBody = read(body).await?;
    let opinion = body.to_signed(id)?.verify(&api.definition)?;
    api.settle(|answer| Call::Opine(Box::new(opinion), answer)).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: id.to_string() })))
}

async fn list_peers(State(api): Api) -> Result<Json<Peers>, Refused> {
    let known = api.look(Engine::peers).await?;
    Ok(Json(Peers { peers: view::peers(&(api.peers)(), &api.definition, &known) }))
}

/// Ends a quarantine, for the start of the peer that is connected now.
async fn trust_peer(State(api): Api, Path(name): Path<String>) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let node = api.definition.nodes.iter().find(|(_, node)| node.name == name).map(|(id, _)| *id);
    let node = node.ok_or_else(|| Refusal::new(Code::SenderUnknown, name.clone()))?;
    let known = api.look(Engine::peers).await?;
    let incarnation = known.iter().find(|peer| peer.node == node).and_then(|peer| peer.connected);
    let incarnation = incarnation.ok_or_else(|| {
        let next = "have it started and connected first: the start that is then there is the one to trust";
        let body = ErrorBody::new("PEER_NOT_CONNECTED", "the peer is not connected to this node", &name, next);
        Refused(StatusCode::CONFLICT, body)
    })?;
    api.command(name, Command::TrustPeer { node, incarnation }).await
}

/// A page of the audit log.
async fn list_audit(
    State(api): Api,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<AuditPage>, Refused> {
    let Query(page) = page.map_err(|error| Refusal::new(Code::RequestMalformed, error.body_text()))?;
    let (answer, answered) = oneshot::channel();
    api.call(Call::Audit(page.from, answer))?;
    let entries = answered.await.map_err(|_| Code::Draining)??;
    let entries = entries.iter().map(|entry| view::entry(entry, &api.definition)).collect();
    Ok(Json(AuditPage { schema: "firn.audit.v1".to_owned(), entries }))
}

/// The signed heads of logs that this node holds.
async fn list_heads(State(api): Api) -> Result<Json<HeadsView>, Refused> {
    let (head, held) = api.look(|engine| (engine.audited(), engine.heads_held())).await?;
    Ok(Json(view::heads(api.me, head, &held, &api.definition)))
}

/// Has the peers cosign ours.
async fn show_head(State(api): Api) -> Result<(StatusCode, Json<Accepted>), Refused> {
    api.command("audit".to_owned(), Command::ShowHead).await
}

async fn status(State(api): Api) -> Result<Json<Status>, Refused> {
    let look = |engine: &Engine| (engine.keys(), engine.requests(), engine.peers(), engine.pauses());
    let (keys, requests, known, pauses) = api.look(look).await?;
    let peers = (api.peers)();
    let mut checks = api.checks(&peers);
    checks.push(schedule::warning(&api.scheduled(&keys, &peers)));
    checks.extend(api.backups(&keys));
    let node = api.definition.nodes.get(&api.me);
    let open = requests.iter().filter(|view| !matches!(view.state, "executed" | "refused" | "expired"));
    Ok(Json(Status {
        schema: "firn.status.v1".to_owned(),
        node: api.me.0,
        name: node.map(|node| node.name.clone()).unwrap_or_default(),
        organisation: node.map(|node| node.organisation.clone()).unwrap_or_default(),
        region: node.map(|node| node.region.clone()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: api.definition.network_id().0.to_string(),
        definition: api.definition.digest().to_string(),
        incarnation: api.incarnation.count().into(),
        ready: checks.iter().all(|check| check.ok),
        checks,
        finalised_block: api.health.borrow().block.number,
        pauses: pause::view(&pauses, &api.definition),
        keys: api.key_views(&keys),
        peers: view::peers(&peers, &api.definition, &known),
        open_requests: open.map(|view| view::request(view, &api.definition)).collect(),
    }))
}

async fn readyz(State(api): Api) -> Response {
    let peers = (api.peers)();
    let mut checks = api.checks(&peers);
    if let Some(keys) = api.keys_soon().await {
        checks.push(schedule::warning(&api.scheduled(&keys, &peers)));
        checks.extend(api.backups(&keys));
    }
    let ready = checks.iter().all(|check| check.ok);
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(serde_json::json!({ "ready": ready, "checks": checks }))).into_response()
}

async fn metrics(State(api): Api) -> Response {
    let peers = (api.peers)();
    for peer in &peers {
        let label = PeerLabel { peer: peer.name.clone() };
        api.metrics.peer_connected.get_or_create(&label).set(i64::from(peer.takes_part()));
    }
    if let Some(keys) = api.keys_soon().await {
        api.metrics.scheduled(&api.scheduled(&keys, &peers));
        api.backups(&keys);
    }
    let Health { block, purse, .. } = api.health.borrow().clone();
    let ready = api.checks(&peers).iter().all(|check| check.ok);
    api.metrics.ready.set(i64::from(ready));
    api.metrics.finalised.set(i64::try_from(block.number).unwrap_or(i64::MAX));
    if let Some(purse) = purse {
        api.metrics.relayer_balance.set(purse.ether());
    }
    let text = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, text)], api.metrics.render()).into_response()
}

impl Shared {
    /// What must hold before this node can do its work.
    fn checks(&self, peers: &[PeerStatus]) -> Vec<Check> {
        let kdf = if self.insecure_kdf { "insecure-fast-kdf: for tests and devnets only" } else { "standard" };
        let mut checks = view::checks(peers, &self.definition, self.me, &self.health.borrow());
        let surveyed = self.surveyed.borrow();
        checks.extend(surveyed.iter().map(|view| {
            let View { avs, ok, detail } = view.clone();
            Check { name: format!("contracts of {avs}"), ok, detail }
        }));
        checks.extend(view::watch(&self.notices.standing()));
        checks.push(Check { name: "keystore".to_owned(), ok: true, detail: kdf.to_owned() });
        checks
    }

    /// Hands a call to the loop. Nobody waits for a place: whoever finds none is told so at once.
    fn call(&self, call: Call) -> Result<(), Refused> {
        hand_over(&self.calls, call)
    }

    /// Asks the loop for something about the engine.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (answer, answered) = oneshot::channel();
        self.call(Call::Look(Box::new(move |engine| drop(answer.send(look(engine))))))?;
        answered.await.map_err(|_| Code::Draining.into())
    }

    /// The keys, for probes that have to be answered while the loop is busy, and only warn by them.
    async fn keys_soon(&self) -> Option<Vec<KeyView>> {
        timeout(PATIENCE, self.look(Engine::keys)).await.ok()?.ok()
    }

    /// Hands a call to the loop and waits for what comes of it.
    async fn settle(&self, call: impl FnOnce(oneshot::Sender<Result<(), Code>>) -> Call) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        self.call(call(answer))?;
        Ok(answered.await.map_err(|_| Code::Draining)??)
    }

    pub(crate) async fn command(&self, id: String, command: Command) -> Result<(StatusCode, Json<Accepted>), Refused> {
        let session = command.session(self.definition.network_id());
        self.settle(|answer| Call::Operator(session, command, answer)).await?;
        Ok((StatusCode::ACCEPTED, Json(Accepted { id })))
    }
}

fn hand_over<T>(calls: &mpsc::Sender<T>, call: T) -> Result<(), Refused> {
    calls.try_send(call).map_err(|error| match error {
        mpsc::error::TrySendError::Closed(_) => Code::Draining.into(),
        mpsc::error::TrySendError::Full(_) => {
            let next = "wait as long as Retry-After says, and ask again";
            let body = ErrorBody::new("NODE_BUSY", "more calls wait for this node than it takes on", "", next);
            Refused(StatusCode::SERVICE_UNAVAILABLE, body)
        }
    })
}

async fn bounded(body: Body, limit: usize) -> Result<Bytes, Refused> {
    let bytes = to_bytes(body, limit).await;
    let large = |_| Refusal::new(Code::RequestTooLarge, format!("at most {limit} bytes"));
    Ok(bytes.map_err(large)?)
}

/// Reads a body of bounded size as strict JSON.
async fn read<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Refused> {
    read_at_most(body, REQUEST_JSON_BYTES_MAX).await
}

async fn read_at_most<T: serde::de::DeserializeOwned>(body: Body, limit: usize) -> Result<T, Refused> {
    serde_json::from_slice(&bounded(body, limit).await?)
        .map_err(|error| Refusal::new(Code::RequestMalformed, error.to_string()).into())
}

fn subject(text: &str) -> Result<SubjectId, Refused> {
    Digest::from_hex(text).map(SubjectId).ok_or_else(|| Refusal::new(Code::RequestUnknown, text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_loop_refuses_at_once_and_says_when_to_come_back() {
        let (calls, mut waiting) = mpsc::channel(1);
        assert!(hand_over(&calls, 1).is_ok());
        let busy = hand_over(&calls, 2).unwrap_err();
        assert_eq!((busy.0, busy.1.error.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "NODE_BUSY"));
        assert_eq!(waiting.try_recv(), Ok(1));
        assert!(hand_over(&calls, 3).is_ok(), "there is room again");
        drop(waiting);
        assert_eq!(hand_over(&calls, 4).unwrap_err().1.error.code, "DRAINING");
        for (refused, told) in [
            (busy, true),
            (Code::RequestLimit.into(), true),
            (Code::RequestConflict.into(), false),
            (Code::RequestMalformed.into(), false),
        ] {
            let response = refused.into_response();
            let status = response.status();
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), told, "{status}");
        }
    }
}
