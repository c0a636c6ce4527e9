//! Peers that came back with an older or a copied state, and what this node does when it is such a one itself (ADR 12).
//!
//! Only the greeting on a channel judges: envelopes may be late, or relayed. A quarantined peer is not signed with until an
//! operator here trusts it again; what it lacks it still gets.

use crate::api::{Class, Family, Observation, Record};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::record::{self, SCHEMA};
use firn_proto::checkpoint::SignedCheckpoint;
use firn_proto::definition::KeyDefinition;
use firn_proto::message::{Status, Willingness};
use firn_proto::{Code, Incarnation, Message, NodeId, SessionId, SubjectId, wire};
use prost::Message as _;

/// What is remembered of a peer, durably.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Peer {
    /// The newest of its boots that greeted us, or the one that an operator trusts.
    pub(crate) seen: Incarnation,
    pub(crate) quarantined: bool,
    /// The longest audit log that it told of, and in its how-manieth start.
    pub(crate) audit: u64,
    pub(crate) told_in: u32,
    /// How much of `audit` is written down.
    pub(crate) kept: u64,
    /// The newest head of its log that it has signed, and the newest of ours that it has cosigned.
    pub(crate) theirs: Option<SignedCheckpoint>,
    pub(crate) ours: Option<SignedCheckpoint>,
}

impl Engine {
    /// A peer has greeted us as one of its boots: a newer one than before, or the same.
    pub(crate) fn meet(&mut self, node: NodeId, incarnation: Incarnation) {
        let known = self.peers.get(&node).copied();
        match known {
            Some(peer) if peer.seen == incarnation || peer.quarantined && peer.seen.count() >= incarnation.count() => {}
            Some(peer) if peer.seen.count() >= incarnation.count() => self.quarantine(node, peer, incarnation),
            _ => {
                let record = self.remember(node, Peer { seen: incarnation, ..known.unwrap_or_default() });
                self.unwritten.push(record);
            }
        }
    }

    pub(crate) fn quarantine(&mut self, node: NodeId, peer: Peer, incarnation: Incarnation) {
        let record = self.remember(node, Peer { quarantined: true, ..peer });
        let (code, note) = (Some(Code::PeerQuarantined), AuditNote::new(SessionId::default(), "peer-quarantined"));
        let reference = &incarnation.to_wire().to_be_bytes();
        self.persist(vec![record], AuditNote { code, members: &[node], reference, ..note });
        self.observe(Observation::Quarantine { peer: node, seen: peer.seen, met: incarnation, over: false });
        self.pools.new_boot(node, Incarnation::default());
        self.lent.forget(node);
        self.subjects.values_mut().for_each(|state| {
            state.answers.remove(&node);
        });
        self.signer_gone(node);
    }

    /// An operator says that this boot of a peer is sound, and the only one.
    pub(crate) fn trust(&mut self, node: NodeId, incarnation: Incarnation) -> Result<(), Code> {
        let peer = self.peers.get(&node).copied().filter(|peer| peer.quarantined).ok_or(Code::PeerNotQuarantined)?;
        let record = self.remember(node, Peer { seen: incarnation, ..Peer::default() });
        let note = AuditNote::new(SessionId::default(), "peer-trusted");
        self.persist(
            vec![record],
            AuditNote { members: &[node], reference: &incarnation.to_wire().to_be_bytes(), ..note },
        );
        self.observe(Observation::Quarantine { peer: node, seen: peer.seen, met: incarnation, over: true });
        // As if it had just come: it may be another than the one that is trusted.
        if let Some(now) = self.connected.get(&node).copied() {
            self.boots.remove(&node);
            self.peer_up(node, now);
        }
        Ok(())
    }

    /// A peer says how long its audit log is: never shorter than in an earlier boot, unless its disk was rolled back
    /// meanwhile. With `keep`, what is news is written with the next batch.
    pub(crate) fn hear_of_audit(&mut self, inbound: &Inbound<'_>, audit: u64, keep: bool) {
        let (node, boot) = (inbound.from, inbound.incarnation);
        let known = self.peers.get(&node).copied();
        let Some(peer) = known.filter(|peer| peer.seen == boot && !peer.quarantined) else { return };
        if boot.count() > peer.told_in && audit < peer.audit {
            return self.quarantine(node, peer, boot);
        }
        let keep = keep && audit > peer.kept;
        let kept = if keep { audit } else { peer.kept };
        let record = self.remember(node, Peer { audit: audit.max(peer.audit), told_in: boot.count(), kept, ..peer });
        if keep {
            self.unwritten.push(record);
        }
    }

    pub(crate) fn remember(&mut self, node: NodeId, peer: Peer) -> Record {
        self.peers.insert(node, peer);
        let Peer { seen, quarantined, audit, told_in, theirs, ours, kept: _ } = peer;
        let [theirs, ours] = [theirs, ours].map(|held| held.map(SignedCheckpoint::to_wire));
        let stored =
            wire::StoredPeer { schema: SCHEMA, seen: seen.to_wire(), quarantined, audit, told_in, theirs, ours };
        Record { family: Family::Peers, key: node.0.to_be_bytes().to_vec(), value: Some(stored.encode_to_vec()) }
    }

    /// Takes a peer up from its record under `record_key`.
    pub(crate) fn restore_peer(&mut self, record_key: &[u8], value: &[u8]) -> Option<()> {
        let stored: wire::StoredPeer =
            record::decode(value).filter(|stored: &wire::StoredPeer| stored.schema == SCHEMA)?;
        let node = NodeId(u16::from_be_bytes(record_key.try_into().ok()?));
        let wire::StoredPeer { quarantined, audit, told_in, .. } = stored;
        let seen = Incarnation::from_wire(stored.seen);
        // Signed under some version. Of a node that the one in force has no more, or with other keys, heads mean nothing here.
        let by = |held: &wire::Checkpoint, version| SignedCheckpoint::from_wire(held, node, version).ok();
        let read = |held: &wire::Checkpoint| self.definition.versions().find_map(|version| by(held, version));
        let theirs = stored.theirs.as_ref().map(|held| read(held).ok_or(())).transpose().ok()?;
        let ours = stored.ours.as_ref().map(|held| read(held).ok_or(())).transpose().ok()?;
        if !self.definition.nodes.contains_key(&node) {
            return Some(());
        }
        let current = |held: &SignedCheckpoint| by(&held.to_wire(), &self.definition).is_some();
        let (theirs, ours) = (theirs.filter(current), ours.filter(current));
        self.peers.insert(node, Peer { seen, quarantined, audit, told_in, kept: audit, theirs, ours });
        Some(())
    }

    pub(crate) fn is_quarantined(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.quarantined)
    }

    /// Whether a message takes no part in signing, or its sender may take one. If not, a coordinator learns why.
    pub(crate) fn is_welcome(&mut self, inbound: &Inbound<'_>, message: &Message) -> bool {
        let code = Code::PeerQuarantined;
        let answer = match message {
            _ if !self.is_quarantined(inbound.from) => return true,
            Message::SigningPackage(package) => {
                Some(Message::ShareRefused { package: package.hash(), code, shunned: Some(inbound.from) })
            }
            Message::Solicit { .. } => {
                Some(Message::Willingness(Willingness { status: Status::NotYet(code), commitments: None }))
            }
            Message::Willingness(_)
            | Message::SignatureShare(_)
            | Message::ShareRefused { .. }
            | Message::CommitmentsWanted { .. }
            | Message::CommitmentsOffered(_) => None,
            _ => return true,
        };
        self.ignored(inbound, code);
        if let Some(answer) = answer {
            self.send(inbound.from, inbound.session, answer, Class::Protocol);
        }
        false
    }

    // ---- ourselves ----

    /// A peer says which boot of ours is the newest that it has met.
    pub(crate) fn hear_of_ourselves(&mut self, from: NodeId, seen: Incarnation) {
        let ours = self.incarnation;
        let news = match seen != ours && seen.count() >= ours.count() {
            true => self.doubts.insert(from),
            false => self.doubts.remove(&from),
        };
        if news {
            let open: Vec<_> = self.open_subjects().map(|(id, _)| id).collect();
            open.into_iter().for_each(|id| self.withhold(id));
        }
    }

    /// Whether t members of a key have met a newer boot of ours: at least one of them says the truth.
    pub(crate) fn is_behind(&self, key: &KeyDefinition) -> bool {
        key.nodes().filter(|node| self.doubts.contains(node)).count() >= usize::from(key.threshold)
    }

    /// Lends no share for a subject while we are behind.
    fn withhold(&mut self, id: SubjectId) {
        let willing = self.subjects.get(&id).is_some_and(|state| state.status == Some(Status::Willing));
        if willing && self.order(id).is_some_and(|(key, _)| self.is_behind(&key)) {
            self.recheck_later(id);
            self.declare(id, Status::NotYet(Code::IncarnationBehind));
        }
    }
}
