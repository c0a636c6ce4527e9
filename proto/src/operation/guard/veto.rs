//! `PauseContract`, `UnpauseContract`, `CancelScheduled` and `CancelTimelocked`: what the veto stops. None of it has a delay.

use super::Act;
use super::contracts::IAccessManager::cancelCall as cancelScheduledCall;
use super::contracts::IGuarded::{pauseCall, unpauseCall};
use super::contracts::ITimelockVeto::cancelCall as cancelTimelockedCall;
use super::way::Way;
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Contracts, Purpose};
use crate::limits::CANCELLED_BYTES_MAX;
use crate::operation::form::written;
use crate::operation::{Operation, Rendering, Terms, calldata, listed_call, selector_of};
use alloy_primitives::{Address, B256, FixedBytes};
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Stop gate or treasury until a second since 1970, 21 days at most from the pause's beginning.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct PauseContract {
        #[serde(with = "written")] address avs;
        string which;
        uint64 until;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }

    /// End that early.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct UnpauseContract {
        #[serde(with = "written")] address avs;
        string which;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }

    /// Cancel what `caller` has scheduled in the AccessManager: to call `target` with `data`, whatever that is.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct CancelScheduled {
        #[serde(with = "written")] address avs;
        #[serde(with = "written")] address caller;
        #[serde(with = "written")] address target;
        #[serde(with = "written")] bytes data;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }

    /// Cancel what is scheduled in the timelock.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct CancelTimelocked {
        #[serde(with = "written")] address avs;
        #[serde(rename = "operation_id", with = "written")] bytes32 operationId;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }
}

const GATE: &str = "gate";
const TREASURY: &str = "treasury";

/// What the AccessManager delays, so that people can be shown what they cancel.
const OF_GATE: [&str; 3] = [
    "function slash(bytes32,bytes32,address,(address,uint32,address[],uint256[],string))",
    "function tightenLimits(bytes32,address,uint32,(uint64,uint64,uint64,uint72,uint32,uint32))",
    "function unpin(bytes32,address,uint32)",
];
const OF_TREASURY: [&str; 4] = [
    "function pay(bytes32,address,address,uint256)",
    "function payLarge(bytes32,address,address,uint256)",
    "function setPayee(bytes32,address,address,(uint128,uint128,uint32))",
    "function handOver(bytes32,address,address[])",
];
const OF_MANAGER: [&str; 2] = ["function grantRole(uint64,address,uint32)", "function revokeRole(uint64,address)"];

fn contract(contracts: &Contracts, which: &str) -> Address {
    if which == GATE { contracts.gate } else { contracts.treasury }
}

fn check_contract(which: &str, reference: B256) -> Result<(), Refusal> {
    if ![GATE, TREASURY].contains(&which) {
        return Err(Refusal::new(Code::OperationFieldInvalid, "which: gate or treasury"));
    }
    Way::Direct.check(Some(reference), 0)
}

impl Act for PauseContract {
    const PURPOSE: Purpose = Purpose::Veto;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        check_contract(&self.which, self.reference)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let data = pauseCall { requestId: self.reference, until: self.until }.abi_encode();
        Way::Direct.call(contracts, contract(contracts, &self.which), data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let details = [
            format!("until second {} since 1970, {} seconds after the deadline", self.until, self.left()),
            format!("contract {}", contract(contracts, &self.which)),
            format!("reference {}", self.reference),
        ];
        let effect = if self.which == GATE { "nobody can be slashed" } else { "nobody can be paid" };
        Rendering {
            title: format!("pause the {} of AVS {}", self.which, self.avs),
            details: Way::Direct.show(contracts).into_iter().chain(details).collect(),
            warnings: vec![format!("{effect} meanwhile; the next pause can begin 7 days after this one's end")],
        }
    }
}

impl PauseContract {
    fn left(&self) -> u64 {
        self.until.saturating_sub(self.deadline)
    }
}

impl Act for UnpauseContract {
    const PURPOSE: Purpose = Purpose::Veto;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        check_contract(&self.which, self.reference)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let data = unpauseCall { requestId: self.reference }.abi_encode();
        Way::Direct.call(contracts, contract(contracts, &self.which), data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let address = format!("contract {}", contract(contracts, &self.which));
        let details = [address, format!("reference {}", self.reference)];
        Rendering {
            title: format!("end the pause of the {} of AVS {}", self.which, self.avs),
            details: Way::Direct.show(contracts).into_iter().chain(details).collect(),
            warnings: vec![
                "what was scheduled before can be executed again, and no pause can follow for 7 days".to_owned(),
            ],
        }
    }
}

impl CancelScheduled {
    /// The scheduled call with its arguments, where it is one of the AVS's contracts'.
    fn read(&self, contracts: &Contracts) -> Option<Vec<String>> {
        let (name, signatures) = match self.target {
            target if target == contracts.gate => (GATE, OF_GATE.as_slice()),
            target if target == contracts.treasury => (TREASURY, OF_TREASURY.as_slice()),
            target if target == contracts.manager => ("AccessManager", OF_MANAGER.as_slice()),
            _ => return None,
        };
        let selector = FixedBytes::<4>::from_slice(self.data.get(..4)?);
        let is = |signature: &&&str| selector_of(signature.trim_start_matches("function ")) == selector;
        let read = listed_call::arguments(signatures.iter().find(is)?, self.data.get(4..)?).ok()?;
        Some([format!("of the {name}")].into_iter().chain(read.render()).collect())
    }
}

impl Act for CancelScheduled {
    const PURPOSE: Purpose = Purpose::Veto;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    /// A veto is always possible: what is cancelled needs no sense.
    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        if self.data.len() > CANCELLED_BYTES_MAX {
            let why = format!("{} bytes, at most {CANCELLED_BYTES_MAX}: pause the contract instead", self.data.len());
            return Err(calldata::invalid(why));
        }
        Ok(())
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let Self { caller, target, ref data, .. } = *self;
        let data = cancelScheduledCall { caller, target, data: data.clone() }.abi_encode();
        Way::Direct.call(contracts, contracts.manager, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let read = self.read(contracts);
        let unreadable =
            "the scheduled call is none of the AVS's contracts' that can be read: find out who scheduled it";
        let warnings = read.is_none().then(|| unreadable.to_owned());
        let raw = || vec![format!("calldata {}", self.data)];
        let call = format!("a call of {} that {} has scheduled", self.target, self.caller);
        Rendering {
            title: format!("cancel {call}, for AVS {}", self.avs),
            details: Way::Direct.show(contracts).into_iter().chain(read.unwrap_or_else(raw)).collect(),
            warnings: warnings.into_iter().collect(),
        }
    }
}

impl Act for CancelTimelocked {
    const PURPOSE: Purpose = Purpose::Veto;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        Way::Direct.check(Some(self.reference), 0)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let (request, operation) = (self.reference, self.operationId);
        let data = cancelTimelockedCall { requestId: request, operationId: operation }.abi_encode();
        Way::Direct.call(contracts, contracts.timelock_veto, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let details = [format!("of timelock {}", contracts.timelock), format!("reference {}", self.reference)];
        Rendering {
            title: format!("cancel timelock operation {} of AVS {}", self.operationId, self.avs),
            details: Way::Direct.show(contracts).into_iter().chain(details).collect(),
            warnings: vec!["its id does not say what it is: look for it in the timelock's events".to_owned()],
        }
    }
}

/// Whether a pause is the gate's or the treasury's, only the called contract says.
pub(super) fn decode(call: &Call, contracts: Option<&Contracts>, terms: Terms) -> Result<Option<Operation>, Refusal> {
    let Terms { avs, account, nonce, deadline } = terms;
    let data = &call.data;
    let treasury = contracts.is_some_and(|contracts| contracts.treasury == call.target);
    let which = (if treasury { TREASURY } else { GATE }).to_owned();
    if let Some(pauseCall { requestId: reference, until }) = calldata::decode(data)? {
        let pause = PauseContract { avs, which, until, reference, account, nonce, deadline };
        return Ok(Some(Operation::PauseContract(pause)));
    }
    if let Some(unpauseCall { requestId: reference }) = calldata::decode(data)? {
        let unpause = UnpauseContract { avs, which, reference, account, nonce, deadline };
        return Ok(Some(Operation::UnpauseContract(unpause)));
    }
    if let Some(cancelScheduledCall { caller, target, data }) = calldata::decode(data)? {
        let cancel = CancelScheduled { avs, caller, target, data, account, nonce, deadline };
        return Ok(Some(Operation::CancelScheduled(cancel)));
    }
    let cancel = calldata::decode(data)?;
    Ok(cancel.map(|cancelTimelockedCall { requestId: reference, operationId }| {
        Operation::CancelTimelocked(CancelTimelocked { avs, operationId, reference, account, nonce, deadline })
    }))
}
