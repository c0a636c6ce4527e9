//! The end of a request on chain: what its locks bar, and when they are free.

use crate::bench::{Bench, WALL};
use alloy_primitives::U256;
use firn_coordinator::api::{ChainAnswer, Event};
use firn_proto::message::BlockReference;
use firn_proto::operation::Operation;
use firn_proto::request::{Request, SignedRequest};

/// Another payload by the nonce of `request`, which lives longer.
fn rival(bench: &Bench, request: &Request) -> Request {
    let mut slash = request.operation().slash().unwrap().clone();
    slash.wadsToSlash = vec![U256::from(81)];
    slash.deadline = WALL + 40_000;
    let operation = Operation::SlashOperator(slash);
    let key = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let (signature, recovery) = key.sign_prehash_recoverable(&operation.id(&bench.definition).0.0).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    SignedRequest { operation, signature: bytes }.verify(&bench.definition).unwrap()
}

fn locks(bench: &Bench, id: u16, kind: &str) -> usize {
    bench.hosts[&id].sealed.keys().filter(|key| key.starts_with(kind.as_bytes())).count()
}

fn used(bench: &mut Bench, request: &Request) {
    let answer = ChainAnswer::NonceUsed { block: BlockReference::default(), used: true };
    for id in 1..=3 {
        bench.event(id, Event::ChainReplied { subject: request.id(), answer: answer.clone() });
    }
}

fn at(bench: &mut Bench, seconds: u64) {
    bench.now = seconds * 1_000;
    bench.block_final();
    bench.deliver();
}

fn submit(bench: &mut Bench, request: &Request) -> &'static str {
    bench.submit(1, request);
    bench.deliver();
    bench.state(1, request)
}

#[test]
fn r12_a_lapsed_request_makes_room_for_a_rival() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    let rival = rival(&bench, &request);
    assert_eq!(submit(&mut bench, &request), "signed");
    at(&mut bench, 7_200 + 3_600);
    assert_eq!(submit(&mut bench, &rival), "none", "the first may still stand in a block that is not final");
    at(&mut bench, 7_200 + 3_601);
    assert_eq!(bench.state(1, &request), "expired");
    assert_eq!((1..=3).map(|id| locks(&bench, id, "lock/")).sum::<usize>(), 0);
    assert_eq!(submit(&mut bench, &rival), "signed");
    assert_eq!((1..=3).map(|id| locks(&bench, id, "lock/")).sum::<usize>(), 4, "two signers, two locks each");
}

#[test]
fn r12_no_rival_of_an_executed_request_is_ever_signed() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    let rival = rival(&bench, &request);
    assert_eq!(submit(&mut bench, &request), "signed");
    used(&mut bench, &request);
    at(&mut bench, 10);
    for id in 1..=3 {
        assert_eq!((locks(&bench, id, "lock/account/"), locks(&bench, id, "lock/requester/")), (0, 1), "n{id}");
    }
    at(&mut bench, 20_000);
    bench.restart(1);
    at(&mut bench, 20_001);
    assert_eq!(submit(&mut bench, &rival), "none");
}

#[test]
fn r12_what_was_executed_without_our_knowledge_is_found_before_its_nonce_is_free() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.facts = |facts| facts.slashable = false;
    let request = bench.request(7);
    let rival = rival(&bench, &request);
    assert_eq!(submit(&mut bench, &request), "waiting");
    at(&mut bench, 7_200 + 601);
    assert_eq!((bench.state(1, &request), submit(&mut bench, &rival)), ("expired", "none"));
    bench.chain_silent = true;
    at(&mut bench, 7_200 + 3_601);
    assert_eq!(submit(&mut bench, &rival), "none", "the chain has not answered");
    used(&mut bench, &request);
    at(&mut bench, 7_200 + 3_602);
    assert_eq!((bench.state(1, &request), submit(&mut bench, &rival)), ("executed", "none"));
}
