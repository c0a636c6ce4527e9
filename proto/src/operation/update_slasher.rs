//! `UpdateSlasher`: name who may slash an operator set from EigenLayer's delay on, as its `updateSlasher` does.

use super::eigenlayer::{IAllocationManager, OperatorSet};
use super::form::forms;
use super::{Kind, Rendering, Terms, calldata, nonzero};
use crate::account::Call;
use crate::code::Refusal;
use crate::definition::{Definition, Purpose};
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};

sol! {
    /// Make `slasher` the one slasher of an operator set.
    #[derive(Debug, PartialEq, Eq)]
    struct UpdateSlasher {
        address avs;
        uint32 operatorSetId;
        address slasher;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

forms!(UpdateSlasher, UpdateSlasherJson {
    avs avs: Address,
    operatorSetId operator_set_id: u32,
    slasher slasher: Address,
    account account: Address,
    nonce nonce: U256,
    deadline deadline: u64,
});

impl Kind for UpdateSlasher {
    fn purpose(&self) -> Purpose {
        Purpose::Governance
    }

    fn check(&self, _: &Definition) -> Result<(), Refusal> {
        nonzero(&[("slasher", self.slasher)])
    }

    fn call(&self, definition: &Definition) -> Call {
        let set = OperatorSet { avs: self.avs, id: self.operatorSetId };
        let call = IAllocationManager::updateSlasherCall { operatorSet: set, slasher: self.slasher };
        Call { target: definition.chain.allocation_manager, value: U256::ZERO, data: call.abi_encode().into() }
    }

    fn render(&self, _: &Definition) -> Rendering {
        let who = "from then on it alone may slash every operator of the set; until then the present slasher may";
        Rendering {
            title: format!("make {} the slasher of AVS {}, set {}", self.slasher, self.avs, self.operatorSetId),
            details: vec!["takes effect after EigenLayer's delay: 126,000 blocks on mainnet, 17.5 days".to_owned()],
            warnings: vec![who.to_owned()],
        }
    }

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let call = calldata::decode::<IAllocationManager::updateSlasherCall>(data)?;
        let Terms { account, nonce, deadline, .. } = terms;
        Ok(call.map(|IAllocationManager::updateSlasherCall { operatorSet: set, slasher }| Self {
            avs: set.avs,
            operatorSetId: set.id,
            slasher,
            account,
            nonce,
            deadline,
        }))
    }
}
