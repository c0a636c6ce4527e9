//! The list of invariants is complete: a file, a bug and a row in the documentation for each.

use firn_sim::invariants::{IDS, all};
use firn_sim::liveness::track::EXCUSES;
use firn_sim::probes;
use firn_sim::seeded::Bug;

const PAGE: &str = include_str!("../../../docs/explanation/simulator.md");

#[test]
fn every_invariant_runs_has_a_bug_and_a_row() {
    let running: Vec<_> = all().iter().map(|invariant| invariant.id()).collect();
    assert_eq!(running, IDS, "a checker that does not run checks nothing");
    for invariant in all() {
        let id = invariant.id();
        assert!(invariant.statement().len() > 40, "{id} says what it checks");
        assert!(Bug::ALL.iter().any(|bug| bug.caught_by() == id), "a seeded bug for {id}");
        assert!(PAGE.contains(&format!("| {id} |")), "{id} has a row in docs/explanation/simulator.md");
    }
    for id in ["L1", "DET"] {
        assert!(Bug::ALL.iter().any(|bug| bug.caught_by() == id), "a seeded bug for {id}");
    }
}

#[test]
fn every_probe_excuse_and_bug_is_explained() {
    let names = probes::ALL.iter().map(|(name, _)| *name).chain(EXCUSES).chain(Bug::ALL.map(Bug::name));
    let missing: Vec<_> = names.filter(|name| !PAGE.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
