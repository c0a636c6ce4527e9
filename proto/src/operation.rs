//! Operations: what a requester may ask for. A closed set, with a file per kind or family in `operation/`; other kinds do not
//! decode.
//!
//! A kind has its EIP-712 struct, which is its canonical form, its wire and JSON forms, its rules, the call that the account
//! shall make, and what people are shown. To add one: its file, its lines in this one, its message in the schema.

use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Contracts, Definition, KeyDefinition, Purpose};
use crate::ids::{Digest, SubjectId};
use crate::time::WallTime;
use crate::wire::signed_request::Operation as Wire;
use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use alloy_sol_types::Eip712Domain;
use form::Form;
use std::borrow::Cow;

pub mod appointments;
mod calldata;
pub mod clear_redistribution;
pub mod contract_call;
pub mod eigenlayer;
mod form;
pub mod guard;
mod json;
pub(crate) mod listed_call;
pub mod safe_transaction;
pub mod slash_operator;
pub mod strategies;
pub mod update_slasher;

pub use appointments::{
    AcceptAdmin, AcceptAdminJson, RemoveAppointee, RemoveAppointeeJson, SetAppointee, SetAppointeeJson,
};
pub use clear_redistribution::{ClearRedistribution, ClearRedistributionJson};
pub use contract_call::{ContractCall, ContractCallJson};
pub use guard::admin::Timelocked;
pub use guard::gate::Scheduled;
pub use guard::limits::{SetLimits, Unpin};
pub use guard::roles::{GrantRole, RevokeRole};
pub use guard::treasury::{HandOver, SetPayee, TreasuryPay};
pub use guard::veto::{CancelScheduled, CancelTimelocked, PauseContract, UnpauseContract};
pub use json::OperationJson;
pub use safe_transaction::{SafeTransaction, SafeTransactionJson};
pub use slash_operator::{SlashOperator, SlashOperatorJson, sanitised};
pub use strategies::{AddStrategies, AddStrategiesJson, RemoveStrategies, RemoveStrategiesJson};
pub use update_slasher::{UpdateSlasher, UpdateSlasherJson};

/// What every operation says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The AVS that it is about, whose requesters may ask for it.
    pub avs: Address,
    /// The account that shall execute it.
    pub account: Address,
    /// The nonce of the requester's choice: what it means by one, it means once.
    pub nonce: U256,
    /// The last second at which it may execute.
    pub deadline: u64,
}

/// What an operation means, as people read it. Every interface shows this one text, so that none shows another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendering {
    /// What shall be done to whom, in a line.
    pub title: String,
    /// How much of what, and why, a line each.
    pub details: Vec<String>,
    /// What a reader must not overlook, a line each.
    pub warnings: Vec<String>,
}

/// The part of a kind that follows from its fields.
trait Signed {
    fn terms(&self) -> Terms;
    fn signing_hash(&self, domain: &Eip712Domain) -> B256;
    fn encoded_type(&self) -> String;
}

impl<T: Form> Signed for T {
    fn terms(&self) -> Terms {
        Form::terms(self)
    }

    fn signing_hash(&self, domain: &Eip712Domain) -> B256 {
        self.eip712_signing_hash(domain)
    }

    fn encoded_type(&self) -> String {
        T::eip712_encode_type().into_owned()
    }
}

/// The rules of a kind.
trait Kind: Signed {
    /// What a key must be for to sign it.
    fn purpose(&self) -> Purpose;

    /// The key that answers for it.
    fn key<'a>(&self, definition: &'a Definition) -> Result<&'a KeyDefinition, Refusal> {
        definition.authority(Signed::terms(self).avs, self.purpose())
    }

    /// Checks what needs neither clock nor chain (R4).
    fn check(&self, definition: &Definition) -> Result<(), Refusal>;

    /// What the account shall do, at once or as the first of two payloads.
    fn call(&self, definition: &Definition) -> Call;

    /// What its first payload schedules and its second one executes, where the chain has it wait.
    fn scheduled(&self, _: &Definition) -> Option<Scheduled> {
        None
    }

    /// What it means, for people.
    fn render(&self, definition: &Definition) -> Rendering;

    /// The operation whose calldata this is, if it is of this kind.
    fn decode(_data: &[u8], _terms: Terms) -> Result<Option<Self>, Refusal>
    where
        Self: Sized,
    {
        Ok(None)
    }
}

/// The stable names of all kinds.
pub const KINDS: [&str; 22] = [
    "slash_operator",
    "update_slasher",
    "add_strategies",
    "remove_strategies",
    "accept_admin",
    "set_appointee",
    "remove_appointee",
    "clear_redistribution",
    "contract_call",
    "safe_transaction",
    "treasury_pay",
    "set_payee",
    "pause_contract",
    "unpause_contract",
    "cancel_scheduled",
    "cancel_timelocked",
    "set_limits",
    "grant_role",
    "revoke_role",
    "unpin",
    "hand_over",
    "timelocked",
];

/// What a requester asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Slash an operator.
    SlashOperator(SlashOperator),
    /// Name another slasher of an operator set.
    UpdateSlasher(UpdateSlasher),
    /// Have an operator set take in strategies.
    AddStrategies(AddStrategies),
    /// Take strategies out of an operator set.
    RemoveStrategies(RemoveStrategies),
    /// Become an admin of an AVS.
    AcceptAdmin(AcceptAdmin),
    /// Let somebody call one function in the AVS's name.
    SetAppointee(SetAppointee),
    /// Take such a right back.
    RemoveAppointee(RemoveAppointee),
    /// Have what a slash took moved to where it goes.
    ClearRedistribution(ClearRedistribution),
    /// Call a function that the definition lists.
    ContractCall(ContractCall),
    /// Approve a transaction of a Safe.
    SafeTransaction(SafeTransaction),
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
    /// The stable name of the kind, as used in the definition.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SlashOperator(_) => "slash_operator",
            Self::UpdateSlasher(_) => "update_slasher",
            Self::AddStrategies(_) => "add_strategies",
            Self::RemoveStrategies(_) => "remove_strategies",
            Self::AcceptAdmin(_) => "accept_admin",
            Self::SetAppointee(_) => "set_appointee",
            Self::RemoveAppointee(_) => "remove_appointee",
            Self::ClearRedistribution(_) => "clear_redistribution",
            Self::ContractCall(_) => "contract_call",
            Self::SafeTransaction(_) => "safe_transaction",
            Self::TreasuryPay(_) => "treasury_pay",
            Self::SetPayee(_) => "set_payee",
            Self::PauseContract(_) => "pause_contract",
            Self::UnpauseContract(_) => "unpause_contract",
            Self::CancelScheduled(_) => "cancel_scheduled",
            Self::CancelTimelocked(_) => "cancel_timelocked",
            Self::SetLimits(_) => "set_limits",
            Self::GrantRole(_) => "grant_role",
            Self::RevokeRole(_) => "revoke_role",
            Self::Unpin(_) => "unpin",
            Self::HandOver(_) => "hand_over",
            Self::Timelocked(_) => "timelocked",
        }
    }

    fn rules(&self) -> &dyn Kind {
        match self {
            Self::SlashOperator(operation) => operation,
            Self::UpdateSlasher(operation) => operation,
            Self::AddStrategies(operation) => operation,
            Self::RemoveStrategies(operation) => operation,
            Self::AcceptAdmin(operation) => operation,
            Self::SetAppointee(operation) => operation,
            Self::RemoveAppointee(operation) => operation,
            Self::ClearRedistribution(operation) => operation,
            Self::ContractCall(operation) => operation,
            Self::SafeTransaction(operation) => operation,
            Self::TreasuryPay(operation) => operation,
            Self::SetPayee(operation) => operation,
            Self::PauseContract(operation) => operation,
            Self::UnpauseContract(operation) => operation,
            Self::CancelScheduled(operation) => operation,
            Self::CancelTimelocked(operation) => operation,
            Self::SetLimits(operation) => operation,
            Self::GrantRole(operation) => operation,
            Self::RevokeRole(operation) => operation,
            Self::Unpin(operation) => operation,
            Self::HandOver(operation) => operation,
            Self::Timelocked(operation) => operation,
        }
    }

    /// The operation that makes this calldata, where the selector is of one.
    fn find(call: &Call, contracts: Option<&Contracts>, terms: Terms) -> Result<Option<Self>, Refusal> {
        let data = &call.data;
        let found = [
            SlashOperator::decode(data, terms)?.map(Self::SlashOperator),
            UpdateSlasher::decode(data, terms)?.map(Self::UpdateSlasher),
            AddStrategies::decode(data, terms)?.map(Self::AddStrategies),
            RemoveStrategies::decode(data, terms)?.map(Self::RemoveStrategies),
            AcceptAdmin::decode(data, terms)?.map(Self::AcceptAdmin),
            SetAppointee::decode(data, terms)?.map(Self::SetAppointee),
            RemoveAppointee::decode(data, terms)?.map(Self::RemoveAppointee),
            ClearRedistribution::decode(data, terms)?.map(Self::ClearRedistribution),
            ContractCall::decode(data, terms)?.map(Self::ContractCall),
            SafeTransaction::decode(data, terms)?.map(Self::SafeTransaction),
            guard::decode(call, contracts, terms)?,
        ];
        Ok(found.into_iter().flatten().next())
    }

    /// Whether the requester with this address may ask for it.
    ///
    /// # Errors
    /// `REQUESTER_UNKNOWN`, `REQUESTER_NOT_ALLOWED`, `OPERATOR_SET_NOT_LISTED` (`SECURITY.md` R8).
    pub fn may_be_asked_by(&self, requester: Address, definition: &Definition) -> Result<(), Refusal> {
        self.key(definition)?;
        let listed = definition.requesters.iter().find(|listed| listed.address == requester);
        let unknown = || Refusal::new(Code::RequesterUnknown, format!("signer {requester}"));
        let listed = listed.ok_or_else(unknown)?;
        let knows = listed.operations.iter().any(|kind| kind == self.kind());
        if !knows || !listed.avs.contains(&self.avs()) {
            return Err(Refusal::new(Code::RequesterNotAllowed, listed.name.clone()));
        }
        Ok(())
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `REQUEST_MALFORMED`, naming the field.
    pub(crate) fn from_wire(operation: Option<&Wire>) -> Result<Self, Refusal> {
        Ok(match operation.ok_or_else(|| malformed("operation"))? {
            Wire::SlashOperator(wire) => Self::SlashOperator(Form::from_wire(wire)?),
            Wire::UpdateSlasher(wire) => Self::UpdateSlasher(Form::from_wire(wire)?),
            Wire::AddStrategies(wire) => Self::AddStrategies(Form::from_wire(wire)?),
            Wire::RemoveStrategies(wire) => Self::RemoveStrategies(Form::from_wire(wire)?),
            Wire::AcceptAdmin(wire) => Self::AcceptAdmin(Form::from_wire(wire)?),
            Wire::SetAppointee(wire) => Self::SetAppointee(Form::from_wire(wire)?),
            Wire::RemoveAppointee(wire) => Self::RemoveAppointee(Form::from_wire(wire)?),
            Wire::ClearRedistribution(wire) => Self::ClearRedistribution(Form::from_wire(wire)?),
            Wire::ContractCall(wire) => Self::ContractCall(Form::from_wire(wire)?),
            Wire::SafeTransaction(wire) => Self::SafeTransaction(Form::from_wire(wire)?),
            Wire::TreasuryPay(wire) => Self::TreasuryPay(Form::from_wire(wire)?),
            Wire::SetPayee(wire) => Self::SetPayee(Form::from_wire(wire)?),
            Wire::PauseContract(wire) => Self::PauseContract(Form::from_wire(wire)?),
            Wire::UnpauseContract(wire) => Self::UnpauseContract(Form::from_wire(wire)?),
            Wire::CancelScheduled(wire) => Self::CancelScheduled(Form::from_wire(wire)?),
            Wire::CancelTimelocked(wire) => Self::CancelTimelocked(Form::from_wire(wire)?),
            Wire::SetLimits(wire) => Self::SetLimits(Form::from_wire(wire)?),
            Wire::GrantRole(wire) => Self::GrantRole(Form::from_wire(wire)?),
            Wire::RevokeRole(wire) => Self::RevokeRole(Form::from_wire(wire)?),
            Wire::Unpin(wire) => Self::Unpin(Form::from_wire(wire)?),
            Wire::HandOver(wire) => Self::HandOver(Form::from_wire(wire)?),
            Wire::Timelocked(wire) => Self::Timelocked(Form::from_wire(wire)?),
        })
    }

    /// The wire form.
    #[must_use]
    pub(crate) fn to_wire(&self) -> Wire {
        match self {
            Self::SlashOperator(operation) => Wire::SlashOperator(operation.to_wire()),
            Self::UpdateSlasher(operation) => Wire::UpdateSlasher(operation.to_wire()),
            Self::AddStrategies(operation) => Wire::AddStrategies(operation.to_wire()),
            Self::RemoveStrategies(operation) => Wire::RemoveStrategies(operation.to_wire()),
            Self::AcceptAdmin(operation) => Wire::AcceptAdmin(operation.to_wire()),
            Self::SetAppointee(operation) => Wire::SetAppointee(operation.to_wire()),
            Self::RemoveAppointee(operation) => Wire::RemoveAppointee(operation.to_wire()),
            Self::ClearRedistribution(operation) => Wire::ClearRedistribution(operation.to_wire()),
            Self::ContractCall(operation) => Wire::ContractCall(operation.to_wire()),
            Self::SafeTransaction(operation) => Wire::SafeTransaction(operation.to_wire()),
            Self::TreasuryPay(operation) => Wire::TreasuryPay(operation.to_wire()),
            Self::SetPayee(operation) => Wire::SetPayee(operation.to_wire()),
            Self::PauseContract(operation) => Wire::PauseContract(operation.to_wire()),
            Self::UnpauseContract(operation) => Wire::UnpauseContract(operation.to_wire()),
            Self::CancelScheduled(operation) => Wire::CancelScheduled(operation.to_wire()),
            Self::CancelTimelocked(operation) => Wire::CancelTimelocked(operation.to_wire()),
            Self::SetLimits(operation) => Wire::SetLimits(operation.to_wire()),
            Self::GrantRole(operation) => Wire::GrantRole(operation.to_wire()),
            Self::RevokeRole(operation) => Wire::RevokeRole(operation.to_wire()),
            Self::Unpin(operation) => Wire::Unpin(operation.to_wire()),
            Self::HandOver(operation) => Wire::HandOver(operation.to_wire()),
            Self::Timelocked(operation) => Wire::Timelocked(operation.to_wire()),
        }
    }

    /// What a key must be for to sign it.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.rules().purpose()
    }

    /// The EIP-712 digest in this network: what the requester signs, and the request's id.
    #[must_use]
    pub fn id(&self, definition: &Definition) -> SubjectId {
        SubjectId(Digest(self.rules().signing_hash(&domain(definition)).0))
    }

    /// The EIP-712 type, as `Name(type field,...)`.
    #[must_use]
    pub fn encoded_type(&self) -> String {
        self.rules().encoded_type()
    }

    /// The AVS that it is about, whose requesters may ask for it.
    #[must_use]
    pub fn avs(&self) -> Address {
        self.rules().terms().avs
    }

    /// The slash, if it is one.
    #[must_use]
    pub fn slash(&self) -> Option<&SlashOperator> {
        match self {
            Self::SlashOperator(slash) => Some(slash),
            _ => None,
        }
    }

    /// The account that shall execute it.
    #[must_use]
    pub fn account(&self) -> Address {
        self.rules().terms().account
    }

    /// The nonce of the requester's choice: what it means by one, it means once.
    #[must_use]
    pub fn nonce(&self) -> U256 {
        self.rules().terms().nonce
    }

    /// The last second at which it may execute.
    #[must_use]
    pub fn deadline(&self) -> WallTime {
        WallTime(self.rules().terms().deadline)
    }

    /// The key that answers for it, which is for this purpose and no other (R7).
    ///
    /// # Errors
    /// A refusal that names what no key is for.
    pub(crate) fn key<'a>(&self, definition: &'a Definition) -> Result<&'a KeyDefinition, Refusal> {
        let key = self.rules().key(definition)?;
        if key.purpose != self.purpose() {
            let detail = format!("key {} is for {}", key.name, key.purpose.as_str());
            return Err(Refusal::new(Code::PurposeMismatch, detail));
        }
        Ok(key)
    }

    /// Checks what needs neither clock nor chain.
    ///
    /// # Errors
    /// A refusal that names the field (`SECURITY.md` R4).
    pub(crate) fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        self.rules().check(definition)
    }

    /// What the account shall do, in order and all or nothing: at once, or as the first of two payloads.
    #[must_use]
    pub fn calls(&self, definition: &Definition) -> Vec<Call> {
        vec![self.rules().call(definition)]
    }

    /// What its first payload schedules and its second one executes, where the chain has it wait.
    #[must_use]
    pub fn scheduled(&self, definition: &Definition) -> Option<Scheduled> {
        self.rules().scheduled(definition)
    }

    /// What it means, for people.
    #[must_use]
    pub fn render(&self, definition: &Definition) -> Rendering {
        self.rules().render(definition)
    }

    /// The operation that a call is, read strictly (R3): the one whose own call is this one, byte for byte. The AVS is the
    /// call's own.
    ///
    /// # Errors
    /// `CALLDATA_INVALID`: no kind has this selector, or it is not the one encoding; `CALL_NOT_LISTED`: another target or a value.
    pub fn decode(call: &Call, definition: &Definition, terms: Terms) -> Result<Self, Refusal> {
        let unknown = || calldata::invalid("no kind of operation has this selector");
        let operation = Self::find(call, definition.contracts_of(terms.avs).ok(), terms)?.ok_or_else(unknown)?;
        operation.check(definition)?;
        match operation.calls(definition).as_slice() {
            [own] if own == call => Ok(operation),
            [own] if own.data != call.data => Err(calldata::invalid(operation.kind())),
            _ => Err(Refusal::new(Code::CallNotListed, format!("{} at {}", operation.kind(), call.target))),
        }
    }
}

/// The EIP-712 domain of requests: name, version, chain id, and the network id as salt.
#[must_use]
pub fn domain(definition: &Definition) -> Eip712Domain {
    Eip712Domain {
        name: Some(Cow::Borrowed("Firn")),
        version: Some(Cow::Borrowed("1")),
        chain_id: Some(U256::from(definition.chain.id)),
        verifying_contract: None,
        salt: Some(definition.network_id().0.0.into()),
    }
}

fn malformed(field: &str) -> Refusal {
    Refusal::new(Code::RequestMalformed, field)
}

/// Refuses the zero address, which is nobody's.
fn nonzero(fields: &[(&str, Address)]) -> Result<(), Refusal> {
    match fields.iter().find(|(_, address)| address.is_zero()) {
        Some((name, _)) => Err(Refusal::new(Code::OperationFieldInvalid, format!("{name}: the zero address"))),
        None => Ok(()),
    }
}

/// The address of a contract that the definition may leave out.
fn listed(contract: Option<Address>, name: &str) -> Result<Address, Refusal> {
    contract.ok_or_else(|| Refusal::new(Code::ContractNotListed, format!("chain.{name}")))
}

/// The first four bytes of calldata of a function.
fn selector_of(signature: &str) -> FixedBytes<4> {
    FixedBytes::from_slice(keccak256(signature).get(..4).unwrap_or_default())
}
