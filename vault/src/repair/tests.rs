//! Repair: the vectors, and the comparison that frost leaves out.

use super::*;
use crate::testing::{Net, hex_at, rng};
use frost::keys::IdentifierList;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/repair-share.json")).unwrap()
}

#[test]
fn delta_sum_vector_passes() {
    let values = &vectors()["scalar_generation"];
    let deltas = [1, 2, 3].map(|i| Delta::deserialize(&hex_at(&values[format!("random_scalar_{i}")])).unwrap());
    assert_eq!(sigma(&deltas).serialize(), hex_at(&values["random_scalar_sum"]));
}

#[test]
fn sigma_sum_vector_passes() {
    let values = &vectors()["sigma_generation"];
    let sigmas = [1, 2, 3, 4].map(|i| Sigma::deserialize(&hex_at(&values[format!("sigma_{i}")])).unwrap());
    let sum = SecretScalar::parse(&hex_at(&values["sigma_sum"])).unwrap();
    let verifying_share = suite::point(&sum.public()).unwrap();
    let shares = BTreeMap::from([(Identifier(2), verifying_share)]);
    let repaired = repaired(&sigmas, Identifier(2), 3, &verifying_share, &shares).unwrap();
    assert_eq!(repaired.signing_share().serialize()[..], sum.to_bytes()[..]);
}

/// Helpers 1, 4 and 5 of a (3, 5) key repair member 2, with one sigma changed by `spoil`.
fn repair(spoil: impl FnOnce(&mut Vec<Sigma>)) -> (KeyPackage, Option<KeyPackage>) {
    let mut rng = rng(3);
    let (shares, public) = frost::keys::generate_with_dealer(5, 3, IdentifierList::Default, &mut rng).unwrap();
    let package =
        |member: u16| KeyPackage::try_from(shares[&suite::identifier(Identifier(member)).unwrap()].clone()).unwrap();
    let (helpers, lost) = ([1, 4, 5].map(Identifier), Identifier(2));
    let parts: Vec<_> =
        helpers.iter().map(|helper| deltas(&helpers, &package(helper.0), lost, &mut rng).unwrap()).collect();
    let mut sigmas: Vec<_> =
        helpers.iter().map(|helper| sigma(&parts.iter().map(|part| part[helper]).collect::<Vec<_>>())).collect();
    spoil(&mut sigmas);
    let wire = |bytes: Vec<u8>| suite::point_from_frost(&bytes).unwrap();
    let verifying = (1..=5)
        .map(|i| {
            (
                Identifier(i),
                wire(public.verifying_shares()[&suite::identifier(Identifier(i)).unwrap()].serialize().unwrap()),
            )
        })
        .collect();
    let group_key = wire(public.verifying_key().serialize().unwrap());
    (package(2), repaired(&sigmas, lost, 3, &group_key, &verifying))
}

#[test]
fn r35_a_lost_share_is_repaired() {
    let (original, repaired) = repair(|_| ());
    assert!(repaired == Some(original));
}

#[test]
fn r35_trap_repair_with_a_wrong_sigma_is_refused() {
    let mut one = [0; 32];
    one[31] = 1;
    let (_, repaired) = repair(|sigmas| sigmas[0] = Sigma::deserialize(&one).unwrap());
    assert!(repaired.is_none());
    let (_, repaired) = repair(|sigmas| sigmas.truncate(2));
    assert!(repaired.is_none());
}

#[test]
fn r35_trap_repair_does_not_mint_a_share_for_an_unused_identifier() {
    let (mut net, certificate) = Net::certified(3, 5);
    let node = net.nodes()[0];
    let package = net.host(node).vault.held.values().next().unwrap().package().clone();
    let helpers = [1, 2, 3].map(Identifier);
    let deltas = deltas(&helpers, &package, Identifier(6), &mut rng(1)).unwrap();
    let sigma = sigma(&deltas.into_values().collect::<Vec<_>>());
    let (key, shares) = (certificate.group_key(), certificate.verifying_shares());
    assert!(repaired(&[sigma], Identifier(6), 3, key, shares).is_none(), "no verifying share, no share");
}
