//! Peers with an older or a copied state: noticed, not signed with, remembered, and trusted again by an operator only.

use crate::bench::Bench;
use firn_coordinator::api::{Command, Event};
use firn_proto::message::Heads;
use firn_proto::{Code, Incarnation, Message, NodeId, SessionId};
use proptest::prelude::*;

fn up(bench: &mut Bench, at: u16, node: u16, incarnation: Incarnation) {
    bench.event(at, Event::PeerUp { node: NodeId(node), incarnation });
}

fn quarantined(bench: &Bench, at: u16) -> Vec<u16> {
    let peers = bench.hosts[&at].engine.peers();
    peers.into_iter().filter(|peer| peer.quarantined).map(|peer| peer.node.0).collect()
}

/// Starts a node for the third time, and then again with the disk of its first.
fn roll_back(bench: &mut Bench, id: u16) {
    bench.restart(id);
    bench.restart(id);
    bench.deliver();
    bench.hosts.get_mut(&id).unwrap().incarnation = 0;
    bench.restart(id);
    bench.deliver();
}

fn trust(bench: &mut Bench, at: u16, node: u16, incarnation: Incarnation) {
    bench.event(at, Event::Operator(Command::TrustPeer { node: NodeId(node), incarnation }));
    bench.deliver();
}

#[test]
fn r50_a_rolled_back_disk_signs_nothing_until_it_is_trusted() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.sent.clear();
    roll_back(&mut bench, 3);
    assert_eq!([1, 2, 3].map(|id| quarantined(&bench, id)), [vec![3], vec![3], vec![]]);
    let first = bench.request(7);
    bench.submit(3, &first);
    bench.deliver();
    assert_eq!(bench.state(3, &first), "signed", "what it lacks and what it brings still flows");
    bench.kill(2);
    let second = bench.request(8);
    bench.submit(1, &second);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(1, &second), "waiting", "its willingness does not count");
    assert!(!bench.sent.iter().any(|flight| flight.name == "SignatureShare" && flight.from == 3));
    bench.restart(1);
    bench.deliver();
    assert_eq!(quarantined(&bench, 1), [3], "remembered");
    trust(&mut bench, 1, 3, Incarnation::new(1, 0));
    bench.rounds(3);
    assert_eq!((quarantined(&bench, 1), bench.state(1, &second)), (vec![], "signed"));
    assert!(bench.log.is_empty() || !bench.log.iter().any(|line| line.contains("evidence")), "nobody is blamed");
}

#[test]
fn a_disk_that_is_rolled_back_within_one_start_is_noticed_by_who_was_told_of_more() {
    let (mut bench, _) = Bench::ready(2, 3);
    let host = &bench.hosts[&3];
    let old = (host.records.clone(), host.sealed.clone());
    bench.kill(2);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "signed", "by 1 and 3");
    bench.kill(3);
    let host = bench.hosts.get_mut(&3).unwrap();
    (host.records, host.sealed) = old;
    bench.restart(3);
    bench.restart(2);
    bench.deliver();
    assert_eq!([1, 2].map(|id| quarantined(&bench, id)), [vec![3], vec![]], "its count of starts has gone up");
    trust(&mut bench, 1, 3, Incarnation::new(2, 0));
    bench.rounds(2);
    bench.restart(3);
    bench.deliver();
    assert!(quarantined(&bench, 1).is_empty());
}

#[test]
fn r38_two_processes_of_one_start_are_a_clone() {
    let (mut bench, _) = Bench::ready(2, 3);
    up(&mut bench, 1, 3, Incarnation::new(1, 9));
    assert_eq!(quarantined(&bench, 1), [3]);
    up(&mut bench, 1, 3, Incarnation::new(1, 0));
    up(&mut bench, 1, 3, Incarnation::new(2, 0));
    assert_eq!(quarantined(&bench, 1), [3], "a newer start alone ends nothing");
    trust(&mut bench, 1, 3, Incarnation::new(2, 0));
    assert!(quarantined(&bench, 1).is_empty());
    up(&mut bench, 1, 3, Incarnation::new(2, 4));
    assert_eq!(quarantined(&bench, 1), [3], "the other copy is still about");
    trust(&mut bench, 1, 3, Incarnation::new(2, 0));
    assert_eq!(quarantined(&bench, 1), [3], "it was not the one that is trusted");
}

#[test]
fn a_package_with_a_quarantined_members_commitments_is_refused() {
    let (mut bench, _) = Bench::ready(3, 4);
    for node in [3, 4] {
        up(&mut bench, 2, node, Incarnation::new(1, 9));
    }
    bench.watched = Some(2);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.rounds(3);
    let refusal = format!("ShareRefused({})", Code::PeerQuarantined);
    assert!(bench.log.iter().any(|line| line.contains(&refusal)), "{:#?}", bench.log);
    assert!(!bench.log.iter().any(|line| line.contains("share released")));
    assert_eq!(bench.state(1, &request), "signed", "by those who see no reason");
}

#[test]
fn who_shuns_a_member_that_the_coordinator_trusts_still_signs() {
    // Two of five shun a third, of which the coordinator has heard nothing, and four are needed.
    let (mut bench, _) = Bench::ready(4, 5);
    for (by, of) in [(4, 2), (5, 2)] {
        up(&mut bench, by, of, Incarnation::new(1, 9));
    }
    bench.watched = Some(1);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    while bench.state(1, &request) != "signed" {
        assert!(bench.log.iter().filter(|line| line.contains("attempt")).count() < 4, "{:#?}", bench.log);
        bench.fire(1, "Solicit");
        bench.deliver();
    }
}

#[test]
fn old_envelopes_judge_nobody() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    let old = bench.sent.clone();
    bench.restart(3);
    bench.deliver();
    bench.watched = Some(1);
    for flight in old.iter().filter(|flight| flight.from == 3 && flight.to == 1) {
        bench.hand_over(flight);
    }
    assert!(quarantined(&bench, 1).is_empty());
    assert!(bench.log.iter().all(|line| line.contains("ignored") || line.contains("from n3")), "{:#?}", bench.log);
}

#[test]
fn r42_one_liar_cannot_tell_a_node_that_it_is_behind() {
    let (mut bench, _) = Bench::ready(2, 3);
    let seen = Heads { seen: Incarnation::new(900, 0), ..Heads::default() };
    bench.say(3, 2, SessionId::default(), &Message::Heads(seen.clone()));
    bench.deliver();
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "signed");
    bench.say(1, 2, SessionId::default(), &Message::Heads(seen));
    bench.deliver();
    bench.kill(3);
    let request = bench.request(8);
    bench.submit(1, &request);
    bench.deliver();
    assert_ne!(bench.state(1, &request), "signed", "t members say so");
    bench.connect(2);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(1, &request), "signed", "and take it back");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Crashes, restarts and channels in any order; a channel that breaks may never be reported.
    #[test]
    fn no_honest_node_is_ever_quarantined(steps in prop::collection::vec((0u8..4, 1u16..4, 1u16..4), 1..60)) {
        let mut bench = Bench::new(2, 3);
        for (kind, id, other) in steps {
            match kind {
                // It starts, and nobody hears of it.
                0 => bench.hosts.get_mut(&id).unwrap().incarnation += 1,
                1 => bench.restart(id),
                2 => bench.event(other, Event::PeerDown { node: NodeId(id) }),
                _ => {
                    let count = bench.hosts[&id].incarnation;
                    up(&mut bench, other, id, Incarnation::new(count, 0));
                }
            }
            bench.flights.clear();
            for at in 1..=3 {
                prop_assert_eq!(quarantined(&bench, at), Vec::<u16>::new());
            }
        }
    }
}
