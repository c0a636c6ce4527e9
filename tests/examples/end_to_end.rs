//! Warm signing end to end: `make bench`. Five release nodes with durable stores, 3 of 5, a chain, one machine.
//!
//! Latency and rate are read from the nodes' own log lines (request received, request signed), so that asking does not
//! disturb what is measured. The raw limit is the same signatures by vaults in one process and one thread, without
//! disk, network or checks of messages: three releases with their next commitments, and one aggregation. It is measured
//! before and after, in the same run.
//!
//! It fails where a signature took fewer syncs, checked signatures or shares than the protocol demands: speed never comes
//! from a skipped check.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measuring tool: it reads the clock, prints, and stops at the first surprise"
)]

use alloy::primitives::U256;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use firn_proto::Definition;
use firn_proto::operation::{Operation, SlashOperator};
use frost_secp256k1 as frost;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Requests one after another, for latency.
const ONE_BY_ONE: usize = 100;
/// Requests at once, for the rate.
const AT_ONCE: usize = 200;

/// What all nodes together must at least do for one signature among n = 5 with t = 3.
///
/// Checked signatures: of the request and its envelope at n-1 members (8); of the package and its t commitments at t-1
/// signers (8); of the shares with their next commitments (4); of the finished signature's envelope at n-1 members (4).
const CHECKED_MIN: f64 = 24.0;
/// Shares: t.
const SHARES_MIN: f64 = 3.0;
/// Syncs where requests come one by one: each member has the request on its disk, and t of them the share's marker, which
/// may be in the same sync where the share follows at once.
const SYNCS_MIN: f64 = 5.0;

fn main() {
    let raw_before = raw_signature();
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::start(folder.path().join("net"));
    println!("node start to answering      {}", devnet.start_times());
    println!("resident memory, idle node   {}", devnet.resident());
    devnet.sign(1, 10); // warms up: connections, caches, first commitments
    let before = devnet.spent();
    let mut latencies = devnet.sign(1, ONE_BY_ONE).0;
    let between = devnet.spent();
    let (_, seconds) = devnet.sign(AT_ONCE, AT_ONCE);
    let after = devnet.spent();
    let raw = f64::midpoint(raw_before, raw_signature());

    latencies.sort_by(f64::total_cmp);
    let (p50, p99) = (latencies[ONE_BY_ONE / 2], latencies[ONE_BY_ONE * 99 / 100]);
    let rate = AT_ONCE as f64 / seconds;
    println!("raw limit, per signature     {:.2} ms (three releases by vaults, one aggregation)", raw * 1e3);
    println!("warm latency p50             {:.2} ms = {:.1} x raw", p50 * 1e3, p50 / raw);
    println!("warm latency p99             {:.2} ms = {:.1} x raw", p99 * 1e3, p99 / raw);
    println!("signatures per second        {rate:.0} = {:.2} of the raw limit", rate * raw);
    let one_by_one = Spent::per(&before, &between, ONE_BY_ONE);
    let at_once = Spent::per(&between, &after, AT_ONCE);
    println!("per signature, all five nodes together, from request to final on chain:");
    one_by_one.print("one by one");
    at_once.print("at once");
    for (name, spent, syncs) in [("one by one", &one_by_one, SYNCS_MIN), ("at once", &at_once, f64::EPSILON)] {
        let enough = spent.checked >= CHECKED_MIN && spent.shares >= SHARES_MIN && spent.syncs >= syncs;
        assert!(enough, "{name}: fewer checks, shares or syncs than the protocol demands: {spent:?}");
    }
}

/// What the nodes have spent.
#[derive(Debug)]
struct Spent {
    /// Seconds in vaults: cryptography on secrets, checks at release, our own envelopes' signatures.
    vault: f64,
    /// Seconds spent authenticating messages and what is nested in them.
    checks: f64,
    /// Seconds in synced writes.
    synced: f64,
    /// Seconds of processor time.
    processor: f64,
    syncs: f64,
    checked: f64,
    shares: f64,
}

impl Spent {
    fn per(before: &Self, after: &Self, count: usize) -> Self {
        let each = |of: fn(&Self) -> f64| (of(after) - of(before)) / count as f64;
        Self {
            vault: each(|s| s.vault),
            checks: each(|s| s.checks),
            synced: each(|s| s.synced),
            processor: each(|s| s.processor),
            syncs: each(|s| s.syncs),
            checked: each(|s| s.checked),
            shares: each(|s| s.shares),
        }
    }

    fn print(&self, name: &str) {
        let Self { vault, checks, synced, processor, syncs, checked, shares } = self;
        println!("  {name}:");
        println!("    vault (crypto, own envelopes) {:.2} ms for {shares:.1} shares", vault * 1e3);
        println!("    signature checks              {:.2} ms for {checked:.1} signatures", checks * 1e3);
        println!("    synced writes                 {:.2} ms in {syncs:.1} syncs", synced * 1e3);
        let rest = processor - vault - checks;
        println!("    network, chain and the rest   {:.2} ms of processor time", rest * 1e3);
    }
}

/// Seconds that one 3-of-5 signature takes vaults and one aggregation in one thread.
fn raw_signature() -> f64 {
    let vault = std::env::current_exe().unwrap().with_file_name("vault");
    let output = Command::new(&vault).arg("first").output().expect("the vault's bench is built beside this one");
    let table = String::from_utf8(output.stdout).unwrap();
    let row = table.lines().find(|line| line.split_whitespace().nth(1) == Some("release")).expect("a row of releases");
    let release: f64 = row.split_whitespace().nth(2).unwrap().parse().unwrap();
    3.0 * release / 1e6 + aggregation()
}

/// Seconds that the stock crate takes to aggregate three shares and verify the result.
fn aggregation() -> f64 {
    let mut rng = rand_core::OsRng;
    let (shares, public) = frost::keys::generate_with_dealer(5, 3, frost::keys::IdentifierList::Default, rng).unwrap();
    let packages: Vec<_> =
        shares.into_values().take(3).map(|share| frost::keys::KeyPackage::try_from(share).unwrap()).collect();
    let mut samples = Vec::new();
    for _ in 0..101 {
        let made: BTreeMap<_, _> = packages
            .iter()
            .map(|package| (*package.identifier(), frost::round1::commit(package.signing_share(), &mut rng)))
            .collect();
        let commitments = made.iter().map(|(id, (_, commitments))| (*id, *commitments)).collect();
        let signing = frost::SigningPackage::new(commitments, &[7; 32]);
        let sign = |package: &frost::keys::KeyPackage| {
            let nonces = &made[package.identifier()].0;
            (*package.identifier(), frost::round2::sign(&signing, nonces, package).unwrap())
        };
        let signed = packages.iter().map(sign).collect();
        let started = Instant::now();
        frost::aggregate(&signing, &signed, &public).unwrap();
        samples.push(started.elapsed().as_secs_f64());
    }
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// A devnet of release binaries; everything stops when this is dropped.
struct Devnet {
    up: Child,
    ready: Value,
    definition: Definition,
    requester: PrivateKeySigner,
}

impl Devnet {
    fn start(dir: PathBuf) -> Self {
        let firn = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("firn");
        let mut command = Command::new(firn);
        let arguments = ["devnet", "up", "--output", "json", "--dir"];
        let mut up = command.args(arguments).arg(&dir).stdout(Stdio::piped()).spawn().expect("release binary of firn");
        let documents = serde_json::Deserializer::from_reader(BufReader::new(up.stdout.take().unwrap())).into_iter();
        let is_ready = |document: &Value| document["schema"] == "firn/devnet-ready/v1";
        let ready: Value = documents.map(Result::unwrap).find(is_ready).expect("the devnet becomes ready");
        let text = |value: &Value| fs::read_to_string(value.as_str().unwrap()).unwrap();
        let devnet = &ready["devnet"];
        let definition = Definition::parse(&text(&devnet["network_file"])).unwrap();
        let passphrase = text(&devnet["requester"]["passphrase_file"]);
        let keystore = devnet["requester"]["keystore"].as_str().unwrap();
        let requester = PrivateKeySigner::decrypt_keystore(keystore, passphrase.lines().next().unwrap()).unwrap();
        Self { up, definition, requester, ready }
    }

    fn nodes(&self) -> impl Iterator<Item = &Value> {
        self.ready["devnet"]["nodes"].as_array().unwrap().iter()
    }

    /// Has `count` requests signed through the first node, `window` at a time. Gives each one's seconds from received to
    /// signed, and the seconds from the first received to the last signed.
    fn sign(&self, window: usize, count: usize) -> (Vec<f64>, f64) {
        let mut ids = Vec::new();
        let mut times = BTreeMap::new();
        for _ in 0..count.div_ceil(window) {
            let batch: Vec<_> = (0..window.min(count)).map(|_| self.post()).collect();
            ids.extend(batch.iter().cloned());
            let deadline = Instant::now() + Duration::from_secs(120);
            while !batch.iter().all(|id| times.get(id).is_some_and(|(_, signed)| *signed > 0.0)) {
                assert!(Instant::now() < deadline, "the requests are signed in time");
                times = self.log_times();
            }
        }
        let of = |id: &String| times[id];
        let first = ids.iter().map(|id| of(id).0).fold(f64::MAX, f64::min);
        let last = ids.iter().map(|id| of(id).1).fold(0.0, f64::max);
        (ids.iter().map(|id| of(id).1 - of(id).0).collect(), last - first)
    }

    fn post(&self) -> String {
        let contracts = &self.ready["devnet"]["contracts"];
        let address = |name: &str| contracts[name].as_str().unwrap().parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let slash = SlashOperator {
            avs: address("avs"),
            operator: address("operator"),
            operatorSetId: u32::try_from(contracts["operator_set_id"].as_u64().unwrap()).unwrap(),
            strategies: vec![address("strategy")],
            wadsToSlash: vec![U256::from(1_000_000_000_u64)],
            description: "bench".to_owned(),
            evidenceHash: Default::default(),
            evidenceLocation: String::new(),
            account: self.ready["account"].as_str().unwrap().parse().unwrap(),
            nonce: U256::from(now.as_nanos()),
            deadline: now.as_secs() + 3600,
        };
        let operation = Operation::SlashOperator(slash.clone());
        let signature = self.requester.sign_hash_sync(&operation.id(&self.definition).0.0.into()).unwrap();
        let body = json!({
            "operation": { "slash_operator": {
                "avs": slash.avs, "operator": slash.operator, "operator_set_id": slash.operatorSetId,
                "strategies": slash.strategies, "wads_to_slash": ["1000000000"], "description": slash.description,
                "account": slash.account, "nonce": slash.nonce.to_string(), "deadline": slash.deadline,
            }},
            "signature": format!("0x{}", hex::encode(signature.as_bytes())),
        });
        let answer = self.http(0, "POST", "/v1/requests", &body.to_string());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["id"].as_str().unwrap_or_else(|| panic!("refused: {answer}")).to_owned()
    }

    fn http(&self, node: usize, method: &str, path: &str, body: &str) -> String {
        let api = self.nodes().nth(node).unwrap()["api"].as_str().unwrap();
        let mut stream = TcpStream::connect(api).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// When the first node received and signed each request, in seconds of the day.
    fn log_times(&self) -> BTreeMap<String, (f64, f64)> {
        let log = fs::read_to_string(self.nodes().next().unwrap()["log"].as_str().unwrap()).unwrap();
        let mut times: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for line in log.lines().filter(|line| line.contains("request_state")) {
            let Some(id) = line.split("request=").nth(1).and_then(|rest| rest.split(' ').next()) else { continue };
            let entry = times.entry(id.to_owned()).or_default();
            match line.split("state=\"").nth(1).and_then(|rest| rest.split('"').next()) {
                Some("received") => entry.0 = seconds_of_day(line),
                Some("signed") => entry.1 = seconds_of_day(line),
                _ => {}
            }
        }
        times
    }

    /// What all nodes together have spent since their starts.
    fn spent(&self) -> Spent {
        let pages: Vec<_> = (0..self.nodes().count()).map(|node| self.http(node, "GET", "/metrics", "")).collect();
        let sum = |name: &str| -> f64 {
            let lines = pages.iter().flat_map(|page| page.lines());
            lines.filter_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).sum()
        };
        Spent {
            vault: sum("firn_vault_seconds_total"),
            checks: sum("firn_verify_seconds_total"),
            synced: sum("firn_store_commit_seconds"),
            processor: self.processes().map(|pid| processor_seconds(&pid)).sum(),
            syncs: sum("firn_store_commits"),
            checked: sum("firn_signatures_verified_total"),
            shares: sum("firn_shares_released_total"),
        }
    }

    /// The nodes' process ids.
    fn processes(&self) -> impl Iterator<Item = String> {
        let pids = self.ready["pids"].as_object().unwrap().iter();
        pids.filter(|(name, _)| name.as_str() != "anvil").map(|(_, pid)| pid.to_string())
    }

    fn resident(&self) -> String {
        let sizes: Vec<_> = self
            .processes()
            .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
            .filter_map(|status| {
                status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
            })
            .collect::<Vec<u64>>();
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        format!("{:.1} to {:.1} MiB", *least as f64 / 1024.0, *most as f64 / 1024.0)
    }

    fn start_times(&self) -> String {
        let times: Vec<u64> = self
            .nodes()
            .filter_map(|node| fs::read_to_string(node["log"].as_str()?).ok())
            .filter_map(|log| log.split("elapsed_ms=").nth(1)?.split_whitespace().next()?.parse().ok())
            .collect();
        format!("{} to {} ms", times.iter().min().unwrap(), times.iter().max().unwrap())
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.up.id().to_string()).status();
        let _ = self.up.wait();
    }
}

/// User and system time of a process, all threads. The kernel counts in hundredths of a second.
fn processor_seconds(pid: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// `2026-11-22T18:28:20.123456Z ...` in seconds.
fn seconds_of_day(line: &str) -> f64 {
    let clock = line.split('T').nth(1).and_then(|rest| rest.split('Z').next()).unwrap();
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}
