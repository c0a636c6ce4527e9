//! `GrantRole` and `RevokeRole`: who holds which power in the AccessManager.
//!
//! Its admin is the timelock, so that is the way, but for the veto: who holds that is changed through the AccessManager by the
//! governance account as RECOVERY, which no veto can cancel.

use super::Act;
use super::contracts::IAccessManager::{grantRoleCall, revokeRoleCall};
use super::way::{Opened, Way};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Contracts, Purpose};
use crate::operation::form::written;
use crate::operation::{Operation, Rendering, Terms, calldata, nonzero};
use alloy_primitives::B256;
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Give `member` a role, whose acts it may execute `executionDelay` seconds after it scheduled them.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct GrantRole {
        #[serde(with = "written")] address avs;
        uint64 role;
        #[serde(with = "written")] address member;
        #[serde(rename = "execution_delay")] uint32 executionDelay;
        string step;
        uint64 delay;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }

    /// Take a role from `member`.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct RevokeRole {
        #[serde(with = "written")] address avs;
        uint64 role;
        #[serde(with = "written")] address member;
        string step;
        uint64 delay;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }
}

/// May slash, through the gate (contracts/src/Authority.sol has all of these).
pub const SLASH: u64 = 1;
/// May pay within small budgets.
pub const TREASURY: u64 = 2;
/// May pay within large budgets.
pub const TREASURY_LARGE: u64 = 3;
/// May cancel and pause.
pub const VETO: u64 = 4;
/// May narrow what can be slashed, and say who can be paid.
pub const GOVERNANCE: u64 = 5;
/// May replace the veto's members.
pub const RECOVERY: u64 = 6;
/// May hand the treasury over.
pub const HANDOVER: u64 = 7;

/// Each role with its name and what its holder can do.
const ROLES: [(u64, &str, &str); 7] = [
    (SLASH, "SLASH", "may slash every operator of the pinned sets, within the gate's limits"),
    (TREASURY, "TREASURY", "may pay listed payees within their small budgets"),
    (TREASURY_LARGE, "TREASURY_LARGE", "may pay listed payees within their large budgets"),
    (VETO, "VETO", "may stop gate and treasury for 21 days at a time, and cancel what is scheduled, at once"),
    (GOVERNANCE, "GOVERNANCE", "may tighten limits, unpin operator sets and say who can be paid"),
    (RECOVERY, "RECOVERY", "may replace all who hold the veto, which no veto can cancel"),
    (HANDOVER, "HANDOVER", "may send all that the treasury has to another contract"),
];

/// The name of a role that an Authority grants.
#[must_use]
pub fn name(role: u64) -> Option<&'static str> {
    ROLES.iter().find(|(id, ..)| *id == role).map(|(_, name, _)| *name)
}

/// ADMIN is the timelock's alone, and for ever: another could do everything past all delays and vetoes.
fn known(role: u64) -> Result<(&'static str, &'static str), Refusal> {
    let found = ROLES.into_iter().find(|(id, ..)| *id == role);
    let unknown = || Refusal::new(Code::OperationFieldInvalid, format!("role: {role}, of 1 to 7"));
    found.map(|(_, name, power)| (name, power)).ok_or_else(unknown)
}

fn name_of(role: u64) -> String {
    known(role).map_or_else(|_| format!("unknown role {role}"), |(name, _)| format!("role {name}"))
}

/// The way of a change of a role's members, and of calldata without a place for it no reference.
fn way(role: u64, step: &str, reference: B256, delay: u64) -> Way<'_> {
    if role == VETO { Way::Manager(step) } else { Way::Timelock(step, reference, delay) }
}

fn check(role: u64, step: &str, reference: B256, delay: u64) -> Result<(), Refusal> {
    known(role)?;
    if role == VETO && !reference.is_zero() {
        let why = "reference: zero for the veto role, whose calldata has no place for one";
        return Err(Refusal::new(Code::OperationFieldInvalid, why));
    }
    way(role, step, reference, delay).check((role != VETO).then_some(reference), delay)
}

impl Act for GrantRole {
    const PURPOSE: Purpose = Purpose::Governance;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        nonzero(&[("member", self.member)])?;
        check(self.role, &self.step, self.reference, self.delay)?;
        if (self.executionDelay == 0) != (self.role == VETO) {
            let why = "execution_delay: zero for the veto role, and for no other";
            return Err(Refusal::new(Code::OperationFieldInvalid, why));
        }
        Ok(())
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let Self { role, member: account, executionDelay, .. } = *self;
        let data = grantRoleCall { roleId: role, account, executionDelay }.abi_encode();
        way(self.role, &self.step, self.reference, self.delay).call(contracts, contracts.manager, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let way = way(self.role, &self.step, self.reference, self.delay);
        let power = known(self.role).map_or_else(|refusal| refusal.to_string(), |(_, power)| power.to_owned());
        let delay = format!("its acts wait {} seconds on chain", self.executionDelay);
        let details = [delay, format!("reference {}", self.reference)];
        Rendering {
            title: format!("give {} to {} for AVS {}", name_of(self.role), self.member, self.avs),
            details: way.show(contracts).into_iter().chain(details).collect(),
            warnings: vec![format!("{} {power}", self.member)],
        }
    }
}

impl Act for RevokeRole {
    const PURPOSE: Purpose = Purpose::Governance;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        nonzero(&[("member", self.member)])?;
        check(self.role, &self.step, self.reference, self.delay)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let data = revokeRoleCall { roleId: self.role, account: self.member }.abi_encode();
        way(self.role, &self.step, self.reference, self.delay).call(contracts, contracts.manager, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let way = way(self.role, &self.step, self.reference, self.delay);
        let last = "once nobody holds the veto, nothing that is scheduled can be cancelled".to_owned();
        Rendering {
            title: format!("take {} from {} for AVS {}", name_of(self.role), self.member, self.avs),
            details: way.show(contracts).into_iter().chain([format!("reference {}", self.reference)]).collect(),
            warnings: (self.role == VETO).then_some(last).into_iter().collect(),
        }
    }
}

pub(super) fn decode(opened: &Opened, terms: Terms) -> Result<Option<Operation>, Refusal> {
    let Terms { avs, account, nonce, deadline } = terms;
    let (step, delay, reference) = (opened.step.clone(), opened.delay, opened.salt.unwrap_or_default());
    if let Some(grantRoleCall { roleId: role, account: member, executionDelay }) = calldata::decode(&opened.data)? {
        let grant = GrantRole { avs, role, member, executionDelay, step, delay, reference, account, nonce, deadline };
        return Ok(Some(Operation::GrantRole(grant)));
    }
    let revoke = calldata::decode(&opened.data)?;
    Ok(revoke.map(|revokeRoleCall { roleId: role, account: member }| {
        Operation::RevokeRole(RevokeRole { avs, role, member, step, delay, reference, account, nonce, deadline })
    }))
}
