//! Rules over time, by the log of a real chain: what was slashed counts, and too many requests are told when to come back.

use alloy_primitives::U256;
use firn_proto::policy::{Budget, Rate, Rule, Unit};
use serde_json::Value;

use crate::net::Net;
use crate::process::{step, until};

/// A tenth a day for each operator, and three requests an hour.
fn limited() -> Net {
    let mut net = Net::prepare(3, 2);
    net.redefine(|definition| {
        let tenth = U256::from(100_000_000_000_000_000_u64);
        let budget = Some(Budget { wad_max: tenth, seconds: 86_400, per: Unit::Operator });
        let rate = Some(Rate { requests: 3, seconds: 3_600 });
        definition.policy.rules.insert("a tenth a day".to_owned(), Rule { budget, rate, ..Rule::default() });
    });
    net.started()
}

#[test]
fn r14_r15_budgets_count_what_the_chain_logs_and_rates_say_when_to_come_back() {
    let net = step("three nodes, two to sign, a tenth a day", limited);
    step("more than the whole budget is refused at once, with the numbers", || {
        let answer = net.post(0, &net.body(&net.slash(11), &net.requester()).to_string());
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (422, &Value::from("POLICY_BUDGET_EXCEEDED")));
    });
    step("six of ten percent are executed", || {
        let before = (net.chain.shares(), net.chain.slash_count());
        let id = net.ask(0, &net.slash(6));
        net.executed_once(0, &id, 6, before);
    });
    step("five more wait, and every node says by which numbers", || {
        let id = net.ask(1, &net.slash(5));
        for node in net.all() {
            until(&format!("{} to wait for the window", net.name(node)), || {
                let view = net.request(node, &id)?;
                assert_eq!(view["signature"], Value::Null, "more than the budget was signed");
                let spent =
                    |condition: &Value| condition["code"] == "POLICY_BUDGET_SPENT" && condition["holds"] == false;
                let conditions = view["policy"].as_array().expect("conditions");
                if conditions.iter().any(spent) { Ok(()) } else { Err(view.to_string()) }
            });
        }
        let text = net.text_at(2, &["policy", "explain", &id]).success();
        assert!(
            text.contains("10% at most in 86400 s (per operator): 6% are slashed, 4% are left; this takes 5%"),
            "{text}"
        );
    });
    step("what is left is enough for four", || {
        let before = (net.chain.shares(), net.chain.slash_count());
        let id = net.ask(2, &net.slash(4));
        net.executed_once(2, &id, 4, before);
    });
    step("a fourth request of the hour is told when to come back", || {
        let answer = net.post(0, &net.body(&net.slash(1), &net.requester()).to_string());
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"]), (429, &Value::from("POLICY_RATE")), "{error}");
        let wait = error["retry_after_seconds"].as_u64().expect("a number of seconds");
        assert!((3_000..=3_600).contains(&wait), "{wait}");
    });
}
