//! Drives the swarm: listens, dials every peer until connected, cuts off offenders.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm,
    allow_block_list::NotAllowed,
    ping,
    swarm::{
        ConnectionId, DialError, ListenError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use libp2p_stream::IncomingStreams;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Event,
    actor::{Actor, Common, report},
    backoff::delay,
    bucket::{Bucket, cost_of_one},
    code::{PEER_UNKNOWN, Refusal},
    link::Link,
    swarm::{Behaviour, BehaviourEvent},
};

/// How long stopping waits for connections to close, so that peers learn of it at once.
const FAREWELL: Duration = Duration::from_millis(500);
/// Substreams of one peer on their way to its task.
const ARRIVALS_MAX: usize = 4;

/// What a peer's task asks of the swarm.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    /// All connections to the peer are dead.
    Close(PeerId),
    /// All but the youngest connection to the peer are dead.
    KeepNewest(PeerId),
    /// The peer has offended too often.
    CutOff(PeerId),
}

/// The swarm's loop.
pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    common: Common,
    contacts: BTreeMap<PeerId, Contact>,
    actors: JoinSet<()>,
    listening: Arc<Mutex<Vec<Multiaddr>>>,
    strangers: Bucket,
}

/// The driver's view of a peer.
struct Contact {
    link: Arc<Link>,
    connections: Vec<ConnectionId>,
    connected: watch::Sender<u32>,
    /// When to dial; absent while connected or dialling.
    due: Option<Instant>,
    attempt: u32,
    /// Until when the peer is cut off.
    barred: Option<Instant>,
}

impl Driver {
    /// Starts a task per peer and one that hands inbound substreams to them.
    pub(super) fn new(
        mut swarm: Swarm<Behaviour>,
        common: Common,
        links: impl IntoIterator<Item = Arc<Link>>,
        incoming: IncomingStreams,
        listening: Arc<Mutex<Vec<Multiaddr>>>,
    ) -> Self {
        let now = Instant::now();
        let mut actors = JoinSet::new();
        let mut contacts = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for link in links {
            let peer = link.peer;
            swarm.behaviour_mut().allowed.allow_peer(peer);
            let control = swarm.behaviour().streams.new_control();
            let (route, arrivals) = mpsc::channel(ARRIVALS_MAX);
            let (connected, connections) = watch::channel(0);
            actors.spawn(Actor::new(common.clone(), Arc::clone(&link), control, arrivals, connections).run());
            routes.insert(peer, route);
            contacts.insert(
                peer,
                Contact { link, connections: Vec::new(), connected, due: Some(now), attempt: 0, barred: None },
            );
        }
        actors.spawn(route_arrivals(incoming, routes));
        Self { swarm, common, contacts, actors, listening, strangers: Bucket::new(now) }
    }

    /// Runs until told to stop, or until a task is gone: the node must not live on by half.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut stop: oneshot::Receiver<()>) {
        loop {
            let wake = self.contacts.values().filter_map(|contact| contact.due.or(contact.barred)).min();
            tokio::select! {
                event = self.swarm.select_next_some() => self.observe(event),
                Some(command) = commands.recv() => self.obey(command),
                () = at(wake) => self.wake(Instant::now()),
                Some(ended) = self.actors.join_next() => {
                    tracing::error!(?ended, "a network task ended, stopping the network");
                    break;
                }
                _ = &mut stop => break,
            }
        }
        self.part().await;
    }

    fn observe(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => self.listens(address),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "listener closed");
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => self.connected(peer_id, connection_id),
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                self.closed(peer_id, connection_id, cause.map(|cause| cause.to_string()));
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => self.unreached(peer, &error),
            SwarmEvent::IncomingConnectionError { peer_id, error, send_back_addr, .. } => {
                self.turned_away(peer_id, &error, &send_back_addr);
            }
            // A ping that fails says nothing that receipts do not say earlier.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, result: Ok(round_trip), .. })) => {
                if let Some(contact) = self.contacts.get(&peer) {
                    contact.link.measured(round_trip);
                }
            }
            _ => {}
        }
    }

    fn listens(&self, address: Multiaddr) {
        tracing::info!(%address, "listening");
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).push(address.clone());
        let _ = self.common.events.try_send(Event::Listening(address));
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId) {
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.connections.push(connection);
            contact.publish();
            contact.due = None;
        }
    }

    fn closed(&mut self, peer: PeerId, connection: ConnectionId, cause: Option<String>) {
        let Some(contact) = self.contacts.get_mut(&peer) else { return };
        contact.connections.retain(|known| *known != connection);
        contact.publish();
        if let Some(cause) = cause {
            contact.link.note(cause);
        }
        if contact.connections.is_empty() {
            // Only a link that really came up makes the delays short again: a peer that is refused after each
            // connection is dialled ever more slowly.
            if contact.link.reached.swap(false, Ordering::Relaxed) {
                contact.attempt = 0;
            }
            contact.retry(&self.common);
        }
    }

    fn unreached(&mut self, peer: PeerId, error: &DialError) {
        let Some(contact) = self.contacts.get_mut(&peer) else { return };
        contact.link.note(error.to_string());
        if let DialError::WrongPeerId { obtained, address } = error {
            let detail = format!("{address} answers as {obtained}");
            report(&contact.link, Refusal { code: PEER_UNKNOWN, detail }, &self.common.events);
        }
        if contact.connections.is_empty() {
            contact.retry(&self.common);
        }
    }

    fn turned_away(&mut self, peer: Option<PeerId>, error: &ListenError, from: &Multiaddr) {
        let stranger = match error {
            ListenError::Denied { cause } => cause.downcast_ref::<NotAllowed>().is_some(),
            _ => false,
        };
        // A peer that is cut off is turned away by the same list, but is no stranger.
        if !stranger || peer.is_some_and(|peer| self.contacts.contains_key(&peer)) {
            return;
        }
        let cost = cost_of_one(self.common.limits.strangers_per_s);
        if self.strangers.try_take(Instant::now(), cost) {
            let detail = match peer {
                Some(peer) => format!("{peer} from {from}"),
                None => format!("from {from}"),
            };
            tracing::warn!(code = PEER_UNKNOWN.name, detail, "peer refused");
            let _ = self.common.events.try_send(Event::Refused { node: None, code: PEER_UNKNOWN, detail });
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            // An error says that there is no connection: that is what was asked for.
            Command::Close(peer) => drop(self.swarm.disconnect_peer_id(peer)),
            Command::KeepNewest(peer) => {
                if let Some(contact) = self.contacts.get(&peer)
                    && let Some((_newest, older)) = contact.connections.split_last()
                {
                    for connection in older {
                        self.swarm.close_connection(*connection);
                    }
                }
            }
            Command::CutOff(peer) => {
                if let Some(contact) = self.contacts.get_mut(&peer) {
                    let Contact { link, .. } = contact;
                    tracing::warn!(node = link.node, name = link.name, "peer cut off for repeated offences");
                    link.forgive();
                    contact.due = None;
                    contact.barred = Some(Instant::now() + self.common.limits.penalty);
                    // Closes its connections as well.
                    self.swarm.behaviour_mut().allowed.disallow_peer(peer);
                }
            }
        }
    }

    /// Ends penalties and dials what is due.
    fn wake(&mut self, now: Instant) {
        for (peer, contact) in &mut self.contacts {
            if contact.barred.is_some_and(|until| until <= now) {
                contact.barred = None;
                contact.due = contact.connections.is_empty().then_some(now);
                self.swarm.behaviour_mut().allowed.allow_peer(*peer);
            }
            if contact.due.is_some_and(|due| due <= now) {
                contact.due = None;
                let dial = DialOpts::peer_id(*peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(contact.link.addresses.clone())
                    .build();
                // One malformed entry concerns that peer alone.
                if let Err(error) = self.swarm.dial(dial) {
                    contact.link.note(error.to_string());
                    contact.retry(&self.common);
                }
            }
        }
    }

    /// Closes all connections so that peers need not wait for deadlines.
    async fn part(mut self) {
        self.actors.abort_all();
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let all_closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(FAREWELL, all_closed).await;
    }
}

impl Contact {
    fn publish(&self) {
        self.connected.send_replace(u32::try_from(self.connections.len()).unwrap_or(u32::MAX));
    }

    fn retry(&mut self, common: &Common) {
        self.attempt = self.attempt.saturating_add(1);
        if self.barred.is_none() {
            self.due = Some(Instant::now() + delay(&self.link.peer, self.attempt, &common.limits));
        }
    }
}

/// Hands inbound substreams on and does nothing else: libp2p-stream queues a single one and drops the rest, so whoever
/// takes them must never wait.
async fn route_arrivals(mut incoming: IncomingStreams, routes: BTreeMap<PeerId, mpsc::Sender<Stream>>) {
    while let Some((peer, stream)) = incoming.next().await {
        if let Some(route) = routes.get(&peer) {
            // When full the substream is dropped, and the peer's opener retries.
            let _ = route.try_send(stream);
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
