//! Heads of audit logs as signed notes: what people keep and show to others.

use crate::fixture::{changed, definition, seal_body, sign};
use crate::samples::checkpoint;
use firn_proto::checkpoint::Note;
use firn_proto::{Code, NodeId, SessionId, envelope, wire};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

fn note() -> Note {
    let signed = checkpoint(&definition(), 2, Some(1));
    let signatures = [(NodeId(2), signed.signature), (NodeId(1), signed.cosignature)];
    let signatures = signatures.into_iter().map(|(node, made)| (node, made.unwrap())).collect();
    Note { checkpoint: signed.checkpoint, signatures }
}

fn refused(text: &str) -> Option<Code> {
    Note::from_text(text, &definition()).err().map(|refusal| refusal.code)
}

/// The format by hand: C2SP's signed-note with the lines of tlog-checkpoint.
#[test]
fn r60_a_head_is_a_signed_note() {
    let definition = definition();
    let text = note().to_text(&definition);
    let origin = format!("firn/{}/2", hex::encode(definition.network_id().0.0));
    let lines: Vec<_> = text.split('\n').collect();
    let expected = [origin.as_str(), "48", "SEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISEg=", "boot 7", ""];
    assert_eq!(lines[..5], expected, "{text}");
    assert!(lines[5].starts_with(&format!("\u{2014} {origin} ")) && lines[6].contains("/1 "), "owner first: {text}");
    assert_eq!(lines[7..], [""]);
    let key = definition.nodes[&NodeId(2)].author_key;
    let id = Sha256::digest([origin.as_bytes(), b"\n\xfffirn/bip340", key.as_bytes()].concat());
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(lines[5].rsplit(' ').next().unwrap()).unwrap();
    assert_eq!((bytes[..4].to_vec(), bytes.len()), (id[..4].to_vec(), 68));
    assert_eq!(Note::from_text(&text, &definition), Ok(note()));
}

#[test]
fn r60_a_note_is_believed_only_by_the_definitions_keys() {
    let text = note().to_text(&definition());
    let invalid = Some(Code::AuditCheckpointInvalid);
    for (from, to) in [("\n48\n", "\n47\n"), ("boot 7", "boot 8"), ("SEhI", "SEhJ"), ("/2\n", "/3\n"), ("\n\n", "\n")] {
        assert_eq!(refused(&text.replacen(from, to, 1)), invalid, "{from:?} as {to:?}");
    }
    let lines: Vec<_> = text.lines().collect();
    let without_owner = [&lines[..5], &lines[6..], &[""]].concat().join("\n");
    assert_eq!(refused(&without_owner), invalid);
    let mut forged = note();
    let digest = forged.checkpoint.digest(definition().network_id());
    forged.signatures.insert(NodeId(1), sign(3, digest));
    assert_eq!(refused(&forged.to_text(&definition())), invalid);
    let stranger = format!("{text}\u{2014} example.com/witness AAAAAAAA\n");
    assert_eq!(Note::from_text(&stranger, &definition()), Ok(note()), "lines of strangers are passed over");
    let other = changed(|content| content.name.push('x'));
    assert!(Note::from_text(&text, &other).is_err(), "another network");
    for text in ["", "\n\n", "a\n\nb", "\u{2014}", &"x".repeat(70_000)] {
        assert_eq!(refused(text), invalid);
    }
}

#[test]
fn r60_a_checkpoint_is_its_owners_and_a_cosignature_its_senders() {
    let definition = definition();
    let sent = |sender: u16, change: &dyn Fn(&mut wire::Checkpoint), cosigned: bool| {
        let mut body = checkpoint(&definition, 2, cosigned.then_some(1)).to_wire();
        change(&mut body);
        let bytes = seal_body(&definition, sender, SessionId::default(), 23, &body.encode_to_vec());
        envelope::verify(&bytes, &definition).err().map(|refusal| refusal.code)
    };
    assert_eq!((sent(2, &|_| {}, false), sent(1, &|_| {}, true)), (None, None));
    let invalid = Some(Code::EnvelopeSignatureInvalid);
    assert_eq!(sent(3, &|_| {}, true), invalid, "cosigned by another than its sender");
    assert_eq!(sent(1, &|_| {}, false), Some(Code::BodyMalformed), "passed on without a cosignature");
    assert_eq!(sent(2, &|_| {}, true), Some(Code::BodyMalformed), "an owner does not cosign");
    assert_eq!(sent(2, &|body| body.size += 1, false), invalid);
    assert_eq!(sent(2, &|body| body.hash[0] ^= 1, false), invalid);
    assert_eq!(sent(2, &|body| body.boot += 1, false), invalid);
    assert_eq!(sent(2, &|body| body.owner = 9, false), Some(Code::AuditCheckpointInvalid));
    assert_eq!(sent(2, &|body| body.owner = 65_538, false), Some(Code::BodyMalformed));
    assert_eq!(sent(2, &|body| body.hash.truncate(31), false), Some(Code::BodyMalformed));
}
