//! Policy: who has a say besides requesters, and under which conditions an operation is signed.
//!
//! It is part of the network definition, so that all nodes hold the same. A requester's entry says what it may ask for at
//! all; a rule adds conditions. Every rule in whose scope an operation lies binds it, so another rule never allows more.

use crate::code::Refusal;
use crate::definition::{Content, invalid, unique};
use crate::digest::CanonicalHasher;
use crate::ids::Digest;
use crate::limits::{PEOPLE_MAX, RULES_MAX};
use crate::pause::Quorums;
use alloy_primitives::{Address, U256};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) mod file;
mod limit;
mod verdict;

pub use limit::{Budget, Cooldown, PastSlash, Rate, SlashHistory, Unit};
pub use verdict::{Condition, Finding, Moment, Waited};

/// The people, whose operators are whose, and the rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// People with a say, by name.
    pub people: BTreeMap<String, Person>,
    /// The organisation that runs an operator, which has no say in slashing it.
    pub operators: BTreeMap<Address, String>,
    /// The rules by name.
    pub rules: BTreeMap<String, Rule>,
    /// How many organisations' veto holders pause the network; absent: none can.
    pub pause: Option<Quorums>,
}

/// A person of an organisation, who speaks with an Ethereum key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// For whom.
    pub organisation: String,
    /// Verifies what the person signs. No two people, and no person and requester, share one.
    pub address: Address,
    /// In which roles.
    pub roles: BTreeSet<Role>,
}

/// What a person may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Approve and reject.
    Approver,
    /// Veto.
    VetoHolder,
    /// Sign the definition's next version, and nothing else.
    Admin,
}

/// Conditions for the operations in a scope. Each that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rule {
    /// What it is about.
    pub scope: Scope,
    /// The least that may be slashed in any strategy, in wad.
    pub wad_min: Option<U256>,
    /// The most that may be slashed in any strategy, in wad.
    pub wad_max: Option<U256>,
    /// How far ahead a deadline may lie, in seconds.
    pub lifetime_seconds_max: Option<u64>,
    /// When shares are lent.
    pub hours: Option<Hours>,
    /// Who must have approved.
    pub approvals: Option<Approvals>,
    /// The most that may be slashed in a window of time.
    pub budget: Option<Budget>,
    /// The pause after a slash.
    pub cooldown: Option<Cooldown>,
    /// How long a request waits before a share is lent, in seconds. Where the chain itself delays, none is needed.
    pub delay_seconds: Option<u64>,
    /// How many requests are taken in.
    pub rate: Option<Rate>,
    /// A slash names its evidence.
    pub evidence: bool,
}

/// Which operations a rule is about. What is left empty restricts nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// Kinds of operation.
    pub operations: BTreeSet<String>,
    /// AVSs.
    pub avs: BTreeSet<Address>,
    /// Ids of operator sets: slashes only.
    pub operator_sets: BTreeSet<u32>,
    /// Operators: slashes only.
    pub operators: BTreeSet<Address>,
    /// Requesters by name.
    pub requesters: BTreeSet<String>,
    /// Slashes of more than this wad in some strategy.
    pub wad_over: Option<U256>,
}

/// Whole hours of a day in UTC: `from` is the first hour, `to` the first that is not meant. Past midnight where `to` is not
/// after `from`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hours {
    /// 0 to 23.
    pub from: u8,
    /// 1 to 24.
    pub to: u8,
    /// Days of the week on which such a time begins, Monday is 0.
    pub days: BTreeSet<u8>,
}

/// How many people of how many organisations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Approvals {
    /// Different people.
    pub people: u16,
    /// Different organisations among them.
    pub organisations: u16,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Approver, Self::VetoHolder, Self::Admin];

    /// The name in definitions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::VetoHolder => "veto",
            Self::Admin => "admin",
        }
    }
}

impl Policy {
    /// The canonical digest: what an audit names. A policy without pauses is named as it was before there were any.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let hasher = CanonicalHasher::new("firn/policy/v1")
            .list(self.people.iter(), |hasher, (name, person)| {
                hasher
                    .field(name)
                    .field(&person.organisation)
                    .field(person.address)
                    .list(person.roles.iter(), |hasher, role| hasher.field(role.as_str()))
            })
            .list(self.operators.iter(), |hasher, (operator, organisation)| hasher.field(operator).field(organisation))
            .list(self.rules.iter(), |hasher, (name, rule)| rule.add_to(hasher.field(name)));
        // A policy without any of these has the digest that it had before there were any.
        let limited: Vec<_> = self.rules.iter().filter(|(_, rule)| rule.has_limits()).collect();
        let limits = |hasher: CanonicalHasher, (name, rule): &(&String, &Rule)| rule.add_limits_to(hasher.field(name));
        let hasher = if limited.is_empty() { hasher } else { hasher.list(limited.iter(), limits) };
        self.pause.into_iter().fold(hasher, |hasher, quorums| quorums.add_to(hasher)).finish()
    }

    /// The person with this address.
    #[must_use]
    pub fn person(&self, address: Address) -> Option<(&String, &Person)> {
        self.people.iter().find(|(_, person)| person.address == address)
    }

    /// What the types cannot express: references, one person one key, and approvals that can be had.
    pub(crate) fn check(&self, definition: &Content) -> Result<(), Refusal> {
        if self.people.len() > PEOPLE_MAX || self.rules.len() > RULES_MAX {
            return Err(invalid(format!("at most {PEOPLE_MAX} people and {RULES_MAX} rules")));
        }
        unique("person's address", self.people.values().map(|person| person.address))?;
        for (name, person) in &self.people {
            if !definition.organisations.contains(&person.organisation) {
                return Err(invalid(format!("person {name} is of unknown organisation {}", person.organisation)));
            }
            if let Some(requester) = definition.requesters.iter().find(|other| other.address == person.address) {
                let both = format!("person {name} and requester {} share an address", requester.name);
                return Err(invalid(format!("{both}; who asks does not approve")));
            }
        }
        if let Some((operator, organisation)) =
            self.operators.iter().find(|(_, organisation)| !definition.organisations.contains(*organisation))
        {
            return Err(invalid(format!("operator {operator} is run by unknown organisation {organisation}")));
        }
        self.pause.map_or(Ok(()), |quorums| quorums.check(definition))?;
        self.rules.iter().try_for_each(|(name, rule)| self.check_rule(name, rule, definition))
    }

    fn check_rule(&self, name: &str, rule: &Rule, definition: &Content) -> Result<(), Refusal> {
        let invalid = |detail: String| Err(invalid(format!("rule {name}: {detail}")));
        let known = |requester: &&String| definition.requesters.iter().any(|listed| listed.name == **requester);
        if let Some(unknown) = rule.scope.requesters.iter().find(|requester| !known(requester)) {
            return invalid(format!("unknown requester {unknown}"));
        }
        if let Some(kind) = rule.scope.operations.iter().find(|kind| !crate::operation::KINDS.contains(&kind.as_str()))
        {
            return invalid(format!("unknown operation {kind}"));
        }
        if let (Some(least), Some(most)) = (rule.wad_min, rule.wad_max)
            && least > most
        {
            return invalid(format!("wad_min {least} is above wad_max {most}"));
        }
        if let Some(hours) = &rule.hours
            && (hours.from > 23 || hours.to == 0 || hours.to > 24 || hours.days.is_empty())
        {
            return invalid("hours run from 0..23 to 1..24, on one day at least".to_owned());
        }
        if let Some(problem) = rule.limits_problem() {
            return invalid(problem);
        }
        let Some(needed) = rule.approvals else { return Ok(()) };
        // Whoever is slashed, its organisation has no say: the others must be enough.
        let excluded = self.operators.values().map(Some).chain([None]);
        for organisation in excluded {
            let others = self.people.values().filter(|person| Some(&person.organisation) != organisation);
            let approvers: Vec<_> = others.filter(|person| person.roles.contains(&Role::Approver)).collect();
            let organisations: BTreeSet<_> = approvers.iter().map(|person| &person.organisation).collect();
            if needed.people == 0
                || needed.organisations == 0
                || needed.organisations > needed.people
                || approvers.len() < usize::from(needed.people)
                || organisations.len() < usize::from(needed.organisations)
            {
                let without = organisation.map(|name| format!(" without those of {name}")).unwrap_or_default();
                let wanted = format!("{} people from {} organisations", needed.people, needed.organisations);
                return invalid(format!("approvals by {wanted} cannot be had{without}"));
            }
        }
        Ok(())
    }
}

impl Rule {
    /// All but the limits over time, which are added at the end.
    fn add_to(&self, hasher: CanonicalHasher) -> CanonicalHasher {
        let Self { scope, wad_min, wad_max, lifetime_seconds_max, hours, approvals, .. } = self;
        let wad = |hasher: CanonicalHasher, wad: &U256| hasher.field(wad.to_be_bytes::<32>());
        hasher
            .list(scope.operations.iter(), CanonicalHasher::field)
            .list(scope.avs.iter(), CanonicalHasher::field)
            .list(scope.operator_sets.iter(), |hasher, id| hasher.number(*id))
            .list(scope.operators.iter(), CanonicalHasher::field)
            .list(scope.requesters.iter(), CanonicalHasher::field)
            .list(scope.wad_over.iter(), wad)
            .list(wad_min.iter(), wad)
            .list(wad_max.iter(), wad)
            .list(lifetime_seconds_max.iter(), |hasher, seconds| hasher.number(*seconds))
            .list(hours.iter(), |hasher, hours| {
                hasher.number(hours.from).number(hours.to).list(hours.days.iter(), |hasher, day| hasher.number(*day))
            })
            .list(approvals.iter(), |hasher, needed| hasher.number(needed.people).number(needed.organisations))
    }
}
