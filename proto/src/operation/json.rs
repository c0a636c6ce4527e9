//! Operations in JSON.

use super::form::Form;
use super::{
    AcceptAdminJson, AddStrategiesJson, ClearRedistributionJson, ContractCallJson, Operation, RemoveAppointeeJson,
    RemoveStrategiesJson, SafeTransactionJson, SetAppointeeJson, SlashOperatorJson, UpdateSlasherJson,
};
use crate::code::Refusal;
use serde::{Deserialize, Serialize};

/// An operation in JSON: its fields under the name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OperationJson {
    /// Slash an operator.
    SlashOperator(SlashOperatorJson),
    /// Name another slasher of an operator set.
    UpdateSlasher(UpdateSlasherJson),
    /// Have an operator set take in strategies.
    AddStrategies(AddStrategiesJson),
    /// Take strategies out of an operator set.
    RemoveStrategies(RemoveStrategiesJson),
    /// Become an admin of an AVS.
    AcceptAdmin(AcceptAdminJson),
    /// Let somebody call one function in the AVS's name.
    SetAppointee(SetAppointeeJson),
    /// Take such a right back.
    RemoveAppointee(RemoveAppointeeJson),
    /// Have what a slash took moved to where it goes.
    ClearRedistribution(ClearRedistributionJson),
    /// Call a function that the definition lists.
    ContractCall(ContractCallJson),
    /// Approve a transaction of a Safe.
    SafeTransaction(SafeTransactionJson),
}

impl Operation {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// `REQUEST_MALFORMED`, naming the field.
    pub fn from_json(json: &OperationJson) -> Result<Self, Refusal> {
        Ok(match json {
            OperationJson::SlashOperator(json) => Self::SlashOperator(Form::from_json(json)?),
            OperationJson::UpdateSlasher(json) => Self::UpdateSlasher(Form::from_json(json)?),
            OperationJson::AddStrategies(json) => Self::AddStrategies(Form::from_json(json)?),
            OperationJson::RemoveStrategies(json) => Self::RemoveStrategies(Form::from_json(json)?),
            OperationJson::AcceptAdmin(json) => Self::AcceptAdmin(Form::from_json(json)?),
            OperationJson::SetAppointee(json) => Self::SetAppointee(Form::from_json(json)?),
            OperationJson::RemoveAppointee(json) => Self::RemoveAppointee(Form::from_json(json)?),
            OperationJson::ClearRedistribution(json) => Self::ClearRedistribution(Form::from_json(json)?),
            OperationJson::ContractCall(json) => Self::ContractCall(Form::from_json(json)?),
            OperationJson::SafeTransaction(json) => Self::SafeTransaction(Form::from_json(json)?),
        })
    }

    /// The JSON form.
    #[must_use]
    pub fn to_json(&self) -> OperationJson {
        match self {
            Self::SlashOperator(operation) => OperationJson::SlashOperator(operation.to_json()),
            Self::UpdateSlasher(operation) => OperationJson::UpdateSlasher(operation.to_json()),
            Self::AddStrategies(operation) => OperationJson::AddStrategies(operation.to_json()),
            Self::RemoveStrategies(operation) => OperationJson::RemoveStrategies(operation.to_json()),
            Self::AcceptAdmin(operation) => OperationJson::AcceptAdmin(operation.to_json()),
            Self::SetAppointee(operation) => OperationJson::SetAppointee(operation.to_json()),
            Self::RemoveAppointee(operation) => OperationJson::RemoveAppointee(operation.to_json()),
            Self::ClearRedistribution(operation) => OperationJson::ClearRedistribution(operation.to_json()),
            Self::ContractCall(operation) => OperationJson::ContractCall(operation.to_json()),
            Self::SafeTransaction(operation) => OperationJson::SafeTransaction(operation.to_json()),
        }
    }
}

impl OperationJson {
    /// The last second at which it may execute.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        match self {
            Self::SlashOperator(json) => json.deadline,
            Self::UpdateSlasher(json) => json.deadline,
            Self::AddStrategies(json) => json.deadline,
            Self::RemoveStrategies(json) => json.deadline,
            Self::AcceptAdmin(json) => json.deadline,
            Self::SetAppointee(json) => json.deadline,
            Self::RemoveAppointee(json) => json.deadline,
            Self::ClearRedistribution(json) => json.deadline,
            Self::ContractCall(json) => json.deadline,
            Self::SafeTransaction(json) => json.deadline,
        }
    }
}
