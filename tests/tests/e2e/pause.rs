//! Pauses by command line and by wallet: a node's own, which takes two people to lift, and the network's by veto holders.

use alloy::dyn_abi::TypedData;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;

use crate::net::{Net, path};
use crate::process::{Ended, step, until};

/// A command with a person's keystore, at a node.
fn signs(net: &Net, node: usize, person: usize, command: &[&str]) -> Ended {
    let entry = &net.manifest["people"][person];
    let file = |name: &str| entry[name].as_str().expect("a path").to_owned();
    let (keystore, passphrase) = (file("keystore"), file("passphrase_file"));
    net.at(node, &[command, &["--keystore", &keystore, "--passphrase-file", &passphrase]].concat())
}

/// Waits until a node says of itself that it does not sign because of this.
fn says(net: &Net, node: usize, id: &str, code: &str) {
    until(&format!("{} to say {code}", net.name(node)), || {
        let view = net.request(node, id)?;
        assert_eq!(view["signature"], Value::Null, "signed while it was paused");
        let members = view["members"].as_array().expect("members");
        let own = members.iter().find(|member| member["name"] == net.name(node)).expect("a member");
        if own["code"] == code { Ok(()) } else { Err(view.to_string()) }
    });
}

#[test]
fn r21_r19_nodes_and_networks_stop_at_once_and_go_on_by_more() {
    let mut net = step("three nodes, two to sign; the first organisation has two people", || {
        let mut net = Net::prepare(3, 2);
        let second = net.manifest["people"][1]["name"].as_str().expect("a name").to_owned();
        net.redefine(|content| {
            let first = content.nodes.values().next().expect("a node").organisation.clone();
            let people = &mut content.policy.people;
            people.get_mut(&second).expect("a person").organisation = first;
        });
        net.started()
    });
    step("one's own node: paused at once, also after it was killed", || own_pause(&mut net));
    step("two of its people lift it, one of them by wallet", || resumed(&net));
    step("the network: one organisation stops it everywhere", || stopped(&mut net));
    step("and two let it go on", || goes_on(&net));
    step("who may do what, and when they last did", || reported(&net));
}

fn own_pause(net: &mut Net) {
    signs(net, 0, 0, &["approve-resume"]).refused("NODE_NOT_PAUSED", 7);
    let said = net.text_at(0, &["pause"]).success();
    assert!(said.contains("no share leaves this node"), "{said}");
    let number = net.status(0).expect("a status")["pauses"]["node"].as_u64().expect("a number");
    net.kill(2);
    let id = net.ask(1, &net.slash(5));
    says(net, 0, &id, "NODE_PAUSED");
    net.kill(0);
    net.start_nodes(&[0, 2]);
    net.connected(&[0, 1, 2]);
    assert_eq!(net.status(0).expect("a status")["pauses"]["node"], number);
    assert_eq!(net.metric(0, "firn_paused{scope=\"node\"}"), 1);
    net.in_state(1, &id, "executed");
    let shown = net.text_at(0, &["status"]).shown();
    assert!(shown.contains(&format!("PAUSED by its operator (pause {number})")), "{shown}");
    net.text_at(0, &["resume"]).refused_in_text("RESUME_APPROVALS_MISSING", 3);
}

fn resumed(net: &Net) {
    let approval = signs(net, 0, 0, &["approve-resume"]).json()["approval"].as_str().expect("an approval").to_owned();
    net.at(0, &["resume", "--approval", &approval, "--approval", &approval]).refused("RESUME_APPROVALS_MISSING", 3);
    let stranger = signs(net, 0, 2, &["approve-resume"]).json()["approval"].as_str().expect("an approval").to_owned();
    net.at(0, &["resume", "--approval", &approval, "--approval", &stranger]).refused("PERSON_NOT_ALLOWED", 3);
    let entry = &net.manifest["people"][1];
    let passphrase = std::fs::read_to_string(path(&entry["passphrase_file"])).expect("a passphrase");
    let wallet = PrivateKeySigner::decrypt_keystore(path(&entry["keystore"]), passphrase.trim()).expect("a wallet");
    let typed = net.at(0, &["approve-resume", "--typed-data"]).success();
    let typed: TypedData = serde_json::from_str(&typed).expect("typed data as wallets take it");
    let second = wallet.sign_dynamic_typed_data_sync(&typed).expect("a signature");
    let second = format!("0x{}", hex::encode(second.as_bytes()));
    net.at(0, &["resume", "--approval", &approval, "--approval", &second]).success();
    assert_eq!(net.status(0).expect("a status")["pauses"]["node"], Value::Null);
    net.at(0, &["resume", "--approval", &approval, "--approval", &second]).refused("NODE_NOT_PAUSED", 7);
    net.at(0, &["pause"]).success();
    net.at(0, &["resume", "--approval", &approval, "--approval", &second]).refused("ACT_MISMATCH", 3);
    let again = |person| signs(net, 0, person, &["approve-resume"]).json()["approval"].as_str().unwrap().to_owned();
    net.at(0, &["resume", "--approval", &again(0), "--approval", &again(1)]).success();
}

fn paused_by(net: &Net, node: usize) -> Result<u64, String> {
    let status = net.status(node)?;
    status["pauses"]["network"].as_u64().ok_or_else(|| status["pauses"].to_string())
}

fn stopped(net: &mut Net) {
    signs(net, 1, 1, &["network", "pause"]).refused("PERSON_NOT_ALLOWED", 3);
    signs(net, 1, 0, &["network", "pause", "--number", "99999999999"]).refused("PAUSE_NUMBER_AHEAD", 3);
    net.kill(2);
    signs(net, 1, 0, &["network", "pause"]).success();
    for node in [0, 1] {
        until("the pause to arrive", || paused_by(net, node));
    }
    net.kill(1);
    net.start_nodes(&[1, 2]);
    net.connected(&[0, 1, 2]);
    until("whoever was away to hear of it", || paused_by(net, 2));
    let id = net.ask(2, &net.slash(5));
    net.all().for_each(|node| says(net, node, &id, "NETWORK_PAUSED"));
    let shown = net.text_at(2, &["status"]).shown();
    assert!(shown.contains("NETWORK PAUSED") && shown.contains("2 organisations resume it"), "{shown}");
}

fn goes_on(net: &Net) {
    let before = (net.chain.shares(), net.chain.slash_count());
    let id = net.status(2).expect("a status")["open_requests"][0]["id"].as_str().expect("a request").to_owned();
    // Whoever stopped it is not enough.
    signs(net, 0, 0, &["network", "resume"]).success();
    net.all().for_each(|node| says(net, node, &id, "NETWORK_PAUSED"));
    signs(net, 0, 2, &["network", "resume"]).success();
    net.executed_once(1, &id, 5, before);
    for node in net.all() {
        until("the pause to end", || paused_by(net, node).map_or(Ok(()), |number| Err(number.to_string())));
    }
    let events = net.text_at(0, &["audit", "tail", "--lines", "1000"]).success();
    for event in ["node-paused", "node-resumed", "pause-said", "network-paused", "resume-said", "network-resumed"] {
        assert!(events.contains(event), "{event}: {events}");
    }
}

fn reported(net: &Net) {
    let report = net.at(0, &["access", "report"]).json();
    assert_eq!(report["schema"], "firn.access-report.v1");
    let holders = report["holders"].as_array().expect("holders");
    let holder = |kind: &str, name: &Value| {
        let found = holders.iter().find(|holder| holder["kind"] == kind && holder["name"] == *name);
        found.unwrap_or_else(|| panic!("no {kind} {name} in {report}")).clone()
    };
    for person in 0..3 {
        let found = holder("person", &net.manifest["people"][person]["name"]);
        assert!(found["last_used"].is_string() && found["unused"] == false, "{found}");
    }
    let requester = holder("requester", &net.manifest["requester"]["name"]);
    assert!(requester["last_used"].is_string(), "{requester}");
    assert!(holder("operator", &Value::from(net.name(0)))["last_used"].is_string());
    let other = holder("operator", &Value::from(net.name(1)));
    assert_eq!((&other["last_used"], &other["unused"]), (&Value::Null, &Value::Null), "its own log says more");
    let csv = net.text_at(0, &["access", "report", "--format", "csv"]).success();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("kind,name,organisation,identity,may,since,last_used,unused,expires"));
    assert_eq!(lines.count(), holders.len());
    let table = net.text_at(0, &["access", "report"]).success();
    assert!(table.contains("pause and resume the network") && table.contains("too early to say"), "{table}");
    assert_eq!(net.text_at(0, &["access", "report", "--unused", "--format", "csv"]).success().lines().count(), 1);
}
