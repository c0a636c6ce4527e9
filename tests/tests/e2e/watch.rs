//! Notices of the chain: a slash from its schedule to its resolution, what the veto cancels, what is done behind Firn's back, as the
//! API, the command line and the webhook tell it.

use crate::asking::now;
use crate::authority::{done, fund};
use crate::chain::WAD;
use crate::evidence::endpoint;
use crate::gate::{DELAY, asked, gated_with, slash};
use crate::http;
use crate::net::Net;
use crate::place;
use crate::process::{PATIENCE, Process, firn, step, until};
use alloy_primitives::aliases::U48;
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};
use firn_proto::operation::{CancelScheduled, Operation};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::mpsc::{Receiver, sync_channel};

sol! {
    function grantRole(uint64 roleId, address account, uint32 executionDelay);
    function schedule(address target, bytes data, uint48 when) returns (bytes32, uint32);
}

const THIEF: Address = Address::repeat_byte(0xee);

/// What a node tells, oldest first.
fn told(net: &Net, node: usize) -> Result<Vec<Value>, String> {
    let answer = http::get(net.nodes[node].api, "/v1/events?follow=false")?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    Ok(data.map(|data| serde_json::from_str(data).expect("JSON")).collect())
}

/// Waits for a notice of this kind that fits, blocks coming faster than usual.
fn notice(net: &Net, node: usize, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(&format!("{kind} at {}", net.name(node)), || {
        net.chain.mine(1);
        let all = told(net, node)?;
        let found = all.iter().find(|notice| notice["kind"] == kind && fits(notice));
        found
            .cloned()
            .ok_or_else(|| all.iter().map(|notice| format!("{} {}\n", notice["kind"], notice["text"])).collect())
    })
}

/// A webhook that is broken at first, and then takes what comes; the notices that it took, and the ids under which all came.
fn receiver() -> (SocketAddr, Receiver<(u16, String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (got, taken) = sync_channel(1_024);
    std::thread::spawn(move || {
        for (count, mut stream) in listener.incoming().flatten().enumerate() {
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let (mut line, mut length, mut id) = (String::new(), 0, String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let header = line.to_ascii_lowercase();
                length = header.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().expect("a length"));
                id = header.strip_prefix("webhook-id:").map_or(id, |id| id.trim().to_owned());
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let status = if count < 2 { 503 } else { 204 };
            let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            let body = serde_json::from_slice(&body).expect("JSON");
            if got.send((status, id, body)).is_err() || stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    (address, taken)
}

/// Has a node's notices posted there.
fn configure(net: &Net, node: usize, at: SocketAddr) {
    let dir = &net.nodes[node].data_dir;
    let secret = dir.with_extension("webhook");
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret).expect("a file");
    file.write_all(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("a file");
    let path = dir.join("config.toml");
    let plain = fs::read_to_string(&path).expect("a configuration");
    let webhook = format!("[webhook]\nurl = \"http://{at}/hook\"\nsecret_file = {secret:?}\n");
    fs::write(&path, format!("{plain}\n{webhook}")).expect("a writable configuration");
}

/// A stream of events from now on, read to the end of the first event that holds this.
fn followed(net: &Net, node: usize, last: &str) -> impl FnOnce(&str) -> String + use<> {
    let mut stream = place::connect(net.nodes[node].api).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {last}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a node that reads");
    move |end| {
        let (mut text, mut lines) = (String::new(), BufReader::new(stream).lines());
        while !text.contains(end) {
            text.push_str(&lines.next().expect("an open stream").expect("a line"));
            text.push('\n');
        }
        text
    }
}

#[test]
fn what_happens_on_chain_is_told_to_whoever_should_know() {
    let (hook, taken) = receiver();
    let (verifier, _questions) = endpoint();
    let (mut net, slasher, veto) = gated_with(verifier, |net| configure(net, 0, hook));
    let made = net.definition.contracts[0].clone();
    step("the gate becomes slasher", || {
        let changes = notice(&net, 0, "slasher_changes", |notice| notice["fields"]["slasher"] == json!(made.gate));
        assert_eq!((&changes["level"], changes["until"]["block"].is_u64()), (&json!("info"), true), "{changes}");
    });
    step("a slash is scheduled, and another cancelled by the veto", || slashes(&net, slasher, veto));
    step("a role is granted behind Firn's back", || {
        let grant = grantRoleCall { roleId: 1, account: THIEF, executionDelay: 0 };
        fund(&net, made.timelock);
        net.chain.send(made.timelock, made.manager, &grant.abi_encode());
        let granted = notice(&net, 0, "role_granted", |notice| notice["fields"]["account"] == json!(THIEF));
        assert_eq!((&granted["level"], &granted["fields"]["role"]), (&json!("warning"), &json!("SLASH")), "{granted}");
    });
    let alarm = step("an account of ours schedules what no request asks for", || unasked(&net, slasher));
    step("a slash past Firn", || {
        // Held by the AVS's slasher, the gate: lent by anvil, as a thief of all its guards would.
        let params = firn_proto::operation::eigenlayer::SlashingParams {
            operator: net.chain.operator,
            operatorSetId: net.chain.set,
            strategies: vec![net.chain.strategy],
            wadsToSlash: vec![U256::from(WAD / 100)],
            description: "\u{202e}a thief\nwrote this".to_owned(),
        };
        let call =
            firn_proto::operation::eigenlayer::IAllocationManager::slashOperatorCall { avs: net.chain.avs, params };
        fund(&net, made.gate);
        net.chain.send(made.gate, net.chain.allocation_manager, &call.abi_encode());
        for node in net.all() {
            let slash = notice(&net, node, "unknown_slash", |_| true);
            assert_eq!(
                (&slash["level"], &slash["fields"]["description"]),
                (&json!("alarm"), &json!(" a thief wrote this"))
            );
        }
    });
    step("the webhook took each once, in order, over a restart of the node", || restarted(&mut net, &taken, &alarm));
}

/// One slash goes its way to the end, the other is cancelled.
fn slashes(net: &Net, slasher: Address, veto: Address) {
    let [stands, falls] = [1, 2].map(|nonce| slash(net, slasher, nonce, WAD / 100));
    let [stands_id, falls_id] = [&stands, &falls].map(|operation| asked(net, operation));
    let of = |id: &str| {
        let id = json!(id);
        move |notice: &Value| notice["request"] == id
    };
    for id in [&stands_id, &falls_id] {
        let scheduled = notice(net, 0, "operation_scheduled", of(id));
        let ready = net.in_state(0, id, "scheduled")["schedule"]["ready"].clone();
        assert_eq!((&scheduled["level"], &scheduled["until"]["time"]), (&json!("info"), &ready), "{scheduled}");
        notice(net, 2, "account_executed", of(id));
    }
    let scheduled = falls.scheduled(&net.definition).expect("it goes through the gate");
    let (caller, target, data) = (slasher, scheduled.target, scheduled.data.into());
    let (avs, account, nonce, deadline) = (net.chain.avs, veto, U256::from(9), now() + 3_600);
    done(net, &[Operation::CancelScheduled(CancelScheduled { avs, caller, target, data, account, nonce, deadline })]);
    let operation = json!(scheduled.id);
    notice(net, 0, "operation_canceled", |notice| notice["fields"]["operation"] == operation);

    net.chain.call("evm_increaseTime", &json!([DELAY])).expect("anvil's clock");
    net.in_state(1, &stands_id, "executed");
    let slashed = notice(net, 0, "slashed", of(&stands_id));
    assert_eq!((&slashed["level"], &slashed["fields"]["operator"]), (&json!("info"), &json!(net.chain.operator)));
    let resolution = notice(net, 0, "slash_resolution", |_| true);
    let block = |notice: &Value, at: &str| notice[at].as_u64().expect("a number");
    assert_eq!(block(&resolution["until"], "block"), block(&slashed, "block") + 51, "{resolution}");
    let kinds: Vec<_> = told(net, 0).expect("notices").iter().map(|notice| notice["kind"].clone()).collect();
    assert!(!kinds.iter().any(|kind| kind.as_str().is_some_and(|kind| kind.starts_with("unknown"))), "{kinds:?}");
}

/// The slashing key's account, lent by anvil, schedules something: every node raises the loudest alarm. Its id.
fn unasked(net: &Net, slasher: Address) -> String {
    let made = &net.definition.contracts[0];
    let last = told(net, 0).expect("notices").last().expect("a notice")["id"].as_str().expect("an id").to_owned();
    let stream = followed(net, 0, &last);
    let lines = net.nodes[0].data_dir.with_extension("watched");
    let mut watching = firn(&["watch", "--since", "now", "--data-dir", net.data_dir(0)]);
    watching.env("FIRN_OUTPUT", "text");
    let mut watching = Process::start(place::beside(net.nodes[0].api, watching), "firn watch", &lines);
    // The scheduled slash that was cancelled, changed in its last byte: the role lets it through, and nobody asked for it.
    let scheduled = slash(net, slasher, 2, WAD / 100).scheduled(&net.definition).expect("it goes through the gate");
    let mut data = scheduled.data;
    if let Some(last) = data.last_mut() {
        *last ^= 1;
    }
    let call = scheduleCall { target: scheduled.target, data: data.into(), when: U48::ZERO };
    fund(net, slasher);
    net.chain.send(slasher, made.manager, &call.abi_encode());
    for node in net.all() {
        let alarm = notice(net, node, "unknown_operation", |_| true);
        assert_eq!((&alarm["level"], &alarm["fields"]["caller"]), (&json!("alarm"), &json!(slasher)), "{alarm}");
        assert!(alarm["until"]["time"].as_u64() > alarm["time"].as_u64(), "it is not ready yet: {alarm}");
        assert!(alarm["next_step"].as_str().is_some_and(|next| next.contains("veto")), "{alarm}");
    }
    let id = notice(net, 0, "unknown_operation", |_| true)["id"].as_str().expect("an id").to_owned();
    assert_eq!(net.metric(0, "firn_alarms_total{kind=\"unknown_operation\"}"), 1);
    assert!(net.log(0).contains("chain_alarm"), "the log says so");
    let text = stream("event: unknown_operation");
    assert!(!text.contains("event: gap") && !text.contains(&format!("id: {last}\n")), "{text}");
    let printed = until("firn watch to print it", || {
        let printed = fs::read_to_string(&lines).unwrap_or_default();
        if printed.contains("next: ") && printed.contains(&id) { Ok(printed) } else { Err(printed) }
    });
    assert!(printed.contains("ALARM  unknown_operation") && printed.contains("it can be executed in "), "{printed}");
    watching.signal(Signal::INT);
    assert_eq!(watching.wait().code(), Some(130));
    id
}

/// Each notice once: those before the restart, and what happened while the node was away.
fn restarted(net: &mut Net, taken: &Receiver<(u16, String, Value)>, alarm: &str) {
    let before: Vec<_> = told(net, 0).expect("notices").iter().map(|notice| notice["id"].clone()).collect();
    let id = |notice: &(u16, String, Value)| notice.2["data"]["id"].clone();
    let mut got = Vec::new();
    while got.len() < before.len() {
        let delivery = taken.recv_timeout(PATIENCE).expect("a delivery");
        let of_notice = format!("-{}", id(&delivery).as_str().expect("an id"));
        assert!(delivery.1.ends_with(&of_notice), "the header names the notice: {}", delivery.1);
        if delivery.0 == 204 {
            got.push(id(&delivery));
        }
    }
    assert_eq!(got, before, "each once, in the order in which they are told");
    until("the last of them to be written down", || {
        let status = net.status(0)?;
        let check = crate::net::named(&status["checks"], "webhook").clone();
        if check["detail"] == "0 waiting" { Ok(()) } else { Err(check.to_string()) }
    });
    net.kill(0);
    let made = net.definition.contracts[0].clone();
    let again = grantRoleCall { roleId: 3, account: THIEF, executionDelay: 0 };
    net.chain.send(made.timelock, made.manager, &again.abi_encode());
    let fields = json!({ "role": "TREASURY_LARGE", "role_id": "3", "account": THIEF, "delay": 0 });
    let large = |notice: &Value| notice["fields"] == fields;
    notice(net, 1, "role_granted", large);
    net.start_nodes(&[0]);
    let next = notice(net, 0, "role_granted", large);
    let delivery = taken.recv_timeout(PATIENCE).expect("a delivery");
    assert_eq!((delivery.0, id(&delivery)), (204, next["id"].clone()), "nothing of before a second time");
    let header = format!("Last-Event-ID: {alarm}\r\n");
    let page = http::call(net.nodes[0].api, "GET", "/v1/events?follow=false", &header, "").expect("an answer").body;
    assert!(
        page.starts_with("event: gap\n") && page.contains("TREASURY_LARGE"),
        "what is too old is not passed over: {page}"
    );
}
