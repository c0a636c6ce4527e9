//! The running account of a devnet: what happened, to whom, after how long.

use crate::cli::Output;
use alloy::primitives::U256;
use alloy::primitives::utils::format_ether;
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};

/// Lines of another command's output that are enough to see what it is.
const EXCERPT: usize = 12;

/// Prints to standard output: lines for people, or one JSON object per line.
pub(crate) struct Account {
    started: Instant,
    output: Output,
    part: &'static str,
    number: u8,
}

impl Account {
    /// Starts the clock. The account comes in numbered parts: acts, or steps.
    pub(crate) fn new(output: Output, part: &'static str) -> Self {
        Self { started: Instant::now(), output, part, number: 0 }
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Begins the next part.
    pub(crate) fn next(&mut self, title: &str) {
        self.number = self.number.saturating_add(1);
        if matches!(self.output, Output::Text) {
            line("");
        }
        self.print(&format!("{} {}", self.part, self.number), title);
    }

    /// One thing that happened.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        self.print("", text.as_ref());
    }

    /// Text that belongs to the line before, such as another command's output.
    pub(crate) fn quote(&self, text: &str) {
        text.lines().filter(|text| !text.trim().is_empty()).for_each(|text| self.print("   |", text));
    }

    /// Its first lines, where it is long.
    pub(crate) fn excerpt(&self, text: &str) {
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let shown = if lines.len() <= EXCERPT { lines.len() } else { EXCERPT - 1 };
        self.quote(&lines.iter().take(shown).copied().collect::<Vec<_>>().join("\n"));
        if shown < lines.len() {
            self.quote(&format!("... and {} lines more", lines.len() - shown));
        }
    }

    /// A document for programs; people have seen its content already.
    pub(crate) fn document(&self, value: &serde_json::Value) {
        if matches!(self.output, Output::Json) {
            line(&value.to_string());
        }
    }

    /// Lines without a clock, for people to copy from.
    pub(crate) fn plain(&self, text: &str) {
        if matches!(self.output, Output::Text) {
            line(text);
        }
    }

    fn print(&self, label: &str, text: &str) {
        let elapsed = self.elapsed();
        match self.output {
            Output::Text => line(&format!("[{:5.1}s] {label:<6} {text}", elapsed.as_secs_f32())),
            Output::Json => {
                let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                let event = json!({
                    "schema": "firn/devnet-event/v1", "elapsed_ms": milliseconds, "part": self.number, "text": text.trim(),
                });
                line(&event.to_string());
            }
        }
    }
}

/// Writes one line. Whoever closed the pipe does not want the rest, which is no reason to leave processes behind.
fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Milliseconds below ten seconds, seconds above.
pub(crate) fn duration(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f32())
    }
}

/// An amount of a token with 18 decimals, without trailing zeros.
pub(crate) fn amount(units: U256) -> String {
    format_ether(units).trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The first and the last digits of a long hexadecimal string.
pub(crate) fn short(hex: &str) -> String {
    let (Some(head), Some(tail)) = (hex.get(..10), hex.len().checked_sub(6).and_then(|at| hex.get(at..))) else {
        return hex.to_owned();
    };
    if hex.len() <= 18 { hex.to_owned() } else { format!("{head}…{tail}") }
}
