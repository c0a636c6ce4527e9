//! Complaints and their judgement.

use super::*;
use crate::dealing::possess;
use crate::testing::{rng, root_secret};
use firn_proto::NodeId;
use proptest::prelude::*;
use std::collections::BTreeMap;

struct Case {
    route: Route,
    key: DecryptionKey,
    dealing: KeyShares,
    commitment: Vec<Point>,
}

/// Dealer 1 gives member 3 the value `offset` above what it committed to.
fn case(offset: u64) -> Case {
    let mut rng = rng(5);
    let (network, key_id) = (NetworkId::default(), KeyId::default());
    let route = Route { network, key_id, dealer: Identifier(1), recipient: Identifier(3) };
    let key = root_secret([3; 32]).derive().decryption;
    let coefficients = [SecretScalar::random(&mut rng), SecretScalar::random(&mut rng)];
    let commitment = coefficients.iter().map(|c| wire(&c.public())).collect();
    let value = *coefficients[0].scalar() + *coefficients[1].scalar() * Scalar::from(3u64) + Scalar::from(offset);
    let ephemeral = SecretScalar::random(&mut rng);
    let shared = projective(&key.public()) * ephemeral.scalar();
    let sealed = route.encrypt(&shared, &SecretScalar::from_scalar(value).unwrap());
    let sealed = BTreeMap::from([(Identifier(3), sealed)]);
    let possession = possess(network, key_id, NodeId(11), &ephemeral, &mut rng).unwrap();
    let dealing = KeyShares { ephemeral: wire(&ephemeral.public()), possession, sealed };
    Case { route, key, dealing, commitment }
}

impl Case {
    fn complaint(&self) -> KeyComplaint {
        prove(self.route, &self.key, &self.dealing.ephemeral, &mut rng(6))
    }

    fn judge(&self, complaint: &KeyComplaint) -> Verdict {
        let Route { network, key_id, recipient, .. } = self.route;
        judge(network, key_id, &self.commitment, &self.dealing, recipient, &self.key.public(), complaint)
    }
}

#[test]
fn a_wrong_share_convicts_the_dealer() {
    let case = case(1);
    assert_eq!(case.judge(&case.complaint()), Verdict::DealerAtFault);
}

#[test]
fn an_undecryptable_or_missing_share_convicts_the_dealer() {
    let mut case = case(0);
    case.dealing.sealed.get_mut(&Identifier(3)).unwrap()[0] ^= 1;
    assert_eq!(case.judge(&case.complaint()), Verdict::DealerAtFault);
    case.dealing.sealed.clear();
    assert_eq!(case.judge(&case.complaint()), Verdict::DealerAtFault);
}

#[test]
fn a_complaint_about_a_fitting_share_convicts_the_complainer() {
    let case = case(0);
    assert_eq!(case.judge(&case.complaint()), Verdict::ComplainerAtFault);
}

#[test]
fn a_wrong_shared_point_cannot_frame_the_dealer() {
    let case = case(0);
    let mut complaint = case.complaint();
    complaint.shared_point = case.dealing.ephemeral;
    assert_eq!(case.judge(&complaint), Verdict::ComplainerAtFault);
}

#[test]
fn a_proof_holds_in_its_own_attempt_and_for_its_own_pair_only() {
    let case = case(1);
    let good = case.complaint();
    let one = PublicScalar::from_slice(&Scalar::ONE.to_bytes()).unwrap();
    for bad in [KeyComplaint { challenge: one, ..good }, KeyComplaint { response: one, ..good }] {
        assert_eq!(case.judge(&bad), Verdict::ComplainerAtFault);
    }
    let own = KeyComplaint { dealer: Identifier(3), ..good };
    let other_dealer = KeyComplaint { dealer: Identifier(2), ..good };
    assert_eq!(case.judge(&own), Verdict::ComplainerAtFault, "nobody complains about itself");
    assert_eq!(case.judge(&other_dealer), Verdict::ComplainerAtFault);
    let digest = crate::testing::digest;
    let (network, key_id, key) = (NetworkId::default(), KeyId::default(), case.key.public());
    let verdict = |network, key_id, member, key: &Point| {
        judge(network, key_id, &case.commitment, &case.dealing, member, key, &good)
    };
    assert_eq!(verdict(network, key_id, Identifier(3), &key), Verdict::DealerAtFault);
    assert_eq!(verdict(NetworkId(digest(1)), key_id, Identifier(3), &key), Verdict::ComplainerAtFault);
    assert_eq!(verdict(network, KeyId(digest(1)), Identifier(3), &key), Verdict::ComplainerAtFault);
    assert_eq!(verdict(network, key_id, Identifier(4), &key), Verdict::ComplainerAtFault);
    assert_eq!(verdict(network, key_id, Identifier(3), &case.dealing.ephemeral), Verdict::ComplainerAtFault);
}

#[test]
fn r45_a_repeating_generator_repeats_no_nonce() {
    // Two proofs with one nonce and two challenges would give the vault key away.
    let case = case(1);
    let first = |dealer: u16| {
        let route = Route { dealer: Identifier(dealer), ..case.route };
        let proof = prove(route, &case.key, &case.dealing.ephemeral, &mut rng(6));
        ProjectivePoint::GENERATOR * proof.response.to_scalar()
            - projective(&case.key.public()) * proof.challenge.to_scalar()
    };
    assert_eq!(first(1), first(1), "the generator does repeat");
    assert_ne!(first(1), first(2));
}

#[test]
fn an_empty_commitment_and_an_identity_value_evaluate_to_nothing() {
    assert_eq!(evaluate(&[], Identifier(1)), None);
    let g = ProjectivePoint::GENERATOR;
    let two = g + g;
    assert_eq!(evaluate(&[wire(&-two), wire(&g)], Identifier(2)), None, "-2 + x at 2");
    assert_eq!(evaluate(&[wire(&-two), wire(&g)], Identifier(3)), Some(wire(&g)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Horner in the exponent agrees with the plain sum of powers.
    #[test]
    fn evaluation_agrees_with_powers(coefficients in prop::collection::vec(1u64.., 1..6), x in 1u16..) {
        let scalars: Vec<_> = coefficients.iter().map(|c| Scalar::from(*c)).collect();
        let commitment: Vec<_> = scalars.iter().map(|c| wire(&(ProjectivePoint::GENERATOR * c))).collect();
        let x_scalar = Scalar::from(u64::from(x));
        let powers = std::iter::successors(Some(Scalar::ONE), |power| Some(power * &x_scalar));
        let value = scalars.iter().zip(powers).fold(Scalar::ZERO, |sum, (c, power)| sum + c * &power);
        prop_assert_eq!(evaluate(&commitment, Identifier(x)), point(&(ProjectivePoint::GENERATOR * value)));
    }
}
