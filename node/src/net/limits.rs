//! Every bound of the network task in one place, with the arithmetic.

use std::time::Duration;

/// What one peer, or all of them together, may cost us.
///
/// Memory that one peer can occupy, at the defaults: its outbound queue (8 MiB), the batch being written (64 KiB plus
/// one frame, 320 KiB), the frame being read (256 KiB), greetings (4 x 1 KiB), and what the multiplexer holds: QUIC
/// 2 MiB a connection; Yamux starts at 256 KiB a stream and grows only while we consume, so to about
/// `bytes_per_s` x round-trip time. Below 13 MiB a peer in practice. The event channel adds 128 x 256 KiB = 32 MiB
/// for all peers together.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Longest frame accepted or sent. A key generation among 64 members with 65-byte points stays below 64 KiB;
    /// four times that.
    pub(crate) frame_bytes_max: usize,
    /// Longest `Hello`: 2 x 34 bytes of digests and 4 integers of at most 11 bytes is 112; rounded up generously.
    pub(crate) hello_bytes_max: usize,
    /// Frames waiting for one peer. A session of 64 members sends each peer some ten frames, so a hundred sessions.
    pub(crate) queue_frames_max: usize,
    /// Bytes waiting for one peer: 32 frames of the largest size, or all 1024 at 8 KiB.
    pub(crate) queue_bytes_max: usize,
    /// Older frames are not worth sending: sessions have moved on and catch-up brings what still counts.
    pub(crate) queue_age_max: Duration,
    /// Small frames are joined up to this size before a write, so that a burst costs one encryption, not many.
    pub(crate) batch_bytes_max: usize,
    /// Events waiting for the host, of all peers together.
    pub(crate) events_max: usize,
    /// Frames per second of one peer, one second of burst. A hundred sessions of ten frames each, doubled.
    pub(crate) frames_per_s: u32,
    /// Bytes per second of one peer, one second of burst: 2000 frames of 4 KiB.
    pub(crate) bytes_per_s: u32,
    /// Substreams one peer may open per second, one second of burst; an honest peer opens one per reconnect.
    pub(crate) streams_per_s: u32,
    /// Unknown peers reported per second; the rest is only counted.
    pub(crate) strangers_per_s: u32,
    /// From the first byte of a frame to its last: 256 KiB in 10 s is 26 KB/s.
    pub(crate) frame_deadline: Duration,
    /// For both `Hello`s of a substream.
    pub(crate) hello_deadline: Duration,
    /// For negotiating a substream.
    pub(crate) open_deadline: Duration,
    /// For one batch to be taken by the peer; longer than one bucket's second, as the peer may throttle us.
    pub(crate) write_deadline: Duration,
    /// How often the reading side confirms what it has read. QUIC keeps connections alive as often.
    pub(crate) receipt_interval: Duration,
    /// Without a receipt, or without any packet on QUIC, for this long the connection is considered dead: three receipts
    /// missed, and half a second.
    pub(crate) silence_max: Duration,
    /// How often the round trip to a peer is measured: 32 bytes there and back.
    pub(crate) ping_interval: Duration,
    /// First delay of dialling and of opening substreams; doubled per failure.
    pub(crate) retry_min: Duration,
    /// Longest such delay: 100 ms doubled six times is 6.4 s, cut here.
    pub(crate) retry_max: Duration,
    /// Offences (oversize or empty frame, malformed greeting) until the peer is cut off for `penalty`.
    pub(crate) offences_max: u32,
    /// How long a cut-off peer stays out.
    pub(crate) penalty: Duration,
    /// Handshakes of inbound connections under way; each lasts at most `connect_deadline`.
    pub(crate) pending_inbound_max: u32,
    /// Established connections per peer: one, a second one when both dialled at once, and the same again after a
    /// restart that left dead ones behind. The total is this times the number of peers.
    pub(crate) connections_per_peer_max: u32,
    /// Inbound substreams of one peer that are exchanging `Hello`s.
    pub(crate) greetings_max: usize,
    /// For the transport's handshakes.
    pub(crate) connect_deadline: Duration,
    /// A connection without substreams is closed after this; longer than `retry_max`, so that a peer refused for its
    /// definition is not dialled anew for each attempt.
    pub(crate) idle_connection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 256 * 1024,
            hello_bytes_max: 1024,
            queue_frames_max: 1024,
            queue_bytes_max: 8 * 1024 * 1024,
            queue_age_max: Duration::from_secs(30),
            batch_bytes_max: 64 * 1024,
            events_max: 128,
            frames_per_s: 2000,
            bytes_per_s: 8 * 1024 * 1024,
            streams_per_s: 10,
            strangers_per_s: 1,
            frame_deadline: Duration::from_secs(10),
            hello_deadline: Duration::from_secs(10),
            open_deadline: Duration::from_secs(10),
            write_deadline: Duration::from_secs(30),
            receipt_interval: Duration::from_millis(1_500),
            silence_max: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
            offences_max: 3,
            penalty: Duration::from_secs(60),
            pending_inbound_max: 64,
            connections_per_peer_max: 4,
            greetings_max: 4,
            connect_deadline: Duration::from_secs(10),
            idle_connection: Duration::from_secs(10),
        }
    }
}
