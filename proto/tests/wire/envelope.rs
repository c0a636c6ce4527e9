//! Envelopes: every field counts, and there is one encoding of each.

use crate::fixture::{author, changed, definition, digest, header, seal, seal_body, sign};
use crate::samples;
use firn_proto::limits::FRAME_BYTES_MAX;
use firn_proto::{Code, Definition, Message, SessionId, envelope, wire};
use prost::Message as _;

fn session() -> SessionId {
    SessionId(digest(0x88))
}

fn sample(definition: &Definition) -> Vec<u8> {
    seal(definition, 1, session(), &Message::Solicit { attempt: 4 })
}

fn code(bytes: &[u8], definition: &Definition) -> Option<Code> {
    envelope::verify(bytes, definition).err().map(|refusal| refusal.code)
}

/// The sample with its fields changed but not signed anew.
fn altered(change: impl FnOnce(&mut wire::Envelope)) -> Option<Code> {
    let definition = definition();
    let mut envelope = wire::Envelope::decode(sample(&definition).as_slice()).unwrap();
    change(&mut envelope);
    code(&envelope.encode_to_vec(), &definition)
}

#[test]
fn every_message_comes_back_as_it_was_sealed() {
    let definition = definition();
    for (name, (session, message)) in samples::messages() {
        let bytes = seal(&definition, 1, session, &message);
        let verified = envelope::verify(&bytes, &definition).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(verified.content(), &message, "{name}");
        assert_eq!(verified.header(), &header(&definition, 1, session), "{name}");
        assert_eq!(verified.envelope(), bytes, "{name}: kept as it was signed");
    }
}

#[test]
fn every_altered_field_is_refused_with_its_code() {
    type Change = fn(&mut wire::Envelope);
    let cases: &[(&str, Change, Code)] = &[
        ("version 0", |e| e.version = 0, Code::EnvelopeVersion),
        ("version 2", |e| e.version = 2, Code::EnvelopeVersion),
        ("network", |e| e.network[0] ^= 1, Code::NetworkMismatch),
        ("network length", |e| _ = e.network.pop(), Code::EnvelopeMalformed),
        ("session", |e| e.session[31] ^= 1, Code::EnvelopeSignatureInvalid),
        ("session length", |e| e.session.push(0), Code::EnvelopeMalformed),
        ("sender, another member", |e| e.sender = 2, Code::EnvelopeSignatureInvalid),
        ("sender, nobody", |e| e.sender = 6, Code::SenderUnknown),
        ("sender 0", |e| e.sender = 0, Code::SenderUnknown),
        ("sender beyond 16 bits", |e| e.sender = 65_537, Code::EnvelopeMalformed),
        ("incarnation", |e| e.incarnation += 1, Code::EnvelopeSignatureInvalid),
        ("sequence", |e| e.sequence += 1, Code::EnvelopeSignatureInvalid),
        ("kind", |e| e.kind = 2, Code::EnvelopeSignatureInvalid),
        ("kind 0", |e| e.kind = 0, Code::EnvelopeSignatureInvalid),
        ("body", |e| e.body = vec![8, 5], Code::EnvelopeSignatureInvalid),
        ("no body", |e| e.body.clear(), Code::EnvelopeSignatureInvalid),
        ("signature r", |e| e.signature[0] ^= 1, Code::EnvelopeSignatureInvalid),
        ("signature s", |e| e.signature[63] ^= 1, Code::EnvelopeSignatureInvalid),
        ("signature zero", |e| e.signature = vec![0; 64], Code::EnvelopeSignatureInvalid),
        ("signature ones", |e| e.signature = vec![0xff; 64], Code::EnvelopeSignatureInvalid),
        ("signature length", |e| e.signature.push(0), Code::EnvelopeMalformed),
        ("no signature", |e| e.signature.clear(), Code::EnvelopeMalformed),
    ];
    for (name, change, expected) in cases {
        assert_eq!(altered(change), Some(*expected), "{name}");
    }
    assert_eq!(altered(|_| {}), None, "the sample itself verifies");
}

#[test]
fn r06_another_encoding_of_the_same_envelope_is_refused() {
    let definition = definition();
    let bytes = sample(&definition);
    let refused =
        |bytes: &[u8], name: &str| assert_eq!(code(bytes, &definition), Some(Code::EnvelopeMalformed), "{name}");
    refused(&bytes[..bytes.len() - 1], "cut");
    refused(&[&bytes[..], &[0]].concat(), "a trailing zero");
    refused(&[&bytes[..], &[0x50, 0x01]].concat(), "unknown field 10");
    refused(&[&bytes[..], &[0x08, 0x01]].concat(), "field 1 twice");
    assert_eq!(bytes[..2], [0x08, 0x01]);
    refused(&[&[0x08, 0x81, 0x00], &bytes[2..]].concat(), "version as a varint of two bytes");
    refused(&[&bytes[2..], &[0x08, 0x01]].concat(), "version behind the signature");
    assert_eq!(code(&bytes[2..], &definition), Some(Code::EnvelopeVersion), "version left out");
    assert_eq!(code(&[], &definition), Some(Code::EnvelopeVersion), "empty");
    let double = [&bytes[..], &bytes[..]].concat();
    refused(&double, "two envelopes in one");
}

#[test]
fn r61_an_oversize_frame_is_refused_before_it_is_decoded() {
    let definition = definition();
    let frame = vec![0xff; FRAME_BYTES_MAX + 1];
    assert_eq!(code(&frame, &definition), Some(Code::EnvelopeTooLarge));
    assert_eq!(code(&frame[1..], &definition), Some(Code::EnvelopeMalformed), "the limit itself is no oversize");
    // A length prefix of 2^62 in a short frame allocates nothing.
    let prefix = [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f];
    assert_eq!(code(&prefix, &definition), Some(Code::EnvelopeMalformed));
}

#[test]
fn an_envelope_of_another_network_is_refused() {
    let ours = definition();
    let other = changed(|d| d.name = "elsewhere".to_owned());
    assert_eq!(code(&sample(&other), &ours), Some(Code::NetworkMismatch));
}

#[test]
fn r63_an_envelope_signed_by_another_member_is_refused() {
    let definition = definition();
    let message = Message::Solicit { attempt: 4 };
    for (sender, signer) in [(1, 2), (2, 1), (5, 4)] {
        let header = header(&definition, sender, session());
        let bytes = envelope::seal(&header, &message, |digest| sign(signer, digest));
        assert_eq!(code(&bytes, &definition), Some(Code::EnvelopeSignatureInvalid), "{sender} by {signer}");
    }
    let stranger = header(&definition, 9, session());
    let bytes = envelope::seal(&stranger, &message, |digest| sign(9, digest));
    assert_eq!(code(&bytes, &definition), Some(Code::SenderUnknown));
    assert_eq!(author(9).verifying_key().to_bytes().len(), 32);
}

#[test]
fn r06_a_body_has_one_encoding_per_kind() {
    let definition = definition();
    let body = |kind: u32, body: &[u8]| code(&seal_body(&definition, 1, session(), kind, body), &definition);
    assert_eq!(body(14, &[8, 4]), None, "signed as the library signs");
    assert_eq!(body(14, &[8, 0x84, 0]), Some(Code::BodyMalformed), "a varint of two bytes");
    assert_eq!(body(14, &[8, 0]), Some(Code::BodyMalformed), "a default value written out");
    assert_eq!(body(14, &[8, 4, 16, 1]), Some(Code::BodyMalformed), "an unknown field");
    assert_eq!(body(14, &[8, 4, 8, 4]), Some(Code::BodyMalformed), "a field twice");
    assert_eq!(body(2, &[0]), Some(Code::BodyMalformed), "KeyAccept has no body");
    for kind in [0, 20, u32::MAX] {
        assert_eq!(body(kind, &[]), Some(Code::BodyMalformed), "kind {kind}");
    }
}
