//! P2: nothing is signed that nobody authorised.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_proto::account::nonce_of;

/// Looks at each signature and each execution by itself.
#[derive(Debug, Default)]
pub struct P2;

impl Invariant for P2 {
    fn id(&self) -> &'static str {
        "P2"
    }

    fn statement(&self) -> &'static str {
        "No signature exists for a digest that no authorised request carries; a key's activation, whose digest is its own \
         subject, is the one other thing a group key signs (SECURITY R1; DESIGN section 4)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        let mut authorised = world.requests().iter().filter(|posted| posted.authorised);
        match &entry.what {
            What::Signed { subject, digest, .. } if subject.0 != *digest => {
                if authorised.any(|posted| sight.wire.digest(posted.subject) == Some(*digest)) {
                    return None;
                }
                violation("P2", entry, format!("{digest} is signed, and no authorised request carries it"))
            }
            What::Executed { .. } => {
                let payload = world.chain().executions().last()?;
                if authorised.any(|posted| nonce_of(posted.subject) == payload.nonce) {
                    return None;
                }
                violation(
                    "P2",
                    entry,
                    format!("account nonce {:#x} was used for what nobody authorised", payload.nonce),
                )
            }
            _ => None,
        }
    }
}
