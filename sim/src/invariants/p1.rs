//! P1: approve durably, then release; only what the verifier accepts, never while paused, and never across versions.

use super::{Invariant, Sight, pauses, violation};
use crate::history::{Entry, ProcessId, What};
use crate::verdict::Violation;
use firn_coordinator::api::Family;
use firn_proto::Digest;
use std::collections::BTreeMap;

/// Looks at each release, and at each share that leaves.
#[derive(Debug, Default)]
pub struct P1 {
    /// Processes that have a pause on their disk, and how many batches they had synced when it was there.
    paused: BTreeMap<ProcessId, u64>,
    /// By package: under which version it was answered first.
    versions: BTreeMap<Digest, u32>,
}

impl Invariant for P1 {
    fn id(&self) -> &'static str {
        "P1"
    }

    fn statement(&self) -> &'static str {
        "Every release of a share by an honest node is preceded by a durable approval of the same request by that node \
         (DESIGN section 7, rules 9 and 10); no share leaves that was said after the node had a standing pause on its disk \
         (docs/spec/pause.md); and all honest nodes that answer a package run under one version of the definition \
         (docs/spec/definition.md). A node whose evidence verifier rejected, or has not answered, releases none. A disk whose syncs lie defeats the first, and T1 and N1 still hold."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        match &entry.what {
            What::Started { .. } => self.look(sight, entry.process?),
            What::Synced { .. } => {
                let records = &sight.world.synced_batch().records;
                if records.iter().any(|record| record.family == Family::People) {
                    self.look(sight, entry.process?);
                }
            }
            What::Sent { kind: "signature-share", session, .. } => {
                let (id, _) = sight.honest(entry)?;
                let since = *self.paused.get(&id)?;
                if sight.world.frame_syncs() >= since {
                    return violation("P1", entry, format!("a share of {session:?} leaves a node that is paused"));
                }
            }
            What::Released { subject, package, approved, version, .. } => {
                let (id, process) = sight.honest(entry)?;
                if !sight.world.is_verified(id.node, *subject) {
                    return violation("P1", entry, format!("share of {subject} that its verifier has not accepted"));
                }
                let first = *self.versions.entry(*package).or_insert(*version);
                if first != *version {
                    let detail =
                        format!("package {package} is answered under version {version}, and was under {first}");
                    return violation("P1", entry, detail);
                }
                if !approved && !process.disk.lies() {
                    let detail = format!("share of {subject} for package {package} without an approval on disk");
                    return violation("P1", entry, detail);
                }
            }
            _ => {}
        }
        None
    }
}

impl P1 {
    fn look(&mut self, sight: &Sight<'_>, id: ProcessId) {
        let process = sight.world.process(id);
        match process.map(pauses::on_disk) {
            Some((own, network)) if own || network => {
                self.paused.entry(id).or_insert_with(|| sight.world.syncs(id));
            }
            _ => drop(self.paused.remove(&id)),
        }
    }
}
