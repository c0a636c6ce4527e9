//! The one loop that owns engine, vault and store, and carries effects out in order (docs/spec/engine.md).
//!
//! It runs on a thread of its own, so that a synced write or a signature never holds up sockets. A batch of records
//! collects what the engine persists and what the vault writes, and is synced once before anything that depends on it
//! leaves: a message, an answer, a question to the chain, or a vault's reply.

use crate::chain::Job;
use crate::failure::{Exit, Failure};
use crate::metrics::Metrics;
use crate::net::{self, Network};
use crate::store::{self, Batch, Store};
use firn_coordinator::Engine;
use firn_coordinator::api::{Class, Command, Effect, Event, Family, Observation, Record, Timer};
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Epoch, Message, NodeId, Request, SessionId};
use firn_vault::Vault;
use firn_vault::api::{Reply, Request as VaultRequest, Write};
use rand_core::OsRng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

mod observe;

/// Inputs that wait for the loop: one API client or peer waits when it is full, nothing is dropped.
pub(crate) const INPUTS_MAX: usize = 1_024;

/// Answers awaited by API clients. A session answered more slowly than this many others is refused.
const ANSWERS_MAX: usize = 1_024;

/// What comes into the loop.
pub(crate) enum Input {
    /// Something that happened.
    Event(Box<Event>),
    /// A request from the API; the answer says whether it was taken up.
    Submit(Box<Request>, oneshot::Sender<Result<(), Code>>),
    /// An operator's command.
    Operator(SessionId, Command, oneshot::Sender<Result<(), Code>>),
    /// A question about the engine's state.
    Look(Box<dyn FnOnce(&Engine) + Send>),
    /// Finish what is durable and end.
    Stop,
}

/// Engine, vault and store of this node, with what their effects need.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) vault: Vault,
    pub(crate) store: Store,
    pub(crate) network: Network,
    pub(crate) chain: mpsc::Sender<Job>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) started: Instant,
}

/// State of the loop beside the [`Runtime`]'s parts.
struct Loop {
    parts: Runtime,
    batch: Batch,
    timers: BTreeMap<(MonotonicTime, u64), Timer>,
    timer_count: u64,
    answers: BTreeMap<SessionId, Vec<oneshot::Sender<Result<(), Code>>>>,
}

impl Runtime {
    /// Runs until it is told to stop, or until a write fails: then nothing more leaves, and the failure is returned.
    pub(crate) async fn run(self, mut inputs: mpsc::Receiver<Input>) -> Result<(), Failure> {
        let mut running = Loop {
            parts: self,
            batch: Batch::new(),
            timers: BTreeMap::new(),
            timer_count: 0,
            answers: BTreeMap::new(),
        };
        running.handle(Event::Started)?;
        loop {
            let next = running.timers.first_key_value().map(|((at, _), _)| running.instant(*at));
            let input = tokio::select! {
                input = inputs.recv() => input,
                () = sleep_until(next) => {
                    running.fire()?;
                    continue;
                }
            };
            match input {
                Some(Input::Event(event)) => running.handle(*event)?,
                Some(Input::Submit(request, answer)) => {
                    running.await_answer(request.id().into(), answer);
                    running.handle(Event::Submitted { request })?;
                }
                Some(Input::Operator(session, command, answer)) => {
                    running.await_answer(session, answer);
                    running.handle(Event::Operator(command))?;
                }
                Some(Input::Look(look)) => look(&running.parts.engine),
                Some(Input::Stop) | None => break,
            }
        }
        running.flush()?;
        running.parts.network.stop();
        Ok(())
    }
}

impl Loop {
    /// Steps the engine with an event and everything that follows from it at once.
    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let effects = self.parts.engine.step(self.now(), event);
            for effect in effects {
                self.carry_out(effect, &mut events)?;
            }
            // A vault's reply may only be seen once its writes are durable.
            self.flush()?;
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect, events: &mut VecDeque<Event>) -> Result<(), Failure> {
        match effect {
            Effect::Persist(records) => records.into_iter().for_each(|record| self.record(record)),
            Effect::Send { to, session, message, class } => {
                self.flush()?;
                self.send(&to, session, message, class)?;
            }
            Effect::AskVault(request) => {
                let reply = self.ask_vault(request)?;
                events.push_back(Event::VaultReplied { reply });
            }
            Effect::SetTimer { timer, at } => {
                self.timer_count += 1;
                self.timers.insert((at, self.timer_count), timer);
            }
            Effect::AskChain { subject, query } => {
                self.flush()?;
                self.to_chain(Job::Ask { subject, query }, events);
            }
            Effect::SubmitToChain { subject, account, execute, signature } => {
                self.flush()?;
                self.to_chain(Job::Submit { subject, account, execute, signature }, events);
            }
            Effect::Answer { session, outcome } => {
                self.flush()?;
                for answer in self.answers.remove(&session).unwrap_or_default() {
                    let _ = answer.send(outcome);
                }
            }
            Effect::Penalise { peer, reason } => {
                self.parts.metrics.penalties.inc();
                tracing::warn!(peer = peer.0, code = reason.as_str(), "peer misbehaved");
            }
            Effect::Observe(observation) => self.observe(&observation),
        }
        Ok(())
    }

    fn observe(&self, observation: &Observation) {
        self.parts.metrics.count(observation);
        observe::log(observation);
    }

    fn send(&mut self, to: &[NodeId], session: SessionId, message: Message, class: Class) -> Result<(), Failure> {
        let request = VaultRequest::Author { session, message: Box::new(message) };
        let Reply::Envelope(envelope) = self.ask_vault(request)? else { return Ok(()) };
        let frame: Arc<[u8]> = envelope.into();
        let class = match class {
            Class::Protocol => net::Class::Protocol,
            Class::Bulk => net::Class::Bulk,
        };
        for node in to {
            if let Err(error) = self.parts.network.send(node.0, class, Arc::clone(&frame)) {
                tracing::debug!(peer = node.0, %error, "message not queued");
            }
        }
        Ok(())
    }

    /// Asks the vault; its writes join the batch.
    fn ask_vault(&mut self, request: VaultRequest) -> Result<Reply, Failure> {
        let request = match request {
            VaultRequest::Certify { key_id, stored: None } => {
                // What it certifies must be what storage gives back, not what memory remembers.
                self.flush()?;
                let record = Vault::share_record(key_id, Epoch(0));
                let stored = self.parts.store.get(store::Family::Vault, &record).map_err(store_failure)?;
                VaultRequest::Certify { key_id, stored }
            }
            other => other,
        };
        let started = Instant::now();
        let decision = self.parts.vault.handle(request, &mut OsRng);
        self.parts.metrics.vault_seconds.inc_by(started.elapsed().as_secs_f64());
        for write in decision.writes {
            match write {
                Write::Put { key, value } => self.batch.put(store::Family::Vault, key, value),
                Write::Delete { key } => self.batch.delete(store::Family::Vault, key),
            }
        }
        Ok(decision.reply)
    }

    fn to_chain(&self, job: Job, events: &mut VecDeque<Event>) {
        if let Err(refused) = self.parts.chain.try_send(job) {
            let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) = refused;
            events.push_back(job.unavailable());
        }
    }

    fn record(&mut self, record: Record) {
        let family = match record.family {
            Family::Keys => store::Family::Keys,
            Family::Requests => store::Family::Requests,
            Family::Audit => store::Family::Audit,
            Family::Peers => store::Family::Peers,
        };
        match record.value {
            Some(value) => self.batch.put(family, record.key, value),
            None => self.batch.delete(family, record.key),
        }
    }

    /// The barrier: one synced write of everything collected so far.
    fn flush(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.parts.store.commit(batch).map_err(store_failure)?;
        self.parts.metrics.store(self.parts.store.metrics());
        Ok(())
    }

    fn fire(&mut self) -> Result<(), Failure> {
        let now = self.now().monotonic;
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let timer = entry.remove();
            self.handle(Event::TimerFired(timer))?;
        }
        Ok(())
    }

    fn await_answer(&mut self, session: SessionId, answer: oneshot::Sender<Result<(), Code>>) {
        if self.answers.len() >= ANSWERS_MAX {
            self.answers.clear();
        }
        self.answers.entry(session).or_default().push(answer);
    }

    fn now(&self) -> Time {
        let monotonic = u64::try_from(self.parts.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Time { monotonic: MonotonicTime(monotonic), wall: wall_time() }
    }

    fn instant(&self, at: MonotonicTime) -> Instant {
        self.parts.started + Duration::from_millis(at.0)
    }
}

/// The system's clock.
pub(crate) fn wall_time() -> WallTime {
    WallTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn store_failure(error: store::StoreError) -> Failure {
    Failure::new(error.code(), error.to_string(), error.hint(), Exit::Failure)
}
