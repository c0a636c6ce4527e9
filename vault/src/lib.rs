//! The only crate that ever holds key-share material.

pub mod api;
