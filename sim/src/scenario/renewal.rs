//! Who holds the key, and what becomes of it in a run: refreshes and resharings (docs/spec/reshare.md).

use super::parse::keys;
use super::problem::Problem;
use super::quantity::write_duration;
use super::read::{Section, Value};
use super::write::{Lines, list, nodes, one, quoted};
use super::{Key, Micros, Scenario, select};
use crate::geography::Place;
use firn_proto::NodeId;
use std::collections::BTreeMap;

/// How many epochs may follow the first.
pub const RENEWALS_MAX: usize = 60;

/// The next epoch of the key: a refresh where nothing changes, a resharing where members or threshold do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Renewal {
    /// When it is wanted.
    pub at: Micros,
    /// Who joins.
    pub add: Vec<NodeId>,
    /// Who leaves.
    pub remove: Vec<NodeId>,
    /// The new t; as before where there is none.
    pub threshold: Option<u16>,
}

/// A member that lost its share is helped to it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShareRepair {
    /// From when on its operator asks.
    pub at: Micros,
    /// Who lost it.
    pub node: NodeId,
}

impl Renewal {
    /// A refresh at this time.
    #[must_use]
    pub fn refresh(at: Micros) -> Self {
        Self { at, ..Self::default() }
    }

    /// Whether the definition says so first, which takes a version.
    #[must_use]
    pub fn is_reshare(&self) -> bool {
        !self.add.is_empty() || !self.remove.is_empty() || self.threshold.is_some()
    }
}

/// A threshold and the members that it is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Roster {
    /// t.
    pub threshold: u16,
    /// In ascending order.
    pub members: Vec<NodeId>,
}

impl Roster {
    fn after(&self, renewal: &Renewal) -> Self {
        let stays = |node: &NodeId| !renewal.remove.contains(node) && !renewal.add.contains(node);
        let mut members: Vec<_> = self.members.iter().copied().filter(stays).chain(renewal.add.clone()).collect();
        members.sort_unstable();
        Self { threshold: renewal.threshold.unwrap_or(self.threshold), members }
    }

    /// Whether a key can have this threshold and so many members.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let (t, n) = (usize::from(self.threshold), self.members.len());
        t >= 2 && 2 * t > n && t < n
    }
}

impl Scenario {
    /// Who holds the key at first, and after each renewal in turn.
    #[must_use]
    pub fn rosters(&self) -> Vec<Roster> {
        let all = (1..=self.node_count()).map(NodeId).collect();
        let members = if self.key.members.is_empty() { all } else { self.key.members.clone() };
        self.key.rosters(members)
    }

    /// Whether each epoch can follow the one before it, and any of them sign.
    #[must_use]
    pub fn renewals_fit(&self) -> bool {
        let rosters = self.rosters();
        // Identifiers are ids of nodes here, and none is given twice.
        let mut last = rosters.first().and_then(|first| first.members.last().copied());
        let follows = |(renewal, (before, after)): (&Renewal, (&Roster, &Roster))| {
            let known = |node: &NodeId| before.members.contains(node);
            renewal.remove.iter().all(known)
                && renewal.add.iter().all(|node| last.replace(*node) < Some(*node))
                && renewal.add.len() < after.threshold.into()
                && renewal.remove.len() < before.threshold.into()
        };
        rosters.iter().all(Roster::is_possible)
            && self.key.renewals.iter().zip(rosters.iter().zip(rosters.iter().skip(1))).all(follows)
    }

    /// Whether any two sets that could sign, of any two epochs, share a node even without so many of them.
    #[must_use]
    pub fn quorums_share(&self, unsound: usize) -> bool {
        let rosters = self.rosters();
        let shares = |a: &Roster, b: &Roster| {
            let union = a.members.len() + b.members.iter().filter(|node| !a.members.contains(node)).count();
            usize::from(a.threshold) + usize::from(b.threshold) > union + unsound
        };
        rosters.iter().all(|a| rosters.iter().all(|b| shares(a, b)))
    }

    /// The fewest that any epoch takes.
    #[must_use]
    pub fn threshold_min(&self) -> u16 {
        self.key.renewals.iter().filter_map(|renewal| renewal.threshold).chain([self.key.threshold]).min().unwrap_or(1)
    }
}

impl Key {
    fn rosters(&self, members: Vec<NodeId>) -> Vec<Roster> {
        let mut rosters = vec![Roster { threshold: self.threshold, members }];
        for renewal in &self.renewals {
            rosters.extend(rosters.last().map(|last| last.after(renewal)));
        }
        rosters
    }
}

/// Reads `refresh` and `reshare` of a key that these hold at first.
pub(super) fn renewals(
    section: &Section<'_>,
    first: Roster,
    places: &BTreeMap<NodeId, Place>,
) -> Result<Vec<Renewal>, Problem> {
    let mut all = section.get("refresh", refreshes)?.unwrap_or_default();
    let reshares = section.get("reshare", |value| {
        value.list()?.iter().map(|item| Ok((reshare(item, places)?, of(item)?))).collect::<Result<Vec<_>, _>>()
    })?;
    let reshares = reshares.unwrap_or_default();
    let sizes: BTreeMap<_, _> = reshares.iter().map(|(renewal, size)| (renewal.at, *size)).collect();
    all.extend(reshares.into_iter().map(|(renewal, _)| renewal));
    all.sort_by_key(|renewal| renewal.at);
    let wrong = |detail: String| Err(section.problem("SCENARIO_VALUE", detail));
    if all.len() > RENEWALS_MAX {
        return wrong(format!("at most {RENEWALS_MAX} epochs follow the first"));
    }
    let (mut last, mut before) = (first.members.last().copied(), first);
    for renewal in &all {
        let at = write_duration(renewal.at);
        let after = before.after(renewal);
        if renewal.remove.iter().any(|node| !before.members.contains(node)) {
            return wrong(format!("at {at}: who leaves is a member before"));
        }
        // Identifiers are ids of nodes here, and none is given twice.
        if !renewal.add.iter().all(|node| last.replace(*node) < Some(*node)) {
            return wrong(format!(
                "at {at}: who joins stands after all nodes that have been members, and in their order"
            ));
        }
        if let Some(n) = sizes.get(&renewal.at).copied().flatten().filter(|n| *n != after.members.len()) {
            return wrong(format!("at {at}: \"of {n}\", but there are {} members then", after.members.len()));
        }
        if !after.is_possible() {
            return wrong(format!("at {at}: t must be at least 2, more than half of n and less than n"));
        }
        if renewal.add.len() >= after.threshold.into() || renewal.remove.len() >= before.threshold.into() {
            return wrong(format!("at {at}: neither those who join nor those who leave may be a threshold"));
        }
        before = after;
    }
    Ok(all)
}

fn refreshes(value: &Value<'_>) -> Result<Vec<Renewal>, Problem> {
    let mut all = Vec::new();
    for item in value.list()? {
        let section = item.section(keys("key.refresh"))?;
        let at = section.need("at", Value::duration)?;
        let (every, until) = (section.get("every", Value::duration)?, section.get("until", Value::duration)?);
        match (every, until) {
            (None, None) => all.push(Renewal::refresh(at)),
            (Some(every), Some(until)) if every > 0 && until >= at => {
                let times = (0..=RENEWALS_MAX as u64).map(|k| at.saturating_add(every.saturating_mul(k)));
                all.extend(times.take_while(|time| *time <= until).map(Renewal::refresh));
            }
            _ => {
                return Err(
                    section.problem("SCENARIO_VALUE", "`every` takes an `until` after `at`, and the other way round")
                );
            }
        }
    }
    Ok(all)
}

fn reshare(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Renewal, Problem> {
    let section = value.section(keys("key.reshare"))?;
    let chosen = |key| section.get(key, |value| select::nodes(value, places)).map(Option::unwrap_or_default);
    let renewal = Renewal {
        at: section.need("at", Value::duration)?,
        add: chosen("add")?,
        remove: chosen("remove")?,
        threshold: section.get("threshold", threshold)?.map(|(t, _)| t),
    };
    if renewal.is_reshare() {
        return Ok(renewal);
    }
    Err(section.problem("SCENARIO_VALUE", "a resharing changes something: `add`, `remove` or `threshold`"))
}

/// Reads `repair` of a key.
pub(super) fn repairs(section: &Section<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Vec<ShareRepair>, Problem> {
    let repair = |value: &Value<'_>| {
        let section = value.section(keys("key.repair"))?;
        let node = section.need("node", |value| select::node(value, places))?;
        Ok(ShareRepair { at: section.need("at", Value::duration)?, node })
    };
    let all = section.get("repair", |value| value.list()?.iter().map(repair).collect())?;
    Ok(all.unwrap_or_default())
}

/// The n that a resharing says.
fn of(value: &Value<'_>) -> Result<Option<usize>, Problem> {
    let section = value.section(keys("key.reshare"))?;
    Ok(section.get("threshold", threshold)?.map(|(_, n)| n))
}

/// `3 of 5`.
pub(super) fn threshold(value: &Value<'_>) -> Result<(u16, usize), Problem> {
    value.read("SCENARIO_UNIT", "a threshold like \"3 of 5\"", |text| {
        let (t, n) = text.split_once(" of ")?;
        Some((t.trim().parse().ok()?, n.trim().parse().ok()?))
    })
}

/// Writes who holds the key at first, and what becomes of it.
pub(super) fn write(scenario: &Scenario, out: &mut Lines, places: &BTreeMap<NodeId, Place>) {
    let key = &scenario.key;
    if !key.members.is_empty() {
        out.pair("members", nodes(&key.members, places));
    }
    let rosters = scenario.rosters();
    let at = |renewal: &Renewal| format!("at = {}", quoted(&write_duration(renewal.at)));
    let refreshes: Vec<_> = key.renewals.iter().filter(|renewal| !renewal.is_reshare()).collect();
    if !refreshes.is_empty() {
        out.pair("refresh", list(refreshes.iter().map(|renewal| format!("{{ {} }}", at(renewal)))));
    }
    let reshares = key.renewals.iter().zip(rosters.iter().skip(1)).filter(|(renewal, _)| renewal.is_reshare());
    let reshare = |(renewal, after): (&Renewal, &Roster)| {
        let set = |name: &str, some: &[NodeId]| format!(", {name} = {}", nodes(some, places));
        let sets = [("add", &renewal.add), ("remove", &renewal.remove)];
        let sets: String =
            sets.iter().filter(|(_, some)| !some.is_empty()).map(|(name, some)| set(name, some)).collect();
        let n = after.members.len();
        let t = renewal.threshold.map(|t| format!(", threshold = \"{t} of {n}\"")).unwrap_or_default();
        format!("{{ {}{sets}{t} }}", at(renewal))
    };
    let reshares: Vec<_> = reshares.map(reshare).collect();
    if !reshares.is_empty() {
        out.pair("reshare", list(reshares.into_iter()));
    }
    if !key.repairs.is_empty() {
        let repair = |repair: &ShareRepair| {
            format!("{{ at = {}, node = {} }}", quoted(&write_duration(repair.at)), one(repair.node, places))
        };
        out.pair("repair", list(key.repairs.iter().map(repair)));
    }
}
