//! What rules demand over time: budgets that rivals race for, waiting times by the chain's clock, rates that survive restarts.

use crate::bench::{AVS, Bench, WALL};
use crate::network::definition;
use alloy_primitives::{Address, U256};
use firn_coordinator::api::{ChainAnswer, Event};
use firn_coordinator::{Config, Engine};
use firn_proto::definition::Definition;
use firn_proto::message::BlockReference;
use firn_proto::policy::{Budget, PastSlash, Rate, Rule, Unit};
use firn_proto::time::WallTime;
use firn_proto::{Code, Incarnation, NodeId, Request};

fn ruled(rule: Rule) -> Definition {
    let mut content = (*definition(2, 3)).clone();
    content.policy.rules = [("only".to_owned(), rule)].into();
    Definition::new(content)
}

/// Of 100 wad a day for each operator, by a 2-of-3 key.
fn budgeted() -> Bench {
    let budget = Some(Budget { wad_max: U256::from(100), seconds: 86_400, per: Unit::Operator });
    Bench::ready_of(ruled(Rule { budget, ..Rule::default() })).0
}

impl Bench {
    fn ask(&mut self, node: u16, request: &Request) {
        self.submit(node, request);
        self.deliver();
        self.rounds(2);
    }

    /// Why a node does not lend its share.
    fn reason(&self, node: u16, request: &Request) -> Option<Code> {
        let view = self.hosts[&node].engine.request(request.id()).unwrap();
        view.members.iter().find(|member| member.node.0 == node).unwrap().code
    }

    fn reasons(&self, request: &Request) -> Vec<Option<Code>> {
        (1..=3).map(|node| self.reason(node, request)).collect()
    }

    /// The chain executes a request, and finalises the block.
    fn execute(&mut self, request: &Request) {
        let wads = vec![(Address::repeat_byte(0x33), request.operation().slash().unwrap().wadsToSlash[0])];
        let (operator, time) = (Address::repeat_byte(0x22), WallTime(WALL + self.now / 1_000));
        self.slashes.push(PastSlash { avs: AVS, operator_set_id: 0, operator, wads, time });
        self.block += 1;
        let block = BlockReference { number: self.block, ..BlockReference::default() };
        for id in 1..=3 {
            let answer = ChainAnswer::NonceUsed { block, used: true };
            self.event(id, Event::ChainReplied { subject: request.id(), answer });
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += seconds * 1_000;
        self.block_final();
        self.deliver();
        self.rounds(2);
    }
}

#[test]
fn r14_the_next_request_of_a_budget_waits_for_the_first_and_then_counts_it() {
    let mut bench = budgeted();
    let [first, second, third] = [(1, 60), (2, 41), (3, 40)].map(|(nonce, wad)| bench.request_of(nonce, wad));
    bench.ask(1, &first);
    assert_eq!(bench.state(1, &first), "signed");
    bench.ask(2, &second);
    let count = |bench: &Bench, code| bench.reasons(&second).into_iter().filter(|own| *own == Some(code)).count();
    assert_eq!(count(&bench, Code::BudgetLocked), 2, "both that have lent a share");
    bench.execute(&first);
    assert_eq!(count(&bench, Code::BudgetLocked), 2, "before the block is known, nothing is free");
    bench.pass(12);
    // The third member has no reason to look again before somebody asks it for a share.
    assert_eq!(count(&bench, Code::PolicyBudgetSpent), 2, "60 and 41");
    assert_eq!(bench.state(1, &second), "waiting");
    bench.ask(3, &third);
    assert_eq!(bench.state(1, &third), "signed", "60 and 40");
}

#[test]
fn r14_a_holder_is_known_after_a_restart_and_freed_when_it_lapses() {
    let mut bench = budgeted();
    let [first, second] = [(1, 60), (2, 30)].map(|(nonce, wad)| bench.request_of(nonce, wad));
    bench.ask(1, &first);
    let lenders: Vec<_> =
        (1..=3).filter(|id| bench.hosts[id].sealed.keys().any(|key| key.starts_with(b"lock/bucket/"))).collect();
    assert_eq!(lenders.len(), 2);
    lenders.iter().for_each(|id| bench.restart(*id));
    bench.deliver();
    for id in &lenders {
        // By itself, before any vault is asked: its refusal would say the same.
        bench.submit(*id, &second);
        assert_eq!(bench.reason(*id, &second), Some(Code::BudgetLocked), "n{id}");
    }
    bench.deliver();
    // Another deadline than the first one's, which is over.
    bench.now = (7_200 + 3_601) * 1_000;
    bench.pass(1);
    for id in lenders {
        assert!(!bench.hosts[&id].sealed.keys().any(|key| key.starts_with(b"lock/bucket/")), "n{id}");
    }
}

#[test]
fn r14_slashes_that_cannot_be_read_leave_no_budget() {
    let mut bench = budgeted();
    bench.facts = |facts| facts.history = None;
    let request = bench.request_of(1, 1);
    bench.ask(1, &request);
    assert_eq!(bench.reasons(&request), [Some(Code::SlashHistoryUnavailable); 3]);
    bench.facts = |_| {};
    bench.rounds(2);
    assert_eq!(bench.state(1, &request), "signed");
}

#[test]
fn r14_facts_from_before_an_executed_slash_decide_nothing() {
    let mut bench = budgeted();
    let [first, second] = [(1, 60), (2, 60)].map(|(nonce, wad)| bench.request_of(nonce, wad));
    bench.ask(1, &first);
    bench.execute(&first);
    bench.pass(12);
    for _ in 0..2 {
        // The endpoint answers for a block before the slash, also after a restart.
        let behind = std::mem::take(&mut bench.slashes);
        let newest = std::mem::replace(&mut bench.block, 3);
        bench.ask(2, &second);
        assert_eq!(bench.reasons(&second), [Some(Code::ChainBehind); 3]);
        (bench.slashes, bench.block) = (behind, newest);
        (1..=3).for_each(|id| bench.restart(id));
        bench.deliver();
    }
    bench.pass(12);
    assert_eq!(bench.reasons(&second), [Some(Code::PolicyBudgetSpent); 3]);
}

fn delayed() -> Bench {
    Bench::ready_of(ruled(Rule { delay_seconds: Some(600), ..Rule::default() })).0
}

#[test]
fn r17_no_share_leaves_before_the_waiting_time_is_over_whatever_our_clock_says() {
    let mut bench = delayed();
    let request = bench.request(1);
    bench.ask(1, &request);
    assert_eq!(bench.reasons(&request), [Some(Code::PolicyDelay); 3]);
    for ahead in [0, 700, 6_000] {
        bench.ahead = ahead;
        bench.pass(1);
        assert_eq!(bench.reasons(&request), [Some(Code::PolicyDelay); 3], "{ahead} s ahead");
    }
    bench.ahead = 0;
    (1..=3).for_each(|id| bench.restart(id));
    bench.deliver();
    bench.pass(596);
    assert_eq!(bench.reasons(&request), [Some(Code::PolicyDelay); 3], "599 s since it came in");
    // A chain that goes back in time takes nothing away, and adds nothing.
    bench.now -= 300_000;
    bench.block_final();
    bench.now += 300_000;
    bench.pass(1);
    assert_eq!(
        bench.reasons(&request),
        [Some(Code::PolicyDelay); 3],
        "600 s, and 599 since the next block after it came in"
    );
    bench.pass(1);
    assert_eq!(bench.state(1, &request), "signed");
}

#[test]
fn r17_a_request_that_cannot_wait_so_long_is_refused_when_it_comes_in() {
    let mut bench = delayed();
    let [late, request] = [1, 2].map(|nonce| bench.request(nonce));
    bench.now = (7_200 - 600) * 1_000;
    bench.block_final();
    bench.ask(1, &request);
    assert_eq!(bench.reasons(&request), [Some(Code::PolicyDelay); 3], "it fits to the second");
    bench.now += 1_000;
    bench.block_final();
    // A clock of ours that is behind does not let it in.
    bench.submit(1, &late);
    bench.deliver();
    assert_eq!(bench.answers.last(), Some(&(1, Err(Code::PolicyDelayPastDeadline))));
}

fn rated() -> Bench {
    Bench::ready_of(ruled(Rule { rate: Some(Rate { requests: 3, seconds: 60 }), ..Rule::default() })).0
}

#[test]
fn r15_a_burst_and_a_slow_drip_meet_the_rate() {
    let mut bench = rated();
    let mut nonce = 0;
    let mut post = |bench: &mut Bench| {
        nonce += 1;
        let request = bench.request(nonce);
        let wait = bench.hosts[&1].engine.rate_wait(&request);
        bench.submit(1, &request);
        bench.deliver();
        let taken = bench.answers.last().unwrap().1;
        assert_eq!(taken.is_err(), wait.is_some());
        assert!(taken.is_ok() || taken == Err(Code::PolicyRate));
        wait
    };
    assert_eq!([0; 5].map(|_| post(&mut bench)), [None, None, None, Some(60), Some(60)]);
    bench.pass(59);
    assert_eq!(post(&mut bench), Some(1));
    bench.pass(1);
    // One every 20 s for as long as one likes, and no more.
    for _ in 0..5 {
        assert_eq!(post(&mut bench), None);
        bench.pass(10);
        bench.pass(10);
    }
    assert_eq!([0; 2].map(|_| post(&mut bench)), [None, Some(20)]);
    bench.ahead = 3_000;
    assert_eq!(post(&mut bench), Some(20), "our own clock lets nobody in");
}

#[test]
fn r15_the_count_survives_a_restart_and_is_never_fresh_where_it_cannot_be_read() {
    let mut bench = rated();
    for nonce in 1..=3 {
        let request = bench.request(nonce);
        bench.submit(1, &request);
        bench.deliver();
    }
    bench.restart(1);
    bench.deliver();
    let fourth = bench.request(4);
    bench.submit(1, &fourth);
    bench.deliver();
    assert_eq!(bench.answers.last(), Some(&(1, Err(Code::PolicyRate))));
    // A counter that cannot be read: no engine at all.
    let mut records = bench.hosts[&1].all_records();
    let of_request =
        |record: &&mut firn_coordinator::api::Record| record.family == firn_coordinator::api::Family::Requests;
    records.iter_mut().find(of_request).unwrap().value.as_mut().unwrap().truncate(9);
    let config = Config {
        definition: bench.definition.clone(),
        me: NodeId(1),
        incarnation: Incarnation::new(9, 0),
        check_evidence: false,
        refresh_after: Some(0),
    };
    assert_eq!(Engine::restore(config, &records).unwrap_err().0, Code::RecordCorrupt);
}

#[test]
fn r15_each_member_counts_for_itself_and_asks_again_later() {
    let mut bench = rated();
    // One member has taken three in that the others have not heard of.
    bench.dropped = [(3, 1), (3, 2)].into();
    for nonce in 1..=3 {
        let request = bench.request(nonce);
        bench.submit(3, &request);
        bench.deliver();
    }
    bench.dropped.clear();
    let fourth = bench.request(4);
    bench.submit(1, &fourth);
    bench.deliver();
    assert_eq!(bench.answers.last(), Some(&(1, Ok(()))));
    assert_eq!(bench.state(3, &fourth), "none", "full there");
    let view = bench.hosts[&1].engine.request(fourth.id()).unwrap();
    let third = view.members.iter().find(|member| member.node.0 == 3).unwrap();
    assert_eq!((third.status, third.code), ("not yet", Some(Code::PolicyRate)), "and not for good");
    bench.pass(61);
    bench.rounds(3);
    assert_ne!(bench.state(3, &fourth), "none", "it is offered once more");
}

#[test]
fn r17_a_slash_that_cannot_make_it_before_the_stake_is_free_is_refused_at_once() {
    // Two minutes for signing and relaying are ten blocks of 12 s, and the rule's hour is 300.
    let delayed = || Bench::ready_of(ruled(Rule { delay_seconds: Some(3_600), ..Rule::default() })).0;
    let plain = || Bench::ready(2, 3).0;
    let refused = |mut bench: Bench, facts: fn(&mut firn_coordinator::api::SlashFacts)| {
        bench.facts = facts;
        let request = bench.request(1);
        bench.ask(1, &request);
        let view = bench.hosts[&1].engine.request(request.id()).unwrap();
        (view.code, view.window)
    };
    let after = |bench, facts| refused(bench, facts).0;
    assert_eq!(after(plain(), |facts| facts.last_block = facts.block.number + 10), None);
    assert_eq!(after(plain(), |facts| facts.last_block = facts.block.number + 9), Some(Code::SlashTooLate));
    assert_eq!(after(plain(), |facts| facts.last_block = 0), Some(Code::SlashTakesNothing));
    assert_eq!(after(delayed(), |facts| facts.last_block = facts.block.number + 310), None);
    let (code, window) = refused(delayed(), |facts| facts.last_block = facts.block.number + 309);
    let (first, last) = window.unwrap();
    assert_eq!((code, first - last), (Some(Code::SlashTooLate), 1), "and both are shown");
}
