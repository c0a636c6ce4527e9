//! Tests of the network task, over real sockets on the loopback interface where the transport matters.
//!
//! Nothing sleeps to let something happen: tests wait for events, under one generous deadline.

mod cluster;
mod halves;
mod hostile;
mod units;

use std::time::Duration;

use libp2p::identity::Keypair;
use tokio::time::{interval, timeout};

use super::{code::Refusal, *};

/// Far beyond what any step needs on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Transport {
    Tcp,
    Quic,
}

impl Transport {
    fn any_port(self) -> Multiaddr {
        match self {
            Self::Tcp => "/ip4/127.0.0.1/tcp/0".parse().unwrap(),
            Self::Quic => "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap(),
        }
    }
}

fn key(node: u16) -> Keypair {
    Keypair::ed25519_from_bytes([u8::try_from(node).unwrap(); 32]).unwrap()
}

fn peer_id(node: u16) -> PeerId {
    key(node).public().to_peer_id()
}

fn hello() -> Hello {
    Hello { version_min: 1, version_max: 1, network: [7; 32], definition: [8; 32], incarnation: 1 }
}

fn text(text: impl ToString) -> Arc<[u8]> {
    text.to_string().into_bytes().into()
}

/// A node under test with the events nobody has asked for yet.
struct Node {
    network: Network,
    events: mpsc::Receiver<Event>,
    passed: Vec<Event>,
}

impl Node {
    fn start(config: Config) -> Self {
        let (network, events) = start(config).unwrap();
        Self { network, events, passed: Vec::new() }
    }

    /// The first event, past or future, that the closure accepts. Others are kept.
    async fn until<T>(&mut self, what: &str, mut accept: impl FnMut(&Event) -> Option<T>) -> T {
        let mut at = 0;
        loop {
            if at == self.passed.len() {
                let next = timeout(PATIENCE, self.events.recv()).await;
                let next =
                    next.unwrap_or_else(|_| panic!("no {what}; had {:?}, peers {:#?}", self.passed, self.status()));
                self.passed.push(next.expect("the network ended"));
            }
            if let Some(found) = accept(&self.passed[at]) {
                self.passed.remove(at);
                return found;
            }
            at += 1;
        }
    }

    /// The next event, whatever it is, but for measurements: they come when they come.
    async fn next(&mut self) -> Event {
        loop {
            let next = timeout(PATIENCE, self.events.recv()).await.expect("no event").expect("the network ended");
            if !matches!(next, Event::RoundTrip { .. }) {
                return next;
            }
        }
    }

    async fn address(&mut self) -> Multiaddr {
        self.until("listen address", |event| match event {
            Event::Listening(address) => Some(address.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the peer is up; gives its incarnation and version.
    async fn up(&mut self, peer: u16) -> (u64, u32) {
        self.until("Up", |event| match event {
            Event::Up { node, incarnation, version, .. } if *node == peer => Some((*incarnation, *version)),
            _ => None,
        })
        .await
    }

    async fn down(&mut self, peer: u16) {
        self.until("Down", |event| matches!(event, Event::Down { node } if *node == peer).then_some(())).await;
    }

    async fn frame(&mut self, peer: u16) -> Vec<u8> {
        self.until("Frame", |event| match event {
            Event::Frame { from, bytes } if *from == peer => Some(bytes.clone()),
            _ => None,
        })
        .await
    }

    async fn refused(&mut self, peer: Option<u16>) -> Refusal {
        self.until("Refused", |event| match event {
            Event::Refused { node, code, detail } if *node == peer => {
                Some(Refusal { code: *code, detail: detail.clone() })
            }
            _ => None,
        })
        .await
    }

    fn status(&self) -> Vec<PeerStatus> {
        self.network.peers()
    }

    fn never_up(&self) -> bool {
        !self.passed.iter().any(|event| matches!(event, Event::Up { .. } | Event::Frame { .. }))
            && self.status().iter().all(|peer| peer.up.is_none())
    }
}

/// The configuration of a node among others, of which some addresses are known.
fn config(node: u16, transport: Transport, others: &[(u16, Option<&Multiaddr>)]) -> Config {
    let peers = others.iter().map(|(other, address)| {
        let addresses = address.iter().map(|address| (*address).clone()).collect();
        (peer_id(*other), Peer { node: *other, name: format!("n{other}"), addresses })
    });
    Config {
        identity: key(node),
        listen: vec![transport.any_port()],
        peers: peers.collect(),
        hello: hello(),
        limits: Limits::default(),
    }
}

/// Starts nodes 1 and 2; the second knows the first's address. `adjust` is called for both.
async fn pair(transport: Transport, adjust: impl Fn(u16, &mut Config)) -> (Node, Node, Multiaddr) {
    let mut first = config(1, transport, &[(2, None)]);
    adjust(1, &mut first);
    let mut first = Node::start(first);
    let address = first.address().await;
    let mut second = config(2, transport, &[(1, Some(&address))]);
    adjust(2, &mut second);
    (first, Node::start(second), address)
}

/// Polls a condition that is in the status but in no event.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let polled = async {
        let mut ticks = interval(Duration::from_millis(5));
        while !condition() {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, polled).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A repeatable stream of bytes without meaning.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}
