//! `SlashOperator`: slash one operator in one operator set, as EigenLayer's `slashOperator` does.

use super::eigenlayer::{IAllocationManager, SlashingParams};
use super::form::{Field, Form};
use super::guard::gate;
use super::{Kind, Rendering, Scheduled, Signed, Terms, calldata, domain, strategies};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Contracts, Definition, KeyDefinition, Purpose};
use crate::limits::{DESCRIPTION_BYTES_MAX, LOCATION_BYTES_MAX};
use crate::wire;
use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Slash `operator` in one operator set: the fields of EigenLayer's `slashOperator`, plus the account that shall
    /// call it, a nonce of the requester's choice and the last second at which it may execute. Its evidence is named by hash and
    /// location; without any, both are empty.
    #[derive(Debug, PartialEq, Eq)]
    struct SlashOperator {
        address avs;
        address operator;
        uint32 operatorSetId;
        address[] strategies;
        uint256[] wadsToSlash;
        string description;
        bytes32 evidenceHash;
        string evidenceLocation;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

/// [`SlashOperator`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlashOperatorJson {
    pub(super) avs: String,
    pub(super) operator: String,
    pub(super) operator_set_id: u32,
    pub(super) strategies: Vec<String>,
    pub(super) wads_to_slash: Vec<String>,
    pub(super) description: String,
    #[serde(default = "no_evidence")]
    pub(super) evidence_hash: String,
    #[serde(default)]
    pub(super) evidence_location: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for SlashOperator {
    type Wire = wire::SlashOperator;
    type Json = SlashOperatorJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_wire(&wire.avs, "avs")?,
            operator: Field::from_wire(&wire.operator, "operator")?,
            operatorSetId: Field::from_wire(&wire.operator_set_id, "operator_set_id")?,
            strategies: Field::from_wire(&wire.strategies, "strategies")?,
            wadsToSlash: Field::from_wire(&wire.wads_to_slash, "wads_to_slash")?,
            description: Field::from_wire(&wire.description, "description")?,
            evidenceHash: Field::from_wire(&wire.evidence_hash, "evidence_hash")?,
            evidenceLocation: Field::from_wire(&wire.evidence_location, "evidence_location")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            avs: self.avs.to_wire(),
            operator: self.operator.to_wire(),
            operator_set_id: self.operatorSetId.to_wire(),
            strategies: self.strategies.to_wire(),
            wads_to_slash: self.wadsToSlash.to_wire(),
            description: self.description.to_wire(),
            evidence_hash: self.evidenceHash.to_wire(),
            evidence_location: self.evidenceLocation.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            avs: Field::from_json(&json.avs, "avs")?,
            operator: Field::from_json(&json.operator, "operator")?,
            operatorSetId: Field::from_json(&json.operator_set_id, "operator_set_id")?,
            strategies: Field::from_json(&json.strategies, "strategies")?,
            wadsToSlash: Field::from_json(&json.wads_to_slash, "wads_to_slash")?,
            description: Field::from_json(&json.description, "description")?,
            evidenceHash: Field::from_json(&json.evidence_hash, "evidence_hash")?,
            evidenceLocation: Field::from_json(&json.evidence_location, "evidence_location")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            avs: self.avs.to_json(),
            operator: self.operator.to_json(),
            operator_set_id: self.operatorSetId.to_json(),
            strategies: self.strategies.to_json(),
            wads_to_slash: self.wadsToSlash.to_json(),
            description: self.description.to_json(),
            evidence_hash: self.evidenceHash.to_json(),
            evidence_location: self.evidenceLocation.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

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
    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        let refuse = |code, detail: String| Err(Refusal::new(code, detail));
        if !self.strategies.is_empty() && self.strategies.len() != self.wadsToSlash.len() {
            return refuse(
                Code::WadsLengthMismatch,
                format!("{} strategies, {} wads", self.strategies.len(), self.wadsToSlash.len()),
            );
        }
        strategies::check(&self.strategies)?;
        if let Some(bad) = self.wadsToSlash.iter().find(|w| w.is_zero() || **w > WHOLE) {
            return refuse(Code::WadOutOfRange, format!("wad {bad}"));
        }
        if self.description.len() > DESCRIPTION_BYTES_MAX || self.description.chars().any(is_deceptive) {
            return refuse(Code::DescriptionInvalid, format!("{} bytes", self.description.len()));
        }
        if definition.contracts_of(self.avs).is_ok() && self.evidence().is_none() {
            return refuse(Code::EvidenceMissing, "the gate takes each piece of evidence once".to_owned());
        }
        self.check_evidence()
    }

    /// One call of `slashOperator`; with a gate, what schedules that.
    fn call(&self, definition: &Definition) -> Call {
        if let Some(scheduled) = self.scheduled(definition) {
            return scheduled.call(false).clone();
        }
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

    /// Through the gate, where the AVS has one.
    fn scheduled(&self, definition: &Definition) -> Option<Scheduled> {
        let contracts = definition.contracts_of(self.avs).ok()?;
        Some(gate::slash(contracts, self.signing_hash(&domain(definition)), self))
    }

    fn render(&self, definition: &Definition) -> Rendering {
        let shares = || self.strategies.iter().zip(&self.wadsToSlash);
        let share = |(strategy, wad)| format!("{} in strategy {strategy}", percentage(wad));
        let evidence = self.evidence().map(|hash| match self.evidenceLocation.as_str() {
            "" => format!("evidence {hash}"),
            location => format!("evidence {hash} at {location}"),
        });
        let warning = |(strategy, wad): (_, &U256)| match *wad {
            WHOLE => Some(format!("takes all that is allocated in strategy {strategy}")),
            wad if wad < SMALL => {
                Some(format!("so little in strategy {strategy} that rounding may leave nothing to take"))
            }
            _ => None,
        };
        Rendering {
            title: format!("slash operator {} of AVS {}, set {}", self.operator, self.avs, self.operatorSetId),
            details: shares()
                .map(share)
                .chain([format!("\"{}\"", self.description)])
                .chain(evidence)
                .chain(definition.contracts_of(self.avs).ok().map(through))
                .collect(),
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
            // The chain is not told: the nonce, made of the request's id, binds it.
            evidenceHash: B256::ZERO,
            evidenceLocation: String::new(),
            account: terms.account,
            nonce: terms.nonce,
            deadline: terms.deadline,
        }))
    }
}

impl SlashOperator {
    /// The hash of its evidence, where it names any.
    #[must_use]
    pub fn evidence(&self) -> Option<B256> {
        Some(self.evidenceHash).filter(|hash| !hash.is_zero())
    }

    /// A location is of something that can be compared with its hash, and of a scheme that people know.
    fn check_evidence(&self) -> Result<(), Refusal> {
        let location = self.evidenceLocation.as_str();
        let known = || SCHEMES.iter().any(|scheme| location.len() > scheme.len() && location.starts_with(scheme));
        let sound = location.len() <= LOCATION_BYTES_MAX
            && !location.chars().any(|c| is_deceptive(c) || c.is_whitespace())
            && known()
            && self.evidence().is_some();
        if location.is_empty() || sound {
            return Ok(());
        }
        let wanted = format!("{} and up to {LOCATION_BYTES_MAX} bytes, with a hash", SCHEMES.join(" or "));
        Err(Refusal::new(Code::OperationFieldInvalid, format!("evidence_location: {wanted}")))
    }
}

/// Where evidence can be.
const SCHEMES: [&str; 3] = ["https://", "http://", "ipfs://"];

fn through(contracts: &Contracts) -> String {
    format!(
        "through gate {}: scheduled first, executed once its delay has passed, until then to be cancelled",
        contracts.gate
    )
}

fn no_evidence() -> String {
    B256::ZERO.to_string()
}

/// What somebody else wrote, fit for logs and people: a part of so many bytes, without what could make it lie.
#[must_use]
pub fn sanitised(text: &str, bytes_max: usize) -> String {
    let mut kept = String::new();
    for c in text.chars().map(|c| if is_deceptive(c) { ' ' } else { c }) {
        if kept.len() + c.len_utf8() > bytes_max {
            break;
        }
        kept.push(c);
    }
    kept
}

/// Control characters and Unicode's direction and invisible format characters, which could make a log line lie.
pub(super) fn is_deceptive(c: char) -> bool {
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
