//! What a scenario's network consists of: the definition that all nodes hold, and requesters.

use super::governance;
use super::process::root;
use crate::geography::{Geography, Place};
use crate::scenario::{Key, Roster, Scenario};
use alloy_primitives::{Address, B256, U256};
use firn_proto::account::account_address;
use firn_proto::definition::{
    self, AtMost, Contracts, Definition, KeyDefinition, OperatorSetEntry, Purpose, Requester,
};
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::request::SignedRequest;
use firn_proto::{Identifier, NodeId, Point, Request};
use k256::ecdsa::SigningKey;
use std::collections::BTreeMap;

/// Name of the one key.
pub const KEY_NAME: &str = "slash";

/// The AVS that asks.
pub(super) fn avs() -> Address {
    Address::repeat_byte(0x11)
}

/// The strategies of its operator set.
pub(super) fn strategies() -> Vec<Address> {
    vec![Address::repeat_byte(0x33), Address::repeat_byte(0x44)]
}

/// The network definition of a scenario. Where the key has no diversity rule and nobody a say, nobody reads where nodes are: then all
/// scenarios of one size have one definition, and share its key.
pub(super) fn definition(scenario: &Scenario, geography: &Geography) -> Definition {
    let Key { organisations_min, regions_min, threshold, .. } = scenario.key;
    let diverse = organisations_min > 1 || regions_min > 1 || governance::is_governed(scenario);
    let nodes: Vec<_> = geography.places().keys().copied().collect();
    let node = |id: &NodeId| {
        let (author_key, vault_key) = root(*id).public_keys();
        let place = geography.places().get(id);
        let place = place.filter(|_| diverse);
        let label = |pick: fn(&Place) -> &String| place.map_or_else(|| "any".to_owned(), |place| pick(place).clone());
        definition::Node {
            name: format!("node-{id}"),
            organisation: label(|place| &place.organisation),
            region: label(|place| &place.region),
            provider: label(|place| &place.cloud),
            peer_id: format!("peer-{id}"),
            author_key,
            vault_key,
            addresses: Vec::new(),
        }
    };
    let organisation = |place: &Place| if diverse { place.organisation.clone() } else { "any".to_owned() };
    let requesters = scenario.workload.iter().map(|workload| workload.requester).chain([1]).max().unwrap_or(1);
    let requester = |number: u16| Requester {
        name: format!("avs-{number}"),
        address: Address::from_public_key(signing_key(number).verifying_key()),
        operations: vec!["slash_operator".to_owned()],
        avs: vec![avs()],
        expires: None,
    };
    Definition::new(definition::Content {
        name: "simulation".to_owned(),
        chain: definition::Chain {
            id: 31_337,
            allocation_manager: Address::repeat_byte(0xa1),
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: geography.places().values().map(organisation).collect(),
        nodes: nodes.iter().map(|id| (*id, node(id))).collect(),
        keys: vec![KeyDefinition {
            name: KEY_NAME.to_owned(),
            purpose: Purpose::Slash,
            threshold,
            organisations_min: organisations_min.max(1),
            regions_min: regions_min.max(1),
            at_most: AtMost::default(),
            members: roster(scenario.rosters().into_iter().next()),
        }],
        operator_sets: vec![OperatorSetEntry { avs: avs(), id: 0, key: KEY_NAME.to_owned() }],
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: scenario.gate.iter().map(|_| contracts()).collect(),
        requesters: (1..=requesters).map(requester).collect(),
        policy: governance::policy(scenario, geography),
        quorum: None,
    })
}

/// Members by identifier, which is the node's id.
pub(super) fn roster(of: Option<Roster>) -> BTreeMap<Identifier, NodeId> {
    of.into_iter().flat_map(|roster| roster.members).map(|node| (Identifier(node.0), node)).collect()
}

/// Where the contracts of the AVS are.
fn contracts() -> Contracts {
    let [manager, timelock, timelock_veto, gate, treasury] = [0xb1, 0xb2, 0xb3, 0xb4, 0xb5].map(Address::repeat_byte);
    Contracts { avs: avs(), manager, timelock, timelock_veto, gate, treasury, declared: None }
}

/// What a simulated requester asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Which requester: 1 and up.
    pub requester: u16,
    /// Its nonce. Requests of one nonce with another `wad` are rivals.
    pub nonce: u64,
    /// How much is slashed.
    pub wad: u64,
    /// The hash of the evidence; zero for none.
    pub evidence: B256,
    /// The last second in which it may execute.
    pub deadline: u64,
}

/// The request of a simulated requester, signed; `None` where the definition does not let it ask.
#[must_use]
pub fn request(definition: &Definition, group_key: &Point, ask: Ask) -> Option<Request> {
    let operation = Operation::SlashOperator(SlashOperator {
        avs: avs(),
        operator: Address::repeat_byte(0x22),
        operatorSetId: 0,
        strategies: strategies().into_iter().take(1).collect(),
        wadsToSlash: vec![U256::from(ask.wad)],
        description: "double signing".to_owned(),
        evidenceHash: ask.evidence,
        evidenceLocation: String::new(),
        account: account_address(group_key),
        nonce: U256::from(ask.nonce),
        deadline: ask.deadline,
    });
    let signature = governance::sign(&signing_key(ask.requester), operation.id(definition).0);
    SignedRequest { operation, signature }.verify(definition).ok()
}

fn signing_key(number: u16) -> SigningKey {
    governance::key("requester", number.into())
}
