//! What is kept of a run, and the reports for programs (docs/reference/report.md).

use super::{Run, floors, name, story};
use crate::scenario::Micros;
use crate::verdict::{End, Exit, Outcome, RequestReport};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is kept of a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Record {
    /// What the test report counts it under.
    pub case: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// The verdict as a word.
    pub verdict: &'static str,
    /// And as an exit code.
    pub exit: u8,
    /// The command that runs it again.
    pub reproduce: String,
    /// What was noticed from outside.
    pub note: Option<String>,
    /// n.
    pub nodes: u16,
    /// t.
    pub threshold: u16,
    /// Virtual time at the end.
    pub simulated_ms: f64,
    /// Events handled.
    pub events: u64,
    /// Digest of all events, effects and draws.
    pub digest: String,
    /// First first.
    pub violations: Vec<Violated>,
    /// Violations that the scenario asks for.
    pub violations_expected: Vec<String>,
    /// How often a signature was possible, and how often there was one.
    pub availability: Availability,
    /// Over all signed requests, at the node where each was posted.
    pub latency: Latency,
    /// Over all signed requests.
    pub cost: Cost,
    /// One by one.
    pub requests: Vec<Request>,
    /// How often each probe fired.
    pub probes: BTreeMap<String, u64>,
    /// Probes that the scenario demands and that did not fire.
    pub probes_missing: Vec<String>,
    /// Largest counters seen.
    pub highs: Vec<High>,
}

/// A violation.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Violated {
    /// The invariant, `L1` or `EXPECT`.
    pub id: String,
    /// When it was noticed.
    pub at_ms: f64,
    /// Name of the node.
    pub node: Option<String>,
    /// What was seen.
    pub detail: String,
}

/// Shares in percent.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Availability {
    /// Share of time in which a live core existed; none where nobody looked.
    pub core_percent: Option<f64>,
    /// Share of requests that were signed; none without requests.
    pub signed_percent: Option<f64>,
    /// Requests by what became of them.
    pub ends: BTreeMap<&'static str, u64>,
}

/// Latencies; none where nothing was signed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Latency {
    /// Median.
    pub p50_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Median in floors.
    pub p50_floors: Option<f64>,
    /// 99th percentile in floors.
    pub p99_floors: Option<f64>,
}

/// What a signature costs on average; none where nothing was signed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Cost {
    /// Attempts of all coordinators.
    pub attempts: Option<f64>,
    /// Messages about the request.
    pub messages: Option<f64>,
    /// Their bytes.
    pub bytes: Option<f64>,
}

/// What became of one request.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Request {
    /// Its number in the workload.
    pub request: usize,
    /// What is signed.
    pub subject: String,
    /// Name of the node that took it in.
    pub node: String,
    /// When.
    pub posted_ms: f64,
    /// How long it was wanted.
    pub deadline_ms: f64,
    /// `signed`, `refused`, `expired`, `excused` or `violated`.
    pub end: &'static str,
    /// The code of a refusal, or the excuse.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub story: String,
    /// Until the first honest node knew the signature.
    pub latency_ms: Option<f64>,
    /// Until the node that took it in knew it.
    pub latency_at_node_ms: Option<f64>,
    /// The latter in floors.
    pub floors: Option<f64>,
    /// One round trip to the member that completes the nearest set of signers.
    pub floor_ms: f64,
    /// B: how long a live core can last without a signature.
    pub bound_ms: f64,
    /// How long the longest live core lasted while it was open.
    pub core_ms: f64,
    /// B less that; below zero only where the liveness claim is violated.
    pub slack_ms: f64,
    /// For how long no live core existed while it was open.
    pub without_core_ms: f64,
    /// Attempts of all coordinators.
    pub attempts: u32,
    /// Messages about it.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The largest value of a bounded counter.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct High {
    /// Its name.
    pub counter: String,
    /// The largest value.
    pub value: u64,
    /// What it must not exceed.
    pub limit: u64,
}

impl Record {
    /// Of a finished run.
    #[must_use]
    pub fn new(run: &Run<'_>) -> Self {
        let outcome = run.outcome;
        let scenario = &outcome.scenario;
        let violated = |violation: &crate::verdict::Violation| Violated {
            id: violation.id.to_owned(),
            at_ms: ms(violation.at),
            node: violation.node.map(|node| name(run.geography, node)),
            detail: violation.detail.clone(),
        };
        let fired = |probe: &&String| outcome.probes.get(*probe).is_none_or(|count| *count == 0);
        let high = |(counter, value, limit): &(&'static str, u64, u64)| High {
            counter: (*counter).to_owned(),
            value: *value,
            limit: *limit,
        };
        Self {
            case: run.case.to_owned(),
            scenario: scenario.name.clone(),
            seed: scenario.seed,
            verdict: run.exit.as_str(),
            exit: run.exit as u8,
            reproduce: run.reproduce.to_owned(),
            note: run.note.map(str::to_owned),
            nodes: u16::try_from(run.geography.places().len()).unwrap_or(u16::MAX),
            threshold: scenario.key.threshold,
            simulated_ms: ms(outcome.ended),
            events: outcome.events,
            digest: outcome.digest.to_string(),
            violations: outcome.violations.iter().map(violated).collect(),
            violations_expected: scenario.expect.violates.clone(),
            availability: availability(outcome),
            latency: latency(&outcome.requests),
            cost: cost(&outcome.requests),
            requests: outcome.requests.iter().map(|report| request(run, report)).collect(),
            probes: outcome.probes.clone(),
            probes_missing: scenario.expect.probes.iter().filter(fired).cloned().collect(),
            highs: outcome.highs.iter().map(high).collect(),
        }
    }

    /// Whether the run did not pass.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.exit != Exit::Pass as u8
    }

    pub(super) fn ended(&self, end: &str) -> u64 {
        self.availability.ends.get(end).copied().unwrap_or_default()
    }
}

/// `report.json`: all runs, and their totals.
#[must_use]
pub fn json(records: &[Record]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        runs: &'a [Record],
        totals: Totals,
    }
    #[derive(Serialize)]
    struct Totals {
        runs: usize,
        failed: usize,
        requests: usize,
        signed: u64,
        simulated_ms: f64,
        events: u64,
    }
    let totals = Totals {
        runs: records.len(),
        failed: records.iter().filter(|record| record.failed()).count(),
        requests: records.iter().map(|record| record.requests.len()).sum(),
        signed: records.iter().map(|record| record.ended("signed")).sum(),
        simulated_ms: simulated_ms(records),
        events: records.iter().map(|record| record.events).sum(),
    };
    text(&Document { schema: "firn.sim-report.v1", runs: records, totals })
}

/// `probes.json`: how often each probe fired in all runs, in how many of them, and in which first.
#[must_use]
pub fn probes(records: &[Record]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        runs: usize,
        probes: BTreeMap<&'a str, Probe<'a>>,
    }
    #[derive(Serialize, Default)]
    struct Probe<'a> {
        fired: u64,
        runs: u64,
        first: Option<&'a str>,
        demanded_in_vain: u64,
    }
    let mut probes: BTreeMap<&str, Probe<'_>> = BTreeMap::new();
    for record in records {
        for (name, count) in &record.probes {
            let probe = probes.entry(name).or_default();
            probe.fired += count;
            if *count > 0 {
                probe.runs += 1;
                probe.first = probe.first.or(Some(&record.reproduce));
            }
        }
        for name in &record.probes_missing {
            probes.entry(name).or_default().demanded_in_vain += 1;
        }
    }
    text(&Document { schema: "firn.sim-probes.v1", runs: records.len(), probes })
}

/// Virtual time of all runs. A sum of no floats at all would be -0.
pub(super) fn simulated_ms(records: &[Record]) -> f64 {
    records.iter().fold(0.0, |sum, record| sum + record.simulated_ms)
}

fn text(document: &impl Serialize) -> String {
    // Maps have text keys and floats are finite, so nothing here can fail.
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

fn request(run: &Run<'_>, report: &RequestReport) -> Request {
    let (end, reason) = story::end(&report.end);
    Request {
        request: report.request,
        subject: report.subject.to_string(),
        node: name(run.geography, report.node),
        posted_ms: ms(report.posted),
        deadline_ms: ms(report.deadline),
        end,
        reason,
        story: story::story(run.outcome, report),
        latency_ms: report.latency.map(ms),
        latency_at_node_ms: report.latency_at_node.map(ms),
        floors: report.latency_at_node.and_then(|latency| floors(latency, report.floor)).map(hundredth),
        floor_ms: ms(report.floor),
        bound_ms: ms(report.bound),
        core_ms: ms(report.core),
        slack_ms: ms(report.bound) - ms(report.core),
        without_core_ms: ms(story::without_core(run.outcome, report)),
        attempts: report.attempts,
        messages: report.messages,
        bytes: report.bytes,
    }
}

fn availability(outcome: &Outcome) -> Availability {
    let mut ends = BTreeMap::from(["signed", "refused", "expired", "excused", "violated"].map(|end| (end, 0)));
    for request in &outcome.requests {
        *ends.entry(story::end(&request.end).0).or_default() += 1;
    }
    let signed = ends.get("signed").copied().unwrap_or_default();
    let watched = outcome.cores.first();
    Availability {
        core_percent: watched.and_then(|_| percent(story::with_core(outcome, 0, outcome.ended), outcome.ended)),
        signed_percent: percent(signed, outcome.requests.len() as u64),
        ends,
    }
}

fn latency(requests: &[RequestReport]) -> Latency {
    let mut times: Vec<_> = requests.iter().filter_map(|request| request.latency_at_node).collect();
    let in_floors = |request: &RequestReport| floors(request.latency_at_node?, request.floor);
    let mut multiples: Vec<_> = requests.iter().filter_map(in_floors).collect();
    times.sort_unstable();
    multiples.sort_unstable();
    Latency {
        p50_ms: percentile(&times, 50).map(ms),
        p99_ms: percentile(&times, 99).map(ms),
        p50_floors: percentile(&multiples, 50).map(hundredth),
        p99_floors: percentile(&multiples, 99).map(hundredth),
    }
}

fn cost(requests: &[RequestReport]) -> Cost {
    let signed: Vec<_> = requests.iter().filter(|request| request.end == End::Signed).collect();
    let mean = |value: fn(&RequestReport) -> u64| {
        let sum = signed.iter().map(|request| value(request)).sum::<u64>();
        (sum * 100).checked_div(signed.len() as u64).map(hundredth)
    };
    Cost {
        attempts: mean(|request| u64::from(request.attempts)),
        messages: mean(|request| request.messages),
        bytes: mean(|request| request.bytes),
    }
}

/// The smallest value that this share of all values does not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Milliseconds. Only these functions make floats, by one division of integers each, so equal runs print equal digits.
fn ms(micros: Micros) -> f64 {
    micros as f64 / 1_000.0
}

fn hundredth(value: u64) -> f64 {
    value as f64 / 100.0
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    part.saturating_mul(10_000).checked_div(whole).map(hundredth)
}
