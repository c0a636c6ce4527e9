//! Points and scalars have one encoding each.

use crate::fixture::{point, scalar};
use firn_proto::author::AuthorKey;
use firn_proto::{Code, Point, PublicScalar};
use k256::elliptic_curve::PrimeField;
use k256::{AffinePoint, Scalar};

/// p = 2^256 - 2^32 - 977.
const P: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
/// The curve order.
const N: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn bytes(hex: &str) -> [u8; 32] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn code(bytes: &[u8]) -> Option<Code> {
    Point::from_slice(bytes).err().map(|refusal| refusal.code)
}

#[test]
fn r26_only_tag_04_of_all_256_is_read() {
    let good = *point(5).as_bytes();
    for tag in 0..=u8::MAX {
        let mut tagged = good;
        tagged[0] = tag;
        assert_eq!(code(&tagged), (tag != 4).then_some(Code::PointInvalid), "tag {tag:02x}, uncompressed");
        let short = [&[tag], &good[1..33]].concat();
        assert_eq!(code(&short), Some(Code::PointInvalid), "tag {tag:02x}, compressed or compact");
    }
    assert_eq!(code(&[0]), Some(Code::PointInvalid), "the identity");
    assert_eq!(code(&[4; 65]), Some(Code::PointInvalid), "off the curve");
    assert_eq!(code(&[&[4], &[0; 64][..]].concat()), Some(Code::PointInvalid), "zero coordinates");
    for length in [0, 1, 33, 64, 66] {
        assert_eq!(code(&vec![4; length]), Some(Code::PointInvalid), "length {length}");
    }
}

#[test]
fn r26_coordinates_below_p_only() {
    let good = *point(5).as_bytes();
    let with = |x: &[u8], y: &[u8]| code(&[&[4], x, y].concat());
    let (x, y) = (&good[1..33], &good[33..]);
    assert_eq!(with(x, y), None);
    assert_eq!(with(&bytes(P), y), Some(Code::PointInvalid));
    assert_eq!(with(x, &bytes(P)), Some(Code::PointInvalid));
    assert_eq!(with(&[0xff; 32], &[0xff; 32]), Some(Code::PointInvalid));
    let mut off = y.to_vec();
    off[31] ^= 1;
    assert_eq!(with(x, &off), Some(Code::PointInvalid), "off the curve");
    // x = 1 is on the curve; 1 + p is the same field element in another encoding.
    let one = Point::from_affine(&lift(1)).unwrap();
    let mut p_plus_1 = bytes(P);
    p_plus_1[31] += 1;
    assert_eq!(with(&one.x(), &one.y()), None);
    assert_eq!(with(&p_plus_1, &one.y()), Some(Code::PointInvalid));
}

fn lift(x: u8) -> AffinePoint {
    let mut encoded = [0; 33];
    (encoded[0], encoded[32]) = (2, x);
    *k256::PublicKey::from_sec1_bytes(&encoded).unwrap().as_affine()
}

#[test]
fn encodings_agree() {
    for k in 1..20 {
        let point = point(k);
        assert_eq!(Point::from_affine(&point.to_affine()), Some(point));
        assert_eq!(Point::from_slice(point.as_bytes()), Ok(point));
        assert_eq!(*k256::PublicKey::from_sec1_bytes(&point.compressed()).unwrap().as_affine(), point.to_affine());
        assert_eq!([&[4], &point.x()[..], &point.y()[..]].concat(), point.as_bytes());
    }
    assert_eq!(Point::from_affine(&AffinePoint::IDENTITY), None);
}

#[test]
fn r26_scalars_from_1_below_n_only() {
    let code = |bytes: &[u8]| PublicScalar::from_slice(bytes).err().map(|refusal| refusal.code);
    let mut below = bytes(N);
    below[31] -= 1;
    let mut above = bytes(N);
    above[31] += 1;
    assert_eq!(code(&[0; 32]), Some(Code::ScalarInvalid), "zero");
    assert_eq!(code(&below), None, "n - 1");
    assert_eq!(code(&bytes(N)), Some(Code::ScalarInvalid), "n");
    assert_eq!(code(&above), Some(Code::ScalarInvalid), "n + 1");
    assert_eq!(code(&[0xff; 32]), Some(Code::ScalarInvalid));
    for length in [0, 31, 33] {
        assert_eq!(code(&vec![1; length]), Some(Code::ScalarInvalid), "length {length}");
    }
    assert_eq!(scalar(7).to_scalar(), Scalar::from(7_u64));
    assert_eq!(PublicScalar::from_slice(&below).unwrap().to_scalar(), -Scalar::ONE);
    assert_eq!(scalar(7).as_bytes()[..], Scalar::from(7_u64).to_repr()[..]);
}

#[test]
fn author_keys_are_x_coordinates_of_points() {
    let code = |bytes: &[u8]| AuthorKey::from_slice(bytes).err().map(|refusal| refusal.code);
    assert_eq!(code(&point(9).x()), None);
    assert_eq!(code(&[0; 32]), Some(Code::PointInvalid));
    assert_eq!(code(&bytes(P)), Some(Code::PointInvalid));
    assert_eq!(code(&bytes(&format!("{:064x}", 5))), Some(Code::PointInvalid), "x = 5 is on no point");
    assert_eq!(code(&point(9).compressed()), Some(Code::PointInvalid), "33 bytes");
}
