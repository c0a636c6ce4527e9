//! The data directory: every file one node owns, readable by its user alone and held by one process.
//!
//! Anything looser is refused rather than repaired. A mode that was wrong for a minute may already have been
//! used, and a tool that quietly tightens it hides that from the operator.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

#[cfg(test)]
pub(crate) mod child;
mod error;
pub(crate) mod files;
#[cfg(test)]
mod tests;

pub(crate) use error::{DataDirError, Problem};
use files::{Kind, TEMPORARY_SUFFIX};

/// An open data directory. The lock lasts as long as this value, or as the process, however it ends.
pub(crate) struct DataDir {
    root: PathBuf,
    /// Held, unless this is only a look beside a running node.
    _lock: Option<File>,
}

impl DataDir {
    /// Lays out a new directory. A directory that already holds anything of a node is refused, so that no
    /// identity or keystore is ever overwritten; what a crashed `create` left behind is completed.
    pub(crate) fn create(root: &Path) -> Result<Self, DataDirError> {
        match fs::symlink_metadata(root) {
            Ok(_) => {
                files::check(root, Kind::Directory, files::user())?;
                refuse_used(root)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_dir(root)?,
            Err(error) => return Err(DataDirError::io(root, error)),
        }
        let run = root.join(RUN);
        create_dir(&run)?;
        let lock = lock(&run)?;
        // Again, now under the lock: two `create` at once must not both find the directory unused.
        refuse_used(root)?;
        for name in [IDENTITY, KEYSTORE, STORE] {
            create_dir(&root.join(name))?;
        }
        let readme = root.join(README);
        match files::write_new(&readme, README_TEXT.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(DataDirError::io(&readme, error)),
            _ => {}
        }
        files::sync_dir(root).map_err(|error| DataDirError::io(root, error))?;
        files::check_tree(root, files::user())?;
        Ok(Self { root: root.to_owned(), _lock: Some(lock) })
    }

    /// Opens an existing directory: takes the lock, then checks owner, mode and type of everything inside.
    pub(crate) fn open(root: &Path) -> Result<Self, DataDirError> {
        files::check(root, Kind::Directory, files::user())?;
        for name in [IDENTITY, KEYSTORE, STORE] {
            files::check(&root.join(name), Kind::Directory, files::user())?;
        }
        // `run/` holds nothing worth keeping, so a restored backup may lack it.
        let run = root.join(RUN);
        create_dir(&run)?;
        let lock = lock(&run)?;
        // Only now: without the lock another process's store adds and removes files while we look.
        files::check_tree(root, files::user())?;
        Ok(Self { root: root.to_owned(), _lock: Some(lock) })
    }

    /// Makes the folder of a database that was lost or moved away, for whoever puts another in its place.
    pub(crate) fn make_store_folder(root: &Path) -> Result<(), DataDirError> {
        create_dir(&root.join(STORE))
    }

    /// Names the files of an existing directory, which a running node may hold: for looking only.
    pub(crate) fn look(root: &Path) -> Result<Self, DataDirError> {
        for path in [root.to_owned(), root.join(KEYSTORE), root.join(STORE)] {
            files::check(&path, Kind::Directory, files::user())?;
        }
        Ok(Self { root: root.to_owned(), _lock: None })
    }

    /// Whether a node lives there: `open` is for it, and `create` refuses it.
    pub(crate) fn is_used(root: &Path) -> bool {
        root.join(KEYSTORE).exists()
    }

    /// When backups were made and verified.
    pub(crate) fn backups_file(root: &Path) -> PathBuf {
        root.join(BACKUPS)
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Local configuration: paths and addresses.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.root.join(CONFIG)
    }

    /// The agreed network definition this node follows.
    pub(crate) fn network_file(&self) -> PathBuf {
        self.root.join(NETWORK)
    }

    /// The public half of the node's identity.
    pub(crate) fn identity_dir(&self) -> PathBuf {
        self.root.join(IDENTITY)
    }

    /// The sealed secrets.
    pub(crate) fn keystore_dir(&self) -> PathBuf {
        self.root.join(KEYSTORE)
    }

    /// Up to where notices of the chain were told.
    pub(crate) fn watch_file(&self) -> PathBuf {
        self.root.join(WATCH)
    }

    /// The database.
    pub(crate) fn store_dir(&self) -> PathBuf {
        self.root.join(STORE)
    }
}

fn create_dir(path: &Path) -> Result<(), DataDirError> {
    match DirBuilder::new().mode(files::DIRECTORY_MODE).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files::check(path, Kind::Directory, files::user())
        }
        Err(error) => Err(DataDirError::io(path, error)),
    }
}

/// Refuses a directory that is in use, and one that belongs to something else entirely: `init` pointed at a
/// home directory must not move in.
fn refuse_used(root: &Path) -> Result<(), DataDirError> {
    for entry in entries(root)? {
        let name = entry.file_name();
        let path = entry.path();
        match name.to_str() {
            // A provisioning tool may have put the configuration there first.
            Some(README | RUN | CONFIG) => {}
            Some(IDENTITY | KEYSTORE | STORE) => {
                files::check(&path, Kind::Directory, files::user())?;
                if let Some(found) = entries(&path)?.iter().find(|entry| !is_temporary(entry)) {
                    return Err(DataDirError::Exists { path: found.path() });
                }
            }
            _ if is_temporary(&entry) => {}
            _ => return Err(DataDirError::Exists { path }),
        }
    }
    Ok(())
}

fn is_temporary(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(|name| name.ends_with(TEMPORARY_SUFFIX))
}

fn entries(path: &Path) -> Result<Vec<fs::DirEntry>, DataDirError> {
    let read = || fs::read_dir(path)?.collect::<io::Result<Vec<_>>>();
    read().map_err(|error| DataDirError::io(path, error))
}

/// Takes the lock and writes our process id for whoever is refused after us. The file stays when the lock is
/// released: removing it would let two processes lock two different files of the same name.
fn lock(run: &Path) -> Result<File, DataDirError> {
    let path = run.join(LOCK);
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(files::FILE_MODE)
        .custom_flags(no_follow)
        .open(&path);
    // A symlink fails here with an error of the system's; the check says what is wrong in our words.
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => {
            files::check(&path, Kind::File, files::user())?;
            return Err(DataDirError::io(&path, error));
        }
    };
    files::check(&path, Kind::File, files::user())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DataDirError::Locked { pid: read_pid(&mut file), path }),
        Err(TryLockError::Error(error)) => return Err(DataDirError::io(&path, error)),
    }
    write_pid(&mut file).map_err(|error| DataDirError::io(&path, error))?;
    Ok(file)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

/// `None` in the instant between the holder's lock and its write; never a reason to let anyone in.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

const CONFIG: &str = "config.toml";
const NETWORK: &str = "network.toml";
const IDENTITY: &str = "identity";
const KEYSTORE: &str = "keystore";
const STORE: &str = "store";
const RUN: &str = "run";
const WATCH: &str = "watch.json";
const BACKUPS: &str = "backups.json";
const LOCK: &str = "lock";
const README: &str = "README";

/// A process id of 32 bits has at most ten digits, plus the line end.
const PID_BYTES_MAX: u64 = 11;

const README_TEXT: &str = "\
This directory belongs to one Firn node. Directories have mode 0700, files 0600; anything looser is refused.

BACK UP, and keep the passphrase somewhere else:
  config.toml     local settings of this node
  network.toml    the network definition that all organisations agreed on
  identity/       public identity: node name, peer id, public keys
  keystore/       transport identity, relayer key and vault root, sealed under the passphrase.
                  Without this directory the node's key shares cannot be opened by anybody.

DO NOT COPY BACK AN OLD COPY OF:
  store/          the database: key shares (sealed), locks, requests, audit. An older copy has forgotten what
                  this node signed since. Peers end key generations with a member that restarted; nothing
                  else notices an older copy.

RECREATED, never needed:
  run/            the lock that keeps a second process out
  backups.json    when backups of the keys were made and verified; without it the node warns that there are none
  watch.json      up to where notices of the chain were told; without it they begin at the block that is final then

Never run two nodes from copies of this directory.
";
