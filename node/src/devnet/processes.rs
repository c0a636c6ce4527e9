//! The processes of a devnet: starting, watching, killing and stopping them, none of which outlives its parent.

use super::files::{Manifest, ManifestNode, io};
use super::roster;
use crate::api::json::{PeerView, Status};
use crate::client::{Client, token_file};
use crate::failure::{Exit, Failure};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);
/// What a process may take to end on its own.
const STOP: Duration = Duration::from_secs(8);
/// What anvil may take to answer.
const CHAIN_START: Duration = Duration::from_secs(15);
/// What a node may take to answer its API: unsealing, opening the store, listening.
const NODE_START: Duration = Duration::from_secs(30);
/// Lines of a log that a failure shows.
const TAIL_LINES: usize = 15;
/// The log that anvil writes, and its name among the processes.
const CHAIN: &str = "anvil";

/// What a look at a condition found.
pub(crate) enum Look<T> {
    /// It holds.
    Done(T),
    /// Not so far, with what is missing.
    Waiting(String),
}

/// A child process. Dropping it kills it.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(mut command: Command, log: &Path) -> Result<Self, Failure> {
        let file = open_log(log)?;
        let copy = file.try_clone().map_err(|error| io(log, &error))?;
        command.stdin(Stdio::null()).stdout(file).stderr(copy).kill_on_drop(true);
        // Overrides meant for another node would reach all of these.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FIRN__")) {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|error| {
            let program = command.as_std().get_program().to_string_lossy().into_owned();
            Failure::general("DEVNET_SPAWN", format!("cannot start {program}: {error}"))
        })?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// How it ended, if it has.
    fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    /// Asks it to end, and makes it when it does not.
    async fn stop(&mut self) -> Result<(), Failure> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            self.kill().await;
            let cause = format!("{} did not end within {} s of SIGTERM", self.log.display(), STOP.as_secs());
            return Err(Failure::new("DEVNET_STOP", cause, "it was killed; look at its log", Exit::Timeout));
        }
        Ok(())
    }
}

/// A devnet's running processes.
pub(crate) struct Cluster {
    pub(crate) manifest: Manifest,
    dir: PathBuf,
    chain: Option<Process>,
    nodes: BTreeMap<String, Process>,
    clients: BTreeMap<String, Client>,
}

impl Cluster {
    /// With nothing running.
    pub(crate) fn new(dir: &Path, manifest: Manifest) -> Self {
        Self { manifest, dir: dir.to_owned(), chain: None, nodes: BTreeMap::new(), clients: BTreeMap::new() }
    }

    /// Starts anvil, unless the chain is somebody else's.
    pub(crate) async fn start_chain(&mut self) -> Result<(), Failure> {
        if let Some(port) = self.manifest.anvil_port {
            let mut command = Command::new(anvil_binary()?);
            command.args(["--accounts", &roster::ACCOUNTS.to_string()]);
            command.args(["--slots-in-an-epoch", "1", "--block-time", "1", "--silent", "--host", "127.0.0.1"]);
            // Otherwise it writes each old state into the user's home, gigabytes in an hour, and leaves them there.
            command.arg("--prune-history=256");
            command.args(["--chain-id", "31337", "--port", &port.to_string()]);
            command.arg("--state").arg(self.dir.join("anvil-state.json"));
            self.chain = Some(Process::start(command, &self.chain_log())?);
        }
        let rpc = super::contracts::reader(&self.manifest.rpc)?;
        self.wait("the chain to answer", CHAIN_START, async |_| {
            Ok(match super::contracts::latest_block(&rpc).await {
                Ok(_) => Look::Done(()),
                Err(cause) => Look::Waiting(cause.cause),
            })
        })
        .await
    }

    /// Starts these nodes, and waits until their APIs answer.
    pub(crate) async fn start_nodes(&mut self, names: &[String]) -> Result<(), Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::general("DEVNET_SPAWN", error.to_string()))?;
        for name in names {
            let node = self.node(name)?.clone();
            let mut command = Command::new(&program);
            command.arg("run").arg("--data-dir").arg(&node.data_dir);
            self.nodes.insert(name.clone(), Process::start(command, &node.log)?);
        }
        for name in names {
            let node = self.node(name)?.clone();
            let bare = Client::new(node.api, None)?;
            self.wait(&format!("{name} to answer"), NODE_START, async |_| {
                Ok(match bare.status().await {
                    Ok(status) if status.name == node.name => Look::Done(()),
                    Ok(status) => Look::Waiting(format!("{} answers at {}", status.name, node.api)),
                    Err(failure) => Look::Waiting(failure.cause),
                })
            })
            .await?;
            if !token_file(&node.data_dir).exists() {
                return Err(Failure::general("DEVNET_TOKEN", format!("{name} wrote no API token")));
            }
            self.clients.insert(name.clone(), Client::new(node.api, Some(&node.data_dir))?);
        }
        Ok(())
    }

    /// Kills a node as a power cut would.
    pub(crate) async fn kill_node(&mut self, name: &str) -> Result<(), Failure> {
        self.clients.remove(name);
        let mut process = self.nodes.remove(name).ok_or_else(|| not_running(name))?;
        process.kill().await;
        Ok(())
    }

    /// Stops everything, nodes first. Reports the first that had to be killed.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        self.clients.clear();
        let processes = std::mem::take(&mut self.nodes);
        let stopped = futures::future::join_all(processes.into_values().map(async |mut node| node.stop().await)).await;
        if let Some(mut chain) = self.chain.take() {
            chain.stop().await?;
        }
        stopped.into_iter().collect()
    }

    /// The client of a running node.
    pub(crate) fn client(&self, name: &str) -> Result<&Client, Failure> {
        self.clients.get(name).ok_or_else(|| not_running(name))
    }

    /// The running nodes' names, in the order of the definition.
    pub(crate) fn running(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| self.nodes.contains_key(name)).collect()
    }

    /// All names, in the order of the definition.
    pub(crate) fn names(&self) -> Vec<String> {
        self.manifest.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// A node of the manifest.
    pub(crate) fn node(&self, name: &str) -> Result<&ManifestNode, Failure> {
        let node = self.manifest.nodes.iter().find(|node| node.name == name);
        node.ok_or_else(|| Failure::general("DEVNET_NODE", format!("no node {name}")))
    }

    /// Process ids of the running nodes, and of anvil where it is ours.
    pub(crate) fn pids(&self) -> BTreeMap<String, u32> {
        let nodes = self.nodes.iter().map(|(name, node)| (name.clone(), node));
        let all = nodes.chain(self.chain.iter().map(|chain| (CHAIN.to_owned(), chain)));
        all.filter_map(|(name, process)| Some((name, process.child.id()?))).collect()
    }

    /// Looks until the condition holds, the time is over, or a process has ended that should not.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut look: impl AsyncFnMut(&Self) -> Result<Look<T>, Failure>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + within;
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.all_alive()?;
            match look(self).await? {
                Look::Done(found) => return Ok(found),
                Look::Waiting(missing) if Instant::now() >= deadline => {
                    let cause = format!("waited {} s for {what}: {missing}", within.as_secs());
                    return Err(Failure::new("DEVNET_TIMEOUT", cause, "look at the log lines above", Exit::Timeout));
                }
                Look::Waiting(_) => {}
            }
        }
    }

    /// Waits until each of these nodes says that it is connected with every other of them.
    pub(crate) async fn connected(&mut self, names: &[String], within: Duration) -> Result<Vec<Status>, Failure> {
        self.wait("the nodes to connect", within, async |cluster| {
            let mut seen = Vec::new();
            for name in names {
                let status = cluster.client(name)?.status().await?;
                let lost = |peer: &&PeerView| !peer.connected && names.contains(&peer.name) && peer.name != *name;
                if let Some(peer) = status.peers.iter().find(lost) {
                    return Ok(Look::Waiting(format!("{name} and {} are not connected", peer.name)));
                }
                seen.push(status);
            }
            Ok(Look::Done(seen))
        })
        .await
    }

    /// The ends of the logs of the processes that `failure` names, or of all of them.
    pub(crate) fn tails(&self, failure: &Failure) -> String {
        let logs = self.manifest.nodes.iter().map(|node| (node.name.clone(), node.log.clone()));
        let logs: Vec<_> = logs.chain([(CHAIN.to_owned(), self.chain_log())]).collect();
        let named: Vec<_> = logs.iter().filter(|(name, _)| failure.cause.contains(name.as_str())).collect();
        let shown = if named.is_empty() { logs.iter().collect() } else { named };
        let tails = shown.into_iter().map(|(name, log)| (name, tail(log))).filter(|(_, tail)| !tail.is_empty());
        tails.map(|(name, tail)| format!("--- end of {name}'s log\n{tail}")).collect()
    }

    /// Forgets the processes that have ended, and says how.
    pub(crate) fn take_ended(&mut self) -> Vec<(String, String)> {
        let mut ended = Vec::new();
        self.nodes.retain(|name, process| {
            let status = process.ended();
            ended.extend(status.iter().map(|status| (name.clone(), status.clone())));
            status.is_none()
        });
        if let Some(status) = self.chain.as_mut().and_then(Process::ended) {
            self.chain = None;
            ended.push((CHAIN.to_owned(), status));
        }
        ended
    }

    fn all_alive(&mut self) -> Result<(), Failure> {
        let chain = self.chain.iter_mut().map(|chain| (CHAIN, chain));
        let nodes = self.nodes.iter_mut().map(|(name, node)| (name.as_str(), node));
        for (name, process) in nodes.chain(chain) {
            if let Some(status) = process.ended() {
                let cause = format!("{name} ended by itself ({status})");
                return Err(Failure::new("DEVNET_PROCESS_ENDED", cause, "look at its log above", Exit::Failure));
            }
        }
        Ok(())
    }

    fn chain_log(&self) -> PathBuf {
        self.dir.join("logs").join("anvil.log")
    }
}

fn not_running(name: &str) -> Failure {
    Failure::general("DEVNET_NODE", format!("{name} is not running"))
}

fn open_log(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|error| io(path, &error))
}

fn tail(path: &Path) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    last.iter().map(|line| format!("    {line}\n")).collect()
}

/// `ANVIL_BIN`, anvil on the path, or the one that the contracts' npm packages bring.
fn anvil_binary() -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os("ANVIL_BIN").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty()) {
        return if named.is_file() {
            Ok(named)
        } else {
            Err(no_anvil(&format!("ANVIL_BIN names {}", named.display())))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("anvil"));
    let here = std::env::current_dir().unwrap_or_default();
    let packages = here.ancestors().map(|folder| folder.join("contracts/node_modules").join(ANVIL_PACKAGE));
    on_path.chain(packages).find(|path| path.is_file()).ok_or_else(|| no_anvil("it is not on the path"))
}

fn no_anvil(cause: &str) -> Failure {
    let next = "run `npm ci --ignore-scripts` in contracts/, or name the binary in ANVIL_BIN";
    Failure::new("ANVIL_MISSING", format!("no anvil: {cause}"), next, Exit::Failure)
}

const ANVIL_PACKAGE: &str = "@foundry-rs/anvil-linux-amd64/bin/anvil";
