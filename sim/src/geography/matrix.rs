//! A matrix of measured round trips between regions: a dated data file, never constants.

use crate::scenario::Micros;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use toml::Spanned;

/// Measured round trips that come with the simulator, by name.
const BUILT_IN: [(&str, &str); 1] = [("aws-2025-07", include_str!("../../data/aws-2025-07.toml"))];

/// The time of a round trip between two places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Rtt {
    /// Median.
    pub p50: Micros,
    /// 90th percentile.
    pub p90: Micros,
}

impl Rtt {
    /// With the 90th percentile a quarter above the median, where nothing else is known.
    #[must_use]
    pub fn of_median(p50: Micros) -> Self {
        Self { p50, p90: p50.saturating_add(p50 / 4) }
    }
}

/// Round trips between all pairs of some regions, and inside each of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matrix {
    /// Its name.
    pub name: String,
    /// When it was measured.
    pub date: String,
    /// By whom, how, and where it was published.
    pub source: String,
    /// Under which terms.
    pub licence: String,
    rtt: BTreeMap<(String, String), Rtt>,
}

/// Why a text is no matrix, or a matrix does not fit a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid {
    /// Line of the file, where one is at fault.
    pub line: Option<usize>,
    /// What, why, and what to do.
    pub detail: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

impl std::error::Error for Invalid {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    date: String,
    source: String,
    licence: String,
    rtt: BTreeMap<String, BTreeMap<String, Spanned<FilePair>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePair {
    p50: String,
    p90: Option<String>,
}

impl Matrix {
    /// Parses a data file. Each pair of regions stands in it once, in either order, and each region with itself.
    ///
    /// # Errors
    /// Unknown keys, times without units, missing and repeated pairs, a 90th percentile below its median.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let file: File = toml::from_str(text).map_err(|error| Invalid {
            line: error.span().map(|span| line(text, span.start)),
            detail: error.message().to_owned(),
        })?;
        let mut rtt = BTreeMap::new();
        for (from, row) in file.rtt {
            for (to, pair) in row {
                let at = |detail: String| Invalid { line: Some(line(text, pair.span().start)), detail };
                let times = times(pair.get_ref()).map_err(|why| at(format!("{from} - {to}: {why}")))?;
                if rtt.insert(ordered(&from, &to), times).is_some() {
                    return Err(at(format!("{from} - {to}: the pair is given twice; leave out one of them")));
                }
            }
        }
        let matrix = Self { name: file.name, date: file.date, source: file.source, licence: file.licence, rtt };
        let regions = matrix.regions();
        let pairs = regions.iter().flat_map(|a| regions.iter().map(move |b| (a, b)));
        match pairs.into_iter().find(|(a, b)| matrix.rtt(a, b).is_none()) {
            None => Ok(matrix),
            Some((a, b)) => Err(Invalid {
                line: None,
                detail: format!("the pair {a} - {b} is missing; every pair of regions needs a round trip"),
            }),
        }
    }

    /// One that comes with the simulator.
    ///
    /// # Errors
    /// No matrix of this name is built in.
    pub fn built_in(name: &str) -> Result<Self, Invalid> {
        let names = BUILT_IN.map(|(name, _)| name).join(", ");
        let unknown = || Invalid {
            line: None,
            detail: format!(
                "no latency matrix \"{name}\": put {name}.matrix.toml beside the scenario, or use one of: {names}"
            ),
        };
        Self::parse(BUILT_IN.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?.1)
    }

    /// Between two regions, in either order.
    #[must_use]
    pub fn rtt(&self, a: &str, b: &str) -> Option<Rtt> {
        self.rtt.get(&ordered(a, b)).copied()
    }

    /// Median round trip between two regions.
    #[must_use]
    pub fn rtt_p50(&self, a: &str, b: &str) -> Option<Micros> {
        self.rtt(a, b).map(|rtt| rtt.p50)
    }

    /// 90th percentile of the round trip between two regions.
    #[must_use]
    pub fn rtt_p90(&self, a: &str, b: &str) -> Option<Micros> {
        self.rtt(a, b).map(|rtt| rtt.p90)
    }

    /// All regions, by name ascending.
    #[must_use]
    pub fn regions(&self) -> BTreeSet<&str> {
        self.rtt.keys().flat_map(|(a, b)| [a.as_str(), b.as_str()]).collect()
    }
}

fn ordered(a: &str, b: &str) -> (String, String) {
    (a.min(b).to_owned(), a.max(b).to_owned())
}

fn times(pair: &FilePair) -> Result<Rtt, String> {
    let p50 = micros(&pair.p50)?;
    let rtt = match &pair.p90 {
        Some(p90) => Rtt { p50, p90: micros(p90)? },
        None => Rtt::of_median(p50),
    };
    match rtt {
        Rtt { p50: 0, .. } => Err("p50 must be above zero".to_owned()),
        Rtt { p50, p90 } if p90 < p50 => Err("p90 must not be below p50".to_owned()),
        rtt => Ok(rtt),
    }
}

/// A round trip of up to ten seconds: a whole number and its unit.
fn micros(text: &str) -> Result<Micros, String> {
    let units = [("ms", 1_000), ("us", 1)];
    let value = units.iter().find_map(|(unit, micros)| {
        let value = text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?;
        value.checked_mul(*micros).filter(|micros| *micros <= 10_000_000)
    });
    value.ok_or_else(|| format!("\"{text}\" is no time of at most 10000ms; write it like \"64ms\" or \"850us\""))
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
