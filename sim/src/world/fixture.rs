//! Keys that exist before a run begins: generated once by the simulator itself, without any fault.

use super::disk::{Disk, Image};
use super::{Process, World};
use crate::geography::{Geography, Invalid};
use crate::history::ProcessId;
use crate::run::Options;
use crate::scenario::parse::LATENCY;
use crate::scenario::{Key, KeyOrigin, Network, Organisation, Scenario};
use firn_proto::{Digest, KeyId, NodeId, Point};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Keys by the definition that they belong to. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct Fixtures(Rc<RefCell<BTreeMap<Digest, Rc<Fixture>>>>, Rc<Cell<u64>>);

impl Fixtures {
    /// How many runs have asked this: what survives runs, and must not be looked at.
    pub(super) fn count_run(&self) -> u64 {
        self.1.set(self.1.get() + 1);
        self.1.get()
    }
}

/// How many keys are kept: one of 7 members takes about 100 kB.
const FIXTURES_MAX: usize = 512;

/// Round trip between the nodes of a key generation beforehand.
const DISTANCE: u64 = 20_000;

/// How long a key generation without faults may take.
const GENERATION: u64 = 600_000_000;

#[derive(Debug)]
struct Fixture {
    key: (KeyId, Point),
    images: BTreeMap<NodeId, Image>,
}

impl World {
    /// Where the scenario gives nodes their key, puts it on their disks.
    pub(super) fn give_key(&mut self) -> Result<(), Invalid> {
        if self.scenario.key.origin != KeyOrigin::Given {
            return Ok(());
        }
        let name = self.definition.digest();
        let known = self.options.fixtures.0.borrow().get(&name).cloned();
        let fixture = match known {
            Some(fixture) => fixture,
            None => {
                let fixture = Rc::new(self.generate()?);
                let mut fixtures = self.options.fixtures.0.borrow_mut();
                if fixtures.len() >= FIXTURES_MAX {
                    fixtures.clear();
                }
                fixtures.insert(name, Rc::clone(&fixture));
                fixture
            }
        };
        self.set_key(fixture.key.0, fixture.key.1);
        let disk = |(node, image): (&NodeId, &Image)| (ProcessId { node: *node, twin: 0 }, Disk::of(image.clone()));
        self.parked.extend(fixture.images.iter().map(disk));
        Ok(())
    }

    /// A scenario of as many nodes, all at one place: a key must be the same whichever run asks for it first.
    fn plain(&self) -> Scenario {
        let region = "one-place".to_owned();
        let count = u16::try_from(self.definition.nodes.len()).unwrap_or(u16::MAX);
        let rtt = [((region.clone(), region.clone()), DISTANCE)].into();
        let nodes = vec![(region, count)];
        Scenario {
            seed: 0,
            network: Network { rtt, loss: None, bandwidth: None, latency: LATENCY.to_owned() },
            organisations: vec![Organisation { name: "all".to_owned(), nodes, cloud: None }],
            key: Key {
                origin: KeyOrigin::Generated { at: 0 },
                renewals: Vec::new(),
                repairs: Vec::new(),
                ..self.scenario.key.clone()
            },
            // The definition is handed on; nobody speaks to it.
            people: Vec::new(),
            quorums: None,
            pauses: Vec::new(),
            versions: Vec::new(),
            verifiers: Vec::new(),
            gate: None,
            finality: 0,
            workload: Vec::new(),
            faults: Vec::new(),
            byzantine: Vec::new(),
            until: None,
            ..self.scenario.clone()
        }
    }

    fn generate(&self) -> Result<Fixture, Invalid> {
        let scenario = self.plain();
        let geography = Geography::built_in(&scenario)?;
        let mut world = Self::bare(&scenario, &Options::default(), geography, self.definition.clone());
        world.begin();
        let active = |world: &Self| {
            let is_active = |process: &Process| process.engine.keys().iter().any(|view| view.state == "active");
            world.holders().members.into_iter().all(|node| world.node(node).is_some_and(is_active))
        };
        let count = world.nodes().len();
        while world.next(GENERATION) && !(world.key().is_some() && world.processes.len() == count && active(&world)) {}
        let settled = world.now + 5_000_000;
        while world.next(settled) {}
        let images = world.processes().map(|(id, process)| (id.node, process.disk.recoverable().clone())).collect();
        match world.key() {
            Some(key) => Ok(Fixture { key, images }),
            None => {
                let Key { threshold, organisations_min, regions_min, .. } = self.scenario.key;
                let signers =
                    format!("{threshold} nodes of {organisations_min} organisations and {regions_min} regions");
                let detail = format!("no key came of a key generation without faults; see whether there are {signers}");
                Err(Invalid { line: None, detail })
            }
        }
    }
}
