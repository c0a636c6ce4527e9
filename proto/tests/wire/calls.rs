//! Calls of functions that a definition lists: read strictly by their signatures, or refused.

use crate::fixture::{AVS, NOW, changed, signed_as};
use crate::kinds::govern;
use alloy_primitives::{Address, Bytes, FixedBytes, I256, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use firn_proto::definition::{Content, ListedCall, Purpose};
use firn_proto::operation::{ContractCall, KINDS, Operation};
use firn_proto::{Code, Definition};
use proptest::prelude::*;
use std::sync::LazyLock;

const TOKEN: Address = Address::repeat_byte(0xd1);
pub(crate) const SAFE: Address = Address::repeat_byte(0xe1);
const PAY: &str = "function pay(address,uint256[],(bool,bytes4,int128,uint8),string)";

sol! {
    function transfer(address to, uint256 amount) external;
    struct Extra { bool flag; bytes4 code; int128 delta; uint8 level; }
    function pay(address to, uint256[] amounts, Extra extra, string why) external;
}

pub(crate) fn entry(purpose: Purpose, target: Address, signature: &str) -> ListedCall {
    let selector = FixedBytes::from_slice(&keccak256(signature.trim_start_matches("function "))[..4]);
    ListedCall { purpose, target, selector, signature: signature.to_owned() }
}

/// All kinds that call others' contracts, and functions that may be called.
pub(crate) fn listing() -> Definition {
    changed(list)
}

pub(crate) fn list(content: &mut Content) {
    govern(content);
    content.requesters[0].operations = KINDS[..10].iter().map(|kind| (*kind).to_owned()).collect();
    let (treasury, governance) = (Purpose::Treasury, Purpose::Governance);
    content.calls = vec![
        entry(treasury, TOKEN, "function transfer(address,uint256)"),
        entry(treasury, TOKEN, PAY),
        entry(governance, TOKEN, "function pause()"),
        entry(treasury, SAFE, "function approveHash(bytes32)"),
        entry(governance, SAFE, "function approveHash(bytes32)"),
        entry(treasury, SAFE, "function addOwnerWithThreshold(address,uint256)"),
        entry(governance, SAFE, "function addOwnerWithThreshold(address,uint256)"),
    ];
    content.calls.sort();
}

static LISTING: LazyLock<Definition> = LazyLock::new(listing);

fn contract_call(purpose: &str, data: impl Into<Bytes>) -> ContractCall {
    ContractCall {
        purpose: purpose.to_owned(),
        avs: AVS,
        target: TOKEN,
        value: U256::from(3),
        data: data.into(),
        account: Address::repeat_byte(0x55),
        nonce: U256::from(9),
        deadline: NOW + 3600,
    }
}

pub(crate) fn transfer(amount: U256) -> Bytes {
    transferCall { to: Address::repeat_byte(0x77), amount }.abi_encode().into()
}

fn pay(why: &str) -> Bytes {
    let extra = Extra { flag: true, code: FixedBytes([1, 2, 3, 4]), delta: -5, level: 9 };
    let amounts = vec![U256::MAX, U256::from(7)];
    payCall { to: Address::repeat_byte(0x77), amounts, extra, why: why.to_owned() }.abi_encode().into()
}

/// A call of each listed function that may be called directly.
pub(crate) fn samples() -> Vec<Operation> {
    let pause = Bytes::copy_from_slice(&keccak256("pause()")[..4]);
    let calls = [("treasury", transfer(U256::from(1))), ("treasury", pay("for work")), ("governance", pause)];
    calls.map(|(purpose, data)| Operation::ContractCall(contract_call(purpose, data))).into()
}

fn code(call: ContractCall) -> Option<Code> {
    signed_as(Operation::ContractCall(call), 7, &LISTING).verify(&LISTING).err().map(|refusal| refusal.code)
}

fn shown(call: ContractCall) -> Vec<String> {
    Operation::ContractCall(call).render(&LISTING).details
}

#[test]
fn a_listed_function_is_called_and_shown_with_its_arguments() {
    for operation in samples() {
        let Operation::ContractCall(call) = operation else { panic!() };
        assert_eq!(code(call), None);
    }
    let call = contract_call("treasury", pay("for \"work\""));
    let to = Address::repeat_byte(0x77);
    let expected = [
        "function pay".to_owned(),
        format!("  address: {to}"),
        format!("  uint256[]: [{}, 7]", U256::MAX),
        "  (bool,bytes4,int128,uint8): (true, 0x01020304, -5, 9)".to_owned(),
        "  string: \"for \"work\"\"".to_owned(),
    ];
    assert_eq!(shown(call.clone()), expected);
    let rendering = Operation::ContractCall(call.clone()).render(&LISTING);
    assert_eq!(rendering.warnings, ["sends 3 wei along"]);
    let [made] = Operation::ContractCall(call.clone()).calls(&LISTING).try_into().unwrap();
    assert_eq!((made.target, made.value, made.data), (TOKEN, U256::from(3), call.data));
}

#[test]
fn r03_what_is_not_listed_is_not_called() {
    let good = contract_call("treasury", transfer(U256::MAX));
    assert_eq!(code(good.clone()), None);
    assert_eq!(code(ContractCall { target: SAFE, ..good.clone() }), Some(Code::CallNotListed));
    assert_eq!(code(ContractCall { target: Address::ZERO, ..good.clone() }), Some(Code::CallNotListed));
    for purpose in ["governance", "veto"] {
        let other = ContractCall { purpose: purpose.to_owned(), ..good.clone() };
        assert_eq!(code(other), Some(Code::CallNotListed), "{purpose}");
    }
    let mut data = good.data.to_vec();
    data[0] ^= 1;
    assert_eq!(code(contract_call("treasury", data)), Some(Code::CallNotListed));
    for length in 0..4 {
        assert_eq!(code(contract_call("treasury", vec![0xa9; length])), Some(Code::CalldataInvalid));
    }
    assert_eq!(code(contract_call("treasury", [&good.data[..4], &[0; 8_200]].concat())), Some(Code::CalldataInvalid));
}

#[test]
fn r03_listed_calldata_has_one_encoding() {
    for operation in samples() {
        let Operation::ContractCall(call) = operation else { panic!() };
        let with = |data: Vec<u8>| ContractCall { data: data.into(), ..call.clone() };
        for extra in [1, 31, 32] {
            let long = [&call.data[..], &vec![0; extra]].concat();
            assert_eq!(code(with(long)), Some(Code::CalldataInvalid));
        }
        for length in 4..call.data.len() {
            assert_eq!(code(with(call.data[..length].to_vec())), Some(Code::CalldataInvalid), "{length} bytes");
        }
        let own = shown(call.clone());
        for bit in 32..call.data.len() * 8 {
            let mut data = call.data.to_vec();
            data[bit / 8] ^= 0x80 >> (bit % 8);
            // Either people are shown another call, or there is none.
            match code(with(data.clone())) {
                None => assert_ne!(shown(with(data)), own, "bit {bit}"),
                Some(code) => assert!(matches!(code, Code::CalldataInvalid | Code::OperationFieldInvalid), "bit {bit}"),
            }
        }
    }
}

#[test]
fn r03_dirty_bits_of_listed_arguments_are_refused() {
    let data = pay("why");
    // to, offset of amounts, flag, code, delta, level, offset of why.
    for (word, byte, value) in
        [(0, 11, 1), (1, 0, 1), (2, 31, 2), (2, 0, 1), (3, 4, 1), (4, 0, 0x7f), (4, 15, 0), (5, 30, 1), (6, 3, 1)]
    {
        let mut dirty = data.to_vec();
        dirty[4 + 32 * word + byte] = value;
        assert_eq!(code(contract_call("treasury", dirty)), Some(Code::CalldataInvalid), "word {word}, byte {byte}");
    }
    let mut dirty = data.to_vec();
    *dirty.last_mut().unwrap() = 1;
    assert_eq!(code(contract_call("treasury", dirty)), Some(Code::CalldataInvalid), "padding of a string");
    let mut dirty = data.to_vec();
    let at = data.len() - 32;
    dirty[at] = 0xff;
    assert_eq!(code(contract_call("treasury", dirty)), Some(Code::CalldataInvalid), "no UTF-8");
}

#[test]
fn r03_a_text_that_deceives_is_refused() {
    for bad in ["a\nb", "\u{202e}", "\u{200b}", "\0"] {
        assert_eq!(code(contract_call("treasury", pay(bad))), Some(Code::OperationFieldInvalid), "{bad:?}");
    }
}

#[test]
fn r07_no_slashing_key_and_no_unknown_one_makes_calls() {
    for purpose in ["slash", "", "Treasury", "other"] {
        let call = contract_call(purpose, transfer(U256::from(1)));
        assert_eq!(code(call), Some(Code::OperationFieldInvalid), "{purpose}");
    }
    // Even where a definition lists it past the checks of its file.
    let definition = changed(|content| {
        list(content);
        content.calls.push(entry(Purpose::Slash, TOKEN, "function transfer(address,uint256)"));
    });
    let call = Operation::ContractCall(contract_call("slash", transfer(U256::from(1))));
    assert!(signed_as(call, 7, &definition).verify(&definition).is_err());
}

#[test]
fn r05_a_hash_is_approved_by_safe_transactions_only() {
    let approve = [&keccak256("approveHash(bytes32)")[..4], &[7; 32]].concat();
    let call = ContractCall { target: SAFE, ..contract_call("treasury", approve) };
    assert_eq!(code(call), Some(Code::CallNotListed));
}

#[test]
fn a_definition_lists_what_can_be_read() {
    assert_eq!(Definition::parse(&LISTING.to_toml()).as_ref(), Ok(&*LISTING));
    let with = |listed: ListedCall| {
        let definition = changed(|content| {
            list(content);
            content.calls.push(listed);
            content.calls.sort();
        });
        Definition::parse(&definition.to_toml()).map(drop).map_err(|refusal| refusal.code)
    };
    let (governance, other) = (Purpose::Governance, Address::repeat_byte(0xd3));
    for good in [
        "function f()",
        "function f(uint256[][])",
        "function f((address,bytes)[2])",
        "function _f1(string[])",
        "function f((address))",
    ] {
        assert_eq!(with(entry(governance, other, good)), Ok(()), "{good}");
    }
    for bad in [
        "f()",
        "function f",
        "function (uint256)",
        "function f(uint)",
        "function f( uint256)",
        "function f(uint256 amount)",
        "function f(uint256,)",
        "function f(uint256)(uint256)",
        "function f(uint257)",
        "function 1f()",
        "function f g()",
        "function f(uint256[][][])",
        "function f(bytes[][])",
        "function f(uint256[0])",
        "function f(()[])",
        "function f(())",
        "function execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        "function slashOperator(address,(address,uint32,address[],uint256[],string))",
        "function updateSlasher((address,uint32),address)",
        "function acceptAdmin(address)",
    ] {
        assert_eq!(with(entry(governance, other, bad)), Err(Code::DefinitionInvalid), "{bad}");
    }
    assert_eq!(with(entry(Purpose::Slash, other, "function f()")), Err(Code::DefinitionInvalid));
    assert_eq!(with(entry(governance, TOKEN, "function pause()")), Err(Code::DefinitionInvalid), "twice");
    let wrong = ListedCall { selector: FixedBytes([1, 2, 3, 4]), ..entry(governance, other, "function f()") };
    assert_eq!(with(wrong), Err(Code::DefinitionInvalid), "another selector");
    let digest = |change: fn(&mut Content)| changed(|content| (list(content), change(content)).1).digest();
    let changes: [fn(&mut Content); 5] = [
        |d| _ = d.calls.pop(),
        |d| d.calls[0].purpose = Purpose::Veto,
        |d| d.calls[0].target = SAFE,
        |d| d.calls[0].selector = FixedBytes([0; 4]),
        |d| d.calls[0].signature.push(' '),
    ];
    assert!(changes.into_iter().all(|change| digest(change) != LISTING.digest()));
}

proptest! {
    #[test]
    fn r03_no_listed_calldata_panics(tail in proptest::collection::vec(any::<u8>(), 0..300), words in 0..10_usize) {
        let good = pay("for work");
        let data = [&good[..(4 + 32 * words).min(good.len())], &tail].concat();
        let call = contract_call("treasury", data);
        let lines = shown(call.clone());
        prop_assert_eq!(code(call).is_some(), lines[0].starts_with("refused"));
    }

    #[test]
    fn r04_every_integer_is_shown(amount in any::<[u8; 32]>()) {
        let amount = U256::from_be_bytes(amount);
        let line = shown(contract_call("treasury", transfer(amount))).remove(2);
        prop_assert_eq!(line, format!("  uint256: {amount}"));
        let _ = I256::from_raw(amount).to_string();
    }
}
