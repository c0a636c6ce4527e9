//! Strictness of what the engine keeps on disk.

use crate::samples;
use firn_proto::envelope::decode_strict;
use firn_proto::wire;
use prost::Message as _;

#[test]
fn records_read_back_and_no_other_encoding_does() {
    let key = samples::stored_key();
    assert_eq!(decode_strict(&key.encode_to_vec()), Some(key.clone()));
    let subject = samples::stored_subject();
    assert_eq!(decode_strict(&subject.encode_to_vec()), Some(subject));
    let entry = samples::audit_entry();
    assert_eq!(decode_strict(&entry.encode_to_vec()), Some(entry));
    let mut trailing = key.encode_to_vec();
    trailing.extend([0xf8, 0x3f, 0x01]);
    assert_eq!(decode_strict::<wire::StoredKey>(&trailing), None, "an unknown field");
    let cut = key.encode_to_vec();
    assert_eq!(decode_strict::<wire::StoredKey>(&cut[..cut.len() - 1]), None);
}
