//! The canonical contents.

use super::*;
use crate::testing::{NOW, digest};
use sha2::{Digest as _, Sha256};

fn facts() -> KeyFacts {
    let point = |k: u64| crate::suite::point(&(k256::ProjectivePoint::GENERATOR * k256::Scalar::from(k))).unwrap();
    KeyFacts {
        proposal: KeyProposal {
            key_name: "slash".into(),
            proposer: NodeId(11),
            deadline: NOW,
            salt: [4; 32],
            definition: digest(5),
            from: None,
        },
        identifier: Identifier(2),
        threshold: 2,
        transcript: digest(6),
        group_key: point(1),
        verifying_shares: (1..=3).map(|i| (Identifier(i), point(1 + u64::from(i)))).collect(),
    }
}

fn certified() -> KeyState {
    let signatures = (1..=3).map(|i| (Identifier(i), AuthorSignature([7; 64]))).collect();
    KeyState { attested: true, abandoned: false, erased: false, certificate: Some(signatures) }
}

#[test]
fn contents_come_back() {
    let (read, share) = KeyFacts::decode(&facts().encode(&[1; 32])).unwrap();
    assert_eq!((read, *share), (facts(), [1; 32]));
    let pending = KeyState { abandoned: true, ..KeyState::default() };
    for state in [certified(), pending, KeyState { erased: true, ..KeyState::default() }] {
        assert_eq!(KeyState::decode(&state.encode()), Some(state));
    }
}

#[test]
fn contents_are_pinned() {
    // Computed apart from this code. Schema 1: a change of these bytes needs another schema number and a reader for this one.
    let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    assert_eq!(hash(&facts().encode(&[1; 32])), "dc62a4519fc35ab3ab4fc989e3910aa35bdf9ff38758551c623105c323ebea71");
    assert_eq!(hash(&certified().encode()), "2ed2a9412248a65bf1086bb0ca89478342e1876beaf6e71fb661c9c8cb6ebfab");
}

#[test]
fn trap_cut_and_trailing_bytes_are_refused() {
    let content = facts().encode(&[1; 32]);
    assert!((0..content.len()).all(|length| KeyFacts::decode(&content[..length]).is_none()));
    assert!(KeyFacts::decode(&[&content[..], &[0]].concat()).is_none());
    let state = certified().encode();
    assert!((0..state.len()).all(|length| KeyState::decode(&state[..length]).is_none()));
    assert!(KeyState::decode(&[&state[..], &[0]].concat()).is_none());
}

#[test]
fn second_encodings_are_refused() {
    assert!(KeyState::decode(&[2, 0, 0, 0]).is_none(), "a flag is 0 or 1");
    assert!(KeyState::decode(&[1, 0, 1, 0]).is_none(), "an erased key has no other state");
    let state = certified().encode();
    let mut unordered = state.clone();
    unordered[12..14].copy_from_slice(&3u16.to_be_bytes());
    assert!(KeyState::decode(&unordered).is_none(), "members ascend");
    let mut zero = state.clone();
    zero[12..14].copy_from_slice(&[0, 0]);
    assert!(KeyState::decode(&zero).is_none(), "no identifier zero");
    let mut endless = state;
    endless[4..12].copy_from_slice(&u64::MAX.to_be_bytes());
    assert!(KeyState::decode(&endless).is_none(), "a count beyond the bytes left");
}

#[test]
fn record_keys_name_their_kind() {
    let key = key_record(Kind::Share, KeyId(digest(1)), Epoch(7));
    let (kind, suffix) = Kind::of(&key).unwrap();
    assert_eq!((kind, key_of(suffix)), (Kind::Share, Some((KeyId(digest(1)), Epoch(7)))));
    assert!(Kind::of(b"something/else").is_none());
    assert!(key_of(&suffix[1..]).is_none() && key_of(&[suffix, &[0]].concat()).is_none());
}
