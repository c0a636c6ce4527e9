//! Sealed records (R46).

use super::*;
use crate::testing::{digest, rng};

const CONTENT: &[u8] = b"content";

fn place() -> Place<'static> {
    Place {
        kind: "share/",
        network: NetworkId(digest(1)),
        node: NodeId(2),
        key_id: KeyId(digest(3)),
        epoch: Epoch(4),
        record_key: b"where",
    }
}

fn sealer() -> Sealer {
    Sealer::new(Zeroizing::new([9; 32]))
}

#[test]
fn r46_a_record_opens_only_in_its_own_place() {
    let sealed = sealer().seal(&place(), CONTENT, &mut rng(1));
    assert_eq!(sealer().open(&place(), &sealed).unwrap()[..], *CONTENT);
    let elsewhere = [
        Place { kind: "state/", ..place() },
        Place { network: NetworkId(digest(2)), ..place() },
        Place { node: NodeId(3), ..place() },
        Place { key_id: KeyId(digest(4)), ..place() },
        Place { epoch: Epoch(5), ..place() },
        Place { record_key: b"there", ..place() },
    ];
    assert!(elsewhere.iter().all(|place| sealer().open(place, &sealed).is_none()));
    assert!(Sealer::new(Zeroizing::new([8; 32])).open(&place(), &sealed).is_none(), "another vault's key");
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let sealed = sealer().seal(&place(), CONTENT, &mut rng(1));
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(sealer().open(&place(), &flipped).is_none(), "bit {bit}");
    }
    assert!((0..sealed.len()).all(|length| sealer().open(&place(), &sealed[..length]).is_none()));
    assert!(sealer().open(&place(), &[&sealed[..], &[0]].concat()).is_none());
}

#[test]
fn two_seals_of_one_content_differ_and_hide_it() {
    let mut rng = rng(1);
    let (first, second) = (sealer().seal(&place(), CONTENT, &mut rng), sealer().seal(&place(), CONTENT, &mut rng));
    assert_ne!(first, second);
    assert!(!first.windows(CONTENT.len()).any(|window| window == CONTENT));
}
