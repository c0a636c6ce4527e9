//! A key that nobody can finish is given up by all, and then its name is free.

use crate::stage::{MINUTE, SECOND, all_active, blamed, nodes, start, state, world};
use firn_coordinator::api::Command;
use firn_proto::NodeId;
use firn_sim::World;

#[test]
fn all_five_together_end_what_was_undecided() {
    for seed in 0..4 {
        let mut world = world(seed, 3, 5);
        let key_id = start(&mut world, 1);
        let all = nodes(&world);
        assert!(world.run_until(MINUTE, |w| all.iter().any(|n| state(w, *n, key_id) == "certifying")));
        let pairs: Vec<_> = all.iter().flat_map(|a| all.iter().map(|b| (NodeId(*a), NodeId(*b)))).collect();
        pairs.iter().for_each(|(a, b)| world.cut(*a, *b));
        let ended = |w: &World, n: u16| matches!(state(w, n, key_id), "undecided" | "aborted");
        assert!(world.run_until(MINUTE, |w| all.iter().all(|n| ended(w, *n))), "an outcome within a bound");
        let undecided: Vec<_> = all.iter().copied().filter(|n| state(&world, *n, key_id) == "undecided").collect();
        assert!(!undecided.is_empty());
        // What was said again at the bound is lost as well.
        world.run_until(SECOND, |_| false);
        pairs.iter().for_each(|(a, b)| world.heal(*a, *b));

        all[..4].iter().for_each(|node| world.command(NodeId(*node), Command::AbandonKey(key_id)));
        world.run_until(MINUTE, |_| false);
        assert!(undecided.iter().all(|n| state(&world, *n, key_id) == "undecided"), "four of five are not enough");
        // The fifth has lost its memory meanwhile: it can still promise never to use the key.
        world.kill(NodeId(5));
        world.restart(NodeId(5));
        world.run_until(SECOND, |_| false);
        world.command(NodeId(5), Command::AbandonKey(key_id));
        let over = |w: &World| undecided.iter().all(|n| state(w, *n, key_id) == "abandoned");
        assert!(world.run_until(MINUTE, over), "seed {seed}: all five abandoned");
        assert!(all.iter().all(|n| state(&world, *n, key_id) != "undecided"));

        let again = start(&mut world, 2);
        assert!(all_active(&mut world, again), "the name is free again");
        assert_eq!(blamed(&world), Vec::<u16>::new());
    }
}
