//! What rules demand over time: budgets, cool-downs, time-locks and rates.
//!
//! Budgets and cool-downs count what the finalised chain shows, whoever did it; time is that chain's. A bucket is what one of
//! them counts for: a vault lends shares for one open payload per bucket at a time (docs/adr/0015-budgets.md).

use super::{Policy, Rule, Scope};
use crate::account::Call;
use crate::definition::Content;
use crate::digest::CanonicalHasher;
use crate::ids::Digest;
use crate::limits::{HISTORY_SECONDS_MAX, RATE_REQUESTS_MAX, REQUEST_LIFETIME_SECONDS_MAX};
use crate::operation::SlashOperator;
use crate::operation::eigenlayer::{IAllocationManager, SlashingParams};
use crate::request::Request;
use crate::time::WallTime;
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use std::collections::BTreeSet;

/// The most that may be slashed in a window of time, in each bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The sum of the wads of all strategies.
    pub wad_max: U256,
    /// The window: slashes that lie this long back or longer no longer count.
    pub seconds: u64,
    /// What has a budget of its own.
    pub per: Unit,
}

/// A pause after each slash, in each bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cooldown {
    /// How long.
    pub seconds: u64,
    /// What has a pause of its own.
    pub per: Unit,
}

/// How many requests a requester may have taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// So many.
    pub requests: u32,
    /// In any time as long as this.
    pub seconds: u64,
}

/// What has a bucket of its own within a rule's scope.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unit {
    /// Nothing: the scope as a whole.
    Total,
    /// Each operator.
    Operator,
    /// Each operator set.
    OperatorSet,
    /// Each strategy of each operator in each set.
    Strategy,
}

/// A slash that the finalised chain shows as executed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PastSlash {
    /// The AVS.
    pub avs: Address,
    /// The operator set.
    pub operator_set_id: u32,
    /// The operator.
    pub operator: Address,
    /// Each strategy, and what was slashed in it: as the chain logs it, a share of all the operator's stake there.
    pub wads: Vec<(Address, U256)>,
    /// The time of its block.
    pub time: WallTime,
}

/// Slashes in the network's operator sets, read at a finalised block.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SlashHistory {
    /// That block's time.
    pub time: WallTime,
    /// In any order, from as far back as [`Policy::history_seconds`] says.
    pub slashes: Vec<PastSlash>,
}

/// What one budget or cool-down counts for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Bucket {
    unit: Unit,
    operator: Option<Address>,
    set: Option<(Address, u32)>,
    strategy: Option<Address>,
}

impl Unit {
    /// All units.
    pub const ALL: [Self; 4] = [Self::Total, Self::Operator, Self::OperatorSet, Self::Strategy];

    /// The name in definitions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Operator => "operator",
            Self::OperatorSet => "operator-set",
            Self::Strategy => "strategy",
        }
    }

    /// The buckets that a slash is counted in, each with how much.
    fn buckets(self, slash: &PastSlash) -> Vec<(Bucket, U256)> {
        let operator = matches!(self, Self::Operator | Self::Strategy).then_some(slash.operator);
        let set = matches!(self, Self::OperatorSet | Self::Strategy).then_some((slash.avs, slash.operator_set_id));
        let bucket = |strategy| Bucket { unit: self, operator, set, strategy };
        if self == Self::Strategy {
            return slash.wads.iter().map(|(strategy, wad)| (bucket(Some(*strategy)), *wad)).collect();
        }
        let sum = slash.wads.iter().fold(U256::ZERO, |sum, (_, wad)| sum.saturating_add(*wad));
        vec![(bucket(None), sum)]
    }
}

impl From<&SlashOperator> for PastSlash {
    /// As if it were executed with all that it asks for.
    fn from(slash: &SlashOperator) -> Self {
        Self {
            avs: slash.avs,
            operator_set_id: slash.operatorSetId,
            operator: slash.operator,
            wads: slash.strategies.iter().copied().zip(slash.wadsToSlash.iter().copied()).collect(),
            time: WallTime::default(),
        }
    }
}

impl PastSlash {
    /// What a call of the AllocationManager slashes, if it is one that does: all that it asks for.
    #[must_use]
    pub fn of_call(call: &Call) -> Option<Self> {
        let slash = IAllocationManager::slashOperatorCall::abi_decode_validate(&call.data).ok()?;
        let SlashingParams { operator, operatorSetId: operator_set_id, strategies, wadsToSlash: wads, .. } =
            slash.params;
        let wads = strategies.into_iter().zip(wads).collect();
        Some(Self { avs: slash.avs, operator_set_id, operator, wads, time: WallTime::default() })
    }
}

impl Policy {
    /// How far back a request's budgets and cool-downs look at slashes; `None` where it has none.
    #[must_use]
    pub fn history_seconds(&self, definition: &Content, request: &Request) -> Option<u64> {
        request.operation().slash()?;
        let limits = |rule: &Rule| [rule.budget.map(|budget| budget.seconds), rule.cooldown.map(|pause| pause.seconds)];
        self.binding(definition, request).flat_map(|(_, rule)| limits(rule)).flatten().max()
    }

    /// The buckets of a request, of all rules that bind it: what only one open payload at a time may hold.
    #[must_use]
    pub fn buckets(&self, definition: &Content, request: &Request) -> BTreeSet<Digest> {
        let Some(slash) = request.operation().slash().map(PastSlash::from) else { return BTreeSet::new() };
        let of_rule = |(name, rule): (&String, &Rule)| {
            let units = rule.units().into_iter().flatten().flat_map(|unit| unit.buckets(&slash));
            units.map(|(bucket, _)| bucket.digest(name)).collect::<Vec<_>>()
        };
        self.binding(definition, request).flat_map(of_rule).collect()
    }

    /// How much longer a request has to wait by its rules, in seconds.
    #[must_use]
    pub fn delay_left(&self, definition: &Content, request: &Request, waited: u64) -> u64 {
        let delays = self.binding(definition, request).filter_map(|(_, rule)| rule.delay_seconds);
        delays.max().unwrap_or_default().saturating_sub(waited)
    }

    /// The rates that bind a request, each with the name of its rule.
    pub fn rates<'a>(
        &'a self,
        definition: &Content,
        request: &Request,
    ) -> impl Iterator<Item = (&'a String, Rate)> + use<'a> {
        let rates: Vec<_> =
            self.binding(definition, request).filter_map(|(name, rule)| Some((name, rule.rate?))).collect();
        rates.into_iter()
    }
}

impl Rule {
    fn units(&self) -> [Option<Unit>; 2] {
        [self.budget.map(|budget| budget.per), self.cooldown.map(|pause| pause.per)]
    }

    /// Whether it demands anything that this file is about, or evidence, which came with it into the digest.
    pub(super) fn has_limits(&self) -> bool {
        self.evidence || self.delay_seconds.is_some() || self.rate.is_some() || self.units().iter().any(Option::is_some)
    }

    pub(super) fn add_limits_to(&self, hasher: CanonicalHasher) -> CanonicalHasher {
        hasher
            .list(self.budget.iter(), |hasher, budget| {
                let wad = hasher.field(budget.wad_max.to_be_bytes::<32>());
                wad.number(budget.seconds).field(budget.per.as_str())
            })
            .list(self.cooldown.iter(), |hasher, pause| hasher.number(pause.seconds).field(pause.per.as_str()))
            .list(self.delay_seconds.iter(), |hasher, seconds| hasher.number(*seconds))
            .list(self.rate.iter(), |hasher, rate| hasher.number(rate.requests).number(rate.seconds))
            .number(u8::from(self.evidence))
    }

    /// Why it cannot work, if so.
    pub(super) fn limits_problem(&self) -> Option<String> {
        let windows = [self.budget.map(|budget| budget.seconds), self.cooldown.map(|pause| pause.seconds)];
        let windows = windows.into_iter().chain([self.rate.map(|rate| rate.seconds)]).flatten();
        if let Some(seconds) = windows.into_iter().find(|seconds| !(1..=HISTORY_SECONDS_MAX).contains(seconds)) {
            return Some(format!("{seconds} s; budget, cooldown and rate look back 1 to {HISTORY_SECONDS_MAX} s"));
        }
        if self.budget.is_some_and(|budget| budget.wad_max.is_zero()) {
            return Some("a budget of nothing; wad_max = \"0\" says that nothing is slashed".to_owned());
        }
        if self.rate.is_some_and(|rate| !(1..=RATE_REQUESTS_MAX).contains(&rate.requests)) {
            return Some(format!("a rate is of 1 to {RATE_REQUESTS_MAX} requests"));
        }
        if self.delay_seconds.is_some_and(|seconds| seconds >= REQUEST_LIFETIME_SECONDS_MAX) {
            return Some(format!(
                "no request lives for longer than {REQUEST_LIFETIME_SECONDS_MAX} s, so none can wait so long"
            ));
        }
        let narrowed = !self.scope.requesters.is_empty() || self.scope.wad_over.is_some();
        (narrowed && self.units().iter().any(Option::is_some)).then(|| {
            "budget and cooldown count what anybody did: their scope cannot name requesters or wad_over".to_owned()
        })
    }

    /// How much was slashed within the window in the fullest of the request's buckets, and how much it asks for there. Without
    /// a history: what it asks for.
    pub(super) fn spent(
        &self,
        budget: &Budget,
        slash: &SlashOperator,
        history: Option<&SlashHistory>,
        definition: &Content,
    ) -> (Option<U256>, U256) {
        let past: Vec<_> = history
            .into_iter()
            .flat_map(|history| {
                let counts = |slash: &&PastSlash| {
                    slash.time.0.saturating_add(budget.seconds) > history.time.0 && self.scope.counts(slash, definition)
                };
                history.slashes.iter().filter(counts).flat_map(|slash| budget.per.buckets(slash))
            })
            .collect();
        let spent = |bucket: &Bucket| {
            let same = past.iter().filter(|(other, _)| other == bucket);
            same.fold(U256::ZERO, |sum, (_, wad)| sum.saturating_add(*wad))
        };
        let asked = budget.per.buckets(&slash.into()).into_iter();
        let fullest = asked.map(|(bucket, asked)| (spent(&bucket), asked)).max_by_key(|(spent, asked)| {
            // What can never be had outdoes what cannot be had now.
            (*asked > budget.wad_max, spent.saturating_add(*asked))
        });
        let (spent, asked) = fullest.unwrap_or_default();
        (history.map(|_| spent), asked)
    }

    /// How long ago the last slash in any of the request's buckets was, where the history has one.
    pub(super) fn since_last(
        &self,
        pause: &Cooldown,
        slash: &SlashOperator,
        history: &SlashHistory,
        definition: &Content,
    ) -> Option<u64> {
        let ours: BTreeSet<_> = pause.per.buckets(&slash.into()).into_iter().map(|(bucket, _)| bucket).collect();
        let shared = |slash: &&PastSlash| {
            self.scope.counts(slash, definition)
                && pause.per.buckets(slash).iter().any(|(bucket, _)| ours.contains(bucket))
        };
        let last = history.slashes.iter().filter(shared).map(|slash| slash.time.0).max()?;
        Some(history.time.0.saturating_sub(last))
    }
}

impl Scope {
    /// Whether a slash that was executed lies in it. Only operator sets of this network count, so that nobody fills a budget
    /// by slashing itself in a set of its own.
    fn counts(&self, slash: &PastSlash, definition: &Content) -> bool {
        definition.key_for(slash.avs, slash.operator_set_id).is_some()
            && (self.avs.is_empty() || self.avs.contains(&slash.avs))
            && (self.operator_sets.is_empty() || self.operator_sets.contains(&slash.operator_set_id))
            && (self.operators.is_empty() || self.operators.contains(&slash.operator))
    }
}

impl Bucket {
    /// Its name among all rules.
    fn digest(&self, rule: &str) -> Digest {
        CanonicalHasher::new("firn/budget-bucket/v1")
            .field(rule)
            .field(self.unit.as_str())
            .list(self.operator.iter(), CanonicalHasher::field)
            .list(self.set.iter(), |hasher, (avs, id)| hasher.field(avs).number(*id))
            .list(self.strategy.iter(), CanonicalHasher::field)
            .finish()
    }
}
