//! Versions of the definition (docs/spec/definition.md): what each changes, who signs it, when it comes and takes effect.

use super::governance::rule;
use super::parse::keys;
use super::problem::Problem;
use super::quantity::write_duration;
use super::read::Value;
use super::write::{Lines, list, one, quoted};
use super::{Micros, Rule, select};
use crate::geography::Place;
use firn_proto::NodeId;
use std::collections::BTreeMap;

/// How many versions may follow the first.
pub const VERSIONS_MAX: usize = 4;

/// A version that follows the one before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// When it is handed in.
    pub at: Micros,
    /// At which node.
    pub node: NodeId,
    /// It is in force from the first block at or after this time on.
    pub block: Micros,
    /// Rules that are new, or take the place of the one of that name.
    pub rules: Vec<Rule>,
    /// Names of rules that are gone.
    pub drops: Vec<String>,
    /// Organisations that are expelled: their people have no say any more, their nodes are the first one's that is left.
    pub expels: Vec<String>,
    /// Organisations whose admins sign it.
    pub signers: Vec<String>,
}

pub(super) fn version(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Version, Problem> {
    let section = value.section(keys("version"))?;
    let organisations: Vec<_> =
        places.values().map(|place| (place.organisation.as_str(), place.organisation.as_str())).collect();
    let named = |value: &Value<'_>| {
        let read = |item: &Value<'_>| item.name("an organisation", &organisations).map(str::to_owned);
        value.one_or_list()?.iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    let rules = |value: &Value<'_>| value.list()?.iter().map(rule).collect();
    let drops = |value: &Value<'_>| value.one_or_list()?.iter().map(|name| name.text().map(str::to_owned)).collect();
    let at = section.need("at", Value::duration)?;
    let expels: Vec<String> = section.get("expels", named)?.unwrap_or_default();
    let mut all: Vec<_> = organisations.iter().map(|(name, _)| (*name).to_owned()).collect();
    all.dedup();
    Ok(Version {
        at,
        node: section.need("node", |value| select::node(value, places))?,
        block: section.need("block", Value::duration)?,
        rules: section.get("rules", rules)?.unwrap_or_default(),
        drops: section.get("drops", drops)?.unwrap_or_default(),
        signers: section.get("signers", named)?.unwrap_or(all),
        expels,
    })
}

impl Version {
    pub(super) fn write(&self, out: &mut Lines, places: &BTreeMap<NodeId, Place>) {
        out.head("[[version]]");
        out.text("at", &write_duration(self.at));
        out.pair("node", one(self.node, places));
        out.text("block", &write_duration(self.block));
        if !self.rules.is_empty() {
            out.pair("rules", list(self.rules.iter().map(Rule::inline)));
        }
        for (key, names) in [("drops", &self.drops), ("expels", &self.expels), ("signers", &self.signers)] {
            if !names.is_empty() {
                out.pair(key, list(names.iter().map(|name| quoted(name))));
            }
        }
    }
}
