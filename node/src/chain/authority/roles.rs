//! Who may do what: the AccessManager's roles and functions, and the timelock's.

use super::abi::{IGate, IGuarded, IManager, ITimelock, ITreasury, IVeto};
use super::{Accounts, BOTH, PAYING, SLASHING, Survey, resolve};
use crate::chain::Trouble;
use alloy::primitives::{Address, B256, FixedBytes, b256};
use alloy::sol_types::SolCall;
use firn_proto::definition::declared::Holder;
use firn_proto::definition::{Contracts, Declared, Purpose};
use firn_proto::operation::guard::roles::{
    GOVERNANCE, HANDOVER, RECOVERY, SLASH, TREASURY, TREASURY_LARGE, VETO, name,
};
use std::collections::BTreeSet;

const ADMIN: u64 = 0;

/// Id, guardian, admin role, and what a contradiction stops (contracts/src/Authority.sol).
const ROLES: [(u64, u64, u64, &[Purpose]); 8] = [
    (ADMIN, ADMIN, ADMIN, BOTH),
    (SLASH, VETO, ADMIN, SLASHING),
    (TREASURY, VETO, ADMIN, PAYING),
    (TREASURY_LARGE, VETO, ADMIN, PAYING),
    (VETO, ADMIN, RECOVERY, BOTH),
    (GOVERNANCE, VETO, ADMIN, BOTH),
    (RECOVERY, ADMIN, ADMIN, BOTH),
    (HANDOVER, VETO, ADMIN, PAYING),
];

/// keccak256 of the names that OpenZeppelin's TimelockController gives its roles.
pub(crate) const PROPOSER: B256 = b256!("0xb09aa5aeb3702cfd50b6b62bc4532604938f21248a27a1d5ca736082b6819cc1");
pub(crate) const CANCELLER: B256 = b256!("0xfd643c72710c63c0180259aba6b2d05451e3591a24e58b62239378085726f783");
pub(crate) const EXECUTOR: B256 = b256!("0xd8aa0f3194971a2a116679f7c2090f6939c8d4e01a2a8d7e41d55e5351469e63");

/// The name on chain, where there is one.
pub(crate) fn role_name(id: u64) -> String {
    match (id, name(id)) {
        (ADMIN, _) => "ADMIN".to_owned(),
        (_, Some(name)) => name.to_owned(),
        (u64::MAX, None) => "everybody".to_owned(),
        (_, None) => format!("role {id}"),
    }
}

/// Who is declared to hold a role, with the delay.
pub(crate) fn holders(
    contracts: &Contracts,
    declared: &Declared,
    accounts: &Accounts,
    role: u64,
) -> Vec<(Result<Address, String>, u32)> {
    let delays = declared.delays;
    let one = |holder: &Holder, delay| vec![(resolve(holder, accounts), delay)];
    match role {
        ADMIN => vec![(Ok(contracts.timelock), 0)],
        SLASH => one(&declared.slash, delays.slash),
        TREASURY => one(&declared.treasury, delays.treasury),
        TREASURY_LARGE => one(&declared.treasury, delays.treasury_large),
        GOVERNANCE => one(&declared.governance, delays.governance),
        RECOVERY => one(&declared.governance, delays.recovery),
        HANDOVER => one(&declared.governance, delays.hand_over),
        VETO => declared.veto.iter().map(|holder| (resolve(holder, accounts), 0)).collect(),
        _ => Vec::new(),
    }
}

impl Survey<'_> {
    /// Who holds each role after which delay, who guards and administers it; and roles that nobody declared.
    pub(super) async fn roles(&mut self) -> Result<(), Trouble> {
        let manager = self.contracts.manager;
        let granted: Vec<_> = self.logs.of::<IManager::RoleGranted>(manager).collect();
        // The AccessManager's first act is to make its creator admin: logs without that begin too late to show everything.
        let from_the_start = granted.iter().any(|log| log.roleId == ADMIN && log.account.create(1) == manager);
        let found = if from_the_start { "its creation" } else { "later: `since` is too high, or the endpoint forgets" };
        self.fact("logs of the AccessManager from", "its creation", found, BOTH);
        let known: BTreeSet<_> = ROLES.iter().map(|(id, ..)| *id).collect();
        let others: BTreeSet<_> =
            granted.iter().map(|log| log.roleId).filter(|id| !known.contains(id) && *id != u64::MAX).collect();
        for (id, guardian, admin, stops) in ROLES {
            let (holders, name) = (holders(self.contracts, self.declared, self.accounts, id), role_name(id));
            self.members(&name, id, &granted, &holders, stops).await?;
            let found = self.ask(manager, IManager::getRoleGuardianCall { roleId: id }).await?;
            self.fact(format!("guardian of {name}"), role_name(guardian), found.map_or_else(none, role_name), stops);
            let found = self.ask(manager, IManager::getRoleAdminCall { roleId: id }).await?;
            self.fact(format!("admin of {name}"), role_name(admin), found.map_or_else(none, role_name), stops);
            let found = self.ask(manager, IManager::getRoleGrantDelayCall { roleId: id }).await?;
            self.fact(format!("grant delay of {name}"), "0 s", found.map_or_else(none, |s| format!("{s} s")), stops);
        }
        for id in others {
            self.members(&role_name(id), id, &granted, &[], BOTH).await?;
        }
        Ok(())
    }

    async fn members(
        &mut self,
        name: &str,
        role: u64,
        granted: &[IManager::RoleGranted],
        holders: &[(Result<Address, String>, u32)],
        stops: &'static [Purpose],
    ) -> Result<(), Trouble> {
        let expected = holders.iter().map(|(holder, delay)| match holder {
            Ok(address) => Expected::Member(format!("{} after {delay} s", self.label(*address))),
            Err(key) => Expected::Foreign { key: key.clone(), suffix: format!(" after {delay} s") },
        });
        let expected: Vec<_> = expected.collect();
        let declared = holders.iter().filter_map(|(holder, _)| holder.as_ref().ok().copied());
        let seen = granted.iter().filter(|log| log.roleId == role).map(|log| log.account);
        let mut found = BTreeSet::new();
        for account in declared.chain(seen).collect::<BTreeSet<_>>() {
            let access = self.ask(self.contracts.manager, IManager::getAccessCall { roleId: role, account }).await?;
            let Some(access) = access.filter(|access| !access.since.is_zero()) else { continue };
            let mut text = format!("{} after {} s", self.label(account), access.currentDelay);
            if access.since.to::<u64>() > self.time.0 {
                text.push_str(&format!(" from {} on", access.since));
            }
            if !access.effect.is_zero() {
                text.push_str(&format!(", {} s from {} on", access.pendingDelay, access.effect));
            }
            found.insert(text);
        }
        self.compare(format!("members of {name}"), &expected, found, stops);
        Ok(())
    }

    /// Holds members against those that are declared. Of a key that this node is no member of it knows no account: then it is seen
    /// that there is one member for each such key and none beside, and its own members see which.
    fn compare(&mut self, name: String, expected: &[Expected], found: BTreeSet<String>, stops: &'static [Purpose]) {
        let fits = |expected: &Expected, found: &String| match expected {
            Expected::Member(member) => member == found,
            Expected::Foreign { suffix, .. } => found.ends_with(suffix.as_str()),
        };
        let members: BTreeSet<_> = expected.iter().filter(|one| matches!(one, Expected::Member(_))).collect();
        let known = members.iter().all(|member| found.iter().any(|found| fits(member, found)));
        let rest = found.iter().filter(|found| !members.iter().any(|member| fits(member, found)));
        let foreign: Vec<_> = expected.iter().filter(|one| !members.contains(one)).collect();
        let fitting = rest.clone().all(|found| foreign.iter().any(|key| fits(key, found)));
        if !foreign.is_empty() && known && fitting && rest.count() == foreign.len() {
            return self.pending(name, format!("{}, of which this node knows not all keys", joined(found)));
        }
        let expected = expected.iter().map(|one| match one {
            Expected::Member(member) => member.clone(),
            Expected::Foreign { key, .. } => format!("key {key}, which has no account here"),
        });
        self.fact(name, joined(expected.collect()), joined(found), stops);
    }

    /// Which role each function takes, for those that are declared and all that were ever changed; and whether a target is
    /// closed, or has a delay of its own.
    pub(super) async fn functions(&mut self) -> Result<(), Trouble> {
        let at = self.contracts;
        let manager = at.manager;
        let expected = self.expected_functions();
        let changed =
            self.logs.of::<IManager::TargetFunctionRoleUpdated>(manager).map(|log| (log.target, log.selector));
        let all: BTreeSet<_> =
            expected.iter().map(|(target, selector, _)| (*target, *selector)).chain(changed).collect();
        for (target, selector) in &all {
            let declared = expected.iter().find(|(t, s, _)| (t, s) == (target, selector));
            let call = IManager::getTargetFunctionRoleCall { target: *target, selector: *selector };
            let found = self.ask(manager, call).await?.map_or_else(none, role_name);
            let (name, stops) = (format!("{selector} of {} takes", self.label(*target)), self.stopped_by(*target));
            self.fact(name, role_name(declared.map_or(ADMIN, |(.., role)| *role)), found, stops);
        }
        let closed = self.logs.of::<IManager::TargetClosed>(manager).map(|log| log.target);
        let delayed = self.logs.of::<IManager::TargetAdminDelayUpdated>(manager).map(|log| log.target);
        let targets = [at.manager, at.timelock_veto, at.gate, at.treasury].into_iter();
        for target in targets.chain(closed).chain(delayed).collect::<BTreeSet<_>>() {
            let (label, stops) = (self.label(target), self.stopped_by(target));
            let found = self.ask(manager, IManager::isTargetClosedCall { target }).await?;
            let found = found.map_or_else(none, |closed| if closed { "closed" } else { "open" }.to_owned());
            self.fact(format!("{label} is"), "open", found, stops);
            let found = self.ask(manager, IManager::getTargetAdminDelayCall { target }).await?;
            self.fact(format!("admin delay of {label}"), "0 s", found.map_or_else(none, |s| format!("{s} s")), stops);
        }
        Ok(())
    }

    fn stopped_by(&self, target: Address) -> &'static [Purpose] {
        match target {
            target if target == self.contracts.gate => SLASHING,
            target if target == self.contracts.treasury => PAYING,
            _ => BOTH,
        }
    }

    fn expected_functions(&self) -> Vec<(Address, FixedBytes<4>, u64)> {
        let at = self.contracts;
        let all = [
            (at.gate, IGate::slashCall::SELECTOR, SLASH),
            (at.gate, IGate::tightenLimitsCall::SELECTOR, GOVERNANCE),
            (at.gate, IGate::unpinCall::SELECTOR, GOVERNANCE),
            (at.gate, IGuarded::pauseCall::SELECTOR, VETO),
            (at.gate, IGuarded::unpauseCall::SELECTOR, VETO),
            (at.treasury, ITreasury::payCall::SELECTOR, TREASURY),
            (at.treasury, ITreasury::payLargeCall::SELECTOR, TREASURY_LARGE),
            (at.treasury, ITreasury::setPayeeCall::SELECTOR, GOVERNANCE),
            (at.treasury, ITreasury::handOverCall::SELECTOR, HANDOVER),
            (at.treasury, IGuarded::pauseCall::SELECTOR, VETO),
            (at.treasury, IGuarded::unpauseCall::SELECTOR, VETO),
            (at.timelock_veto, IVeto::cancelCall::SELECTOR, VETO),
        ];
        all.map(|(target, selector, role)| (target, FixedBytes(selector), role)).into()
    }

    /// The timelock's own roles, and its delay.
    pub(super) async fn timelock(&mut self) -> Result<(), Trouble> {
        let timelock = self.contracts.timelock;
        let granted: Vec<_> = self.logs.of::<ITimelock::RoleGranted>(timelock).collect();
        let governance = resolve(&self.declared.governance, self.accounts);
        let known = [
            ("admin", B256::ZERO, Ok(timelock)),
            ("proposer", PROPOSER, governance),
            ("canceller", CANCELLER, Ok(self.contracts.timelock_veto)),
            ("executor", EXECUTOR, Ok(Address::ZERO)),
        ];
        let others = granted.iter().map(|log| log.role).filter(|role| !known.iter().any(|(_, known, _)| known == role));
        let others: BTreeSet<_> = others.collect();
        for (name, role, holder) in known {
            let expected = match &holder {
                Ok(address) => Expected::Member(self.label(*address)),
                Err(key) => Expected::Foreign { key: key.clone(), suffix: String::new() },
            };
            self.holds(name, role, &granted, holder.ok(), &[expected]).await?;
        }
        for role in others {
            self.holds(&role.to_string(), role, &granted, None, &[]).await?;
        }
        let found = self.ask(timelock, ITimelock::getMinDelayCall {}).await?;
        let expected = format!("{} s", self.declared.delays.timelock);
        self.fact("delay of the timelock", expected, found.map_or_else(none, |s| format!("{s} s")), BOTH);
        Ok(())
    }

    async fn holds(
        &mut self,
        name: &str,
        role: B256,
        granted: &[ITimelock::RoleGranted],
        holder: Option<Address>,
        expected: &[Expected],
    ) -> Result<(), Trouble> {
        let seen = granted.iter().filter(|log| log.role == role).map(|log| log.account);
        let mut found = BTreeSet::new();
        for account in seen.chain(holder).collect::<BTreeSet<_>>() {
            let has = self.ask(self.contracts.timelock, ITimelock::hasRoleCall { role, account }).await?;
            if has == Some(true) {
                found.insert(self.label(account));
            }
        }
        self.compare(format!("{name} of the timelock"), expected, found, BOTH);
        Ok(())
    }
}

/// Who is declared to hold a role.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Expected {
    /// As it is shown.
    Member(String),
    /// A key whose account this node does not know; what is shown of it ends so.
    Foreign { key: String, suffix: String },
}

fn none() -> String {
    "none".to_owned()
}

pub(super) fn joined(all: BTreeSet<String>) -> String {
    if all.is_empty() { "nobody".to_owned() } else { all.into_iter().collect::<Vec<_>>().join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::keccak256;

    #[test]
    fn the_timelocks_roles_are_openzeppelins() {
        for (role, name) in [(PROPOSER, "PROPOSER"), (CANCELLER, "CANCELLER"), (EXECUTOR, "EXECUTOR")] {
            assert_eq!(role, keccak256(format!("{name}_ROLE")));
        }
    }
}
