//! Signing vectors through our layer.

use super::*;
use crate::api::{Reply, Request};
use crate::suite::SecretScalar;
use crate::testing::{EPOCH, NOW, Net, Script, hex_at, rng};
use firn_proto::Identifier;
use serde_json::Value;
use std::collections::BTreeSet;

/// Runs commit and sign of every signer in a vector file.
fn check_signing_vectors(text: &str) {
    let vectors: Value = serde_json::from_str(text).unwrap();
    let group_key = suite::point_from_frost(&hex_at(&vectors["inputs"]["verifying_key_key"])).unwrap();
    let message = hex_at(&vectors["inputs"]["message"]);
    let threshold = vectors["config"]["MIN_PARTICIPANTS"].as_str().unwrap().parse().unwrap();
    let mut signers = BTreeMap::new();
    for output in vectors["round_one_outputs"]["outputs"].as_array().unwrap() {
        let identifier = Identifier(u16::try_from(output["identifier"].as_u64().unwrap()).unwrap());
        let shares = vectors["inputs"]["participant_shares"].as_array().unwrap();
        let share = shares.iter().find(|share| share["identifier"] == output["identifier"]).unwrap();
        let share = SecretScalar::parse(&hex_at(&share["participant_share"])).unwrap();
        let package = suite::key_package(identifier, &share, &group_key, threshold).unwrap();
        let randomness = ["hiding_nonce_randomness", "binding_nonce_randomness"].map(|name| hex_at(&output[name]));
        let generated = Nonces::generate(package.signing_share(), &mut Script::new(&randomness));
        let (nonces, (hiding, binding)) = generated.unwrap();
        assert_eq!(hiding.compressed()[..], hex_at(&output["hiding_nonce_commitment"]));
        assert_eq!(binding.compressed()[..], hex_at(&output["binding_nonce_commitment"]));
        signers.insert(identifier, (package, nonces, (hiding, binding)));
    }
    let commitments = signers.iter().map(|(id, (_, _, commitments))| (*id, *commitments)).collect();
    let package = suite::signing_package(&commitments, &message).unwrap();
    let outputs = vectors["round_two_outputs"]["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), signers.len());
    for ((_, (key, nonces, _)), output) in signers.into_iter().zip(outputs) {
        let share = nonces.sign(&package, &key).unwrap();
        assert_eq!(share.as_bytes()[..], hex_at(&output["sig_share"]));
    }
}

#[test]
fn rfc_9591_vectors_pass() {
    check_signing_vectors(include_str!("../../tests/vectors/vectors.json"));
}

#[test]
fn vectors_with_big_identifiers_pass() {
    check_signing_vectors(include_str!("../../tests/vectors/vectors-big-identifier.json"));
}

#[test]
fn r38_a_generator_that_repeats_itself_repeats_no_nonce() {
    let (mut net, certificate) = Net::certified(2, 3);
    let (key_id, epoch, node) = (certificate.key_id(), EPOCH, NodeId(11));
    let mut seen = BTreeSet::new();
    for start in 0..3 {
        for coordinator in [11, 12, 11] {
            // However many bytes it has given since: a machine that was copied may go on from anywhere.
            for skipped in 0..4 {
                let mut repeating = rng(7);
                repeating.fill_bytes(&mut [0; 32][..skipped * 8]);
                let ask = Request::Commit { key_id, epoch, coordinator: NodeId(coordinator), count: 2, now: NOW };
                let decision = net.host(node).vault.handle(ask, &mut repeating);
                let Reply::Committed(offered) = decision.reply else { panic!("{:?}", decision.reply) };
                for offered in offered {
                    let statement = offered.statement();
                    assert!(seen.insert(statement.hiding.compressed()), "start {start}: a hiding nonce came again");
                    assert!(seen.insert(statement.binding.compressed()), "start {start}: a binding nonce came again");
                }
            }
        }
        net.restart(node);
    }
}
