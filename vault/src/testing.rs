//! A small network of vaults for the tests: each with its records in a map, as a host would keep them.

use crate::api::{Decision, KeyOutcome, ReleaseRequest, Reply, Request, Subject, VaultRefusal, Write};
use crate::complaint::Verdict;
use crate::{RootSecret, Vault};
use alloy_primitives::{Address, U256};
use firn_proto::account::account_address;
use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{KeyCertificate, KeyProposal};
use firn_proto::commitments::Commitments;
use firn_proto::definition::{
    AtMost, Chain, Content, Contracts, KeyDefinition, Node, OperatorSetEntry, Purpose, Requester,
};
use firn_proto::message::{BlockReference, KeyComplaint, KeyRound1, KeyShares, SigningPackage};
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::opinion::Opinions;
use firn_proto::request::SignedRequest;
use firn_proto::time::WallTime;
use firn_proto::{
    Code, Definition, Digest, Epoch, GroupSignature, Identifier, Incarnation, KeyId, NodeId, Point, PublicScalar,
};
use k256::Scalar;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

pub(crate) use crate::tests::script::Script;

pub(crate) const EPOCH: Epoch = Epoch(0);
pub(crate) const NOW: WallTime = WallTime(1_800_000_000);
pub(crate) const AVS: Address = Address::repeat_byte(0xa5);
/// An AVS with a gate, whose slashes have two payloads.
pub(crate) const GATED: Address = Address::repeat_byte(0xa6);

pub(crate) struct Host {
    pub(crate) vault: Vault,
    pub(crate) root: [u8; 32],
    pub(crate) node: NodeId,
    pub(crate) incarnation: u32,
    pub(crate) records: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub(crate) struct Net {
    pub(crate) definition: Definition,
    pub(crate) hosts: BTreeMap<NodeId, Host>,
    pub(crate) rng: ChaCha20Rng,
}

/// A generated key: what its ceremony left in public.
pub(crate) struct Ceremony {
    pub(crate) key_id: KeyId,
    pub(crate) proposal: KeyProposal,
    pub(crate) round1: BTreeMap<Identifier, KeyRound1>,
    pub(crate) dealings: BTreeMap<Identifier, KeyShares>,
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn root(node: u16) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng(1_000 + u64::from(node)).fill_bytes(&mut bytes);
    bytes
}

pub(crate) fn root_secret(bytes: [u8; 32]) -> RootSecret {
    RootSecret::from_bytes(Zeroizing::new(bytes))
}

/// Members 1..=n are the nodes 11, 12, ...; node 9 stands outside. Key "slash" is t of n, key "other" of the same.
pub(crate) fn definition(t: u16, n: u16) -> Definition {
    let node = |id: u16| {
        let (author_key, vault_key) = root_secret(root(id)).public_keys();
        let node = Node {
            name: format!("node-{id}"),
            organisation: "org".into(),
            region: "r".into(),
            provider: "p".into(),
            peer_id: format!("peer-{id}"),
            author_key,
            vault_key,
            addresses: Vec::new(),
        };
        (NodeId(id), node)
    };
    let members: BTreeMap<_, _> = (1..=n).map(|i| (Identifier(i), NodeId(10 + i))).collect();
    let key = |name: &str| KeyDefinition {
        name: name.into(),
        purpose: Purpose::Slash,
        threshold: t,
        members: members.clone(),
        organisations_min: 1,
        regions_min: 1,
        at_most: AtMost::default(),
    };
    Definition::new(Content {
        name: "test".into(),
        chain: Chain {
            id: 31_337,
            allocation_manager: Address::repeat_byte(0xaa),
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: BTreeSet::from(["org".to_owned()]),
        nodes: (1..=n).map(|i| node(10 + i)).chain([node(9)]).collect(),
        keys: vec![key("other"), key("slash")],
        operator_sets: vec![
            OperatorSetEntry { avs: AVS, id: 0, key: "slash".into() },
            OperatorSetEntry { avs: AVS, id: 1, key: "other".into() },
            OperatorSetEntry { avs: GATED, id: 0, key: "slash".into() },
        ],
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: vec![Contracts {
            avs: GATED,
            manager: Address::with_last_byte(1),
            timelock: Address::with_last_byte(2),
            timelock_veto: Address::with_last_byte(3),
            gate: Address::with_last_byte(4),
            treasury: Address::with_last_byte(5),
            declared: None,
        }],
        requesters: vec![Requester {
            name: "avs".into(),
            address: requester_address(),
            operations: vec!["slash_operator".into()],
            avs: vec![AVS, GATED],
            expires: None,
        }],
        policy: crate::tests::people::policy(),
        quorum: None,
    })
}

fn requester() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

fn requester_address() -> Address {
    Address::from_public_key(requester().verifying_key())
}

impl Host {
    /// Keeps the writes, as a host does before it delivers a reply.
    pub(crate) fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Put { key, value } => self.records.insert(key.clone(), value.clone()),
                Write::Delete { key } => self.records.remove(key),
            };
        }
    }

    pub(crate) fn try_reopen(&self, definition: &Definition, incarnation: u32) -> Result<Vault, crate::OpenError> {
        let records = self.records.clone();
        Vault::open(definition.clone(), self.node, Incarnation::new(incarnation, 0), root_secret(self.root), records)
    }
}

impl Net {
    pub(crate) fn new(t: u16, n: u16) -> Self {
        let definition = definition(t, n);
        assert_eq!(Definition::parse(&definition.to_toml()), Ok(definition.clone()), "a valid definition");
        let host = |node: NodeId| {
            let root = root(node.0);
            let vault = Vault::open(definition.clone(), node, Incarnation::new(1, 0), root_secret(root), []).unwrap();
            (node, Host { vault, root, node, incarnation: 1, records: BTreeMap::new() })
        };
        let hosts = definition.keys[0].nodes().map(host).collect();
        Self { definition, hosts, rng: rng(42) }
    }

    /// A network with a certified key "slash".
    pub(crate) fn certified(t: u16, n: u16) -> (Self, KeyCertificate) {
        let mut net = Self::new(t, n);
        let ceremony = net.shared(1);
        let certificate = net.certify(&ceremony);
        for node in net.nodes() {
            net.done(node, accept(&certificate));
        }
        (net, certificate)
    }

    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.hosts.keys().copied().collect()
    }

    pub(crate) fn host(&mut self, node: NodeId) -> &mut Host {
        self.hosts.get_mut(&node).unwrap()
    }

    pub(crate) fn decide(&mut self, node: NodeId, request: Request) -> Decision {
        let host = self.hosts.get_mut(&node).unwrap();
        let decision = host.vault.handle(request, &mut self.rng);
        host.apply(&decision.writes);
        decision
    }

    pub(crate) fn ask(&mut self, node: NodeId, request: Request) -> Reply {
        self.decide(node, request).reply
    }

    pub(crate) fn refused(&mut self, node: NodeId, request: Request) -> VaultRefusal {
        let decision = self.decide(node, request);
        assert!(decision.writes.is_empty(), "a refusal writes nothing");
        let Reply::Refused(refusal) = decision.reply else { panic!("not refused: {:?}", decision.reply) };
        refusal
    }

    #[track_caller]
    pub(crate) fn refuses(&mut self, node: NodeId, request: Request, code: Code) {
        assert_eq!(self.refused(node, request).code, code);
    }

    #[track_caller]
    pub(crate) fn done(&mut self, node: NodeId, request: Request) -> Vec<Write> {
        let decision = self.decide(node, request);
        assert!(matches!(decision.reply, Reply::Done { .. }), "{:?}", decision.reply);
        decision.writes
    }

    /// Stops and starts a node.
    pub(crate) fn restart(&mut self, node: NodeId) {
        let definition = self.definition.clone();
        let host = self.host(node);
        host.incarnation += 1;
        host.vault = host.try_reopen(&definition, host.incarnation).unwrap();
    }

    pub(crate) fn proposal(&self, salt: u8) -> KeyProposal {
        KeyProposal {
            key_name: "slash".into(),
            proposer: NodeId(11),
            deadline: WallTime(NOW.0 + 60),
            salt: [salt; 32],
            definition: self.definition.digest(),
            from: None,
        }
    }

    pub(crate) fn identifier(&self, node: NodeId) -> Identifier {
        self.definition.keys[0].identifier_of(node).unwrap()
    }

    /// Runs an attempt up to the round-1 packages.
    pub(crate) fn dealt(&mut self, salt: u8) -> Ceremony {
        let proposal = self.proposal(salt);
        let key_id = proposal.key_id(self.definition.network_id());
        let mut round1 = BTreeMap::new();
        for node in self.nodes() {
            let Reply::Dealt { package, .. } = self.ask(node, Request::Deal { proposal: proposal.clone() }) else {
                panic!("not dealt")
            };
            round1.insert(self.identifier(node), package);
        }
        Ceremony { key_id, proposal, round1, dealings: BTreeMap::new() }
    }

    /// Runs an attempt up to the dealings.
    pub(crate) fn shared(&mut self, salt: u8) -> Ceremony {
        let mut ceremony = self.dealt(salt);
        for node in self.nodes() {
            let dealing = self.share(node, &ceremony);
            ceremony.dealings.insert(self.identifier(node), dealing);
        }
        ceremony
    }

    pub(crate) fn share(&mut self, node: NodeId, ceremony: &Ceremony) -> KeyShares {
        let request = Request::Share { key_id: ceremony.key_id, round1: ceremony.round1.clone() };
        let reply = self.ask(node, request);
        let Reply::Shared { dealing, .. } = reply else { panic!("not shared: {reply:?}") };
        dealing
    }

    pub(crate) fn finish(&mut self, node: NodeId, ceremony: &Ceremony) -> KeyOutcome {
        let reply = self.ask(node, finish(ceremony));
        let Reply::Finished { outcome, .. } = reply else { panic!("not finished: {reply:?}") };
        outcome
    }

    pub(crate) fn complaints(&mut self, node: NodeId, ceremony: &Ceremony) -> Vec<KeyComplaint> {
        let decision = self.decide(node, finish(ceremony));
        let Reply::BadShares { complaints, .. } = decision.reply else { panic!("no complaint: {:?}", decision.reply) };
        assert!(decision.writes.is_empty(), "no key, no record");
        complaints
    }

    /// Judges as the coordinator does.
    pub(crate) fn judge(&self, ceremony: &Ceremony, complainer: Identifier, complaint: &KeyComplaint) -> Verdict {
        let key = &self.definition.keys[0];
        crate::complaint::judge(
            self.definition.network_id(),
            ceremony.key_id,
            &ceremony.round1[&complaint.dealer].commitment,
            &ceremony.dealings[&complaint.dealer],
            complainer,
            &self.definition.nodes[&key.members[&complainer]].vault_key,
            complaint,
        )
    }

    pub(crate) fn certify_request(&mut self, node: NodeId, key_id: KeyId) -> Request {
        let stored = self.host(node).records.get(&Vault::share_record(key_id, EPOCH)).cloned();
        Request::Certify { key_id, epoch: EPOCH, stored }
    }

    pub(crate) fn signature(&mut self, node: NodeId, key_id: KeyId) -> AuthorSignature {
        let request = self.certify_request(node, key_id);
        let reply = self.ask(node, request);
        let Reply::Certified { certified, .. } = reply else { panic!("not certified: {reply:?}") };
        certified.signature
    }

    /// Finishes an attempt at all members and puts the certificate together.
    pub(crate) fn certify(&mut self, ceremony: &Ceremony) -> KeyCertificate {
        let outcomes: Vec<_> = self.nodes().into_iter().map(|node| self.finish(node, ceremony)).collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "all members compute one outcome");
        let signatures = self
            .nodes()
            .into_iter()
            .map(|node| (self.identifier(node), self.signature(node, ceremony.key_id)))
            .collect();
        let KeyOutcome { transcript, group_key, verifying_shares } = outcomes[0].clone();
        let proposal = ceremony.proposal.clone();
        KeyCertificate::assemble(&self.definition, proposal, transcript, group_key, verifying_shares, signatures)
            .unwrap()
    }

    pub(crate) fn abandonment(&mut self, node: NodeId, key_id: KeyId) -> AuthorSignature {
        let reply = self.ask(node, Request::Abandon { key_id });
        let Reply::Abandoned { signature, .. } = reply else { panic!("not abandoned: {reply:?}") };
        signature
    }

    pub(crate) fn commit(&mut self, node: NodeId, key_id: KeyId, coordinator: NodeId) -> Commitments {
        self.commit_in(node, (key_id, EPOCH), coordinator)
    }

    pub(crate) fn commit_in(
        &mut self,
        node: NodeId,
        (key_id, epoch): (KeyId, Epoch),
        coordinator: NodeId,
    ) -> Commitments {
        let reply = self.ask(node, Request::Commit { key_id, epoch, coordinator, count: 1, now: NOW });
        let Reply::Committed(commitments) = reply else { panic!("not committed: {reply:?}") };
        commitments[0]
    }

    /// A package of fresh commitments of `signers` for `subject`, coordinated by the first of them.
    pub(crate) fn package(&mut self, key_id: KeyId, subject: &Subject, signers: &[NodeId]) -> SigningPackage {
        self.package_in((key_id, EPOCH), subject, signers)
    }

    /// The same for a later epoch.
    pub(crate) fn package_in(&mut self, of: (KeyId, Epoch), subject: &Subject, signers: &[NodeId]) -> SigningPackage {
        let coordinator = signers[0];
        let commitments = signers.iter().map(|signer| (*signer, self.commit_in(*signer, of, coordinator))).collect();
        SigningPackage {
            subject: subject.id(self.definition.network_id()),
            key_id: of.0,
            epoch: of.1,
            attempt: 0,
            coordinator,
            block: BlockReference::default(),
            commitments,
        }
    }

    pub(crate) fn released(&mut self, node: NodeId, subject: &Subject, package: &SigningPackage) -> PublicScalar {
        let reply = self.ask(node, release(subject, package));
        let Reply::Released { share, .. } = reply else { panic!("not released: {reply:?}") };
        share
    }

    /// A whole signing session of `signers`.
    pub(crate) fn sign(
        &mut self,
        certificate: &KeyCertificate,
        subject: &Subject,
        signers: &[NodeId],
    ) -> GroupSignature {
        let package = self.package_in((certificate.key_id(), certificate.epoch()), subject, signers);
        let shares: Vec<_> = signers.iter().map(|signer| self.released(*signer, subject, &package)).collect();
        let signature = aggregate(&self.definition, certificate, subject, &package, &shares);
        assert!(signature.verifies(certificate.group_key(), subject.digest(&self.definition)));
        signature
    }

    /// A request for a slash in operator set 0, by the requester's `nonce`; other `wad`s make rivals.
    pub(crate) fn request(&self, group_key: &Point, nonce: u64, wad: u64) -> Subject {
        self.request_with(|slash| {
            slash.account = account_address(group_key);
            slash.nonce = U256::from(nonce);
            slash.wadsToSlash = vec![U256::from(wad)];
        })
    }

    pub(crate) fn request_with(&self, change: impl FnOnce(&mut SlashOperator)) -> Subject {
        self.request_in(&self.definition, change)
    }

    pub(crate) fn request_in(&self, definition: &Definition, change: impl FnOnce(&mut SlashOperator)) -> Subject {
        let mut slash = SlashOperator {
            avs: AVS,
            operator: Address::repeat_byte(1),
            operatorSetId: 0,
            strategies: vec![Address::repeat_byte(2)],
            wadsToSlash: vec![U256::from(5)],
            description: "d".into(),
            evidenceHash: Default::default(),
            evidenceLocation: String::new(),
            account: Address::ZERO,
            nonce: U256::ZERO,
            deadline: NOW.0 + 3_600,
        };
        change(&mut slash);
        let operation = Operation::SlashOperator(slash);
        let id = operation.id(definition);
        let (signature, recovery) = requester().sign_prehash_recoverable(&id.0.0).unwrap();
        let mut bytes = [27 + recovery.to_byte(); 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        let request = SignedRequest { operation, signature: bytes }.verify(definition).unwrap();
        Subject::Request(Box::new(request))
    }
}

pub(crate) fn finish(ceremony: &Ceremony) -> Request {
    Request::Finish { key_id: ceremony.key_id, dealings: ceremony.dealings.clone() }
}

pub(crate) fn accept(certificate: &KeyCertificate) -> Request {
    Request::AcceptCertificate { certificate: Box::new(certificate.clone()), activation: None }
}

pub(crate) fn release(subject: &Subject, package: &SigningPackage) -> Request {
    let (subject, package) = (subject.clone(), package.clone());
    let ask = ReleaseRequest { subject, opinions: Opinions::default(), package, now: NOW, next: 1 };
    Request::Release(Box::new(ask))
}

/// Adds the shares up, as the coordinator does. The group commitment comes from the binding factors of RFC 9591.
fn aggregate(
    definition: &Definition,
    certificate: &KeyCertificate,
    subject: &Subject,
    package: &SigningPackage,
    shares: &[PublicScalar],
) -> GroupSignature {
    use crate::suite::{self, frost};
    let key = definition.key(&certificate.proposal().key_name).unwrap();
    let identifier = |node: &NodeId| key.identifier_of(*node).unwrap();
    let signers = package.commitments.iter().map(|(node, c)| {
        let statement = c.statement();
        (identifier(node), (statement.hiding, statement.binding))
    });
    let signing_package = suite::signing_package(&signers.collect(), &subject.digest(definition).0).unwrap();
    let shares = package.commitments.keys().zip(shares).map(|(node, share)| {
        let share = frost::round2::SignatureShare::deserialize(share.as_bytes()).unwrap();
        (suite::identifier(identifier(node)).unwrap(), share)
    });
    let verifying = certificate
        .verifying_shares()
        .iter()
        .map(|(member, point)| (suite::identifier(*member).unwrap(), suite::verifying_share(point).unwrap()));
    let group_key = frost::VerifyingKey::deserialize(&certificate.group_key().compressed()).unwrap();
    let public = frost::keys::PublicKeyPackage::new(verifying.collect(), group_key, Some(key.threshold));
    let signature = frost::aggregate(&signing_package, &shares.collect(), &public).unwrap();
    let z: &Scalar = signature.z();
    GroupSignature::new(&suite::point(signature.R()).unwrap(), &PublicScalar::from_slice(&z.to_bytes()).unwrap())
}

/// A digest that stands for nothing.
pub(crate) fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

/// The bytes of a hexadecimal string in a vector file.
pub(crate) fn hex_at(value: &serde_json::Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a string")).expect("hexadecimal")
}
