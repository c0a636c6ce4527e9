//! The tables `people`, `operators`, `rules` and `pause` of `network.toml`.

use super::{Approvals, Budget, Cooldown, Hours, Person, Policy, Rate, Role, Rule, Scope, Unit};
use crate::code::Refusal;
use crate::definition::file::address;
use crate::definition::{invalid, unique};
use crate::pause::Quorums;
use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Days of the week as people write them, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The tables, each of which may be absent.
pub(crate) struct FilePolicy {
    pub(crate) people: Vec<FilePerson>,
    pub(crate) operators: Vec<FileOperator>,
    pub(crate) rules: Vec<FileRule>,
    pub(crate) pause: Option<FilePause>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePause {
    stop: u16,
    resume: u16,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePerson {
    name: String,
    organisation: String,
    address: String,
    roles: BTreeSet<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileOperator {
    address: String,
    organisation: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRule {
    name: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    operations: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    avs: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    operator_sets: BTreeSet<u32>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    operators: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    requesters: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wad_over: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wad_min: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wad_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_seconds_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<FileHours>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approvals: Option<FileApprovals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<FileBudget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cooldown: Option<FileCooldown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<FileRate>,
    /// `required`, or absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileHours {
    from: u8,
    to: u8,
    days: BTreeSet<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileApprovals {
    people: u16,
    organisations: u16,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileBudget {
    wad_max: String,
    seconds: u64,
    per: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileCooldown {
    seconds: u64,
    per: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileRate {
    requests: u32,
    seconds: u64,
}

pub(crate) fn parse(file: FilePolicy) -> Result<Policy, Refusal> {
    unique("person", file.people.iter().map(|person| &person.name))?;
    unique("rule", file.rules.iter().map(|rule| &rule.name))?;
    let operators = file.operators.into_iter().map(operator).collect::<Result<Vec<_>, _>>()?;
    unique("operator", operators.iter().map(|(operator, _)| operator))?;
    Ok(Policy {
        people: file.people.into_iter().map(person).collect::<Result<_, _>>()?,
        operators: operators.into_iter().collect(),
        rules: file.rules.into_iter().map(rule).collect::<Result<_, _>>()?,
        pause: file.pause.map(|FilePause { stop, resume }| Quorums { stop, resume }),
    })
}

fn person(entry: FilePerson) -> Result<(String, Person), Refusal> {
    let role = |name: &String| {
        let known = Role::ALL.into_iter().find(|role| role.as_str() == name);
        known.ok_or_else(|| invalid(format!("person {}: unknown role {name}", entry.name)))
    };
    let roles = entry.roles.iter().map(role).collect::<Result<_, _>>()?;
    let address = address(&entry.address)?;
    Ok((entry.name, Person { organisation: entry.organisation, address, roles }))
}

fn operator(entry: FileOperator) -> Result<(Address, String), Refusal> {
    Ok((address(&entry.address)?, entry.organisation))
}

fn addresses(texts: &BTreeSet<String>) -> Result<BTreeSet<Address>, Refusal> {
    texts.iter().map(|text| address(text)).collect()
}

/// What a rule says of evidence, if anything.
const REQUIRED: &str = "required";

fn rule(entry: FileRule) -> Result<(String, Rule), Refusal> {
    let invalid = |detail: String| invalid(format!("rule {}: {detail}", entry.name));
    let wad = |text: Option<&String>| {
        let parse = |text: &String| text.parse::<U256>().map_err(|_| invalid(format!("`{text}` is no wad")));
        // Decimal digits only: the parser would take other bases as well.
        let digits = |text: &&String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text {
            Some(text) if !digits(&text) => Err(invalid(format!("`{text}` is no wad"))),
            other => other.map(parse).transpose(),
        }
    };
    let day = |name: &String| {
        let day = DAYS.iter().position(|day| day == name).and_then(|day| u8::try_from(day).ok());
        day.ok_or_else(|| invalid(format!("`{name}` is none of {}", DAYS.join(", "))))
    };
    let hours = |hours: &FileHours| {
        let days = hours.days.iter().map(day).collect::<Result<_, _>>()?;
        Ok(Hours { from: hours.from, to: hours.to, days })
    };
    let unit = |name: &str| {
        let names = Unit::ALL.map(Unit::as_str).join(", ");
        let unit = Unit::ALL.into_iter().find(|unit| unit.as_str() == name);
        unit.ok_or_else(|| invalid(format!("per `{name}` is none of {names}")))
    };
    let budget = |file: &FileBudget| {
        let wad_max = wad(Some(&file.wad_max))?.unwrap_or_default();
        Ok(Budget { wad_max, seconds: file.seconds, per: unit(&file.per)? })
    };
    let cooldown = |file: &FileCooldown| Ok(Cooldown { seconds: file.seconds, per: unit(&file.per)? });
    let approvals = entry.approvals.as_ref();
    let evidence = match entry.evidence.as_deref() {
        None => false,
        Some(REQUIRED) => true,
        Some(other) => return Err(invalid(format!("evidence `{other}` is not `{REQUIRED}`"))),
    };
    let rule = Rule {
        evidence,
        budget: entry.budget.as_ref().map(budget).transpose()?,
        cooldown: entry.cooldown.as_ref().map(cooldown).transpose()?,
        delay_seconds: entry.delay_seconds,
        rate: entry.rate.as_ref().map(|rate| Rate { requests: rate.requests, seconds: rate.seconds }),
        wad_min: wad(entry.wad_min.as_ref())?,
        wad_max: wad(entry.wad_max.as_ref())?,
        lifetime_seconds_max: entry.lifetime_seconds_max,
        hours: entry.hours.as_ref().map(hours).transpose()?,
        approvals: approvals.map(|needed| Approvals { people: needed.people, organisations: needed.organisations }),
        scope: Scope {
            wad_over: wad(entry.wad_over.as_ref())?,
            operations: entry.operations,
            avs: addresses(&entry.avs)?,
            operator_sets: entry.operator_sets,
            operators: addresses(&entry.operators)?,
            requesters: entry.requesters,
        },
    };
    Ok((entry.name, rule))
}

pub(crate) fn write(policy: &Policy) -> FilePolicy {
    let person = |(name, person): (&String, &Person)| FilePerson {
        name: name.clone(),
        organisation: person.organisation.clone(),
        address: person.address.to_string(),
        roles: person.roles.iter().map(|role| role.as_str().to_owned()).collect(),
    };
    let operator = |(address, organisation): (&Address, &String)| FileOperator {
        address: address.to_string(),
        organisation: organisation.clone(),
    };
    FilePolicy {
        people: policy.people.iter().map(person).collect(),
        operators: policy.operators.iter().map(operator).collect(),
        rules: policy.rules.iter().map(|(name, rule)| write_rule(name, rule)).collect(),
        pause: policy.pause.map(|Quorums { stop, resume }| FilePause { stop, resume }),
    }
}

fn write_rule(name: &str, rule: &Rule) -> FileRule {
    let wad = |wad: Option<U256>| wad.map(|wad| wad.to_string());
    let days = |days: &BTreeSet<u8>| {
        days.iter().filter_map(|day| DAYS.get(usize::from(*day))).map(|day| (*day).to_owned()).collect()
    };
    let scope = rule.scope.clone();
    let texts = |addresses: BTreeSet<Address>| addresses.iter().map(ToString::to_string).collect();
    FileRule {
        name: name.to_owned(),
        evidence: rule.evidence.then(|| REQUIRED.to_owned()),
        operations: scope.operations,
        avs: texts(scope.avs),
        operator_sets: scope.operator_sets,
        operators: texts(scope.operators),
        requesters: scope.requesters,
        wad_over: wad(scope.wad_over),
        wad_min: wad(rule.wad_min),
        wad_max: wad(rule.wad_max),
        lifetime_seconds_max: rule.lifetime_seconds_max,
        hours: rule.hours.as_ref().map(|hours| FileHours { from: hours.from, to: hours.to, days: days(&hours.days) }),
        approvals: rule
            .approvals
            .map(|needed| FileApprovals { people: needed.people, organisations: needed.organisations }),
        budget: rule.budget.map(|budget| FileBudget {
            wad_max: budget.wad_max.to_string(),
            seconds: budget.seconds,
            per: budget.per.as_str().to_owned(),
        }),
        cooldown: rule
            .cooldown
            .map(|pause| FileCooldown { seconds: pause.seconds, per: pause.per.as_str().to_owned() }),
        delay_seconds: rule.delay_seconds,
        rate: rule.rate.map(|rate| FileRate { requests: rate.requests, seconds: rate.seconds }),
    }
}
