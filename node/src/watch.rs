//! What happens on chain to what this network guards, said to whoever should know: in the log, by `GET /v1/events`, `firn watch` and
//! a webhook (docs/how-to/watch.md).
//!
//! It reads final blocks only, as everything here does: on mainnet a notice is a quarter of an hour old, and the delays that it
//! leaves time for are days. Nothing waits for it: neither signing nor reading on waits for whoever is told.

use crate::chain::Chain;
use crate::chain::endpoints::Endpoints;
use crate::chain::events::{Event, Place};
use crate::config::Config;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::runtime::Call;
use alloy::primitives::{Address, B256};
use alloy::rpc::types::Filter;
use board::{Board, Delivery};
use firn_coordinator::Engine;
use firn_proto::limits::BLOCK_SECONDS;
use firn_proto::{Code, Definition, SubjectId};
use known::{Known, Question};
use ledger::{Ledger, OVERLAP};
use notice::Notice;
use read::{Draft, Scene};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use webhook::Webhook;

pub(crate) mod board;
mod events;
mod known;
mod ledger;
pub(crate) mod notice;
mod read;
#[cfg(test)]
mod tests;
mod webhook;

/// How often the finalised block is looked up.
const PACE: Duration = Duration::from_secs(2);
/// Blocks that are read at a time.
const WINDOW: u64 = 5_000;
/// How often a request is looked for that explains an event, [`PACE`] apart: a node that was away catches up by then.
const LOOKS: u32 = 15;

/// Watches until the node ends.
struct Watcher {
    chain: Chain,
    definition: Definition,
    calls: mpsc::Sender<Call>,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    /// For how many blocks who leaves stays slashable, once the core has said so.
    leaving: Option<u64>,
    /// Events that this process has judged, in blocks that are read once more.
    seen: BTreeSet<Place>,
    /// What no request explains yet.
    held: Vec<Held>,
    /// Kinds of logs that do not read, by contract and topic: each is told once, however many there are.
    unreadable: BTreeSet<(Address, Option<B256>)>,
}

/// What may be explained by a request that this node has not heard of yet.
struct Held {
    draft: Draft,
    question: Question,
    time: u64,
    looks: u32,
}

/// What has to be delivered, and where the webhook takes it from.
struct Post {
    ledger: Arc<Mutex<Ledger>>,
    hook: Option<mpsc::Sender<Arc<Notice>>>,
}

/// Where notices are to be seen, and what has to run for that. `file` says where an earlier process ended.
///
/// # Errors
/// The webhook's secret does not read.
pub(crate) fn start(
    config: &Config,
    endpoints: Endpoints,
    file: PathBuf,
    definition: &Definition,
    calls: &mpsc::Sender<Call>,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<Board>, impl Future<Output = ()> + Send + use<>), Failure> {
    let webhook = config.webhook.as_ref().map(|webhook| Webhook::new(webhook, definition, &config.node)).transpose()?;
    let watcher = Watcher::new(endpoints, definition, calls, metrics);
    Ok((Arc::clone(&watcher.board), watcher.run(file, webhook)))
}

impl Watcher {
    fn new(endpoints: Endpoints, definition: &Definition, calls: &mpsc::Sender<Call>, metrics: &Arc<Metrics>) -> Self {
        let chain = Chain::new(endpoints, definition);
        let (definition, calls) = (definition.clone(), calls.clone());
        let (board, metrics) = (Arc::new(Board::new(metrics)), Arc::clone(metrics));
        Self {
            chain,
            definition,
            calls,
            board,
            metrics,
            leaving: None,
            seen: BTreeSet::new(),
            held: Vec::new(),
            unreadable: BTreeSet::new(),
        }
    }

    /// Watches, and has the webhook deliver where there is one.
    async fn run(mut self, file: PathBuf, webhook: Option<Webhook>) {
        let (sender, notices) = mpsc::channel(webhook::WAITING_MAX);
        let ledger = Arc::new(Mutex::new(self.begin(&file).await));
        let post = Post { ledger: Arc::clone(&ledger), hook: webhook.is_some().then_some(sender) };
        let (board, metrics) = (Arc::clone(&self.board), Arc::clone(&self.metrics));
        let delivering = async {
            match webhook {
                Some(webhook) => {
                    board.stands(|standing| standing.webhook = Some(Delivery::default()));
                    webhook.run(notices, ledger, Arc::clone(&board), metrics).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.watch(&post), delivering);
    }

    /// Where an earlier process ended or, at the first start, the block that is final then: nobody is told of years.
    async fn begin(&self, file: &Path) -> Ledger {
        match Ledger::open(file) {
            Ok(Some(ledger)) => return ledger,
            Ok(None) => {}
            Err(error) => tracing::error!(file = %file.display(), %error, "watch_begins_anew"),
        }
        let mut pace = tokio::time::interval(PACE);
        loop {
            pace.tick().await;
            match self.chain.final_number().await {
                Ok(block) => return Ledger::begin(file, block),
                Err(code) => self.board.stands(|standing| standing.problem = Some(code.as_str())),
            }
        }
    }

    async fn watch(&mut self, post: &Post) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let problem = self.step(post).await.err();
            let block = post.ledger().block();
            self.metrics.watched.set(i64::try_from(block).unwrap_or(i64::MAX));
            if let Some(code) = problem.filter(|code| self.board.standing().problem != Some(code.as_str())) {
                tracing::warn!(code = code.as_str(), next = code.next_step(), "watch_lost");
            }
            let problem = problem.map(|code| code.as_str());
            self.board.stands(|standing| (standing.block, standing.problem) = (block, problem));
        }
    }

    /// Reads what is final by now, and looks again at what is not explained yet: whether or not the chain answers.
    async fn step(&mut self, post: &Post) -> Result<(), Code> {
        let read = self.read(post).await;
        self.judge(post).await?;
        if let Err(error) = post.ledger().save() {
            tracing::error!(%error, "watch_not_saved");
        }
        read
    }

    async fn read(&mut self, post: &Post) -> Result<(), Code> {
        let newest = self.chain.final_number().await?;
        if newest.saturating_add(OVERLAP) < post.ledger().block() {
            // Another chain, or one that is far behind what was read: nothing of it would be told.
            return Err(Code::ChainBehind);
        }
        if let Some(missed) = post.make_room() {
            self.seen.retain(|(block, _)| *block < missed);
        }
        if newest > post.ledger().block() {
            let accounts = self.look(known::accounts).await?;
            let [own, core] = events::filters(&self.definition, accounts.into_values());
            let mut next = post.ledger().next();
            while next <= newest {
                let last = newest.min(next.saturating_add(WINDOW - 1));
                let mut events = self.events(own.as_ref(), (next, last)).await?;
                let of_core = self.events(core.as_ref(), (next, last)).await;
                let problem = of_core.map(|more| events.extend(more)).err();
                events.sort_by_key(|event| event.place);
                self.take(post, &events).await?;
                if let Some(code) = problem {
                    return Err(code);
                }
                post.ledger().has_read(last);
                next = last.saturating_add(1);
            }
            let oldest = post.ledger().next();
            self.seen.retain(|(block, _)| *block >= oldest);
        }
        Ok(())
    }

    async fn events(&self, filter: Option<&Filter>, blocks: (u64, u64)) -> Result<Vec<Event>, Code> {
        match filter {
            Some(filter) => self.chain.events(filter, blocks).await,
            None => Ok(Vec::new()),
        }
    }

    /// Judges the events that are new. What an error keeps from being judged is found again.
    async fn take(&mut self, post: &Post, events: &[Event]) -> Result<(), Code> {
        let is_known = |place: &Place| self.seen.contains(place) || post.ledger().is_open(*place);
        let news: Vec<_> = events.iter().filter(|event| !is_known(&event.place)).collect();
        if news.is_empty() {
            return Ok(());
        }
        if self.leaving.is_none() {
            self.leaving = self.chain.leaving_blocks().await?;
        }
        let definition = self.definition.clone();
        let known = self.look(move |engine| Known::of(engine, &definition)).await?;
        let definition = self.definition.clone();
        let scene = Scene { definition: &definition, known: &known, leaving: self.leaving, events };
        let mut time = (0, 0);
        for event in news {
            if let Some(draft) = scene.draft(event) {
                if time.0 != event.place.0 {
                    time = (event.place.0, self.chain.time_of(event.place.0).await?.0);
                }
                let kind = (event.log.address, event.log.topics().first().copied());
                if !draft.is_unreadable() || self.unreadable.insert(kind) {
                    self.consider(post, draft, &known, time.1);
                }
            }
            self.seen.insert(event.place);
        }
        Ok(())
    }

    /// Tells what needs no explanation or has one, and holds the rest for a while.
    fn consider(&mut self, post: &Post, draft: Draft, known: &Known, time: u64) {
        let Some(question) = draft.question().cloned() else { return self.tell(post, draft, None, time) };
        let place = draft.place;
        match known.explains(&question) {
            // An earlier process has waited for it.
            None if !post.ledger().is_delivered(place) => {
                post.ledger().found(place);
                self.held.push(Held { draft, question, time, looks: 0 });
            }
            explained => self.tell(post, draft, explained, time),
        }
    }

    /// Looks once more for requests that explain what is held; nothing is held for ever.
    async fn judge(&mut self, post: &Post) -> Result<(), Code> {
        if self.held.is_empty() {
            return Ok(());
        }
        let definition = self.definition.clone();
        let known = self.look(move |engine| Known::of(engine, &definition)).await?;
        self.look_again(post, &known);
        Ok(())
    }

    fn look_again(&mut self, post: &Post, known: &Known) {
        for held in std::mem::take(&mut self.held) {
            let Held { draft, question, time, looks } = held;
            match known.explains(&question) {
                None if looks < LOOKS => self.held.push(Held { draft, question, time, looks: looks + 1 }),
                explained => self.tell(post, draft, explained, time),
            }
        }
    }

    /// Shows a notice to everybody, and has it delivered where that was not done before.
    fn tell(&mut self, post: &Post, draft: Draft, request: Option<SubjectId>, time: u64) {
        let pace = self.definition.chain.block_seconds.unwrap_or(BLOCK_SECONDS);
        let notice = Arc::new(draft.finish(request, time, pace));
        self.board.show(&notice, !post.ledger().is_delivered(notice.id.0));
        post.send(&notice);
    }

    /// Asks the loop for something about the engine.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Engine) -> T + Send + 'static) -> Result<T, Code> {
        let (answer, answered) = oneshot::channel();
        let call = Call::Look(Box::new(move |engine| drop(answer.send(look(engine)))));
        self.calls.send(call).await.map_err(|_| Code::Draining)?;
        answered.await.map_err(|_| Code::Draining)
    }
}

impl Post {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a notice to the webhook, if there is one and room: else it is found again when there is.
    fn send(&self, notice: &Arc<Notice>) {
        let (mut ledger, place) = (self.ledger(), notice.id.0);
        if ledger.is_delivered(place) {
            return;
        }
        match &self.hook {
            None => ledger.delivered(place),
            Some(hook) if !ledger.misses_any() && hook.try_send(Arc::clone(notice)).is_ok() => ledger.found(place),
            Some(_) => ledger.miss(place),
        }
    }

    /// Once the webhook has taken everything, what there was no room for is read again, from this block on.
    fn make_room(&self) -> Option<u64> {
        let is_free = self.hook.as_ref().is_some_and(|hook| hook.capacity() == hook.max_capacity());
        if is_free { self.ledger().take_up_missed() } else { None }
    }
}
