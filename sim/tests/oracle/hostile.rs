//! A hostile chain: what endpoints that lie can do and cannot, and what comes back once it was in a block that was replaced.

use crate::stage::{SECOND, fault, requests, scenario};
use firn_proto::NodeId;
use firn_proto::policy::Unit;
use firn_sim::history::What;
use firn_sim::liveness::track::CANCELLED;
use firn_sim::run::Finished;
use firn_sim::scenario::{Cancel, FaultKind, Gate, Rule, Scenario, Shows, Which};
use firn_sim::seeded::Bug;
use firn_sim::verdict::End;
use firn_sim::{Options, run};

fn ran(stage: &Scenario, seeded: Option<Bug>) -> Finished {
    run(stage, &Options { seeded, keep_history: true, ..Options::default() })
}

/// One slash is scheduled in second 12, and cancelled in second 36; before anybody can see that, this many nodes are lied to.
fn cancelled(misled: u16, shows: Shows) -> Scenario {
    let mut stage = scenario(1);
    let cancels = vec![Cancel { which: Which::Share(1_000_000), after: 12 * SECOND }];
    stage.gate = Some(Gate { cancels, ..Gate::new(60 * SECOND) });
    stage.workload = vec![requests(1, 10 * SECOND)];
    let nodes = (1..=misled).map(NodeId).collect();
    stage.faults = vec![fault(30 * SECOND, None, FaultKind::LyingEndpoint { nodes, shows })];
    stage.until = Some(240 * SECOND);
    stage
}

fn executions(finished: &Finished) -> usize {
    finished.history.iter().filter(|entry| matches!(entry.what, What::Executed { .. })).count()
}

#[test]
fn r20_fewer_than_t_who_are_lied_to_sign_nothing_that_was_cancelled() {
    for shows in [Shows::Head, Shows::Old, Shows::Fork] {
        let finished = ran(&cancelled(2, shows), None);
        assert_eq!(finished.outcome.violations, [], "{shows:?}");
        assert_eq!(finished.outcome.requests[0].end, End::Excused(CANCELLED), "{shows:?}");
        assert_eq!(executions(&finished), 1, "{shows:?}: what schedules it");
    }
}

#[test]
fn r20_what_t_who_are_lied_to_sign_the_chain_refuses() {
    let finished = ran(&cancelled(3, Shows::Fork), None);
    assert_eq!(finished.outcome.violations, []);
    assert_eq!(finished.outcome.requests[0].end, End::Signed, "by three of five");
    assert_eq!(executions(&finished), 1, "and not executed");
    let reverted = |what: &What| matches!(what, What::Reverted { used: false, .. });
    assert!(finished.history.iter().any(|entry| reverted(&entry.what)));
    let revived = ran(&cancelled(3, Shows::Fork), Some(Bug::RevivedSchedule)).outcome.violations;
    assert_eq!(revived.first().map(|violation| violation.id), Some("G1"), "a chain without that word");
}

#[test]
fn what_a_replaced_block_held_is_brought_again_and_executed_once() {
    let mut stage = scenario(1);
    stage.finality = 36 * SECOND;
    stage.workload = vec![requests(1, 10 * SECOND)];
    stage.faults = vec![fault(30 * SECOND, None, FaultKind::Reorg { depth: 3 })];
    stage.until = Some(200 * SECOND);
    let finished = ran(&stage, None);
    assert_eq!(finished.outcome.violations, []);
    let vanished = finished.history.iter().filter(|entry| matches!(entry.what, What::Vanished { .. })).count();
    assert_eq!((executions(&finished), vanished), (2, 1));
    // What is final stays.
    stage.faults = vec![fault(100 * SECOND, None, FaultKind::Reorg { depth: 100 })];
    assert_eq!(executions(&ran(&stage, None)), 1);
    let twice = ran(&stage, Some(Bug::DoubleExecution)).outcome.violations;
    assert!(twice.iter().any(|violation| violation.id == "I1"), "not excused by the reorganisation: {twice:?}");
}

#[test]
fn r14_no_budget_is_passed_while_blocks_are_replaced() {
    let mut stage = scenario(1);
    stage.finality = 36 * SECOND;
    let budget = Some((120_000, 3_600 * SECOND, Unit::Operator));
    stage.workload.iter_mut().for_each(|workload| workload.deadline = 400 * SECOND);
    stage.rules = vec![Rule { name: "budget".to_owned(), budget, ..Rule::default() }];
    stage.faults = (2..12).map(|turn| fault(turn * 10 * SECOND, None, FaultKind::Reorg { depth: 3 })).collect();
    stage.until = Some(500 * SECOND);
    assert_eq!(ran(&stage, None).outcome.violations, []);
    let forgotten = ran(&stage, Some(Bug::ForgottenSlashes)).outcome.violations;
    assert!(forgotten.iter().any(|violation| violation.id == "B1"), "{forgotten:?}");
}
