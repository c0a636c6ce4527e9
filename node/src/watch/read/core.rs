//! EigenLayer's events, of the definition's AVSs and of nobody else.

use super::super::events::{Core, CoreEvents, FrostAccountEvents, OperatorSet};
use super::super::known::{Question, Suspicion};
use super::super::notice::Level::{Alarm, Info, Warning};
use super::{Said, Scene, When, quoted};
use crate::chain::events::Event;
use alloy::primitives::{Address, FixedBytes, U256};
use alloy::sol_types::SolEventInterface;
use serde_json::json;

/// Whose an event is.
enum Of<'a> {
    Set(&'a OperatorSet),
    Avs(Address),
    Everybody,
}

fn of(event: &CoreEvents) -> Of<'_> {
    match event {
        CoreEvents::OperatorSlashed(e) => Of::Set(&e.operatorSet),
        CoreEvents::SlashResolutionBlockSet(e) => Of::Set(&e.operatorSet),
        CoreEvents::BurnOrRedistributableSharesDecreased(e) => Of::Set(&e.operatorSet),
        CoreEvents::SlasherUpdated(e) => Of::Set(&e.operatorSet),
        CoreEvents::SlasherMigrated(e) => Of::Set(&e.operatorSet),
        CoreEvents::OperatorSetCreated(e) => Of::Set(&e.operatorSet),
        CoreEvents::RedistributionAddressSet(e) => Of::Set(&e.operatorSet),
        CoreEvents::StrategyAddedToOperatorSet(e) => Of::Set(&e.operatorSet),
        CoreEvents::StrategyRemovedFromOperatorSet(e) => Of::Set(&e.operatorSet),
        CoreEvents::OperatorRemovedFromOperatorSet(e) => Of::Set(&e.operatorSet),
        CoreEvents::AllocationUpdated(e) => Of::Set(&e.operatorSet),
        CoreEvents::AVSRegistrarSet(e) => Of::Avs(e.avs),
        CoreEvents::AppointeeSet(e) => Of::Avs(e.account),
        CoreEvents::AppointeeRemoved(e) => Of::Avs(e.account),
        CoreEvents::PendingAdminAdded(e) => Of::Avs(e.account),
        CoreEvents::PendingAdminRemoved(e) => Of::Avs(e.account),
        CoreEvents::AdminSet(e) => Of::Avs(e.account),
        CoreEvents::AdminRemoved(e) => Of::Avs(e.account),
        CoreEvents::Paused(_) | CoreEvents::Unpaused(_) => Of::Everybody,
    }
}

impl Scene<'_> {
    /// `None`: another AVS's, or what is of no interest.
    pub(super) fn core(&self, event: &Event, read: CoreEvents) -> Option<Said> {
        let set = match of(&read) {
            Of::Set(set) => Some((set.avs, Some(set.id))),
            Of::Avs(avs) => Some((avs, None)),
            Of::Everybody => None,
        };
        if set.is_some_and(|(avs, _)| !self.is_of_ours(avs)) {
            return None;
        }
        let said = match set {
            Some((avs, Some(set))) => self.of_set(event, (avs, set), read),
            _ => self.of_avs(event, read),
        }?;
        Some(Said { avs: set.map(|(avs, _)| avs), ..said })
    }

    /// Whether the definition speaks of the AVS.
    fn is_of_ours(&self, avs: Address) -> bool {
        let sets = self.definition.operator_sets.iter().map(|set| set.avs);
        let contracts = self.definition.contracts.iter().map(|of| of.avs);
        sets.chain(contracts).chain(self.definition.authorities.iter().map(|of| of.avs)).any(|ours| ours == avs)
    }

    fn of_set(&self, event: &Event, (avs, set): (Address, u32), read: CoreEvents) -> Option<Said> {
        Some(match read {
            CoreEvents::OperatorSlashed(slash) => self.slashed(event, (avs, set), &slash),
            CoreEvents::SlashResolutionBlockSet(e) => {
                let text = format!(
                    "slash {} of operator set {set}: nobody can send on what was taken before its resolution block",
                    e.slashId
                );
                let fields = json!({ "operator_set_id": set, "slash_id": e.slashId.to_string(), "resolution_block": e.resolutionBlock });
                let at = When::Block(u64::from(e.resolutionBlock).saturating_add(1));
                Said::new("slash_resolution", Info, text, fields).until("what was slashed can be sent on", at)
            }
            CoreEvents::BurnOrRedistributableSharesDecreased(e) => {
                let text = format!(
                    "{} shares of strategy {} of slash {} in operator set {set} were sent on",
                    e.shares, e.strategy, e.slashId
                );
                let fields = json!({ "operator_set_id": set, "slash_id": e.slashId.to_string(), "strategy": e.strategy, "shares": e.shares.to_string() });
                Said::new("slash_cleared", Info, text, fields)
            }
            CoreEvents::SlasherUpdated(e) => self.slasher((avs, set), e.slasher, e.effectBlock.into()),
            CoreEvents::SlasherMigrated(e) => self.slasher((avs, set), e.slasher, event.place.0),
            CoreEvents::OperatorSetCreated(_) => {
                let fields = json!({ "operator_set_id": set });
                Said::new("set_created", Warning, format!("operator set {set} of {avs} was created"), fields)
            }
            CoreEvents::RedistributionAddressSet(e) => {
                let recipient = e.redistributionRecipient;
                let expected = self.definition.contracts.iter().any(|of| of.avs == avs && of.treasury == recipient);
                let text = format!("what is slashed in operator set {set} goes to {}, for ever", self.label(recipient));
                let fields = json!({ "operator_set_id": set, "recipient": recipient });
                Said::new("recipient_set", if expected { Info } else { Warning }, text, fields)
            }
            CoreEvents::StrategyAddedToOperatorSet(e) => {
                let fields = json!({ "operator_set_id": set, "strategy": e.strategy });
                Said::new(
                    "strategy_added",
                    Info,
                    format!("operator set {set} can slash in strategy {}", e.strategy),
                    fields,
                )
            }
            CoreEvents::StrategyRemovedFromOperatorSet(e) => {
                let named = self.suspicion((avs, set), |open| open.slash.strategies.contains(&e.strategy));
                let text =
                    format!("operator set {set} can slash in strategy {} no more{}", e.strategy, named_by(named));
                let fields = json!({ "operator_set_id": set, "strategy": e.strategy });
                Said::new("strategy_removed", if named.is_some() { Alarm } else { Warning }, text, fields)
            }
            CoreEvents::OperatorRemovedFromOperatorSet(e) => self.left(event, (avs, set), e.operator),
            CoreEvents::AllocationUpdated(e) => return self.deallocates(event, (avs, set), &e),
            _ => return None,
        })
    }

    fn slashed(&self, event: &Event, (avs, set): (Address, u32), slash: &Core::OperatorSlashed) -> Said {
        let operator = slash.operator;
        let text = format!(
            "operator {operator} was slashed in operator set {set}, with the description `{}`",
            quoted(&slash.description)
        );
        let wads: Vec<_> = slash.wadSlashed.iter().map(U256::to_string).collect();
        let fields = json!({
            "operator_set_id": set,
            "operator": operator,
            "strategies": slash.strategies,
            "wads_slashed": wads,
            "description": quoted(&slash.description),
        });
        let key = self.definition.operator_sets.iter().find(|entry| (entry.avs, entry.id) == (avs, set));
        if key.is_none_or(|entry| !self.known.accounts.contains_key(&entry.key)) {
            let text = format!("{text}; this node is no member of a key for that and cannot tell why");
            return Said::new("slashed", Warning, text, fields);
        }
        let same = self.events.iter().filter(|other| other.transaction == event.transaction);
        let executed = same.filter_map(|other| match FrostAccountEvents::decode_log(&other.log).ok()?.data {
            FrostAccountEvents::Executed(e) => Some((other.log.address, e.nonce)),
            FrostAccountEvents::NonceInvalidated(_) => None,
        });
        let wads = slash.strategies.iter().copied().zip(slash.wadSlashed.iter().copied()).collect();
        let question = Question::Slash { avs, set, operator, wads, executed: executed.collect() };
        Said::new("slashed", Info, text, fields).asks(question, "unknown_slash")
    }

    fn slasher(&self, (avs, set): (Address, u32), slasher: Address, block: u64) -> Said {
        let of = self.definition.contracts.iter().find(|of| of.avs == avs);
        let declared = of.and_then(|of| of.declared.as_ref()?.sets.iter().find(|listed| listed.id == set)?.slasher);
        let key = self.definition.operator_sets.iter().find(|entry| (entry.avs, entry.id) == (avs, set));
        let expected = match (of, declared) {
            (_, Some(declared)) => declared == slasher,
            (Some(of), None) => of.gate == slasher,
            (None, None) => key.is_some_and(|entry| self.known.accounts.get(&entry.key) == Some(&slasher)),
        };
        let text = format!("operator set {set} gets {} as its slasher", self.label(slasher));
        let fields = json!({ "operator_set_id": set, "slasher": slasher, "effect_block": block });
        let level = if expected { Info } else { Alarm };
        Said::new("slasher_changes", level, text, fields).until("it can slash", When::Block(block))
    }

    /// An open slash request of the set that fits.
    fn suspicion(&self, set: (Address, u32), fits: impl Fn(&Suspicion) -> bool) -> Option<&Suspicion> {
        let mut open = self.known.open.iter();
        open.find(|open| (open.slash.avs, open.slash.operatorSetId) == set && fits(open))
    }

    fn left(&self, event: &Event, at: (Address, u32), operator: Address) -> Said {
        let named = self.suspicion(at, |open| open.slash.operator == operator);
        let (kind, level) = if named.is_some() { ("suspect_left", Alarm) } else { ("operator_left", Info) };
        let text = format!("operator {operator} left operator set {}{}", at.1, named_by(named));
        let said = Said::new(kind, level, text, json!({ "operator_set_id": at.1, "operator": operator }));
        match self.leaving {
            Some(blocks) => {
                said.until("it can be slashed for the last time", When::Block(event.place.0.saturating_add(blocks)))
            }
            None => said,
        }
    }

    /// Of somebody who is under investigation. What a slash itself takes is of this block and no flight.
    fn deallocates(&self, event: &Event, at: (Address, u32), e: &Core::AllocationUpdated) -> Option<Said> {
        let block = u64::from(e.effectBlock);
        if block <= event.place.0 {
            return None;
        }
        let fits = |open: &Suspicion| open.slash.operator == e.operator && open.slash.strategies.contains(&e.strategy);
        let named = self.suspicion(at, fits)?;
        let (operator, strategy, magnitude) = (e.operator, e.strategy, e.magnitude);
        let text = format!(
            "operator {operator} has its allocation to operator set {} in strategy {strategy} become {magnitude}{}",
            at.1,
            named_by(Some(named)),
        );
        let fields = json!({
            "operator_set_id": at.1,
            "operator": operator,
            "strategy": strategy,
            "magnitude": magnitude.to_string(),
            "effect_block": block,
        });
        let until = "what it has now can be slashed for the last time";
        Some(Said::new("suspect_deallocates", Alarm, text, fields).until(until, When::Block(block.saturating_sub(1))))
    }

    fn of_avs(&self, event: &Event, read: CoreEvents) -> Option<Said> {
        let at = event.log.address;
        Some(match read {
            CoreEvents::AVSRegistrarSet(e) => {
                let text = format!("{} decides which operators may register", self.label(e.registrar));
                Said::new("registrar_set", Warning, text, json!({ "registrar": e.registrar }))
            }
            CoreEvents::AppointeeSet(e) => {
                let expected = e.target == self.definition.chain.allocation_manager
                    && self.is_appointed(e.account, e.appointee, e.selector);
                let text = format!("{} may call {} of {} for the AVS", self.label(e.appointee), e.selector, e.target);
                let fields = json!({ "appointee": e.appointee, "target": e.target, "selector": e.selector });
                Said::new("appointee_set", if expected { Info } else { Alarm }, text, fields)
            }
            CoreEvents::AppointeeRemoved(e) => {
                let text =
                    format!("{} may call {} of {} for the AVS no more", self.label(e.appointee), e.selector, e.target);
                let fields = json!({ "appointee": e.appointee, "target": e.target, "selector": e.selector });
                Said::new("appointee_removed", Warning, text, fields)
            }
            CoreEvents::PendingAdminAdded(e) => self.admin("admin_pending", "may become an admin", e.account, e.admin),
            CoreEvents::PendingAdminRemoved(e) => {
                self.admin("admin_removed", "may not become an admin any more", e.account, e.admin)
            }
            CoreEvents::AdminSet(e) => self.admin("admin_set", "is an admin", e.account, e.admin),
            CoreEvents::AdminRemoved(e) => self.admin("admin_removed", "is an admin no more", e.account, e.admin),
            CoreEvents::Paused(e) => {
                let text = format!("EigenLayer's {at} is paused, by bits {:#x}", e.newPausedStatus);
                let fields = json!({ "by": e.account, "bits": format!("{:#x}", e.newPausedStatus) });
                Said::new("core_paused", Warning, text, fields)
            }
            CoreEvents::Unpaused(e) => {
                let text = format!("EigenLayer's {at} is paused by bits {:#x} only", e.newPausedStatus);
                let fields = json!({ "by": e.account, "bits": format!("{:#x}", e.newPausedStatus) });
                Said::new("core_unpaused", Info, text, fields)
            }
            _ => return None,
        })
    }

    /// A declared appointee or, where the gate slashes by appointment, the gate.
    fn is_appointed(&self, avs: Address, appointee: Address, selector: FixedBytes<4>) -> bool {
        let Some(of) = self.definition.contracts.iter().find(|of| of.avs == avs) else {
            return self.known.is_ours(appointee);
        };
        let declared = of.declared.iter().flat_map(|declared| &declared.appointees);
        let slashes = selector.0 == SLASH_OPERATOR && of.gate == appointee;
        slashes || declared.into_iter().any(|entry| entry.appointee == appointee && entry.selector == selector)
    }

    fn admin(&self, kind: &'static str, what: &str, avs: Address, admin: Address) -> Said {
        let of = self.definition.contracts.iter().find(|of| of.avs == avs);
        let declared =
            of.and_then(|of| of.declared.as_ref()).map(|declared| declared.admins.as_slice()).unwrap_or_default();
        let expected = match of {
            Some(of) => of.timelock == admin || declared.contains(&admin),
            None => self.known.is_ours(admin),
        };
        let level = match (kind, expected) {
            ("admin_removed", true) | ("admin_pending", false) => Warning,
            ("admin_set", false) => Alarm,
            _ => Info,
        };
        Said::new(kind, level, format!("{} {what} of the AVS", self.label(admin)), json!({ "admin": admin }))
    }
}

/// `slashOperator`.
const SLASH_OPERATOR: [u8; 4] = [0x36, 0x35, 0x20, 0x57];

fn named_by(suspicion: Option<&Suspicion>) -> String {
    suspicion.map(|open| format!(", and is named by the open request {}", open.request)).unwrap_or_default()
}
