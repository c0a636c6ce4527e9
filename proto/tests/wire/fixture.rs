//! A network of five nodes whose keys are known, and what they sign.

use alloy_primitives::{Address, U256};
use firn_proto::author::{AuthorKey, AuthorSignature};
use firn_proto::commitments::{CommitmentStatement, Commitments};
use firn_proto::definition::{
    AtMost, Chain, Content, Definition, KeyDefinition, Node, OperatorSetEntry, Purpose, Requester,
};
use firn_proto::envelope::{self, Header};
use firn_proto::message::possession::{Possession, challenge};
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::opinion::{self, Decision, SignedOpinion};
use firn_proto::pause::{self, SignedAct, SignedPause};
use firn_proto::policy::{Approvals, Person, Policy, Role, Rule, Scope};
use firn_proto::request::SignedRequest;
use firn_proto::time::WallTime;
use firn_proto::{
    Digest, Epoch, Identifier, Incarnation, KeyId, Message, NodeId, Point, PublicScalar, SessionId, SubjectId, wire,
};
use k256::elliptic_curve::PrimeField;
use k256::{ProjectivePoint, Scalar, schnorr};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const AVS: Address = Address::repeat_byte(0x11);
pub(crate) const NOW: u64 = 1_800_000_000;

/// k times the generator.
pub(crate) fn point(k: u64) -> Point {
    Point::from_affine(&(ProjectivePoint::GENERATOR * Scalar::from(k)).to_affine()).unwrap()
}

/// The proof of a dealer that it made the ephemeral key k G.
pub(crate) fn possession(session: SessionId, dealer: u16, k: u64) -> Possession {
    let nonce = Scalar::from(9u64);
    let commitment = ProjectivePoint::GENERATOR * nonce;
    let c = challenge(definition().network_id(), session.into(), NodeId(dealer), &point(k), &commitment);
    let scalar = |scalar: Scalar| PublicScalar::from_slice(&scalar.to_bytes()).unwrap();
    Possession { challenge: scalar(c), response: scalar(nonce + c * Scalar::from(k)) }
}

pub(crate) fn scalar(k: u64) -> PublicScalar {
    PublicScalar::from_slice(&Scalar::from(k).to_repr()).unwrap()
}

pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

pub(crate) fn author(node: u16) -> schnorr::SigningKey {
    schnorr::SigningKey::from_bytes(&[u8::try_from(node).unwrap(); 32]).unwrap()
}

/// A node's author signature, with fixed auxiliary randomness so that samples never change.
pub(crate) fn sign(node: u16, digest: Digest) -> AuthorSignature {
    AuthorSignature(author(node).sign_raw(&digest.0, &[0; 32]).unwrap().to_bytes())
}

pub(crate) fn definition() -> Definition {
    let node = |id: u16| {
        let node = Node {
            name: format!("node-{id}"),
            organisation: format!("org-{id}"),
            region: "eu".to_owned(),
            provider: "own".to_owned(),
            peer_id: format!("peer-{id}"),
            author_key: AuthorKey::from_slice(&author(id).verifying_key().to_bytes()).unwrap(),
            vault_key: point(1_000 + u64::from(id)),
            addresses: vec![format!("/dns/node-{id}/tcp/1")],
        };
        (NodeId(id), node)
    };
    let requester = |name: &str, key: u8, operations: &[&str], avs: &[Address]| Requester {
        name: name.to_owned(),
        address: Address::from_public_key(requester(key).verifying_key()),
        operations: operations.iter().map(|kind| (*kind).to_owned()).collect(),
        avs: avs.to_vec(),
        expires: None,
    };
    Definition::new(Content {
        name: "test".to_owned(),
        chain: Chain {
            id: 31_337,
            allocation_manager: Address::repeat_byte(0xa1),
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: (1..=5).map(|id| format!("org-{id}")).collect(),
        nodes: (1..=5).map(node).collect(),
        keys: vec![key("other", 3, 4), key("slash", 3, 5)],
        operator_sets: vec![
            OperatorSetEntry { avs: AVS, id: 0, key: "slash".to_owned() },
            OperatorSetEntry { avs: AVS, id: 7, key: "other".to_owned() },
        ],
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: Vec::new(),
        requesters: vec![
            requester("avs", 7, &["slash_operator"], &[AVS]),
            requester("elsewhere", 8, &["slash_operator"], &[Address::repeat_byte(0x99)]),
            requester("idle", 9, &[], &[AVS]),
        ],
        policy: policy(),
        quorum: None,
    })
}

/// An approver of each organisation, the first of whom may veto as well; a rule that asks for two of them, from two
/// organisations, where more than a tenth is slashed; `org-3` runs an operator.
fn policy() -> Policy {
    let person = |id: u8| {
        let roles = if id == 1 { [Role::Approver, Role::VetoHolder].into() } else { BTreeSet::from([Role::Approver]) };
        let address = Address::from_public_key(requester(20 + id).verifying_key());
        (format!("person-{id}"), Person { organisation: format!("org-{id}"), address, roles })
    };
    let rule = Rule {
        scope: Scope { wad_over: Some(U256::from(100_000_000_000_000_000_u64)), ..Scope::default() },
        approvals: Some(Approvals { people: 2, organisations: 2 }),
        ..Rule::default()
    };
    Policy {
        people: (1..=5).map(person).collect(),
        operators: BTreeMap::from([(Address::repeat_byte(0x23), "org-3".to_owned())]),
        rules: BTreeMap::from([("large".to_owned(), rule)]),
        pause: None,
    }
}

/// A person's opinion of a request: person 1 holds key 21, and so on.
pub(crate) fn opinion(
    definition: &Definition,
    key: u8,
    request: SubjectId,
    decision: Decision,
    number: u64,
) -> SignedOpinion {
    let digest = opinion::digest(definition, request, decision, number);
    SignedOpinion { request, decision, number, signature: sign_ethereum(key, digest) }
}

/// What a person says to the network.
pub(crate) fn pause(definition: &Definition, key: u8, paused: bool, number: u64) -> SignedPause {
    let signature = sign_ethereum(key, pause::digest(definition, paused, number));
    SignedPause { paused, number, signature }
}

/// What a person says to a node.
pub(crate) fn act(definition: &Definition, key: u8, what: &str, node: u16, number: u64) -> SignedAct {
    let (what, node) = (what.to_owned(), NodeId(node));
    let signature = sign_ethereum(key, pause::act_digest(definition, &what, node, number));
    SignedAct { what, node, number, signature }
}

/// The definition with one change.
pub(crate) fn changed(change: impl FnOnce(&mut Content)) -> Definition {
    let mut content = (*definition()).clone();
    change(&mut content);
    Definition::new(content)
}

pub(crate) fn key(name: &str, threshold: u16, n: u16) -> KeyDefinition {
    let members = (1..=n).map(|id| (Identifier(id), NodeId(id))).collect();
    KeyDefinition {
        name: name.to_owned(),
        purpose: Purpose::Slash,
        threshold,
        members,
        organisations_min: 1,
        regions_min: 1,
        at_most: AtMost::default(),
    }
}

pub(crate) fn requester(key: u8) -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[key; 32]).unwrap()
}

/// A well-formed slash of set 0.
pub(crate) fn slash() -> SlashOperator {
    SlashOperator {
        avs: AVS,
        operator: Address::repeat_byte(0x22),
        operatorSetId: 0,
        strategies: vec![Address::repeat_byte(0x33), Address::repeat_byte(0x44)],
        wadsToSlash: vec![U256::from(1), U256::from(1_000_000_000_000_000_000_u64)],
        description: "double signing".to_owned(),
        evidenceHash: Default::default(),
        evidenceLocation: String::new(),
        account: Address::repeat_byte(0x55),
        nonce: U256::from(9),
        deadline: NOW + 3600,
    }
}

/// The operation under the signature of requester `key` in `definition`'s network.
pub(crate) fn signed(slash: SlashOperator, key: u8, definition: &Definition) -> SignedRequest {
    signed_as(Operation::SlashOperator(slash), key, definition)
}

/// The same for any kind.
pub(crate) fn signed_as(operation: Operation, key: u8, definition: &Definition) -> SignedRequest {
    let id = operation.id(definition);
    SignedRequest { operation, signature: sign_ethereum(key, id.0) }
}

fn sign_ethereum(key: u8, digest: Digest) -> [u8; 65] {
    let (signature, recovery) = requester(key).sign_prehash_recoverable(&digest.0).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes
}

pub(crate) fn header(definition: &Definition, sender: u16, session: SessionId) -> Header {
    Header {
        network: definition.network_id(),
        session,
        sender: NodeId(sender),
        incarnation: Incarnation::new(3, 33),
        sequence: 5,
    }
}

/// A message of node `sender` in its envelope.
pub(crate) fn seal(definition: &Definition, sender: u16, session: SessionId, message: &Message) -> Vec<u8> {
    envelope::seal(&header(definition, sender, session), message, |digest| sign(sender, digest))
}

/// The envelope with another body under its kind, signed anew by its sender: what a hostile member can send.
pub(crate) fn seal_body(definition: &Definition, sender: u16, session: SessionId, kind: u32, body: &[u8]) -> Vec<u8> {
    use firn_proto::digest::CanonicalHasher;
    let header = header(definition, sender, session);
    let digest = CanonicalHasher::new("firn/envelope/v1")
        .number(1_u32)
        .field(header.network.0.0)
        .field(session.0.0)
        .number(sender)
        .number(header.incarnation.to_wire())
        .number(header.sequence)
        .number(kind)
        .field(body)
        .finish();
    wire::Envelope {
        version: 1,
        network: header.network.0.0.to_vec(),
        session: session.0.0.to_vec(),
        sender: sender.into(),
        incarnation: header.incarnation.to_wire(),
        sequence: header.sequence,
        kind,
        body: body.to_vec(),
        signature: sign(sender, digest).0.to_vec(),
    }
    .encode_to_vec()
}

pub(crate) fn statement(owner: u16, coordinator: u16) -> CommitmentStatement {
    CommitmentStatement {
        key_id: KeyId(digest(0x77)),
        epoch: Epoch(0),
        coordinator: NodeId(coordinator),
        owner: NodeId(owner),
        incarnation: Incarnation::new(3, 33),
        serial: 1,
        expires: WallTime(NOW + 600),
        hiding: point(100 + u64::from(owner)),
        binding: point(200 + u64::from(owner)),
    }
}

pub(crate) fn commitments(definition: &Definition, owner: u16, coordinator: u16) -> Commitments {
    Commitments::seal(definition.network_id(), statement(owner, coordinator), |digest| sign(owner, digest))
}
