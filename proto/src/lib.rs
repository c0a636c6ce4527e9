//! The wire: messages, identifiers, canonical digests, the signed envelope and the network definition.
//!
//! Everything here is pure: no clock, no entropy, no input or output. Authentication is here and nowhere else: a
//! [`Verified`] message, a [`request::Request`], [`commitments::Commitments`] from a peer and a
//! [`certificate::KeyCertificate`] exist only after their signatures were checked against a [`definition::Definition`].

pub mod account;
pub mod author;
pub mod certificate;
pub mod checkpoint;
pub mod code;
pub mod commitments;
pub mod definition;
pub mod digest;
pub mod diversity;
pub mod envelope;
pub mod ids;
pub mod limits;
pub mod message;
pub mod operation;
pub mod opinion;
pub mod pause;
pub mod point;
pub mod policy;
pub mod polynomial;
pub mod repair;
pub mod request;
pub mod signature;
pub mod time;

pub use code::{Code, Refusal};
pub use definition::Definition;
pub use envelope::Verified;
pub use ids::{Digest, Epoch, Identifier, Incarnation, KeyId, NetworkId, NodeId, SessionId, SubjectId};
pub use message::Message;
pub use operation::Operation;
pub use opinion::Opinion;
pub use point::{Point, PublicScalar};
pub use repair::Repair;
pub use request::Request;
pub use signature::GroupSignature;

/// The protobuf types of `schema/firn.proto`, as generated. Use the typed forms of this crate instead.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/firn.v1.rs"));
}
