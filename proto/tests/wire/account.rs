//! What the group key signs for its account, and where the account stands: held against computations by hand.

use crate::fixture::{AVS, changed, digest, point, signed, slash};
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy_sol_types::SolCall;
use firn_proto::SubjectId;
use firn_proto::account::{
    ACCOUNT_CODE, Call, DEPLOYER, Execute, VERIFIER_CODE, account_address, execute_digest, nonce_of, verifier_address,
};
use firn_proto::operation::SlashOperator;
use firn_proto::operation::eigenlayer::IAllocationManager::slashOperatorCall;

fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

fn digest_by_hand(chain_id: u64, account: Address, execute: &Execute) -> B256 {
    let call_type = "Call(address target,uint256 value,bytes data)";
    let execute_type = "Execute(Call[] calls,uint256 nonce,uint64 validAfter,uint64 validUntil)";
    let call = |call: &Call| {
        keccak256(
            [
                &keccak256(call_type)[..],
                &[0; 12],
                call.target.as_slice(),
                &call.value.to_be_bytes::<32>(),
                &keccak256(&call.data)[..],
            ]
            .concat(),
        )
    };
    let calls: Vec<u8> = execute.calls.iter().flat_map(|c| call(c).0).collect();
    let structure = keccak256(
        [
            &keccak256([execute_type, call_type].concat())[..],
            &keccak256(calls)[..],
            &execute.nonce.to_be_bytes::<32>(),
            &word(execute.validAfter),
            &word(execute.validUntil),
        ]
        .concat(),
    );
    let domain_type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    let domain = keccak256(
        [
            &keccak256(domain_type)[..],
            &keccak256("FrostAccount")[..],
            &keccak256("1")[..],
            &word(chain_id),
            &[0; 12],
            account.as_slice(),
        ]
        .concat(),
    );
    keccak256([&[0x19, 0x01], &domain[..], &structure[..]].concat())
}

#[test]
fn the_execute_digest_is_eip_712() {
    let call = |byte: u8, data: &[u8]| Call {
        target: Address::repeat_byte(byte),
        value: U256::from(byte),
        data: Bytes::copy_from_slice(data),
    };
    for calls in [vec![], vec![call(1, b"")], vec![call(1, b"abc"), call(2, &[7; 100])]] {
        let execute = Execute { calls, nonce: U256::MAX, validAfter: 3, validUntil: u64::MAX };
        let account = Address::repeat_byte(9);
        assert_eq!(execute_digest(31_337, account, &execute).0, digest_by_hand(31_337, account, &execute).0);
        assert_ne!(execute_digest(1, account, &execute), execute_digest(31_337, account, &execute));
        assert_ne!(execute_digest(1, Address::ZERO, &execute), execute_digest(1, account, &execute));
    }
}

fn create2(code: &[u8]) -> Address {
    let hash = keccak256([&[0xff], DEPLOYER.as_slice(), &[0; 32], &keccak256(code)[..]].concat());
    Address::from_slice(&hash[12..])
}

#[test]
fn addresses_are_create2_of_the_canonical_deployer() {
    assert_eq!(DEPLOYER, address!("4e59b44847b379578588920cA78FbF26c0B4956C"));
    assert_eq!(verifier_address(), create2(VERIFIER_CODE));
    for k in [1, 2, 77] {
        let key = point(k);
        let arguments = [&[0; 12], verifier_address().as_slice(), &key.x(), &key.y()].concat();
        assert_eq!(account_address(&key), create2(&[ACCOUNT_CODE, &arguments].concat()));
    }
    assert_ne!(account_address(&point(1)), account_address(&point(2)));
}

#[test]
fn the_account_nonce_of_a_subject_is_pinned() {
    let expected = keccak256([b"firn/account-nonce/v1".as_slice(), &[0x42; 32]].concat());
    assert_eq!(nonce_of(SubjectId(digest(0x42))).to_be_bytes::<32>(), expected.0);
    assert_ne!(nonce_of(SubjectId(digest(1))), nonce_of(SubjectId(digest(2))));
}

fn calldata(change: impl FnOnce(&mut SlashOperator)) -> (Bytes, Execute) {
    let mut slash = slash();
    change(&mut slash);
    let definition = changed(|d| {
        d.operator_sets[0].id = slash.operatorSetId;
        d.operator_sets.truncate(1);
    });
    let request = signed(slash, 7, &definition).verify(&definition).unwrap();
    let execute = request.execute(&definition);
    assert_eq!(execute.nonce, nonce_of(request.id()));
    let digest = execute_digest(definition.chain.id, request.account(), &execute);
    assert_eq!(request.payload_digest(&definition), digest);
    assert_eq!(execute.calls.len(), 1);
    assert_eq!(execute.calls[0].target, definition.chain.allocation_manager);
    assert_eq!(execute.calls[0].value, U256::ZERO);
    (execute.calls[0].data.clone(), execute)
}

#[test]
fn r02_r03_calldata_is_made_here_and_is_eigenlayers_own() {
    // EIGENLAYER.md section 5, vectors V1 and V2, made with cast.
    let (data, execute) = calldata(|s| {
        s.operatorSetId = 7;
        s.wadsToSlash = vec![U256::from(250_000_000_000_000_000_u64), U256::from(1_000_000_000_000_000_000_u64)];
        s.description = "evidence:bafkreigh2akiscaildc".to_owned();
    });
    assert_eq!(AVS, Address::repeat_byte(0x11));
    assert_eq!(data.len(), 484);
    assert_eq!(data[..4], [0x36, 0x35, 0x20, 0x57]);
    let v1 = "f57605d87713bedb3ea6ea8c68a90ed3840961cfe64b7ce6857a98abaf7f51ef";
    assert_eq!(hex::encode(keccak256(&data)), v1);
    assert_eq!((execute.validAfter, execute.validUntil), (0, slash().deadline));
    let (data, _) = calldata(|s| {
        s.strategies.truncate(1);
        s.wadsToSlash = vec![U256::from(1)];
        s.description.clear();
    });
    let v2 = "ae3c2c9560b6a7cbb44195d7435aee48ed2b6212967657f72bc76e34f686dd02";
    assert_eq!(hex::encode(keccak256(&data)), v2);
}

#[test]
fn r03_calldata_decodes_to_the_requests_fields_and_encodes_back_to_itself() {
    let (data, _) = calldata(|_| {});
    let call = slashOperatorCall::abi_decode_validate(&data).unwrap();
    assert_eq!(call.abi_encode(), data.to_vec());
    let asked = slash();
    assert_eq!((call.avs, call.params.operator, call.params.operatorSetId), (asked.avs, asked.operator, 0));
    assert_eq!((call.params.strategies, call.params.wadsToSlash), (asked.strategies, asked.wadsToSlash));
    assert_eq!(call.params.description, asked.description);
}
