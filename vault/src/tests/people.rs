//! Rules, and people who approve and veto.

use alloy_primitives::{Address, U256};
use firn_proto::opinion::{Decision as Word, SignedOpinion};
use firn_proto::policy::{Approvals, Budget, Cooldown, Person, Policy, Role, Rule, Scope, Unit};
use firn_proto::{Definition, Opinion, SubjectId};
use std::collections::BTreeMap;

/// Slashes of [`GOVERNED`] take two approvals, and 100 wad at most; [`BUDGETED`] has a budget and a pause. People 1 and 2 approve, person 3 vetoes.
pub(crate) fn policy() -> Policy {
    let person = |id: u8| {
        let address = Address::from_public_key(person_key(id).verifying_key());
        let roles = [if id == 3 { Role::VetoHolder } else { Role::Approver }].into();
        (format!("person-{id}"), Person { organisation: "org".into(), address, roles })
    };
    let rule = Rule {
        scope: Scope { operators: [GOVERNED].into(), ..Scope::default() },
        wad_max: Some(U256::from(100)),
        approvals: Some(Approvals { people: 2, organisations: 1 }),
        ..Rule::default()
    };
    let limits = Rule {
        scope: Scope { operators: [BUDGETED].into(), ..Scope::default() },
        budget: Some(Budget { wad_max: U256::from(100), seconds: 3_600, per: Unit::Operator }),
        cooldown: Some(Cooldown { seconds: 60, per: Unit::OperatorSet }),
        ..Rule::default()
    };
    Policy {
        people: (1..=3).map(person).collect(),
        operators: BTreeMap::new(),
        rules: [("governed".to_owned(), rule), ("limits".to_owned(), limits)].into(),
        pause: None,
    }
}

/// The operator that a rule is about.
pub(crate) const GOVERNED: Address = Address::repeat_byte(0x77);

/// The operator that the other rule is about.
pub(crate) const BUDGETED: Address = Address::repeat_byte(0x78);

fn person_key(person: u8) -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[20 + person; 32]).unwrap()
}

/// A person's opinion of a request.
pub(crate) fn opinion(definition: &Definition, person: u8, request: SubjectId, decision: Word) -> Opinion {
    let digest = firn_proto::opinion::digest(definition, request, decision, 1).0;
    let (signature, recovery) = person_key(person).sign_prehash_recoverable(&digest).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    SignedOpinion { request, decision, number: 1, signature: bytes }.verify(definition).unwrap()
}
