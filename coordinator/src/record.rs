//! Durable records: their keys, and their strict encoding with a schema number.

use crate::api::{Family, Record};
use firn_proto::envelope::decode_strict;
use firn_proto::ids::Digest;
use prost::Message;

/// The schema of all records of this release.
pub(crate) const SCHEMA: u32 = 1;

/// A record under a digest.
pub(crate) fn put(family: Family, key: Digest, value: &impl Message) -> Record {
    Record { family, key: key.0.to_vec(), value: Some(value.encode_to_vec()) }
}

/// Decodes what [`put`] encoded; `None` for anything else.
pub(crate) fn decode<M: Message + Default>(value: &[u8]) -> Option<M> {
    decode_strict(value)
}
