//! Signing vectors through our layer.

use super::*;
use crate::suite::SecretScalar;
use crate::testing::{Script, hex_at};
use firn_proto::Identifier;
use serde_json::Value;

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
