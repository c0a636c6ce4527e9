//! A second key, of another purpose: what it is asked for is no slash, and each key signs its own only.

use crate::asking::now;
use crate::http::Answer;
use crate::net::{Net, parse};
use crate::process::until;
use alloy::signers::SignerSync;
use alloy_primitives::{Address, B256, U256};
use firn_proto::account::{DEPLOYER, account_init_code};
use firn_proto::definition::{Authority, Purpose};
use firn_proto::operation::{ClearRedistribution, Operation};
use firn_proto::{Definition, Point};
use serde_json::json;

/// The devnet's definition with a second key of the same members, for another purpose, and what the AVS's requester may ask it for.
pub(crate) fn with_key(purpose: Purpose, operations: &[&str]) -> Net {
    let mut net = Net::prepare(3, 2);
    let avs = net.chain.avs;
    net.redefine(|content| {
        let mut key = content.keys[0].clone();
        (key.name, key.purpose) = (purpose.as_str().to_owned(), purpose);
        content.authorities.push(Authority { avs, purpose, key: key.name.clone() });
        content.keys.insert(usize::from(key.name > content.keys[0].name), key);
        // The simulation is all of EigenLayer at one address.
        content.chain.strategy_manager = Some(content.chain.allocation_manager);
        content.chain.permission_controller = Some(content.chain.allocation_manager);
        content.requesters[0].operations.extend(operations.iter().map(|kind| (*kind).to_owned()));
    });
    assert_eq!(Definition::parse(&net.definition.to_toml()).as_ref(), Ok(&net.definition));
    net.started()
}

/// Generates the key of this name and deploys its account, as anybody may.
pub(crate) fn account_of(net: &Net, name: &str) -> Address {
    let id = net.propose(0, name, 60);
    [1, 2].into_iter().for_each(|node| net.accept(node, &id));
    net.key_in_state(&[0, 1, 2], &id, "active");
    let key = net.key(0, &id).expect("the key");
    let point = hex::decode(key["group_key"].as_str().expect("a key").trim_start_matches("0x")).expect("hexadecimal");
    let point = k256::PublicKey::from_sec1_bytes(&point).expect("a point");
    let point = Point::from_affine(point.as_affine()).expect("a point");
    let sender: Address = parse(&net.chain.call("eth_accounts", &json!([])).expect("accounts")[0]);
    net.chain.send(sender, DEPLOYER, &[B256::ZERO.as_slice(), &account_init_code(&point)].concat());
    let account: Address = parse(&key["account"]);
    until("the account to be deployed and final", || {
        net.chain.mine(1);
        let code = net.chain.call("eth_getCode", &json!([account, "finalized"]))?;
        (code.as_str().map_or(0, str::len) > 2).then_some(()).ok_or_else(|| "no code".to_owned())
    });
    account
}

pub(crate) fn post(net: &Net, operation: &Operation) -> Answer {
    let id = operation.id(&net.definition);
    let signature = net.requester().sign_hash_sync(&id.0.0.into()).expect("a local key signs");
    let body =
        json!({ "operation": operation.to_json(), "signature": format!("0x{}", hex::encode(signature.as_bytes())) });
    net.post(0, &body.to_string())
}

#[test]
fn r07_a_treasury_key_clears_a_slash_and_the_slashing_key_does_not() {
    let net = with_key(Purpose::Treasury, &["clear_redistribution"]);
    let slasher = net.account();
    net.slash_once(0, 5);
    let account = account_of(&net, "treasury");
    assert_ne!(account, slasher);
    let clear = |account, nonce| {
        Operation::ClearRedistribution(ClearRedistribution {
            avs: net.chain.avs,
            operatorSetId: net.chain.set,
            slashId: U256::from(net.chain.slash_count()),
            account,
            nonce: U256::from(nonce),
            deadline: now() + 3600,
        })
    };
    post(&net, &clear(slasher, 1)).refused(422, "ACCOUNT_MISMATCH");
    let pending = |net: &Net| net.chain.to_clear();
    assert!(pending(&net) > U256::ZERO, "something was taken");
    let asked = post(&net, &clear(account, 2));
    assert_eq!(asked.status, 202, "{asked:?}");
    let view = net.in_state(0, asked.json()["id"].as_str().expect("an id"), "executed");
    assert!(view["rendering"]["title"].as_str().is_some_and(|title| !title.is_empty()), "{view}");
    assert_eq!(pending(&net), U256::ZERO, "all of it has gone to where the operator set sends it");
    assert_eq!(net.chain.executions(account).len(), 1, "executed by its own account, once");
    assert_eq!(net.chain.executions(slasher).len(), 1, "the slash, and nothing else");
}
