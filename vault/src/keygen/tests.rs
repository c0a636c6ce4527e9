//! Key generation: the vectors, agreement with frost, and every trap of it that was seen.
//!
//! Not applicable: a package cut to lose `min_signers`, since nothing of frost's own encodings is read or written.

use super::*;
use crate::api::{Reply, Request};
use crate::complaint::Verdict;
use crate::testing::{Ceremony, EPOCH, Net, finish, hex_at, rng, root_secret};
use firn_proto::Digest;
use firn_proto::message::possession::Possession;
use frost::keys::VerifiableSecretSharingCommitment;
use k256::Scalar;
use serde_json::Value;

fn scalar(bytes: &[u8]) -> Scalar {
    *SecretScalar::parse(bytes).unwrap().scalar()
}

fn key(member: u16) -> DecryptionKey {
    root_secret([u8::try_from(member).unwrap(); 32]).derive().decryption
}

fn roster(member: u16, t: u16, n: u16) -> Roster {
    let net = Net::new(2, 3);
    Roster {
        network: NetworkId::default(),
        key_id: KeyId::default(),
        proposal: net.proposal(1),
        threshold: t,
        identifier: Identifier(member),
        vault_keys: (1..=n).map(|i| (Identifier(i), key(i).public())).collect(),
        nodes: (1..=n).map(|i| (Identifier(i), NodeId(10 + i))).collect(),
    }
}

/// A dealer with given coefficients.
fn dealer(member: u16, n: u16, coefficients: &[Scalar]) -> Dealt {
    let points = coefficients.iter().map(|c| point(&(k256::ProjectivePoint::GENERATOR * c)).unwrap().compressed());
    let commitment = VerifiableSecretSharingCommitment::deserialize(points).unwrap();
    let identifier = suite::identifier(Identifier(member)).unwrap();
    let t = u16::try_from(coefficients.len()).unwrap();
    // The proof of frost's own part 1, for these coefficients: R = k G, z = k + a c.
    let (k, mut preimage) = (Scalar::from(77u64), identifier.serialize());
    let r = k256::ProjectivePoint::GENERATOR * k;
    preimage.extend(point(&(k256::ProjectivePoint::GENERATOR * coefficients[0])).unwrap().compressed());
    preimage.extend(point(&r).unwrap().compressed());
    let c = <frost::Secp256K1Sha256 as frost::Ciphersuite>::HDKG(&preimage).unwrap();
    let proof = frost::Signature::new(r, k + coefficients[0] * c);
    let secret = dkg::round1::SecretPackage::new(identifier, coefficients.to_vec(), commitment.clone(), t, n);
    let package = dkg::round1::Package::new(commitment, proof);
    Dealt::from_frost(roster(member, t, n), secret, &package).unwrap()
}

fn share_all(dealers: Vec<Dealt>) -> Vec<Shared> {
    let round1: BTreeMap<_, _> = dealers.iter().map(|dealt| (dealt.roster.identifier, dealt.package.clone())).collect();
    let share = |dealt: Dealt| dealt.share(round1.clone(), &mut rng(9)).map_err(|denial| denial.code).unwrap();
    dealers.into_iter().map(share).collect()
}

fn dealings(shared: &[Shared]) -> BTreeMap<Identifier, KeyShares> {
    shared.iter().map(|shared| (shared.roster.identifier, shared.dealing.clone())).collect()
}

fn finish_all(shared: Vec<Shared>) -> Vec<Result<Finished, Failure>> {
    let dealings = dealings(&shared);
    let finish = |shared: Shared| {
        let key = key(shared.roster.identifier.0);
        shared.finish(&key, &dealings, &mut rng(8))
    };
    shared.into_iter().map(finish).collect()
}

fn finished(result: Result<Finished, Failure>) -> Finished {
    match result {
        Ok(finished) => finished,
        Err(Failure::Denied(denial)) => panic!("denied: {denial:?}"),
        Err(Failure::Complaints(complaints)) => panic!("complaints: {complaints:?}"),
    }
}

#[test]
fn dkg_vectors_pass() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/vectors_dkg.json")).unwrap();
    let inputs = &vectors["inputs"];
    let mut dealers = Vec::new();
    for member in 1..=3u16 {
        let input = &inputs[member.to_string()];
        let coefficients = [scalar(&hex_at(&input["signing_key"])), scalar(&hex_at(&input["coefficient"]))];
        let mut dealt = dealer(member, 3, &coefficients);
        let commitment: Vec<_> = dealt.package.commitment.iter().map(|point| point.compressed().to_vec()).collect();
        let expected: Vec<_> = input["vss_commitments"].as_array().unwrap().iter().map(hex_at).collect();
        assert_eq!(commitment, expected);
        let proof = hex_at(&input["proof_of_knowledge"]);
        dealt.package.proof_r = suite::point_from_frost(&proof[..33]).unwrap();
        dealt.package.proof_z = PublicScalar::from_slice(&proof[33..]).unwrap();
        dealers.push(dealt);
    }
    let shared = share_all(dealers);
    let dealings = dealings(&shared);
    let group_key = hex_at(&inputs["verifying_key"]);
    for shared in shared {
        let me = shared.roster.identifier;
        let input = &inputs[me.0.to_string()];
        for (dealer, dealing) in dealings.iter().filter(|(dealer, _)| **dealer != me) {
            let opened = key(me.0).shared_point(&dealing.ephemeral);
            let share = shared.roster.route(*dealer, me).decrypt(&opened, &dealing.sealed[&me]).unwrap();
            assert_eq!(share.to_bytes()[..], hex_at(&input["signing_shares"][dealer.0.to_string()]));
        }
        let finished = finished(shared.finish(&key(me.0), &dealings, &mut rng(8)));
        assert_eq!(finished.share.to_bytes()[..], hex_at(&input["signing_share"]));
        assert_eq!(finished.facts.group_key.compressed()[..], group_key);
        for (member, point) in &finished.facts.verifying_shares {
            assert_eq!(point.compressed()[..], hex_at(&inputs[member.0.to_string()]["verifying_share"]));
        }
    }
}

#[test]
fn finish_agrees_with_frosts_part3() {
    for (seed, t, n) in [(1, 2, 3), (2, 3, 5), (3, 6, 7)] {
        let mut rng = rng(seed);
        let id = |member: u16| suite::identifier(Identifier(member)).unwrap();
        let parts: Vec<_> = (1..=n).map(|i| dkg::part1(id(i), n, t, &mut rng).unwrap()).collect();
        let dealers = (1..=n)
            .zip(&parts)
            .map(|(i, (secret, package))| Dealt::from_frost(roster(i, t, n), secret.clone(), package).unwrap());
        let ours: Vec<_> = finish_all(share_all(dealers.collect())).into_iter().map(finished).collect();
        let others = |me: u16| (1..=n).filter(move |other| *other != me);
        let round1 = |me: u16| others(me).map(|i| (id(i), parts[usize::from(i) - 1].1.clone())).collect();
        let part2: Vec<_> =
            (1..=n).map(|me| dkg::part2(parts[usize::from(me) - 1].0.clone(), &round1(me)).unwrap()).collect();
        for (me, ours) in (1..=n).zip(ours) {
            let round2 = others(me).map(|i| (id(i), part2[usize::from(i) - 1].1[&id(me)].clone())).collect();
            let (key, public) = dkg::part3(&part2[usize::from(me) - 1].0, &round1(me), &round2).unwrap();
            assert_eq!(ours.share.to_bytes()[..], key.signing_share().serialize()[..]);
            assert_eq!(ours.facts.group_key.compressed()[..], public.verifying_key().serialize().unwrap()[..]);
            for (member, point) in &ours.facts.verifying_shares {
                assert_eq!(suite::verifying_share(point).as_ref(), public.verifying_shares().get(&id(member.0)));
            }
            let package = suite::key_package(Identifier(me), &ours.share, &ours.facts.group_key, t).unwrap();
            assert!(package == key, "the whole key package");
        }
    }
}

/// Gives round-1 packages with one of them changed to an honest member, and expects the dealer to be named.
#[track_caller]
fn check_round1_blame(change: impl FnOnce(&mut BTreeMap<Identifier, KeyRound1>)) {
    let mut net = Net::new(3, 5);
    let ceremony = net.dealt(1);
    let mut round1 = ceremony.round1;
    change(&mut round1);
    let node = net.nodes()[0];
    let refusal = net.refused(node, Request::Share { key_id: ceremony.key_id, round1: round1.clone() });
    assert_eq!((refusal.code, refusal.culprit), (Code::DkgRound1Invalid, Some(Identifier(4))));
    // The polynomial is gone with the attempt.
    net.refuses(node, Request::Share { key_id: ceremony.key_id, round1 }, Code::VaultRefused);
}

#[test]
fn r25_trap_a_longer_commitment_raises_no_threshold() {
    check_round1_blame(|round1| {
        let package = round1.get_mut(&Identifier(4)).unwrap();
        package.commitment.push(package.commitment[1]);
    });
}

#[test]
fn r25_trap_a_shorter_commitment_lowers_no_threshold() {
    check_round1_blame(|round1| {
        round1.get_mut(&Identifier(4)).unwrap().commitment.pop();
    });
}

#[test]
fn r25_trap_an_empty_commitment_is_no_panic() {
    check_round1_blame(|round1| round1.get_mut(&Identifier(4)).unwrap().commitment.clear());
}

#[test]
fn r26_a_bad_proof_of_knowledge_names_its_dealer() {
    check_round1_blame(|round1| {
        let other = round1[&Identifier(5)].clone();
        round1.get_mut(&Identifier(4)).unwrap().proof_z = other.proof_z;
    });
}

#[test]
fn r26_another_members_package_proves_nothing() {
    check_round1_blame(|round1| {
        let other = round1[&Identifier(5)].clone();
        round1.insert(Identifier(4), other);
    });
}

#[test]
fn r28_trap_a_replayed_proof_is_bound_to_its_session() {
    let mut net = Net::new(2, 3);
    let (old, new) = (net.dealt(1), net.dealt(2));
    let node = net.nodes()[1];
    let package = &old.round1[&Identifier(2)];
    // frost would take the old package in the new attempt; the envelope around it does not move.
    let message = Box::new(firn_proto::Message::KeyRound1(package.clone()));
    let Reply::Envelope(envelope) = net.ask(node, Request::Author { session: old.key_id.into(), message }) else {
        panic!("no envelope")
    };
    let verified = firn_proto::envelope::verify(&envelope, &net.definition).unwrap();
    assert_eq!(verified.header().session, old.key_id.into());
    let at = envelope.windows(32).position(|window| window == old.key_id.0.0).unwrap();
    let mut moved = envelope;
    moved[at..at + 32].copy_from_slice(&new.key_id.0.0);
    let refusal = firn_proto::envelope::verify(&moved, &net.definition).unwrap_err();
    assert_eq!(refusal.code, Code::EnvelopeSignatureInvalid);
    // The digest that members echo differs as well, and an own old package is refused outright.
    let digest = |key_id| firn_proto::certificate::round1_digest(key_id, Identifier(2), package);
    assert_ne!(digest(old.key_id), digest(new.key_id));
    let mut round1 = new.round1.clone();
    round1.insert(Identifier(2), package.clone());
    net.refuses(node, Request::Share { key_id: new.key_id, round1 }, Code::VaultRefused);
}

#[test]
fn r26_a_missing_or_foreign_member_is_refused() {
    let changes: [fn(&mut BTreeMap<Identifier, KeyRound1>); 3] = [
        |round1| drop(round1.remove(&Identifier(3))),
        |round1| drop(round1.insert(Identifier(9), round1[&Identifier(3)].clone())),
        |round1| drop(round1.insert(Identifier(1), round1[&Identifier(3)].clone())),
    ];
    for change in changes {
        let mut net = Net::new(3, 5);
        let mut ceremony = net.dealt(1);
        change(&mut ceremony.round1);
        let (node, key_id, round1) = (net.nodes()[0], ceremony.key_id, ceremony.round1);
        net.refuses(node, Request::Share { key_id, round1 }, Code::VaultRefused);
    }
}

#[test]
fn trap_finish_sees_the_round1_packages_that_share_saw() {
    // frost's part 3 takes other packages than part 2 and gives a share that disagrees with its own public key.
    let mut net = Net::new(3, 5);
    let ceremony = net.shared(1);
    let node = net.nodes()[0];
    let mut other = ceremony.round1.clone();
    let one_more = other[&Identifier(5)].commitment[0];
    other.get_mut(&Identifier(4)).unwrap().commitment.push(one_more);
    net.refuses(node, Request::Share { key_id: ceremony.key_id, round1: other }, Code::VaultRefused);
    let outcome = net.finish(node, &ceremony);
    let held = net.host(node).vault.held.values().next().unwrap();
    let expected = suite::verifying_share(&outcome.verifying_shares[&Identifier(1)]).unwrap();
    assert!(*held.package().verifying_share() == expected);
    assert!(*held.package().verifying_share() == (*held.package().signing_share()).into());
}

/// Replaces what dealer 4 sends to `victim` by `share`, encrypted as it should be.
fn deal_wrongly(net: &Net, ceremony: &mut Ceremony, victim: Identifier, share: &SecretScalar) {
    let dealer = Identifier(4);
    let route = Route { network: net.definition.network_id(), key_id: ceremony.key_id, dealer, recipient: victim };
    let ephemeral = SecretScalar::random(&mut rng(77));
    let node = net.definition.keys[0].members[&victim];
    let shared = projective(&net.definition.nodes[&node].vault_key) * ephemeral.scalar();
    let dealing = ceremony.dealings.get_mut(&dealer).unwrap();
    dealing.ephemeral = point(&ephemeral.public()).unwrap();
    dealing.possession = possess(route.network, route.key_id, NodeId(14), &ephemeral, &mut rng(78)).unwrap();
    dealing.sealed.insert(victim, route.encrypt(&shared, share));
}

#[test]
fn r29_a_wrong_share_names_its_dealer_and_ends_the_attempt() {
    let mut net = Net::new(3, 5);
    let mut ceremony = net.shared(1);
    let honest = ceremony.dealings.clone();
    deal_wrongly(&net, &mut ceremony, Identifier(1), &SecretScalar::random(&mut rng(5)));
    let node = net.nodes()[0];
    let complaints = net.complaints(node, &ceremony);
    assert_eq!(complaints.len(), 1, "only the faulty dealer");
    assert_eq!(complaints[0].dealer, Identifier(4));
    assert_eq!(net.judge(&ceremony, Identifier(1), &complaints[0]), Verdict::DealerAtFault);
    // The same proof cannot be turned against an honest dealer, nor used by another complainer.
    let turned = KeyComplaint { dealer: Identifier(3), ..complaints[0] };
    assert_eq!(net.judge(&ceremony, Identifier(1), &turned), Verdict::ComplainerAtFault);
    assert_eq!(net.judge(&ceremony, Identifier(2), &complaints[0]), Verdict::ComplainerAtFault);
    // Complaints open shares: a core that shows honest dealings afterwards must not get a key out of this attempt.
    ceremony.dealings = honest;
    net.refuses(node, finish(&ceremony), Code::VaultRefused);
    assert!(net.host(node).records.is_empty());
}

#[test]
fn r29_trap_swapped_shares_are_noticed_by_both() {
    let mut net = Net::new(3, 5);
    let mut ceremony = net.shared(1);
    let sealed = &mut ceremony.dealings.get_mut(&Identifier(4)).unwrap().sealed;
    let (first, second) = (sealed[&Identifier(1)].clone(), sealed[&Identifier(2)].clone());
    sealed.insert(Identifier(1), second);
    sealed.insert(Identifier(2), first);
    for (node, member) in net.nodes().into_iter().zip([1, 2].map(Identifier)) {
        let complaints = net.complaints(node, &ceremony);
        assert_eq!(complaints.iter().map(|c| c.dealer).collect::<Vec<_>>(), [Identifier(4)]);
        assert_eq!(net.judge(&ceremony, member, &complaints[0]), Verdict::DealerAtFault);
    }
}

#[test]
fn two_wrong_shares_that_cancel_out_still_make_the_right_key() {
    // The sum is what counts: offsets +1 and -1 of two colluding dealers change nothing, so nobody complains.
    let shared = share_all((1..=3).map(|i| dealer(i, 3, &[Scalar::from(u64::from(i)), Scalar::from(5u64)])).collect());
    let mut dealings = dealings(&shared);
    let me = Identifier(1);
    for (member, offset) in [(2u16, Scalar::ONE), (3, -Scalar::ONE)] {
        let route = shared[0].roster.route(Identifier(member), me);
        let dealing = dealings.get_mut(&Identifier(member)).unwrap();
        let opened = key(1).shared_point(&dealing.ephemeral);
        let share = *route.decrypt(&opened, &dealing.sealed[&me]).unwrap().scalar() + offset;
        dealing.sealed.insert(me, route.encrypt(&opened, &SecretScalar::from_scalar(share).unwrap()));
    }
    let first = shared.into_iter().next().unwrap();
    let finished = finished(first.finish(&key(1), &dealings, &mut rng(1)));
    assert_eq!(*finished.share.scalar(), Scalar::from(1u64 + 2 + 3 + 3 * 5));
}

/// Finishes at member 2 with dealers of degree 1 and the given coefficients.
fn finish_with(coefficients: [(i64, i64); 3]) -> Result<Finished, Failure> {
    let scalar = |value: i64| {
        let magnitude = Scalar::from(value.unsigned_abs());
        if value < 0 { -magnitude } else { magnitude }
    };
    let dealers = (1..).zip(coefficients).map(|(i, (a, b))| dealer(i, 3, &[scalar(a), scalar(b)])).collect();
    let shared = share_all(dealers);
    let dealings = dealings(&shared);
    shared.into_iter().nth(1).unwrap().finish(&key(2), &dealings, &mut rng(8))
}

#[test]
fn trap_a_zero_share_makes_no_key() {
    // Constant terms add up to 8 and slopes to -4, so that member 2's share is zero while every dealer's part is not.
    let result = finish_with([(1, -3), (2, -3), (5, 2)]);
    assert!(matches!(result, Err(Failure::Denied(Denial { code: Code::GroupKeyUnusable, culprit: None }))));
}

#[test]
fn trap_a_zero_share_of_another_member_makes_no_key() {
    // As above at member 3: everybody sees it in the verifying shares.
    let result = finish_with([(1, -3), (2, -3), (9, 2)]);
    assert!(matches!(result, Err(Failure::Denied(Denial { code: Code::GroupKeyUnusable, culprit: None }))));
}

#[test]
fn an_identity_group_key_is_unusable() {
    let result = finish_with([(1, 7), (2, 7), (-3, 7)]);
    assert!(matches!(result, Err(Failure::Denied(Denial { code: Code::GroupKeyUnusable, culprit: None }))));
}

#[test]
fn r31_a_group_key_with_x_above_the_curve_order_is_unusable() {
    // 1 in 2^127 by chance, and nobody knows such a key's logarithm: only the commitments can be made up, so that our
    // share fits them all the same.
    let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap();
    let above = (0u8..=255).find_map(|offset| {
        let mut encoded = [&[2], &order[..]].concat();
        encoded[32] = encoded[32].checked_add(offset)?;
        suite::point_from_frost(&encoded)
    });
    let above = above.unwrap();
    assert!(PublicScalar::from_slice(&above.x()).is_err());
    let me = Identifier(1);
    for (group_key, usable) in [(above, false), (point(&k256::ProjectivePoint::GENERATOR).unwrap(), true)] {
        let g = k256::ProjectivePoint::GENERATOR;
        let others = [2u16, 3].map(|i| dealer(i, 3, &[Scalar::from(4u64), Scalar::from(9u64)]).package);
        let constant = projective(&group_key) - g * Scalar::from(8u64);
        let own_share = SecretScalar::from_scalar(Scalar::from(77u64)).unwrap();
        let package = KeyRound1 {
            commitment: [constant, own_share.public() - constant].map(|element| point(&element).unwrap()).to_vec(),
            ..others[0].clone()
        };
        let round1 = (1..).map(Identifier).zip([package].into_iter().chain(others)).collect();
        let unit = PublicScalar::from_slice(&Scalar::ONE.to_bytes()).unwrap();
        let possession = Possession { challenge: unit, response: unit };
        let dealing = KeyShares { ephemeral: group_key, possession, sealed: BTreeMap::new() };
        let shared = Shared { roster: roster(me.0, 2, 3), round1, own_share, dealing };
        let received = [2, 3].map(|i| (Identifier(i), SecretScalar::from_scalar(Scalar::from(13u64)))).into();
        match shared.combine(&received) {
            Ok((_, group)) => assert_eq!((group.0, usable), (group_key, true)),
            Err(Combination::Unusable) => assert!(!usable),
            Err(Combination::Misfits(dealers)) => panic!("misfits {dealers:?}"),
        }
    }
}

#[test]
fn a_part_of_zero_is_its_dealers_fault() {
    // Dealer 1 chose f(2) = 0: one in 2^256 by chance.
    let share_all = || {
        let coefficients = [[2i64, -1], [2, 5], [3, 5]];
        let scalar = |value: i64| if value < 0 { -Scalar::ONE } else { Scalar::from(value.unsigned_abs()) };
        let dealers = (1..).zip(coefficients).map(|(i, c)| dealer(i, 3, &c.map(scalar)));
        dealers.collect::<Vec<_>>()
    };
    let dealers = share_all();
    let round1: BTreeMap<_, _> = dealers.iter().map(|dealt| (dealt.roster.identifier, dealt.package.clone())).collect();
    let first = dealers.into_iter().next().unwrap();
    assert!(first.share(round1, &mut rng(1)).is_err(), "ours does not even send it");
}

#[test]
fn r26_a_dealing_without_exactly_all_recipients_names_its_dealer() {
    let changes: [fn(&mut KeyShares); 4] = [
        |dealing| drop(dealing.sealed.remove(&Identifier(1))),
        |dealing| drop(dealing.sealed.remove(&Identifier(3))),
        |dealing| drop(dealing.sealed.insert(Identifier(4), vec![0; 48])),
        |dealing| drop(dealing.sealed.insert(Identifier(9), vec![0; 48])),
    ];
    for change in changes {
        let mut net = Net::new(3, 5);
        let mut ceremony = net.shared(1);
        change(ceremony.dealings.get_mut(&Identifier(4)).unwrap());
        let refusal = net.refused(net.nodes()[0], finish(&ceremony));
        assert_eq!((refusal.code, refusal.culprit), (Code::DkgShareInvalid, Some(Identifier(4))));
    }
}

#[test]
fn malformed_ciphertexts_are_complaints() {
    for ciphertext in [vec![], vec![0; 47], vec![0; 48], vec![0; 49]] {
        let mut net = Net::new(3, 5);
        let mut ceremony = net.shared(1);
        ceremony.dealings.get_mut(&Identifier(4)).unwrap().sealed.insert(Identifier(1), ciphertext);
        let complaints = net.complaints(net.nodes()[0], &ceremony);
        assert_eq!(net.judge(&ceremony, Identifier(1), &complaints[0]), Verdict::DealerAtFault);
    }
}

#[test]
fn an_own_dealing_that_differs_is_refused() {
    let mut net = Net::new(3, 5);
    let mut ceremony = net.shared(1);
    let other = ceremony.dealings[&Identifier(2)].clone();
    ceremony.dealings.insert(Identifier(1), other);
    net.refuses(net.nodes()[0], finish(&ceremony), Code::VaultRefused);
}

#[test]
fn r32_one_key_id_is_dealt_for_once() {
    let mut net = Net::new(2, 3);
    let node = net.nodes()[0];
    let proposal = net.proposal(1);
    let deal = Request::Deal { proposal: proposal.clone() };
    let key_id = proposal.key_id(net.definition.network_id());
    assert!(matches!(net.ask(node, deal.clone()), Reply::Dealt { .. }));
    net.refuses(node, deal.clone(), Code::DkgConflict);
    net.done(node, Request::Forget { key_id });
    net.refuses(node, deal, Code::DkgConflict);
    // And a stored one is not dealt for in a later boot either.
    let ceremony = net.shared(2);
    net.finish(node, &ceremony);
    net.restart(node);
    net.refuses(node, Request::Deal { proposal: ceremony.proposal }, Code::DkgConflict);
}

#[test]
fn only_members_deal_and_only_for_keys_of_the_definition() {
    let mut net = Net::new(2, 3);
    let node = net.nodes()[0];
    let good = net.proposal(1);
    let bad = [
        KeyProposal { key_name: "none".into(), ..good.clone() },
        KeyProposal { definition: Digest([1; 32]), ..good.clone() },
    ];
    for proposal in bad {
        net.refuses(node, Request::Deal { proposal }, Code::DkgProposalInvalid);
    }
    assert!(Roster::new(&net.definition, NodeId(9), good).is_none(), "not a member");
}

#[test]
fn attempts_are_bounded() {
    let mut net = Net::new(2, 3);
    let node = net.nodes()[0];
    let bound = u8::try_from(crate::limits::ATTEMPTS_MAX).unwrap();
    for salt in 0..bound {
        let proposal = net.proposal(salt);
        assert!(matches!(net.ask(node, Request::Deal { proposal }), Reply::Dealt { .. }));
    }
    let proposal = net.proposal(bound);
    net.refuses(node, Request::Deal { proposal: proposal.clone() }, Code::DkgConflict);
    let first = net.proposal(0).key_id(net.definition.network_id());
    net.done(node, Request::Forget { key_id: first });
    assert!(matches!(net.ask(node, Request::Deal { proposal }), Reply::Dealt { .. }));
}

#[test]
fn r30_a_pending_key_does_not_sign() {
    let mut net = Net::new(2, 3);
    let ceremony = net.shared(1);
    let node = net.nodes()[0];
    net.finish(node, &ceremony);
    let (key_id, now) = (ceremony.key_id, crate::testing::NOW);
    let commit = Request::Commit { key_id, epoch: EPOCH, coordinator: node, count: 1, now };
    net.refuses(node, commit, Code::KeyNotReady);
}
