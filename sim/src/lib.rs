//! The simulator: real engines and real vaults in virtual time, deterministic from a scenario.
//!
//! [`World`] is the host of several nodes at once. It has no sockets, threads or clocks: time jumps from one occurrence
//! to the next, each draw of randomness is keyed by its purpose, and what is durable survives a crash.

pub mod byzantine;
pub mod geography;
pub mod history;
pub mod invariants;
pub mod judge;
pub mod liveness;
pub mod oracle;
pub mod probes;
pub mod random;
pub mod report;
pub mod run;
pub mod scenario;
pub mod seeded;
pub mod shrink;
pub mod swarm;
pub mod verdict;
pub mod world;

pub use run::{Finished, Options, run};
pub use world::World;
