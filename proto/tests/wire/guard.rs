//! The kinds that act on Firn's own contracts: exact calldata on both steps, strict reading, who signs them, what people see.

use crate::fixture::{AVS, NOW, changed, signed_as};
use crate::{calls, kinds};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use firn_proto::account::Call;
use firn_proto::definition::{Authority, Content, Contracts};
use firn_proto::operation::guard::roles;
use firn_proto::operation::{
    CancelScheduled, CancelTimelocked, GrantRole, HandOver, KINDS, Operation, PauseContract, RevokeRole, SetLimits,
    SetPayee, Terms, Timelocked, TreasuryPay, UnpauseContract, Unpin,
};
use firn_proto::request::SignedRequest;
use firn_proto::wire::signed_request::Operation as Wire;
use firn_proto::{Code, Definition};
use std::sync::LazyLock;

mod rules;

const ACCOUNT: Address = Address::repeat_byte(0x55);
const OTHER: Address = Address::repeat_byte(0x56);
const TOKEN: Address = Address::repeat_byte(0xd1);
const REFERENCE: B256 = B256::repeat_byte(0x77);
const MANAGER: Address = Address::repeat_byte(0xc1);
const TIMELOCK: Address = Address::repeat_byte(0xc2);
const TIMELOCK_VETO: Address = Address::repeat_byte(0xc3);
const GATE: Address = Address::repeat_byte(0xc4);
const TREASURY: Address = Address::repeat_byte(0xc5);

pub(crate) fn contracts() -> Contracts {
    let (manager, timelock, timelock_veto, gate, treasury) = (MANAGER, TIMELOCK, TIMELOCK_VETO, GATE, TREASURY);
    Contracts { avs: AVS, manager, timelock, timelock_veto, gate, treasury, declared: None }
}

/// All kinds, keys for all purposes, functions that may be called, and the contracts.
pub(crate) fn guarded() -> Definition {
    changed(guard)
}

/// The same when there were so many kinds: what is pinned of it stays.
pub(crate) fn guarded_by_the_first(kinds: usize) -> Definition {
    changed(|content| {
        guard(content);
        content.requesters[0].operations = KINDS[..kinds].iter().map(|kind| (*kind).to_owned()).collect();
    })
}

fn guard(content: &mut Content) {
    calls::list(content);
    content.requesters[0].operations = KINDS.map(str::to_owned).into();
    content.contracts = vec![contracts()];
}

static GUARDED: LazyLock<Definition> = LazyLock::new(guarded);

fn terms() -> Terms {
    Terms { avs: AVS, account: ACCOUNT, nonce: U256::from(9), deadline: NOW + 3600 }
}

fn pay(large: bool, token: Address, step: &str) -> TreasuryPay {
    let Terms { avs, account, nonce, deadline } = terms();
    let (step, amount) = (step.to_owned(), U256::from(1_000));
    TreasuryPay { avs, token, to: OTHER, amount, large, step, reference: REFERENCE, account, nonce, deadline }
}

fn payee(budget: u64, large: u64, window: u32, step: &str) -> SetPayee {
    let Terms { avs, account, nonce, deadline } = terms();
    SetPayee {
        avs,
        token: TOKEN,
        payee: OTHER,
        budget: U256::from(budget),
        largeBudget: U256::from(large),
        window,
        step: step.to_owned(),
        reference: REFERENCE,
        account,
        nonce,
        deadline,
    }
}

fn limits(tighten: bool, step: &str, delay: u64) -> SetLimits {
    let Terms { avs, account, nonce, deadline } = terms();
    let percent = |percent: u64| U256::from(percent) * U256::from(10_000_000_000_000_000_u64);
    SetLimits {
        avs,
        operatorSetId: 7,
        minWad: percent(1),
        maxWad: percent(10),
        operatorBudget: percent(20),
        setBudget: percent(2_000),
        window: 604_800,
        coolDown: 3_600,
        tighten,
        step: step.to_owned(),
        delay,
        reference: REFERENCE,
        account,
        nonce,
        deadline,
    }
}

fn grant(role: u64, execution_delay: u32, step: &str, delay: u64) -> GrantRole {
    let Terms { avs, account, nonce, deadline } = terms();
    let reference = if role == roles::VETO { B256::ZERO } else { REFERENCE };
    let (step, member) = (step.to_owned(), OTHER);
    GrantRole { avs, role, member, executionDelay: execution_delay, step, delay, reference, account, nonce, deadline }
}

fn revoke(role: u64, step: &str, delay: u64) -> RevokeRole {
    let GrantRole { avs, role, member, step, delay, reference, account, nonce, deadline, .. } =
        grant(role, 0, step, delay);
    RevokeRole { avs, role, member, step, delay, reference, account, nonce, deadline }
}

fn pause(which: &str) -> PauseContract {
    let Terms { avs, account, nonce, deadline } = terms();
    let (which, until) = (which.to_owned(), NOW + 86_400);
    PauseContract { avs, which, until, reference: REFERENCE, account, nonce, deadline }
}

fn unpause(which: &str) -> UnpauseContract {
    let Terms { avs, account, nonce, deadline } = terms();
    UnpauseContract { avs, which: which.to_owned(), reference: REFERENCE, account, nonce, deadline }
}

fn cancel(target: Address, data: impl Into<Bytes>) -> CancelScheduled {
    let Terms { avs, account, nonce, deadline } = terms();
    CancelScheduled { avs, caller: OTHER, target, data: data.into(), account, nonce, deadline }
}

fn cancel_timelocked() -> CancelTimelocked {
    let Terms { avs, account, nonce, deadline } = terms();
    CancelTimelocked { avs, operationId: B256::repeat_byte(0x88), reference: REFERENCE, account, nonce, deadline }
}

fn timelocked_act(target: Address, data: Vec<u8>, step: &str, delay: u64) -> Timelocked {
    let Terms { avs, account, nonce, deadline } = terms();
    let (step, data) = (step.to_owned(), data.into());
    Timelocked { avs, target, data, step, delay, reference: REFERENCE, account, nonce, deadline }
}

fn core() -> Address {
    GUARDED.chain.allocation_manager
}

/// What an admin calls there: a function that Firn has a kind for, and one that the definition lists.
fn update_slasher_call(avs: Address) -> Vec<u8> {
    call("updateSlasher((address,uint32),address)", &[address(avs), word(7), address(OTHER)])
}

fn unpin(step: &str) -> Unpin {
    let Terms { avs, account, nonce, deadline } = terms();
    Unpin { avs, operatorSetId: 7, step: step.to_owned(), reference: REFERENCE, account, nonce, deadline }
}

fn hand_over(tokens: &[Address], step: &str) -> HandOver {
    let Terms { avs, account, nonce, deadline } = terms();
    let (tokens, step) = (tokens.to_vec(), step.to_owned());
    HandOver { avs, successor: OTHER, tokens, step, reference: REFERENCE, account, nonce, deadline }
}

fn word(value: impl TryInto<U256>) -> Vec<u8> {
    value.try_into().ok().unwrap().to_be_bytes_vec()
}

fn address(address: Address) -> Vec<u8> {
    [&[0; 12], address.as_slice()].concat()
}

/// Length and bytes, filled up to a whole word.
fn tail(data: &[u8]) -> Vec<u8> {
    [word(data.len()), data.to_vec(), vec![0; data.len().next_multiple_of(32) - data.len()]].concat()
}

fn call(signature: &str, words: &[Vec<u8>]) -> Vec<u8> {
    [&keccak256(signature)[..4], &words.concat()].concat()
}

fn scheduled(target: Address, data: &[u8]) -> Vec<u8> {
    call("schedule(address,bytes,uint48)", &[address(target), word(0x60), word(0), tail(data)])
}

fn executed(target: Address, data: &[u8]) -> Vec<u8> {
    call("execute(address,bytes)", &[address(target), word(0x40), tail(data)])
}

fn timelocked(target: Address, data: &[u8], salt: B256, delay: u64) -> Vec<u8> {
    let head = [address(target), word(0), word(0xc0), word(0), salt.to_vec(), word(delay)].concat();
    call("schedule(address,uint256,bytes,bytes32,bytes32,uint256)", &[head, tail(data)])
}

fn unlocked(target: Address, data: &[u8], salt: B256) -> Vec<u8> {
    let head = [address(target), word(0), word(0xa0), word(0), salt.to_vec()].concat();
    call("execute(address,uint256,bytes,bytes32,bytes32)", &[head, tail(data)])
}

fn pay_call(name: &str, token: Address) -> Vec<u8> {
    let words = [REFERENCE.to_vec(), address(token), address(OTHER), word(1_000)];
    call(&format!("{name}(bytes32,address,address,uint256)"), &words)
}

fn payee_call(terms: [u64; 3]) -> Vec<u8> {
    let words = [REFERENCE.to_vec(), address(TOKEN), address(OTHER), terms.map(word).concat()];
    call("setPayee(bytes32,address,address,(uint128,uint128,uint32))", &words)
}

fn limits_call(name: &str) -> Vec<u8> {
    let percent = |percent: u64| word(U256::from(percent) * U256::from(10_000_000_000_000_000_u64));
    let limits = [percent(1), percent(10), percent(20), percent(2_000), word(604_800), word(3_600)].concat();
    let signature = format!("{name}(bytes32,address,uint32,(uint64,uint64,uint64,uint72,uint32,uint32))");
    call(&signature, &[REFERENCE.to_vec(), address(AVS), word(7), limits])
}

fn unpin_call() -> Vec<u8> {
    call("unpin(bytes32,address,uint32)", &[REFERENCE.to_vec(), address(AVS), word(7)])
}

fn hand_over_call(tokens: &[Address]) -> Vec<u8> {
    let list = tokens.iter().flat_map(|token| address(*token)).collect();
    call(
        "handOver(bytes32,address,address[])",
        &[REFERENCE.to_vec(), address(OTHER), word(0x60), word(tokens.len()), list],
    )
}

fn grant_call(role: u64, delay: u32) -> Vec<u8> {
    call("grantRole(uint64,address,uint32)", &[word(role), address(OTHER), word(delay)])
}

fn revoke_call(role: u64) -> Vec<u8> {
    call("revokeRole(uint64,address)", &[word(role), address(OTHER)])
}

/// Each kind on each of its ways, with what the account has to call.
fn expected() -> Vec<(Operation, Address, Vec<u8>)> {
    use Operation as O;
    let (pay_data, set) = (pay_call("pay", TOKEN), limits_call("setLimits"));
    let cancelled = [address(OTHER), address(TREASURY), word(0x60), tail(&pay_data)];
    let vetoed = [REFERENCE.to_vec(), vec![0x88; 32]];
    let until = [REFERENCE.to_vec(), word(NOW + 86_400)];
    let (pause_data, unpause_data) =
        (call("pause(bytes32,uint64)", &until), call("unpause(bytes32)", &[REFERENCE.to_vec()]));
    let (grant_slash, revoke_pay) = (grant_call(1, 259_200), revoke_call(2));
    let (handed, tokens) = ([Address::ZERO, TOKEN], [OTHER, TOKEN]);
    vec![
        (O::TreasuryPay(pay(false, TOKEN, "schedule")), MANAGER, scheduled(TREASURY, &pay_data)),
        (O::TreasuryPay(pay(false, TOKEN, "execute")), MANAGER, executed(TREASURY, &pay_data)),
        (
            O::TreasuryPay(pay(true, Address::ZERO, "schedule")),
            MANAGER,
            scheduled(TREASURY, &pay_call("payLarge", Address::ZERO)),
        ),
        (O::SetPayee(payee(5, 6, 7, "schedule")), MANAGER, scheduled(TREASURY, &payee_call([5, 6, 7]))),
        (O::SetPayee(payee(0, 0, 0, "execute")), MANAGER, executed(TREASURY, &payee_call([0; 3]))),
        (O::PauseContract(pause("gate")), GATE, pause_data.clone()),
        (O::PauseContract(pause("treasury")), TREASURY, pause_data),
        (O::UnpauseContract(unpause("gate")), GATE, unpause_data.clone()),
        (O::UnpauseContract(unpause("treasury")), TREASURY, unpause_data),
        (O::CancelScheduled(cancel(TREASURY, pay_data)), MANAGER, call("cancel(address,address,bytes)", &cancelled)),
        (O::CancelTimelocked(cancel_timelocked()), TIMELOCK_VETO, call("cancel(bytes32,bytes32)", &vetoed)),
        (O::SetLimits(limits(true, "schedule", 0)), MANAGER, scheduled(GATE, &limits_call("tightenLimits"))),
        (O::SetLimits(limits(false, "schedule", 99)), TIMELOCK, timelocked(GATE, &set, REFERENCE, 99)),
        (O::SetLimits(limits(false, "execute", 0)), TIMELOCK, unlocked(GATE, &set, REFERENCE)),
        (
            O::GrantRole(grant(roles::SLASH, 259_200, "schedule", 99)),
            TIMELOCK,
            timelocked(MANAGER, &grant_slash, REFERENCE, 99),
        ),
        (O::GrantRole(grant(roles::VETO, 0, "schedule", 0)), MANAGER, scheduled(MANAGER, &grant_call(4, 0))),
        (O::RevokeRole(revoke(roles::TREASURY, "execute", 0)), TIMELOCK, unlocked(MANAGER, &revoke_pay, REFERENCE)),
        (O::RevokeRole(revoke(roles::VETO, "execute", 0)), MANAGER, executed(MANAGER, &revoke_call(4))),
        (O::Unpin(unpin("schedule")), MANAGER, scheduled(GATE, &unpin_call())),
        (O::Unpin(unpin("execute")), MANAGER, executed(GATE, &unpin_call())),
        (O::HandOver(hand_over(&handed, "schedule")), MANAGER, scheduled(TREASURY, &hand_over_call(&handed))),
        (O::HandOver(hand_over(&tokens, "execute")), MANAGER, executed(TREASURY, &hand_over_call(&tokens))),
        (
            O::Timelocked(timelocked_act(core(), update_slasher_call(AVS), "schedule", 99)),
            TIMELOCK,
            timelocked(core(), &update_slasher_call(AVS), REFERENCE, 99),
        ),
        (
            O::Timelocked(timelocked_act(core(), update_slasher_call(AVS), "execute", 0)),
            TIMELOCK,
            unlocked(core(), &update_slasher_call(AVS), REFERENCE),
        ),
    ]
}

pub(crate) fn samples() -> Vec<Operation> {
    expected().into_iter().map(|(operation, ..)| operation).collect()
}

fn own_call(operation: &Operation) -> Call {
    operation.calls(&GUARDED).remove(0)
}

fn decoded(call: &Call) -> Result<Operation, Code> {
    Operation::decode(call, &GUARDED, terms()).map_err(|refusal| refusal.code)
}

fn made(target: Address, data: Vec<u8>) -> Call {
    Call { target, value: U256::ZERO, data: data.into() }
}

fn code(operation: Operation, definition: &Definition) -> Option<Code> {
    signed_as(operation, 7, definition).verify(definition).err().map(|refusal| refusal.code)
}

#[test]
fn calldata_is_what_the_contracts_take() {
    // OpenZeppelin's own selectors, as its documentation and every explorer have them.
    for (signature, selector) in [
        ("schedule(address,bytes,uint48)", hex!("f801a698")),
        ("execute(address,bytes)", hex!("1cff79cd")),
        ("cancel(address,address,bytes)", hex!("d6bb62c6")),
        ("grantRole(uint64,address,uint32)", hex!("25c471a0")),
        ("revokeRole(uint64,address)", hex!("b7d2b162")),
        ("schedule(address,uint256,bytes,bytes32,bytes32,uint256)", hex!("01d5062a")),
        ("execute(address,uint256,bytes,bytes32,bytes32)", hex!("134008d3")),
    ] {
        assert_eq!(call(signature, &[]), selector, "{signature}");
    }
    for (operation, target, data) in expected() {
        assert_eq!(own_call(&operation), made(target, data), "{operation:?}");
        assert_eq!(code(operation, &GUARDED), None);
    }
    let kinds: std::collections::BTreeSet<_> = samples().iter().map(Operation::kind).collect();
    assert_eq!(kinds, KINDS[10..].iter().copied().collect(), "each kind has a sample");
}

#[test]
fn both_steps_have_one_inner_call() {
    let inner = |data: &[u8], from: usize| data[from..].to_vec();
    let [schedule, execute] =
        ["schedule", "execute"].map(|step| own_call(&Operation::TreasuryPay(pay(false, TOKEN, step))).data);
    assert_eq!(inner(&schedule, 4 + 3 * 32), inner(&execute, 4 + 2 * 32));
    let schedule = own_call(&Operation::SetLimits(limits(false, "schedule", 99))).data;
    let execute = own_call(&Operation::SetLimits(limits(false, "execute", 0))).data;
    assert_eq!(inner(&schedule, 4 + 6 * 32), inner(&execute, 4 + 5 * 32));
}

#[test]
fn r03_calldata_reads_back_as_the_operation_that_made_it() {
    for operation in samples() {
        assert_eq!(decoded(&own_call(&operation)), Ok(operation));
    }
}

#[test]
fn r03_more_or_less_bytes_are_refused_outside_and_inside() {
    for operation in samples() {
        let call = own_call(&operation);
        for extra in [1, 31, 32] {
            let data = [&call.data[..], &vec![0; extra]].concat();
            assert_eq!(decoded(&made(call.target, data)), Err(Code::CalldataInvalid), "{operation:?}");
        }
        for length in 0..call.data.len() {
            let data = call.data[..length].to_vec();
            assert_eq!(decoded(&made(call.target, data)), Err(Code::CalldataInvalid), "{operation:?}, {length}");
        }
    }
    let data = pay_call("pay", TOKEN);
    for inner in [[&data[..], &[0]].concat(), [&data[..], &[0; 32]].concat(), data[..data.len() - 1].to_vec(), vec![]] {
        for call in [scheduled(TREASURY, &inner), executed(TREASURY, &inner)] {
            assert_eq!(decoded(&made(MANAGER, call)), Err(Code::CalldataInvalid));
        }
    }
}

#[test]
fn r03_every_bit_counts() {
    for operation in samples() {
        let call = own_call(&operation);
        for bit in 0..call.data.len() * 8 {
            let mut data = call.data.to_vec();
            data[bit / 8] ^= 0x80 >> (bit % 8);
            let flipped = made(call.target, data);
            // Either it is another operation, with this very calldata, or it is none.
            if let Ok(other) = Operation::decode(&flipped, &GUARDED, terms()) {
                assert!(other != operation && other.calls(&GUARDED) == [flipped], "{operation:?}, bit {bit}");
            }
        }
        for target in [OTHER, Address::ZERO, TIMELOCK_VETO].into_iter().filter(|target| *target != call.target) {
            assert_eq!(decoded(&Call { target, ..call.clone() }), Err(Code::CallNotListed), "{operation:?}");
        }
        let paid = Call { value: U256::from(1), ..call };
        assert_eq!(decoded(&paid), Err(Code::CallNotListed));
    }
}

#[test]
fn r03_a_call_goes_its_own_way_only() {
    let refused = Err(Code::CalldataInvalid);
    let (pay, wide, tight) = (pay_call("pay", TOKEN), limits_call("setLimits"), limits_call("tightenLimits"));
    // Past the treasury's delay, or past the timelock.
    assert_eq!(decoded(&made(TREASURY, pay.clone())), refused);
    assert_eq!(decoded(&made(GATE, unpin_call())), refused);
    assert_eq!(decoded(&made(TREASURY, hand_over_call(&[]))), refused);
    assert_eq!(decoded(&made(GATE, wide.clone())), refused);
    assert_eq!(decoded(&made(MANAGER, grant_call(1, 259_200))), refused);
    assert_eq!(decoded(&made(TIMELOCK, timelocked(TREASURY, &pay, REFERENCE, 99))), refused);
    assert!(decoded(&made(MANAGER, scheduled(GATE, &wide))).is_err());
    for way in [scheduled(MANAGER, &grant_call(1, 259_200)), executed(MANAGER, &revoke_call(1))] {
        assert!(decoded(&made(MANAGER, way)).is_err());
    }
    for way in [timelocked(GATE, &tight, REFERENCE, 99), timelocked(MANAGER, &grant_call(4, 0), REFERENCE, 99)] {
        assert!(decoded(&made(TIMELOCK, way)).is_err());
    }
    // The salt is the request id, and the inner call has the contract that it is for.
    assert_eq!(decoded(&made(TIMELOCK, timelocked(GATE, &wide, B256::repeat_byte(0x78), 99))), refused);
    assert_eq!(decoded(&made(MANAGER, scheduled(GATE, &pay))), refused);
    // At a later time than the earliest.
    let late = call("schedule(address,bytes,uint48)", &[address(TREASURY), word(0x60), word(1), tail(&pay)]);
    assert_eq!(decoded(&made(MANAGER, late)), refused);
}
