//! What one member, or one wrong clock, cannot make of a node.

use crate::bench::{AVS, Bench};
use crate::network::definition;
use alloy_primitives::Address;
use firn_coordinator::api::{Event, Timer};
use firn_coordinator::limits::{COORDINATOR_BURST, OPEN_SUBJECTS_MAX};
use firn_proto::definition::{Definition, Requester};
use firn_proto::message::{Heads, SigningPackage, Status, Willingness};
use firn_proto::{Code, Incarnation, Message, NodeId, SessionId};

/// Up to the first package of n1 to n2.
fn packaged() -> (Bench, firn_proto::Request, SigningPackage) {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    while !bench.flights.iter().any(|flight| flight.name == "SigningPackage") {
        bench.deliver_at(0);
    }
    let flight = bench.flights.iter().find(|flight| flight.name == "SigningPackage").unwrap().clone();
    let verified = firn_proto::envelope::verify(&flight.bytes, &bench.definition).unwrap();
    let Message::SigningPackage(package) = verified.content().clone() else { panic!("a package") };
    (bench, request, *package)
}

#[test]
fn packages_by_the_hundred_for_one_commitment_write_one_decision() {
    let (mut bench, request, package) = packaged();
    let signer = package.commitments.keys().find(|node| node.0 != 1).unwrap().0;
    let before = bench.hosts[&signer].records.len();
    for attempt in 0..100 {
        let message = Message::SigningPackage(Box::new(SigningPackage { attempt, ..package.clone() }));
        bench.say(1, signer, request.id().into(), &message);
    }
    while bench.flights.iter().any(|flight| flight.to == signer) {
        let next = bench.flights.iter().position(|flight| flight.to == signer).unwrap();
        bench.deliver_at(next);
    }
    // The request, that it came, our answer, and one release.
    let written = bench.hosts[&signer].records.len() - before;
    assert!(written <= 4, "{written} records");
}

#[test]
fn r13_a_clock_that_jumps_and_comes_back_closes_nothing() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.facts = |facts| facts.slashable = false;
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.facts = |_| {};
    bench.now = 7_201_000;
    bench.rounds(1);
    assert_eq!(bench.state(1, &request), "waiting");
    bench.now = 1_000;
    bench.rounds(2);
    assert_eq!(bench.state(1, &request), "signed");
}

#[test]
fn r13_only_the_chains_clock_ends_a_request() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.facts = |facts| facts.slashable = false;
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.ahead = 1_000_000;
    bench.block_final();
    bench.deliver();
    assert_eq!(bench.state(1, &request), "waiting");
    (bench.ahead, bench.now) = (0, 1_000_000_000);
    bench.block_final();
    assert_eq!(bench.state(1, &request), "expired");
}

#[test]
fn requests_that_expire_together_end_so_many_per_block() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.facts = |facts| facts.slashable = false;
    let requests: Vec<_> = (0..150).map(|nonce| bench.request(nonce)).collect();
    requests.iter().for_each(|request| bench.submit(1, request));
    bench.deliver();
    bench.now = 1_000_000_000;
    let expired = |bench: &Bench| requests.iter().filter(|request| bench.state(1, request) == "expired").count();
    for ended in [64, 128, 150] {
        bench.block_final();
        assert_eq!(expired(&bench), ended);
    }
}

#[test]
fn one_coordinator_gets_so_many_commitments_for_a_subject() {
    let (mut bench, _) = Bench::ready(3, 4);
    bench.kill(1);
    bench.kill(4);
    let request = bench.request(7);
    bench.submit(3, &request);
    bench.deliver();
    bench.sent.clear();
    for attempt in 0..500 {
        bench.say(2, 3, request.id().into(), &Message::Solicit { attempt });
        bench.deliver();
    }
    let offers = bench.sent.iter().filter(|flight| {
        let verified = firn_proto::envelope::verify(&flight.bytes, &bench.definition).unwrap();
        flight.to == 2 && matches!(verified.content(), Message::Willingness(said) if said.commitments.is_some())
    });
    let offers = offers.count();
    assert!((1..=COORDINATOR_BURST).contains(&(offers as u64)), "{offers} commitments");
}

/// An answer of a member, without commitments.
fn answer(status: Status) -> Message {
    Message::Willingness(Willingness { status, commitments: None })
}

#[test]
fn who_goes_on_answering_is_told_the_signature_so_many_times() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "signed");
    bench.sent.clear();
    for _ in 0..500 {
        bench.say(3, 1, request.id().into(), &answer(Status::NotYet(Code::ChainBehind)));
        bench.deliver();
    }
    let told = bench.sent.iter().filter(|flight| (flight.to, flight.name) == (3, "Signed")).count();
    assert!((1..=COORDINATOR_BURST).contains(&(told as u64)), "{told} times");
}

#[test]
fn answers_that_change_set_one_takeover_timer() {
    let (mut bench, _) = Bench::ready(3, 5);
    for silent in 1..=5 {
        bench.liars.insert(silent, |message, _| match message {
            Message::SigningPackage(_) | Message::Solicit { .. } => None,
            other => Some(other.clone()),
        });
    }
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    for round in 0..200 {
        let status = if round % 2 == 0 { Status::NotYet(Code::ChainBehind) } else { Status::Willing };
        (2..=5).for_each(|to| bench.say(1, to, request.id().into(), &answer(status)));
        bench.deliver();
    }
    for id in 2..=5 {
        let timers = bench.hosts[&id].timers.iter().filter(|timer| matches!(timer, Timer::Takeover { .. })).count();
        assert!(timers <= 5, "n{id} has {timers}: one, and an older one for each lower rank that went");
    }
    // n1 goes on telling nobody.
    bench.liars.retain(|id, _| *id == 1);
    bench.rounds(2);
    assert_eq!(bench.state(2, &request), "signed", "another takes over");
}

#[test]
fn heads_by_the_hundred_are_answered_a_few_times() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.sent.clear();
    for _ in 0..100 {
        bench.say(3, 1, SessionId::default(), &Message::Heads(Heads::default()));
    }
    bench.deliver();
    let answers = bench.sent.iter().filter(|flight| flight.from == 1 && flight.name == "KeyCertificate").count();
    assert!((1..=8).contains(&answers), "{answers} answers");
    bench.sent.clear();
    bench.fire(1, "CatchUp");
    let answers = bench.sent.iter().filter(|flight| flight.from == 1 && flight.name == "KeyCertificate").count();
    assert_eq!(answers, 1, "the last is answered later");
}

#[test]
fn a_channel_that_flaps_does_not_put_off_the_next_call() {
    let (mut bench, _) = Bench::ready(2, 3);
    for silent in 2..=3 {
        bench.liars.insert(silent, |message, _| match message {
            Message::Willingness(_) | Message::SignatureShare(_) => None,
            other => Some(other.clone()),
        });
    }
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.fire(1, "Stalled");
    let timers = bench.hosts[&1].timers.clone();
    for _ in 0..3 {
        bench.event(1, Event::PeerDown { node: NodeId(3) });
        bench.event(1, Event::PeerUp { node: NodeId(3), incarnation: Incarnation::new(1, 0) });
    }
    bench.deliver();
    bench.sent.clear();
    bench.hosts.get_mut(&1).unwrap().timers = timers;
    bench.fire(1, "Solicit");
    assert!(bench.sent.iter().any(|flight| flight.to == 2 && flight.name == "Solicit"), "the call of before counts");
}

#[test]
fn one_requester_fills_its_own_part_only() {
    let mut content = (*definition(2, 3)).clone();
    let others = u16::try_from(OPEN_SUBJECTS_MAX / 2 - 1).unwrap();
    content.requesters.extend((1..=others).map(|id| {
        let mut address = [0x77; 20];
        address[..2].copy_from_slice(&id.to_be_bytes());
        let operations = vec!["slash_operator".to_owned()];
        Requester {
            name: format!("other-{id:03}"),
            address: Address::from(address),
            operations,
            avs: vec![AVS],
            expires: None,
        }
    }));
    let (mut bench, _) = Bench::ready_of(Definition::new(content));
    bench.facts = |facts| facts.slashable = false;
    let requests = [1, 2, 3].map(|nonce| bench.request(nonce));
    for request in &requests {
        bench.submit(1, request);
        bench.deliver();
    }
    let states = [0, 1, 2].map(|index| bench.state(1, &requests[index]));
    assert_eq!(states, ["waiting", "waiting", "none"], "two of a thousand for each of 500");
}

#[test]
fn a_member_that_lost_its_commitments_is_asked_again_at_once() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.kill(3);
    bench.liars.insert(2, |message, _| match message {
        Message::SignatureShare(share) => {
            Some(Message::ShareRefused { package: share.package, code: Code::CommitmentUnknown, shunned: None })
        }
        other => Some(other.clone()),
    });
    let request = bench.request(7);
    bench.submit(1, &request);
    while !bench.flights.iter().any(|flight| flight.name == "ShareRefused") {
        bench.deliver_at(0);
    }
    bench.liars.clear();
    bench.deliver();
    assert_eq!(bench.state(1, &request), "signed", "without waiting for a timer");
}
