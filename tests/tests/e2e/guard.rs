//! Firn's own contracts on a chain: the treasury's key pays once its delay has passed, and the veto's key pauses and cancels.

use crate::asking::now;
use crate::net::{Net, parse};
use crate::process::until;
use crate::treasury::{account_of, post};
use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue, sol};
use firn_proto::Definition;
use firn_proto::definition::{Authority, Contracts, Declared, Purpose};
use firn_proto::operation::{CancelScheduled, Operation, PauseContract, TreasuryPay};
use serde_json::{Value, json};
use std::fs;

sol! {
    struct Members {
        address slash;
        address treasury;
        address governance;
        address[] vetoers;
    }
    struct Delays {
        uint32 slash;
        uint32 treasury;
        uint32 treasuryLarge;
        uint32 governance;
        uint32 timelock;
        uint32 handOver;
        uint32 recovery;
    }
    struct Limits {
        uint64 minWad;
        uint64 maxWad;
        uint64 operatorBudget;
        uint72 setBudget;
        uint32 window;
        uint32 coolDown;
    }
    struct PinnedSet {
        address avs;
        uint32 operatorSetId;
        Limits limits;
    }
    struct PayeeTerms {
        uint128 budget;
        uint128 largeBudget;
        uint32 window;
    }
    struct ListedPayee {
        address token;
        address payee;
        PayeeTerms terms;
    }
    function paused() view returns (bool);
    function executed(bytes4 selector, bytes32 requestId) view returns (bool);
    function schedule(address target, bytes data, uint48 when) returns (bytes32, uint32);
    function getSchedule(bytes32 id) view returns (uint48);
}

/// Deploys, and has done nothing before: so all addresses are known before there is a chain.
const DEPLOYER: Address = Address::repeat_byte(0xf1);
pub(crate) const PAYEE: Address = Address::repeat_byte(0x77);
/// Proposes to the timelock.
pub(crate) const GOVERNANCE: Address = Address::repeat_byte(0x99);
const REFERENCE: B256 = B256::repeat_byte(0x88);

/// The contract's creation code, from the committed artifact.
pub(crate) fn code_of(contract: &str) -> Vec<u8> {
    let file = format!("{}/../contracts/artifacts/{contract}.json", env!("CARGO_MANIFEST_DIR"));
    let artifact: Value = serde_json::from_str(&fs::read_to_string(file).expect("an artifact")).expect("JSON");
    hex::decode(artifact["bytecode"].as_str().expect("bytecode").trim_start_matches("0x")).expect("hexadecimal")
}

/// Where the second contract of the deployer puts what it makes.
fn contracts(avs: Address, allocation_manager: Address) -> Contracts {
    let (factory, authority) = (DEPLOYER.create(0), DEPLOYER.create(1));
    let [manager, timelock, timelock_veto] = [1, 2, 3].map(|nonce| authority.create(nonce));
    let made = |contract: &str, arguments: Vec<u8>| {
        let code = [code_of(contract), arguments].concat();
        factory.create2(authority.into_word(), keccak256(code))
    };
    let gate = made("SlashGate", (manager, allocation_manager).abi_encode_params());
    let treasury = made("Treasury", manager.abi_encode());
    Contracts { avs, manager, timelock, timelock_veto, gate, treasury, declared: None }
}

/// A network with keys for treasury and veto of the same members, whose definition names contracts that are not there yet, and
/// may declare what they shall say.
pub(crate) fn prepared(declared: impl FnOnce(Address) -> Option<Declared>) -> Net {
    let mut net = Net::prepare(3, 2);
    let (avs, manager) = (net.chain.avs, net.chain.allocation_manager);
    net.redefine(|content| {
        for purpose in [Purpose::Treasury, Purpose::Veto] {
            let mut key = content.keys[0].clone();
            (key.name, key.purpose) = (purpose.as_str().to_owned(), purpose);
            content.authorities.push(Authority { avs, purpose, key: key.name.clone() });
            content.keys.push(key);
        }
        content.keys.sort_by(|a, b| a.name.cmp(&b.name));
        content.contracts = vec![Contracts { declared: declared(avs), ..contracts(avs, manager) }];
        content.chain.permission_controller = Some(manager);
        content.requesters[0]
            .operations
            .extend(["treasury_pay", "pause_contract", "cancel_scheduled"].map(str::to_owned));
    });
    assert_eq!(Definition::parse(&net.definition.to_toml()).as_ref(), Ok(&net.definition));
    net
}

/// `Treasury.pay`, as contracts/artifacts name it.
const PAY: FixedBytes<4> = FixedBytes([0x76, 0xbb, 0xf4, 0x25]);

/// Deploys the authority over these accounts, with delays of seconds, and gives the treasury some ether.
pub(crate) fn deploy(net: &Net, slash: Address, treasury: Address, veto: Address) {
    let members = Members { slash, treasury, governance: GOVERNANCE, vetoers: vec![veto] };
    let (short, long) = (3, 9);
    let delays = Delays {
        slash: short,
        treasury: short,
        treasuryLarge: long,
        governance: short,
        timelock: short,
        handOver: short,
        recovery: long,
    };
    let terms = PayeeTerms { budget: 1_000, largeBudget: 2_000, window: 3_600 };
    let payees = vec![ListedPayee { token: Address::ZERO, payee: PAYEE, terms }];
    let sets = Vec::<PinnedSet>::new();
    let arguments = (DEPLOYER.create(0), net.chain.allocation_manager, members, delays, sets, payees);
    let authority = [code_of("Authority"), arguments.abi_encode_params()].concat();
    let balance = |of: Address| net.chain.call("anvil_setBalance", &json!([of, "0xde0b6b3a7640000"])).expect("ether");
    balance(DEPLOYER);
    net.chain.call("anvil_impersonateAccount", &json!([DEPLOYER])).expect("anvil lends accounts");
    for code in [code_of("GuardFactory"), authority] {
        let transaction = json!({ "from": DEPLOYER, "data": format!("0x{}", hex::encode(code)), "gas": "0x1000000" });
        net.chain.call("eth_call", &json!([transaction, "latest"])).expect("it would go through");
        let hash = net.chain.call("eth_sendTransaction", &json!([transaction])).expect("it is taken");
        net.chain.mine(1);
        let receipt = net.chain.call("eth_getTransactionReceipt", &json!([hash])).expect("a receipt");
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }
    let made = &net.definition.contracts[0];
    balance(made.treasury);
    for contract in [made.manager, made.timelock, made.timelock_veto, made.gate, made.treasury] {
        until(&format!("{contract} to be final"), || {
            net.chain.mine(1);
            let code = net.chain.call("eth_getCode", &json!([contract, "finalized"]))?;
            (code.as_str().map_or(0, str::len) > 2).then_some(()).ok_or_else(|| "no code".to_owned())
        });
    }
}

fn holds<C: SolCall<Return = bool>>(net: &Net, contract: Address, call: &C) -> bool {
    let data = format!("0x{}", hex::encode(call.abi_encode()));
    let answer = net.chain.call("eth_call", &json!([{ "to": contract, "data": data }, "latest"])).expect("an answer");
    parse::<U256>(&answer) == U256::from(1)
}

fn done(net: &Net, operation: &Operation) {
    let asked = post(net, operation);
    assert_eq!(asked.status, 202, "{asked:?}");
    net.in_state(0, asked.json()["id"].as_str().expect("an id"), "executed");
}

#[test]
fn r07_the_treasurys_key_pays_in_two_steps_and_the_vetos_key_pauses_and_cancels() {
    let net = prepared(|_| None).started();
    // While there is one key only.
    let slash = net.account();
    let [treasury, veto] = ["treasury", "veto"].map(|name| account_of(&net, name));
    deploy(&net, slash, treasury, veto);
    let made = net.definition.contracts[0].clone();
    let (avs, deadline) = (net.chain.avs, now() + 3600);

    assert!(!holds(&net, made.gate, &pausedCall {}));
    let pause = |account| {
        let (which, until, nonce) = ("gate".to_owned(), now() + 86_400, U256::from(1));
        Operation::PauseContract(PauseContract { avs, which, until, reference: REFERENCE, account, nonce, deadline })
    };
    post(&net, &pause(treasury)).refused(422, "ACCOUNT_MISMATCH");
    done(&net, &pause(veto));
    assert!(holds(&net, made.gate, &pausedCall {}));
    assert!(!holds(&net, made.treasury, &pausedCall {}));

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
    let balance = || parse::<U256>(&net.chain.call("eth_getBalance", &json!([PAYEE, "latest"])).expect("a balance"));
    done(&net, &pay("schedule", REFERENCE, 2));
    assert_eq!(
        (balance(), holds(&net, made.treasury, &executedCall { selector: PAY, requestId: REFERENCE })),
        (U256::ZERO, false)
    );
    done(&net, &pay("execute", REFERENCE, 3));
    assert_eq!(
        (balance(), holds(&net, made.treasury, &executedCall { selector: PAY, requestId: REFERENCE })),
        (U256::from(1_000), true)
    );

    // Another, of which the veto hears in time.
    let another = pay("schedule", B256::repeat_byte(0x89), 4);
    done(&net, &another);
    let call = scheduleCall::abi_decode(&another.calls(&net.definition)[0].data).expect("how it is scheduled");
    let id = keccak256((treasury, call.target, call.data.clone()).abi_encode_params());
    let scheduled = || {
        let data = format!("0x{}", hex::encode(getScheduleCall { id }.abi_encode()));
        let answer = net.chain.call("eth_call", &json!([{ "to": made.manager, "data": data }, "latest"]));
        parse::<U256>(&answer.expect("an answer"))
    };
    assert!(scheduled() > U256::ZERO);
    let (caller, target, data, account, nonce) = (treasury, call.target, call.data, veto, U256::from(5));
    done(&net, &Operation::CancelScheduled(CancelScheduled { avs, caller, target, data, account, nonce, deadline }));
    assert_eq!((scheduled(), balance()), (U256::ZERO, U256::from(1_000)));
    assert_eq!((net.chain.executions(treasury).len(), net.chain.executions(veto).len()), (3, 2));
}
