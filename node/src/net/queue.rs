//! What waits to be written to one peer: two classes, bounded in frames, bytes and age.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

use super::{frame, limits::Limits};

/// What a frame is for; decides the order of sending and of dropping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A session waits for it.
    Protocol,
    /// Catch-up and spreading: repeated anyway.
    Bulk,
}

/// Frames that never left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// Bulk frames pushed out by others.
    pub(crate) bulk: u64,
    /// Protocol frames pushed out by newer ones.
    pub(crate) protocol: u64,
    /// Frames of either class that grew too old while the peer was away.
    pub(crate) expired: u64,
}

/// One peer's outbound queue: filled by any thread, drained by the one task that writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    protocol: VecDeque<Waiting>,
    bulk: VecDeque<Waiting>,
    bytes: usize,
    dropped: Dropped,
}

#[derive(Debug)]
struct Waiting {
    frame: Arc<[u8]>,
    since: Instant,
}

impl Queue {
    /// Adds a frame, making room by dropping the oldest bulk, then the oldest protocol frame. Bulk never displaces
    /// protocol: it is then the new frame that is dropped, and `false` returned.
    pub(super) fn push(&self, class: Class, frame: Arc<[u8]>, now: Instant, limits: &Limits) -> bool {
        let mut inner = self.lock();
        let fits = inner.make_room(class, frame.len(), limits);
        if fits {
            inner.bytes = inner.bytes.saturating_add(frame.len());
            let waiting = Waiting { frame, since: now };
            match class {
                Class::Protocol => inner.protocol.push_back(waiting),
                Class::Bulk => inner.bulk.push_back(waiting),
            }
        } else {
            inner.dropped.bulk = inner.dropped.bulk.saturating_add(1);
        }
        drop(inner);
        self.wake.notify_one();
        fits
    }

    /// Waits until there is something to send.
    pub(super) async fn ready(&self) {
        // A permit stored by `push` since the last wait ends this one at once, so nothing is missed.
        while self.lock().frames() == 0 {
            self.wake.notified().await;
        }
    }

    /// Moves as many frames as fit a batch into the buffer, length prefixes included. Returns how many.
    pub(super) fn fill(&self, buffer: &mut Vec<u8>, limits: &Limits) -> io::Result<u64> {
        let mut inner = self.lock();
        inner.expire(limits);
        let mut count = 0u64;
        while buffer.len() < limits.batch_bytes_max
            && let Some(waiting) = inner.pop()
        {
            frame::append(buffer, &waiting.frame)?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// Frames waiting and frames dropped so far.
    pub(super) fn census(&self) -> (usize, Dropped) {
        let inner = self.lock();
        (inner.frames(), inner.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn frames(&self) -> usize {
        self.protocol.len().saturating_add(self.bulk.len())
    }

    fn make_room(&mut self, class: Class, bytes: usize, limits: &Limits) -> bool {
        while self.frames() >= limits.queue_frames_max || self.bytes.saturating_add(bytes) > limits.queue_bytes_max {
            if let Some(oldest) = self.bulk.pop_front() {
                self.forget(&oldest);
                self.dropped.bulk = self.dropped.bulk.saturating_add(1);
            } else if class == Class::Bulk {
                return false;
            } else if let Some(oldest) = self.protocol.pop_front() {
                self.forget(&oldest);
                self.dropped.protocol = self.dropped.protocol.saturating_add(1);
            } else {
                // Empty and still no room: the frame alone exceeds the limit. `Network::send` refuses such frames.
                return false;
            }
        }
        true
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.protocol.pop_front().or_else(|| self.bulk.pop_front())?;
        self.forget(&waiting);
        Some(waiting)
    }

    fn expire(&mut self, limits: &Limits) {
        for class in [Class::Protocol, Class::Bulk] {
            loop {
                let frames = match class {
                    Class::Protocol => &mut self.protocol,
                    Class::Bulk => &mut self.bulk,
                };
                let Some(oldest) = frames.pop_front_if(|waiting| waiting.since.elapsed() > limits.queue_age_max) else {
                    break;
                };
                self.forget(&oldest);
                self.dropped.expired = self.dropped.expired.saturating_add(1);
            }
        }
    }

    fn forget(&mut self, waiting: &Waiting) {
        self.bytes = self.bytes.saturating_sub(waiting.frame.len());
    }
}
