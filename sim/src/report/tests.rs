use super::*;
use sample::{Sample, broken, sample};
use serde_json::Value;

mod sample;
mod xml;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn failed(sample: &Sample) -> Record {
    Record::new(&Run { exit: Exit::Safety, note: Some("first difference: event 7"), ..sample.run() })
}

#[test]
fn the_report_has_what_a_reader_of_a_request_needs() {
    let report = parsed(&json(&[Record::new(&sample().run())]));
    assert_eq!(report["schema"], "firn.sim-report.v1");
    assert_eq!(report["totals"]["signed"], 2);
    let run = &report["runs"][0];
    assert_eq!((&run["verdict"], &run["exit"], &run["seed"]), (&"pass".into(), &0.into(), &42.into()));
    assert_eq!(run["reproduce"], "firn-sim run sim/scenarios/exactly-t-left.toml --seed 42");
    assert_eq!(run["availability"]["core_percent"], 85.71, "60 of 70 seconds");
    assert_eq!(run["availability"]["signed_percent"], 66.66);
    assert_eq!((&run["latency"]["p50_ms"], &run["latency"]["p99_ms"]), (&180.0.into(), &6300.0.into()));
    assert_eq!(run["latency"]["p50_floors"], 1.93);
    assert_eq!((&run["cost"]["messages"], &run["cost"]["bytes"]), (&20.5.into(), &6000.0.into()));
    assert_eq!(run["probes_missing"], serde_json::json!(["quarantine"]));
    let late = &run["requests"][1];
    let numbers = ["floor_ms", "bound_ms", "core_ms", "slack_ms", "without_core_ms", "attempts", "messages", "bytes"];
    assert_eq!(
        numbers.map(|key| late[key].as_f64().unwrap()),
        [93.0, 5000.0, 2000.0, 3000.0, 6000.0, 1.0, 21.0, 6000.0]
    );
    assert_eq!((&late["end"], &late["floors"], &late["node"]), (&"signed".into(), &67.74.into(), &"alpha/2".into()));
    assert_eq!(late["story"], "signed after 6.3 s: no live core for 6.0 s, then within 300 ms");
    assert_eq!(run["requests"][0]["story"], "signed after 180 ms, 1.93 floors");
    assert_eq!(run["requests"][2]["story"], "expired: the longest live core that knew it lasted 2.0 s, bound 5.0 s");
}

#[test]
fn ends_without_a_signature_give_their_reason() {
    let report = parsed(&json(&[failed(&broken())]));
    let run = &report["runs"][0];
    let ends: Vec<_> =
        (0..3).map(|k| (run["requests"][k]["end"].as_str(), run["requests"][k]["reason"].as_str())).collect();
    let wanted = [
        (Some("violated"), None),
        (Some("refused"), Some("ACCOUNT_NOT_DEPLOYED")),
        (Some("excused"), Some("a rival holds the lock")),
    ];
    assert_eq!(ends, wanted);
    assert_eq!(run["latency"]["p50_ms"], Value::Null);
    assert_eq!((&run["verdict"], &run["violations"][0]["id"]), (&"safety".into(), &"N1".into()));
    assert_eq!(run["violations"][0]["node"], "alpha/2");
}

#[test]
fn probes_are_counted_over_runs() {
    let probes = parsed(&probes(&[Record::new(&sample().run()), Record::new(&sample().run())]));
    assert_eq!(probes["schema"], "firn.sim-probes.v1");
    let takeover = &probes["probes"]["takeover"];
    assert_eq!((&takeover["fired"], &takeover["runs"]), (&4.into(), &2.into()));
    assert_eq!(probes["probes"]["evidence"]["runs"], 0);
    assert_eq!(probes["probes"]["quarantine"]["demanded_in_vain"], 2);
}

#[test]
fn the_test_report_has_a_case_for_each_scenario_and_says_how_to_run_a_failure_again() {
    let other = Record::new(&Run { case: "swarm 1 to 100", ..sample().run() });
    let xml = junit(&[Record::new(&sample().run()), failed(&broken()), other]);
    xml::assert_well_formed(&xml);
    assert_eq!(xml.matches("<testcase ").count(), 2);
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    assert!(xml.contains("message=\"1 of 2 runs failed, first: safety\""), "{xml}");
    let failure = xml.split("<failure").nth(1).unwrap().split("</failure>").next().unwrap();
    for wanted in
        ["again: firn-sim run sim/scenarios/exactly-t-left.toml --seed 42", "N1 at 22000.000 ms on alpha/2", "event 7"]
    {
        assert!(failure.contains(wanted), "{wanted} in {failure}");
    }
}

#[test]
fn the_terminal_gets_one_line_for_a_run_and_more_where_it_failed() {
    let line = line(&Record::new(&sample().run()));
    assert_eq!(line.lines().count(), 1);
    for wanted in
        ["ok ", "exactly-t-left", "seed=42", "3-of-5", "sim=70.0s", "req=3 S2 R0 E1 X0 V0", "core=86%", "p99=6300ms"]
    {
        assert!(line.contains(wanted), "{wanted} in {line}");
    }
    let failed = failed(&broken());
    let text = super::line(&failed);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("FAIL") && lines[1].starts_with("N1 at") && lines[2].contains("quarantine"));
    assert_eq!(lines[4], "again: firn-sim run sim/scenarios/exactly-t-left.toml --seed 42");
    let totals = totals(&[Record::new(&sample().run()), failed]);
    assert!(
        totals
            .starts_with("2 runs, 1 failed; 6 requests: 2 signed, 1 refused, 1 expired, 1 excused, 1 violated; 140 s")
    );
    assert!(totals.contains("first failure: exactly-t-left (safety), again: firn-sim"), "{totals}");
    let none = super::totals(&[]);
    assert!(none.starts_with("0 runs, 0 failed;") && none.contains("; 0 s simulated"), "{none}");
}

#[test]
fn the_trace_has_a_line_for_each_entry() {
    let sample = sample();
    let text = trace(&sample.run());
    let lines: Vec<_> = text.lines().map(parsed).collect();
    assert_eq!(lines.len(), sample.history.len() + 1);
    assert_eq!((&lines[0]["schema"], &lines[0]["seed"]), (&"firn.sim-trace.v1".into(), &42.into()));
    let crash = lines.iter().find(|line| line["what"] == "stopped").unwrap();
    assert_eq!(
        crash,
        &serde_json::json!({"at_us": 5_000_000, "node": "gamma/1", "what": "stopped", "detail": "crash"})
    );
    let lost = lines.iter().filter(|line| line["what"] == "lost").count();
    assert_eq!(lost, 6, "those of the partition");
}

#[test]
fn the_timeline_shows_when_signing_was_possible_and_why_requests_waited() {
    let page = timeline(&sample().run());
    for wanted in [
        "no signature possible",
        "t = 3",
        "2 of 5 nodes, t = 3: no signature is possible, for 10.0 s",
        "waits: no live core, for 6.0 s",
        "signed after 6.3 s: no live core for 6.0 s, then within 300 ms",
        "signed after 180 ms, 1.93 floors",
        "expired: the longest live core",
        "partition alpha/1 alpha/2 beta/2  |  beta/1",
        "crash, for 50.0 s",
        "paused, for 20.0 s",
        "firn-sim run sim/scenarios/exactly-t-left.toml --seed 42",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    let at = |text: &str| page.find(text).unwrap();
    assert!(
        at(">eu-central-1<") < at(">alpha/1<title>") && at(">alpha/1<title>") < at(">eu-west-1<"),
        "by region, then by name"
    );
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data = parsed(data);
    assert_eq!(data["lanes"].as_array().unwrap().len(), 5);
    assert_eq!(data["messages"].as_array().unwrap().len(), 24);
    assert_eq!(data["losses"], serde_json::json!(["", "partition"]));
}

#[test]
fn the_timeline_is_one_file_and_nothing_in_it_gets_out_of_its_quotes() {
    for mut sample in [sample(), broken()] {
        sample.outcome.scenario.organisations[0].name = "</script><b>".to_owned();
        sample.geography = Geography::built_in(&sample.outcome.scenario).unwrap();
        let page = timeline(&sample.run());
        let svg = &page[page.find("<svg id=").unwrap()..page.rfind("</svg>").unwrap() + 6];
        xml::assert_well_formed(svg);
        assert!(svg.matches("href=\"#misbehaved\"").count() <= 1, "a flood is one mark where it is one pixel");
        assert_eq!(page.matches("</script>").count(), 2);
        for unwanted in ["alert(1)</script>", "<b>", "src=", "@import", "url(http", "fetch(", "NaN"] {
            assert!(!page.contains(unwanted), "{unwanted}");
        }
        assert!(page.matches("http").count() == 1, "the namespace of SVG alone");
    }
}

#[test]
fn corrupted_nodes_and_violations_are_named() {
    let page = timeline(&Run { exit: Exit::Safety, note: Some("two runs differ"), ..broken().run() });
    for wanted in [
        "alpha/2: commit-then-silence, flood",
        "N1 at 22.0 s on alpha/2: nonce used twice",
        "two runs differ",
        ">safety<",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_signature_that_a_live_core_does_not_learn_is_still_a_signature() {
    let mut sample = broken();
    (sample.outcome.requests[0].latency, sample.outcome.requests[0].latency_at_node) = (Some(180_000), Some(180_000));
    sample.outcome.violations = vec![sample.outcome.violations[0].clone(); 7];
    let page = timeline(&sample.run());
    let story = "signed after 180 ms, 1.93 floors, but NOT KNOWN to all of a live core within 5.0 s";
    assert!(page.contains(story) && page.contains("and 2 more, in report.json"));
}

#[test]
fn a_long_run_keeps_its_page_small() {
    let mut sample = sample();
    let sent =
        sample.history.iter().find(|entry| matches!(entry.what, crate::history::What::Sent { .. })).unwrap().clone();
    for k in 0..60_000 {
        let mut entry = sent.clone();
        if let crate::history::What::Sent { frame, .. } = &mut entry.what {
            *frame = 1_000 + k;
        }
        sample.history.push(entry);
    }
    let page = timeline(&sample.run());
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    assert!(page.contains("\"left_out\":10024"), "and says how many messages it leaves out");
}

#[test]
fn equal_runs_give_equal_bytes() {
    let all = |sample: Sample| {
        let record = [Record::new(&sample.run())];
        let run = sample.run();
        [json(&record), probes(&record), junit(&record), totals(&record), line(&record[0]), trace(&run), timeline(&run)]
    };
    assert_eq!(all(sample()), all(sample()));
    assert_ne!(all(sample()), all(broken()));
}

#[test]
fn nothing_happened_and_everything_is_still_there() {
    let mut sample = sample();
    (sample.history, sample.outcome.ended) = (Vec::new(), 0);
    sample.outcome.requests.clear();
    sample.outcome.cores.clear();
    let record = Record::new(&sample.run());
    assert_eq!((record.availability.core_percent, record.availability.signed_percent), (None, None));
    xml::assert_well_formed(&junit(std::slice::from_ref(&record)));
    assert!(json(&[record]).contains("\"signed_percent\": null"));
    assert!(timeline(&sample.run()).contains("no requests"));
}

#[test]
fn times_are_written_as_people_do() {
    let written = [
        (999, "999 us"),
        (1_234, "1.2 ms"),
        (71_900, "71 ms"),
        (20_345_678, "20.3 s"),
        (250_000_000, "4 min 10 s"),
        (9_000_000_000, "2 h 30 min"),
    ];
    for (micros, text) in written {
        assert_eq!(duration(micros), text);
    }
}
