//! How RocksDB is set up: durable first, small second, fast third.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    WriteOptions,
};

use super::Family;

/// Options for the database and a descriptor for each family.
pub(super) fn open_options(create: bool) -> (Options, Vec<ColumnFamilyDescriptor>) {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(create);
    options.set_paranoid_checks(true);
    // The default drops everything behind a damaged spot in the log, markers included, and says nothing. This
    // one forgives an incomplete last record, which no caller was told about, and refuses all other damage.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);

    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(2 * WRITE_BUFFERS_BYTES as u64);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_max_manifest_file_size(1024 * 1024);
    // No thread that wakes up to count, and no statistics written into the database.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(1024 * 1024);
    options.set_keep_log_file_num(2);

    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let families = Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(&cache)));
    (options, families.into())
}

/// The one way this store writes.
pub(super) fn synced() -> WriteOptions {
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    synced
}

fn family_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Otherwise they grow outside the budget, with the number of files.
    table.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    options
}

/// Records are small and read once at start; the cache serves catch-up and audit export.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Per family. A flush this early costs a small file now and then, not memory for ever.
const WRITE_BUFFER_BYTES: usize = 1024 * 1024;

/// All families together.
const WRITE_BUFFERS_BYTES: usize = 8 * 1024 * 1024;

const OPEN_FILES_MAX: i32 = 64;
