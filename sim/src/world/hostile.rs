//! A chain that does not do as it should: blocks are replaced, finality stalls, endpoints lie, transactions are dropped or wait, and
//! nobody hears what came of them.

use super::{Occurrence, World};
use crate::history::{ProcessId, What};
use crate::scenario::{FaultKind, Micros, Ppm, Shows};
use crate::seeded::Bug;
use alloy_primitives::Address;
use firn_coordinator::api::{ChainAnswer, Event, SubmissionOutcome};
use firn_proto::account::{Execute, nonce_of};
use firn_proto::message::BlockReference;
use firn_proto::{Digest, GroupSignature, NodeId, SubjectId};

/// How old what an endpoint shows is that lies with an old block.
const OLD: Micros = 120_000_000;

/// How long a node waits for a transaction that is not included.
const PATIENCE: Micros = 30_000_000;

/// A payload that waits to be included.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) subject: SubjectId,
    pub(super) account: Address,
    pub(super) execute: Execute,
    pub(super) signature: GroupSignature,
}

impl World {
    /// The block that the chain shows a node as its last final one.
    pub(super) fn view(&self, node: NodeId) -> BlockReference {
        let last = self.chain.final_at(self.now.saturating_sub(self.chain_lag(node)));
        match self.lie_of(node) {
            _ if self.has(Bug::UnfinalFacts) => self.chain.head(),
            Some((Shows::Head, _)) => self.chain.head(),
            Some((Shows::Old, begin)) => self.chain.final_at(begin.saturating_sub(OLD)),
            Some((Shows::Fork, _)) => BlockReference { hash: Digest([0xff; 32]), ..last },
            None => last,
        }
    }

    fn lie_of(&self, node: NodeId) -> Option<(Shows, Micros)> {
        self.trouble.active.values().find_map(|active| match &active.kind {
            FaultKind::LyingEndpoint { nodes, shows } if nodes.contains(&node) => Some((*shows, active.begin)),
            _ => None,
        })
    }

    /// On another chain nothing was executed or cancelled.
    pub(super) fn lie_about(&self, node: NodeId, subject: SubjectId, answer: &mut ChainAnswer) {
        if !matches!(self.lie_of(node), Some((Shows::Fork, _))) {
            return;
        }
        match answer {
            ChainAnswer::Slash(facts) => {
                facts.nonce_used = false;
                facts.history.iter_mut().for_each(|history| history.slashes.clear());
                let posted = self.posted(subject).map(|posted| posted.subject);
                let scheduled = posted.and_then(|request| self.chain.once_ready(request, facts.block.number));
                if let Some(gate) = &mut facts.gate {
                    gate.ready = scheduled.map(|(ready, _)| ready);
                    (gate.used_by, gate.call_succeeds) = (Default::default(), true);
                }
            }
            ChainAnswer::NonceUsed { used, .. } => *used = false,
            _ => {}
        }
    }

    /// Whether a node's endpoint lies, or has lied in this run.
    #[must_use]
    pub fn was_misled(&self, node: NodeId) -> bool {
        self.misled.contains(&node)
    }

    // ---- blocks ----

    /// What a fault does to the chain as it begins.
    pub(super) fn begin_chain(&mut self, kind: &FaultKind) {
        match kind {
            FaultKind::Reorg { depth } => self.reorganise((*depth).into()),
            FaultKind::FinalityStall => self.chain.stall(true),
            FaultKind::LyingEndpoint { nodes, .. } => self.misled.extend(nodes),
            _ => {}
        }
    }

    fn reorganise(&mut self, depth: u64) {
        let (nonces, cancelled) = self.chain.reorganise(depth);
        let sessions = self.requests.iter().flat_map(|posted| [Some(posted.subject), posted.follows]).flatten();
        let gone: Vec<_> = sessions.filter(|subject| nonces.contains(&nonce_of(*subject))).collect();
        for subject in gone {
            self.record(None, What::Vanished { subject, cancellation: false });
        }
        for subject in cancelled {
            self.record(None, What::Vanished { subject, cancellation: true });
            // Whoever cancelled it sees that it is not, and does so again; what is gone as well is cancelled when it is back.
            let request = self.requests.iter().position(|posted| posted.subject == subject);
            request.into_iter().for_each(|request| self.after(super::SLOT, Occurrence::Cancel { request }));
        }
    }

    // ---- transactions ----

    /// The share that is dropped while gas is too dear, and until when it is.
    fn spike(&self) -> Option<(Ppm, Option<Micros>)> {
        self.trouble.active.values().find_map(|active| match active.kind {
            FaultKind::GasSpike { drops } => Some((drops, active.end)),
            _ => None,
        })
    }

    /// Keeps a transaction back while gas is too dear; gives it back where it is not.
    pub(super) fn hold_back(&mut self, id: ProcessId, transaction: Transaction) -> Option<Transaction> {
        let Some((drops, end)) = self.spike() else { return Some(transaction) };
        let subject = transaction.subject;
        let dropped = self.source.below(1_000_000, "dropped", &[id.node.0.into(), self.now]) < drops.into();
        self.record(None, What::Probe { name: if dropped { "dropped" } else { "pending" } });
        if let Some(end) = end.filter(|_| !dropped) {
            self.at(end, Occurrence::Include(Box::new((id, transaction))));
        }
        self.later(id, PATIENCE, Event::SubmissionSettled { subject, outcome: SubmissionOutcome::Unknown });
        None
    }

    /// Tells a node what came of a submission: once, unless it is muddled.
    pub(super) fn settle_submission(
        &mut self,
        id: ProcessId,
        delay: Micros,
        subject: SubjectId,
        outcome: SubmissionOutcome,
    ) {
        let muddles =
            |kind: &FaultKind| matches!(kind, FaultKind::MuddledOutcomes { nodes } if nodes.contains(&id.node));
        let muddled = self.trouble.kinds().any(muddles);
        let unknown = muddled && self.source.chance(500_000, "muddled", &[id.node.0.into(), self.now]);
        let outcome = if unknown { SubmissionOutcome::Unknown } else { outcome };
        if muddled && !unknown {
            self.later(id, delay, Event::SubmissionSettled { subject, outcome: outcome.clone() });
        }
        self.later(id, delay, Event::SubmissionSettled { subject, outcome });
    }
}
