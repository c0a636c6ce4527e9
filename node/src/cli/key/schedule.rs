//! `firn key schedule` for people.

use crate::cli::member::edit::exposure;
use crate::schedule::{Entry, ScheduleView};
use std::fmt::Write;

/// A line each; writing into a string cannot fail.
pub(super) fn text(view: &ScheduleView) -> String {
    let mut text = format!("{}\n", view.node);
    for entry in &view.entries {
        let Entry { kind, name, state, changed, due, until, blocked_by, next_step, .. } = entry;
        let shown = if matches!(state.as_str(), "overdue" | "blocked") { state.to_uppercase() } else { state.clone() };
        let _ = write!(text, "  {shown:<8} {kind:<18} {name:<16}");
        let since = changed.as_ref().map(|at| format!(" since {at},")).unwrap_or_default();
        match (due, until) {
            (Some(due), Some(until)) => drop(writeln!(text, "{since} due from {due}, until {until}")),
            _ => drop(writeln!(text, " nobody knows since when")),
        }
        if !blocked_by.is_empty() {
            let _ = writeln!(text, "           blocked: {}", blocked_by.join(", "));
        }
        if !matches!(state.as_str(), "fresh" | "unknown") {
            let _ = writeln!(text, "           next: {next_step}");
        }
    }
    for departed in view.departed.iter().filter(|departed| !departed.nodes.is_empty()) {
        let _ = write!(text, "key {}\n{}", departed.key, exposure(&departed.nodes, departed.threshold, departed.alarm));
    }
    text
}
