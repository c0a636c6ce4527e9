//! Corrupted members: the honest node, and an adversary that sees and rewrites what all corrupted nodes do (rushing).

use crate::random::Source;
use crate::scenario::{Act, Micros, Scenario};
use firn_coordinator::Engine;
use firn_coordinator::api::{Effect, Event};
use firn_proto::{Definition, Message, NodeId, SessionId};
use firn_vault::Vault;
use firn_vault::api::{Reply, Request};
use rand_chacha::ChaCha20Rng;

pub mod coalition;

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
        after: Micros,
    },
    /// Hands itself an event later.
    Wake {
        /// The event.
        event: Event,
        /// Microseconds from now.
        after: Micros,
    },
    /// Notes in the ledger that it misbehaves now.
    Note(Act),
}

/// A corrupted node at the moment of a decision.
pub struct Corrupted<'a> {
    /// The node.
    pub node: NodeId,
    /// Virtual time.
    pub now: Micros,
    /// What everybody knows.
    pub definition: &'a Definition,
    /// The scenario, acts included.
    pub scenario: &'a Scenario,
    /// Keyed randomness.
    pub source: Source,
    /// The honest core's view.
    pub engine: &'a Engine,
    /// Its own vault: the adversary can have it say anything that a vault says.
    pub vault: &'a mut Vault,
    pub(crate) rng: &'a mut ChaCha20Rng,
}

impl Corrupted<'_> {
    /// Asks the node's vault; writes it wants are thrown away.
    pub fn ask(&mut self, request: Request) -> Reply {
        self.vault.handle(request, self.rng).reply
    }

    /// A genuine envelope of this node around any message; empty where the vault will not sign it.
    pub fn envelope(&mut self, session: SessionId, message: Message) -> Vec<u8> {
        match self.ask(Request::Author { session, message: Box::new(message) }) {
            Reply::Envelope(bytes) => bytes,
            _ => Vec::new(),
        }
    }
}

/// All corrupted members of a run as one adversary with one memory.
pub trait Adversary {
    /// A corrupted node is about to handle an event: the adversary sees it first; false keeps it from the node's honest core.
    fn sees(&mut self, corrupted: &mut Corrupted<'_>, event: &Event) -> bool;

    /// The honest core of a corrupted node wants these effects, in order: what happens instead.
    fn rewrites(&mut self, corrupted: &mut Corrupted<'_>, effects: Vec<Effect>) -> Vec<Deed>;
}

/// The adversary that a scenario asks for.
#[must_use]
pub fn adversary(scenario: &Scenario) -> Option<Box<dyn Adversary>> {
    (!scenario.byzantine.is_empty()).then(|| Box::new(coalition::Coalition::default()) as Box<dyn Adversary>)
}
