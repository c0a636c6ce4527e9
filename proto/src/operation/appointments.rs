//! `AcceptAdmin`, `SetAppointee` and `RemoveAppointee`: who may act in an AVS's name, as EigenLayer's PermissionController has
//! it. None of it has a delay on chain.

use super::eigenlayer::IAllocationManager::{
    removeStrategiesFromOperatorSetCall, slashOperatorCall, updateSlasherCall,
};
use super::eigenlayer::IPermissionController::{acceptAdminCall, removeAppointeeCall, setAppointeeCall};
use super::form::{Field, Form};
use super::{Kind, Rendering, Terms, calldata, listed, nonzero};
use crate::account::Call;
use crate::code::Refusal;
use crate::definition::{Definition, Purpose};
use crate::wire;
use alloy_primitives::{Address, FixedBytes, U256};
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Have `account` become an admin of the AVS, which must have proposed it.
    #[derive(Debug, PartialEq, Eq)]
    struct AcceptAdmin {
        address avs;
        address account;
        uint256 nonce;
        uint64 deadline;
    }

    /// Let `appointee` call one function of `target` in the AVS's name.
    #[derive(Debug, PartialEq, Eq)]
    struct SetAppointee {
        address avs;
        address appointee;
        address target;
        bytes4 selector;
        address account;
        uint256 nonce;
        uint64 deadline;
    }

    /// Take that right back.
    #[derive(Debug, PartialEq, Eq)]
    struct RemoveAppointee {
        address avs;
        address appointee;
        address target;
        bytes4 selector;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

/// [`AcceptAdmin`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptAdminJson {
    pub(super) avs: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for AcceptAdmin {
    type Wire = wire::AcceptAdmin;
    type Json = AcceptAdminJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

impl Kind for AcceptAdmin {
    fn purpose(&self) -> Purpose {
        Purpose::Governance
    }

    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        controller(definition).map(drop)
    }

    fn call(&self, definition: &Definition) -> Call {
        call(definition, &acceptAdminCall { account: self.avs })
    }

    fn render(&self, _: &Definition) -> Rendering {
        Rendering {
            title: format!("have account {} become an admin of AVS {}", self.account, self.avs),
            details: vec!["takes effect at once; the AVS must have proposed it".to_owned()],
            warnings: vec![
                "with its first admin, the AVS's own address is no admin any more unless it is one by name".to_owned(),
            ],
        }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let Terms { account, nonce, deadline, .. } = terms;
        let call = calldata::decode::<acceptAdminCall>(data)?;
        Ok(call.map(|acceptAdminCall { account: avs }| Self { avs, account, nonce, deadline }))
    }
}

/// [`SetAppointee`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAppointeeJson {
    pub(super) avs: String,
    pub(super) appointee: String,
    pub(super) target: String,
    pub(super) selector: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for SetAppointee {
    type Wire = wire::SetAppointee;
    type Json = SetAppointeeJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            appointee: Field::from_wire(&wire.appointee, "appointee")?,
            target: Field::from_wire(&wire.target, "target")?,
            selector: Field::from_wire(&wire.selector, "selector")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            appointee: self.appointee.to_wire(),
            target: self.target.to_wire(),
            selector: self.selector.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            appointee: Field::from_json(&json.appointee, "appointee")?,
            target: Field::from_json(&json.target, "target")?,
            selector: Field::from_json(&json.selector, "selector")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            appointee: self.appointee.to_json(),
            target: self.target.to_json(),
            selector: self.selector.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

impl Kind for SetAppointee {
    fn purpose(&self) -> Purpose {
        Purpose::Governance
    }

    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        controller(definition)?;
        nonzero(&[("appointee", self.appointee), ("target", self.target)])
    }

    fn call(&self, definition: &Definition) -> Call {
        let Self { avs, appointee, target, selector, .. } = *self;
        call(definition, &setAppointeeCall { account: avs, appointee, target, selector })
    }

    fn render(&self, _: &Definition) -> Rendering {
        Rendering {
            title: format!(
                "let {appointee} call a function in the name of AVS {avs}",
                appointee = self.appointee,
                avs = self.avs
            ),
            details: vec![function(self.selector), format!("of contract {}", self.target)],
            warnings: warnings(self.selector),
        }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let Terms { account, nonce, deadline, .. } = terms;
        let call = calldata::decode::<setAppointeeCall>(data)?;
        Ok(call.map(|setAppointeeCall { account: avs, appointee, target, selector }| Self {
            avs,
            appointee,
            target,
            selector,
            account,
            nonce,
            deadline,
        }))
    }
}
/// [`RemoveAppointee`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveAppointeeJson {
    pub(super) avs: String,
    pub(super) appointee: String,
    pub(super) target: String,
    pub(super) selector: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for RemoveAppointee {
    type Wire = wire::RemoveAppointee;
    type Json = RemoveAppointeeJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            appointee: Field::from_wire(&wire.appointee, "appointee")?,
            target: Field::from_wire(&wire.target, "target")?,
            selector: Field::from_wire(&wire.selector, "selector")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            appointee: self.appointee.to_wire(),
            target: self.target.to_wire(),
            selector: self.selector.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            appointee: Field::from_json(&json.appointee, "appointee")?,
            target: Field::from_json(&json.target, "target")?,
            selector: Field::from_json(&json.selector, "selector")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            appointee: self.appointee.to_json(),
            target: self.target.to_json(),
            selector: self.selector.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

impl Kind for RemoveAppointee {
    fn purpose(&self) -> Purpose {
        Purpose::Governance
    }

    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        controller(definition)?;
        nonzero(&[("appointee", self.appointee), ("target", self.target)])
    }

    fn call(&self, definition: &Definition) -> Call {
        let Self { avs, appointee, target, selector, .. } = *self;
        call(definition, &removeAppointeeCall { account: avs, appointee, target, selector })
    }

    fn render(&self, _: &Definition) -> Rendering {
        Rendering {
            title: format!(
                "no longer let {appointee} call a function in the name of AVS {avs}",
                appointee = self.appointee,
                avs = self.avs
            ),
            details: vec![function(self.selector), format!("of contract {}", self.target)],
            warnings: vec!["takes effect at once".to_owned()],
        }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let Terms { account, nonce, deadline, .. } = terms;
        let call = calldata::decode::<removeAppointeeCall>(data)?;
        Ok(call.map(|removeAppointeeCall { account: avs, appointee, target, selector }| Self {
            avs,
            appointee,
            target,
            selector,
            account,
            nonce,
            deadline,
        }))
    }
}
fn warnings(selector: FixedBytes<4>) -> Vec<String> {
    let powerful = match selector.0 {
        slashOperatorCall::SELECTOR => Some("an appointee cannot slash: only the set's one slasher can"),
        updateSlasherCall::SELECTOR => Some("the appointee may name who slashes, after EigenLayer's delay"),
        removeStrategiesFromOperatorSetCall::SELECTOR => Some("the appointee may end slashability at once"),
        _ => None,
    };
    let always = "takes effect at once, and with any arguments";
    [Some(always), powerful].into_iter().flatten().map(str::to_owned).collect()
}

/// A function by its selector, and by name where it is one of those that kinds of operations call.
fn function(selector: FixedBytes<4>) -> String {
    let known =
        [slashOperatorCall::SIGNATURE, updateSlasherCall::SIGNATURE, removeStrategiesFromOperatorSetCall::SIGNATURE];
    let name = known.into_iter().find(|signature| super::selector_of(signature) == selector);
    name.map_or_else(|| format!("function {selector}"), |name| format!("function {selector}: {name}"))
}

fn controller(definition: &Definition) -> Result<Address, Refusal> {
    listed(definition.chain.permission_controller, "permission_controller")
}

/// A call of the PermissionController, without which `check` refuses.
fn call(definition: &Definition, call: &impl SolCall) -> Call {
    let target = definition.chain.permission_controller.unwrap_or_default();
    Call { target, value: U256::ZERO, data: call.abi_encode().into() }
}
