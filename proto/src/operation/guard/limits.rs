//! `SetLimits` and `Unpin`: what the gate lets a slash of an operator set take.
//!
//! Whatever may widen something goes through the timelock; what can only tighten it, through the AccessManager's shorter delay.
//! An unpinned set cannot be slashed at all; limits that are set pin it again.

use super::Act;
use super::contracts::ISlashGate::{setLimitsCall, tightenLimitsCall, unpinCall};
use super::contracts::Limits;
use super::way::{Opened, Way};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Contracts, Purpose};
use crate::operation::form::written;
use crate::operation::slash_operator::percentage;
use crate::operation::{Operation, Rendering, Terms, calldata};
use alloy_primitives::U256;
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Give an operator set these limits, in wads and seconds.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SetLimits {
        #[serde(with = "written")] address avs;
        #[serde(rename = "operator_set_id")] uint32 operatorSetId;
        #[serde(rename = "min_wad", with = "written")] uint256 minWad;
        #[serde(rename = "max_wad", with = "written")] uint256 maxWad;
        #[serde(rename = "operator_budget", with = "written")] uint256 operatorBudget;
        #[serde(rename = "set_budget", with = "written")] uint256 setBudget;
        uint32 window;
        #[serde(rename = "cool_down")] uint32 coolDown;
        bool tighten;
        string step;
        uint64 delay;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }

    /// Make an operator set one that the gate cannot slash.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Unpin {
        #[serde(with = "written")] address avs;
        #[serde(rename = "operator_set_id")] uint32 operatorSetId;
        string step;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }
}

/// All of an allocation.
const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// What fits uint72.
const SET_BUDGET_MAX: U256 = U256::from_limbs([u64::MAX, 0xff, 0, 0]);

impl SetLimits {
    fn way(&self) -> Way<'_> {
        if self.tighten { Way::Manager(&self.step) } else { Way::Timelock(&self.step, self.reference, self.delay) }
    }
}

impl Act for SetLimits {
    const PURPOSE: Purpose = Purpose::Governance;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    /// What the gate itself demands, said before anybody signs.
    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::new(Code::OperationFieldInvalid, why));
        if self.minWad.is_zero() || self.minWad > self.maxWad || self.maxWad > WAD {
            return refuse("min_wad and max_wad: 0 < min_wad <= max_wad <= 1e18");
        }
        if self.maxWad > self.operatorBudget || self.operatorBudget > self.setBudget {
            return refuse("operator_budget and set_budget: max_wad <= operator_budget <= set_budget");
        }
        if self.operatorBudget > U256::from(u64::MAX) || self.setBudget > SET_BUDGET_MAX {
            return refuse("operator_budget and set_budget: at most 2^64 - 1 and 2^72 - 1");
        }
        if self.window == 0 {
            return refuse("window: zero seconds");
        }
        self.way().check(Some(self.reference), self.delay)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let limits = Limits {
            minWad: self.minWad.saturating_to(),
            maxWad: self.maxWad.saturating_to(),
            operatorBudget: self.operatorBudget.saturating_to(),
            setBudget: self.setBudget.saturating_to(),
            window: self.window,
            coolDown: self.coolDown,
        };
        let (reference, avs, set) = (self.reference, self.avs, self.operatorSetId);
        let data = if self.tighten {
            tightenLimitsCall { requestId: reference, avs, operatorSetId: set, limits }.abi_encode()
        } else {
            setLimitsCall { requestId: reference, avs, operatorSetId: set, limits }.abi_encode()
        };
        self.way().call(contracts, contracts.gate, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let verb = if self.tighten { "tighten" } else { "set" };
        let [min, max, of_operator, of_set] =
            [self.minWad, self.maxWad, self.operatorBudget, self.setBudget].map(|wad| percentage(&wad));
        let details = [
            format!("a slash takes {min} to {max} of an allocation, {} seconds apart", self.coolDown),
            format!("in {} seconds at most {of_operator} of an operator and {of_set} over the set", self.window),
            format!("reference {}", self.reference),
            format!("of gate {}", contracts.gate),
        ];
        let wider = "may widen what the slashing key can take, or pin a set anew: compare with the limits in force";
        Rendering {
            title: format!("{verb} the limits of slashes of AVS {}, set {}", self.avs, self.operatorSetId),
            details: self.way().show(contracts).into_iter().chain(details).collect(),
            warnings: (!self.tighten).then(|| wider.to_owned()).into_iter().collect(),
        }
    }
}

impl Act for Unpin {
    const PURPOSE: Purpose = Purpose::Governance;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        Way::Manager(&self.step).check(Some(self.reference), 0)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let Self { avs, operatorSetId, reference, .. } = *self;
        let data = unpinCall { requestId: reference, avs, operatorSetId }.abi_encode();
        Way::Manager(&self.step).call(contracts, contracts.gate, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let details = [format!("reference {}", self.reference), format!("of gate {}", contracts.gate)];
        let effect =
            "nobody of the set can be slashed, whatever was done, until limits for it have waited in the timelock";
        Rendering {
            title: format!("unpin operator set {} of AVS {}", self.operatorSetId, self.avs),
            details: Way::Manager(&self.step).show(contracts).into_iter().chain(details).collect(),
            warnings: vec![effect.to_owned()],
        }
    }
}

/// The AVS is the call's own. That a timelock operation's salt is its request id, and the way its own, its own call shows.
pub(super) fn decode(opened: &Opened, terms: Terms) -> Result<Option<Operation>, Refusal> {
    let Opened { step, delay, data, .. } = opened;
    let set = |tighten, reference, avs, id, limits: Limits| {
        Operation::SetLimits(SetLimits {
            avs,
            operatorSetId: id,
            minWad: U256::from(limits.minWad),
            maxWad: U256::from(limits.maxWad),
            operatorBudget: U256::from(limits.operatorBudget),
            setBudget: U256::from(limits.setBudget),
            window: limits.window,
            coolDown: limits.coolDown,
            tighten,
            step: step.clone(),
            delay: *delay,
            reference,
            account: terms.account,
            nonce: terms.nonce,
            deadline: terms.deadline,
        })
    };
    if let Some(tightenLimitsCall { requestId, avs, operatorSetId, limits }) = calldata::decode(data)? {
        return Ok(Some(set(true, requestId, avs, operatorSetId, limits)));
    }
    if let Some(unpinCall { requestId: reference, avs, operatorSetId }) = calldata::decode(data)? {
        let Terms { account, nonce, deadline, .. } = terms;
        let step = step.clone();
        return Ok(Some(Operation::Unpin(Unpin { avs, operatorSetId, step, reference, account, nonce, deadline })));
    }
    let wide = calldata::decode(data)?;
    Ok(wide.map(|setLimitsCall { requestId, avs, operatorSetId, limits }| {
        set(false, requestId, avs, operatorSetId, limits)
    }))
}
