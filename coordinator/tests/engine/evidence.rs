//! One decision for each piece of evidence, and the verifier of each node's own organisation.

use crate::bench::Bench;
use alloy_primitives::{Address, B256};
use firn_coordinator::api::{ChainAnswer, Event, EvidenceVerdict};
use firn_coordinator::limits::RECHECK_MS;
use firn_proto::message::BlockReference;
use firn_proto::operation::Operation;
use firn_proto::{Code, Request};

const KEY: [u8; 32] = [7; 32];

impl Bench {
    /// A slash for this evidence.
    fn evidenced(&self, nonce: u8, hash: u8) -> Request {
        let mut slash = self.slash(nonce.into(), 5);
        (slash.operator, slash.evidenceHash) = (Address::with_last_byte(1), B256::repeat_byte(hash));
        self.signed(&KEY, Operation::SlashOperator(slash))
    }

    fn code(&self, node: u16, request: &Request) -> Option<Code> {
        let view = self.hosts[&node].engine.request(request.id()).unwrap();
        view.code.or_else(|| view.members.iter().find(|member| member.node.0 == node).unwrap().code)
    }

    fn codes(&self, request: &Request) -> [Option<Code>; 3] {
        [1, 2, 3].map(|node| self.code(node, request))
    }

    /// A 2-of-3 key whose nodes all have verifiers.
    fn verified() -> Self {
        let (mut bench, _) = Self::ready(2, 3);
        bench.verifiers = true;
        for node in 1..=3 {
            bench.restart(node);
        }
        bench.go_on();
        bench
    }

    fn go_on(&mut self) {
        self.deliver();
        self.rounds(2);
    }

    fn say_verdict(&mut self, node: u16, request: &Request, verdict: Option<bool>) {
        let verdict = verdict.map(|accepts| EvidenceVerdict::new(accepts, "seen"));
        self.event(node, Event::EvidenceChecked { request: request.id(), verdict });
        self.go_on();
    }

    fn asked_of(&self, node: u16, request: &Request) -> usize {
        self.checks.iter().filter(|asked| **asked == (node, request.id())).count()
    }

    fn is_signed(&self, request: &Request) -> bool {
        (1..=3).any(|node| self.state(node, request) == "signed")
    }
}

#[test]
fn r12_the_second_slash_for_a_piece_of_evidence_waits_and_is_refused_once_the_first_is_executed() {
    let (mut bench, _) = Bench::ready(2, 3);
    let [first, second, third] = [1, 2, 3].map(|nonce| bench.evidenced(nonce, 7));
    let other = bench.evidenced(4, 8);
    for request in [&first, &second, &other] {
        bench.submit(1, request);
        bench.go_on();
    }
    assert!(bench.is_signed(&first) && bench.is_signed(&other) && !bench.is_signed(&second));
    let lenders = bench.codes(&second).into_iter().filter(|code| *code == Some(Code::EvidenceLocked)).count();
    assert!(lenders >= 2, "{:?}", bench.codes(&second));
    bench.block += 1;
    let block = BlockReference { number: bench.block, ..BlockReference::default() };
    for node in 1..=3 {
        let answer = ChainAnswer::NonceUsed { block, used: true };
        bench.event(node, Event::ChainReplied { subject: first.id(), answer });
    }
    bench.fire_all("Recheck");
    bench.go_on();
    // Those that lent no share for the first look again when they are asked for one.
    let refused = (1..=3).filter(|node| bench.state(*node, &second) == "refused").count();
    assert!(refused >= 2 && !bench.is_signed(&second), "{:?}", bench.codes(&second));
    bench.restart(1);
    bench.submit(1, &third);
    bench.go_on();
    assert_eq!((bench.state(1, &third), bench.code(1, &third)), ("refused", Some(Code::EvidenceLocked)));
}

#[test]
fn r16_a_node_whose_verifier_has_not_answered_or_rejects_lends_no_share() {
    let mut bench = Bench::verified();
    let request = bench.evidenced(1, 7);
    bench.submit(1, &request);
    bench.go_on();
    assert_eq!(bench.codes(&request), [Some(Code::EvidenceUnchecked); 3]);
    bench.fire_all("Recheck");
    bench.go_on();
    assert_eq!([1, 2, 3].map(|node| bench.asked_of(node, &request)), [1; 3], "one question at a time");
    bench.say_verdict(1, &request, Some(true));
    bench.say_verdict(2, &request, Some(false));
    assert_eq!(bench.codes(&request), [None, Some(Code::EvidenceRejected), Some(Code::EvidenceUnchecked)]);
    assert_eq!(bench.state(2, &request), "refused");
    assert!(!bench.is_signed(&request), "one share of two");
    bench.say_verdict(3, &request, Some(true));
    assert!(bench.is_signed(&request));
    let view = bench.hosts[&2].engine.request(request.id()).unwrap();
    assert_eq!(view.evidence, Some(EvidenceVerdict::new(false, "seen")));
}

#[test]
fn a_verifier_that_gives_no_answer_is_asked_again_after_longer_and_longer_pauses() {
    let mut bench = Bench::verified();
    let request = bench.evidenced(1, 7);
    bench.submit(1, &request);
    bench.go_on();
    for (failures, pause) in [1_500, 3_000, 6_000, 12_000, 24_000, 48_000, 96_000, 96_000].into_iter().enumerate() {
        bench.say_verdict(1, &request, None);
        assert_eq!(bench.asked_of(1, &request), failures + 1);
        bench.now += pause - 1;
        bench.fire(1, "Recheck");
        assert_eq!(bench.asked_of(1, &request), failures + 1, "not before {pause} ms have passed");
        bench.now += 1;
        bench.fire(1, "Recheck");
        assert_eq!(bench.asked_of(1, &request), failures + 2);
    }
    bench.say_verdict(1, &request, Some(true));
    assert_eq!(bench.code(1, &request), None);
    bench.say_verdict(1, &request, Some(false));
    assert_eq!(bench.code(1, &request), None, "an answer that nobody asked for is none");
}

#[test]
fn a_question_that_was_not_put_says_nothing_of_the_verifier() {
    let mut bench = Bench::verified();
    let request = bench.evidenced(1, 7);
    bench.submit(1, &request);
    bench.go_on();
    for unasked in 1..=8 {
        bench.event(1, Event::EvidenceUnasked { request: request.id() });
        assert_eq!(bench.code(1, &request), Some(Code::EvidenceUnchecked));
        bench.now += RECHECK_MS;
        bench.fire(1, "Recheck");
        assert_eq!(bench.asked_of(1, &request), unasked + 1, "after as short a pause each time");
    }
    bench.say_verdict(1, &request, Some(true));
    assert_eq!(bench.code(1, &request), None);
    bench.event(1, Event::EvidenceUnasked { request: request.id() });
    assert_eq!(bench.asked_of(1, &request), 9, "it has been answered");
}

#[test]
fn a_verdict_survives_a_restart_and_what_had_none_is_asked_again() {
    let mut bench = Bench::verified();
    let request = bench.evidenced(1, 7);
    bench.submit(1, &request);
    bench.go_on();
    bench.say_verdict(1, &request, Some(true));
    bench.say_verdict(2, &request, Some(false));
    for node in 1..=3 {
        bench.restart(node);
    }
    bench.go_on();
    assert_eq!([1, 2, 3].map(|node| bench.asked_of(node, &request)), [1, 1, 2]);
    assert_eq!(bench.codes(&request), [None, Some(Code::EvidenceRejected), Some(Code::EvidenceUnchecked)]);
}
