//! `firn audit`: what a node wrote down, exported, cosigned by the others, and verified without any of them.

use crate::net::{Net, path};
use crate::process::{cli, step, until};
use std::fs;
use std::path::{Path, PathBuf};

fn export(net: &Net, node: usize, dir: &Path) -> PathBuf {
    let file = dir.join(format!("{}.jsonl", net.name(node)));
    net.at(node, &["audit", "export", "--out", file.to_str().expect("a path")]).success();
    file
}

fn verify(net: &Net, files: &[&Path]) -> crate::process::Ended {
    let network = path(&net.manifest["network_file"]);
    let mut arguments = vec!["audit", "verify", "--output", "json", "--network", network.to_str().expect("a path")];
    arguments.extend(files.iter().map(|file| file.to_str().expect("a path")));
    cli(&arguments)
}

#[test]
fn r59_r60_logs_are_exported_cosigned_and_verified_offline() {
    let mut net = step("three nodes, two to sign", || Net::start(3, 2));
    let request = net.ask(0, &net.slash(5));
    net.at(0, &["request", "watch", &request]).success();
    let tail = net.text_at(0, &["audit", "tail", "-n", "1000"]).success();
    assert!(tail.contains("request-received") && tail.contains("slash operator"), "{tail}");
    let shown = net.text_at(0, &["audit", "show", &request]).success();
    assert!(shown.contains("request-executed") && !shown.contains("key-"), "{shown}");
    net.at(0, &["audit", "show", &format!("0x{}", "11".repeat(32))]).refused("AUDIT_UNKNOWN", 3);
    step("heads are cosigned", || {
        until("a cosigned head at each node", || {
            net.all().try_for_each(|node| {
                net.at(node, &["audit", "checkpoint"]).success();
                let heads = net.at(node, &["audit", "heads"]).json();
                let own = heads["heads"].as_array().expect("a list").iter();
                let own = own.filter(|head| head["owner"] == net.name(node) && head["size"] == heads["size"]).count();
                if own == 2 { Ok(()) } else { Err(format!("{own} at {node}")) }
            })
        });
    });
    let dir = tempfile::tempdir().expect("a folder");
    let files: Vec<_> = net.all().map(|node| export(&net, node, dir.path())).collect();
    for node in net.all() {
        assert!(net.stop(node).success());
    }
    let all: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let sound = verify(&net, &all).json();
    for log in sound["logs"].as_array().expect("a list") {
        assert!(log["sound"] == true && log["vouched"] == log["entries"], "{log}");
        assert_eq!(log["witnesses"].as_array().map(Vec::len), Some(2), "{log}");
    }
    step("an edited, a cut and a foreign log", || tampered(&net, &files));
}

fn tampered(net: &Net, files: &[PathBuf]) {
    let original = fs::read_to_string(&files[1]).expect("an export");
    let lines: Vec<_> = original.lines().map(str::to_owned).collect();
    let entries = lines.iter().filter(|line| line.contains("\"number\"")).count();
    let with = |change: &dyn Fn(&mut Vec<String>), code: &str, files: &[&Path]| {
        let mut changed = lines.clone();
        change(&mut changed);
        fs::write(files[0], changed.join("\n") + "\n").expect("a file");
        let ended = verify(net, files);
        ended.refused(code, 6);
        ended.stdout
    };
    let edited = |lines: &mut Vec<String>| {
        let line = &mut lines[4];
        let at = line.len() / 2;
        let digit = if &line[at..=at] == "0" { "1" } else { "0" };
        line.replace_range(at..=at, digit);
    };
    let said = with(&edited, "AUDIT_EDITED", &[&files[1], &files[0]]);
    assert!(said.contains("\"entry\": 3"), "the first bad place: {said}");
    let cut = |lines: &mut Vec<String>| drop(lines.remove(entries));
    with(&cut, "AUDIT_CUT", &[&files[0]]);
    let heads_cut_too = |lines: &mut Vec<String>| lines.truncate(entries);
    with(&heads_cut_too, "AUDIT_CUT", &[&files[1], &files[0]]);
    let alone = |lines: &mut Vec<String>| lines.truncate(entries + 1);
    with(&|lines| lines[0] = lines[0].replace("0x", "0x0"), "AUDIT_EXPORT_UNREADABLE", &[&files[0]]);
    with(&|lines| lines.push("{".to_owned()), "AUDIT_EXPORT_UNREADABLE", &[&files[0]]);
    let forged = |lines: &mut Vec<String>| *lines.last_mut().expect("a head") = r#"{"head":"x\n\ny"}"#.to_owned();
    with(&forged, "AUDIT_EXPORT_UNREADABLE", &[&files[0]]);
    let mut whole = lines.clone();
    alone(&mut whole);
    fs::write(&files[1], whole.join("\n") + "\n").expect("a file");
    let unseen = verify(net, &[&files[1]]).json();
    assert_eq!((&unseen["logs"][0]["sound"], &unseen["logs"][0]["vouched"]), (&true.into(), &0.into()), "{unseen}");
}
