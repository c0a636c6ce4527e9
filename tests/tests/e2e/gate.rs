//! A slash through the gate: scheduled, then executed once the chain's delay is over, and not once the veto has cancelled it.

use crate::asking::now;
use crate::authority::{GOVERNANCE, Limits, Members, PinnedSet, deploy_with, done, fund, prepared};
use crate::chain::WAD;
use crate::evidence::{configure, endpoint};
use crate::net::Net;
use crate::process::until;
use crate::treasury::{account_of, post};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, sol};
use firn_proto::definition::Purpose;
use firn_proto::operation::{CancelScheduled, Operation, SlashOperator};
use serde_json::{Value, json};
use std::net::SocketAddr;

sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    function updateSlasher(OperatorSet operatorSet, address slasher);
    function getSlasher(OperatorSet operatorSet) view returns (address);
}

/// How long the AccessManager has a slash wait, in seconds: no machine is so slow that it passes by itself.
pub(crate) const DELAY: u32 = 1_800;

/// A network whose gate is the set's slasher, two of whose three nodes ask this verifier; and the accounts of the keys for slashing
/// and for the veto.
fn gated(verifier: SocketAddr) -> (Net, Address, Address) {
    gated_with(verifier, |_| {})
}

/// The same, with more for its nodes before they start.
pub(crate) fn gated_with(verifier: SocketAddr, configured: impl FnOnce(&Net)) -> (Net, Address, Address) {
    let net = prepared(&[Purpose::Veto], &["cancel_scheduled"], |_| {});
    for node in [0, 1] {
        configure(&net, node, &format!("endpoint = \"http://{verifier}/check\""));
    }
    configured(&net);
    let net = net.started();
    // While there is one key only.
    let slash = net.account();
    let veto = account_of(&net, "veto");
    let (treasury, governance) = (Address::repeat_byte(0x98), GOVERNANCE);
    let (avs, operator_set, gate) = (net.chain.avs, net.chain.set, net.definition.contracts[0].gate);
    let tenth = WAD / 10;
    let limits = Limits {
        minWad: WAD / 1_000,
        maxWad: tenth,
        operatorBudget: tenth,
        setBudget: U256::from(tenth).to(),
        window: 3_600,
        coolDown: 0,
    };
    let members = Members { slash, treasury, governance, vetoers: vec![veto] };
    deploy_with(&net, members, vec![PinnedSet { avs, operatorSetId: operator_set, limits }], DELAY);
    make_slasher(&net, gate);
    (net, slash, veto)
}

/// The AVS names another slasher, and the chain's delay passes.
pub(crate) fn make_slasher(net: &Net, gate: Address) {
    let avs = net.chain.avs;
    fund(net, avs);
    let set = || OperatorSet { avs, id: net.chain.set };
    let update = updateSlasherCall { operatorSet: set(), slasher: gate };
    net.chain.send(avs, net.chain.allocation_manager, &update.abi_encode());
    until("the gate to be the slasher", || {
        net.chain.mine(40);
        let slasher = net.chain.read(&getSlasherCall { operatorSet: set() }, "finalized")?;
        (slasher == gate).then_some(()).ok_or_else(|| slasher.to_string())
    });
}

pub(crate) fn slash(net: &Net, account: Address, nonce: u64, wad: u64) -> Operation {
    Operation::SlashOperator(SlashOperator {
        avs: net.chain.avs,
        operator: net.chain.operator,
        operatorSetId: net.chain.set,
        strategies: vec![net.chain.strategy],
        wadsToSlash: vec![U256::from(wad)],
        description: "seen to sign twice".to_owned(),
        evidenceHash: B256::with_last_byte(u8::try_from(nonce).expect("a small number")),
        evidenceLocation: String::new(),
        account,
        nonce: U256::from(nonce),
        deadline: now() + 4 * 3_600,
    })
}

pub(crate) fn asked(net: &Net, operation: &Operation) -> String {
    let asked = post(net, operation);
    assert_eq!(asked.status, 202, "{asked:?}");
    asked.json()["id"].as_str().expect("an id").to_owned()
}

fn code_at(view: &Value) -> Option<&str> {
    view["code"].as_str()
}

#[test]
fn r20_a_slash_through_the_gate_executes_after_its_delay_unless_the_veto_cancels_it_on_chain() {
    let (verifier, questions) = endpoint();
    let (net, slasher, veto) = gated(verifier);
    let before = net.chain.shares();
    // What the gate would let through, and what no deadline leaves time for.
    let hasty = match slash(&net, slasher, 3, WAD / 100) {
        Operation::SlashOperator(slash) => Operation::SlashOperator(SlashOperator { deadline: now() + 900, ..slash }),
        other => other,
    };
    let refused = net.in_state(0, &asked(&net, &hasty), "refused");
    assert_eq!(code_at(&refused), Some("DEADLINE_TOO_EARLY"));

    let [stands, falls] = [1, 2].map(|nonce| slash(&net, slasher, nonce, WAD / 100));
    let [stands_id, falls_id] = [&stands, &falls].map(|operation| asked(&net, operation));
    for id in [&stands_id, &falls_id] {
        let view = net.in_state(1, id, "scheduled");
        let ready = view["schedule"]["ready"].as_u64().expect("when it can be executed");
        assert!(ready > now() && view["signature"].is_null(), "{view}");
    }
    assert_eq!((net.chain.shares(), net.chain.executions(slasher).len()), (before, 2), "nothing is taken yet");

    let scheduled = falls.scheduled(&net.definition).expect("it goes through the gate");
    let (caller, target, data) = (slasher, scheduled.target, scheduled.data.into());
    let (avs, account, nonce, deadline) = (net.chain.avs, veto, U256::from(9), now() + 3_600);
    done(&net, &[Operation::CancelScheduled(CancelScheduled { avs, caller, target, data, account, nonce, deadline })]);
    let view = net.in_state(2, &falls_id, "refused");
    assert_eq!((code_at(&view), view["signature"].is_null()), (Some("SCHEDULE_GONE"), true));

    net.chain.call("evm_increaseTime", &json!([DELAY])).expect("anvil's clock");
    let view = net.in_state(1, &stands_id, "executed");
    let asked_about = questions.try_iter().filter(|question| question["request"] == *stands_id).count();
    assert!(asked_about >= 2, "the verifier is asked in both sessions, by the id that its organisation knows");
    assert!(view["schedule"]["signature"].is_string() && view["schedule"]["signature"] != view["signature"], "{view}");
    let taken = before - net.chain.shares();
    assert_eq!(taken, before / U256::from(100), "once");
    assert_eq!((net.chain.slash_count(), net.chain.executions(slasher).len()), (1, 3));

    // The same evidence never again, whoever asks and under whatever nonce.
    let again = match slash(&net, slasher, 4, WAD / 100) {
        Operation::SlashOperator(slash) => {
            Operation::SlashOperator(SlashOperator { evidenceHash: B256::with_last_byte(1), ..slash })
        }
        other => other,
    };
    assert_eq!(code_at(&net.in_state(0, &asked(&net, &again), "refused")), Some("EVIDENCE_LOCKED"));
}
