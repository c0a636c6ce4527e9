//! A key's diversity rule: its signers come from at least so many organisations and so many regions, and at most so many of
//! them from one organisation, region or provider.
//!
//! The least, seen as a graph: organisations and regions are the two sides and each candidate is an edge between its own. To
//! touch o organisations and r regions anew takes o + r edges less one for each edge that touches both at once, and edges that do
//! so without getting into each other's way are a matching. So o + r - min(o, r, largest matching) edges are enough, and
//! fewer never are. The most is a bound for each family of places by itself, which only together may fall short: then the
//! search turns back, at most [`SEARCH_STEPS_MAX`] times.

use crate::definition::{Content, KeyDefinition, Node};
use crate::ids::NodeId;
use crate::limits::SEARCH_STEPS_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// The signers to take from `candidates`, which come in the order of preference: t of them that meet the key's rule, each as
/// early as those before it permit. Finds them whenever there are any, unless the rule's most is so intricate that the search
/// takes too long; without a most it never turns back. Candidates beside the key count for nothing.
#[must_use]
pub fn eligible_subset(definition: &Content, key: &KeyDefinition, candidates: &[NodeId]) -> Option<Vec<NodeId>> {
    let mut seen = BTreeSet::new();
    let candidates: Vec<_> = key_members(definition, key, candidates).filter(|node| seen.insert(*node)).collect();
    let (mut chosen, mut steps) = (Vec::new(), SEARCH_STEPS_MAX);
    search(definition, key, &mut chosen, &candidates, &mut steps).then_some(chosen)
}

/// Whether `signers` are t different members of the key that meet its rule.
#[must_use]
pub fn is_eligible(definition: &Content, key: &KeyDefinition, signers: &[NodeId]) -> bool {
    let distinct: BTreeSet<_> = key_members(definition, key, signers).collect();
    distinct.len() == signers.len() && can_complete(definition, key, signers, &[])
}

/// Those of `nodes` that are members and still in the definition: a key may have a member longer than its network has the node.
fn key_members<'a>(
    definition: &Content,
    key: &KeyDefinition,
    nodes: &'a [NodeId],
) -> impl Iterator<Item = NodeId> + use<'a> {
    let members: BTreeSet<_> = key.nodes().filter(|node| definition.nodes.contains_key(node)).collect();
    nodes.iter().copied().filter(move |node| members.contains(node))
}

/// Completes `chosen` from `rest`, the earlier ones first.
fn search(
    definition: &Content,
    key: &KeyDefinition,
    chosen: &mut Vec<NodeId>,
    rest: &[NodeId],
    steps: &mut usize,
) -> bool {
    *steps = steps.saturating_sub(1);
    if *steps == 0 || !can_complete(definition, key, chosen, rest) {
        return false;
    }
    let Some((candidate, later)) = rest.split_first().filter(|_| chosen.len() < usize::from(key.threshold)) else {
        return true;
    };
    chosen.push(*candidate);
    if search(definition, key, chosen, later, steps) {
        return true;
    }
    chosen.pop();
    search(definition, key, chosen, later, steps)
}

/// Whether `chosen` and some of `rest` are t signers that meet the rule. False is certain; true is, once all are chosen, and
/// before that where the rule has no most.
fn can_complete(definition: &Content, key: &KeyDefinition, chosen: &[NodeId], rest: &[NodeId]) -> bool {
    let Some(room) = usize::from(key.threshold).checked_sub(chosen.len()) else { return false };
    let places = |nodes: &[NodeId]| nodes.iter().filter_map(|node| definition.nodes.get(node)).collect::<Vec<_>>();
    let (chosen, mut rest) = (places(chosen), places(rest));
    for (most, place) in key.at_most.families() {
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &chosen {
            let left = left.entry(place(node)).or_insert(most);
            let Some(less) = left.checked_sub(1) else { return false };
            *left = less;
        }
        // Each place offers no more of its own than it has left.
        let mut open = left.clone();
        let offered = rest.iter().filter(|node| {
            let open = open.entry(place(node)).or_insert(most);
            let is_open = *open > 0;
            *open = open.saturating_sub(1);
            is_open
        });
        if offered.count() < room {
            return false;
        }
        rest.retain(|node| left.get(place(node)).is_none_or(|left| *left > 0));
    }
    rest.len() >= room && least_fits(key, &chosen, &rest, room)
}

/// Whether the organisations and regions that are missing fit into `room` more signers of `rest`.
fn least_fits(key: &KeyDefinition, chosen: &[&Node], rest: &[&Node], room: usize) -> bool {
    let (organisations, regions): (BTreeSet<&str>, BTreeSet<&str>) =
        chosen.iter().map(|node| (node.organisation.as_str(), node.region.as_str())).unzip();
    let mut anew: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let (mut new_organisations, mut new_regions) = (BTreeSet::new(), BTreeSet::new());
    for (organisation, region) in rest.iter().map(|node| (node.organisation.as_str(), node.region.as_str())) {
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
