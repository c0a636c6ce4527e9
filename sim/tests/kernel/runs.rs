//! Whole runs: without faults, and twice.

use crate::stage::{SECOND, fault, node, requests, scenario};
use firn_sim::report::{Record, Run};
use firn_sim::run::difference;
use firn_sim::scenario::FaultKind;
use firn_sim::verdict::{End, Exit};
use firn_sim::{Options, run};

#[test]
fn without_faults_everything_is_signed_executed_once_and_fast() {
    let finished = run(&scenario(1, 3, 5), &Options { keep_history: true, ..Options::default() });
    let outcome = &finished.outcome;
    assert_eq!(outcome.violations, []);
    assert_eq!(outcome.requests.len(), 2);
    for request in &outcome.requests {
        assert_eq!(request.end, End::Signed);
        println!("{request:?}");
    }
    println!("{} events until {} s", outcome.events, outcome.ended / 1_000_000);
}

#[test]
fn the_same_scenario_gives_the_same_run_and_another_seed_another() {
    let options = Options { keep_history: true, ..Options::default() };
    let (first, again) = (run(&scenario(1, 3, 5), &options), run(&scenario(1, 3, 5), &options));
    assert_eq!(difference(&first, &again), None);
    let other = run(&scenario(2, 3, 5), &options);
    assert!(difference(&first, &other).is_some());
}

#[test]
fn what_finds_its_node_down_is_measured_where_it_was_taken_in() {
    let nodes: Vec<_> = (1..=5).map(node).collect();
    let first_down = fault(SECOND, Some(60 * SECOND), FaultKind::Crash { nodes: vec![node(1)] });
    let first_paused = fault(SECOND, Some(20 * SECOND), FaultKind::Pause { nodes: vec![node(1)] });
    // Nobody is there at first; then all but the first.
    let all_down = fault(4 * SECOND, Some(3 * SECOND), FaultKind::Crash { nodes: nodes[1..].to_vec() });
    for (faults, taker) in
        [(vec![], 1), (vec![first_down.clone()], 2), (vec![first_paused], 2), (vec![first_down, all_down], 2)]
    {
        let mut scenario = scenario(1, 3, 5);
        scenario.workload = vec![requests(1)];
        scenario.faults = faults;
        let finished = run(&scenario, &Options { keep_history: true, ..Options::default() });
        let (outcome, history) = (&finished.outcome, &finished.history);
        let [request] = outcome.requests.as_slice() else { panic!("{:?}", outcome.requests) };
        assert_eq!((request.node, request.wanted, &request.end), (node(taker), node(1), &End::Signed));
        let geography = finished.geography.as_ref().unwrap();
        assert_eq!(Some(request.floor), geography.floor(node(taker), &nodes, |near| near.len() == 3));
        let whole = Run { outcome, history, geography, exit: Exit::Pass, case: "", reproduce: "", note: None };
        let story = &Record::new(&whole).requests[0].story;
        let moved = format!("org-1/1 did not answer, posted at org-{taker}/1: signed after");
        assert!(story.starts_with(if taker == 1 { "signed after" } else { &moved }), "{story}");
    }
}
