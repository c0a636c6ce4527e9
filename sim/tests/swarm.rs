//! Swarm scenarios are what files can say, and keep the core whole.

use firn_sim::scenario::Scenario;
use firn_sim::swarm::{expand, seed_of_commit};
use std::collections::BTreeSet;

#[test]
fn what_a_seed_expands_to_is_a_file() {
    for seed in 0..2_000 {
        let scenario = expand(seed);
        let text = scenario.to_toml();
        let read = Scenario::parse(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        assert_eq!(read, scenario, "{text}");
        assert_eq!(read.to_toml(), text);
    }
}

#[test]
fn seeds_reach_every_kind_of_fault_and_every_act() {
    let scenarios: Vec<_> = (0..1_000).map(expand).collect();
    let kinds: BTreeSet<_> =
        scenarios.iter().flat_map(|scenario| &scenario.faults).map(|fault| fault.kind.name()).collect();
    assert_eq!(kinds.len(), firn_sim::scenario::names::FAULTS.len());
    let acts: BTreeSet<_> =
        scenarios.iter().flat_map(|scenario| &scenario.byzantine).flat_map(|node| &node.acts).collect();
    assert_eq!(acts.len(), firn_sim::scenario::names::ACTS.len());
    let gated: Vec<_> = scenarios.iter().filter_map(|scenario| scenario.gate.as_ref()).collect();
    assert!((150..350).contains(&gated.len()), "{} of 1,000 have a gate", gated.len());
    assert!(gated.iter().any(|gate| gate.shared_evidence) && gated.iter().any(|gate| !gate.cancels.is_empty()));
    assert!(scenarios.iter().all(|scenario| scenario.byzantine.len() < usize::from(scenario.key.threshold)));
}

#[test]
fn a_commit_has_its_seeds() {
    assert_eq!(seed_of_commit("5d40d07aaaaabbbbb\n"), 0x5d40_d07a_aaaa);
    assert_eq!(seed_of_commit(""), 1);
}
