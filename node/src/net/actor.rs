//! One task per peer: brings both directions up, replaces what is stale, and alone tells the host about it.

use std::sync::Arc;

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::{Stream, StreamProtocol};
use libp2p_stream::Control;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    Event,
    backoff::delay,
    bucket::{Bucket, cost_of_one},
    code::{Fault, Refusal},
    driver::Command,
    half::{self, Greeted},
    hello::Hello,
    limits::Limits,
    link::{Link, Session},
};

/// The protocol's name on the substream.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/firn/1");

type Greeting = Result<Greeted<Stream>, Fault>;

/// What all tasks share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) ours: Arc<Hello>,
    pub(super) limits: Arc<Limits>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) commands: mpsc::Sender<Command>,
}

/// A peer's task.
pub(super) struct Actor {
    common: Common,
    link: Arc<Link>,
    control: Control,
    arrivals: mpsc::Receiver<Stream>,
    arrival_rate: Bucket,
    /// How many connections the swarm has to this peer.
    connections: watch::Receiver<u32>,
    /// Whether both directions are open; readers deliver only then.
    open: watch::Sender<bool>,
    inbound: Option<Half>,
    outbound: Option<Half>,
    opening: Option<BoxFuture<'static, Greeting>>,
    greetings: FuturesUnordered<BoxFuture<'static, Greeting>>,
    attempt: u32,
    /// Orders halves by age.
    halves: u64,
    incarnation: Option<u64>,
}

/// An open direction.
struct Half {
    theirs: Hello,
    version: u32,
    age: u64,
    work: BoxFuture<'static, Fault>,
}

enum Step {
    Arrived(Stream),
    Greeted(Greeting),
    Opened(Greeting),
    InboundEnded(Fault),
    OutboundEnded(Fault),
    Measured,
}

/// The host dropped its receiver: the task has nobody left to work for.
struct HostGone;

impl Actor {
    pub(super) fn new(
        common: Common,
        link: Arc<Link>,
        control: Control,
        arrivals: mpsc::Receiver<Stream>,
        connections: watch::Receiver<u32>,
    ) -> Self {
        Self {
            common,
            link,
            control,
            arrivals,
            arrival_rate: Bucket::new(Instant::now()),
            connections,
            open: watch::Sender::new(false),
            inbound: None,
            outbound: None,
            opening: None,
            greetings: FuturesUnordered::new(),
            attempt: 0,
            halves: 0,
            incarnation: None,
        }
    }

    /// Runs until the network stops.
    pub(super) async fn run(mut self) {
        self.opening = Some(self.opener());
        loop {
            let step = tokio::select! {
                Some(stream) = self.arrivals.recv() => Step::Arrived(stream),
                Some(greeting) = self.greetings.next() => Step::Greeted(greeting),
                greeting = finished(self.opening.as_mut()) => Step::Opened(greeting),
                fault = finished(self.inbound.as_mut().map(|half| &mut half.work)) => Step::InboundEnded(fault),
                fault = finished(self.outbound.as_mut().map(|half| &mut half.work)) => Step::OutboundEnded(fault),
                () = self.link.measurement.notified() => Step::Measured,
            };
            if let Err(HostGone) = self.take(step).await {
                return;
            }
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), HostGone> {
        match step {
            Step::Arrived(stream) => self.arrived(stream),
            Step::Greeted(Ok(greeted)) => {
                // The newest substream counts: whoever opens a second one has given up the first, mostly because it
                // restarted and we have not noticed.
                self.inbound = None;
                self.settle().await?;
                self.meet(greeted.theirs.incarnation);
                self.inbound = Some(self.inbound_half(greeted));
            }
            Step::Greeted(Err(fault)) => self.blame(&fault),
            Step::Opened(Ok(greeted)) => {
                self.opening = None;
                self.meet(greeted.theirs.incarnation);
                self.outbound = Some(self.outbound_half(greeted));
            }
            Step::Opened(Err(fault)) => {
                self.blame(&fault);
                self.reopen();
            }
            Step::InboundEnded(fault) => {
                self.inbound = None;
                self.blame(&fault);
            }
            Step::OutboundEnded(fault) => {
                self.outbound = None;
                self.blame(&fault);
                self.reopen();
            }
            Step::Measured if *self.open.borrow() => self.tell_round_trip().await?,
            Step::Measured => {}
        }
        self.settle().await
    }

    fn arrived(&mut self, stream: Stream) {
        let limits = Arc::clone(&self.common.limits);
        let allowed = self.arrival_rate.try_take(Instant::now(), cost_of_one(limits.streams_per_s));
        if !allowed || self.greetings.len() >= limits.greetings_max {
            // Dropping resets the substream; the peer's opener backs off.
            self.link.note("opens substreams too fast".to_owned());
            return;
        }
        let ours = Arc::clone(&self.common.ours);
        self.greetings.push(Box::pin(async move { half::answer(stream, &ours, &limits).await }));
    }

    /// Makes the outside agree with the halves: reports `Up` and `Down`, and drops what belongs to an earlier start.
    async fn settle(&mut self) -> Result<(), HostGone> {
        if let (Some(inbound), Some(outbound)) = (&self.inbound, &self.outbound)
            && inbound.theirs.incarnation != outbound.theirs.incarnation
        {
            // One of them leads to a process that is gone. Whether incarnations may go backwards is not judged here.
            if inbound.age < outbound.age {
                self.inbound = None;
            } else {
                self.outbound = None;
                self.reopen();
            }
        }
        let session = match (&self.inbound, &self.outbound) {
            (Some(inbound), Some(_)) => Some(Session {
                incarnation: inbound.theirs.incarnation,
                version: inbound.version,
                definition: inbound.theirs.definition,
            }),
            _ => None,
        };
        let was_open = *self.open.borrow();
        match session {
            Some(session) if !was_open => self.up(session).await,
            None if was_open => self.down().await,
            _ => Ok(()),
        }
    }

    async fn up(&mut self, session: Session) -> Result<(), HostGone> {
        // Not zero: a peer that accepts and closes at once must not make us spin.
        self.attempt = 1;
        let elsewhere = self.inbound.as_ref().and_then(|inbound| self.common.ours.elsewhere(&inbound.theirs));
        self.link.set_up(session, elsewhere);
        let Session { incarnation, version, definition } = session;
        tracing::info!(node = self.link.node, name = self.link.name, version, "peer up");
        self.tell(Event::Up { node: self.link.node, incarnation, version, definition }).await?;
        self.open.send_replace(true);
        // Mostly measured while the substreams were greeting.
        self.tell_round_trip().await
    }

    async fn down(&mut self) -> Result<(), HostGone> {
        self.open.send_replace(false);
        self.link.set_down();
        tracing::info!(node = self.link.node, name = self.link.name, "peer down");
        self.tell(Event::Down { node: self.link.node }).await
    }

    async fn tell_round_trip(&mut self) -> Result<(), HostGone> {
        match self.link.round_trip() {
            Some(round_trip) => self.tell(Event::RoundTrip { node: self.link.node, round_trip }).await,
            None => Ok(()),
        }
    }

    async fn tell(&mut self, event: Event) -> Result<(), HostGone> {
        self.common.events.send(event).await.map_err(|_| HostGone)
    }

    /// Notices a restart of the peer: its earlier connections are dead even if they do not look it.
    fn meet(&mut self, incarnation: u64) {
        if self.incarnation.replace(incarnation).is_some_and(|before| before != incarnation) {
            self.command(Command::KeepNewest(self.link.peer));
        }
    }

    fn blame(&self, fault: &Fault) {
        self.link.note(fault.detail.clone());
        if let Some(code) = fault.code {
            let refusal = Refusal { code, detail: fault.detail.clone() };
            report(&self.link, refusal, &self.common.events);
        }
        if fault.connection_dead {
            self.command(Command::Close(self.link.peer));
        }
        if self.link.offend(fault, self.common.limits.offences_max) {
            self.command(Command::CutOff(self.link.peer));
        }
    }

    /// A command lost to a full channel is repeated by the next fault.
    fn command(&self, command: Command) {
        let _ = self.common.commands.try_send(command);
    }

    fn reopen(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
        self.opening = Some(self.opener());
    }

    fn opener(&self) -> BoxFuture<'static, Greeting> {
        let Common { ours, limits, .. } = self.common.clone();
        let (peer, mut control, mut connections) = (self.link.peer, self.control.clone(), self.connections.clone());
        let delay = delay(&peer, self.attempt, &limits);
        Box::pin(async move {
            sleep(delay).await;
            // Dialling is the driver's; asked without a connection, libp2p-stream would dial as well.
            connections.wait_for(|count| *count > 0).await.map_err(Fault::broken)?;
            let opened = timeout(limits.open_deadline, control.open_stream(peer, PROTOCOL)).await;
            let stream = opened.map_err(|_| Fault::dead("substream not negotiated"))?.map_err(Fault::broken)?;
            half::greet(stream, &ours, &limits).await
        })
    }

    fn inbound_half(&mut self, greeted: Greeted<Stream>) -> Half {
        let Common { limits, events, .. } = self.common.clone();
        let work = half::receive(greeted.stream, Arc::clone(&self.link), limits, events, self.open.subscribe());
        self.half(greeted.theirs, greeted.version, Box::pin(work))
    }

    fn outbound_half(&mut self, greeted: Greeted<Stream>) -> Half {
        let limits = Arc::clone(&self.common.limits);
        let work = half::send(greeted.stream, Arc::clone(&self.link), limits, self.open.subscribe());
        self.half(greeted.theirs, greeted.version, Box::pin(work))
    }

    fn half(&mut self, theirs: Hello, version: u32, work: BoxFuture<'static, Fault>) -> Half {
        self.halves = self.halves.saturating_add(1);
        Half { theirs, version, age: self.halves, work }
    }
}

/// Records a refusal and, if it is news, logs it and tells the host. Never waits: the status keeps what a full
/// channel loses.
pub(super) fn report(link: &Link, refusal: Refusal, events: &mpsc::Sender<Event>) {
    if link.refuse(&refusal) {
        let Refusal { code, detail } = refusal;
        tracing::warn!(node = link.node, name = link.name, code = code.name, detail, "peer refused");
        let _ = events.try_send(Event::Refused { node: Some(link.node), code, detail });
    }
}

/// Waits for a future that may be absent; an absent one never finishes.
async fn finished<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
