//! The chain away, and nodes that die in the middle of signing.

use std::time::Duration;

use rustix::process::Signal;

use crate::asking::missing;
use crate::net::Net;
use crate::process::{step, until, until_at};

#[test]
fn a_request_waits_for_the_chain_and_is_executed_when_it_is_back() {
    let mut net = step("three nodes, two to sign", || Net::start(3, 2));
    let before = (net.chain.shares(), net.chain.slash_count());
    let slash = net.slash(8);
    step("the endpoint gone: taken up, and everybody says what is missing", || net.stop_chain());
    let id = net.ask(0, &slash);
    for node in net.all() {
        until("every member to say CHAIN_UNAVAILABLE", || {
            let view = net.request(node, &id)?;
            let members = view["members"].as_array().expect("members");
            let all = members.iter().all(|member| member["code"] == "CHAIN_UNAVAILABLE");
            if all && missing(&view).len() == 3 && view["state"] == "waiting" { Ok(()) } else { Err(view.to_string()) }
        });
    }
    step("the endpoint back: executed", || {
        net.start_chain();
        net.executed_once(0, &id, 8, before);
    });
    step("an endpoint that takes questions and does not answer: executed once it goes on", || {
        let (before, slash) = ((net.chain.shares(), net.chain.slash_count()), net.slash(5));
        net.signal_chain(Signal::STOP);
        let id = net.ask(1, &slash);
        until("the request at another node", || net.request(2, &id));
        net.signal_chain(Signal::CONT);
        net.executed_once(1, &id, 5, before);
    });
    net.assert_up();
}

#[test]
fn a_coordinator_or_signer_that_dies_holds_nothing_up() {
    let mut net = step("five nodes, three to sign", || Net::start(5, 3));
    step("the coordinator, before enough members are willing", || coordinator_before_willing(&mut net));
    for event in ["attempt_opened", "state=\"signed\""] {
        step(&format!("the coordinator, at {event}"), || {
            let (slash, before) = (net.slash(4), (net.chain.shares(), net.chain.slash_count()));
            let id = net.ask(1, &slash);
            at_event(&net, &[1], &id, event);
            net.kill(1);
            // It dies so soon that the request may have reached nobody: the requester turns to another node.
            assert_eq!(net.ask(0, &slash), id);
            without(&mut net, 1, &id, 4, before);
        });
    }
    step("a signer, at the release of its share", || {
        let before = (net.chain.shares(), net.chain.slash_count());
        let id = net.ask(2, &net.slash(4));
        let signer = at_event(&net, &[0, 1, 3, 4], &id, "share_released");
        net.kill(signer);
        without(&mut net, signer, &id, 4, before);
    });
    step("everybody is well", || {
        net.assert_up();
        net.connected(&[0, 1, 2, 3, 4]);
        net.slash_once(0, 3);
    });
}

/// With three nodes held, the request reaches one that cannot sign alone. Then its coordinator dies.
fn coordinator_before_willing(net: &mut Net) {
    let (slash, before) = (net.slash(8), (net.chain.shares(), net.chain.slash_count()));
    [2, 3, 4].iter().for_each(|node| net.signal(*node, Signal::STOP));
    let id = net.ask(0, &slash);
    until("the request at the second node", || net.request(1, &id));
    net.kill(0);
    [2, 3, 4].iter().for_each(|node| net.signal(*node, Signal::CONT));
    net.executed_once(1, &id, 8, before);
    back_again(net, 0, &id);
}

/// Watches logs closely; gives the first node that logs the event about the request.
fn at_event(net: &Net, nodes: &[usize], id: &str, event: &str) -> usize {
    until_at(Duration::from_millis(1), event, || {
        let logged = |log: String| log.lines().any(|line| line.contains(id) && line.contains(event));
        nodes.iter().copied().find(|node| logged(net.log(*node))).ok_or_else(|| "not logged".to_owned())
    })
}

/// Sees the request executed once without the dead node, and the node come back.
fn without(net: &mut Net, victim: usize, id: &str, percent: u64, before: (alloy_primitives::U256, u64)) {
    let other = net.all().find(|node| *node != victim).expect("five nodes");
    net.executed_once(other, id, percent, before);
    back_again(net, victim, id);
}

fn back_again(net: &mut Net, node: usize, id: &str) {
    net.start_nodes(&[node]);
    net.in_state(node, id, "executed");
    let key = net.get(node, "/v1/keys").expect("keys")["keys"][0]["state"].clone();
    assert_eq!(key, "active", "the node came back without its key");
}

#[test]
fn sigterm_ends_a_node_cleanly() {
    let mut net = Net::prepare(3, 2);
    net.start_chain();
    net.start_nodes(&[0, 1, 2]);
    net.connected(&[0, 1, 2]);
    for node in net.all() {
        let (run, log) = (net.nodes[node].data_dir.join("run"), net.nodes[node].log.clone());
        assert!(run.join("token").is_file());
        let status = net.stop(node);
        assert_eq!(status.code(), Some(0), "{}", net.name(node));
        assert!(!run.join("token").exists(), "a token outlives its process");
        let log = std::fs::read_to_string(log).expect("a log");
        assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
    }
    net.start_nodes(&[0, 1, 2]);
    net.connected(&[0, 1, 2]);
    assert_eq!(net.status(1).expect("it answers")["incarnation"], 2);
}
