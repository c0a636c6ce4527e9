//! What is wrong with a scenario file: a stable code, the line, the key, and what was expected.

use std::fmt;

/// Stable codes of scenario files, each with what it means and what to do.
pub const CODES: [(&str, &str, &str); 9] = [
    ("SCENARIO_SYNTAX", "the file is not TOML", "mend the line named"),
    ("SCENARIO_UNKNOWN_KEY", "there is no such key here", "take the near match, or look the key up in the reference"),
    ("SCENARIO_MISSING_KEY", "a key without a default is missing", "add it"),
    ("SCENARIO_WRONG_TYPE", "the value has another TOML type", "write it as the message says"),
    (
        "SCENARIO_UNIT",
        "a quantity has no unit, or one that does not fit",
        "write for example \"30s\", \"0.1%\" or \"2 MB/s\"",
    ),
    ("SCENARIO_VALUE", "the value is out of range or contradicts another", "change it as the message says"),
    (
        "SCENARIO_UNKNOWN_NAME",
        "there is no act, point, probe, message kind, invariant, region or matrix of this name",
        "take the near match, or look it up in the reference",
    ),
    ("SCENARIO_FAULT_KIND", "a fault has no kind, or several", "write exactly one kind in each [[fault]]"),
    (
        "SCENARIO_EMPTY_SELECTION",
        "a selector matches no node",
        "name nodes, organisations, regions or clouds that the file has",
    ),
];

/// Why a file is no scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// One of [`CODES`].
    pub code: &'static str,
    /// Line in the file, from 1.
    pub line: usize,
    /// The key in question, with the tables around it.
    pub key: String,
    /// What is wrong, and what was expected.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, line, key, detail } = self;
        let next = CODES.iter().find(|(name, ..)| name == code).map_or("", |(_, _, next)| next);
        match key.as_str() {
            "" => write!(f, "line {line}: {detail}; {next} [{code}]"),
            key => write!(f, "line {line}: `{key}`: {detail}; {next} [{code}]"),
        }
    }
}

impl std::error::Error for Problem {}
