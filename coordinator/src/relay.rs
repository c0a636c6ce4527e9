//! Bringing a finished signature onto the chain: the members in the order of the election, each after its rank's time,
//! until the finalised chain shows that the account has used the nonce.

use crate::api::{ChainQuery, Effect, Observation, SubmissionOutcome, Timer};
use crate::audit::AuditNote;
use crate::engine::Engine;
use crate::limits::{
    EXPIRY_GRACE_SECONDS, QUERIES_PER_BLOCK, RELAY_LOST_MS, RELAY_MS, RELAY_RETRY_MS, SETTLED_PER_BLOCK,
};
use crate::sign::State;
use firn_proto::account::nonce_of;
use firn_proto::limits::EXECUTION_GRACE_SECONDS;
use firn_proto::message::BlockReference;
use firn_proto::request::second_of;
use firn_proto::time::WallTime;
use firn_proto::{Code, SubjectId};
use firn_vault::api::{Request as VaultRequest, Settlement};
use std::ops::Bound::{Excluded, Unbounded};

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
        if let Some(state) = self.subjects.get_mut(&id) {
            state.submitting = true;
        }
        self.effect(Effect::SubmitToChain { subject: id, account, execute, signature });
    }

    pub(crate) fn submission_settled(&mut self, id: SubjectId, outcome: SubmissionOutcome) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| !state.executed) else { return };
        // What is reported twice would be tried again twice, and so on.
        if !std::mem::take(&mut state.submitting) {
            return;
        }
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

    /// Every finalised block: what has executed, what has expired, and which locks are free. An account nonce that is unused
    /// when the request's validity is over stays so, whatever became of the request here. Over it is by the chain's clock, never
    /// by ours: a block that is not final yet may have executed it.
    pub(crate) fn chain_finalised(&mut self, block: BlockReference, time: WallTime) {
        self.finalised = block;
        self.finalised_time = time;
        self.see_final(time);
        self.take_up();
        let (mut queries, mut expired, mut executed) = (Vec::new(), Vec::new(), Vec::new());
        // So many per block, going on where the last block stopped: none of them can keep the others out, or fill a batch.
        let from = self.chain_turn;
        let in_turn = self.subjects.range((Excluded(from), Unbounded)).chain(self.subjects.range(..=from));
        for (id, state) in in_turn.filter(|(_, state)| !state.settled) {
            let ended = executed.len().saturating_add(expired.len());
            if ended >= SETTLED_PER_BLOCK || queries.len() >= QUERIES_PER_BLOCK {
                break;
            }
            self.chain_turn = *id;
            let Some(request) = state.request() else { continue };
            let is_past = |grace: u64| request.deadline().0.saturating_add(grace) < time.0;
            let is_over = is_past(EXECUTION_GRACE_SECONDS);
            let query = ChainQuery::NonceUsed { account: request.account(), nonce: nonce_of(*id) };
            match (state.executed, state.closed, state.signature) {
                (true, ..) => executed.push(*id),
                _ if is_over => {
                    expired.push(*id);
                    queries.push((*id, query));
                }
                (_, None, None) if is_past(EXPIRY_GRACE_SECONDS) => expired.push(*id),
                // Open ones as well: who holds a signature back may have it executed. And what others may have scheduled.
                (_, None, _) => queries.push((*id, query)),
                _ if request.second(&self.definition).is_some() => queries.push((*id, query)),
                _ => {}
            }
        }
        for (subject, query) in queries {
            self.effect(Effect::AskChain { subject, query });
        }
        self.look_at_scheduled();
        expired.into_iter().for_each(|id| self.close(id, Code::RequestExpired));
        executed.into_iter().for_each(|id| self.settle(id, Settlement::Executed));
    }

    /// The finalised chain shows the request's nonce as used.
    pub(crate) fn executed(&mut self, id: SubjectId, block: BlockReference) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| !state.executed) else { return };
        (state.executed, state.executed_at) = (true, block.number);
        state.coordinator = None;
        self.limits.see_executed(block.number);
        self.decide_evidence(id);
        self.reindex(id);
        self.begin_second(id);
        self.persist_subject(id, "request-executed", None, &[]);
        self.observe(Observation::Subject { subject: id, state: "executed", code: None });
        self.evaluate(second_of(id));
    }

    /// The finalised chain shows the request's nonce as unused: where its validity is over, for ever.
    pub(crate) fn not_executed(&mut self, id: SubjectId) {
        let now = self.finalised_time;
        let Some(state) = self.subjects.get(&id).filter(|state| state.closed.is_some()) else { return };
        let deadline = state.request().map(|request| request.deadline().0.saturating_add(EXECUTION_GRACE_SECONDS));
        if deadline.is_some_and(|deadline| deadline < now.0) {
            self.settle(id, Settlement::Lapsed { now });
        }
    }

    /// Has our vault free what an ended request holds, once in a boot: it writes only what changes.
    fn settle(&mut self, id: SubjectId, settlement: Settlement) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| !state.settled) else { return };
        state.settled = true;
        let Some(request) = state.request().cloned() else { return };
        if settlement == Settlement::Executed && request.second(&self.definition).is_some() {
            // What is scheduled holds what it has until the second payload ends; of what has ended, nobody needs to be told.
            if self.subjects.get(&second_of(id)).is_none_or(State::is_settled) {
                return;
            }
        } else {
            self.free_buckets(id);
        }
        self.ask_vault(VaultRequest::Settle { request: Box::new(request), settlement });
    }
}
