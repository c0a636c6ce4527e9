//! The wire: messages, identifiers, canonical digests, the signed envelope and the network definition.
//!
//! Everything here is pure: no clock, no entropy, no input or output.

/// The protobuf types of `schema/firn.proto`, as generated. Use the typed forms of this crate instead.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/firn.v1.rs"));
}
