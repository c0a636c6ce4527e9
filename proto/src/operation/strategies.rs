//! `AddStrategies` and `RemoveStrategies`: what an operator set's operators may allocate, and be slashed in.

use super::eigenlayer::IAllocationManager::{addStrategiesToOperatorSetCall, removeStrategiesFromOperatorSetCall};
use super::form::{Field, Form};
use super::{Kind, Rendering, Terms, calldata, nonzero};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, Purpose};
use crate::limits::STRATEGIES_MAX;
use crate::wire;
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Take `strategies` into an operator set.
    #[derive(Debug, PartialEq, Eq)]
    struct AddStrategies {
        address avs;
        uint32 operatorSetId;
        address[] strategies;
        address account;
        uint256 nonce;
        uint64 deadline;
    }

    /// Take `strategies` out of an operator set.
    #[derive(Debug, PartialEq, Eq)]
    struct RemoveStrategies {
        address avs;
        uint32 operatorSetId;
        address[] strategies;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

/// [`AddStrategies`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddStrategiesJson {
    pub(super) avs: String,
    pub(super) operator_set_id: u32,
    pub(super) strategies: Vec<String>,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for AddStrategies {
    type Wire = wire::AddStrategies;
    type Json = AddStrategiesJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            operatorSetId: Field::from_wire(&wire.operator_set_id, "operator_set_id")?,
            strategies: Field::from_wire(&wire.strategies, "strategies")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            operator_set_id: self.operatorSetId.to_wire(),
            strategies: self.strategies.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            operatorSetId: Field::from_json(&json.operator_set_id, "operator_set_id")?,
            strategies: Field::from_json(&json.strategies, "strategies")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            operator_set_id: self.operatorSetId.to_json(),
            strategies: self.strategies.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

impl Kind for AddStrategies {
    fn purpose(&self) -> Purpose {
        Purpose::Governance
    }

    fn check(&self, _: &Definition) -> Result<(), Refusal> {
        check(&self.strategies)?;
        nonzero(&self.strategies.iter().map(|strategy| ("strategies", *strategy)).collect::<Vec<_>>())
    }

    fn call(&self, definition: &Definition) -> Call {
        let Self { avs, operatorSetId, strategies, .. } = self.clone();
        let data = addStrategiesToOperatorSetCall { avs, operatorSetId, strategies }.abi_encode();
        Call { target: definition.chain.allocation_manager, value: U256::ZERO, data: data.into() }
    }

    fn render(&self, _: &Definition) -> Rendering {
        let (avs, set, count) = (self.avs, self.operatorSetId, self.strategies.len());
        Rendering {
            title: format!("{} operator set {set} of AVS {avs}: {count} strategies", "add to"),
            details: self.strategies.iter().map(|strategy| format!("strategy {strategy}")).collect(),
            warnings: vec!["takes effect at once: who allocates in these strategies can be slashed in them".to_owned()],
        }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let Terms { account, nonce, deadline, .. } = terms;
        let call = calldata::decode::<addStrategiesToOperatorSetCall>(data)?;
        Ok(call.map(|addStrategiesToOperatorSetCall { avs, operatorSetId, strategies }| Self {
            avs,
            operatorSetId,
            strategies,
            account,
            nonce,
            deadline,
        }))
    }
}
/// [`RemoveStrategies`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveStrategiesJson {
    pub(super) avs: String,
    pub(super) operator_set_id: u32,
    pub(super) strategies: Vec<String>,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for RemoveStrategies {
    type Wire = wire::RemoveStrategies;
    type Json = RemoveStrategiesJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            operatorSetId: Field::from_wire(&wire.operator_set_id, "operator_set_id")?,
            strategies: Field::from_wire(&wire.strategies, "strategies")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            operator_set_id: self.operatorSetId.to_wire(),
            strategies: self.strategies.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            operatorSetId: Field::from_json(&json.operator_set_id, "operator_set_id")?,
            strategies: Field::from_json(&json.strategies, "strategies")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            operator_set_id: self.operatorSetId.to_json(),
            strategies: self.strategies.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

impl Kind for RemoveStrategies {
    fn purpose(&self) -> Purpose {
        Purpose::Governance
    }

    fn check(&self, _: &Definition) -> Result<(), Refusal> {
        check(&self.strategies)?;
        nonzero(&self.strategies.iter().map(|strategy| ("strategies", *strategy)).collect::<Vec<_>>())
    }

    fn call(&self, definition: &Definition) -> Call {
        let Self { avs, operatorSetId, strategies, .. } = self.clone();
        let data = removeStrategiesFromOperatorSetCall { avs, operatorSetId, strategies }.abi_encode();
        Call { target: definition.chain.allocation_manager, value: U256::ZERO, data: data.into() }
    }

    fn render(&self, _: &Definition) -> Rendering {
        let (avs, set, count) = (self.avs, self.operatorSetId, self.strategies.len());
        Rendering {
             title: format!("{} operator set {set} of AVS {avs}: {count} strategies", "remove from"),
             details: self.strategies.iter().map(|strategy| format!("strategy {strategy}")).collect(),
             warnings: vec!["takes effect at once: nobody can be slashed in these strategies any more, for what was done before either".to_owned()],
         }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let Terms { account, nonce, deadline, .. } = terms;
        let call = calldata::decode::<removeStrategiesFromOperatorSetCall>(data)?;
        Ok(call.map(|removeStrategiesFromOperatorSetCall { avs, operatorSetId, strategies }| Self {
            avs,
            operatorSetId,
            strategies,
            account,
            nonce,
            deadline,
        }))
    }
}

/// As many as a call may have, strictly ascending as EigenLayer wants them, so none twice.
pub(super) fn check(strategies: &[Address]) -> Result<(), Refusal> {
    if strategies.is_empty() || strategies.len() > STRATEGIES_MAX {
        return Err(Refusal::new(Code::StrategiesEmpty, format!("{} strategies", strategies.len())));
    }
    if !strategies.is_sorted_by(|a, b| a < b) {
        return Err(Refusal::new(Code::StrategiesNotAscending, "strategies"));
    }
    Ok(())
}
