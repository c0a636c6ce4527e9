//! The terminal: one dense line for each run, and one for all of them.

use super::record::{Record, simulated_ms};
use std::fmt::Write as _;

/// One line for a run, and below it what went wrong and how to see it again.
#[must_use]
pub fn line(record: &Record) -> String {
    let ends = [("S", "signed"), ("R", "refused"), ("E", "expired"), ("X", "excused"), ("V", "violated")];
    let ends: String = ends.iter().map(|(letter, end)| format!(" {letter}{}", record.ended(end))).collect();
    let fired = record.probes.values().filter(|count| **count > 0).count();
    let mut line = format!(
        "{:<4} {:<34} seed={:<6} {}-of-{} sim={:.1}s ev={} req={}{}",
        if record.failed() { "FAIL" } else { "ok" },
        record.scenario,
        record.seed,
        record.threshold,
        record.nodes,
        record.simulated_ms / 1_000.0,
        record.events,
        record.requests.len(),
        ends,
    );
    if let Some(percent) = record.availability.core_percent {
        let _ = write!(line, " core={percent:.0}%");
    }
    let latency = &record.latency;
    if let (Some(p50), Some(p99)) = (latency.p50_ms, latency.p99_ms) {
        let _ = write!(line, " p50={p50:.0}ms p99={p99:.0}ms");
    }
    if let (Some(p50), Some(p99)) = (latency.p50_floors, latency.p99_floors) {
        let _ = write!(line, " ({p50:.2}/{p99:.2} floors)");
    }
    if let (Some(attempts), Some(messages), Some(bytes)) =
        (record.cost.attempts, record.cost.messages, record.cost.bytes)
    {
        let _ = write!(line, " att={attempts:.1} msg={messages:.0} kB={:.1}", bytes / 1_000.0);
    }
    let digest: String = record.digest.chars().take(10).collect();
    let _ = writeln!(line, " probes={fired} digest={digest}");
    line + &failure(record)
}

/// What a failed run says; nothing where it passed.
pub(super) fn failure(record: &Record) -> String {
    let mut text = String::new();
    if !record.failed() {
        return text;
    }
    for violation in &record.violations {
        let node = violation.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        let _ = writeln!(text, "     {} at {:.3} ms{node}: {}", violation.id, violation.at_ms, violation.detail);
    }
    for probe in &record.probes_missing {
        let _ = writeln!(text, "     the probe {probe} never fired");
    }
    if let Some(note) = &record.note {
        let _ = writeln!(text, "     {note}");
    }
    let _ = writeln!(text, "     again: {}", record.reproduce);
    text
}

/// One line for all runs.
#[must_use]
pub fn totals(records: &[Record]) -> String {
    let failed: Vec<_> = records.iter().filter(|record| record.failed()).collect();
    let sum = |end: &str| records.iter().map(|record| record.ended(end)).sum::<u64>();
    let seconds = simulated_ms(records) / 1_000.0;
    let mut text = format!(
        "{} runs, {} failed; {} requests: {} signed, {} refused, {} expired, {} excused, {} violated; {seconds:.0} s simulated, {} events\n",
        records.len(),
        failed.len(),
        records.iter().map(|record| record.requests.len()).sum::<usize>(),
        sum("signed"),
        sum("refused"),
        sum("expired"),
        sum("excused"),
        sum("violated"),
        records.iter().map(|record| record.events).sum::<u64>(),
    );
    if let Some(first) = failed.first() {
        let _ = writeln!(text, "first failure: {} ({}), again: {}", first.scenario, first.verdict, first.reproduce);
    }
    text
}
