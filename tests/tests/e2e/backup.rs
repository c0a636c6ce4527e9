//! A backup made beside a running node, proven, and the node made out of it again on a disk that has nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::net::{Net, named};
use crate::process::{Ended, Process, cli, firn, run, step, until, until_at};

/// A key that everybody knows.
const SECRET: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// Who loses its disk: its organisation has two people.
const LOST: usize = 0;

/// A backup and the key that opens it.
struct Kept {
    file: String,
    key: String,
}

#[test]
fn r53_r54_a_node_comes_out_of_its_backup_and_signs_when_members_and_people_say_so() {
    let mut net = step("three nodes, two to sign; the first organisation has two people", || {
        let mut net = Net::prepare(3, 2);
        let second = net.manifest["people"][1]["name"].as_str().expect("a name").to_owned();
        net.redefine(|content| {
            let first = content.nodes.values().next().expect("a node").organisation.clone();
            content.policy.people.get_mut(&second).expect("a person").organisation = first;
        });
        net.started()
    });
    let kept = step("a backup is made beside the running node, verified and drilled", || made(&net));
    step("nobody else's definition, node or key will do", || refused(&net, &kept));
    let old = step("the disk is lost, and restored from the backup alone", || restored(&mut net, &kept));
    step("it lends nothing, as members have met a later start of it", || waits(&mut net));
    step("a copy of the old disk that runs takes the members' confirmation back", || twin(&mut net, &old));
    step("members confirm it, two people agree, and it signs", || signs_again(&mut net));
}

fn path(net: &Net, name: &str) -> PathBuf {
    net.nodes[LOST].data_dir.parent().expect("a folder").join(name)
}

fn text(path: PathBuf) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn backups_check(net: &Net) -> String {
    let status = net.status(LOST).expect("a status");
    assert_eq!(status["ready"], Value::Bool(true), "a warning is no failure: {status}");
    named(&status["checks"], "backups")["detail"].as_str().expect("a detail").to_owned()
}

fn made(net: &Net) -> Kept {
    let kept = Kept { file: text(path(net, "nordlys.age")), key: text(path(net, "people.key")) };
    fs::write(&kept.key, format!("{SECRET}\n")).expect("a key file");
    assert!(backups_check(net).contains("key slash epoch 0 has no verified backup"));
    let line = "firn_backup_last_verified_timestamp_seconds{key=\"slash\",epoch=\"0\"}";
    assert_eq!(net.metric(LOST, line), 0);
    net.at(LOST, &["backup", "create", "--out", &kept.file]).refused("BACKUP_RECIPIENTS", 1);
    let create = ["backup", "create", "--with-identity", "--recipient", RECIPIENT, "--out", &kept.file];
    let created = net.at(LOST, &create).json();
    assert_eq!((&created["keys"][0]["name"], &created["identity"]), (&"slash".into(), &true.into()));
    net.at(LOST, &create).refused("BACKUP_FILE", 1);
    assert!(fs::metadata(&kept.file).expect("a file").permissions().mode() & 0o077 == 0);
    let before = net.at(LOST, &["backup", "status"]).json();
    assert!(before["keys"][0]["made"].is_u64() && before["keys"][0]["verified"].is_null(), "{before}");
    for command in ["verify", "drill"] {
        net.at(LOST, &["backup", command, &kept.file, "--identity", &kept.key]).json();
    }
    assert!(net.at(LOST, &["backup", "status"]).json()["keys"][0]["verified"].is_u64());
    assert_eq!(backups_check(net), "verified for every key");
    assert!(net.metric(LOST, line) > 0);
    // The node went on meanwhile, and signs.
    net.slash_once(LOST, 5);
    kept
}

fn refused(net: &Net, kept: &Kept) {
    let verify = ["backup", "verify", &kept.file, "--identity", &kept.key];
    net.at(1, &verify).refused("BACKUP_OTHER_NODE", 3);
    let other = Net::prepare(3, 2);
    other.at(LOST, &verify).refused("BACKUP_OTHER_NETWORK", 3);
    let sealed = fs::read(&kept.file).expect("a file");
    let mut changed = sealed.clone();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let file = text(path(net, "changed.age"));
    fs::write(&file, changed).expect("a file");
    net.at(LOST, &["backup", "verify", &file, "--identity", &kept.key]).refused("BACKUP_MALFORMED", 3);
    // Beside a running node nothing is restored.
    net.at(LOST, &["backup", "restore", &kept.file, "--identity", &kept.key]).refused("DATA_DIR_LOCKED", 7);
}

/// Gives where the old disk is kept, for the copy that must not run.
fn restored(net: &mut Net, kept: &Kept) -> PathBuf {
    net.kill(LOST);
    let (dir, old) = (net.nodes[LOST].data_dir.clone(), path(net, "old"));
    fs::rename(&dir, &old).expect("the disk is gone");
    let passphrase = net.nodes[LOST].passphrase_file.to_str().expect("a path").to_owned();
    let restore = ["backup", "restore", &kept.file, "--identity", &kept.key, "--passphrase-file", &passphrase];
    net.at(LOST, &restore).refused("DEFINITION_MISSING", 1);
    let network = text(net.nodes[1].data_dir.join("network.toml"));
    let said = net.text_at(LOST, &[&restore[..], &["--network", &network]].concat()).success();
    assert!(said.contains("paused until other members confirm"), "{said}");
    net.at(LOST, &[&restore[..], &["--network", &network]].concat()).refused("SHARE_EXISTS", 3);
    net.start_nodes(&[LOST]);
    net.connected(&[0, 1, 2]);
    old
}

/// What two people of its organisation sign.
fn resume(net: &Net) -> Ended {
    let approvals: Vec<_> = (0..2)
        .map(|person| {
            let entry = &net.manifest["people"][person];
            let file = |name: &str| entry[name].as_str().expect("a path").to_owned();
            let (keystore, passphrase) = (file("keystore"), file("passphrase_file"));
            let approve = ["approve-resume", "--keystore", &keystore, "--passphrase-file", &passphrase];
            net.at(LOST, &approve).json()["approval"].as_str().expect("an approval").to_owned()
        })
        .collect();
    net.at(LOST, &["resume", "--approval", &approvals[0], "--approval", &approvals[1]])
}

fn pauses(net: &Net) -> Result<Value, String> {
    Ok(net.status(LOST)?["pauses"].clone())
}

fn waits(net: &mut Net) {
    let restored = pauses(net).expect("a status")["restored"].clone();
    assert_eq!(restored["code"], "RESTORE_UNCONFIRMED", "{restored}");
    assert_eq!(restored["waiting_for"], Value::from(vec![net.name(1), net.name(2)]));
    resume(net).refused("RESTORE_UNCONFIRMED", 3);
    net.kill(2);
    let id = net.ask(1, &net.slash(5));
    until("it to say why it does not sign", || {
        let view = net.request(LOST, &id)?;
        assert_eq!(view["signature"], Value::Null, "signed while unconfirmed");
        let own = named(&view["members"], net.name(LOST)).clone();
        if own["code"] == "RESTORE_UNCONFIRMED" { Ok(()) } else { Err(view.to_string()) }
    });
    net.start_nodes(&[2]);
    net.connected(&[0, 1, 2]);
    net.in_state(1, &id, "executed");
}

/// Whether a member has met another copy than the one it knows.
fn is_quarantined(net: &Net, node: usize) -> Result<bool, String> {
    let status = net.status(node)?;
    Ok(named(&status["peers"], net.name(LOST))["quarantined"] == true)
}

/// Both others trust the copy that is there, and it hears so.
fn confirmed(net: &Net) {
    until_at(Duration::from_millis(500), "both to confirm it", || {
        for node in [1, 2] {
            if is_quarantined(net, node)? {
                let _ = net.at(node, &["peer", "trust", net.name(LOST)]);
            }
        }
        let pauses = pauses(net)?;
        if pauses["restored"]["code"].is_null() { Ok(()) } else { Err(pauses.to_string()) }
    });
}

fn twin(net: &mut Net, old: &Path) {
    [1, 2].iter().for_each(|node| assert_eq!(is_quarantined(net, *node), Ok(true)));
    confirmed(net);
    net.stop(LOST);
    let mut command = firn(&["run", "--data-dir"]);
    command.arg(old).env("FIRN__API__LISTEN", "127.0.0.1:0").env("FIRN__LISTEN", "/ip4/127.0.0.1/tcp/0");
    let copy = Process::start(command, "the copy", &path(net, "copy.log"));
    for node in [1, 2] {
        until("members to meet the copy", || {
            let status = net.status(node)?;
            let peer = named(&status["peers"], net.name(LOST)).clone();
            if peer["connected"] == true { Ok(()) } else { Err(peer.to_string()) }
        });
    }
    // Its channels are taken by the copy: nobody confirms it, and it does not resume.
    net.start_nodes(&[LOST]);
    assert_eq!(pauses(net).expect("a status")["restored"]["code"], "RESTORE_UNCONFIRMED");
    resume(net).refused("RESTORE_UNCONFIRMED", 3);
    copy.kill();
    for node in [1, 2] {
        until("members to see that there are two of it", || {
            is_quarantined(net, node)?.then_some(()).ok_or_else(|| "not yet".to_owned())
        });
    }
    resume(net).refused("RESTORE_UNCONFIRMED", 3);
}

fn signs_again(net: &mut Net) {
    confirmed(net);
    let shown = net.text_at(LOST, &["status"]).shown();
    assert!(shown.contains("RESTORED from a backup") && shown.contains("enough members"), "{shown}");
    net.at(LOST, &["resume"]).refused("RESUME_APPROVALS_MISSING", 3);
    resume(net).success();
    net.kill(2);
    net.slash_once(1, 5);
    let events = net.text_at(LOST, &["audit", "tail", "--lines", "1000"]).success();
    assert!(events.contains("node-restored") && events.contains("node-resumed"), "{events}");
    // An ordinary node again, also for its operator.
    let mut again = firn(&["backup", "create", "--recipient", RECIPIENT, "--output", "json", "--data-dir"]);
    again.arg(net.data_dir(LOST)).arg("--out").arg(path(net, "again.age"));
    run(again).json();
    assert!(
        cli(&["backup", "status", "--data-dir", net.data_dir(LOST)]).success().contains("slash epoch 0: made 0 h ago")
    );
}
