//! What swarms came to, added up over several runs in a file.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Sums over seeds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    /// The seed to go on with.
    pub(crate) next: u64,
    pub(crate) seeds: u64,
    pub(crate) failed: u64,
    pub(crate) events: u64,
    pub(crate) simulated_s: u64,
    pub(crate) requests: u64,
    pub(crate) signed: u64,
    /// How many ended otherwise, each of which is worth a look.
    #[serde(default)]
    pub(crate) refused: u64,
    #[serde(default)]
    pub(crate) expired: u64,
    #[serde(default)]
    pub(crate) excused: u64,
    #[serde(default)]
    pub(crate) violated: u64,
    /// How often which violation.
    pub(crate) violations: BTreeMap<String, u64>,
    /// How often which probe.
    pub(crate) probes: BTreeMap<String, u64>,
}

impl Tally {
    /// From a file; empty where there is none yet.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self { next: 1, ..Self::default() }),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.next = other.next;
        self.seeds += other.seeds;
        self.failed += other.failed;
        self.events += other.events;
        self.simulated_s += other.simulated_s;
        self.requests += other.requests;
        self.signed += other.signed;
        self.refused += other.refused;
        self.expired += other.expired;
        self.excused += other.excused;
        self.violated += other.violated;
        for (mine, theirs) in [(&mut self.violations, &other.violations), (&mut self.probes, &other.probes)] {
            for (name, count) in theirs {
                *mine.entry(name.clone()).or_default() += count;
            }
        }
    }

    /// How the requests ended.
    pub(crate) fn ends(&self) -> String {
        let Self { requests, signed, refused, expired, excused, violated, .. } = self;
        format!(
            "{requests} requests: {signed} signed, {refused} refused, {expired} expired, {excused} excused, {violated} violated"
        )
    }

    /// One line, or JSON.
    pub(crate) fn text(&self, first: u64, seconds: u64, json: bool) -> String {
        if json {
            return serde_json::json!({ "schema": "firn.sim-swarm.v1", "first": first, "seconds": seconds, "sums": self }).to_string();
        }
        format!(
            "swarm: {} seeds from {first}, {} failed{}; {}; {} events, {} simulated s in {seconds} s: {} seeds/min, {} simulated s/s; {} probes fired",
            self.seeds,
            self.failed,
            self.violations.iter().map(|(id, count)| format!(" {id}x{count}")).collect::<String>(),
            self.ends(),
            self.events,
            self.simulated_s,
            self.seeds * 60 / seconds,
            self.simulated_s / seconds,
            self.probes.len(),
        )
    }
}
