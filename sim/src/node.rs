//! One simulated node: engine, vault, disk, and its own stream of randomness.

use firn_coordinator::api::{Event, Record};
use firn_coordinator::{Config, Engine};
use firn_proto::time::Time;
use firn_proto::{Definition, Epoch, Incarnation, Message, NodeId, SessionId};
use firn_vault::api::{Reply, Request, Write};
use firn_vault::{RootSecret, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

/// A node of the world.
pub struct Node {
    /// Its engine, for views.
    pub engine: Engine,
    pub(crate) incarnation: Incarnation,
    pub(crate) alive: bool,
    vault: Vault,
    rng: ChaCha20Rng,
    disk: Disk,
}

/// What survives a crash.
#[derive(Clone, Debug, Default)]
struct Disk {
    records: BTreeMap<(u8, Vec<u8>), Record>,
    vault: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Node {
    pub(crate) fn start(definition: &Definition, me: NodeId, seed: u64) -> Self {
        Self::boot(definition, me, seed, Incarnation::new(1, 0), Disk::default())
    }

    /// Loses everything but the disk.
    pub(crate) fn restart(&mut self, definition: &Definition, me: NodeId, seed: u64) {
        let next = Incarnation::new(self.incarnation.count() + 1, 0);
        *self = Self::boot(definition, me, seed, next, std::mem::take(&mut self.disk));
    }

    fn boot(definition: &Definition, me: NodeId, seed: u64, incarnation: Incarnation, disk: Disk) -> Self {
        let records: Vec<_> = disk.records.values().cloned().collect();
        let config = Config { definition: definition.clone(), me };
        let restored = Engine::restore(config, &records);
        assert!(restored.is_ok(), "the simulated disk is never corrupted: {:?}", restored.err());
        let opened = Vault::open(definition.clone(), me, incarnation, root(seed, me), disk.vault.clone());
        let (Ok(engine), Ok(vault)) = (restored, opened) else { unreachable!("both were written by this node") };
        Self { engine, incarnation, alive: true, vault, rng: stream(seed, me, incarnation.count().into()), disk }
    }

    pub(crate) fn step(&mut self, now: Time, event: Event) -> Vec<firn_coordinator::api::Effect> {
        self.engine.step(now, event)
    }

    pub(crate) fn persist(&mut self, records: Vec<Record>) {
        for record in records {
            let key = (record.family as u8, record.key.clone());
            match record.value {
                Some(_) => self.disk.records.insert(key, record),
                None => self.disk.records.remove(&key),
            };
        }
    }

    /// Asks the vault and makes its writes durable before the reply is seen.
    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        let request = match request {
            Request::Certify { key_id, stored: None } => {
                let stored = self.disk.vault.get(&Vault::share_record(key_id, Epoch(0))).cloned();
                Request::Certify { key_id, stored }
            }
            other => other,
        };
        let decision = self.vault.handle(request, &mut self.rng);
        for write in decision.writes {
            match write {
                Write::Put { key, value } => drop(self.disk.vault.insert(key, value)),
                Write::Delete { key } => drop(self.disk.vault.remove(&key)),
            }
        }
        decision.reply
    }

    pub(crate) fn author(&mut self, session: SessionId, message: Message) -> Vec<u8> {
        match self.ask(Request::Author { session, message: Box::new(message) }) {
            Reply::Envelope(bytes) => bytes,
            _ => Vec::new(),
        }
    }
}

/// The root secret of a node, from the seed and its name alone.
pub(crate) fn root(seed: u64, me: NodeId) -> RootSecret {
    RootSecret::generate(&mut stream(seed, me, 0))
}

/// A node's own randomness: adding a node or a message changes nobody else's.
fn stream(seed: u64, me: NodeId, incarnation: u64) -> ChaCha20Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..10].copy_from_slice(&me.0.to_be_bytes());
    bytes[16..24].copy_from_slice(&incarnation.to_be_bytes());
    ChaCha20Rng::from_seed(bytes)
}
