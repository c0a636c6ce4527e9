//! The report, over a small definition and entries made by hand.

use super::*;
use crate::requester::{agree, opine, say_pause};
use alloy::signers::local::PrivateKeySigner;
use firn_proto::author::AuthorKey;
use firn_proto::definition::{Chain, Content, Node, Requester};
use firn_proto::opinion::Decision;
use firn_proto::pause::Quorums;
use firn_proto::policy::{Person, Policy};
use firn_proto::{Point, opinion, pause};
use std::collections::BTreeSet;

const DAY: u64 = 24 * 3600;
const NOW: u64 = 1_800_000_000;

fn signer(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[byte; 32]).unwrap()
}

/// Node 1 of org with ann (approver) and vic (veto holder); requester avs.
fn definition() -> Definition {
    let person = |byte: u8, roles: &[Role]| Person {
        organisation: "org".to_owned(),
        address: signer(byte).address(),
        roles: roles.iter().copied().collect(),
    };
    let x = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let y = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
    let generator = hex::decode(format!("04{x}{y}")).unwrap();
    let node = Node {
        name: "one".to_owned(),
        organisation: "org".to_owned(),
        region: String::new(),
        provider: String::new(),
        peer_id: "peer".to_owned(),
        author_key: AuthorKey::from_slice(&generator[1..33]).unwrap(),
        vault_key: Point::from_slice(&generator).unwrap(),
        addresses: Vec::new(),
    };
    let requester = Requester {
        name: "=avs, \"the\" one".to_owned(),
        address: signer(7).address(),
        operations: vec!["slash_operator".to_owned()],
        avs: vec![Address::repeat_byte(0x11)],
        expires: None,
    };
    Definition::new(Content {
        name: "test".to_owned(),
        chain: Chain {
            id: 7,
            allocation_manager: Address::repeat_byte(1),
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations: BTreeSet::from(["org".to_owned()]),
        nodes: BTreeMap::from([(NodeId(1), node)]),
        keys: Vec::new(),
        operator_sets: Vec::new(),
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: Vec::new(),
        requesters: vec![requester],
        policy: Policy {
            people: BTreeMap::from([
                ("ann".to_owned(), person(1, &[Role::Approver])),
                ("vic".to_owned(), person(2, &[Role::VetoHolder])),
            ]),
            pause: Some(Quorums { stop: 1, resume: 1 }),
            ..Policy::default()
        },
        quorum: None,
    })
}

fn entry(at: u64, event: &str, reference: Vec<u8>) -> wire::AuditEntry {
    let session = Digest([9; 32]).0.to_vec();
    wire::AuditEntry { at, event: event.to_owned(), reference, session, ..wire::AuditEntry::default() }
}

fn last(entries: &[wire::AuditEntry], name: &str, kind: &str) -> (Option<String>, Option<bool>) {
    let definition = definition();
    let mut used = Use::default();
    entries.iter().for_each(|entry| used.entry(&entry.encode_to_vec(), NodeId(1), &definition));
    let found =
        report(&definition, &[], &used, NOW).into_iter().find(|holder| holder.kind == kind && holder.name == name);
    let found = found.unwrap();
    (found.last_used, found.unused)
}

#[test]
fn everybody_of_the_definition_is_listed_with_what_they_may() {
    let rows = report(&definition(), &[], &Use::default(), NOW);
    let may = |name: &str, kind: &str| {
        let row = rows.iter().find(|row| row.name == name && row.kind == kind).unwrap();
        (row.may.join("; "), row.unused)
    };
    assert_eq!(rows.len(), 5);
    assert_eq!(may("ann", "person"), ("approve and reject; agree that one resumes".to_owned(), None));
    assert_eq!(may("vic", "person").0, "veto; pause and resume the network; agree that one resumes");
    assert!(may("one", "operator").0.contains("resume with two people"));
}

#[test]
fn use_is_what_people_have_signed_and_nothing_else() {
    let definition = definition();
    let request = SubjectId(Digest([9; 32]));
    let body = opine(&definition, request, Decision::Approve, 5, &signer(1)).unwrap();
    let approved = opinion::encode(&body.to_signed(request).unwrap().verify(&definition).unwrap());
    let at = NOW - 10 * DAY;
    assert_eq!(last(&[entry(at, "approved", approved.clone())], "ann", "person").1, Some(false));
    // Another's word, a forged one, or the right words under another event.
    assert_eq!(last(&[entry(at, "approved", approved.clone())], "vic", "person"), (None, None));
    assert_eq!(last(&[entry(at, "approved", approved[..approved.len() - 3].to_vec())], "ann", "person").0, None);
    assert_eq!(last(&[entry(at, "share-release", approved)], "ann", "person").0, None);
    let said = say_pause(&definition, true, 5, &signer(2)).unwrap().to_signed().unwrap();
    let said = entry(at, "pause-said", said.to_wire().encode_to_vec());
    assert_eq!(last(&[said], "vic", "person").1, Some(false));
    let approval = agree(&definition, pause::RESUME, NodeId(1), 5, &signer(1)).unwrap();
    let signature = crate::api::json::signature(&approval).unwrap();
    let act = SignedAct { what: pause::RESUME.to_owned(), node: NodeId(1), number: 5, signature };
    let resumed = entry(at, "node-resumed", wire::Acts { acts: vec![act.to_wire()] }.encode_to_vec());
    assert_eq!(last(std::slice::from_ref(&resumed), "ann", "person").1, Some(false));
    assert_eq!(last(&[resumed], "one", "operator").1, Some(false));
}

#[test]
fn what_was_not_used_for_ninety_days_is_marked_once_the_log_is_as_old() {
    let old = |days: u64| entry(NOW - days * DAY, "node-paused", Vec::new());
    assert_eq!(last(&[old(91)], "one", "operator").1, Some(true));
    assert_eq!(last(&[old(91), old(3)], "one", "operator").1, Some(false));
    assert_eq!(last(&[old(91)], "ann", "person"), (None, Some(true)));
    assert_eq!(last(&[old(89)], "ann", "person"), (None, None));
    assert_eq!(last(&[old(90)], "one", "operator").0.as_deref(), Some("2026-10-17T08:00:00Z"));
}

#[test]
fn a_name_is_one_cell_and_no_formula() {
    let cells = csv_line(["=1+1", "a,b", "say \"so\"", "plain"]);
    assert_eq!(cells, "'=1+1,\"a,b\",\"say \"\"so\"\"\",plain");
}

#[test]
fn since_is_the_first_version_without_a_gap_and_expiry_is_the_entrys() {
    let first = definition();
    let change = |from: &Definition, change: &dyn Fn(&mut Content)| {
        let mut content = (**from).clone();
        change(&mut content);
        from.succeeded_by(content, 1).unwrap()
    };
    let name = first.requesters[0].name.clone();
    let without = change(&first, &|content| content.requesters.clear());
    let again = change(&without, &|content| {
        content.requesters.clone_from(&first.requesters);
        content.requesters[0].expires = Some(firn_proto::time::WallTime(0));
    });
    let rows = report(&again, &[without, first.clone()], &Use::default(), NOW);
    let row = |kind: &str, name: &str| rows.iter().find(|row| row.kind == kind && row.name == name).unwrap();
    assert_eq!(row("requester", &name).since, "version 3", "it was gone in version 2");
    assert_eq!(row("requester", &name).expires.as_deref(), Some("1970-01-01T00:00:00Z"));
    let node = first.nodes.values().next().unwrap();
    assert_eq!(row("node", &node.name).since, "version 1");
}
