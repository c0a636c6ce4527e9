//! The vault's replies in the journal's encoding. What the vault made for others is kept as bodies of protocol messages.

use super::Player;
use firn_proto::commitments::Commitments;
use firn_proto::envelope::Header;
use firn_proto::{Code, Digest, Identifier, KeyId, Message, Point, PublicScalar, SessionId, SubjectId, wire};
use firn_vault::api::{KeyOutcome, Reply, VaultRefusal};

pub(super) fn reply_to(reply: &Reply) -> wire::JournalReply {
    let of = |kind, session: Digest| wire::JournalReply { kind, session: session.0.to_vec(), ..Default::default() };
    let made = |kind, key_id: &KeyId, messages: &[Message]| wire::JournalReply {
        bodies: messages.iter().map(|message| message.encode().1).collect(),
        ..of(kind, key_id.0)
    };
    match reply {
        Reply::Envelope(envelope) => wire::JournalReply { bodies: vec![envelope.clone()], ..of(1, Digest::default()) },
        Reply::Dealt { key_id, package } => made(2, key_id, &[Message::KeyRound1(package.clone())]),
        Reply::Shared { key_id, dealing } => made(3, key_id, &[Message::KeyShares(dealing.clone())]),
        Reply::Finished { key_id, outcome } => wire::JournalReply {
            transcript: outcome.transcript.0.to_vec(),
            group_key: outcome.group_key.as_bytes().to_vec(),
            shares: outcome.verifying_shares.iter().map(share_to).collect(),
            ..of(4, key_id.0)
        },
        Reply::BadShares { key_id, complaints } => {
            let messages: Vec<_> = complaints.iter().copied().map(Message::KeyComplaint).collect();
            made(5, key_id, &messages)
        }
        Reply::Certified { key_id, certified } => made(6, key_id, &[Message::KeyCertified(*certified)]),
        Reply::Abandoned { key_id, signature } => made(7, key_id, &[Message::KeyAbandon(*signature)]),
        Reply::Done { key_id } => of(8, key_id.0),
        Reply::Committed(commitments) => {
            wire::JournalReply { commitments: made_to(commitments), ..of(9, Digest::default()) }
        }
        Reply::Released { subject, package, share, next } => wire::JournalReply {
            package: package.0.to_vec(),
            share: share.as_bytes().to_vec(),
            commitments: made_to(next),
            ..of(10, subject.0)
        },
        Reply::Settled { subject } => of(12, subject.0),
        Reply::Redealt { key_id, redeal } => made(13, key_id, &[Message::KeyRedeal(redeal.clone())]),
        Reply::Checked { key_id, good, faulty, complaints } => {
            let messages: Vec<_> = complaints.iter().copied().map(Message::KeyComplaint).collect();
            wire::JournalReply {
                good: good.iter().map(|dealer| dealer.0.into()).collect(),
                faulty: faulty.iter().map(|dealer| dealer.0.into()).collect(),
                ..made(14, key_id, &messages)
            }
        }
        Reply::Retired { key_id } => of(15, key_id.0),
        Reply::RepairDealt { repair, deltas } => made(16, repair, &[Message::RepairDeltas(deltas.clone())]),
        Reply::RepairSummed { repair, sigma } => made(17, repair, &[Message::RepairSigma(sigma.clone())]),
        Reply::Repaired { repair } => of(18, repair.0),
        Reply::Refused(refusal) => wire::JournalReply {
            code: refusal.code.to_wire(),
            package: refusal.package.map(|package| package.0.to_vec()).unwrap_or_default(),
            culprit: refusal.culprit.map_or(0, |culprit| culprit.0.into()),
            ..of(11, refusal.session.0)
        },
    }
}

pub(super) fn reply_from(reply: &wire::JournalReply, player: &Player<'_>) -> Option<Reply> {
    let session = Digest::from_slice(&reply.session)?;
    let key_id = KeyId(session);
    let commitments = || {
        reply
            .commitments
            .iter()
            .map(|wire| Commitments::from_wire(wire, &player.definition).ok())
            .collect::<Option<_>>()
    };
    Some(match reply.kind {
        1 => Reply::Envelope(reply.bodies.first()?.clone()),
        2 | 3 | 5..=7 | 13 | 14 | 16 | 17 => made_from(reply, key_id, player)?,
        15 => Reply::Retired { key_id },
        18 => Reply::Repaired { repair: key_id },
        4 => Reply::Finished {
            key_id,
            outcome: KeyOutcome {
                transcript: Digest::from_slice(&reply.transcript)?,
                group_key: Point::from_slice(&reply.group_key).ok()?,
                verifying_shares: reply.shares.iter().map(share_from).collect::<Option<_>>()?,
            },
        },
        8 => Reply::Done { key_id },
        9 => Reply::Committed(commitments()?),
        10 => Reply::Released {
            subject: SubjectId(session),
            package: Digest::from_slice(&reply.package)?,
            share: PublicScalar::from_slice(&reply.share).ok()?,
            next: commitments()?,
        },
        12 => Reply::Settled { subject: SubjectId(session) },
        11 => Reply::Refused(VaultRefusal {
            code: Code::from_wire(reply.code)?,
            session: SessionId(session),
            package: if reply.package.is_empty() { None } else { Some(Digest::from_slice(&reply.package)?) },
            culprit: if reply.culprit == 0 { None } else { Some(identifier(reply.culprit)?) },
        }),
        _ => return None,
    })
}

/// What the vault made for others. It is this node's own, so its bodies are read as if this node had sent them.
fn made_from(reply: &wire::JournalReply, key_id: KeyId, player: &Player<'_>) -> Option<Reply> {
    let header = Header {
        network: player.definition.network_id(),
        session: key_id.into(),
        sender: player.me,
        incarnation: player.incarnation,
        sequence: 0,
    };
    let kind = match reply.kind {
        2 => 3,
        3 => 5,
        5 | 14 => 6,
        13 => 27,
        16 => 30,
        17 => 31,
        6 => 7,
        _ => 10,
    };
    let made = reply.bodies.iter().map(|body| Message::decode(kind, body, &header, &player.definition).ok());
    let made: Vec<_> = made.collect::<Option<_>>()?;
    let complaint = |message| if let Message::KeyComplaint(complaint) = message { Some(complaint) } else { None };
    if reply.kind == 5 {
        return Some(Reply::BadShares { key_id, complaints: made.into_iter().map(complaint).collect::<Option<_>>()? });
    }
    if reply.kind == 14 {
        let good = reply.good.iter().map(|dealer| identifier(*dealer)).collect::<Option<_>>()?;
        let faulty = reply.faulty.iter().map(|dealer| identifier(*dealer)).collect::<Option<_>>()?;
        let complaints = made.into_iter().map(complaint).collect::<Option<_>>()?;
        return Some(Reply::Checked { key_id, good, faulty, complaints });
    }
    Some(match made.into_iter().next()? {
        Message::KeyRound1(package) => Reply::Dealt { key_id, package },
        Message::KeyShares(dealing) => Reply::Shared { key_id, dealing },
        Message::KeyRedeal(redeal) => Reply::Redealt { key_id, redeal },
        Message::RepairDeltas(deltas) => Reply::RepairDealt { repair: key_id, deltas },
        Message::RepairSigma(sigma) => Reply::RepairSummed { repair: key_id, sigma },
        Message::KeyCertified(certified) => Reply::Certified { key_id, certified },
        Message::KeyAbandon(signature) => Reply::Abandoned { key_id, signature },
        _ => return None,
    })
}

fn made_to(commitments: &[Commitments]) -> Vec<wire::Commitments> {
    commitments.iter().map(Commitments::to_wire).collect()
}

fn share_to((member, point): (&Identifier, &Point)) -> wire::VerifyingShare {
    wire::VerifyingShare { member: member.0.into(), point: point.as_bytes().to_vec() }
}

fn share_from(share: &wire::VerifyingShare) -> Option<(Identifier, Point)> {
    Some((identifier(share.member)?, Point::from_slice(&share.point).ok()?))
}

fn identifier(number: u32) -> Option<Identifier> {
    u16::try_from(number).ok().map(Identifier)
}
