//! A definition for tests: five organisations with a node and an admin each, keys for every purpose, and an AVS's contracts.

use alloy::primitives::{Address, B256};
use alloy::signers::k256::SecretKey;
use alloy::signers::k256::elliptic_curve::sec1::ToEncodedPoint;
use alloy::signers::local::PrivateKeySigner;
use firn_proto::author::AuthorKey;
use firn_proto::definition::{
    AtMost, Authority, Chain, Content, Contracts, Declared, KeyDefinition, Node, OperatorSetEntry, Purpose, Requester,
};
use firn_proto::policy::{Person, Policy, Role};
use firn_proto::time::WallTime;
use firn_proto::{Definition, Identifier, NodeId, Point};

pub(crate) const AVS: Address = Address::repeat_byte(0x11);
/// An AVS without contracts: the account of `bare` is its slasher.
pub(crate) const BARE: Address = Address::repeat_byte(0x22);

const DECLARED: &str = r#"
since = 1
slash = "slash"
treasury = "treasury"
governance = "governance"
veto = ["veto"]

[delays]
slash = 259200
treasury = 172800
treasury_large = 604800
governance = 172800
timelock = 1512000
hand_over = 1814400
recovery = 2592000
"#;

/// Uncompressed.
fn point(byte: u8) -> Vec<u8> {
    SecretKey::from_slice(&[byte; 32]).unwrap().public_key().to_encoded_point(false).as_bytes().to_vec()
}

pub(crate) fn node(id: u8) -> Node {
    Node {
        name: format!("node-{id}"),
        organisation: format!("org-{id}"),
        region: "eu".to_owned(),
        provider: "own".to_owned(),
        peer_id: format!("peer-{id}"),
        author_key: AuthorKey::from_slice(&point(id)[1..33]).unwrap(),
        vault_key: Point::from_slice(&point(100 + id)).unwrap(),
        addresses: vec![format!("/dns/node-{id}/tcp/1")],
    }
}

fn person(byte: u8) -> (String, Person) {
    let address = PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap().address();
    let person = Person { organisation: format!("org-{byte}"), address, roles: [Role::Admin].into() };
    (format!("admin-{byte}"), person)
}

fn key(name: &str, purpose: Purpose) -> KeyDefinition {
    KeyDefinition {
        name: name.to_owned(),
        purpose,
        threshold: 3,
        members: (1..=5).map(|id| (Identifier(id), NodeId(id))).collect(),
        organisations_min: 1,
        regions_min: 1,
        at_most: AtMost::default(),
    }
}

pub(crate) fn definition() -> Definition {
    let keys = [
        ("bare", Purpose::Slash),
        ("governance", Purpose::Governance),
        ("slash", Purpose::Slash),
        ("treasury", Purpose::Treasury),
        ("veto", Purpose::Veto),
    ];
    let requester = |name: &str, byte: u8, expires: Option<u64>| Requester {
        name: name.to_owned(),
        address: Address::repeat_byte(byte),
        operations: Vec::new(),
        avs: vec![AVS],
        expires: expires.map(WallTime),
    };
    let authorities = [Purpose::Treasury, Purpose::Veto, Purpose::Governance];
    let mut content = Content {
        name: "test".to_owned(),
        chain: Chain {
            id: 1,
            allocation_manager: Address::repeat_byte(0xa1),
            permission_controller: Some(Address::repeat_byte(0xa2)),
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: (1..=5).map(|id| format!("org-{id}")).collect(),
        nodes: (1..=5).map(|id| (NodeId(id.into()), node(id))).collect(),
        keys: keys.map(|(name, purpose)| key(name, purpose)).into(),
        operator_sets: vec![
            OperatorSetEntry { avs: AVS, id: 0, key: "slash".to_owned() },
            OperatorSetEntry { avs: BARE, id: 4, key: "bare".to_owned() },
        ],
        authorities: authorities
            .map(|purpose| Authority { avs: AVS, purpose, key: purpose.as_str().to_owned() })
            .into(),
        calls: Vec::new(),
        contracts: Vec::new(),
        requesters: vec![requester("avs", 7, None), requester("short", 8, Some(2_000_000_000))],
        policy: Policy { people: (1..=5).map(person).collect(), ..Policy::default() },
        quorum: None,
    };
    let declared = Declared::parse(DECLARED, &content).unwrap();
    let [manager, timelock, timelock_veto, gate, treasury] =
        [1, 2, 3, 4, 5].map(|byte| Address::repeat_byte(0xc0 + byte));
    let since = Contracts { avs: AVS, manager, timelock, timelock_veto, gate, treasury, declared: Some(declared) };
    content.contracts.push(since);
    Definition::parse(&content.to_toml()).unwrap()
}
