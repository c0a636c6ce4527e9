//! Firn's own contracts on a chain: the treasury's key pays once its delay has passed, and the veto's key pauses and cancels.

use crate::asking::now;
use crate::authority::{GOVERNANCE, Members, PAYEE, REFERENCE, ask, balance, deploy, done, guarded};
use crate::treasury::{account_of, post};
use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue, sol};
use firn_proto::definition::Purpose;
use firn_proto::operation::{CancelScheduled, Operation, PauseContract, TreasuryPay};

sol! {
    function paused() view returns (bool);
    function executed(bytes4 selector, bytes32 requestId) view returns (bool);
    function schedule(address target, bytes data, uint48 when) returns (bytes32, uint32);
    function getSchedule(bytes32 id) view returns (uint48);
}

/// `Treasury.pay`, as contracts/artifacts name it.
const PAY: FixedBytes<4> = FixedBytes([0x76, 0xbb, 0xf4, 0x25]);

#[test]
fn r07_the_treasurys_key_pays_in_two_steps_and_the_vetos_key_pauses_and_cancels() {
    let kinds = ["treasury_pay", "pause_contract", "cancel_scheduled"];
    let net = guarded(&[Purpose::Treasury, Purpose::Veto], &kinds, |_| {});
    // While there is one key only.
    let slash = net.account();
    let [treasury, veto] = ["treasury", "veto"].map(|name| account_of(&net, name));
    let members = Members { slash, treasury, governance: GOVERNANCE, vetoers: vec![veto] };
    deploy(&net, members, Vec::new());
    let made = net.definition.contracts[0].clone();
    let (avs, deadline) = (net.chain.avs, now() + 3600);

    assert!(!ask(&net, made.gate, &pausedCall {}));
    let pause = |account| {
        let (which, until, nonce) = ("gate".to_owned(), now() + 86_400, U256::from(1));
        Operation::PauseContract(PauseContract { avs, which, until, reference: REFERENCE, account, nonce, deadline })
    };
    post(&net, &pause(treasury)).refused(422, "ACCOUNT_MISMATCH");
    done(&net, &[pause(veto)]);
    assert!(ask(&net, made.gate, &pausedCall {}));
    assert!(!ask(&net, made.treasury, &pausedCall {}));

    let pay = |step: &str, reference, nonce: u64| {
        Operation::TreasuryPay(TreasuryPay {
            avs,
            token: Address::ZERO,
            to: PAYEE,
            amount: U256::from(1_000),
            large: false,
            step: step.to_owned(),
            reference,
            account: treasury,
            nonce: U256::from(nonce),
            deadline,
        })
    };
    let balance = || balance(&net, PAYEE);
    done(&net, &[pay("schedule", REFERENCE, 2)]);
    assert_eq!(
        (balance(), ask(&net, made.treasury, &executedCall { selector: PAY, requestId: REFERENCE })),
        (U256::ZERO, false)
    );
    done(&net, &[pay("execute", REFERENCE, 3)]);
    assert_eq!(
        (balance(), ask(&net, made.treasury, &executedCall { selector: PAY, requestId: REFERENCE })),
        (U256::from(1_000), true)
    );

    // Another, of which the veto hears in time.
    let another = pay("schedule", B256::repeat_byte(0x89), 4);
    done(&net, std::slice::from_ref(&another));
    let call = scheduleCall::abi_decode(&another.calls(&net.definition)[0].data).expect("how it is scheduled");
    let id = keccak256((treasury, call.target, call.data.clone()).abi_encode_params());
    let scheduled = || U256::from(ask(&net, made.manager, &getScheduleCall { id }));
    assert!(scheduled() > U256::ZERO);
    let (caller, target, data, account, nonce) = (treasury, call.target, call.data, veto, U256::from(5));
    done(&net, &[Operation::CancelScheduled(CancelScheduled { avs, caller, target, data, account, nonce, deadline })]);
    assert_eq!((scheduled(), balance()), (U256::ZERO, U256::from(1_000)));
    assert_eq!((net.chain.executions(treasury).len(), net.chain.executions(veto).len()), (3, 2));
}
