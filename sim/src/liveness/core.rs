//! Live cores as sets: who hears whom, the cliques of that, and which of them could sign.
//!
//! Exact up to the bound on steps, which no committee of seven comes near; beyond it the largest sets found so far count,
//! so that an excuse may be too generous and a verdict `violated` never is.

use firn_proto::NodeId;
use firn_proto::definition::{Definition, KeyDefinition};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of the search for cliques: three times what all graphs of seven nodes take, a millisecond.
const STEPS_MAX: u32 = 4_000;

/// A set of members, one bit for each position in the committee.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Members(pub u128);

impl Members {
    /// How many.
    #[must_use]
    pub fn len(self) -> u16 {
        u16::try_from(self.0.count_ones()).unwrap_or(u16::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this position is among them.
    #[must_use]
    pub fn contains(self, position: usize) -> bool {
        self.0 >> position & 1 == 1
    }

    /// Those in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The positions, ascending.
    pub fn positions(self) -> impl Iterator<Item = usize> {
        (0..128).filter(move |position| self.contains(*position))
    }

    /// The set of these positions.
    pub fn of(positions: impl IntoIterator<Item = usize>) -> Self {
        Self(positions.into_iter().fold(0, |set, position| set | 1 << position))
    }
}

/// Who may sign together: the members of a key with what the diversity rule looks at.
#[derive(Clone, Debug)]
pub struct Committee {
    nodes: Vec<NodeId>,
    organisations: Vec<String>,
    regions: Vec<String>,
    threshold: usize,
    organisations_min: usize,
    regions_min: usize,
}

impl Committee {
    /// The members of `key`.
    #[must_use]
    pub fn new(definition: &Definition, key: &KeyDefinition, organisations_min: u16, regions_min: u16) -> Self {
        let label = |pick: fn(&firn_proto::definition::Node) -> &String| {
            key.nodes().map(|node| definition.nodes.get(&node).map(|n| pick(n).clone()).unwrap_or_default()).collect()
        };
        Self {
            nodes: key.nodes().collect(),
            organisations: label(|node| &node.organisation),
            regions: label(|node| &node.region),
            threshold: key.threshold.into(),
            organisations_min: organisations_min.into(),
            regions_min: regions_min.into(),
        }
    }

    /// Any `threshold` of these nodes.
    #[must_use]
    pub fn plain(nodes: impl IntoIterator<Item = NodeId>, threshold: usize) -> Self {
        let nodes: Vec<_> = nodes.into_iter().collect();
        let labels = vec![String::new(); nodes.len()];
        Self { organisations: labels.clone(), regions: labels, nodes, threshold, organisations_min: 1, regions_min: 1 }
    }

    /// The members by position.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// t.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The position of a node.
    #[must_use]
    pub fn position(&self, node: NodeId) -> Option<usize> {
        self.nodes.iter().position(|member| *member == node)
    }

    /// The set of these nodes.
    pub fn members(&self, nodes: impl IntoIterator<Item = NodeId>) -> Members {
        Members::of(nodes.into_iter().filter_map(|node| self.position(node)))
    }

    /// Whether t of `set` meet the diversity rule.
    ///
    /// Members are edges between organisations and regions. Whoever adds a new organisation and a new region at once can be
    /// matched with others who do, so a organisations and b regions take a + b - min(m, a, b) members, m the largest matching.
    #[must_use]
    pub fn is_eligible(&self, set: Members) -> bool {
        let mut edges: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
        for position in set.positions() {
            if let (Some(organisation), Some(region)) = (self.organisations.get(position), self.regions.get(position)) {
                edges.entry(organisation).or_default().insert(region);
            }
        }
        let regions: BTreeSet<_> = edges.values().flatten().copied().collect();
        let (a, b) = (self.organisations_min, self.regions_min);
        let needed = || (a + b).saturating_sub(matching(&edges).min(a).min(b));
        usize::from(set.len()) >= self.threshold && edges.len() >= a && regions.len() >= b && needed() <= self.threshold
    }
}

/// The size of a largest matching (augmenting paths).
fn matching(edges: &BTreeMap<&String, BTreeSet<&String>>) -> usize {
    fn augment<'a>(
        from: &'a String,
        edges: &BTreeMap<&'a String, BTreeSet<&'a String>>,
        seen: &mut BTreeSet<&'a String>,
        taken: &mut BTreeMap<&'a String, &'a String>,
    ) -> bool {
        edges.get(from).into_iter().flatten().any(|region| {
            let free = seen.insert(region)
                && taken.get(region).copied().is_none_or(|holder| augment(holder, edges, seen, taken));
            free && {
                taken.insert(region, from);
                true
            }
        })
    }
    let mut taken = BTreeMap::new();
    edges.keys().filter(|organisation| augment(organisation, edges, &mut BTreeSet::new(), &mut taken)).count()
}

/// Who hears whom, in both directions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Graph(Vec<Members>);

impl Graph {
    /// Of `n` members, with the pairs for which `mutual` holds. A member that does not hear itself is in no set at all.
    pub fn new(n: usize, mutual: impl Fn(usize, usize) -> bool) -> Self {
        Self((0..n).map(|a| Members::of((0..n).filter(|b| mutual(a, *b)))).collect())
    }

    /// What holds in both graphs.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a.and(*b)).collect())
    }

    /// Whether two members hear each other.
    #[must_use]
    pub fn hears(&self, a: usize, b: usize) -> bool {
        self.of(a).contains(b)
    }

    /// All maximal sets in which everybody hears everybody (Bron and Kerbosch, with a pivot).
    #[must_use]
    pub fn cliques(&self) -> Vec<Members> {
        let all = Members::of((0..self.0.len()).filter(|member| self.of(*member).contains(*member)));
        let mut search = Search { graph: self, found: Vec::new(), steps: 0 };
        search.extend(Members::default(), all, Members::default());
        search.found
    }

    fn of(&self, member: usize) -> Members {
        self.0.get(member).copied().unwrap_or_default()
    }

    fn others(&self, member: usize) -> Members {
        Members(self.of(member).0 & !(1 << member))
    }
}

struct Search<'a> {
    graph: &'a Graph,
    found: Vec<Members>,
    steps: u32,
}

impl Search<'_> {
    fn extend(&mut self, chosen: Members, mut open: Members, mut done: Members) {
        self.steps += 1;
        if open.is_empty() && done.is_empty() && !chosen.is_empty() {
            self.found.push(chosen);
        }
        let candidates = Members(open.0 | done.0);
        let pivot = candidates.positions().max_by_key(|member| self.graph.others(*member).and(open).len());
        let Some(pivot) = pivot.filter(|_| !open.is_empty()) else { return };
        for member in Members(open.0 & !self.graph.others(pivot).0).positions() {
            if self.steps > STEPS_MAX {
                return;
            }
            let near = self.graph.others(member);
            self.extend(Members(chosen.0 | 1 << member), open.and(near), done.and(near));
            open = Members(open.0 & !(1 << member));
            done = Members(done.0 | 1 << member);
        }
    }
}

#[cfg(test)]
mod tests;
