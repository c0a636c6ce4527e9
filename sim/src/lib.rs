//! The simulator's beginning: real engines and real vaults in virtual time, deterministic from a seed.
//!
//! [`World`] is the host of several nodes at once. It has no sockets, threads or clocks: time jumps from one occurrence
//! to the next, each node's randomness comes from the seed and its own name, and what is durable survives a crash.

mod chain;
mod node;
mod world;

pub use chain::Chain;
pub use node::Node;
pub use world::{World, WorldConfig};
