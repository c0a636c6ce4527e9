//! Heads of audit logs, exchanged: each node signs its own, and cosigns those of others that it has not seen contradicted (R60).
//!
//! A peer that holds a head can show later that the log was longer, or another. It believes only what never goes back.

use crate::api::Class;
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::quarantine::Peer;
use firn_proto::checkpoint::{Checkpoint, Head, Note, SignedCheckpoint};
use firn_proto::{Code, Message, NodeId, SessionId};

/// What this node holds of one log: the newest head, with everybody who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldHead {
    /// Who gave it to us: the log's owner, or the peer that cosigned ours.
    pub from: NodeId,
    /// The head and its signatures.
    pub note: Note,
}

impl Engine {
    /// Shows our head to a peer that has not cosigned it.
    pub(crate) fn show_head(&mut self, to: NodeId) {
        let checkpoint = Checkpoint { owner: self.me, head: self.audited, boot: self.incarnation.count() };
        let known = self.peers.get(&to).and_then(|peer| peer.ours);
        if self.audited.size > 0 && known.is_none_or(|known| known.checkpoint.head != checkpoint.head) {
            let message = Message::Checkpoint(SignedCheckpoint::unsigned(checkpoint));
            self.send(to, SessionId::default(), message, Class::Bulk);
        }
    }

    /// An operator wants every connected peer to have our head now.
    pub(crate) fn show_head_to_all(&mut self) -> Result<(), Code> {
        let all: Vec<_> = self.connected.keys().copied().collect();
        all.into_iter().for_each(|node| self.show_head(node));
        Ok(())
    }

    pub(crate) fn on_checkpoint(&mut self, inbound: &Inbound<'_>, signed: SignedCheckpoint) {
        if signed.checkpoint.owner == self.me {
            self.cosigned(inbound, signed);
        } else if signed.checkpoint.owner == inbound.from {
            self.witness(inbound, signed);
        } else {
            self.ignored(inbound, Code::SenderMismatch);
        }
    }

    /// A peer has cosigned a head of ours.
    fn cosigned(&mut self, inbound: &Inbound<'_>, signed: SignedCheckpoint) {
        // Our own signature is under it: where our log is shorter, it was cut, and the peer tells the others.
        if signed.checkpoint.head.size > self.audited.size {
            return self.ignored(inbound, Code::AuditCut);
        }
        let peer = self.peers.get(&inbound.from).copied().unwrap_or_default();
        if peer.ours.is_none_or(|known| known.checkpoint.head.size < signed.checkpoint.head.size) {
            let record = self.remember(inbound.from, Peer { ours: Some(signed), ..peer });
            self.unwritten.push(record);
        }
    }

    /// A peer shows its head: cosigned where it goes on from what it showed before.
    fn witness(&mut self, inbound: &Inbound<'_>, signed: SignedCheckpoint) {
        let (node, now) = (inbound.from, self.now.monotonic);
        let Some(peer) = self.peers.get(&node).copied().filter(|peer| !peer.quarantined) else { return };
        if signed.checkpoint.boot != inbound.incarnation.count() || peer.seen != inbound.incarnation {
            return self.ignored(inbound, Code::SenderMismatch);
        }
        let head = signed.checkpoint.head;
        match peer.theirs {
            Some(known) if known.checkpoint.head.size == head.size && known.checkpoint.head != head => {
                return self.forked(inbound, peer, [known, signed]);
            }
            Some(known) if known.checkpoint.head.size > head.size => {
                // Late, or cut between two starts.
                let cut = signed.checkpoint.boot > known.checkpoint.boot;
                return if cut {
                    self.forked(inbound, peer, [known, signed])
                } else {
                    self.ignored(inbound, Code::AuditCut)
                };
            }
            _ => {}
        }
        if !self.dues.entry(node).or_default().allow_checkpoint(now) {
            return self.ignored(inbound, Code::RequestLimit);
        }
        if peer.theirs.is_none_or(|known| known.checkpoint.head != head) {
            let record = self.remember(node, Peer { theirs: Some(signed), ..peer });
            self.unwritten.push(record);
            // What we vouch for we must remember.
            self.write();
        }
        self.send(node, SessionId::default(), Message::Checkpoint(signed), Class::Bulk);
    }

    /// Two heads that one log cannot have had one after the other: both are kept, and the peer is quarantined.
    fn forked(&mut self, inbound: &Inbound<'_>, peer: Peer, heads: [SignedCheckpoint; 2]) {
        let text = |signed| Some(held(signed, inbound.from)?.to_text(&self.definition).into_bytes());
        let proof: Vec<_> = heads.into_iter().filter_map(text).collect();
        let note = AuditNote::new(SessionId::default(), "audit-forked");
        let (code, members) = (Some(Code::AuditForked), &[inbound.from][..]);
        self.persist(Vec::new(), AuditNote { code, members, evidence: &proof, ..note });
        self.quarantine(inbound.from, peer, inbound.incarnation);
    }

    /// The head of our own log, as far as it is durable before whatever leaves next.
    #[must_use]
    pub fn audited(&self) -> Head {
        self.audited
    }

    /// Every head that this node holds: the newest of each peer's log, and of ours the newest that each peer has cosigned.
    #[must_use]
    pub fn heads_held(&self) -> Vec<HeldHead> {
        let of = |from: NodeId, signed: Option<SignedCheckpoint>| Some(HeldHead { from, note: held(signed?, from)? });
        self.peers.iter().flat_map(|(node, peer)| [of(*node, peer.theirs), of(*node, peer.ours)]).flatten().collect()
    }
}

/// What is held with its signatures; `from` is who sent it.
fn held(signed: SignedCheckpoint, from: NodeId) -> Option<Note> {
    let owner = (signed.checkpoint.owner, signed.signature?);
    let cosigned = signed.cosignature.map(|made| (from, made));
    Some(Note { checkpoint: signed.checkpoint, signatures: [owner].into_iter().chain(cosigned).collect() })
}
