//! Kinds that act on Firn's own contracts: an AVS's gate, treasury and timelock, and the AccessManager over them.
//!
//! Where a role has a delay on chain, an operation is asked for twice: `step` is `schedule`, and when the delay has passed
//! `execute`. Both carry the same `reference`, which goes into the calldata as request id: contracts and people follow the
//! operation by it. Nothing is signed ahead: the second request is judged anew.
//!
//! A kind is its EIP-712 struct. On the wire it is that struct's ABI encoding, and in JSON its fields.

use super::form::Form;
use super::{Kind, Operation, Rendering, Terms, malformed};
use crate::account::Call;
use crate::code::Refusal;
use crate::definition::{Contracts, Definition, Purpose};
use crate::wire;
use alloy_sol_types::{SolStruct, SolValue};

pub mod admin;
mod contracts;
pub mod gate;
pub mod limits;
pub mod roles;
pub mod treasury;
pub mod veto;
mod way;

/// What makes a kind, beside its struct.
pub(super) trait Act: SolStruct + SolValue<SolType = Self> + Clone {
    /// What a key must be for to sign it.
    const PURPOSE: Purpose;

    /// What every operation says.
    fn common(&self) -> Terms;

    /// Checks the fields (R4).
    fn sound(&self, contracts: &Contracts) -> Result<(), Refusal>;

    /// The same, where the definition says more than the contracts.
    fn sound_in(&self, definition: &Definition) -> Result<(), Refusal> {
        self.sound(definition.contracts_of(self.common().avs)?)
    }

    /// What the account shall do.
    fn act(&self, contracts: &Contracts) -> Call;

    /// What it means, for people.
    fn show(&self, contracts: &Contracts) -> Rendering;

    /// The same, where the definition says more than the contracts.
    fn show_in(&self, definition: &Definition) -> Rendering {
        // Without the contracts `check` refuses.
        self.show(&definition.contracts_of(self.common().avs).cloned().unwrap_or_default())
    }
}

impl<T: Act> Form for T {
    type Wire = wire::GuardOperation;
    type Json = Self;

    fn terms(&self) -> Terms {
        self.common()
    }

    /// Another encoding of the same fields is refused (R6).
    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        let read = <Self as SolValue>::abi_decode_validate(&wire.fields).ok();
        read.filter(|fields| SolValue::abi_encode(fields) == wire.fields).ok_or_else(|| malformed("fields"))
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire { fields: SolValue::abi_encode(self) }
    }

    fn from_json(json: &Self) -> Result<Self, Refusal> {
        Ok(json.clone())
    }

    fn to_json(&self) -> Self {
        self.clone()
    }
}

impl<T: Act> Kind for T {
    fn purpose(&self) -> Purpose {
        T::PURPOSE
    }

    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        self.sound_in(definition)
    }

    fn call(&self, definition: &Definition) -> Call {
        // Without the contracts `check` refuses.
        let listed = definition.contracts_of(self.common().avs).cloned();
        self.act(&listed.unwrap_or_default())
    }

    fn render(&self, definition: &Definition) -> Rendering {
        self.show_in(definition)
    }
}

/// The operation of this family that makes this calldata.
pub(super) fn decode(call: &Call, contracts: Option<&Contracts>, terms: Terms) -> Result<Option<Operation>, Refusal> {
    if let Some(direct) = veto::decode(call, contracts, terms)? {
        return Ok(Some(direct));
    }
    let Some(opened) = way::open(&call.data)? else { return Ok(None) };
    let found = [treasury::decode(&opened, terms)?, limits::decode(&opened, terms)?, roles::decode(&opened, terms)?];
    Ok(found.into_iter().flatten().next().or_else(|| admin::decode(&opened, terms)))
}
