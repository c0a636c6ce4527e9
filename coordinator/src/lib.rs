//! The protocol: a pure, synchronous, deterministic engine without secrets.
//!
//! [`Engine::step`] takes an event and returns effects, in order. A host (the node, or the simulator) carries them out;
//! [`api`] is the contract between the two.

pub mod api;
pub mod arithmetic;
pub mod audit;
mod authority;
mod catch_up;
pub mod election;
mod engine;
pub mod journal;
mod keygen;
pub mod limits;
pub mod load;
mod pace;
mod pause;
mod pool;
mod quarantine;
mod queue;
mod record;
mod relay;
mod repair;
mod restored;
mod roast;
mod round_trip;
mod sign;
pub mod versions;
pub mod view;

pub use engine::{Config, Engine};
pub use pause::PEOPLE;
