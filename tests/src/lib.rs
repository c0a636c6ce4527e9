//! Tests of the whole: real processes and sockets, vectors, wire compatibility, tidy checks.

pub mod mutants;

use std::path::PathBuf;

/// The root of the repository, which is the folder of the workspace's manifest.
#[must_use]
pub fn repository_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
