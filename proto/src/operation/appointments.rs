//! `AcceptAdmin`, `SetAppointee` and `RemoveAppointee`: who may act in an AVS's name, as EigenLayer's PermissionController has
//! it. None of it has a delay on chain.

use super::eigenlayer::IAllocationManager::{
    removeStrategiesFromOperatorSetCall, slashOperatorCall, updateSlasherCall,
};
use super::eigenlayer::IPermissionController::{acceptAdminCall, removeAppointeeCall, setAppointeeCall};
use super::form::forms;
use super::{Kind, Rendering, Terms, calldata, listed, nonzero};
use crate::account::Call;
use crate::code::Refusal;
use crate::definition::{Definition, Purpose};
use alloy_primitives::{Address, FixedBytes, U256};
use alloy_sol_types::{SolCall, sol};

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

forms!(AcceptAdmin, AcceptAdminJson {
    avs avs: Address,
    account account: Address,
    nonce nonce: U256,
    deadline deadline: u64,
});

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

/// Setting and removing are alike but for the function called and what it means.
macro_rules! kind {
    ($kind:ident, $json:ident, $call:ident, $title:literal, $warnings:expr) => {
        forms!($kind, $json {
            avs avs: Address,
            appointee appointee: Address,
            target target: Address,
            selector selector: FixedBytes<4>,
            account account: Address,
            nonce nonce: U256,
            deadline deadline: u64,
        });

        impl Kind for $kind {
            fn purpose(&self) -> Purpose {
                Purpose::Governance
            }

            fn check(&self, definition: &Definition) -> Result<(), Refusal> {
                controller(definition)?;
                nonzero(&[("appointee", self.appointee), ("target", self.target)])
            }

            fn call(&self, definition: &Definition) -> Call {
                let Self { avs, appointee, target, selector, .. } = *self;
                call(definition, &$call { account: avs, appointee, target, selector })
            }

            fn render(&self, _: &Definition) -> Rendering {
                Rendering {
                    title: format!($title, appointee = self.appointee, avs = self.avs),
                    details: vec![function(self.selector), format!("of contract {}", self.target)],
                    warnings: $warnings(self.selector),
                }
            }

            fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
                let Terms { account, nonce, deadline, .. } = terms;
                let call = calldata::decode::<$call>(data)?;
                Ok(call.map(|$call { account: avs, appointee, target, selector }| {
                    Self { avs, appointee, target, selector, account, nonce, deadline }
                }))
            }
        }
    };
}

kind!(
    SetAppointee,
    SetAppointeeJson,
    setAppointeeCall,
    "let {appointee} call a function in the name of AVS {avs}",
    warnings
);
kind!(
    RemoveAppointee,
    RemoveAppointeeJson,
    removeAppointeeCall,
    "no longer let {appointee} call a function in the name of AVS {avs}",
    |_| vec!["takes effect at once".to_owned()]
);

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
