//! The first attempt ahead of anybody's answer, the commitments that it takes, and what it falls back to.

use crate::bench::{Bench, Lie};
use crate::script::Script;
use firn_coordinator::api::Event;
use firn_coordinator::limits::{POOL_ANSWER_BURST, POOL_TARGET};
use firn_proto::limits::NONCE_LIFETIME_SECONDS;
use firn_proto::{Code, Epoch, KeyId, Message, Request};

/// A bench of which n1 has coordinated.
fn warm(t: u16, n: u16) -> (Bench, KeyId) {
    let (mut bench, key_id) = Bench::ready(t, n);
    let first = bench.request(1);
    bench.submit(1, &first);
    bench.deliver();
    bench.fire(1, "Pools");
    bench.deliver();
    bench.sent.clear();
    (bench, key_id)
}

fn count(bench: &Bench, name: &str) -> usize {
    bench.sent.iter().filter(|flight| flight.name == name).count()
}

#[test]
fn the_package_follows_the_request_before_any_answer() {
    let (mut bench, _) = warm(2, 3);
    bench.chain_silent = true;
    insta::assert_snapshot!(Script::new(bench, None).run("watch n1\n submit n1 7"));
}

#[test]
fn a_package_waits_for_the_verdict_over_its_request() {
    let (mut bench, _) = warm(2, 3);
    let request = bench.request(7);
    bench.chain_silent = true;
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!((count(&bench, "SignatureShare"), count(&bench, "ShareRefused")), (0, 0), "nobody knows yet");
    bench.chain_silent = false;
    for (id, subject) in std::mem::take(&mut bench.asked) {
        let query = slash_query(&request);
        let answer = bench.answer(&query);
        bench.event(id, Event::ChainReplied { subject, answer });
    }
    bench.deliver();
    assert_eq!(bench.state(3, &request), "signed", "without any timer");
    assert_eq!(count(&bench, "SigningPackage"), 1);
}

fn slash_query(request: &Request) -> firn_coordinator::api::ChainQuery {
    firn_coordinator::api::ChainQuery::Slash {
        avs: crate::bench::AVS,
        operator: alloy_primitives::Address::repeat_byte(0x22),
        operator_set_id: 0,
        strategies: Vec::new(),
        account: request.account(),
        nonce: firn_proto::account::nonce_of(request.id()),
        wads: Vec::new(),
        history_seconds: None,
        slasher: request.account(),
        gate: None,
    }
}

#[test]
fn a_refused_first_attempt_falls_back_to_the_willing_at_once() {
    for code in [Code::ChainUnavailable, Code::CommitmentUnknown, Code::Draining] {
        let (mut bench, _) = warm(3, 5);
        let lie: Lie = match code {
            Code::ChainUnavailable => |message, _| refuse(message, Code::ChainUnavailable),
            Code::CommitmentUnknown => |message, _| refuse(message, Code::CommitmentUnknown),
            _ => |message, _| refuse(message, Code::Draining),
        };
        bench.liars.insert(2, lie);
        let request = bench.request(7);
        bench.submit(1, &request);
        bench.deliver();
        assert_eq!(bench.state(5, &request), "signed", "{code}: without any timer");
    }
}

fn refuse(message: &Message, code: Code) -> Option<Message> {
    match message {
        Message::SignatureShare(share) => Some(Message::ShareRefused { package: share.package, code, shunned: None }),
        other => Some(other.clone()),
    }
}

#[test]
fn expired_commitments_are_not_used() {
    let (mut bench, _) = warm(2, 3);
    bench.now += 1_000 * NONCE_LIFETIME_SECONDS;
    bench.chain_silent = true;
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(count(&bench, "SigningPackage"), 0);
    bench.fire(1, "Pools");
    bench.deliver();
    assert_eq!(count(&bench, "CommitmentsOffered"), 2, "pools are filled anew");
}

#[test]
fn pools_grow_with_each_share_and_stop_at_the_target() {
    let (mut bench, _) = warm(2, 3);
    for nonce in 2..20 {
        let request = bench.request(nonce);
        bench.submit(1, &request);
        bench.deliver();
    }
    bench.sent.clear();
    bench.now += 1_000_000;
    bench.fire(1, "Pools");
    bench.deliver();
    assert_eq!(count(&bench, "CommitmentsWanted"), 0, "every pool is full enough");
    // A burst of as many as the target finds commitments for all.
    bench.chain_silent = true;
    let burst: Vec<_> = (0..=POOL_TARGET as u64).map(|nonce| bench.request(100 + nonce)).collect();
    burst.iter().for_each(|request| bench.submit(1, request));
    let packages = count(&bench, "SigningPackage");
    assert!((POOL_TARGET..=POOL_TARGET + 1).contains(&packages), "{packages} packages");
}

#[test]
fn only_who_has_coordinated_in_this_boot_keeps_pools() {
    let (mut bench, _) = Bench::ready(2, 3);
    (1..=3).for_each(|id| bench.restart(id));
    bench.deliver();
    let request = bench.request(1);
    bench.submit(2, &request);
    bench.deliver();
    let keeps = |id: &u16| bench.hosts[id].timers.iter().any(|timer| crate::show::timer_name(timer) == "Pools");
    assert_eq!((1..=3).filter(keeps).collect::<Vec<_>>(), [2]);
}

#[test]
fn an_owner_answers_a_coordinator_that_asks_without_end_a_few_times() {
    let (mut bench, key_id) = warm(2, 3);
    for _ in 0..50 {
        bench.say(3, 2, key_id.into(), &Message::CommitmentsWanted { epoch: Epoch(0), count: 16 });
        bench.say(3, 2, key_id.into(), &Message::CommitmentsWanted { epoch: Epoch(7), count: 16 });
    }
    bench.deliver();
    assert_eq!(count(&bench, "CommitmentsOffered") as u64, POOL_ANSWER_BURST);
    // And a coordinator asks one owner once in five minutes at most.
    bench.sent.clear();
    (0..10).for_each(|_| bench.fire(1, "Pools"));
    assert_eq!(count(&bench, "CommitmentsWanted"), 0);
}

#[test]
fn a_member_from_whom_a_request_is_kept_asks_for_it_when_it_hears_the_signature() {
    // Of a request in whose order node 5 stands early, other members would tell it.
    let kept = |nonce| {
        let (mut bench, _) = warm(3, 5);
        bench.dropped.insert((1, 5));
        let request = bench.request(nonce);
        bench.submit(1, &request);
        bench.deliver();
        assert_eq!(bench.state(1, &request), "signed");
        (bench.state(5, &request) == "none").then_some((bench, request))
    };
    let (mut bench, request) = (7..17).find_map(kept).unwrap();
    // A corrupted coordinator would not say it, but any other member that knows the signature may.
    bench.dropped.clear();
    let signature = bench.hosts[&2].engine.request(request.id()).unwrap().signature.unwrap();
    bench.say(2, 5, request.id().into(), &Message::Signed(signature));
    bench.deliver();
    assert_eq!(bench.state(5, &request), "signed", "{:#?}", bench.log);
}

#[test]
fn what_was_lost_on_a_living_channel_is_repaired_in_turn() {
    let (mut bench, _) = warm(3, 5);
    bench.dropped.extend([(1, 5), (2, 5), (3, 5), (4, 5)]);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!((bench.state(1, &request), bench.state(5, &request)), ("signed", "none"));
    bench.dropped.clear();
    bench.fire(5, "AntiEntropy");
    bench.deliver();
    assert_eq!(bench.state(5, &request), "signed");
    bench.sent.clear();
    (0..4).for_each(|_| bench.fire(1, "AntiEntropy"));
    let told: Vec<_> = bench.sent.iter().filter(|flight| flight.name == "Heads").map(|flight| flight.to).collect();
    assert_eq!(told, [2, 3, 4, 5], "each peer in turn");
}
