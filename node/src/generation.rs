//! The machine's word that its memory was copied: a virtual machine that is cloned, or put back to a snapshot, gets a new
//! generation identifier, and Linux says so in a kernel event (`drivers/virt/vmgenid.c`; the device is QEMU's, Hyper-V's,
//! VMware's and Firecracker's).
//!
//! Nonces are in memory only, so a copy of it has them twice. The loop asks before anything that it has just made durable
//! leaves, each share among it; after such a word nothing leaves, and the process with its nonces ends. Between the
//! copy's first instruction and the kernel's word lies a moment that no software can close (SECURITY.md).

use crate::failure::{Exit, Failure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{self, AddressFamily, RecvFlags, SocketFlags, SocketType};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(test)]
mod tests;

/// The kernel's own events; those that udev passes on are group 2.
const KERNEL_EVENTS: u32 = 1;

/// Kernel events that wait: some thousand. If more come between two questions, one may have been the one that matters.
const EVENTS_BYTES: usize = 1024 * 1024;

/// The kernel sends no longer event (`UEVENT_BUFFER_SIZE`, and its header).
const EVENT_BYTES_MAX: usize = 4096;

/// Where the kernel shows that a driver has taken the device: the second since Linux 6.10.
const DRIVERS: [&str; 2] = ["/sys/bus/acpi/drivers/vmgenid", "/sys/bus/platform/drivers/vmgenid"];

/// Listens for the machine's word. Copies hear together.
#[derive(Clone)]
pub(crate) struct Generation(Option<Arc<Ear>>);

/// What the kernel says, and the first of it that ended everything.
struct Ear {
    events: OwnedFd,
    verdict: Mutex<Result<(), Failure>>,
}

impl Generation {
    /// Listens from now on. To be called before there is any nonce.
    pub(crate) fn watch() -> Self {
        let ear = match listen() {
            Ok(events) => Arc::new(Ear { events, verdict: Mutex::new(Ok(())) }),
            Err(error) => {
                tracing::warn!(%error, "kernel events cannot be heard: a copy of this machine's memory is not noticed here");
                return Self(None);
            }
        };
        if DRIVERS.iter().any(|driver| has_device(Path::new(driver))) {
            tracing::info!("copies of this machine's memory are told by its generation identifier");
        } else {
            tracing::info!("this machine has no generation identifier: a copy of its memory is not noticed here");
        }
        // Hundreds of events come at once when devices are triggered anew. The loop may be idle then, and they must not be lost.
        let keeping_up = Arc::clone(&ear);
        std::thread::spawn(move || while keeping_up.wait().is_ok() {});
        Self(Some(ear))
    }

    /// Hears what the kernel has said until now.
    ///
    /// # Errors
    /// `MEMORY_COPIED`: nothing may leave any more, and the process has to end.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.0.as_ref().map_or(Ok(()), |ear| ear.check())
    }
}

impl Ear {
    fn check(&self) -> Result<(), Failure> {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if verdict.is_ok() {
            *verdict = judge(hear(&self.events));
        }
        verdict.clone()
    }

    /// Waits until the kernel says something, and hears it.
    fn wait(&self) -> Result<(), Failure> {
        let mut events = [PollFd::new(&self.events, PollFlags::IN)];
        match poll(&mut events, None) {
            Ok(_) | Err(Errno::INTR) => self.check(),
            Err(error) => judge(Err(error)),
        }
    }
}

/// Whether memory was copied since the last time, as far as the kernel says.
fn hear(events: &OwnedFd) -> Result<bool, Errno> {
    let mut event = [0; EVENT_BYTES_MAX];
    loop {
        match net::recvfrom(events, &mut event[..], RecvFlags::DONTWAIT) {
            Ok((length, _, from)) => {
                let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                // Port 0 is the kernel. Other processes may send here too, and are not believed.
                if from.is_some_and(|from| from.pid() == 0) && says_copied(event.get(..length).unwrap_or_default()) {
                    return Ok(true);
                }
            }
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// In doubt the process ends: that costs a restart, going on may cost the key.
fn judge(heard: Result<bool, Errno>) -> Result<(), Failure> {
    let cause = match heard {
        Ok(false) => return Ok(()),
        Ok(true) => "the machine has a new generation: its memory was cloned or put back".to_owned(),
        Err(Errno::NOBUFS) => {
            "kernel events were lost; one may have said that this machine's memory was copied".to_owned()
        }
        Err(error) => format!("kernel events, which would say that memory was copied, can no longer be heard: {error}"),
    };
    let next = "start the node again, as a service manager does by itself: it then has new nonces; \
                if nobody meant to clone or restore this machine, find the copy: it holds the same share";
    Err(Failure::new("MEMORY_COPIED", cause, next, Exit::Failure))
}

fn listen() -> Result<OwnedFd, Errno> {
    let kind = (AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
    let events = net::socket_with(kind.0, kind.1, kind.2, Some(netlink::KOBJECT_UEVENT))?;
    net::sockopt::set_socket_recv_buffer_size_force(&events, EVENTS_BYTES)
        .or_else(|_| net::sockopt::set_socket_recv_buffer_size(&events, EVENTS_BYTES))?;
    net::bind(&events, &SocketAddrNetlink::new(0, KERNEL_EVENTS))?;
    Ok(events)
}

/// A driver's folder links to each device that it serves, and to its module.
fn has_device(driver: &Path) -> bool {
    let entries = std::fs::read_dir(driver).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name() != "module").any(|entry| entry.path().is_dir())
}

/// An event is a headline and `KEY=VALUE` lines, each ended by a zero byte.
fn says_copied(event: &[u8]) -> bool {
    event.split(|byte| *byte == 0).any(|line| line == b"NEW_VMGENID=1")
}
