//! Reports as files and on the terminal.

use super::Output;
use super::terminal::print;
use firn_sim::report::{self, Record, Run};
use firn_sim::run::Finished;
use firn_sim::verdict::Exit;
use std::fs;
use std::path::Path;

/// How runs of one command are named and shown.
pub(crate) struct Reports<'a> {
    folder: Option<&'a Path>,
    output: Output,
    records: Vec<Record>,
}

/// A finished run with everything that reports say about it.
pub(crate) struct Story {
    pub(crate) finished: Finished,
    pub(crate) exit: Exit,
    pub(crate) case: String,
    pub(crate) reproduce: String,
    pub(crate) note: Option<String>,
}

impl<'a> Reports<'a> {
    pub(crate) fn new(folder: Option<&'a Path>, output: Output) -> Result<Self, String> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        Ok(Self { folder, output, records: Vec::new() })
    }

    /// Shows a run, writes its files, and keeps its record.
    pub(crate) fn take(&mut self, story: &Story) -> Result<(), String> {
        let Some(geography) = &story.finished.geography else {
            return Err(story.finished.outcome.violations.iter().map(|one| one.detail.clone()).collect());
        };
        let run = Run {
            outcome: &story.finished.outcome,
            history: &story.finished.history,
            geography,
            exit: story.exit,
            case: &story.case,
            reproduce: &story.reproduce,
            note: story.note.as_deref(),
        };
        let record = Record::new(&run);
        if self.output == Output::Text {
            print(&report::line(&record));
        }
        if let Some(folder) = self.folder {
            let stem = format!("{}-{}", record.scenario, record.seed);
            write(folder, &format!("{stem}.timeline.html"), &report::timeline(&run))?;
            write(folder, &format!("{stem}.trace.jsonl"), &report::trace(&run))?;
        }
        self.records.push(record);
        Ok(())
    }

    /// Totals on the terminal, and the reports over all runs.
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.output {
            Output::Text => print(&report::totals(&self.records)),
            Output::Json => print(&report::json(&self.records)),
        }
        self.write()
    }

    /// The reports over all runs.
    pub(crate) fn write(&self) -> Result<(), String> {
        let Some(folder) = self.folder else { return Ok(()) };
        write(folder, "report.json", &report::json(&self.records))?;
        write(folder, "probes.json", &report::probes(&self.records))?;
        write(folder, "junit.xml", &report::junit(&self.records))
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}
