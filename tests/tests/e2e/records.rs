//! What is on disk: damaged records are refused and never made anew, and no secret leaves its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options};

use crate::net::{Net, path};
use crate::process::step;

const FAMILIES: [&str; 9] =
    ["default", "meta", "vault", "keys", "requests", "sessions", "audit", "peers", "definitions"];

/// Everything in a stopped node's database but its count of starts.
type Records = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

#[test]
fn a_damaged_record_is_refused_and_never_made_anew() {
    let mut net = step("three nodes with a key that has signed", || {
        let net = Net::start(3, 2);
        net.slash_once(0, 8);
        net.slash_once(1, 8);
        net
    });
    step("two nodes stopped", || [0, 1].iter().for_each(|node| assert_eq!(net.stop(*node).code(), Some(0))));
    let good = records(&net, 0);
    let sealed: Vec<_> = good.keys().filter(|(family, _)| *family == "vault").cloned().collect();
    assert!(sealed.len() >= 3, "share, state and locks: {}", sealed.len());
    step("each sealed record with one bit turned", || {
        for place in &sealed {
            let mut bad = good[place].clone();
            *bad.last_mut().expect("a value") ^= 1;
            refuses_and_keeps(&net, &good, place, &bad);
        }
    });
    step("the share of another node in this one's place", || {
        let other = records(&net, 1);
        let shared = sealed.iter().filter(|place| other.contains_key(*place)).collect::<Vec<_>>();
        assert!(!shared.is_empty(), "both hold a share of one key");
        for place in shared.into_iter().filter(|place| good[*place] != other[*place]) {
            refuses_and_keeps(&net, &good, place, &other[place]);
        }
    });
    step("a public record with one bit turned", || {
        let place = good.keys().find(|(family, _)| *family == "keys").expect("a key");
        let mut bad = good[place].clone();
        bad[20] ^= 1;
        refuses_and_keeps(&net, &good, place, &bad);
    });
    step("put right, it signs", || {
        net.start_nodes(&[0, 1]);
        net.connected(&[0, 1, 2]);
        net.slash_once(0, 5);
    });
}

/// The node says which record and changes nothing; afterwards the good value is back.
fn refuses_and_keeps(net: &Net, good: &Records, place: &(&'static str, Vec<u8>), bad: &[u8]) {
    write(net, 0, place, bad);
    let refused = net.at(0, &["run"]);
    let cause = refused.refused("RECORD_CORRUPT", 1);
    assert!(cause.contains(&hex::encode(&place.1)), "the record is not named: {cause}");
    net.text_at(0, &["run"]).refused_in_text("RECORD_CORRUPT", 1);
    let mut expected = good.clone();
    expected.insert(place.clone(), bad.to_vec());
    assert!(records(net, 0) == expected, "the database was changed");
    write(net, 0, place, &good[place]);
}

fn open(net: &Net, node: usize) -> DB {
    let families = FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    let store = net.nodes[node].data_dir.join("store");
    DB::open_cf_descriptors(&Options::default(), store, families).expect("a stopped node's database opens")
}

fn records(net: &Net, node: usize) -> Records {
    let db = open(net, node);
    let mut found = Records::new();
    for family in FAMILIES.into_iter().filter(|family| *family != "meta") {
        let column = db.cf_handle(family).expect("a family");
        for record in db.iterator_cf(column, IteratorMode::Start) {
            let (key, value) = record.expect("a readable record");
            found.insert((family, key.into_vec()), value.into_vec());
        }
    }
    drop(db);
    tighten(net, node);
    found
}

fn write(net: &Net, node: usize, (family, key): &(&'static str, Vec<u8>), value: &[u8]) {
    let db = open(net, node);
    db.put_cf(db.cf_handle(family).expect("a family"), key, value).expect("a write");
    drop(db);
    tighten(net, node);
}

/// RocksDB opened here makes files with this process's mask; the node accepts its own modes only.
fn tighten(net: &Net, node: usize) {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(net.nodes[node].data_dir.join("store")).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
    }
}

#[test]
fn a_damaged_database_is_refused_and_never_made_anew() {
    let net = Net::prepare(3, 2);
    let store = net.nodes[0].data_dir.join("store");
    let current = store.join("CURRENT");
    let good = fs::read(&current).expect("a database");
    for (bad, code) in [(&b""[..], "STORE_CORRUPT"), (b"MANIFEST-999999\n", "STORE_CORRUPT")] {
        fs::write(&current, bad).expect("a writable file");
        net.at(0, &["run"]).refused(code, 1);
        net.text_at(0, &["run"]).refused_in_text(code, 1);
        assert_eq!(fs::read(&current).expect("a file"), bad, "it was repaired without being asked");
    }
    fs::remove_file(&current).expect("a file to remove");
    net.at(0, &["run"]).refused("STORE_MISSING", 1);
    assert!(!current.exists(), "a lost database was made anew");
    fs::write(&current, good).expect("a writable file");
}

#[test]
fn r52_no_secret_is_logged_or_shown() {
    let mut net = Net::prepare(3, 2);
    (net.log_filter, net.journal) = ("trace", true);
    let mut net = step("three nodes that log everything they can, with a key", || net.started());
    step("a signature and a refusal", || {
        net.slash_once(0, 8);
        net.post_as_operator(0, "/v1/keys", r#"{"name":"slash","within_seconds":60}"#).refused(409, "DKG_CONFLICT");
    });
    let secrets = secrets(&net);
    for node in net.all() {
        let pid = net.pid(node);
        let journal = fs::read(net.nodes[node].data_dir.join("journal")).expect("a journal");
        assert!(journal.len() > 10_000, "a journal of {} bytes", journal.len());
        let seen = [
            ("its log", net.log(node)),
            // Its bytes as digits, which is how the secrets are looked for.
            ("its journal", hex::encode(journal)),
            ("its arguments", proc_text(pid, "cmdline")),
            ("its environment", proc_text(pid, "environ")),
            ("its status", net.status(node).expect("it answers").to_string()),
            ("its keys", net.get(node, "/v1/keys").expect("it answers").to_string()),
            ("its metrics", crate::http::get(net.nodes[node].api, "/metrics").expect("metrics").body),
        ];
        assert!(seen[0].1.contains("share_released") || seen[0].1.contains("TRACE"), "nothing was logged");
        for (place, text) in seen {
            let leaked = secrets.iter().find(|(_, secret)| text.contains(secret.as_str()));
            assert_eq!(leaked.map(|(name, _)| name), None, "{} shows it in {place}", net.name(node));
        }
    }
    step("nor do failures show one", || {
        net.stop(0);
        let wrong = net.nodes[1].passphrase_file.to_str().expect("a path").to_owned();
        let ended = net.at(0, &["run", "--passphrase-file", &wrong]);
        ended.refused("PASSPHRASE_WRONG", 1);
        let text = ended.stdout + &ended.stderr;
        let leaked = secrets.iter().find(|(_, secret)| text.contains(secret.as_str()));
        assert_eq!(leaked.map(|(name, _)| name), None);
    });
}

/// What the test knows of secrets, as text, hexadecimal and decimal bytes.
fn secrets(net: &Net) -> Vec<(String, String)> {
    let mut known: Vec<(String, Vec<u8>)> = Vec::new();
    let mut file = |name: String, path: PathBuf| {
        let text = fs::read_to_string(path).expect("a file with a secret");
        known.push((name, text.trim().as_bytes().to_vec()));
    };
    for node in &net.nodes {
        file(format!("{}'s passphrase", node.name), node.passphrase_file.clone());
        file(format!("{}'s token", node.name), node.data_dir.join("run/token"));
    }
    file("the requester's passphrase".to_owned(), path(&net.manifest["requester"]["passphrase_file"]));
    known.push(("the requester's key".to_owned(), net.requester().to_bytes().to_vec()));
    let forms = |(name, bytes): (String, Vec<u8>)| {
        let decimal = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let mut forms = vec![(name.clone(), hex::encode(&bytes)), (name.clone(), decimal)];
        forms.extend(String::from_utf8(bytes).ok().map(|text| (name, text)));
        forms
    };
    known.into_iter().flat_map(forms).collect()
}

fn proc_text(pid: u32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}"));
    // A process that is not dumpable shows its environment to nobody.
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}
