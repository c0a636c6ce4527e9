//! Public arithmetic on commitments to polynomials.

use crate::ids::Identifier;
use crate::point::Point;
use k256::ProjectivePoint;

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
