//! How each act bends a message that the honest core wanted to send: to nothing, to another, or to several.

use super::{Coalition, Corrupted};
use crate::scenario::Act;
use firn_proto::message::{KeyRedeal, KeyRound1, KeyShares, SignatureShare, SigningPackage, Status, Willingness};
use firn_proto::{Code, Epoch, Identifier, Message, NodeId, PublicScalar, SessionId};

/// A message to some.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Said {
    pub(super) to: Vec<NodeId>,
    pub(super) session: SessionId,
    pub(super) message: Message,
}

impl Said {
    fn with(self, message: Message) -> Self {
        Self { message, ..self }
    }
}

impl Coalition {
    pub(super) fn bend(&mut self, corrupted: &mut Corrupted<'_>, act: Act, said: Said) -> Vec<Said> {
        let me = corrupted.node;
        match (act, said.message.clone()) {
            (Act::Silent, _)
            | (Act::WithholdCertificate, Message::KeyCertified(_) | Message::KeyCertificate(_))
            | (Act::WithholdSignature, Message::Signed(_)) => Vec::new(),
            (Act::SelectivelySilent, _) => {
                let to = said.to.iter().copied().filter(|to| to.0 % 2 == me.0 % 2).collect();
                vec![Said { to, ..said }]
            }
            (Act::EquivocateRound1, Message::KeyRound1(package)) => equivocate(said, package),
            (Act::WrongShareToOne, Message::KeyShares(dealing)) => {
                let victim = corrupted.definition.keys.first().and_then(|key| {
                    let honest = |node: &NodeId| corrupted.scenario.byzantine.iter().all(|liar| liar.node != *node);
                    let victim = key.nodes().find(|node| *node != me && honest(node))?;
                    key.identifier_of(victim)
                });
                let KeyShares { ephemeral, possession, mut sealed } = dealing;
                if let Some(byte) =
                    victim.and_then(|victim| sealed.get_mut(&victim)).and_then(|bytes| bytes.first_mut())
                {
                    *byte ^= 1;
                }
                vec![said.with(Message::KeyShares(KeyShares { ephemeral, possession, sealed }))]
            }
            (Act::EquivocateRound1, Message::KeyRedeal(redeal)) => two_redeals(said, *redeal),
            (Act::WrongShareToOne, Message::KeyRedeal(mut redeal)) => {
                let honest = |id: &Identifier| corrupted.scenario.byzantine.iter().all(|liar| liar.node.0 != id.0);
                let victim = redeal.shares.sealed.iter_mut().find(|(id, _)| id.0 != me.0 && honest(id));
                victim.and_then(|(_, bytes)| bytes.first_mut()).into_iter().for_each(|byte| *byte ^= 1);
                vec![said.with(Message::KeyRedeal(redeal))]
            }
            (Act::WrongConstantTerm, Message::KeyRedeal(mut redeal)) => {
                redeal.commitment.reverse();
                vec![said.with(Message::KeyRedeal(redeal))]
            }
            (Act::InvalidShare, Message::SignatureShare(share)) => {
                let share = SignatureShare { share: other_scalar(&share.share), ..share };
                vec![said.with(Message::SignatureShare(share))]
            }
            (Act::MakeExcuses, Message::SignatureShare(share)) => excuses(me, said, share),
            (Act::ReplayCommitments, message) => vec![self.replay(me, said, message)],
            (Act::SplitPackages, Message::SigningPackage(package)) => split(&said, &package),
            (Act::RivalPackages, Message::SigningPackage(package)) => {
                let rival = SigningPackage { attempt: package.attempt.wrapping_add(1 << 16), ..*package };
                vec![said.clone(), said.with(Message::SigningPackage(Box::new(rival)))]
            }
            (Act::StaleEpoch, Message::SigningPackage(package)) => {
                let stale = SigningPackage { epoch: Epoch(package.epoch.0.wrapping_add(1)), ..*package };
                vec![said.with(Message::SigningPackage(Box::new(stale)))]
            }
            (Act::StaleEpoch, Message::SignatureShare(share)) => {
                let package = firn_proto::Digest(share.package.0.map(|byte| !byte));
                vec![said.with(Message::SignatureShare(SignatureShare { package, ..share }))]
            }
            (Act::Contradict, Message::Willingness(willingness)) => {
                let declined = Willingness { status: Status::Declined(Code::Draining), commitments: None };
                let not_yet = Willingness { status: Status::NotYet(Code::ChainBehind), commitments: None };
                let first = said.clone().with(Message::Willingness(declined));
                let second = said.clone().with(Message::Willingness(not_yet));
                vec![first, said.with(Message::Willingness(willingness)), second]
            }
            _ => vec![said],
        }
    }

    /// Offers what was offered before, again and again.
    fn replay(&mut self, me: NodeId, said: Said, message: Message) -> Said {
        let Some(to) = said.to.first().copied() else { return said };
        match message {
            Message::Willingness(Willingness { status, commitments: Some(fresh) }) => {
                let old = *self.offered.entry((me, to)).or_insert(fresh);
                said.with(Message::Willingness(Willingness { status, commitments: Some(old) }))
            }
            Message::SignatureShare(mut share) => {
                let me_to = (me, to);
                for next in &mut share.next {
                    *next = *self.offered.entry(me_to).or_insert(*next);
                }
                said.with(Message::SignatureShare(share))
            }
            _ => said,
        }
    }
}

/// One round-1 package to one half, another to the other half.
fn equivocate(said: Said, package: KeyRound1) -> Vec<Said> {
    let other = KeyRound1 { proof_z: other_scalar(&package.proof_z), ..package };
    let (even, odd): (Vec<_>, Vec<_>) = said.to.iter().copied().partition(|to| to.0 % 2 == 0);
    let message = Message::KeyRound1(other);
    vec![Said { to: even, ..said.clone() }, Said { to: odd, session: said.session, message }]
}

/// One dealing to one half, another to the other half.
fn two_redeals(said: Said, redeal: KeyRedeal) -> Vec<Said> {
    let mut other = redeal.clone();
    other.shares.sealed.values_mut().filter_map(|bytes| bytes.first_mut()).for_each(|byte| *byte ^= 1);
    let (even, odd): (Vec<_>, Vec<_>) = said.to.iter().copied().partition(|to| to.0 % 2 == 0);
    let message = Message::KeyRedeal(Box::new(other));
    vec![Said { to: even, ..said.clone() }, Said { to: odd, session: said.session, message }]
}

/// A refusal that costs an honest member nothing, the next package another one; one in four after a share all the same.
fn excuses(me: NodeId, said: Said, share: SignatureShare) -> Vec<Said> {
    let (package, kind) = (share.package, share.package.0[0]);
    let others = (1..=7).map(NodeId).filter(|node| *node != me && !said.to.contains(node));
    let shunned = others.cycle().nth(usize::from(kind / 4)).filter(|_| kind % 2 == 1);
    let code = if shunned.is_some() { Code::PeerQuarantined } else { Code::CommitmentUnknown };
    let refusal = said.clone().with(Message::ShareRefused { package, code, shunned });
    let share = SignatureShare { share: other_scalar(&share.share), ..share };
    if kind % 4 == 0 { vec![said.with(Message::SignatureShare(share)), refusal] } else { vec![refusal] }
}

/// A package of its own for each signer, over the same commitments.
fn split(said: &Said, package: &SigningPackage) -> Vec<Said> {
    let each = |(index, to): (u32, &NodeId)| {
        let package = SigningPackage { attempt: package.attempt.wrapping_add(index << 8), ..package.clone() };
        Said { to: vec![*to], session: said.session, message: Message::SigningPackage(Box::new(package)) }
    };
    (0..).zip(&said.to).map(each).collect()
}

/// A scalar that is not this one.
pub(super) fn other_scalar(scalar: &PublicScalar) -> PublicScalar {
    let mut bytes = *scalar.as_bytes();
    bytes[31] ^= 1;
    PublicScalar::from_slice(&bytes).unwrap_or(*scalar)
}
