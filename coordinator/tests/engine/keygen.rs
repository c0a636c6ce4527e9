//! Key generation: what one member does, line by line, and what all end with.

use crate::bench::Bench;
use crate::script::Script;
use firn_coordinator::api::{Command, Event, Family};
use firn_proto::{Code, Message, NodeId};

fn script(lines: &str) -> String {
    Script::new(Bench::new(2, 3), None).run(lines)
}

#[test]
fn all_goes_well() {
    insta::assert_snapshot!(script("propose\n watch n2\n accept all\n deliver\n fire n1 Solicit\n deliver"));
}

#[test]
fn a_silent_member_is_named_after_the_bound() {
    insta::assert_snapshot!(script(
        "propose\n cut n3 n1\n cut n3 n2\n watch n1\n accept n2\n deliver\n fire n1 KeyPhase\n deliver"
    ));
}

#[test]
fn a_restart_ends_the_attempt_without_blame() {
    insta::assert_snapshot!(script(
        "propose\n cut n1 n3\n accept all\n deliver\n heal\n watch n2\n restart n3\n deliver"
    ));
}

#[test]
fn a_restart_before_all_have_accepted_only_asks_to_accept_again() {
    insta::assert_snapshot!(script(
        "propose\n accept n3\n deliver\n watch n1\n restart n3\n deliver\n accept n3\n deliver\n accept n2\n deliver"
    ));
}

/// Certificate signature and certificate of n3 are lost: n1 and n2 are undecided.
fn undecided() -> Script {
    let mut script = Script::new(Bench::new(2, 3), None);
    script.run("propose\n accept all");
    script.bench.liars.insert(3, |message, _| match message {
        Message::KeyCertified(_) | Message::KeyCertificate(_) => None,
        other => Some(other.clone()),
    });
    script.run("deliver\n fire n1 KeyPhase\n fire n2 KeyPhase\n deliver");
    script.bench.liars.clear();
    script
}

#[test]
fn a_lost_signature_leaves_the_others_undecided_until_the_certificate_comes() {
    let mut script = undecided();
    let bench = &mut script.bench;
    let key_id = bench.hosts[&1].engine.keys()[0].key_id;
    assert_eq!([1, 2].map(|id| bench.key_state(id, key_id)), ["undecided"; 2]);
    let view = &bench.hosts[&1].engine.keys()[0];
    assert_eq!(view.waiting_for, [NodeId(3)], "it says whom it waits for");
    script.key_id = Some(key_id);
    insta::assert_snapshot!(script.run("watch n1\n restart n3\n deliver"));
}

#[test]
fn an_abort_after_our_certificate_signature_changes_nothing() {
    let mut script = undecided();
    let key_id = script.bench.hosts[&1].engine.keys()[0].key_id;
    let abort = Message::KeyAbort(firn_proto::message::KeyAbort {
        code: Code::DkgMissing,
        missing: Vec::new(),
        culprit: Some(firn_proto::Identifier(1)),
    });
    script.bench.say(3, 1, key_id.into(), &abort);
    script.bench.deliver();
    assert_eq!(script.bench.key_state(1, key_id), "undecided");
}

/// n3 restarts between the dealing and its certificate signature: the others wait for it in vain.
fn without_n3() -> Script {
    let mut script = Script::new(Bench::new(2, 3), None);
    script.run("propose\n accept all");
    script.bench.liars.insert(1, |message, to| match message {
        Message::KeyShares(_) if to == 3 => None,
        other => Some(other.clone()),
    });
    script.run("deliver\n fire n1 KeyPhase\n fire n2 KeyPhase");
    script.bench.flights.clear();
    script.bench.liars.clear();
    assert_eq!(script.run("restart n3\n deliver"), "= undecided undecided aborted");
    script
}

#[test]
fn all_can_abandon_also_those_that_aborted_or_lost_everything() {
    let mut script = without_n3();
    assert_eq!(script.run("abandon n1\n abandon n2\n deliver"), "= undecided undecided aborted");
    assert_eq!(script.run("abandon n3\n deliver"), "= abandoned abandoned abandoned");
    // What is abandoned stays so, also over restarts, and the name is free again.
    assert_eq!(script.run("restart n1\n restart n2\n restart n3\n deliver"), "= abandoned abandoned abandoned");
    let again = script.bench.propose(2);
    script.bench.accept_all(again);
    script.bench.deliver();
    script.bench.settle(again);
    assert!(script.bench.evidence.is_empty(), "nobody is blamed: {:?}", script.bench.evidence);
}

#[test]
fn abandonments_that_were_missed_come_again_with_the_channel() {
    let mut script = without_n3();
    script.run("abandon n1\n abandon n2\n deliver\n cut n1 n3\n cut n1 n2\n abandon n3\n deliver");
    let key_id = script.key_id.unwrap();
    assert_eq!([1, 2, 3].map(|id| script.bench.key_state(id, key_id)), ["undecided", "abandoned", "abandoned"]);
    assert_eq!(script.run("heal\n restart n1\n deliver"), "= abandoned abandoned abandoned");
}

#[test]
fn one_that_abandoned_follows_the_others_activation() {
    let mut script = undecided();
    let key_id = script.bench.hosts[&1].engine.keys()[0].key_id;
    script.key_id = Some(key_id);
    script.run("cut n1 n3\n cut n1 n2\n abandon n1\n deliver");
    // n2 and n3 get each other's signatures and activate between them; n1's signature is known to both.
    script.run("restart n3\n deliver");
    script.bench.rounds(4);
    assert_eq!([2, 3].map(|id| script.bench.key_state(id, key_id)), ["active"; 2]);
    assert_eq!(script.bench.key_state(1, key_id), "undecided");
    script.run("heal\n restart n1\n deliver");
    assert_eq!(script.bench.key_state(1, key_id), "active", "the activation proves t that never abandon");
}

#[test]
fn a_proposal_expires_and_counts_against_who_brings_it() {
    let mut bench = Bench::new(2, 3);
    for salt in 0..10 {
        let proposal = bench.proposal(2, salt);
        let session = proposal.key_id(bench.definition.network_id()).into();
        bench.say(3, 1, session, &Message::KeyProposal(proposal));
    }
    bench.deliver();
    assert_eq!(bench.hosts[&1].engine.keys().len(), 4, "four of one member");
    // Another member is not held back.
    let proposal = bench.proposal(2, 99);
    let key_id = proposal.key_id(bench.definition.network_id());
    bench.event(2, Event::Operator(Command::ProposeKey(proposal)));
    bench.deliver();
    assert_eq!(bench.key_state(1, key_id), "proposed");
    bench.now = 601_000;
    bench.fire(1, "KeyPhase");
    assert!(bench.hosts[&1].engine.keys().is_empty(), "nobody accepted in time");
    let mut records = bench.hosts[&1].records.values();
    assert!(records.all(|record| record.family == Family::Peers), "a proposal leaves no record");
}

#[test]
fn a_proposal_that_a_member_stops_leaves_no_record() {
    let mut bench = Bench::new(2, 3);
    let key_id = bench.propose(1);
    let before = bench.hosts[&2].records.len();
    let abort = firn_proto::message::KeyAbort { code: Code::DkgMissing, missing: Vec::new(), culprit: None };
    bench.say(3, 2, key_id.into(), &Message::KeyAbort(abort));
    bench.deliver();
    assert_eq!(bench.key_state(2, key_id), "none");
    assert_eq!(bench.hosts[&2].records.len(), before);
}

#[test]
fn ended_attempts_never_block_a_new_one() {
    let mut bench = Bench::new(2, 3);
    for salt in 0..80 {
        let key_id = bench.propose(salt);
        assert_eq!(bench.key_state(1, key_id), "accepting", "attempt {salt}");
        bench.fire(1, "KeyPhase");
        bench.deliver();
    }
    let key_id = bench.propose(200);
    bench.accept_all(key_id);
    bench.deliver();
    bench.settle(key_id);
    assert!(bench.hosts[&1].engine.keys().len() <= 64);
}

#[test]
fn who_missed_the_end_of_an_attempt_hears_of_it_and_can_accept_the_next() {
    let mut bench = Bench::new(2, 3);
    let key_id = bench.propose(1);
    bench.dropped.extend([(1, 3), (2, 3)]);
    bench.accept_all(key_id);
    bench.deliver();
    [1, 2].iter().for_each(|id| bench.fire(*id, "KeyPhase"));
    bench.deliver();
    assert_eq!([1, 2, 3].map(|id| bench.key_state(id, key_id)), ["aborted", "aborted", "accepting"]);
    bench.dropped.clear();
    bench.connect(3);
    bench.deliver();
    assert_eq!(bench.key_state(3, key_id), "aborted");
    let next = bench.propose(2);
    bench.accept_all(next);
    bench.deliver();
    bench.settle(next);
}
