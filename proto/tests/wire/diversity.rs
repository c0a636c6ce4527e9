//! The diversity rule, held against every subset there is.

use crate::fixture::{changed, definition};
use firn_proto::definition::{AtMost, Content, Definition, KeyDefinition, Node};
use firn_proto::diversity::{eligible_subset, is_eligible};
use firn_proto::{Identifier, NodeId};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Nodes in the given places (organisation, region, provider), all members of one key.
fn placed(places: &[(u8, u8, u8)], threshold: u16, organisations_min: u16, regions_min: u16) -> Content {
    let mut content = (*definition()).clone();
    let sample = content.nodes[&NodeId(1)].clone();
    let ids = 1..=u16::try_from(places.len()).unwrap();
    content.nodes = ids
        .clone()
        .zip(places)
        .map(|(id, (organisation, region, provider))| {
            let (organisation, region) = (format!("org-{organisation}"), format!("region-{region}"));
            (NodeId(id), Node { organisation, region, provider: format!("provider-{provider}"), ..sample.clone() })
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
    let gives = |label: fn(&Node) -> &String| {
        let mut places: BTreeMap<_, u16> = BTreeMap::new();
        signers.iter().for_each(|node| *places.entry(label(&content.nodes[node])).or_default() += 1);
        (places.len(), places.into_values().max().unwrap_or(0))
    };
    let (organisations, of_one_organisation) = gives(|node| &node.organisation);
    let (regions, of_one_region) = gives(|node| &node.region);
    let (_, of_one_provider) = gives(|node| &node.provider);
    let within = |most: Option<u16>, count| most.is_none_or(|most| count <= most);
    signers.len() == usize::from(key.threshold)
        && organisations >= usize::from(key.organisations_min)
        && regions >= usize::from(key.regions_min)
        && within(key.at_most.per_organisation, of_one_organisation)
        && within(key.at_most.per_region, of_one_region)
        && within(key.at_most.per_provider, of_one_provider)
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
        places in prop::collection::vec((0u8..5, 0u8..5, 0u8..4), 2..9),
        rule in (1u16..6, 1u16..5, 1u16..5),
        most in prop::array::uniform3(prop::option::of(1u16..4)),
        order in any::<prop::sample::Index>(),
        away in any::<u8>(),
    ) {
        let mut content = placed(&places, rule.0, rule.1, rule.2);
        let [per_organisation, per_region, per_provider] = most;
        content.keys[0].at_most = AtMost { per_organisation, per_region, per_provider };
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
    let content = placed(&[(0, 0, 0), (1, 1, 1), (2, 2, 2)], 2, 1, 1);
    let key = &content.keys[0];
    let [one, two, nine] = [1, 2, 9].map(NodeId);
    assert_eq!(eligible_subset(&content, key, &[one, one, nine]), None);
    assert_eq!(eligible_subset(&content, key, &[nine, two, two, one]), Some(vec![two, one]));
    assert!(!is_eligible(&content, key, &[one, one]) && !is_eligible(&content, key, &[one, nine]));
    assert!(is_eligible(&content, key, &[two, one]));
}

#[test]
fn r22_a_place_that_has_given_its_most_gives_no_more() {
    // Three of organisation 0 in different regions and with different providers, two of others at one provider.
    let mut content = placed(&[(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 3, 3), (2, 4, 3)], 3, 1, 1);
    let mut chosen = |per_organisation, per_region, per_provider| {
        content.keys[0].at_most = AtMost { per_organisation, per_region, per_provider };
        let all: Vec<_> = content.nodes.keys().copied().collect();
        let found = eligible_subset(&content, &content.keys[0], &all).map(|nodes| nodes.iter().map(|n| n.0).collect());
        (found, is_eligible(&content, &content.keys[0], &[1, 2, 3].map(NodeId)))
    };
    assert_eq!(chosen(None, None, None), (Some(vec![1, 2, 3]), true));
    assert_eq!(chosen(Some(2), None, None), (Some(vec![1, 2, 4]), false));
    assert_eq!(chosen(Some(1), None, None), (Some(vec![1, 4, 5]), false));
    assert_eq!(chosen(Some(1), None, Some(1)), (None, false), "two organisations share a provider");
    assert_eq!(chosen(None, Some(1), Some(1)), (Some(vec![1, 2, 3]), true));
    assert_eq!(chosen(None, Some(0), None), (None, false));
}

#[test]
fn r22_the_search_ends_at_a_hundred_members_whatever_the_rule() {
    // Pairs share an organisation, neighbours of pairs a region, others a provider: 50 of them at one each.
    let places: Vec<_> = (0..100_u8).map(|n| (n / 2, n.div_ceil(2) % 50, n % 50)).collect();
    let mut content = placed(&places, 51, 1, 1);
    content.keys[0].at_most = AtMost { per_organisation: Some(1), per_region: Some(2), per_provider: Some(2) };
    let all: Vec<_> = content.nodes.keys().copied().collect();
    assert_eq!(eligible_subset(&content, &content.keys[0], &all), None, "fifty organisations at one each are not 51");
    content.keys[0].threshold = 50;
    let found = eligible_subset(&content, &content.keys[0], &all).unwrap();
    assert!(meets(&content, &found));
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
    let limited = changed(|d| d.keys[1].at_most.per_provider = Some(3));
    assert_eq!(Definition::parse(&limited.to_toml()), Ok(limited));
    let text = changed(|d| d.keys[1].organisations_min = 2).to_toml();
    assert!(Definition::parse(&text.replacen("organisations = 2", "organisations = 2\nproviders = 2", 1)).is_err());
    assert!(Definition::parse(&text.replacen("regions = 1\n", "", 1)).is_err());
}
