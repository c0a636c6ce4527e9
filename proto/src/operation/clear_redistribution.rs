//! `ClearRedistribution`: have what one slash took moved to where the operator set sends it.

use super::eigenlayer::IStrategyManager::clearBurnOrRedistributableSharesCall;
use super::eigenlayer::OperatorSet;
use super::form::{Field, Form};
use super::{Kind, Rendering, Terms, calldata, listed};
use crate::account::Call;
use crate::code::Refusal;
use crate::definition::{Definition, Purpose};
use crate::wire;
use alloy_primitives::U256;
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Clear the shares of one slash of an operator set.
    #[derive(Debug, PartialEq, Eq)]
    struct ClearRedistribution {
        address avs;
        uint32 operatorSetId;
        uint256 slashId;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

/// [`ClearRedistribution`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearRedistributionJson {
    pub(super) avs: String,
    pub(super) operator_set_id: u32,
    pub(super) slash_id: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for ClearRedistribution {
    type Wire = wire::ClearRedistribution;
    type Json = ClearRedistributionJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            operatorSetId: Field::from_wire(&wire.operator_set_id, "operator_set_id")?,
            slashId: Field::from_wire(&wire.slash_id, "slash_id")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            operator_set_id: self.operatorSetId.to_wire(),
            slash_id: self.slashId.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            operatorSetId: Field::from_json(&json.operator_set_id, "operator_set_id")?,
            slashId: Field::from_json(&json.slash_id, "slash_id")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            operator_set_id: self.operatorSetId.to_json(),
            slash_id: self.slashId.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

impl Kind for ClearRedistribution {
    fn purpose(&self) -> Purpose {
        Purpose::Treasury
    }

    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        listed(definition.chain.strategy_manager, "strategy_manager").map(drop)
    }

    fn call(&self, definition: &Definition) -> Call {
        let set = OperatorSet { avs: self.avs, id: self.operatorSetId };
        let call = clearBurnOrRedistributableSharesCall { operatorSet: set, slashId: self.slashId };
        let target = definition.chain.strategy_manager.unwrap_or_default();
        Call { target, value: U256::ZERO, data: call.abi_encode().into() }
    }

    fn render(&self, _: &Definition) -> Rendering {
        let (slash, set, avs) = (self.slashId, self.operatorSetId, self.avs);
        Rendering {
            title: format!("clear slash {slash} of AVS {avs}, set {set}"),
            details: vec!["to the set's redistribution recipient, or to be burned where it has none".to_owned()],
            warnings: vec![
                "does nothing where the slash is unknown or cleared; from EigenLayer 1.13 on not before 50,400 blocks, 7 days, after it"
                    .to_owned(),
            ],
        }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let Terms { account, nonce, deadline, .. } = terms;
        let call = calldata::decode::<clearBurnOrRedistributableSharesCall>(data)?;
        Ok(call.map(|clearBurnOrRedistributableSharesCall { operatorSet: set, slashId }| Self {
            avs: set.avs,
            operatorSetId: set.id,
            slashId,
            account,
            nonce,
            deadline,
        }))
    }
}
