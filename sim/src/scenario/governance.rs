//! Rules of a scenario's network, and its people: who says what to requests, when, and at which node.

use super::parse::{keys, share};
use super::problem::Problem;
use super::quantity::{write_duration, write_share};
use super::read::Value;
use super::write::{Lines, one, quoted};
use super::{Micros, Ppm, Scenario, select};
use crate::geography::Place;
use firn_proto::NodeId;
use firn_proto::opinion::Decision;
use firn_proto::policy::Unit;
use std::collections::BTreeMap;

/// A rule that binds every request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The share that is slashed at most in a time, and what has such a budget of its own.
    pub budget: Option<(Ppm, Micros, Unit)>,
    /// The pause after a slash, and what has one of its own.
    pub cooldown: Option<(Micros, Unit)>,
    /// How long a request waits.
    pub delay: Option<Micros>,
    /// How many requests are taken in, in which time.
    pub rate: Option<(u32, Micros)>,
    /// How many people of how many organisations must have approved.
    pub approvals: Option<(u16, u16)>,
}

/// A person, who says the same to every request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Of which organisation.
    pub organisation: String,
    /// What is said; `None` is somebody who says nothing to requests, and pauses and resumes.
    pub says: Option<Decision>,
    /// How long after a request was posted.
    pub after: Micros,
    /// At which node.
    pub node: NodeId,
}

/// A node's evidence verifier, which says the same of every request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verifier {
    /// Whose.
    pub node: NodeId,
    /// What it says; `None`: it fails.
    pub accepts: Option<bool>,
    /// How long it takes.
    pub after: Micros,
}

/// What verifiers can say.
const VERDICTS: [(Option<bool>, &str); 3] = [(Some(true), "accept"), (Some(false), "reject"), (None, "nothing")];

/// What people can say.
const WORDS: [(Option<Decision>, &str); 4] = [
    (Some(Decision::Approve), "approve"),
    (Some(Decision::Reject), "reject"),
    (Some(Decision::Veto), "veto"),
    (None, "nothing"),
];

/// Names of [`Unit`]s.
const UNITS: [(Unit, &str); 4] = [
    (Unit::Total, "total"),
    (Unit::Operator, "operator"),
    (Unit::OperatorSet, "operator-set"),
    (Unit::Strategy, "strategy"),
];

pub(super) fn rule(value: &Value<'_>) -> Result<Rule, Problem> {
    let section = value.section(keys("rule"))?;
    let unit = |value: &Value<'_>| value.name("a unit", &UNITS);
    let budget = section.get("budget", |value| {
        let section = value.section(keys("rule.budget"))?;
        let (most, window) = (section.need("share", share)?, section.need("window", Value::duration)?);
        Ok((most, window, section.need("per", unit)?))
    })?;
    let cooldown = section.get("cooldown", |value| {
        let section = value.section(keys("rule.cooldown"))?;
        Ok((section.need("pause", Value::duration)?, section.need("per", unit)?))
    })?;
    let rate = section.get("rate", |value| {
        let section = value.section(keys("rule.rate"))?;
        let requests = section.need("requests", |value| value.integer(1, 1_000))?;
        Ok((requests, section.need("window", Value::duration)?))
    })?;
    let approvals = section.get("approvals", |value| {
        let section = value.section(keys("rule.approvals"))?;
        let people: u16 = section.need("people", |value| value.integer(1, 100))?;
        Ok((people, section.need("organisations", |value| value.integer(1, people.into()))?))
    })?;
    let delay = section.get("delay", Value::duration)?;
    let name = section.need("name", |value| value.text().map(str::to_owned))?;
    Ok(Rule { name, budget, cooldown, delay, rate, approvals })
}

pub(super) fn person(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Person, Problem> {
    let section = value.section(keys("person"))?;
    let organisations: Vec<_> =
        places.values().map(|place| (place.organisation.as_str(), place.organisation.as_str())).collect();
    Ok(Person {
        name: section.need("name", |value| value.text().map(str::to_owned))?,
        organisation: section.need("org", |value| value.name("an organisation", &organisations).map(str::to_owned))?,
        says: section.need("says", |value| value.name("a word", &WORDS))?,
        after: section.need("after", Value::duration)?,
        node: section.need("node", |value| select::node(value, places))?,
    })
}

pub(super) fn verifier(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Verifier, Problem> {
    let section = value.section(keys("verifier"))?;
    Ok(Verifier {
        node: section.need("node", |value| select::node(value, places))?,
        accepts: section.need("says", |value| value.name("a verdict", &VERDICTS))?,
        after: section.need("after", Value::duration)?,
    })
}

impl Scenario {
    /// The verifier of a node, where it has one.
    #[must_use]
    pub fn verifier(&self, node: NodeId) -> Option<&Verifier> {
        self.verifiers.iter().find(|verifier| verifier.node == node)
    }
}

impl Verifier {
    pub(super) fn write(&self, out: &mut Lines, places: &BTreeMap<NodeId, Place>) {
        out.head("[[verifier]]");
        out.pair("node", one(self.node, places));
        out.text("says", VERDICTS.iter().find(|(says, _)| *says == self.accepts).map_or("", |(_, name)| name));
        out.text("after", &write_duration(self.after));
    }
}

impl Rule {
    pub(super) fn write(&self, out: &mut Lines) {
        out.head("[[rule]]");
        self.pairs().into_iter().for_each(|(key, value)| out.pair(key, value));
    }

    /// In braces.
    pub(super) fn inline(&self) -> String {
        let pairs: Vec<_> = self.pairs().into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{{ {} }}", pairs.join(", "))
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let time = |time: Micros| quoted(&write_duration(time));
        let budget = self.budget.map(|(most, window, per)| {
            let (most, per) = (quoted(&write_share(most)), quoted(per.as_str()));
            format!("{{ share = {most}, window = {}, per = {per} }}", time(window))
        });
        let cooldown =
            |(pause, per): (Micros, Unit)| format!("{{ pause = {}, per = {} }}", time(pause), quoted(per.as_str()));
        let rate =
            |(requests, window): (u32, Micros)| format!("{{ requests = {requests}, window = {} }}", time(window));
        let approvals =
            |(people, organisations): (u16, u16)| format!("{{ people = {people}, organisations = {organisations} }}");
        let pairs = [
            ("name", Some(quoted(&self.name))),
            ("budget", budget),
            ("cooldown", self.cooldown.map(cooldown)),
            ("delay", self.delay.map(time)),
            ("rate", self.rate.map(rate)),
            ("approvals", self.approvals.map(approvals)),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

impl Person {
    pub(super) fn write(&self, out: &mut Lines, places: &BTreeMap<NodeId, Place>) {
        out.head("[[person]]");
        out.text("name", &self.name);
        out.text("org", &self.organisation);
        out.text("says", self.says.map_or("nothing", Decision::as_str));
        out.text("after", &write_duration(self.after));
        out.pair("node", one(self.node, places));
    }
}
