//! Operations: what a requester may ask for. A closed set, one file per kind in `operation/`; other kinds do not decode.
//!
//! A kind has its EIP-712 struct, which is its canonical form, its wire form, its rules, and the calls that the account
//! shall make. This file is the table of kinds: each method asks the kind.

use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition, Purpose};
use crate::ids::{Digest, SubjectId};
use crate::time::WallTime;
use crate::wire::signed_request::Operation as Wire;
use alloy_primitives::{Address, U256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use std::borrow::Cow;

pub mod slash_operator;

pub use slash_operator::SlashOperator;

/// The stable names of all kinds.
pub const KINDS: [&str; 1] = ["slash_operator"];

/// What a requester asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Slash an operator.
    SlashOperator(SlashOperator),
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

impl Operation {
    /// The stable name of the kind, as used in the definition.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SlashOperator(_) => "slash_operator",
        }
    }

    /// What a key must be for to sign it.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::SlashOperator(_) => Purpose::Slash,
        }
    }

    /// The EIP-712 digest in this network: what the requester signs, and the request's id.
    #[must_use]
    pub fn id(&self, definition: &Definition) -> SubjectId {
        let domain = domain(definition);
        SubjectId(Digest(match self {
            Self::SlashOperator(slash) => slash.eip712_signing_hash(&domain).0,
        }))
    }

    /// The AVS that it is about, whose requesters may ask for it.
    #[must_use]
    pub fn avs(&self) -> Address {
        match self {
            Self::SlashOperator(slash) => slash.avs,
        }
    }

    /// The slash, if it is one.
    #[must_use]
    pub fn slash(&self) -> Option<&SlashOperator> {
        match self {
            Self::SlashOperator(slash) => Some(slash),
        }
    }

    /// The account that shall execute it.
    #[must_use]
    pub fn account(&self) -> Address {
        match self {
            Self::SlashOperator(slash) => slash.account,
        }
    }

    /// The nonce of the requester's choice: what it means by one, it means once.
    #[must_use]
    pub fn nonce(&self) -> U256 {
        match self {
            Self::SlashOperator(slash) => slash.nonce,
        }
    }

    /// The last second at which it may execute.
    #[must_use]
    pub fn deadline(&self) -> WallTime {
        match self {
            Self::SlashOperator(slash) => WallTime(slash.deadline),
        }
    }

    /// The key that answers for it.
    ///
    /// # Errors
    /// A refusal that names what no key is for.
    pub(crate) fn key<'a>(&self, definition: &'a Definition) -> Result<&'a KeyDefinition, Refusal> {
        match self {
            Self::SlashOperator(slash) => slash.key(definition),
        }
    }

    /// Checks what needs neither definition nor clock nor chain.
    ///
    /// # Errors
    /// A refusal that names the field (`SECURITY.md` R4).
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::SlashOperator(slash) => slash.check(),
        }
    }

    /// What the account shall do, in order and all or nothing.
    #[must_use]
    pub fn calls(&self, definition: &Definition) -> Vec<Call> {
        match self {
            Self::SlashOperator(slash) => vec![slash.call(definition)],
        }
    }

    /// What it means, for people.
    #[must_use]
    pub fn render(&self) -> Rendering {
        match self {
            Self::SlashOperator(slash) => slash.render(),
        }
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
        match operation {
            Some(Wire::SlashOperator(slash)) => SlashOperator::from_wire(slash).map(Self::SlashOperator),
            None => Err(malformed("operation")),
        }
    }

    /// The wire form.
    #[must_use]
    pub(crate) fn to_wire(&self) -> Wire {
        match self {
            Self::SlashOperator(slash) => Wire::SlashOperator(slash.to_wire()),
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

/// An address on the wire: 20 bytes.
fn address(bytes: &[u8], field: &str) -> Result<Address, Refusal> {
    Address::try_from(bytes).map_err(|_| malformed(field))
}

/// An integer on the wire: 32 bytes, big-endian.
fn integer(bytes: &[u8], field: &str) -> Result<U256, Refusal> {
    <[u8; 32]>::try_from(bytes).map(U256::from_be_bytes).map_err(|_| malformed(field))
}
