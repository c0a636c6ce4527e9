//! Since when which set has been a live core without a break.
//!
//! A live core is one fixed set over the whole time, not one set after the other. So each moment at which anything changed
//! opens a window, and each window keeps what has held ever since: the graph that is left, and who knew at its beginning.

use crate::liveness::core::{Committee, Graph, Members};
use crate::scenario::Micros;

/// Windows kept per request: with more changes than this the shortest are merged away, which only excuses more.
const WINDOWS_MAX: usize = 48;

/// What has held since a moment.
#[derive(Clone, Debug)]
pub struct Window {
    /// Since when.
    pub since: Micros,
    /// Who has heard whom ever since.
    graph: Graph,
    /// Who knew the request then.
    knew: Members,
    /// The live cores: cliques that are eligible and knew.
    pub cores: Vec<Members>,
}

/// All windows of one request.
#[derive(Clone, Debug, Default)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// From now on `graph` holds, and `knows` know; what people said is with `bearers`.
    pub fn change(&mut self, now: Micros, committee: &Committee, graph: &Graph, knows: Members, bearers: Members) {
        let mut kept: Vec<Window> = Vec::new();
        let fresh = Window { since: now, graph: graph.clone(), knew: knows, cores: Vec::new() };
        for mut window in self.0.drain(..).chain([fresh]) {
            let left = window.graph.and(graph);
            if left != window.graph || window.since == now {
                window.cores = cores(committee, &left, window.knew, bearers);
                window.graph = left;
            }
            let known = |other: &Window| other.graph == window.graph && other.knew == window.knew;
            if !window.cores.is_empty() && !kept.iter().any(known) {
                kept.push(window);
            }
        }
        if kept.len() > WINDOWS_MAX {
            kept.remove(WINDOWS_MAX / 2);
        }
        self.0 = kept;
    }

    /// The windows that are open, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Window> {
        self.0.iter()
    }

    /// How long the oldest has lasted.
    #[must_use]
    pub fn longest(&self, now: Micros) -> Micros {
        self.0.first().map_or(0, |window| now.saturating_sub(window.since))
    }
}

fn cores(committee: &Committee, graph: &Graph, knew: Members, bearers: Members) -> Vec<Members> {
    let tells = |clique: &Members| !clique.and(knew).is_empty() && clique.and(bearers) == bearers;
    let core = |clique: &Members| tells(clique) && committee.is_eligible(*clique);
    graph.cliques().into_iter().filter(core).collect()
}

#[cfg(test)]
mod tests;
