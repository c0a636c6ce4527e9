//! B1: no budget is passed, and no pause cut short.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::scenario::{FaultKind, Micros, Ppm, Rule, Scenario};
use crate::verdict::Violation;
use alloy_primitives::{Address, U256};
use firn_proto::NodeId;
use firn_proto::policy::{PastSlash, Unit};
use std::collections::BTreeSet;

/// Adds up for itself what the chain has executed.
#[derive(Debug, Default)]
pub struct B1 {
    /// Nodes whose disk a fault has set back, lost or copied, and their locks with it.
    forgetful: BTreeSet<NodeId>,
}

/// What is slashed in one strategy.
struct Part {
    block: u64,
    time: u64,
    operator: Address,
    set: (Address, u32),
    strategy: Address,
    wad: U256,
}

impl Part {
    fn of((block, slash): &(u64, PastSlash)) -> Vec<Self> {
        let (operator, set) = (slash.operator, (slash.avs, slash.operator_set_id));
        let part = |(strategy, wad): &(Address, U256)| Self {
            block: *block,
            time: slash.time.0,
            operator,
            set,
            strategy: *strategy,
            wad: *wad,
        };
        slash.wads.iter().map(part).collect()
    }

    /// Whether both count for the same budget.
    fn shares(&self, other: &Self, per: Unit) -> bool {
        match per {
            Unit::Total => true,
            Unit::Operator => self.operator == other.operator,
            Unit::OperatorSet => self.set == other.set,
            Unit::Strategy => (self.operator, self.set, self.strategy) == (other.operator, other.set, other.strategy),
        }
    }
}

impl Invariant for B1 {
    fn id(&self) -> &'static str {
        "B1"
    }

    fn statement(&self) -> &'static str {
        "In no window of a budget does the chain execute more than its cap, the highest of all versions, and no slash within the pause after another, on any \
         schedule with fewer than 2t - n members that are corrupted or have had their disk spoilt (SECURITY R14; DESIGN section 1; \
         docs/adr/0015-budgets.md)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        match &entry.what {
            What::FaultBegins { fault } => {
                let kind = world.scenario().faults.get(*fault).map(|fault| &fault.kind);
                self.forgetful.extend(kind.into_iter().flat_map(FaultKind::spoils));
                None
            }
            What::Executed { .. } if sight.quorums_share_a_sound_node(&self.forgetful) => {
                let past: Vec<_> = world.chain().slashes().iter().flat_map(Part::of).collect();
                let last = past.iter().map(|part| part.block).max()?;
                let newest = past.iter().filter(|part| part.block == last);
                let rules = loosest(world.scenario()).into_iter();
                let problem = rules.flat_map(|rule| newest.clone().map(move |part| (rule.clone(), part))).find_map(
                    |(rule, part)| {
                        let budget = rule.budget.and_then(|budget| passed(&past, part, budget));
                        budget.or_else(|| rule.cooldown.and_then(|pause| cut_short(&past, part, pause)))
                    },
                );
                violation("B1", entry, problem?)
            }
            _ => None,
        }
    }
}

/// The rules of the first version, each as loose as any version has it: what a node lent under one version may execute
/// under the next.
fn loosest(scenario: &Scenario) -> Vec<Rule> {
    let mut rules = scenario.rules.clone();
    for version in &scenario.versions {
        rules.retain(|rule| !version.drops.contains(&rule.name));
        for rule in &mut rules {
            let Some(next) = version.rules.iter().find(|next| next.name == rule.name) else { continue };
            rule.budget = rule.budget.zip(next.budget).and_then(|(a, b)| {
                // Of another unit, or over another time: neither binds what was lent under the other.
                ((a.1, a.2) == (b.1, b.2)).then(|| (a.0.max(b.0), a.1, a.2))
            });
            rule.cooldown =
                rule.cooldown.zip(next.cooldown).and_then(|(a, b)| (a.1 == b.1).then(|| (a.0.min(b.0), a.1)));
        }
    }
    rules
}

/// What is wrong with the window that ends with this slash.
fn passed(past: &[Part], last: &Part, (most, window, per): (Ppm, Micros, Unit)) -> Option<String> {
    let begins = last.time.saturating_sub(window / 1_000_000);
    let within = past.iter().filter(|part| part.time > begins && part.shares(last, per));
    let total = within.fold(U256::ZERO, |sum, part| sum.saturating_add(part.wad));
    let cap = U256::from(most).saturating_mul(U256::from(1_000_000_000_000_u64));
    (total > cap).then(|| format!("{total} wad slashed in a window per {}, {cap} at most", per.as_str()))
}

/// What came too early before it.
fn cut_short(past: &[Part], last: &Part, (pause, per): (Micros, Unit)) -> Option<String> {
    let before = past.iter().filter(|part| part.block < last.block && part.shares(last, per));
    let gap = last.time.saturating_sub(before.map(|part| part.time).max()?);
    (gap < pause / 1_000_000).then(|| format!("{gap} s between two slashes per {}", per.as_str()))
}
