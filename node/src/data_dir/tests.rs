//! Permissions, layout and lock.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::child::TestChild;
use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A created and closed data directory.
fn created() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("node");
    drop(DataDir::create(&root).unwrap());
    (parent, root)
}

#[track_caller]
fn check_refused(result: Result<DataDir, DataDirError>, code: &str, path: &Path) -> DataDirError {
    let error = result.err().expect("must be refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error} names {path:?}");
    assert!(!error.hint().is_empty());
    error
}

#[test]
fn create_makes_private_entries_and_open_accepts_them() {
    let (_parent, root) = created();
    for name in ["", IDENTITY, KEYSTORE, STORE, RUN] {
        assert_eq!(fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777, 0o700, "{name}");
    }
    for name in ["README", "run/lock"] {
        assert_eq!(fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777, 0o600, "{name}");
    }
    assert!(fs::read_to_string(root.join(README)).unwrap().contains("BACK UP"));
    let dir = DataDir::open(&root).unwrap();
    assert_eq!(dir.keystore_dir(), root.join("keystore"));
}

#[test]
fn r49_looser_modes_are_refused_everywhere() {
    for (name, mode) in [
        ("", 0o750),
        ("", 0o701),
        ("keystore", 0o710),
        ("store", 0o707),
        ("run", 0o755),
        ("run/lock", 0o644),
        ("README", 0o604),
        ("keystore/deep", 0o640),
        ("store/deep", 0o620),
    ] {
        let (_parent, root) = created();
        for file in ["keystore/deep", "store/deep"] {
            files::write_new(&root.join(file), b"x").unwrap();
        }
        let path = if name.is_empty() { root.clone() } else { root.join(name) };
        drop(DataDir::open(&root).unwrap());
        set_mode(&path, mode);
        check_refused(DataDir::open(&root), "DATA_DIR_PERMISSIONS", &path);
    }
}

#[test]
fn an_executable_or_set_id_file_is_refused() {
    for mode in [0o700, 0o4600] {
        let (_parent, root) = created();
        set_mode(&root.join(README), mode);
        check_refused(DataDir::open(&root), "DATA_DIR_PERMISSIONS", &root.join(README));
    }
}

#[test]
fn r49_symlinks_are_refused_everywhere() {
    for name in ["", "keystore", "identity", "run", "run/lock", "network.toml", "keystore/deep"] {
        let (parent, root) = created();
        let path = if name.is_empty() { root.clone() } else { root.join(name) };
        let target = parent.path().join("elsewhere");
        if path.exists() {
            fs::rename(&path, &target).unwrap();
        } else {
            files::write_new(&target, b"x").unwrap();
        }
        symlink(&target, &path).unwrap();
        let error = check_refused(DataDir::open(&root), "DATA_DIR_PERMISSIONS", &path);
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
}

#[test]
fn a_dangling_lock_symlink_creates_nothing_elsewhere() {
    let (parent, root) = created();
    let target = parent.path().join("victim");
    fs::remove_file(root.join("run/lock")).unwrap();
    symlink(&target, root.join("run/lock")).unwrap();
    check_refused(DataDir::open(&root), "DATA_DIR_PERMISSIONS", &root.join("run/lock"));
    assert!(!target.exists());
}

#[test]
fn another_users_file_is_refused() {
    let (_parent, root) = created();
    let other = files::user().wrapping_add(1);
    let error = files::check(&root.join(README), Kind::File, other).unwrap_err();
    assert_eq!(error.code(), "DATA_DIR_PERMISSIONS");
    assert!(error.to_string().contains("belongs to user"), "{error}");
    assert_eq!(files::check_tree(&root, other).unwrap_err().code(), "DATA_DIR_PERMISSIONS");
}

#[test]
fn a_missing_part_is_not_recreated() {
    for name in [IDENTITY, KEYSTORE, STORE] {
        let (_parent, root) = created();
        fs::remove_dir(root.join(name)).unwrap();
        check_refused(DataDir::open(&root), "DATA_DIR_MISSING", &root.join(name));
        assert!(!root.join(name).exists());
    }
}

#[test]
fn create_never_touches_an_existing_node() {
    for name in ["keystore/keystore.toml", "identity/node.toml", "store/CURRENT", "network.toml", "photos"] {
        let (_parent, root) = created();
        let path = root.join(name);
        files::write_new(&path, b"precious").unwrap();
        check_refused(DataDir::create(&root), "DATA_DIR_EXISTS", &path);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}

#[test]
fn create_completes_what_a_crashed_create_left() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("node");
    create_dir(&root).unwrap();
    create_dir(&root.join(KEYSTORE)).unwrap();
    files::write_new(&root.join("keystore/.half.tmp"), b"").unwrap();
    drop(DataDir::create(&root).unwrap());
    DataDir::open(&root).unwrap();
}

#[test]
fn r49_a_second_holder_is_refused_and_told_who_holds_it() {
    let (_parent, root) = created();
    let first = DataDir::open(&root).unwrap();
    for second in [DataDir::open(&root), DataDir::create(&root)] {
        let error = check_refused(second, "DATA_DIR_LOCKED", &root.join("run/lock"));
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    }
    drop(first);
    DataDir::open(&root).unwrap();
}

#[test]
fn a_killed_process_releases_the_lock() {
    let (_parent, root) = created();
    let mut child = TestChild::spawn("data_dir::tests::child_holds_the_lock", &root);
    assert_eq!(child.hear().as_deref(), Some("locked"));
    let error = check_refused(DataDir::open(&root), "DATA_DIR_LOCKED", &root.join("run/lock"));
    assert!(matches!(error, DataDirError::Locked { pid: Some(pid), .. } if pid == child.pid()));
    child.kill();
    DataDir::open(&root).unwrap();
}

#[test]
fn child_holds_the_lock() {
    let Some(root) = TestChild::role() else { return };
    let _dir = DataDir::open(&root).unwrap();
    TestChild::say("locked");
    TestChild::wait_for_parent();
}

#[test]
fn write_new_leaves_an_existing_file_alone_and_no_rubbish() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    files::write_new(&path, b"first").unwrap();
    let error = files::write_new(&path, b"second").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    files::replace(&path, b"third").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"third");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}
