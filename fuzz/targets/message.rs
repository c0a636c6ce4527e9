//! Bodies of messages between members, of every kind, and whole envelopes: refused, or of one encoding.
//! An input is the kind, 32 bytes of session, and the body; and an envelope as it is.
#![no_main]

use firn_fuzz::{NETWORK, header};
use firn_proto::ids::{Digest, SessionId};
use firn_proto::{Message, envelope};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    drop(envelope::verify(data, &NETWORK));
    let Some(((kind, session), body)) = data.split_first().and_then(|(kind, rest)| Some(((kind, rest.get(..32)?), rest.get(32..)?)))
    else {
        return;
    };
    let session = SessionId(Digest::from_slice(session).expect("32 bytes"));
    if let Ok(message) = Message::decode(u32::from(*kind), body, &header(session), &NETWORK) {
        assert_eq!(message.encode(), (u32::from(*kind), body.to_vec()));
    }
});
