//! Checking and writing single files, for the data directory and the keystore in it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{DataDirError, Problem};

/// What an entry has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Mode 0700 at most.
    Directory,
    /// Mode 0600 at most.
    File,
}

/// Refuses one entry that is a symlink, of the wrong type, of another owner, or open to others.
pub(crate) fn check(path: &Path, kind: Kind, user: u32) -> Result<(), DataDirError> {
    let metadata = fs::symlink_metadata(path).map_err(|error| DataDirError::io(path, error))?;
    // Directories inherit set-group-id from their parent on some systems; it lets nobody in.
    let (allowed, bits) = match kind {
        Kind::Directory => (DIRECTORY_MODE, 0o777),
        Kind::File => (FILE_MODE, 0o7777),
    };
    let found = metadata.mode() & bits;
    let problem = if metadata.is_symlink() {
        Problem::Symlink
    } else if kind == Kind::Directory && !metadata.is_dir() {
        Problem::Type { expected: "directory" }
    } else if kind == Kind::File && !metadata.is_file() {
        Problem::Type { expected: "regular file" }
    } else if metadata.uid() != user {
        Problem::Owner { found: metadata.uid(), expected: user }
    } else if found & !allowed != 0 {
        Problem::Mode { found, allowed }
    } else {
        return Ok(());
    };
    Err(DataDirError::Permissions { path: path.to_owned(), problem })
}

/// `check` for a directory and everything below it.
pub(crate) fn check_tree(root: &Path, user: u32) -> Result<(), DataDirError> {
    check_level(root, user, DEPTH_MAX)
}

/// Writes a file that must not exist yet: complete and durable when this returns, or absent. The temporary file
/// is in the same directory because a rename is atomic only within one file system.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (parent, file) = write_temporary(path, bytes)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_dir(parent)
}

/// Like `write_new`, but takes the place of the existing file: a reader sees the old content or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (parent, file) = write_temporary(path, bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    sync_dir(parent)
}

/// Makes renames and new entries in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The user this process acts as.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check_level(directory: &Path, user: u32, depth: u32) -> Result<(), DataDirError> {
    check(directory, Kind::Directory, user)?;
    let Some(below) = depth.checked_sub(1) else {
        return Err(DataDirError::Permissions { path: directory.to_owned(), problem: Problem::Depth });
    };
    for entry in fs::read_dir(directory).map_err(|error| DataDirError::io(directory, error))? {
        let path = entry.map_err(|error| DataDirError::io(directory, error))?.path();
        let metadata = fs::symlink_metadata(&path).map_err(|error| DataDirError::io(&path, error))?;
        if metadata.is_dir() {
            check_level(&path, user, below)?;
        } else {
            check(&path, Kind::File, user)?;
        }
    }
    Ok(())
}

fn write_temporary<'a>(path: &'a Path, bytes: &[u8]) -> io::Result<(&'a Path, tempfile::NamedTempFile)> {
    let parent = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(TEMPORARY_SUFFIX)
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok((parent, file))
}

/// Marks what a crash in the middle of a write leaves behind.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Owner only.
pub(crate) const DIRECTORY_MODE: u32 = 0o700;
/// Owner only, and nothing here is executed.
pub(crate) const FILE_MODE: u32 = 0o600;
/// The layout is two levels deep and the database keeps a `lost/` of its own.
const DEPTH_MAX: u32 = 4;
