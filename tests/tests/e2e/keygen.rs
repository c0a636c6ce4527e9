//! SIGKILL at each point of a key generation: the others end within the bound, nobody is left with half a key.

use std::time::Duration;

use firn_proto::definition::KeyDefinition;
use rustix::process::Signal;
use serde_json::Value;

use crate::net::Net;
use crate::process::{step, until, until_at};

/// Who is killed. Node 0 proposes.
const VICTIM: usize = 1;
/// The phases in which a member has said something that it may forget when it dies, in their order.
const PHASES: [&str; 7] = ["accepting", "round-1", "echo", "round-2", "checking", "certifying", "certified"];

/// Three nodes, two to sign, and a key of its own for each case.
fn set_up(cases: &[&str]) -> Net {
    let mut net = Net::prepare(3, 2);
    net.redefine(|definition| {
        let first = definition.keys[0].clone();
        definition.keys.extend(cases.iter().map(|case| KeyDefinition { name: (*case).to_owned(), ..first.clone() }));
        definition.keys.sort_by(|a, b| a.name.cmp(&b.name));
    });
    net.start_chain();
    net.start_nodes(&[0, 1, 2]);
    net.connected(&[0, 1, 2]);
    net
}

#[test]
fn a_member_that_stays_away_is_named_within_the_bound() {
    let mut net = step("three nodes", || set_up(&["early", "late"]));
    let (early, late) = step("one attempt lacks an acceptance, the other what follows it", || {
        let late = net.propose(0, "late", 60);
        net.accept(VICTIM, &late);
        until("the acceptance to be known", || {
            let view = net.key(2, &late)?;
            let waits = view["waiting_for"].as_array().is_some_and(|waits| !waits.contains(&net.name(VICTIM).into()));
            if waits { Ok(()) } else { Err(view.to_string()) }
        });
        let early = net.propose(0, "early", 5);
        net.accept(2, &early);
        // Held first, so that it has accepted and says nothing more, then killed.
        net.signal(VICTIM, Signal::STOP);
        net.accept(2, &late);
        net.key_in_state(&[0, 2], &late, "round-1");
        net.kill(VICTIM);
        (early, late)
    });
    step("both end, and name who is missing", || {
        for (id, code) in [(&early, "DKG_EXPIRED"), (&late, "DKG_MISSING")] {
            for node in [0, 2] {
                ended_for_want_of(&net, node, id, code);
            }
        }
    });
    step("the member comes back, and a new proposal succeeds", || {
        net.start_nodes(&[VICTIM]);
        net.connected(&[0, 1, 2]);
        net.generate_key(&[0, 1, 2]);
    });
}

/// Aborted with this code or because another member ended it, naming the victim, in JSON and in text.
fn ended_for_want_of(net: &Net, node: usize, id: &str, code: &str) {
    let victim = net.name(VICTIM);
    let view = until(&format!("{code} at {}", net.name(node)), || {
        let view = net.key(node, id)?;
        if view["state"] == "aborted" { Ok(view) } else { Err(view.to_string()) }
    });
    assert!([code, "DKG_STOPPED"].contains(&view["code"].as_str().unwrap_or_default()), "{view}");
    assert_eq!(view["waiting_for"], Value::Array(vec![victim.into()]), "{view}");
    assert_eq!(view["culprit"], Value::Null, "silence blames nobody: {view}");
    let text = net.text_at(node, &["dkg", "status"]).success();
    let part = text.split("key id").find(|part| part.contains(id)).unwrap_or_default();
    assert!(part.contains(&format!("waiting for {victim}")) && part.contains("ended: DKG_"), "{text}");
}

#[test]
fn a_member_killed_at_any_point_leaves_a_whole_key_or_none() {
    let mut net = step("three nodes", || set_up(&PHASES));
    // The outcomes are looked at afterwards: an undecided one takes its whole bound.
    let attempts = PHASES.map(|phase| (phase, step(&format!("killed at {phase}"), || killed_at(&mut net, phase))));
    for (phase, id) in &attempts {
        step(&format!("the outcome of the attempt that was cut at {phase}"), || outcome(&net, phase, id));
    }
    step("everybody is well, and a new key comes about", || {
        net.assert_up();
        net.generate_key(&[0, 1, 2]);
    });
}

/// Kills and restarts the victim when it enters the phase.
fn killed_at(net: &mut Net, phase: &str) -> String {
    let incarnation = |net: &Net| net.status(VICTIM).expect("it answers")["incarnation"].as_u64();
    let before = incarnation(net);
    let id = net.propose(0, phase, 60);
    net.accept(VICTIM, &id);
    if phase != "accepting" {
        net.accept(2, &id);
    }
    at_phase(net, &id, phase);
    net.kill(VICTIM);
    net.start_nodes(&[VICTIM]);
    assert_eq!(incarnation(net), before.map(|starts| starts + 1), "another start of the same node");
    net.connected(&[0, 1, 2]);
    if phase == "accepting" {
        // Nothing secret exists so far: it only has to accept again.
        net.accept(VICTIM, &id);
        net.accept(2, &id);
    }
    id
}

fn outcome(net: &Net, phase: &str, id: &str) {
    let states = settled(net, id);
    if states.contains(&"undecided".to_owned()) {
        abandon(net, id);
    } else if states.contains(&"active".to_owned()) {
        return;
    }
    let again = net.propose(0, phase, 60);
    net.accept(VICTIM, &again);
    net.accept(2, &again);
    net.key_in_state(&[0, 1, 2], &again, "active");
}

/// Watches the victim's log closely until it has entered the phase.
fn at_phase(net: &Net, id: &str, phase: &str) {
    let entered = format!("phase=\"{phase}\"");
    until_at(Duration::from_millis(1), phase, || {
        let log = net.log(VICTIM);
        let found = log.lines().any(|line| line.contains(id) && line.contains(&entered));
        if found { Ok(()) } else { Err("not logged".to_owned()) }
    });
}

/// Waits until every node reports an outcome, and gives them.
fn settled(net: &Net, id: &str) -> Vec<String> {
    let outcomes = ["active", "aborted", "undecided"];
    let states: Vec<_> = net
        .all()
        .map(|node| {
            until(&format!("an outcome at {}", net.name(node)), || {
                let view = net.key(node, id)?;
                let state = view["state"].as_str().unwrap_or_default().to_owned();
                if !outcomes.contains(&state.as_str()) {
                    return Err(view.to_string());
                }
                let why = view["code"].is_string() || !view["waiting_for"].as_array().is_none_or(Vec::is_empty);
                assert!(state == "active" || why, "an outcome without a reason: {view}");
                Ok(state)
            })
        })
        .collect();
    let (active, ended) = (states.contains(&"active".to_owned()), states.contains(&"aborted".to_owned()));
    assert!(!(active && ended), "half a key: {states:?}");
    if active {
        // Whoever had the whole certificate convinces the others.
        net.key_in_state(&[0, 1, 2], id, "active");
    }
    eprintln!("      {states:?}");
    states
}

/// All members sign the abandonment, and it ends everywhere.
fn abandon(net: &Net, id: &str) {
    for node in net.all() {
        net.at(node, &["dkg", "abandon", id]).json();
    }
    for node in net.all() {
        until(&format!("the attempt to be over at {}", net.name(node)), || {
            let view = net.key(node, id)?;
            let over = view["state"] == "abandoned" || view["state"] == "aborted";
            if over { Ok(()) } else { Err(view.to_string()) }
        });
    }
}
