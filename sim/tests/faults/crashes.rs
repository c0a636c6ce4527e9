//! Any one member dies at any moment that can be observed: the others go on, and it comes back clean.

use crate::stage::{
    MINUTE, SECOND, alive, all_active, blamed, executed, nodes, observations, ready, slash, start, state, world,
};
use firn_coordinator::api::{Command, Observation};
use firn_proto::{NodeId, SubjectId};
use firn_sim::World;
use firn_sim::world::Process;

fn moment(observation: &Observation, of: SubjectId) -> Option<&'static str> {
    match observation {
        Observation::Subject { subject, state, .. } if *subject == of => Some(state),
        Observation::AttemptOpened { subject, .. } if *subject == of => Some("attempt"),
        Observation::ShareReleased { subject, .. } if *subject == of => Some("released"),
        _ => None,
    }
}

#[test]
fn r37_at_every_moment_of_a_signature() {
    for victim in 1..=3 {
        let mut seen = 0;
        for at in ["received", "willing", "attempt", "released", "signed", "relayed"] {
            let mut world = ready(30 + u64::from(victim), 2, 3);
            let request = slash(&world, 1);
            world.submit(NodeId(1), request.clone());
            let reached = |w: &World| {
                let by_victim = observations(w).filter(|(node, _)| node.0 == victim);
                by_victim.filter_map(|(_, observation)| moment(observation, request.id())).any(|moment| moment == at)
            };
            if !world.run_until(MINUTE, reached) {
                continue;
            }
            seen += 1;
            world.kill(NodeId(victim));
            // Alone at the start: what only the victim has heard of waits for its return.
            let spread = alive(&world).any(|(_, node)| node.engine.request(request.id()).is_some());
            world.run_until(SECOND / 2, |_| false);
            let others = world.run_until(2 * MINUTE, |w| executed(w, &request));
            assert!(others || !spread, "n{victim} killed at {at}: the others go on");
            world.restart(NodeId(victim));
            // What was not synced when it was killed is gone, and it hears no more of what is over. A client whose request
            // went with the memory of the only node that had it got no answer, and asks again.
            world.run_until(SECOND, |_| false);
            let knows = |(_, node): &(NodeId, &Process)| node.engine.request(request.id()).is_some();
            assert!(at == "received" || alive(&world).all(|one| knows(&one)), "n{victim} killed at {at}");
            if !alive(&world).any(|one| knows(&one)) {
                world.submit(NodeId(1), request.clone());
            }
            let done = |node: &Process| node.engine.request(request.id()).is_some_and(|view| view.state == "executed");
            let over = |w: &World| alive(w).filter(knows).all(|(_, node)| done(node));
            let back = world.run_until(2 * MINUTE, |w| alive(w).any(|one| knows(&one)) && over(w));
            assert!(back, "n{victim} killed at {at} and back");
            assert_eq!(world.chain().executions().len(), 1, "n{victim} at {at}");
            assert_eq!(blamed(&world), Vec::<u16>::new(), "n{victim} at {at}");
        }
        assert!(seen >= 3, "n{victim} was killed at {seen} moments only");
    }
}

#[test]
fn r32_at_every_moment_of_a_key_generation() {
    for victim in 1..=3 {
        for at in ["accepting", "round-1", "echo", "round-2", "checking", "certifying", "certified"] {
            let mut world = world(40 + u64::from(victim), 2, 3);
            let key_id = start(&mut world, 1);
            let reached = |w: &World| {
                observations(w).any(|(node, observation)| {
                    node.0 == victim && matches!(observation, Observation::KeyPhase { phase, .. } if *phase == at)
                })
            };
            assert!(world.run_until(MINUTE, reached), "n{victim} reaches {at}");
            world.kill(NodeId(victim));
            let ended = ["aborted", "undecided", "active", "certified"];
            let over = |w: &World| alive(w).all(|(id, _)| ended.contains(&state(w, id.0, key_id)));
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
