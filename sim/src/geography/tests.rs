use super::*;
use crate::scenario::{Expect, Key, KeyOrigin, Network, Organisation};

fn scenario(nodes: &[(&str, &[(&str, u16)])]) -> Scenario {
    let organisation = |(name, nodes): &(&str, &[(&str, u16)])| Organisation {
        name: (*name).to_owned(),
        nodes: nodes.iter().map(|(region, count)| ((*region).to_owned(), *count)).collect(),
        cloud: None,
    };
    Scenario {
        name: "test".to_owned(),
        about: String::new(),
        seed: 1,
        runs: 1,
        network: Network { latency: "aws-2025-07".to_owned(), rtt: BTreeMap::new(), loss: None, bandwidth: None },
        organisations: nodes.iter().map(organisation).collect(),
        key: Key {
            threshold: 3,
            organisations_min: 1,
            regions_min: 1,
            origin: KeyOrigin::Given,
            members: Vec::new(),
            renewals: Vec::new(),
            repairs: Vec::new(),
        },
        workload: Vec::new(),
        rules: Vec::new(),
        people: Vec::new(),
        quorums: None,
        pauses: Vec::new(),
        versions: Vec::new(),
        verifiers: Vec::new(),
        gate: None,
        finality: 0,
        faults: Vec::new(),
        byzantine: Vec::new(),
        expect: Expect::default(),
        until: None,
    }
}

const PAIR: &str = r#"name = "two"
date = "2026-01"
source = "ours"
licence = "any"
[rtt.a]
a = { p50 = "2ms" }
b = { p50 = "850us", p90 = "1ms" }
[rtt.b]
b = { p50 = "3ms" }
"#;

fn refused(from: &str, to: &str) -> String {
    assert!(PAIR.contains(from), "{from}");
    Matrix::parse(&PAIR.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn the_built_in_matrix_has_nine_regions_and_both_percentiles() {
    let matrix = Matrix::built_in("aws-2025-07").unwrap();
    assert_eq!(matrix.regions().len(), 9);
    assert_eq!(matrix.rtt_p50("us-east-1", "sa-east-1"), Some(115_000));
    assert_eq!(matrix.rtt_p90("us-east-1", "sa-east-1"), Some(119_000));
    assert_eq!(matrix.rtt("ap-southeast-2", "eu-west-1"), Some(Rtt { p50: 256_000, p90: 259_000 }));
    assert_eq!(matrix.rtt("eu-central-1", "eu-central-1"), Some(Rtt { p50: 4_000, p90: 5_000 }));
    assert_eq!(matrix.rtt("eu-west-1", "mars"), None);
    assert!(matrix.regions().iter().all(|a| matrix.regions().iter().all(|b| matrix.rtt(a, b) == matrix.rtt(b, a))));
}

#[test]
fn a_matrix_of_the_user_is_read_strictly() {
    let matrix = Matrix::parse(PAIR).unwrap();
    assert_eq!(matrix.rtt("b", "a"), Some(Rtt { p50: 850, p90: 1_000 }));
    assert_eq!(matrix.rtt("a", "a"), Some(Rtt { p50: 2_000, p90: 2_500 }));
    assert_eq!(
        refused("850us", "850"),
        "line 7: a - b: \"850\" is no time of at most 10000ms; write it like \"64ms\" or \"850us\""
    );
    assert_eq!(refused("850us", "2ms"), "line 7: a - b: p90 must not be below p50");
    assert_eq!(refused("3ms", "0ms"), "line 9: b - b: p50 must be above zero");
    assert_eq!(
        refused("b = { p50 = \"3ms\" }", ""),
        "the pair b - b is missing; every pair of regions needs a round trip"
    );
    assert_eq!(
        refused("[rtt.b]", "[rtt.b]\na = { p50 = \"1ms\" }"),
        "line 9: b - a: the pair is given twice; leave out one of them"
    );
    assert!(refused("p90", "p99").starts_with("line 7: unknown field `p99`"), "{}", refused("p90", "p99"));
    assert!(refused("date =", "day =").starts_with("line 2: unknown field `day`"));
    assert!(Matrix::built_in("azure").unwrap_err().to_string().contains("put azure.matrix.toml beside the scenario"));
}

#[test]
fn nodes_are_named_and_placed_in_the_order_of_the_file() {
    let geography = Geography::built_in(&scenario(&[
        ("alpha", &[("eu-west-1", 1), ("us-east-1", 2)]),
        ("beta", &[("eu-west-1", 1)]),
    ]));
    let geography = geography.unwrap();
    let names: Vec<_> = geography.places().values().map(|place| (place.name.as_str(), place.region.as_str())).collect();
    let wanted =
        [("alpha/1", "eu-west-1"), ("alpha/2", "us-east-1"), ("alpha/3", "us-east-1"), ("beta/1", "eu-west-1")];
    assert_eq!(names, wanted);
    assert_eq!(geography.rtt(NodeId(1), NodeId(2)).p50, 70_000);
    assert_eq!(geography.rtt(NodeId(1), NodeId(4)).p50, 3_000, "two nodes in one region");
    assert_eq!(geography.rtt(NodeId(1), NodeId(1)).p50, 0);
}

#[test]
fn a_scenarios_own_round_trips_come_first_and_may_add_regions() {
    let mut scenario = scenario(&[("alpha", &[("eu-west-1", 1), ("moon", 1)])]);
    let missing = Geography::built_in(&scenario).unwrap_err().to_string();
    assert!(missing.contains("between eu-west-1 and moon") && missing.contains("ap-south-1"), "{missing}");
    scenario.network.rtt.insert(("moon".to_owned(), "eu-west-1".to_owned()), 2_600_000);
    let geography = Geography::built_in(&scenario).unwrap();
    assert_eq!(geography.rtt(NodeId(1), NodeId(2)), Rtt { p50: 2_600_000, p90: 3_250_000 });
}

/// The example of SIMULATOR section 3: Virginia, Oregon, Ireland, Frankfurt, Tokyo, 3 of 5.
#[test]
fn the_floor_is_one_round_trip_to_the_member_that_completes_the_nearest_subset() {
    let regions = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1"];
    let geography = Geography::built_in(&scenario(&[("alpha", &regions.map(|region| (region, 1)))])).unwrap();
    let all: Vec<_> = (1..=5).map(NodeId).collect();
    let floor = |origin: u16, t: usize| geography.floor(NodeId(origin), &all, |nodes| nodes.len() >= t);
    assert_eq!(floor(1, 3), Some(70_000));
    assert_eq!(floor(3, 3), Some(70_000), "Ireland: Frankfurt, then Virginia");
    assert_eq!(floor(4, 5), Some(227_000));
    assert_eq!(floor(1, 1), Some(0), "oneself");
    assert_eq!(floor(1, 6), None);
    let tokyo = geography.floor(NodeId(1), &all, |nodes| nodes.len() >= 3 && nodes.contains(&NodeId(5)));
    assert_eq!(tokyo, Some(150_000), "a rule of diversity moves it");
    let outside = geography.floor(NodeId(1), &[NodeId(3), NodeId(2)], |nodes| nodes.len() >= 2);
    assert_eq!(outside, Some(70_000), "an origin that is no member only asks");
}
