//! A host of an engine: its vault, its disk and its boots.

use firn_coordinator::api::{Record, Timer};
use firn_coordinator::journal::Recorder;
use firn_coordinator::versions::in_force;
use firn_coordinator::{Config, Engine};
use firn_proto::definition::Definition;
use firn_proto::time::Time;
use firn_proto::{Incarnation, NodeId};
use firn_vault::api::{Reply, Request as VaultRequest, Write};
use firn_vault::backup::BackupKey;
use firn_vault::{RootSecret, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};
use std::collections::BTreeMap;

pub(crate) struct Host {
    pub(crate) engine: Engine,
    /// What it was set up with, and what is in force.
    pub(crate) definition: Definition,
    vault: Vault,
    pub(crate) rng: Rng,
    pub(crate) recorder: Recorder,
    /// The journal of this boot, as a node would have it on disk.
    pub(crate) journal: Vec<u8>,
    pub(crate) incarnation: u32,
    pub(crate) alive: bool,
    pub(crate) records: BTreeMap<(u8, Vec<u8>), Record>,
    pub(crate) sealed: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) timers: Vec<Timer>,
    /// The same with their times, for tests in which time passes.
    pub(crate) due: Vec<(u64, Timer)>,
}

/// A vault's randomness, and what was drawn from it: the secrets of a boot are among that.
pub(crate) struct Rng {
    rng: ChaCha20Rng,
    pub(crate) drawn: Vec<Vec<u8>>,
}

impl CryptoRng for Rng {}

impl RngCore for Rng {
    fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
        self.drawn.push(bytes.to_vec());
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl Host {
    pub(crate) fn persist(&mut self, records: Vec<Record>) {
        for record in records {
            self.records.insert((record.family as u8, record.key.clone()), record);
        }
    }

    pub(crate) fn ask(&mut self, request: VaultRequest) -> Reply {
        let request = match request {
            VaultRequest::Certify { key_id, epoch, stored: None } => {
                let stored = self.sealed.get(&Vault::share_record(key_id, epoch)).cloned();
                VaultRequest::Certify { key_id, epoch, stored }
            }
            other => other,
        };
        let decision = self.vault.handle(request, &mut self.rng);
        for write in decision.writes {
            match write {
                Write::Put { key, value } => self.sealed.insert(key, value),
                Write::Delete { key } => self.sealed.remove(&key),
            };
        }
        decision.reply
    }

    /// Loses its disk, and gets one made of a backup of its keys.
    pub(crate) fn comes_out_of_a_backup(&mut self, id: u16, now: Time) {
        let key = BackupKey::generate(&mut self.rng);
        let keys = self.engine.certified_keys();
        let (me, boot, check_evidence) = (NodeId(id), Incarnation::default(), false);
        let mut vault = Vault::open(self.definition.clone(), me, boot, root(id), []).unwrap();
        let config = Config {
            definition: self.definition.clone(),
            me,
            incarnation: boot,
            check_evidence,
            refresh_after: Some(0),
        };
        let mut engine = Engine::restore(config, &[]).unwrap();
        (self.records, self.sealed, self.incarnation) = Default::default();
        for (certificate, _) in &keys {
            let (key_id, epoch) = (certificate.key_id(), certificate.epoch());
            let share = self.vault.export(key_id, epoch, &key, &mut self.rng).unwrap();
            for write in vault.import(certificate.clone(), &share, &key, &mut self.rng).unwrap() {
                let Write::Put { key, value } = write else { panic!("nothing is deleted") };
                self.sealed.insert(key, value);
            }
        }
        self.persist(engine.restore_keys(now, &keys).unwrap());
    }

    pub(crate) fn all_records(&self) -> Vec<Record> {
        self.records.values().cloned().collect()
    }
}

/// Starts from what is on disk, under the version in force by it.
pub(crate) fn boot(
    definition: &Definition,
    id: u16,
    incarnation: u32,
    check_evidence: bool,
    records: BTreeMap<(u8, Vec<u8>), Record>,
    sealed: BTreeMap<Vec<u8>, Vec<u8>>,
) -> Host {
    let all: Vec<_> = records.values().cloned().collect();
    let boot = Incarnation::new(incarnation, 0);
    let definition = in_force(definition.clone(), &all).unwrap();
    let config = Config {
        definition: definition.clone(),
        me: NodeId(id),
        incarnation: boot,
        check_evidence,
        refresh_after: Some(0),
    };
    let (recorder, journal) = Recorder::start(&config, boot, &all);
    let engine = Engine::restore(config, &all).unwrap();
    let opened = Vault::open(definition.clone(), NodeId(id), boot, root(id), sealed.clone());
    let rng =
        Rng { rng: ChaCha20Rng::seed_from_u64(u64::from(id) * 1_000 + u64::from(incarnation)), drawn: Vec::new() };
    let (vault, timers, due) = (opened.unwrap(), Vec::new(), Vec::new());
    Host { engine, definition, vault, rng, recorder, journal, incarnation, alive: true, records, sealed, timers, due }
}

pub(crate) fn root(id: u16) -> RootSecret {
    RootSecret::generate(&mut ChaCha20Rng::seed_from_u64(u64::from(id)))
}
