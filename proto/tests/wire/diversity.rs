//! The diversity rule, held against every subset there is.

use crate::fixture::{changed, definition};
use firn_proto::definition::{Content, Definition, KeyDefinition};
use firn_proto::diversity::{eligible_subset, is_eligible};
use firn_proto::{Identifier, NodeId};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Nodes in the given places (organisation, region), all members of one key.
fn placed(places: &[(u8, u8)], threshold: u16, organisations_min: u16, regions_min: u16) -> Content {
    let mut content = (*definition()).clone();
    let sample = content.nodes[&NodeId(1)].clone();
    let ids = 1..=u16::try_from(places.len()).unwrap();
    content.nodes = ids
        .clone()
        .zip(places)
        .map(|(id, (organisation, region))| {
            let (organisation, region) = (format!("org-{organisation}"), format!("region-{region}"));
            (NodeId(id), firn_proto::definition::Node { organisation, region, ..sample.clone() })
        })
        .collect();
    let members = ids.map(|id| (Identifier(id), NodeId(id))).collect();
    let key = KeyDefinition { threshold, members, organisations_min, regions_min, ..content.keys[1].clone() };
    content.keys = vec![key];
    content
}

/// The rule as people read it.
fn meets(content: &Content, signers: &[NodeId]) -> bool {
    let key = &content.keys[0];
    let count = |label: fn(&firn_proto::definition::Node) -> &String| {
        signers.iter().map(|node| label(&content.nodes[node])).collect::<BTreeSet<_>>().len()
    };
    signers.len() == usize::from(key.threshold)
        && count(|node| &node.organisation) >= usize::from(key.organisations_min)
        && count(|node| &node.region) >= usize::from(key.regions_min)
}

/// Of all subsets in the order of preference the first that meets the rule.
fn by_force(content: &Content, candidates: &[NodeId]) -> Option<Vec<NodeId>> {
    let subsets = (0_u32..1 << candidates.len()).rev().map(|bits| {
        let is_in = |index: usize| bits & (1 << (candidates.len() - 1 - index)) != 0;
        candidates.iter().enumerate().filter(|(index, _)| is_in(*index)).map(|(_, node)| *node).collect::<Vec<_>>()
    });
    subsets.into_iter().find(|subset| meets(content, subset))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_first_eligible_subset_is_found_whenever_there_is_one(
        places in prop::collection::vec((0u8..5, 0u8..5), 2..9),
        rule in (1u16..6, 1u16..5, 1u16..5),
        order in any::<prop::sample::Index>(),
        away in any::<u8>(),
    ) {
        let content = placed(&places, rule.0, rule.1, rule.2);
        let mut candidates: Vec<_> = content.nodes.keys().copied().filter(|node| away & (1 << node.0.min(7)) == 0).collect();
        if !candidates.is_empty() {
            let turn = order.index(candidates.len());
            candidates.rotate_left(turn);
        }
        let found = eligible_subset(&content, &content.keys[0], &candidates);
        prop_assert_eq!(&found, &by_force(&content, &candidates));
        prop_assert!(found.is_none_or(|found| is_eligible(&content, &content.keys[0], &found)));
        prop_assert_eq!(is_eligible(&content, &content.keys[0], &candidates), meets(&content, &candidates));
    }
}

#[test]
fn r22_nobody_counts_twice_and_strangers_count_for_nothing() {
    let content = placed(&[(0, 0), (1, 1), (2, 2)], 2, 1, 1);
    let key = &content.keys[0];
    let [one, two, nine] = [1, 2, 9].map(NodeId);
    assert_eq!(eligible_subset(&content, key, &[one, one, nine]), None);
    assert_eq!(eligible_subset(&content, key, &[nine, two, two, one]), Some(vec![two, one]));
    assert!(!is_eligible(&content, key, &[one, one]) && !is_eligible(&content, key, &[one, nine]));
    assert!(is_eligible(&content, key, &[two, one]));
}

#[test]
fn r22_a_rule_that_the_members_cannot_meet_is_refused_and_any_other_is_read_back() {
    // Five nodes in five organisations and one region, of which three sign.
    for (organisations, regions, sane) in
        [(1, 1, true), (3, 1, true), (4, 1, false), (1, 2, false), (0, 1, false), (1, 0, false)]
    {
        let changed = changed(|d| (d.keys[1].organisations_min, d.keys[1].regions_min) = (organisations, regions));
        let text = changed.to_toml();
        assert_eq!(text.contains("[keys.diversity]"), (organisations, regions) != (1, 1));
        let read = Definition::parse(&text);
        assert_eq!(read.is_ok(), sane, "{organisations} {regions}: {read:?}");
        assert!(read.is_err() || read == Ok(changed));
    }
    let text = changed(|d| d.keys[1].organisations_min = 2).to_toml();
    assert!(Definition::parse(&text.replacen("organisations = 2", "organisations = 2\nproviders = 2", 1)).is_err());
    assert!(Definition::parse(&text.replacen("regions = 1\n", "", 1)).is_err());
}
