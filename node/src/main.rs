//! firn
mod config;
mod data_dir;
mod hardening;
mod keystore;
mod net;
mod store;
fn main() {}
