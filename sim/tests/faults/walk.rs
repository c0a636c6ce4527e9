//! Five nodes in virtual time: key generation and signing, with members that die, restart and are cut off.

use crate::stage::{MINUTE, alive, answers, executed, observations, proposal, ready, slash, start, state, world};
use firn_coordinator::api::Command;
use firn_proto::{Code, NodeId};
use firn_sim::World;

#[test]
fn a_key_is_made_and_a_slash_is_signed_and_executed_once() {
    let mut world = ready(1, 3, 5);
    let request = slash(&world, 1);
    world.submit(NodeId(2), request.clone());
    assert!(world.run_until(MINUTE, |w| executed(w, &request)));
    assert_eq!(world.chain().executions().len(), 1);
    assert_eq!(world.chain().executions()[0], request.execute(world.definition()));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut world = ready(seed, 3, 5);
        let request = slash(&world, 1);
        world.submit(NodeId(4), request.clone());
        assert!(world.run_until(MINUTE, |w| executed(w, &request)));
        let key = world.node(NodeId(1)).unwrap().engine.keys()[0].group_key.unwrap();
        (world.digest(), key)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).1, run(4).1, "another seed makes another key");
}

#[test]
fn r10_posted_to_all_five_at_once_it_executes_once() {
    let mut world = ready(5, 3, 5);
    let request = slash(&world, 1);
    (1..=5).for_each(|node| world.submit(NodeId(node), request.clone()));
    assert!(world.run_until(MINUTE, |w| executed(w, &request)));
    assert!(!world.run_until(MINUTE, |w| w.chain().executions().len() != 1), "no second execution ever");
}

#[test]
fn two_dead_members_do_not_stop_a_signature_and_three_do_until_one_is_back() {
    let mut world = ready(6, 3, 5);
    world.kill(NodeId(4));
    world.kill(NodeId(5));
    let second = slash(&world, 2);
    world.submit(NodeId(1), second.clone());
    assert!(world.run_until(MINUTE, |w| executed(w, &second)));

    world.kill(NodeId(3));
    let third = slash(&world, 3);
    world.submit(NodeId(1), third.clone());
    let signed = |w: &World| alive(w).any(|(_, n)| n.engine.request(third.id()).is_some_and(|v| v.signature.is_some()));
    assert!(!world.run_until(10 * MINUTE, signed), "two members are not enough");
    let view = world.node(NodeId(1)).unwrap().engine.request(third.id()).unwrap();
    let missing: Vec<_> = view.members.iter().filter(|m| m.status == "disconnected").map(|m| m.node.0).collect();
    assert_eq!(missing, [3, 4, 5]);

    world.restart(NodeId(4));
    assert!(world.run_until(MINUTE, |w| executed(w, &third)));
    assert_eq!(world.chain().executions().len(), 2);
}

#[test]
fn a_dead_coordinator_is_replaced() {
    let mut world = ready(7, 3, 5);
    let request = slash(&world, 1);
    world.submit(NodeId(3), request.clone());
    let spread = |w: &World| (1..=5).all(|n| w.node(NodeId(n)).unwrap().engine.request(request.id()).is_some());
    assert!(world.run_until(MINUTE, spread));
    world.kill(NodeId(3));
    assert!(world.run_until(MINUTE, |w| executed(w, &request)));
}

#[test]
fn a_coordinator_that_is_cut_off_silently_is_replaced() {
    let mut world = ready(8, 3, 5);
    let request = slash(&world, 1);
    world.submit(NodeId(3), request.clone());
    let spread = |w: &World| (1..=5).all(|n| w.node(NodeId(n)).unwrap().engine.request(request.id()).is_some());
    assert!(world.run_until(MINUTE, spread));
    [1, 2, 4, 5].into_iter().for_each(|other| world.cut(NodeId(3), NodeId(other)));
    let rest = |w: &World| {
        alive(w).filter(|(id, _)| id.0 != 3).all(|(_, n)| n.engine.request(request.id()).unwrap().state == "executed")
    };
    assert!(world.run_until(MINUTE, rest));
    assert_eq!(world.chain().executions().len(), 1);
}

#[test]
fn a_member_that_is_missing_ends_key_generation_in_a_bound_and_is_named() {
    // In whichever phase the member dies, the others say so, and a new attempt with all members succeeds.
    for stop in ["accepting", "round-1", "echo", "round-2"] {
        let mut world = world(9, 3, 5);
        let key_id = start(&mut world, 1);
        assert!(world.run_until(MINUTE, |w| state(w, 2, key_id) == stop), "reaches {stop}");
        world.kill(NodeId(5));
        let ended = |w: &World| (1..=4).all(|n| matches!(state(w, n, key_id), "aborted" | "undecided" | "active"));
        assert!(world.run_until(15 * MINUTE, ended), "an outcome within a bound after {stop}");
        let named = (1..=4).any(|n| {
            let keys = world.node(NodeId(n)).unwrap().engine.keys();
            keys.iter().any(|key| key.waiting_for.contains(&NodeId(5)))
        });
        assert!(named, "node 5 is named after {stop}");

        world.restart(NodeId(5));
        if (1..=4).any(|n| state(&world, n, key_id) == "undecided") {
            continue;
        }
        let again = start(&mut world, 2);
        assert!(world.run_until(MINUTE, |w| (1..=5).all(|n| state(w, n, again) == "active")), "again after {stop}");
    }
}

#[test]
fn a_member_that_dies_after_its_certificate_signature_gets_the_key_when_it_is_back() {
    let mut world = world(10, 3, 5);
    let key_id = start(&mut world, 1);
    let signed = |w: &World| {
        w.history().iter().any(|entry| {
            let by_it = entry.process.is_some_and(|process| process.node == NodeId(5));
            by_it && matches!(entry.what, firn_sim::history::What::Sent { kind: "key-certified", .. })
        })
    };
    assert!(world.run_until(MINUTE, signed));
    world.kill(NodeId(5));
    world.run_until(MINUTE, |_| false);
    world.restart(NodeId(5));
    assert!(world.run_until(MINUTE, |w| (1..=5).all(|n| state(w, n, key_id) == "active")));
}

#[test]
fn an_undecided_attempt_can_be_abandoned_by_all_and_by_no_fewer() {
    let mut world = world(11, 3, 5);
    let key_id = start(&mut world, 1);
    assert!(world.run_until(MINUTE, |w| (1..=5).any(|n| state(w, n, key_id) == "certifying")));
    // Nobody's certificate signature arrives.
    let pairs = || (1..=5).flat_map(|a| (a + 1..=5).map(move |b| (NodeId(a), NodeId(b))));
    pairs().for_each(|(a, b)| world.cut(a, b));
    assert!(world.run_until(MINUTE, |w| (1..=5).all(|n| matches!(state(w, n, key_id), "undecided" | "aborted"))));
    (1..=4).for_each(|node| world.command(NodeId(node), Command::AbandonKey(key_id)));
    pairs().for_each(|(a, b)| world.heal(a, b));
    world.run_until(MINUTE, |_| false);
    assert!((1..=5).all(|n| state(&world, n, key_id) != "abandoned"), "four of five cannot abandon");
}

#[test]
fn a_second_key_of_the_same_name_is_refused() {
    let mut world = ready(12, 3, 5);
    let before = answers(&world).len();
    let proposal = proposal(&world, 9);
    world.command(NodeId(1), Command::ProposeKey(proposal));
    assert!(world.run_until(MINUTE, |w| answers(w).len() > before));
    assert_eq!(answers(&world)[before], Err(Code::DkgConflict));
}

#[test]
fn no_node_blames_an_honest_one() {
    let mut world = ready(13, 3, 5);
    for nonce in 0..10 {
        let request = slash(&world, nonce);
        world.submit(NodeId(1 + u16::try_from(nonce % 5).unwrap()), request.clone());
        assert!(world.run_until(MINUTE, |w| executed(w, &request)));
    }
    assert!(!observations(&world).any(|(_, o)| matches!(o, firn_coordinator::api::Observation::Evidence { .. })));
}
