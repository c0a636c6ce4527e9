//! Policy: what a definition may say, and what the rules say to a request.

use crate::fixture::{AVS, NOW, changed, definition, opinion, signed, slash};
use alloy_primitives::{Address, U256};
use firn_proto::definition::{Content, Definition};
use firn_proto::message::Status;
use firn_proto::operation::SlashOperator;
use firn_proto::opinion::{Decision, Opinions};
use firn_proto::policy::{Approvals, Condition, Hours, Role, Rule, Scope};
use firn_proto::time::WallTime;
use firn_proto::{Code, Request};

/// A percent, in wad.
const PERCENT: U256 = U256::from_limbs([10_000_000_000_000_000, 0, 0, 0]);

fn percent(percent: u64) -> U256 {
    PERCENT * U256::from(percent)
}

/// A definition whose only rule is this one.
fn ruled(rule: Rule) -> Definition {
    changed(|definition| definition.policy.rules = [("only".to_owned(), rule)].into())
}

fn request(definition: &Definition, change: impl FnOnce(&mut SlashOperator)) -> Request {
    let mut slash = slash();
    slash.wadsToSlash = vec![percent(5), percent(8)];
    change(&mut slash);
    signed(slash, 7, definition).verify(definition).unwrap()
}

fn said(definition: &Definition, request: &Request, opinions: &[(u8, Decision)]) -> Opinions {
    let mut all = Opinions::default();
    for (key, decision) in opinions {
        let opinion = opinion(definition, *key, request.id(), *decision, NOW);
        all.insert(opinion.verify(definition).unwrap());
    }
    all
}

/// What a node of `org-4` answers.
fn answer(definition: &Definition, request: &Request, opinions: &[(u8, Decision)], now: u64) -> Result<(), Status> {
    let opinions = said(definition, request, opinions);
    definition.policy.permits(definition, request, &opinions, "org-4", WallTime(now))
}

fn refused(change: impl FnOnce(&mut Content)) -> String {
    Definition::parse(&changed(change).to_toml()).expect_err("a definition that must be refused").detail
}

#[test]
fn r16_every_part_of_a_policy_is_in_the_digest_and_reads_back() {
    type Change = fn(&mut Rule);
    let changes: &[Change] = &[
        |rule| rule.scope.operations = ["slash_operator".to_owned()].into(),
        |rule| rule.scope.avs = [AVS].into(),
        |rule| rule.scope.operator_sets = [7].into(),
        |rule| rule.scope.operators = [AVS].into(),
        |rule| rule.scope.requesters = ["avs".to_owned()].into(),
        |rule| rule.scope.wad_over = Some(percent(1)),
        |rule| rule.wad_min = Some(percent(1)),
        |rule| rule.wad_max = Some(percent(1)),
        |rule| rule.lifetime_seconds_max = Some(60),
        |rule| rule.hours = Some(Hours { from: 8, to: 18, days: [0, 4].into() }),
        |rule| rule.hours = Some(Hours { from: 8, to: 19, days: [0, 4].into() }),
        |rule| rule.hours = Some(Hours { from: 8, to: 18, days: [0, 5].into() }),
        |rule| rule.approvals = Some(Approvals { people: 2, organisations: 1 }),
        |rule| rule.approvals = Some(Approvals { people: 2, organisations: 2 }),
    ];
    let mut seen = std::collections::BTreeSet::from([ruled(Rule::default()).digest()]);
    for (number, change) in changes.iter().enumerate() {
        let mut rule = Rule::default();
        change(&mut rule);
        let definition = ruled(rule);
        assert!(seen.insert(definition.digest()), "change {number} is not in the digest");
        assert_eq!(Definition::parse(&definition.to_toml()), Ok(definition));
    }
    let whole = changed(|definition| _ = definition.policy.people.remove("person-5"));
    assert!(seen.insert(whole.digest()));
    let role = changed(|definition| {
        definition.policy.people.get_mut("person-5").unwrap().roles = [Role::VetoHolder].into();
    });
    assert!(seen.insert(role.digest()));
}

#[test]
fn a_network_without_a_policy_keeps_the_name_that_it_had_before_there_were_any() {
    let plain = changed(|definition| definition.policy = firn_proto::policy::Policy::default());
    assert_eq!(plain.digest().to_string(), "0xe12dc4d0a99adc879713e9ed3d371da5060edea0389be4b4b2adfe3bf35be8d1");
}

#[test]
fn r18_a_policy_that_cannot_work_is_refused() {
    let rule = |rule: Rule| refused(|definition| definition.policy.rules = [("only".to_owned(), rule)].into());
    let approvals =
        |people, organisations| Rule { approvals: Some(Approvals { people, organisations }), ..Rule::default() };
    // Five approvers of five organisations, one of which runs an operator and then has no say.
    for (people, organisations) in [(5, 1), (5, 5), (0, 0), (1, 0), (1, 2), (6, 1)] {
        let detail = rule(approvals(people, organisations));
        assert!(detail.contains("cannot be had"), "{people} of {organisations}: {detail}");
    }
    assert!(Definition::parse(&ruled(approvals(4, 4)).to_toml()).is_ok());
    let least = Rule { wad_min: Some(percent(2)), wad_max: Some(percent(1)), ..Rule::default() };
    assert!(rule(least).contains("above wad_max"));
    let scope = Scope { requesters: ["nobody".to_owned()].into(), ..Scope::default() };
    assert!(rule(Rule { scope, ..Rule::default() }).contains("unknown requester nobody"));
    let scope = Scope { operations: ["mint".to_owned()].into(), ..Scope::default() };
    assert!(rule(Rule { scope, ..Rule::default() }).contains("unknown operation mint"));
    for (from, to, days) in [(24, 1, vec![0]), (0, 0, vec![0]), (0, 25, vec![0]), (0, 24, vec![])] {
        let hours = Some(Hours { from, to, days: days.into_iter().collect() });
        assert!(rule(Rule { hours, ..Rule::default() }).contains("hours"), "{from} to {to}");
    }
    let unknown = |definition: &mut Content| {
        definition.policy.people.get_mut("person-1").unwrap().organisation = "nobody".to_owned();
    };
    assert!(refused(unknown).contains("unknown organisation nobody"));
    assert!(refused(|definition| _ = definition.policy.operators.insert(AVS, "nobody".to_owned())).contains("nobody"));
    let shared = |definition: &mut Content| {
        let address = definition.policy.people["person-2"].address;
        definition.policy.people.get_mut("person-1").unwrap().address = address;
    };
    assert!(refused(shared).contains("duplicate person's address"), "one key, one person");
    let both = |definition: &mut Content| {
        definition.policy.people.get_mut("person-1").unwrap().address = definition.requesters[0].address;
    };
    assert!(refused(both).contains("who asks does not approve"), "R18");
    let text = definition().to_toml();
    for (from, to, named) in [
        ("\"approver\"", "\"chief\"", "unknown role"),
        ("wad_over = \"1", "wad_over = \"0x1", "no wad"),
        ("wad_over = \"1", "wad_over = \"-1", "no wad"),
        ("name = \"person-2\"", "name = \"person-1\"", "duplicate person"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert!(changed != text, "{from}");
        let refusal = Definition::parse(&changed).unwrap_err();
        assert!(refusal.detail.contains(named), "{to}: {refusal}");
    }
}

#[test]
fn r14_a_slash_is_held_against_floor_and_ceiling_at_the_boundary() {
    let definition = ruled(Rule { wad_min: Some(percent(5)), wad_max: Some(percent(8)), ..Rule::default() });
    let one = U256::from(1);
    for (wads, expected) in [
        (vec![percent(5), percent(8)], Ok(())),
        (vec![percent(5), percent(8) + one], Err(Status::Declined(Code::PolicyWadTooLarge))),
        (vec![percent(8) + one, percent(5)], Err(Status::Declined(Code::PolicyWadTooLarge))),
        (vec![percent(5) - one, percent(8)], Err(Status::Declined(Code::PolicyWadTooSmall))),
        (vec![percent(7), percent(5) - one], Err(Status::Declined(Code::PolicyWadTooSmall))),
    ] {
        let request = request(&definition, |slash| slash.wadsToSlash.clone_from(&wads));
        assert_eq!(answer(&definition, &request, &[], NOW), expected, "{wads:?}");
    }
}

#[test]
fn r14_a_rule_binds_all_in_its_scope_and_nothing_else() {
    let ceiling = |scope: Scope| ruled(Rule { scope, wad_max: Some(percent(1)), ..Rule::default() });
    let here = slash();
    let cases: [(Scope, bool); 12] = [
        (Scope::default(), true),
        (Scope { operations: ["slash_operator".to_owned()].into(), ..Scope::default() }, true),
        (Scope { avs: [AVS].into(), ..Scope::default() }, true),
        (Scope { avs: [Address::ZERO].into(), ..Scope::default() }, false),
        (Scope { operator_sets: [0].into(), ..Scope::default() }, true),
        (Scope { operator_sets: [7].into(), ..Scope::default() }, false),
        (Scope { operators: [here.operator].into(), ..Scope::default() }, true),
        (Scope { operators: [AVS].into(), ..Scope::default() }, false),
        (Scope { requesters: ["avs".to_owned()].into(), ..Scope::default() }, true),
        (Scope { requesters: ["idle".to_owned()].into(), ..Scope::default() }, false),
        (Scope { wad_over: Some(percent(8) - U256::from(1)), ..Scope::default() }, true),
        (Scope { wad_over: Some(percent(8)), ..Scope::default() }, false),
    ];
    for (scope, bound) in cases {
        let definition = ceiling(scope.clone());
        let answer = answer(&definition, &request(&definition, |_| {}), &[], NOW);
        assert_eq!(answer.is_err(), bound, "{scope:?}");
    }
    // Two rules bind together: the narrower one takes nothing away from the wider.
    let both = changed(|definition| {
        let scope = Scope { avs: [AVS].into(), ..Scope::default() };
        definition.policy.rules = [
            ("all".to_owned(), Rule { wad_max: Some(percent(1)), ..Rule::default() }),
            ("ours".to_owned(), Rule { scope, wad_max: Some(percent(50)), ..Rule::default() }),
        ]
        .into();
    });
    let request = request(&both, |_| {});
    assert_eq!(answer(&both, &request, &[], NOW), Err(Status::Declined(Code::PolicyWadTooLarge)));
    let findings = both.policy.findings(&both, &request, &Opinions::default(), WallTime(NOW));
    let holds: Vec<_> = findings.iter().map(|finding| (finding.rule, finding.holds)).collect();
    assert_eq!(holds, [("all", false), ("ours", true)]);
    assert_eq!(findings[0].describe(), "takes 1% at most in any strategy; this takes 8%");
}

#[test]
fn r18_approvals_count_people_and_organisations_once_and_not_the_slashed_one() {
    let definition = definition();
    let large = |operator: u8| {
        request(&definition, |slash| {
            slash.operator = Address::repeat_byte(operator);
            slash.wadsToSlash = vec![percent(11), percent(1)];
        })
    };
    let missing = Err(Status::NotYet(Code::PolicyApprovalsMissing));
    let (approve, reject, withdraw) = (Decision::Approve, Decision::Reject, Decision::Withdraw);
    // `org-3` runs operator 0x23.
    type Case<'a> = (u8, &'a [(u8, Decision)], Result<(), Status>);
    let cases: [Case<'_>; 9] = [
        (0x22, &[], missing),
        (0x22, &[(21, approve)], missing),
        (0x22, &[(21, approve), (22, approve)], Ok(())),
        (0x22, &[(21, approve), (22, withdraw)], missing),
        (0x22, &[(21, approve), (22, reject)], missing),
        (0x22, &[(21, approve), (23, approve)], Ok(())),
        (0x23, &[(21, approve), (23, approve)], missing),
        (0x23, &[(21, approve), (22, approve), (23, approve)], Ok(())),
        (0x22, &[(21, approve), (22, approve), (24, reject)], Err(Status::NotYet(Code::RequestRejected))),
    ];
    for (operator, opinions, expected) in cases {
        assert_eq!(answer(&definition, &large(operator), opinions, NOW), expected, "{operator:x} {opinions:?}");
    }
    let request = large(0x22);
    let opinions = said(&definition, &request, &[(21, approve), (23, approve)]);
    let findings = definition.policy.findings(&definition, &request, &opinions, WallTime(NOW));
    let needed = Approvals { people: 2, organisations: 2 };
    assert_eq!(findings[0].condition, Condition::Approvals { people: 2, organisations: 2, needed });
    // Two people of one organisation are two people and one organisation.
    let colleagues = changed(|definition| {
        definition.policy.people.get_mut("person-2").unwrap().organisation = "org-1".to_owned();
    });
    let large = self::request(&colleagues, |slash| slash.wadsToSlash = vec![percent(11), percent(1)]);
    assert_eq!(answer(&colleagues, &large, &[(21, approve), (22, approve)], NOW), missing);
}

#[test]
fn r20_a_veto_outdoes_everything() {
    let definition = definition();
    let request = request(&definition, |slash| slash.wadsToSlash = vec![percent(11), percent(1)]);
    let opinions = [(21, Decision::Veto), (22, Decision::Approve), (23, Decision::Approve)];
    assert_eq!(answer(&definition, &request, &opinions, NOW), Err(Status::Declined(Code::RequestVetoed)));
}

#[test]
fn r11_a_rule_bounds_the_lifetime_of_requests() {
    let definition = ruled(Rule { lifetime_seconds_max: Some(600), ..Rule::default() });
    for (ahead, expected) in [(600, Ok(())), (601, Err(Status::NotYet(Code::PolicyLifetimeTooLong)))] {
        let request = request(&definition, |slash| slash.deadline = NOW + ahead);
        assert_eq!(answer(&definition, &request, &[], NOW), expected, "{ahead}");
    }
}

#[test]
fn hours_are_whole_and_may_run_past_midnight() {
    // 2027-01-15, a Friday, 8:00 UTC.
    let at = |day: u64, hour: u64, second: u64| NOW + day * 86_400 + hour * 3_600 + second - 8 * 3_600;
    let hours = |from, to, days: &[u8]| {
        ruled(Rule { hours: Some(Hours { from, to, days: days.iter().copied().collect() }), ..Rule::default() })
    };
    let (friday, saturday) = (hours(9, 17, &[4]), hours(22, 6, &[4]));
    let mut cases = vec![
        (&friday, at(0, 8, 3_599), false),
        (&friday, at(0, 9, 0), true),
        (&friday, at(0, 16, 3_599), true),
        (&friday, at(0, 17, 0), false),
        (&friday, at(1, 10, 0), false),
        (&saturday, at(0, 21, 3_599), false),
        (&saturday, at(0, 22, 0), true),
        (&saturday, at(1, 5, 3_599), true),
        (&saturday, at(1, 6, 0), false),
        (&saturday, at(1, 23, 0), false),
        (&saturday, at(0, 3, 0), false),
    ];
    let always = hours(0, 24, &[0, 1, 2, 3, 4, 5, 6]);
    cases.extend([(&always, at(0, 0, 0), true), (&always, at(3, 23, 3_599), true)]);
    for (definition, now, open) in cases {
        let request = request(definition, |slash| slash.deadline = now + 60);
        let expected = if open { Ok(()) } else { Err(Status::NotYet(Code::PolicyHours)) };
        assert_eq!(answer(definition, &request, &[], now), expected, "{now}");
    }
}
