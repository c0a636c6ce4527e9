//! `AddStrategies` and `RemoveStrategies`: what an operator set's operators may allocate, and be slashed in.

use super::eigenlayer::IAllocationManager::{addStrategiesToOperatorSetCall, removeStrategiesFromOperatorSetCall};
use super::form::forms;
use super::{Kind, Rendering, Terms, calldata, nonzero};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, Purpose};
use crate::limits::STRATEGIES_MAX;
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

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

/// Both are alike but for the function called and what it means.
macro_rules! kind {
    ($kind:ident, $json:ident, $call:ident, $verb:literal, $warning:literal) => {
        forms!($kind, $json {
            avs avs: Address,
            operatorSetId operator_set_id: u32,
            strategies strategies: Vec<Address>,
            account account: Address,
            nonce nonce: U256,
            deadline deadline: u64,
        });

        impl Kind for $kind {
            fn purpose(&self) -> Purpose {
                Purpose::Governance
            }

            fn check(&self, _: &Definition) -> Result<(), Refusal> {
                check(&self.strategies)?;
                nonzero(&self.strategies.iter().map(|strategy| ("strategies", *strategy)).collect::<Vec<_>>())
            }

            fn call(&self, definition: &Definition) -> Call {
                let Self { avs, operatorSetId, strategies, .. } = self.clone();
                let data = $call { avs, operatorSetId, strategies }.abi_encode();
                Call { target: definition.chain.allocation_manager, value: U256::ZERO, data: data.into() }
            }

            fn render(&self, _: &Definition) -> Rendering {
                let (avs, set, count) = (self.avs, self.operatorSetId, self.strategies.len());
                Rendering {
                    title: format!("{} operator set {set} of AVS {avs}: {count} strategies", $verb),
                    details: self.strategies.iter().map(|strategy| format!("strategy {strategy}")).collect(),
                    warnings: vec![$warning.to_owned()],
                }
            }

            fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
                let Terms { account, nonce, deadline, .. } = terms;
                let call = calldata::decode::<$call>(data)?;
                Ok(call.map(|$call { avs, operatorSetId, strategies }| {
                    Self { avs, operatorSetId, strategies, account, nonce, deadline }
                }))
            }
        }
    };
}

kind!(
    AddStrategies,
    AddStrategiesJson,
    addStrategiesToOperatorSetCall,
    "add to",
    "takes effect at once: who allocates in these strategies can be slashed in them"
);
kind!(
    RemoveStrategies,
    RemoveStrategiesJson,
    removeStrategiesFromOperatorSetCall,
    "remove from",
    "takes effect at once: nobody can be slashed in these strategies any more, for what was done before either"
);

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
