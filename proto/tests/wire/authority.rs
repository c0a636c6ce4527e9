//! What a definition says beyond slashing: who answers for what, and rules for all kinds.

use crate::fixture::{AVS, NOW, changed, signed_as};
use crate::kinds::{govern, governed, samples};
use alloy_primitives::{Address, U256};
use firn_proto::definition::{Authority, Content, Purpose};
use firn_proto::message::Status;
use firn_proto::opinion::Opinions;
use firn_proto::policy::{Approvals, Rule, Scope};
use firn_proto::time::WallTime;
use firn_proto::{Code, Definition, NodeId};

const OTHER: Address = Address::repeat_byte(0x56);

#[test]
fn rules_bind_the_kinds_in_their_scope() {
    let definition = changed(|content| {
        govern(content);
        let scope = Scope { operations: ["update_slasher".to_owned()].into(), ..Scope::default() };
        let approvals = Some(Approvals { people: 2, organisations: 2 });
        let rule = Rule { scope, wad_max: Some(U256::ZERO), approvals, ..Rule::default() };
        content.policy.rules.insert("governance".to_owned(), rule);
    });
    assert_eq!(Definition::parse(&definition.to_toml()), Ok(definition.clone()));
    for operation in samples() {
        let bound = operation.kind() == "update_slasher";
        let request = signed_as(operation, 7, &definition).verify(&definition).unwrap();
        let permitted = definition.permits(NodeId(1), &request, &Opinions::default(), WallTime(NOW));
        // The ceiling of slashes says nothing of others.
        let missing = Err(Status::NotYet(Code::PolicyApprovalsMissing));
        assert_eq!(permitted, if bound { missing } else { Ok(()) });
    }
}

#[test]
fn network_toml_says_who_answers_for_what() {
    let definition = governed();
    let text = definition.to_toml();
    let read = Definition::parse(&text).unwrap();
    assert_eq!(read, definition);
    assert_ne!(definition.digest(), changed(|content| content.keys.clone_from(&definition.keys)).digest());
    type Change = fn(&mut Content);
    let changes: &[Change] = &[
        |d| d.authorities[0].key = "governance".to_owned(),
        |d| d.authorities[0].key = "nobody".to_owned(),
        |d| d.authorities.push(d.authorities[0].clone()),
        |d| d.authorities[0] = Authority { avs: AVS, purpose: Purpose::Slash, key: "slash".to_owned() },
        |d| d.operator_sets[0].key = "governance".to_owned(),
    ];
    for change in changes {
        let wrong = changed(|content| {
            govern(content);
            change(content);
        });
        assert_eq!(Definition::parse(&wrong.to_toml()).map_err(|refusal| refusal.code), Err(Code::DefinitionInvalid));
    }
    assert!(Definition::parse(&text.replacen("purpose = \"veto\"", "purpose = \"other\"", 1)).is_err());
    // Every part is in the digest, and none of it where there is none.
    let parts: &[Change] = &[
        |d| d.chain.permission_controller = None,
        |d| d.chain.strategy_manager = None,
        |d| std::mem::swap(&mut d.chain.permission_controller, &mut d.chain.strategy_manager),
        |d| _ = d.authorities.pop(),
        |d| d.authorities[0].avs = OTHER,
        |d| d.authorities[0].purpose = Purpose::Slash,
        |d| d.authorities[0].key = "slash".to_owned(),
    ];
    let mut digests: Vec<_> = parts
        .iter()
        .map(|part| {
            changed(|content| {
                govern(content);
                part(content);
            })
            .digest()
        })
        .chain([definition.digest(), crate::fixture::definition().digest()])
        .collect();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), parts.len() + 2);
}
