//! `junit.xml`: what continuous integration reads.

use super::record::Record;
use super::{escape, summary};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One test case for each scenario and for each batch of a swarm, however many seeds it ran. Times are simulated seconds.
#[must_use]
pub fn junit(records: &[Record]) -> String {
    let mut cases: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        cases.entry(&record.case).or_default().push(record);
    }
    let failures = cases.values().filter(|runs| runs.iter().any(|run| run.failed())).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"firn-sim\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n",
        cases.len()
    );
    for (case, runs) in cases {
        xml.push_str(&test_case(case, &runs));
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn test_case(case: &str, runs: &[&Record]) -> String {
    let seconds = runs.iter().map(|run| run.simulated_ms).sum::<f64>() / 1_000.0;
    let mut xml = format!("<testcase classname=\"firn-sim\" name=\"{}\" time=\"{seconds:.3}\">\n", escape(case));
    let failed: Vec<_> = runs.iter().filter(|run| run.failed()).collect();
    if let Some(first) = failed.first() {
        let message = format!("{} of {} runs failed, first: {}", failed.len(), runs.len(), first.verdict);
        let texts: String = failed
            .iter()
            .map(|run| format!("{} seed {}: {}\n{}", run.scenario, run.seed, run.verdict, summary::failure(run)))
            .collect();
        let _ = writeln!(
            xml,
            "<failure type=\"{}\" message=\"{}\">{}</failure>",
            escape(first.verdict),
            escape(&message),
            escape(&texts)
        );
    }
    let lines: String = runs.iter().map(|run| summary::line(run)).collect();
    let _ = writeln!(xml, "<system-out>{}</system-out>\n</testcase>", escape(&lines));
    xml
}
