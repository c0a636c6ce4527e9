//! A crash after every seventh effect or sync of every node: two requests or a refresh, two of three. `make sim` cuts everywhere.

use crate::stage::{SECOND, scenario};
use firn_sim::run::crash_points;
use firn_sim::scenario::{Renewal, Scenario};
use firn_sim::verdict::End;
use firn_sim::{Options, run};

#[test]
fn wherever_a_node_is_cut_both_requests_are_signed_and_execute_once() {
    let options = Options { stop_when_quiet: true, ..Options::default() };
    let mut scenario = Scenario { ..scenario(1, 2, 3) };
    // A client whose node died before it answered has posted elsewhere as well.
    scenario.workload[0].repeats = 1;
    let points = crash_points(&scenario, &options);
    assert!(points.values().all(|effects| *effects > 20), "{points:?}");
    for (node, effects) in points {
        for effect in (1 + u64::from(node.0)..=effects).step_by(7) {
            let cut = Options { crash_after: Some((node, effect)), ..options.clone() };
            let outcome = run(&scenario, &cut).outcome;
            assert_eq!(outcome.violations, [], "n{node} after {effect}");
            assert!(outcome.requests.iter().all(|request| request.end == End::Signed), "n{node} after {effect}");
        }
    }
}

#[test]
fn r33_wherever_a_node_is_cut_the_old_or_the_new_epoch_signs() {
    let options = Options { stop_when_quiet: true, ..Options::default() };
    let mut scenario = Scenario { ..scenario(1, 2, 3) };
    scenario.workload[0].repeats = 1;
    scenario.workload[0].deadline = 600 * SECOND;
    scenario.key.renewals = vec![Renewal::refresh(5 * SECOND)];
    let points = crash_points(&scenario, &options);
    for (node, effects) in points {
        for effect in (1 + u64::from(node.0)..=effects).step_by(7) {
            let cut = Options { crash_after: Some((node, effect)), ..options.clone() };
            let outcome = run(&scenario, &cut).outcome;
            assert_eq!(outcome.violations, [], "n{node} after {effect}");
            assert!(outcome.requests.iter().all(|request| request.end == End::Signed), "n{node} after {effect}");
            assert_eq!((outcome.epoch, outcome.holding.len()), (1, 3), "n{node} after {effect}");
        }
    }
}
