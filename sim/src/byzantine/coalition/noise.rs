//! What corrupted members say without being asked: floods, garbage, framing, forged outcomes.

use super::acts::other_scalar;
use super::{Coalition, Corrupted, Deed};
use crate::scenario::Act;
use firn_coordinator::api::{Class, Effect};
use firn_proto::message::{Heads, KeyComplaint, Status, Willingness};
use firn_proto::{Code, GroupSignature, Message, NodeId, PublicScalar, SessionId};

/// Messages per step of the core.
const FLOOD: usize = 20;

impl Coalition {
    /// Lets an act add messages of its own.
    pub(super) fn add_noise(&mut self, corrupted: &mut Corrupted<'_>, act: Act, deeds: &mut Vec<Deed>) {
        let me = corrupted.node;
        let others: Vec<_> = corrupted.definition.nodes.keys().copied().filter(|node| *node != me).collect();
        let sessions: Vec<_> = self.sessions.iter().rev().copied().take(4).collect();
        let noise: Vec<(SessionId, Message)> = match act {
            Act::DrainNonces => each(&sessions, |_| Message::Solicit { attempt: 0 }),
            Act::ForgeSignature => match forged(corrupted) {
                Some(forged) => each(&sessions, |_| Message::Signed(forged)),
                None => Vec::new(),
            },
            Act::Flood => {
                let status = Status::NotYet(Code::SubjectUnknown);
                let flood = |session: &SessionId| match session.0.0.first() {
                    Some(byte) if byte % 2 == 0 => Message::Heads(Heads::default()),
                    _ => Message::Willingness(Willingness { status, commitments: None }),
                };
                each(&sessions, flood).into_iter().cycle().take(flood_size(&sessions)).collect()
            }
            Act::FrameHonest => self.frame(me),
            Act::FalseComplaint => self.complain(corrupted),
            Act::Malformed => {
                self.garbage(corrupted, &others, deeds);
                Vec::new()
            }
            _ => Vec::new(),
        };
        for (session, message) in noise {
            if self.may(me, act) {
                deeds.push(Deed::Note(act));
                deeds.push(Deed::Do(Effect::Send { to: others.clone(), session, message, class: Class::Protocol }));
            }
        }
    }

    /// What honest members said, passed on where it does not belong.
    fn frame(&mut self, me: NodeId) -> Vec<(SessionId, Message)> {
        let Some((_, session, _, envelope)) = self.heard.pop_front() else { return Vec::new() };
        let other = self.sessions.iter().find(|other| **other != session).copied().unwrap_or_default();
        let mut bent = envelope.clone();
        let index = usize::from(me.0).saturating_mul(7) % bent.len().max(1);
        if let Some(byte) = bent.get_mut(index) {
            *byte ^= 1;
        }
        [(session, envelope.clone()), (other, envelope), (session, bent)]
            .map(|(session, envelope)| (session, Message::Relay(envelope)))
            .to_vec()
    }

    /// A complaint about a dealing that is as it should be, right after it was dealt.
    fn complain(&mut self, corrupted: &mut Corrupted<'_>) -> Vec<(SessionId, Message)> {
        let honest = |node: NodeId| corrupted.scenario.byzantine.iter().all(|liar| liar.node != node);
        let index = self
            .heard
            .iter()
            .position(|(from, _, kind, _)| matches!(*kind, "key-shares" | "key-redeal") && honest(*from));
        let Some((from, session, _, envelope)) = index.and_then(|index| self.heard.remove(index)) else {
            return Vec::new();
        };
        let dealer = corrupted.definition.keys.first().and_then(|key| key.identifier_of(from));
        let point = corrupted.definition.nodes.get(&from).map(|node| node.vault_key);
        let (Some(dealer), Some(shared_point), Ok(challenge)) = (dealer, point, PublicScalar::from_slice(&[7; 32]))
        else {
            return Vec::new();
        };
        let response = other_scalar(&challenge);
        let complaint = Message::KeyComplaint(KeyComplaint { dealer, shared_point, challenge, response });
        vec![(session, Message::Relay(envelope)), (session, complaint)]
    }

    /// Bytes that are no envelope: a cut one, a bent one, random ones, and more than a frame may have.
    fn garbage(&mut self, corrupted: &mut Corrupted<'_>, others: &[NodeId], deeds: &mut Vec<Deed>) {
        let me = corrupted.node;
        let Some((_, session, _, envelope)) = self.heard.back().cloned().filter(|_| self.may(me, Act::Malformed))
        else {
            return;
        };
        let draw = corrupted.source.bytes("garbage", &[me.0.into(), corrupted.now]);
        let cut = envelope.iter().copied().take(envelope.len() / 2).collect();
        let longer = [envelope.as_slice(), &draw].concat();
        let large = draw.repeat(9_000);
        let pick = draw.first().copied().unwrap_or_default();
        let bytes: Vec<u8> = match pick % 16 {
            0 => large,
            1..=5 => cut,
            6..=10 => longer,
            _ => draw.to_vec(),
        };
        let to = others.get(usize::from(pick) % others.len().max(1)).copied();
        deeds.push(Deed::Note(Act::Malformed));
        deeds.extend(to.map(|to| Deed::Put { to, kind: "garbage", session, bytes, after: 0 }));
    }
}

/// A signature of the right shape that nobody made.
fn forged(corrupted: &Corrupted<'_>) -> Option<GroupSignature> {
    let node = corrupted.definition.nodes.get(&corrupted.node)?;
    Some(GroupSignature::new(&node.vault_key, &PublicScalar::from_slice(&[1; 32]).ok()?))
}

fn each(sessions: &[SessionId], message: impl Fn(&SessionId) -> Message) -> Vec<(SessionId, Message)> {
    sessions.iter().map(|session| (*session, message(session))).collect()
}

fn flood_size(sessions: &[SessionId]) -> usize {
    if sessions.is_empty() { 0 } else { FLOOD }
}
