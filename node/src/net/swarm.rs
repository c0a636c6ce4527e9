//! Builds the libp2p swarm: TCP with Noise and Yamux, QUIC, names, and four behaviours.

use libp2p::{
    Swarm, SwarmBuilder,
    allow_block_list::{self, AllowedPeers},
    connection_limits::{self, ConnectionLimits},
    identity, noise, ping, quic,
    swarm::NetworkBehaviour,
    tcp, yamux,
};

use super::{Error, limits::Limits};

/// Substreams per connection: two for frames and two for pings are in use, a few more are being greeted or replaced.
const SUBSTREAMS_MAX: u16 = 16;
/// Bytes of one substream that QUIC holds for us: four of the largest frames.
const QUIC_STREAM_BYTES_MAX: u32 = 1024 * 1024;
/// The same for a connection: our inbound substream and its successor.
const QUIC_CONNECTION_BYTES_MAX: u32 = 2 * QUIC_STREAM_BYTES_MAX;

/// What runs on every connection. The order matters: the derived behaviour asks the fields in turn, so a peer that is
/// not in the definition meets nothing but the list.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) allowed: allow_block_list::Behaviour<AllowedPeers>,
    limits: connection_limits::Behaviour,
    pub(super) streams: libp2p_stream::Behaviour,
    ping: ping::Behaviour,
}

impl Behaviour {
    fn new(limits: &Limits, peers: usize) -> Self {
        let peers = u32::try_from(peers).unwrap_or(u32::MAX);
        let total = peers.saturating_mul(limits.connections_per_peer_max);
        let pings = ping::Config::new().with_interval(limits.ping_interval).with_timeout(limits.silence_max);
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(limits.pending_inbound_max))
            // The driver dials a peer at most once at a time.
            .with_max_pending_outgoing(Some(peers))
            .with_max_established_per_peer(Some(limits.connections_per_peer_max))
            .with_max_established(Some(total));
        Self {
            allowed: allow_block_list::Behaviour::default(),
            limits: connection_limits::Behaviour::new(limits),
            streams: libp2p_stream::Behaviour::new(),
            ping: ping::Behaviour::new(pings),
        }
    }
}

/// Builds the swarm for so many peers. Needs a running tokio runtime.
pub(super) fn build(identity: &identity::Keypair, limits: &Limits, peers: usize) -> Result<Swarm<Behaviour>, Error> {
    let multiplexer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(usize::from(SUBSTREAMS_MAX));
        config
    };
    let quic = |mut config: quic::Config| {
        config.handshake_timeout = limits.connect_deadline;
        config.max_idle_timeout = u32::try_from(limits.silence_max.as_millis()).unwrap_or(u32::MAX);
        config.keep_alive_interval = limits.receipt_interval;
        config.max_concurrent_stream_limit = u32::from(SUBSTREAMS_MAX);
        config.max_stream_data = QUIC_STREAM_BYTES_MAX;
        config.max_connection_data = QUIC_CONNECTION_BYTES_MAX;
        config
    };
    let behaviour = |_: &identity::Keypair| Behaviour::new(limits, peers);
    let idle = |config: libp2p::swarm::Config| config.with_idle_connection_timeout(limits.idle_connection);
    let transports = || {
        let tcp = tcp::Config::new().nodelay(true);
        let builder = SwarmBuilder::with_existing_identity(identity.clone()).with_tokio();
        let builder = builder.with_tcp(tcp, noise::Config::new, multiplexer).map_err(Error::transport)?;
        Ok::<_, Error>(builder.with_quic_config(quic))
    };
    let swarm = match transports()?.with_dns() {
        Ok(builder) => builder
            .with_behaviour(behaviour)
            .map_err(Error::transport)?
            .with_swarm_config(idle)
            .with_connection_timeout(limits.connect_deadline)
            .build(),
        // A machine without resolver configuration still reaches peers that are given by address.
        Err(error) => {
            tracing::warn!(%error, "no resolver, peers given by name cannot be dialled");
            transports()?
                .with_behaviour(behaviour)
                .map_err(Error::transport)?
                .with_swarm_config(idle)
                .with_connection_timeout(limits.connect_deadline)
                .build()
        }
    };
    Ok(swarm)
}
