//! Keys that exist before a run begins: generated once by the simulator itself, without any fault.

use super::World;
use super::disk::{Disk, Image};
use crate::geography::Invalid;
use crate::history::ProcessId;
use crate::run::Options;
use crate::scenario::{KeyOrigin, Scenario};
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

    fn generate(&self) -> Result<Fixture, Invalid> {
        let mut workload = self.scenario.workload.clone();
        workload.iter_mut().for_each(|workload| workload.count = 0);
        let mut scenario =
            Scenario { workload, seed: 0, faults: Vec::new(), byzantine: Vec::new(), ..self.scenario.clone() };
        scenario.key.origin = KeyOrigin::Generated { at: 0 };
        scenario.network.loss = None;
        let options = Options { geography: Some(self.geography.clone()), ..Options::default() };
        let mut world = Self::new(&scenario, &options)?;
        world.begin();
        let active = |world: &Self| {
            world.processes().all(|(_, process)| process.engine.keys().iter().any(|view| view.state == "active"))
        };
        let count = world.nodes().len();
        while world.next(GENERATION) && !(world.key.is_some() && world.processes.len() == count && active(&world)) {}
        let settled = world.now + 5_000_000;
        while world.next(settled) {}
        let images = world.processes().map(|(id, process)| (id.node, process.disk.recoverable().clone())).collect();
        match world.key {
            Some(key) => Ok(Fixture { key, images }),
            None => Err(Invalid { line: None, detail: "no key came of a key generation without faults".to_owned() }),
        }
    }
}
