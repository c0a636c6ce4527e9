//! What the process does to itself before it holds a secret: no core dump, no debugger, no readable files.
//!
//! A measure that fails does not stop the node, since some containers forbid one or another; it is reported,
//! and `doctor` fails on it.

use std::fmt;
use std::io;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit};

#[cfg(test)]
mod tests;

/// One thing that hardening does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The limit on core files is zero, and cannot be raised again.
    CoreDumps,
    /// No process of the same user may attach to this one or read its memory.
    Dumpable,
    /// Files are created readable by their owner only.
    Umask,
}

/// A measure that could not be taken, or did not hold when read back.
#[derive(Debug, thiserror::Error)]
#[error("{measure}: {reason}")]
pub(crate) struct HardeningError {
    /// Which one.
    pub(crate) measure: Measure,
    /// What the system said.
    pub(crate) reason: String,
}

impl HardeningError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self.measure {
            Measure::CoreDumps => "HARDENING_CORE_DUMPS",
            Measure::Dumpable => "HARDENING_DUMPABLE",
            Measure::Umask => "HARDENING_UMASK",
        }
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> &'static str {
        match self.measure {
            Measure::CoreDumps => "set LimitCORE=0 in the unit, or `ulimit -c 0` before the start",
            Measure::Dumpable => "let the sandbox admit prctl(PR_SET_DUMPABLE), or forbid ptrace on this machine",
            Measure::Umask => "set UMask=0077 in the unit",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::CoreDumps => "core dumps stay possible",
            Self::Dumpable => "other processes may read this one's memory",
            Self::Umask => "new files may be readable by others",
        })
    }
}

/// Takes every measure and says which failed. First thing in `main`, before any thread and any file.
pub(crate) fn harden() -> Vec<HardeningError> {
    type Take = fn() -> Result<(), String>;
    let measures: [(Measure, Take); 3] =
        [(Measure::CoreDumps, no_core_dumps), (Measure::Dumpable, not_dumpable), (Measure::Umask, private_files)];
    let failed = measures.into_iter().filter_map(|(measure, take)| {
        let reason = take().err()?;
        Some(HardeningError { measure, reason })
    });
    failed.collect()
}

fn no_core_dumps() -> Result<(), String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).map_err(describe)?;
    let found = rustix::process::getrlimit(Resource::Core);
    if found != none { Err(format!("the limit reads {found:?}")) } else { Ok(()) }
}

fn not_dumpable() -> Result<(), String> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(describe)?;
    let found = rustix::process::dumpable_behavior().map_err(describe)?;
    if found != DumpableBehavior::NotDumpable { Err(format!("it reads {found:?}")) } else { Ok(()) }
}

fn private_files() -> Result<(), String> {
    let private = Mode::RWXG | Mode::RWXO;
    rustix::process::umask(private);
    // The call cannot fail and returns the mask before; asking again is the only way to read it.
    let found = rustix::process::umask(private);
    if found != private { Err(format!("the mask reads {found:?}")) } else { Ok(()) }
}

fn describe(error: rustix::io::Errno) -> String {
    io::Error::from(error).to_string()
}
