//! What one member, or one wrong clock, cannot make of a node.

use crate::bench::Bench;
use firn_proto::Message;
use firn_proto::message::SigningPackage;

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
    let written = bench.hosts[&signer].records.len() - before;
    assert!(written <= 2, "{written} records");
}

#[test]
fn a_clock_that_jumps_and_comes_back_closes_nothing() {
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
