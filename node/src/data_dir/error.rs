//! Why a data directory was refused.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A refusal, with the path it is about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Somebody else can read or replace the entry, or could have.
    #[error("{} {problem}", path.display())]
    Permissions { path: PathBuf, problem: Problem },
    /// A second process on one data directory would be a second node with the same identity.
    #[error("{} is held by {}", path.display(), holder(*pid))]
    Locked { path: PathBuf, pid: Option<u32> },
    /// `create` found something it did not make.
    #[error("{} already exists", path.display())]
    Exists { path: PathBuf },
    /// A part of the layout is not there.
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    /// The operating system said no.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl DataDirError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Permissions { .. } => "DATA_DIR_PERMISSIONS",
            Self::Locked { .. } => "DATA_DIR_LOCKED",
            Self::Exists { .. } => "DATA_DIR_EXISTS",
            Self::Missing { .. } => "DATA_DIR_MISSING",
            Self::Io { .. } => "DATA_DIR_IO",
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Permissions { path, problem } => match problem {
                Problem::Mode { .. } => format!(
                    "find out who could read it in the meantime, then `chmod go= {}`; \
                     if a keystore was exposed, change its passphrase and plan new keys",
                    path.display()
                ),
                Problem::Owner { .. } => "run firn as the user that owns the data directory".to_owned(),
                Problem::Symlink | Problem::Type { .. } => {
                    "move the real file or directory here; to keep data elsewhere, point --data-dir there".to_owned()
                }
                Problem::Depth => "the directory holds something firn did not make; move it out".to_owned(),
            },
            Self::Locked { pid: Some(pid), .. } => format!("stop process {pid} first, or use another data directory"),
            Self::Locked { pid: None, .. } => "stop the other firn process first".to_owned(),
            Self::Exists { .. } => "choose an empty directory; an existing node is never overwritten".to_owned(),
            Self::Missing { .. } => {
                "check --data-dir; `firn init` makes a new one, an existing node's comes from its backup".to_owned()
            }
            Self::Io { .. } => "check the file system: mounted, writable, not full".to_owned(),
        }
    }

    /// Keeps "not there" apart from every other failure.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { path, source },
        }
    }
}

/// What is wrong with one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It points somewhere else.
    Symlink,
    /// Neither what the layout expects nor anything firn writes.
    Type { expected: &'static str },
    /// Another user's.
    Owner { found: u32, expected: u32 },
    /// Group or others have some access.
    Mode { found: u32, allowed: u32 },
    /// Nested deeper than anything firn writes.
    Depth,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symlink => write!(out, "is a symbolic link"),
            Self::Type { expected } => write!(out, "is not a {expected}"),
            Self::Owner { found, expected } => write!(out, "belongs to user {found}, not to user {expected}"),
            Self::Mode { found, allowed } => write!(out, "has mode {found:04o}, at most {allowed:04o} is accepted"),
            Self::Depth => write!(out, "is nested too deeply"),
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
