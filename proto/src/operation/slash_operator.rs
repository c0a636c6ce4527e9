//! `SlashOperator`: slash one operator in one operator set, as EigenLayer's `slashOperator` does.

use super::eigenlayer::{IAllocationManager, SlashingParams};
use super::form::forms;
use super::{Kind, Rendering, Terms, calldata, strategies};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition, Purpose};
use crate::limits::DESCRIPTION_BYTES_MAX;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, sol};

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

forms!(SlashOperator, SlashOperatorJson {
    avs avs: Address,
    operator operator: Address,
    operatorSetId operator_set_id: u32,
    strategies strategies: Vec<Address>,
    wadsToSlash wads_to_slash: Vec<U256>,
    description description: String,
    account account: Address,
    nonce nonce: U256,
    deadline deadline: u64,
});

/// A wad that is the whole of an operator's allocation to the set in one strategy.
const WHOLE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Below this wad, a ten-thousandth, rounding may leave nothing to take.
const SMALL: U256 = U256::from_limbs([100_000_000_000_000, 0, 0, 0]);

impl Kind for SlashOperator {
    fn purpose(&self) -> Purpose {
        Purpose::Slash
    }

    /// The key that answers for the operator set.
    fn key<'a>(&self, definition: &'a Definition) -> Result<&'a KeyDefinition, Refusal> {
        definition.key_for(self.avs, self.operatorSetId).ok_or_else(|| {
            Refusal::new(Code::OperatorSetNotListed, format!("avs {}, set {}", self.avs, self.operatorSetId))
        })
    }

    /// EIGENLAYER.md section 1: what `slashOperator` itself would refuse, and what should not reach an event log.
    fn check(&self, _: &Definition) -> Result<(), Refusal> {
        let refuse = |code, detail: String| Err(Refusal::new(code, detail));
        strategies::check(&self.strategies)?;
        if self.strategies.len() != self.wadsToSlash.len() {
            return refuse(
                Code::WadsLengthMismatch,
                format!("{} strategies, {} wads", self.strategies.len(), self.wadsToSlash.len()),
            );
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
    fn call(&self, definition: &Definition) -> Call {
        let params = SlashingParams {
            operator: self.operator,
            operatorSetId: self.operatorSetId,
            strategies: self.strategies.clone(),
            wadsToSlash: self.wadsToSlash.clone(),
            description: self.description.clone(),
        };
        let data = IAllocationManager::slashOperatorCall { avs: self.avs, params }.abi_encode();
        Call { target: definition.chain.allocation_manager, value: U256::ZERO, data: Bytes::from(data) }
    }

    fn render(&self, _: &Definition) -> Rendering {
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

    fn decode(data: &[u8], terms: Terms) -> Result<Option<Self>, Refusal> {
        let call = calldata::decode::<IAllocationManager::slashOperatorCall>(data)?;
        Ok(call.map(|IAllocationManager::slashOperatorCall { avs, params }| Self {
            avs,
            operator: params.operator,
            operatorSetId: params.operatorSetId,
            strategies: params.strategies,
            wadsToSlash: params.wadsToSlash,
            description: params.description,
            account: terms.account,
            nonce: terms.nonce,
            deadline: terms.deadline,
        }))
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
