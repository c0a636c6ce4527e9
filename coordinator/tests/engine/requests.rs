//! Requests at the engine: what is taken in, once, and by whom it is signed.

use crate::bench::{Bench, REQUESTER, WALL, requester};
use crate::network::definition;
use alloy_primitives::{Address, U256};
use firn_coordinator::api::Family;
use firn_proto::definition::Definition;
use firn_proto::message::SigningPackage;
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::request::{Request, SignedRequest};
use firn_proto::{Code, Digest, Message, SubjectId, envelope};

/// The bench's request with a change, signed again.
fn changed(bench: &Bench, nonce: u64, change: impl FnOnce(&mut SlashOperator)) -> Request {
    let Operation::SlashOperator(mut slash) = bench.request(nonce).operation().clone() else { unreachable!() };
    change(&mut slash);
    let operation = Operation::SlashOperator(slash);
    let key = requester(&REQUESTER);
    let (signature, recovery) = key.sign_prehash_recoverable(&operation.id(&bench.definition).0.0).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    SignedRequest { operation, signature: bytes }.verify(&bench.definition).unwrap()
}

/// What the API is answered.
fn submitted(bench: &mut Bench, node: u16, request: &Request) -> Result<(), Code> {
    bench.submit(node, request);
    bench.answers.last().unwrap().1
}

fn shares(bench: &Bench) -> usize {
    bench.sent.iter().filter(|flight| flight.name == "SignatureShare").count()
}

#[test]
fn r02_a_package_for_a_message_one_bit_off_gets_no_share() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    while !bench.flights.iter().any(|flight| flight.name == "SigningPackage") {
        bench.deliver_at(0);
    }
    let before = shares(&bench);
    let packages: Vec<_> = bench.flights.iter().filter(|flight| flight.name == "SigningPackage").cloned().collect();
    bench.flights.retain(|flight| flight.name != "SigningPackage");
    bench.deliver();
    for flight in packages {
        let verified = envelope::verify(&flight.bytes, &bench.definition).unwrap();
        let Message::SigningPackage(package) = verified.content().clone() else { panic!("a package") };
        let mut other = package.subject.0.0;
        other[31] ^= 1;
        let subject = SubjectId(Digest(other));
        let package = Message::SigningPackage(Box::new(SigningPackage { subject, ..*package }));
        bench.say(flight.from, flight.to, subject.into(), &package);
    }
    bench.deliver();
    assert_eq!(shares(&bench), before, "a share for a message that no request makes");
}

#[test]
fn r07_a_request_for_another_account_is_refused_by_all() {
    let (mut bench, _) = Bench::ready(2, 3);
    let before = shares(&bench);
    let request = changed(&bench, 7, |slash| slash.account = Address::repeat_byte(0x55));
    assert_eq!(submitted(&mut bench, 1, &request), Err(Code::AccountMismatch));
    let spread = Message::RequestSpread { request: Box::new(request.clone()), origin: firn_proto::NodeId(1) };
    [2, 3].iter().for_each(|to| bench.say(1, *to, request.id().into(), &spread));
    bench.deliver();
    bench.rounds(2);
    assert!((1..=3).all(|node| bench.state(node, &request) == "none"));
    assert_eq!(shares(&bench), before);
}

#[test]
fn r10_a_repeat_changes_nothing_and_other_content_under_its_nonce_is_a_conflict() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    let rival = changed(&bench, 7, |slash| slash.wadsToSlash = vec![U256::from(81)]);
    assert_eq!(submitted(&mut bench, 1, &request), Ok(()));
    bench.deliver();
    let (sent, records) = (bench.sent.len(), bench.hosts[&1].records.len());
    assert_eq!(submitted(&mut bench, 1, &request), Ok(()), "it is known");
    assert_eq!((bench.sent.len(), bench.hosts[&1].records.len()), (sent, records));
    for node in 1..=3 {
        assert_eq!(submitted(&mut bench, node, &rival), Err(Code::RequestConflict), "n{node}");
    }
    assert_eq!(bench.state(1, &request), "signed");
}

#[test]
fn r10_submitted_to_all_at_once_it_is_one_request() {
    let (mut bench, _) = Bench::ready(3, 5);
    let request = bench.request(7);
    for node in 1..=5 {
        assert_eq!(submitted(&mut bench, node, &request), Ok(()));
    }
    bench.deliver();
    bench.rounds(2);
    for (node, host) in &bench.hosts {
        assert_eq!(host.engine.requests().len(), 1, "n{node}");
        assert_eq!(bench.state(*node, &request), "signed", "n{node}");
    }
    assert!(bench.evidence.is_empty());
}

#[test]
fn r11_intake_bounds_a_deadline_on_both_sides() {
    let (mut bench, _) = Bench::ready(2, 3);
    let most = firn_proto::limits::REQUEST_LIFETIME_SECONDS_MAX;
    for (nonce, deadline, expected) in [
        (1, WALL, Ok(())),
        (2, WALL - 1, Err(Code::RequestExpired)),
        (3, WALL + most, Ok(())),
        (4, WALL + most + 1, Err(Code::RequestLifetimeTooLong)),
    ] {
        let request = changed(&bench, nonce, |slash| slash.deadline = deadline);
        assert_eq!(submitted(&mut bench, 1, &request), expected, "{deadline}");
    }
}

#[test]
fn r11_what_expired_is_not_signed_after_a_restart_or_a_restore() {
    let (mut bench, _) = Bench::ready(2, 3);
    bench.facts = |facts| facts.slashable = false;
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.facts = |_| {};
    bench.now = 8_000_000;
    bench.block_final();
    let before = shares(&bench);
    bench.restart(1);
    // Node 2 comes back with the keys that it had and without any request.
    let requests = Family::Requests as u8;
    bench.hosts.get_mut(&2).unwrap().records.retain(|(family, _), _| *family != requests);
    bench.restart(2);
    bench.deliver();
    assert_eq!((bench.state(1, &request), bench.state(2, &request)), ("expired", "none"));
    assert_eq!(submitted(&mut bench, 2, &request), Err(Code::RequestExpired));
    bench.submit(1, &request);
    bench.deliver();
    bench.rounds(2);
    assert_eq!(bench.state(1, &request), "expired");
    assert_eq!(shares(&bench), before);
}

#[test]
fn r22_signers_come_from_as_many_organisations_as_the_key_asks_for() {
    // Three of five from three organisations, two of which have one node each.
    let mut content = (*definition(3, 5)).clone();
    content.organisations = ["a", "b", "c"].map(str::to_owned).into();
    for (node, organisation) in content.nodes.values_mut().zip(["a", "a", "a", "b", "c"]) {
        node.organisation = organisation.to_owned();
    }
    content.keys[0].organisations_min = 3;
    let (mut bench, _) = Bench::ready_of(Definition::new(content));
    let packages = |bench: &Bench| bench.sent.iter().filter(|flight| flight.name == "SigningPackage").count();
    bench.kill(5);
    let before = (shares(&bench), packages(&bench));
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.rounds(2);
    assert_eq!(bench.state(1, &request), "waiting", "four are willing, of two organisations");
    assert_eq!((shares(&bench), packages(&bench)), before, "nobody is even asked");
    bench.restart(5);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(1, &request), "signed");
    let view = bench.hosts[&1].engine.request(request.id()).unwrap();
    let signers: Vec<_> = view.signers.iter().map(|signer| signer.0).collect();
    assert!([4, 5].iter().all(|node| signers.contains(node)), "{signers:?}");
}
