//! Members that lie: the others end in a bound, blame only whom they can prove at fault, and never an honest one.

use crate::bench::{Bench, Lie};
use firn_proto::message::{KeyShares, Status, Willingness};
use firn_proto::{Code, Identifier, KeyId, Message, PublicScalar};

/// A key generation of five in which n4 lies; everything is delivered and every phase runs out.
fn attempt(lie: Lie) -> (Bench, KeyId) {
    let mut bench = Bench::new(3, 5);
    let key_id = bench.propose(1);
    bench.liars.insert(4, lie);
    bench.accept_all(key_id);
    bench.deliver();
    bench.fire_all("KeyPhase");
    bench.deliver();
    (bench, key_id)
}

fn assert_only_n4_blamed(bench: &Bench) {
    assert!(bench.evidence.iter().all(|(_, culprit, _)| *culprit == 4), "{:?}", bench.evidence);
}

fn states(bench: &Bench, key_id: KeyId) -> Vec<&'static str> {
    [1, 2, 3, 5].map(|id| bench.key_state(id, key_id)).to_vec()
}

/// Whose shares were good may have signed the certificate before the complaint came: they wait for what never comes.
fn assert_no_key(bench: &Bench, key_id: KeyId) {
    assert_eq!(bench.key_state(2, key_id), "aborted");
    let ended = |state: &&str| ["aborted", "undecided"].contains(state);
    assert!(states(bench, key_id).iter().all(ended), "{:?}", states(bench, key_id));
    for honest in [1, 3, 5] {
        let signed = bench.sent.iter().any(|flight| flight.from == honest && flight.name == "KeyCertified");
        let expected = if signed { "undecided" } else { "aborted" };
        assert_eq!(bench.key_state(honest, key_id), expected, "n{honest} stays by its certificate signature");
        let keys = bench.hosts[&honest].engine.keys();
        assert_eq!(keys[0].culprit.map(|node| node.0), Some(4), "n{honest} names the dealer");
    }
}

#[test]
fn r27_two_round_1_packages_are_found_out_by_the_echo_and_proven() {
    let (bench, key_id) = attempt(|message, to| match message {
        Message::KeyRound1(package) if to > 3 => {
            let mut other = package.clone();
            other.commitment.swap(0, 1);
            Some(Message::KeyRound1(other))
        }
        other => Some(other.clone()),
    });
    assert_eq!(states(&bench, key_id), ["aborted"; 4]);
    assert_only_n4_blamed(&bench);
    for honest in [1, 2, 3, 5] {
        let proven = bench.evidence.iter().any(|(node, _, code)| *node == honest && *code == Code::DkgEquivocation);
        assert!(proven, "n{honest} has the proof: {:?}", bench.evidence);
        let keys = bench.hosts[&honest].engine.keys();
        assert_eq!(keys[0].culprit.map(|node| node.0), Some(4), "n{honest} names it");
    }
}

#[test]
fn a_second_package_to_the_same_member_is_evidence_at_once() {
    let mut bench = Bench::new(3, 5);
    let key_id = bench.propose(1);
    bench.accept_all(key_id);
    while bench.key_state(1, key_id) != "echo" {
        bench.deliver_at(0);
    }
    let first = bench.sent.iter().find(|flight| flight.from == 4 && flight.to == 1 && flight.name == "KeyRound1");
    let first = firn_proto::envelope::verify(&first.unwrap().bytes, &bench.definition).unwrap();
    let Message::KeyRound1(mut package) = first.content().clone() else { panic!("a package") };
    package.commitment.swap(0, 2);
    bench.say(4, 1, key_id.into(), &Message::KeyRound1(package));
    bench.deliver();
    assert!(bench.evidence.contains(&(1, 4, Code::DkgEquivocation)));
    assert_only_n4_blamed(&bench);
    assert_eq!(states(&bench, key_id), ["aborted"; 4]);
}

#[test]
fn another_package_of_another_boot_is_no_evidence() {
    let mut bench = Bench::new(3, 5);
    let key_id = bench.propose(1);
    bench.accept_all(key_id);
    while bench.key_state(1, key_id) != "echo" {
        bench.deliver_at(0);
    }
    let first = bench.sent.iter().find(|flight| flight.from == 4 && flight.to == 1 && flight.name == "KeyRound1");
    let first = firn_proto::envelope::verify(&first.unwrap().bytes, &bench.definition).unwrap();
    let Message::KeyRound1(mut package) = first.content().clone() else { panic!("a package") };
    package.commitment.swap(0, 2);
    bench.restart(4);
    // Even if the restarted member dealt anew, its two boots contradict each other honestly.
    bench.say(4, 1, key_id.into(), &Message::KeyRound1(package));
    bench.deliver();
    assert!(bench.evidence.is_empty(), "{:?}", bench.evidence);
    assert_eq!(states(&bench, key_id), ["aborted"; 4]);
}

#[test]
fn r25_a_wrong_commitment_length_ends_the_attempt_and_names_its_sender() {
    for longer in [true, false] {
        let lie: Lie = if longer {
            |message, _| match message {
                Message::KeyRound1(package) => {
                    let mut other = package.clone();
                    other.commitment.push(other.proof_r);
                    Some(Message::KeyRound1(other))
                }
                other => Some(other.clone()),
            }
        } else {
            |message, _| match message {
                Message::KeyRound1(package) => {
                    let mut other = package.clone();
                    other.commitment.pop();
                    Some(Message::KeyRound1(other))
                }
                other => Some(other.clone()),
            }
        };
        let (bench, key_id) = attempt(lie);
        assert_eq!(states(&bench, key_id), ["aborted"; 4]);
        assert_only_n4_blamed(&bench);
    }
}

#[test]
fn r29_a_bad_share_is_judged_by_all_and_its_dealer_named() {
    let (bench, key_id) = attempt(|message, _| match message {
        Message::KeyShares(dealing) => {
            let mut sealed = dealing.sealed.clone();
            sealed.get_mut(&Identifier(2)).unwrap()[3] ^= 1;
            Some(Message::KeyShares(KeyShares { sealed, ..dealing.clone() }))
        }
        other => Some(other.clone()),
    });
    assert_no_key(&bench, key_id);
    assert_only_n4_blamed(&bench);
    for honest in [1, 3, 5] {
        assert!(bench.evidence.contains(&(honest, 4, Code::DkgShareInvalid)), "n{honest}: {:?}", bench.evidence);
    }
}

#[test]
fn different_dealings_to_two_members_do_not_blame_the_honest_complainer() {
    // n2 gets a bad share, the others a dealing in which n2's share is good: n2's complaint looks false to them.
    let (bench, key_id) = attempt(|message, to| match message {
        Message::KeyShares(dealing) if to == 2 => {
            let mut sealed = dealing.sealed.clone();
            sealed.get_mut(&Identifier(2)).unwrap()[3] ^= 1;
            Some(Message::KeyShares(KeyShares { sealed, ..dealing.clone() }))
        }
        other => Some(other.clone()),
    });
    assert_no_key(&bench, key_id);
    assert!(!bench.evidence.is_empty());
    assert_only_n4_blamed(&bench);
}

#[test]
fn a_false_complaint_falls_on_the_complainer() {
    let mut bench = Bench::new(3, 5);
    let key_id = bench.propose(1);
    bench.accept_all(key_id);
    while bench.key_state(1, key_id) != "round-2" && bench.key_state(1, key_id) != "checking" {
        bench.deliver_at(0);
    }
    while !bench.sent.iter().any(|flight| flight.from == 2 && flight.to == 4 && flight.name == "KeyShares") {
        bench.deliver_at(0);
    }
    let dealing = bench.sent.iter().find(|f| f.from == 2 && f.to == 4 && f.name == "KeyShares").unwrap().bytes.clone();
    let point = bench.definition.nodes[&firn_proto::NodeId(1)].vault_key;
    let scalar = PublicScalar::from_slice(&[1; 32]).unwrap();
    let complaint = firn_proto::message::KeyComplaint {
        dealer: Identifier(2),
        shared_point: point,
        challenge: scalar,
        response: scalar,
    };
    bench.say(4, 1, key_id.into(), &Message::Relay(dealing));
    bench.say(4, 1, key_id.into(), &Message::KeyComplaint(complaint));
    bench.deliver();
    assert_eq!(bench.evidence, [(1, 4, Code::DkgComplaintFalse)]);
}

#[test]
fn a_complaint_without_its_dealing_proves_nothing() {
    let mut bench = Bench::new(3, 5);
    let key_id = bench.propose(1);
    let scalar = PublicScalar::from_slice(&[1; 32]).unwrap();
    let complaint = firn_proto::message::KeyComplaint {
        dealer: Identifier(2),
        shared_point: bench.definition.nodes[&firn_proto::NodeId(1)].vault_key,
        challenge: scalar,
        response: scalar,
    };
    bench.say(4, 1, key_id.into(), &Message::KeyComplaint(complaint));
    bench.accept_all(key_id);
    bench.say(4, 1, key_id.into(), &Message::KeyComplaint(complaint));
    bench.deliver();
    bench.say(4, 1, key_id.into(), &Message::KeyComplaint(complaint));
    bench.deliver();
    assert!(bench.evidence.is_empty());
    bench.settle(key_id);
}

#[test]
fn a_wrong_transcript_ends_without_blame_and_without_a_key() {
    let (bench, key_id) = attempt(|message, _| match message {
        Message::KeyEcho(digests) => {
            let mut other = digests.clone();
            other.insert(Identifier(1), firn_proto::Digest([9; 32]));
            Some(Message::KeyEcho(other))
        }
        other => Some(other.clone()),
    });
    assert_eq!(states(&bench, key_id), ["aborted"; 4]);
    assert!(bench.evidence.is_empty(), "a false echo proves nothing: {:?}", bench.evidence);
}

#[test]
fn r43_random_bodies_under_a_valid_signature_harm_nobody() {
    let (mut bench, key_id) = Bench::ready(3, 5);
    let request = bench.request(1);
    bench.submit(1, &request);
    for (_, message) in [(0, Message::KeyAccept), (1, Message::Solicit { attempt: 9 })] {
        for to in [1, 2, 3, 5] {
            bench.say(4, to, key_id.into(), &message);
            bench.say(4, to, request.id().into(), &message);
            bench.say(4, to, firn_proto::SessionId::default(), &message);
        }
    }
    let bogus = Willingness { status: Status::NotYet(Code::SubjectUnknown), commitments: None };
    bench.say(4, 1, firn_proto::SessionId::default(), &Message::Willingness(bogus));
    bench.deliver();
    bench.rounds(2);
    assert!([1, 2, 3, 5].iter().all(|id| bench.state(*id, &request) == "signed"));
    assert!(bench.evidence.is_empty());
}
