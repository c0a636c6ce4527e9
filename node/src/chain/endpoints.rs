//! Several endpoints of one chain, which must agree on every fact (R65). One that contradicts is not outvoted: while it does, there
//! is no answer. One that is silent or behind is done without, as long as enough are left.
//!
//! It is a transport: whoever asks the chain anything, through whichever provider, asks all of them.

use super::Trouble;
use crate::config::{self, RpcUrl};
use crate::failure::{Exit, Failure};
use alloy::primitives::U64;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{
    ErrorPayload, Request, RequestPacket, Response, ResponsePacket, ResponsePayload, RpcError, SerializedRequest,
};
use alloy::rpc::types::Log;
use alloy::transports::http::{Client, Http};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use firn_proto::Code;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tower_service::Service;

/// One that has not answered by then is silent: half of what a question for facts may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the others are waited for once enough have answered.
const GRACE: Duration = Duration::from_millis(500);
/// How long a contradiction is shown to people.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Chains of developers, on which one endpoint is believed without being told to: those of anvil, geth and hardhat.
const DEVELOPMENT: [u64; 2] = [1_337, 31_337];

/// The endpoints, and how many of them must give the same answer.
#[derive(Clone)]
pub(crate) struct Endpoints {
    all: Arc<[Endpoint]>,
    agree: usize,
    /// Contradictions seen.
    disagreements: Counter,
    /// The last of them, and when.
    contradiction: Arc<Mutex<Option<(Instant, String)>>>,
}

struct Endpoint {
    url: RpcUrl,
    http: Http<Client>,
    /// Why it did not answer when it was asked last.
    problem: Mutex<Option<String>>,
}

type Answer = Result<Response, TransportError>;

/// What was asked by its method is answered by one of these.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// All must say the same. So is every method that is not one of the others.
    Fact,
    /// The last final block that enough of them have.
    Final,
    /// The highest number that any of them says: what is late is late, and gas that is not used costs nothing.
    Highest,
    /// The highest number that enough of them reach.
    Reached,
    /// What any of them has, or nothing where all have nothing.
    Any,
    /// To be sent to all.
    Transaction,
}

/// Endpoints contradict each other.
#[derive(Debug)]
struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Disagreement {}

impl Endpoints {
    /// What a node is configured with. Fewer endpoints than must agree are accepted on a development chain only.
    pub(crate) fn of_node(config: &config::Chain, chain_id: u64, disagreements: Counter) -> Result<Self, Failure> {
        // Two addresses of one host are one endpoint, and who sits on the way to one without TLS speaks in its name.
        let agree = config.agree.get();
        let hosts: BTreeSet<_> =
            config.rpc.iter().filter(|url| agree < 2 || url.is_authentic()).map(RpcUrl::host).collect();
        let there = hosts.len();
        if there < agree && !DEVELOPMENT.contains(&chain_id) {
            let cause = format!(
                "chain.rpc names {there} hosts of chain {chain_id} that TLS or loopback vouches for, and {agree} must agree"
            );
            let next = "name another, of another provider, in chain.rpc; or accept that whoever runs the one decides what this node believes: chain.agree = 1";
            return Err(Failure::new("CHAIN_ENDPOINTS_TOO_FEW", cause, next, Exit::Failure));
        }
        Ok(Self::new(&config.rpc, agree, disagreements))
    }

    /// So many must agree, or all where there are fewer.
    pub(crate) fn new(urls: &[RpcUrl], agree: usize, disagreements: Counter) -> Self {
        let endpoint = |url: &RpcUrl| Endpoint {
            url: url.clone(),
            http: Http::with_client(Client::new(), url.expose().clone()),
            problem: Mutex::default(),
        };
        Self {
            all: urls.iter().map(endpoint).collect(),
            agree: agree.min(urls.len()),
            disagreements,
            contradiction: Arc::default(),
        }
    }

    /// A client of all of them that reads.
    pub(crate) fn provider(&self) -> DynProvider {
        ProviderBuilder::default().connect_client(self.client()).erased()
    }

    /// The same for a provider that does more.
    pub(crate) fn client(&self) -> RpcClient {
        RpcClient::new(self.clone(), self.all.iter().all(|endpoint| endpoint.url.is_loopback()))
    }

    /// Who answered last time and who did not, for people.
    pub(crate) fn standing(&self) -> String {
        let mut problems: Vec<_> = self.all.iter().filter_map(Endpoint::problem).collect();
        let (all, silent) = (self.all.len(), problems.len());
        let trusted = if self.agree < 2 { ", and each is believed by itself" } else { "" };
        let contradiction = self.contradiction.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fresh = contradiction.filter(|(at, _)| at.elapsed() < REMEMBERED);
        problems.extend(fresh.map(|(_, text)| format!("they contradict each other: {text}")));
        let problems = if problems.is_empty() { String::new() } else { format!(": {}", problems.join("; ")) };
        format!("{} of {all} endpoints answer{trusted}{problems}", all.saturating_sub(silent))
    }

    async fn ask(self, request: SerializedRequest) -> Answer {
        let params: Value =
            request.params().and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or_default();
        let (method, all) = (request.method(), 0..self.all.len());
        match kind(method, &params) {
            Kind::Final => self.last_final(&request).await,
            Kind::Fact => {
                let said = |response: &Response| fact(method, &response.payload).is_some();
                let answers = self.answers(&request, all, (self.agree, GRACE), said).await;
                self.agreed(method, answers)
            }
            kind @ (Kind::Highest | Kind::Reached) => {
                let answers =
                    self.answers(&request, all, (self.agree, GRACE), |response| number(response).is_some()).await;
                self.numbers(kind, answers)
            }
            Kind::Any => {
                let is_there = |response: &Response| read::<Value>(response).is_some_and(|value| !value.is_null());
                first(self.answers(&request, all, (1, Duration::ZERO), is_there).await, is_there)
            }
            Kind::Transaction => {
                first(self.answers(&request, all, (1, GRACE), Response::is_success).await, Response::is_success)
            }
        }
    }

    /// What these say, in the order of their answers: all that come before enough of them are `good`, and soon after that.
    async fn answers(
        &self,
        request: &SerializedRequest,
        which: Range<usize>,
        (enough, grace): (usize, Duration),
        good: impl Fn(&Response) -> bool,
    ) -> Vec<(usize, Answer)> {
        let mut asked: FuturesUnordered<_> = which
            .clone()
            .filter_map(|index| {
                let mut http = self.all.get(index)?.http.clone();
                let request = RequestPacket::Single(request.clone());
                Some(async move { (index, http.call(request).await) })
            })
            .collect();
        let mut patience = pin!(tokio::time::sleep(ANSWER));
        let (mut answers, mut found) = (Vec::new(), 0_usize);
        loop {
            tokio::select! {
                answered = asked.next() => {
                    let Some((index, answer)) = answered else { break };
                    let answer = single(answer);
                    let is_good = answer.as_ref().is_ok_and(&good);
                    self.note(index, (!is_good).then(|| problem(&answer)).flatten());
                    found = found.saturating_add(usize::from(is_good));
                    answers.push((index, answer));
                    if is_good && found == enough {
                        if grace.is_zero() {
                            break;
                        }
                        patience.as_mut().reset(Instant::now() + grace);
                    }
                }
                () = &mut patience => {
                    let silent = which.filter(|index| answers.iter().all(|(heard, _)| heard != index));
                    silent.for_each(|index| self.note(index, Some("it is silent".to_owned())));
                    break;
                }
            }
        }
        answers
    }

    /// The number that counts of those that these say.
    fn numbers(&self, kind: Kind, answers: Vec<(usize, Answer)>) -> Answer {
        let of = |answer: &Answer| answer.as_ref().ok().and_then(number);
        let mut numbers: Vec<_> = answers.iter().filter_map(|(_, answer)| of(answer)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let place = if kind == Kind::Highest { 0 } else { self.agree.saturating_sub(1) };
        let Some(counts) = numbers.get(place).filter(|_| numbers.len() >= self.agree).copied() else {
            // That it would revert is as good an answer, if enough of them say so.
            let reverted = |(_, answer): &&(usize, Answer)| answer.as_ref().is_ok_and(is_revert);
            let believed = answers.iter().filter(reverted).count() >= self.agree;
            return unanswered(answers, |response| believed || !is_revert(response));
        };
        answers.into_iter().find(|(_, answer)| of(answer) == Some(counts)).map_or_else(nobody, |(_, answer)| answer)
    }

    fn note(&self, index: usize, problem: Option<String>) {
        if let Some(endpoint) = self.all.get(index) {
            *endpoint.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        }
    }

    /// The answer that enough of them give and none contradicts.
    fn agreed(&self, method: &str, answers: Vec<(usize, Answer)>) -> Answer {
        let said = |answer: &Answer| answer.as_ref().ok().and_then(|response| fact(method, &response.payload));
        let facts: Vec<_> = answers.iter().filter_map(|(index, answer)| Some((*index, said(answer)?))).collect();
        self.contradiction(method, &facts)?;
        if facts.len() < self.agree {
            // What one of them says alone is not said.
            return unanswered(answers, |response| fact(method, &response.payload).is_none());
        }
        answers.into_iter().find(|(_, answer)| said(answer).is_some()).map_or_else(nobody, |(_, answer)| answer)
    }

    /// An error where two of these differ.
    fn contradiction(&self, method: &str, facts: &[(usize, Value)]) -> Result<(), TransportError> {
        let Some(((one, fact), rest)) = facts.split_first() else { return Ok(()) };
        let Some((other, another)) = rest.iter().find(|(_, another)| another != fact) else { return Ok(()) };
        self.disagreements.inc();
        let name = |index: &usize| self.all.get(*index).map(|endpoint| endpoint.url.to_string()).unwrap_or_default();
        let cut = |fact: &Value| fact.to_string().chars().take(120).collect::<String>();
        let text = format!("{method}: {} says {}; {} says {}", name(one), cut(fact), name(other), cut(another));
        let said = Some((Instant::now(), text.clone()));
        *self.contradiction.lock().unwrap_or_else(PoisonError::into_inner) = said;
        Err(TransportErrorKind::custom(Disagreement(text)))
    }

    /// The newest block that enough of them call final, and those that are ahead have as well.
    async fn last_final(&self, request: &SerializedRequest) -> Answer {
        let of = |answer: &Answer| header(&answer.as_ref().ok()?.payload).map(|(number, _)| number);
        let is_block = |response: &Response| header(&response.payload).is_some();
        let answers = self.answers(request, 0..self.all.len(), (self.agree, GRACE), is_block).await;
        let mut numbers: Vec<_> = answers.iter().filter_map(|(_, answer)| of(answer)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let Some(last) = numbers.into_iter().nth(self.agree.saturating_sub(1)) else {
            return unanswered(answers, |response| !is_block(response));
        };
        let ahead = answers.iter().filter(|(_, answer)| of(answer) > Some(last)).map(|(index, _)| *index);
        let ahead: Vec<_> = ahead.collect();
        let mut there: Vec<_> = answers.into_iter().filter(|(_, answer)| of(answer) == Some(last)).collect();
        let that = json!([format!("{last:#x}"), false]);
        let that = Request::new("eth_getBlockByNumber", request.id().clone(), that).serialize();
        let that = that.map_err(TransportErrorKind::custom)?;
        let asked =
            ahead.into_iter().map(|index| self.answers(&that, index..index.saturating_add(1), (1, GRACE), is_block));
        there.extend(futures::future::join_all(asked).await.into_iter().flatten());
        self.agreed("eth_getBlockByNumber", there)
    }
}

impl Endpoint {
    fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.as_ref().map(|problem| format!("{}: {problem}", self.url))
    }
}

impl Service<RequestPacket> for Endpoints {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        let endpoints = self.clone();
        Box::pin(async move {
            match request {
                RequestPacket::Single(request) => endpoints.ask(request).await.map(ResponsePacket::Single),
                RequestPacket::Batch(_) => Err(TransportErrorKind::custom_str("questions are asked one by one")),
            }
        })
    }
}

fn kind(method: &str, params: &Value) -> Kind {
    let named = |block: &str| params.as_array().is_some_and(|params| params.iter().any(|param| param == block));
    match method {
        "eth_getBlockByNumber" if named("finalized") => Kind::Final,
        "eth_blockNumber" | "eth_estimateGas" => Kind::Highest,
        "eth_getTransactionCount" => Kind::Reached,
        "eth_sendRawTransaction" => Kind::Transaction,
        // Nothing is decided by these: what the relayer has and offers, and what is not at one block of all.
        "eth_feeHistory"
        | "eth_gasPrice"
        | "eth_maxPriorityFeePerGas"
        | "eth_getBalance"
        | "eth_getTransactionReceipt"
        | "eth_getTransactionByHash" => Kind::Any,
        _ if named("latest") || named("pending") => Kind::Any,
        _ => Kind::Fact,
    }
}

/// The answer to one question, in which nothing tells the endpoint's address: its path may be a secret.
fn single(answer: Result<ResponsePacket, TransportError>) -> Answer {
    match answer {
        Ok(ResponsePacket::Single(response)) => Ok(response),
        Ok(ResponsePacket::Batch(_)) => Err(TransportErrorKind::custom_str("it answers one question with several")),
        Err(RpcError::Transport(TransportErrorKind::Custom(_))) => {
            Err(TransportErrorKind::custom_str("it cannot be reached"))
        }
        Err(error) => Err(error),
    }
}

/// Why that is no answer, for people.
fn problem(answer: &Answer) -> Option<String> {
    match answer {
        Ok(response) => match &response.payload {
            ResponsePayload::Failure(error) if !reverts(error) => Some(format!("error {}", error.code)),
            _ => None,
        },
        Err(RpcError::Transport(kind)) if kind.as_http_error().is_some() => {
            kind.as_http_error().map(|error| format!("HTTP {}", error.status))
        }
        Err(RpcError::Transport(_)) => Some("it cannot be reached".to_owned()),
        Err(_) => Some("its answer does not read".to_owned()),
    }
}

/// What an answer comes to, in a form that is the same whoever gives it; `None` where it is none.
fn fact(method: &str, payload: &ResponsePayload) -> Option<Value> {
    let raw = match payload {
        ResponsePayload::Failure(error) => return (method == "eth_call" && reverts(error)).then(|| json!("reverted")),
        ResponsePayload::Success(raw) => raw.get(),
    };
    match method {
        "eth_getBlockByNumber" | "eth_getBlockByHash" => header(payload).map(|(_, fact)| fact),
        "eth_getLogs" => {
            let mut logs: Vec<Log> = serde_json::from_str(raw).ok()?;
            logs.sort_by_key(|log| (log.block_number, log.log_index));
            let parts = |log: &Log| {
                json!([log.block_number, log.log_index, log.block_hash, log.transaction_hash, log.removed, log.inner])
            };
            Some(logs.iter().map(parts).collect())
        }
        _ => serde_json::from_str::<String>(raw).ok().map(|text| json!(text.to_lowercase())),
    }
}

/// A block's number, and what of it is compared: its hash says everything, if it is the hash of what else is said.
fn header(payload: &ResponsePayload) -> Option<(u64, Value)> {
    let ResponsePayload::Success(raw) = payload else { return None };
    let block: Value = serde_json::from_str(raw.get()).ok()?;
    let part = |name: &str| block.get(name).and_then(Value::as_str).map(str::to_lowercase);
    let (number, hash, time) = (part("number")?, part("hash")?, part("timestamp")?);
    let digits = number.strip_prefix("0x")?;
    Some((u64::from_str_radix(digits, 16).ok()?, json!([number, hash, time])))
}

fn read<T: serde::de::DeserializeOwned>(response: &Response) -> Option<T> {
    let ResponsePayload::Success(raw) = &response.payload else { return None };
    serde_json::from_str(raw.get()).ok()
}

/// Whether a call was carried out and reverted. Some endpoints leave the data of a revert without any away.
pub(super) fn reverts(error: &ErrorPayload) -> bool {
    error.as_revert_data().is_some() || error.message.contains("revert")
}

fn is_revert(response: &Response) -> bool {
    matches!(&response.payload, ResponsePayload::Failure(error) if reverts(error))
}

fn number(response: &Response) -> Option<u64> {
    read::<U64>(response).map(|number| number.to())
}

/// The first good one; the first that says that there is nothing; or why nobody says anything.
fn first(mut answers: Vec<(usize, Answer)>, good: impl Fn(&Response) -> bool) -> Answer {
    let place = |is: &dyn Fn(&Response) -> bool| answers.iter().position(|(_, answer)| answer.as_ref().is_ok_and(is));
    match place(&good).or_else(|| place(&Response::is_success)) {
        Some(place) => answers.swap_remove(place).1,
        None => unanswered(answers, |_| true),
    }
}

/// Why there is no answer: what an endpoint says to that, of what may be told, or else why one cannot be asked.
fn unanswered(mut answers: Vec<(usize, Answer)>, may: impl Fn(&Response) -> bool) -> Answer {
    let refusal = |answer: &Answer| answer.as_ref().is_ok_and(|response| response.is_error() && may(response));
    if let Some(place) = answers.iter().position(|(_, answer)| refusal(answer)) {
        return answers.swap_remove(place).1;
    }
    answers.into_iter().find(|(_, answer)| answer.is_err()).map_or_else(nobody, |(_, answer)| answer)
}

fn nobody() -> Answer {
    Err(TransportErrorKind::custom_str("too few endpoints answer"))
}

pub(super) fn unavailable(error: TransportError) -> Trouble {
    let disagrees =
        matches!(&error, RpcError::Transport(TransportErrorKind::Custom(cause)) if cause.is::<Disagreement>());
    if disagrees {
        tracing::warn!(%error, "chain_disagreement");
    }
    Trouble::Unavailable(if disagrees { Code::ChainDisagrees } else { Code::ChainUnavailable })
}
