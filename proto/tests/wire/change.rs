//! Versions of a definition: who may change it, what no version may change, and that there is one next version.

use crate::fixture::{AVS, changed, definition, point, requester, seal, signed, slash};
use alloy_primitives::Address;
use firn_proto::author::AuthorKey;
use firn_proto::definition::{Change, Content, Purpose, SignedChange, change};
use firn_proto::limits::CHANGE_BYTES_MAX;
use firn_proto::policy::{Person, Role};
use firn_proto::time::WallTime;
use firn_proto::{Code, Definition, Digest, Identifier, Message, NodeId, SessionId, envelope, wire};
use k256::ecdsa::SigningKey;
use std::collections::BTreeSet;

/// The fixture's network with an admin of each organisation: of organisation 1 two. Admin k of an organisation o holds key
/// 40 + 10 k + o.
pub(crate) fn administered() -> Definition {
    changed(|content| {
        for (number, organisation) in [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 1)] {
            let address = Address::from_public_key(admin(number, organisation).verifying_key());
            let organisation_name = format!("org-{organisation}");
            let person = Person { organisation: organisation_name, address, roles: [Role::Admin].into() };
            content.policy.people.insert(format!("admin-{number}-{organisation}"), person);
        }
    })
}

fn admin(number: u8, organisation: u8) -> SigningKey {
    requester(40 + 10 * number + organisation)
}

/// Another content than `current`'s, from block 100 on.
fn next(current: &Definition, change: impl FnOnce(&mut Content)) -> Definition {
    let mut content = (**current).clone();
    change(&mut content);
    current.succeeded_by(content, 100).expect("a version that may follow")
}

fn forbidden(change: impl FnOnce(&mut Content)) -> Option<Code> {
    let current = administered();
    let mut content = (*current).clone();
    change(&mut content);
    current.succeeded_by(content, 100).err().map(|refusal| refusal.code)
}

fn sign(definition: &Definition, key: &SigningKey) -> [u8; 65] {
    let (signature, recovery) = key.sign_prehash_recoverable(&change::digest(definition).0).unwrap();
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes[64] = 27 + recovery.to_byte();
    bytes
}

fn signed_by(definition: &Definition, admins: &[(u8, u8)]) -> SignedChange {
    let mut change = SignedChange::propose(definition);
    change.signatures = admins.iter().map(|(number, org)| sign(definition, &admin(*number, *org))).collect();
    change
}

/// A cap lower than before, by three organisations.
pub(crate) fn sample() -> (Definition, Change) {
    let current = administered();
    let change = signed_by(&next(&current, lower), &[(0, 1), (0, 2), (0, 4)]);
    let change = change.verify(&current).expect("three of five");
    (current, change)
}

fn lower(content: &mut Content) {
    content.policy.rules.values_mut().for_each(|rule| rule.wad_max = Some("50000000000000000".parse().unwrap()));
}

fn refused(change: SignedChange, current: &Definition) -> Option<Code> {
    change.verify(current).err().map(|refusal| refusal.code)
}

#[test]
fn a_version_names_its_network_and_the_one_before_and_reads_back() {
    let (current, change) = sample();
    let second = change.definition();
    assert_eq!((second.version(), second.previous()), (2, Some(current.digest())));
    assert_eq!(second.network_id(), current.network_id(), "the network is the genesis' for ever");
    assert_ne!(second.digest(), current.digest());
    assert_eq!(Definition::parse(&second.to_toml()).unwrap().after(&current).as_ref(), Ok(second));
    let third = next(second, |content| content.quorum = Some(4));
    assert!([&current, second, &third].into_iter().all(|known| third.has_been(known.digest())));
    assert!(!current.has_been(second.digest()) && !second.has_been(third.digest()));
    assert!(third.versions().map(Definition::version).eq([3, 2, 1]));
    let other_block = current.succeeded_by((**second).clone(), 101).unwrap();
    assert_ne!(other_block.digest(), second.digest(), "the block is signed as well");
}

#[test]
fn r16_a_version_takes_more_than_half_of_the_organisations_one_signature_each() {
    let current = administered();
    let second = next(&current, lower);
    let verdict = |admins: &[(u8, u8)]| refused(signed_by(&second, admins), &current);
    assert_eq!(verdict(&[(0, 1), (0, 2), (0, 3)]), None);
    assert_eq!(verdict(&[(0, 1), (0, 2)]), Some(Code::ChangeQuorumMissing));
    assert_eq!(verdict(&[]), Some(Code::ChangeQuorumMissing));
    let twice = verdict(&[(0, 1), (1, 1), (0, 2)]);
    assert_eq!(twice, Some(Code::ChangeQuorumMissing), "two admins of one organisation count once");
    let strict = next(&current, |content| content.quorum = Some(5));
    let third = next(&strict, lower);
    assert_eq!(refused(signed_by(&third, &[(0, 1), (0, 2), (0, 3), (0, 4)]), &strict), Some(Code::ChangeQuorumMissing));
    assert_eq!(refused(signed_by(&third, &[(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]), &strict), None);
}

#[test]
fn r16_only_admins_of_the_version_in_force_sign_the_next_and_sign_all_of_it() {
    let current = administered();
    let second = next(&current, |content| {
        content.policy.people.remove("admin-1-1");
        lower(content);
    });
    let with = |extra: [u8; 65]| {
        let mut change = signed_by(&second, &[(0, 1), (0, 2), (0, 3)]);
        change.signatures.insert(extra);
        refused(change, &current)
    };
    assert_eq!(with(sign(&second, &admin(1, 1))), None, "whom the next version drops is an admin still");
    assert_eq!(with(sign(&second, &requester(21))), Some(Code::ChangeSignatureInvalid), "an approver");
    assert_eq!(with(sign(&second, &requester(99))), Some(Code::ChangeSignatureInvalid), "nobody");
    assert_eq!(with(sign(&current, &admin(0, 4))), Some(Code::ChangeSignatureInvalid), "of another definition");
    assert_eq!(with([0; 65]), Some(Code::ChangeSignatureInvalid));
    // A signature of version 2 says nothing to another version 2.
    let other = next(&current, |content| content.quorum = Some(4));
    let mut moved = signed_by(&second, &[(0, 1), (0, 2), (0, 3)]);
    moved.text = other.to_toml();
    assert_eq!(refused(moved, &current), Some(Code::ChangeSignatureInvalid));
}

#[test]
fn r16_a_version_follows_the_one_in_force_and_names_both_digests_where_it_does_not() {
    let (current, change) = sample();
    let second = change.definition();
    let third = next(second, |content| content.quorum = Some(3));
    let skipped = signed_by(&third, &[(0, 1), (0, 2), (0, 3)]).verify(&current).unwrap_err();
    assert_eq!(skipped.code, Code::DefinitionMismatch);
    assert!(
        skipped.detail.contains(&current.digest().to_string()) && skipped.detail.contains(&second.digest().to_string())
    );
    let again = signed_by(second, &[(0, 1), (0, 2), (0, 3)]);
    assert_eq!(refused(again, second), Some(Code::DefinitionMismatch), "what is in force is not taken up again");
    let rival = next(&current, |content| content.quorum = Some(3));
    assert_eq!(refused(signed_by(&rival, &[(0, 1), (0, 2), (0, 3)]), second), Some(Code::DefinitionMismatch));
    let other = next(&rival, lower);
    let beside = signed_by(&other, &[(0, 1), (0, 2), (0, 3)]);
    assert_eq!(refused(beside, second), Some(Code::DefinitionMismatch), "version 3 of another version 2");
    let unadministered = definition();
    let free = unadministered.succeeded_by((*unadministered).clone(), 1).unwrap();
    assert_eq!(refused(SignedChange::propose(&free), &unadministered), Some(Code::ChangeQuorumMissing));
}

#[test]
fn what_lives_longer_than_a_version_stays() {
    let nothing: fn(&mut Content) = |_| ();
    assert_eq!(forbidden(nothing), None);
    let forbidden_changes: &[fn(&mut Content)] = &[
        |content| content.name.push('x'),
        |content| content.chain.id += 1,
        |content| content.chain.allocation_manager = Address::repeat_byte(9),
        |content| {
            content.keys[1].purpose = Purpose::Treasury;
            content.operator_sets.clear();
        },
        |content| {
            let dropped = content.keys.remove(0).name;
            content.operator_sets.retain(|set| set.key != dropped);
        },
        |content| {
            let member = content.keys[1].members.remove(&Identifier(5)).unwrap();
            content.keys[1].members.insert(Identifier(6), member);
        },
        |content| {
            content.nodes.get_mut(&NodeId(1)).unwrap().author_key = AuthorKey::from_slice(&point(77).x()).unwrap()
        },
        |content| content.policy.people.retain(|name, _| !name.starts_with("admin")),
    ];
    for (number, change) in forbidden_changes.iter().enumerate() {
        assert_eq!(forbidden(change), Some(Code::ChangeForbidden), "change {number}");
    }
    let allowed: &[fn(&mut Content)] = &[
        lower,
        |content| content.keys[1].organisations_min = 3,
        |content| content.requesters.clear(),
        |content| content.nodes.get_mut(&NodeId(1)).unwrap().addresses.push("/ip4/192.0.2.1/tcp/1".to_owned()),
        |content| content.chain.permission_controller = Some(Address::repeat_byte(7)),
    ];
    for (number, change) in allowed.iter().enumerate() {
        let code = forbidden(change);
        // A requester may be named by a rule or need nothing: what is invalid in itself is another matter.
        assert_eq!(code, None, "change {number}");
    }
}

#[test]
fn administration_does_nothing_else_and_everybody_has_it_or_nobody() {
    let invalid = |change: fn(&mut Content)| {
        let mut content = (*administered()).clone();
        change(&mut content);
        Definition::parse(&content.to_toml()).err().map(|refusal| refusal.detail).unwrap_or_default()
    };
    assert_eq!(invalid(|_| ()), "");
    let both = invalid(|content| {
        content.policy.people.get_mut("admin-0-2").unwrap().roles = BTreeSet::from([Role::Admin, Role::Approver]);
    });
    assert!(both.contains("admin-0-2"), "{both}");
    assert!(invalid(|content| _ = content.policy.people.remove("admin-0-3")).contains("org-3"));
    for (quorum, fine) in [(2, false), (3, true), (5, true), (6, false)] {
        let mut content = (*administered()).clone();
        content.quorum = Some(quorum);
        assert_eq!(Definition::parse(&content.to_toml()).is_ok(), fine, "quorum {quorum} of 5");
    }
}

#[test]
fn a_genesis_is_signed_by_every_organisation_of_its_own() {
    let genesis = administered();
    let verdict = |admins: &[(u8, u8)]| signed_by(&genesis, admins).verify_genesis().err().map(|refusal| refusal.code);
    assert_eq!(verdict(&[(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]), None);
    assert_eq!(verdict(&[(0, 1), (0, 2), (0, 3), (0, 4), (1, 1)]), Some(Code::ChangeQuorumMissing));
    assert_eq!(SignedChange::propose(&definition()).verify_genesis(), Ok(definition()), "nobody could sign it");
}

#[test]
fn r06_a_change_has_one_form_and_one_encoding() {
    let (current, change) = sample();
    let wire = change.signed().to_wire();
    let read = |wire: wire::DefinitionChange| SignedChange::from_wire(wire)?.verify(&current);
    assert_eq!(read(wire.clone()).as_ref(), Ok(&change));
    let refused = |edit: &dyn Fn(&mut wire::DefinitionChange)| {
        let mut edited = wire.clone();
        edit(&mut edited);
        read(edited).err().map(|refusal| refusal.code)
    };
    assert_eq!(refused(&|wire| wire.signatures.reverse()), Some(Code::BodyMalformed));
    assert_eq!(refused(&|wire| wire.signatures.push(wire.signatures[2].clone())), Some(Code::BodyMalformed));
    assert_eq!(refused(&|wire| _ = wire.signatures[0].pop()), Some(Code::BodyMalformed));
    assert_eq!(refused(&|wire| wire.text.push_str("# so says nobody\n")), Some(Code::DefinitionInvalid));
    assert_eq!(refused(&|wire| wire.text.push_str(&" ".repeat(CHANGE_BYTES_MAX))), Some(Code::DefinitionInvalid));
    assert_eq!(refused(&|wire| wire.text.clear()), Some(Code::DefinitionInvalid));
    let message = Message::DefinitionChange(Box::new(change.clone()));
    let sealed = seal(&current, 2, SessionId::default(), &message);
    assert_eq!(envelope::verify(&sealed, &current).unwrap().content(), &message);
    let code = envelope::verify(&sealed, change.definition()).unwrap_err().code;
    assert_eq!(code, Code::DefinitionMismatch, "whoever has it already");
}

#[test]
fn later_versions_name_what_they_follow_and_the_genesis_nothing() {
    let (_, change) = sample();
    let (text, genesis) = (change.definition().to_toml(), administered().to_toml());
    let invalid = |text: &str| Definition::parse(text).is_err_and(|refusal| refusal.code == Code::DefinitionInvalid);
    for line in ["network = ", "previous = ", "effective_block = "] {
        let line = text.lines().find(|found| found.starts_with(line)).expect("a line of a later version");
        assert!(invalid(&text.replacen(&format!("{line}\n"), "", 1)), "without {line}");
        assert!(
            invalid(&genesis.replacen("version = 1\n", &format!("version = 1\n{line}\n"), 1)),
            "genesis with {line}"
        );
    }
    assert!(invalid(&genesis.replacen("version = 1", "version = 0", 1)));
    assert!(invalid(&text.replacen("previous = \"0x", "previous = \"", 1)));
}

#[test]
fn r08_a_requester_that_has_expired_gets_nothing_and_what_a_version_dropped_is_known_still() {
    let current = administered();
    let request = signed(slash(), 7, &current).verify(&current).unwrap();
    let until = |expires: u64| {
        let version =
            next(&current, |content| content.requesters.iter_mut().for_each(|r| r.expires = Some(WallTime(expires))));
        let opinions = Default::default();
        version.permits(NodeId(1), &request, &opinions, WallTime(500)).err().and_then(|status| status.code())
    };
    assert_eq!(until(499), Some(Code::RequesterExpired));
    assert_ne!(until(500), Some(Code::RequesterExpired));
    let dropped = next(&current, |content| content.requesters.retain(|r| !r.avs.contains(&AVS)));
    let known = signed(slash(), 7, &current).verify_known(&dropped).unwrap();
    assert_eq!(known, (request, Some(Code::RequesterUnknown)), "its locks are still to be freed");
    let never = signed(slash(), 99, &current).verify_known(&dropped);
    assert_eq!(never.unwrap_err().code, Code::RequesterUnknown);
    assert_ne!(dropped.digest(), Digest::default());
}
