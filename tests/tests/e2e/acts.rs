//! The demo's three acts of failure: two nodes gone, three gone, one back.

use serde_json::Value;

use crate::asking::missing;
use crate::net::Net;
use crate::process::{step, until};

#[test]
fn the_network_signs_while_three_are_left_and_waits_while_two_are() {
    let mut net = step("five nodes, three to sign", || Net::start(5, 3));
    step("all five: executed", || net.slash_once(0, 8));
    step("two killed: executed", || {
        net.kill(3);
        net.kill(4);
        net.slash_once(1, 5);
    });
    let before = (net.chain.shares(), net.chain.slash_count());
    let id = step("three killed: unsigned, and everybody left names who is missing", || {
        net.kill(2);
        let id = net.ask(0, &net.slash(10));
        names_the_missing(&net, &id);
        assert_eq!((net.chain.shares(), net.chain.slash_count()), before);
        id
    });
    step("one back: executed", || {
        net.start_nodes(&[3]);
        net.executed_once(0, &id, 10, before);
        assert_eq!(net.status(3).expect("it answers")["incarnation"], 2);
    });
    step("the one that came back knows the outcome", || {
        let view = net.in_state(3, &id, "executed");
        assert_eq!(view["signature"], net.request(0, &id).expect("a view")["signature"]);
    });
}

/// The request's view and `firn status`, at both nodes that are left, after more than one chance to sign.
fn names_the_missing(net: &Net, id: &str) {
    let mut dead: Vec<_> = [2, 3, 4].map(|node| net.name(node).to_owned()).into();
    dead.sort();
    for node in [0, 1] {
        let finalised = net.chain.finalised();
        until("the missing members to be named while blocks go by", || {
            net.chain.mine(1);
            let view = net.request(node, id)?;
            assert_eq!(view["signature"], Value::Null, "two of three must not suffice");
            let seen = view["state"] == "waiting" && missing(&view) == dead && net.chain.finalised() > finalised + 8;
            if seen { Ok(()) } else { Err(view.to_string()) }
        });
        let status = net.at(node, &["status"]).shown();
        let status: Value = serde_json::from_str(&status).expect("a JSON document");
        let open = status["open_requests"].as_array().expect("open requests");
        let request = open.iter().find(|request| request["id"] == id).expect("the request is open");
        assert_eq!(missing(request), dead);
        let text = net.text_at(node, &["status"]).shown();
        let lines = dead.iter().map(|name| format!("missing: {name} is "));
        lines.for_each(|line| assert!(text.contains(&line), "no `{line}` in {text}"));
    }
}
