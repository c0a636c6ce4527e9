//! Each seeded bug is caught by the checker that is there for it, within a few seeds; without the bug nothing is violated.

use crate::stage::{SECOND, fault, liar, requests, scenario, violated};
use firn_proto::opinion::Decision;
use firn_proto::policy::Unit;
use firn_proto::{Code, NodeId};
use firn_sim::liveness::track::CANCELLED;
use firn_sim::run::difference;
use firn_sim::scenario::{
    Act, Cancel, FaultKind, Gate, Halt, KeyOrigin, Person, Renewal, Rule, Scenario, Verifier, Version, Which,
};
use firn_sim::seeded::Bug;
use firn_sim::verdict::{End, Violation};
use firn_sim::{Options, run};

/// Seeds in which a bug has to show.
const SEEDS: u64 = 5;

/// What it takes for a bug to matter.
fn stage(bug: Bug, seed: u64) -> Scenario {
    let mut stage = scenario(seed);
    let all: Vec<_> = (1..=5).map(NodeId).collect();
    let generated = KeyOrigin::Generated { at: SECOND };
    match bug {
        Bug::OldBoot => {
            stage.workload.push(requests(3, 40 * SECOND));
            stage.faults = vec![fault(30 * SECOND, Some(2 * SECOND), FaultKind::Crash { nodes: all })];
        }
        Bug::LostVaultWrites => {
            stage.faults = vec![fault(12 * SECOND, Some(2 * SECOND), FaultKind::Crash { nodes: vec![NodeId(3)] })];
        }
        Bug::KeptShare | Bug::EarlyErase | Bug::ForeignShare => stage.key.renewals = vec![Renewal::refresh(8 * SECOND)],
        Bug::LoggedSecret | Bug::LeakedShare | Bug::LatePersist | Bug::StrayRequester => {}
        Bug::SecondKey => stage.workload = Vec::new(),
        Bug::HastyBlame => {
            stage.key.origin = generated;
            stage.byzantine = vec![liar(5, &[Act::EquivocateRound1])];
        }
        Bug::SwallowedEvidence => stage.byzantine = vec![liar(2, &[Act::InvalidShare])],
        Bug::DoubleExecution => {
            stage.workload = vec![requests(8, 10 * SECOND)];
            stage.faults =
                vec![fault(9 * SECOND, Some(60 * SECOND), FaultKind::ChainLag { nodes: all, by: 40 * SECOND })];
            stage.until = Some(300 * SECOND);
        }
        Bug::ForgottenSlashes => {
            let budget = Some((120_000, 3_600 * SECOND, Unit::Operator));
            stage.rules = vec![Rule { name: "budget".to_owned(), budget, ..Rule::default() }];
            stage.workload = vec![requests(2, 10 * SECOND)];
        }
        Bug::IgnoredVerdict => {
            let rejects = |node| Verifier { node: NodeId(node), accepts: Some(false), after: SECOND };
            stage.verifiers = (1..=3).map(rejects).collect();
        }
        Bug::ForgottenTakeover => {
            stage.workload.iter_mut().for_each(|workload| (workload.count, workload.deadline) = (1, 400 * SECOND));
            stage.workload.iter_mut().for_each(|workload| workload.to = vec![NodeId(1)]);
            stage.byzantine = vec![liar(1, &[Act::StarveSigners])];
            stage.until = Some(400 * SECOND);
        }
        Bug::UnheardBlocks => {
            stage.faults = vec![fault(SECOND, None, FaultKind::Crash { nodes: all.into_iter().skip(2).collect() })];
            stage.until = Some(1_200 * SECOND);
        }
        Bug::LateShares | Bug::UnnamedVersion | Bug::StolenApprovals => govern(bug, &mut stage),
        Bug::UnfinalFacts => stage.finality = 36 * SECOND,
        Bug::HastyExecution | Bug::UnseenCancellation | Bug::RevivedSchedule => gate(bug, &mut stage),
        Bug::IdleRefusal
        | Bug::DoubledTimers
        | Bug::DroppedRecord
        | Bug::SkippedEntry
        | Bug::FlippedSignature
        | Bug::PanicOnMessage
        | Bug::StrayDraw => {}
    }
    stage
}

/// Rules, people, a pause or a version, as the bug needs.
fn govern(bug: Bug, stage: &mut Scenario) {
    let person = |name: &str, organisation: u16| Person {
        name: name.to_owned(),
        organisation: format!("org-{organisation}"),
        says: Some(Decision::Approve),
        after: SECOND,
        node: NodeId(organisation),
    };
    let halt =
        |node: u16| Halt { begin: 11 * SECOND, end: None, node: NodeId(node), people: Vec::new(), resume: Vec::new() };
    match bug {
        Bug::LateShares => stage.pauses = (1..=5).map(halt).collect(),
        Bug::StolenApprovals => {
            stage.people = vec![person("ann", 1), person("bob", 2)];
            let rule = Rule { name: "two approve".to_owned(), approvals: Some((2, 2)), ..Rule::default() };
            stage.rules = vec![rule];
        }
        _ => {
            // Three see the block, two do not.
            let behind = vec![NodeId(4), NodeId(5)];
            stage.faults = vec![fault(SECOND, None, FaultKind::ChainLag { nodes: behind, by: 60 * SECOND })];
            stage.versions = vec![Version {
                at: 2 * SECOND,
                node: NodeId(1),
                block: 9 * SECOND,
                rules: vec![Rule { name: "wait".to_owned(), delay: Some(SECOND), ..Rule::default() }],
                drops: Vec::new(),
                expels: Vec::new(),
                signers: ["org-1", "org-2", "org-3"].map(str::to_owned).to_vec(),
            }];
            stage.workload = vec![requests(5, 20 * SECOND)];
        }
    }
}

/// A gate, and somebody who cancels.
fn gate(bug: Bug, stage: &mut Scenario) {
    let all = Which::Share(1_000_000);
    let mut gate = Gate::new(60 * SECOND);
    match bug {
        Bug::UnseenCancellation => gate.cancels = vec![Cancel { which: all, after: 10 * SECOND }],
        Bug::RevivedSchedule => {
            // When nodes see that it is ready, it is cancelled.
            gate.cancels = vec![Cancel { which: all, after: 66 * SECOND }];
            let nodes = (1..=5).map(NodeId).collect();
            stage.faults = vec![fault(SECOND, None, FaultKind::ChainLag { nodes, by: 36 * SECOND })];
        }
        _ => {}
    }
    stage.gate = Some(gate);
    stage.until = Some(300 * SECOND);
}

/// In which seed the bug's checker fired first.
fn caught(bug: Bug) -> Option<u64> {
    let options = Options { seeded: Some(bug), ..Options::default() };
    let caught = |seed: &u64| match bug {
        Bug::StrayDraw => {
            let marked = Options { keep_history: true, ..options.clone() };
            let first = run(&stage(bug, *seed), &marked);
            difference(&first, &run(&stage(bug, *seed), &marked)).is_some()
        }
        _ => violated(&stage(bug, *seed), &options).0.contains(&bug.caught_by()),
    };
    (1..=SEEDS).find(caught)
}

/// Shows the table with `--no-capture`.
fn check(bugs: &[Bug]) {
    for bug in bugs {
        let seed = caught(*bug);
        println!(
            "{:20} {:4} {}",
            bug.name(),
            bug.caught_by(),
            seed.map_or_else(|| "never".to_owned(), |seed| format!("seed {seed}"))
        );
        assert!(seed.is_some(), "{} is not caught by {} in {SEEDS} seeds", bug.name(), bug.caught_by());
    }
}

#[test]
fn seeded_bugs_in_keys_and_nonces_are_caught() {
    check(&[
        Bug::OldBoot,
        Bug::LeakedShare,
        Bug::LatePersist,
        Bug::StrayRequester,
        Bug::SecondKey,
        Bug::LostVaultWrites,
    ]);
}

#[test]
fn seeded_bugs_in_secrets_and_blame_are_caught() {
    check(&[Bug::LoggedSecret, Bug::HastyBlame, Bug::SwallowedEvidence, Bug::FlippedSignature, Bug::PanicOnMessage]);
}

#[test]
fn seeded_bugs_in_bounds_and_progress_are_caught() {
    check(&[
        Bug::DoubleExecution,
        Bug::DoubledTimers,
        Bug::DroppedRecord,
        Bug::SkippedEntry,
        Bug::ForgottenSlashes,
        Bug::IgnoredVerdict,
        Bug::ForgottenTakeover,
        Bug::StrayDraw,
    ]);
    check(&[Bug::IdleRefusal, Bug::UnheardBlocks]);
}

#[test]
fn r33_seeded_bugs_in_refreshes_are_caught() {
    check(&[Bug::KeptShare, Bug::EarlyErase, Bug::ForeignShare]);
}

#[test]
fn seeded_bugs_in_pauses_versions_and_approvals_are_caught() {
    check(&[Bug::LateShares, Bug::UnnamedVersion, Bug::StolenApprovals]);
}

#[test]
fn seeded_bugs_at_the_gate_are_caught() {
    check(&[Bug::HastyExecution, Bug::UnseenCancellation, Bug::RevivedSchedule, Bug::UnfinalFacts]);
}

#[test]
fn r12_evidence_that_executes_twice_is_noticed() {
    let mut stage = stage(Bug::DoubleExecution, 1);
    gate(Bug::HastyExecution, &mut stage);
    stage.faults.iter_mut().for_each(|fault| fault.lasts = None);
    let twice = Options { seeded: Some(Bug::DoubleExecution), ..Options::default() };
    let (_, outcome) = violated(&stage, &twice);
    let evidence = |violation: &&Violation| violation.id == "G1" && violation.detail.contains("evidence");
    assert!(outcome.violations.iter().any(|violation| evidence(&violation)), "{:?}", outcome.violations);
}

#[test]
fn r20_only_the_race_lets_a_share_go_that_a_cancellation_overtakes() {
    let (ids, outcome) = violated(&stage(Bug::RevivedSchedule, 1), &Options::default());
    assert_eq!(ids, Vec::<&str>::new(), "{:?}", outcome.violations);
    assert!(outcome.requests.iter().all(|request| request.end != End::Refused(Code::ScheduleGone)));
    let (ids, outcome) = violated(&stage(Bug::UnseenCancellation, 1), &Options::default());
    assert_eq!(ids, Vec::<&str>::new(), "{:?}", outcome.violations);
    assert!(outcome.requests.iter().all(|request| request.end == End::Excused(CANCELLED)), "{:?}", outcome.requests);
}

#[test]
fn liveness_is_demanded_of_second_payloads() {
    let mut stage = stage(Bug::ForgottenTakeover, 1);
    gate(Bug::HastyExecution, &mut stage);
    stage.until = Some(700 * SECOND);
    // The starver lets the first payload through, and is there when the second one's turn has come.
    stage.byzantine.iter_mut().for_each(|node| node.from = 30 * SECOND);
    let forgotten = Options { seeded: Some(Bug::ForgottenTakeover), ..Options::default() };
    let (_, outcome) = violated(&stage, &forgotten);
    let second = |violation: &&Violation| violation.id == "L1" && violation.detail.contains("second payload");
    assert!(outcome.violations.iter().any(|violation| second(&violation)), "{:?}", outcome.violations);
    let (ids, outcome) = violated(&stage, &Options::default());
    assert_eq!(ids, Vec::<&str>::new(), "{:?}", outcome.violations);
}

#[test]
fn liveness_is_demanded_where_rules_are_met() {
    let mut stage = stage(Bug::ForgottenTakeover, 1);
    govern(Bug::StolenApprovals, &mut stage);
    stage.rules.push(Rule { name: "wait".to_owned(), delay: Some(10 * SECOND), ..Rule::default() });
    let budget = Some((100_000, 3_600 * SECOND, Unit::Operator));
    stage.rules.push(Rule { name: "budget".to_owned(), budget, ..Rule::default() });
    stage.people.iter_mut().for_each(|person| person.node = NodeId(2));
    let forgotten = Options { seeded: Some(Bug::ForgottenTakeover), ..Options::default() };
    assert!(violated(&stage, &forgotten).0.contains(&"L1"), "nobody takes over, and nobody says so");
    let (ids, outcome) = violated(&stage, &Options::default());
    assert_eq!(ids, Vec::<&str>::new(), "{:?}", outcome.violations);
}

#[test]
fn evidence_of_faults_in_key_generations_is_missed() {
    for act in [Act::EquivocateRound1, Act::WrongShareToOne, Act::FalseComplaint] {
        let mut stage = stage(Bug::HastyBlame, 1);
        stage.byzantine = vec![liar(5, &[act])];
        let swallowed = Options { seeded: Some(Bug::SwallowedEvidence), ..Options::default() };
        assert!(violated(&stage, &swallowed).0.contains(&"A2"), "{act:?}, and nobody says so");
        let (ids, outcome) = violated(&stage, &Options::default());
        assert_eq!(ids, Vec::<&str>::new(), "{act:?}: {:?}", outcome.violations);
    }
}

#[test]
fn without_the_bug_nothing_is_violated() {
    for bug in Bug::ALL {
        let (ids, outcome) = violated(&stage(bug, 1), &Options::default());
        assert_eq!(ids, Vec::<&str>::new(), "{}: {:?}", bug.name(), outcome.violations);
    }
}
