//! Corrupted members: the honest node, and an adversary that sees and rewrites what all corrupted nodes do (rushing).

use crate::world::Corrupted;
use firn_coordinator::api::{Effect, Event};
use firn_proto::{NodeId, SessionId};

/// What a corrupted node does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Carries an effect out as an honest node would.
    Do(Effect),
    /// Puts bytes on the channel to a node.
    Put {
        /// To whom.
        to: NodeId,
        /// Kind of message, for the ledger.
        kind: &'static str,
        /// Its session, for the ledger.
        session: SessionId,
        /// The bytes: genuine envelopes or not.
        bytes: Vec<u8>,
        /// Microseconds from now.
        after: u64,
    },
    /// Hands itself an event later.
    Wake {
        /// The event.
        event: Event,
        /// Microseconds from now.
        after: u64,
    },
}

/// All corrupted members of a run as one adversary with one memory.
pub trait Adversary {
    /// A corrupted node is about to handle an event: the adversary sees it first and may keep it from the node's honest core.
    fn sees(&mut self, corrupted: &mut Corrupted<'_>, event: &Event) -> bool;

    /// The honest core of a corrupted node wants these effects, in order: what happens instead.
    fn rewrites(&mut self, corrupted: &mut Corrupted<'_>, effects: Vec<Effect>) -> Vec<Deed>;
}
