//! A devnet under the test's control: each node a child of its own, to be killed, held, and started again.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::Address;
use firn_proto::Definition;
use firn_proto::definition::{Content, change};
use firn_proto::digest::CanonicalHasher;
use rand_core::{OsRng, RngCore};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::chain::Chain;
use crate::http::{self, Answer};
use crate::place;
use crate::process::{Ended, Process, anvil_binary, firn, run, until};

/// A node on disk.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) passphrase_file: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) api: SocketAddr,
    pub(crate) port: u16,
}

/// A network. Nodes go by their place in the definition, from 0.
pub(crate) struct Net {
    running: BTreeMap<usize, Process>,
    anvil: Option<Process>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) chain: Chain,
    pub(crate) manifest: Value,
    pub(crate) definition: Definition,
    /// What nodes that are started from here on log.
    pub(crate) log_filter: &'static str,
    /// Whether nodes write a journal into their data directories.
    pub(crate) journal: bool,
    pub(crate) requester: OnceLock<PrivateKeySigner>,
    admins: OnceLock<Vec<PrivateKeySigner>>,
    dir: PathBuf,
    _folder: TempDir,
}

impl Net {
    /// Directories, keys and definition; nothing runs.
    pub(crate) fn prepare(nodes: u16, threshold: u16) -> Self {
        Self::prepare_with(nodes, threshold, &[])
    }

    /// The same with further arguments of `firn devnet prepare`.
    pub(crate) fn prepare_with(nodes: u16, threshold: u16, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("devnet");
        let (count, threshold) = (nodes.to_string(), threshold.to_string());
        let arguments =
            ["devnet", "prepare", "--nodes", &count, "--threshold", &threshold, "--output", "json", "--dir"];
        let manifest = run({
            let mut command = firn(&arguments);
            command.arg(&dir).args(more);
            command
        })
        .json();
        let nodes = manifest["nodes"].as_array().expect("nodes").iter().map(Node::read).collect();
        let text = fs::read_to_string(path(&manifest["network_file"])).expect("a definition");
        let definition = Definition::parse(&text).expect("a valid definition");
        let chain = read_chain(&manifest);
        let (running, requester, log_filter, journal) = (BTreeMap::new(), OnceLock::new(), "info", false);
        Self {
            running,
            anvil: None,
            nodes,
            chain,
            manifest,
            definition,
            log_filter,
            journal,
            requester,
            admins: OnceLock::new(),
            dir,
            _folder: folder,
        }
    }

    /// Everything running, connected, with a key and its contracts.
    pub(crate) fn start(nodes: u16, threshold: u16) -> Self {
        Self::prepare(nodes, threshold).started()
    }

    /// The same for a network that is prepared.
    pub(crate) fn started(mut self) -> Self {
        self.start_chain();
        let all: Vec<_> = self.all().collect();
        self.start_nodes(&all);
        self.connected(&all);
        self.generate_key(&all);
        self.deploy();
        self
    }

    pub(crate) fn all(&self) -> std::ops::Range<usize> {
        0..self.nodes.len()
    }

    /// Replaces the definition of all nodes, before they run.
    pub(crate) fn redefine(&mut self, change: impl FnOnce(&mut Content)) {
        let mut content = (*self.definition).clone();
        change(&mut content);
        self.definition = Definition::new(content);
        for node in self.all() {
            self.write_definition(node, &self.definition);
        }
    }

    /// Replaces the definition of one node.
    pub(crate) fn write_definition(&self, node: usize, definition: &Definition) {
        let file = self.nodes[node].data_dir.join("network.toml");
        fs::write(&file, definition.to_toml()).expect("a writable definition");
        fs::write(file.with_file_name("network.signatures"), self.signatures(definition)).expect("writable signatures");
    }

    /// Every admin's signature of a definition, a line each.
    pub(crate) fn signatures(&self, definition: &Definition) -> String {
        let admins = self.admins.get_or_init(|| {
            let signers = self.manifest["admins"].as_array().expect("admins").iter().map(|entry| {
                let passphrase = fs::read_to_string(path(&entry["passphrase_file"])).expect("a passphrase");
                PrivateKeySigner::decrypt_keystore(path(&entry["keystore"]), passphrase.trim()).expect("a keystore")
            });
            signers.collect()
        });
        let digest = change::digest(definition).0.into();
        let sign = |admin: &PrivateKeySigner| admin.sign_hash_sync(&digest).expect("a signature").as_bytes();
        admins.iter().map(|admin| format!("0x{}\n", hex::encode(sign(admin)))).collect()
    }

    // ---- processes ----

    pub(crate) fn start_chain(&mut self) {
        let mut command = Command::new(anvil_binary());
        let (host, port) = (self.chain.rpc.ip().to_string(), self.chain.rpc.port().to_string());
        command.args(["--slots-in-an-epoch", "1", "--block-time", "1", "--silent", "--host", &host]);
        // As in a devnet: old states stay in memory and are few, instead of filling the home folder.
        command.arg("--prune-history=256");
        command.args(["--chain-id", "31337", "--port", &port, "--accounts", "11"]);
        command.arg("--state").arg(self.dir.join("anvil-state.json"));
        let command = place::beside(self.chain.rpc, command);
        self.anvil = Some(Process::start(command, "anvil", &self.dir.join("logs/anvil.log")));
        until("anvil to answer", || self.chain.call("eth_blockNumber", &Value::Array(Vec::new())));
    }

    /// Ends the chain; what it knows is there at the next start.
    pub(crate) fn stop_chain(&mut self) {
        self.anvil.take().expect("anvil runs").stop();
    }

    /// Holds the chain still, or lets it go on.
    pub(crate) fn signal_chain(&self, signal: Signal) {
        self.anvil.as_ref().expect("anvil runs").signal(signal);
    }

    /// Starts nodes and waits until each answers.
    pub(crate) fn start_nodes(&mut self, nodes: &[usize]) {
        for node in nodes {
            self.spawn(*node);
        }
        for node in nodes {
            self.answers(*node);
        }
    }

    /// Starts a node without waiting for it.
    pub(crate) fn spawn(&mut self, node: usize) {
        let Node { name, data_dir, log, api, .. } = &self.nodes[node];
        let mut command = firn(&["run", "--data-dir"]);
        command.arg(data_dir).env("FIRN_LOG", self.log_filter);
        if self.journal {
            command.arg("--journal").arg(data_dir.join("journal"));
        }
        let command = place::beside(*api, command);
        let earlier = self.running.insert(node, Process::start(command, name, log));
        assert!(earlier.is_none(), "{name} runs already");
    }

    /// Waits until a node answers, and fails at once where its process has ended.
    pub(crate) fn answers(&mut self, node: usize) {
        let Node { name, api, .. } = self.nodes[node].clone();
        let process = self.running.get_mut(&node).expect("the node was started");
        until(&format!("{name} to answer"), || {
            assert_eq!(process.ended(), None, "{name} ended by itself");
            let status = http::get(api, "/v1/status")?.json();
            if status["name"] == name.as_str() { Ok(()) } else { Err(format!("somebody else answers: {status}")) }
        });
    }

    pub(crate) fn kill(&mut self, node: usize) {
        self.running.remove(&node).expect("the node runs").kill();
    }

    pub(crate) fn stop(&mut self, node: usize) -> ExitStatus {
        self.running.remove(&node).expect("the node runs").stop()
    }

    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        self.running[&node].signal(signal);
    }

    /// Waits until a node that was started has ended by itself, saying this code.
    pub(crate) fn ends(&mut self, node: usize, code: &str) {
        let status = self.running.remove(&node).expect("the node was started").wait();
        let log = fs::read_to_string(&self.nodes[node].log).expect("a log");
        let last = log.lines().rev().find(|line| line.contains("error: ")).unwrap_or_default();
        assert!(!status.success() && last.contains(code), "{status}: {last}");
    }

    pub(crate) fn pid(&self, node: usize) -> u32 {
        self.running[&node].pid()
    }

    /// Checks that every process that should run does.
    pub(crate) fn assert_up(&mut self) {
        for (node, process) in &mut self.running {
            assert_eq!(process.ended(), None, "{} ended by itself", self.nodes[*node].name);
        }
    }

    // ---- set-up ----

    /// Waits until these nodes are connected with each other.
    pub(crate) fn connected(&self, nodes: &[usize]) {
        for node in nodes {
            until(&format!("{} to be connected", self.name(*node)), || {
                let status = self.status(*node)?;
                let others = nodes.iter().filter(|other| *other != node).map(|other| self.name(*other));
                let up = |name: &str| named(&status["peers"], name)["connected"] == true;
                others.clone().all(up).then_some(()).ok_or_else(|| status["peers"].to_string())
            });
        }
    }

    /// Proposes the key at the first of these nodes, accepts it at the others, and waits until it is active at all.
    pub(crate) fn generate_key(&self, nodes: &[usize]) -> String {
        let id = self.propose(nodes[0], "slash", 60);
        for node in &nodes[1..] {
            self.accept(*node, &id);
        }
        self.key_in_state(nodes, &id, "active");
        id
    }

    /// `firn dkg propose`; gives the key id.
    pub(crate) fn propose(&self, node: usize, name: &str, within_seconds: u64) -> String {
        let seconds = within_seconds.to_string();
        let accepted = self.at(node, &["dkg", "propose", name, "--within-seconds", &seconds]).json();
        accepted["id"].as_str().expect("an id").to_owned()
    }

    /// `firn dkg accept`, as soon as the proposal has arrived.
    pub(crate) fn accept(&self, node: usize, id: &str) {
        until(&format!("the proposal at {}", self.name(node)), || self.key(node, id).map(drop));
        self.at(node, &["dkg", "accept", id]).json();
    }

    /// Waits until the key has this state at all these nodes.
    pub(crate) fn key_in_state(&self, nodes: &[usize], id: &str, state: &str) {
        for node in nodes {
            until(&format!("the key to be {state} at {}", self.name(*node)), || {
                let key = self.key(*node, id)?;
                if key["state"] == state { Ok(()) } else { Err(key.to_string()) }
            });
        }
    }

    /// Deploys the contracts, and adds blocks until all of it is final.
    pub(crate) fn deploy(&self) {
        let mut command = firn(&["devnet", "deploy", "--output", "json", "--dir"]);
        command.arg(&self.dir);
        let command = place::beside(self.nodes[0].api, command);
        let log = self.dir.join("logs/deploy.log");
        let mut deployment = Process::start(command, "devnet deploy", &log);
        let status = until("the contracts", || {
            self.chain.mine(1);
            deployment.ended().ok_or_else(|| "it runs".to_owned())
        });
        assert!(status.success(), "{}", fs::read_to_string(log).unwrap_or_default());
        until("the operator set to be final", || {
            self.chain.mine(1);
            self.chain.is_slashable().then_some(()).ok_or_else(|| "not in a finalised block".to_owned())
        });
    }

    // ---- looking ----

    pub(crate) fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    pub(crate) fn get(&self, node: usize, path: &str) -> Result<Value, String> {
        let answer = http::get(self.nodes[node].api, path)?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
    }

    pub(crate) fn status(&self, node: usize) -> Result<Value, String> {
        self.get(node, "/v1/status")
    }

    pub(crate) fn key(&self, node: usize, id: &str) -> Result<Value, String> {
        let keys = self.get(node, "/v1/keys")?;
        let found = keys["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["key_id"] == id));
        found.cloned().ok_or_else(|| format!("no such key in {keys}"))
    }

    /// The account of the active key.
    pub(crate) fn account(&self) -> Address {
        let node = self.running.keys().next().expect("a node runs");
        let keys = self.get(*node, "/v1/keys").expect("the node answers");
        let active = keys["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["state"] == "active"));
        parse(&active.expect("an active key")["account"])
    }

    /// A counter of the metrics page; zero before it was first counted.
    pub(crate) fn metric(&self, node: usize, line_start: &str) -> u64 {
        let page = http::get(self.nodes[node].api, "/metrics").expect("metrics").body;
        let value = page.lines().find_map(|line| line.strip_prefix(line_start)?.trim().parse().ok());
        value.unwrap_or_default()
    }

    /// What a node has logged.
    pub(crate) fn log(&self, node: usize) -> String {
        fs::read_to_string(&self.nodes[node].log).unwrap_or_default()
    }

    // ---- acting ----

    /// `firn ... --data-dir <the node's> --output json`.
    pub(crate) fn at(&self, node: usize, arguments: &[&str]) -> Ended {
        self.text_at(node, &[arguments, &["--output", "json"]].concat())
    }

    /// The same in text.
    pub(crate) fn text_at(&self, node: usize, arguments: &[&str]) -> Ended {
        let command = firn(&[arguments, &["--data-dir", self.data_dir(node)]].concat());
        run(place::beside(self.nodes[node].api, command))
    }

    pub(crate) fn data_dir(&self, node: usize) -> &str {
        self.nodes[node].data_dir.to_str().expect("a path in UTF-8")
    }

    /// Posts with the operator's token.
    pub(crate) fn post_as_operator(&self, node: usize, path: &str, body: &str) -> Answer {
        let header = self.token(node, "POST", path, body);
        http::call(self.nodes[node].api, "POST", path, &header, body).expect("the node answers")
    }

    /// An operator's token for one call, as a header.
    pub(crate) fn token(&self, node: usize, method: &str, path: &str, body: &str) -> String {
        let secret = fs::read_to_string(self.nodes[node].data_dir.join("run/token")).expect("a token");
        token_of(secret.trim(), method, path, body)
    }
}

impl Node {
    fn read(entry: &Value) -> Self {
        Self {
            name: entry["name"].as_str().expect("a name").to_owned(),
            data_dir: path(&entry["data_dir"]),
            passphrase_file: path(&entry["passphrase_file"]),
            log: path(&entry["log"]),
            api: parse(&entry["api"]),
            port: entry["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port"),
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in self.all() {
            let log = self.log(node);
            let lines: Vec<_> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(12)..];
            eprintln!("--- end of {}'s log\n{}", self.name(node), last.join("\n"));
        }
    }
}

fn read_chain(manifest: &Value) -> Chain {
    let contracts = &manifest["contracts"];
    let rpc = manifest["rpc"].as_str().and_then(|url| url.strip_prefix("http://")).expect("an endpoint");
    Chain {
        rpc: rpc.parse().expect("an address"),
        allocation_manager: parse(&contracts["allocation_manager"]),
        avs: parse(&contracts["avs"]),
        set: contracts["operator_set_id"].as_u64().and_then(|id| id.try_into().ok()).expect("an id"),
        operator: parse(&contracts["operator"]),
        strategy: parse(&contracts["strategy"]),
    }
}

/// A token made of this secret, now.
pub(crate) fn token_of(secret: &str, method: &str, path: &str, body: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let mut nonce = [0; 16];
    OsRng.fill_bytes(&mut nonce);
    let inner = CanonicalHasher::new("firn/session-token/v1").field(secret).field(method).field(path);
    let inner = inner.field(body).number(now).field(nonce).finish();
    let seal = CanonicalHasher::new("firn/session-token-seal/v1").field(secret).field(inner.0).finish();
    let (nonce, seal) = (hex::encode(nonce), hex::encode(seal.0));
    format!("Authorization: Firn time={now},nonce={nonce},seal={seal}\r\n")
}

/// The entry of a list with this name.
pub(crate) fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().and_then(|list| list.iter().find(|entry| entry["name"] == name));
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

pub(crate) fn path(value: &Value) -> PathBuf {
    Path::new(value.as_str().unwrap_or_else(|| panic!("no path: {value}"))).to_owned()
}

pub(crate) fn parse<T: std::str::FromStr>(value: &Value) -> T {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("not understood: {value}"))
}
