//! The network task: carries opaque frames between this node and the members of the network definition.
//!
//! It runs on a thread and a single-threaded runtime of its own, since waking another worker costs more than a
//! round trip on a local network does. Per peer one task keeps two long-lived substreams open, one in each direction;
//! see `docs/spec/transport.md`. Nothing here knows what a frame means.

mod actor;
mod backoff;
mod bucket;
pub(crate) mod code;
mod driver;
mod frame;
mod half;
mod hello;
mod limits;
mod link;
mod queue;
mod swarm;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError, mpsc as blocking},
    thread,
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, identity};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use self::{
    actor::{Common, PROTOCOL},
    driver::Driver,
    link::Link,
};
pub(crate) use self::{code::Code, hello::Hello, limits::Limits, link::PeerStatus, queue::Class};

/// Requests of peers' tasks to the driver: a handful per peer at worst, and lost ones are repeated.
const COMMANDS_MAX: usize = 64;

/// What the network task needs to know.
#[derive(Debug)]
pub(crate) struct Config {
    /// The transport identity, ed25519.
    pub(crate) identity: identity::Keypair,
    /// Where to listen, TCP and QUIC.
    pub(crate) listen: Vec<Multiaddr>,
    /// The members of the network definition, without ourselves.
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    /// What we say about ourselves.
    pub(crate) hello: Hello,
    /// The bounds.
    pub(crate) limits: Limits,
}

/// A member of the network definition.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Node id in the definition.
    pub(crate) node: u16,
    /// Name in the definition, for logs and status.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) addresses: Vec<Multiaddr>,
}

/// What happens on the network. Frames of a peer arrive between its `Up` and its `Down`, in the order sent.
#[derive(Debug)]
pub(crate) enum Event {
    /// Both directions to a peer are open.
    Up {
        /// The peer.
        node: u16,
        /// Its start counter, as it claims.
        incarnation: u64,
        /// The protocol version agreed on.
        version: u32,
        /// Digest of the definition that it runs.
        definition: [u8; 32],
    },
    /// A direction to a peer was lost.
    Down {
        /// The peer.
        node: u16,
    },
    /// How long an open link's peer took to answer, measured every few seconds.
    RoundTrip {
        /// The peer.
        node: u16,
        /// There and back.
        round_trip: Duration,
    },
    /// A peer sent this. The sender is whom the channel authenticated.
    Frame {
        /// The peer.
        from: u16,
        /// Never empty, never longer than `Limits::frame_bytes_max`.
        bytes: Vec<u8>,
    },
    /// A connection, greeting or frame was refused, by us or by the peer. Repetitions are not reported, and a full
    /// channel loses it; `Network::peers` keeps the last one.
    Refused {
        /// The peer, unless it is not in the definition.
        node: Option<u16>,
        /// The stable reason.
        code: Code,
        /// The facts of the case.
        detail: String,
    },
    /// We listen on this address.
    Listening(Multiaddr),
}

/// The host's handle. Dropping it stops the network without waiting.
#[derive(Debug)]
pub(crate) struct Network {
    links: BTreeMap<u16, Arc<Link>>,
    limits: Arc<Limits>,
    listening: Arc<Mutex<Vec<Multiaddr>>>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// Two peers share a node id.
    #[error("node id {0} occurs twice among the peers")]
    DuplicateNode(u16),
    /// The peers contain our own identity.
    #[error("our own peer id is among the peers")]
    Ourselves,
    /// The transport could not be built.
    #[error("transport: {0}")]
    Transport(String),
    /// A listen address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// No thread or runtime.
    #[error("network thread: {0}")]
    Thread(#[from] io::Error),
}

impl Error {
    fn transport(error: impl ToString) -> Self {
        Self::Transport(error.to_string())
    }
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SendError {
    /// No such peer in the definition.
    #[error("node {0} is not a peer")]
    Unknown(u16),
    /// Empty or longer than `Limits::frame_bytes_max`.
    #[error("frame of {0} bytes")]
    Size(usize),
    /// A bulk frame found the queue full of protocol frames.
    #[error("queue is full")]
    Full,
    /// The network task has ended.
    #[error("network has stopped")]
    Stopped,
}

/// Starts the network on a thread of its own. Returns once it listens, or cannot.
pub(crate) fn start(config: Config) -> Result<(Network, mpsc::Receiver<Event>), Error> {
    let Config { identity, listen, peers, hello, limits } = config;
    let links = links(peers, identity.public().to_peer_id())?;
    let limits = Arc::new(limits);
    let listening = Arc::new(Mutex::new(Vec::new()));
    // A peer's task that waits to report `Down` does not poll its reader, which may hold one place meanwhile. More
    // places than peers, and that can never be all of them.
    let (events, receiver) = mpsc::channel(limits.events_max.max(links.len().saturating_mul(2)).max(1));
    let (commands, obeyed) = mpsc::channel(COMMANDS_MAX);
    let (stop, stopped) = oneshot::channel();
    let (ready, started) = blocking::sync_channel(1);

    let common = Common { ours: Arc::new(hello), limits: Arc::clone(&limits), events, commands };
    let (thread_links, thread_listening) = (links.values().cloned().collect(), Arc::clone(&listening));
    let thread = thread::Builder::new().name("firn-net".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(Error::Thread(error)))),
        };
        runtime.block_on(async move {
            match drive(&identity, &listen, common, thread_links, thread_listening) {
                Ok(driver) => {
                    let _ = ready.send(Ok(()));
                    driver.run(obeyed, stopped).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    })?;
    match started.recv() {
        Ok(Ok(())) => Ok((Network { links, limits, listening, stop, thread }, receiver)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Thread(io::Error::other("ended before it started"))),
    }
}

fn links(peers: BTreeMap<PeerId, Peer>, ourselves: PeerId) -> Result<BTreeMap<u16, Arc<Link>>, Error> {
    let mut links = BTreeMap::new();
    for (peer, Peer { node, name, addresses }) in peers {
        if peer == ourselves {
            return Err(Error::Ourselves);
        }
        let link = Arc::new(Link::new(node, name, peer, addresses));
        if links.insert(node, link).is_some() {
            return Err(Error::DuplicateNode(node));
        }
    }
    Ok(links)
}

fn drive(
    identity: &identity::Keypair,
    listen: &[Multiaddr],
    common: Common,
    links: Vec<Arc<Link>>,
    listening: Arc<Mutex<Vec<Multiaddr>>>,
) -> Result<Driver, Error> {
    let mut swarm = swarm::build(identity, &common.limits, links.len())?;
    // Before listening: a connection offers only the protocols that are registered when it is established.
    let incoming = swarm.behaviour().streams.new_control().accept(PROTOCOL).map_err(Error::transport)?;
    for address in listen {
        swarm
            .listen_on(address.clone())
            .map_err(|error| Error::Listen { address: address.clone(), reason: error.to_string() })?;
    }
    Ok(Driver::new(swarm, common, links, incoming, listening))
}

impl Network {
    /// Queues a frame for a peer, whether it is reachable now or not: short absences are bridged, and what grows older
    /// than `Limits::queue_age_max` is dropped. Never waits. Delivery is best effort.
    pub(crate) fn send(&self, to: u16, class: Class, frame: Arc<[u8]>) -> Result<(), SendError> {
        let link = self.links.get(&to).ok_or(SendError::Unknown(to))?;
        if frame.is_empty() || frame.len() > self.limits.frame_bytes_max {
            return Err(SendError::Size(frame.len()));
        }
        if self.thread.is_finished() {
            return Err(SendError::Stopped);
        }
        if link.queue.push(class, frame, Instant::now(), &self.limits) { Ok(()) } else { Err(SendError::Full) }
    }

    /// All peers of the definition, by node id.
    #[cfg(test)]
    pub(crate) fn peers(&self) -> Vec<PeerStatus> {
        self.links.values().map(|link| link.status()).collect()
    }

    /// A view of the peers that lives on its own, for the API.
    pub(crate) fn status(&self) -> impl Fn() -> Vec<PeerStatus> + Send + Sync + 'static {
        let links = self.links.clone();
        move || links.values().map(|link| link.status()).collect()
    }

    /// The addresses we listen on.
    pub(crate) fn listening(&self) -> Vec<Multiaddr> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes all connections and waits for the thread, at most about half a second.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("network thread panicked");
        }
    }
}
