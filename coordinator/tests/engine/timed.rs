//! Time in round trips: members at distances, messages that take half of them, and timers that fire when they are due.

use crate::bench::Bench;
use crate::network::definition;
use firn_coordinator::api::Event;
use firn_coordinator::limits::SYNC_MS;
use firn_proto::{Message, NodeId, Request};

/// n1 and n2 are near each other, n3 farther, n4 and up as far away as can be.
fn distance(from: u16, to: u16) -> u64 {
    match from.max(to) {
        _ if from == to => 0,
        1 | 2 => 40,
        3 => 100,
        _ => 300,
    }
}

fn flat(_: u16, _: u16) -> u64 {
    200
}

/// A bench with an active key whose members know their distances.
fn placed(t: u16, n: u16, distance: fn(u16, u16) -> u64) -> Bench {
    let (mut bench, _) = Bench::ready_of(definition(t, n));
    bench.distance = distance;
    for node in 1..=n {
        for other in (1..=n).filter(|other| *other != node) {
            for _ in 0..30 {
                let milliseconds = distance(node, other);
                bench.event(node, Event::RoundTrip { node: NodeId(other), milliseconds });
            }
        }
    }
    bench
}

impl Bench {
    /// Lets time pass until `done` holds, and gives how much; `None` if that takes longer than `limit`.
    fn run(&mut self, limit: u64, done: impl Fn(&Self) -> bool) -> Option<u64> {
        let start = self.now;
        while !done(self) {
            let flight = (0..self.flights.len()).min_by_key(|index| (self.flights[*index].arrives, *index));
            let arrival = flight.map(|index| self.flights[index].arrives);
            let due = |host: &crate::host::Host| host.due.iter().map(|(at, _)| *at).min();
            let timer = self.hosts.iter().filter_map(|(id, host)| Some((due(host)?, *id))).min();
            match (arrival, timer) {
                (Some(arrival), timer) if timer.is_none_or(|(at, _)| arrival <= at) => {
                    self.now = self.now.max(arrival);
                    self.deliver_at(flight.unwrap());
                }
                (_, Some((at, id))) => {
                    self.now = self.now.max(at);
                    let host = self.hosts.get_mut(&id).unwrap();
                    let index = host.due.iter().position(|(due, _)| *due == at).unwrap();
                    let (_, timer) = host.due.remove(index);
                    self.event(id, Event::TimerFired(timer));
                }
                _ => return None,
            }
            if self.now > start + limit {
                return None;
            }
        }
        Some(self.now - start)
    }

    /// From the submission until the node that got it has the signature, and then until all have it.
    fn sign(&mut self, id: u16, request: &Request) -> u64 {
        self.submit(id, request);
        let took = self.run(60_000, |bench| bench.state(id, request) == "signed").unwrap();
        self.run(60_000, |bench| bench.hosts.keys().all(|id| bench.state(*id, request) == "signed")).unwrap();
        took
    }

    fn fill_pools(&mut self) {
        self.run(120_000, |bench| bench.now > 100_000 && bench.flights.is_empty());
    }
}

#[test]
fn a_warm_signature_takes_one_round_trip_to_the_nearest_eligible_subset() {
    let mut bench = placed(3, 5, distance);
    let cold = bench.request(1);
    bench.restart(1);
    (1..=5)
        .for_each(|other| bench.event(1, Event::RoundTrip { node: NodeId(other), milliseconds: distance(1, other) }));
    bench.run(1_000, |bench| bench.flights.is_empty());
    assert_eq!(bench.sign(1, &cold), 200, "the first after a restart takes two: commitments, then shares");
    for nonce in 2..6 {
        let warm = bench.request(nonce);
        assert_eq!(bench.sign(1, &warm), 100, "n1, n2 and n3");
    }
}

#[test]
fn a_coordinator_that_dies_costs_at_most_three_further_round_trips() {
    // It falls silent on open channels, which costs a timer; its closed channels are seen at once.
    for closed in [false, true] {
        for warm in [false, true] {
            let mut bench = placed(3, 5, flat);
            if warm {
                let request = bench.request(1);
                bench.sign(1, &request);
            }
            let request = bench.request(3);
            bench.submit(1, &request);
            // Its request is out; what others say to it goes nowhere.
            let spread = |bench: &Bench| (2..=5).all(|id| bench.state(id, &request) != "none");
            let heard = bench.run(1_000, spread).unwrap();
            (2..=5).for_each(|id| bench.dropped.extend([(1, id), (id, 1)]));
            if closed {
                bench.kill(1);
            }
            let signed = |bench: &Bench| (2..=5).any(|id| bench.state(id, &request) == "signed");
            let took = heard + bench.run(60_000, signed).unwrap();
            assert!(took <= 200 + 3 * 200 + SYNC_MS, "closed {closed}, warm {warm}: {took} ms");
            assert!(!closed || took <= 200 + 200, "closed {closed}, warm {warm}: {took} ms");
        }
    }
}

#[test]
fn a_coordinator_opens_an_attempt_more_than_members_fail_and_no_more() {
    // Whoever is silent: each is found out once, and n - t + 1 attempts are enough.
    for silent in [vec![2], vec![4, 5], vec![2, 3]] {
        let mut bench = placed(3, 5, flat);
        let first = bench.request(1);
        bench.sign(1, &first);
        for node in &silent {
            bench.liars.insert(*node, |message, _| match message {
                Message::SignatureShare(_) => None,
                other => Some(other.clone()),
            });
        }
        bench.sent.clear();
        let request = bench.request(2);
        bench.submit(1, &request);
        bench.run(60_000, |bench| bench.state(1, &request) == "signed").unwrap();
        let packages = bench.sent.iter().filter(|flight| flight.from == 1 && flight.name == "SigningPackage");
        let attempts = packages.count() / 2;
        assert!(attempts <= silent.len() + 1, "{attempts} attempts, {silent:?}");
    }
}

#[test]
fn a_request_costs_messages_by_members_and_an_attempt_by_signers() {
    let (t, n) = (4, 7);
    let mut bench = placed(t, n, flat);
    let first = bench.request(1);
    bench.sign(1, &first);
    bench.fill_pools();
    bench.sent.clear();
    let request = bench.request(2);
    bench.sign(1, &request);
    let count = |name: &str| bench.sent.iter().filter(|flight| flight.name == name).count();
    let (t, n) = (usize::from(t), usize::from(n));
    assert_eq!(count("RequestSpread"), n - 1);
    assert_eq!(count("SigningPackage"), t - 1);
    assert_eq!(count("SignatureShare"), t - 1);
    assert_eq!(count("Signed"), n - 1, "nobody echoes it");
    assert_eq!(count("Solicit"), 0);
    let willing = count("Willingness");
    assert!(willing <= 3 * n, "{willing} answers");
}

#[test]
fn three_silent_ranks_are_passed_over_by_telling_more() {
    let mut bench = placed(4, 7, flat);
    let request = bench.request(2);
    // Whoever ranks before n7, as far as it is known: n1 and two more fall silent once the request is out.
    bench.submit(1, &request);
    bench.run(1_000, |bench| (2..=7).all(|id| bench.state(id, &request) != "none")).unwrap();
    let order = firn_coordinator::election::order(request.id(), firn_proto::Epoch(0), NodeId(1), (1..=7).map(NodeId));
    for silent in order.iter().take(3) {
        (1..=7).for_each(|id| bench.dropped.extend([(silent.0, id), (id, silent.0)]));
    }
    let signed = |bench: &Bench| order.iter().skip(3).any(|id| bench.state(id.0, &request) == "signed");
    let took = bench.run(60_000, signed).unwrap();
    assert!(took <= 20 * 200, "{took} ms");
}
