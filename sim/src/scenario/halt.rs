//! Pauses: an operator's of a node, and veto holders' of the network (docs/spec/pause.md).

use super::parse::keys;
use super::problem::Problem;
use super::quantity::write_duration;
use super::read::Value;
use super::write::{Lines, list, one, quoted};
use super::{Micros, Person, select};
use crate::geography::Place;
use firn_proto::NodeId;
use std::collections::BTreeMap;

/// How many organisations' veto holders it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quorums {
    /// To pause the network.
    pub stop: u16,
    /// To let it go on.
    pub resume: u16,
}

/// A pause, and its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Halt {
    /// When it is said.
    pub begin: Micros,
    /// When people let it go on.
    pub end: Option<Micros>,
    /// The node that is paused; where the network is, the node at which people say so.
    pub node: NodeId,
    /// Who pauses the network; nobody where the node's operator pauses the node.
    pub people: Vec<String>,
    /// Who lets it go on: of the node's organisation, or veto holders.
    pub resume: Vec<String>,
}

pub(super) fn quorums(value: &Value<'_>) -> Result<Quorums, Problem> {
    let section = value.section(keys("quorums"))?;
    let stop: u16 = section.need("stop", |value| value.integer(1, 100))?;
    Ok(Quorums { stop, resume: section.need("resume", |value| value.integer(stop.into(), 100))? })
}

pub(super) fn halt(value: &Value<'_>, people: &[Person], places: &BTreeMap<NodeId, Place>) -> Result<Halt, Problem> {
    let section = value.section(keys("pause"))?;
    let names: Vec<_> = people.iter().map(|person| (person.name.as_str(), person.name.as_str())).collect();
    let read = |value: &Value<'_>| {
        value.one_or_list()?.iter().map(|item| item.name("a person", &names).map(str::to_owned)).collect()
    };
    let begin = section.need("at", Value::duration)?;
    let end = section.get("until", |value| {
        let end = value.duration()?;
        if end > begin { Ok(end) } else { Err(value.problem("SCENARIO_VALUE", "`until` must be after `at`")) }
    })?;
    Ok(Halt {
        begin,
        end,
        node: section.need("node", |value| select::node(value, places))?,
        people: section.get("people", read)?.unwrap_or_default(),
        resume: section.get("resume", read)?.unwrap_or_default(),
    })
}

impl Quorums {
    pub(super) fn write(self, out: &mut Lines) {
        out.head("[quorums]");
        out.pair("stop", self.stop);
        out.pair("resume", self.resume);
    }
}

impl Halt {
    pub(super) fn write(&self, out: &mut Lines, places: &BTreeMap<NodeId, Place>) {
        out.head("[[pause]]");
        out.text("at", &write_duration(self.begin));
        if let Some(end) = self.end {
            out.text("until", &write_duration(end));
        }
        out.pair("node", one(self.node, places));
        for (key, people) in [("people", &self.people), ("resume", &self.resume)] {
            if !people.is_empty() {
                out.pair(key, list(people.iter().map(|name| quoted(name))));
            }
        }
    }
}
