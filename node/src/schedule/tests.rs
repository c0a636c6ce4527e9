//! What is due when, and what is unknown is said to be.

use super::*;
use crate::config::Layers;
use crate::testing::definition;
use firn_proto::{Digest, Epoch, KeyId, Point};
use std::collections::BTreeMap;

const NOW: u64 = 1_900_000_000;
const DAY: u64 = 86_400;

fn schedule(made: Made) -> Schedule {
    let text = "node = 'a'\nchain.rpc = 'http://127.0.0.1:1'";
    let layers = Layers::merge(Path::new("config.toml"), text, &Default::default()).unwrap();
    Schedule { intervals: Config::parse(&layers).unwrap().schedule, made }
}

pub(super) fn epoch(definition: &Definition, state: &'static str, epoch: u32, since: u64, group: u8) -> KeyView {
    let points: Vec<Point> = definition.nodes.values().map(|node| node.vault_key).collect();
    KeyView {
        key_id: KeyId(Digest([u8::try_from(epoch).unwrap(); 32])),
        name: "slash".to_owned(),
        state,
        proposer: NodeId(1),
        epoch: Epoch(epoch),
        threshold: 3,
        since,
        members: BTreeMap::new(),
        group_key: Some(points[usize::from(group)]),
        account: None,
        certified_by: Vec::new(),
        waiting_for: Vec::new(),
        code: None,
        culprit: None,
    }
}

fn entries(definition: &Definition, keys: &[KeyView], made: Made, connected: &[u16], block: u64) -> Vec<Entry> {
    let connected = connected.iter().map(|id| NodeId(*id)).collect();
    let facts = Facts { now: NOW, definition, me: NodeId(1), keys, connected: &connected, block };
    schedule(made).view(&facts).entries
}

fn state(entries: &[Entry], kind: &str, name: &str) -> (String, Option<i64>, Vec<String>) {
    let entry = entries.iter().find(|entry| entry.kind == kind && entry.name == name).unwrap();
    (entry.state.clone(), entry.left_seconds, entry.blocked_by.clone())
}

const ALL: &[u16] = &[1, 2, 3, 4, 5];

#[test]
fn r56_shares_and_keys_grow_old_by_themselves() {
    let definition = definition();
    let with = |since: u64, connected: &[u16]| {
        let keys = [epoch(&definition, "retired", 0, NOW - 300 * DAY, 0), epoch(&definition, "active", 1, since, 0)];
        entries(&definition, &keys, Made::default(), connected, 0)
    };
    let share = |age: u64| state(&with(NOW - age * DAY, ALL), "share-epoch", "slash");
    let left = |days: i64| Some(days * 86_400);
    assert_eq!(share(75), ("fresh".to_owned(), left(15), vec![]));
    assert_eq!(share(76), ("due".to_owned(), left(14), vec![]));
    assert_eq!(share(90), ("overdue".to_owned(), left(0), vec![]));
    let away = |age: u64| state(&with(NOW - age * DAY, &[1, 2, 4, 5]), "share-epoch", "slash");
    assert_eq!(away(91), ("blocked".to_owned(), left(-1), vec!["node-3 is not connected".to_owned()]));
    assert_eq!(away(1).0, "fresh", "nobody is missed before it is due");
    // The group key is as old as its first epoch, and due 14 days and the timelock's 17.5 before its year is over.
    let group = |since: u64, first: u64| {
        let keys = [epoch(&definition, "retired", 0, first, 0), epoch(&definition, "active", 1, since, 0)];
        state(&entries(&definition, &keys, Made::default(), ALL, 0), "group-key", "slash")
    };
    assert_eq!(group(NOW, NOW - 333 * DAY), ("fresh".to_owned(), left(32), vec![]));
    assert_eq!(group(NOW, NOW - 334 * DAY), ("due".to_owned(), left(31), vec![]));
    assert_eq!(group(NOW, 0), ("unknown".to_owned(), None, vec![]), "an epoch of an unknown time");
    let late = [epoch(&definition, "active", 1, NOW, 0)];
    assert_eq!(state(&entries(&definition, &late, Made::default(), ALL, 0), "group-key", "slash").0, "unknown");
    assert_eq!(state(&entries(&definition, &[], Made::default(), ALL, 0), "share-epoch", "slash").0, "unknown");
}

#[test]
fn r56_what_expires_is_due_before_it_does() {
    let definition = definition();
    let made = |identity: u64, keystore: u64, certificate: u64| Made {
        identity: Some(NOW - identity * DAY),
        keystore: Some(NOW - keystore * DAY),
        certificate: Some(NOW + certificate * DAY),
    };
    let now = entries(&definition, &[], made(800, 360, 29), ALL, 0);
    for (kind, name, expected) in [
        ("node-identity", "node-1", "overdue"),
        ("audit-signer", "node-1", "overdue"),
        ("key-encryption-key", "node-1", "due"),
        ("tls", "node-1", "due"),
        ("requester", "short", "fresh"),
        ("requester", "avs", "overdue"),
        ("approver", "admin-1", "overdue"),
    ] {
        assert_eq!(state(&now, kind, name).0, expected, "{kind} of {name}");
    }
    let later = entries(&definition, &[], Made::default(), ALL, 0);
    assert_eq!(state(&later, "node-identity", "node-1").0, "unknown");
    assert!(later.iter().all(|entry| entry.kind != "tls"), "there is no certificate");
}

#[test]
fn r56_a_person_and_a_requester_are_as_old_as_the_version_that_brought_them() {
    let first = definition();
    let mut content = (*first).clone();
    content.requesters[0].address = alloy::primitives::Address::repeat_byte(0x77);
    let second = first.succeeded_by(content, 1_000).unwrap();
    let third = second.succeeded_by((*second).clone(), 2_000).unwrap();
    let made = Made { identity: Some(NOW - 100 * DAY), ..Made::default() };
    // 7,200 blocks are a day.
    let now = entries(&third, &[], made, ALL, 1_000 + 10 * 7_200);
    let left = |name: &str, kind: &str| state(&now, kind, name).1.unwrap() / 86_400;
    assert_eq!((left("avs", "requester"), left("admin-2", "approver")), (355, 265));
}

#[test]
fn r34_those_who_left_are_shown_with_an_alarm_once_they_could_sign() {
    let mut version = definition();
    for (leaves, joins) in [(2_u16, 6_u8), (3, 7), (4, 8)] {
        let view = departed(&version, "slash").unwrap();
        assert!(!view.alarm && view.nodes.len() == usize::from(leaves) - 2, "{view:?}");
        let mut content = (*version).clone();
        let node = crate::testing::node(joins);
        let organisation = "org-1".to_owned();
        content.nodes.insert(NodeId(joins.into()), firn_proto::definition::Node { organisation, ..node });
        let key = content.keys.iter_mut().find(|key| key.name == "slash").unwrap();
        key.members.remove(&firn_proto::Identifier(leaves));
        key.members.insert(version.next_identifier("slash").unwrap(), NodeId(joins.into()));
        version = version.succeeded_by(content, 9).unwrap();
    }
    let view = departed(&version, "slash").unwrap();
    assert_eq!(
        (view.nodes.as_slice(), view.alarm),
        (["node-2", "node-3", "node-4"].map(str::to_owned).as_slice(), true)
    );
}
