//! A1: proofs prove, and never against an honest node.

use super::wire::Wire;
use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use crate::world::World;
use firn_coordinator::api::Observation;
use firn_proto::message::SigningPackage;
use firn_proto::{Definition, Identifier, KeyId, Message, NodeId, Verified, envelope};
use firn_vault::complaint::{Verdict, judge};

/// Looks at each proof by itself.
#[derive(Debug, Default)]
pub struct A1;

impl Invariant for A1 {
    fn id(&self) -> &'static str {
        "A1"
    }

    fn statement(&self) -> &'static str {
        "No evidence that an honest node presents names an honest node, and each is proof to others: two contradicting \
         envelopes of one boot, a judged complaint, or a share with the package that it does not fit (DESIGN section 7, rule 8)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let What::Observed(Observation::Evidence { culprit, envelopes, code }) = &entry.what else { return None };
        sight.honest(entry)?;
        if !sight.world.is_corrupted(*culprit) {
            return violation("A1", entry, format!("{code:?} is held against node {culprit}, which is honest"));
        }
        let proven = proves(sight.world, sight.wire, envelopes);
        if proven == Some(*culprit) {
            return None;
        }
        violation("A1", entry, format!("{code:?} against node {culprit} convinces nobody: it proves {proven:?}"))
    }
}

/// Whom these envelopes prove guilty, by their contents alone and what was said in the same sessions.
#[must_use]
pub fn proves(world: &World, wire: &Wire, evidence: &[Vec<u8>]) -> Option<NodeId> {
    let definition = world.definition();
    let verify = |bytes: &Vec<u8>| envelope::verify(bytes, definition).ok();
    if let [share, package] = evidence
        && let Some(share) = verify(share)
        && let Message::SignatureShare(said) = share.content()
    {
        let (sender, subject) = (share.header().sender, share.header().session.into());
        let answers = SigningPackage::hash_of(subject, package) == said.package;
        let fits = wire.share_fits(said.package, sender, &said.share);
        return (answers && fits == Some(false)).then_some(sender);
    }
    let verified: Option<Vec<_>> = evidence.iter().map(verify).collect();
    match verified?.as_slice() {
        [dealing] => {
            let (Message::KeyRedeal(redeal), header) = (dealing.content(), dealing.header()) else { return None };
            let wrong = wire.is_wrong(world, header.session.into(), header.sender, redeal);
            (wrong == Some(true)).then_some(header.sender)
        }
        [dealing, complaint] if matches!(complaint.content(), Message::KeyComplaint(_)) => {
            judged(definition, dealing, dealing, complaint)
        }
        [first, second] => equivocates(first, second).then_some(first.header().sender),
        [round1, dealing, complaint] => judged(definition, round1, dealing, complaint),
        _ => None,
    }
}

/// Whether one member signed two different packages, or two different dealings, in one attempt and one boot.
fn equivocates(first: &Verified<Message>, second: &Verified<Message>) -> bool {
    let place = |said: &Verified<Message>| (said.header().sender, said.header().session, said.header().incarnation);
    let differ = match (first.content(), second.content()) {
        (Message::KeyRound1(a), Message::KeyRound1(b)) => a != b,
        (Message::KeyShares(a), Message::KeyShares(b)) => a != b,
        (Message::KeyRedeal(a), Message::KeyRedeal(b)) => a != b,
        _ => false,
    };
    place(first) == place(second) && differ
}

/// Who is at fault where `complaint` is about `dealing`, dealt after `round1`.
fn judged(
    definition: &Definition,
    round1: &Verified<Message>,
    dealing: &Verified<Message>,
    complaint: &Verified<Message>,
) -> Option<NodeId> {
    let (commitment, shares, claim) = match (round1.content(), dealing.content(), complaint.content()) {
        (Message::KeyRound1(package), Message::KeyShares(shares), Message::KeyComplaint(claim)) => {
            (&package.commitment, shares, claim)
        }
        (_, Message::KeyRedeal(redeal), Message::KeyComplaint(claim)) => (&redeal.commitment, &redeal.shares, claim),
        _ => return None,
    };
    let (dealt, said) = (dealing.header(), complaint.header());
    let same = (dealt.sender, dealt.session, dealt.incarnation)
        == (round1.header().sender, round1.header().session, round1.header().incarnation);
    // Whoever is a member in any version has that identifier in all.
    (Identifier(dealt.sender.0) == claim.dealer && same && said.session == dealt.session).then_some(())?;
    let complainer = Identifier(said.sender.0);
    let vault_key = &definition.nodes.get(&said.sender)?.vault_key;
    let (network, key_id) = (definition.network_id(), KeyId::from(dealt.session));
    match judge(network, key_id, commitment, shares, complainer, vault_key, claim) {
        Verdict::DealerAtFault => Some(dealt.sender),
        Verdict::ComplainerAtFault => Some(said.sender),
    }
}
