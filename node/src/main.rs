//! firn
mod config;
mod data_dir;
mod hardening;
mod keystore;
mod store;
fn main() {}
