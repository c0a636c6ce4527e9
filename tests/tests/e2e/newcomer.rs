//! The command line as somebody new meets it: help, a first node, asking, following.

use std::fs;

use firn_proto::definition::{Content, Definition, KeyDefinition, Purpose};
use firn_proto::ids::NodeId;
use rustix::process::{Pid, test_kill_process};
use serde_json::{Deserializer, Value, json};

use crate::net::Net;
use crate::process::{Process, cli, cli_refuses, firn, run, step, until};

#[test]
fn every_command_explains_itself() {
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = Vec::new();
    while let Some(command) = open.pop() {
        let mut arguments = command.clone();
        arguments.push("--help".to_owned());
        let text = cli(&arguments).success();
        assert!(text.contains("Usage: firn") && text.contains("--output"), "{text}");
        let commands = text.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
        for line in commands.lines().take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap_or_default();
            if name != "help" {
                open.push([command.as_slice(), &[name.to_owned()]].concat());
            }
        }
        seen.push(command.join(" "));
    }
    for command in [
        "init",
        "run",
        "status",
        "network show",
        "policy check",
        "policy explain",
        "policy simulate",
        "dkg propose",
        "dkg accept",
        "dkg status",
    ] {
        assert!(seen.iter().any(|found| found == command), "no {command} in {seen:?}");
    }
    for command in ["request slash", "request show", "request watch", "devnet up", "devnet demo"] {
        assert!(seen.iter().any(|found| found == command), "no {command} in {seen:?}");
    }
    assert_eq!(cli(&["sign"]).code, Some(2));
    assert_eq!(cli(&["status"]).code, Some(2));
}

#[test]
fn init_makes_a_node_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (dir, passphrase) = (path("node"), path("passphrase"));
    fs::write(&passphrase, "correct horse battery staple\n").expect("a writable file");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).expect("permissions");
    let arguments = |dir: &str| -> Vec<String> {
        let fixed = ["init", "--network", "n", "--node", "a", "--rpc", "http://127.0.0.1:8545", "--passphrase-file"];
        fixed
            .iter()
            .map(ToString::to_string)
            .chain([passphrase.clone(), "--data-dir".to_owned(), dir.to_owned()])
            .collect()
    };
    let text = cli(&arguments(&path("first"))).success();
    assert!(text.contains("peer_id = ") && text.contains("Next: "), "{text}");
    let identity = cli(&[arguments(&dir), vec!["--output".to_owned(), "json".to_owned()]].concat()).json();
    let fields = ["node", "peer_id", "author_key", "vault_key", "relayer"];
    fields.iter().for_each(|field| assert!(identity[field].is_string(), "no {field} in {identity}"));
    let keystore = fs::read(format!("{dir}/keystore/keystore.toml")).expect("a keystore");
    let again = arguments(&dir);
    let again: Vec<_> = again.iter().map(String::as_str).collect();
    let cause = cli_refuses(&again, "DATA_DIR_EXISTS", 1);
    assert!(cause.starts_with(&dir), "{cause}");
    assert_eq!(fs::read(format!("{dir}/keystore/keystore.toml")).expect("a keystore"), keystore, "overwritten");
    let home = path("home");
    fs::create_dir(&home).expect("a folder");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("permissions");
    fs::write(format!("{home}/letters"), "").expect("a writable file");
    let elsewhere = arguments(&home);
    cli_refuses(&elsewhere.iter().map(String::as_str).collect::<Vec<_>>(), "DATA_DIR_EXISTS", 1);
    assert_eq!(fs::read_dir(&home).expect("a folder").count(), 1, "firn moved in");
    cli_refuses(&["run", "--data-dir", &dir, "--passphrase-file", &passphrase], "DEFINITION_MISSING", 1);
    cli_refuses(&["status", "--data-dir", &dir], "NODE_UNREACHABLE", 4);
}

#[test]
fn what_each_key_holds_against_is_counted_and_what_may_not_be_meant_is_named() {
    let net = Net::prepare(5, 4);
    let checked = |content: &Content| {
        let file = net.data_dir(0).to_owned() + "/edited.toml";
        fs::write(&file, Definition::new(content.clone()).to_toml()).expect("a file");
        assert!(cli(&["network", "check", &file]).success().contains("(2t - n - 1)"));
        cli(&["network", "check", &file, "--output", "json"]).json()
    };
    let mut content = (*net.definition).clone();
    let report = checked(&content);
    let counts = ["forgery_holds_against", "rivals_hold_against", "away_max", "organisations_to_forge"];
    assert_eq!(counts.map(|name| report["keys"][0][name].as_u64()), [Some(3), Some(2), Some(1), Some(4)]);
    assert_eq!(report["keys"][0]["indispensable"], json!([]));
    assert_eq!(report["warnings"], json!(["key slash: no rule has a budget, so no sum of slashes is ever too much"]));

    // Three of five nodes at one organisation, a second key on the same machines, no budgets, no admins.
    let organisation = content.nodes[&NodeId(1)].organisation.clone();
    for node in [2, 3].map(NodeId) {
        content.nodes.get_mut(&node).expect("a node").organisation.clone_from(&organisation);
    }
    let veto = KeyDefinition { name: "veto".to_owned(), purpose: Purpose::Veto, ..content.keys[0].clone() };
    content.keys.push(veto);
    content.policy.rules.clear();
    content.policy.people.clear();
    content.policy.pause = None;
    let report = checked(&content);
    assert_eq!(report["keys"][0]["organisations_to_forge"], 2);
    let warnings = report["warnings"].to_string();
    for warning in [
        "3 of its members are organisation",
        "signs nothing",
        "has a budget",
        "share machines",
        "should be easier",
        "`admin`",
    ] {
        assert!(warnings.contains(warning), "no `{warning}` in {warnings}");
    }
}

#[test]
fn a_request_is_asked_shown_and_followed() {
    let net = step("three nodes, two to sign", || Net::start(3, 2));
    step("the definition", || shows_the_definition(&net));
    step("a node at a glance", || shows_a_node(&net));
    let id = step("asking", || asks(&net));
    step("following to the end", || follows(&net, &id));
    step("asking for what cannot be", || asks_in_vain(&net));
}

fn shows_the_definition(net: &Net) {
    let file = net.manifest["network_file"].as_str().expect("a path");
    for path in [file, net.data_dir(1)] {
        let shown = cli(&["network", "show", path, "--output", "json"]).json();
        assert_eq!(shown["digest"], net.definition.digest().to_string());
        let text = cli(&["network", "show", path]).success();
        assert!(text.contains(&net.definition.digest().to_string()) && text.contains("halyard"), "{text}");
    }
    cli_refuses(&["network", "show", &format!("{file}.old")], "DEFINITION_MISSING", 1);
    let dir = net.nodes[0].data_dir.parent().and_then(|dir| dir.to_str()).expect("a path").to_owned();
    cli_refuses(&["devnet", "prepare", "--dir", &dir], "DEVNET_EXISTS", 7);
}

fn shows_a_node(net: &Net) {
    let status = net.at(0, &["status"]).json();
    assert_eq!((status["name"].as_str(), &status["ready"]), (Some("nordlys"), &Value::Bool(true)));
    let by_address = cli(&["status", "--output", "json", "--api", &net.nodes[0].api.to_string()]).json();
    assert_eq!(by_address["definition"], status["definition"]);
    let keys = net.at(1, &["dkg", "status"]).json();
    assert_eq!(keys["keys"][0]["state"], "active");
    let key = keys["keys"][0]["key_id"].as_str().expect("an id");
    assert!(net.text_at(1, &["dkg", "status"]).success().contains(key));
    net.at(0, &["dkg", "propose", "slash"]).refused("DKG_CONFLICT", 7);
    net.text_at(0, &["dkg", "propose", "slash"]).refused_in_text("DKG_CONFLICT", 7);
    net.at(0, &["dkg", "propose", "treasury"]).refused("KEY_UNKNOWN", 3);
    net.at(0, &["dkg", "accept", &format!("0x{}", "00".repeat(32))]).refused("KEY_UNKNOWN", 3);
    net.at(0, &["dkg", "abandon", key]).refused("DKG_CONFLICT", 7);
    // Without the data directory there is no token.
    cli_refuses(&["dkg", "propose", "slash", "--api", &net.nodes[0].api.to_string()], "TOKEN_MISSING", 3);
}

/// `firn request slash` with everything that stays the same.
fn slash_arguments(net: &Net, slash: &str, operator: &str) -> Vec<String> {
    let requester = &net.manifest["requester"];
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let arguments = [
        ("--keystore", text(&requester["keystore"])),
        ("--passphrase-file", text(&requester["passphrase_file"])),
        ("--avs", net.chain.avs.to_string()),
        ("--operator-set", net.chain.set.to_string()),
        ("--operator", operator.to_owned()),
        ("--slash", format!("{}={slash}", net.chain.strategy)),
        ("--description", "missed its duties".to_owned()),
    ];
    let command = ["request", "slash"].map(str::to_owned).into_iter();
    command.chain(arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value])).collect()
}

fn ask(net: &Net, slash: &str, operator: &str) -> crate::process::Ended {
    let arguments = slash_arguments(net, slash, operator);
    net.at(0, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn asks(net: &Net) -> String {
    let operator = net.chain.operator.to_string();
    let arguments = slash_arguments(net, "0.5%", &operator);
    let text = net.text_at(0, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).success();
    let id = text.lines().next().unwrap_or_default().to_owned();
    assert!(text.contains(&format!("firn request watch {id}")), "{text}");
    assert!(ask(net, "1%", &operator).json()["id"].is_string());
    id
}

fn follows(net: &Net, id: &str) {
    let watched = net.at(1, &["request", "watch", id]).success();
    let views: Vec<Value> = Deserializer::from_str(&watched).into_iter().collect::<Result<_, _>>().expect("JSON");
    assert_eq!(views.last().expect("at least one view")["state"], "executed");
    let text = net.text_at(1, &["request", "watch", id]).success();
    assert!(text.contains("executed") && text.contains("0.5% in strategy"), "{text}");
    // Each node sees the finalised chain when it asks it.
    net.at(2, &["request", "watch", id]).success();
    let shown = net.at(2, &["request", "show", id]).json();
    assert_eq!((shown["id"].as_str(), shown["state"].as_str()), (Some(id), Some("executed")));
    let all = net.at(2, &["request", "show"]).json();
    assert!(all["requests"].as_array().is_some_and(|all| all.len() == 2), "{all}");
    assert!(net.text_at(2, &["request", "show"]).success().contains(id));
    net.at(0, &["request", "show", &format!("0x{}", "11".repeat(32))]).refused("REQUEST_UNKNOWN", 3);
}

fn asks_in_vain(net: &Net) {
    let operator = net.chain.operator.to_string();
    for wrong in ["8", "-8%", "8%%", "%"] {
        ask(net, wrong, &operator).refused("USAGE", 2);
    }
    ask(net, "101%", &operator).refused("WAD_OUT_OF_RANGE", 3);
    let mut other = slash_arguments(net, "1%", &operator);
    let passphrase = other.iter().position(|argument| argument == "--passphrase-file").expect("an argument");
    other[passphrase + 1] = net.nodes[0].passphrase_file.to_str().expect("a path").to_owned();
    net.at(0, &other.iter().map(String::as_str).collect::<Vec<_>>()).refused("REQUESTER_KEYSTORE", 1);
    let id = ask(net, "1%", &format!("0x{}", "33".repeat(20))).json()["id"].as_str().expect("an id").to_owned();
    let late = net.at(0, &["request", "watch", &id, "--timeout-seconds", "1"]);
    assert!(late.refused("WATCH_TIMEOUT", 5).contains("missing: "), "{late:?}");
}

#[test]
fn a_devnet_stays_until_it_is_told_to_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, log) = (folder.path().join("devnet"), folder.path().join("log"));
    let up = |times: usize| {
        let mut command = firn(&["devnet", "up", "--nodes", "3", "--threshold", "2", "--output", "json", "--dir"]);
        command.arg(&dir).env("ANVIL_BIN", crate::process::anvil_binary());
        let mut devnet = Process::start(command, "devnet up", &log);
        let ready = until("the devnet to be ready", || {
            assert_eq!(devnet.ended(), None, "{}", fs::read_to_string(&log).unwrap_or_default());
            let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let ready: Vec<_> = lines.filter(|line| line["schema"] == "firn/devnet-ready/v1").collect();
            ready.get(times).cloned().ok_or(text)
        });
        let pids = ready["pids"].as_object().expect("process ids").clone();
        assert_eq!(pids.len(), 4, "three nodes and the chain");
        assert_eq!(devnet.stop().code(), Some(0));
        for (name, pid) in pids {
            let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("a pid");
            assert!(test_kill_process(pid).is_err(), "{name} still runs");
        }
        ready["key"]["group_key"].clone()
    };
    let first = up(0);
    assert_eq!(up(1), first, "the second start continues with the same key");
    let text = fs::read_to_string(&log).expect("a log");
    text.lines().for_each(|line| assert!(serde_json::from_str::<Value>(line).is_ok(), "not JSON: {line}"));
    let mut prepared = firn(&["devnet", "deploy", "--output", "json", "--dir"]);
    prepared.arg(&dir);
    run(prepared).refused("NODE_UNREACHABLE", 4);
}
