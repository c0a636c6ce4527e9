//! What Firn's contracts let wait, all of it under one authority: limits, roles, payees, large payments, hand-over; and a Safe.

use crate::asking::now;
use crate::authority::{
    DEPLOYER, Limits, Members, PAYEE, PinnedSet, SHORT, ask, balance, bytecode, code_of, create, deploy, done,
    final_code, fund, guarded,
};
use crate::net::Net;
use crate::process::until;
use crate::treasury::account_of;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue, sol};
use firn_proto::definition::{ListedCall, Purpose};
use firn_proto::operation::guard::roles;
use firn_proto::operation::{
    CancelTimelocked, GrantRole, HandOver, Operation, RevokeRole, SafeTransaction, SetLimits, SetPayee, Timelocked,
    TreasuryPay, Unpin,
};
use serde_json::json;

sol! {
    struct PayeeState {
        uint128 budget;
        uint128 largeBudget;
        uint32 window;
    }
    struct LimitsInForce {
        uint64 minWad;
        uint64 maxWad;
        uint64 operatorBudget;
        uint72 setBudget;
        uint32 window;
        uint32 coolDown;
    }
    function limitsOf(address avs, uint32 operatorSetId) view returns (LimitsInForce);
    function payeeOf(address token, address payee) view returns (PayeeState terms, uint256 used, uint256 usedLarge);
    function hasRole(uint64 roleId, address account) view returns (bool isMember, uint32 executionDelay);
    function isOperation(bytes32 id) view returns (bool);
    function isOperationDone(bytes32 id) view returns (bool);
    function schedule(address target, uint256 value, bytes data, bytes32 predecessor, bytes32 salt, uint256 delay);
    function successor() view returns (address);
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    function addPendingAdmin(address account, address admin);
    function acceptAdmin(address account);
    function getAdmins(address account) view returns (address[]);
    function updateSlasher(OperatorSet operatorSet, address slasher);
    function getSlasher(OperatorSet operatorSet) view returns (address);
    function nonce() view returns (uint256);
    function setup(address[] owners, uint256 threshold, address to, bytes data, address fallbackHandler, address paymentToken, uint256 payment, address paymentReceiver);
    function execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures) returns (bool);
}

const STRANGER: Address = Address::repeat_byte(0x66);
const SECOND_PAYEE: Address = Address::repeat_byte(0x78);
const KINDS: [&str; 10] = [
    "treasury_pay",
    "set_limits",
    "grant_role",
    "revoke_role",
    "set_payee",
    "cancel_timelocked",
    "unpin",
    "hand_over",
    "safe_transaction",
    "timelocked",
];

/// The deployer creates, after factory and authority: a Safe's code, the Safe, and a treasury to come after the first.
fn safe() -> Address {
    DEPLOYER.create(3)
}

/// Who asks for what, in the AVS of a test.
struct World {
    net: Net,
    governance: Address,
    treasury: Address,
    veto: Address,
    deadline: u64,
}

impl World {
    fn new() -> Self {
        let purposes = [Purpose::Treasury, Purpose::Veto, Purpose::Governance];
        let net = guarded(&purposes, &KINDS, |content| {
            let signature = "function approveHash(bytes32)".to_owned();
            let selector = firn_selector("approveHash(bytes32)");
            // The simulation is all of EigenLayer at one address.
            content.chain.permission_controller = Some(content.chain.allocation_manager);
            content.calls.push(ListedCall { purpose: Purpose::Governance, target: safe(), selector, signature });
        });
        let slash = net.account();
        let [treasury, veto, governance] = ["treasury", "veto", "governance"].map(|name| account_of(&net, name));
        let limits = limits(10);
        let sets = vec![PinnedSet { avs: net.chain.avs, operatorSetId: net.chain.set, limits }];
        deploy(&net, Members { slash, treasury, governance, vetoers: vec![veto] }, sets);
        Self { net, governance, treasury, veto, deadline: now() + 24 * 3600 }
    }

    /// A Safe of Safe's own code whose only owner is the governance key's account, with an ether.
    fn deploy_safe(&self) {
        let artifacts = "contracts/node_modules/@safe-global/safe-smart-account/build/artifacts/contracts";
        create(&self.net, &bytecode(format!("{artifacts}/Safe.sol/Safe.json")));
        let proxy = bytecode(format!("{artifacts}/proxies/SafeProxy.sol/SafeProxy.json"));
        create(&self.net, &[proxy, DEPLOYER.create(2).abi_encode()].concat());
        let zero = Address::ZERO;
        let setup = setupCall {
            owners: vec![self.governance],
            threshold: U256::from(1),
            to: zero,
            data: Bytes::new(),
            fallbackHandler: zero,
            paymentToken: zero,
            payment: U256::ZERO,
            paymentReceiver: zero,
        };
        [STRANGER, safe()].into_iter().for_each(|who| fund(&self.net, who));
        self.net.chain.send(STRANGER, safe(), &setup.abi_encode());
        final_code(&self.net, safe());
    }

    fn pay_large(&self, step: &str, nonce: u64) -> Operation {
        Operation::TreasuryPay(TreasuryPay {
            avs: self.net.chain.avs,
            token: Address::ZERO,
            to: PAYEE,
            amount: U256::from(2_000),
            large: true,
            step: step.to_owned(),
            reference: B256::repeat_byte(0x01),
            account: self.treasury,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn set_limits(&self, percent: u64, tighten: bool, step: &str, reference: u8, nonce: u64) -> Operation {
        let Limits { minWad, maxWad, operatorBudget, setBudget, window, coolDown } = limits(percent);
        Operation::SetLimits(SetLimits {
            avs: self.net.chain.avs,
            operatorSetId: self.net.chain.set,
            minWad: U256::from(minWad),
            maxWad: U256::from(maxWad),
            operatorBudget: U256::from(operatorBudget),
            setBudget: U256::from(setBudget),
            window,
            coolDown,
            tighten,
            step: step.to_owned(),
            delay: if !tighten && step == "schedule" { SHORT.into() } else { 0 },
            reference: B256::repeat_byte(reference),
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn grant(&self, role: u64, step: &str, nonce: u64) -> Operation {
        let is_veto = role == roles::VETO;
        Operation::GrantRole(GrantRole {
            avs: self.net.chain.avs,
            role,
            member: STRANGER,
            executionDelay: if is_veto { 0 } else { 9 },
            step: step.to_owned(),
            delay: if !is_veto && step == "schedule" { SHORT.into() } else { 0 },
            reference: if is_veto { B256::ZERO } else { B256::repeat_byte(0x05) },
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn revoke(&self, step: &str, nonce: u64) -> Operation {
        Operation::RevokeRole(RevokeRole {
            avs: self.net.chain.avs,
            role: roles::SLASH,
            member: STRANGER,
            step: step.to_owned(),
            delay: if step == "schedule" { SHORT.into() } else { 0 },
            reference: B256::repeat_byte(0x06),
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn set_payee(&self, step: &str, nonce: u64) -> Operation {
        Operation::SetPayee(SetPayee {
            avs: self.net.chain.avs,
            token: Address::ZERO,
            payee: SECOND_PAYEE,
            budget: U256::from(5),
            largeBudget: U256::from(6),
            window: 7,
            step: step.to_owned(),
            reference: B256::repeat_byte(0x07),
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn unpin(&self, step: &str, nonce: u64) -> Operation {
        Operation::Unpin(Unpin {
            avs: self.net.chain.avs,
            operatorSetId: self.net.chain.set,
            step: step.to_owned(),
            reference: B256::repeat_byte(0x08),
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn hand_over(&self, successor: Address, step: &str, nonce: u64) -> Operation {
        Operation::HandOver(HandOver {
            avs: self.net.chain.avs,
            successor,
            tokens: vec![Address::ZERO],
            step: step.to_owned(),
            reference: B256::repeat_byte(0x09),
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn timelocked_act(&self, data: Vec<u8>, step: &str, reference: u8, nonce: u64) -> Operation {
        Operation::Timelocked(Timelocked {
            avs: self.net.chain.avs,
            target: self.net.chain.allocation_manager,
            data: data.into(),
            step: step.to_owned(),
            delay: if step == "schedule" { SHORT.into() } else { 0 },
            reference: B256::repeat_byte(reference),
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        })
    }

    fn safe_transaction(&self, nonce: u64) -> SafeTransaction {
        SafeTransaction {
            purpose: "governance".to_owned(),
            avs: self.net.chain.avs,
            safe: safe(),
            to: SECOND_PAYEE,
            value: U256::from(55),
            data: Bytes::new(),
            operation: 0,
            safeTxGas: U256::ZERO,
            baseGas: U256::ZERO,
            gasPrice: U256::ZERO,
            gasToken: Address::ZERO,
            refundReceiver: Address::ZERO,
            safeNonce: U256::ZERO,
            account: self.governance,
            nonce: U256::from(nonce),
            deadline: self.deadline,
        }
    }

    /// The timelock's id of what this operation schedules there.
    fn timelocked(&self, operation: &Operation) -> B256 {
        let call = operation.calls(&self.net.definition).remove(0);
        let call = scheduleCall::abi_decode(&call.data).expect("it schedules in the timelock");
        let scheduleCall { target, value, data, predecessor, salt, .. } = call;
        keccak256((target, value, data, predecessor, salt).abi_encode_params())
    }

    /// The largest slash that the gate takes, in hundredths; zero where the set is not pinned.
    fn largest(&self) -> u64 {
        let made = &self.net.definition.contracts[0];
        let call = limitsOfCall { avs: self.net.chain.avs, operatorSetId: self.net.chain.set };
        ask(&self.net, made.gate, &call).maxWad / 10_000_000_000_000_000
    }

    fn has_role(&self, role: u64) -> bool {
        let made = &self.net.definition.contracts[0];
        ask(&self.net, made.manager, &hasRoleCall { roleId: role, account: STRANGER }).isMember
    }
}

/// Limits of which a slash may take so many hundredths.
fn limits(percent: u64) -> Limits {
    let max = percent * 10_000_000_000_000_000;
    let (min, budget) = (10_000_000_000_000_000, alloy_primitives::Uint::from(max));
    Limits { minWad: min, maxWad: max, operatorBudget: max, setBudget: budget, window: 3_600, coolDown: 60 }
}

fn firn_selector(signature: &str) -> alloy_primitives::FixedBytes<4> {
    alloy_primitives::FixedBytes::from_slice(&keccak256(signature)[..4])
}

/// What the first steps leave waiting.
struct Waiting {
    next: Address,
    wide: B256,
    vetoed: B256,
}

fn schedule(world: &World) -> Waiting {
    let made = &world.net.definition.contracts[0];
    let next = DEPLOYER.create(4);
    create(&world.net, &[code_of("Treasury"), made.manager.abi_encode()].concat());
    final_code(&world.net, next);
    let wide = world.set_limits(20, false, "schedule", 0x03, 2);
    let vetoed = world.set_limits(90, false, "schedule", 0x04, 3);
    let waiting = Waiting { next, wide: world.timelocked(&wide), vetoed: world.timelocked(&vetoed) };
    let all = [
        world.set_limits(5, true, "schedule", 0x02, 1),
        wide,
        vetoed,
        world.grant(roles::SLASH, "schedule", 4),
        world.grant(roles::VETO, "schedule", 5),
        world.set_payee("schedule", 6),
        world.unpin("schedule", 7),
        world.hand_over(next, "schedule", 8),
        world.pay_large("schedule", 9),
        Operation::SafeTransaction(world.safe_transaction(10)),
    ];
    done(&world.net, &all);
    assert!(ask(&world.net, made.timelock, &isOperationCall { id: waiting.vetoed }));
    assert_eq!((world.largest(), balance(&world.net, PAYEE)), (10, U256::ZERO), "all of it waits");
    assert!(!world.has_role(roles::SLASH) && !world.has_role(roles::VETO));
    waiting
}

fn execute_and_cancel(world: &World, vetoed: B256) {
    let made = &world.net.definition.contracts[0];
    let cancel = CancelTimelocked {
        avs: world.net.chain.avs,
        operationId: vetoed,
        reference: B256::repeat_byte(0x0a),
        account: world.veto,
        nonce: U256::from(20),
        deadline: world.deadline,
    };
    let all = [
        Operation::CancelTimelocked(cancel),
        world.set_limits(5, true, "execute", 0x02, 21),
        world.grant(roles::SLASH, "execute", 22),
        world.grant(roles::VETO, "execute", 23),
        world.set_payee("execute", 24),
        world.pay_large("execute", 25),
        world.revoke("schedule", 26),
    ];
    done(&world.net, &all);
    assert!(!ask(&world.net, made.timelock, &isOperationCall { id: vetoed }), "cancelled");
    assert_eq!((world.largest(), balance(&world.net, PAYEE)), (5, U256::from(2_000)));
    assert!(world.has_role(roles::SLASH) && world.has_role(roles::VETO));
    let payee = ask(&world.net, made.treasury, &payeeOfCall { token: Address::ZERO, payee: SECOND_PAYEE });
    assert_eq!((payee.terms.budget, payee.terms.largeBudget, payee.terms.window), (5, 6, 7));
}

fn execute_the_rest(world: &World, waiting: &Waiting) {
    let made = &world.net.definition.contracts[0];
    let wide = world.set_limits(20, false, "execute", 0x03, 30);
    done(&world.net, &[wide, world.revoke("execute", 31), world.hand_over(waiting.next, "execute", 32)]);
    assert!(ask(&world.net, made.timelock, &isOperationDoneCall { id: waiting.wide }));
    assert_eq!((world.largest(), world.has_role(roles::SLASH)), (20, false));
    assert_eq!(ask(&world.net, made.treasury, &successorCall {}), waiting.next);
    let left = U256::from(1_000_000_000_000_000_000_u64 - 2_000);
    let balances = [made.treasury, waiting.next].map(|of| balance(&world.net, of));
    assert_eq!(balances, [U256::ZERO, left], "all of it");
    done(&world.net, &[world.unpin("execute", 40)]);
    assert_eq!(world.largest(), 0, "not pinned any more");
}

/// The group has approved one transaction of the Safe: anybody executes it, and no other.
fn the_safe_pays(world: &World) {
    let SafeTransaction { to, value, .. } = world.safe_transaction(10);
    let execute = |value| {
        let zero = Address::ZERO;
        let call = execTransactionCall {
            to,
            value,
            data: Bytes::new(),
            operation: 0,
            safeTxGas: U256::ZERO,
            baseGas: U256::ZERO,
            gasPrice: U256::ZERO,
            gasToken: zero,
            refundReceiver: zero,
            // Safe's form for a hash that this owner has approved.
            signatures: [world.governance.abi_encode(), vec![0; 32], vec![1]].concat().into(),
        };
        call.abi_encode()
    };
    let trial = |value| {
        let data = format!("0x{}", hex::encode(execute(value)));
        world.net.chain.call("eth_call", &json!([{ "from": STRANGER, "to": safe(), "data": data }, "latest"]))
    };
    assert!(trial(value + U256::from(1)).is_err(), "another amount was not approved");
    world.net.chain.send(STRANGER, safe(), &execute(value));
    until("the Safe to have paid", || {
        world.net.chain.mine(1);
        let paid = balance(&world.net, SECOND_PAYEE);
        (paid == value).then_some(()).ok_or_else(|| paid.to_string())
    });
    assert_eq!(ask(&world.net, safe(), &nonceCall {}), U256::from(1));
}

#[test]
fn the_timelock_acts_as_the_avss_admin_in_eigenlayer() {
    let world = World::new();
    let (net, core) = (&world.net, world.net.chain.allocation_manager);
    let (avs, timelock) = (net.chain.avs, net.definition.contracts[0].timelock);
    fund(net, avs);
    net.chain.send(avs, core, &addPendingAdminCall { account: avs, admin: timelock }.abi_encode());
    let accept = acceptAdminCall { account: avs }.abi_encode();
    let update =
        updateSlasherCall { operatorSet: OperatorSet { avs, id: net.chain.set }, slasher: STRANGER }.abi_encode();
    done(net, &[world.timelocked_act(accept.clone(), "schedule", 0x11, 1)]);
    assert_eq!(ask(net, core, &getAdminsCall { account: avs }), [avs], "it waits");
    done(net, &[world.timelocked_act(accept, "execute", 0x11, 2)]);
    assert_eq!(ask(net, core, &getAdminsCall { account: avs }), [timelock]);
    done(net, &[world.timelocked_act(update.clone(), "schedule", 0x12, 3)]);
    done(net, &[world.timelocked_act(update, "execute", 0x12, 4)]);
    until("EigenLayer's own delay to be over", || {
        net.chain.mine(40);
        let slasher = ask(net, core, &getSlasherCall { operatorSet: OperatorSet { avs, id: net.chain.set } });
        (slasher == STRANGER).then_some(()).ok_or_else(|| slasher.to_string())
    });
}

#[test]
fn r07_what_waits_on_chain_is_scheduled_executed_and_cancelled() {
    let world = World::new();
    world.deploy_safe();
    let waiting = schedule(&world);
    execute_and_cancel(&world, waiting.vetoed);
    execute_the_rest(&world, &waiting);
    the_safe_pays(&world);
}
