//! Making a request as an AVS does, and an opinion as a person does: typed data, signed with an Ethereum key.

use crate::api::json::{OpinionBody, RequestBody};
use crate::failure::Failure;
use alloy::primitives::{Address, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::opinion::{self, Decision, SignedOpinion};
use firn_proto::request::SignedRequest;
use firn_proto::{Definition, Digest, SubjectId};

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
    let signature = sign_digest(signer, operation.id(definition).0, "REQUEST_SIGNING")?;
    Ok(RequestBody::from_signed(&SignedRequest { operation, signature }))
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

fn sign_digest(signer: &PrivateKeySigner, digest: Digest, code: &str) -> Result<[u8; 65], Failure> {
    let signature = signer.sign_hash_sync(&digest.0.into());
    Ok(signature.map_err(|error| Failure::general(code, error.to_string()))?.as_bytes())
}
