//! I1: once signed, no new session; once executed, never again.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, ProcessId, What};
use crate::liveness::ground::rivals;
use crate::scenario::FaultKind;
use crate::verdict::Violation;
use firn_coordinator::api::Observation;
use firn_proto::{NodeId, SubjectId};
use std::collections::BTreeSet;

/// What processes know to be signed, and what has executed.
#[derive(Debug, Default)]
pub struct I1 {
    signed: BTreeSet<(ProcessId, SubjectId)>,
    executed: BTreeSet<SubjectId>,
    /// For what honest nodes have lent shares.
    lent: BTreeSet<(NodeId, SubjectId)>,
    /// Nodes whose disk a fault has set back, lost or copied, and their locks with it.
    forgetful: BTreeSet<NodeId>,
}

impl I1 {
    fn is_sound(&self, sight: &Sight<'_>, node: NodeId) -> bool {
        !self.forgetful.contains(&node) && !sight.world.was_misled(node)
    }
}

/// Requests with the same requester nonce and other content.
fn rivals_of<'a>(sight: &Sight<'a>, subject: SubjectId) -> impl Iterator<Item = SubjectId> + use<'a> {
    let world = sight.world;
    let posted = world.requests().iter().find(move |posted| posted.subject == subject);
    posted.into_iter().flat_map(move |posted| rivals(world, posted)).map(|rival| rival.subject)
}

impl Invariant for I1 {
    fn id(&self) -> &'static str {
        "I1"
    }

    fn statement(&self) -> &'static str {
        "A duplicated or replayed request never opens a session at a node that knows its signature, and the chain executes \
         each request once, and never one of its rivals while fewer than 2t - n members are corrupted or have had their disk \
         spoilt; a node whose disk is sound lends no share to both (DESIGN section 1 and section 4, locks; SECURITY R12)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        match &entry.what {
            What::Signed { subject, .. } => {
                self.signed.insert((entry.process?, *subject));
            }
            What::Vanished { subject, cancellation: false } => drop(self.executed.remove(subject)),
            // A signature may reach the disk after the network: a crash between the two forgets it.
            What::Stopped { .. } => self.signed.retain(|(process, _)| Some(*process) != entry.process),
            What::Observed(Observation::AttemptOpened { subject, .. }) => {
                let (process, _) = sight.honest(entry)?;
                if self.signed.contains(&(process, *subject)) {
                    return violation("I1", entry, format!("a session for {subject} after its signature was known"));
                }
            }
            What::Executed { subject } => {
                if !self.executed.insert(*subject) {
                    return violation("I1", entry, format!("{subject} executed twice"));
                }
                let rival = rivals_of(sight, *subject).find(|rival| self.executed.contains(rival));
                if let Some(rival) = rival.filter(|_| sight.quorums_share_a_sound_node(&self.forgetful)) {
                    return violation("I1", entry, format!("{subject} executed after its rival {rival}"));
                }
            }
            What::FaultBegins { fault } => {
                let kind = sight.world.scenario().faults.get(*fault).map(|fault| &fault.kind);
                self.forgetful.extend(kind.into_iter().flat_map(FaultKind::spoils));
            }
            What::Released { subject, .. } => {
                let (process, _) = sight.honest(entry).filter(|(id, _)| self.is_sound(sight, id.node))?;
                let bound = |rival: &SubjectId| self.lent.contains(&(process.node, *rival));
                // A lapsed rival is free an hour after its deadline, later than any run that we do.
                if let Some(rival) = rivals_of(sight, *subject).find(bound) {
                    return violation("I1", entry, format!("a share for {subject} after one for its rival {rival}"));
                }
                self.lent.insert((process.node, *subject));
            }
            _ => {}
        }
        None
    }
}
