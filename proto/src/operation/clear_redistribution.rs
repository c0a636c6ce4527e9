//! `ClearRedistribution`: have what one slash took moved to where the operator set sends it.

use super::eigenlayer::IStrategyManager::clearBurnOrRedistributableSharesCall;
use super::eigenlayer::OperatorSet;
use super::form::forms;
use super::{Kind, Rendering, Terms, calldata, listed};
use crate::account::Call;
use crate::code::Refusal;
use crate::definition::{Definition, Purpose};
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

sol! {
    /// Clear the shares of one slash of an operator set.
    #[derive(Debug, PartialEq, Eq)]
    struct ClearRedistribution {
        address avs;
        uint32 operatorSetId;
        uint256 slashId;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

forms!(ClearRedistribution, ClearRedistributionJson {
    avs avs: Address,
    operatorSetId operator_set_id: u32,
    slashId slash_id: U256,
    account account: Address,
    nonce nonce: U256,
    deadline deadline: u64,
});

impl Kind for ClearRedistribution {
    fn purpose(&self) -> Purpose {
        Purpose::Treasury
    }

    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        listed(definition.chain.strategy_manager, "strategy_manager").map(drop)
    }

    fn call(&self, definition: &Definition) -> Call {
        let set = OperatorSet { avs: self.avs, id: self.operatorSetId };
        let call = clearBurnOrRedistributableSharesCall { operatorSet: set, slashId: self.slashId };
        let target = definition.chain.strategy_manager.unwrap_or_default();
        Call { target, value: U256::ZERO, data: call.abi_encode().into() }
    }

    fn render(&self, _: &Definition) -> Rendering {
        let (slash, set, avs) = (self.slashId, self.operatorSetId, self.avs);
        Rendering {
            title: format!("clear slash {slash} of AVS {avs}, set {set}"),
            details: vec!["to the set's redistribution recipient, or to be burned where it has none".to_owned()],
            warnings: vec![
                "does nothing where the slash is unknown or cleared; from EigenLayer 1.13 on not before 50,400 blocks, 7 days, after it"
                    .to_owned(),
            ],
        }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let Terms { account, nonce, deadline, .. } = terms;
        let call = calldata::decode::<clearBurnOrRedistributableSharesCall>(data)?;
        Ok(call.map(|clearBurnOrRedistributableSharesCall { operatorSet: set, slashId }| Self {
            avs: set.avs,
            operatorSetId: set.id,
            slashId,
            account,
            nonce,
            deadline,
        }))
    }
}
