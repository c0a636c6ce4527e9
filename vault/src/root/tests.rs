//! Derivation from the root secret.

use super::*;
use crate::testing::{digest, rng, root_secret};

#[test]
fn derivation_is_pinned() {
    // Computed apart from this code. A change here would lock every node out of its records and give it another identity.
    let (author, vault_key) = root_secret([7; 32]).public_keys();
    assert_eq!(hex::encode(author.as_bytes()), "ab589c10b29af2c3ce60223ab36ca6cb70047577370b4faf26a2f93304173e6d");
    assert_eq!(
        hex::encode(vault_key.compressed()),
        "0226c23b38ed01f447054534019a5fde0a38cc3262df00b93a040d574541574144"
    );
}

#[test]
fn keys_are_separated_by_their_labels() {
    let root = root_secret([7; 32]);
    let (author, vault_key) = root.public_keys();
    assert_ne!(*author.as_bytes(), vault_key.x());
    assert_ne!(*root.expand("a", 0), *root.expand("b", 0));
    assert_ne!(*root.expand("a", 0), *root.expand("a", 1));
    assert_ne!(root_secret([8; 32]).public_keys(), (author, vault_key));
}

#[test]
fn candidates_that_are_no_key_are_skipped() {
    let root = root_secret([7; 32]);
    let second = *root.expand("label", 1);
    let parse = |bytes: &[u8]| (*bytes == second).then_some(());
    root.curve_key("label", parse);
}

#[test]
fn author_signatures_verify_and_roots_come_back() {
    let root = RootSecret::generate(&mut rng(1));
    let again = RootSecret::from_bytes(root.as_bytes().clone());
    assert_eq!(root.public_keys(), again.public_keys());
    let signature = root.derive().author.sign(digest(3), &mut rng(2));
    assert!(root.public_keys().0.verify(digest(3), &signature).is_ok());
    assert!(root.public_keys().0.verify(digest(4), &signature).is_err());
}

#[test]
fn author_signatures_are_those_of_another_implementation() {
    let root = root_secret([7; 32]);
    let other = k256::schnorr::SigningKey::from_bytes(&*root.expand("firn/vault/author/v1", 0)).unwrap();
    let mut hedge = [0; 32];
    for number in 0..32 {
        rng(number).fill_bytes(&mut hedge);
        let ours = root.derive().author.sign(digest(3), &mut rng(number));
        assert_eq!(ours.0, other.sign_raw(&digest(3).0, &hedge).unwrap().to_bytes());
    }
}
