//! What a signature costs over the distances of the regions.

use std::time::Duration;

use crate::lab::{Lab, REGIONS, floor};
use crate::process::{step, until};

/// Requests before the clock counts: connections, commitments and measured round trips settle.
const WARM_UP: usize = 6;
const MEASURED: usize = 20;

pub(crate) fn warm() {
    let lab = Lab::start();
    for node in [0, 4] {
        step(&format!("requests at {}", REGIONS[node]), || {
            let latencies = latencies(&lab, node, WARM_UP, MEASURED);
            let (floor, ratio) = (floor(node), |latency: Duration| latency.div_duration_f64(floor(node)));
            let (least, median, most) = (latencies[0], latencies[MEASURED / 2], latencies[MEASURED - 1]);
            eprintln!(
                "      floor {} ms; signed after {:.2} floors (median), {:.2} (least), {:.2} (most)",
                floor.as_millis(),
                ratio(median),
                ratio(least),
                ratio(most)
            );
            assert!(least >= floor, "{least:?}: faster than packets can be, so the switch does not delay");
        });
    }
}

/// Has requests signed one after another at a node; gives how long the measured ones took, sorted.
pub(crate) fn latencies(lab: &Lab, node: usize, warm_up: usize, measured: usize) -> Vec<Duration> {
    let mut latencies: Vec<_> = (0..warm_up + measured).map(|_| latency(lab, node)).skip(warm_up).collect();
    latencies.sort_unstable();
    latencies
}

/// From received to signed, by the node's own log, so that looking does not disturb what is measured.
fn latency(lab: &Lab, node: usize) -> Duration {
    let id = lab.net.ask(node, &lab.net.slash(1));
    let log = until("the signature in the log", || {
        let log = lab.net.log(node);
        let signed = log.lines().any(|line| is_state(line, &id, "signed"));
        if signed { Ok(log) } else { Err(format!("{id} is not signed")) }
    });
    let at =
        |state: &str| log.lines().find(|line| is_state(line, &id, state)).map(time_of_day).expect("both are logged");
    // Past midnight the clock begins anew.
    let day = Duration::from_secs(24 * 3600);
    let (received, signed) = (at("received"), at("signed"));
    if signed < received { signed + day - received } else { signed - received }
}

fn is_state(line: &str, id: &str, state: &str) -> bool {
    line.contains("request_state") && line.contains(id) && line.contains(&format!("state=\"{state}\""))
}

/// `2026-11-22T18:28:20.123456Z ...`: how far into the day.
fn time_of_day(line: &str) -> Duration {
    let clock = line.split('T').nth(1).and_then(|rest| rest.split('Z').next()).expect("a time");
    let seconds = clock.split(':').try_fold(0.0, |sum, part| part.parse::<f64>().map(|part| sum * 60.0 + part));
    Duration::from_secs_f64(seconds.expect("numbers"))
}
