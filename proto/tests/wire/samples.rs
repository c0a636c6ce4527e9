//! One canonical sample of every message, and of every record that the engine keeps on disk.

use crate::fixture::{
    NOW, commitments, definition, digest, opinion, pause, point, possession, scalar, sign, signed, slash,
};
use firn_proto::certificate::{KeyCertificate, KeyProposal, certificate_digest, statement};
use firn_proto::checkpoint::{Checkpoint, Head, SignedCheckpoint};
use firn_proto::message::{
    BlockReference, Heads, KeyAbort, KeyCertified, KeyComplaint, KeyRedeal, KeyRound1, KeyShares, SignatureShare,
    SigningPackage, Status, Willingness,
};
use firn_proto::opinion::Decision;
use firn_proto::time::WallTime;
use firn_proto::{
    Code, Definition, Epoch, GroupSignature, Identifier, Incarnation, KeyId, Message, NodeId, Repair, SessionId,
    SubjectId, wire,
};
use std::collections::BTreeMap;

pub(crate) fn proposal(definition: &Definition) -> KeyProposal {
    KeyProposal {
        key_name: "slash".to_owned(),
        proposer: NodeId(1),
        deadline: WallTime(NOW + 600),
        salt: [6; 32],
        definition: definition.digest(),
        from: None,
    }
}

pub(crate) fn certificate(definition: &Definition) -> KeyCertificate {
    let proposal = proposal(definition);
    let (network, key_id) = (definition.network_id(), proposal.key_id(definition.network_id()));
    let transcript = digest(0x42);
    let shares = (1..=5).map(|id| (Identifier(id), point(10 + u64::from(id)))).collect();
    let statement = statement(transcript, &point(10), &shares);
    let signatures = (1..=5)
        .map(|id| (Identifier(id), sign(id, certificate_digest(network, key_id, statement, Identifier(id)))))
        .collect();
    KeyCertificate::assemble(definition, proposal, transcript, point(10), shares, signatures).unwrap()
}

pub(crate) fn group_signature() -> GroupSignature {
    GroupSignature::new(&point(3), &scalar(4))
}

pub(crate) fn signing_package(definition: &Definition) -> SigningPackage {
    SigningPackage {
        subject: SubjectId(digest(0x88)),
        key_id: KeyId(digest(0x77)),
        epoch: Epoch(0),
        attempt: 2,
        coordinator: NodeId(1),
        block: BlockReference { number: 12, hash: digest(0x12) },
        commitments: (1..=3).map(|owner| (NodeId(owner), commitments(definition, owner, 1))).collect(),
    }
}

/// Every message, by its name, as node 1 says it in its session.
pub(crate) fn messages() -> BTreeMap<&'static str, (SessionId, Message)> {
    let mut all = key_messages();
    all.extend(repair_messages());
    all.extend(signing_messages());
    all.into_iter().map(|(name, session, message)| (name, (session, message))).collect()
}

fn key_messages() -> Vec<(&'static str, SessionId, Message)> {
    let definition = definition();
    let key: SessionId = proposal(&definition).key_id(definition.network_id()).into();
    let round1 = KeyRound1 { commitment: vec![point(1), point(2), point(3)], proof_r: point(4), proof_z: scalar(5) };
    let shares = KeyShares {
        ephemeral: point(6),
        possession: possession(key, 1, 6),
        sealed: [(Identifier(2), vec![2; 48]), (Identifier(3), vec![3; 48])].into(),
    };
    let complaint =
        KeyComplaint { dealer: Identifier(2), shared_point: point(7), challenge: scalar(8), response: scalar(9) };
    let abort =
        KeyAbort { code: Code::DkgMissing, missing: vec![Identifier(2), Identifier(4)], culprit: Some(Identifier(5)) };
    vec![
        ("KeyProposal", key, Message::KeyProposal(proposal(&definition))),
        ("KeyAccept", key, Message::KeyAccept),
        ("KeyRound1", key, Message::KeyRound1(round1)),
        ("KeyEcho", key, Message::KeyEcho([(Identifier(1), digest(1)), (Identifier(2), digest(2))].into())),
        ("KeyShares", key, Message::KeyShares(shares)),
        ("KeyComplaint", key, Message::KeyComplaint(complaint)),
        (
            "KeyCertified",
            key,
            Message::KeyCertified(KeyCertified { statement: digest(0x42), signature: sign(1, digest(1)) }),
        ),
        ("KeyCertificate", key, Message::KeyCertificate(Box::new(certificate(&definition)))),
        ("KeyAbort", key, Message::KeyAbort(abort)),
        ("KeyAbandon", key, Message::KeyAbandon(sign(1, digest(2)))),
        ("Relay", key, Message::Relay(vec![1, 2, 3])),
    ]
}

fn repair_messages() -> Vec<(&'static str, SessionId, Message)> {
    let repair = repair();
    let session: SessionId = repair.id(definition().network_id()).into();
    let sealed = |members: &[u16]| KeyShares {
        ephemeral: point(6),
        possession: possession(session, 1, 6),
        sealed: members.iter().map(|member| (Identifier(*member), vec![2; 48])).collect(),
    };
    let redeal = KeyRedeal { commitment: vec![point(1), point(2), point(3)], shares: sealed(&[2, 3]) };
    vec![
        ("KeyRedeal", session, Message::KeyRedeal(Box::new(redeal))),
        ("KeyRepair", session, Message::RepairAsk(repair)),
        ("KeyRepairConsent", session, Message::RepairConsent),
        ("KeyRepairDeltas", session, Message::RepairDeltas(sealed(&[2, 3, 5]))),
        ("KeyRepairSigma", session, Message::RepairSigma(sealed(&[4]))),
    ]
}

pub(crate) fn repair() -> Repair {
    Repair {
        key_id: KeyId(digest(0x77)),
        epoch: Epoch(1),
        target: Identifier(4),
        helpers: [2, 3, 5].map(Identifier).into(),
        deadline: WallTime(NOW + 600),
        salt: [6; 32],
    }
}

fn signing_messages() -> Vec<(&'static str, SessionId, Message)> {
    let definition = definition();
    let request = signed(slash(), 7, &definition).verify(&definition).unwrap();
    let approval = opinion(&definition, 22, request.id(), Decision::Approve, NOW);
    let pause = pause(&definition, 21, true, NOW);
    let (id, subject) = (request.id().into(), SessionId(digest(0x88)));
    let willing = |status, commitments| Message::Willingness(Willingness { status, commitments });
    let share = SignatureShare {
        package: digest(0x99),
        share: scalar(11),
        next: vec![commitments(&definition, 1, 2)],
        audit: 44,
    };
    let heads = Heads {
        open: vec![SubjectId(digest(1))],
        signed: vec![SubjectId(digest(2))],
        keys: vec![KeyId(digest(3))],
        seen: Incarnation::new(2, 22),
        audit: 45,
        pauses: None,
    };
    vec![
        ("RequestSpread", id, Message::RequestSpread { request: Box::new(request), origin: NodeId(2) }),
        ("Willingness", subject, willing(Status::Willing, Some(commitments(&definition, 1, 2)))),
        ("Willingness.declined", subject, willing(Status::Declined(Code::RequestExpired), None)),
        ("Willingness.not-yet", subject, willing(Status::NotYet(Code::ChainBehind), None)),
        ("Solicit", subject, Message::Solicit { attempt: 4 }),
        ("SigningPackage", subject, Message::SigningPackage(Box::new(signing_package(&definition)))),
        ("SignatureShare", subject, Message::SignatureShare(share)),
        (
            "ShareRefused",
            subject,
            Message::ShareRefused { package: digest(0x99), code: Code::CommitmentUnknown, shunned: None },
        ),
        (
            "ShareRefused.shunned",
            subject,
            Message::ShareRefused { package: digest(0x99), code: Code::PeerQuarantined, shunned: Some(NodeId(3)) },
        ),
        ("Signed", subject, Message::Signed(group_signature())),
        ("CommitmentsWanted", digest_session(), Message::CommitmentsWanted { epoch: Epoch(1), count: 5 }),
        ("CommitmentsOffered", digest_session(), Message::CommitmentsOffered(vec![commitments(&definition, 1, 2)])),
        ("Heads", SessionId::default(), Message::Heads(heads)),
        ("Opinion", id, Message::Opinion(Box::new(approval.verify(&definition).unwrap()))),
        ("Checkpoint", SessionId::default(), Message::Checkpoint(checkpoint(&definition, 1, None))),
        ("DefinitionHeld", SessionId::default(), Message::DefinitionHeld(digest(4))),
        ("Checkpoint.cosigned", SessionId::default(), Message::Checkpoint(checkpoint(&definition, 2, Some(1)))),
        ("Pause", SessionId::default(), Message::Pause(Box::new(pause.verify(&definition).unwrap()))),
    ]
}

/// The head of `owner`'s log, signed by it and by another.
pub(crate) fn checkpoint(definition: &Definition, owner: u16, cosigner: Option<u16>) -> SignedCheckpoint {
    let head = Head { size: 48, hash: digest(0x48) };
    let checkpoint = Checkpoint { owner: NodeId(owner), head, boot: 7 };
    let made = checkpoint.digest(definition.network_id());
    let cosignature = cosigner.map(|node| sign(node, made));
    SignedCheckpoint { checkpoint, signature: Some(sign(owner, made)), cosignature }
}

/// The session of the fixture's commitments.
fn digest_session() -> SessionId {
    KeyId(digest(0x77)).into()
}

pub(crate) fn stored_key() -> wire::StoredKey {
    let certificate = certificate(&definition()).to_wire();
    wire::StoredKey {
        schema: 1,
        proposal: certificate.proposal.clone(),
        transcript: certificate.transcript.clone(),
        group_key: certificate.group_key.clone(),
        shares: certificate.shares.clone(),
        own_signature: certificate.signatures[0].signature.clone(),
        certificate: Some(certificate),
        activation: group_signature().as_bytes().to_vec(),
        ended: Some(wire::KeyAbort { code: 60, missing: vec![2], culprit: 3 }),
        own_abandonment: sign(1, digest(2)).0.to_vec(),
        given_up: false,
        retired: false,
        since: 0,
        held: false,
    }
}

pub(crate) fn stored_subject() -> wire::StoredSubject {
    wire::StoredSubject {
        schema: 1,
        request: Some(signed(slash(), 7, &definition()).to_wire()),
        origin: 2,
        received: NOW,
        signature: group_signature().as_bytes().to_vec(),
        executed: true,
        closed: 25,
        transaction: vec![0xee; 32],
        signers: vec![1, 3, 4],
        opinions: vec![wire::Opinion { decision: 2, number: NOW, signature: vec![0x65; 65] }],
        received_chain: 0,
        executed_at: 0,
        lent: false,
        ..wire::StoredSubject::default()
    }
}

pub(crate) fn stored_peer() -> wire::StoredPeer {
    let (theirs, ours) = (None, None);
    let seen = Incarnation::new(7, 77).to_wire();
    wire::StoredPeer { schema: 1, seen, quarantined: true, audit: 46, told_in: 6, theirs, ours }
}

pub(crate) fn heads_with_pauses() -> Vec<u8> {
    Message::Heads(Heads { pauses: Some(digest(0x25)), ..Heads::default() }).encode().1
}

pub(crate) fn stored_pauses() -> wire::StoredPauses {
    let pauses = vec![wire::Pause { paused: true, number: NOW, signature: vec![0x65; 65] }];
    wire::StoredPauses { schema: 1, pauses }
}

pub(crate) fn stored_own_pause() -> wire::StoredOwnPause {
    wire::StoredOwnPause { schema: 1, paused: true, number: NOW, restored: false }
}

pub(crate) fn acts() -> wire::Acts {
    let act = wire::Act { what: "resume".to_owned(), node: 2, number: NOW, signature: vec![0x65; 65] };
    wire::Acts { acts: vec![act] }
}

/// As schema 1 wrote it: what came later is absent, so that these bytes never move.
pub(crate) fn audit_entry_1() -> wire::AuditEntry {
    wire::AuditEntry {
        schema: 1,
        previous: vec![1; 32],
        at: NOW,
        session: vec![2; 32],
        event: "share-release".to_owned(),
        code: 52,
        members: vec![1, 2],
        reference: vec![3; 32],
        evidence: vec![vec![0xe1; 3]],
        ..wire::AuditEntry::default()
    }
}

pub(crate) fn audit_entry() -> wire::AuditEntry {
    let intake = wire::AuditIntake {
        definition: vec![4; 32],
        requester: vec![5; 20],
        operation: "slash_operator".to_owned(),
        request: Some(signed(slash(), 7, &definition()).to_wire()),
        origin: 3,
    };
    wire::AuditEntry { schema: 2, number: 47, coordinator: 2, intake: Some(intake), ..audit_entry_1() }
}

pub(crate) fn hello() -> wire::Hello {
    wire::Hello {
        version_min: 1,
        version_max: 1,
        network: vec![1; 32],
        definition: vec![2; 32],
        incarnation: 9,
        refused: 12,
    }
}
