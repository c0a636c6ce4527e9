//! Single messages that never arrive, while everything that is needed exists somewhere.

use crate::stage::{MINUTE, SECOND, alive, blamed, nodes, start, state, world};
use firn_coordinator::api::Command;
use firn_proto::NodeId;
use firn_sim::World;

fn states(world: &World, key_id: firn_proto::KeyId) -> Vec<&'static str> {
    nodes(world).into_iter().map(|node| state(world, node, key_id)).collect()
}

#[test]
fn a_certificate_signature_that_reaches_only_some_does_not_stop_the_others() {
    for seed in 0..6 {
        let mut world = world(seed, 3, 5);
        let key_id = start(&mut world, 1);
        let signs = |state| matches!(state, "checking" | "certifying" | "certified");
        let signing = |w: &World| nodes(w).into_iter().all(|node| signs(state(w, node, key_id)));
        assert!(world.run_until(MINUTE, signing));
        world.cut(NodeId(5), NodeId(3));
        world.cut(NodeId(5), NodeId(4));
        let active = |w: &World| nodes(w).into_iter().all(|node| state(w, node, key_id) == "active");
        let reached = world.run_until(2 * MINUTE, active);
        assert!(reached, "seed {seed}: {:?}", states(&world, key_id));
        assert_eq!(blamed(&world), Vec::<u16>::new());
    }
}

#[test]
fn certificate_signatures_that_nobody_received_are_said_again() {
    let mut world = world(7, 3, 5);
    let key_id = start(&mut world, 1);
    assert!(world.run_until(MINUTE, |w| state(w, 5, key_id) == "certifying"));
    let pairs: Vec<_> = (1..=4).map(|node| (NodeId(5), NodeId(node))).collect();
    pairs.iter().for_each(|(a, b)| world.cut(*a, *b));
    world.run_until(MINUTE / 2, |_| false);
    assert_eq!(states(&world, key_id), ["undecided"; 5], "n5 said it when nobody could hear");
    pairs.iter().for_each(|(a, b)| world.heal(*a, *b));
    let active = |w: &World| nodes(w).into_iter().all(|node| state(w, node, key_id) == "active");
    assert!(world.run_until(3 * MINUTE, active), "{:?}", states(&world, key_id));
}

#[test]
fn a_key_is_activated_by_members_that_come_back_one_after_the_other() {
    for seed in 0..2 {
        for down in 1..=5 {
            let mut world = world(seed, 3, 5);
            let key_id = start(&mut world, 1);
            let certified =
                |w: &World| nodes(w).into_iter().all(|n| matches!(state(w, n, key_id), "certified" | "active"));
            assert!(world.run_until(MINUTE, certified));
            nodes(&world).into_iter().for_each(|node| world.kill(NodeId(node)));
            for node in nodes(&world).into_iter().filter(|node| *node != down) {
                world.restart(NodeId(node));
                world.run_until(3 * SECOND, |_| false);
            }
            let active = |w: &World| alive(w).all(|(id, _)| state(w, id.0, key_id) == "active");
            assert!(world.run_until(2 * MINUTE, active), "without n{down}: {:?}", states(&world, key_id));
        }
    }
}

#[test]
fn a_key_certified_at_few_and_abandoned_by_the_rest_gives_its_name_free() {
    let mut world = world(11, 3, 5);
    let key_id = start(&mut world, 1);
    let pairs = |from: &[u16], to: &[u16]| -> Vec<_> {
        from.iter().flat_map(|a| to.iter().map(|b| (NodeId(*a), NodeId(*b)))).collect()
    };
    // Only the first two get every certificate signature, and their certificate reaches nobody.
    assert!(world.run_until(MINUTE, |w| {
        (3..=5).any(|node| state(w, node, key_id) == "checking" || state(w, node, key_id) == "certifying")
    }));
    pairs(&[3, 4, 5], &[3, 4, 5]).into_iter().for_each(|(a, b)| world.cut(a, b));
    assert!(world.run_until(MINUTE, |w| (1..=2).all(|node| state(w, node, key_id) == "certified")));
    pairs(&[1, 2], &[3, 4, 5]).into_iter().for_each(|(a, b)| world.cut(a, b));
    world.run_until(MINUTE / 2, |_| false);
    assert_eq!(states(&world, key_id), ["certified", "certified", "undecided", "undecided", "undecided"]);
    (1..=5).for_each(|node| world.command(NodeId(node), Command::AbandonKey(key_id)));
    world.run_until(SECOND, |_| false);
    assert_eq!(states(&world, key_id)[..2], ["given-up"; 2]);
    (1..=2).for_each(|node| {
        world.kill(NodeId(node));
        world.restart(NodeId(node));
    });
    pairs(&[3, 4, 5], &[3, 4, 5]).into_iter().for_each(|(a, b)| world.heal(a, b));
    pairs(&[1, 2], &[3, 4, 5]).into_iter().for_each(|(a, b)| world.heal(a, b));
    world.run_until(3 * MINUTE, |_| false);
    assert!(!states(&world, key_id).contains(&"active"), "given up is given up: {:?}", states(&world, key_id));
    let again = start(&mut world, 2);
    let active = |w: &World| nodes(w).into_iter().all(|node| state(w, node, again) == "active");
    assert!(world.run_until(2 * MINUTE, active), "{:?}", states(&world, again));
    assert_eq!(blamed(&world), Vec::<u16>::new());
}
