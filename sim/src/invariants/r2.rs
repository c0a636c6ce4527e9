//! R2: what is on disk is what was in memory.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::scenario::FaultKind;
use crate::verdict::Violation;
use crate::world::{Process, World};
use firn_coordinator::versions::in_force;
use firn_coordinator::{Config, Engine};
use firn_proto::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// Compares what runs in the end and has nothing left to write.
#[derive(Debug, Default)]
pub struct R2 {
    /// Nodes whose disk a fault has spoilt.
    spoilt: BTreeSet<NodeId>,
}

impl Invariant for R2 {
    fn id(&self) -> &'static str {
        "R2"
    }

    fn statement(&self) -> &'static str {
        "An engine restored from the disk equals the engine that runs, minus what is volatile: requests, their outcomes and \
         keys are the same, and a disk that no fault has spoilt always starts (SIMULATOR section 5.5; docs/spec/engine.md)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        match &entry.what {
            What::FaultBegins { fault } => {
                let kind = sight.world.scenario().faults.get(*fault).map(|fault| &fault.kind);
                self.spoilt.extend(kind.into_iter().flat_map(FaultKind::spoils));
                None
            }
            What::Stopped { why } => {
                let id = entry.process.filter(|id| !self.spoilt.contains(&id.node))?;
                if *why == "corrupt" && !sight.world.is_corrupted(id.node) {
                    return violation("R2", entry, "a sound disk does not start".to_owned());
                }
                None
            }
            _ => None,
        }
    }

    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        sight.honest_processes().filter(|(_, process)| process.up && process.is_settled()).find_map(|(id, process)| {
            let detail = difference(sight.world, id.node, process)?;
            Some(Violation { id: "R2", at: sight.world.now(), node: Some(id.node), detail })
        })
    }
}

fn difference(world: &World, me: NodeId, process: &Process) -> Option<String> {
    let records = process.disk.visible().engine_records();
    let Ok(definition) = in_force(world.definition().clone(), &records) else {
        return Some("the disk does not say which version of the definition is in force".to_owned());
    };
    let check_evidence = world.scenario().verifier(me).is_some();
    let config = Config { definition, me, incarnation: process.incarnation, check_evidence, refresh_after: Some(0) };
    let restored = match Engine::restore(config, &records) {
        Ok(restored) => durable(&restored),
        Err((code, key)) => return Some(format!("the disk does not restore: {code:?} at record {key:02x?}")),
    };
    let running = durable(&process.engine);
    let differs = |what: &&String| running.get(*what) != restored.get(*what);
    let what = running.keys().chain(restored.keys()).find(differs)?;
    let show = |side: &BTreeMap<String, String>| side.get(what).cloned().unwrap_or_else(|| "nothing".to_owned());
    Some(format!("{what}: {} in memory, {} from disk", show(&running), show(&restored)))
}

/// What a restart must not lose, by what it is about.
fn durable(engine: &Engine) -> BTreeMap<String, String> {
    let requests = engine.requests().into_iter().map(|request| {
        let settled = matches!(request.state, "signed" | "executed" | "refused" | "expired");
        let state = if settled { request.state } else { "open" };
        let code = request.code.filter(|_| matches!(state, "refused" | "expired"));
        let facts = (state, code, request.origin, request.received, request.signature, request.transaction);
        (format!("request {}", request.id), format!("{facts:?}"))
    });
    let keys = engine.keys().into_iter().filter_map(|key| {
        let kept = matches!(key.state, "certified" | "active" | "abandoned" | "retired");
        kept.then(|| (format!("key {}", key.key_id), format!("{:?}", (key.state, key.group_key))))
    });
    requests.chain(keys).collect()
}
