//! A pinned hash per wire and disk type. One that moves breaks peers, files or evidence of the same version: either undo
//! the change, or raise the version and keep reading the old one.

use crate::fixture::{definition, seal, signed_as};
use crate::{calls, declared, guard, kinds, limits, pause, safe, samples};
use firn_proto::operation::{KINDS, Operation};
use firn_proto::wire;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const PINNED: &str = include_str!("conformance.toml");

fn encodings() -> BTreeMap<String, Vec<u8>> {
    let definition = definition();
    let mut encodings = BTreeMap::new();
    for (name, (session, message)) in samples::messages() {
        let (kind, body) = message.encode();
        let mut numbered = kind.to_be_bytes().to_vec();
        numbered.extend(body);
        encodings.insert(name.to_owned(), numbered);
        if name == "Solicit" {
            encodings.insert("Envelope".to_owned(), seal(&definition, 1, session, &message));
        }
    }
    let (before, change) = crate::change::sample();
    encodings.insert("network.toml.admins".to_owned(), before.digest().0.to_vec());
    encodings.insert("network.toml.2".to_owned(), change.definition().digest().0.to_vec());
    encodings.insert("DefinitionChange".to_owned(), change.signed().to_wire().encode_to_vec());
    encodings.insert(
        "DefinitionChange.signed".to_owned(),
        firn_proto::definition::change::digest(change.definition()).0.to_vec(),
    );
    encodings.insert("Hello".to_owned(), samples::hello().encode_to_vec());
    encodings.insert("StoredKey".to_owned(), samples::stored_key().encode_to_vec());
    encodings.insert("StoredSubject".to_owned(), samples::stored_subject().encode_to_vec());
    let limited = wire::StoredSubject { received_chain: 7, executed_at: 8, lent: true, ..samples::stored_subject() };
    encodings.insert("StoredSubject.limits".to_owned(), limited.encode_to_vec());
    let checked =
        wire::StoredSubject { evidence: 2, evidence_reason: "forged".to_owned(), ..samples::stored_subject() };
    encodings.insert("StoredSubject.evidence".to_owned(), checked.encode_to_vec());
    encodings.insert("StoredPeer".to_owned(), samples::stored_peer().encode_to_vec());
    encodings.insert("AuditEntry".to_owned(), samples::audit_entry_1().encode_to_vec());
    encodings.insert("AuditEntry.2".to_owned(), samples::audit_entry().encode_to_vec());
    encodings.insert("network.toml".to_owned(), definition.digest().0.to_vec());
    encodings.insert("network.toml.limits".to_owned(), limits::limited().digest().0.to_vec());
    let governed = kinds::governed();
    encodings.insert("network.toml.authorities".to_owned(), governed.digest().0.to_vec());
    let listing = calls::listing();
    encodings.insert("network.toml.calls".to_owned(), listing.digest().0.to_vec());
    encodings.insert("network.toml.pause".to_owned(), pause::pausing(1, 2).digest().0.to_vec());
    encodings.insert("Heads.pauses".to_owned(), samples::heads_with_pauses());
    encodings.insert("StoredPauses".to_owned(), samples::stored_pauses().encode_to_vec());
    encodings.insert("StoredOwnPause".to_owned(), samples::stored_own_pause().encode_to_vec());
    encodings.insert("Acts".to_owned(), samples::acts().encode_to_vec());
    let listed = calls::samples().into_iter().take(1).chain([safe::sample()]).map(|operation| (&listing, operation));
    let [guarded, second, complete] = [19, 21, KINDS.len()].map(guard::guarded_by_the_first);
    encodings.insert("network.toml.contracts".to_owned(), guarded.digest().0.to_vec());
    encodings.insert("network.toml.declared".to_owned(), declared::declaring().digest().0.to_vec());
    let of = |operation: &Operation| match KINDS.iter().position(|kind| *kind == operation.kind()) {
        Some(..19) => &guarded,
        Some(19..21) => &second,
        _ => &complete,
    };
    let listed = listed.chain(guard::samples().into_iter().rev().map(|operation| (of(&operation), operation)));
    for (definition, operation) in kinds::samples().into_iter().map(|operation| (&governed, operation)).chain(listed) {
        let (kind, id) = (operation.kind(), operation.id(definition).0.0.to_vec());
        let wire = signed_as(operation, 7, definition).to_wire().encode_to_vec();
        encodings.insert(format!("SignedRequest.{kind}"), [id, wire].concat());
    }
    encodings
}

#[test]
fn every_type_has_its_pinned_encoding() {
    let pinned: BTreeMap<String, String> = toml::from_str(PINNED).unwrap();
    let actual: BTreeMap<String, String> =
        encodings().into_iter().map(|(name, bytes)| (name, hex::encode(Sha256::digest(bytes)))).collect();
    let moved: Vec<_> = actual.iter().filter(|(name, hash)| pinned.get(*name) != Some(hash)).collect();
    assert!(moved.is_empty(), "these encodings moved, or are new in conformance.toml: {moved:#?}");
    let gone: Vec<_> = pinned.keys().filter(|name| !actual.contains_key(*name)).collect();
    assert!(gone.is_empty(), "pinned types without a sample: {gone:?}");
}

#[test]
fn r06_every_kind_of_message_has_a_sample_and_no_other_kind_decodes() {
    let kinds: std::collections::BTreeSet<_> =
        samples::messages().values().map(|(_, message)| message.encode().0).chain([24]).collect();
    assert!(kinds.iter().copied().eq(1..=31), "kinds {kinds:?}: a new kind needs a sample and a pinned hash");
}
