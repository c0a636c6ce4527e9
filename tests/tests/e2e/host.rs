//! What a node refuses before it runs, or about its peers' definitions.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::net::{Net, named};
use crate::process::{cli_refuses, step, until};

#[test]
fn a_node_refuses_a_data_directory_that_it_cannot_trust() {
    let mut net = step("three nodes on disk, one running", || {
        let mut net = Net::prepare(3, 2);
        net.start_chain();
        net.start_nodes(&[0]);
        net
    });
    let dir = |node: usize| net.nodes[node].data_dir.to_str().expect("a path in UTF-8").to_owned();
    let (first, second) = (dir(0), dir(1));
    let refuses = |code: &str, exit: i32| cli_refuses(&["run", "--data-dir", &second], code, exit);
    step("a second process on one directory", || {
        let cause = cli_refuses(&["run", "--data-dir", &first], "DATA_DIR_LOCKED", 7);
        assert!(cause.contains(&net.pid(0).to_string()), "{cause}");
        net.assert_up();
    });
    step("a wrong passphrase, an exposed one, none", || wrong_passphrases(&net, &second));
    step("loose permissions", || loose_permissions(&second, &refuses));
    step("symbolic links", || links(&second, &refuses));
    step("parts that are missing", || {
        let missing = format!("{second}-missing");
        cli_refuses(&["run", "--data-dir", &missing], "DATA_DIR_MISSING", 1);
        let (store, aside) = (format!("{second}/store"), format!("{second}-store"));
        fs::rename(&store, &aside).expect("a folder to move");
        refuses("DATA_DIR_MISSING", 1);
        assert!(!fs::exists(&store).expect("a folder to look at"), "a lost store was made anew");
        fs::rename(&aside, &store).expect("a folder to move back");
    });
    step("a definition without this node, and none", || {
        let network = format!("{second}/network.toml");
        let good = fs::read_to_string(&network).expect("a definition");
        fs::write(&network, good.replace("\"halyard\"", "\"pulley\"")).expect("a writable file");
        refuses("NODE_UNKNOWN", 1);
        fs::write(&network, format!("{good}\nurgent = true\n")).expect("a writable file");
        refuses("DEFINITION_INVALID", 3);
        fs::remove_file(&network).expect("a file to remove");
        refuses("DEFINITION_MISSING", 1);
        fs::write(&network, good).expect("a writable file");
        fs::set_permissions(&network, Permissions::from_mode(0o600)).expect("permissions");
    });
    step("put right, it starts", || net.start_nodes(&[1]));
}

fn wrong_passphrases(net: &Net, dir: &str) {
    let other = net.nodes[2].passphrase_file.to_str().expect("a path").to_owned();
    let cause = cli_refuses(&["run", "--data-dir", dir, "--passphrase-file", &other], "PASSPHRASE_WRONG", 1);
    assert!(cause.contains("keystore.toml"), "{cause}");
    let secret = fs::read_to_string(&other).expect("a passphrase");
    assert!(!cause.contains(secret.trim()), "the passphrase is in the message");
    fs::set_permissions(&other, Permissions::from_mode(0o644)).expect("permissions");
    cli_refuses(&["run", "--data-dir", dir, "--passphrase-file", &other], "PASSPHRASE_EXPOSED", 1);
    fs::set_permissions(&other, Permissions::from_mode(0o600)).expect("permissions");
    let absent = format!("{other}-absent");
    cli_refuses(&["run", "--data-dir", dir, "--passphrase-file", &absent], "PASSPHRASE_UNAVAILABLE", 1);
}

fn loose_permissions(dir: &str, refuses: &dyn Fn(&str, i32) -> String) {
    let loosened = [
        ("", 0o750, 0o700),
        ("/store", 0o701, 0o700),
        ("/keystore/keystore.toml", 0o640, 0o600),
        ("/config.toml", 0o604, 0o600),
    ];
    for (path, loose, tight) in loosened {
        let path = format!("{dir}{path}");
        let set = |mode: u32| fs::set_permissions(&path, Permissions::from_mode(mode)).expect("permissions");
        set(loose);
        let cause = refuses("DATA_DIR_PERMISSIONS", 1);
        assert!(cause.starts_with(&path) && cause.contains(&format!("{loose:04o}")), "{cause}");
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o7777;
        assert_eq!(mode, loose, "what was exposed is not covered up");
        set(tight);
    }
}

fn links(dir: &str, refuses: &dyn Fn(&str, i32) -> String) {
    let alias = format!("{dir}-link");
    symlink(dir, &alias).expect("a link");
    let cause = cli_refuses(&["run", "--data-dir", &alias], "DATA_DIR_PERMISSIONS", 1);
    assert!(cause.contains("symbolic link"), "{cause}");
    for part in ["store", "keystore/keystore.toml"] {
        let (path, aside) = (format!("{dir}/{part}"), format!("{dir}-aside"));
        fs::rename(&path, &aside).expect("a part to move");
        symlink(&aside, &path).expect("a link");
        let cause = refuses("DATA_DIR_PERMISSIONS", 1);
        assert!(cause.contains("symbolic link"), "{cause}");
        fs::remove_file(&path).expect("a link to remove");
        fs::rename(&aside, &path).expect("a part to move back");
    }
}

#[test]
fn nodes_with_another_definition_are_refused_on_both_sides() {
    let mut net = Net::prepare(3, 2);
    let mut other = (*net.definition).clone();
    other.requesters[0].name = "another name".to_owned();
    let other = firn_proto::Definition::new(other);
    net.write_definition(2, &other);
    net.start_chain();
    net.start_nodes(&[0, 1, 2]);
    net.connected(&[0, 1]);
    let digests = [net.definition.digest().0, other.digest().0].map(hex::encode);
    for (node, peer) in [(0, 2), (1, 2), (2, 0), (2, 1)] {
        until(&format!("{} to refuse {}", net.name(node), net.name(peer)), || {
            let peers = net.get(node, "/v1/peers")?;
            let view = named(&peers["peers"], net.name(peer));
            assert_eq!(view["connected"], false, "{view}");
            let refused = view["refused"].as_str().unwrap_or_default();
            let names_both = digests.iter().all(|digest| refused.contains(digest));
            if refused.starts_with("NETWORK_MISMATCH: ") && names_both { Ok(()) } else { Err(view.to_string()) }
        });
        let text = net.text_at(node, &["status"]).shown();
        let line = text.lines().find(|line| line.trim_start().starts_with(net.name(peer))).unwrap_or_default();
        let all = digests.iter().map(String::as_str).chain(["MISSING", "NETWORK_MISMATCH"]);
        all.for_each(|part| assert!(line.contains(part), "no {part} in {text}"));
    }
    // Two of three are connected, so theirs is ready, and the third is not: two members are needed.
    until("the third not to be ready", || {
        let answer = crate::http::get(net.nodes[2].api, "/readyz")?;
        if answer.status == 503 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
}
