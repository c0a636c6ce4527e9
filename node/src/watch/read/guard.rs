//! Events of Firn's own contracts and of the accounts of its keys.

use super::super::events::{
    FrostAccountEvents, GuardEvents, Manager, ManagerEvents, SpendingEvents, Timelock, TimelockEvents,
};
use super::super::known::Question;
use super::super::notice::Level::{self, Alarm, Info, Warning};
use super::{Said, Scene, When, data, selector};
use crate::chain::authority::{CANCELLER, EXECUTOR, PROPOSER, holders, resolve, role_name};
use crate::chain::events::Event;
use alloy::primitives::{Address, B256};
use alloy::sol_types::SolEventInterface;
use firn_proto::definition::{Contracts, Purpose};
use serde_json::json;

/// How long the AccessManager lets an operation be executed once it is ready: OpenZeppelin's constant, in seconds.
const EXPIRATION: u64 = 7 * 86_400;

impl Scene<'_> {
    pub(super) fn manager(&self, of: &Contracts, event: &Event, read: ManagerEvents) -> Said {
        match read {
            ManagerEvents::OperationScheduled(e) => self.scheduled(&e),
            ManagerEvents::OperationExecuted(e) => {
                let fields = json!({ "operation": e.operationId });
                Said::new("operation_executed", Info, format!("operation {} was executed", e.operationId), fields)
            }
            ManagerEvents::OperationCanceled(e) => cancelled(e.operationId),
            ManagerEvents::RoleGranted(e) => self.granted(of, event, &e),
            ManagerEvents::RoleRevoked(e) => {
                let (role, account) = (role_name(e.roleId), self.label(e.account));
                let fields = json!({ "role": role, "account": e.account });
                Said::new("role_revoked", Warning, format!("{account} does not hold {role} any more"), fields)
            }
            ManagerEvents::RoleAdminChanged(e) => {
                let (role, admin) = (role_name(e.roleId), role_name(e.admin));
                changed(format!("{admin} grants and revokes {role}"), json!({ "role": role, "admin": admin }))
            }
            ManagerEvents::RoleGuardianChanged(e) => {
                let (role, guardian) = (role_name(e.roleId), role_name(e.guardian));
                let text = format!("{guardian} may cancel what {role} has scheduled");
                changed(text, json!({ "role": role, "guardian": guardian }))
            }
            ManagerEvents::RoleGrantDelayChanged(e) => {
                let role = role_name(e.roleId);
                let fields = json!({ "role": role, "delay": e.delay });
                changed(format!("grants of {role} take effect {} s later", e.delay), fields)
                    .until("it takes effect", When::Time(e.since.to()))
            }
            ManagerEvents::TargetClosed(e) => {
                let what = if e.closed { "takes calls from nobody" } else { "takes calls again" };
                changed(format!("{} {what}", self.label(e.target)), json!({ "target": e.target, "closed": e.closed }))
            }
            ManagerEvents::TargetFunctionRoleUpdated(e) => {
                let role = role_name(e.roleId);
                let fields = json!({ "target": e.target, "selector": e.selector, "role": role });
                changed(format!("{role} may call {} of {}", e.selector, self.label(e.target)), fields)
            }
            ManagerEvents::TargetAdminDelayUpdated(e) => {
                let fields = json!({ "target": e.target, "delay": e.delay });
                changed(format!("what concerns {} as a target waits {} s", self.label(e.target), e.delay), fields)
                    .until("it takes effect", When::Time(e.since.to()))
            }
        }
    }

    /// Of an account of ours a request has to explain it. Of others it is said who it was.
    fn scheduled(&self, e: &Manager::OperationScheduled) -> Said {
        let ready: u64 = e.schedule.to();
        let (caller, target) = (self.label(e.caller), self.label(e.target));
        let text = format!("{caller} scheduled a call of {} of {target}", selector(&e.data));
        let fields = json!({
            "operation": e.operationId,
            "caller": e.caller,
            "target": e.target,
            "data": data(&e.data),
            "ready": ready,
            "expires": ready.saturating_add(EXPIRATION),
        });
        let ours = self.known.is_ours(e.caller);
        let said = Said::new("operation_scheduled", if ours { Info } else { Warning }, text, fields);
        let said = said.until("it can be executed", When::Time(ready));
        if ours { said.asks(Question::Operation(e.operationId), "unknown_operation") } else { said }
    }

    fn granted(&self, of: &Contracts, event: &Event, e: &Manager::RoleGranted) -> Said {
        let (role, account) = (role_name(e.roleId), self.label(e.account));
        let declared = of.declared.as_ref().map(|declared| holders(of, declared, &self.known.accounts, e.roleId));
        let back = self.is_taken_back(of, event, |log| {
            let later = ManagerEvents::decode_log(log).map(|later| later.data);
            matches!(later, Ok(ManagerEvents::RoleRevoked(later)) if (later.roleId, later.account) == (e.roleId, e.account))
        });
        let level = if back { Info } else { self.judged(declared, e.account, e.delay) };
        let text = format!("{account} holds {role}, with a delay of {} s", e.delay);
        let fields = json!({ "role": role, "role_id": e.roleId.to_string(), "account": e.account, "delay": e.delay });
        let said = Said::new("role_granted", level, text, fields);
        // What takes effect with its block has nothing to be waited for.
        if e.newMember { said.until("it takes effect", When::Time(e.since.to())) } else { said }
    }

    /// As declared, against what is declared, or neither: of a key that this node is no member of it knows no account.
    fn judged(&self, declared: Option<Vec<(Result<Address, String>, u32)>>, account: Address, delay: u32) -> Level {
        let Some(holders) = declared else { return Warning };
        if holders.contains(&(Ok(account), delay)) {
            return Info;
        }
        let foreign = holders.iter().any(|(holder, least)| holder.is_err() && delay == *least);
        if foreign && !self.known.is_ours(account) { Warning } else { Alarm }
    }

    pub(super) fn timelock(&self, of: &Contracts, event: &Event, read: TimelockEvents) -> Said {
        match read {
            TimelockEvents::CallScheduled(e) => self.locked(of, &e),
            TimelockEvents::CallExecuted(e) => {
                let text = format!("timelock operation {} was executed, call {}", e.id, e.index);
                Said::new("operation_executed", Info, text, json!({ "operation": e.id, "index": e.index.to_string() }))
            }
            TimelockEvents::Cancelled(e) => cancelled(e.id),
            TimelockEvents::MinDelayChange(e) => {
                let fields = json!({ "from": e.oldDuration.to_string(), "to": e.newDuration.to_string() });
                let text = format!("the timelock's least delay is {} s, and was {} s", e.newDuration, e.oldDuration);
                Said { level: if e.newDuration < e.oldDuration { Alarm } else { Warning }, ..changed(text, fields) }
            }
            TimelockEvents::RoleGranted(e) => {
                let back = self.is_taken_back(of, event, |log| {
                    let later = TimelockEvents::decode_log(log).map(|later| later.data);
                    matches!(later, Ok(TimelockEvents::RoleRevoked(later)) if (later.role, later.account) == (e.role, e.account))
                });
                let level = if back { Info } else { self.judged(self.lock_holders(of, e.role), e.account, 0) };
                let role = lock_role(e.role);
                let fields = json!({ "role": role, "account": e.account });
                Said::new(
                    "role_granted",
                    level,
                    format!("{} holds the timelock's {role}", self.label(e.account)),
                    fields,
                )
            }
            TimelockEvents::RoleRevoked(e) => {
                let (role, account) = (lock_role(e.role), self.label(e.account));
                let text = format!("{account} does not hold the timelock's {role} any more");
                Said::new("role_revoked", Warning, text, json!({ "role": role, "account": e.account }))
            }
        }
    }

    /// The timelock does not log who scheduled: it is ours to explain where our key alone may propose, as far as is declared.
    fn locked(&self, of: &Contracts, e: &Timelock::CallScheduled) -> Said {
        let text = format!("the timelock was told to call {} of {}", selector(&e.data), self.label(e.target));
        let fields = json!({
            "operation": e.id,
            "index": e.index.to_string(),
            "target": e.target,
            "value": e.value.to_string(),
            "data": data(&e.data),
            "delay": e.delay.to_string(),
        });
        let governance =
            self.definition.authorities.iter().find(|a| (a.avs, a.purpose) == (of.avs, Purpose::Governance));
        let member = governance.is_some_and(|authority| self.known.accounts.contains_key(&authority.key));
        let declared = of.declared.as_ref().map(|declared| resolve(&declared.governance, &self.known.accounts));
        let ours = member && declared.is_none_or(|holder| holder.is_ok_and(|account| self.known.is_ours(account)));
        let said = Said::new("operation_scheduled", if ours { Info } else { Warning }, text, fields);
        let said = said.until("it can be executed", When::Delay(e.delay.saturating_to()));
        // One question for all calls of a batch; each is shown.
        if ours { said.asks(Question::Operation(e.id), "unknown_operation") } else { said }
    }

    /// Who is declared to hold a role of the timelock. Its admin is the timelock itself.
    fn lock_holders(&self, of: &Contracts, role: B256) -> Option<Vec<(Result<Address, String>, u32)>> {
        let governance = resolve(&of.declared.as_ref()?.governance, &self.known.accounts);
        Some(match role {
            PROPOSER => vec![(governance, 0)],
            CANCELLER => vec![(Ok(of.timelock_veto), 0)],
            EXECUTOR => vec![(Ok(Address::ZERO), 0)],
            _ => vec![(Ok(of.timelock), 0)],
        })
    }

    pub(super) fn guard(&self, of: &Contracts, at: Address, read: GuardEvents) -> Said {
        let which = self.label(at);
        match read {
            GuardEvents::Paused(e) => {
                let fields = json!({ "reference": e.requestId, "until": e.until });
                Said::new("paused", Warning, format!("{which} is paused"), fields)
                    .until("the pause ends", When::Time(e.until))
            }
            GuardEvents::Unpaused(e) => {
                Said::new("unpaused", Info, format!("{which} is paused no more"), json!({ "reference": e.requestId }))
            }
            GuardEvents::AuthorityUpdated(e) => {
                let level = if e.authority == of.manager { Info } else { Alarm };
                let text = format!("{which} obeys {}", self.label(e.authority));
                Said::new("rules_changed", level, text, json!({ "authority": e.authority }))
            }
            GuardEvents::LimitsSet(e) => {
                let limits = e.limits;
                let text = format!(
                    "operator set {} has other limits: a slash may take {} to {} of 10^18",
                    e.operatorSetId, limits.minWad, limits.maxWad
                );
                let fields = json!({
                    "reference": e.requestId,
                    "operator_set_id": e.operatorSetId,
                    "min_wad": limits.minWad.to_string(),
                    "max_wad": limits.maxWad.to_string(),
                    "operator_budget": limits.operatorBudget.to_string(),
                    "set_budget": limits.setBudget.to_string(),
                    "window": limits.window,
                    "cool_down": limits.coolDown,
                });
                Said::new("limits_set", Warning, text, fields)
            }
            GuardEvents::Unpinned(e) => {
                let fields = json!({ "reference": e.requestId, "operator_set_id": e.operatorSetId });
                Said::new(
                    "unpinned",
                    Warning,
                    format!("the gate slashes in operator set {} no more", e.operatorSetId),
                    fields,
                )
            }
        }
    }

    pub(super) fn spending(&self, read: SpendingEvents) -> Said {
        match read {
            SpendingEvents::Paid(e) => {
                let text = format!("the treasury paid {} of {} to {}", e.amount, e.token, self.label(e.to));
                let fields = json!({
                    "reference": e.requestId,
                    "token": e.token,
                    "to": e.to,
                    "amount": e.amount.to_string(),
                    "received": e.received.to_string(),
                    "large": e.large,
                });
                Said::new("paid", Info, text, fields)
            }
            SpendingEvents::PayeeSet(e) => {
                let text = format!("the treasury's terms for {} in {} changed", self.label(e.payee), e.token);
                let fields = json!({
                    "reference": e.requestId,
                    "token": e.token,
                    "payee": e.payee,
                    "budget": e.terms.budget.to_string(),
                    "large_budget": e.terms.largeBudget.to_string(),
                    "window": e.terms.window,
                });
                Said::new("payee_set", Warning, text, fields)
            }
            SpendingEvents::HandedOver(e) => {
                let text = format!("{} has everything of the treasury from here on", self.label(e.successor));
                let fields = json!({ "reference": e.requestId, "successor": e.successor });
                Said::new("handed_over", Alarm, text, fields)
            }
            SpendingEvents::Forwarded(e) => {
                let text = format!("the treasury sent {} of {} to its successor", e.amount, e.token);
                let fields = json!({ "token": e.token, "to": e.successor, "amount": e.amount.to_string() });
                Said::new("paid", Info, text, fields)
            }
        }
    }

    pub(super) fn account(&self, at: Address, read: &FrostAccountEvents) -> Said {
        match read {
            FrostAccountEvents::Executed(e) => {
                let fields = json!({ "account": at, "nonce": e.nonce.to_string() });
                let text = format!("{} executed what its key has signed", self.label(at));
                Said::new("account_executed", Info, text, fields)
                    .asks(Question::Execution(at, e.nonce), "unknown_execution")
            }
            FrostAccountEvents::NonceInvalidated(e) => {
                let fields = json!({ "account": at, "nonce": e.nonce.to_string() });
                let text = format!("{} will never execute the payload of nonce {:#x}", self.label(at), e.nonce);
                Said::new("nonce_invalidated", Warning, text, fields)
            }
        }
    }
}

fn cancelled(operation: B256) -> Said {
    let fields = json!({ "operation": operation });
    Said::new("operation_canceled", Warning, format!("operation {operation} was cancelled"), fields)
}

fn changed(text: String, fields: serde_json::Value) -> Said {
    Said::new("rules_changed", Warning, text, fields)
}

/// A role of the timelock by its name.
fn lock_role(role: B256) -> String {
    let known = [(PROPOSER, "PROPOSER"), (CANCELLER, "CANCELLER"), (EXECUTOR, "EXECUTOR"), (B256::ZERO, "ADMIN")];
    let name = known.into_iter().find(|(id, _)| *id == role).map(|(_, name)| name.to_owned());
    name.unwrap_or_else(|| format!("role {role}"))
}
