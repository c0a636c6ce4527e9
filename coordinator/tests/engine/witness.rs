//! Heads of audit logs: cosigned by peers, kept by both sides, and proof against whoever signs two.

use crate::bench::Bench;
use firn_coordinator::api::{Command, Event};
use firn_proto::checkpoint::{Checkpoint, Head, Note, SignedCheckpoint};
use firn_proto::{Digest, Message, NodeId, SessionId, wire};
use prost::Message as _;

/// What a node holds: from whom, whose log, how long, and how many have signed.
fn held(bench: &Bench, at: u16) -> Vec<(u16, u16, u64, usize)> {
    let held = bench.hosts[&at].engine.heads_held();
    held.iter()
        .map(|held| {
            let Note { checkpoint, signatures } = &held.note;
            (held.from.0, checkpoint.owner.0, checkpoint.head.size, signatures.len())
        })
        .collect()
}

fn show(bench: &mut Bench, at: u16) {
    bench.event(at, Event::Operator(Command::ShowHead));
    bench.deliver();
}

fn says(bench: &mut Bench, from: u16, size: u64, hash: u8, boot: u32) {
    let checkpoint = Checkpoint { owner: NodeId(from), head: Head { size, hash: Digest([hash; 32]) }, boot };
    let message = Message::Checkpoint(SignedCheckpoint::unsigned(checkpoint));
    bench.say(from, 1, SessionId::default(), &message);
    bench.deliver();
}

fn quarantined(bench: &Bench) -> Vec<u16> {
    let peers = bench.hosts[&1].engine.peers();
    peers.into_iter().filter(|peer| peer.quarantined).map(|peer| peer.node.0).collect()
}

/// The evidence of the entry that a fork leaves.
fn proof(bench: &Bench) -> Vec<Vec<u8>> {
    let entries = bench.hosts[&1].records.values().filter_map(|record| {
        let entry = wire::AuditEntry::decode(record.value.as_deref()?).ok()?;
        (entry.event == "audit-forked").then_some(entry.evidence)
    });
    entries.flatten().collect()
}

#[test]
fn r60_heads_are_cosigned_by_every_peer_and_kept_on_both_sides() {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    show(&mut bench, 3);
    let size = held(&bench, 1).iter().find(|held| held.1 == 3).unwrap().2;
    assert!(size > 3, "{size} entries");
    assert_eq!(held(&bench, 1), [(3, 3, size, 1)], "the owner's word");
    assert_eq!(held(&bench, 3), [(1, 3, size, 2), (2, 3, size, 2)], "with a cosignature of each peer");
    for held in bench.hosts[&3].engine.heads_held() {
        let text = held.note.to_text(&bench.definition);
        assert_eq!(Note::from_text(&text, &bench.definition), Ok(held.note), "{text}");
    }
    bench.restart(1);
    bench.restart(3);
    bench.deliver();
    assert_eq!((held(&bench, 1)[0], held(&bench, 3).len()), ((3, 3, size, 1), 2), "on disk");
}

#[test]
fn r60_peers_get_the_head_in_their_turn_and_only_if_it_is_new() {
    let (mut bench, _) = Bench::ready(2, 3);
    for _ in 0..4 {
        bench.fire_all("AntiEntropy");
        bench.deliver();
    }
    assert!([1, 2, 3].into_iter().all(|node| held(&bench, node).len() == 4), "{:?}", held(&bench, 1));
    bench.sent.clear();
    show(&mut bench, 2);
    assert!(bench.sent.iter().all(|flight| flight.name != "Checkpoint"), "all have it");
}

#[test]
fn r60_two_heads_of_one_size_are_kept_as_proof_and_their_signer_is_quarantined() {
    let (mut bench, _) = Bench::ready(2, 3);
    says(&mut bench, 3, 100, 0xa, 1);
    assert_eq!((held(&bench, 1), quarantined(&bench)), (vec![(3, 3, 100, 1)], vec![]));
    says(&mut bench, 3, 100, 0xa, 1);
    says(&mut bench, 3, 99, 0xb, 1);
    assert!(quarantined(&bench).is_empty(), "the same again, and one that is late");
    says(&mut bench, 3, 100, 0xb, 1);
    assert_eq!(quarantined(&bench), [3]);
    let proof = proof(&bench);
    let notes =
        proof.iter().map(|text| Note::from_text(std::str::from_utf8(text).unwrap(), &bench.definition).unwrap());
    let heads: Vec<_> = notes.map(|note| note.checkpoint.head).collect();
    assert_eq!(heads, [0xa, 0xb].map(|hash| Head { size: 100, hash: Digest([hash; 32]) }), "anybody can check it");
}

#[test]
fn r60_a_log_that_is_shorter_after_a_start_is_proof_as_well() {
    let (mut bench, _) = Bench::ready(2, 3);
    says(&mut bench, 3, 100, 0xa, 1);
    bench.restart(3);
    bench.deliver();
    says(&mut bench, 3, 99, 0xb, 2);
    assert_eq!((quarantined(&bench), proof(&bench).len()), (vec![3], 2));
}

#[test]
fn a_head_is_its_channels_and_peers_are_not_asked_to_sign_without_end() {
    let (mut bench, _) = Bench::ready(2, 3);
    says(&mut bench, 3, 100, 0xa, 5);
    assert_eq!(held(&bench, 1), [], "of another start than the channel's");
    bench.sent.clear();
    for size in 100..120 {
        says(&mut bench, 3, size, 0xa, 1);
    }
    let answers = bench.sent.iter().filter(|flight| flight.name == "Checkpoint" && flight.from == 1).count();
    assert_eq!(answers, 8, "as often as a peer may ask at once");
    // A head that we have never had, with our own signature under it, could only come back to us after our log was cut.
    let ours = Checkpoint { owner: NodeId(1), head: Head { size: 10_000, hash: Digest([1; 32]) }, boot: 1 };
    bench.say(1, 3, SessionId::default(), &Message::Checkpoint(SignedCheckpoint::unsigned(ours)));
    bench.deliver();
    assert_eq!(held(&bench, 1).iter().filter(|held| held.1 == 1).count(), 0);
    assert!(bench.sent.iter().any(|flight| flight.name == "Checkpoint" && flight.from == 3), "it came back cosigned");
}
