//! Warm signing end to end: `make bench`. Five release nodes with durable stores, 3 of 5, a chain, one machine.
//!
//! Latency and rate are read from the nodes' own log lines (request received, request signed), so that asking does not
//! disturb what is measured. Raw is the same signatures by `frost-secp256k1` alone, three signers and one coordinator
//! in one thread, measured in the same run before and after.
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
use firn_proto::request::{Operation, SlashOperator};
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

fn main() {
    let raw_before = raw_signature();
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::start(folder.path().join("net"));
    println!("node start to answering      {}", devnet.start_times());
    println!("resident memory, idle node   {}", devnet.resident());
    devnet.sign(1, 10); // warms up: connections, caches, first commitments
    let before = devnet.time_spent();
    let mut latencies = devnet.sign(1, ONE_BY_ONE).0;
    let spent: Vec<f64> = devnet.time_spent().iter().zip(before).map(|(after, before)| after - before).collect();
    latencies.sort_by(f64::total_cmp);
    let (p50, p99) = (latencies[ONE_BY_ONE / 2], latencies[ONE_BY_ONE * 99 / 100]);
    let (_, seconds) = devnet.sign(AT_ONCE, AT_ONCE);
    let raw = f64::midpoint(raw_before, raw_signature());

    println!("raw crypto per signature     {:.2} ms (3 commits, 3 shares, 1 aggregate, decoding included)", raw * 1e3);
    println!("warm latency p50             {:.2} ms = {:.1} x raw", p50 * 1e3, p50 / raw);
    println!("warm latency p99             {:.2} ms = {:.1} x raw", p99 * 1e3, p99 / raw);
    let rate = AT_ONCE as f64 / seconds;
    println!("signatures per second        {rate:.0} = {:.2} of raw on one core", rate * raw);
    let per = |index: usize| spent[index] / ONE_BY_ONE as f64 * 1e3;
    println!("time per request, all five nodes together, from request to final on chain:");
    println!("  vault (crypto, own envelopes) {:.2} ms", per(0));
    println!("  signature checks              {:.2} ms", per(1));
    println!("  synced writes                 {:.2} ms in {:.1} syncs", per(2), spent[3] / ONE_BY_ONE as f64);
    println!("  the rest of the latency is the network, the chain's answers, and waiting for each other");
}

/// Seconds that one 3-of-5 signature takes the stock crate alone.
fn raw_signature() -> f64 {
    let mut rng = rand_core::OsRng;
    let (shares, public) = frost::keys::generate_with_dealer(5, 3, frost::keys::IdentifierList::Default, rng).unwrap();
    let packages: Vec<_> =
        shares.into_values().take(3).map(|share| frost::keys::KeyPackage::try_from(share).unwrap()).collect();
    let rounds = 200;
    let started = Instant::now();
    for round in 0..rounds {
        let message = [u8::try_from(round).unwrap(); 32];
        let commit = |package: &frost::keys::KeyPackage, rng: &mut rand_core::OsRng| {
            (*package.identifier(), frost::round1::commit(package.signing_share(), rng))
        };
        let made: BTreeMap<_, _> = packages.iter().map(|package| commit(package, &mut rng)).collect();
        let sent: Vec<_> = made.iter().map(|(id, (_, c))| (*id, c.serialize().unwrap())).collect();
        let mut signed = BTreeMap::new();
        let decode =
            || sent.iter().map(|(id, c)| (*id, frost::round1::SigningCommitments::deserialize(c).unwrap())).collect();
        for package in &packages {
            let signing = frost::SigningPackage::new(decode(), &message);
            let nonces = &made[package.identifier()].0;
            signed.insert(*package.identifier(), frost::round2::sign(&signing, nonces, package).unwrap());
        }
        frost::aggregate(&frost::SigningPackage::new(decode(), &message), &signed, &public).unwrap();
    }
    started.elapsed().as_secs_f64() / f64::from(rounds)
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

    /// Over all nodes: seconds in vault, checks and syncs, and the number of syncs.
    fn time_spent(&self) -> [f64; 4] {
        let names = [
            "firn_vault_seconds_total",
            "firn_verify_seconds_total",
            "firn_store_commit_seconds",
            "firn_store_commits",
        ];
        let pages: Vec<_> = (0..self.nodes().count()).map(|node| self.http(node, "GET", "/metrics", "")).collect();
        names.map(|name| {
            let lines = pages.iter().flat_map(|page| page.lines());
            lines.filter_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).sum()
        })
    }

    fn resident(&self) -> String {
        let pids = self.ready["pids"].as_object().unwrap().iter().filter(|(name, _)| name.as_str() != "anvil");
        let sizes: Vec<_> = pids
            .filter_map(|(_, pid)| fs::read_to_string(format!("/proc/{pid}/status")).ok())
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

/// `2026-11-22T18:28:20.123456Z ...` in seconds.
fn seconds_of_day(line: &str) -> f64 {
    let clock = line.split('T').nth(1).and_then(|rest| rest.split('Z').next()).unwrap();
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}
