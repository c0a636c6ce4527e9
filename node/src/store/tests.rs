//! Durability under kill -9, a full disk, damage on disk, and the counters.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;

use rocksdb::statistics::Ticker;
use tempfile::TempDir;

use super::*;
use crate::data_dir::child::TestChild;

fn created() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    Store::create(dir.path()).unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn reopen(store: Store) -> Store {
    let path = store.path.clone();
    drop(store);
    Store::open(&path).unwrap()
}

fn put(store: &mut Store, family: Family, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(family, key, value);
    store.commit(batch).unwrap();
}

/// Writes bytes past the framing, as a bad disk would.
fn put_raw(store: &Store, family: Family, key: &[u8], bytes: &[u8]) {
    store.db.put_cf(store.column(family).unwrap(), key, bytes).unwrap();
}

fn get_raw(store: &Store, family: Family, key: &[u8]) -> Vec<u8> {
    store.db.get_cf(store.column(family).unwrap(), key).unwrap().unwrap()
}

#[track_caller]
fn check_refused<T>(result: Result<T, StoreError>, code: &str, names: &str) {
    let error = result.err().expect("must be refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(names), "{error} names {names}");
    assert!(!error.hint().is_empty());
}

#[test]
fn a_batch_is_read_back_after_reopening_in_key_order() {
    let (_dir, mut store) = created();
    let mut batch = Batch::new();
    batch.put(Family::Requests, [3], "three");
    batch.put(Family::Requests, [1], "one");
    batch.put(Family::Audit, [2], "two");
    batch.put(Family::Requests, [9], "gone");
    batch.delete(Family::Requests, [9]);
    batch.put(Family::Requests, [2], Vec::new());
    store.commit(batch).unwrap();

    let store = reopen(store);
    let scanned: Vec<_> = store.scan(Family::Requests).map(Result::unwrap).collect();
    assert_eq!(scanned, [(vec![1], b"one".to_vec()), (vec![2], vec![]), (vec![3], b"three".to_vec())]);
    let tail: Vec<_> = store.scan_from(Family::Requests, &[2]).map(|record| record.unwrap().0).collect();
    assert_eq!(tail, [[2], [3]]);
    assert_eq!(store.get(Family::Audit, &[2]).unwrap().unwrap(), b"two");
    assert_eq!(store.get(Family::Audit, &[1]).unwrap(), None);
    assert_eq!(store.get(Family::Requests, &[9]).unwrap(), None);
}

#[test]
fn every_family_is_apart_from_the_others() {
    let (_dir, mut store) = created();
    for family in Family::ALL {
        put(&mut store, family, b"key", family.name().as_bytes());
    }
    let store = reopen(store);
    for family in Family::ALL {
        assert_eq!(store.get(family, b"key").unwrap().unwrap(), family.name().as_bytes());
    }
}

#[test]
fn a_corrupt_record_is_not_an_absent_one() {
    let (_dir, mut store) = created();
    put(&mut store, Family::Vault, &[0xab, 0x01], b"sealed share");
    let intact = get_raw(&store, Family::Vault, &[0xab, 0x01]);
    for at in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[at] ^= 1;
        put_raw(&store, Family::Vault, &[0xab, 0x01], &damaged);
        check_refused(store.get(Family::Vault, &[0xab, 0x01]), "RECORD_CORRUPT", "vault/ab01");
        put_raw(&store, Family::Vault, &[0xab, 0x01], &intact[..at]);
        check_refused(store.get(Family::Vault, &[0xab, 0x01]), "RECORD_CORRUPT", "vault/ab01");
    }
    // The answer stays the same: nothing has repaired or removed the record.
    let mut store = reopen(store);
    check_refused(store.get(Family::Vault, &[0xab, 0x01]), "RECORD_CORRUPT", "vault/ab01");
    assert_eq!(store.get(Family::Vault, &[0xab, 0x02]).unwrap(), None);
    put(&mut store, Family::Vault, &[0xac], b"next");
    let scanned: Vec<_> = store.scan(Family::Vault).collect();
    assert_eq!(scanned.len(), 1, "a scan ends at what it cannot read");
    check_refused(scanned.into_iter().next().unwrap(), "RECORD_CORRUPT", "vault/ab01");
}

#[test]
fn a_record_moved_to_another_place_is_corrupt() {
    let (_dir, mut store) = created();
    put(&mut store, Family::Keys, b"a", b"value");
    let record = get_raw(&store, Family::Keys, b"a");
    put_raw(&store, Family::Keys, b"b", &record);
    put_raw(&store, Family::Requests, b"a", &record);
    check_refused(store.get(Family::Keys, b"b"), "RECORD_CORRUPT", "keys/62");
    check_refused(store.get(Family::Requests, b"a"), "RECORD_CORRUPT", "requests/61");
    // The border between key and value counts too.
    put_raw(&store, Family::Keys, b"av", &record[..record.len() - 5]);
    check_refused(store.get(Family::Keys, b"av"), "RECORD_CORRUPT", "keys/6176");
}

#[test]
fn the_form_of_a_record_is_fixed() {
    // Schema 1, checksum over (1, tag 5, length of the key, key, value), value.
    let record = record::encode(Family::Audit, b"key", b"value");
    assert_eq!(hex::encode(&record), FIXED_RECORD);
    assert_eq!(record::decode(Family::Audit, b"key", &record).unwrap(), b"value");
}

const FIXED_RECORD: &str = "01d459b07177a0ce2e76616c7565";

#[test]
fn the_incarnation_only_grows() {
    let (_dir, mut store) = created();
    assert_eq!(store.next_incarnation().unwrap(), 1);
    assert_eq!(store.next_incarnation().unwrap(), 2);
    for expected in 3..6 {
        store = reopen(store);
        assert_eq!(store.next_incarnation().unwrap(), expected);
    }
}

#[test]
fn an_unreadable_counter_is_an_error_and_stays_one() {
    let missing = |store: &Store| store.db.delete_cf(store.column(Family::Meta).unwrap(), INCARNATION).unwrap();
    let damaged = |store: &Store| {
        let mut record = get_raw(store, Family::Meta, INCARNATION);
        record[12] ^= 1;
        put_raw(store, Family::Meta, INCARNATION, &record);
    };
    let set = |value: &[u8]| {
        let record = record::encode(Family::Meta, INCARNATION, value);
        move |store: &Store| put_raw(store, Family::Meta, INCARNATION, &record)
    };
    let check = |damage: &dyn Fn(&Store), code: &str, names: &str| {
        let (_dir, mut store) = created();
        store.next_incarnation().unwrap();
        damage(&store);
        check_refused(store.next_incarnation(), code, names);
        check_refused(reopen(store).next_incarnation(), code, names);
    };
    check(&missing, "COUNTER_UNREADABLE", "store.incarnation");
    check(&damaged, "RECORD_CORRUPT", &hex::encode(INCARNATION));
    check(&set(&[1, 2, 3]), "COUNTER_UNREADABLE", "8 bytes");
    check(&set(&[0; 9]), "COUNTER_UNREADABLE", "8 bytes");
    check(&set(&u64::MAX.to_be_bytes()), "COUNTER_UNREADABLE", "exhausted");
}

#[test]
fn a_newer_or_unreadable_version_is_refused() {
    let (dir, store) = created();
    put_raw(&store, Family::Meta, VERSION, &record::encode(Family::Meta, VERSION, &2_u64.to_be_bytes()));
    drop(store);
    check_refused(Store::open(dir.path()), "STORE_VERSION", "version 2");
    check_refused(Store::create(dir.path()), "STORE_EXISTS", "already");

    let (dir, store) = created();
    store.db.delete_cf(store.column(Family::Meta).unwrap(), VERSION).unwrap();
    drop(store);
    check_refused(Store::open(dir.path()), "COUNTER_UNREADABLE", "store.version");
    check_refused(Store::create(dir.path()), "RECORD_CORRUPT", &hex::encode(INCARNATION));
}

#[test]
fn a_database_is_made_by_create_only_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    check_refused(Store::open(dir.path()), "STORE_MISSING", dir.path().to_str().unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "looking must not create");
    Store::create(dir.path()).unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    put(&mut store, Family::Keys, b"key", b"value");
    check_refused(Store::open(dir.path()), "STORE_OPEN_FAILED", "lock");
    drop(store);
    check_refused(Store::create(dir.path()), "STORE_EXISTS", "already");
    assert!(Store::open(dir.path()).unwrap().get(Family::Keys, b"key").unwrap().is_some());
}

#[test]
fn a_missing_family_is_not_made_anew() {
    let (dir, mut store) = created();
    put(&mut store, Family::Vault, b"key", b"sealed share");
    store.db.drop_cf(Family::Vault.name()).unwrap();
    drop(store);
    for _ in 0..2 {
        check_refused(Store::open(dir.path()), "STORE_CORRUPT", "vault");
    }
}

#[test]
fn a_crash_in_the_middle_of_create_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::attach(dir.path(), true).unwrap());
    check_refused(Store::open(dir.path()), "COUNTER_UNREADABLE", "store.version");
    Store::create(dir.path()).unwrap();
    assert_eq!(Store::open(dir.path()).unwrap().next_incarnation().unwrap(), 1);
}

/// The newest file with this extension.
fn newest(dir: &TempDir, extension: &str) -> PathBuf {
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|found| found == extension)).max().unwrap()
}

#[test]
fn damage_inside_the_log_is_refused_and_a_torn_end_is_not() {
    let filled = || {
        let (dir, mut store) = created();
        for number in 0..20_u8 {
            put(&mut store, Family::Sessions, &[number], &[number; 100]);
        }
        drop(store);
        let log = newest(&dir, "log");
        let bytes = fs::read(&log).unwrap();
        assert!(bytes.len() > 20 * 100, "the records are in the log and nowhere else");
        (dir, log, bytes)
    };
    let (dir, log, mut bytes) = filled();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();
    check_refused(Store::open(dir.path()), "STORE_CORRUPT", "checksum");

    // Half of the last record, as after a power cut: nobody was told that it is durable.
    let (dir, log, bytes) = filled();
    fs::write(&log, &bytes[..bytes.len() - 50]).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.scan(Family::Sessions).map(Result::unwrap).count(), 19);
}

#[test]
fn a_removed_table_file_is_refused() {
    let (dir, mut store) = created();
    put(&mut store, Family::Keys, b"key", b"value");
    store.db.flush_cf(store.column(Family::Keys).unwrap()).unwrap();
    drop(store);
    fs::remove_file(newest(&dir, "sst")).unwrap();
    check_refused(Store::open(dir.path()), "STORE_CORRUPT", "sst");
}

#[test]
fn a_bad_block_of_a_table_file_names_the_record() {
    let (dir, mut store) = created();
    put(&mut store, Family::Keys, b"key", &[0x5a; 500]);
    store.db.flush_cf(store.column(Family::Keys).unwrap()).unwrap();
    drop(store);
    let table = newest(&dir, "sst");
    let mut bytes = fs::read(&table).unwrap();
    let at = bytes.windows(8).position(|window| window == [0x5a; 8]).unwrap();
    bytes[at] ^= 1;
    fs::write(&table, bytes).unwrap();
    let store = Store::open(dir.path()).unwrap();
    check_refused(store.get(Family::Keys, b"key"), "RECORD_CORRUPT", "keys/6b6579");
    check_refused(store.scan(Family::Keys).next().unwrap(), "STORE_CORRUPT", "keys");
}

#[test]
fn bounds_are_refused_and_leave_the_store_usable() {
    let (_dir, mut store) = created();
    let refuse = |store: &mut Store, key: usize, value: usize, times: u8| {
        let mut batch = Batch::new();
        for number in 0..times {
            batch.put(Family::Keys, vec![number; key], vec![0; value]);
        }
        check_refused(store.commit(batch), "RECORD_TOO_LARGE", "keys");
    };
    refuse(&mut store, 0, 1, 1);
    refuse(&mut store, batch::KEY_BYTES_MAX + 1, 1, 1);
    refuse(&mut store, 1, batch::VALUE_BYTES_MAX + 1, 1);
    refuse(&mut store, 1, batch::VALUE_BYTES_MAX, 4);
    put(&mut store, Family::Keys, &[7; batch::KEY_BYTES_MAX], &vec![0; batch::VALUE_BYTES_MAX]);
}

#[test]
fn a_batch_cannot_touch_the_stores_own_keys() {
    let mut batch = Batch::new();
    // The prefix is reserved in one family only.
    batch.put(Family::Keys, RESERVED, "x");
    batch.delete(Family::Meta, "stor");
    for key in [VERSION, INCARNATION] {
        let put = std::panic::catch_unwind(|| Batch::new().put(Family::Meta, key, "x"));
        let delete = std::panic::catch_unwind(|| Batch::new().delete(Family::Meta, key));
        assert!(put.is_err() && delete.is_err());
    }
}

#[test]
fn every_commit_syncs_the_log_once_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut options, families) = options::open_options(true);
    options.enable_statistics();
    let db = DB::open_cf_descriptors(&options, dir.path(), families).unwrap();
    let (synced, metrics) = (options::synced(), StoreMetrics::default());
    let mut store = Store { db, path: dir.path().to_owned(), synced, failed: false, metrics };
    let before = options.get_ticker_count(Ticker::WalFileSynced);
    for number in 0..10_u8 {
        put(&mut store, Family::Audit, &[number], b"entry");
    }
    store.commit(Batch::new()).unwrap();
    assert_eq!(options.get_ticker_count(Ticker::WalFileSynced) - before, 10);
    let StoreMetrics { commits, commit_time, failures } = store.metrics();
    assert_eq!((commits, failures), (10, 0));
    assert!(commit_time > Duration::ZERO);
}

/// What the children write: each number in two families, so that half a batch would show.
fn numbered(number: u32) -> Batch {
    let mut batch = Batch::new();
    batch.put(Family::Requests, number.to_be_bytes(), vec![1; 3_000]);
    batch.put(Family::Audit, number.to_be_bytes(), number.to_string());
    batch
}

fn numbers(store: &Store, family: Family) -> BTreeSet<u32> {
    store.scan(family).map(|record| u32::from_be_bytes(record.unwrap().0.try_into().unwrap())).collect()
}

/// Everything the child said is there; of what it did not live to say, whole batches only.
#[track_caller]
fn check_said(store: &Store, said: &BTreeSet<u32>) {
    let found = numbers(store, Family::Audit);
    assert!(said.is_subset(&found), "lost {:?}", said.difference(&found));
    assert_eq!(found, numbers(store, Family::Requests), "half a batch");
    for number in found {
        assert_eq!(store.get(Family::Audit, &number.to_be_bytes()).unwrap().unwrap(), number.to_string().as_bytes());
    }
}

#[test]
fn what_was_committed_survives_kill_9() {
    let (dir, store) = created();
    drop(store);
    let mut said = BTreeSet::new();
    for seed in 1..=6_u64 {
        let mut child = TestChild::spawn("store::tests::child_commits_until_killed", dir.path());
        // The parent is always somewhere behind, so the kill lands at an arbitrary point of a later commit; a
        // late round also kills after memory was flushed to table files.
        let until = 1 + seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 600;
        said.extend((0..until).map(|_| child.hear().unwrap().parse::<u32>().unwrap()));
        child.kill();
        said.extend(std::iter::from_fn(|| child.hear()).map(|word| word.parse::<u32>().unwrap()));
        check_said(&Store::open(dir.path()).unwrap(), &said);
    }
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(store.next_incarnation().unwrap(), 7, "one for each child");
}

#[test]
fn child_commits_until_killed() {
    let Some(dir) = TestChild::role() else { return };
    let mut store = Store::open(&dir).unwrap();
    store.next_incarnation().unwrap();
    let first = numbers(&store, Family::Audit).last().map_or(0, |last| last + 1);
    for number in first.. {
        store.commit(numbered(number)).unwrap();
        TestChild::say(&number.to_string());
    }
}

#[test]
fn r49_a_failed_write_seals_the_store_and_loses_nothing_before_it() {
    let (dir, store) = created();
    drop(store);
    // A limit on file size stands in for a full disk: the write itself fails, in the middle of a record.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 256; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    let mut child = TestChild::spawn_command(shell, "store::tests::child_commits_until_refused", dir.path());
    let mut words: Vec<String> = std::iter::from_fn(|| child.hear()).collect();
    assert_eq!(words.pop().as_deref(), Some("sealed"));
    let said: BTreeSet<u32> = words.iter().map(|word| word.parse().unwrap()).collect();
    assert!(!said.is_empty());
    check_said(&Store::open(dir.path()).unwrap(), &said);
}

#[test]
fn child_commits_until_refused() {
    let Some(dir) = TestChild::role() else { return };
    let mut store = Store::open(&dir).unwrap();
    for number in 0.. {
        match store.commit(numbered(number)) {
            Ok(()) => TestChild::say(&number.to_string()),
            Err(error) => {
                assert_eq!(error.code(), "STORE_WRITE_FAILED", "{error}");
                break;
            }
        }
    }
    // Even a write that would fit and a counter are refused now; reading goes on.
    let mut batch = Batch::new();
    batch.put(Family::Keys, "k", "v");
    check_refused(store.commit(batch), "STORE_WRITE_FAILED", "an earlier write failed");
    check_refused(store.next_incarnation(), "STORE_WRITE_FAILED", "an earlier write failed");
    assert_eq!(store.get(Family::Keys, b"k").unwrap(), None);
    assert!(store.get(Family::Audit, &0_u32.to_be_bytes()).unwrap().is_some());
    assert_eq!(store.metrics().failures, 2);
    TestChild::say("sealed");
}

/// Whether any file under the database's folder holds these bytes.
fn is_on_disk(path: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(path).unwrap().any(|entry| {
        let content = fs::read(entry.unwrap().path()).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn e1_nothing_of_a_deleted_share_is_left_in_any_file() {
    let (dir, mut store) = created();
    let share = [firn_vault::SHARES, &[7; 36]].concat();
    let content: Vec<u8> = (0..200).map(|i: u8| i.wrapping_mul(37) ^ 0x5a).collect();
    put(&mut store, Family::Vault, &share, &content);
    put(&mut store, Family::Vault, b"lock/1", b"stays");
    // Once in a table of its own, once in the log.
    store.db.flush_cf(store.column(Family::Vault).unwrap()).unwrap();
    put(&mut store, Family::Vault, &share, &content);
    assert!(is_on_disk(dir.path(), &content));
    let mut batch = Batch::new();
    batch.delete(Family::Vault, share.as_slice());
    store.commit(batch).unwrap();
    assert!(!is_on_disk(dir.path(), &content), "while the store is open");
    assert_eq!(store.get(Family::Vault, b"lock/1").unwrap().as_deref(), Some(&b"stays"[..]));
    let store = reopen(store);
    assert!(!is_on_disk(dir.path(), &content));
    assert_eq!(store.get(Family::Vault, &share).unwrap(), None);
}

#[test]
fn e1_an_erasure_that_was_cut_off_is_done_at_the_next_start() {
    let (dir, mut store) = created();
    let share = [firn_vault::SHARES, &[7; 36]].concat();
    let content: Vec<u8> = (0..200).map(|i: u8| i.wrapping_mul(91) ^ 0xa5).collect();
    put(&mut store, Family::Vault, &share, &content);
    // What `commit` writes, without what follows it: power is lost between the record and the erasure.
    let mut writes = WriteBatch::default();
    writes.delete_cf(store.column(Family::Vault).unwrap(), &share);
    writes.put_cf(store.column(Family::Meta).unwrap(), ERASE, record::encode(Family::Meta, ERASE, &[]));
    store.write(writes).unwrap();
    assert!(is_on_disk(dir.path(), &content));
    let store = reopen(store);
    assert!(!is_on_disk(dir.path(), &content));
    assert_eq!(store.get(Family::Meta, ERASE).unwrap(), None);
}
