//! Operations in JSON.

use super::form::Form;
use super::{
    AcceptAdminJson, AddStrategiesJson, CancelScheduled, CancelTimelocked, ClearRedistributionJson, ContractCallJson,
    GrantRole, HandOver, Operation, PauseContract, RemoveAppointeeJson, RemoveStrategiesJson, RevokeRole,
    SafeTransactionJson, SetAppointeeJson, SetLimits, SetPayee, SlashOperatorJson, Timelocked, TreasuryPay,
    UnpauseContract, Unpin, UpdateSlasherJson,
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
    /// Pay a listed payee.
    TreasuryPay(TreasuryPay),
    /// Say what a payee may be paid.
    SetPayee(SetPayee),
    /// Stop gate or treasury.
    PauseContract(PauseContract),
    /// End that early.
    UnpauseContract(UnpauseContract),
    /// Cancel what is scheduled in the AccessManager.
    CancelScheduled(CancelScheduled),
    /// Cancel what is scheduled in the timelock.
    CancelTimelocked(CancelTimelocked),
    /// Say what a slash may take.
    SetLimits(SetLimits),
    /// Give somebody a role.
    GrantRole(GrantRole),
    /// Take a role away.
    RevokeRole(RevokeRole),
    /// Let nobody of an operator set be slashed.
    Unpin(Unpin),
    /// Hand the treasury over to another.
    HandOver(HandOver),
    /// Have the timelock do what an admin of the AVS does in EigenLayer.
    Timelocked(Timelocked),
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
            OperationJson::TreasuryPay(json) => Self::TreasuryPay(Form::from_json(json)?),
            OperationJson::SetPayee(json) => Self::SetPayee(Form::from_json(json)?),
            OperationJson::PauseContract(json) => Self::PauseContract(Form::from_json(json)?),
            OperationJson::UnpauseContract(json) => Self::UnpauseContract(Form::from_json(json)?),
            OperationJson::CancelScheduled(json) => Self::CancelScheduled(Form::from_json(json)?),
            OperationJson::CancelTimelocked(json) => Self::CancelTimelocked(Form::from_json(json)?),
            OperationJson::SetLimits(json) => Self::SetLimits(Form::from_json(json)?),
            OperationJson::GrantRole(json) => Self::GrantRole(Form::from_json(json)?),
            OperationJson::RevokeRole(json) => Self::RevokeRole(Form::from_json(json)?),
            OperationJson::Unpin(json) => Self::Unpin(Form::from_json(json)?),
            OperationJson::HandOver(json) => Self::HandOver(Form::from_json(json)?),
            OperationJson::Timelocked(json) => Self::Timelocked(Form::from_json(json)?),
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
            Self::TreasuryPay(operation) => OperationJson::TreasuryPay(operation.to_json()),
            Self::SetPayee(operation) => OperationJson::SetPayee(operation.to_json()),
            Self::PauseContract(operation) => OperationJson::PauseContract(operation.to_json()),
            Self::UnpauseContract(operation) => OperationJson::UnpauseContract(operation.to_json()),
            Self::CancelScheduled(operation) => OperationJson::CancelScheduled(operation.to_json()),
            Self::CancelTimelocked(operation) => OperationJson::CancelTimelocked(operation.to_json()),
            Self::SetLimits(operation) => OperationJson::SetLimits(operation.to_json()),
            Self::GrantRole(operation) => OperationJson::GrantRole(operation.to_json()),
            Self::RevokeRole(operation) => OperationJson::RevokeRole(operation.to_json()),
            Self::Unpin(operation) => OperationJson::Unpin(operation.to_json()),
            Self::HandOver(operation) => OperationJson::HandOver(operation.to_json()),
            Self::Timelocked(operation) => OperationJson::Timelocked(operation.to_json()),
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
            Self::TreasuryPay(json) => json.deadline,
            Self::SetPayee(json) => json.deadline,
            Self::PauseContract(json) => json.deadline,
            Self::UnpauseContract(json) => json.deadline,
            Self::CancelScheduled(json) => json.deadline,
            Self::CancelTimelocked(json) => json.deadline,
            Self::SetLimits(json) => json.deadline,
            Self::GrantRole(json) => json.deadline,
            Self::RevokeRole(json) => json.deadline,
            Self::Unpin(json) => json.deadline,
            Self::HandOver(json) => json.deadline,
            Self::Timelocked(json) => json.deadline,
        }
    }
}
