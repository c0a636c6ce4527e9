//! The one loop that owns engine, vault and store, and carries effects out in order (docs/spec/engine.md).
//!
//! It runs on a thread of its own, so that a synced write or a signature never holds up sockets. It works in rounds:
//! whatever is ready goes into the engine, records collect in an [`OrderedLog`], and one sync makes those of a round
//! durable before anything that depends on them leaves: a message, an answer, a question to the chain, or a vault's reply.

use crate::backup::Shares;
use crate::chain::Job;
use crate::failure::{Exit, Failure};
use crate::generation::Generation;
use crate::metrics::Metrics;
use crate::net::{self, Network};
use crate::store::{self, Batch, Store};
use firn_coordinator::Engine;
use firn_coordinator::api::{Class, Command, Effect, Event, Family, Observation, Record, Timer};
use firn_coordinator::audit::verify::Stored;
use firn_proto::definition::Change;
use firn_proto::pause::Pause;
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Message, NodeId, Opinion, Request, SessionId};
use firn_vault::Vault;
use firn_vault::api::{Reply, Request as VaultRequest, Write};
use log::OrderedLog;
use rand_core::OsRng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

pub(crate) mod journal;
mod log;
mod observe;

/// Events that wait for the loop: a peer or the chain client waits when it is full, nothing is dropped.
pub(crate) const EVENTS_MAX: usize = 1_024;

/// Inputs of the API that wait for the loop; beyond, a client is told to come back. A round takes as many.
pub(crate) const CALLS_MAX: usize = 256;

/// Events and calls of one round, which a share waits for at worst before its sync: 32 x about 0.3 ms.
const ROUND_MAX: usize = 32;

/// Unsynced bytes that end a round: a quarter of what the store takes in one batch, the rest is for the step that passes it.
const ROUND_BYTES_MAX: usize = 1024 * 1024;

/// Entries of the audit log, and their bytes, that one call reads: a millisecond of the loop's time.
const AUDIT_PAGE_MAX: usize = 256;

/// See [`AUDIT_PAGE_MAX`].
const AUDIT_PAGE_BYTES_MAX: usize = 256 * 1024;

/// Answers awaited by API clients. A session answered more slowly than this many others is refused.
const ANSWERS_MAX: usize = 1_024;

/// How a loop ended that nothing went wrong in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// It was told to.
    Stopped,
    /// Another version of the definition is in force: everything starts anew under that.
    Superseded,
}

/// What the API wants of the loop.
pub(crate) enum Call {
    /// A request; the answer says whether it was taken up.
    Submit(Box<Request>, oneshot::Sender<Result<(), Code>>),
    /// An operator's command.
    Operator(SessionId, Command, oneshot::Sender<Result<(), Code>>),
    /// A person speaks to a request.
    Opine(Box<Opinion>, oneshot::Sender<Result<(), Code>>),
    /// The definition's next version.
    Change(Box<Change>, oneshot::Sender<Result<(), Code>>),
    /// A veto holder speaks to the network.
    Pause(Box<Pause>, oneshot::Sender<Result<(), Code>>),
    /// A question about the engine's state.
    Look(Look),
    /// The audit log from this entry on: a page of what is durable.
    Audit(u64, oneshot::Sender<Result<Vec<Stored>, Code>>),
    /// The certified shares, sealed for a backup.
    Shares(oneshot::Sender<Result<Shares, Code>>),
    /// Finish what is durable and end.
    Stop,
}

/// A question about the engine's state.
pub(crate) type Look = Box<dyn FnOnce(&Engine) + Send>;

/// Engine, vault and store of this node, with what their effects need.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) vault: Vault,
    pub(crate) store: Store,
    pub(crate) network: Network,
    pub(crate) chain: mpsc::Sender<Job>,
    pub(crate) verifier: mpsc::Sender<Box<Request>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) journal: Option<journal::Journal>,
    pub(crate) generation: Generation,
    pub(crate) started: Instant,
}

/// Where events and calls come from. They wait apart, so that a burst at the API holds up no peer.
pub(crate) struct Inputs {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) calls: mpsc::Receiver<Call>,
}

/// What happens only after everything written before it is durable.
enum Leaving {
    Frame { to: Vec<NodeId>, class: net::Class, frame: Arc<[u8]> },
    Answer(SessionId, Result<(), Code>),
    Job(Job),
    Check(Box<Request>),
    Reply(Reply),
    Look(Look),
    Shares(oneshot::Sender<Result<Shares, Code>>),
}

/// A change to one record of the store.
type Written = (store::Family, Vec<u8>, Option<Vec<u8>>);

/// Where the store has the engine's records.
pub(crate) fn family(family: Family) -> store::Family {
    match family {
        Family::Keys => store::Family::Keys,
        Family::Requests => store::Family::Requests,
        Family::Audit => store::Family::Audit,
        Family::Peers => store::Family::Peers,
        Family::Definitions => store::Family::Definitions,
        Family::People => store::Family::Meta,
    }
}

/// State of the loop beside the [`Runtime`]'s parts.
struct Loop {
    parts: Runtime,
    log: OrderedLog<Written, Leaving>,
    unsynced_bytes: usize,
    /// Events that the loop itself brings about, before all others.
    events: VecDeque<Event>,
    timers: BTreeMap<(MonotonicTime, u64), Timer>,
    timer_count: u64,
    answers: BTreeMap<SessionId, Vec<oneshot::Sender<Result<(), Code>>>>,
    stopping: Option<Ended>,
}

impl Runtime {
    /// Runs until it is told to stop, or until a write fails: then nothing more leaves, and the failure is returned.
    pub(crate) async fn run(self, mut inputs: Inputs) -> Result<Ended, Failure> {
        let mut running = Loop {
            parts: self,
            log: OrderedLog::new(),
            unsynced_bytes: 0,
            events: VecDeque::from([Event::Started]),
            timers: BTreeMap::new(),
            timer_count: 0,
            answers: BTreeMap::new(),
            stopping: None,
        };
        let ended = loop {
            if let Some(ended) = running.stopping {
                break ended;
            }
            running.rounds(&mut inputs)?;
            // Whatever is written is durable before the loop waits.
            running.settle()?;
            if running.events.is_empty() && running.stopping.is_none() {
                running.wait(&mut inputs).await?;
            }
        };
        running.settle()?;
        let now = running.now();
        if let Some(journal) = running.parts.journal.take() {
            journal.end(now);
        }
        running.parts.network.stop();
        Ok(ended)
    }
}

impl Loop {
    /// Works round by round until nothing is ready. One sync covers a round.
    fn rounds(&mut self, inputs: &mut Inputs) -> Result<(), Failure> {
        loop {
            let mut taken = 0;
            while taken < ROUND_MAX && self.unsynced_bytes < ROUND_BYTES_MAX && self.take_ready(inputs)? {
                taken += 1;
            }
            if self.log.is_awaited() || self.unsynced_bytes >= ROUND_BYTES_MAX {
                self.settle()?;
            }
            if self.stopping.is_some() || (taken == 0 && self.events.is_empty()) {
                return Ok(());
            }
        }
    }

    /// Takes what is ready: the loop's own events, then a due timer, then one event and one call. False if nothing is.
    fn take_ready(&mut self, inputs: &mut Inputs) -> Result<bool, Failure> {
        if let Some(event) = self.events.pop_front() {
            return self.step(event).map(|()| true);
        }
        let now = self.now().monotonic;
        if let Some(timer) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let timer = timer.remove();
            return self.step(Event::TimerFired(timer)).map(|()| true);
        }
        let (event, call) = (inputs.events.try_recv().ok(), inputs.calls.try_recv().ok());
        let ready = event.is_some() || call.is_some();
        if let Some(event) = event {
            self.step(event)?;
        }
        if let Some(call) = call {
            self.call(call)?;
        }
        Ok(ready)
    }

    /// Waits for the first event, call or timer, and takes an event or call up.
    async fn wait(&mut self, inputs: &mut Inputs) -> Result<(), Failure> {
        if let Some(journal) = &mut self.parts.journal {
            journal.flush();
        }
        let next = self.timers.first_key_value().map(|((at, _), _)| self.parts.started + Duration::from_millis(at.0));
        tokio::select! {
            Some(event) = inputs.events.recv() => self.step(event),
            call = inputs.calls.recv() => self.call(call.unwrap_or(Call::Stop)),
            () = sleep_until(next) => Ok(()),
        }
    }

    fn call(&mut self, call: Call) -> Result<(), Failure> {
        match call {
            Call::Submit(request, answer) => {
                self.await_answer(request.id().into(), answer);
                self.step(Event::Submitted { request })?;
            }
            Call::Opine(opinion, answer) => {
                self.await_answer(opinion.session(), answer);
                self.step(Event::Opined { opinion })?;
            }
            Call::Change(change, answer) => {
                self.await_answer(change.session(), answer);
                self.step(Event::Changed { change })?;
            }
            Call::Pause(pause, answer) => {
                self.await_answer(pause.session(), answer);
                self.step(Event::Paused { pause })?;
            }
            Call::Operator(session, command, answer) => {
                self.await_answer(session, answer);
                self.step(Event::Operator(command))?;
            }
            // People are shown what is durable.
            Call::Look(look) => self.leave(Leaving::Look(look)),
            Call::Shares(answer) => self.leave(Leaving::Shares(answer)),
            Call::Audit(from, answer) => drop(answer.send(self.read_audit(from))),
            Call::Stop => self.stopping = Some(Ended::Stopped),
        }
        Ok(())
    }

    /// A page of the audit log: what an export may hold the loop up for.
    fn read_audit(&self, from: u64) -> Result<Vec<Stored>, Code> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        for record in self.parts.store.scan_from(store::Family::Audit, &from.to_be_bytes()) {
            let (key, value) = record.map_err(|_| Code::RecordCorrupt)?;
            let number = key.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| Code::RecordCorrupt)?;
            bytes += value.len();
            page.push(Stored { number, bytes: value });
            if page.len() >= AUDIT_PAGE_MAX || bytes >= AUDIT_PAGE_BYTES_MAX {
                break;
            }
        }
        Ok(page)
    }

    /// Steps the engine with an event.
    fn step(&mut self, event: Event) -> Result<(), Failure> {
        let now = self.now();
        if let Some(journal) = &mut self.parts.journal {
            journal.event(now, &event);
        }
        let effects = self.parts.engine.step(now, event);
        if let Some(journal) = &mut self.parts.journal {
            journal.effects(&effects);
        }
        effects.into_iter().try_for_each(|effect| self.carry_out(effect))
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), Failure> {
        match effect {
            Effect::Persist(records) => records.into_iter().for_each(|record| self.record(record)),
            Effect::Send { to, session, message, class } => self.send(to, session, message, class)?,
            Effect::AskVault(request) => {
                let reply = self.ask_vault(request)?;
                self.leave(Leaving::Reply(reply));
            }
            Effect::SetTimer { timer, at } => {
                self.timer_count += 1;
                self.timers.insert((at, self.timer_count), timer);
            }
            Effect::AskChain { subject, query } => self.leave(Leaving::Job(Job::Ask { subject, query })),
            Effect::CheckEvidence { request } => self.leave(Leaving::Check(request)),
            Effect::SubmitToChain { subject, account, execute, signature } => {
                self.leave(Leaving::Job(Job::Submit { subject, account, execute, signature }));
            }
            Effect::Answer { session, outcome } => self.leave(Leaving::Answer(session, outcome)),
            Effect::Penalise { peer, reason } => {
                self.parts.metrics.penalties.inc();
                tracing::warn!(peer = peer.0, code = reason.as_str(), "peer misbehaved");
            }
            Effect::Restart => self.stopping = Some(Ended::Superseded),
            Effect::Observe(observation) => self.observe(&observation),
        }
        Ok(())
    }

    fn observe(&self, observation: &Observation) {
        self.parts.metrics.count(observation);
        observe::log(observation);
    }

    fn send(&mut self, to: Vec<NodeId>, session: SessionId, message: Message, class: Class) -> Result<(), Failure> {
        let request = VaultRequest::Author { session, message: Box::new(message) };
        let Reply::Envelope(envelope) = self.ask_vault(request)? else { return Ok(()) };
        let class = match class {
            Class::Protocol => net::Class::Protocol,
            Class::Bulk => net::Class::Bulk,
        };
        self.leave(Leaving::Frame { to, class, frame: envelope.into() });
        Ok(())
    }

    /// Asks the vault; its writes join those of the engine.
    fn ask_vault(&mut self, request: VaultRequest) -> Result<Reply, Failure> {
        let request = match request {
            VaultRequest::Certify { key_id, epoch, stored: None } => {
                // What it certifies must be what storage gives back, not what memory remembers.
                self.settle()?;
                let record = Vault::share_record(key_id, epoch);
                let stored = self.parts.store.get(store::Family::Vault, &record).map_err(store_failure)?;
                VaultRequest::Certify { key_id, epoch, stored }
            }
            other => other,
        };
        let started = Instant::now();
        let decision = self.parts.vault.handle(request, &mut OsRng);
        self.parts.metrics.vault_seconds.inc_by(started.elapsed().as_secs_f64());
        for write in decision.writes {
            match write {
                Write::Put { key, value } => self.write(store::Family::Vault, key, Some(value)),
                Write::Delete { key } => self.write(store::Family::Vault, key, None),
            }
        }
        Ok(decision.reply)
    }

    fn record(&mut self, record: Record) {
        self.write(family(record.family), record.key, record.value);
    }

    fn write(&mut self, family: store::Family, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.unsynced_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.log.write((family, key, value));
    }

    fn leave(&mut self, leaving: Leaving) {
        if let Some(leaving) = self.log.leave(leaving) {
            self.leaves(leaving);
        }
    }

    /// The barrier: one synced write of everything collected so far, and what waited for it leaves, unless this process
    /// may no longer be the only one with its memory.
    fn settle(&mut self) -> Result<(), Failure> {
        let Runtime { store, metrics, generation, .. } = &mut self.parts;
        let left = self.log.settle(|changes| {
            let mut batch = Batch::new();
            for (family, key, value) in changes {
                match value {
                    Some(value) => batch.put(family, key, value),
                    None => batch.delete(family, key),
                }
            }
            store.commit(batch).map_err(store_failure)?;
            metrics.store(store.metrics());
            Ok::<(), Failure>(())
        })?;
        generation.check()?;
        self.unsynced_bytes = 0;
        left.into_iter().for_each(|leaving| self.leaves(leaving));
        Ok(())
    }

    fn leaves(&mut self, leaving: Leaving) {
        match leaving {
            Leaving::Frame { to, class, frame } => {
                for node in to {
                    if let Err(error) = self.parts.network.send(node.0, class, Arc::clone(&frame)) {
                        tracing::debug!(peer = node.0, %error, "message not queued");
                    }
                }
            }
            Leaving::Answer(session, outcome) => {
                for answer in self.answers.remove(&session).unwrap_or_default() {
                    let _ = answer.send(outcome);
                }
            }
            Leaving::Job(job) => {
                if let Err(refused) = self.parts.chain.try_send(job) {
                    let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) = refused;
                    self.events.push_back(job.unavailable());
                }
            }
            Leaving::Check(request) => {
                let id = request.id();
                if self.parts.verifier.try_send(request).is_err() {
                    self.events.push_back(Event::EvidenceUnasked { request: id });
                }
            }
            Leaving::Reply(reply) => self.events.push_back(Event::VaultReplied { reply }),
            Leaving::Look(look) => look(&self.parts.engine),
            Leaving::Shares(answer) => drop(answer.send(Shares::seal(&self.parts.engine, &self.parts.vault))),
        }
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
