//! Conversions between the typed messages and the protobuf types.

use super::possession::Possession;
use super::{
    Heads, KeyAbort, KeyCertified, KeyComplaint, KeyRedeal, KeyRound1, KeyShares, Message, SignatureShare, Status,
    Willingness,
};
use crate::certificate::{KeyCertificate, KeyProposal, ascending, signature_from};
use crate::code::{Code, Refusal};
use crate::commitments::Commitments;
use crate::definition::Definition;
use crate::envelope::{Header, decode_strict};
use crate::ids::{Digest, Epoch, Identifier, Incarnation, KeyId, NodeId, SubjectId};
use crate::limits::{COMMITMENTS_NEXT_MAX, COMMITMENTS_OFFERED_MAX, FRAME_BYTES_MAX, HEADS_MAX, MEMBERS_MAX};
use crate::point::{Point, PublicScalar};
use crate::repair::Repair;
use crate::request::SignedRequest;
use crate::wire;
use std::collections::BTreeMap;

pub(super) fn proposal_from(body: &[u8], header: &Header, definition: &Definition) -> Result<Message, Refusal> {
    let proposal = KeyProposal::from_wire(&strict(body)?)?;
    if proposal.key_id(definition.network_id()) != header.session.into() {
        return Err(malformed("session is not the key id"));
    }
    Ok(Message::KeyProposal(proposal))
}

pub(super) fn repair_from(body: &[u8], header: &Header, definition: &Definition) -> Result<Message, Refusal> {
    let repair = Repair::from_wire(&strict(body)?)?;
    if repair.id(definition.network_id()) != header.session.into() {
        return Err(malformed("session is not the repair's id"));
    }
    Ok(Message::RepairAsk(repair))
}

pub(super) fn certificate_from(body: &[u8], header: &Header, definition: &Definition) -> Result<Message, Refusal> {
    let certificate = KeyCertificate::from_wire(&strict(body)?, definition)?;
    if certificate.key_id() != header.session.into() {
        return Err(malformed("session is not the key id"));
    }
    Ok(Message::KeyCertificate(Box::new(certificate)))
}

pub(super) fn request_from(body: &[u8], header: &Header, definition: &Definition) -> Result<Message, Refusal> {
    let spread: wire::RequestSpread = strict(body)?;
    let signed = SignedRequest::from_wire(spread.request.as_ref().ok_or_else(|| malformed("request"))?)?;
    let request = signed.verify(definition)?;
    if request.id() != header.session.into() {
        return Err(malformed("session is not the request id"));
    }
    Ok(Message::RequestSpread { request: Box::new(request), origin: node(spread.origin)? })
}

pub(super) fn round1_to(package: &KeyRound1) -> wire::KeyRound1 {
    wire::KeyRound1 {
        commitment: package.commitment.iter().map(|point| point.as_bytes().to_vec()).collect(),
        proof_r: package.proof_r.as_bytes().to_vec(),
        proof_z: package.proof_z.as_bytes().to_vec(),
    }
}

pub(super) fn round1_from(wire: &wire::KeyRound1) -> Result<KeyRound1, Refusal> {
    if wire.commitment.len() > MEMBERS_MAX {
        return Err(malformed("commitment"));
    }
    Ok(KeyRound1 {
        commitment: wire.commitment.iter().map(|bytes| point(bytes)).collect::<Result<_, _>>()?,
        proof_r: point(&wire.proof_r)?,
        proof_z: PublicScalar::from_slice(&wire.proof_z)?,
    })
}

pub(super) fn echo_to(digests: &BTreeMap<Identifier, Digest>) -> wire::KeyEcho {
    let entry = |(member, digest): (&Identifier, &Digest)| wire::Round1Digest {
        member: member.0.into(),
        digest: digest.0.to_vec(),
    };
    wire::KeyEcho { round1: digests.iter().map(entry).collect() }
}

pub(super) fn echo_from(wire: &wire::KeyEcho) -> Result<BTreeMap<Identifier, Digest>, Refusal> {
    bounded(wire.round1.len())?;
    ascending(wire.round1.iter().map(|entry| Ok((identifier(entry.member)?, digest(&entry.digest)?))))
}

pub(super) fn shares_to(dealing: &KeyShares) -> wire::KeyShares {
    let entry = |(recipient, ciphertext): (&Identifier, &Vec<u8>)| wire::SealedShare {
        recipient: recipient.0.into(),
        ciphertext: ciphertext.clone(),
    };
    wire::KeyShares {
        ephemeral: dealing.ephemeral.as_bytes().to_vec(),
        sealed: dealing.sealed.iter().map(entry).collect(),
        challenge: dealing.possession.challenge.as_bytes().to_vec(),
        response: dealing.possession.response.as_bytes().to_vec(),
    }
}

pub(super) fn shares_from(wire: wire::KeyShares) -> Result<KeyShares, Refusal> {
    bounded(wire.sealed.len())?;
    let ephemeral = point(&wire.ephemeral)?;
    let possession = Possession {
        challenge: PublicScalar::from_slice(&wire.challenge)?,
        response: PublicScalar::from_slice(&wire.response)?,
    };
    let sealed = ascending(wire.sealed.into_iter().map(|share| {
        (share.ciphertext.len() == 48)
            .then_some(share.ciphertext)
            .ok_or_else(|| malformed("ciphertext"))
            .and_then(|ciphertext| Ok((identifier(share.recipient)?, ciphertext)))
    }))?;
    Ok(KeyShares { ephemeral, possession, sealed })
}

/// Whose ephemeral key is another's deals nothing, and nobody opens anything to complain about it.
pub(super) fn own_shares(shares: KeyShares, header: &Header) -> Result<KeyShares, Refusal> {
    let own = shares.is_by(header.network, header.session.into(), header.sender);
    own.then_some(shares).ok_or_else(|| malformed("ephemeral key of another"))
}

pub(super) fn redeal_to(redeal: &KeyRedeal) -> wire::KeyRedeal {
    wire::KeyRedeal {
        commitment: redeal.commitment.iter().map(|point| point.as_bytes().to_vec()).collect(),
        shares: Some(shares_to(&redeal.shares)),
    }
}

pub(super) fn redeal_from(wire: wire::KeyRedeal) -> Result<KeyRedeal, Refusal> {
    bounded(wire.commitment.len())?;
    Ok(KeyRedeal {
        commitment: wire.commitment.iter().map(|bytes| point(bytes)).collect::<Result<_, _>>()?,
        shares: shares_from(wire.shares.ok_or_else(|| malformed("shares"))?)?,
    })
}

pub(super) fn complaint_to(complaint: &KeyComplaint) -> wire::KeyComplaint {
    wire::KeyComplaint {
        dealer: complaint.dealer.0.into(),
        shared_point: complaint.shared_point.as_bytes().to_vec(),
        challenge: complaint.challenge.as_bytes().to_vec(),
        response: complaint.response.as_bytes().to_vec(),
    }
}

pub(super) fn complaint_from(wire: &wire::KeyComplaint) -> Result<KeyComplaint, Refusal> {
    Ok(KeyComplaint {
        dealer: identifier(wire.dealer)?,
        shared_point: point(&wire.shared_point)?,
        challenge: PublicScalar::from_slice(&wire.challenge)?,
        response: PublicScalar::from_slice(&wire.response)?,
    })
}

pub(super) fn certified_to(certified: &KeyCertified) -> wire::KeyCertified {
    let signature = wire::CertificateSignature { member: 0, signature: certified.signature.0.to_vec() };
    wire::KeyCertified { statement: certified.statement.0.to_vec(), signature: Some(signature) }
}

pub(super) fn certified_from(wire: &wire::KeyCertified) -> Result<KeyCertified, Refusal> {
    let signature = wire.signature.as_ref().filter(|s| s.member == 0).ok_or_else(|| malformed("signature"))?;
    Ok(KeyCertified { statement: digest(&wire.statement)?, signature: signature_from(&signature.signature)? })
}

pub(super) fn abort_to(abort: &KeyAbort) -> wire::KeyAbort {
    wire::KeyAbort {
        code: abort.code.to_wire(),
        missing: abort.missing.iter().map(|member| member.0.into()).collect(),
        culprit: abort.culprit.map_or(0, |member| member.0.into()),
    }
}

pub(super) fn abort_from(wire: &wire::KeyAbort) -> Result<KeyAbort, Refusal> {
    if wire.missing.len() > MEMBERS_MAX {
        return Err(malformed("missing"));
    }
    Ok(KeyAbort {
        code: code(wire.code)?,
        missing: wire.missing.iter().map(|member| identifier(*member)).collect::<Result<_, _>>()?,
        culprit: if wire.culprit == 0 { None } else { Some(identifier(wire.culprit)?) },
    })
}

pub(super) fn willingness_to(willingness: &Willingness) -> wire::Willingness {
    let (status, code) = match willingness.status {
        Status::Willing => (1, 0),
        Status::Declined(code) => (2, code.to_wire()),
        Status::NotYet(code) => (3, code.to_wire()),
    };
    wire::Willingness { status, code, commitments: willingness.commitments.as_ref().map(Commitments::to_wire) }
}

pub(super) fn willingness_from(
    wire: &wire::Willingness,
    header: &Header,
    definition: &Definition,
) -> Result<Willingness, Refusal> {
    let status = match (wire.status, wire.code) {
        (1, 0) => Status::Willing,
        (2, number) => Status::Declined(code(number)?),
        (3, number) => Status::NotYet(code(number)?),
        _ => return Err(malformed("status")),
    };
    Ok(Willingness { status, commitments: own_commitments(wire.commitments.as_slice(), header, definition)?.pop() })
}

pub(super) fn share_to(share: &SignatureShare) -> wire::SignatureShare {
    wire::SignatureShare {
        package: share.package.0.to_vec(),
        share: share.share.as_bytes().to_vec(),
        next: share.next.iter().map(Commitments::to_wire).collect(),
        audit: share.audit,
    }
}

pub(super) fn share_from(
    wire: &wire::SignatureShare,
    header: &Header,
    definition: &Definition,
) -> Result<SignatureShare, Refusal> {
    if wire.next.len() > COMMITMENTS_NEXT_MAX {
        return Err(malformed("next"));
    }
    Ok(SignatureShare {
        package: digest(&wire.package)?,
        share: PublicScalar::from_slice(&wire.share)?,
        next: own_commitments(&wire.next, header, definition)?,
        audit: wire.audit,
    })
}

/// Commitments that ride on a message must be its sender's own.
pub(super) fn own_commitments(
    wire: &[wire::Commitments],
    header: &Header,
    definition: &Definition,
) -> Result<Vec<Commitments>, Refusal> {
    let own = |wire: &wire::Commitments| {
        let commitments = Commitments::from_wire(wire, definition)?;
        let is_own = commitments.statement().owner == header.sender;
        is_own.then_some(commitments).ok_or_else(|| malformed("commitments of another"))
    };
    wire.iter().map(own).collect()
}

pub(super) fn wanted_from(wire: &wire::CommitmentsWanted) -> Result<Message, Refusal> {
    let count = u16::try_from(wire.count).ok().filter(|count| (1..=COMMITMENTS_OFFERED_MAX).contains(&(*count).into()));
    Ok(Message::CommitmentsWanted { epoch: Epoch(wire.epoch), count: count.ok_or_else(|| malformed("count"))? })
}

pub(super) fn offered_to(offered: &[Commitments]) -> wire::CommitmentsOffered {
    wire::CommitmentsOffered { commitments: offered.iter().map(Commitments::to_wire).collect() }
}

pub(super) fn offered_from(
    wire: &wire::CommitmentsOffered,
    header: &Header,
    definition: &Definition,
) -> Result<Vec<Commitments>, Refusal> {
    if !(1..=COMMITMENTS_OFFERED_MAX).contains(&wire.commitments.len()) {
        return Err(malformed("commitments"));
    }
    let offered = own_commitments(&wire.commitments, header, definition)?;
    if offered.iter().any(|commitments| header.session != commitments.statement().key_id.into()) {
        return Err(malformed("session is not the key id"));
    }
    Ok(offered)
}

pub(super) fn heads_to(heads: &Heads) -> wire::Heads {
    wire::Heads {
        open: heads.open.iter().map(|id| id.0.0.to_vec()).collect(),
        signed: heads.signed.iter().map(|id| id.0.0.to_vec()).collect(),
        keys: heads.keys.iter().map(|id| id.0.0.to_vec()).collect(),
        seen: heads.seen.to_wire(),
        audit: heads.audit,
        pauses: heads.pauses.map(|pauses| pauses.0.to_vec()).unwrap_or_default(),
    }
}

pub(super) fn heads_from(wire: &wire::Heads) -> Result<Heads, Refusal> {
    if [&wire.open, &wire.signed, &wire.keys].iter().any(|list| list.len() > HEADS_MAX) {
        return Err(malformed("heads"));
    }
    let subjects = |list: &[Vec<u8>]| list.iter().map(|id| digest(id).map(SubjectId)).collect::<Result<_, _>>();
    Ok(Heads {
        open: subjects(&wire.open)?,
        signed: subjects(&wire.signed)?,
        keys: wire.keys.iter().map(|id| digest(id).map(KeyId)).collect::<Result<_, _>>()?,
        seen: Incarnation::from_wire(wire.seen),
        audit: wire.audit,
        pauses: if wire.pauses.is_empty() { None } else { Some(digest(&wire.pauses)?) },
    })
}

/// No list about members is longer than a key can have members.
pub(super) fn bounded(length: usize) -> Result<(), Refusal> {
    if length > MEMBERS_MAX { Err(malformed("list longer than a key's members")) } else { Ok(()) }
}

pub(super) fn strict<M: prost::Message + Default>(body: &[u8]) -> Result<M, Refusal> {
    debug_assert!(body.len() <= FRAME_BYTES_MAX, "the envelope was size-checked");
    decode_strict(body).ok_or_else(|| malformed("not canonical"))
}

pub(super) fn malformed(detail: &str) -> Refusal {
    Refusal::new(Code::BodyMalformed, detail)
}

pub(super) fn digest(bytes: &[u8]) -> Result<Digest, Refusal> {
    Digest::from_slice(bytes).ok_or_else(|| malformed("digest"))
}

pub(super) fn code(number: u32) -> Result<Code, Refusal> {
    Code::from_wire(number).ok_or_else(|| malformed("code"))
}

pub(super) fn node(number: u32) -> Result<NodeId, Refusal> {
    u16::try_from(number).map(NodeId).map_err(|_| malformed("node"))
}

pub(crate) fn identifier(number: u32) -> Result<Identifier, Refusal> {
    u16::try_from(number).ok().filter(|id| *id != 0).map(Identifier).ok_or_else(|| malformed("identifier"))
}

pub(crate) fn point(bytes: &[u8]) -> Result<Point, Refusal> {
    Point::from_slice(bytes)
}
