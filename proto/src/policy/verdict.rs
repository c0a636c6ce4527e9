//! What the policy says to a request: rule by rule, with the numbers that decide.

use super::{Approvals, Hours, Policy, Role, Rule, Scope};
use crate::code::Code;
use crate::definition::Content;
use crate::message::Status;
use crate::operation::SlashOperator;
use crate::operation::slash_operator::percentage;
use crate::opinion::{Decision, Opinions};
use crate::request::Request;
use crate::time::WallTime;
use alloy_primitives::U256;
use std::collections::BTreeSet;

/// One condition of one rule, and whether it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding<'a> {
    /// The rule's name.
    pub rule: &'a str,
    /// What it demands, and what there is.
    pub condition: Condition<'a>,
    /// Whether that is enough.
    pub holds: bool,
}

/// A condition with its numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition<'a> {
    /// The least wad asked for, and the rule's floor.
    WadMin {
        /// Asked for.
        least: U256,
        /// Allowed.
        limit: U256,
    },
    /// The greatest wad asked for, and the rule's ceiling.
    WadMax {
        /// Asked for.
        most: U256,
        /// Allowed.
        limit: U256,
    },
    /// How far ahead the deadline lies.
    Lifetime {
        /// From now, in seconds.
        seconds: u64,
        /// Allowed.
        limit: u64,
    },
    /// When shares are lent.
    Hours(&'a Hours),
    /// Whose approvals count.
    Approvals {
        /// How many people.
        people: usize,
        /// Of how many organisations.
        organisations: usize,
        /// What it takes.
        needed: Approvals,
    },
}

impl Finding<'_> {
    /// What a node answers where the condition does not hold: no for good, or not yet.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let status = match self.condition {
            Condition::WadMin { .. } => Status::Declined(Code::PolicyWadTooSmall),
            Condition::WadMax { .. } => Status::Declined(Code::PolicyWadTooLarge),
            Condition::Lifetime { .. } => Status::NotYet(Code::PolicyLifetimeTooLong),
            Condition::Hours(_) => Status::NotYet(Code::PolicyHours),
            Condition::Approvals { .. } => Status::NotYet(Code::PolicyApprovalsMissing),
        };
        (!self.holds).then_some(status)
    }

    /// Demand and supply in a line.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.condition {
            Condition::WadMin { least, limit } => {
                format!("takes {} at least in each strategy; this takes {}", percentage(limit), percentage(least))
            }
            Condition::WadMax { most, limit } => {
                format!("takes {} at most in any strategy; this takes {}", percentage(limit), percentage(most))
            }
            Condition::Lifetime { seconds, limit } => {
                format!("the deadline is at most {limit} s ahead; this one is {seconds} s ahead")
            }
            Condition::Hours(hours) => {
                format!("signed from {}:00 to {}:00 UTC on {} days a week", hours.from, hours.to, hours.days.len())
            }
            Condition::Approvals { people, organisations, needed } => format!(
                "takes the approval of {} people from {} organisations; {people} from {organisations} have approved",
                needed.people, needed.organisations
            ),
        }
    }
}

impl Policy {
    /// Every condition of every rule in whose scope the request lies.
    #[must_use]
    pub fn findings(
        &self,
        definition: &Content,
        request: &Request,
        opinions: &Opinions,
        now: WallTime,
    ) -> Vec<Finding<'_>> {
        self.each(definition, request, opinions, now).collect()
    }

    /// Why a request is not even taken in, if so: what no person and no patience can change.
    #[must_use]
    pub fn refuses(&self, definition: &Content, request: &Request, now: WallTime) -> Option<(Code, Finding<'_>)> {
        let opinions = Opinions::default();
        let for_good = self.each(definition, request, &opinions, now).filter_map(|finding| match finding.status()? {
            Status::Declined(code) | Status::NotYet(code @ Code::PolicyLifetimeTooLong) => Some((code, finding)),
            Status::NotYet(_) | Status::Willing => None,
        });
        for_good.min_by_key(|(code, _)| *code)
    }

    /// Whether a node of `organisation` may lend a share: `Err` is what it answers. The first of these decides: a veto, the
    /// requester's expiry, its own people's rejection, a rule that says no for good, a rule that does not hold yet. Opinions are believed.
    ///
    /// # Errors
    /// The answer to whoever asks.
    pub fn permits(
        &self,
        definition: &Content,
        request: &Request,
        opinions: &Opinions,
        organisation: &str,
        now: WallTime,
    ) -> Result<(), Status> {
        if opinions.iter().any(|(_, opinion)| opinion.decision() == Decision::Veto) {
            return Err(Status::Declined(Code::RequestVetoed));
        }
        if definition.requester_expired(request, now) {
            return Err(Status::NotYet(Code::RequesterExpired));
        }
        let ours = |name: &str| self.people.get(name).is_some_and(|person| person.organisation == organisation);
        if opinions.iter().any(|(name, opinion)| opinion.decision() == Decision::Reject && ours(name)) {
            return Err(Status::NotYet(Code::RequestRejected));
        }
        let findings = self.each(definition, request, opinions, now);
        // `Declined` orders before `NotYet`.
        findings.filter_map(|finding| finding.status()).min().map_or(Ok(()), Err)
    }

    /// One after the other, without copies: a node asks for each request, several times.
    fn each<'a>(
        &'a self,
        definition: &Content,
        request: &Request,
        opinions: &Opinions,
        now: WallTime,
    ) -> impl Iterator<Item = Finding<'a>> {
        let requester = definition.requesters.iter().find(|listed| listed.address == request.requester());
        let requester = requester.map(|listed| listed.name.as_str()).unwrap_or_default();
        let approved = self.approvals(request, opinions);
        let bind = self.rules.iter().filter(move |(_, rule)| rule.scope.covers(request, requester));
        bind.flat_map(move |(name, rule)| {
            let conditions = rule.conditions(request, approved, now);
            conditions.map(move |(condition, holds)| Finding { rule: name, condition, holds })
        })
    }

    /// How many people of how many organisations have approved, each counted once: not those of the slashed operator's own
    /// organisation (R18). Requesters are not people, by the definition's own check.
    fn approvals(&self, request: &Request, opinions: &Opinions) -> (usize, usize) {
        let slashed = request.operation().slash().and_then(|slash| self.operators.get(&slash.operator));
        let approved = opinions.iter().filter(|(_, opinion)| opinion.decision() == Decision::Approve);
        let people = approved.filter_map(|(name, _)| self.people.get(name)).filter(|person| {
            person.roles.contains(&Role::Approver)
                && Some(&person.organisation) != slashed
                && person.address != request.requester()
        });
        let organisations: Vec<_> = people.map(|person| &person.organisation).collect();
        (organisations.len(), organisations.into_iter().collect::<BTreeSet<_>>().len())
    }
}

impl Rule {
    /// Each condition that it has, and whether it holds, where so many people of so many organisations have approved.
    fn conditions<'a>(
        &'a self,
        request: &Request,
        (people, organisations): (usize, usize),
        now: WallTime,
    ) -> impl Iterator<Item = (Condition<'a>, bool)> + use<'a> {
        let wads = || request.operation().slash().map(|slash| &slash.wadsToSlash);
        let wad_min = self.wad_min.zip(wads().and_then(|wads| wads.iter().min().copied()));
        let wad_max = self.wad_max.zip(wads().and_then(|wads| wads.iter().max().copied()));
        let lifetime = self.lifetime_seconds_max.map(|limit| {
            let seconds = request.deadline().0.saturating_sub(now.0);
            (Condition::Lifetime { seconds, limit }, seconds <= limit)
        });
        let approvals = self.approvals.map(|needed| {
            let holds = people >= usize::from(needed.people) && organisations >= usize::from(needed.organisations);
            (Condition::Approvals { people, organisations, needed }, holds)
        });
        let hours = self.hours.as_ref().map(|hours| (Condition::Hours(hours), hours.contain(now)));
        [
            wad_min.map(|(limit, least)| (Condition::WadMin { least, limit }, least >= limit)),
            wad_max.map(|(limit, most)| (Condition::WadMax { most, limit }, most <= limit)),
            lifetime,
            hours,
            approvals,
        ]
        .into_iter()
        .flatten()
    }
}

impl Scope {
    fn covers(&self, request: &Request, requester: &str) -> bool {
        let operation = request.operation();
        let slash = operation.slash();
        let slashes = |within: &dyn Fn(&SlashOperator) -> bool| slash.is_some_and(within);
        (self.operations.is_empty() || self.operations.contains(operation.kind()))
            && (self.avs.is_empty() || self.avs.contains(&operation.avs()))
            && (self.requesters.is_empty() || self.requesters.contains(requester))
            && (self.operator_sets.is_empty() || slashes(&|slash| self.operator_sets.contains(&slash.operatorSetId)))
            && (self.operators.is_empty() || slashes(&|slash| self.operators.contains(&slash.operator)))
            && self.wad_over.is_none_or(|over| slashes(&|slash| slash.wadsToSlash.iter().any(|wad| *wad > over)))
    }
}

impl Hours {
    /// Whether a time lies in one that begins on one of the days.
    fn contain(&self, now: WallTime) -> bool {
        let (days, hour) = (now.0 / 86_400, now.0 / 3_600 % 24);
        // The epoch began on a Thursday.
        let weekday = |day: u64| u8::try_from((day + 3) % 7).unwrap_or_default();
        let (today, yesterday) = (weekday(days), weekday(days + 6));
        let (from, to) = (u64::from(self.from), u64::from(self.to));
        if from < to {
            return self.days.contains(&today) && (from..to).contains(&hour);
        }
        self.days.contains(&today) && hour >= from || self.days.contains(&yesterday) && hour < to
    }
}
