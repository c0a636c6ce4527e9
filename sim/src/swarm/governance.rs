//! Rules, people, pauses and versions of a swarm scenario. What the first version says is its shape's, so that seeds share
//! its key; who speaks when, and what changes, is the seed's own.

use super::draw::Draw;
use super::{Cast, HEALED, SECOND, small};
use crate::scenario::{Halt, Micros, Organisation, Person, Quorums, Rule, Scenario, Version};
use firn_proto::NodeId;
use firn_proto::opinion::Decision;
use firn_proto::policy::Unit;

const DAY: Micros = 86_400 * SECOND;

/// When the run ends: with what the core is asked last, longer than the bound.
const ENDS: Micros = HEALED + 340 * SECOND;

/// Names of people.
const NAMES: [&str; 4] = ["ann", "bob", "eve", "mallory"];

/// Makes a drawn scenario one with rules and people.
pub(super) fn govern(scenario: &mut Scenario, shape: &Draw, draw: &Draw, cast: &Cast) {
    scenario.people = people(shape, draw, &scenario.organisations, cast);
    let organisations = |wanted: fn(&Person) -> bool| {
        let mut all: Vec<_> = scenario.people.iter().filter(|one| wanted(one)).map(|one| &one.organisation).collect();
        all.sort_unstable();
        all.dedup();
        u64::try_from(all.len()).unwrap_or(0)
    };
    let approvers = organisations(|person| person.says == Some(Decision::Approve));
    let holders = organisations(is_holder);
    scenario.rules = (0..shape.between(0, 2, "rules", 0)).map(|index| rule(shape, approvers, index)).collect();
    if holders > 0 {
        let resume = small(shape.between(1, holders, "resume", 0));
        scenario.quorums = Some(Quorums { stop: 1, resume });
    }
    scenario.pauses = pauses(draw, scenario, cast);
    scenario.versions = versions(draw, scenario, approvers, cast);
    let one_at_a_time = scenario.rules.iter().any(|rule| rule.budget.is_some() || rule.cooldown.is_some());
    let last = scenario.workload.len().saturating_sub(1);
    if one_at_a_time && !cast.core.is_empty() && draw.percent(50, "a single request", 0) {
        // Rivals for a budget excuse each other: alone it has to be signed.
        scenario.workload.drain(..last);
        scenario.workload.iter_mut().for_each(|workload| workload.count = 1);
    }
    if let Some(core) = scenario.workload.last_mut().filter(|_| !cast.core.is_empty()) {
        core.deadline = core.deadline.min(600 * SECOND);
    }
    // What waits for people to no end is not waited for.
    scenario.until = Some(ENDS);
}

fn is_holder(person: &Person) -> bool {
    matches!(person.says, None | Some(Decision::Veto))
}

fn people(shape: &Draw, draw: &Draw, organisations: &[Organisation], cast: &Cast) -> Vec<Person> {
    let count = usize::try_from(shape.between(1, 4, "people", 0)).unwrap_or(1);
    let person = |(index, name): (u64, &&str)| Person {
        name: (*name).to_owned(),
        organisation: shape.pick(organisations, "person of", index).map(|one| one.name.clone()).unwrap_or_default(),
        says: match shape.between(1, 100, "says", index) {
            1..=60 => Some(Decision::Approve),
            61..=90 => None,
            91..=95 => Some(Decision::Reject),
            _ => Some(Decision::Veto),
        },
        after: draw.micros(0, 60 * SECOND, "speaks after", index),
        node: speaks_at(draw, cast, index),
    };
    (0_u64..).zip(&NAMES).take(count).map(person).collect()
}

/// Mostly at a node of the core: what is said elsewhere, nobody has to hear.
fn speaks_at(draw: &Draw, cast: &Cast, index: u64) -> NodeId {
    let at_core = !cast.core.is_empty() && draw.percent(80, "speaks at the core", index);
    let nodes = if at_core { &cast.core } else { &cast.all };
    draw.pick(nodes, "speaks at", index).copied().unwrap_or(NodeId(1))
}

fn rule(draw: &Draw, approvers: u64, index: u64) -> Rule {
    let unit = draw.pick(&[Unit::Total, Unit::Operator, Unit::OperatorSet, Unit::Strategy], "unit", index);
    let unit = unit.copied().unwrap_or(Unit::Total);
    let rule = Rule { name: format!("rule-{index}"), ..Rule::default() };
    match draw.between(0, 4, "kind of rule", index) {
        0 => {
            let share = draw.pick(&[100_000, 200_000, 500_000, 1_000_000], "share", index).copied().unwrap_or_default();
            Rule { budget: Some((share, DAY, unit)), ..rule }
        }
        1 => Rule { cooldown: Some((seconds(draw, 10, 90, "cool-down", index), unit)), ..rule },
        2 => Rule { delay: Some(seconds(draw, 5, 60, "delay", index)), ..rule },
        3 => {
            let requests = u32::from(small(draw.between(1, 4, "rate", index)));
            Rule { rate: Some((requests, seconds(draw, 10, 60, "rate window", index))), ..rule }
        }
        // With nobody to approve, a rule about something else.
        _ if approvers == 0 => Rule { delay: Some(seconds(draw, 5, 60, "delay", index)), ..rule },
        _ => {
            let organisations = small(draw.between(1, approvers, "approvals", index));
            Rule { approvals: Some((organisations, organisations)), ..rule }
        }
    }
}

fn seconds(draw: &Draw, least: u64, most: u64, what: &str, index: u64) -> Micros {
    draw.between(least, most, what, index) * SECOND
}

/// Over before the core is healed.
fn pauses(draw: &Draw, scenario: &Scenario, cast: &Cast) -> Vec<Halt> {
    let count = if draw.percent(50, "paused", 0) { draw.between(1, 3, "pauses", 0) } else { 0 };
    let names = |wanted: &dyn Fn(&Person) -> bool| -> Vec<String> {
        scenario.people.iter().filter(|person| wanted(person)).map(|person| person.name.clone()).collect()
    };
    let each = |index: u64| {
        let begin = draw.micros(SECOND, HEALED - 10 * SECOND, "halts", index);
        let end = Some(draw.micros(begin + SECOND, HEALED - 5 * SECOND, "goes on", index));
        let node = speaks_at(draw, cast, 100 + index);
        let holders = names(&is_holder);
        if scenario.quorums.is_some() && draw.percent(60, "network", index) {
            let people = draw.some(&holders, "who pauses", index);
            return Halt { begin, end, node, people, resume: holders };
        }
        let home = organisation_of(&scenario.organisations, node);
        let resume = names(&|person| Some(person.organisation.as_str()) == home);
        Halt { begin, end, node, people: Vec::new(), resume }
    };
    (0..count).map(each).collect()
}

fn organisation_of(organisations: &[Organisation], node: NodeId) -> Option<&str> {
    let mut left = node.0;
    for organisation in organisations {
        let count = organisation.nodes.iter().map(|(_, count)| *count).sum();
        if left <= count {
            return Some(&organisation.name);
        }
        left -= count;
    }
    None
}

fn versions(draw: &Draw, scenario: &Scenario, approvers: u64, cast: &Cast) -> Vec<Version> {
    let count = if draw.percent(50, "changed", 0) { draw.between(1, 2, "versions", 0) } else { 0 };
    let mut members: Vec<_> = scenario.organisations.iter().map(|one| one.name.clone()).collect();
    let mut rules: Vec<_> = scenario.rules.iter().map(|rule| rule.name.clone()).collect();
    let mut at = 0;
    let mut each = |index: u64| {
        at = draw.micros(at + SECOND, at + 25 * SECOND, "changed at", index);
        let block = at + draw.micros(0, 40 * SECOND, "in force", index);
        let expels = expelled(draw, scenario, &members, index);
        let majority = u64::try_from(members.len() / 2 + 1).unwrap_or(1);
        let most = u64::try_from(members.len()).unwrap_or(1);
        let mut signers = draw.shuffle(&members, "signers", index);
        signers.truncate(usize::try_from(draw.between(majority, most, "signers", index)).unwrap_or(1));
        signers.sort_unstable();
        members.retain(|name| !expels.contains(name));
        // People of who is expelled are missed where all had to approve.
        let approvers = if expels.is_empty() { approvers } else { 0 };
        let dropped = draw.pick(&rules, "dropped", index).filter(|_| draw.percent(30, "dropped", index)).cloned();
        let drops: Vec<_> = dropped.into_iter().collect();
        let name = draw.pick(&rules, "replaced", index).cloned().unwrap_or_else(|| "rule-9".to_owned());
        let changed = Rule { name, ..rule(draw, approvers, 50 + index) };
        rules.retain(|name| !drops.contains(name));
        let changes = if drops.is_empty() { vec![changed] } else { Vec::new() };
        let node = speaks_at(draw, cast, 200 + index);
        Version { at, node, block, rules: changes, drops, expels, signers }
    };
    (0..count).map(&mut each).collect()
}

/// Now and then one organisation, where that leaves enough, and no pause without its people.
fn expelled(draw: &Draw, scenario: &Scenario, members: &[String], index: u64) -> Vec<String> {
    let may = members.len() > 2 && scenario.key.organisations_min < 2;
    let gone = draw.pick(members, "expelled", index).filter(|_| may && draw.percent(30, "expels", index));
    let holder = |name: &&String| {
        scenario.quorums.is_none()
            || !scenario.people.iter().any(|person| person.organisation == **name && is_holder(person))
    };
    gone.filter(holder).cloned().into_iter().collect()
}
