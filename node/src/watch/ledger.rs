//! Up to where notices were delivered: what a restart goes on from. A small file in the data directory.

use super::notice::Id;
use crate::chain::events::Place;
use crate::data_dir::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Blocks that are read once more each time, as of an endpoint's machines some may lack the newest: 51 minutes of 12 s each.
pub(super) const OVERLAP: u64 = 256;
/// So many blocks without anything are not worth a write.
const WRITE_EVERY: u64 = 64;
const SCHEMA: &str = "firn.watch.v1";

/// What is delivered, and what is not yet.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    /// Events of this block and of those before are nobody's news.
    since: u64,
    /// The last block that was read.
    read: u64,
    /// Found, and neither delivered nor given up: until they are, a restart begins before them.
    open: BTreeSet<Place>,
    /// The first block of what there was no room for.
    missed: Option<u64>,
    /// In the blocks that are read once more.
    delivered: BTreeSet<Place>,
    written: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    since: u64,
    block: u64,
    delivered: BTreeSet<Id>,
}

impl Ledger {
    /// What an earlier process left; `None` where there was none.
    ///
    /// # Errors
    /// The file does not read.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let file: File = serde_json::from_str(&text)?;
        if file.schema != SCHEMA {
            return Err(io::Error::other(format!("schema {}", file.schema)));
        }
        let delivered = file.delivered.into_iter().map(|id| id.0).collect();
        let (since, read) = (file.since, file.block);
        let (open, written) = (BTreeSet::new(), Some(read));
        Ok(Some(Self { path: path.to_owned(), since, read, open, missed: None, delivered, written }))
    }

    /// The first one: what is final by then is nobody's news.
    pub(super) fn begin(path: &Path, block: u64) -> Self {
        let (open, delivered) = (BTreeSet::new(), BTreeSet::new());
        Self { path: path.to_owned(), since: block, read: block, open, missed: None, delivered, written: None }
    }

    /// The first block that has to be read, now or again.
    pub(super) fn next(&self) -> u64 {
        self.read.saturating_sub(OVERLAP).max(self.since).saturating_add(1)
    }

    /// The last block that was read.
    pub(super) fn block(&self) -> u64 {
        self.read
    }

    /// Everything up to here has been read.
    pub(super) fn has_read(&mut self, block: u64) {
        self.read = self.read.max(block);
    }

    pub(super) fn is_open(&self, place: Place) -> bool {
        self.open.contains(&place)
    }

    pub(super) fn is_delivered(&self, place: Place) -> bool {
        self.delivered.contains(&place)
    }

    pub(super) fn found(&mut self, place: Place) {
        self.open.insert(place);
    }

    pub(super) fn delivered(&mut self, place: Place) {
        self.open.remove(&place);
        self.delivered.insert(place);
        self.written = None;
    }

    /// There is no room for what was found here: it is read once more when there is. Until then nothing after it takes its place.
    pub(super) fn miss(&mut self, place: Place) {
        let block = place.0;
        self.open.remove(&place);
        self.missed = Some(self.missed.map_or(block, |missed| missed.min(block)));
    }

    pub(super) fn misses_any(&self) -> bool {
        self.missed.is_some()
    }

    /// There is room again: from this block on.
    pub(super) fn take_up_missed(&mut self) -> Option<u64> {
        let missed = self.missed.take();
        self.read = missed.map_or(self.read, |block| self.read.min(block.saturating_sub(1)));
        missed
    }

    /// Up to here everything is delivered.
    pub(super) fn floor(&self) -> u64 {
        let first = self.open.first().map(|(block, _)| *block).into_iter().chain(self.missed).min();
        first.map_or(self.read, |block| self.read.min(block.saturating_sub(1)))
    }

    /// Makes it durable, where that is due.
    ///
    /// # Errors
    /// It could not be written.
    pub(super) fn save(&mut self) -> io::Result<()> {
        let floor = self.floor();
        if self.written.is_some_and(|written| floor < written.saturating_add(WRITE_EVERY)) {
            return Ok(());
        }
        let oldest = floor.saturating_sub(OVERLAP);
        self.delivered.retain(|(block, _)| *block > oldest);
        let delivered = self.delivered.iter().copied().map(Id).collect();
        let file = File { schema: SCHEMA.to_owned(), since: self.since, block: floor, delivered };
        files::replace(&self.path, &serde_json::to_vec(&file)?)?;
        self.written = Some(floor);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_begins_before_what_is_open_and_knows_what_is_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        assert!(Ledger::open(&path).unwrap().is_none());
        let mut ledger = Ledger::begin(&path, 1_000);
        assert_eq!(ledger.next(), 1_001, "nothing of before the first start");
        ledger.has_read(2_000);
        [(1_500, 1), (1_600, 0), (1_990, 4)].into_iter().for_each(|place| ledger.found(place));
        assert_eq!(ledger.next(), 2_001 - OVERLAP);
        ledger.delivered((1_990, 4));
        ledger.delivered((1_500, 1));
        assert_eq!(ledger.floor(), 1_599, "the block before the first that is open");
        ledger.save().unwrap();

        let mut again = Ledger::open(&path).unwrap().unwrap();
        assert_eq!(again.next(), 1_600 - OVERLAP);
        assert!(again.is_delivered((1_990, 4)) && again.is_delivered((1_500, 1)));
        assert!(!again.is_delivered((1_600, 0)) && !again.is_open((1_600, 0)), "found anew");
        again.has_read(3_000);
        again.delivered((1_600, 0));
        again.save().unwrap();
        let last = Ledger::open(&path).unwrap().unwrap();
        assert_eq!((last.floor(), last.delivered.len()), (3_000, 0), "those of before are not read again");
    }

    #[test]
    fn what_there_was_no_room_for_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::begin(&folder.path().join("watch.json"), 10);
        ledger.has_read(5_000);
        ledger.found((4_000, 1));
        ledger.miss((4_500, 1));
        ledger.miss((4_600, 0));
        ledger.delivered((4_000, 1));
        assert_eq!((ledger.floor(), ledger.misses_any()), (4_499, true), "a restart does not pass over it");
        assert_eq!(ledger.take_up_missed(), Some(4_500));
        assert_eq!((ledger.next(), ledger.misses_any()), (4_500 - OVERLAP, false));
    }

    #[test]
    fn a_file_that_does_not_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        for odd in [
            "",
            "{}",
            r#"{"schema":"firn.watch.v9","since":1,"block":1,"delivered":[]}"#,
            r#"{"schema":"firn.watch.v1","since":1,"block":1,"delivered":["1"]}"#,
        ] {
            std::fs::write(&path, odd).unwrap();
            assert!(Ledger::open(&path).is_err(), "{odd}");
        }
    }
}
