use super::verify::{Fault, Stored, verify};
use super::{AuditLog, AuditNote, Head, hash};
use firn_proto::definition::{Chain, Content, Definition};
use firn_proto::time::WallTime;
use firn_proto::{Code, NodeId, SessionId, wire};
use proptest::prelude::*;
use prost::Message;
use std::convert::Infallible;

const SIZE: u64 = 12;

fn definition() -> Definition {
    Definition::new(Content {
        name: "audit".to_owned(),
        chain: Chain {
            id: 1,
            allocation_manager: alloy_primitives::Address::ZERO,
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: std::iter::empty().collect(),
        nodes: std::iter::empty().collect(),
        keys: Vec::new(),
        operator_sets: Vec::new(),
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: Vec::new(),
        requesters: Vec::new(),
        policy: firn_proto::policy::Policy::default(),
        quorum: None,
    })
}

fn append(log: &mut AuditLog, at: u64, event: &'static str) -> Stored {
    let note = AuditNote { members: &[NodeId(2), NodeId(3)], ..AuditNote::new(SessionId::default(), event) };
    let record = log.append(WallTime(at), note);
    Stored { number: u64::from_be_bytes(record.key.try_into().unwrap()), bytes: record.value.unwrap() }
}

/// A sound log, and its head at each size.
fn log(size: u64) -> (Vec<Stored>, Vec<Head>) {
    let mut log = AuditLog::default();
    let mut heads = vec![log.head()];
    let mut entries = Vec::new();
    for at in 0..size {
        entries.push(append(&mut log, at, "share-release"));
        heads.push(log.head());
    }
    (entries, heads)
}

fn check(entries: &[Stored], vouched: &[Head]) -> Result<Head, Fault> {
    let read = || entries.iter().cloned().map(Ok::<_, Infallible>);
    let Ok(outcome) = verify(read, &definition(), vouched);
    outcome
}

/// Gives the entries the numbers of their places, as whoever edits a file would.
fn renumbered(mut entries: Vec<Stored>) -> Vec<Stored> {
    (0..).zip(&mut entries).for_each(|(number, entry)| entry.number = number);
    entries
}

fn changed(entry: &Stored, change: impl FnOnce(&mut wire::AuditEntry)) -> Stored {
    let mut content = wire::AuditEntry::decode(entry.bytes.as_slice()).unwrap();
    change(&mut content);
    Stored { number: entry.number, bytes: content.encode_to_vec() }
}

#[test]
fn r59_a_sound_log_verifies_to_its_head() {
    let (entries, heads) = log(SIZE);
    assert_eq!(check(&entries, &[]), Ok(heads[12]));
    assert_eq!(check(&entries, &heads), Ok(heads[12]));
    assert_eq!(check(&[], &[Head::default()]), Ok(Head::default()));
}

#[test]
fn r59_edit_delete_reorder_insert_and_cut_are_named() {
    let (entries, heads) = log(SIZE);
    for at in 0..12_usize {
        let number = at as u64;
        // Vouched or not, the last entry is covered by a head alone.
        let all = &heads[12..];

        let mut edited = entries.clone();
        edited[at] = changed(&edited[at], |entry| entry.code = 52);
        let expected = if at == 11 { Fault::Rebuilt { number: 0, known: SIZE } } else { Fault::Edited { number } };
        assert_eq!(check(&edited, all), Err(expected), "edited {at}");

        let mut unreadable = entries.clone();
        unreadable[at].bytes.push(0);
        assert_eq!(check(&unreadable, all), Err(Fault::Edited { number }), "unreadable {at}");

        let mut missing = entries.clone();
        missing.remove(at);
        let gone = Fault::Missing { first: number, last: number };
        let expected = if at == 11 { Fault::Cut { number, known: SIZE } } else { gone };
        assert_eq!(check(&missing, all), Err(expected), "missing {at}");
        assert_eq!(check(&renumbered(missing), all), Err(expected), "missing and renumbered {at}");

        for to in (0..12).filter(|to| *to != at) {
            let mut reordered = entries.clone();
            let entry = reordered.remove(at);
            reordered.insert(to, entry);
            let number = at.min(to) as u64;
            assert_eq!(check(&renumbered(reordered), all), Err(Fault::Reordered { number }), "moved {at} to {to}");
        }

        // A forged entry that names its predecessor, one that names nobody, and one that was there before.
        let forged = changed(&entries[at], |entry| entry.event = "request-executed".to_owned());
        let loose = changed(&forged, |entry| entry.previous = vec![7; 32]);
        for (name, entry) in [("forged", forged), ("loose", loose), ("twice", entries[at].clone())] {
            let mut inserted = entries.clone();
            inserted.insert(at, entry);
            assert_eq!(check(&renumbered(inserted), all), Err(Fault::Inserted { number }), "{name} at {at}");
        }

        let cut = Fault::Cut { number, known: SIZE };
        assert_eq!(check(&entries[..at], all), Err(cut), "cut at {at}");
    }
}

#[test]
fn r59_a_rebuilt_chain_is_named_by_the_heads_that_others_hold() {
    let (entries, heads) = log(SIZE);
    for from in 0..12_usize {
        let mut log = AuditLog::default();
        let rebuilt: Vec<_> =
            (0..SIZE).map(|at| append(&mut log, at, if at == from as u64 { "x" } else { "share-release" })).collect();
        assert_eq!(rebuilt[..from], entries[..from]);
        assert!(check(&rebuilt, &[]).is_ok(), "nothing in itself shows it");
        let expected = Fault::Rebuilt { number: from as u64, known: from as u64 + 1 };
        assert_eq!(check(&rebuilt, &heads), Err(expected));
        let sparse = [heads[3], heads[12]];
        let number = if from < 3 { 0 } else { 3 };
        let known = if from < 3 { 3 } else { SIZE };
        assert_eq!(check(&rebuilt, &sparse), Err(Fault::Rebuilt { number, known }));
        assert_eq!(check(&rebuilt, &sparse).unwrap_err().code(), Code::AuditRebuilt);
    }
}

#[test]
fn r59_entries_of_the_previous_schema_still_chain() {
    let mut entries = Vec::new();
    let mut head = Head::default();
    for number in 0..4 {
        let entry = wire::AuditEntry {
            schema: 1,
            previous: head.hash.0.to_vec(),
            event: "request-received".to_owned(),
            ..wire::AuditEntry::default()
        };
        let bytes = entry.encode_to_vec();
        head = Head { size: number + 1, hash: hash(&bytes) };
        entries.push(Stored { number, bytes });
    }
    let last = entries.last().unwrap();
    let mut log = AuditLog::restore(Some((&last.number.to_be_bytes(), &last.bytes))).unwrap();
    entries.push(append(&mut log, 9, "willing"));
    assert_eq!(check(&entries, &[]), Ok(log.head()));
    entries.remove(1);
    assert_eq!(check(&entries, &[]), Err(Fault::Missing { first: 1, last: 1 }));
}

#[test]
fn r60_an_intake_without_its_signed_request_is_not_believed() {
    let (mut entries, _) = log(2);
    let mut log = AuditLog::restore(Some((&[0, 0, 0, 0, 0, 0, 0, 1], &entries[1].bytes))).unwrap();
    entries.push(append(&mut log, 3, super::INTAKE));
    assert_eq!(check(&entries, &[]), Err(Fault::Invalid { number: 2 }));
    // Nor where the entry is there and the request in it is not.
    entries[2] = changed(&entries[2], |entry| entry.intake = Some(wire::AuditIntake::default()));
    assert_eq!(check(&entries, &[]), Err(Fault::Invalid { number: 2 }));
}

proptest! {
    #[test]
    fn r59_any_changed_bit_is_named_no_later_than_where_it_is(at in 0..12_usize, position in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (mut entries, heads) = log(SIZE);
        let byte = position.index(entries[at].bytes.len());
        entries[at].bytes[byte] ^= 1 << bit;
        let fault = check(&entries, &heads).unwrap_err();
        prop_assert!(fault.number() <= at as u64 && fault.number() + 1 >= at as u64, "{fault:?} for {at}");
    }

    #[test]
    fn r60_arbitrary_bytes_never_panic(entries in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..64)), 0..8)) {
        let entries: Vec<_> = entries.into_iter().map(|(number, bytes)| Stored { number, bytes }).collect();
        let _ = check(&entries, &[]);
    }
}
