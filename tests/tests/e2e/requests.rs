//! Requests that must not be executed, and requests that must be executed once.

use std::sync::Barrier;
use std::thread;

use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, U256};
use firn_proto::limits::REQUEST_JSON_BYTES_MAX;
use firn_proto::operation::SlashOperator;
use serde_json::Value;

use crate::asking::{fields, missing, now};
use crate::http;
use crate::net::{Net, token_of};
use crate::process::{step, until};

#[test]
fn bad_requests_are_refused_and_good_ones_executed_once() {
    let net = step("five nodes, three to sign", || Net::start(5, 3));
    let commits = until("writes to have settled", || settled_commits(&net));
    step("who asks", || strangers_are_refused(&net));
    step("what is asked", || bad_fields_are_refused(&net));
    step("how it is written", || bad_bodies_are_refused(&net));
    step("the operator's own commands need the token", || commands_need_the_token(&net));
    step("other paths", || unknown_paths_are_refused(&net));
    step("nothing of this was written down or spread", || {
        for node in net.all() {
            assert_eq!(net.get(node, "/v1/requests").expect("requests")["requests"], Value::Array(Vec::new()));
        }
        assert_eq!(settled_commits(&net), Ok(commits));
    });
    let id = step("one request at five nodes at once: one execution", || posted_everywhere_at_once(&net));
    step("again: the same id; another under its nonce: refused", || repeated(&net, &id));
    step("a request that the chain says no to waits, and says why", || chain_says_no(&net));
}

/// Synced writes of each node, once two looks agree.
fn settled_commits(net: &Net) -> Result<Vec<u64>, String> {
    let look = || net.all().map(|node| net.metric(node, "firn_store_commits ")).collect::<Vec<_>>();
    let (first, _, second) = (look(), net.chain.mine(3), look());
    if first == second && first.iter().all(|commits| *commits > 0) { Ok(first) } else { Err(format!("{second:?}")) }
}

fn refused(net: &Net, slash: &SlashOperator, status: u16, code: &str) -> String {
    let body = net.body(slash, &net.requester()).to_string();
    net.post(0, &body).refused(status, code)
}

fn strangers_are_refused(net: &Net) {
    let stranger = PrivateKeySigner::random();
    let detail = net.post(0, &net.body(&net.slash(8), &stranger).to_string()).refused(422, "REQUESTER_UNKNOWN");
    assert!(detail.contains(&stranger.address().to_string()), "{detail}");
    // The signature of eight percent says nothing about nine.
    let mut tampered = net.body(&net.slash(8), &net.requester());
    tampered["operation"]["slash_operator"]["wads_to_slash"][0] = "90000000000000000".into();
    net.post(0, &tampered.to_string()).refused(422, "REQUESTER_UNKNOWN");
    let good = net.body(&net.slash(8), &net.requester());
    let signature = good["signature"].as_str().expect("a signature").to_owned();
    for bad in [format!("{}00", &signature[..130]), format!("0x{}1b", "00".repeat(64))] {
        let mut body = good.clone();
        body["signature"] = bad.into();
        net.post(0, &body.to_string()).refused(422, "REQUEST_SIGNATURE_INVALID");
    }
}

fn bad_fields_are_refused(net: &Net) {
    let good = net.slash(8);
    let with = |change: &dyn Fn(&mut SlashOperator)| {
        let mut slash = good.clone();
        change(&mut slash);
        slash
    };
    let other = Address::repeat_byte(7);
    refused(net, &with(&|slash| slash.deadline = now() - 1), 422, "REQUEST_EXPIRED");
    refused(net, &with(&|slash| slash.deadline = now() + 15 * 24 * 3600), 422, "REQUEST_LIFETIME_TOO_LONG");
    refused(net, &with(&|slash| slash.account = other), 422, "ACCOUNT_MISMATCH");
    let detail = refused(net, &with(&|slash| slash.operatorSetId = 9), 422, "OPERATOR_SET_NOT_LISTED");
    assert!(detail.contains("set 9"), "{detail}");
    refused(net, &with(&|slash| slash.avs = other), 422, "OPERATOR_SET_NOT_LISTED");
    for wad in [U256::ZERO, U256::from(1_000_000_000_000_000_001_u64)] {
        refused(net, &with(&|slash| slash.wadsToSlash = vec![wad]), 422, "WAD_OUT_OF_RANGE");
    }
    refused(net, &with(&|slash| slash.strategies.push(other)), 422, "WADS_LENGTH_MISMATCH");
    refused(net, &with(&|slash| slash.strategies.clear()), 422, "STRATEGIES_EMPTY");
    let twice = with(&|slash| {
        slash.strategies.extend(good.strategies.clone());
        slash.wadsToSlash.extend(good.wadsToSlash.clone());
    });
    refused(net, &twice, 422, "STRATEGIES_NOT_ASCENDING");
    refused(net, &with(&|slash| slash.description = "\u{202e}".to_owned()), 422, "DESCRIPTION_INVALID");
}

fn bad_bodies_are_refused(net: &Net) {
    let good = net.body(&net.slash(8), &net.requester()).to_string();
    let malformed = |body: &str, hint: &str| {
        let detail = net.post(0, body).refused(400, "REQUEST_MALFORMED");
        assert!(detail.contains(hint), "{detail}");
    };
    malformed("", "EOF");
    malformed("{", "EOF");
    malformed(&good[..good.len() - 1], "EOF");
    malformed(&format!("{good}{good}"), "trailing");
    malformed("[1]", "");
    malformed(&"[".repeat(20_000), "");
    malformed(&"{\"operation\":".repeat(2_000), "");
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut body: Value = serde_json::from_str(&good).expect("our own body");
        change(&mut body);
        body.to_string()
    };
    let slash = "/operation/slash_operator";
    let set = |path: &str, value: Value| edit(&|body| body.pointer_mut(slash).expect("a slash")[path] = value.clone());
    malformed(&edit(&|body| body["urgent"] = true.into()), "urgent");
    malformed(&set("gas", 1.into()), "gas");
    malformed(&set("deadline", 1.5.into()), "1.5");
    malformed(&set("nonce", 1.into()), "string");
    malformed(&set("wads_to_slash", serde_json::json!(["1.5"])), "wads_to_slash");
    malformed(&set("wads_to_slash", serde_json::json!([0.08])), "string");
    malformed(&set("nonce", "007".into()), "nonce");
    malformed(&set("operator_set_id", (-1).into()), "-1");
    malformed(&edit(&|body| body["signature"] = "0x12".into()), "signature");
    malformed(&good.replacen("\"avs\"", "\"operator_set_id\":1,\"avs\"", 1), "duplicate");
    malformed(&good.replacen("\"signature\"", "\"signature\":\"0x\",\"signature\"", 1), "duplicate");
    malformed(&good.replacen("slash_operator", "sign_hash", 1), "sign_hash");
    let long = format!("{good}{}", " ".repeat(REQUEST_JSON_BYTES_MAX));
    net.post(0, &long).refused(413, "REQUEST_TOO_LARGE");
    // Announced, and never sent: refused or cut off, and nobody waits for it.
    let head = format!("POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", u64::MAX);
    if let Ok(answer) = http::exchange(net.nodes[0].api, head.as_bytes()) {
        assert!([400, 413, 431].contains(&answer.status), "{answer:?}");
    }
    net.get(0, "/v1/requests").expect("the node still answers");
}

fn commands_need_the_token(net: &Net) {
    let key = net.get(0, "/v1/keys").expect("keys")["keys"][0]["key_id"].as_str().expect("an id").to_owned();
    let proposal = r#"{"name":"slash","within_seconds":60}"#;
    let paths = ["/v1/keys".to_owned(), format!("/v1/keys/{key}/accept"), format!("/v1/keys/{key}/abandon")];
    for path in &paths {
        http::post(net.nodes[0].api, path, proposal).expect("an answer").refused(401, "TOKEN_MISSING");
        let wrong = token_of(&"0".repeat(64), "POST", path, proposal);
        http::call(net.nodes[0].api, "POST", path, &wrong, proposal).expect("an answer").refused(401, "TOKEN_MISSING");
        // A token is one node's own.
        let other = net.token(1, "POST", path, proposal);
        http::call(net.nodes[0].api, "POST", path, &other, proposal).expect("an answer").refused(401, "TOKEN_MISSING");
    }
    net.post_as_operator(0, "/v1/keys", proposal).refused(409, "DKG_CONFLICT");
    net.post_as_operator(0, "/v1/keys", r#"{"name":"treasury","within_seconds":60}"#).refused(404, "KEY_UNKNOWN");
    net.post_as_operator(0, "/v1/keys", r#"{"name":"slash"}"#).refused(400, "REQUEST_MALFORMED");
    net.post_as_operator(0, "/v1/keys/7/accept", "").refused(404, "KEY_UNKNOWN");
}

fn unknown_paths_are_refused(net: &Net) {
    let api = net.nodes[0].api;
    let nobody = format!("/v1/requests/0x{}", "00".repeat(32));
    http::get(api, &nobody).expect("an answer").refused(404, "REQUEST_UNKNOWN");
    http::get(api, "/v1/requests/first").expect("an answer").refused(404, "REQUEST_UNKNOWN");
    http::get(api, "/v1/sign").expect("an answer").refused(404, "ROUTE_UNKNOWN");
    http::call(api, "DELETE", "/v1/requests", "", "").expect("an answer").refused(405, "METHOD_UNKNOWN");
}

fn posted_everywhere_at_once(net: &Net) -> String {
    let (shares, count) = (net.chain.shares(), net.chain.slash_count());
    let slash = net.slash(8);
    let (id, body) = (net.id(&slash).to_string(), net.body(&slash, &net.requester()).to_string());
    let start = Barrier::new(net.nodes.len());
    let post = |node: usize| {
        start.wait();
        net.post(node, &body)
    };
    thread::scope(|scope| {
        let posts: Vec<_> = net.all().map(|node| scope.spawn(move || post(node))).collect();
        for posted in posts {
            let answer = posted.join().expect("the post returns");
            assert_eq!((answer.status, answer.json()["id"].as_str()), (202, Some(id.as_str())), "{answer:?}");
        }
    });
    net.all().for_each(|node| net.executed_once(node, &id, 8, (shares, count)));
    id
}

fn repeated(net: &Net, id: &str) {
    let (shares, count) = (net.chain.shares(), net.chain.slash_count());
    let view = net.request(0, id).expect("the request");
    let slash = &view["operation"]["slash_operator"];
    let nonce = slash["nonce"].as_str().and_then(|text| text.parse().ok()).expect("a nonce");
    let again = SlashOperator { nonce, deadline: slash["deadline"].as_u64().expect("a deadline"), ..net.slash(8) };
    assert_eq!(fields(&again), *slash);
    for node in [0, 4] {
        assert_eq!(net.ask(node, &again), id, "the same request has the same id");
    }
    refused(net, &SlashOperator { wadsToSlash: vec![U256::from(1)], ..again }, 409, "REQUEST_CONFLICT");
    let block = net.chain.finalised();
    until("more blocks to be final", || {
        net.chain.mine(2);
        if net.chain.finalised() > block + 8 { Ok(()) } else { Err("not so far".to_owned()) }
    });
    assert_eq!((net.chain.shares(), net.chain.slash_count()), (shares, count), "executed again");
}

fn chain_says_no(net: &Net) {
    let stranger = Address::repeat_byte(9);
    let no = [
        ("OPERATOR_NOT_SLASHABLE", SlashOperator { operator: stranger, ..net.slash(8) }),
        ("STRATEGY_NOT_IN_SET", SlashOperator { strategies: vec![stranger], ..net.slash(8) }),
    ];
    let mut everybody: Vec<_> = net.nodes.iter().map(|node| node.name.clone()).collect();
    everybody.sort();
    for (code, slash) in no {
        let (id, block) = (net.ask(0, &slash), net.chain.finalised());
        for node in net.all() {
            until(&format!("every member to say {code} while blocks go by"), || {
                net.chain.mine(1);
                let view = net.request(node, &id)?;
                assert!(view["signature"].is_null() && view["state"] != "refused", "{view}");
                let members = view["members"].as_array().expect("members");
                let says_so = |member: &Value| member["code"] == code && member["status"] == "not yet";
                // The origin hears from all; another node may know of itself alone.
                let itself = |member: &&Value| node == 0 || member["name"] == net.name(node);
                let said = members.iter().filter(itself).all(says_so);
                let done = view["state"] == "waiting" && said && missing(&view) == everybody;
                if done && net.chain.finalised() > block + 8 { Ok(()) } else { Err(view.to_string()) }
            });
        }
        let text = net.text_at(0, &["request", "show", &id]).success();
        assert!(text.contains("waiting") && text.contains(&format!("is not yet ({code})")), "{text}");
    }
}
