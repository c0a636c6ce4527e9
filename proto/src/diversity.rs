//! A key's diversity rule: its signers come from at least so many organisations and so many regions.
//!
//! Seen as a graph, organisations and regions are the two sides and each candidate is an edge between its own. To touch
//! o organisations and r regions anew takes o + r edges less one for each edge that touches both at once, and edges that do
//! so without getting into each other's way are a matching. So o + r - min(o, r, largest matching) edges are enough, and
//! fewer never are.

use crate::definition::{Content, KeyDefinition};
use crate::ids::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// The signers to take from `candidates`, which come in the order of preference: t of them that meet the key's rule, each as
/// early as those before it permit. Finds them whenever there are any. Candidates beside the key count for nothing.
#[must_use]
pub fn eligible_subset(definition: &Content, key: &KeyDefinition, candidates: &[NodeId]) -> Option<Vec<NodeId>> {
    let mut seen = BTreeSet::new();
    let candidates: Vec<_> = key_members(key, candidates).filter(|node| seen.insert(*node)).collect();
    if !can_complete(definition, key, &[], &candidates) {
        return None;
    }
    let (mut chosen, mut rest) = (Vec::new(), candidates.as_slice());
    while let Some((candidate, later)) = rest.split_first() {
        chosen.push(*candidate);
        if !can_complete(definition, key, &chosen, later) {
            chosen.pop();
        }
        rest = later;
    }
    Some(chosen)
}

/// Whether `signers` are t different members of the key that meet its rule.
#[must_use]
pub fn is_eligible(definition: &Content, key: &KeyDefinition, signers: &[NodeId]) -> bool {
    let distinct: BTreeSet<_> = key_members(key, signers).collect();
    distinct.len() == signers.len() && can_complete(definition, key, signers, &[])
}

fn key_members<'a>(key: &KeyDefinition, nodes: &'a [NodeId]) -> impl Iterator<Item = NodeId> + 'a {
    let members: BTreeSet<_> = key.nodes().collect();
    nodes.iter().copied().filter(move |node| members.contains(node))
}

/// Whether `chosen` and some of `rest` are t signers that meet the rule.
fn can_complete(definition: &Content, key: &KeyDefinition, chosen: &[NodeId], rest: &[NodeId]) -> bool {
    let Some(room) = usize::from(key.threshold).checked_sub(chosen.len()).filter(|room| *room <= rest.len()) else {
        return false;
    };
    let place =
        |node: &NodeId| definition.nodes.get(node).map(|node| (node.organisation.as_str(), node.region.as_str()));
    let (organisations, regions): (BTreeSet<_>, BTreeSet<_>) = chosen.iter().filter_map(place).unzip();
    let mut anew: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let (mut new_organisations, mut new_regions) = (BTreeSet::new(), BTreeSet::new());
    for (organisation, region) in rest.iter().filter_map(place) {
        match (organisations.contains(organisation), regions.contains(region)) {
            (false, false) => drop(anew.entry(organisation).or_default().insert(region)),
            (true, true) => continue,
            _ => {}
        }
        if !organisations.contains(organisation) {
            new_organisations.insert(organisation);
        }
        if !regions.contains(region) {
            new_regions.insert(region);
        }
    }
    let o = usize::from(key.organisations_min).saturating_sub(organisations.len());
    let r = usize::from(key.regions_min).saturating_sub(regions.len());
    if new_organisations.len() < o || new_regions.len() < r {
        return false;
    }
    let both = if o.min(r) == 0 { 0 } else { largest_matching(&anew).min(o).min(r) };
    o + r - both <= room
}

/// The size of a largest matching, by augmenting paths (Kuhn).
fn largest_matching<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> usize {
    let mut owners = BTreeMap::new();
    edges.keys().filter(|left| augment(edges, left, &mut owners, &mut BTreeSet::new())).count()
}

fn augment<'a>(
    edges: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    left: &'a str,
    owners: &mut BTreeMap<&'a str, &'a str>,
    tried: &mut BTreeSet<&'a str>,
) -> bool {
    edges.get(left).into_iter().flatten().any(|right| {
        if !tried.insert(right) {
            return false;
        }
        let owner = owners.get(right).copied();
        let free = owner.is_none_or(|owner| augment(edges, owner, owners, tried));
        if free {
            owners.insert(right, left);
        }
        free
    })
}
