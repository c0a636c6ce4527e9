//! A member whose author key an attacker has, beside its honest self.

use crate::stage::{
    MINUTE, Voice, alive, all_active, blamed, executed, nodes, proposal, ready, slash, start, state, world,
};
use firn_proto::message::{KeyRound1, SignatureShare};
use firn_proto::{Code, Digest, Message, NodeId, PublicScalar, SessionId};
use firn_sim::World;
use firn_vault::api::{Reply, Request as VaultRequest};

#[test]
fn two_round_1_packages_to_two_halves_end_the_attempt_and_prove_it() {
    let mut world = world(21, 3, 5);
    let mut voice = Voice::of(&world, 5);
    let proposal = proposal(&world, 1);
    let key_id = start(&mut world, 1);
    assert!(world.run_until(MINUTE, |w| state(w, 1, key_id) == "round-1"));
    let Reply::Dealt { package, .. } = voice.ask(VaultRequest::Deal { proposal }) else { panic!("not dealt") };
    let second: KeyRound1 = package;
    let envelope = voice.envelope(key_id.into(), Message::KeyRound1(second));
    for half in [1, 2] {
        world.inject(voice.node, NodeId(half), envelope.clone());
    }
    let ended = |w: &World| (1..=4).all(|n| matches!(state(w, n, key_id), "aborted" | "undecided"));
    assert!(world.run_until(MINUTE, ended));
    let blamed = blamed(&world);
    assert!(!blamed.is_empty() && blamed.iter().all(|culprit| *culprit == 5), "{blamed:?}");
    let again = start(&mut world, 2);
    assert!(all_active(&mut world, again), "the next attempt succeeds");
}

#[test]
fn random_bytes_and_words_out_of_place_do_not_stop_a_signature() {
    let mut world = ready(22, 3, 5);
    let mut voice = Voice::of(&world, 4);
    let key_id = world.node(NodeId(1)).unwrap().engine.keys()[0].key_id;
    let request = slash(&world, 1);
    world.submit(NodeId(1), request.clone());
    let share = SignatureShare {
        package: Digest([1; 32]),
        share: PublicScalar::from_slice(&[1; 32]).unwrap(),
        next: Vec::new(),
        audit: 0,
    };
    for to in nodes(&world).into_iter().filter(|to| *to != 4) {
        for length in [0, 1, 100, 70_000] {
            world.inject(voice.node, NodeId(to), vec![0x5a; length]);
        }
        for session in [request.id().into(), key_id.into(), SessionId::default()] {
            for message in [
                Message::KeyAccept,
                Message::Solicit { attempt: u32::MAX },
                Message::SignatureShare(share.clone()),
                Message::ShareRefused { package: Digest([1; 32]), code: Code::Draining, shunned: None },
                Message::Relay(vec![1, 2, 3]),
            ] {
                let envelope = voice.envelope(session, message);
                world.inject(voice.node, NodeId(to), envelope.clone());
                // Under another's name, as a channel's owner must not.
                world.inject(NodeId(3), NodeId(to), envelope);
            }
        }
    }
    assert!(world.run_until(MINUTE, |w| executed(w, &request)));
    assert_eq!(blamed(&world), Vec::<u16>::new());
    assert_eq!(world.chain().executions().len(), 1);
}

#[test]
fn words_of_an_earlier_attempt_do_not_touch_a_later_one() {
    let mut world = world(23, 3, 5);
    let mut voice = Voice::of(&world, 4);
    let first = start(&mut world, 1);
    world.kill(NodeId(5));
    assert!(world.run_until(15 * MINUTE, |w| (1..=4).all(|n| state(w, n, first) == "aborted")));
    world.restart(NodeId(5));
    let second = start(&mut world, 2);
    let abort = firn_proto::message::KeyAbort { code: Code::DkgMissing, missing: Vec::new(), culprit: None };
    for to in [1, 2, 3, 5] {
        for message in [Message::KeyAbort(abort.clone()), Message::KeyAccept] {
            let envelope = voice.envelope(first.into(), message);
            world.inject(voice.node, NodeId(to), envelope);
        }
    }
    assert!(all_active(&mut world, second));
    assert_eq!(blamed(&world), Vec::<u16>::new());
}

#[test]
fn r44_lies_about_the_outcome_are_seen_through() {
    let mut world = ready(24, 3, 5);
    let mut voice = Voice::of(&world, 4);
    let request = slash(&world, 1);
    world.submit(NodeId(1), request.clone());
    let known = |w: &World| w.node(NodeId(2)).unwrap().engine.request(request.id()).is_some();
    assert!(world.run_until(MINUTE, known));
    let generator = firn_proto::Point::from_affine(&k256::AffinePoint::GENERATOR).unwrap();
    let forged = firn_proto::GroupSignature::new(&generator, &PublicScalar::from_slice(&[1; 32]).unwrap());
    let envelope = voice.envelope(request.id().into(), Message::Signed(forged));
    [1, 2, 3, 5].iter().for_each(|to| world.inject(voice.node, NodeId(*to), envelope.clone()));
    assert!(world.run_until(MINUTE, |w| executed(w, &request)));
    for (_, node) in alive(&world) {
        assert_ne!(node.engine.request(request.id()).unwrap().signature, Some(forged));
    }
}
