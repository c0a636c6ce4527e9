//! What rules demand over time, at the boundary.

use crate::fixture::{AVS, NOW, changed, signed, slash};
use alloy_primitives::{Address, U256};
use firn_proto::definition::Definition;
use firn_proto::message::Status;
use firn_proto::operation::SlashOperator;
use firn_proto::opinion::Opinions;
use firn_proto::policy::{
    Budget, Condition, Cooldown, Moment, PastSlash, Rate, Rule, Scope, SlashHistory, Unit, Waited,
};
use firn_proto::time::WallTime;
use firn_proto::{Code, Request};

const DAY: u64 = 86_400;
const OPERATOR: Address = Address::repeat_byte(0x22);
const FIRST: Address = Address::repeat_byte(0x33);
const SECOND: Address = Address::repeat_byte(0x44);

fn ruled(rule: Rule) -> Definition {
    changed(|definition| definition.policy.rules = [("only".to_owned(), rule)].into())
}

fn budget(wad_max: u64, per: Unit) -> Definition {
    ruled(Rule { budget: Some(Budget { wad_max: U256::from(wad_max), seconds: DAY, per }), ..Rule::default() })
}

/// A definition with every limit.
pub(crate) fn limited() -> Definition {
    ruled(Rule {
        budget: Some(Budget { wad_max: U256::from(100), seconds: DAY, per: Unit::Strategy }),
        cooldown: Some(Cooldown { seconds: 600, per: Unit::OperatorSet }),
        delay_seconds: Some(1_800),
        rate: Some(Rate { requests: 3, seconds: 60 }),
        ..Rule::default()
    })
}

/// A request for 30 and 20 wad in the two strategies, unless it is changed.
fn request(definition: &Definition, change: impl FnOnce(&mut SlashOperator)) -> Request {
    let mut slash = slash();
    slash.wadsToSlash = [30, 20].map(U256::from).to_vec();
    change(&mut slash);
    signed(slash, 7, definition).verify(definition).unwrap()
}

/// A slash in set 0, so many seconds ago.
fn past(ago: u64, wads: &[(Address, u64)]) -> PastSlash {
    let wads = wads.iter().map(|(strategy, wad)| (*strategy, U256::from(*wad))).collect();
    PastSlash { avs: AVS, operator_set_id: 0, operator: OPERATOR, wads, time: WallTime(NOW - ago) }
}

fn answer(definition: &Definition, request: &Request, slashes: &[PastSlash]) -> Result<(), Status> {
    let history = SlashHistory { time: WallTime(NOW), slashes: slashes.to_vec() };
    let moment = Moment { history: Some(&history), ..WallTime(NOW).into() };
    definition.policy.permits(definition, request, &Opinions::default(), "org-4", moment)
}

const SPENT: Result<(), Status> = Err(Status::NotYet(Code::PolicyBudgetSpent));

#[test]
fn r14_a_budget_gives_its_cap_and_not_one_wad_more() {
    let definition = budget(100, Unit::Operator);
    let request = request(&definition, |_| {});
    for (spent, expected) in [(0, Ok(())), (49, Ok(())), (50, Ok(())), (51, SPENT), (1_000, SPENT)] {
        assert_eq!(answer(&definition, &request, &[past(1, &[(FIRST, spent)])]), expected, "{spent} spent");
    }
    let all = [past(5, &[(FIRST, 10), (SECOND, 20)]), past(1, &[(SECOND, 20)])];
    assert_eq!(answer(&definition, &request, &all), Ok(()), "50 of three strategies");
    let more = [all.to_vec(), vec![past(3, &[(FIRST, 1)])]].concat();
    assert_eq!(answer(&definition, &request, &more), SPENT);
    let huge = PastSlash { wads: vec![(FIRST, U256::MAX), (SECOND, U256::MAX)], ..past(1, &[]) };
    assert_eq!(answer(&definition, &request, &[huge]), SPENT, "sums never wrap");
}

#[test]
fn r14_the_window_of_a_budget_ends_to_the_second() {
    let definition = budget(100, Unit::Operator);
    let request = request(&definition, |_| {});
    for (ago, expected) in [(0, SPENT), (DAY - 1, SPENT), (DAY, Ok(())), (DAY + 1, Ok(()))] {
        assert_eq!(answer(&definition, &request, &[past(ago, &[(FIRST, 51)])]), expected, "{ago} s ago");
    }
}

#[test]
fn r14_each_unit_has_a_budget_of_its_own() {
    let elsewhere = PastSlash { operator: AVS, ..past(1, &[(FIRST, 71)]) };
    let other_set = PastSlash { operator_set_id: 7, ..past(1, &[(FIRST, 71)]) };
    let here = past(1, &[(FIRST, 71)]);
    let second = past(1, &[(SECOND, 71)]);
    // Which of the four leaves room for 50 more of 100.
    for (per, expected) in [
        (Unit::Total, [SPENT, SPENT, SPENT, SPENT]),
        (Unit::Operator, [Ok(()), SPENT, SPENT, SPENT]),
        (Unit::OperatorSet, [SPENT, Ok(()), SPENT, SPENT]),
        (Unit::Strategy, [Ok(()), Ok(()), SPENT, Ok(())]),
    ] {
        let definition = budget(100, per);
        let request = request(&definition, |_| {});
        for (number, slash) in [&elsewhere, &other_set, &here, &second].into_iter().enumerate() {
            assert_eq!(
                answer(&definition, &request, std::slice::from_ref(slash)),
                expected[number],
                "{per:?}, slash {number}"
            );
        }
    }
    // One strategy that is full is enough.
    let definition = budget(100, Unit::Strategy);
    let request = request(&definition, |_| {});
    assert_eq!(answer(&definition, &request, &[past(1, &[(SECOND, 81)])]), SPENT);
    assert_eq!(answer(&definition, &request, &[past(1, &[(FIRST, 70), (SECOND, 80)])]), Ok(()));
}

#[test]
fn r14_slashes_by_others_count_in_the_networks_sets_and_in_no_other() {
    let definition = budget(100, Unit::Operator);
    let request = request(&definition, |_| {});
    let foreign = PastSlash { avs: Address::repeat_byte(0x99), ..past(1, &[(FIRST, 90)]) };
    let unlisted = PastSlash { operator_set_id: 1, ..past(1, &[(FIRST, 90)]) };
    assert_eq!(answer(&definition, &request, &[foreign, unlisted]), Ok(()), "an operator slashes itself to fill it");
    let scope = Scope { operator_sets: [0].into(), ..Scope::default() };
    let cap = Budget { wad_max: U256::from(100), seconds: DAY, per: Unit::Operator };
    let narrow = ruled(Rule { scope, budget: Some(cap), ..Rule::default() });
    let here = self::request(&narrow, |_| {});
    let other_set = PastSlash { operator_set_id: 7, ..past(1, &[(FIRST, 90)]) };
    assert_eq!(answer(&narrow, &here, std::slice::from_ref(&other_set)), Ok(()), "outside of the scope");
    assert_eq!(answer(&definition, &request, &[other_set]), SPENT);
}

#[test]
fn r14_more_than_a_whole_budget_is_refused_when_it_comes_in() {
    let definition = budget(49, Unit::Operator);
    let request = request(&definition, |_| {});
    let refused = definition.policy.refuses(&definition, &request, WallTime(NOW)).unwrap();
    assert_eq!(refused.0, Code::PolicyBudgetExceeded);
    assert_eq!(answer(&definition, &request, &[]), Err(Status::Declined(Code::PolicyBudgetExceeded)));
    let enough = budget(50, Unit::Operator);
    let fits = self::request(&enough, |_| {});
    assert_eq!(enough.policy.refuses(&enough, &fits, WallTime(NOW)), None);
}

#[test]
fn r14_buckets_are_those_of_every_rule_that_binds() {
    let definition = budget(100, Unit::Operator);
    let buckets = |definition: &Definition, change: fn(&mut SlashOperator)| {
        definition.policy.buckets(definition, &request(definition, change))
    };
    let same = buckets(&definition, |_| {});
    assert_eq!(same.len(), 1);
    assert_eq!(buckets(&definition, |slash| slash.nonce = U256::from(77)), same);
    assert!(buckets(&definition, |slash| slash.operator = AVS).is_disjoint(&same));
    assert_eq!(buckets(&budget(100, Unit::Strategy), |_| {}).len(), 2, "one for each strategy");
    let pause = Some(Cooldown { seconds: 60, per: Unit::Total });
    let pausing = ruled(Rule { cooldown: pause, ..Rule::default() });
    assert_eq!(buckets(&pausing, |slash| slash.operator = AVS), buckets(&pausing, |_| {}));
    let free = ruled(Rule { wad_max: Some(U256::from(100)), ..Rule::default() });
    assert!(buckets(&free, |_| {}).is_empty());
    assert_eq!(free.policy.history_seconds(&free, &request(&free, |_| {})), None);
    assert_eq!(definition.policy.history_seconds(&definition, &request(&definition, |_| {})), Some(DAY));
}

#[test]
fn r14_a_pause_follows_each_slash_of_the_bucket() {
    let cooldown = Cooldown { seconds: 600, per: Unit::OperatorSet };
    let definition = ruled(Rule { cooldown: Some(cooldown), ..Rule::default() });
    let request = request(&definition, |_| {});
    let wait = Err(Status::NotYet(Code::PolicyCooldown));
    for (ago, expected) in [(0, wait), (599, wait), (600, Ok(()))] {
        // The latest counts, with nothing slashed as well.
        let slashes = [past(ago, &[(FIRST, 0)]), past(9_000, &[(FIRST, 5)])];
        assert_eq!(answer(&definition, &request, &slashes), expected, "{ago} s ago");
        let elsewhere = PastSlash { operator_set_id: 7, ..slashes[0].clone() };
        assert_eq!(answer(&definition, &request, &[elsewhere]), Ok(()));
    }
    let findings = definition.policy.findings(&definition, &request, &Opinions::default(), WallTime(NOW));
    assert_eq!(findings[0].condition, Condition::Cooldown { since: None, cooldown });
}

/// What is answered `waited` seconds after the request came in, which lives for an hour.
fn delayed(definition: &Definition, request: &Request, waited: u64, wall: u64) -> Result<(), Status> {
    let waited = Some(Waited { received: WallTime(NOW), now: WallTime(NOW + waited) });
    let moment = Moment { waited, ..WallTime(wall).into() };
    definition.policy.permits(definition, request, &Opinions::default(), "org-4", moment)
}

#[test]
fn r17_no_share_is_lent_before_the_waiting_time_is_over_by_the_chains_clock() {
    let definition = ruled(Rule { delay_seconds: Some(1_800), ..Rule::default() });
    let request = request(&definition, |_| {});
    let wait = Err(Status::NotYet(Code::PolicyDelay));
    for (waited, expected) in [(0, wait), (1_799, wait), (1_800, Ok(())), (9_999, Ok(()))] {
        for wall in [0, NOW, NOW + 1_000_000] {
            assert_eq!(delayed(&definition, &request, waited, wall), expected, "{waited} s, wall clock {wall}");
        }
    }
    let back = Some(Waited { received: WallTime(NOW), now: WallTime(NOW - 5) });
    let moment = Moment { waited: back, ..WallTime(NOW).into() };
    assert_eq!(definition.policy.permits(&definition, &request, &Opinions::default(), "", moment), wait);
}

#[test]
fn r17_a_deadline_within_the_waiting_time_is_refused_when_it_comes_in_with_both_numbers() {
    let definition = ruled(Rule { delay_seconds: Some(1_800), ..Rule::default() });
    let at = |seconds: u64| request(&definition, |slash| slash.deadline = NOW + seconds);
    let arrival = Moment::of_arrival(WallTime(NOW));
    assert_eq!(definition.policy.refuses(&definition, &at(1_800), arrival), None);
    let short = at(1_799);
    let (code, finding) = definition.policy.refuses(&definition, &short, arrival).unwrap();
    assert_eq!(code, Code::PolicyDelayPastDeadline);
    let text = finding.describe();
    assert!(text.contains("1800 s") && text.contains("1799 s"), "{text}");
    assert_eq!(delayed(&definition, &short, 0, NOW), Err(Status::Declined(Code::PolicyDelayPastDeadline)));
}

#[test]
fn r14_r15_r17_every_limit_is_in_the_digest_and_reads_back() {
    let cap = |wad_max: u64, seconds, per| Some(Budget { wad_max: U256::from(wad_max), seconds, per });
    let mut seen = std::collections::BTreeSet::from([ruled(Rule::default()).digest()]);
    let mut rules: Vec<_> = Unit::ALL.map(|per| Rule { budget: cap(5, 60, per), ..Rule::default() }).into();
    rules.push(Rule { budget: cap(6, 60, Unit::Total), ..Rule::default() });
    rules.push(Rule { budget: cap(5, 61, Unit::Total), ..Rule::default() });
    rules.extend(Unit::ALL.map(|per| Rule { cooldown: Some(Cooldown { seconds: 60, per }), ..Rule::default() }));
    rules.push(Rule { cooldown: Some(Cooldown { seconds: 61, per: Unit::Total }), ..Rule::default() });
    rules.extend([60, 61].map(|seconds| Rule { delay_seconds: Some(seconds), ..Rule::default() }));
    for (requests, seconds) in [(1, 60), (2, 60), (1, 61)] {
        rules.push(Rule { rate: Some(Rate { requests, seconds }), ..Rule::default() });
    }
    for rule in rules {
        let definition = ruled(rule.clone());
        assert!(seen.insert(definition.digest()), "{rule:?}");
        assert_eq!(Definition::parse(&definition.to_toml()), Ok(definition));
    }
}

#[test]
fn r14_r15_limits_that_cannot_work_are_refused() {
    let month = 30 * DAY;
    let cap = |wad_max: u64, seconds| Some(Budget { wad_max: U256::from(wad_max), seconds, per: Unit::Total });
    let of = |budget| Rule { budget, ..Rule::default() };
    let pause = |seconds| Rule { cooldown: Some(Cooldown { seconds, per: Unit::Total }), ..Rule::default() };
    let rate = |requests, seconds| Rule { rate: Some(Rate { requests, seconds }), ..Rule::default() };
    let wait = |seconds| Rule { delay_seconds: Some(seconds), ..Rule::default() };
    let parsed = |rule: &Rule| Definition::parse(&ruled(rule.clone()).to_toml());
    for rule in [of(cap(1, month)), pause(month), rate(1, 1), rate(1_000, month), wait(14 * DAY - 1)] {
        assert!(parsed(&rule).is_ok(), "{rule:?}");
    }
    let over = Scope { wad_over: Some(U256::from(1)), ..Scope::default() };
    let asking = Scope { requesters: ["avs".to_owned()].into(), ..Scope::default() };
    for (rule, named) in [
        (of(cap(1, month + 1)), "look back"),
        (of(cap(1, 0)), "look back"),
        (of(cap(0, 60)), "budget of nothing"),
        (pause(month + 1), "look back"),
        (rate(0, 60), "1 to 1000 requests"),
        (rate(1_001, 60), "1 to 1000 requests"),
        (rate(1, month + 1), "look back"),
        (wait(14 * DAY), "none can wait so long"),
        (Rule { scope: over, ..of(cap(1, 60)) }, "cannot name"),
        (Rule { scope: asking, ..pause(60) }, "cannot name"),
    ] {
        let detail = parsed(&rule).expect_err("a rule that must be refused").detail;
        assert!(detail.contains(named), "{rule:?}: {detail}");
    }
    let text = ruled(of(cap(1, 60))).to_toml();
    for (from, to, named) in
        [("per = \"total\"", "per = \"hour\"", "none of"), ("wad_max = \"1\"", "wad_max = \"1e18\"", "no wad")]
    {
        let changed = text.replacen(from, to, 1);
        assert!(changed != text, "{from}: {text}");
        assert!(Definition::parse(&changed).unwrap_err().detail.contains(named), "{to}");
    }
}

#[test]
fn limits_are_described_with_their_numbers() {
    let percent = |percent: u64| U256::from(percent * 10_000_000_000_000_000);
    let budget = Some(Budget { wad_max: percent(30), seconds: DAY, per: Unit::Operator });
    let cooldown = Some(Cooldown { seconds: 600, per: Unit::OperatorSet });
    let rate = Some(Rate { requests: 3, seconds: 60 });
    let definition = ruled(Rule { budget, cooldown, rate, delay_seconds: Some(60), ..Rule::default() });
    let request = request(&definition, |slash| slash.wadsToSlash = vec![percent(5), percent(8)]);
    let mut slash = past(120, &[]);
    slash.wads = vec![(FIRST, percent(20))];
    let history = SlashHistory { time: WallTime(NOW), slashes: vec![slash] };
    let waited = Some(Waited { received: WallTime(NOW - 10), now: WallTime(NOW) });
    let moment = Moment { now: WallTime(NOW), waited, history: Some(&history) };
    let findings = definition.policy.findings(&definition, &request, &Opinions::default(), moment);
    let lines: Vec<_> = findings.iter().map(|finding| (finding.describe(), finding.holds)).collect();
    let expected = [
        ("slashes 30% at most in 86400 s (per operator): 20% are slashed, 10% are left; this takes 13%", false),
        ("waits 600 s after a slash (per operator-set); it was 120 s ago", false),
        ("waits 60 s after the request came in; 10 s have passed, its deadline is after 3610 s", false),
        ("3 requests at most of one requester are taken in within 60 s", true),
    ];
    assert_eq!(lines, expected.map(|(line, holds)| (line.to_owned(), holds)));
}

#[test]
fn r04_where_a_rule_demands_evidence_a_slash_without_is_refused() {
    let definition = ruled(Rule { evidence: true, ..Rule::default() });
    let with = request(&definition, |slash| slash.evidenceHash = alloy_primitives::B256::repeat_byte(7));
    let without = request(&definition, |_| {});
    let refuses =
        |request: &Request| definition.policy.refuses(&definition, request, WallTime(NOW)).map(|(code, _)| code);
    assert_eq!((refuses(&with), refuses(&without)), (None, Some(Code::EvidenceMissing)));
    let text = definition.to_toml();
    assert!(text.contains("evidence = \"required\""), "{text}");
    assert_eq!(Definition::parse(&text).unwrap().digest(), definition.digest());
    let bad = text.replace("\"required\"", "\"wanted\"");
    assert!(Definition::parse(&bad).unwrap_err().detail.contains("wanted"));
    assert_ne!(ruled(Rule::default()).digest(), definition.digest());
}
