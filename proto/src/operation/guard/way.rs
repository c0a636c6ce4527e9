//! The ways of a call to its contract: at once, through the AccessManager, or through the timelock.
//!
//! Where there is a delay on chain the account calls twice, with the same inner call: to schedule, and later to execute.

use super::contracts::{IAccessManager, ITimelockController};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::Contracts;
use crate::operation::calldata;
use alloy_primitives::{Address, B256, Bytes, U256, aliases::U48};
use alloy_sol_types::SolCall;

pub(super) const SCHEDULE: &str = "schedule";
pub(super) const EXECUTE: &str = "execute";

/// How a call gets to its contract.
pub(super) enum Way<'a> {
    /// The role has no delay.
    Direct,
    /// The role has a delay in the AccessManager.
    Manager(&'a str),
    /// Only the AccessManager's admin may, which the timelock is.
    Timelock(&'a str, B256, u64),
}

impl Way<'_> {
    /// What the account calls so that `target` is called with `data`.
    pub(super) fn call(&self, contracts: &Contracts, target: Address, data: Vec<u8>) -> Call {
        let data = Bytes::from(data);
        let (target, data) = match *self {
            Self::Direct => return Call { target, value: U256::ZERO, data },
            Self::Manager(EXECUTE) => (contracts.manager, IAccessManager::executeCall { target, data }.abi_encode()),
            // The earliest time that the role's delay allows.
            Self::Manager(_) => {
                (contracts.manager, IAccessManager::scheduleCall { target, data, when: U48::ZERO }.abi_encode())
            }
            Self::Timelock(EXECUTE, salt, _) => {
                let (value, predecessor) = (U256::ZERO, B256::ZERO);
                let call = ITimelockController::executeCall { target, value, payload: data, predecessor, salt };
                (contracts.timelock, call.abi_encode())
            }
            Self::Timelock(_, salt, delay) => {
                let (value, predecessor, delay) = (U256::ZERO, B256::ZERO, U256::from(delay));
                let call = ITimelockController::scheduleCall { target, value, data, predecessor, salt, delay };
                (contracts.timelock, call.abi_encode())
            }
        };
        Call { target, value: U256::ZERO, data: data.into() }
    }

    /// Whether step, reference and delay are what this way takes: a timelock's delay is said when it schedules, and by nobody
    /// else. `reference` is `None` where calldata has no place for one.
    pub(super) fn check(&self, reference: Option<B256>, delay: u64) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::new(Code::OperationFieldInvalid, why));
        if let Self::Manager(step) | Self::Timelock(step, ..) = *self
            && ![SCHEDULE, EXECUTE].contains(&step)
        {
            return refuse("step: schedule or execute");
        }
        if reference.is_some_and(|reference| reference.is_zero()) {
            return refuse("reference: zero is nobody's");
        }
        let delayed = matches!(self, Self::Timelock(SCHEDULE, ..));
        if delayed == (delay == 0) {
            return refuse("delay: seconds, where a timelock operation is scheduled; else 0");
        }
        Ok(())
    }

    /// What people are told of the step.
    pub(super) fn show(&self, contracts: &Contracts) -> Vec<String> {
        let through = match *self {
            Self::Direct => return vec!["takes effect at once".to_owned()],
            Self::Manager(_) => format!("through the AccessManager {}", contracts.manager),
            Self::Timelock(..) => format!("through the timelock {}", contracts.timelock),
        };
        let step = match *self {
            Self::Timelock(SCHEDULE, _, delay) => {
                format!("step schedule: can be executed {delay} seconds later, and until then be cancelled")
            }
            Self::Manager(SCHEDULE) => {
                "step schedule: can be executed once the role's delay has passed, and until then be cancelled"
                    .to_owned()
            }
            _ => "step execute: takes effect at once, if it was scheduled and not cancelled".to_owned(),
        };
        vec![step, through]
    }
}

/// A scheduled or executed call, taken out of its way.
pub(super) struct Opened {
    pub(super) step: String,
    /// The timelock's salt; `None` on the way through the AccessManager.
    pub(super) salt: Option<B256>,
    pub(super) delay: u64,
    pub(super) target: Address,
    pub(super) data: Bytes,
}

/// Reads what is called on the way. What has one value only is left out: the operation's own call shows whether it had it.
pub(super) fn open(data: &[u8]) -> Result<Option<Opened>, Refusal> {
    let opened =
        |step: &str, salt, delay, target, data| Ok(Some(Opened { step: step.to_owned(), salt, delay, target, data }));
    if let Some(call) = calldata::decode::<IAccessManager::scheduleCall>(data)? {
        return opened(SCHEDULE, None, 0, call.target, call.data);
    }
    if let Some(call) = calldata::decode::<IAccessManager::executeCall>(data)? {
        return opened(EXECUTE, None, 0, call.target, call.data);
    }
    if let Some(call) = calldata::decode::<ITimelockController::scheduleCall>(data)? {
        return opened(SCHEDULE, Some(call.salt), call.delay.saturating_to(), call.target, call.data);
    }
    if let Some(call) = calldata::decode::<ITimelockController::executeCall>(data)? {
        return opened(EXECUTE, Some(call.salt), 0, call.target, call.payload);
    }
    Ok(None)
}
