//! The finished signature, held against the stock crate.

use crate::fixture::{digest, point, scalar};
use alloy_primitives::U256;
use firn_proto::{Code, Digest, GroupSignature, Point, PublicScalar};
use frost_secp256k1 as frost;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

/// A group key and its signature over `message`, by the stock crate's 2 of 3.
fn stock(seed: u64, message: &[u8]) -> (Point, GroupSignature) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (shares, public) =
        frost::keys::generate_with_dealer(3, 2, frost::keys::IdentifierList::Default, &mut rng).unwrap();
    let signers: Vec<_> = shares.keys().copied().take(2).collect();
    let (mut nonces, mut commitments) = (BTreeMap::new(), BTreeMap::new());
    for signer in &signers {
        let (own, committed) = frost::round1::commit(shares[signer].signing_share(), &mut rng);
        nonces.insert(*signer, own);
        commitments.insert(*signer, committed);
    }
    let package = frost::SigningPackage::new(commitments, message);
    let signatures = signers
        .iter()
        .map(|signer| {
            let key = shares[signer].clone().try_into().unwrap();
            (*signer, frost::round2::sign(&package, &nonces[signer], &key).unwrap())
        })
        .collect();
    let bytes = frost::aggregate(&package, &signatures, &public).unwrap().serialize().unwrap();
    let decode = |bytes: &[u8]| Point::from_affine(k256::PublicKey::from_sec1_bytes(bytes).unwrap().as_affine());
    let key = decode(&public.verifying_key().serialize().unwrap()).unwrap();
    let z = PublicScalar::from_slice(&bytes[33..]).unwrap();
    (key, GroupSignature::new(&decode(&bytes[..33]).unwrap(), &z))
}

#[test]
fn r44_what_the_stock_crate_signs_verifies_and_nothing_near_it() {
    for seed in 0..8 {
        let message = digest(u8::try_from(seed).unwrap());
        let (key, signature) = stock(seed, &message.0);
        assert!(signature.verifies(&key, message));
        assert_eq!(GroupSignature::from_slice(signature.as_bytes()), Ok(signature));
        assert!(!signature.verifies(&key, digest(0xee)), "another message");
        assert!(!signature.verifies(&point(5), message), "another key");
        let r = {
            let mut bytes = [4; 65];
            bytes[1..].copy_from_slice(&signature.as_bytes()[..64]);
            Point::from_slice(&bytes).unwrap()
        };
        let z = PublicScalar::from_slice(&signature.as_bytes()[64..]).unwrap();
        assert!(!GroupSignature::new(&point(9), &z).verifies(&key, message), "another R");
        assert!(!GroupSignature::new(&r, &scalar(9)).verifies(&key, message), "another z");
        let negated = PublicScalar::from_slice(&(-z.to_scalar()).to_bytes()).unwrap();
        assert!(!GroupSignature::new(&r, &negated).verifies(&key, message), "-z");
        let minus_r = Point::from_affine(&-r.to_affine()).unwrap();
        assert!(!GroupSignature::new(&minus_r, &z).verifies(&key, message), "-R");
    }
}

#[test]
fn r44_every_flipped_bit_is_refused() {
    let message = digest(1);
    let (key, signature) = stock(1, &message.0);
    for bit in 0..96 * 8 {
        let mut flipped = *signature.as_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verifies = GroupSignature::from_slice(&flipped).is_ok_and(|s| s.verifies(&key, message));
        assert!(!verifies, "bit {bit}");
    }
    assert!(!signature.verifies(&key, Digest([0; 32])));
}

#[test]
fn there_is_one_encoding() {
    let (_, signature) = stock(2, &[2; 32]);
    let code = |bytes: &[u8]| GroupSignature::from_slice(bytes).err().map(|refusal| refusal.code);
    let order =
        U256::from_be_slice(&hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap());
    let with_z = |z: U256| [&signature.as_bytes()[..64], &z.to_be_bytes::<32>()].concat();
    assert_eq!(code(&with_z(U256::ZERO)), Some(Code::ScalarInvalid));
    assert_eq!(code(&with_z(order)), Some(Code::ScalarInvalid));
    assert_eq!(code(&with_z(U256::from(1))), None);
    assert_eq!(code(&with_z(order + U256::from(1))), Some(Code::ScalarInvalid), "1 + n, the same scalar as 1");
    let compressed = [&[2], &signature.as_bytes()[..32], &signature.as_bytes()[64..]].concat();
    let compact = [&[5], &signature.as_bytes()[..32], &signature.as_bytes()[64..]].concat();
    for other in [compressed, compact, vec![], vec![0; 95], vec![0; 97]] {
        assert_eq!(code(&other), Some(Code::BodyMalformed), "{} bytes", other.len());
    }
    assert_eq!(code(&[0; 96]), Some(Code::PointInvalid), "R is no point");
    assert_eq!(code(&[0x05; 96]), Some(Code::PointInvalid));
}
