//! Opinions: a person's signature over one request, one decision and one number.

use crate::fixture::{NOW, changed, definition, opinion, signed, slash};
use alloy_primitives::{B256, keccak256};
use firn_proto::opinion::{Decision, Opinions, SignedOpinion};
use firn_proto::{Code, SubjectId, wire};

fn request() -> SubjectId {
    signed(slash(), 7, &definition()).verify(&definition()).unwrap().id()
}

/// The code with which the fixture's definition refuses an opinion.
fn refused(opinion: SignedOpinion) -> Option<Code> {
    opinion.verify(&definition()).err().map(|refusal| refusal.code)
}

fn verified(key: u8, decision: Decision, number: u64) -> firn_proto::Opinion {
    opinion(&definition(), key, request(), decision, number).verify(&definition()).unwrap()
}

/// EIP-712 by hand: no library that the code under test uses but Keccak.
#[test]
fn the_digest_is_eip_712() {
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
    let content = keccak256(
        [
            keccak256("Opinion(bytes32 request,string decision,uint64 number)"),
            B256::from(request().0.0),
            keccak256("approve"),
            B256::left_padding_from(&NOW.to_be_bytes()),
        ]
        .concat(),
    );
    let expected = keccak256([&[0x19, 0x01], &domain[..], &content[..]].concat());
    assert_eq!(firn_proto::opinion::digest(&definition, request(), Decision::Approve, NOW).0, expected.0);
}

#[test]
fn r18_only_the_people_of_the_definition_speak_and_only_in_their_roles() {
    assert_eq!(verified(22, Decision::Approve, NOW).person(), "person-2");
    for (key, decision, code) in [
        (7, Decision::Approve, Some(Code::PersonUnknown)),
        (99, Decision::Veto, Some(Code::PersonUnknown)),
        (22, Decision::Veto, Some(Code::PersonNotAllowed)),
        (22, Decision::Reject, None),
        (22, Decision::Withdraw, None),
        (21, Decision::Veto, None),
    ] {
        assert_eq!(refused(opinion(&definition(), key, request(), decision, NOW)), code, "{key} {decision:?}");
    }
}

#[test]
fn r18_an_approval_is_bound_to_request_decision_number_and_network() {
    let given = opinion(&definition(), 22, request(), Decision::Approve, NOW);
    let mut moved = slash();
    moved.nonce += alloy_primitives::U256::from(1);
    let other = signed(moved, 7, &definition()).verify(&definition()).unwrap().id();
    for changed in [
        SignedOpinion { request: other, ..given },
        SignedOpinion { decision: Decision::Withdraw, ..given },
        SignedOpinion { number: NOW + 1, ..given },
    ] {
        assert_eq!(refused(changed), Some(Code::PersonUnknown), "somebody else's signature: {changed:?}");
    }
    let elsewhere = changed(|definition| definition.name.push('x'));
    assert_eq!(given.verify(&elsewhere).unwrap_err().code, Code::PersonUnknown);
    for position in [0, 31, 32, 63, 64] {
        let mut broken = given;
        broken.signature[position] ^= 0x10;
        assert!(refused(broken).is_some(), "byte {position}");
    }
}

#[test]
fn the_greatest_number_counts_in_whatever_order_they_come() {
    let said = [
        verified(22, Decision::Approve, 10),
        verified(22, Decision::Withdraw, 11),
        verified(22, Decision::Approve, 12),
        verified(22, Decision::Reject, 12),
        verified(23, Decision::Approve, 5),
    ];
    let mut orders = vec![said.to_vec()];
    for turn in 1..said.len() {
        let mut order = said.to_vec();
        order.rotate_left(turn);
        orders.push(order.iter().rev().cloned().collect());
        orders.push(order);
    }
    for order in orders {
        let mut opinions = Opinions::default();
        order.into_iter().for_each(|opinion| opinions.insert(opinion));
        let counts: Vec<_> = opinions.iter().map(|(name, opinion)| (name, opinion.decision())).collect();
        assert_eq!(counts, [("person-2", Decision::Reject), ("person-3", Decision::Approve)]);
    }
}

#[test]
fn r20_a_veto_is_never_taken_back() {
    let mut opinions = Opinions::default();
    opinions.insert(verified(21, Decision::Veto, 1));
    for later in [verified(21, Decision::Withdraw, 2), verified(21, Decision::Approve, u64::MAX)] {
        assert!(!opinions.is_news(&later));
        opinions.insert(later);
    }
    assert_eq!(opinions.iter().next().unwrap().1.decision(), Decision::Veto);
    assert!(opinions.is_news(&verified(21, Decision::Veto, 2)), "a veto may be given again");
}

#[test]
fn the_wire_form_is_strict() {
    let given = opinion(&definition(), 22, request(), Decision::Reject, NOW);
    assert_eq!(SignedOpinion::from_wire(&given.to_wire(), request()), Ok(given));
    for decision in [0, 5, u32::MAX] {
        let wire = wire::Opinion { decision, ..given.to_wire() };
        assert_eq!(SignedOpinion::from_wire(&wire, request()).unwrap_err().code, Code::BodyMalformed, "{decision}");
    }
    let cut = wire::Opinion { signature: vec![1; 64], ..given.to_wire() };
    assert_eq!(SignedOpinion::from_wire(&cut, request()).unwrap_err().detail, "signature");
}
