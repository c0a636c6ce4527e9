//! Firn's contracts over group keys' accounts: AccessManager, timelock, gate and treasury, at addresses that are known before
//! there is a chain.

use crate::net::{Net, parse};
use crate::process::until;
use crate::treasury::post;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue, sol};
use firn_proto::Definition;
use firn_proto::definition::{Authority, Content, Contracts, Purpose};
use firn_proto::operation::Operation;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

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
}

/// Deploys, and has done nothing before: so all addresses are known before there is a chain.
pub(crate) const DEPLOYER: Address = Address::repeat_byte(0xf1);
pub(crate) const PAYEE: Address = Address::repeat_byte(0x77);
/// Proposes to the timelock, where no key does.
pub(crate) const GOVERNANCE: Address = Address::repeat_byte(0x99);
pub(crate) const REFERENCE: B256 = B256::repeat_byte(0x88);

/// The contract's creation code, from the committed artifact.
pub(crate) fn code_of(contract: &str) -> Vec<u8> {
    bytecode(format!("contracts/artifacts/{contract}.json"))
}

/// The creation code in an artifact of the repository, or of a package of its contracts.
pub(crate) fn bytecode(path: impl AsRef<Path>) -> Vec<u8> {
    let file = firn_tests::repository_root().join(path);
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

/// A network with keys of the same members for these purposes, whose definition names contracts that are not there yet.
pub(crate) fn guarded(purposes: &[Purpose], operations: &[&str], more: impl FnOnce(&mut Content)) -> Net {
    prepared(purposes, operations, more).started()
}

/// The same, before anything of it runs.
pub(crate) fn prepared(purposes: &[Purpose], operations: &[&str], more: impl FnOnce(&mut Content)) -> Net {
    let mut net = Net::prepare(3, 2);
    let (avs, manager) = (net.chain.avs, net.chain.allocation_manager);
    net.redefine(|content| {
        for purpose in purposes.iter().copied() {
            let mut key = content.keys[0].clone();
            (key.name, key.purpose) = (purpose.as_str().to_owned(), purpose);
            content.authorities.push(Authority { avs, purpose, key: key.name.clone() });
            content.keys.push(key);
        }
        content.keys.sort_by(|a, b| a.name.cmp(&b.name));
        content.contracts = vec![contracts(avs, manager)];
        content.requesters[0].operations.extend(operations.iter().map(|kind| (*kind).to_owned()));
        more(content);
    });
    assert_eq!(Definition::parse(&net.definition.to_toml()).as_ref(), Ok(&net.definition));
    net
}

/// The longer of the authority's delays and the shorter, in seconds.
pub(crate) const LONG: u32 = 9;
pub(crate) const SHORT: u32 = 3;

/// Deploys the authority over these accounts, and gives the treasury some ether.
pub(crate) fn deploy(net: &Net, members: Members, sets: Vec<PinnedSet>) {
    deploy_with(net, members, sets, SHORT);
}

/// The same, with another delay of slashes.
pub(crate) fn deploy_with(net: &Net, members: Members, sets: Vec<PinnedSet>, slash: u32) {
    let delays = Delays {
        slash,
        treasury: SHORT,
        treasuryLarge: LONG,
        governance: SHORT,
        timelock: SHORT,
        handOver: SHORT,
        recovery: LONG.max(slash),
    };
    let terms = PayeeTerms { budget: 1_000, largeBudget: 2_000, window: 3_600 };
    let payees = vec![ListedPayee { token: Address::ZERO, payee: PAYEE, terms }];
    let arguments = (DEPLOYER.create(0), net.chain.allocation_manager, members, delays, sets, payees);
    let authority = [code_of("Authority"), arguments.abi_encode_params()].concat();
    fund(net, DEPLOYER);
    net.chain.call("anvil_impersonateAccount", &json!([DEPLOYER])).expect("anvil lends accounts");
    create(net, &code_of("GuardFactory"));
    create(net, &authority);
    let made = &net.definition.contracts[0];
    fund(net, made.treasury);
    for contract in [made.manager, made.timelock, made.timelock_veto, made.gate, made.treasury] {
        final_code(net, contract);
    }
}

/// Gives it an ether.
pub(crate) fn fund(net: &Net, who: Address) {
    net.chain.call("anvil_setBalance", &json!([who, "0xde0b6b3a7640000"])).expect("ether");
}

/// Has the deployer, once it is lent, create a contract.
pub(crate) fn create(net: &Net, code: &[u8]) {
    let transaction = json!({ "from": DEPLOYER, "data": format!("0x{}", hex::encode(code)), "gas": "0x1000000" });
    net.chain.call("eth_call", &json!([transaction, "latest"])).expect("it would go through");
    let hash = net.chain.call("eth_sendTransaction", &json!([transaction])).expect("it is taken");
    net.chain.mine(1);
    let receipt = net.chain.call("eth_getTransactionReceipt", &json!([hash])).expect("a receipt");
    assert_eq!(receipt["status"], "0x1", "{receipt}");
}

/// Waits until a contract is there in the finalised block, the one that nodes look at.
pub(crate) fn final_code(net: &Net, contract: Address) {
    until(&format!("{contract} to be final"), || {
        net.chain.mine(1);
        let code = net.chain.call("eth_getCode", &json!([contract, "finalized"]))?;
        (code.as_str().map_or(0, str::len) > 2).then_some(()).ok_or_else(|| "no code".to_owned())
    });
}

/// What a contract answers in the newest block.
pub(crate) fn ask<C: SolCall>(net: &Net, contract: Address, call: &C) -> C::Return {
    let data = format!("0x{}", hex::encode(call.abi_encode()));
    let answer = net.chain.call("eth_call", &json!([{ "to": contract, "data": data }, "latest"])).expect("an answer");
    let bytes = hex::decode(answer.as_str().expect("bytes").trim_start_matches("0x")).expect("hexadecimal");
    C::abi_decode_returns(&bytes).expect("an answer that reads")
}

pub(crate) fn balance(net: &Net, of: Address) -> U256 {
    parse(&net.chain.call("eth_getBalance", &json!([of, "latest"])).expect("a balance"))
}

/// Asks for all of them, and waits until each is executed.
pub(crate) fn done(net: &Net, operations: &[Operation]) {
    let asked = operations.iter().map(|operation| {
        let asked = post(net, operation);
        assert_eq!(asked.status, 202, "{}: {asked:?}", operation.kind());
        asked.json()["id"].as_str().expect("an id").to_owned()
    });
    let asked: Vec<_> = asked.collect();
    asked.iter().for_each(|id| drop(net.in_state(0, id, "executed")));
}
