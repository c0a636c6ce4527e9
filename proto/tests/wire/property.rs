//! Bytes from anywhere: never a panic, and never a message that its author did not sign.

use crate::fixture::{definition, seal};
use crate::samples;
use firn_proto::definition::Definition;
use firn_proto::envelope;
use firn_proto::request::SignedRequest;
use proptest::prelude::*;

fn envelopes() -> Vec<Vec<u8>> {
    let definition = definition();
    samples::messages().into_values().map(|(session, message)| seal(&definition, 1, session, &message)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn r66_random_bytes_never_verify(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(envelope::verify(&bytes, &definition()).is_err());
    }

    #[test]
    fn a_changed_envelope_never_verifies(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1..=u8::MAX), 1..4),
    ) {
        let original = which.get(&envelopes()).clone();
        let mut changed = original.clone();
        for (at, mask) in changes {
            let at = at.index(changed.len());
            changed[at] ^= mask;
        }
        prop_assume!(changed != original);
        prop_assert!(envelope::verify(&changed, &definition()).is_err());
    }

    #[test]
    fn a_cut_or_extended_envelope_never_verifies(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        tail in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let original = which.get(&envelopes()).clone();
        prop_assert!(envelope::verify(&original[..cut.index(original.len())], &definition()).is_err());
        let extended = [original, tail].concat();
        prop_assert!(envelope::verify(&extended, &definition()).is_err());
    }

    #[test]
    fn r66_a_signed_body_of_any_bytes_never_panics(kind in 0_u32..25, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let definition = definition();
        let bytes = crate::fixture::seal_body(&definition, 1, Default::default(), kind, &body);
        if let Ok(verified) = envelope::verify(&bytes, &definition) {
            prop_assert_eq!(verified.content().encode(), (kind, body), "one encoding");
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,200}") {
        prop_assert!(Definition::parse(&text).is_err());
    }

    #[test]
    fn r01_a_request_with_any_signature_is_nobodys(signature in proptest::collection::vec(any::<u8>(), 65)) {
        let definition = definition();
        let mut request: SignedRequest = crate::fixture::signed(crate::fixture::slash(), 7, &definition);
        request.signature.copy_from_slice(&signature);
        prop_assert!(request.verify(&definition).is_err());
    }
}
