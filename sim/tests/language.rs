//! The scenario language: what is written means what it says, and what is wrong is named with its line.
#![allow(clippy::disallowed_methods, reason = "reads the committed files")]

use firn_proto::NodeId;
use firn_sim::scenario::{FaultKind, Moment, Point, Scenario};

const BASE: &str = r#"name = "base"
about = "Nothing happens."
[[org]]
name = "alpha"
nodes = { eu-central-1 = 1, us-east-1 = 2 }
[[org]]
name = "beta"
nodes = { eu-west-1 = 2 }
cloud = "aws"
[key]
threshold = "3 of 5"
"#;

fn with(lines: &str) -> String {
    format!("{BASE}{lines}")
}

fn nodes(ids: &[u16]) -> Vec<NodeId> {
    ids.iter().map(|id| NodeId(*id)).collect()
}

fn kind(line: &str) -> FaultKind {
    let text = with(&format!("[[fault]]\nat = \"1s\"\n{line}\n"));
    let scenario = Scenario::parse(&text).unwrap_or_else(|problem| panic!("{line}: {problem}"));
    assert_eq!(Scenario::parse(&scenario.to_toml()).as_ref(), Ok(&scenario), "{}", scenario.to_toml());
    let Some(fault) = scenario.faults.first() else { panic!("{line}: no fault") };
    fault.kind.clone()
}

#[test]
fn the_least_scenario_has_sensible_defaults() {
    let scenario = Scenario::parse(BASE).unwrap();
    assert_eq!((scenario.seed, scenario.runs, scenario.key.threshold, scenario.node_count()), (1, 1, 3, 5));
    assert_eq!(Scenario::parse(&scenario.to_toml()), Ok(scenario));
}

#[test]
fn selectors_mean_sets_of_nodes() {
    let groups = |line: &str| match kind(line) {
        FaultKind::Partition { groups } => groups,
        other => panic!("{other:?}"),
    };
    assert_eq!(groups(r#"partition = [["region:eu-*"], ["*"]]"#), [nodes(&[1, 4, 5]), nodes(&[2, 3])]);
    assert_eq!(groups(r#"partition = ["org:alpha", "cloud:aws"]"#), [nodes(&[1, 2, 3]), nodes(&[4, 5])]);
    assert_eq!(kind(r#"rolling = ["beta/2", "alpha/*", "*"]"#), FaultKind::Rolling { nodes: nodes(&[5, 1, 2, 3, 4]) });
    assert_eq!(kind(r#"jam = { to = "alpha/1" }"#), FaultKind::Jam { from: nodes(&[1, 2, 3, 4, 5]), to: nodes(&[1]) });
}

#[test]
fn pauses_and_versions_are_read_and_written() {
    let text = with(
        r#"
[[person]]
name = "ann"
org = "alpha"
says = "nothing"
after = "1s"
node = "alpha/1"
[quorums]
stop = 1
resume = 1
[[pause]]
at = "5s"
until = "9s"
node = "beta/1"
people = "ann"
resume = ["ann"]
[[version]]
at = "10s"
node = "beta/2"
block = "36s"
rules = [{ name = "wait", delay = "5s" }, { name = "cap", budget = { share = "20%", window = "24h", per = "total" } }]
drops = "old"
expels = "beta"
signers = ["alpha"]
"#,
    );
    let scenario = Scenario::parse(&text).unwrap();
    assert_eq!((scenario.pauses.len(), scenario.versions[0].rules.len(), scenario.people[0].says), (1, 2, None));
    assert_eq!(Scenario::parse(&scenario.to_toml()), Ok(scenario));
    let backwards = text.replace("until = \"9s\"", "until = \"4s\"");
    assert_eq!(Scenario::parse(&backwards).map_err(|problem| problem.code), Err("SCENARIO_VALUE"));
}

#[test]
fn gates_are_read_and_written() {
    let gate = "[gate]\ndelay = \"60s\"\nexpires = \"10min\"\nshared_evidence = true\n";
    let text =
        with(&format!("{gate}cancels = [{{ request = 2, after = \"20s\" }}, {{ share = \"25%\", after = \"0s\" }}]\n"));
    let scenario = Scenario::parse(&text).unwrap();
    let gate = scenario.gate.clone().unwrap();
    assert_eq!((gate.delay, gate.expires, gate.cancels.len()), (60_000_000, 600_000_000, 2));
    // The delay, twenty minutes until its end is final, and twice two for signing.
    assert_eq!(scenario.gate_time(), 1_500_000_000);
    assert_eq!(Scenario::parse(&scenario.to_toml()), Ok(scenario));
}

#[test]
fn every_kind_of_fault_is_read_and_written() {
    for line in [
        r#"partition = [["alpha/*"], ["*"]]"#,
        r#"one-way = { from = "org:alpha", to = "org:beta" }"#,
        r#"flapping = { from = "alpha/1", to = "*", period = "2s" }"#,
        r#"swizzle = "*""#,
        r#"jam = { from = "alpha/1" }"#,
        r#"slow = { factor = "2.5x" }"#,
        r#"lossy = { rate = "5%", burst = "1s" }"#,
        r#"bandwidth = { limit = "20 kB/s" }"#,
        r#"filter = { from = "alpha/1", message = "signature-share" }"#,
        r#"duplicate = { rate = "0.01%" }"#,
        r#"reorder = { rate = "12ppm" }"#,
        r#"reset = { }"#,
        r#"crash = ["alpha/1", "beta/1"]"#,
        r#"rolling = "*""#,
        r#"pause = "alpha/3""#,
        r#"slow-cpu = { nodes = "*", step = "5ms" }"#,
        r#"rollback = { node = "alpha/1", image = "10s" }"#,
        r#"twin = "alpha/1""#,
        r#"wipe = "alpha/1""#,
        r#"slow-disk = { nodes = "alpha/1", sync = "200ms" }"#,
        r#"lying-sync = "alpha/1""#,
        r#"disk-full = "alpha/1""#,
        r#"bit-flip = "alpha/1""#,
        r#"clock-offset = { nodes = "alpha/1", offset = "-5min" }"#,
        r#"clock-drift = { nodes = "alpha/1", drift = "+200ppm" }"#,
        r#"clock-freeze = "alpha/1""#,
        r#"entropy-repeat = "alpha/1""#,
        r#"chain-down = "alpha/1""#,
        r#"chain-lag = { nodes = "alpha/1", by = "36s" }"#,
        r#"reorg = { depth = 2 }"#,
        r#"finality-stall = true"#,
        r#"gas-spike = { drops = "50%" }"#,
        r#"lying-endpoint = { nodes = "alpha/1", shows = "fork" }"#,
        r#"muddled-outcomes = "alpha/1""#,
    ] {
        assert!(line.starts_with(kind(line).name()), "{line}");
    }
}

#[test]
fn moments_are_times_windows_and_triggers() {
    let fault =
        |lines: &str| Scenario::parse(&with(&format!("[[fault]]\n{lines}\ncrash = \"*\"\n"))).unwrap().faults.remove(0);
    let begin = |lines: &str| (fault(lines).begin, fault(lines).lasts);
    assert_eq!(begin(r#"at = "58s""#), (Moment::At(58_000_000), None));
    assert_eq!(begin(r#"at = "58s..75s""#), (Moment::At(58_000_000), Some(17_000_000)));
    let trigger = Moment::When { node: NodeId(2), point: Point::ShareDurable, count: 2 };
    assert_eq!(begin("when = \"alpha/2 share-durable #2\"\nlasts = \"10s\""), (trigger, Some(10_000_000)));
}

#[test]
fn a_rate_is_a_count() {
    let text = with("[[workload]]\nkind = \"avs-requests\"\nat = \"10s\"\nrate = \"2/s\"\nuntil = \"15s\"\n");
    let workload = Scenario::parse(&text).unwrap().workload.remove(0);
    assert_eq!((workload.count, workload.every), (10, 500_000));
}

/// Lines after the base, the code, the line of the problem (counted from the first of these lines), and what it says.
const WRONG: [(&str, &str, usize, &str); 32] = [
    ("name == 3", "SCENARIO_SYNTAX", 1, ""),
    ("[expects]", "SCENARIO_UNKNOWN_KEY", 1, "did you mean `expect`?"),
    ("[[fault]]\nat = \"1s\"\ncrahs = \"alpha/1\"", "SCENARIO_UNKNOWN_KEY", 3, "did you mean `crash`?"),
    ("[[fault]]\nat = \"1s\"\nslow = { form = \"*\" }", "SCENARIO_UNKNOWN_KEY", 3, "did you mean `from`?"),
    ("[[workload]]\nat = \"1s\"", "SCENARIO_MISSING_KEY", 1, "workload[0].kind"),
    ("[[workload]]\nkind = \"avs-requests\"\ncount = \"3\"", "SCENARIO_WRONG_TYPE", 3, "expected an integer"),
    ("[[workload]]\nkind = \"avs-request\"", "SCENARIO_UNKNOWN_NAME", 2, "did you mean \"avs-requests\"?"),
    ("[[workload]]\nkind = \"avs-requests\"\nrate = \"2/s\"", "SCENARIO_VALUE", 1, "`rate` and `until`"),
    ("[[workload]]\nkind = \"avs-requests\"\ndeadline = 30", "SCENARIO_UNIT", 3, "without unit"),
    ("[[workload]]\nkind = \"avs-requests\"\ndeadline = \"30\"", "SCENARIO_UNIT", 3, "\"30s\""),
    ("[[fault]]\nat = 1.5\ncrash = \"*\"", "SCENARIO_UNIT", 2, "without unit"),
    ("[[fault]]\nat = \"9s..3s\"\ncrash = \"*\"", "SCENARIO_UNIT", 2, "window"),
    ("[[fault]]\nat = \"3s..9s\"\nlasts = \"1s\"\ncrash = \"*\"", "SCENARIO_VALUE", 1, "`lasts`"),
    ("[[fault]]\ncrash = \"*\"", "SCENARIO_VALUE", 1, "`when`"),
    ("[[fault]]\nat = \"3s\"", "SCENARIO_FAULT_KIND", 1, "no kind"),
    ("[[fault]]\nat = \"3s\"\ncrash = \"*\"\npause = \"*\"", "SCENARIO_FAULT_KIND", 1, "crash, pause"),
    ("[[fault]]\nat = \"3s\"\ncrash = \"aplha/1\"", "SCENARIO_EMPTY_SELECTION", 3, "did you mean \"alpha/1\"?"),
    ("[[fault]]\nat = \"3s\"\ncrash = \"region:ap-*\"", "SCENARIO_EMPTY_SELECTION", 3, "there are region:eu-central-1"),
    (
        "[[fault]]\nat = \"3s\"\ncrash = \"region:eu-wst-1\"",
        "SCENARIO_EMPTY_SELECTION",
        3,
        "mean \"region:eu-west-1\"?",
    ),
    ("[[fault]]\nat = \"3s\"\ncrash = \"org:beat\"", "SCENARIO_EMPTY_SELECTION", 3, "mean \"org:beta\"?"),
    ("[[fault]]\nat = \"3s\"\ncrash = \"regon:eu-*\"", "SCENARIO_UNKNOWN_NAME", 3, "did you mean \"region\"?"),
    ("[[fault]]\nat = \"3s\"\npartition = [\"*\", \"alpha/1\"]", "SCENARIO_EMPTY_SELECTION", 3, "partition[1]"),
    ("[[fault]]\nat = \"3s\"\ntwin = \"alpha/*\"", "SCENARIO_VALUE", 3, "one node"),
    ("[[fault]]\nwhen = \"alpha/1 share-durabel\"\ncrash = \"*\"", "SCENARIO_UNKNOWN_NAME", 2, "\"share-durable\"?"),
    ("[[byzantine]]\nnode = \"alpha/1\"\nacts = [\"silence\"]", "SCENARIO_UNKNOWN_NAME", 3, "did you mean \"silent\"?"),
    ("[gate]\ndelays = \"60s\"", "SCENARIO_UNKNOWN_KEY", 2, "did you mean `delay`?"),
    ("[gate]\ndelay = \"0s\"", "SCENARIO_UNIT", 2, "whole seconds"),
    ("[gate]\ndelay = \"1s\"\ncancels = [{ after = \"1s\" }]", "SCENARIO_VALUE", 3, "`request` or `share`"),
    ("[gate]\nexpires = \"60s\"", "SCENARIO_MISSING_KEY", 1, "gate.delay"),
    ("[expect]\nprobes = \"takeovr\"", "SCENARIO_UNKNOWN_NAME", 2, "did you mean \"takeover\"?"),
    ("[expect]\nviolates = \"T9\"", "SCENARIO_UNKNOWN_NAME", 2, "T1"),
    ("[expect]\nsigned = \">= 120%\"", "SCENARIO_UNIT", 2, "\">= 99%\""),
];

#[test]
fn problems_name_code_line_key_and_what_was_expected() {
    let before = BASE.lines().count();
    for (lines, code, line, says) in WRONG {
        let problem = Scenario::parse(&with(lines)).expect_err(lines);
        assert_eq!((problem.code, problem.line), (code, before + line), "{lines}\n{problem}");
        assert!(problem.to_string().contains(says), "{lines}\n{problem}");
    }
}

#[test]
fn thresholds_fit_their_nodes() {
    for (threshold, says) in
        [("3 of 4", "5 nodes"), ("2 of 5", "more than half"), ("5 of 5", "less than n"), ("3/5", "3 of 5")]
    {
        let problem = Scenario::parse(&BASE.replace("3 of 5", threshold)).expect_err(threshold);
        assert!(problem.to_string().contains(says), "{problem}");
    }
}

#[test]
fn diversity_fits_its_nodes_and_organisations_have_names_of_their_own() {
    for (from, to, line, key, says) in [
        (
            "5\"\n",
            "5\"\norganisations_min = 3\n",
            12,
            "key.organisations_min",
            "3, but the nodes are in 2 organisations",
        ),
        ("alpha", "beta", 7, "org[1].name", "two organisations are called beta"),
    ] {
        let problem = Scenario::parse(&BASE.replace(from, to)).expect_err(to);
        assert_eq!((problem.code, problem.line, problem.key.as_str()), ("SCENARIO_VALUE", line, key), "{problem}");
        assert!(problem.detail.contains(says), "{problem}");
    }
    // Of three regions, four are too many.
    let text = BASE.replace("3 of 5", "4 of 5") + "regions_min = 4\n";
    let problem = Scenario::parse(&text).expect_err("4 of 3 regions");
    assert_eq!((problem.line, problem.key.as_str()), (12, "key.regions_min"), "{problem}");
}

#[test]
fn regions_and_matrices_on_no_map_are_named_with_line_key_and_near_match() {
    let rtt = "[network.rtt]\n\"eu-west-1 moon\" = \"2s\"\n";
    for (text, code, line, key, says) in [
        (
            BASE.replace("us-east-1", "us-est-1"),
            "SCENARIO_UNKNOWN_NAME",
            5,
            "org[0].nodes.us-est-1",
            "did you mean `us-east-1`?",
        ),
        (
            BASE.replace("us-east-1", "atlantis"),
            "SCENARIO_UNKNOWN_NAME",
            5,
            "org[0].nodes.atlantis",
            "it has ap-northeast",
        ),
        (with(rtt).replace("us-east-1", "moon"), "SCENARIO_VALUE", 5, "org[0].nodes.moon", "and moon in the matrix"),
        (with("[network]\nlatency = \"aws\"\n"), "SCENARIO_UNKNOWN_NAME", 13, "network.latency", "aws.matrix.toml"),
    ] {
        let problem = Scenario::parse(&text).unwrap().place(&text, None).expect_err(key);
        assert_eq!((problem.code, problem.line, problem.key.as_str()), (code, line, key), "{problem}");
        assert!(problem.detail.contains(says), "{problem}");
    }
}

#[test]
fn committed_scenarios_are_scenarios() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["scenarios", "corpus"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let scenario = Scenario::parse(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
            assert_eq!(path.file_stem().unwrap().to_str(), Some(scenario.name.as_str()));
            assert!(scenario.about.ends_with('.'), "{}: `about` is a sentence", scenario.name);
            assert_eq!(Scenario::parse(&scenario.to_toml()), Ok(scenario));
            count += usize::from(folder == "scenarios");
        }
    }
    assert!(count >= 25, "only {count} scenarios");
}

#[test]
fn refreshes_and_resharings_are_read_in_order_and_written_as_they_are() {
    let lines = r#"members = ["alpha/*", "beta/1"]
refresh = [{ at = "10s", every = "30s", until = "70s" }, { at = "5s" }]
reshare = [{ at = "20s", add = "beta/2", threshold = "3 of 5" }, { at = "50s", remove = "alpha/1" }]
"#;
    let text = format!("{}{lines}", BASE.replace("3 of 5", "3 of 4"));
    let scenario = Scenario::parse(&text).unwrap();
    let times: Vec<_> = scenario.key.renewals.iter().map(|renewal| renewal.at / 1_000_000).collect();
    assert_eq!(times, [5, 10, 20, 40, 50, 70]);
    let members: Vec<_> = scenario.rosters().into_iter().map(|roster| roster.members.len()).collect();
    assert_eq!(members, [4, 4, 4, 5, 5, 4, 4]);
    assert_eq!(scenario.rosters().last().unwrap().members, nodes(&[2, 3, 4, 5]));
    let written = scenario.to_toml();
    assert_eq!(Scenario::parse(&written), Ok(scenario), "{written}");
}

#[test]
fn resharings_that_cannot_be_are_refused() {
    for (lines, detail) in [
        (r#"reshare = [{ at = "9s", add = "beta/2" }]"#, "who joins stands after all nodes"),
        (r#"reshare = [{ at = "9s", remove = "beta/2", threshold = "3 of 5" }]"#, "\"of 5\", but there are 4"),
        (r#"reshare = [{ at = "9s", remove = ["beta/1", "beta/2"] }]"#, "t must be at least 2"),
        (r#"reshare = [{ at = "9s" }]"#, "a resharing changes something"),
        (r#"refresh = [{ at = "9s", every = "1s" }]"#, "`every` takes an `until`"),
        (r#"refresh = [{ at = "9s", evry = "1s" }]"#, "did you mean `every`?"),
        (r#"refresh = [{ at = "1s", every = "1s", until = "2min" }]"#, "at most 60 epochs"),
    ] {
        let problem = Scenario::parse(&with(&format!("{lines}\n"))).unwrap_err();
        assert!(problem.detail.contains(detail), "{lines}: {problem}");
    }
}
