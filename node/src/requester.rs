//! Making a request as an AVS does: typed data, signed with an Ethereum key.

use crate::api::json::RequestBody;
use crate::failure::Failure;
use alloy::primitives::{Address, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use firn_proto::Definition;
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::request::SignedRequest;

/// Everything that a slash says.
#[derive(Clone, Debug)]
pub(crate) struct SlashPlan {
    pub(crate) avs: Address,
    pub(crate) operator: Address,
    pub(crate) operator_set_id: u32,
    pub(crate) strategies: Vec<Address>,
    pub(crate) wads: Vec<U256>,
    pub(crate) description: String,
    pub(crate) account: Address,
    pub(crate) nonce: U256,
    pub(crate) deadline: u64,
}

/// Signs the plan as a request in the definition's network.
pub(crate) fn sign(
    definition: &Definition,
    plan: SlashPlan,
    signer: &PrivateKeySigner,
) -> Result<RequestBody, Failure> {
    let operation = Operation::SlashOperator(SlashOperator {
        avs: plan.avs,
        operator: plan.operator,
        operatorSetId: plan.operator_set_id,
        strategies: plan.strategies,
        wadsToSlash: plan.wads,
        description: plan.description,
        account: plan.account,
        nonce: plan.nonce,
        deadline: plan.deadline,
    });
    let digest = operation.id(definition).0.0;
    let signature = signer
        .sign_hash_sync(&digest.into())
        .map_err(|error| Failure::general("REQUEST_SIGNING", error.to_string()))?
        .as_bytes();
    Ok(RequestBody::from_signed(&SignedRequest { operation, signature }))
}
