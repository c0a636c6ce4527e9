//! The journal that `firn run --journal` writes: every event of the engine, for running an incident again.
//!
//! It is buffered and never synced: nothing depends on it. What goes wrong with it is said once, and the node goes on.

use crate::failure::{Exit, Failure};
use crate::metrics::Metrics;
use firn_coordinator::api::{Effect, Event, Record};
use firn_coordinator::journal::Recorder;
use firn_proto::Incarnation;
use firn_proto::time::Time;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest journal. A signature is about 40 events of 700 bytes, so about 35,000 signatures.
const BYTES_MAX: u64 = 1 << 30;

/// An open journal.
pub(crate) struct Journal {
    path: PathBuf,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    /// Absent once it is full or has failed.
    file: Option<BufWriter<File>>,
    bytes: u64,
    bytes_max: u64,
}

impl Journal {
    /// Starts a journal at `path`. One that is there from an earlier start is kept beside it as `<path>.previous`.
    pub(crate) fn start(
        path: &Path,
        config: &firn_coordinator::Config,
        incarnation: Incarnation,
        records: &[Record],
        metrics: Arc<Metrics>,
    ) -> Result<Self, Failure> {
        let file = create(path).map_err(|error| {
            let next = "give --journal a file in a folder that the node's user may write, or leave it out";
            Failure::new("JOURNAL", format!("{}: {error}", path.display()), next, Exit::Failure)
        })?;
        let (recorder, header) = Recorder::start(config, incarnation, records);
        let file = Some(BufWriter::new(file));
        let mut journal = Self { path: path.to_owned(), recorder, metrics, file, bytes: 0, bytes_max: BYTES_MAX };
        journal.append(&header);
        Ok(journal)
    }

    /// Notes an event before the engine takes it.
    pub(crate) fn event(&mut self, now: Time, event: &Event) {
        if self.file.is_some() {
            let entry = self.recorder.event(now, event);
            self.append(&entry);
        }
    }

    /// Notes what the engine answered.
    pub(crate) fn effects(&mut self, effects: &[Effect]) {
        if self.file.is_some() {
            self.recorder.effects(effects);
        }
    }

    /// Hands what is buffered to the system, so that a killed process has written it.
    pub(crate) fn flush(&mut self) {
        let flushed = self.file.as_mut().map_or(Ok(()), Write::flush);
        self.check(flushed);
    }

    /// Ends the journal of a node that stops in order.
    pub(crate) fn end(mut self, now: Time) {
        let entry = self.recorder.end(now);
        self.append(&entry);
        self.flush();
    }

    fn append(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        self.bytes += bytes.len() as u64;
        let written = if self.bytes > self.bytes_max {
            Err(io::Error::other(format!("it has reached {} bytes; restart the node for a new one", self.bytes_max)))
        } else {
            file.write_all(bytes)
        };
        self.metrics.journal_bytes.set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
        self.check(written);
    }

    fn check(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            tracing::error!(path = %self.path.display(), %error, "journal_ended: the node goes on without it");
            // What is buffered is written as far as it can be.
            self.file = None;
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    // Anything but a file of an earlier start is left alone, and refused by `create_new`.
    if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        let mut previous = path.as_os_str().to_owned();
        previous.push(".previous");
        std::fs::rename(path, previous)?;
    }
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_coordinator::Engine;
    use firn_coordinator::journal::{Tail, replay};
    use firn_proto::{Definition, Incarnation, NodeId};
    use firn_vault::RootSecret;
    use std::fmt::Write as _;

    fn config() -> firn_coordinator::Config {
        let mut text = String::from("name = 'test'\nversion = 1\noperator_sets = []\nrequesters = []\n");
        text += "[chain]\nid = 1\nallocation_manager = '0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1'\n";
        text +=
            "[[organisations]]\nname = 'org'\n[[keys]]\nname = 'slash'\npurpose = 'slash'\nthreshold = 2\nmembers = [";
        (1..=3).for_each(|id| write!(text, "{{ identifier = {id}, node = {id} }},").unwrap());
        text += "]\n";
        for id in 1..=3 {
            let (author, vault) = RootSecret::generate(&mut rand_core::OsRng).public_keys();
            let (author, vault) = (hex::encode(author.as_bytes()), hex::encode(vault.as_bytes()));
            let place = "organisation = 'org'\nregion = 'r'\nprovider = 'p'\naddresses = []";
            write!(text, "[[nodes]]\nid = {id}\nname = 'n{id}'\n{place}\npeer_id = 'p{id}'\n").unwrap();
            writeln!(text, "author_key = '{author}'\nvault_key = '{vault}'").unwrap();
        }
        firn_coordinator::Config {
            definition: Definition::parse(&text).unwrap(),
            me: NodeId(1),
            incarnation: Incarnation::new(1, 1),
            check_evidence: false,
            refresh_after: None,
        }
    }

    /// A journal, and a way to put events through it and an engine.
    fn start(path: &Path) -> (Journal, impl FnMut(&mut Journal, Event)) {
        let config = config();
        let journal = Journal::start(path, &config, Incarnation::new(1, 1), &[], Arc::new(Metrics::new())).unwrap();
        let mut engine = Engine::restore(config, &[]).unwrap();
        let step = move |journal: &mut Journal, event: Event| {
            journal.event(Time::default(), &event);
            journal.effects(&engine.step(Time::default(), event));
        };
        (journal, step)
    }

    fn up(node: u16) -> Event {
        Event::PeerUp { node: NodeId(node), incarnation: Incarnation::new(1, 1) }
    }

    #[test]
    fn what_is_written_is_played_and_an_earlier_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for _ in 0..2 {
            let (mut journal, mut step) = start(&path);
            [Event::Started, up(2), up(3)].into_iter().for_each(|event| step(&mut journal, event));
            journal.flush();
            let played = replay(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!((played.steps, played.tail), (3, Tail::Ended));
            journal.end(Time::default());
        }
        for name in ["journal", "journal.previous"] {
            let played = replay(&std::fs::read(folder.path().join(name)).unwrap()).unwrap();
            assert_eq!((played.steps, played.tail), (3, Tail::Stopped), "{name}");
        }
        assert!(create(folder.path()).is_err(), "what is no file is left alone");
    }

    #[test]
    fn a_full_journal_ends_and_can_be_played_so_far() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, mut step) = start(&path);
        journal.bytes_max = journal.bytes + 200;
        for node in [2, 3].into_iter().cycle().take(100) {
            step(&mut journal, up(node));
        }
        assert!(journal.file.is_none());
        let played = replay(&std::fs::read(&path).unwrap()).unwrap();
        assert!((1..100).contains(&played.steps), "{} steps", played.steps);
    }
}
