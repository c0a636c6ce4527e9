//! P1: approve durably, then release; and where there is a verifier, only what it accepts.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;

/// Looks at each release by itself.
#[derive(Debug, Default)]
pub struct P1;

impl Invariant for P1 {
    fn id(&self) -> &'static str {
        "P1"
    }

    fn statement(&self) -> &'static str {
        "Every release of a share by an honest node is preceded by a durable approval of the same request by that node \
         (DESIGN section 7, rules 9 and 10); a disk whose syncs lie defeats that, and T1 and N1 still hold. A node whose evidence verifier rejected, or has not answered, releases none."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let What::Released { subject, package, approved, .. } = &entry.what else { return None };
        let (id, process) = sight.honest(entry)?;
        if !sight.world.is_verified(id.node, *subject) {
            return violation("P1", entry, format!("share of {subject} that its verifier has not accepted"));
        }
        if *approved || process.disk.lies() {
            return None;
        }
        violation("P1", entry, format!("share of {subject} for package {package} without an approval on disk"))
    }
}
