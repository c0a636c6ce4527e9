//! A slash through the gate of its AVS: the account schedules it in the AccessManager, and executes it once its role's delay
//! has passed and nobody has cancelled it. These are two payloads of one request, each signed in a session of its own.

use super::contracts::{ISlashGate, SlashingParams};
use super::way::{EXECUTE, SCHEDULE, Way};
use crate::account::Call;
use crate::definition::Contracts;
use crate::operation::SlashOperator;
use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{SolCall, SolValue};

/// What is scheduled in an AccessManager, and executed later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scheduled {
    /// The AccessManager.
    pub manager: Address,
    /// What it shall call.
    pub target: Address,
    /// With this.
    pub data: Vec<u8>,
    /// How the manager names it: `hashOperation` of OpenZeppelin's AccessManager, over caller, target and data.
    pub id: B256,
    schedule: Call,
    execute: Call,
}

impl Scheduled {
    fn new(contracts: &Contracts, caller: Address, target: Address, data: Vec<u8>) -> Self {
        Self {
            manager: contracts.manager,
            target,
            id: keccak256((caller, target, &data[..]).abi_encode_params()),
            schedule: Way::Manager(SCHEDULE).call(contracts, target, data.clone()),
            execute: Way::Manager(EXECUTE).call(contracts, target, data.clone()),
            data,
        }
    }

    /// The call that schedules it, or the one that executes it.
    #[must_use]
    pub fn call(&self, second: bool) -> &Call {
        if second { &self.execute } else { &self.schedule }
    }
}

/// A slash for this request, with evidence that the gate takes once.
pub(in crate::operation) fn slash(contracts: &Contracts, request: B256, slash: &SlashOperator) -> Scheduled {
    let params = SlashingParams {
        operator: slash.operator,
        operatorSetId: slash.operatorSetId,
        strategies: slash.strategies.clone(),
        wadsToSlash: slash.wadsToSlash.clone(),
        description: slash.description.clone(),
    };
    let call = ISlashGate::slashCall { requestId: request, evidence: slash.evidenceHash, avs: slash.avs, params };
    Scheduled::new(contracts, slash.account, contracts.gate, call.abi_encode())
}
