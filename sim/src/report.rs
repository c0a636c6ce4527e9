//! Reports of runs: for people, for programs, and one that people look at. Everything here is a pure function to text.
//!
//! A [`Run`] is a finished run with its ledger, of which [`trace`] and [`timeline`] need every entry. A [`Record`] is what
//! is kept of it for the reports over many runs: [`json`], [`probes`], [`junit`] and [`totals`].

use crate::geography::Geography;
use crate::history::Entry;
use crate::scenario::Micros;
use crate::verdict::{Exit, Outcome};
use firn_proto::NodeId;

mod faults;
mod junit;
mod record;
mod story;
mod summary;
mod timeline;
mod trace;

pub use junit::junit;
pub use record::{Record, json, probes};
pub use summary::{line, totals};
pub use timeline::timeline;
pub use trace::trace;

/// A finished run, as reports see it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What came of it.
    pub outcome: &'a Outcome,
    /// Its ledger.
    pub history: &'a [Entry],
    /// Its nodes and their places.
    pub geography: &'a Geography,
    /// The verdict.
    pub exit: Exit,
    /// What the test report counts it under: the scenario's name, or a batch of a swarm.
    pub case: &'a str,
    /// The command that runs it again.
    pub reproduce: &'a str,
    /// What was noticed about it from outside, such as the first difference between two runs.
    pub note: Option<&'a str>,
}

impl Exit {
    /// The verdict as a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Safety => "safety",
            Self::Liveness => "liveness",
            Self::NonDeterminism => "non-determinism",
            Self::BadScenario => "bad-scenario",
            Self::ProbeMissing => "probe-missing",
        }
    }
}

fn name(geography: &Geography, node: NodeId) -> String {
    geography.places().get(&node).map_or_else(|| format!("node {node}"), |place| place.name.clone())
}

/// A length of time as people write it: `71 ms`, `20.3 s`, `4 min 10 s`.
fn duration(micros: Micros) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..120_000_000 => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
        120_000_000..7_200_000_000 => format!("{} min {} s", micros / 60_000_000, micros / 1_000_000 % 60),
        _ => format!("{} h {} min", micros / 3_600_000_000, micros / 60_000_000 % 60),
    }
}

/// Hundredths as a decimal number.
fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

/// A latency in hundredths of the floor; none without a floor.
fn floors(latency: Micros, floor: Micros) -> Option<u64> {
    latency.saturating_mul(100).checked_div(floor)
}

/// Text in the content or in an attribute of XML and HTML. What XML cannot hold at all becomes a question mark.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            c if c.is_control() => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
