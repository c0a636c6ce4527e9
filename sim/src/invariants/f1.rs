//! F1: no share rests on facts that are not final.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;

/// Looks at each release by itself.
#[derive(Debug, Default)]
pub struct F1;

impl Invariant for F1 {
    fn id(&self) -> &'static str {
        "F1"
    }

    fn statement(&self) -> &'static str {
        "The facts on which an honest node lends a share are of a block that is final on the chain, unless its own endpoint lies or has \
         lied (DESIGN section 3, chain events; docs/spec/signing.md, release)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let What::Released { subject, facts: Some(block), .. } = &entry.what else { return None };
        let (id, _) = sight.honest(entry)?;
        if sight.world.was_misled(id.node) || sight.world.chain().is_final(*block) {
            return None;
        }
        violation("F1", entry, format!("a share for {subject} on block {}, which is not final", block.number))
    }
}
