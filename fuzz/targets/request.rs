//! Signed requests as they are sent: refused, or of one encoding and judged without a panic.
#![no_main]

use firn_fuzz::NETWORK;
use firn_proto::envelope::decode_strict;
use firn_proto::request::SignedRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(wire) = decode_strict(data) else { return };
    let Ok(request) = SignedRequest::from_wire(&wire) else { return };
    assert_eq!(request.to_wire(), wire);
    assert_eq!(firn_proto::Operation::from_json(&request.operation.to_json()).as_ref(), Ok(&request.operation));
    drop(request.operation.render(&NETWORK));
    drop(request.operation.calls(&NETWORK));
    drop(request.verify(&NETWORK));
});
