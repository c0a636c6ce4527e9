//! `SlashOperator`: slash one operator in one operator set, as EigenLayer's `slashOperator` does.

use super::{Rendering, address, integer};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition};
use crate::limits::{DESCRIPTION_BYTES_MAX, STRATEGIES_MAX};
use crate::wire;
use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{SolCall, sol};

/// EigenLayer's AllocationManager as far as Firn calls it (core v1.5 and later have this selector).
pub mod eigenlayer {
    #![allow(missing_docs, reason = "names and meaning are EigenLayer's own")]
    alloy_sol_types::sol! {
        struct OperatorSet {
            address avs;
            uint32 id;
        }
        struct SlashingParams {
            address operator;
            uint32 operatorSetId;
            address[] strategies;
            uint256[] wadsToSlash;
            string description;
        }
        interface IAllocationManager {
            function slashOperator(address avs, SlashingParams calldata params)
                external returns (uint256 slashId, uint256[] memory shares);
            function getSlasher(OperatorSet memory operatorSet) external view returns (address);
            function isOperatorSlashable(address operator, OperatorSet memory operatorSet) external view returns (bool);
            function getStrategiesInOperatorSet(OperatorSet memory operatorSet) external view returns (address[] memory);
        }
    }
}

sol! {
    /// Slash `operator` in one operator set: the fields of EigenLayer's `slashOperator`, plus the account that shall
    /// call it, a nonce of the requester's choice and the last second at which it may execute.
    #[derive(Debug, PartialEq, Eq)]
    struct SlashOperator {
        address avs;
        address operator;
        uint32 operatorSetId;
        address[] strategies;
        uint256[] wadsToSlash;
        string description;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

/// A wad that is the whole of an operator's allocation to the set in one strategy.
const WHOLE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Below this wad, a ten-thousandth, rounding may leave nothing to take.
const SMALL: U256 = U256::from_limbs([100_000_000_000_000, 0, 0, 0]);

impl SlashOperator {
    /// The key that answers for the operator set.
    pub(super) fn key<'a>(&self, definition: &'a Definition) -> Result<&'a KeyDefinition, Refusal> {
        definition.key_for(self.avs, self.operatorSetId).ok_or_else(|| {
            Refusal::new(Code::OperatorSetNotListed, format!("avs {}, set {}", self.avs, self.operatorSetId))
        })
    }

    /// EIGENLAYER.md section 1: what `slashOperator` itself would refuse, and what should not reach an event log.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let refuse = |code, detail: String| Err(Refusal::new(code, detail));
        if self.strategies.is_empty() || self.strategies.len() > STRATEGIES_MAX {
            return refuse(Code::StrategiesEmpty, format!("{} strategies", self.strategies.len()));
        }
        if self.strategies.len() != self.wadsToSlash.len() {
            return refuse(
                Code::WadsLengthMismatch,
                format!("{} strategies, {} wads", self.strategies.len(), self.wadsToSlash.len()),
            );
        }
        if !self.strategies.is_sorted_by(|a, b| a < b) {
            return refuse(Code::StrategiesNotAscending, "strategies".to_owned());
        }
        if let Some(bad) = self.wadsToSlash.iter().find(|w| w.is_zero() || **w > WHOLE) {
            return refuse(Code::WadOutOfRange, format!("wad {bad}"));
        }
        if self.description.len() > DESCRIPTION_BYTES_MAX || self.description.chars().any(is_deceptive) {
            return refuse(Code::DescriptionInvalid, format!("{} bytes", self.description.len()));
        }
        Ok(())
    }

    /// One call of `slashOperator`.
    pub(super) fn call(&self, definition: &Definition) -> Call {
        let params = eigenlayer::SlashingParams {
            operator: self.operator,
            operatorSetId: self.operatorSetId,
            strategies: self.strategies.clone(),
            wadsToSlash: self.wadsToSlash.clone(),
            description: self.description.clone(),
        };
        let data = eigenlayer::IAllocationManager::slashOperatorCall { avs: self.avs, params }.abi_encode();
        Call { target: definition.chain.allocation_manager, value: U256::ZERO, data: Bytes::from(data) }
    }

    pub(super) fn render(&self) -> Rendering {
        let shares = || self.strategies.iter().zip(&self.wadsToSlash);
        let share = |(strategy, wad)| format!("{} in strategy {strategy}", percentage(wad));
        let warning = |(strategy, wad): (_, &U256)| match *wad {
            WHOLE => Some(format!("takes all that is allocated in strategy {strategy}")),
            wad if wad < SMALL => {
                Some(format!("so little in strategy {strategy} that rounding may leave nothing to take"))
            }
            _ => None,
        };
        Rendering {
            title: format!("slash operator {} of AVS {}, set {}", self.operator, self.avs, self.operatorSetId),
            details: shares().map(share).chain([format!("\"{}\"", self.description)]).collect(),
            warnings: shares().filter_map(warning).collect(),
        }
    }

    pub(super) fn from_wire(slash: &wire::SlashOperator) -> Result<Self, Refusal> {
        Ok(Self {
            avs: address(&slash.avs, "avs")?,
            operator: address(&slash.operator, "operator")?,
            operatorSetId: slash.operator_set_id,
            strategies: slash.strategies.iter().map(|s| address(s, "strategies")).collect::<Result<_, _>>()?,
            wadsToSlash: slash.wads_to_slash.iter().map(|w| integer(w, "wads_to_slash")).collect::<Result<_, _>>()?,
            description: slash.description.clone(),
            account: address(&slash.account, "account")?,
            nonce: integer(&slash.nonce, "nonce")?,
            deadline: slash.deadline,
        })
    }

    pub(super) fn to_wire(&self) -> wire::SlashOperator {
        wire::SlashOperator {
            avs: self.avs.to_vec(),
            operator: self.operator.to_vec(),
            operator_set_id: self.operatorSetId,
            strategies: self.strategies.iter().map(|s| s.to_vec()).collect(),
            wads_to_slash: self.wadsToSlash.iter().map(|w| w.to_be_bytes_vec()).collect(),
            description: self.description.clone(),
            account: self.account.to_vec(),
            nonce: self.nonce.to_be_bytes_vec(),
            deadline: self.deadline,
        }
    }
}

/// Control characters and Unicode's direction and invisible format characters, which could make a log line lie.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

/// A wad as people read it: 80000000000000000 is 8%.
pub(crate) fn percentage(wad: &U256) -> String {
    let percent = U256::from(10_000_000_000_000_000_u64);
    let (whole, rest) = wad.div_rem(percent);
    let rest = format!("{rest:0>16}");
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { format!("{whole}%") } else { format!("{whole}.{rest}%") }
}
