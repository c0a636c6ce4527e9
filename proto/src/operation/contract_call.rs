//! `ContractCall`: a call of a function that the definition lists for a purpose, with whatever arguments.

use super::form::{Field, Form};
use super::{Kind, Rendering, Terms, listed_call};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, Purpose};
use crate::wire;
use alloy_sol_types::sol;
use serde::{Deserialize, Serialize};

sol! {
    /// Call `target` with `data`, which names a function that is listed for `purpose`, and send `value` wei along.
    #[derive(Debug, PartialEq, Eq)]
    struct ContractCall {
        string purpose;
        address avs;
        address target;
        uint256 value;
        bytes data;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

/// [`ContractCall`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractCallJson {
    pub(super) purpose: String,
    pub(super) avs: String,
    pub(super) target: String,
    pub(super) value: String,
    pub(super) data: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for ContractCall {
    type Wire = wire::ContractCall;
    type Json = ContractCallJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            purpose: Field::from_wire(&wire.purpose, "purpose")?,
            avs: Field::from_wire(&wire.avs, "avs")?,
            target: Field::from_wire(&wire.target, "target")?,
            value: Field::from_wire(&wire.value, "value")?,
            data: Field::from_wire(&wire.data, "data")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            purpose: self.purpose.to_wire(),
            avs: self.avs.to_wire(),
            target: self.target.to_wire(),
            value: self.value.to_wire(),
            data: self.data.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            purpose: Field::from_json(&json.purpose, "purpose")?,
            avs: Field::from_json(&json.avs, "avs")?,
            target: Field::from_json(&json.target, "target")?,
            value: Field::from_json(&json.value, "value")?,
            data: Field::from_json(&json.data, "data")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            purpose: self.purpose.to_json(),
            avs: self.avs.to_json(),
            target: self.target.to_json(),
            value: self.value.to_json(),
            data: self.data.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

impl Kind for ContractCall {
    fn purpose(&self) -> Purpose {
        named(&self.purpose)
    }

    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        check_purpose(&self.purpose)?;
        listed_call::read(definition, self.purpose(), self.target, &self.data).map(drop)
    }

    fn call(&self, _: &Definition) -> Call {
        Call { target: self.target, value: self.value, data: self.data.clone() }
    }

    fn render(&self, definition: &Definition) -> Rendering {
        let arguments = listed_call::read(definition, self.purpose(), self.target, &self.data);
        let details =
            arguments.map_or_else(|refusal| vec![format!("refused: {refusal}")], |arguments| arguments.render());
        let paid = (!self.value.is_zero()).then(|| format!("sends {} wei along", self.value));
        Rendering {
            title: format!("call contract {} for AVS {}, as {}", self.target, self.avs, self.purpose),
            details,
            warnings: paid.into_iter().collect(),
        }
    }
}

/// The purpose of this name; where there is none, that of which nothing but a slash is signed.
pub(super) fn named(purpose: &str) -> Purpose {
    Purpose::parse(purpose).unwrap_or(Purpose::Slash)
}

pub(super) fn check_purpose(purpose: &str) -> Result<(), Refusal> {
    if named(purpose) == Purpose::Slash {
        return Err(Refusal::new(Code::OperationFieldInvalid, "purpose: treasury, veto or governance"));
    }
    Ok(())
}
