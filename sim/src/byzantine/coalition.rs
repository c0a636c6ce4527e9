//! The adversary: all corrupted members of a run as one, with one memory. It sees what any of them receives before their
//! cores do (rushing), and rewrites what their cores would do.

use super::{Adversary, Corrupted, Deed};
use crate::scenario::{Act, Micros};
use crate::world::kind;
use acts::Said;
use firn_coordinator::api::{Class, Effect, Event};
use firn_proto::commitments::Commitments;
use firn_proto::{Message, NodeId, SessionId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod acts;
mod noise;

/// What a slow member waits: a little less than the protocol gives it.
const SLOWNESS: Micros = 900_000;

/// Envelopes of honest members kept for later misuse.
const KEPT_MAX: usize = 256;

/// Messages of its own that an act may add in a run: an attack, not an endless one.
const NOISE_MAX: u32 = 400;

/// The coalition.
#[derive(Debug, Default)]
pub struct Coalition {
    /// Genuine envelopes that any of them received, with their session: rushing, and for framing.
    heard: VecDeque<(NodeId, SessionId, &'static str, Vec<u8>)>,
    /// The first commitments that each of them offered to each coordinator.
    offered: BTreeMap<(NodeId, NodeId), Commitments>,
    /// Sessions that any of them knows of.
    sessions: BTreeSet<SessionId>,
    noise: BTreeMap<(NodeId, Act), u32>,
}

impl Coalition {
    /// A coalition without memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an act may add another message of its own.
    fn may(&mut self, node: NodeId, act: Act) -> bool {
        let count = self.noise.entry((node, act)).or_default();
        *count += 1;
        *count <= NOISE_MAX
    }

    /// What becomes of one message under all acts of a node.
    fn say(&mut self, corrupted: &mut Corrupted<'_>, acts: &[Act], said: Said, class: Class, deeds: &mut Vec<Deed>) {
        let mut messages = vec![said];
        for act in acts {
            let before = messages.clone();
            messages = messages.into_iter().flat_map(|said| self.bend(corrupted, *act, said)).collect();
            if messages != before {
                deeds.push(Deed::Note(*act));
            }
        }
        for Said { to, session, message } in messages.into_iter().filter(|said| !said.to.is_empty()) {
            if !acts.contains(&Act::Slow) {
                deeds.push(Deed::Do(Effect::Send { to, session, message, class }));
                continue;
            }
            let kind = kind(&message);
            let bytes = corrupted.envelope(session, message);
            let put = |to| Deed::Put { to, kind, session, bytes: bytes.clone(), after: SLOWNESS };
            deeds.extend(to.into_iter().map(put));
            deeds.push(Deed::Note(Act::Slow));
        }
    }
}

/// What a corrupted node does at this moment.
fn acts_of(corrupted: &Corrupted<'_>) -> Vec<Act> {
    let mine = corrupted.scenario.byzantine.iter().filter(|byzantine| byzantine.node == corrupted.node);
    mine.filter(|byzantine| byzantine.from <= corrupted.now).flat_map(|byzantine| byzantine.acts.clone()).collect()
}

impl Adversary for Coalition {
    fn sees(&mut self, corrupted: &mut Corrupted<'_>, event: &Event) -> bool {
        let Event::Received { from, message } = event else { return true };
        let acts = acts_of(corrupted);
        let session = message.header().session;
        self.sessions.insert(session);
        self.heard.push_back((*from, session, kind(message.content()), message.envelope().to_vec()));
        if self.heard.len() > KEPT_MAX {
            self.heard.pop_front();
        }
        let kept_back = |act: &Act| match act {
            Act::CommitThenSilence => matches!(message.content(), Message::SigningPackage(_)),
            Act::StarveSigners => matches!(message.content(), Message::SignatureShare(_)),
            _ => false,
        };
        !acts.iter().any(kept_back)
    }

    fn rewrites(&mut self, corrupted: &mut Corrupted<'_>, effects: Vec<Effect>) -> Vec<Deed> {
        let acts = acts_of(corrupted);
        let mut deeds = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to, session, message, class } => {
                    self.sessions.insert(session);
                    self.say(corrupted, &acts, Said { to, session, message }, class, &mut deeds);
                }
                other => deeds.push(Deed::Do(other)),
            }
        }
        for act in acts {
            self.add_noise(corrupted, act, &mut deeds);
        }
        deeds
    }
}
