//! Where nodes are, how far apart, and the least time a signature can take between them.

use crate::scenario::{Micros, Organisation, Scenario};
use firn_proto::NodeId;
use std::collections::BTreeMap;

mod delay;
mod matrix;

pub use delay::one_way;
pub use matrix::{Invalid, Matrix, Rtt};

/// Where a node is, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// `organisation/k`, k counting from 1.
    pub name: String,
    /// The organisation that runs it.
    pub organisation: String,
    /// Its region.
    pub region: String,
    /// Its hosting provider.
    pub cloud: String,
}

/// The nodes of a scenario, and the round trips between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Geography {
    places: BTreeMap<NodeId, Place>,
    rtt: BTreeMap<(NodeId, NodeId), Rtt>,
}

impl Geography {
    /// Places the nodes of a scenario on a matrix; the scenario's own round trips come first.
    ///
    /// # Errors
    /// Two nodes are in regions between which there is no round trip.
    pub fn new(scenario: &Scenario, matrix: &Matrix) -> Result<Self, Invalid> {
        let places = places(&scenario.organisations);
        let mut rtt = BTreeMap::new();
        for (a, from) in &places {
            for (b, to) in places.iter().filter(|(b, _)| *b != a) {
                rtt.insert((*a, *b), between(scenario, matrix, &from.region, &to.region)?);
            }
        }
        Ok(Self { places, rtt })
    }

    /// On the built-in matrix that the scenario names.
    ///
    /// # Errors
    /// There is no such matrix, or it lacks a region.
    pub fn built_in(scenario: &Scenario) -> Result<Self, Invalid> {
        Self::new(scenario, &Matrix::built_in(&scenario.network.latency)?)
    }

    /// All nodes.
    #[must_use]
    pub fn places(&self) -> &BTreeMap<NodeId, Place> {
        &self.places
    }

    /// Between two nodes; nothing from a node to itself, and to nodes that are not there.
    #[must_use]
    pub fn rtt(&self, a: NodeId, b: NodeId) -> Rtt {
        self.rtt.get(&(a, b)).copied().unwrap_or_default()
    }

    /// The least time in which `origin` can have a signature when commitments are there already: one round trip to the
    /// member that completes the nearest set of signers, the origin first. `None` where all members together are not
    /// `eligible`, which is asked about sets in order of distance.
    pub fn floor(
        &self,
        origin: NodeId,
        members: &[NodeId],
        mut eligible: impl FnMut(&[NodeId]) -> bool,
    ) -> Option<Micros> {
        let distance = |node: &NodeId| (*node != origin, self.rtt(origin, *node).p50, *node);
        let mut near = members.to_vec();
        near.sort_by_key(distance);
        let count = (1..=near.len()).find(|count| near.get(..*count).is_some_and(&mut eligible))?;
        near.get(count - 1).map(|last| self.rtt(origin, *last).p50)
    }
}

/// The regions of the first two nodes between which there is no round trip.
pub(crate) fn apart(scenario: &Scenario, matrix: &Matrix) -> Option<(String, String)> {
    let places = places(&scenario.organisations);
    let pairs =
        places.iter().flat_map(|(a, from)| places.iter().filter(move |(b, _)| *b != a).map(move |(_, to)| (from, to)));
    let missing = |(from, to): &(&Place, &Place)| between(scenario, matrix, &from.region, &to.region).is_err();
    pairs.into_iter().find(missing).map(|(from, to)| (from.region.clone(), to.region.clone()))
}

/// Names and places of the nodes, in the order of their ids.
pub(crate) fn places(organisations: &[Organisation]) -> BTreeMap<NodeId, Place> {
    let mut places = BTreeMap::new();
    for organisation in organisations {
        let regions = organisation.nodes.iter().flat_map(|(region, count)| (0..*count).map(move |_| region));
        for (k, region) in regions.enumerate() {
            let place = Place {
                name: format!("{}/{}", organisation.name, k + 1),
                organisation: organisation.name.clone(),
                region: region.clone(),
                cloud: organisation.cloud.clone().unwrap_or_else(|| organisation.name.clone()),
            };
            let id = u16::try_from(places.len() + 1).unwrap_or(u16::MAX);
            places.insert(NodeId(id), place);
        }
    }
    places
}

fn between(scenario: &Scenario, matrix: &Matrix, a: &str, b: &str) -> Result<Rtt, Invalid> {
    let own = |a: &str, b: &str| scenario.network.rtt.get(&(a.to_owned(), b.to_owned())).copied();
    let own = own(a, b).or_else(|| own(b, a)).map(Rtt::of_median);
    own.or_else(|| matrix.rtt(a, b)).ok_or_else(|| {
        let known: Vec<_> = matrix.regions().into_iter().collect();
        let detail = format!(
            "no round trip between {a} and {b} in the matrix {}; it has {}; give others under [network.rtt]",
            matrix.name,
            known.join(", ")
        );
        Invalid { line: None, detail }
    })
}

#[cfg(test)]
mod tests;
