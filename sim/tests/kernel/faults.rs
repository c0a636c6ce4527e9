//! Every kind of fault does what it says, and nobody is blamed or signs twice for it.

use crate::stage::{SECOND, fault, node, requests, scenario};
use firn_coordinator::api::Observation;
use firn_sim::history::What;
use firn_sim::run::difference;
use firn_sim::scenario::{Fault, FaultKind, Loss, Moment, Point, Scenario};
use firn_sim::verdict::End;
use firn_sim::{Finished, Options, run};

fn finished(scenario: &Scenario) -> Finished {
    run(scenario, &Options { keep_history: true, ..Options::default() })
}

fn with(fault: Fault) -> Scenario {
    Scenario { faults: vec![fault], workload: vec![requests(5)], ..scenario(3, 3, 5) }
}

/// Seven seconds into the run, while requests come in, for ten.
fn soon(kind: FaultKind) -> Fault {
    fault(7 * SECOND, Some(10 * SECOND), kind)
}

fn signed(finished: &Finished) -> usize {
    finished.outcome.requests.iter().filter(|request| request.end == End::Signed).count()
}

fn stops(finished: &Finished) -> Vec<(u16, &'static str)> {
    let stopped = |entry: &firn_sim::history::Entry| match entry.what {
        What::Stopped { why } => Some((entry.process?.node.0, why)),
        _ => None,
    };
    finished.history.iter().filter_map(stopped).collect()
}

fn lost(finished: &Finished, reason: &str) -> usize {
    finished.history.iter().filter(|entry| matches!(entry.what, What::Lost { why, .. } if why == reason)).count()
}

#[test]
fn faults_that_spare_a_threshold_delay_and_do_not_stop() {
    let all = || (1..=5).map(node).collect::<Vec<_>>();
    let (ends, middle) = (vec![node(4), node(5)], vec![node(1), node(2), node(3)]);
    let loss = Loss { rate: 20_000, burst: 300_000 };
    let kinds = [
        FaultKind::Partition { groups: vec![ends.clone(), middle.clone()] },
        FaultKind::OneWay { from: ends.clone(), to: middle.clone() },
        FaultKind::Flapping { from: ends.clone(), to: middle.clone(), period: SECOND },
        FaultKind::Swizzle { nodes: all() },
        FaultKind::Jam { from: ends.clone(), to: middle.clone() },
        FaultKind::Slow { from: all(), to: all(), percent: 400 },
        FaultKind::Lossy { from: all(), to: all(), loss },
        FaultKind::Bandwidth { from: all(), to: all(), bytes_per_second: 20_000 },
        FaultKind::Filter { from: ends.clone(), to: middle.clone(), message: "willingness".to_owned() },
        FaultKind::Duplicate { from: all(), to: all(), rate: 500_000 },
        FaultKind::Reorder { from: all(), to: all(), rate: 300_000 },
        FaultKind::Reset { from: all(), to: all() },
        FaultKind::Crash { nodes: ends.clone() },
        FaultKind::Rolling { nodes: all() },
        FaultKind::Pause { nodes: ends.clone() },
        FaultKind::SlowCpu { nodes: ends.clone(), step: SECOND / 10 },
        FaultKind::Rollback { node: node(5), image: SECOND },
        FaultKind::Twin { node: node(5) },
        FaultKind::Wipe { node: node(5) },
        FaultKind::SlowDisk { nodes: all(), sync: SECOND / 5 },
        FaultKind::LyingSync { nodes: ends.clone() },
        FaultKind::DiskFull { nodes: ends.clone() },
        FaultKind::BitFlip { node: node(5) },
        FaultKind::ClockOffset { nodes: ends.clone(), offset_ms: -3_600_000 },
        FaultKind::ClockDrift { nodes: all(), ppm: 50_000 },
        FaultKind::ClockFreeze { nodes: ends.clone() },
        FaultKind::EntropyRepeat { node: node(5) },
        FaultKind::ChainDown { nodes: ends.clone() },
        FaultKind::ChainLag { nodes: ends, by: 60 * SECOND },
    ];
    let options = Options { keep_history: true, stop_when_quiet: true, ..Options::default() };
    for kind in kinds {
        let scenario = with(soon(kind.clone()));
        let first = run(&scenario, &options);
        assert_eq!(signed(&first), 5, "{kind:?}: {:?}", first.outcome.requests);
        let blamed = |what: &What| matches!(what, What::Observed(Observation::Evidence { .. }));
        assert!(!first.history.iter().any(|entry| blamed(&entry.what)), "{kind:?}");
        assert!(stops(&first).iter().all(|(_, why)| *why != "panic"), "{kind:?}");
        assert_eq!(difference(&first, &run(&scenario, &options)), None, "{kind:?}");
    }
}

#[test]
fn nothing_is_signed_while_too_few_reach_each_other() {
    let halves = vec![vec![node(1), node(2)], vec![node(3)], vec![node(4), node(5)]];
    let mut scenario = with(fault(0, Some(60 * SECOND), FaultKind::Partition { groups: halves }));
    scenario.workload = vec![requests(2)];
    scenario.workload[0].deadline = 120 * SECOND;
    let finished = finished(&scenario);
    assert_eq!(signed(&finished), 2);
    assert!(finished.outcome.requests.iter().all(|request| request.latency.unwrap() > 50 * SECOND));
}

#[test]
fn a_full_disk_ends_a_process_and_a_damaged_one_keeps_it_down() {
    let full = finished(&with(soon(FaultKind::DiskFull { nodes: vec![node(5)] })));
    assert_eq!(stops(&full), [(5, "disk-full")]);
    let flipped = finished(&with(fault(7 * SECOND, None, FaultKind::BitFlip { node: node(5) })));
    assert_eq!(stops(&flipped), [(5, "crash"), (5, "corrupt")]);
}

#[test]
fn a_filter_and_a_partition_lose_what_they_say() {
    let to = (1..=4).map(node).collect::<Vec<_>>();
    let kind = FaultKind::Filter { from: vec![node(5)], to, message: "willingness".to_owned() };
    assert!(lost(&finished(&with(soon(kind))), "filter") > 0);
    let groups = vec![vec![node(5)], (1..=4).map(node).collect()];
    assert!(lost(&finished(&with(soon(FaultKind::Partition { groups }))), "reset") > 0);
}

#[test]
fn a_trigger_crashes_a_node_between_its_durable_share_and_sending_it() {
    let begin = Moment::When { node: node(2), point: Point::ShareDurable, count: 1 };
    let crash = Fault { begin, lasts: Some(3 * SECOND), kind: FaultKind::Crash { nodes: vec![node(2)] } };
    let finished = finished(&with(crash));
    let on = |what: fn(&What) -> bool| {
        finished
            .history
            .iter()
            .position(|entry| entry.process.is_some_and(|process| process.node == node(2)) && what(&entry.what))
    };
    let released = on(|what| matches!(what, What::Released { approved: true, .. })).unwrap();
    let sent = on(|what| matches!(what, What::Sent { kind: "signature-share", .. }));
    let stopped = on(|what| matches!(what, What::Stopped { why: "crash" })).unwrap();
    assert!(released < stopped && sent.is_none_or(|sent| stopped < sent));
    assert_eq!(signed(&finished), 5);
}
