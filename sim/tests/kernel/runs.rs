//! Whole runs: without faults, and twice.

use crate::stage::scenario;
use firn_sim::run::difference;
use firn_sim::verdict::End;
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
