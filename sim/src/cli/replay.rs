//! `firn-sim replay`: a scenario file or a node's journal again, with what happened.

use super::Output;
use super::files::read;
use super::reports::{Reports, Story};
use super::run::run_judged;
use super::terminal::print;
use firn_coordinator::journal;
use firn_sim::run::Options;
use firn_sim::verdict::Exit;
use std::fs;
use std::path::Path;

/// Runs a file again.
pub(crate) fn replay(file: &Path, report: Option<&Path>, output: Output) -> Result<Exit, String> {
    if file.extension().is_none_or(|extension| extension != "toml") {
        return replay_journal(file, output);
    }
    let file = read(file)?;
    let mut options = Options { geography: file.geography.clone(), ..Options::default() };
    let (finished, exit, note) = run_judged(&file.scenario, &mut options, true, true);
    let reproduce = format!("firn-sim replay {}", file.path.display());
    let story = Story { finished, exit, case: file.scenario.name.clone(), reproduce, note, crash_after: None };
    let mut reports = Reports::new(report, output)?;
    reports.take(&story)?;
    if output == Output::Json {
        reports.finish()?;
    }
    Ok(exit)
}

/// Plays a journal: equal effects to the end, or the first step that differs.
fn replay_journal(file: &Path, output: Output) -> Result<Exit, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let replay = match journal::replay(&bytes) {
        Ok(replay) => replay,
        Err(error @ journal::JournalError::Differs { .. }) => {
            print(&format!("{}: {error}\n", file.display()));
            return Ok(Exit::NonDeterminism);
        }
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    let (steps, effects, tail) = (replay.steps, replay.effects, replay.tail);
    print(&if output == Output::Json {
        let document =
            serde_json::json!({ "steps": steps, "effects": effects.to_string(), "tail": format!("{tail:?}") });
        format!("{document}\n")
    } else {
        format!("{steps} steps replayed with equal effects ({effects}), tail: {tail:?}\n")
    });
    Ok(Exit::Pass)
}
