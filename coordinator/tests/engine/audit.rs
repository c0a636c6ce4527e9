//! The audit log: what its entries hold, and that a log as an engine writes it verifies.

use crate::bench::Bench;
use firn_coordinator::api::{Family, Record};
use firn_coordinator::audit::verify::{Fault, Stored, verify};
use firn_coordinator::audit::{Head, INTAKE};
use firn_proto::request::SignedRequest;
use firn_proto::wire::AuditEntry;
use prost::Message;
use std::convert::Infallible;

pub(crate) fn log(bench: &Bench, node: u16) -> Vec<Stored> {
    let records = bench.hosts[&node].records.iter().filter(|((family, _), _)| *family == Family::Audit as u8);
    let stored = |record: &Record| Stored {
        number: u64::from_be_bytes(record.key.clone().try_into().unwrap()),
        bytes: record.value.clone().unwrap(),
    };
    records.map(|(_, record)| stored(record)).collect()
}

fn entries(log: &[Stored], event: &str) -> Vec<AuditEntry> {
    let entries = log.iter().map(|stored| AuditEntry::decode(stored.bytes.as_slice()).unwrap());
    entries.filter(|entry| entry.event == event).collect()
}

pub(crate) fn check(bench: &Bench, log: &[Stored], vouched: &[Head]) -> Result<Head, Fault> {
    let Ok(outcome) = verify(|| log.iter().cloned().map(Ok::<_, Infallible>), &bench.definition, vouched);
    outcome
}

#[test]
fn r58_entries_hold_who_what_by_which_rules_with_whom_and_how_it_ended() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    for node in [1, 2, 3] {
        let log = log(&bench, node);
        let [received] = &entries(&log, INTAKE)[..] else { panic!("one request came in at {node}") };
        let intake = received.intake.as_ref().unwrap();
        assert_eq!(received.session, request.id().0.0);
        assert_eq!(intake.definition, bench.definition.digest().0);
        assert_eq!(intake.requester, request.requester().as_slice());
        assert_eq!((intake.operation.as_str(), intake.origin), ("slash_operator", 1));
        let signed = SignedRequest::from_wire(intake.request.as_ref().unwrap()).unwrap();
        assert_eq!(signed.verify(&bench.definition).unwrap().id(), request.id(), "the export is self-contained");
    }
    let releases: Vec<_> = [1, 2, 3].iter().flat_map(|node| entries(&log(&bench, *node), "share-release")).collect();
    let of_request: Vec<_> = releases.iter().filter(|entry| entry.session == request.id().0.0).collect();
    assert_eq!(of_request.len(), 2, "two lent their shares");
    for release in of_request {
        assert_eq!((release.members.len(), release.coordinator, release.code), (2, 1, 0), "{release:?}");
    }
    let signed = entries(&log(&bench, 1), "request-signed");
    assert_eq!(signed[0].members.len(), 2, "the coordinator knows the signers");
}

#[test]
fn r59_the_log_of_an_engine_verifies_across_restarts_and_names_a_changed_request() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.restart(2);
    bench.deliver();
    for node in [1, 2, 3] {
        let mut log = log(&bench, node);
        let head = check(&bench, &log, &[]).unwrap();
        assert_eq!(head.size, log.len() as u64);
        // Another requester in the entry, and a chain that is made anew for it: the signature still names the true one.
        let at = log.iter().position(|stored| !entries(std::slice::from_ref(stored), INTAKE).is_empty()).unwrap();
        let mut previous = None;
        for stored in &mut log[at..] {
            let mut entry = AuditEntry::decode(stored.bytes.as_slice()).unwrap();
            if let Some(hash) = previous {
                entry.previous = hash;
            } else if let Some(intake) = &mut entry.intake {
                intake.requester[0] ^= 1;
            }
            stored.bytes = entry.encode_to_vec();
            previous = Some(firn_coordinator::audit::hash(&stored.bytes).0.to_vec());
        }
        assert_eq!(check(&bench, &log, &[]), Err(Fault::Invalid { number: at as u64 }));
        let rebuilt = Fault::Rebuilt { number: 0, known: head.size };
        assert_eq!(check(&bench, &log, &[head]), Err(rebuilt), "the head that others hold is the first to differ");
    }
}
