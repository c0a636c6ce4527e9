//! The coordinator's public arithmetic beside frost's: `cargo run --release -p firn-coordinator --example aggregate`.
//!
//! Same commitments, shares and key for both, turn by turn in one process; shown are medians of wall time. Ours takes
//! points as the wire has them and decodes them within the time shown; frost's inputs are decoded beforehand. Both
//! aggregations verify what they made. A share's check is what one more share costs with the session at hand. frost
//! checks shares only where an aggregation fails: its time is that of a failing aggregation that checks all shares,
//! less that of one that checks none, by the number of shares. On a busy machine, steps of some milliseconds look
//! longer than they are.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measuring tool: it reads the clock, prints, and stops at the first surprise"
)]

use firn_coordinator::arithmetic::Session;
use firn_proto::{Digest, Identifier, Point, PublicScalar};
use frost_secp256k1 as frost;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

const DIGEST: Digest = Digest([7; 32]);

fn main() {
    println!("t,n     step         ours us  frost us  ratio");
    for (t, n, rounds) in [(3, 5, 200), (7, 10, 200), (67, 100, 40)] {
        compare(&signed(t, n), rounds).into_iter().for_each(|row| row.print(t, n));
    }
}

/// What frost aggregates.
struct Theirs {
    package: frost::SigningPackage,
    public: frost::keys::PublicKeyPackage,
    shares: BTreeMap<frost::Identifier, frost::round2::SignatureShare>,
    /// The same with the first signer's share in the place of the second's.
    misfits: BTreeMap<frost::Identifier, frost::round2::SignatureShare>,
}

/// What we aggregate.
struct Ours {
    key: Point,
    commitments: BTreeMap<Identifier, (Point, Point)>,
    /// With the signers' verifying shares.
    shares: BTreeMap<Identifier, (Point, PublicScalar)>,
}

/// Measurements of one step, in microseconds.
struct Row {
    name: &'static str,
    ours: Vec<f64>,
    frost: Vec<f64>,
}

impl Row {
    fn new(name: &'static str) -> Self {
        Self { name, ours: Vec::new(), frost: Vec::new() }
    }

    fn print(mut self, t: u16, n: u16) {
        let (ours, frost) = (median(&mut self.ours), median(&mut self.frost));
        let (name, ratio) = (self.name, ours / frost);
        println!("{t:>2},{n:<4} {name:<10} {ours:>9.0} {frost:>9.0} {ratio:>6.2}");
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The result of `work` and its time in microseconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = black_box(work());
    (result, start.elapsed().as_secs_f64() * 1e6)
}

fn compare((ours, theirs): &(Ours, Theirs), rounds: usize) -> [Row; 3] {
    let [mut aggregate, mut share, mut verify] = ["aggregate", "share", "verify"].map(Row::new);
    let custom = |shares, detection| frost::aggregate_custom(&theirs.package, shares, &theirs.public, detection);
    let count = f64::from(u16::try_from(ours.shares.len()).unwrap());
    for _ in 0..rounds {
        let ((session, made), time) = timed(|| {
            let session = Session::new(&ours.key, DIGEST, &ours.commitments).unwrap();
            let made = session.aggregate(ours.shares.values().map(|(_, share)| share)).unwrap();
            (session, made)
        });
        aggregate.ours.push(time);
        let (theirs_made, time) = timed(|| frost::aggregate(&theirs.package, &theirs.shares, &theirs.public).unwrap());
        aggregate.frost.push(time);
        let bytes = theirs_made.serialize().unwrap();
        assert_eq!((&made.as_bytes()[..32], &made.as_bytes()[64..]), (&bytes[1..33], &bytes[33..]));

        for (signer, (key, own)) in &ours.shares {
            let (fits, time) = timed(|| session.share_fits(*signer, key, own));
            assert!(fits);
            share.ours.push(time);
        }
        let (none, without) = timed(|| custom(&theirs.misfits, frost::CheaterDetection::Disabled));
        let (all, with) = timed(|| custom(&theirs.misfits, frost::CheaterDetection::AllCheaters));
        assert_eq!([none.unwrap_err().culprits().len(), all.unwrap_err().culprits().len()], [0, 1]);
        share.frost.push((with - without) / count);

        let (verifies, time) = timed(|| made.verifies(&ours.key, DIGEST));
        assert!(verifies);
        verify.ours.push(time);
        let (verified, time) = timed(|| theirs.public.verifying_key().verify(&DIGEST.0, &theirs_made));
        verified.unwrap();
        verify.frost.push(time);
    }
    [aggregate, share, verify]
}

/// A session of the first `t` signers, in both forms.
fn signed(t: u16, n: u16) -> (Ours, Theirs) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let list = frost::keys::IdentifierList::Default;
    let (secrets, public) = frost::keys::generate_with_dealer(n, t, list, &mut rng).unwrap();
    let signers: BTreeMap<_, _> = (1..=t).map(|i| (Identifier(i), frost::Identifier::try_from(i).unwrap())).collect();
    let (mut nonces, mut committed, mut commitments) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (ours, theirs) in &signers {
        let (own, pair) = frost::round1::commit(secrets[theirs].signing_share(), &mut rng);
        let [hiding, binding] = [pair.hiding(), pair.binding()].map(|c| point(&c.serialize().unwrap()));
        commitments.insert(*ours, (hiding, binding));
        nonces.insert(*theirs, own);
        committed.insert(*theirs, pair);
    }
    let package = frost::SigningPackage::new(committed, &DIGEST.0);
    let sign = |(signer, own)| {
        let key = secrets[signer].clone().try_into().unwrap();
        (*signer, frost::round2::sign(&package, own, &key).unwrap())
    };
    let shares: BTreeMap<_, _> = nonces.iter().map(sign).collect();
    let mut misfits = shares.clone();
    misfits.insert(signers[&Identifier(2)], shares[&signers[&Identifier(1)]]);
    let own = |(ours, theirs): (&Identifier, &frost::Identifier)| {
        let key = point(&public.verifying_shares()[theirs].serialize().unwrap());
        (*ours, (key, PublicScalar::from_slice(&shares[theirs].serialize()).unwrap()))
    };
    let key = point(&public.verifying_key().serialize().unwrap());
    let ours = Ours { key, commitments, shares: signers.iter().map(own).collect() };
    (ours, Theirs { package, public, shares, misfits })
}

fn point(compressed: &[u8]) -> Point {
    Point::from_affine(k256::PublicKey::from_sec1_bytes(compressed).unwrap().as_affine()).unwrap()
}
