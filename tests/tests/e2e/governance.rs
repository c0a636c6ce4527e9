//! The AVS's administration in EigenLayer by a governance key: it becomes an admin, and does what admins do.

use crate::asking::now;
use crate::net::Net;
use crate::treasury::{account_of, post, with_key};
use alloy_primitives::{Address, FixedBytes, U256};
use alloy_sol_types::{SolCall, sol};
use firn_proto::definition::Purpose;
use firn_proto::operation::{
    AcceptAdmin, AddStrategies, Operation, RemoveAppointee, RemoveStrategies, SetAppointee, UpdateSlasher,
};

sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    function addPendingAdmin(address account, address admin);
    function isAdmin(address account, address caller) view returns (bool);
    function canCall(address account, address caller, address target, bytes4 selector) view returns (bool);
    function getPendingSlasher(OperatorSet operatorSet) view returns (address pendingSlasher, uint32 effectBlock);
    function getStrategiesInOperatorSet(OperatorSet operatorSet) view returns (address[]);
}

const KINDS: [&str; 6] =
    ["accept_admin", "update_slasher", "add_strategies", "remove_strategies", "set_appointee", "remove_appointee"];

fn read<C: SolCall>(net: &Net, call: &C) -> C::Return {
    net.chain.read(call, "latest").expect("the simulation answers")
}

fn executed(net: &Net, operation: &Operation) {
    let asked = post(net, operation);
    assert_eq!(asked.status, 202, "{}: {asked:?}", operation.kind());
    net.in_state(0, asked.json()["id"].as_str().expect("an id"), "executed");
}

#[test]
fn r07_a_governance_key_administers_the_avs_and_the_slashing_key_does_not() {
    let net = with_key(Purpose::Governance, &KINDS);
    let (avs, operator_set) = (net.chain.avs, OperatorSet { avs: net.chain.avs, id: net.chain.set });
    let (slashing, account) = (net.account(), account_of(&net, "governance"));
    let (id, deadline, strangers) = (net.chain.set, now() + 3600, Address::repeat_byte(0x77));
    let mut number = 0;
    let mut nonce = || {
        number += 1_u64;
        U256::from(number)
    };

    // The AVS names it, as its own only admin; then it takes that up.
    let name = addPendingAdminCall { account: avs, admin: account };
    net.chain.send(avs, net.chain.allocation_manager, &name.abi_encode());
    net.chain.mine(3);
    let accept = |account, nonce| Operation::AcceptAdmin(AcceptAdmin { avs, account, nonce, deadline });
    post(&net, &accept(slashing, nonce())).refused(422, "ACCOUNT_MISMATCH");
    executed(&net, &accept(account, nonce()));
    assert!(read(&net, &isAdminCall { account: avs, caller: account }));
    assert!(!read(&net, &isAdminCall { account: avs, caller: avs }), "from then on the AVS's own key is none");

    let strategies = vec![strangers];
    let add =
        AddStrategies { avs, operatorSetId: id, strategies: strategies.clone(), account, nonce: nonce(), deadline };
    executed(&net, &Operation::AddStrategies(add));
    let listed = |net: &Net| read(net, &getStrategiesInOperatorSetCall { operatorSet: operator_set.clone() });
    assert!(listed(&net).contains(&strangers));
    let remove = RemoveStrategies { avs, operatorSetId: id, strategies, account, nonce: nonce(), deadline };
    executed(&net, &Operation::RemoveStrategies(remove));
    assert!(!listed(&net).contains(&strangers));

    let (appointee, target, selector) = (strangers, net.chain.allocation_manager, FixedBytes([0x6c, 0x9d, 0x7c, 0x58]));
    let may = |net: &Net| read(net, &canCallCall { account: avs, caller: appointee, target, selector });
    let set = SetAppointee { avs, appointee, target, selector, account, nonce: nonce(), deadline };
    executed(&net, &Operation::SetAppointee(set));
    assert!(may(&net));
    let remove = RemoveAppointee { avs, appointee, target, selector, account, nonce: nonce(), deadline };
    executed(&net, &Operation::RemoveAppointee(remove));
    assert!(!may(&net));

    let update = UpdateSlasher { avs, operatorSetId: id, slasher: account, account, nonce: nonce(), deadline };
    executed(&net, &Operation::UpdateSlasher(update));
    assert_eq!(read(&net, &getPendingSlasherCall { operatorSet: operator_set }).pendingSlasher, account);
}
