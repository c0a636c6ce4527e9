//! The network that tests of the engine run: one organisation, one key, one requester.

use crate::bench::{AVS, REQUESTER, requester};
use crate::host::root;
use alloy_primitives::Address;
use firn_proto::definition::{self, AtMost, Definition, KeyDefinition, OperatorSetEntry, Purpose, Requester};
use firn_proto::policy::Policy;
use firn_proto::{Identifier, NodeId};

pub(crate) fn definition(t: u16, n: u16) -> Definition {
    let node = |id: u16| {
        let (author_key, vault_key) = root(id).public_keys();
        definition::Node {
            name: format!("node-{id}"),
            organisation: "org".to_owned(),
            region: String::new(),
            provider: String::new(),
            peer_id: format!("peer-{id}"),
            author_key,
            vault_key,
            addresses: Vec::new(),
        }
    };
    Definition::new(definition::Content {
        name: "bench".to_owned(),
        chain: definition::Chain {
            id: 31_337,
            allocation_manager: Address::repeat_byte(0xa1),
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: ["org".to_owned()].into(),
        nodes: (1..=n).map(|id| (NodeId(id), node(id))).collect(),
        keys: vec![KeyDefinition {
            name: "slash".to_owned(),
            purpose: Purpose::Slash,
            threshold: t,
            members: (1..=n).map(|id| (Identifier(id), NodeId(id))).collect(),
            organisations_min: 1,
            regions_min: 1,
            at_most: AtMost::default(),
        }],
        operator_sets: vec![OperatorSetEntry { avs: AVS, id: 0, key: "slash".to_owned() }],
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: Vec::new(),
        requesters: vec![Requester {
            name: "avs".to_owned(),
            address: Address::from_public_key(requester(&REQUESTER).verifying_key()),
            operations: vec!["slash_operator".to_owned()],
            avs: vec![AVS],
            expires: None,
        }],
        policy: Policy::default(),
        quorum: None,
    })
}
