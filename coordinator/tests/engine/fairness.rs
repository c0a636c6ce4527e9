//! Many requests at once: a burst of one requester holds up nobody else.

use crate::bench::Bench;
use crate::network::definition;
use alloy_primitives::Address;
use firn_coordinator::limits::SESSIONS_MAX;
use firn_proto::definition::{Definition, Requester};
use firn_proto::{Message, SubjectId};

const OTHER: [u8; 32] = [8; 32];

/// A bench with a second requester.
fn two_requesters() -> Bench {
    let mut content = (*definition(2, 3)).clone();
    let key = k256::ecdsa::SigningKey::from_slice(&OTHER).unwrap();
    let address = Address::from_public_key(key.verifying_key());
    let first = content.requesters[0].clone();
    content.requesters.push(Requester { name: "other".to_owned(), address, ..first });
    Bench::ready_of(Definition::new(content)).0
}

/// Which subjects n1 has opened attempts for, in order.
fn opened(bench: &Bench) -> Vec<SubjectId> {
    let packages = bench.sent.iter().filter(|flight| flight.from == 1 && flight.name == "SigningPackage");
    let verified = packages.map(|flight| firn_proto::envelope::verify(&flight.bytes, &bench.definition).unwrap());
    verified.map(|message| message.header().session.into()).collect()
}

#[test]
fn a_burst_delays_anothers_single_request_by_one_turn_at_most() {
    let mut bench = two_requesters();
    bench.sent.clear();
    let burst: Vec<_> = (1..=3 * SESSIONS_MAX as u64).map(|nonce| bench.request(nonce)).collect();
    let single = bench.request_by(&OTHER, 10_001);
    // Nobody answers yet: as many as there are places and commitments are under way, the others wait.
    bench.liars.insert(2, |message, _| match message {
        Message::SignatureShare(_) => None,
        other => Some(other.clone()),
    });
    bench.liars.insert(3, bench.liars[&2]);
    burst.iter().for_each(|request| bench.submit(1, request));
    bench.deliver();
    let before = opened(&bench).len();
    assert!((1..=SESSIONS_MAX).contains(&before), "{before} under way, the others wait");
    bench.submit(1, &single);
    bench.deliver();
    bench.liars.clear();
    for _ in 0..60 {
        bench.fire_all("Stalled");
        bench.fire_all("Solicit");
        bench.deliver();
    }
    let turn = opened(&bench).iter().skip(before).position(|id| *id == single.id()).unwrap();
    assert!(turn <= 1, "{turn} before it");
    assert_eq!(bench.state(3, &single), "signed");
    assert!(burst.iter().all(|request| bench.state(3, request) == "signed"), "and the burst as well");
}
