//! `firn`: a node of a threshold-signing network, and the command line to it.

mod access;
mod api;
mod audit;
mod backup;
mod chain;
mod cli;
mod client;
mod config;
mod data_dir;
mod devnet;
mod failure;
mod generation;
mod hardening;
mod host;
mod init;
mod keystore;
mod metrics;
mod net;
mod requester;
mod runtime;
mod schedule;
mod store;
#[cfg(test)]
mod testing;
mod verifier;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let weak = hardening::harden();
    cli::main(&weak)
}
