//! Opening: what must not open.

use super::*;
use crate::testing::{EPOCH, Net, root_secret};

/// A network where node 11 has every kind of record.
fn net() -> (Net, NodeId) {
    let (mut net, certificate) = Net::certified(2, 3);
    let request = net.request(certificate.group_key(), 1, 5);
    let nodes = net.nodes();
    net.sign(&certificate, &request, &nodes[..2]);
    (net, nodes[0])
}

fn corrupt(net: &Net, node: NodeId) -> RecordKey {
    match net.hosts[&node].try_reopen(&net.definition, 2) {
        Err(OpenError::RecordCorrupt(key)) => key,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn a_vault_opens_only_with_the_keys_of_the_definition() {
    let (net, node) = net();
    let open =
        |node, root| Vault::open(net.definition.clone(), node, Incarnation::new(2, 0), root_secret(root), []).err();
    assert_eq!(open(node, [1; 32]), Some(OpenError::KeysDiffer(node)));
    assert_eq!(open(NodeId(99), [1; 32]), Some(OpenError::NodeUnknown(NodeId(99))));
    let other = &net.hosts[&net.nodes()[1]];
    assert_eq!(open(node, other.root), Some(OpenError::KeysDiffer(node)));
    assert_eq!(open(node, net.hosts[&node].root), None);
    assert_eq!(OpenError::KeysDiffer(node).code(), Code::DefinitionInvalid);
}

#[test]
fn r46_every_kind_of_record_is_there_and_every_altered_one_is_named() {
    let (mut net, node) = net();
    let keys: Vec<_> = net.hosts[&node].records.keys().cloned().collect();
    let mut kinds: Vec<_> = keys.iter().map(|key| Kind::of(key).unwrap().0.name()).collect();
    kinds.dedup();
    assert_eq!(kinds, ["lock/account/", "lock/requester/", "release/", "share/", "state/"]);
    for key in keys {
        let good = net.host(node).records[&key].clone();
        let mut flipped = good.clone();
        flipped[30] ^= 1;
        for bad in [flipped, good[..good.len() - 1].to_vec(), Vec::new()] {
            net.host(node).records.insert(key.clone(), bad);
            assert_eq!(corrupt(&net, node), RecordKey(key.clone()));
        }
        net.host(node).records.insert(key, good);
    }
    assert!(net.hosts[&node].try_reopen(&net.definition, 2).is_ok());
}

#[test]
fn r46_a_record_of_another_node_or_place_is_refused() {
    let (mut net, node) = net();
    let (key_id, _) = *net.host(node).vault.held.keys().next().unwrap();
    let share = key_record(Kind::Share, key_id, EPOCH);
    let other = net.nodes()[1];
    let foreign = net.host(other).records[&share].clone();
    let own = net.host(node).records.insert(share.clone(), foreign).unwrap();
    assert_eq!(corrupt(&net, node), RecordKey(share.clone()));
    net.host(node).records.remove(&share);
    let moved = key_record(Kind::Share, key_id, Epoch(1));
    net.host(node).records.insert(moved.clone(), own);
    assert_eq!(corrupt(&net, node), RecordKey(moved));
}

#[test]
fn a_share_without_its_state_and_a_state_without_its_share_are_refused() {
    let (mut net, node) = net();
    let (key_id, _) = *net.host(node).vault.held.keys().next().unwrap();
    for kind in [Kind::Share, Kind::State] {
        let key = key_record(kind, key_id, EPOCH);
        let value = net.host(node).records.remove(&key).unwrap();
        assert_eq!(corrupt(&net, node), RecordKey(key.clone()));
        net.host(node).records.insert(key, value);
    }
}

#[test]
fn an_unknown_record_is_refused_and_named_in_hex() {
    let (mut net, node) = net();
    net.host(node).records.insert(b"what".to_vec(), vec![1]);
    assert_eq!(corrupt(&net, node), RecordKey(b"what".to_vec()));
    let error = OpenError::RecordCorrupt(RecordKey(b"what".to_vec()));
    assert!(error.to_string().starts_with("RECORD_CORRUPT: "), "{error}");
    assert!(error.to_string().contains("77686174"), "{error}");
}

#[test]
fn nothing_secret_stands_open_in_the_records() {
    let (mut net, node) = net();
    let share = net.host(node).vault.held.values().next().unwrap().package().signing_share().serialize();
    let host = &net.hosts[&node];
    for value in host.records.values() {
        assert!(!value.windows(32).any(|window| window == share || window == host.root));
    }
}
