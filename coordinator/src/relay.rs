//! Bringing a finished signature onto the chain: the members in the order of the election, each after its rank's time,
//! until the finalised chain shows that the account has used the nonce.

use crate::api::{ChainQuery, Effect, Observation, SubmissionOutcome, Timer};
use crate::audit::AuditNote;
use crate::engine::Engine;
use crate::limits::{EXECUTION_GRACE_SECONDS, EXPIRY_GRACE_SECONDS, RELAY_LOST_MS, RELAY_MS, RELAY_RETRY_MS};
use firn_proto::account::nonce_of;
use firn_proto::message::BlockReference;
use firn_proto::{Code, SubjectId};

impl Engine {
    pub(crate) fn arm_relay(&mut self, id: SubjectId) {
        let Some((_, order)) = self.order(id) else { return };
        let Some(rank) = order.iter().position(|node| *node == self.me) else { return };
        let relayed = self.subjects.get(&id).is_some_and(|state| state.transaction.is_some());
        let pause = if relayed { RELAY_LOST_MS } else { RELAY_MS.saturating_mul(rank as u64) };
        self.set_timer(Timer::Relay { subject: id }, pause);
    }

    /// Our turn: submits, unless it is executed or can no longer be.
    pub(crate) fn relay(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id) else { return };
        let (Some(request), Some(signature)) = (state.request(), state.signature) else { return };
        if state.executed || request.deadline() < self.now.wall {
            return;
        }
        let (account, execute) = (request.account(), request.execute(&self.definition));
        self.effect(Effect::SubmitToChain { subject: id, account, execute, signature });
    }

    pub(crate) fn submission_settled(&mut self, id: SubjectId, outcome: SubmissionOutcome) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| !state.executed) else { return };
        match outcome {
            SubmissionOutcome::Included { transaction, .. } => {
                state.transaction = Some(transaction);
                self.persist_subject(id, "request-relayed", None, &[]);
                self.observe(Observation::Subject { subject: id, state: "relayed", code: None });
                self.set_timer(Timer::Relay { subject: id }, RELAY_LOST_MS);
            }
            SubmissionOutcome::Reverted { .. } | SubmissionOutcome::Unknown => {
                self.persist(Vec::new(), AuditNote::new(id, "relay-failed"));
                self.set_timer(Timer::Relay { subject: id }, RELAY_RETRY_MS);
            }
            SubmissionOutcome::NoRelayer => {}
        }
    }

    /// Every finalised block: what has executed, and what has expired.
    pub(crate) fn chain_finalised(&mut self, block: BlockReference) {
        self.finalised = block;
        let now = self.now.wall;
        let mut queries = Vec::new();
        let mut expired = Vec::new();
        for (id, state) in &self.subjects {
            let Some(request) = state.request().filter(|_| !state.executed && state.closed.is_none()) else { continue };
            let over = request.deadline().0.saturating_add(EXECUTION_GRACE_SECONDS) < now.0;
            if state.signature.is_some() && !over {
                queries.push((*id, ChainQuery::NonceUsed { account: request.account(), nonce: nonce_of(*id) }));
            } else if over
                || state.signature.is_none() && request.deadline().0.saturating_add(EXPIRY_GRACE_SECONDS) < now.0
            {
                expired.push(*id);
            }
        }
        for (subject, query) in queries {
            self.effect(Effect::AskChain { subject, query });
        }
        expired.into_iter().for_each(|id| self.close(id, Code::RequestExpired));
    }

    /// The finalised chain shows the request's nonce as used.
    pub(crate) fn executed(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| !state.executed) else { return };
        state.executed = true;
        state.coordinator = None;
        self.persist_subject(id, "request-executed", None, &[]);
        self.observe(Observation::Subject { subject: id, state: "executed", code: None });
    }
}
