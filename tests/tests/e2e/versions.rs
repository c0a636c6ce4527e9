//! A change of the definition, as organisations make one: edited, proposed, signed with an ordinary wallet tool, submitted, in
//! force at its block; and what a node makes of a definition that somebody just edits.

use crate::net::{Net, path};
use crate::process::{Ended, cast, cli, run, step, until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Ahead of the last finalised block, at a block a second: the test mines up to it itself, once all have the change on disk.
const BLOCKS_AHEAD: u64 = 600;

struct Proposal {
    dir: tempfile::TempDir,
    current: PathBuf,
    block: u64,
}

impl Proposal {
    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("a path").to_owned()
    }

    fn current(&self) -> &str {
        self.current.to_str().expect("a path")
    }

    /// `cast wallet sign` with an admin's keystore: it knows nothing of Firn.
    fn sign(&self, net: &Net, admin: usize) -> String {
        let entry = &net.manifest["admins"][admin];
        let mut command = cast();
        command.args(["wallet", "sign", "--data", "--from-file", &self.file("typed.json"), "--keystore"]);
        command.arg(path(&entry["keystore"])).arg("--password-file").arg(path(&entry["passphrase_file"]));
        run(command).success().trim().to_owned()
    }

    fn accept(&self, signature: &str) -> Ended {
        let change = self.file("change.json");
        cli(&["network", "accept", &change, "--current", self.current(), "--signature", signature, "--output", "json"])
    }

    fn submit(&self, net: &Net, node: usize) -> Ended {
        net.at(node, &["network", "submit", &self.file("change.json")])
    }
}

fn status(net: &Net, node: usize) -> Value {
    net.at(node, &["network", "status"]).json()
}

/// The ceiling of the first version is half of an allocation; the next one has seven tenths.
fn propose(net: &Net) -> Proposal {
    let dir = tempfile::tempdir().expect("a folder");
    let current = dir.path().join("network.toml");
    fs::write(&current, net.text_at(1, &["network", "status", "--toml"]).success()).expect("a file");
    let block = net.chain.finalised() + BLOCKS_AHEAD;
    let proposal = Proposal { dir, current, block };
    let text = fs::read_to_string(&proposal.current).expect("the definition");
    let edited = text.replace("\"500000000000000000\"", "\"700000000000000000\"");
    assert_ne!(edited, text);
    fs::write(proposal.file("edited.toml"), edited).expect("a file");
    let (edited, block) = (proposal.file("edited.toml"), block.to_string());
    let (out, typed) = (proposal.file("change.json"), proposal.file("typed.json"));
    let options = ["--current", proposal.current(), "--block", &block, "--out", &out, "--typed-data", &typed];
    let said = cli(&[&["network", "propose", &edited, "--output", "json"][..], &options].concat()).json();
    let changes = serde_json::json!(["rules[at most half].wad_max: 500000000000000000 -> 700000000000000000"]);
    assert_eq!((&said["version"], &said["changes"]), (&2.into(), &changes), "{said}");
    assert_eq!(said["fingerprint"].as_str().expect("words").split(' ').count(), 6);
    proposal
}

#[test]
fn r16_three_of_five_organisations_raise_a_cap_with_an_ordinary_wallet() {
    let mut net = step("five nodes, three to sign", || Net::start(5, 3));
    let over = |net: &Net| net.post(0, &net.body(&net.slash(60), &net.requester()).to_string());
    assert_eq!(over(&net).json()["error"]["code"], "POLICY_WAD_TOO_LARGE");
    let proposal = step("proposed", || propose(&net));
    step("signed by three organisations with cast", || signed(&net, &proposal));
    // One node sleeps through all of it.
    net.kill(4);
    net.at(1, &["network", "submit", &proposal.file("change.json")]).success();
    step("on disk at all who are there, before its block", || {
        until("four holders", || {
            let view = status(&net, 0);
            let holders = view["holders"].as_array().map_or(0, Vec::len);
            if holders == 4 && view["next"]["version"] == 2 { Ok(()) } else { Err(view.to_string()) }
        });
        assert_eq!(status(&net, 0)["current"]["version"], 1);
    });
    step("in force at its block", || {
        net.chain.mine(BLOCKS_AHEAD + 2);
        all_on_version_2(&net, 0..4, proposal.block);
    });
    step("what was over the cap is taken in and executed", || {
        let before = (net.chain.shares(), net.chain.slash_count());
        let id = until("the request to be taken in", || match over(&net) {
            answer if answer.status == 202 => Ok(answer.json()["id"].as_str().expect("an id").to_owned()),
            answer => Err(format!("{answer:?}")),
        });
        for person in [0, 1] {
            let entry = &net.manifest["people"][person];
            let file = |name: &str| entry[name].as_str().expect("a path").to_owned();
            let (keystore, passphrase) = (file("keystore"), file("passphrase_file"));
            net.at(person, &["approve", &id, "--keystore", &keystore, "--passphrase-file", &passphrase]).success();
        }
        net.executed_once(0, &id, 60, before);
    });
    step("who was away takes it up when it comes back", || {
        net.start_nodes(&[4]);
        all_on_version_2(&net, 4..5, proposal.block);
    });
    step("each node keeps what was in force before", || {
        for node in net.all() {
            let dir = &net.nodes[node].data_dir;
            assert!(read(&dir.join("network.toml")).contains("version = 2"), "{node}");
            assert_eq!(read(&dir.join("network.1.toml")), net.definition.to_toml(), "{node}");
        }
        proposal.submit(&net, 2).refused("DEFINITION_MISMATCH", 7);
    });
    step("its log says who changed what, and verifies from the first version on", || {
        let file = proposal.file("log.jsonl");
        net.at(4, &["audit", "export", "--out", &file]).success();
        let network = net.nodes[4].data_dir.join("network.toml");
        cli(&["audit", "verify", "--network", network.to_str().expect("a path"), &file]).success();
        let tail = net.text_at(4, &["audit", "tail", "-n", "1000"]).success();
        assert!(tail.contains("definition-stored") && tail.contains("definition-adopted"), "{tail}");
    });
    step("nobody changes it with an editor", || edited(&mut net));
}

fn signed(net: &Net, proposal: &Proposal) {
    let signatures: Vec<_> = (0..3).map(|admin| proposal.sign(net, admin)).collect();
    proposal.accept(&signatures[0]).success();
    let twice = proposal.accept(&signatures[0]).json();
    assert_eq!(twice["signed"].as_object().map(serde_json::Map::len), Some(1), "{twice}");
    let approver = &net.manifest["people"][1];
    let (keystore, passphrase) = (path(&approver["keystore"]), path(&approver["passphrase_file"]));
    let (change, current) = (proposal.file("change.json"), proposal.current());
    let mut wrong = crate::process::firn(&["network", "accept", &change, "--current", current]);
    wrong.args(["--output", "json", "--keystore"]).arg(keystore).arg("--passphrase-file").arg(passphrase);
    run(wrong).refused("CHANGE_SIGNATURE_INVALID", 3);
    proposal.accept(&signatures[1]).success();
    proposal.submit(net, 0).refused("CHANGE_QUORUM_MISSING", 3);
    let enough = proposal.accept(&signatures[2]).json();
    assert_eq!((enough["signed"].as_object().map(serde_json::Map::len), &enough["needed"]), (Some(3), &3.into()));
}

fn all_on_version_2(net: &Net, nodes: std::ops::Range<usize>, block: u64) {
    for node in nodes {
        until(&format!("{} to be on version 2", net.name(node)), || {
            // It starts anew under the version: it may not answer for a moment.
            let ended = net.at(node, &["network", "status"]);
            let view: Value = serde_json::from_str(&ended.stdout).map_err(|_| ended.stderr.clone())?;
            match view["current"]["version"].as_u64() {
                Some(2) if view["finalised_block"].as_u64() >= Some(block) || view["finalised_block"] == 0 => Ok(()),
                _ => Err(view.to_string()),
            }
        });
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}

fn edited(net: &mut Net) {
    let file = net.nodes[3].data_dir.join("network.toml");
    let sound = read(&file);
    assert!(net.stop(3).success());
    fs::write(&file, sound.replace("\"700000000000000000\"", "\"900000000000000000\"")).expect("a file");
    net.spawn(3);
    net.ends(3, "DEFINITION_MISMATCH");
    fs::write(&file, sound).expect("a file");
    net.start_nodes(&[3]);
}

#[test]
fn a_genesis_that_not_all_organisations_have_signed_starts_no_node() {
    let mut net = Net::prepare(3, 2);
    net.start_chain();
    let signatures = net.nodes[0].data_dir.join("network.signatures");
    let all = read(&signatures);
    let two: String = all.lines().take(2).map(|line| format!("{line}\n")).collect();
    for missing in [Some(two), None] {
        match &missing {
            Some(text) => fs::write(&signatures, text).expect("a file"),
            None => fs::remove_file(&signatures).expect("a file"),
        }
        net.spawn(0);
        net.ends(0, "DEFINITION_UNSIGNED");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let change = dir.path().join("genesis.json");
    let (change, network) = (change.to_str().expect("a path"), path(&net.manifest["network_file"]));
    cli(&["network", "propose", network.to_str().expect("a path"), "--out", change]).success();
    let data_dir = net.nodes[0].data_dir.to_str().expect("a path").to_owned();
    cli(&["network", "install", change, "--data-dir", &data_dir, "--output", "json"])
        .refused("CHANGE_QUORUM_MISSING", 3);
    for admin in 0..3 {
        let entry = &net.manifest["admins"][admin];
        let mut accept = crate::process::firn(&["network", "accept", change, "--keystore"]);
        accept.arg(path(&entry["keystore"])).arg("--passphrase-file").arg(path(&entry["passphrase_file"]));
        run(accept).success();
    }
    cli(&["network", "install", change, "--data-dir", &data_dir]).success();
    net.start_nodes(&[0]);
}
