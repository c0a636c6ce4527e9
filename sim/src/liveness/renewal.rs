//! Liveness of refreshes and resharings: where all old and all new members stay connected, the next epoch comes.

use super::bound;
use super::core::Committee;
use super::ground::Ground;
use crate::scenario::Micros;
use crate::verdict::Violation;
use crate::world::World;

/// An attempt that a fault spoilt before has until its deadline.
const DEADLINE: Micros = 70_000_000;

/// Since when everybody who takes part in a renewal has been connected.
#[derive(Debug, Default)]
pub struct Renewals {
    whole: Option<(usize, Micros)>,
}

impl Renewals {
    /// Judges at this moment.
    pub fn look(&mut self, world: &World, ground: &Ground) -> Option<Violation> {
        let connected = world.renewing().filter(|(_, party)| {
            let committee = Committee::plain(party.iter().copied(), party.len());
            let cliques = ground.graph(world, &committee);
            cliques.cliques().iter().any(|clique| usize::from(clique.len()) == party.len())
        });
        // Who lost its attempt while others had signed the certificate waits for people.
        let undecided = world.nodes().into_iter().filter(|node| !world.is_corrupted(*node)).any(|node| {
            world.node(node).is_some_and(|process| process.engine.keys().iter().any(|key| key.state == "undecided"))
        });
        let Some((renewal, party)) = connected.filter(|_| !undecided) else {
            self.whole = None;
            return None;
        };
        let (known, since) = *self.whole.get_or_insert_with(|| (renewal, world.now()));
        if known != renewal {
            self.whole = Some((renewal, world.now()));
            return None;
        }
        let delays = party.iter().flat_map(|a| party.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
        let delay = delays.map(|(a, b)| world.link(a, b).delay_max).max().unwrap_or_default();
        let due = since.saturating_add(bound::keygen(delay, 100_000).saturating_mul(2)).saturating_add(DEADLINE);
        if due >= world.now() {
            return None;
        }
        self.whole = None;
        let detail = format!(
            "all old and new members have been connected since {} ms, and epoch {} is not active",
            since / 1_000,
            world.epoch().0 + 1
        );
        Some(Violation { id: "L1", at: due, node: None, detail })
    }
}
