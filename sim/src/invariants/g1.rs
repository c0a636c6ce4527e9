//! G1: what was scheduled at a gate is executed when it is ready, once, and never after a veto.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_proto::{Digest, SubjectId};
use std::collections::{BTreeMap, BTreeSet};

/// What has been cancelled and not scheduled again, and which evidence has been used.
#[derive(Debug, Default)]
pub struct G1 {
    cancelled: BTreeSet<SubjectId>,
    used: BTreeMap<Digest, SubjectId>,
}

impl Invariant for G1 {
    fn id(&self) -> &'static str {
        "G1"
    }

    fn statement(&self) -> &'static str {
        "An honest node lends a share for a second payload only if the operation was ready, and neither cancelled nor expired, at the \
         finalised block that its own chain last showed it; the chain executes none that was cancelled, and each piece of evidence \
         once (SECURITY R12, R20; docs/adr/0021-two-payloads.md)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        match &entry.what {
            What::Cancelled { subject } => {
                self.cancelled.insert(*subject);
                None
            }
            What::Vanished { subject, cancellation } => {
                if *cancellation {
                    self.cancelled.remove(subject);
                } else {
                    self.used.retain(|_, used| {
                        world.posted(*subject).is_none_or(|posted| posted.last() != *subject || posted.subject != *used)
                    });
                }
                None
            }
            What::Released { subject, facts, .. } => {
                sight.honest(entry).filter(|(id, _)| !world.was_misled(id.node))?;
                let posted = world.posted(*subject).filter(|posted| posted.follows == Some(*subject))?;
                let Some(facts) = facts else {
                    return violation(
                        "G1",
                        entry,
                        format!("a share for the second payload {subject} on no facts at all"),
                    );
                };
                let (block, time) = (facts.number, world.chain().time_of(facts.number));
                match world.chain().ready(posted.subject, block) {
                    Some(ready) if ready <= time => None,
                    ready => {
                        let detail = format!("a share for {subject} on block {block}, at which it was ready {ready:?}");
                        violation("G1", entry, format!("{detail}, and the time {time:?}"))
                    }
                }
            }
            What::Executed { subject } => {
                let posted = world.posted(*subject)?;
                if posted.subject == *subject {
                    self.cancelled.remove(subject);
                    return None;
                }
                if self.cancelled.contains(&posted.subject) {
                    return violation("G1", entry, format!("{} executed after it was cancelled", posted.subject));
                }
                let used = self.used.insert(posted.request.evidence()?, posted.subject)?;
                violation("G1", entry, format!("{} executed on evidence that {used} had used", posted.subject))
            }
            _ => None,
        }
    }
}
