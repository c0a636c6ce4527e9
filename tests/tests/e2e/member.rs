//! A peer that speaks libp2p and Firn's framing, and then whatever a test wants.

use std::time::Duration;

use firn_proto::author::{AuthorKey, AuthorSignature};
use firn_proto::definition::Definition;
use firn_proto::envelope::{Header, seal};
use firn_proto::wire::Hello;
use firn_proto::{Incarnation, Message, NodeId, SessionId};
use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt, StreamExt};
use k256::schnorr::SigningKey;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Behaviour, Control, IncomingStreams};
use prost::Message as _;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/firn/1");
const PATIENCE: Duration = Duration::from_secs(20);

/// Keys of a node: what a thief of one would have.
pub(crate) struct Keys {
    pub(crate) transport: Keypair,
    author: SigningKey,
}

impl Keys {
    pub(crate) fn new(seed: u8) -> Self {
        let transport = Keypair::ed25519_from_bytes([seed; 32]).expect("any 32 bytes are a key");
        Self { transport, author: SigningKey::from_bytes(&[seed; 32]).expect("a scalar") }
    }

    pub(crate) fn peer_id(&self) -> PeerId {
        self.transport.public().to_peer_id()
    }

    pub(crate) fn author_key(&self) -> AuthorKey {
        AuthorKey::from_slice(&self.author.verifying_key().to_bytes()).expect("our own key")
    }

    /// An envelope that claims to be `sender`'s, signed with our key.
    pub(crate) fn envelope(&self, definition: &Definition, sender: NodeId, message: &Message) -> Vec<u8> {
        let header = Header {
            network: definition.network_id(),
            session: SessionId::default(),
            sender,
            incarnation: Incarnation::new(1, 1),
            sequence: 1,
        };
        seal(&header, message, |digest| {
            AuthorSignature(self.author.sign_raw(&digest.0, &[7; 32]).expect("a signature").to_bytes())
        })
    }
}

/// A connection with one node, the victim.
pub(crate) struct Member {
    control: Control,
    incoming: IncomingStreams,
    victim: PeerId,
    swarm: JoinHandle<()>,
}

impl Member {
    /// Dials the victim over TCP. Whether it is let in shows with the first substream.
    pub(crate) fn connect(keys: &Keys, victim: PeerId, port: u16) -> Self {
        let builder = SwarmBuilder::with_existing_identity(keys.transport.clone()).with_tokio();
        let builder = builder.with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default);
        let builder = builder.expect("a transport").with_behaviour(|_| Behaviour::new()).expect("a behaviour");
        let mut swarm = builder.with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE)).build();
        let mut control = swarm.behaviour().new_control();
        let incoming = control.accept(PROTOCOL).expect("the protocol is free");
        let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("an address");
        swarm.dial(DialOpts::peer_id(victim).addresses(vec![address]).build()).expect("a dial");
        let swarm = tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self { control, incoming, victim, swarm }
    }

    /// A new substream, if the victim lets us.
    pub(crate) async fn open(&mut self) -> Result<Stream, String> {
        let opened = timeout(PATIENCE, self.control.open_stream(self.victim, PROTOCOL)).await;
        opened.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())
    }

    /// A substream on which the victim has accepted our greeting, and the one that it opened to us. From then on it
    /// reads our frames.
    pub(crate) async fn greeted(&mut self, hello: &Hello) -> (Stream, Stream) {
        let mut ours = self.open().await.expect("a member is let in");
        write_frame(&mut ours, &hello.encode_to_vec()).await;
        let answer = Hello::decode(read_frame(&mut ours).await.as_slice()).expect("a greeting");
        assert_eq!(answer.refused, 0, "{answer:?}");
        let next = timeout(PATIENCE, self.incoming.next()).await;
        let (_, mut theirs) = next.expect("a substream in time").expect("a substream");
        read_frame(&mut theirs).await;
        write_frame(&mut theirs, &hello.encode_to_vec()).await;
        (ours, theirs)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

pub(crate) fn hello(definition: &Definition) -> Hello {
    let digest = definition.digest().0.to_vec();
    Hello {
        version_min: 1,
        version_max: 1,
        network: definition.network_id().0.0.to_vec(),
        definition: digest,
        incarnation: Incarnation::new(1, 1).to_wire(),
        refused: 0,
    }
}

/// Writes a frame. The reader may have gone; what it makes of it is looked at elsewhere.
pub(crate) async fn write_frame(stream: &mut Stream, frame: &[u8]) {
    let length = u32::try_from(frame.len()).expect("a frame of a test is short");
    let _ = stream.write_all(&[&length.to_be_bytes(), frame].concat()).await;
    let _ = stream.flush().await;
}

async fn read_frame(stream: &mut Stream) -> Vec<u8> {
    let read = async {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.expect("a length");
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length")];
        stream.read_exact(&mut frame).await.expect("a frame");
        frame
    };
    timeout(PATIENCE, read).await.expect("a frame in time")
}

/// Reads until the other side has closed, and gives the code in its last receipt or greeting, if it said any.
pub(crate) async fn last_word(mut stream: impl AsyncRead + Unpin) -> Option<u32> {
    let mut bytes = Vec::new();
    let read = async {
        let mut chunk = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..count]);
        }
    };
    timeout(PATIENCE, read).await.expect("the victim keeps the substream open");
    let code = bytes.chunks_exact(12).next_back()?;
    Some(u32::from_be_bytes(code[8..].try_into().expect("four bytes")))
}
