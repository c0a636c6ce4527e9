//! Slashes through a gate: two payloads of one request, with the chain's delay between them.

use crate::bench::{AVS, Bench, GATE_DELAY, WALL};
use crate::network::definition;
use crate::people::governed;
use alloy_primitives::{Address, B256};
use firn_coordinator::api::{ChainAnswer, Event, SlashFacts};
use firn_proto::account::nonce_of;
use firn_proto::definition::{Contracts, Definition};
use firn_proto::message::BlockReference;
use firn_proto::operation::Operation;
use firn_proto::opinion::Decision;
use firn_proto::request::second_of;
use firn_proto::time::WallTime;
use firn_proto::{Code, Request};

fn gated() -> Definition {
    gated_of(&definition(2, 3))
}

fn gated_of(definition: &Definition) -> Definition {
    let mut content = (**definition).clone();
    let [manager, timelock, timelock_veto, gate, treasury] = [1, 2, 3, 4, 5].map(Address::with_last_byte);
    content.contracts = vec![Contracts { avs: AVS, manager, timelock, timelock_veto, gate, treasury, declared: None }];
    Definition::new(content)
}

impl Bench {
    fn gated() -> Self {
        Self::ready_of(gated()).0
    }

    pub(crate) fn gated_slash(&self, nonce: u64, evidence: u8) -> Request {
        let mut slash = self.slash(nonce, 5);
        slash.evidenceHash = B256::repeat_byte(evidence);
        self.signed(&crate::bench::REQUESTER, Operation::SlashOperator(slash))
    }

    fn submit_gated(&mut self, request: &Request) {
        self.submit(1, request);
        self.go_on_gated();
    }

    fn go_on_gated(&mut self) {
        self.deliver();
        self.rounds(3);
    }

    /// The chain executes one of a request's payloads, and finalises the block.
    fn execute_payload(&mut self, request: &Request, second: bool) {
        self.block += 1;
        let block = BlockReference { number: self.block, ..BlockReference::default() };
        let subject = if second { second_of(request.id()) } else { request.id() };
        for node in 1..=3 {
            if self.hosts[&node].alive {
                self.event(node, Event::ChainReplied { subject, answer: ChainAnswer::NonceUsed { block, used: true } });
            }
        }
    }

    /// The first payload is on chain; what it scheduled waits.
    fn scheduled(&mut self, request: &Request) {
        self.ready = Some(WallTime(WALL + self.now / 1_000 + GATE_DELAY));
        self.execute_payload(request, false);
        self.go_on_gated();
    }

    fn wait(&mut self, seconds: u64) {
        self.now += seconds * 1_000;
        self.block_final();
        self.go_on_gated();
    }

    /// A slash was scheduled, cancelled on chain, and has lapsed: another for the same evidence, not submitted yet.
    fn after_one_that_was_cancelled(&mut self) -> Request {
        let first = self.gated_slash(1, 7);
        self.submit_gated(&first);
        self.scheduled(&first);
        self.ready = None;
        self.wait(GATE_DELAY);
        // The deadline, two hours away, and the grace of an hour.
        self.wait(7_200);
        self.wait(3_601);
        let mut slash = self.slash(2, 5);
        (slash.evidenceHash, slash.deadline) = (B256::repeat_byte(7), WALL + self.now / 1_000 + 7_200);
        self.signed(&crate::bench::REQUESTER, Operation::SlashOperator(slash))
    }

    fn view(&self, node: u16, request: &Request) -> firn_coordinator::view::SubjectView {
        self.hosts[&node].engine.request(request.id()).unwrap()
    }

    fn states(&self, request: &Request) -> [&'static str; 3] {
        [1, 2, 3].map(|node| self.state(node, request))
    }
}

#[test]
fn a_slash_through_a_gate_is_scheduled_and_once_its_delay_is_over_executed() {
    let mut bench = Bench::gated();
    let request = bench.gated_slash(1, 7);
    bench.submit_gated(&request);
    assert_eq!(bench.states(&request), ["signed"; 3], "the first payload");
    let schedule = bench.view(1, &request).signature;
    bench.scheduled(&request);
    assert_eq!(bench.states(&request), ["scheduled"; 3]);
    bench.wait(GATE_DELAY - 1);
    assert_eq!(bench.states(&request), ["scheduled"; 3], "a second too early");
    assert!((1..=3).all(|node| bench.view(node, &request).signature.is_none()));
    bench.wait(1);
    assert_eq!(bench.states(&request), ["signed"; 3], "the second payload");
    let view = bench.view(1, &request);
    assert_eq!(view.schedule.unwrap().signature, schedule);
    assert_ne!(view.signature, schedule);
    let payload = |request: &Request| request.execute(&bench.definition);
    let second = request.second(&bench.definition).unwrap();
    assert_eq!([payload(&request).nonce, payload(&second).nonce], [nonce_of(request.id()), nonce_of(second.id())]);
    bench.execute_payload(&request, true);
    assert_eq!(bench.states(&request), ["executed"; 3]);
    assert_eq!(bench.hosts[&1].engine.requests().len(), 1, "one request, of two sessions");
}

#[test]
fn r20_what_was_cancelled_on_chain_gets_no_second_signature() {
    let mut bench = Bench::gated();
    let request = bench.gated_slash(1, 7);
    bench.submit_gated(&request);
    bench.scheduled(&request);
    bench.ready = None;
    bench.wait(GATE_DELAY);
    assert_eq!(bench.states(&request), ["refused"; 3]);
    assert_eq!(bench.view(1, &request).code, Some(Code::ScheduleGone));
    assert!((1..=3).all(|node| bench.view(node, &request).signature.is_none()));
}

#[test]
fn r12_evidence_is_held_from_the_first_share_to_the_end_of_the_second_session() {
    let mut bench = Bench::gated();
    let [first, rival, late] = [1, 2, 3].map(|nonce| bench.gated_slash(nonce, 7));
    bench.submit_gated(&first);
    bench.scheduled(&first);
    bench.submit_gated(&rival);
    let refused = |bench: &Bench, request: &Request| {
        let view = bench.view(1, request);
        assert!(view.signature.is_none() && view.schedule.is_none());
        view.members.iter().filter(|member| member.code == Some(Code::EvidenceLocked)).count()
    };
    assert_eq!(refused(&bench, &rival), 3, "also where no share was lent for the first");
    for node in 1..=3 {
        bench.restart(node);
    }
    bench.go_on_gated();
    assert_eq!(refused(&bench, &rival), 3, "and after a restart");
    bench.wait(GATE_DELAY);
    assert_eq!(bench.states(&first), ["signed"; 3], "its own evidence");
    bench.execute_payload(&first, true);
    bench.wait(1);
    bench.submit_gated(&late);
    assert_eq!((bench.state(1, &late), bench.view(1, &late).code), ("refused", Some(Code::EvidenceLocked)));
}

#[test]
fn r12_the_evidence_of_a_slash_that_was_cancelled_on_chain_is_free_once_that_can_execute_no_more() {
    let mut bench = Bench::gated();
    let again = bench.after_one_that_was_cancelled();
    bench.submit_gated(&again);
    assert_eq!(bench.states(&again), ["signed"; 3], "{:?}", bench.view(1, &again).members);
}

#[test]
fn r17_a_slash_is_refused_where_the_delay_on_chain_outlasts_deadline_or_stake() {
    let code = |deadline: u64, facts: fn(&mut SlashFacts)| {
        let mut bench = Bench::gated();
        bench.facts = facts;
        let mut slash = bench.slash(1, 5);
        (slash.evidenceHash, slash.deadline) = (B256::repeat_byte(7), WALL + bench.now / 1_000 + deadline);
        let request = bench.signed(&crate::bench::REQUESTER, Operation::SlashOperator(slash));
        bench.submit_gated(&request);
        bench.view(1, &request).code
    };
    // Two minutes for each signature, and twenty until the delay's end is final.
    assert_eq!(code(GATE_DELAY + 240 + 1_200, |_| {}), None);
    assert_eq!(code(GATE_DELAY + 240 + 1_199, |_| {}), Some(Code::DeadlineTooEarly));
    // An hour and four minutes are 320 blocks of 12 s.
    assert_eq!(code(7_200, |facts| facts.last_block = facts.block.number + 320), None);
    assert_eq!(code(7_200, |facts| facts.last_block = facts.block.number + 319), Some(Code::SlashTooLate));
}

#[test]
fn the_gate_must_be_the_slasher_and_must_not_have_used_the_evidence() {
    type Change = fn(&mut SlashFacts);
    let cases: [(Change, Code); 4] = [
        (|facts| facts.slasher = Address::repeat_byte(9), Code::SlasherMismatch),
        (|facts| facts.gate = None, Code::ChainUnavailable),
        (|facts| facts.gate.as_mut().unwrap().used_by = B256::repeat_byte(1), Code::EvidenceLocked),
        (|facts| facts.gate.as_mut().unwrap().call_succeeds = false, Code::CallReverts),
    ];
    for (facts, code) in cases {
        let mut bench = Bench::gated();
        bench.facts = facts;
        let request = bench.gated_slash(1, 7);
        bench.submit_gated(&request);
        let view = bench.view(2, &request);
        let said = view.code.or_else(|| view.members.iter().find_map(|member| member.code));
        assert_eq!((view.signature, said), (None, Some(code)));
    }
}

#[test]
fn a_node_that_was_away_when_it_was_scheduled_joins_the_second_session() {
    let mut bench = Bench::gated();
    let request = bench.gated_slash(1, 7);
    bench.kill(3);
    bench.submit_gated(&request);
    bench.scheduled(&request);
    bench.kill(2);
    bench.restart(3);
    bench.restart(2);
    bench.go_on_gated();
    bench.execute_payload(&request, false);
    bench.go_on_gated();
    bench.kill(1);
    bench.wait(GATE_DELAY);
    bench.rounds(5);
    assert_eq!([2, 3].map(|node| bench.state(node, &request)), ["signed"; 2], "{:?}", bench.view(3, &request));
}

#[test]
fn r20_what_people_say_counts_until_the_second_payload_is_signed() {
    let (mut bench, _) = Bench::ready_of(gated_of(&governed(2, 3)));
    let request = bench.gated_slash(1, 7);
    bench.submit_gated(&request);
    assert_eq!(bench.states(&request), ["waiting"; 3], "for two people");
    for person in [1, 2] {
        bench.speak(2, person, &request, Decision::Approve, 1);
    }
    bench.go_on_gated();
    assert_eq!(bench.states(&request), ["signed"; 3]);
    bench.scheduled(&request);
    bench.speak(3, 2, &request, Decision::Withdraw, 2);
    bench.wait(GATE_DELAY);
    assert_eq!(bench.states(&request), ["waiting"; 3], "an approval is gone");
    let missing = |member: &firn_coordinator::view::MemberView| member.code == Some(Code::PolicyApprovalsMissing);
    assert!(bench.view(1, &request).members.iter().all(missing), "{:?}", bench.view(1, &request).members);
    bench.speak(3, 3, &request, Decision::Approve, 1);
    bench.speak(3, 1, &request, Decision::Veto, 2);
    bench.go_on_gated();
    assert_eq!(bench.states(&request), ["refused"; 3]);
    assert_eq!(bench.view(2, &request).code, Some(Code::RequestVetoed));
    bench.wait(60);
    assert!((1..=3).all(|node| bench.view(node, &request).signature.is_none()));
}

#[test]
fn r12_a_slash_that_was_cancelled_takes_no_evidence_from_its_successor_at_a_restart() {
    let mut bench = Bench::gated();
    let second = bench.after_one_that_was_cancelled();
    bench.submit_gated(&second);
    bench.scheduled(&second);
    bench.wait(1);
    let locks = |bench: &Bench| {
        let sealed = |node: u16| {
            let records = bench.hosts.get(&node).unwrap().sealed.iter();
            records
                .filter(|(key, _)| key.starts_with(b"lock/evidence/"))
                .map(|(_, value)| value.clone())
                .collect::<Vec<_>>()
        };
        [1, 2, 3].map(sealed)
    };
    let held = locks(&bench);
    assert!(held.iter().all(|locks| locks.len() == 1));
    for node in 1..=3 {
        bench.restart(node);
    }
    for _ in 0..3 {
        bench.wait(1);
    }
    assert_eq!(locks(&bench), held, "not written anew");
    bench.wait(GATE_DELAY);
    assert_eq!(bench.states(&second), ["signed"; 3]);
}

#[test]
fn r20_people_stop_at_any_node_what_was_scheduled_while_that_was_away() {
    let (mut bench, _) = Bench::ready_of(gated_of(&governed(2, 3)));
    let request = bench.gated_slash(1, 7);
    bench.submit_gated(&request);
    for person in [1, 2] {
        bench.speak(2, person, &request, Decision::Approve, 1);
    }
    bench.kill(3);
    bench.go_on_gated();
    bench.scheduled(&request);
    bench.restart(3);
    bench.go_on_gated();
    bench.execute_payload(&request, false);
    bench.go_on_gated();
    bench.speak(3, 1, &request, Decision::Veto, 2);
    bench.go_on_gated();
    assert_eq!(bench.states(&request), ["refused"; 3]);
    assert!((1..=3).all(|node| bench.view(node, &request).code == Some(Code::RequestVetoed)));
}
