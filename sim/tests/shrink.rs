//! Shrinking finds the small scenario inside a big one, given any notion of failing.

use firn_sim::scenario::{Act, FaultKind, KeyOrigin, Scenario};
use firn_sim::shrink::shrink;
use firn_sim::swarm::expand;

/// Shrinks the first swarm scenarios that fail, and gives what is left of each.
fn shrunk(mut fails: impl FnMut(&Scenario) -> bool) -> Vec<Scenario> {
    let mut found = Vec::new();
    for scenario in (0..300).map(expand).filter(|scenario| scenario.node_count() > 3) {
        let mut fails = |scenario: &Scenario| {
            let text = scenario.to_toml();
            assert_eq!(Scenario::parse(&text).as_ref(), Ok(scenario), "a step that is no file:\n{text}");
            fails(scenario).then_some(70_000_000)
        };
        found.extend(shrink(&scenario, 2_000, &mut fails).map(|shrunk| shrunk.scenario));
    }
    assert!(found.len() >= 3, "{} scenarios failed", found.len());
    found
}

#[test]
fn a_fault_alone_is_left_alone() {
    let is_crash = |kind: &FaultKind| matches!(kind, FaultKind::Crash { .. });
    for scenario in shrunk(|scenario| scenario.faults.iter().any(|fault| is_crash(&fault.kind))) {
        assert_eq!((scenario.faults.len(), scenario.byzantine.len(), scenario.workload.len()), (1, 0, 0));
        assert_eq!((scenario.node_count(), scenario.key.threshold), (3, 2));
        assert_eq!((scenario.key.origin, scenario.until), (KeyOrigin::Given, Some(70_000_001)));
        assert!(scenario.to_toml().lines().count() < 20, "{}", scenario.to_toml());
    }
}

#[test]
fn an_act_and_a_request_are_what_it_takes() {
    let fails = |scenario: &Scenario| {
        let acts = |act| scenario.byzantine.iter().any(|byzantine| byzantine.acts.contains(&act));
        acts(Act::InvalidShare) && scenario.workload.iter().any(|workload| workload.count > 1)
    };
    for scenario in shrunk(fails) {
        assert_eq!((scenario.faults.len(), scenario.byzantine.len(), scenario.workload.len()), (0, 1, 1));
        assert_eq!(scenario.byzantine.first().unwrap().acts, [Act::InvalidShare]);
        assert_eq!(scenario.workload.first().unwrap().count, 2);
    }
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    assert!(shrink(&expand(1), 100, &mut |_| None).is_none());
}
