//! Public arithmetic on commitments to polynomials.

use crate::ids::Identifier;
use crate::point::Point;
use k256::elliptic_curve::ops::LinearCombinationExt;
use k256::{ProjectivePoint, Scalar};

/// The committed polynomial's value times G at a member's identifier, by Horner's rule; `None` for the identity.
#[must_use]
pub fn evaluate(commitment: &[Point], x: Identifier) -> Option<Point> {
    let elements: Vec<_> = commitment.iter().map(|point| point.to_affine().into()).collect();
    Point::from_affine(&evaluate_elements(&elements, x).to_affine())
}

/// As [`evaluate`], on curve points. Variable time: every input is public.
#[must_use]
pub fn evaluate_elements(commitment: &[ProjectivePoint], x: Identifier) -> ProjectivePoint {
    let horner = |sum: ProjectivePoint, coefficient: &ProjectivePoint| times_small(&sum, x.0) + coefficient;
    commitment.iter().rev().fold(ProjectivePoint::IDENTITY, horner)
}

/// The commitment to the sum of polynomials of one length.
///
/// # Panics
/// Where a commitment has another length: lengths are checked before any arithmetic.
pub fn sum<'a>(commitments: impl Iterator<Item = &'a [Point]>, length: usize) -> Vec<ProjectivePoint> {
    let mut total = vec![ProjectivePoint::IDENTITY; length];
    for commitment in commitments {
        assert_eq!(commitment.len(), length, "commitment lengths are checked before any arithmetic");
        for (entry, point) in total.iter_mut().zip(commitment) {
            *entry += point.to_affine();
        }
    }
    total
}

/// The Lagrange coefficient of `member` for the value at zero, among `members` (RFC 9591 section 4.2); `None` where it is not one
/// of them, or two are the same.
#[must_use]
pub fn lagrange_at_zero(members: &[Identifier], member: Identifier) -> Option<Scalar> {
    lagrange(members, member, Scalar::ZERO)
}

/// As [`lagrange_at_zero`], for the value at another member's identifier.
#[must_use]
pub fn lagrange_at(members: &[Identifier], member: Identifier, x: Identifier) -> Option<Scalar> {
    lagrange(members, member, Scalar::from(u64::from(x.0)))
}

fn lagrange(members: &[Identifier], member: Identifier, x: Scalar) -> Option<Scalar> {
    let number = |identifier: Identifier| Scalar::from(u64::from(identifier.0));
    let others = members.iter().filter(|other| **other != member);
    if members.len() != others.clone().count() + 1 {
        return None;
    }
    let (above, below) = others.fold((Scalar::ONE, Scalar::ONE), |(above, below), other| {
        (above * (number(*other) - x), below * (number(*other) - number(member)))
    });
    Option::<Scalar>::from(below.invert()).map(|inverse| above * inverse)
}

/// The commitment to the weighted sum of polynomials of one length. Variable time: every input is public.
///
/// # Panics
/// Where a commitment has another length: lengths are checked before any arithmetic.
#[must_use]
pub fn combine(weighted: &[(Scalar, &[Point])], length: usize) -> Vec<ProjectivePoint> {
    let entry = |index: usize| {
        let term = |(weight, commitment): &(Scalar, &[Point])| {
            assert_eq!(commitment.len(), length, "commitment lengths are checked before any arithmetic");
            commitment.get(index).map(|point| (ProjectivePoint::from(point.to_affine()), *weight))
        };
        let terms: Vec<_> = weighted.iter().filter_map(term).collect();
        ProjectivePoint::lincomb_ext(terms.as_slice())
    };
    (0..length).map(entry).collect()
}

/// `point` times a small public integer: as many doublings as the integer has bits (CRYPTO 2.4).
fn times_small(point: &ProjectivePoint, factor: u16) -> ProjectivePoint {
    let step = |product: ProjectivePoint, bit: u32| {
        let doubled = product.double();
        if (factor >> bit) & 1 == 1 { doubled + point } else { doubled }
    };
    match factor.checked_ilog2() {
        None => ProjectivePoint::IDENTITY,
        Some(top) => (0..top).rev().fold(*point, step),
    }
}
