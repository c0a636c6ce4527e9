//! Records: each reads back, and none is guessed at.

use crate::bench::Bench;
use firn_coordinator::api::{Family, Record};
use firn_coordinator::{Config, Engine};
use firn_proto::{Code, NodeId};

fn restore(bench: &Bench, records: &[Record]) -> Result<Engine, (Code, Vec<u8>)> {
    Engine::restore(
        Config {
            definition: bench.definition.clone(),
            me: NodeId(1),
            incarnation: firn_proto::Incarnation::new(2, 0),
            check_evidence: false,
            refresh_after: Some(0),
        },
        records,
    )
}

/// A node with an active key, a signed request and an open one.
fn busy() -> Bench {
    let (mut bench, _) = Bench::ready(2, 3);
    let signed = bench.request(1);
    bench.submit(1, &signed);
    bench.deliver();
    bench.facts = |facts| facts.slashable = false;
    let open = bench.request(2);
    bench.submit(1, &open);
    bench.deliver();
    bench
}

#[test]
fn what_was_written_reads_back() {
    let bench = busy();
    let before = &bench.hosts[&1].engine;
    let after = restore(&bench, &bench.hosts[&1].all_records()).unwrap();
    assert_eq!(after.keys(), before.keys());
    let essence = |engine: &Engine| -> Vec<_> {
        engine.requests().into_iter().map(|v| (v.id, v.request, v.origin, v.received, v.signature, v.signers)).collect()
    };
    assert_eq!(essence(&after), essence(before));
}

#[test]
fn a_record_that_is_not_as_it_was_written_is_named() {
    let bench = busy();
    let records = bench.hosts[&1].all_records();
    let last_audit = records.iter().rposition(|record| record.family == Family::Audit).unwrap();
    for (index, record) in records.iter().enumerate() {
        if record.family == Family::Audit && index != last_audit {
            continue;
        }
        let value = record.value.clone().unwrap();
        let cut = value[..value.len() - 1].to_vec();
        let trailing = [&value[..], &[0xf8, 0x3f, 1]].concat();
        let mut schema = value.clone();
        let current = if record.family == Family::Audit { 2 } else { 1 };
        assert_eq!(schema[..2], [8, current], "the schema comes first");
        schema[1] = current + 1;
        let mut cases = vec![("cut", cut), ("trailing", trailing), ("schema", schema)];
        if record.family != Family::Audit {
            cases.push(("empty", Vec::new()));
        }
        for (name, changed) in cases {
            let mut corrupt = records.clone();
            corrupt[index].value = Some(changed);
            let error = restore(&bench, &corrupt).err();
            assert_eq!(error, Some((Code::RecordCorrupt, record.key.clone())), "{name} in {:?}", record.family);
        }
    }
}

#[test]
fn a_record_under_another_key_is_refused() {
    let bench = busy();
    let records = bench.hosts[&1].all_records();
    for family in [Family::Keys, Family::Requests] {
        let index = records.iter().position(|record| record.family == family).unwrap();
        let mut moved = records.clone();
        moved[index].key[0] ^= 1;
        let key = moved[index].key.clone();
        assert_eq!(restore(&bench, &moved).err(), Some((Code::RecordCorrupt, key)));
    }
}

#[test]
fn the_audit_log_goes_on_where_it_ended() {
    let mut bench = busy();
    let count =
        |bench: &Bench| bench.hosts[&1].records.keys().filter(|(family, _)| *family == Family::Audit as u8).count();
    let before = count(&bench);
    bench.restart(1);
    bench.deliver();
    assert!(count(&bench) > before, "entries are added, none is written over");
}

#[test]
fn a_flipped_bit_in_a_signature_of_a_certificate_is_corruption() {
    let bench = busy();
    let records = bench.hosts[&1].all_records();
    let index = records.iter().position(|record| record.family == Family::Keys).unwrap();
    let value = records[index].value.clone().unwrap();
    // The time of its activation comes last, and is no signature's.
    for from_end in [7, 96, 156, 306] {
        let mut corrupt = records.clone();
        let bytes = corrupt[index].value.as_mut().unwrap();
        let at = value.len() - from_end;
        bytes[at] ^= 1;
        assert!(restore(&bench, &corrupt).is_err(), "byte {at} of {}", value.len());
    }
}
