//! How full the engine is: each counter beside its bound, for metrics and for the simulator, which holds them to it.

use crate::engine::Engine;
use crate::limits::{
    CLOSED_SUBJECTS_MAX, KEY_ATTEMPTS_MAX, KEY_PROPOSALS_PER_MEMBER_MAX, OPEN_SUBJECTS_MAX, POOL_MAX, REFUSALS_MAX,
    SESSIONS_MAX, UNSETTLED_SUBJECTS_MAX,
};

/// One counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// What is counted.
    pub name: &'static str,
    /// How many there are.
    pub count: usize,
    /// How many there may be.
    pub limit: usize,
    /// Whether none may be left when nothing is asked of the engine.
    pub transient: bool,
    /// Whether it counts subjects or key attempts, which may each have timers.
    pub subjects: bool,
}

impl Engine {
    /// All counters.
    #[must_use]
    pub fn load(&self) -> Vec<Load> {
        let n = self.definition.nodes.len();
        let keys = self.definition.keys.len();
        let open = self.open_subjects().filter(|(_, state)| state.request().is_some()).count();
        let coordinated = self.subjects.values().filter(|state| state.coordinator.is_some()).count();
        let signing = self.sessions.iter().filter(|id| self.is_signing(**id)).count();
        let proposals = n.saturating_mul(KEY_PROPOSALS_PER_MEMBER_MAX);
        let load = |name, count, limit| Load { name, count, limit, transient: false, subjects: false };
        let transient = |name, count, limit| Load { transient: true, ..load(name, count, limit) };
        let subjects = |load| Load { subjects: true, ..load };
        vec![
            subjects(load("key attempts", self.attempts.len(), KEY_ATTEMPTS_MAX.saturating_add(proposals))),
            subjects(transient("open requests", open, OPEN_SUBJECTS_MAX)),
            subjects(load(
                "closed requests",
                self.subjects.len().saturating_sub(open),
                CLOSED_SUBJECTS_MAX.saturating_add(UNSETTLED_SUBJECTS_MAX),
            )),
            transient("coordinated subjects", coordinated, OPEN_SUBJECTS_MAX.saturating_add(KEY_ATTEMPTS_MAX)),
            transient("sessions", signing, SESSIONS_MAX.saturating_add(KEY_ATTEMPTS_MAX)),
            transient("waiting subjects", self.queue.len(), OPEN_SUBJECTS_MAX.saturating_add(KEY_ATTEMPTS_MAX)),
            load("pooled commitments", self.pools.len(), POOL_MAX.saturating_mul(n).saturating_mul(keys.max(1))),
            transient("commitments asked for", self.wanted.values().map(|w| w.len()).sum(), OPEN_SUBJECTS_MAX),
            load("refusals", self.refusals.len(), REFUSALS_MAX),
            load("peers", self.dues.len().max(self.boots.len()), n),
        ]
    }
}
