//! Operations as the API takes them, and calldata: JSON that is refused or reads back the same, and calls that are refused or are
//! the one encoding of what they are read as. An input that begins with `{` is JSON, any other a target and its calldata.
#![no_main]

use firn_fuzz::NETWORK;
use alloy_primitives::Address;
use firn_proto::account::Call;
use firn_proto::operation::{OperationJson, Terms};
use firn_proto::Operation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if data.first() == Some(&b'{') {
        let Ok(json) = serde_json::from_slice::<OperationJson>(data) else { return };
        let Ok(operation) = Operation::from_json(&json) else { return };
        assert_eq!(Operation::from_json(&operation.to_json()).as_ref(), Ok(&operation));
        drop(operation.render(&NETWORK));
        return;
    }
    let Some((target, calldata)) = data.split_at_checked(20) else { return };
    let call = Call { target: Address::from_slice(target), value: Default::default(), data: calldata.to_vec().into() };
    let avs = Address::repeat_byte(0x11);
    let terms = Terms { avs, account: Default::default(), nonce: Default::default(), deadline: 0 };
    if let Ok(operation) = Operation::decode(&call, &NETWORK, terms) {
        assert_eq!(operation.calls(&NETWORK), [call]);
        drop(operation.render(&NETWORK));
    }
});
