//! Operations: what a requester may ask for. A closed set, with a file per kind or family in `operation/`; other kinds do not
//! decode.
//!
//! A kind has its EIP-712 struct, which is its canonical form, its wire and JSON forms, its rules, the call that the account
//! shall make, and what people are shown. To add one: its file, its line in the table below, its message in the schema.

use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition, Purpose};
use crate::ids::{Digest, SubjectId};
use crate::time::WallTime;
use crate::wire::signed_request::Operation as Wire;
use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use alloy_sol_types::Eip712Domain;
use std::borrow::Cow;

pub mod appointments;
mod calldata;
pub mod clear_redistribution;
pub mod eigenlayer;
mod form;
pub mod slash_operator;
pub mod strategies;
pub mod update_slasher;

pub use appointments::{
    AcceptAdmin, AcceptAdminJson, RemoveAppointee, RemoveAppointeeJson, SetAppointee, SetAppointeeJson,
};
pub use clear_redistribution::{ClearRedistribution, ClearRedistributionJson};
pub use slash_operator::{SlashOperator, SlashOperatorJson};
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

/// The rules of a kind.
trait Kind: Signed {
    /// What a key must be for to sign it.
    fn purpose(&self) -> Purpose;

    /// The key that answers for it.
    fn key<'a>(&self, definition: &'a Definition) -> Result<&'a KeyDefinition, Refusal> {
        definition.authority(self.terms().avs, self.purpose())
    }

    /// Checks what needs neither clock nor chain (R4).
    fn check(&self, definition: &Definition) -> Result<(), Refusal>;

    /// What the account shall do.
    fn call(&self, definition: &Definition) -> Call;

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

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $json:ident = $name:literal),* $(,)?) => {
        /// The stable names of all kinds.
        pub const KINDS: [&str; [$($name),*].len()] = [$($name),*];

        /// What a requester asks for.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Operation {
            $($(#[$doc])* $kind($kind)),*
        }

        /// An operation in JSON: its fields under the name of its kind.
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub enum OperationJson {
            $($(#[$doc])* #[serde(rename = $name)] $kind($json)),*
        }

        impl Operation {
            /// The stable name of the kind, as used in the definition.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name),*
                }
            }

            fn rules(&self) -> &dyn Kind {
                match self {
                    $(Self::$kind(operation) => operation),*
                }
            }

            /// The operation that makes this calldata, where the selector is of one.
            fn find(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
                $(if let Some(operation) = $kind::decode(data, terms)? {
                    return Ok(Some(Self::$kind(operation)));
                })*
                Ok(None)
            }

            /// Reads the wire form.
            ///
            /// # Errors
            /// `REQUEST_MALFORMED`, naming the field.
            pub(crate) fn from_wire(operation: Option<&Wire>) -> Result<Self, Refusal> {
                match operation {
                    $(Some(Wire::$kind(wire)) => $kind::from_wire(wire).map(Self::$kind),)*
                    None => Err(malformed("operation")),
                }
            }

            /// The wire form.
            #[must_use]
            pub(crate) fn to_wire(&self) -> Wire {
                match self {
                    $(Self::$kind(operation) => Wire::$kind(operation.to_wire())),*
                }
            }

            /// Reads the JSON form.
            ///
            /// # Errors
            /// `REQUEST_MALFORMED`, naming the field.
            pub fn from_json(json: &OperationJson) -> Result<Self, Refusal> {
                match json {
                    $(OperationJson::$kind(json) => $kind::from_json(json).map(Self::$kind)),*
                }
            }

            /// The JSON form.
            #[must_use]
            pub fn to_json(&self) -> OperationJson {
                match self {
                    $(Self::$kind(operation) => OperationJson::$kind(operation.to_json())),*
                }
            }
        }

        impl OperationJson {
            /// The last second at which it may execute.
            #[must_use]
            pub fn deadline(&self) -> u64 {
                match self {
                    $(Self::$kind(json) => json.deadline),*
                }
            }
        }
    };
}

kinds! {
    /// Slash an operator.
    SlashOperator SlashOperatorJson = "slash_operator",
    /// Name another slasher of an operator set.
    UpdateSlasher UpdateSlasherJson = "update_slasher",
    /// Have an operator set take in strategies.
    AddStrategies AddStrategiesJson = "add_strategies",
    /// Take strategies out of an operator set.
    RemoveStrategies RemoveStrategiesJson = "remove_strategies",
    /// Become an admin of an AVS.
    AcceptAdmin AcceptAdminJson = "accept_admin",
    /// Let somebody call one function in the AVS's name.
    SetAppointee SetAppointeeJson = "set_appointee",
    /// Take such a right back.
    RemoveAppointee RemoveAppointeeJson = "remove_appointee",
    /// Have what a slash took moved to where it goes.
    ClearRedistribution ClearRedistributionJson = "clear_redistribution",
}

impl Operation {
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

    /// What the account shall do, in order and all or nothing.
    #[must_use]
    pub fn calls(&self, definition: &Definition) -> Vec<Call> {
        vec![self.rules().call(definition)]
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
        let operation = Self::find(&call.data, terms)?.ok_or_else(unknown)?;
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
