//! Signing: what one member does, line by line, and which faults a signature survives.

use crate::bench::{Bench, WALL};
use crate::script::Script;
use firn_coordinator::limits::RANKS_TOLD;
use firn_proto::message::{SignatureShare, Status, Willingness};
use firn_proto::time::WallTime;
use firn_proto::{Code, Epoch, Message, NodeId, PublicScalar};
use firn_vault::api::{Reply, Request as Ask};

fn script(lines: &str) -> String {
    let (bench, _) = Bench::ready(2, 3);
    Script::new(bench, None).run(lines)
}

#[test]
fn the_first_coordinates() {
    insta::assert_snapshot!(script("watch n1\n submit n1 7\n deliver"));
}

#[test]
fn another_lends_its_share() {
    insta::assert_snapshot!(script("watch n2\n submit n1 7\n deliver"));
}

#[test]
fn a_dead_first_is_taken_over_once_t_are_willing() {
    insta::assert_snapshot!(script(
        "watch n2\n submit n1 7\n deliver 2\n down n1\n deliver\n fire n2 Takeover\n deliver"
    ));
}

#[test]
fn nobody_takes_over_before_t_are_willing() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.facts = |facts| facts.slashable = false;
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    let armed = bench.hosts.values().flat_map(|host| &host.timers).any(|t| crate::show::timer_name(t) == "Takeover");
    assert!(!armed);
    let view = bench.hosts[&2].engine.request(request.id()).unwrap();
    assert!(view.members.iter().all(|m| m.status == "not yet" && m.code == Some(Code::OperatorNotSlashable)));
    bench.facts = |_| {};
    bench.rounds(2);
    assert_eq!(bench.state(3, &request), "signed", "once the chain allows it");
}

#[test]
fn r04_r65_every_chain_fact_counts() {
    type Change = fn(&mut firn_coordinator::api::SlashFacts);
    let cases: &[(Change, Code)] = &[
        (|f| f.signer = None, Code::AccountNotDeployed),
        (|f| f.signer = Some(vec![0; 84].into()), Code::AccountNotDeployed),
        (|f| f.slasher = alloy_primitives::Address::ZERO, Code::SlasherMismatch),
        (|f| f.slashable = false, Code::OperatorNotSlashable),
        (|f| f.strategies.clear(), Code::StrategyNotInSet),
    ];
    for (change, code) in cases {
        let (mut bench, _) = Bench::ready(2, 3);
        bench.facts = *change;
        let request = bench.request(7);
        bench.submit(1, &request);
        bench.deliver();
        bench.rounds(2);
        let view = bench.hosts[&2].engine.request(request.id()).unwrap();
        assert_eq!(view.signature, None, "{code}");
        assert!(view.members.iter().all(|member| member.code == Some(*code)), "{code}: {:?}", view.members);
    }
}

#[test]
fn r65_a_share_leaves_only_after_facts_of_the_newest_block() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.chain_silent = false;
    bench.submit(1, &request);
    // Everybody is willing at this block; before the package arrives a newer one is final, and the slash is void.
    while !bench.flights.iter().any(|flight| flight.name == "SigningPackage") {
        bench.deliver_at(0);
    }
    bench.facts = |facts| facts.slashable = false;
    bench.block_final();
    bench.deliver();
    assert!(bench.hosts.keys().all(|id| bench.state(*id, &request) != "signed"), "old facts were enough");
    let shares = bench.sent.iter().filter(|flight| flight.name == "SignatureShare" && flight.from != 1).count();
    assert_eq!(shares, activation_shares(&bench), "no share left after the chain changed");
}

#[test]
fn r65_who_was_willing_asks_again_at_a_newer_block() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    let (packages, rest) = bench.flights.drain(..).partition(|flight| flight.name == "SigningPackage");
    bench.flights = rest;
    bench.deliver();
    bench.chain_silent = true;
    bench.block_final();
    bench.flights = packages;
    assert!(!bench.flights.is_empty());
    bench.deliver();
    let shares = bench.sent.iter().filter(|flight| flight.name == "SignatureShare" && flight.from != 1).count();
    assert_eq!(shares, activation_shares(&bench), "facts of an older block were enough");
}

/// Shares that the key's activation took.
fn activation_shares(bench: &Bench) -> usize {
    let request = bench.request(7).id();
    let of_request = |bytes: &[u8]| {
        firn_proto::envelope::verify(bytes, &bench.definition).is_ok_and(|m| m.header().session == request.into())
    };
    bench.sent.iter().filter(|f| f.name == "SignatureShare" && f.from != 1 && !of_request(&f.bytes)).count()
}

#[test]
fn a_signer_behind_the_named_block_says_so() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    while !bench.flights.iter().any(|flight| flight.name == "SigningPackage") {
        bench.deliver_at(0);
    }
    // The package relies on a block that the signer's chain has not reached.
    bench.block -= 5;
    bench.watched = Some(bench.flights.iter().find(|f| f.name == "SigningPackage").unwrap().to);
    bench.hosts.values_mut().for_each(|host| host.timers.clear());
    let signer = bench.watched.unwrap();
    let package = bench.flights.iter().position(|f| f.name == "SigningPackage").unwrap();
    let bytes = bench.flights[package].bytes.clone();
    let verified = firn_proto::envelope::verify(&bytes, &bench.definition).unwrap();
    let Message::SigningPackage(mut ahead) = verified.content().clone() else { panic!("a package") };
    ahead.block.number += 3;
    bench.flights.remove(package);
    let coordinator = ahead.coordinator.0;
    bench.say(coordinator, signer, request.id().into(), &Message::SigningPackage(ahead));
    bench.deliver();
    let refused = bench.log.iter().any(|line| line.contains("ShareRefused(CHAIN_BEHIND)"));
    assert!(refused, "{:#?}", bench.log);
}

#[test]
fn r41_a_member_that_never_lends_its_share_costs_one_attempt_only() {
    // Whichever member it is, and though it offers commitments each time it is asked.
    for silent in 2..=5 {
        let (mut bench, key_id) = Bench::ready(3, 5);
        bench.liars.insert(silent, |message, _| match message {
            Message::SignatureShare(_) => None,
            other => Some(other.clone()),
        });
        let request = bench.request(7);
        bench.submit(1, &request);
        for _ in 0..4 {
            let ask = Ask::Commit { key_id, epoch: Epoch(0), coordinator: NodeId(1), count: 1, now: WallTime(WALL) };
            let Reply::Committed(mut offers) = bench.hosts.get_mut(&silent).unwrap().ask(ask) else {
                panic!("offered")
            };
            let willing = Willingness { status: Status::Willing, commitments: offers.pop() };
            bench.say(silent, 1, request.id().into(), &Message::Willingness(willing));
        }
        bench.deliver();
        bench.fire_all("Stalled");
        bench.deliver();
        assert_eq!(bench.state(1, &request), "signed", "n{silent} is silent");
        assert!(bench.evidence.is_empty(), "silence is no evidence");
    }
}

#[test]
fn a_member_that_refuses_every_package_cannot_stop_a_signature() {
    for liar in 2..=5 {
        let (mut bench, _) = Bench::ready(3, 5);
        bench.liars.insert(liar, |message, _| match message {
            Message::SignatureShare(share) => {
                Some(Message::ShareRefused { package: share.package, code: Code::CommitmentUnknown, shunned: None })
            }
            other => Some(other.clone()),
        });
        let request = bench.request(7);
        bench.submit(1, &request);
        bench.deliver();
        bench.fire_all("Stalled");
        bench.deliver();
        assert_eq!(bench.state(1, &request), "signed", "n{liar} refuses");
    }
}

#[test]
fn who_refuses_after_lending_its_share_gets_no_other_attempt() {
    let (mut bench, _) = Bench::ready(3, 5);
    bench.watched = Some(1);
    let request = bench.request(7);
    bench.submit(1, &request);
    let share = loop {
        let next = bench.flights.front().unwrap().clone();
        bench.deliver_at(0);
        if next.name == "SignatureShare" {
            break next;
        }
    };
    let verified = firn_proto::envelope::verify(&share.bytes, &bench.definition).unwrap();
    let Message::SignatureShare(said) = verified.content() else { unreachable!() };
    let refusal = Message::ShareRefused { package: said.package, code: Code::CommitmentUnknown, shunned: None };
    bench.say(share.from, 1, request.id().into(), &refusal);
    bench.flights.rotate_right(1);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "signed");
    let attempts = bench.log.iter().filter(|line| line.contains("  attempt ")).count();
    assert_eq!(attempts, 1, "{:#?}", bench.log);
}

#[test]
fn a_member_that_offers_no_commitments_is_left_out() {
    let (mut bench, _) = Bench::ready(3, 5);
    bench.liars.insert(2, |message, _| match message {
        Message::Willingness(willing) => {
            Some(Message::Willingness(Willingness { commitments: None, ..willing.clone() }))
        }
        other => Some(other.clone()),
    });
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "signed");
}

fn bad_share(message: &Message) -> Option<Message> {
    match message {
        Message::SignatureShare(share) => {
            let wrong = PublicScalar::from_slice(&[1; 32]).unwrap();
            Some(Message::SignatureShare(SignatureShare { share: wrong, ..share.clone() }))
        }
        other => Some(other.clone()),
    }
}

#[test]
fn r41_a_bad_share_is_evidence_and_its_sender_leaves() {
    for liar in 2..=5 {
        let (mut bench, _) = Bench::ready(3, 5);
        bench.liars.insert(liar, |message, _| bad_share(message));
        let request = bench.request(7);
        bench.submit(1, &request);
        bench.deliver();
        bench.rounds(1);
        assert_eq!(bench.state(1, &request), "signed", "n{liar} lies");
        assert!(bench.evidence.iter().all(|(node, culprit, _)| *node == 1 && *culprit == liar), "{:?}", bench.evidence);
        assert!(bench.evidence.len() <= 1, "and takes no further part");
    }
}

#[test]
fn r41_two_members_that_send_bad_shares_are_both_named() {
    let (mut bench, _) = Bench::ready(3, 5);
    bench.liars.insert(2, |message, _| bad_share(message));
    bench.liars.insert(3, |message, _| bad_share(message));
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.rounds(2);
    assert_eq!(bench.state(1, &request), "signed");
    assert!(bench.evidence.iter().all(|(_, culprit, _)| [2, 3].contains(culprit)), "{:?}", bench.evidence);
}

#[test]
fn r63_messages_of_other_sessions_twice_and_late_change_nothing() {
    let (mut bench, key_id) = Bench::ready(3, 5);
    let first = bench.request(1);
    bench.submit(1, &first);
    bench.deliver();
    let second = bench.request(2);
    bench.submit(2, &second);
    bench.deliver();
    assert_eq!(bench.state(5, &second), "signed");
    let (evidence, audit) = (bench.evidence.len(), bench.hosts[&1].records.len());
    for flight in bench.sent.clone().into_iter().filter(|flight| flight.to == 1) {
        bench.hand_over(&flight);
    }
    bench.deliver();
    assert_eq!(bench.evidence.len(), evidence);
    assert_eq!(bench.hosts[&1].records.len(), audit, "replays are not written down");
    assert_eq!(bench.key_state(1, key_id), "active");
    let share = SignatureShare {
        package: firn_proto::Digest([1; 32]),
        share: PublicScalar::from_slice(&[1; 32]).unwrap(),
        next: Vec::new(),
        audit: 0,
    };
    bench.say(4, 1, first.id().into(), &Message::SignatureShare(share));
    bench.say(
        4,
        1,
        key_id.into(),
        &Message::ShareRefused { package: firn_proto::Digest([1; 32]), code: Code::Draining, shunned: None },
    );
    bench.deliver();
    assert_eq!(bench.evidence.len(), evidence);
}

#[test]
fn an_answer_that_overtakes_its_request_is_not_lost() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.dropped.insert((1, 3));
    bench.submit(1, &request);
    // n3 hears of the request only through n2's answer.
    while bench.flights.front().is_some() {
        bench.deliver_at(0);
    }
    let view = bench.hosts[&3].engine.request(request.id()).expect("asked for it");
    let willing = view.members.iter().filter(|member| member.status == "willing").count();
    assert!(willing >= 2, "{:?}", view.members);
}

#[test]
fn a_restarted_member_learns_the_others_answers_again() {
    let (mut bench, _) = Bench::ready(3, 5);
    bench.liars.insert(1, |message, _| match message {
        Message::SigningPackage(_) | Message::Solicit { .. } => None,
        other => Some(other.clone()),
    });
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    for id in 2..=5 {
        bench.restart(id);
        bench.deliver();
    }
    let willing = |id: &u16| {
        let view = bench.hosts[id].engine.request(request.id()).unwrap();
        view.members.iter().filter(|member| member.status == "willing").count()
    };
    let informed = (2..=5).filter(|id| willing(id) >= 3).count();
    assert!(informed >= RANKS_TOLD - 1, "the ranks after the first: {informed}");
    bench.rounds(2);
    assert_eq!(bench.state(2, &request), "signed", "another takes over");
}

#[test]
fn relayers_take_turns_by_rank() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.fire(1, "Relay");
    assert_eq!(bench.submitted.len(), 1);
    let outcome = firn_coordinator::api::SubmissionOutcome::Unknown;
    bench.event(1, firn_coordinator::api::Event::SubmissionSettled { subject: request.id(), outcome });
    bench.fire(1, "Relay");
    assert_eq!(bench.submitted.len(), 2, "an unknown outcome is tried again");
    let used = firn_coordinator::api::ChainAnswer::NonceUsed { block: Default::default(), used: true };
    bench.event(1, firn_coordinator::api::Event::ChainReplied { subject: request.id(), answer: used });
    assert_eq!(bench.state(1, &request), "executed");
    let outcome = firn_coordinator::api::SubmissionOutcome::Unknown;
    bench.event(1, firn_coordinator::api::Event::SubmissionSettled { subject: request.id(), outcome });
    bench.fire(1, "Relay");
    assert_eq!(bench.submitted.len(), 2, "nothing after the execution");
}

#[test]
fn an_outcome_that_is_reported_twice_counts_once() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    for round in 1..=5 {
        bench.fire(1, "Relay");
        assert_eq!(bench.submitted.len(), round, "one submission at a time");
        for _ in 0..2 {
            let outcome = firn_coordinator::api::SubmissionOutcome::Unknown;
            bench.event(1, firn_coordinator::api::Event::SubmissionSettled { subject: request.id(), outcome });
        }
    }
}

#[test]
fn r11_a_request_expires_open_or_signed() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.facts = |facts| facts.slashable = false;
    let open = bench.request(1);
    bench.submit(1, &open);
    bench.deliver();
    bench.facts = |_| {};
    let signed = bench.request(2);
    bench.submit(2, &signed);
    bench.deliver();
    assert_eq!((bench.state(1, &open), bench.state(1, &signed)), ("waiting", "signed"));
    bench.now = 7_201_000;
    bench.block_final();
    bench.rounds(1);
    assert_eq!(bench.state(1, &open), "waiting", "a clock alone closes nothing for ten minutes");
    bench.now += 600_000;
    bench.block_final();
    bench.deliver();
    assert_eq!((bench.state(1, &open), bench.state(1, &signed)), ("expired", "signed"));
    bench.now += 3_000_000;
    bench.block_final();
    assert_eq!(bench.state(1, &signed), "expired", "it can no longer execute");
    bench.asked.clear();
    bench.block_final();
    assert!(bench.asked.is_empty(), "the chain is not asked about it any more");
}

#[test]
fn nothing_is_offered_for_an_unknown_subject() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    let commits = bench.log.len();
    bench.watched = Some(2);
    for _ in 0..5 {
        bench.say(3, 2, firn_proto::SessionId::default(), &Message::Solicit { attempt: 0 });
    }
    bench.deliver();
    let asked = bench.log.iter().skip(commits).filter(|line| line.contains("ask vault Commit")).count();
    assert_eq!(asked, 0, "nothing is offered for an unknown subject");
}
