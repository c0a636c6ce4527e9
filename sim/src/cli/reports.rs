//! Reports as files and on the terminal.

use super::Output;
use super::terminal::print;
use firn_proto::NodeId;
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
    /// Which node crashed after how many effects, where that is tried for each.
    pub(crate) crash_after: Option<(NodeId, u64)>,
}

impl<'a> Reports<'a> {
    pub(crate) fn new(folder: Option<&'a Path>, output: Output) -> Result<Self, String> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        Ok(Self { folder, output, records: Vec::new() })
    }

    /// Shows a run, writes its files, and keeps its record. Of thousands of crash points only those that fail are worth a line
    /// and files; all of them count.
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
        let shown = story.crash_after.is_none() || record.failed();
        if self.output == Output::Text && shown {
            print(&report::line(&record));
        }
        if let Some(folder) = self.folder.filter(|_| shown) {
            let point = story.crash_after.map(|(node, effect)| format!("-node-{node}-effect-{effect}"));
            let stem = format!("{}-{}{}", record.scenario, record.seed, point.unwrap_or_default());
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
