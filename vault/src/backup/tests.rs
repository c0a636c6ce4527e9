use super::*;
use crate::testing::{EPOCH, Net, rng, root_secret};
use firn_proto::Incarnation;
use firn_proto::definition::Content;

/// A key of two of three, the first member's sealed share, and what it is sealed under.
struct Kept {
    net: Net,
    certificate: KeyCertificate,
    node: NodeId,
    share: Vec<u8>,
    key: BackupKey,
}

fn kept() -> Kept {
    let (mut net, certificate) = Net::certified(2, 3);
    let (node, key) = (net.nodes()[0], BackupKey::generate(&mut rng(7)));
    let share = net.host(node).vault.export(certificate.key_id(), EPOCH, &key, &mut rng(8)).unwrap();
    Kept { net, certificate, node, share, key }
}

/// A vault of `node` that has lost everything but its root.
fn emptied(net: &mut Net, node: NodeId) -> Vault {
    let (definition, root) = (net.definition.clone(), net.host(node).root);
    Vault::open(definition, node, Incarnation::new(9, 0), root_secret(root), []).unwrap()
}

fn same_key(key: &BackupKey) -> BackupKey {
    BackupKey::from_bytes(key.as_bytes().clone())
}

#[test]
fn r53_a_restored_share_signs_as_before() {
    let Kept { mut net, certificate, node, share, key } = kept();
    assert_eq!(verify(&net.definition, node, &certificate, &share, &key), Ok(()));
    net.host(node).vault = emptied(&mut net, node);
    net.host(node).records.clear();
    let writes = net.host(node).vault.import(certificate.clone(), &share, &key, &mut rng(9)).unwrap();
    net.host(node).apply(&writes);
    let request = net.request(certificate.group_key(), 1, 5);
    let nodes = net.nodes();
    net.sign(&certificate, &request, &nodes[..2]);
    net.restart(node);
    net.sign(&certificate, &request, &nodes[..2]);
}

#[test]
fn r53_no_share_stands_in_the_clear_in_a_backup_or_in_records() {
    let Kept { mut net, certificate, node, share, key } = kept();
    let held = net.host(node).vault.held.get(&(certificate.key_id(), EPOCH)).unwrap().encode().unwrap();
    let secret = &held[..32];
    let mut vault = emptied(&mut net, node);
    let writes = vault.import(certificate, &share, &key, &mut rng(9)).unwrap();
    let values = writes.iter().map(|write| match write {
        Write::Put { value, .. } => value.as_slice(),
        Write::Delete { .. } => panic!("nothing is deleted"),
    });
    for bytes in values.chain([share.as_slice()]) {
        assert!(!bytes.windows(32).any(|window| window == secret));
    }
}

#[test]
fn r53_a_share_under_another_key_or_with_a_bit_flipped_is_refused() {
    let Kept { mut net, certificate, node, share, key } = kept();
    let refused = |share: &[u8], key: &BackupKey| {
        assert_eq!(verify(&net.definition, node, &certificate, share, key), Err(Code::BackupShareInvalid));
    };
    refused(&share, &BackupKey::generate(&mut rng(1)));
    for at in [0, 1, 24, 25, 60, share.len() - 17, share.len() - 1] {
        let mut flipped = share.clone();
        flipped[at] ^= 1;
        refused(&flipped, &key);
    }
    refused(&share[..share.len() - 1], &key);
    refused(&[share.as_slice(), &[0]].concat(), &key);
    refused(&[], &key);
    let mut vault = emptied(&mut net, node);
    let wrong = BackupKey::generate(&mut rng(1));
    assert_eq!(vault.import(certificate, &share, &wrong, &mut rng(2)), Err(Code::BackupShareInvalid));
    assert!(vault.held.is_empty(), "nothing was taken in");
}

#[test]
fn r53_a_share_of_another_member_network_or_key_is_refused() {
    let Kept { mut net, certificate, node, share, key } = kept();
    let other = net.nodes()[1];
    let refused = |definition: &Definition, node, certificate: &KeyCertificate| {
        assert_eq!(verify(definition, node, certificate, &share, &key), Err(Code::BackupShareInvalid));
    };
    refused(&net.definition, other, &certificate);
    refused(&net.definition, NodeId(9), &certificate);
    let renamed = Definition::new(Content { name: "another".into(), ..(*net.definition).clone() });
    refused(&renamed, node, &certificate);
    let again = net.shared(2);
    let second = net.certify(&again);
    assert_ne!(second.key_id(), certificate.key_id());
    refused(&net.definition, node, &second);
    // Its own share under the certificate of the other attempt is none of that either.
    net.nodes().into_iter().for_each(|node| drop(net.done(node, crate::testing::accept(&second))));
    let exported = net.host(node).vault.export(second.key_id(), EPOCH, &same_key(&key), &mut rng(3)).unwrap();
    assert_eq!(verify(&net.definition, node, &second, &exported, &key), Ok(()));
    assert_eq!(verify(&net.definition, node, &certificate, &exported, &key), Err(Code::BackupShareInvalid));
}

#[test]
fn r53_a_content_that_is_not_the_certified_share_is_refused_though_it_opens() {
    let Kept { mut net, certificate, node, key, .. } = kept();
    let other = net.nodes()[1];
    let definition = net.definition.clone();
    // Another member's genuine share, sealed for our place by somebody who has the key.
    let theirs = net.host(other).vault.held.get(&(certificate.key_id(), EPOCH)).unwrap().encode().unwrap();
    let forged =
        sealed(&definition, node, &certificate, &key, |sealer, place| sealer.seal(place, &theirs, &mut rng(4)));
    assert_eq!(verify(&definition, node, &certificate, &forged, &key), Err(Code::BackupShareInvalid));
    // Our facts with their share.
    let mut mixed = net.host(node).vault.held.get(&(certificate.key_id(), EPOCH)).unwrap().encode().unwrap();
    mixed[..32].copy_from_slice(&theirs[..32]);
    let forged = sealed(&definition, node, &certificate, &key, |sealer, place| sealer.seal(place, &mixed, &mut rng(4)));
    assert_eq!(verify(&definition, node, &certificate, &forged, &key), Err(Code::BackupShareInvalid));
}

#[test]
fn r53_the_place_of_a_sealed_share_has_an_epoch() {
    let Kept { net, certificate, node, share, key } = kept();
    let Digest(record_key) = certificate.statement();
    let (network, key_id) = (net.definition.network_id(), certificate.key_id());
    let opens = |kind, epoch| {
        let place = Place { kind, network, node, key_id, epoch, record_key: &record_key };
        Sealer::new(key.as_bytes().clone()).open(&place, &share).is_some()
    };
    assert!(opens(KIND, EPOCH));
    assert!(!opens(KIND, Epoch(1)));
    assert!(!opens(Kind::Share.name(), EPOCH), "a record of a vault is no backup");
}

#[test]
fn r54_nothing_that_is_there_is_overwritten_and_nothing_erased_comes_back() {
    let Kept { mut net, certificate, node, share, key } = kept();
    let again = |net: &mut Net| net.host(node).vault.import(certificate.clone(), &share, &key, &mut rng(5));
    assert_eq!(again(&mut net), Err(Code::ShareExists));
    net.restart(node);
    assert_eq!(again(&mut net), Err(Code::ShareExists));
    let mut vault = emptied(&mut net, node);
    vault.buried.insert(certificate.key_id());
    assert_eq!(vault.import(certificate.clone(), &share, &key, &mut rng(5)), Err(Code::ShareExists));
}

#[test]
fn what_is_not_certified_has_no_backup() {
    let mut net = Net::new(2, 3);
    let ceremony = net.shared(1);
    let node = net.nodes()[0];
    net.finish(node, &ceremony);
    let key = BackupKey::generate(&mut rng(7));
    let mut export = |key_id, epoch| net.host(node).vault.export(key_id, epoch, &key, &mut rng(8));
    assert_eq!(export(ceremony.key_id, EPOCH), Err(Code::KeyNotReady));
    assert_eq!(export(ceremony.key_id, Epoch(1)), Err(Code::EpochMismatch));
    assert_eq!(export(KeyId::default(), EPOCH), Err(Code::ShareMissing));
}
