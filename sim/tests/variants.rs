//! Committed scenarios fail where they should: each with a bug that it is an incident of.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "reads the committed files")]

use firn_proto::policy::Unit;
use firn_sim::run::{Options, run};
use firn_sim::scenario::{Rule, Scenario};
use firn_sim::seeded::Bug;
use firn_sim::verdict::End;
use std::path::Path;

const VARIANTS: [(&str, Bug); 18] = [
    ("lossy-planet", Bug::LeakedShare),
    ("cable-cut-mid-round", Bug::LatePersist),
    ("cold-twin", Bug::StrayRequester),
    ("coordinator-dies-at-t-minus-1", Bug::LostVaultWrites),
    ("two-requests", Bug::LoggedSecret),
    ("equivocating-dealer", Bug::HastyBlame),
    ("forged-signature-and-framing", Bug::SwallowedEvidence),
    ("duplicates-and-overtaking", Bug::DoubleExecution),
    ("flapping-link", Bug::DoubledTimers),
    ("clock-steps", Bug::DroppedRecord),
    ("migrated-machine", Bug::FlippedSignature),
    ("jammed-link", Bug::PanicOnMessage),
    ("split-packages", Bug::ForgottenTakeover),
    ("slash-through-a-gate", Bug::UnseenCancellation),
    ("cancellation-races-readiness", Bug::RevivedSchedule),
    ("scheduler-gone", Bug::HastyExecution),
    ("reorgs-and-a-gas-spike", Bug::UnfinalFacts),
    ("lying-endpoints", Bug::UnseenCancellation),
];

#[test]
fn incidents_catch_the_bugs_that_they_are_about() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let fixtures = Options::default().fixtures;
    for (name, bug) in VARIANTS {
        let text = std::fs::read_to_string(folder.join(name).with_extension("toml")).unwrap();
        let scenario = Scenario::parse(&text).unwrap();
        let with = |seeded| Options {
            seeded,
            stop_at_first_violation: true,
            fixtures: fixtures.clone(),
            ..Options::default()
        };
        assert_eq!(run(&scenario, &with(None)).outcome.violations, [], "{name}");
        let found = run(&scenario, &with(Some(bug))).outcome.violations;
        assert_eq!(found.first().map(|violation| violation.id), Some(bug.caught_by()), "{name} with {}", bug.name());
    }
}

/// Drawn schedules: partitions, crashes, late finality, fewer than t corrupted members.
const DRAWN: u64 = 16;

#[test]
fn r14_three_rivals_of_which_any_two_fit_never_pass_a_budget() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/three-rivals-one-budget.toml");
    let scenario = Scenario::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let options = Options::default();
    for seed in 1..=3 {
        let outcome = run(&Scenario { seed, ..scenario.clone() }, &options).outcome;
        assert_eq!(outcome.violations, [], "seed {seed}");
    }
}

#[test]
fn r14_two_payloads_at_once_never_pass_a_budget() {
    for seeded in [None, Some(Bug::DroppedRecord)] {
        // With the bug the core forgets at the restart what it has lent: then the vault's locks are all there is.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/two-payloads-one-budget.toml");
        let scenario = Scenario::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        let outcome = run(&scenario, &Options { seeded, ..Options::default() }).outcome;
        let passed: Vec<_> = outcome.violations.iter().filter(|violation| violation.id == "B1").collect();
        assert!(passed.is_empty(), "{seeded:?}: {passed:?}");
        let executed = outcome.requests.iter().filter(|request| request.end == End::Signed).count();
        assert_eq!(executed, 1, "one slash fits, and is signed");
    }
}

#[test]
fn r14_no_drawn_schedule_passes_a_budget() {
    let options = Options::default();
    for seed in 1..=DRAWN {
        let mut scenario = firn_sim::swarm::expand(seed);
        // Two of the workload's slashes fit, three do not.
        let budget = Some((200_000, 86_400_000_000, Unit::Operator));
        scenario.rules = vec![Rule { name: "budget".to_owned(), budget, ..Rule::default() }];
        let violations = run(&scenario, &options).outcome.violations;
        let passed: Vec<_> = violations.iter().filter(|violation| violation.id == "B1").collect();
        assert!(passed.is_empty(), "seed {seed}: {passed:?}");
    }
}
