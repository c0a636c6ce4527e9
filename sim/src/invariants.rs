//! What must hold in every run, one file each, named after its id in SIMULATOR section 5.5.
//!
//! An invariant sees every entry of the ledger as it is appended, together with the world at that moment, and once more
//! the end of the run.

use crate::history::Entry;
use crate::verdict::Violation;
use crate::world::World;

/// One statement about all runs.
pub trait Invariant {
    /// Its id, for example `N1`.
    fn id(&self) -> &'static str;

    /// The statement, and its source.
    fn statement(&self) -> &'static str;

    /// Called after `entry` was appended to the ledger.
    fn see(&mut self, entry: &Entry, world: &World) -> Option<Violation>;

    /// Called when the run is over and quiet.
    fn end(&mut self, world: &World) -> Option<Violation>;
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Box<dyn Invariant>> {
    Vec::new()
}
