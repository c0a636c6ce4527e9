//! What the policy says to a request: rule by rule, with the numbers that decide.

use super::{Approvals, Budget, Cooldown, Hours, Policy, Rate, Role, Rule, Scope, SlashHistory};
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

/// When a request is judged, and what is known of the chain by then. What is not known refuses nothing here: whoever lends a
/// share asks the chain first.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Our own clock.
    pub now: WallTime,
    /// For how long the request has been here.
    pub waited: Option<Waited>,
    /// What was slashed.
    pub history: Option<&'a SlashHistory>,
}

/// Two times of the finalised chain, which only goes forward, whatever becomes of our own clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waited {
    /// When the request came in.
    pub received: WallTime,
    /// The last that is known.
    pub now: WallTime,
}

impl From<WallTime> for Moment<'_> {
    fn from(now: WallTime) -> Self {
        Self { now, waited: None, history: None }
    }
}

impl Moment<'_> {
    /// For a request that comes in just now.
    #[must_use]
    pub fn of_arrival(now: WallTime) -> Self {
        Self { waited: Some(Waited { received: now, now }), ..now.into() }
    }
}

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
    /// What was slashed in the window, where that is known, and what is asked for on top.
    Budget {
        /// In the fullest of its buckets.
        spent: Option<U256>,
        /// On top of that.
        asked: U256,
        /// What there is.
        budget: Budget,
    },
    /// How long ago the last slash was, where that is known and there was one.
    Cooldown {
        /// In seconds.
        since: Option<u64>,
        /// How long it takes.
        cooldown: Cooldown,
    },
    /// How long the request waits.
    Delay {
        /// By the chain's clock, where that is known, in seconds.
        waited: Option<u64>,
        /// From when it came in to its deadline, in seconds.
        lives: Option<u64>,
        /// How long it takes.
        seconds: u64,
    },
    /// How many requests are taken in: decided when one comes in.
    Rate(Rate),
    /// That evidence is named.
    Evidence,
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
            Condition::Budget { asked, budget, .. } if asked > budget.wad_max => {
                Status::Declined(Code::PolicyBudgetExceeded)
            }
            Condition::Budget { .. } => Status::NotYet(Code::PolicyBudgetSpent),
            Condition::Cooldown { .. } => Status::NotYet(Code::PolicyCooldown),
            Condition::Delay { lives, seconds, .. } if lives.is_some_and(|lives| lives < seconds) => {
                Status::Declined(Code::PolicyDelayPastDeadline)
            }
            Condition::Delay { .. } => Status::NotYet(Code::PolicyDelay),
            Condition::Rate(_) => Status::NotYet(Code::PolicyRate),
            Condition::Evidence => Status::Declined(Code::EvidenceMissing),
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
            Condition::Evidence => "a slash names its evidence".to_owned(),
            limit => limit.describe_limit(),
        }
    }
}

impl Condition<'_> {
    /// As [`Finding::describe`], of what rules demand over time.
    fn describe_limit(&self) -> String {
        match self {
            Self::Budget { spent, asked, budget } => {
                let spent = spent.map_or_else(
                    || "what was slashed is not known here".to_owned(),
                    |spent| {
                        let left = percentage(&budget.wad_max.saturating_sub(spent));
                        format!("{} are slashed, {left} are left", percentage(&spent))
                    },
                );
                let (most, asked) = (percentage(&budget.wad_max), percentage(asked));
                let (seconds, per) = (budget.seconds, budget.per.as_str());
                format!("slashes {most} at most in {seconds} s (per {per}): {spent}; this takes {asked}")
            }
            Self::Cooldown { since, cooldown } => {
                let last = since.map_or_else(|| "none is known".to_owned(), |since| format!("it was {since} s ago"));
                let (seconds, per) = (cooldown.seconds, cooldown.per.as_str());
                format!("waits {seconds} s after a slash (per {per}); {last}")
            }
            Self::Delay { waited, lives, seconds } => {
                let number = |seconds: &Option<u64>| seconds.map_or_else(|| "?".to_owned(), |s| s.to_string());
                let (waited, lives) = (number(waited), number(lives));
                format!(
                    "waits {seconds} s after the request came in; {waited} s have passed, its deadline is after {lives} s"
                )
            }
            Self::Rate(rate) => {
                format!("{} requests at most of one requester are taken in within {} s", rate.requests, rate.seconds)
            }
            _ => String::new(),
        }
    }
}

impl Policy {
    /// Every condition of every rule in whose scope the request lies.
    #[must_use]
    pub fn findings<'a>(
        &self,
        definition: &Content,
        request: &Request,
        opinions: &Opinions,
        moment: impl Into<Moment<'a>>,
    ) -> Vec<Finding<'_>> {
        self.each(definition, request, opinions, moment.into()).collect()
    }

    /// Why a request is not even taken in, if so: what no person and no patience can change.
    #[must_use]
    pub fn refuses<'a>(
        &self,
        definition: &Content,
        request: &Request,
        moment: impl Into<Moment<'a>>,
    ) -> Option<(Code, Finding<'_>)> {
        let opinions = Opinions::default();
        let for_good =
            self.each(definition, request, &opinions, moment.into()).filter_map(|finding| match finding.status()? {
                Status::Declined(code) | Status::NotYet(code @ Code::PolicyLifetimeTooLong) => Some((code, finding)),
                Status::NotYet(_) | Status::Willing => None,
            });
        for_good.min_by_key(|(code, _)| *code)
    }

    /// Whether a node of `organisation` may lend a share: `Err` is what it answers. The first of these decides: a veto, the
    /// requester's expiry, its own people's rejection, a rule that says no for good, a rule that does not hold yet. Opinions are
    /// believed.
    ///
    /// # Errors
    /// The answer to whoever asks.
    pub fn permits<'a>(
        &self,
        definition: &Content,
        request: &Request,
        opinions: &Opinions,
        organisation: &str,
        moment: impl Into<Moment<'a>>,
    ) -> Result<(), Status> {
        let moment = moment.into();
        if opinions.iter().any(|(_, opinion)| opinion.decision() == Decision::Veto) {
            return Err(Status::Declined(Code::RequestVetoed));
        }
        if definition.requester_expired(request, moment.now) {
            return Err(Status::NotYet(Code::RequesterExpired));
        }
        let ours = |name: &str| self.people.get(name).is_some_and(|person| person.organisation == organisation);
        if opinions.iter().any(|(name, opinion)| opinion.decision() == Decision::Reject && ours(name)) {
            return Err(Status::NotYet(Code::RequestRejected));
        }
        let findings = self.each(definition, request, opinions, moment);
        // `Declined` orders before `NotYet`.
        findings.filter_map(|finding| finding.status()).min().map_or(Ok(()), Err)
    }

    /// One after the other, without copies: a node asks for each request, several times.
    fn each<'a>(
        &'a self,
        definition: &Content,
        request: &Request,
        opinions: &Opinions,
        moment: Moment<'_>,
    ) -> impl Iterator<Item = Finding<'a>> {
        let approved = self.approvals(request, opinions);
        self.binding(definition, request).flat_map(move |(name, rule)| {
            let conditions = rule.conditions(request, approved, moment.now);
            let limits = rule.limits(request, moment, definition);
            conditions.chain(limits).map(move |(condition, holds)| Finding { rule: name, condition, holds })
        })
    }

    /// The rules in whose scope a request lies.
    pub(super) fn binding<'a>(
        &'a self,
        definition: &Content,
        request: &Request,
    ) -> impl Iterator<Item = (&'a String, &'a Rule)> {
        let requester = definition.requesters.iter().find(|listed| listed.address == request.requester());
        let requester = requester.map(|listed| listed.name.as_str()).unwrap_or_default();
        self.rules.iter().filter(move |(_, rule)| rule.scope.covers(request, requester))
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

    /// The same for what it demands over time.
    fn limits<'a>(
        &self,
        request: &Request,
        moment: Moment<'_>,
        definition: &Content,
    ) -> impl Iterator<Item = (Condition<'a>, bool)> + use<'a> {
        let slash = request.operation().slash();
        let budget = self.budget.zip(slash).map(|(budget, slash)| {
            let (spent, asked) = self.spent(&budget, slash, moment.history, definition);
            let holds = spent.unwrap_or_default().saturating_add(asked) <= budget.wad_max;
            (Condition::Budget { spent, asked, budget }, holds)
        });
        let cooldown = self.cooldown.zip(slash).map(|(cooldown, slash)| {
            let since = moment.history.and_then(|history| self.since_last(&cooldown, slash, history, definition));
            (Condition::Cooldown { since, cooldown }, since.is_none_or(|since| since >= cooldown.seconds))
        });
        let delay = self.delay_seconds.map(|seconds| {
            let waited = moment.waited.map(|waited| waited.now.0.saturating_sub(waited.received.0));
            let lives = moment.waited.map(|waited| request.deadline().0.saturating_sub(waited.received.0));
            let fits = lives.is_none_or(|lives| lives >= seconds);
            let holds = fits && waited.is_none_or(|waited| waited >= seconds);
            (Condition::Delay { waited, lives, seconds }, holds)
        });
        let rate = self.rate.map(|rate| (Condition::Rate(rate), true));
        let evidence = slash.filter(|_| self.evidence).map(|slash| (Condition::Evidence, slash.evidence().is_some()));
        [budget, cooldown, delay, rate, evidence].into_iter().flatten()
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
