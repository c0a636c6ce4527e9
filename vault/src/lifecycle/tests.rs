//! Certificate, abandonment, erasure: what excludes what (R30, R32).

use super::*;
use crate::api::{Request, Subject};
use crate::testing::{Ceremony, EPOCH, Net, accept, release};
use firn_proto::NodeId;

/// A (2, 3) network where all members have finished an attempt.
fn finished() -> (Net, Ceremony) {
    let mut net = Net::new(2, 3);
    let ceremony = net.shared(1);
    for node in net.nodes() {
        net.finish(node, &ceremony);
    }
    (net, ceremony)
}

fn abandonments(net: &mut Net, key_id: KeyId) -> BTreeMap<Identifier, AuthorSignature> {
    net.nodes().into_iter().map(|node| (net.identifier(node), net.abandonment(node, key_id))).collect()
}

fn certificate(net: &mut Net, ceremony: &Ceremony) -> KeyCertificate {
    let signatures =
        net.nodes().into_iter().map(|node| (net.identifier(node), net.signature(node, ceremony.key_id))).collect();
    let node = net.nodes()[0];
    let outcome = net.host(node).vault.held[&(ceremony.key_id, EPOCH)].facts.outcome();
    let (transcript, group_key) = (outcome.transcript, outcome.group_key);
    let proposal = ceremony.proposal.clone();
    KeyCertificate::assemble(&net.definition, proposal, transcript, group_key, outcome.verifying_shares, signatures)
        .unwrap()
}

/// Attested, abandoned, certified.
fn status(net: &mut Net, node: NodeId) -> (bool, bool, bool) {
    let held = net.host(node).vault.held.values().next().unwrap();
    (held.attested, held.abandoned, held.certificate.is_some())
}

#[test]
fn certify_attests_the_record_read_back_and_not_memory() {
    let (mut net, ceremony) = finished();
    let node = net.nodes()[0];
    let key_id = ceremony.key_id;
    let record = Vault::share_record(key_id, EPOCH);
    let good = net.host(node).records[&record].clone();
    net.refuses(node, Request::Certify { key_id, epoch: EPOCH, stored: None }, Code::ShareMissing);
    for position in [0, 1, 25, good.len() - 1] {
        let mut torn = good.clone();
        torn[position] ^= 1;
        net.refuses(node, Request::Certify { key_id, epoch: EPOCH, stored: Some(torn) }, Code::RecordCorrupt);
    }
    let cut = good[..good.len() - 1].to_vec();
    net.refuses(node, Request::Certify { key_id, epoch: EPOCH, stored: Some(cut) }, Code::RecordCorrupt);
    let other = net.nodes()[1];
    let foreign = net.host(other).records[&record].clone();
    net.refuses(node, Request::Certify { key_id, epoch: EPOCH, stored: Some(foreign) }, Code::RecordCorrupt);
    assert_eq!(status(&mut net, node), (false, false, false));
    net.signature(node, key_id);
    assert_eq!(status(&mut net, node), (true, false, false));
}

#[test]
fn r31_certify_refuses_a_share_that_does_not_fit_its_verifying_share() {
    let (mut net, ceremony) = finished();
    let node = net.nodes()[0];
    let key_id = ceremony.key_id;
    // Sealed with the right key, for the right place, but with another share in it.
    let held = &net.host(node).vault.held[&(key_id, EPOCH)];
    let content = held.facts.encode(&[7; 32]);
    let mut random = crate::testing::rng(1);
    let write = net.host(node).vault.put(Kind::Share, Vault::share_record(key_id, EPOCH), &content, &mut random);
    let Write::Put { value, .. } = write else { panic!("a put") };
    net.refuses(node, Request::Certify { key_id, epoch: EPOCH, stored: Some(value) }, Code::RecordCorrupt);
}

#[test]
fn certify_is_idempotent_and_durable_before_the_signature_leaves() {
    let (mut net, ceremony) = finished();
    let node = net.nodes()[0];
    let request = net.certify_request(node, ceremony.key_id);
    assert_eq!(net.decide(node, request.clone()).writes.len(), 1, "the state record");
    assert!(net.decide(node, request.clone()).writes.is_empty(), "nothing new to write");
    net.restart(node);
    assert!(net.decide(node, request).writes.is_empty());
}

#[test]
fn r30_after_its_certificate_signature_an_attempt_is_not_forgotten() {
    let (mut net, ceremony) = finished();
    let node = net.nodes()[0];
    let key_id = ceremony.key_id;
    net.signature(node, key_id);
    net.refuses(node, Request::Forget { key_id }, Code::VaultRefused);
    net.restart(node);
    net.refuses(node, Request::Forget { key_id }, Code::VaultRefused);
}

#[test]
fn before_it_the_share_goes_and_the_key_id_stays_used_up() {
    let (mut net, ceremony) = finished();
    let node = net.nodes()[0];
    let key_id = ceremony.key_id;
    net.done(node, Request::Forget { key_id });
    assert!(!net.host(node).records.contains_key(&Vault::share_record(key_id, EPOCH)));
    net.restart(node);
    assert_eq!(net.host(node).vault.held.len(), 0);
    net.refuses(node, Request::Deal { proposal: ceremony.proposal }, Code::DkgConflict);
}

#[test]
fn r30_a_certificate_makes_a_late_vault_usable_after_a_restart() {
    let (mut net, ceremony) = finished();
    let certificate = certificate(&mut net, &ceremony);
    let node = net.nodes()[0];
    net.restart(node);
    assert_eq!(net.done(node, accept(&certificate)).len(), 1);
    assert!(net.done(node, accept(&certificate)).is_empty(), "idempotent");
    net.restart(node);
    assert_eq!(status(&mut net, node), (true, false, true));
    net.commit(node, ceremony.key_id, node);
}

#[test]
fn r30_a_certificate_of_another_transcript_is_refused() {
    let (mut net, ceremony) = finished();
    let node = net.nodes()[0];
    let good = certificate(&mut net, &ceremony);
    // All members sign another transcript: as if they had seen something else than this vault.
    let transcript = crate::testing::digest(9);
    let statement = firn_proto::certificate::statement(transcript, good.group_key(), good.verifying_shares());
    let mut signatures = BTreeMap::new();
    for node in net.nodes() {
        let member = net.identifier(node);
        let digest = certificate_digest(net.definition.network_id(), ceremony.key_id, statement, member);
        let signature = net.hosts[&node].vault.keys.author.sign(digest, &mut crate::testing::rng(1));
        signatures.insert(member, signature);
    }
    let other = KeyCertificate::assemble(
        &net.definition,
        ceremony.proposal.clone(),
        transcript,
        *good.group_key(),
        good.verifying_shares().clone(),
        signatures,
    );
    net.refuses(node, accept(&other.unwrap()), Code::DkgTranscriptMismatch);
    net.done(node, accept(&good));
}

#[test]
fn a_certificate_of_an_unknown_key_is_refused() {
    let (_, certificate) = Net::certified(2, 3);
    let mut net = Net::new(2, 3);
    let node = net.nodes()[0];
    net.refuses(node, accept(&certificate), Code::ShareMissing);
}

#[test]
fn a_vault_with_the_certificate_never_abandons_nor_erases() {
    let (mut net, ceremony) = finished();
    let key_id = ceremony.key_id;
    let certificate = certificate(&mut net, &ceremony);
    let (node, other) = (net.nodes()[0], net.nodes()[1]);
    let abandonments = abandonments(&mut net, key_id);
    // `node` has signed too; with an activation in hand it is certified all the same, and stays so.
    net.refuses(node, accept(&certificate), Code::DkgAbandoned);
    net.host(other).vault.held.get_mut(&(key_id, EPOCH)).unwrap().abandoned = false;
    net.done(other, accept(&certificate));
    net.refuses(other, Request::Abandon { key_id }, Code::VaultRefused);
    net.refuses(other, Request::Erase { key_id, abandonments }, Code::VaultRefused);
    net.refuses(other, Request::Forget { key_id }, Code::VaultRefused);
}

#[test]
fn after_an_abandonment_nothing_is_attested() {
    let (mut net, ceremony) = finished();
    let node = net.nodes()[0];
    net.abandonment(node, ceremony.key_id);
    let request = net.certify_request(node, ceremony.key_id);
    net.refuses(node, request.clone(), Code::DkgAbandoned);
    net.restart(node);
    net.refuses(node, request, Code::DkgAbandoned);
}

#[test]
fn after_an_abandonment_only_an_activation_brings_the_certificate_in() {
    let (mut net, ceremony) = finished();
    let certificate = certificate(&mut net, &ceremony);
    let nodes = net.nodes();
    net.abandonment(nodes[0], ceremony.key_id);
    for node in &nodes[1..] {
        net.done(*node, accept(&certificate));
    }
    net.refuses(nodes[0], accept(&certificate), Code::DkgAbandoned);
    let request = net.request(certificate.group_key(), 1, 5);
    let other = net.sign(&certificate, &request, &nodes[1..]);
    let subject = Subject::Activation(Box::new(certificate.clone()));
    let activation = net.sign(&certificate, &subject, &nodes[1..]);
    let with = |activation| Request::AcceptCertificate {
        certificate: Box::new(certificate.clone()),
        activation: Some(activation),
    };
    net.refuses(nodes[0], with(other), Code::DkgAbandoned);
    net.done(nodes[0], with(activation));
    net.restart(nodes[0]);
    // It signs requests, but never an activation, behind which must stand members that never abandoned.
    let package = net.package(ceremony.key_id, &subject, &nodes[..2]);
    net.refuses(nodes[0], release(&subject, &package), Code::DkgAbandoned);
    net.sign(&certificate, &request, &nodes[..2]);
}

#[test]
fn a_key_is_erased_only_by_the_abandonments_of_all() {
    let (mut net, ceremony) = finished();
    let key_id = ceremony.key_id;
    let node = net.nodes()[0];
    net.signature(node, key_id);
    let good = abandonments(&mut net, key_id);
    let mut missing = good.clone();
    missing.remove(&Identifier(3));
    net.refuses(node, Request::Erase { key_id, abandonments: missing }, Code::VaultRefused);
    let mut foreign = good.clone();
    foreign.insert(Identifier(3), good[&Identifier(2)]);
    let refusal = net.refused(node, Request::Erase { key_id, abandonments: foreign });
    assert_eq!((refusal.code, refusal.culprit), (Code::EnvelopeSignatureInvalid, Some(Identifier(3))));
    let writes = net.done(node, Request::Erase { key_id, abandonments: good.clone() });
    assert!(writes.contains(&Write::Delete { key: Vault::share_record(key_id, EPOCH) }));
    net.restart(node);
    assert!(net.done(node, Request::Erase { key_id, abandonments: good }).is_empty(), "idempotent");
    net.refuses(node, Request::Deal { proposal: ceremony.proposal }, Code::DkgConflict);
}

#[test]
fn an_attempt_lost_with_memory_is_abandoned_by_its_proposal() {
    let mut net = Net::new(2, 3);
    let ceremony = net.shared(1);
    let (key_id, proposal) = (ceremony.key_id, ceremony.proposal.clone());
    let nodes = net.nodes();
    net.finish(nodes[1], &ceremony);
    net.finish(nodes[2], &ceremony);
    net.restart(nodes[0]);
    net.refuses(nodes[0], Request::Abandon { key_id }, Code::ShareMissing);
    let request = Request::AbandonProposal { proposal: proposal.clone() };
    let Reply::Abandoned { signature, .. } = net.ask(nodes[0], request) else { panic!("not abandoned") };
    let mut all = BTreeMap::from([(Identifier(1), signature)]);
    for node in &nodes[1..] {
        all.insert(net.identifier(*node), net.abandonment(*node, key_id));
    }
    net.done(nodes[1], Request::Erase { key_id, abandonments: all });
    // The promise holds in later boots: there will be no share under this id.
    net.restart(nodes[0]);
    net.refuses(nodes[0], Request::Deal { proposal }, Code::DkgConflict);
}

#[test]
fn an_abandoned_attempt_in_memory_does_not_go_on() {
    let mut net = Net::new(2, 3);
    let ceremony = net.shared(1);
    let node = net.nodes()[0];
    net.abandonment(node, ceremony.key_id);
    net.refuses(node, crate::testing::finish(&ceremony), Code::VaultRefused);
}
