//! What is signed or bounded inside a message.

use crate::fixture::{
    changed, commitments, definition, digest, point, possession, seal, seal_body, sign, signed, slash, statement,
};
use crate::samples;
use firn_proto::commitments::Commitments;
use firn_proto::limits::{HEADS_MAX, MEMBERS_MAX};
use firn_proto::{Code, Definition, Digest, Message, SessionId, SubjectId, envelope, wire};
use prost::Message as _;

fn code(definition: &Definition, kind: u32, body: &impl prost::Message) -> Option<Code> {
    refused(definition, 1, SessionId(digest(0x88)), kind, body)
}

fn refused(
    definition: &Definition,
    sender: u16,
    session: SessionId,
    kind: u32,
    body: &impl prost::Message,
) -> Option<Code> {
    let bytes = seal_body(definition, sender, session, kind, &body.encode_to_vec());
    envelope::verify(&bytes, definition).err().map(|refusal| refusal.code)
}

fn willing(commitments: &Commitments) -> wire::Willingness {
    wire::Willingness { status: 1, code: 0, commitments: Some(commitments.to_wire()) }
}

#[test]
fn r40_commitments_are_their_senders_own() {
    let definition = definition();
    assert_eq!(code(&definition, 13, &willing(&commitments(&definition, 1, 2))), None);
    let others = commitments(&definition, 2, 1);
    assert_eq!(code(&definition, 13, &willing(&others)), Some(Code::BodyMalformed), "signed by node 2, sent by 1");
    let share = wire::SignatureShare {
        package: vec![1; 32],
        share: crate::fixture::scalar(1).as_bytes().to_vec(),
        next: vec![others.to_wire()],
        audit: 0,
    };
    assert_eq!(code(&definition, 16, &share), Some(Code::BodyMalformed));
    let forged = Commitments::seal(definition.network_id(), statement(1, 2), |digest| sign(2, digest));
    assert_eq!(code(&definition, 13, &willing(&forged)), Some(Code::EnvelopeSignatureInvalid));
}

#[test]
fn r40_every_field_of_commitments_is_signed() {
    type Change = fn(&mut wire::Commitments);
    let definition = definition();
    let cases: &[(&str, Change, Code)] = &[
        ("key", |c| c.key_id[0] ^= 1, Code::EnvelopeSignatureInvalid),
        ("epoch", |c| c.epoch += 1, Code::EnvelopeSignatureInvalid),
        ("coordinator", |c| c.coordinator = 3, Code::EnvelopeSignatureInvalid),
        ("owner", |c| c.owner = 2, Code::EnvelopeSignatureInvalid),
        ("owner unknown", |c| c.owner = 9, Code::SenderUnknown),
        ("owner beyond 16 bits", |c| c.owner = 65_537, Code::BodyMalformed),
        ("incarnation", |c| c.incarnation += 1, Code::EnvelopeSignatureInvalid),
        ("serial", |c| c.serial += 1, Code::EnvelopeSignatureInvalid),
        ("expires", |c| c.expires += 1, Code::EnvelopeSignatureInvalid),
        ("hiding", |c| c.hiding = point(9).as_bytes().to_vec(), Code::EnvelopeSignatureInvalid),
        ("binding", |c| c.binding = point(9).as_bytes().to_vec(), Code::EnvelopeSignatureInvalid),
        ("swapped", |c| std::mem::swap(&mut c.hiding, &mut c.binding), Code::EnvelopeSignatureInvalid),
        ("hiding compressed", |c| c.hiding = point(9).compressed().to_vec(), Code::PointInvalid),
        ("signature", |c| c.signature[5] ^= 1, Code::EnvelopeSignatureInvalid),
        ("signature length", |c| _ = c.signature.pop(), Code::BodyMalformed),
    ];
    for (name, change, expected) in cases {
        let mut altered = commitments(&definition, 1, 2).to_wire();
        change(&mut altered);
        let body = wire::Willingness { status: 1, code: 0, commitments: Some(altered) };
        assert_eq!(code(&definition, 13, &body), Some(*expected), "{name}");
    }
}

#[test]
fn commitments_count_in_one_network_only() {
    let ours = definition();
    let other = changed(|d| d.chain.id += 1);
    assert_eq!(code(&ours, 13, &willing(&commitments(&other, 1, 2))), Some(Code::EnvelopeSignatureInvalid));
}

#[test]
fn commitments_ahead_of_requests_are_the_senders_own_for_the_key_in_bounded_number() {
    let definition = definition();
    let ours = commitments(&definition, 1, 2).to_wire();
    let offered = |count, commitments: &wire::Commitments| wire::CommitmentsOffered {
        commitments: vec![commitments.clone(); count],
    };
    let at = |session: Digest, offered: &wire::CommitmentsOffered| {
        let bytes = seal_body(&definition, 1, SessionId(session), 21, &offered.encode_to_vec());
        envelope::verify(&bytes, &definition).err().map(|refusal| refusal.code)
    };
    let key = commitments(&definition, 1, 2).statement().key_id.0;
    assert_eq!(at(key, &offered(1, &ours)), None);
    assert_eq!(at(key, &offered(16, &ours)), None);
    assert_eq!(at(key, &offered(17, &ours)), Some(Code::BodyMalformed));
    assert_eq!(at(key, &offered(0, &ours)), Some(Code::BodyMalformed));
    assert_eq!(at(digest(0x78), &offered(1, &ours)), Some(Code::BodyMalformed));
    assert_eq!(at(key, &offered(1, &commitments(&definition, 2, 1).to_wire())), Some(Code::BodyMalformed));
    let longer = wire::Commitments { expires: ours.expires + 1, ..ours };
    assert_eq!(
        at(key, &offered(1, &longer)),
        Some(Code::EnvelopeSignatureInvalid),
        "their life is under the signature"
    );
    for (count, refused) in [(0, true), (1, false), (16, false), (17, true), (65_537, true)] {
        let wanted = wire::CommitmentsWanted { epoch: 0, count };
        assert_eq!(code(&definition, 20, &wanted).is_some(), refused, "{count}");
    }
}

#[test]
fn at_most_two_commitments_ride_on_a_share() {
    let definition = definition();
    let next = commitments(&definition, 1, 2).to_wire();
    for (count, refused) in [(0, false), (1, false), (2, false), (3, true)] {
        let share = wire::SignatureShare {
            package: vec![9; 32],
            share: crate::fixture::scalar(1).as_bytes().to_vec(),
            next: vec![next.clone(); count],
            audit: 0,
        };
        assert_eq!(code(&definition, 16, &share).is_some(), refused, "{count}");
    }
}

#[test]
fn r43_a_package_names_its_sender_as_coordinator_and_its_signers_once_each() {
    let definition = definition();
    let (_, body) = Message::SigningPackage(Box::new(samples::signing_package(&definition))).encode();
    let package = wire::SigningPackage::decode(body.as_slice()).unwrap();
    let session = SessionId(digest(0x88));
    assert_eq!(refused(&definition, 1, session, 15, &package), None);
    assert_eq!(refused(&definition, 2, session, 15, &package), Some(Code::BodyMalformed), "of another coordinator");
    let mut swapped = package.clone();
    swapped.commitments.swap(0, 1);
    assert_eq!(refused(&definition, 1, session, 15, &swapped), Some(Code::BodyMalformed), "not ascending");
    let mut twice = package.clone();
    twice.commitments.push(package.commitments[2].clone());
    assert_eq!(refused(&definition, 1, session, 15, &twice), Some(Code::BodyMalformed), "a signer twice");
    let mut many = package.clone();
    many.commitments = vec![package.commitments[0].clone(); MEMBERS_MAX + 1];
    assert_eq!(refused(&definition, 1, session, 15, &many), Some(Code::BodyMalformed), "too many");
    let mut forged = package;
    forged.commitments[1].signature[0] ^= 1;
    assert_eq!(refused(&definition, 1, session, 15, &forged), Some(Code::EnvelopeSignatureInvalid));
}

#[test]
fn sessions_belong_to_what_they_name() {
    let definition = definition();
    let foreign = SessionId(digest(0x01));
    let of = |name: &str| samples::messages()[name].1.clone();
    for name in ["KeyProposal", "KeyCertificate", "RequestSpread"] {
        let bytes = seal(&definition, 1, foreign, &of(name));
        let code = envelope::verify(&bytes, &definition).err().map(|refusal| refusal.code);
        assert_eq!(code, Some(Code::BodyMalformed), "{name}");
    }
}

#[test]
fn r01_a_request_in_a_message_is_verified() {
    let definition = definition();
    let mut request = signed(slash(), 7, &definition);
    let session = SessionId::from(request.operation.id(&definition));
    request.signature[3] ^= 1;
    let body = wire::RequestSpread { request: Some(request.to_wire()), origin: 1 };
    let code = refused(&definition, 1, session, 12, &body);
    assert!(matches!(code, Some(Code::RequesterUnknown | Code::RequestSignatureInvalid)), "{code:?}");
    let none = wire::RequestSpread { request: None, origin: 1 };
    assert_eq!(refused(&definition, 1, session, 12, &none), Some(Code::BodyMalformed));
}

#[test]
fn r30_a_certificate_takes_every_member_and_every_signature() {
    type Change = fn(&mut wire::KeyCertificate);
    let definition = definition();
    let certificate = samples::certificate(&definition);
    let cases: &[(&str, Change, Code)] = &[
        ("a signature short", |c| _ = c.signatures.pop(), Code::BodyMalformed),
        ("a share short", |c| _ = c.shares.pop(), Code::BodyMalformed),
        ("a signature twice", |c| c.signatures[1] = c.signatures[0].clone(), Code::BodyMalformed),
        ("a forged signature", |c| c.signatures[3].signature[9] ^= 1, Code::EnvelopeSignatureInvalid),
        (
            "two signatures swapped",
            |c| {
                let first = c.signatures[0].signature.clone();
                c.signatures[0].signature = c.signatures[1].signature.clone();
                c.signatures[1].signature = first;
            },
            Code::EnvelopeSignatureInvalid,
        ),
        ("another transcript", |c| c.transcript[0] ^= 1, Code::EnvelopeSignatureInvalid),
        ("another group key", |c| c.group_key = c.shares[0].point.clone(), Code::EnvelopeSignatureInvalid),
        ("exchanged shares", |c| c.shares[0].point = c.shares[1].point.clone(), Code::EnvelopeSignatureInvalid),
        ("another epoch", |c| c.epoch = 1, Code::BodyMalformed),
        ("no proposal", |c| c.proposal = None, Code::BodyMalformed),
        ("another salt", |c| c.proposal.as_mut().unwrap().salt[0] ^= 1, Code::EnvelopeSignatureInvalid),
        ("unknown key", |c| c.proposal.as_mut().unwrap().key_name = "none".to_owned(), Code::DkgProposalInvalid),
        ("key of others", |c| c.proposal.as_mut().unwrap().key_name = "other".to_owned(), Code::BodyMalformed),
        ("another definition", |c| c.proposal.as_mut().unwrap().definition[0] ^= 1, Code::DkgProposalInvalid),
    ];
    assert_eq!(code_of_certificate(&definition, certificate.to_wire()), None);
    for (name, change, expected) in cases {
        let mut altered = certificate.to_wire();
        change(&mut altered);
        assert_eq!(code_of_certificate(&definition, altered), Some(*expected), "{name}");
    }
}

fn code_of_certificate(definition: &Definition, certificate: wire::KeyCertificate) -> Option<Code> {
    firn_proto::certificate::KeyCertificate::from_wire(&certificate, definition).err().map(|refusal| refusal.code)
}

#[test]
fn lists_are_bounded_and_ascending() {
    let definition = definition();
    let heads = |n: usize| wire::Heads {
        open: vec![vec![0; 32]; n],
        signed: Vec::new(),
        keys: Vec::new(),
        seen: 0,
        audit: 0,
        pauses: Vec::new(),
    };
    assert_eq!(code(&definition, 19, &heads(HEADS_MAX)), None);
    assert_eq!(code(&definition, 19, &heads(HEADS_MAX + 1)), Some(Code::BodyMalformed));
    let round1 = |n: usize| wire::KeyRound1 {
        commitment: vec![point(1).as_bytes().to_vec(); n],
        proof_r: point(2).as_bytes().to_vec(),
        proof_z: crate::fixture::scalar(1).as_bytes().to_vec(),
    };
    assert_eq!(code(&definition, 3, &round1(MEMBERS_MAX)), None);
    assert_eq!(code(&definition, 3, &round1(MEMBERS_MAX + 1)), Some(Code::BodyMalformed));
    let abort = |missing: Vec<u32>| wire::KeyAbort { code: 60, missing, culprit: 0 };
    assert_eq!(code(&definition, 9, &abort(vec![1; MEMBERS_MAX + 1])), Some(Code::BodyMalformed));
    assert_eq!(code(&definition, 9, &abort(vec![0])), Some(Code::BodyMalformed), "identifiers start at 1");
    assert_eq!(code(&definition, 9, &wire::KeyAbort { code: 999, ..abort(Vec::new()) }), Some(Code::BodyMalformed));
    let echo = |members: [u32; 2]| wire::KeyEcho {
        round1: members.map(|member| wire::Round1Digest { member, digest: vec![1; 32] }).into(),
    };
    assert_eq!(code(&definition, 4, &echo([1, 2])), None);
    for members in [[2, 1], [1, 1], [0, 1], [1, 65_537]] {
        assert_eq!(code(&definition, 4, &echo(members)), Some(Code::BodyMalformed), "{members:?}");
    }
    let proof = possession(SessionId(digest(0x88)), 1, 1);
    let shares = |length: usize| wire::KeyShares {
        ephemeral: point(1).as_bytes().to_vec(),
        challenge: proof.challenge.as_bytes().to_vec(),
        response: proof.response.as_bytes().to_vec(),
        sealed: vec![wire::SealedShare { recipient: 1, ciphertext: vec![0; length] }],
    };
    assert_eq!(code(&definition, 5, &shares(48)), None);
    assert_eq!(code(&definition, 5, &shares(47)), Some(Code::BodyMalformed));
    assert_eq!(code(&definition, 5, &shares(49)), Some(Code::BodyMalformed));
    // Of another dealer, or in another attempt, the same key counts for nothing.
    let body = shares(48);
    assert_eq!(refused(&definition, 2, SessionId(digest(0x88)), 5, &body), Some(Code::BodyMalformed));
    assert_eq!(refused(&definition, 1, SessionId(digest(0x89)), 5, &body), Some(Code::BodyMalformed));
}

#[test]
fn r40_a_package_hash_covers_its_subject_and_every_field() {
    let definition = definition();
    let package = samples::signing_package(&definition);
    let mut others = vec![package.clone(); 6];
    others[0].subject = SubjectId(digest(1));
    others[1].epoch.0 += 1;
    others[2].attempt += 1;
    others[3].block.number += 1;
    others[4].block.hash = digest(2);
    others[5].commitments.pop_first();
    for other in others {
        assert_ne!(other.hash(), package.hash(), "{other:?}");
    }
}
