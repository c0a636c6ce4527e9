//! The form of a value on disk: schema byte, checksum, content.

use sha2::{Digest, Sha256};

use super::{Family, StoreError};

/// Frames `value` for its place.
pub(super) fn encode(family: Family, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + value.len());
    out.push(SCHEMA);
    out.extend_from_slice(&checksum(SCHEMA, family, key, value));
    out.extend_from_slice(value);
    out
}

/// The content, if these bytes are what `encode` made for this very place.
pub(super) fn decode(family: Family, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let split = bytes.split_first().and_then(|(schema, rest)| Some((*schema, rest.split_first_chunk()?)));
    match split {
        Some((schema, (found, value))) if schema == SCHEMA && *found == checksum(schema, family, key, value) => {
            Ok(value.to_vec())
        }
        _ => Err(StoreError::Record { family, key: key.to_vec() }),
    }
}

/// Against accidents and moved records. Against an attacker the seals of the vault and the audit's hash chain
/// are the answer, so eight bytes are enough.
fn checksum(schema: u8, family: Family, key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update([schema, family.tag()])
        .chain_update((key.len() as u64).to_be_bytes())
        .chain_update(key)
        .chain_update(value)
        .finalize()
        .into();
    let mut out = [0; CHECKSUM_BYTES];
    out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    out
}

const SCHEMA: u8 = 1;
const CHECKSUM_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + CHECKSUM_BYTES;
