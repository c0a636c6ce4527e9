//! The reference page of scenario files says everything that the parser knows, and what it shows runs.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use firn_sim::scenario::Scenario;
use firn_sim::scenario::names::{ACTS, FAULTS, MESSAGES, POINTS, WORKLOADS};
use firn_sim::scenario::parse::KEYS;

const PAGE: &str = include_str!("../../docs/reference/scenarios.md");

fn example() -> &'static str {
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_page_names_every_word_of_the_language() {
    let keys = KEYS.iter().flat_map(|(_, keys)| *keys).chain(FAULTS.iter().flat_map(|(_, keys)| *keys));
    let names = keys.copied().chain(FAULTS.map(|(kind, _)| kind)).chain(ACTS.map(|(_, act)| act));
    let names = names.chain(POINTS.map(|(_, point)| point)).chain(MESSAGES);
    let shown = |name: &str| PAGE.contains(&format!("`{name}`")) || PAGE.contains(&format!("{name} = "));
    let missing: Vec<_> = names.filter(|name| !shown(name)).collect();
    assert!(missing.is_empty(), "docs/reference/scenarios.md does not name {missing:?}");
    assert!(WORKLOADS.iter().all(|kind| PAGE.contains(&format!("`\"{kind}\"`"))));
}

#[test]
fn the_example_is_a_scenario() {
    assert_eq!(Scenario::parse(example()).unwrap().faults.len(), 1);
}

#[test]
fn every_kind_of_fault_is_shown_as_it_is_written() {
    for (kind, _) in FAULTS {
        let row =
            PAGE.lines().find(|line| line.starts_with(&format!("| `{kind}` | `"))).unwrap_or_else(|| panic!("{kind}"));
        let value = row.split('`').nth(3).unwrap();
        let text = format!("{}\n[[fault]]\nat = \"3s\"\n{kind} = {value}\n", example());
        let scenario = Scenario::parse(&text).unwrap_or_else(|problem| panic!("{row}: {problem}"));
        assert_eq!(scenario.faults.last().unwrap().kind.name(), kind);
    }
}
