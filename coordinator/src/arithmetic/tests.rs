//! The public arithmetic, held against the RFC's vectors and against the stock crate.

use super::{Session, binding_factors, lagrange, sum_of_products};
use firn_proto::{Digest, GroupSignature, Identifier, Point, PublicScalar};
use frost_secp256k1 as frost;
use k256::elliptic_curve::PrimeField;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;
use std::collections::BTreeMap;

const RFC: &str = include_str!("../../../vault/tests/vectors/vectors.json");
const BIG: &str = include_str!("../../../vault/tests/vectors/vectors-big-identifier.json");

fn hex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn point(compressed: &[u8]) -> Point {
    Point::from_affine(k256::PublicKey::from_sec1_bytes(compressed).unwrap().as_affine()).unwrap()
}

fn identifier(value: &Value) -> Identifier {
    Identifier(u16::try_from(value["identifier"].as_u64().unwrap()).unwrap())
}

fn check_vectors(text: &str) {
    let vectors: Value = serde_json::from_str(text).unwrap();
    let (inputs, round1) = (&vectors["inputs"], vectors["round_one_outputs"]["outputs"].as_array().unwrap());
    let (key, message) = (point(&hex(&inputs["verifying_key_key"])), hex(&inputs["message"]));
    let commitments: BTreeMap<_, _> = round1
        .iter()
        .map(|output| {
            let hiding = point(&hex(&output["hiding_nonce_commitment"]));
            (identifier(output), (hiding, point(&hex(&output["binding_nonce_commitment"]))))
        })
        .collect();
    for (output, factor) in round1.iter().zip(binding_factors(&key, &message, &commitments)) {
        assert_eq!(factor.to_repr().to_vec(), hex(&output["binding_factor"]));
    }
    let session = Session::over_message(&key, &message, &commitments).unwrap();
    let shares: BTreeMap<_, _> = vectors["round_two_outputs"]["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|output| (identifier(output), PublicScalar::from_slice(&hex(&output["sig_share"])).unwrap()))
        .collect();
    for secret in inputs["participant_shares"].as_array().unwrap() {
        let Some(share) = shares.get(&identifier(secret)) else { continue };
        let scalar = k256::SecretKey::from_slice(&hex(&secret["participant_share"])).unwrap();
        let verifying = Point::from_affine(scalar.public_key().as_affine()).unwrap();
        assert!(session.share_fits(identifier(secret), &verifying, share));
        assert!(!session.share_fits(identifier(secret), &key, share));
    }
    let z = shares.values().fold(k256::Scalar::ZERO, |sum, share| sum + share.to_scalar());
    let mut signature = session.group_commitment.compressed().to_vec();
    signature.extend_from_slice(&z.to_repr());
    assert_eq!(signature, hex(&vectors["final_output"]["sig"]));
}

#[test]
fn rfc_9591_vectors() {
    check_vectors(RFC);
}

#[test]
fn big_identifier_vectors() {
    check_vectors(BIG);
}

#[test]
fn lagrange_coefficients_add_up_to_one() {
    for signers in [vec![1], vec![1, 2, 3], vec![9, 200, 3, 65_535], (1..=100).collect()] {
        let signers: Vec<_> = signers.into_iter().map(Identifier).collect();
        let sum = signers.iter().fold(k256::Scalar::ZERO, |sum, id| sum + lagrange(*id, signers.iter()));
        assert_eq!(sum, k256::Scalar::ONE, "{signers:?}");
    }
}

#[test]
fn commitments_that_cancel_out_make_no_session() {
    let one = point(k256::PublicKey::from_affine(k256::AffinePoint::GENERATOR).unwrap().to_sec1_bytes().as_ref());
    assert!(Session::new(&one, Digest([1; 32]), &BTreeMap::new()).is_none(), "nobody signs");
}

/// A stock session: the same public values for both implementations.
struct Stock {
    package: frost::SigningPackage,
    public: frost::keys::PublicKeyPackage,
    shares: BTreeMap<frost::Identifier, frost::round2::SignatureShare>,
    session: Session,
    identifiers: BTreeMap<Identifier, frost::Identifier>,
    key: Point,
    digest: Digest,
}

fn stock(seed: u64, t: u16, n: u16) -> Stock {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let list = frost::keys::IdentifierList::Default;
    let (secrets, public) = frost::keys::generate_with_dealer(n, t, list, &mut rng).unwrap();
    let identifiers: BTreeMap<_, _> =
        ((n - t + 1)..=n).map(|id| (Identifier(id), frost::Identifier::try_from(id).unwrap())).collect();
    let (mut nonces, mut committed, mut commitments) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (ours, theirs) in &identifiers {
        let (own, public) = frost::round1::commit(secrets[theirs].signing_share(), &mut rng);
        let bytes = |c: &frost::round1::NonceCommitment| point(&c.serialize().unwrap());
        commitments.insert(*ours, (bytes(public.hiding()), bytes(public.binding())));
        nonces.insert(*theirs, own);
        committed.insert(*theirs, public);
    }
    let digest = Digest([u8::try_from(seed % 251).unwrap(); 32]);
    let package = frost::SigningPackage::new(committed, &digest.0);
    let shares = nonces
        .iter()
        .map(|(id, own)| {
            let key = secrets[id].clone().try_into().unwrap();
            (*id, frost::round2::sign(&package, own, &key).unwrap())
        })
        .collect();
    let key = point(&public.verifying_key().serialize().unwrap());
    let session = Session::new(&key, digest, &commitments).unwrap();
    Stock { package, public, shares, session, identifiers, key, digest }
}

impl Stock {
    fn share(&self, id: Identifier) -> PublicScalar {
        PublicScalar::from_slice(&self.shares[&self.identifiers[&id]].serialize()).unwrap()
    }

    fn verifying(&self, id: Identifier) -> Point {
        point(&self.public.verifying_shares()[&self.identifiers[&id]].serialize().unwrap())
    }

    /// The stock crate's verdict over `share` in the place of `id`'s.
    fn stock_fits(&self, id: Identifier, share: &PublicScalar) -> bool {
        let theirs = self.identifiers[&id];
        let mut shares = self.shares.clone();
        shares.insert(theirs, frost::round2::SignatureShare::deserialize(share.as_bytes()).unwrap());
        match frost::aggregate(&self.package, &shares, &self.public) {
            Ok(_) => true,
            Err(error) => !error.culprits().contains(&theirs),
        }
    }

    fn stock_signature(&self) -> GroupSignature {
        let bytes = frost::aggregate(&self.package, &self.shares, &self.public).unwrap().serialize().unwrap();
        GroupSignature::new(&point(&bytes[..33]), &PublicScalar::from_slice(&bytes[33..]).unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 16, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn signatures_and_verdicts_are_the_stock_crates(seed in any::<u64>(), t in 2..6_u16, more in 1..4_u16) {
        let stock = stock(seed, t, t + more);
        let shares: Vec<_> = stock.identifiers.keys().map(|id| stock.share(*id)).collect();
        let signature = stock.session.aggregate(shares.iter());
        prop_assert_eq!(signature, Some(stock.stock_signature()));
        prop_assert!(stock.stock_signature().verifies(&stock.key, stock.digest));
        for id in stock.identifiers.keys() {
            // Each share at each place: right at its own alone.
            for other in stock.identifiers.keys() {
                let share = stock.share(*other);
                let fits = stock.session.share_fits(*id, &stock.verifying(*id), &share);
                prop_assert_eq!(fits, stock.stock_fits(*id, &share));
                prop_assert_eq!(fits, id == other);
            }
        }
        let wrong = PublicScalar::from_slice(&[7; 32]).unwrap();
        let spoilt: Vec<_> = shares.iter().skip(1).chain([&wrong]).collect();
        prop_assert_eq!(stock.session.aggregate(spoilt.into_iter()), None);
        prop_assert_eq!(stock.session.aggregate(shares.iter().skip(1)), None, "a share short");
        prop_assert!(!stock.session.share_fits(Identifier(60_000), &stock.key, &wrong), "no signer");
    }

    #[test]
    fn a_sum_of_products_is_what_it_says(seeds in proptest::collection::vec(any::<[u8; 32]>(), 0..6)) {
        use k256::elliptic_curve::ops::Reduce;
        let scalar = |bytes: &[u8; 32]| <k256::Scalar as Reduce<k256::U256>>::reduce_bytes(&(*bytes).into());
        let edges = [k256::Scalar::ZERO, k256::Scalar::ONE, -k256::Scalar::ONE, k256::Scalar::from(16_u64)];
        let scalars: Vec<_> = seeds.iter().map(scalar).chain(edges).collect();
        let points = |scalar: &k256::Scalar| k256::ProjectivePoint::GENERATOR * (*scalar + k256::Scalar::from(7_u64));
        let pairs: Vec<_> = scalars.iter().map(|scalar| (points(scalar), *scalar)).collect();
        let plain: k256::ProjectivePoint = pairs.iter().map(|(point, scalar)| *point * scalar).sum();
        prop_assert_eq!(sum_of_products(&pairs), plain);
    }

    #[test]
    fn swapped_shares_still_add_up_and_are_told_apart(seed in any::<u64>()) {
        let stock = stock(seed, 3, 5);
        let ids: Vec<_> = stock.identifiers.keys().copied().collect();
        let swapped = [stock.share(ids[1]), stock.share(ids[0]), stock.share(ids[2])];
        prop_assert!(stock.session.aggregate(swapped.iter()).is_some(), "only the sum counts");
        let fits = |at: usize| stock.session.share_fits(ids[at], &stock.verifying(ids[at]), &swapped[at]);
        prop_assert_eq!([fits(0), fits(1), fits(2)], [false, false, true]);
    }
}
