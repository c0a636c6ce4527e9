//! I1: once signed, no new session; once executed, never again.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, ProcessId, What};
use crate::verdict::Violation;
use firn_coordinator::api::Observation;
use firn_proto::SubjectId;
use std::collections::BTreeSet;

/// What processes know to be signed, and what has executed.
#[derive(Debug, Default)]
pub struct I1 {
    signed: BTreeSet<(ProcessId, SubjectId)>,
    executed: BTreeSet<SubjectId>,
}

impl Invariant for I1 {
    fn id(&self) -> &'static str {
        "I1"
    }

    fn statement(&self) -> &'static str {
        "A duplicated or replayed request never opens a session at a node that knows its signature, and the chain executes \
         each request once (DESIGN section 4, locks; SECURITY R12)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        match &entry.what {
            What::Signed { subject, .. } => {
                self.signed.insert((entry.process?, *subject));
            }
            // A signature may reach the disk after the network: a crash between the two forgets it.
            What::Stopped { .. } => self.signed.retain(|(process, _)| Some(*process) != entry.process),
            What::Observed(Observation::AttemptOpened { subject, .. }) => {
                let (process, _) = sight.honest(entry)?;
                if self.signed.contains(&(process, *subject)) {
                    return violation("I1", entry, format!("a session for {subject} after its signature was known"));
                }
            }
            What::Executed { subject } if !self.executed.insert(*subject) => {
                return violation("I1", entry, format!("{subject} executed twice"));
            }
            _ => {}
        }
        None
    }
}
