//! What the node knows about one peer: shared by the host's handle, the peer's task and the swarm's driver.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use libp2p::{Multiaddr, PeerId};
use tokio::{sync::Notify, time::Instant};

use super::{
    bucket::Bucket,
    code::{Fault, Refusal},
    queue::{Dropped, Queue},
};

/// One peer as the operator sees it.
#[derive(Clone, Debug)]
pub(crate) struct PeerStatus {
    /// Node id in the definition.
    pub(crate) node: u16,
    /// Name in the definition.
    pub(crate) name: String,
    /// Transport identity.
    pub(crate) peer: PeerId,
    /// Set while both directions are open.
    pub(crate) up: Option<Session>,
    /// The last measured round trip.
    pub(crate) round_trip: Option<Duration>,
    /// Why the peer, or we, refused last; cleared when the link comes up, unless it runs another version of the definition.
    pub(crate) refused: Option<Refusal>,
    /// What went wrong last, in words.
    pub(crate) last_fault: Option<String>,
    /// Offences since the last penalty.
    pub(crate) offences: u32,
    /// Frames handed to the transport.
    pub(crate) sent: u64,
    /// Frames the peer confirmed as read.
    pub(crate) confirmed: u64,
    /// Frames read from the peer.
    pub(crate) received: u64,
    /// How often the peer was held back for its rate.
    pub(crate) throttled: u64,
    /// Frames waiting.
    pub(crate) waiting: usize,
    /// Frames that never left.
    pub(crate) dropped: Dropped,
}

/// An open link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The peer's start counter.
    pub(crate) incarnation: u64,
    /// Protocol version agreed on.
    pub(crate) version: u32,
    /// Digest of the definition that the peer runs.
    pub(crate) definition: [u8; 32],
}

impl PeerStatus {
    /// Whether it is there, under the version of the definition that is in force here.
    pub(crate) fn takes_part(&self) -> bool {
        self.up.is_some() && self.refused.is_none()
    }
}

/// The shared record of one peer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) node: u16,
    pub(super) name: String,
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) queue: Queue,
    pub(super) sent: AtomicU64,
    pub(super) confirmed: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) throttled: AtomicU64,
    /// Whether the link came up since the driver last looked: then dialling starts over with short delays.
    pub(super) reached: AtomicBool,
    /// Wakes the peer's task when the round trip was measured.
    pub(super) measurement: Notify,
    record: Mutex<Record>,
}

#[derive(Debug)]
struct Record {
    up: Option<Session>,
    round_trip: Option<Duration>,
    refused: Option<Refusal>,
    last_fault: Option<String>,
    offences: u32,
    /// Here rather than in the reader, so that reconnecting buys no second burst.
    frames: Bucket,
}

impl Link {
    pub(super) fn new(node: u16, name: String, peer: PeerId, addresses: Vec<Multiaddr>) -> Self {
        let frames = Bucket::new(Instant::now());
        Self {
            node,
            name,
            peer,
            addresses,
            queue: Queue::default(),
            sent: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            received: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            reached: AtomicBool::new(false),
            measurement: Notify::new(),
            record: Mutex::new(Record {
                up: None,
                round_trip: None,
                refused: None,
                last_fault: None,
                offences: 0,
                frames,
            }),
        }
    }

    pub(super) fn set_up(&self, session: Session, elsewhere: Option<Refusal>) {
        let mut record = self.record();
        record.up = Some(session);
        record.refused = elsewhere;
        self.reached.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_down(&self) {
        self.record().up = None;
    }

    pub(super) fn measured(&self, round_trip: Duration) {
        self.record().round_trip = Some(round_trip);
        self.measurement.notify_one();
    }

    /// The last measured round trip.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.record().round_trip
    }

    pub(super) fn note(&self, fault: String) {
        self.record().last_fault = Some(fault);
    }

    /// Records a refusal; true if it is news. A refused peer retries for ever and would fill the log otherwise.
    pub(super) fn refuse(&self, refusal: &Refusal) -> bool {
        let mut record = self.record();
        let news = record.refused.as_ref() != Some(refusal);
        record.refused = Some(refusal.clone());
        news
    }

    /// Counts an offence if the fault is one; true once there are too many.
    pub(super) fn offend(&self, fault: &Fault, offences_max: u32) -> bool {
        let mut record = self.record();
        record.offences = record.offences.saturating_add(u32::from(fault.offence));
        fault.offence && record.offences >= offences_max
    }

    pub(super) fn forgive(&self) {
        self.record().offences = 0;
    }

    pub(super) fn take_frame(&self, now: Instant, cost: Duration) -> Duration {
        self.record().frames.take(now, cost)
    }

    pub(super) fn status(&self) -> PeerStatus {
        let (waiting, dropped) = self.queue.census();
        let record = self.record();
        PeerStatus {
            node: self.node,
            name: self.name.clone(),
            peer: self.peer,
            up: record.up,
            round_trip: record.round_trip,
            refused: record.refused.clone(),
            last_fault: record.last_fault.clone(),
            offences: record.offences,
            sent: self.sent.load(Ordering::Relaxed),
            confirmed: self.confirmed.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            waiting,
            dropped,
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
