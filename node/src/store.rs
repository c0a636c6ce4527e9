//! The store: everything this node must not forget, in RocksDB.
//!
//! One commit is one synced write. Each value carries a schema byte and a checksum over its place and content,
//! so that "absent" and "unreadable" are different answers, and a record cannot be moved to another key. What
//! is unreadable is refused and named, never made anew.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, CompactOptions, DB, Direction, IteratorMode, Options, WriteBatch,
    WriteOptions,
};

mod batch;
mod error;
mod options;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use batch::{Batch, Family};
pub(crate) use error::StoreError;

/// The open database of one node. The data directory's lock admits one process, RocksDB's own a second check.
pub(crate) struct Store {
    db: DB,
    path: PathBuf,
    synced: WriteOptions,
    /// Set by the first failed write, for good.
    failed: bool,
    metrics: StoreMetrics,
}

/// What commits cost since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StoreMetrics {
    /// Synced commits that succeeded.
    pub(crate) commits: u64,
    /// Time the caller waited for them.
    pub(crate) commit_time: Duration,
    /// Commits refused or failed. After the first one the store takes no more.
    pub(crate) failures: u64,
}

impl Store {
    /// Makes the database of a new node. The only place where an empty one is acceptable.
    pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
        let mut store = Self::attach(path, true)?;
        if store.get(Family::Meta, VERSION)?.is_some() {
            return Err(StoreError::Exists { path: path.to_owned() });
        }
        // A crash may have come between RocksDB's files and our first record; a record without a version may not.
        for family in Family::ALL {
            if let Some(record) = store.scan(family).next() {
                let (key, _) = record?;
                return Err(StoreError::Record { family, key });
            }
        }
        let mut batch = WriteBatch::default();
        for (key, value) in [(VERSION, SCHEMA), (INCARNATION, 0)] {
            let value = record::encode(Family::Meta, key, &value.to_be_bytes());
            batch.put_cf(store.column(Family::Meta)?, key, value);
        }
        store.write(batch)
    }

    /// Opens an existing database; a missing one is refused, since its locks and markers would be missing too.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.join(RUNNING_DATABASE).exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let mut store = Self::attach(path, false)?;
        let found = store.counter(VERSION)?;
        if found > SCHEMA {
            return Err(StoreError::Version { path: path.to_owned(), found, known: SCHEMA });
        }
        if store.get(Family::Meta, ERASE)?.is_some() {
            store.erase()?;
        }
        Ok(store)
    }

    /// Opens it for a look, also while the node runs. It takes no writes.
    pub(crate) fn look(path: &Path) -> Result<Self, StoreError> {
        if !path.join(RUNNING_DATABASE).exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        let (options, families) = options::open_options(false);
        let db = DB::open_cf_descriptors_read_only(&options, path, families, false);
        let db = db.map_err(|error| StoreError::open(path, error))?;
        let (synced, metrics) = (options::synced(), StoreMetrics::default());
        let store = Self { db, path: path.to_owned(), synced, failed: true, metrics };
        let found = store.counter(VERSION)?;
        if found > SCHEMA {
            return Err(StoreError::Version { path: path.to_owned(), found, known: SCHEMA });
        }
        Ok(store)
    }

    /// Makes every operation of `batch` durable, or none. A barrier: nothing that follows from the batch may
    /// leave the node before this returns `Ok`.
    ///
    /// After a failure the node must seal. The store takes no further commit until it is opened again: pages
    /// whose sync failed once may be dropped by the system, and a later sync that succeeds proves nothing.
    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        if self.failed {
            self.metrics.failures += 1;
            return Err(StoreError::write(&self.path, "an earlier write failed".to_owned()));
        }
        batch.check()?;
        let erases = batch.erases();
        let mut writes = batch.encode(|family| self.column(family))?;
        if writes.is_empty() {
            return Ok(());
        }
        if erases {
            writes.put_cf(self.column(Family::Meta)?, ERASE, record::encode(Family::Meta, ERASE, &[]));
        }
        self.write(writes)?;
        if !erases {
            return Ok(());
        }
        // What is not erased stays marked, and no commit goes on as if it were.
        let erased = self.erase();
        self.failed |= erased.is_err();
        erased
    }

    /// Leaves nothing of deleted shares in the files: memory is flushed, so that the log before it goes, and the family is
    /// written anew. What RocksDB has given back to the file system is that one's: full-disk encryption, or a disk that is
    /// wiped, is for the operator. A mark in the store has it done at the next start, where it is cut off.
    fn erase(&mut self) -> Result<(), StoreError> {
        let failed = |error: rocksdb::Error| StoreError::write(&self.path, error.into_string());
        for family in Family::ALL {
            self.db.flush_cf(self.column(family)?).map_err(failed)?;
        }
        let mut whole = CompactOptions::default();
        whole.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_cf_opt(self.column(Family::Vault)?, None::<&[u8]>, None::<&[u8]>, &whole);
        let mut done = WriteBatch::default();
        done.delete_cf(self.column(Family::Meta)?, ERASE);
        self.write(done)
    }

    /// The value at `key`. `None` means it was never written or was deleted, and nothing else.
    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.db.get_cf(self.column(family)?, key);
        match read.map_err(|error| StoreError::read(&self.path, family, key, error))? {
            Some(bytes) => record::decode(family, key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// All records of a family in key order. The first unreadable one ends the walk with an error.
    pub(crate) fn scan(&self, family: Family) -> Scan<'_> {
        self.scan_from(family, &[])
    }

    /// The records of a family from `start` on, in key order.
    pub(crate) fn scan_from(&self, family: Family, start: &[u8]) -> Scan<'_> {
        let records = self.column(family).map(|column| {
            let records = self.db.iterator_cf(column, IteratorMode::From(start, Direction::Forward));
            let path = self.path.as_path();
            records.map(move |read| {
                let (key, bytes) = read.map_err(|error| StoreError::read(path, family, &[], error))?;
                let value = record::decode(family, &key, &bytes)?;
                Ok((key.into_vec(), value))
            })
        });
        match records {
            Ok(records) => Scan(Some(Box::new(records))),
            Err(error) => Scan(Some(Box::new(std::iter::once(Err(error))))),
        }
    }

    /// The record with the greatest key of a family.
    pub(crate) fn last(&self, family: Family) -> Result<Option<Record>, StoreError> {
        let Some(read) = self.db.iterator_cf(self.column(family)?, IteratorMode::End).next() else { return Ok(None) };
        let (key, bytes) = read.map_err(|error| StoreError::read(&self.path, family, &[], error))?;
        let value = record::decode(family, &key, &bytes)?;
        Ok(Some((key.into_vec(), value)))
    }

    /// A number that no earlier start of this node has used, durable before it is returned. Peers tell a member that
    /// restarted by it and end key generations with it, so a counter that cannot be read is an error, never a fresh start.
    pub(crate) fn next_incarnation(&mut self) -> Result<u32, StoreError> {
        if self.failed {
            return Err(StoreError::write(&self.path, "an earlier write failed".to_owned()));
        }
        let next = self.counter(INCARNATION)?.checked_add(1).and_then(|next| u32::try_from(next).ok());
        let next = next.ok_or_else(|| StoreError::counter(INCARNATION, "it is exhausted"))?;
        let mut batch = WriteBatch::default();
        let value = record::encode(Family::Meta, INCARNATION, &u64::from(next).to_be_bytes());
        batch.put_cf(self.column(Family::Meta)?, INCARNATION, value);
        self.write(batch)?;
        Ok(next)
    }

    /// The figures for the metrics page.
    pub(crate) fn metrics(&self) -> StoreMetrics {
        self.metrics
    }

    fn attach(path: &Path, create: bool) -> Result<Self, StoreError> {
        let (mut options, families) = options::open_options(create);
        options.create_missing_column_families(create || is_of_an_earlier_release(&options, path));
        let db = DB::open_cf_descriptors(&options, path, families).map_err(|error| StoreError::open(path, error))?;
        let synced = options::synced();
        Ok(Self { db, path: path.to_owned(), synced, failed: false, metrics: StoreMetrics::default() })
    }

    fn write(&mut self, batch: WriteBatch) -> Result<(), StoreError> {
        let start = Instant::now();
        if let Err(error) = self.db.write_opt(batch, &self.synced) {
            self.failed = true;
            self.metrics.failures += 1;
            return Err(StoreError::write(&self.path, error.into_string()));
        }
        self.metrics.commits += 1;
        self.metrics.commit_time += start.elapsed();
        Ok(())
    }

    fn counter(&self, key: &[u8]) -> Result<u64, StoreError> {
        let value = self.get(Family::Meta, key)?;
        let value = value.ok_or_else(|| StoreError::counter(key, "it is missing"))?;
        let value = <[u8; 8]>::try_from(value).map_err(|_| StoreError::counter(key, "it is not 8 bytes long"))?;
        Ok(u64::from_be_bytes(value))
    }

    fn column(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        let missing =
            || StoreError::Damaged { path: self.path.clone(), reason: format!("no family {}", family.name()) };
        self.db.cf_handle(family.name()).ok_or_else(missing)
    }
}

/// Earlier releases had no versions of the definition. Any other family that is missing is damage.
fn is_of_an_earlier_release(options: &Options, path: &Path) -> bool {
    let found = DB::list_cf(options, path).unwrap_or_default();
    let has = |family: Family| found.iter().any(|name| name == family.name());
    Family::ALL.into_iter().all(|family| has(family) != (family == Family::Definitions))
}

/// Records in key order; nothing after the first error.
pub(crate) struct Scan<'a>(Option<Box<dyn Iterator<Item = Result<Record, StoreError>> + 'a>>);

/// Key and value.
type Record = (Vec<u8>, Vec<u8>);

impl Iterator for Scan<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.as_mut()?.next();
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        next
    }
}

/// The layout of families and records this release writes, and the newest it reads.
const SCHEMA: u64 = 1;

/// Keys of the store itself; a batch cannot name them.
const RESERVED: &[u8] = b"store.";
const VERSION: &[u8] = b"store.version";
const INCARNATION: &[u8] = b"store.incarnation";
const ERASE: &[u8] = b"store.erase";

/// The file RocksDB starts from. Without it there is no database, whatever else lies there.
const RUNNING_DATABASE: &str = "CURRENT";
