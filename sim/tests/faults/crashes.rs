//! Any one member dies at any moment that can be observed: the others go on, and it comes back clean.

use crate::stage::{MINUTE, all_active, blamed, executed, nodes, ready, slash, start, state, world};
use firn_coordinator::api::{Command, Observation};
use firn_proto::NodeId;

fn moment(observation: &Observation) -> Option<String> {
    match observation {
        Observation::Subject { state, .. } => Some((*state).to_owned()),
        Observation::AttemptOpened { .. } => Some("attempt".to_owned()),
        Observation::ShareReleased { .. } => Some("released".to_owned()),
        _ => None,
    }
}

#[test]
fn at_every_moment_of_a_signature() {
    for victim in 1..=3 {
        let mut seen = 0;
        for at in ["received", "willing", "attempt", "released", "signed", "relayed"] {
            let mut world = ready(30 + u64::from(victim), 2, 3);
            let request = slash(&world, 1);
            world.submit(NodeId(1), request.clone());
            let reached = |w: &firn_sim::World| {
                let by_victim = w.observations.iter().filter(|(_, node, _)| node.0 == victim);
                by_victim.filter_map(|(_, _, observation)| moment(observation)).any(|moment| moment == at)
            };
            if !world.run_until(MINUTE, reached) {
                continue;
            }
            seen += 1;
            world.kill(NodeId(victim));
            // Alone at the start: what only the victim has heard of waits for its return.
            let spread = world.alive().any(|(_, node)| node.engine.request(request.id()).is_some());
            world.run_until(500, |_| false);
            let others = world.run_until(2 * MINUTE, |w| executed(w, &request));
            assert!(others || !spread, "n{victim} killed at {at}: the others go on");
            world.restart(NodeId(victim));
            assert!(world.run_until(2 * MINUTE, |w| executed(w, &request)), "n{victim} killed at {at} and back");
            assert_eq!(world.chain.executions().len(), 1, "n{victim} at {at}");
            assert_eq!(blamed(&world), Vec::<u16>::new(), "n{victim} at {at}");
        }
        assert!(seen >= 3, "n{victim} was killed at {seen} moments only");
    }
}

#[test]
fn at_every_moment_of_a_key_generation() {
    for victim in 1..=3 {
        for at in ["accepting", "round-1", "echo", "round-2", "checking", "certifying", "certified"] {
            let mut world = world(40 + u64::from(victim), 2, 3);
            let key_id = start(&mut world, 1);
            let reached = |w: &firn_sim::World| {
                w.observations.iter().any(|(_, node, observation)| {
                    node.0 == victim && matches!(observation, Observation::KeyPhase { phase, .. } if *phase == at)
                })
            };
            assert!(world.run_until(MINUTE, reached), "n{victim} reaches {at}");
            world.kill(NodeId(victim));
            let ended = ["aborted", "undecided", "active", "certified"];
            let over = |w: &firn_sim::World| w.alive().all(|(id, _)| ended.contains(&state(w, id.0, key_id)));
            assert!(world.run_until(15 * MINUTE, over), "n{victim} killed at {at}: an outcome within a bound");
            world.restart(NodeId(victim));
            if !all_active(&mut world, key_id) {
                let all = nodes(&world);
                for node in &all {
                    world.command(NodeId(*node), Command::AbandonKey(key_id));
                }
                world.run_until(MINUTE, |_| false);
                let rest: Vec<_> = all.iter().map(|n| state(&world, *n, key_id)).collect();
                assert!(!rest.contains(&"undecided") && !rest.contains(&"active"), "n{victim} at {at}: {rest:?}");
                let again = start(&mut world, 2);
                assert!(all_active(&mut world, again), "n{victim} killed at {at}: a new attempt succeeds");
            }
            assert_eq!(blamed(&world), Vec::<u16>::new(), "n{victim} at {at}");
        }
    }
}
