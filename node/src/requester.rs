//! Making a request as an AVS does, and an opinion as a person does: typed data, signed with an Ethereum key or by a wallet.

use crate::api::json::OpinionBody;
use crate::api::json::pause::PauseBody;
use crate::failure::Failure;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use firn_proto::definition::change;
use firn_proto::operation::Operation;
use firn_proto::opinion::{self, Decision, SignedOpinion};
use firn_proto::pause;
use firn_proto::request::SignedRequest;
use firn_proto::{Definition, Digest, NodeId, SubjectId};
use serde_json::{Value, json};

/// Signs an operation as a request in the definition's network.
pub(crate) fn sign(
    definition: &Definition,
    operation: Operation,
    signer: &PrivateKeySigner,
) -> Result<SignedRequest, Failure> {
    let signature = sign_digest(signer, operation.id(definition).0, "REQUEST_SIGNING")?;
    Ok(SignedRequest { operation, signature })
}

/// The EIP-712 typed data of an operation, as wallets take it (`eth_signTypedData_v4`).
pub(crate) fn typed_data(definition: &Definition, operation: &Operation) -> Value {
    let json = serde_json::to_value(operation.to_json()).unwrap_or_default();
    let fields = json.get(operation.kind()).and_then(Value::as_object).into_iter().flatten();
    let message: Value = fields.map(|(name, value)| (camel_case(name), value.clone())).collect();
    typed(definition, &operation.encoded_type(), &message)
}

/// The same of an opinion.
pub(crate) fn typed_opinion(definition: &Definition, request: SubjectId, decision: Decision, number: u64) -> Value {
    let message = json!({ "request": request.to_string(), "decision": decision.as_str(), "number": number });
    typed(definition, "Opinion(bytes32 request,string decision,uint64 number)", &message)
}

/// The same of a version of the definition.
pub(crate) fn typed_definition(definition: &Definition) -> Value {
    let message = json!({
        "network": definition.name,
        "version": definition.version(),
        "effectiveBlock": definition.effective_block(),
        "previous": definition.previous().unwrap_or_default().to_string(),
        "digest": definition.digest().to_string(),
    });
    let fields = "string network,uint32 version,uint64 effectiveBlock,bytes32 previous,bytes32 digest";
    typed(definition, &format!("NetworkDefinition({fields})"), &message)
}

/// Signs a version of the definition as an admin does.
pub(crate) fn sign_definition(definition: &Definition, signer: &PrivateKeySigner) -> Result<[u8; 65], Failure> {
    sign_digest(signer, change::digest(definition), "CHANGE_SIGNING")
}

/// Typed data of a type written as `Name(type field,...)`.
fn typed(definition: &Definition, encoded_type: &str, message: &Value) -> Value {
    let field = |text: &str| {
        let (kind, name) = text.split_once(' ').unwrap_or_default();
        json!({ "name": name, "type": kind })
    };
    let fields = |list: &str| list.trim_end_matches(')').split(',').map(field).collect::<Vec<_>>();
    let (name, list) = encoded_type.split_once('(').unwrap_or_default();
    json!({
        "types": {
            "EIP712Domain": fields("string name,string version,uint256 chainId,bytes32 salt"),
            name: fields(list),
        },
        "primaryType": name,
        "domain": {
            "name": "Firn", "version": "1", "chainId": definition.chain.id, "salt": definition.network_id().0.to_string(),
        },
        "message": message,
    })
}

/// `operator_set_id` as Solidity has it: `operatorSetId`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at_checked(1).unwrap_or_default();
        name + &initial.to_uppercase() + rest
    })
}

/// Signs what a person says to a request in the definition's network.
pub(crate) fn opine(
    definition: &Definition,
    request: SubjectId,
    decision: Decision,
    number: u64,
    signer: &PrivateKeySigner,
) -> Result<OpinionBody, Failure> {
    let digest = opinion::digest(definition, request, decision, number);
    let signature = sign_digest(signer, digest, "OPINION_SIGNING")?;
    Ok(OpinionBody::from_signed(&SignedOpinion { request, decision, number, signature }))
}

/// What wallets sign where a veto holder speaks to the network.
pub(crate) fn typed_pause(definition: &Definition, paused: bool, number: u64) -> Value {
    typed(definition, "Pause(bool paused,uint64 number)", &json!({ "paused": paused, "number": number }))
}

/// Signs what a veto holder says to the network.
pub(crate) fn say_pause(
    definition: &Definition,
    paused: bool,
    number: u64,
    signer: &PrivateKeySigner,
) -> Result<PauseBody, Failure> {
    let signature = sign_digest(signer, pause::digest(definition, paused, number), "PAUSE_SIGNING")?;
    Ok(PauseBody { paused, number, signature: format!("0x{}", hex::encode(signature)) })
}

/// What wallets sign where a person agrees to an act of a node.
pub(crate) fn typed_act(definition: &Definition, what: &str, node: NodeId, number: u64) -> Value {
    let message = json!({ "what": what, "node": node.0, "number": number });
    typed(definition, "Act(string what,uint16 node,uint64 number)", &message)
}

/// Signs that a node may do it.
pub(crate) fn agree(
    definition: &Definition,
    what: &str,
    node: NodeId,
    number: u64,
    signer: &PrivateKeySigner,
) -> Result<String, Failure> {
    let digest = pause::act_digest(definition, what, node, number);
    Ok(format!("0x{}", hex::encode(sign_digest(signer, digest, "PAUSE_SIGNING")?)))
}

fn sign_digest(signer: &PrivateKeySigner, digest: Digest, code: &str) -> Result<[u8; 65], Failure> {
    let signature = signer.sign_hash_sync(&digest.0.into());
    Ok(signature.map_err(|error| Failure::general(code, error.to_string()))?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::dyn_abi::TypedData;
    use firn_proto::definition::{Chain, Content};
    use firn_proto::operation::{KINDS, OperationJson};
    use firn_proto::pause::RESUME;
    use firn_proto::policy::Policy;
    use std::collections::{BTreeMap, BTreeSet};

    /// One of each kind, as people write them.
    fn samples() -> Vec<Operation> {
        let [a, b, c] = ["11", "22", "33"].map(|byte| format!("0x{}", byte.repeat(20)));
        let common = json!({ "avs": a, "account": b, "nonce": "9", "deadline": 1_800_000_000 });
        let set = json!({ "operator_set_id": 7 });
        let strategies = json!({ "operator_set_id": 7, "strategies": [b, c] });
        let appointee = json!({ "appointee": b, "target": c, "selector": "0x6c9d7c58" });
        let slash = json!({ "operator": c, "operator_set_id": 7, "strategies": [b, c], "wads_to_slash": ["1", "2"], "description": "\u{e9}" });
        let contract = json!({ "purpose": "treasury", "target": c, "value": "5", "data": "0x8456cb59" });
        let gas =
            json!({ "safe_tx_gas": "0", "base_gas": "1", "gas_price": "2", "gas_token": b, "refund_receiver": c });
        let safe = json!({ "purpose": "veto", "safe": b, "to": c, "value": "5", "data": "0x", "operation": 0, "safe_nonce": "3" });
        let reference = json!({ "reference": format!("0x{}", "77".repeat(32)) });
        let step = json!({ "step": "schedule" });
        let delay = json!({ "delay": 99 });
        let pay = json!({ "token": a, "to": c, "amount": "5", "large": true });
        let payee = json!({ "token": a, "payee": c, "budget": "5", "large_budget": "6", "window": 7 });
        let which = json!({ "which": "gate" });
        let cancel = json!({ "caller": b, "target": c, "data": "0x8456cb59" });
        let id = json!({ "operation_id": format!("0x{}", "88".repeat(32)) });
        let wads = json!({ "min_wad": "1", "max_wad": "2", "operator_budget": "3", "set_budget": "4" });
        let times = json!({ "window": 5, "cool_down": 6, "tighten": false });
        let role = json!({ "role": 1, "member": c });
        let set_id = set.clone();
        let own = BTreeMap::from([
            ("slash_operator", vec![slash]),
            ("update_slasher", vec![set.clone(), json!({ "slasher": c })]),
            ("add_strategies", vec![strategies.clone()]),
            ("remove_strategies", vec![strategies]),
            ("accept_admin", vec![]),
            ("set_appointee", vec![appointee.clone()]),
            ("remove_appointee", vec![appointee]),
            (
                "clear_redistribution",
                vec![set.clone(), json!({ "slash_id": alloy::primitives::U256::MAX.to_string() })],
            ),
            ("contract_call", vec![contract]),
            ("safe_transaction", vec![safe, gas]),
            ("treasury_pay", vec![pay, step.clone(), reference.clone()]),
            ("set_payee", vec![payee, step.clone(), reference.clone()]),
            ("pause_contract", vec![which.clone(), reference.clone(), json!({ "until": 1_800_086_400 })]),
            ("unpause_contract", vec![which, reference.clone()]),
            ("cancel_scheduled", vec![cancel]),
            ("cancel_timelocked", vec![id, reference.clone()]),
            ("set_limits", vec![set, wads, times, step.clone(), delay.clone(), reference.clone()]),
            (
                "grant_role",
                vec![role.clone(), json!({ "execution_delay": 9 }), step.clone(), delay.clone(), reference.clone()],
            ),
            ("revoke_role", vec![role, step.clone(), delay, reference.clone()]),
            ("unpin", vec![set_id, step.clone(), reference.clone()]),
            ("hand_over", vec![json!({ "successor": b, "tokens": [b, c] }), step.clone(), reference.clone()]),
            ("timelocked", vec![json!({ "target": b, "data": "0x8456cb59", "delay": 9 }), step, reference]),
        ]);
        let operation = |kind: &str| {
            let parts = own[kind].iter().chain([&common]);
            let fields: Value = parts.flat_map(|part| part.as_object().unwrap().clone()).collect();
            let json: OperationJson = serde_json::from_value(json!({ kind: fields })).unwrap();
            Operation::from_json(&json).unwrap()
        };
        KINDS.map(operation).into()
    }

    #[test]
    fn a_wallet_signs_what_nodes_verify() {
        let [allocation_manager, permission_controller] = [1, 2].map(alloy::primitives::Address::repeat_byte);
        let permission_controller = Some(permission_controller);
        let definition = Definition::new(Content {
            name: "test".to_owned(),
            chain: Chain {
                id: 7,
                allocation_manager,
                permission_controller,
                strategy_manager: None,
                block_seconds: None,
            },
            organisations: BTreeSet::new(),
            nodes: BTreeMap::new(),
            keys: Vec::new(),
            operator_sets: Vec::new(),
            authorities: Vec::new(),
            calls: Vec::new(),
            contracts: Vec::new(),
            requesters: Vec::new(),
            policy: Policy::default(),
            quorum: None,
        });
        for operation in samples() {
            let typed: TypedData = serde_json::from_value(typed_data(&definition, &operation)).unwrap();
            let digest = typed.eip712_signing_hash().unwrap();
            assert_eq!(digest.0, operation.id(&definition).0.0, "{}", operation.kind());
        }
        let signed = |typed: Value| {
            let typed: TypedData = serde_json::from_value(typed).unwrap();
            typed.eip712_signing_hash().unwrap().0
        };
        for paused in [true, false] {
            let expected = pause::digest(&definition, paused, 9).0;
            assert_eq!(signed(typed_pause(&definition, paused, 9)), expected);
        }
        let expected = pause::act_digest(&definition, RESUME, NodeId(3), 9).0;
        assert_eq!(signed(typed_act(&definition, RESUME, NodeId(3), 9)), expected);
    }
}
