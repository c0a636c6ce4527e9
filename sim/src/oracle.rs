//! Everything that watches a run, behind one door: invariants, liveness, probes.

use crate::history::Entry;
use crate::invariants::wire::Wire;
use crate::invariants::{self, Invariant, Sight};
use crate::liveness::Liveness;
use crate::probes::Probes;
use crate::verdict::{CoreSize, RequestReport, Violation};
use crate::world::World;
use std::collections::BTreeMap;

/// All that watches one run.
pub struct Oracle {
    wire: Wire,
    invariants: Vec<Box<dyn Invariant>>,
    liveness: Liveness,
    probes: Probes,
}

/// What came of watching.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Seen at the end; those seen before were given at once.
    pub violations: Vec<Violation>,
    /// Per request.
    pub requests: Vec<RequestReport>,
    /// How the live core changed.
    pub cores: Vec<CoreSize>,
    /// How often each probe fired.
    pub probes: BTreeMap<String, u64>,
    /// Largest counters: name, value, limit.
    pub highs: Vec<(&'static str, u64, u64)>,
}

impl Default for Oracle {
    fn default() -> Self {
        Self {
            wire: Wire::default(),
            invariants: invariants::all(),
            liveness: Liveness::default(),
            probes: Probes::default(),
        }
    }
}

impl Oracle {
    /// Looks at an entry, right after it was appended.
    pub fn see(&mut self, entry: &Entry, world: &World) -> Vec<Violation> {
        self.wire.see(entry, world);
        self.probes.see(entry, world);
        let sight = Sight { world, wire: &self.wire };
        let mut found: Vec<_> = self.invariants.iter_mut().filter_map(|checker| checker.see(entry, &sight)).collect();
        found.extend(self.liveness.see(entry, world));
        found
    }

    /// Looks at the end of the run.
    pub fn end(&mut self, world: &World) -> Findings {
        let sight = Sight { world, wire: &self.wire };
        let mut violations: Vec<_> = self.invariants.iter_mut().filter_map(|checker| checker.end(&sight)).collect();
        let (stuck, requests) = self.liveness.end(world);
        violations.extend(stuck);
        Findings {
            violations,
            requests,
            cores: self.liveness.sizes().to_vec(),
            probes: self.probes.counts().clone(),
            highs: self.invariants.iter().flat_map(|checker| checker.highs()).collect(),
        }
    }
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").finish_non_exhaustive()
    }
}
