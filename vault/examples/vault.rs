//! What the vault adds to frost: `cargo run --release -p firn-vault --example vault`.
//!
//! Each step runs through `Vault::handle` beside the direct calls of `frost-secp256k1`, turn by turn in one process;
//! shown are medians of wall time. "bare" is frost alone with its inputs decoded beforehand. "required" adds what the
//! step cannot do without, each measured in the same run by its own library: points that arrive as bytes and leave as
//! bytes, the owner's signature on commitments, the encryption of shares, the request's own signature and digest, the
//! next commitments, and the sealing of records. The last column says whether the vault stays within 10 % of that; why
//! "bare" cannot be the measure is in `docs/adr/0009-what-the-vault-bench-compares.md`.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measuring tool: it reads the clock, prints, and stops at the first surprise"
)]

use alloy_primitives::{Address, U256};
use chacha20poly1305::aead::{Aead, KeyInit};
use firn_proto::account::account_address;
use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{KeyCertificate, KeyProposal};
use firn_proto::definition::{AtMost, Chain, Content, KeyDefinition, Node, OperatorSetEntry, Purpose, Requester};
use firn_proto::message::{BlockReference, KeyRound1, KeyShares, SigningPackage};
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::opinion::Opinions;
use firn_proto::policy::Policy;
use firn_proto::request::SignedRequest;
use firn_proto::time::WallTime;
use firn_proto::{Definition, Epoch, Identifier, Incarnation, KeyId, Message, NodeId};
use firn_vault::api::{KeyOutcome, Redeals, ReleaseRequest, Reply, Request, Subject, Write};
use firn_vault::{RootSecret, Vault};
use frost_secp256k1 as frost;
use frost_secp256k1::keys::dkg;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Instant;
use zeroize::Zeroizing;

const NOW: WallTime = WallTime(1_800_000_000);
/// Members that frost's own steps are measured at.
const FROST_MEMBERS: u16 = 5;

fn main() {
    println!("t,n     step     vault us   bare us  ratio  required us  ratio  within 10 %");
    // With any argument the first committee alone, for the end-to-end figures.
    let committees = if std::env::args().len() > 1 { 1 } else { 3 };
    for (t, n) in [(3, 5), (7, 10), (67, 100)].into_iter().take(committees) {
        keygen_and_sign(t, n);
    }
}

/// Measurements of one step, in microseconds.
#[derive(Default)]
struct Step {
    vault: Vec<f64>,
    bare: Vec<f64>,
    required: Vec<f64>,
}

impl Step {
    fn print(mut self, t: u16, n: u16, name: &str) {
        let (vault, bare, required) = (median(&mut self.vault), median(&mut self.bare), median(&mut self.required));
        let (over_bare, over_required) = (vault / bare, vault / required);
        let within = if over_required <= 1.1 { "yes" } else { "no" };
        println!(
            "{t:>2},{n:<4} {name:<8} {vault:>9.0} {bare:>9.0} {over_bare:>6.2} {required:>12.0} {over_required:>6.2}  {within}"
        );
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn timed<T>(samples: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = black_box(work());
    samples.push(start.elapsed().as_secs_f64() * 1e6);
    result
}

fn id(member: u16) -> frost::Identifier {
    frost::Identifier::try_from(member).unwrap()
}

struct Net {
    definition: Definition,
    vaults: BTreeMap<Identifier, (NodeId, Vault)>,
    rng: ChaCha20Rng,
}

impl Net {
    fn ask(&mut self, member: Identifier, request: Request) -> (Vec<Write>, Reply) {
        let decision = self.vaults.get_mut(&member).unwrap().1.handle(request, &mut self.rng);
        assert!(!matches!(decision.reply, Reply::Refused(_)), "{:?}", decision.reply);
        (decision.writes, decision.reply)
    }

    fn members(&self) -> Vec<Identifier> {
        self.vaults.keys().copied().collect()
    }
}

fn keygen_and_sign(t: u16, n: u16) {
    let mut net = net(t, n);
    let certificate = keygen(&mut net, t, n);
    sign(&mut net, &certificate, t, n);
    reshare(&mut net, &certificate, t, n);
}

/// A key generation of the vaults, and one of frost's own beside it.
struct Keygen<'a> {
    net: &'a mut Net,
    t: u16,
    n: u16,
    proposal: KeyProposal,
    key_id: KeyId,
    parts1: Vec<(dkg::round1::SecretPackage, dkg::round1::Package)>,
    parts2: Vec<(dkg::round2::SecretPackage, BTreeMap<frost::Identifier, dkg::round2::Package>)>,
}

fn keygen(net: &mut Net, t: u16, n: u16) -> KeyCertificate {
    let proposal = KeyProposal {
        key_name: "slash".into(),
        proposer: NodeId(1),
        deadline: NOW,
        salt: [1; 32],
        definition: net.definition.digest(),
        from: None,
    };
    let key_id = proposal.key_id(net.definition.network_id());
    let mut keygen = Keygen { net, t, n, proposal, key_id, parts1: Vec::new(), parts2: Vec::new() };
    let round1 = keygen.deal();
    let dealings = keygen.share(&round1);
    let commitments = round1.iter().map(|(member, package)| (*member, Message::KeyRound1(package.clone())));
    let shares = dealings.iter().map(|(member, dealing)| (*member, Message::KeyShares(dealing.clone())));
    let mut decode = decoding(keygen.net, key_id, commitments.chain(shares));
    println!("{t:>2},{n:<4} {:<8} {:>9.0}", "decode", median(&mut decode));
    let (outcome, signatures) = keygen.finish(&dealings);
    keygen.accept(outcome, signatures)
}

impl Keygen<'_> {
    fn others(&self, me: Identifier) -> impl Iterator<Item = u16> + use<> {
        (1..=self.n).filter(move |other| *other != me.0)
    }

    /// What frost's steps get from the others.
    fn packages(&self, me: Identifier) -> BTreeMap<frost::Identifier, dkg::round1::Package> {
        self.others(me).map(|i| (id(i), self.parts1[usize::from(i) - 1].1.clone())).collect()
    }

    fn deal(&mut self) -> BTreeMap<Identifier, KeyRound1> {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let (mut deal, mut round1) = (Step::default(), BTreeMap::new());
        for member in self.net.members() {
            let request = Request::Deal { proposal: self.proposal.clone() };
            let reply = timed(&mut deal.vault, || self.net.ask(member, request)).1;
            let Reply::Dealt { package, .. } = reply else { panic!() };
            round1.insert(member, package);
            let part = timed(&mut deal.bare, || dkg::part1(id(member.0), self.n, self.t, &mut rng).unwrap());
            let bare = *deal.bare.last().unwrap();
            timed(&mut deal.required, || {
                let bytes = part.1.commitment().serialize().unwrap();
                bytes.iter().map(|bytes| k256::PublicKey::from_sec1_bytes(bytes).unwrap()).collect::<Vec<_>>()
            });
            *deal.required.last_mut().unwrap() += bare;
            self.parts1.push(part);
        }
        deal.print(self.t, self.n, "deal");
        round1
    }

    fn share(&mut self, round1: &BTreeMap<Identifier, KeyRound1>) -> BTreeMap<Identifier, KeyShares> {
        let encoded: Vec<_> =
            self.parts1.iter().map(|(_, package)| package.commitment().serialize().unwrap()).collect();
        let (mut share, mut dealings) = (Step::default(), BTreeMap::new());
        for member in self.net.members() {
            let request = Request::Share { key_id: self.key_id, round1: round1.clone() };
            let reply = timed(&mut share.vault, || self.net.ask(member, request)).1;
            let Reply::Shared { dealing, .. } = reply else { panic!() };
            dealings.insert(member, dealing);
            let (secret, inputs) = (self.parts1[usize::from(member.0) - 1].0.clone(), self.packages(member));
            self.parts2.push(timed(&mut share.bare, || dkg::part2(secret, &inputs).unwrap()));
            let bare = *share.bare.last().unwrap();
            timed(&mut share.required, || {
                for i in self.others(member) {
                    let commitment = encoded[usize::from(i) - 1].iter();
                    black_box(frost::keys::VerifiableSecretSharingCommitment::deserialize(commitment).unwrap());
                    black_box(encrypt());
                }
            });
            *share.required.last_mut().unwrap() += bare;
        }
        share.print(self.t, self.n, "share");
        dealings
    }

    fn finish(
        &mut self,
        dealings: &BTreeMap<Identifier, KeyShares>,
    ) -> (KeyOutcome, BTreeMap<Identifier, AuthorSignature>) {
        let key_id = self.key_id;
        let (mut finish, mut signatures, mut last) = (Step::default(), BTreeMap::new(), None);
        for member in self.net.members() {
            let request = Request::Finish { key_id, dealings: dealings.clone() };
            let (writes, reply) = timed(&mut finish.vault, || self.net.ask(member, request));
            let Reply::Finished { outcome, .. } = reply else { panic!() };
            last = Some(outcome);
            if member.0 <= FROST_MEMBERS {
                self.finish_by_frost(member, &mut finish);
            }
            let stored = writes.into_iter().find_map(|write| match write {
                Write::Put { key, value } if key == Vault::share_record(key_id, Epoch(0)) => Some(value),
                _ => None,
            });
            let reply = self.net.ask(member, Request::Certify { key_id, epoch: Epoch(0), stored }).1;
            let Reply::Certified { certified, .. } = reply else { panic!() };
            signatures.insert(member, certified.signature);
        }
        finish.print(self.t, self.n, "finish");
        (last.unwrap(), signatures)
    }

    fn finish_by_frost(&self, member: Identifier, finish: &mut Step) {
        let (inputs, me) = (self.packages(member), id(member.0));
        let round2 = self.others(member).map(|i| (id(i), self.parts2[usize::from(i) - 1].1[&me].clone())).collect();
        let secret = &self.parts2[usize::from(member.0) - 1].0;
        timed(&mut finish.bare, || dkg::part3(secret, &inputs, &round2).unwrap());
        let bare = *finish.bare.last().unwrap();
        timed(&mut finish.required, || self.others(member).for_each(|_| drop(black_box(encrypt()))));
        *finish.required.last_mut().unwrap() += bare;
    }

    fn accept(self, outcome: KeyOutcome, signatures: BTreeMap<Identifier, AuthorSignature>) -> KeyCertificate {
        let KeyOutcome { transcript, group_key, verifying_shares } = outcome;
        let definition = &self.net.definition;
        let certificate =
            KeyCertificate::assemble(definition, self.proposal, transcript, group_key, verifying_shares, signatures)
                .unwrap();
        for member in self.net.members() {
            let certificate = Box::new(certificate.clone());
            self.net.ask(member, Request::AcceptCertificate { certificate, activation: None });
        }
        certificate
    }
}

/// The next epoch among the same members. frost has none: beside it stand its parts, a dealer's `split` and each share's own
/// check, with its encryption. `decode` is what the dealings cost as messages.
fn reshare(net: &mut Net, certificate: &KeyCertificate, t: u16, n: u16) {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let definition = net.definition.digest();
    let from = Some(certificate.source());
    let proposal =
        KeyProposal { key_name: "slash".into(), proposer: NodeId(1), deadline: NOW, salt: [2; 32], definition, from };
    let dealers: Vec<_> = net.members().into_iter().take(t.into()).collect();
    let (mut deal, mut check, mut combine) = (Step::default(), Step::default(), Step::default());
    let (mut redeals, mut shares) = (BTreeMap::new(), Vec::new());
    for dealer in &dealers {
        let request = Request::Redeal { proposal: proposal.clone() };
        let reply = timed(&mut deal.vault, || net.ask(*dealer, request)).1;
        let Reply::Redealt { redeal, .. } = reply else { panic!() };
        let secret = frost::SigningKey::new(&mut rng);
        let list = frost::keys::IdentifierList::Default;
        let split = timed(&mut deal.bare, || frost::keys::split(&secret, n, t, list, &mut rng).unwrap());
        let bare = *deal.bare.last().unwrap();
        timed(&mut deal.required, || (0..n).for_each(|_| drop(black_box(encrypt()))));
        *deal.required.last_mut().unwrap() += bare;
        shares.push(split.0[&id(1)].clone());
        redeals.insert(*dealer, *redeal);
    }
    let messages = redeals.iter().map(|(dealer, redeal)| (*dealer, Message::KeyRedeal(Box::new(redeal.clone()))));
    let mut decode = decoding(net, proposal.key_id(net.definition.network_id()), messages);
    for member in net.members().into_iter().take(FROST_MEMBERS.into()) {
        let ask =
            Redeals { proposal: proposal.clone(), source: Box::new(certificate.clone()), redeals: redeals.clone() };
        let request = Request::CheckRedeals(ask.clone());
        timed(&mut check.vault, || net.ask(member, request));
        timed(&mut check.bare, || shares.iter().all(|share| black_box(share.verify()).is_ok()));
        let bare = *check.bare.last().unwrap();
        timed(&mut check.required, || (0..t).for_each(|_| drop(black_box(encrypt()))));
        *check.required.last_mut().unwrap() += bare;
        let request = Request::FinishRedeals(ask);
        timed(&mut combine.vault, || net.ask(member, request));
    }
    deal.print(t, n, "redeal");
    check.print(t, n, "check");
    for (name, samples) in [("combine", &mut combine.vault), ("decode", &mut decode)] {
        println!("{t:>2},{n:<4} {name:<8} {:>9.0}", median(samples));
    }
}

/// How long it takes a member to decode these messages of others, envelopes aside.
fn decoding(net: &Net, key_id: KeyId, messages: impl Iterator<Item = (Identifier, Message)>) -> Vec<f64> {
    let header = |sender: Identifier| firn_proto::envelope::Header {
        network: net.definition.network_id(),
        session: key_id.into(),
        sender: NodeId(sender.0),
        incarnation: Incarnation::new(1, 0),
        sequence: 1,
    };
    let messages: Vec<_> = messages.map(|(sender, message)| (header(sender), message.encode())).collect();
    let decode = |(header, (kind, body)): &(firn_proto::envelope::Header, (u32, Vec<u8>))| {
        drop(black_box(Message::decode(*kind, body, header, &net.definition).unwrap()));
    };
    let mut samples = Vec::new();
    (0..FROST_MEMBERS).for_each(|_| timed(&mut samples, || messages.iter().for_each(decode)));
    samples
}

fn sign(net: &mut Net, certificate: &KeyCertificate, t: u16, n: u16) {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let (key_id, epoch, coordinator) = (certificate.key_id(), Epoch(0), NodeId(1));
    let (request, signed) = request(&net.definition, certificate);
    let message = request.digest(&net.definition);
    let list = frost::keys::IdentifierList::Default;
    let (shares, _) = frost::keys::generate_with_dealer(n, t, list, &mut rng).unwrap();
    let keys: Vec<_> =
        shares.into_values().map(|share| frost::keys::KeyPackage::try_from(share).unwrap()).take(t.into()).collect();
    let author = secp256k1::Keypair::from_seckey_byte_array(secp256k1::SECP256K1, [9; 32]).unwrap();
    let (mut commit, mut release) = (Step::default(), Step::default());
    let rounds = if n > 50 { 2 } else { 40 };
    for attempt in 0..rounds {
        let (mut offered, mut nonces, mut commitments) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let mut next = Vec::new();
        for member in net.members().into_iter().take(t.into()) {
            let ask = Request::Commit { key_id, epoch, coordinator, count: 1, now: NOW };
            let Reply::Committed(own) = timed(&mut commit.vault, || net.ask(member, ask)).1 else { panic!() };
            offered.insert(NodeId(member.0), own[0]);
            let key = &keys[usize::from(member.0) - 1];
            let pair = timed(&mut commit.bare, || frost::round1::commit(key.signing_share(), &mut rng));
            let bare = *commit.bare.last().unwrap();
            timed(&mut commit.required, || {
                for commitment in [pair.1.hiding(), pair.1.binding()] {
                    black_box(k256::PublicKey::from_sec1_bytes(&commitment.serialize().unwrap()).unwrap());
                }
                black_box(secp256k1::SECP256K1.sign_schnorr_with_aux_rand(&message.0, &author, &[1; 32]));
            });
            *commit.required.last_mut().unwrap() += bare;
            next.push(*commit.required.last().unwrap());
            nonces.push(pair.0);
            commitments.insert(id(member.0), pair.1);
        }
        let subject = request.id(net.definition.network_id());
        let block = BlockReference::default();
        let package = SigningPackage { subject, key_id, epoch, attempt, coordinator, block, commitments: offered };
        let bytes: Vec<_> = commitments
            .values()
            .map(|pair| [pair.hiding().serialize().unwrap(), pair.binding().serialize().unwrap()])
            .collect();
        let bare_package = frost::SigningPackage::new(commitments, &message.0);
        for (member, (key, nonces)) in net.members().into_iter().zip(keys.iter().zip(&nonces)) {
            let (subject, opinions) = (request.clone(), Opinions::default());
            let ask = ReleaseRequest { subject, opinions, package: package.clone(), now: NOW, next: 1 };
            let ask = Request::Release(Box::new(ask));
            timed(&mut release.vault, || net.ask(member, ask));
            timed(&mut release.bare, || frost::round2::sign(&bare_package, nonces, key).unwrap());
            let bare = *release.bare.last().unwrap();
            timed(&mut release.required, || {
                for commitment in bytes.iter().flatten() {
                    black_box(frost::round1::NonceCommitment::deserialize(commitment).unwrap());
                }
                black_box(signed.clone().verify(&net.definition).unwrap());
                black_box(request.digest(&net.definition));
                black_box(package.hash());
                black_box([seal([1; 32]), seal([2; 32]), seal([3; 32])]);
            });
            *release.required.last_mut().unwrap() += bare + next[usize::from(member.0) - 1];
        }
    }
    commit.print(t, n, "commit");
    release.print(t, n, "release");
}

/// One encrypted share, with the agreement that gives its key.
fn encrypt() -> Vec<u8> {
    let shared = k256::ProjectivePoint::GENERATOR * k256::Scalar::from(u64::MAX);
    seal(k256::elliptic_curve::point::AffineCoordinates::x(&shared.to_affine()).into())
}

/// One sealed record.
fn seal(key: [u8; 32]) -> Vec<u8> {
    let cipher = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
    cipher.encrypt(&Default::default(), &[0; 32][..]).unwrap()
}

fn net(t: u16, n: u16) -> Net {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let roots: BTreeMap<_, _> = (1..=n)
        .map(|i| {
            let mut bytes = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *bytes);
            (Identifier(i), bytes)
        })
        .collect();
    let node = |(identifier, root): (&Identifier, &Zeroizing<[u8; 32]>)| {
        let (author_key, vault_key) = RootSecret::from_bytes(root.clone()).public_keys();
        let node = Node {
            name: format!("node-{}", identifier.0),
            organisation: "org".into(),
            region: "r".into(),
            provider: "p".into(),
            peer_id: format!("peer-{}", identifier.0),
            author_key,
            vault_key,
            addresses: Vec::new(),
        };
        (NodeId(identifier.0), node)
    };
    let avs = Address::repeat_byte(0xa5);
    let definition = Definition::new(Content {
        name: "bench".into(),
        chain: Chain {
            id: 31_337,
            allocation_manager: Address::repeat_byte(0xaa),
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: BTreeSet::from(["org".to_owned()]),
        nodes: roots.iter().map(node).collect(),
        keys: vec![KeyDefinition {
            name: "slash".into(),
            purpose: Purpose::Slash,
            threshold: t,
            members: roots.keys().map(|identifier| (*identifier, NodeId(identifier.0))).collect(),
            organisations_min: 1,
            regions_min: 1,
            at_most: AtMost::default(),
        }],
        operator_sets: vec![OperatorSetEntry { avs, id: 0, key: "slash".into() }],
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: Vec::new(),
        requesters: vec![Requester {
            name: "avs".into(),
            address: Address::from_public_key(requester().verifying_key()),
            operations: vec!["slash_operator".into()],
            avs: vec![avs],
            expires: None,
        }],
        policy: Policy::default(),
        quorum: None,
    });
    let open = |(identifier, root): (Identifier, Zeroizing<[u8; 32]>)| {
        let node = NodeId(identifier.0);
        let root = RootSecret::from_bytes(root);
        (identifier, (node, Vault::open(definition.clone(), node, Incarnation::new(1, 0), root, []).unwrap()))
    };
    let vaults = roots.into_iter().map(open).collect();
    Net { definition, vaults, rng }
}

fn requester() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

fn request(definition: &Definition, certificate: &KeyCertificate) -> (Subject, SignedRequest) {
    let operation = Operation::SlashOperator(SlashOperator {
        avs: Address::repeat_byte(0xa5),
        operator: Address::repeat_byte(1),
        operatorSetId: 0,
        strategies: vec![Address::repeat_byte(2)],
        wadsToSlash: vec![U256::from(5)],
        description: "bench".into(),
        evidenceHash: Default::default(),
        evidenceLocation: String::new(),
        account: account_address(certificate.group_key()),
        nonce: U256::from(1),
        deadline: NOW.0 + 3_600,
    });
    let (signature, recovery) = requester().sign_prehash_recoverable(&operation.id(definition).0.0).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    let signed = SignedRequest { operation, signature: bytes };
    (Subject::Request(Box::new(signed.clone().verify(definition).unwrap())), signed)
}
