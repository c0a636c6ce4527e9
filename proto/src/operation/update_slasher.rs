//! `UpdateSlasher`: name who may slash an operator set from EigenLayer's delay on, as its `updateSlasher` does.

use super::eigenlayer::{IAllocationManager, OperatorSet};
use super::form::{Field, Form};
use super::{Kind, Rendering, Terms, calldata, nonzero};
use crate::account::Call;
use crate::code::Refusal;
use crate::definition::{Definition, Purpose};
use crate::wire;
use alloy_primitives::U256;
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

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

/// [`UpdateSlasher`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateSlasherJson {
    pub(super) avs: String,
    pub(super) operator_set_id: u32,
    pub(super) slasher: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for UpdateSlasher {
    type Wire = wire::UpdateSlasher;
    type Json = UpdateSlasherJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            operatorSetId: Field::from_wire(&wire.operator_set_id, "operator_set_id")?,
            slasher: Field::from_wire(&wire.slasher, "slasher")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            operator_set_id: self.operatorSetId.to_wire(),
            slasher: self.slasher.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            operatorSetId: Field::from_json(&json.operator_set_id, "operator_set_id")?,
            slasher: Field::from_json(&json.slasher, "slasher")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            operator_set_id: self.operatorSetId.to_json(),
            slasher: self.slasher.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

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
