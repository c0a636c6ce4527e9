//! Repairs of the share that a member lost with its disk: what its operator and those of its helpers do (docs/spec/repair.md).

use super::setting::KEY_NAME;
use super::{Occurrence, World};
use crate::history::ProcessId;
use crate::scenario::Micros;
use firn_coordinator::Engine;
use firn_coordinator::api::{Command, Event};
use firn_proto::pause;
use firn_proto::time::WallTime;

/// How long operators take before another look, and how often they look.
const PATIENCE: Micros = 1_000_000;
const LOOKS_MAX: u32 = 600;

/// Until when helpers may consent, in seconds.
const CONSENT: u64 = 60;

impl World {
    /// Whether a repair is still to come, or under way.
    #[must_use]
    pub fn repairs(&self) -> bool {
        self.keys.repairs > 0
    }

    pub(super) fn queue_repairs(&mut self) {
        let all: Vec<_> = self.scenario.key.repairs.iter().map(|repair| repair.at).enumerate().collect();
        self.keys.repairs = all.len();
        for (repair, at) in all {
            self.at(at, Occurrence::Repair { repair, looks: 0 });
        }
    }

    /// Operators look: others trust the member that came back with nothing, it asks as long as it lacks its share, and helpers consent.
    pub(super) fn repair(&mut self, repair: usize, looks: u32) {
        let Some(node) = self.scenario.key.repairs.get(repair).map(|repair| repair.node) else { return };
        let runs = self.node(node).filter(|process| process.up && !process.paused);
        if looks >= LOOKS_MAX || runs.is_some_and(|process| holds_share(&process.engine)) {
            self.keys.repairs -= 1;
            return;
        }
        let salt = self.source.bytes("repair", &[repair as u64, looks.into()]);
        let deadline = WallTime(self.wall().0 + CONSENT);
        let under_way = |engine: &Engine| {
            let ours = |state: &str| matches!(state, "asked" | "helping" | "summing");
            engine.repairs().iter().any(|view| view.target == node && ours(view.state))
        };
        let asks = runs.filter(|process| !under_way(&process.engine));
        let asked = asks.and_then(|process| process.engine.repair_of(KEY_NAME, None, deadline, salt).ok());
        let mut commands: Vec<_> =
            asked.into_iter().map(|repair| (ProcessId { node, twin: 0 }, Command::RepairKey(repair))).collect();
        for (id, process) in self.processes.iter().filter(|(id, process)| id.node != node && process.up) {
            let peers = process.engine.peers().into_iter().filter(|peer| peer.node == node && peer.quarantined);
            let trusted = peers.filter_map(|peer| peer.connected);
            commands.extend(trusted.map(|incarnation| (*id, Command::TrustPeer { node, incarnation })));
            let open = process.engine.repairs().into_iter().filter(|view| view.target == node && view.state == "asked");
            let consents = open.map(|view| {
                let acts = self.agreed(*id, &pause::consent(view.id), view.deadline.0);
                (*id, Command::ConsentRepair(view.id, acts))
            });
            commands.extend(consents);
        }
        self.after(PATIENCE, Occurrence::Repair { repair, looks: looks + 1 });
        commands.into_iter().for_each(|(id, command)| self.input(id, Event::Operator(command)));
    }
}

/// Whether a node has its share of the epoch that signs.
pub(crate) fn holds_share(engine: &Engine) -> bool {
    let newest = engine.key_source(KEY_NAME).map(|source| source.key_id);
    engine.certified_keys().iter().any(|(certificate, _)| Some(certificate.key_id()) == newest)
}
