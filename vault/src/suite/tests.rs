//! Encodings: what frost would read, and what we let it.

use super::*;
use crate::testing::hex_at;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

#[test]
fn r26_trap_zero_and_non_canonical_secret_scalars_are_refused() {
    let order = hex::decode(ORDER).unwrap();
    assert!(SecretScalar::parse(&[0; 32]).is_none(), "zero");
    assert!(SecretScalar::parse(&order).is_none(), "the order");
    assert!(SecretScalar::parse(&[0xff; 32]).is_none(), "above the order");
    assert!(SecretScalar::parse(&[1; 31]).is_none() && SecretScalar::parse(&[1; 33]).is_none(), "other lengths");
    assert!(SecretScalar::parse(&[1; 32]).is_some());
    // frost itself would take the zero share.
    assert!(frost::keys::SigningShare::deserialize(&[0; 32]).is_ok(), "the trap is still there");
}

#[test]
fn trap_second_encodings_of_points_do_not_reach_frost() {
    let generator = hex_at(&json(include_str!("../../tests/vectors/samples.json"))["element1"]);
    let mut compact = generator.clone();
    compact[0] = 5;
    assert!(frost::VerifyingKey::deserialize(&compact).is_ok(), "the trap is still there");
    let point = point_from_frost(&generator).unwrap();
    assert_eq!(point.compressed()[..], generator, "what we hand to frost has tag 02 or 03");
    for tag in (0..=255).filter(|tag| *tag != 4) {
        let mut bytes = *point.as_bytes();
        bytes[0] = tag;
        assert!(Point::from_slice(&bytes).is_err(), "tag {tag}");
    }
    assert!(Point::from_slice(&[point.as_bytes(), &[0][..]].concat()).is_err(), "trailing byte");
    assert!(Point::from_slice(&compact).is_err() && Point::from_slice(&generator).is_err(), "compressed");
}

#[test]
fn trap_an_x_without_a_point_is_refused() {
    let element = hex_at(&json(include_str!("../../tests/vectors/elements.json"))["elements"]["invalid_element"]);
    assert!(point_from_frost(&element).is_none());
    assert!(frost::VerifyingKey::deserialize(&element).is_err());
}

#[test]
fn identity_and_identifier_zero_have_no_form() {
    assert!(point(&ProjectivePoint::IDENTITY).is_none());
    assert!(identifier(Identifier(0)).is_none());
    assert!(identifier(Identifier(u16::MAX)).is_some());
}

#[test]
fn a_signature_share_of_zero_is_not_sent() {
    let zero = frost::round2::SignatureShare::deserialize(&[0; 32]).unwrap();
    assert!(firn_proto::PublicScalar::from_slice(&zero.serialize()).is_err());
}
