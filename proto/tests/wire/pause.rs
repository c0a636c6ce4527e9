//! Pauses: who may say what to the network and to a node, and what all of it together comes to.

use crate::fixture::{NOW, act, changed, definition, pause};
use alloy_primitives::{B256, keccak256};
use firn_proto::definition::Definition;
use firn_proto::pause::{Pause, Pauses, Quorums, RESUME, SignedAct, SignedPause, act_digest, digest, witnesses};
use firn_proto::policy::Role;
use firn_proto::{Code, NodeId, wire};
use proptest::prelude::*;

/// Persons 1, 2 and 3 may veto as well; person 4 is of person 1's organisation and may only veto.
pub(crate) fn pausing(stop: u16, resume: u16) -> Definition {
    changed(|definition| {
        definition.policy.pause = Some(Quorums { stop, resume });
        for name in ["person-2", "person-3"] {
            definition.policy.people.get_mut(name).unwrap().roles.insert(Role::VetoHolder);
        }
        let fourth = definition.policy.people.get_mut("person-4").unwrap();
        (fourth.organisation, fourth.roles) = ("org-1".to_owned(), [Role::VetoHolder].into());
    })
}

fn said(definition: &Definition, key: u8, paused: bool, number: u64) -> Pause {
    pause(definition, key, paused, number).verify(definition).unwrap()
}

/// What these come to: key, pause or resume, number.
fn standing(definition: &Definition, statements: &[(u8, bool, u64)]) -> Option<u64> {
    let mut pauses = Pauses::default();
    statements.iter().for_each(|(key, paused, number)| pauses.insert(said(definition, *key, *paused, *number)));
    pauses.standing(definition)
}

/// EIP-712 by hand: no library that the code under test uses but Keccak.
#[test]
fn both_digests_are_eip_712() {
    let definition = definition();
    let domain = keccak256(
        [
            keccak256("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)"),
            keccak256("Firn"),
            keccak256("1"),
            B256::left_padding_from(&definition.chain.id.to_be_bytes()),
            B256::from(definition.network_id().0.0),
        ]
        .concat(),
    );
    let sealed = |content: B256| keccak256([&[0x19, 0x01], &domain[..], &content[..]].concat()).0;
    let number = B256::left_padding_from(&NOW.to_be_bytes());
    let content = [keccak256("Pause(bool paused,uint64 number)"), B256::left_padding_from(&[1]), number].concat();
    assert_eq!(digest(&definition, true, NOW).0, sealed(keccak256(content)));
    let node = B256::left_padding_from(&[2]);
    let kind = keccak256("Act(string what,uint16 node,uint64 number)");
    let content = [kind, keccak256("resume"), node, number].concat();
    assert_eq!(act_digest(&definition, RESUME, NodeId(2), NOW).0, sealed(keccak256(content)));
}

#[test]
fn r21_only_veto_holders_pause_and_their_signature_says_what() {
    let definition = pausing(1, 2);
    let refused = |pause: SignedPause| pause.verify(&definition).err().map(|refusal| refusal.code);
    for (key, code) in [
        (21, None),
        (24, None),
        (25, Some(Code::PersonNotAllowed)),
        (7, Some(Code::PersonUnknown)),
        (99, Some(Code::PersonUnknown)),
    ] {
        assert_eq!(refused(pause(&definition, key, true, NOW)), code, "{key}");
    }
    let given = pause(&definition, 21, true, NOW);
    for changed in [SignedPause { paused: false, ..given }, SignedPause { number: NOW + 1, ..given }] {
        assert_eq!(refused(changed), Some(Code::PersonUnknown), "somebody else's signature");
    }
    let elsewhere = changed(|definition| definition.name.push('x'));
    assert_eq!(given.verify(&elsewhere).unwrap_err().code, Code::PersonUnknown);
}

#[test]
fn r21_few_stop_the_network_and_more_resume_it() {
    let definition = pausing(1, 2);
    for (statements, expected) in [
        (&[][..], None),
        (&[(21, true, 10)], Some(10)),
        // Who has stopped it cannot resume it alone, nor with another of the same organisation.
        (&[(21, true, 10), (21, false, 11)], Some(10)),
        (&[(21, true, 10), (21, false, 11), (24, false, 12)], Some(10)),
        (&[(21, true, 10), (21, false, 11), (22, false, 12)], None),
        (&[(21, true, 10), (22, false, 11), (23, false, 12)], None),
        // A tie stays paused, and whatever was said before the pause does not lift it.
        (&[(21, true, 10), (22, false, 10), (23, false, 12)], Some(10)),
        (&[(21, true, 10), (22, false, 9), (23, false, 12)], Some(10)),
        (&[(21, true, 10), (22, false, 11), (23, false, 12), (24, true, 12)], Some(12)),
    ] {
        assert_eq!(standing(&definition, statements), expected, "{statements:?}");
    }
    let two = pausing(2, 2);
    for (statements, expected) in [
        (&[(21, true, 10)][..], None),
        (&[(21, true, 10), (24, true, 11)], None),
        (&[(21, true, 10), (22, true, 12)], Some(10)),
        // One alone cannot prolong what two have said.
        (&[(21, true, 10), (22, true, 12), (21, true, 99), (22, false, 13), (23, false, 13)], None),
    ] {
        assert_eq!(standing(&two, statements), expected, "{statements:?}");
    }
    assert_eq!(
        standing(&definition, &[(21, true, u64::MAX), (22, false, u64::MAX), (23, false, u64::MAX)]),
        Some(u64::MAX)
    );
}

#[test]
fn r21_whoever_loses_the_role_or_the_key_has_no_say_any_more() {
    let before = pausing(1, 2);
    let mut pauses = Pauses::default();
    pauses.insert(said(&before, 21, true, 10));
    let without = |change: fn(&mut firn_proto::policy::Person)| {
        let mut content = (*before).clone();
        change(content.policy.people.get_mut("person-1").unwrap());
        pauses.standing(&Definition::new(content))
    };
    assert_eq!(without(|_| {}), Some(10));
    assert_eq!(without(|person| person.roles = [Role::Approver].into()), None);
    assert_eq!(without(|person| person.address = alloy_primitives::Address::repeat_byte(1)), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    /// All orders come to the same, and what is said again later changes nothing.
    #[test]
    fn r21_the_same_statements_in_any_order_and_again_come_to_the_same(
        statements in prop::collection::vec((21u8..25, any::<bool>(), 1u64..6), 0..9),
        order in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let definition = pausing(1, 2);
        let said: Vec<_> = statements.iter().map(|(key, paused, number)| said(&definition, *key, *paused, *number)).collect();
        let mut first = Pauses::default();
        said.iter().cloned().for_each(|pause| first.insert(pause));
        let mut turned = said.clone();
        if !turned.is_empty() {
            let middle = order.index(turned.len());
            turned.rotate_left(middle);
            turned.reverse();
        }
        let mut second = Pauses::default();
        turned.into_iter().for_each(|pause| second.insert(pause));
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(first.digest(), second.digest());
        prop_assert_eq!(first.is_empty(), first.digest().is_none());
        if !said.is_empty() {
            let old = said[again.index(said.len())].clone();
            prop_assert!(!first.is_news(&old));
            second.insert(old);
            prop_assert_eq!(first.standing(&definition), second.standing(&definition));
        }
    }
}

#[test]
fn r21_a_definition_lets_nobody_resume_more_easily_than_stop() {
    let file = |stop, resume| Definition::parse(&pausing(stop, resume).to_toml());
    for (stop, resume) in [(1, 1), (1, 2), (1, 3), (3, 3)] {
        assert_eq!(file(stop, resume).unwrap(), pausing(stop, resume), "reads back");
    }
    // Three organisations have a veto holder.
    for (stop, resume) in [(0, 1), (2, 1), (1, 4), (4, 4), (0, 0)] {
        let refusal = file(stop, resume).unwrap_err();
        assert_eq!(refusal.code, Code::DefinitionInvalid, "{stop} {resume}");
        assert!(refusal.detail.contains("1 <= stop <= resume <= 3"), "{}", refusal.detail);
    }
    assert_ne!(pausing(1, 2).digest(), pausing(1, 3).digest());
    let open = pausing(1, 2).to_toml().replace("resume = 2", "resume = 2\nexpires = 1");
    assert_eq!(Definition::parse(&open).unwrap_err().code, Code::DefinitionInvalid);
}

#[test]
fn r19_people_have_a_say_over_the_nodes_of_their_own_organisation_only() {
    let definition = pausing(1, 2);
    let refused = |act: SignedAct| act.verify(&definition).err().map(|refusal| refusal.code);
    assert_eq!(act(&definition, 21, RESUME, 1, 5).verify(&definition).unwrap().person(), "person-1");
    assert_eq!(refused(act(&definition, 24, RESUME, 1, 5)), None, "a veto holder");
    assert_eq!(refused(act(&definition, 21, RESUME, 2, 5)), Some(Code::PersonNotAllowed));
    assert_eq!(refused(act(&definition, 7, RESUME, 1, 5)), Some(Code::PersonUnknown), "a requester");
    let given = act(&definition, 21, RESUME, 1, 5);
    for changed in [
        SignedAct { number: 6, ..given.clone() },
        SignedAct { node: NodeId(2), ..given.clone() },
        SignedAct { what: "unseal".to_owned(), ..given },
    ] {
        assert_eq!(refused(changed), Some(Code::PersonUnknown), "somebody else's signature");
    }
    let names: Vec<_> = witnesses(&definition, NodeId(1)).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["person-1", "person-4"]);
}

#[test]
fn wire_forms_are_read_strictly() {
    let definition = definition();
    let given = pause(&definition, 21, true, NOW);
    assert_eq!(SignedPause::from_wire(&given.to_wire()), Ok(given));
    let cut = wire::Pause { signature: vec![1; 64], ..given.to_wire() };
    assert_eq!(SignedPause::from_wire(&cut).unwrap_err().code, Code::BodyMalformed);
    let agreed = act(&definition, 21, RESUME, 1, 5);
    assert_eq!(SignedAct::from_wire(&agreed.to_wire()), Ok(agreed.clone()));
    let far = wire::Act { node: 65_536, ..agreed.to_wire() };
    assert_eq!(SignedAct::from_wire(&far).unwrap_err().code, Code::BodyMalformed);
}
