//! Worlds of a few nodes that a test drives by hand, and the voice of a member whose author key an attacker has.

use alloy_primitives::B256;
use firn_coordinator::api::{Command, Observation};
use firn_proto::certificate::KeyProposal;
use firn_proto::time::WallTime;
use firn_proto::{Code, KeyId, Message, NodeId, Request, SessionId};
use firn_sim::history::What;
use firn_sim::scenario::{Expect, Key, KeyOrigin, Micros, Network, Organisation, Scenario};
use firn_sim::world::{Ask, Process};
use firn_sim::{Options, World};
use firn_vault::api::{Reply, Request as VaultRequest};
use firn_vault::{RootSecret, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const MINUTE: Micros = 60 * SECOND;

/// Nodes of one organisation each, 80 ms apart, without a key.
pub(crate) fn world(seed: u64, threshold: u16, nodes: u16) -> World {
    let region = "eu-west-1".to_owned();
    let organisation =
        |k: u16| Organisation { name: format!("org-{k}"), nodes: vec![(region.clone(), 1)], cloud: None };
    let rtt = [((region.clone(), region.clone()), 80_000)].into();
    let scenario = Scenario {
        name: "by-hand".to_owned(),
        about: String::new(),
        seed,
        runs: 1,
        network: Network { latency: "aws-2025-07".to_owned(), rtt, loss: None, bandwidth: None },
        organisations: (1..=nodes).map(organisation).collect(),
        key: Key {
            threshold,
            organisations_min: 1,
            regions_min: 1,
            origin: KeyOrigin::Generated { at: Micros::MAX },
            members: Vec::new(),
            renewals: Vec::new(),
            repairs: Vec::new(),
        },
        workload: Vec::new(),
        rules: Vec::new(),
        people: Vec::new(),
        quorums: None,
        pauses: Vec::new(),
        versions: Vec::new(),
        verifiers: Vec::new(),
        gate: None,
        finality: 0,
        faults: Vec::new(),
        byzantine: Vec::new(),
        expect: Expect::default(),
        until: None,
    };
    let mut world = World::new(&scenario, &Options { keep_history: true, ..Options::default() }).unwrap();
    world.begin();
    world.run_until(SECOND, |_| false);
    world
}

pub(crate) fn nodes(world: &World) -> Vec<u16> {
    world.nodes().into_iter().map(|node| node.0).collect()
}

pub(crate) fn alive(world: &World) -> impl Iterator<Item = (NodeId, &Process)> {
    world.processes().filter(|(_, process)| process.up).map(|(id, process)| (id.node, process))
}

pub(crate) fn observations(world: &World) -> impl Iterator<Item = (NodeId, &Observation)> {
    world.history().iter().filter_map(|entry| match &entry.what {
        What::Observed(observation) => Some((entry.process?.node, observation)),
        _ => None,
    })
}

pub(crate) fn answers(world: &World) -> Vec<Result<(), Code>> {
    let answer = |what: &What| match what {
        What::Answered { outcome, .. } => Some(*outcome),
        _ => None,
    };
    world.history().iter().filter_map(|entry| answer(&entry.what)).collect()
}

/// How many frames have arrived.
pub(crate) fn delivered(world: &World) -> usize {
    world.history().iter().filter(|entry| matches!(entry.what, What::Delivered { .. })).count()
}

pub(crate) fn state(world: &World, node: u16, key_id: KeyId) -> &'static str {
    let node = world.node(NodeId(node)).unwrap();
    node.engine.keys().iter().find(|key| key.key_id == key_id).map_or("none", |key| key.state)
}

/// Proposes at node 1; all others know of it.
pub(crate) fn propose(world: &mut World, salt: u8) -> KeyId {
    let proposal = proposal(world, salt);
    let key_id = proposal.key_id(world.definition().network_id());
    world.command(NodeId(1), Command::ProposeKey(proposal));
    let all = nodes(world);
    assert!(world.run_until(MINUTE, |w| all.iter().all(|n| state(w, *n, key_id) != "none")), "the proposal spreads");
    key_id
}

pub(crate) fn proposal(world: &World, salt: u8) -> KeyProposal {
    KeyProposal {
        key_name: "slash".to_owned(),
        proposer: NodeId(1),
        deadline: WallTime(world.wall().0 + 600),
        salt: [salt; 32],
        definition: world.definition().digest(),
        from: None,
    }
}

/// Proposes at node 1, and has all accept once they know of it.
pub(crate) fn start(world: &mut World, salt: u8) -> KeyId {
    let key_id = propose(world, salt);
    nodes(world).into_iter().skip(1).for_each(|node| world.command(NodeId(node), Command::AcceptKey(key_id)));
    key_id
}

pub(crate) fn all_active(world: &mut World, key_id: KeyId) -> bool {
    let all = nodes(world);
    world.run_until(MINUTE, |w| all.iter().all(|n| state(w, *n, key_id) == "active"))
}

/// A world whose key is active and whose account is the slasher.
pub(crate) fn ready(seed: u64, threshold: u16, nodes: u16) -> World {
    let mut world = world(seed, threshold, nodes);
    let key_id = start(&mut world, 1);
    assert!(all_active(&mut world, key_id));
    world
}

pub(crate) fn slash(world: &World, nonce: u64) -> Request {
    slash_of(world, nonce, 80)
}

/// Two that differ in `wad` alone are rivals.
pub(crate) fn slash_of(world: &World, nonce: u64, wad: u64) -> Request {
    let ask = Ask { requester: 1, nonce, wad, evidence: B256::ZERO, deadline: world.wall().0 + 3_600 };
    firn_sim::world::request(world.definition(), &world.key().unwrap().1, ask).unwrap()
}

pub(crate) fn executed(world: &World, request: &Request) -> bool {
    alive(world).all(|(_, node)| node.engine.request(request.id()).is_some_and(|view| view.state == "executed"))
}

pub(crate) fn blamed(world: &World) -> Vec<u16> {
    let culprit = |observation: &Observation| match observation {
        Observation::Evidence { culprit, .. } => Some(culprit.0),
        _ => None,
    };
    observations(world).filter_map(|(_, observation)| culprit(observation)).collect()
}

/// An attacker with the author key of one member: it signs what it likes as the running process of that member.
pub(crate) struct Voice {
    pub(crate) node: NodeId,
    vault: Vault,
    rng: ChaCha20Rng,
}

impl Voice {
    pub(crate) fn of(world: &World, node: u16) -> Self {
        let node = NodeId(node);
        let root = RootSecret::from_bytes(world.seed_root(node).into());
        let opened = Vault::open(world.definition().clone(), node, world.node(node).unwrap().incarnation, root, []);
        Self { node, vault: opened.unwrap(), rng: ChaCha20Rng::from_seed([9; 32]) }
    }

    pub(crate) fn ask(&mut self, request: VaultRequest) -> Reply {
        self.vault.handle(request, &mut self.rng).reply
    }

    pub(crate) fn envelope(&mut self, session: SessionId, message: Message) -> Vec<u8> {
        let reply = self.ask(VaultRequest::Author { session, message: Box::new(message) });
        let Reply::Envelope(bytes) = reply else { panic!("not signed: {reply:?}") };
        bytes
    }
}
