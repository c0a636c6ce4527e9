//! A switch in user space: packets between namespaces, delayed, lost, slowed down and cut by directed link.
//!
//! The kernels that tests run on cannot do that (`sch_netem` is an option of theirs), and here a test scripts it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tappers::Tun;

use crate::random::Random;

/// Longest packet of a device: its MTU, rounded up.
const PACKET_BYTES_MAX: usize = 2048;
/// What may wait on one link; beyond it packets are lost, as in a router with a full buffer.
const QUEUE_BYTES_MAX: usize = 1 << 20;
const MILLION: u64 = 1_000_000;

/// What happens to packets in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) delay: Duration,
    /// At most so much is added, evenly spread. The order of packets stays.
    pub(crate) jitter: Duration,
    /// Packets lost of a million.
    pub(crate) loss_ppm: u32,
    pub(crate) bytes_per_s: Option<u32>,
    /// Loses everything, what is on its way included.
    pub(crate) cut: bool,
}

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
}

/// A link's direction: the ports that it leads from and to.
type Ends = (usize, usize);

/// The switch runs until it is dropped.
pub(crate) struct Switch {
    lines: Arc<Mutex<Lines>>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    /// Port `p` is the way to `10.210.0.<p+1>`.
    pub(crate) fn start(devices: Vec<Tun>, seed: u64) -> Self {
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("an event descriptor"));
        let lines = Arc::new(Mutex::new(Lines::new(seed)));
        let (wakes, shared) = (wake.clone(), lines.clone());
        let thread = thread::spawn(move || carry(&devices, &wakes, &shared));
        Self { lines, wake, thread: Some(thread) }
    }

    /// Changes the link from one port to another.
    pub(crate) fn change(&self, from: usize, to: usize, change: impl FnOnce(&mut Link)) {
        change(&mut lock(&self.lines).line((from, to)).link);
    }

    /// What the link from one port to another has done since the start.
    pub(crate) fn counts(&self, from: usize, to: usize) -> Counts {
        lock(&self.lines).line((from, to)).counts
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The loop: waits for packets and for the time at which the next one is due.
fn carry(devices: &[Tun], wake: &OwnedFd, lines: &Mutex<Lines>) {
    let mut buffer = [0; PACKET_BYTES_MAX];
    loop {
        let timeout = lock(lines).next_due().map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs().try_into().unwrap_or(0), tv_nsec: left.subsec_nanos().into() }
        });
        let mut waiting: Vec<_> =
            devices.iter().map(|device| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN)).collect();
        waiting.push(PollFd::new(wake, PollFlags::IN));
        // A signal ends the wait early, and the loop goes round once more.
        let _ = poll(&mut waiting, timeout.as_ref());
        if waiting.last().is_some_and(|wake| !wake.revents().is_empty()) {
            return;
        }
        let now = Instant::now();
        for (port, device) in devices.iter().enumerate().filter(|(port, _)| !waiting[*port].revents().is_empty()) {
            while let Ok(length) = device.recv(&mut buffer) {
                lock(lines).take_in(port, &buffer[..length], now);
            }
        }
        let due = lock(lines).take_due(Instant::now());
        for (to, packet) in due {
            // A device whose queue is full loses the packet, as any.
            let _ = devices.get(to).map(|device| device.send(&packet));
        }
    }
}

/// All links and what is on them.
struct Lines {
    lines: BTreeMap<Ends, Line>,
    queue: BinaryHeap<Reverse<Packet>>,
    ordinal: u64,
    random: Random,
}

/// What is on its way, the first to arrive being the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Instant,
    ordinal: u64,
    ends: Ends,
    bytes: Vec<u8>,
}

/// A link, and how far its packets have got.
#[derive(Default)]
struct Line {
    link: Link,
    counts: Counts,
    waiting: usize,
    /// When its sender is free again.
    free: Option<Instant>,
    last_due: Option<Instant>,
}

impl Lines {
    fn new(seed: u64) -> Self {
        Self { lines: BTreeMap::new(), queue: BinaryHeap::new(), ordinal: 0, random: Random(seed) }
    }

    fn line(&mut self, ends: Ends) -> &mut Line {
        self.lines.entry(ends).or_default()
    }

    fn next_due(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(packet)| packet.due)
    }

    /// Puts a packet on its link, if it is one of IPv4 for another port.
    fn take_in(&mut self, from: usize, packet: &[u8], now: Instant) {
        let (4, Some(&[10, 210, 0, host])) = (packet.first().map_or(0, |first| first >> 4), packet.get(16..20)) else {
            return;
        };
        let Some(to) = usize::from(host).checked_sub(1) else { return };
        let [luck, spread] = [(); 2].map(|()| self.random.below(MILLION));
        let line = self.lines.entry((from, to)).or_default();
        let link = line.link;
        if link.cut || luck < u64::from(link.loss_ppm) || line.waiting + packet.len() > QUEUE_BYTES_MAX {
            line.counts.lost += 1;
            return;
        }
        let sent = link.bytes_per_s.map_or(now, |rate| {
            let time = Duration::from_secs_f64(packet.len() as f64 / f64::from(rate.max(1)));
            line.free.map_or(now, |free| free.max(now)) + time
        });
        line.free = Some(sent);
        let due =
            (sent + link.delay + link.jitter.mul_f64(spread as f64 / MILLION as f64)).max(line.last_due.unwrap_or(now));
        (line.last_due, line.waiting) = (Some(due), line.waiting + packet.len());
        self.ordinal += 1;
        self.queue.push(Reverse(Packet { due, ordinal: self.ordinal, ends: (from, to), bytes: packet.to_vec() }));
    }

    /// The packets that have arrived, in order.
    fn take_due(&mut self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        let mut arrived = Vec::new();
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(Reverse(Packet { ends, bytes, .. })) = self.queue.pop() else { break };
            let line = self.line(ends);
            line.waiting -= bytes.len();
            if line.link.cut {
                line.counts.lost += 1;
            } else {
                line.counts.delivered += 1;
                arrived.push((ends.1, bytes));
            }
        }
        arrived
    }
}

/// The switch itself, without namespaces: what each kind of link does to packets, at instants that are made up.
pub(crate) fn links_do_what_they_are_told() {
    let (start, ms) = (Instant::now(), Duration::from_millis);
    let packet = |number: usize| [&[0x45; 16][..], &[10, 210, 0, 2], &number.to_be_bytes(), &[0; 972]].concat();
    // A thousand packets, one each millisecond; by packet, how long it took.
    let carried = |link: Link, change_at: usize, change: fn(&mut Link)| {
        let mut lines = Lines::new(7);
        lines.line((0, 1)).link = link;
        let mut arrivals = Vec::new();
        for at in 0..20_000 {
            if at == change_at {
                change(&mut lines.line((0, 1)).link);
            }
            let now = start + ms(at as u64);
            if at < 1000 {
                lines.take_in(0, &packet(at), now);
            }
            arrivals.extend(lines.take_due(now).into_iter().map(|(to, bytes)| (to, bytes[20..28].to_vec(), at)));
        }
        let counts = lines.line((0, 1)).counts;
        assert_eq!((counts.delivered, counts.delivered + counts.lost), (arrivals.len() as u64, 1000));
        assert!(arrivals.is_sorted() && arrivals.iter().all(|(to, ..)| *to == 1), "order or way lost");
        arrivals.into_iter().map(|(.., at)| at).collect::<Vec<_>>()
    };
    let (never, nothing) = (usize::MAX, |_: &mut Link| {});
    let plain = Link { delay: ms(35), ..Link::default() };
    assert_eq!(carried(plain, never, nothing), (35..1035).collect::<Vec<_>>());
    let jittered = carried(Link { jitter: ms(10), ..plain }, never, nothing);
    assert!(jittered.iter().enumerate().all(|(sent, at)| (35..=46).contains(&(at - sent))));
    assert!(jittered.iter().enumerate().any(|(sent, at)| at - sent > 41), "no jitter");
    let lossy = carried(Link { loss_ppm: 100_000, ..plain }, never, nothing).len();
    assert!((850..950).contains(&lossy), "{lossy} of 1000 at a tenth lost");
    // At 100 bytes a millisecond a packet of 1,000 takes ten; what does not fit into the buffer is lost.
    let slow = carried(Link { bytes_per_s: Some(100_000), ..plain }, never, nothing);
    assert!(slow.windows(2).all(|pair| pair[1] - pair[0] == 10) && slow[0] == 45, "{slow:?}");
    // Sent before the cut and still on their way: lost as well.
    assert_eq!(carried(plain, 500, |link| link.cut = true), (35..500).collect::<Vec<_>>());
    let healed = carried(Link { cut: true, ..plain }, 500, |link| link.cut = false);
    assert_eq!(healed, (535..1035).collect::<Vec<_>>());
}
