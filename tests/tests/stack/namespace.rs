//! Network namespaces of a test: made, entered, and removed however it ends.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::process::{Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tappers::{Interface, Tun};

/// Every namespace of ours begins with this, and goes on with its owner: process id and start time.
const PREFIX: &str = "firn-";
/// The only device of a namespace besides loopback.
const DEVICE: &str = "firn0";

/// A namespace and what runs in it; both are gone when this is dropped.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// An empty namespace with loopback.
    pub(crate) fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let owner = owner(id()).ok_or("this process has no start time")?;
        let name = format!("{PREFIX}{owner}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The namespace's way out: packets that its processes send to others can be read here, and the other way round.
    pub(crate) fn device(&self, address: &str) -> Result<Tun, String> {
        let open = || {
            let mut device = Tun::new_named(Interface::new(DEVICE)?)?;
            device.set_nonblocking(true)?;
            Ok(device)
        };
        let device = within(&self.name, || open().map_err(|error: io::Error| format!("no TUN device: {error}")))??;
        self.ip(&["address", "add", address, "dev", DEVICE])?;
        self.ip(&["link", "set", DEVICE, "up"])?;
        Ok(device)
    }

    fn ip(&self, arguments: &[&str]) -> Result<String, String> {
        ip(&[&["-n", &self.name], arguments].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Runs `body` inside a namespace, on a thread of its own: sockets stay where they were made.
pub(crate) fn within<T: Send>(namespace: &str, body: impl FnOnce() -> T + Send) -> Result<T, String> {
    let enter = || {
        let file = File::open(format!("/run/netns/{namespace}"))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    };
    thread::scope(|scope| {
        let inside =
            scope.spawn(|| enter().map(|()| body()).map_err(|error: io::Error| format!("{namespace}: {error}")));
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The command as it runs inside a namespace. It stays the same process, so that signals reach it.
pub(crate) fn command_within(namespace: &str, command: &Command) -> Command {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", namespace]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

/// Why this machine cannot have namespaces with devices of ours, found out by making one.
pub(crate) fn probe() -> Result<(), String> {
    Namespace::new().and_then(|namespace| namespace.device("10.210.0.1/24").map(drop))
}

/// Removes what earlier runs that were killed have left behind.
pub(crate) fn remove_leftovers() {
    let list = ip(&["netns", "list"]).unwrap_or_default();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| is_left_behind(name)) {
        remove(name);
    }
}

/// Whether a namespace is ours and its owner is gone.
fn is_left_behind(name: &str) -> bool {
    let Some((mine, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-')) else { return false };
    let pid = mine.split_once('-').and_then(|(pid, _)| pid.parse().ok());
    pid.is_some_and(|pid| owner(pid).as_deref() != Some(mine))
}

/// Process id and start time, by which a process that has ended is told from a later one with its number.
fn owner(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name in parentheses may hold anything; the start time is the 20th field after it.
    let start = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{pid}-{start}"))
}

fn remove(name: &str) {
    for pid in ip(&["netns", "pids", name]).unwrap_or_default().lines() {
        if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let _ = ip(&["netns", "delete", name]);
}

fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip (of iproute2): {error}"))?;
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    let failed = || format!("ip {}: {}", arguments.join(" "), stderr.trim());
    if output.status.success() { Ok(stdout) } else { Err(failed()) }
}
