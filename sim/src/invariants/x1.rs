//! X1: nothing a peer says, in whatever order, stops a node.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;

/// Looks at each end of a process by itself.
#[derive(Debug, Default)]
pub struct X1;

impl Invariant for X1 {
    fn id(&self) -> &'static str {
        "X1"
    }

    fn statement(&self) -> &'static str {
        "No bytes of a peer and no schedule make engine or vault panic (DESIGN section 7, rule 7; SECURITY R42)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let What::Stopped { why: "panic" } = entry.what else { return None };
        sight.honest(entry)?;
        violation("X1", entry, "engine or vault panicked".to_owned())
    }
}
