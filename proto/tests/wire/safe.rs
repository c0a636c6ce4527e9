//! Transactions of a Safe: approved by the digest of what people are shown, and never what goes around its owners (R5).

use crate::calls::{SAFE, list, listing, transfer};
use crate::fixture::{AVS, NOW, changed, signed_as};
use alloy_primitives::{Address, Bytes, U256, hex, keccak256};
use firn_proto::Code;
use firn_proto::operation::{Operation, SafeTransaction};
use std::sync::LazyLock;

const TOKEN: Address = Address::repeat_byte(0xd1);
static LISTING: LazyLock<firn_proto::Definition> = LazyLock::new(listing);

fn transaction() -> SafeTransaction {
    SafeTransaction {
        purpose: "treasury".to_owned(),
        avs: AVS,
        safe: SAFE,
        to: TOKEN,
        value: U256::from(4),
        data: transfer(U256::from(1)),
        operation: 0,
        safeTxGas: U256::ZERO,
        baseGas: U256::ZERO,
        gasPrice: U256::ZERO,
        gasToken: Address::ZERO,
        refundReceiver: Address::ZERO,
        safeNonce: U256::from(12),
        account: Address::repeat_byte(0x55),
        nonce: U256::from(9),
        deadline: NOW + 3600,
    }
}

pub(crate) fn sample() -> Operation {
    Operation::SafeTransaction(transaction())
}

fn code(change: impl FnOnce(&mut SafeTransaction)) -> Option<Code> {
    let mut transaction = transaction();
    change(&mut transaction);
    let operation = Operation::SafeTransaction(transaction);
    signed_as(operation, 7, &LISTING).verify(&LISTING).err().map(|refusal| refusal.code)
}

fn add_owner() -> Bytes {
    let owner = [&[0; 12][..], &[0x77; 20], &[0; 31], &[1]].concat();
    [&keccak256("addOwnerWithThreshold(address,uint256)")[..4], &owner].concat().into()
}

#[test]
fn the_hash_is_the_safes_own() {
    let transaction = transaction();
    let word = |value: U256| value.to_be_bytes_vec();
    let padded = |address: Address| [&[0; 12], address.as_slice()].concat();
    // The two type hashes as they stand in Safe 1.4.1's source.
    let domain = hex!("47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218");
    let safe_tx = hex!("bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8");
    let domain = keccak256([domain.to_vec(), word(U256::from(31_337)), padded(SAFE)].concat());
    let structure = keccak256(
        [
            safe_tx.to_vec(),
            padded(transaction.to),
            word(transaction.value),
            keccak256(&transaction.data).to_vec(),
            vec![0; 32 * 6],
            word(transaction.safeNonce),
        ]
        .concat(),
    );
    let expected = keccak256([&[0x19, 0x01], &domain[..], &structure[..]].concat());
    assert_eq!(transaction.safe_hash(31_337), expected);
    let [call] = sample().calls(&LISTING).try_into().unwrap();
    assert_eq!((call.target, call.value), (SAFE, U256::ZERO));
    assert_eq!(call.data, [&hex!("d4d9bdcd")[..], &expected[..]].concat());
    let rendering = sample().render(&LISTING);
    assert!(rendering.details.iter().any(|line| line.contains(&expected.to_string())));
    assert!(rendering.details.contains(&"function transfer".to_owned()), "{rendering:?}");
    assert!(rendering.warnings.iter().any(|line| line.contains("outlasts the deadline")));
}

#[test]
fn r05_a_delegatecall_is_refused() {
    assert_eq!(code(|_| {}), None);
    for operation in [1, 2, u32::MAX] {
        assert_eq!(code(|t| t.operation = operation), Some(Code::SafeTransactionRefused));
    }
}

#[test]
fn r05_refunds_are_refused() {
    let refused = Some(Code::SafeTransactionRefused);
    assert_eq!(code(|t| t.baseGas = U256::from(1)), refused);
    assert_eq!(code(|t| t.gasPrice = U256::from(1)), refused);
    assert_eq!(code(|t| t.gasToken = TOKEN), refused);
    assert_eq!(code(|t| t.refundReceiver = TOKEN), refused);
}

#[test]
fn r05_owners_are_changed_by_governance_only() {
    let change = |purpose: &'static str| {
        move |t: &mut SafeTransaction| {
            t.purpose = purpose.to_owned();
            t.to = SAFE;
            t.data = add_owner();
        }
    };
    assert_eq!(code(change("treasury")), Some(Code::SafeTransactionRefused), "though it is listed");
    assert_eq!(code(change("governance")), None);
    let mut governing = transaction();
    change("governance")(&mut governing);
    let rendering = Operation::SafeTransaction(governing).render(&LISTING);
    assert!(rendering.warnings.iter().any(|line| line.contains("who governs")), "{rendering:?}");
    for signature in [
        "removeOwner(address,address,uint256)",
        "swapOwner(address,address,address)",
        "changeThreshold(uint256)",
        "enableModule(address)",
        "disableModule(address,address)",
        "setGuard(address)",
        "setModuleGuard(address)",
        "setFallbackHandler(address)",
    ] {
        let data = Bytes::copy_from_slice(&keccak256(signature)[..4]);
        let to_itself = |t: &mut SafeTransaction| (t.to, t.data) = (SAFE, data);
        assert_eq!(code(to_itself), Some(Code::SafeTransactionRefused), "{signature}");
    }
}

#[test]
fn r05_what_a_safe_calls_is_listed_or_only_sends() {
    assert_eq!(code(|t| t.data = Bytes::new()), None, "a plain transfer");
    assert_eq!(code(|t| t.to = Address::repeat_byte(0xd2)), Some(Code::CallNotListed));
    assert_eq!(code(|t| t.data = Bytes::from_static(&[1, 2, 3])), Some(Code::CalldataInvalid));
    assert_eq!(code(|t| t.data = [&t.data[..], &[0]].concat().into()), Some(Code::CalldataInvalid));
    assert_eq!(code(|t| t.safe = TOKEN), Some(Code::CallNotListed), "no Safe of the definition");
    assert_eq!(code(|t| t.purpose = "veto".to_owned()), Some(Code::CallNotListed));
    assert_eq!(code(|t| t.purpose = "slash".to_owned()), Some(Code::OperationFieldInvalid));
    // One Safe that approves a hash for another hides what it approves.
    let approve = [&keccak256("approveHash(bytes32)")[..4], &[7; 32]].concat();
    assert_eq!(code(|t| (t.to, t.data) = (SAFE, approve.into())), Some(Code::CallNotListed));
}

#[test]
fn r07_a_safe_is_used_with_the_key_of_its_purpose() {
    let of = |purpose: &str| {
        let operation = Operation::SafeTransaction(SafeTransaction {
            purpose: purpose.to_owned(),
            data: Bytes::new(),
            ..transaction()
        });
        signed_as(operation, 7, &LISTING).verify(&LISTING).map(|request| request.key_name().to_owned()).ok()
    };
    assert_eq!(of("treasury").as_deref(), Some("treasury"));
    assert_eq!(of("governance").as_deref(), Some("governance"));
    let swapped = changed(|content| {
        list(content);
        content.authorities.iter_mut().for_each(|listed| listed.key = "slash".to_owned());
    });
    let refusal = signed_as(sample(), 7, &swapped).verify(&swapped).unwrap_err();
    assert_eq!(refusal.code, Code::PurposeMismatch);
}
