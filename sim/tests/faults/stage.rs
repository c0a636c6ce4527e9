//! Worlds of a few nodes, and the voice of a member whose author key an attacker has.

use alloy_primitives::{Address, U256};
use firn_coordinator::api::{Command, Observation};
use firn_proto::account::account_address;
use firn_proto::certificate::KeyProposal;
use firn_proto::request::{Operation, SignedRequest, SlashOperator};
use firn_proto::time::WallTime;
use firn_proto::{Incarnation, KeyId, Message, NodeId, Request, SessionId};
use firn_sim::{World, WorldConfig};
use firn_vault::api::{Reply, Request as VaultRequest};
use firn_vault::{RootSecret, Vault};
use k256::ecdsa::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) const MINUTE: u64 = 60_000;

fn requester() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

pub(crate) fn world(seed: u64, threshold: u16, nodes: u16) -> World {
    let requester = Address::from_public_key(requester().verifying_key());
    World::new(WorldConfig { seed, nodes, threshold, latency_ms: 40, requester })
}

pub(crate) fn nodes(world: &World) -> Vec<u16> {
    world.definition.nodes.keys().map(|node| node.0).collect()
}

pub(crate) fn state(world: &World, node: u16, key_id: KeyId) -> &'static str {
    let node = world.node(NodeId(node)).unwrap();
    node.engine.keys().iter().find(|key| key.key_id == key_id).map_or("none", |key| key.state)
}

/// Proposes at node 1, and has all accept once they know of it.
pub(crate) fn start(world: &mut World, salt: u8) -> KeyId {
    let proposal = KeyProposal {
        key_name: "slash".to_owned(),
        proposer: NodeId(1),
        deadline: WallTime(world.wall() + 600),
        salt: [salt; 32],
        definition: world.definition.digest(),
    };
    let key_id = proposal.key_id(world.definition.network_id());
    world.command(NodeId(1), Command::ProposeKey(proposal));
    let all = nodes(world);
    assert!(world.run_until(MINUTE, |w| all.iter().all(|n| state(w, *n, key_id) != "none")), "the proposal spreads");
    all.into_iter().skip(1).for_each(|node| world.command(NodeId(node), Command::AcceptKey(key_id)));
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
    let group_key = world.node(NodeId(1)).unwrap().engine.keys()[0].group_key.unwrap();
    world.chain.deploy(group_key);
    world.observations.clear();
    world
}

pub(crate) fn slash(world: &World, nonce: u64) -> Request {
    slash_of(world, nonce, 80)
}

/// Two that differ in `wad` alone are rivals.
pub(crate) fn slash_of(world: &World, nonce: u64, wad: u64) -> Request {
    let keys = world.node(NodeId(1)).unwrap().engine.keys();
    let operation = Operation::SlashOperator(SlashOperator {
        avs: Address::repeat_byte(0x11),
        operator: Address::repeat_byte(0x22),
        operatorSetId: 0,
        strategies: vec![Address::repeat_byte(0x33)],
        wadsToSlash: vec![U256::from(wad)],
        description: "fault".to_owned(),
        account: account_address(&keys[0].group_key.unwrap()),
        nonce: U256::from(nonce),
        deadline: world.wall() + 3600,
    });
    let digest = operation.id(&world.definition).0.0;
    let (signature, recovery) = requester().sign_prehash_recoverable(&digest).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    SignedRequest { operation, signature: bytes }.verify(&world.definition).unwrap()
}

pub(crate) fn executed(world: &World, request: &Request) -> bool {
    world.alive().all(|(_, node)| node.engine.request(request.id()).is_some_and(|view| view.state == "executed"))
}

pub(crate) fn blamed(world: &World) -> Vec<u16> {
    let culprit = |observation: &Observation| match observation {
        Observation::Evidence { culprit, .. } => Some(culprit.0),
        _ => None,
    };
    world.observations.iter().filter_map(|(_, _, observation)| culprit(observation)).collect()
}

/// An attacker with the author key of one member: it signs what it likes as a boot of that member.
pub(crate) struct Voice {
    pub(crate) node: NodeId,
    vault: Vault,
    rng: ChaCha20Rng,
}

impl Voice {
    pub(crate) fn of(world: &World, seed: u64, node: u16, incarnation: u32) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        bytes[8..10].copy_from_slice(&node.to_be_bytes());
        let root = RootSecret::generate(&mut ChaCha20Rng::from_seed(bytes));
        let opened = Vault::open(world.definition.clone(), NodeId(node), Incarnation::new(incarnation, 0), root, []);
        Self { node: NodeId(node), vault: opened.unwrap(), rng: ChaCha20Rng::from_seed([9; 32]) }
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
