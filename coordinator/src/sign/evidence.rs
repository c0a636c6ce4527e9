//! Evidence: one decision for each piece of it, and what this node's own verifier says of it.
//!
//! A verifier is its organisation's: its verdict decides this node's willingness and nobody else's. It is asked once, and again
//! while it gives no answer; the answer is durable before it counts.

use super::State;
use crate::api::{Effect, EvidenceVerdict, Observation};
use crate::audit::AuditNote;
use crate::engine::Engine;
use crate::limits::{EVIDENCE_TRIES_MAX, RECHECK_MS};
use firn_proto::message::Status;
use firn_proto::time::MonotonicTime;
use firn_proto::{Code, SubjectId};

/// Where a request stands with our verifier.
#[derive(Default, Debug)]
pub(crate) struct Check {
    pub(crate) verdict: Option<EvidenceVerdict>,
    /// A question is under way.
    asking: bool,
    /// How often there was no answer, and when it is asked again.
    failures: u32,
    due: MonotonicTime,
}

impl Engine {
    /// Asks our verifier about a slash where it has not answered, one question at a time.
    pub(crate) fn check_evidence(&mut self, id: SubjectId) {
        let now = self.now.monotonic;
        let Some(state) = self.subjects.get_mut(&id).filter(|_| self.checks_evidence) else { return };
        let Some(request) = state.slash_request() else { return };
        let request = Box::new(request.clone());
        let check = &mut state.evidence;
        if check.verdict.is_none() && !check.asking && check.due <= now {
            check.asking = true;
            self.effect(Effect::CheckEvidence { request });
        }
    }

    /// The verifier has answered, or will not: then it is asked again, after longer and longer pauses.
    pub(crate) fn evidence_checked(&mut self, id: SubjectId, verdict: Option<EvidenceVerdict>) {
        let now = self.now.monotonic;
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.evidence.asking) else { return };
        state.evidence.asking = false;
        if !state.is_open() {
            return;
        }
        let Some(verdict) = verdict else {
            let check = &mut state.evidence;
            check.due = now.plus(RECHECK_MS << check.failures);
            check.failures = check.failures.saturating_add(1).min(EVIDENCE_TRIES_MAX);
            return self.recheck_later(id);
        };
        state.evidence.verdict = Some(verdict.clone());
        let (event, code) = if verdict.accepts() {
            ("evidence-accepted", None)
        } else {
            ("evidence-rejected", Some(Code::EvidenceRejected))
        };
        self.store_subject(id, AuditNote { code, reason: verdict.reason(), ..AuditNote::new(id, event) });
        self.write();
        self.observe(Observation::Subject { subject: id, state: event, code });
        self.evaluate(id);
    }

    /// Nobody asked the verifier: which says nothing of it, so the pauses become no longer.
    pub(crate) fn evidence_unasked(&mut self, id: SubjectId) {
        let due = self.now.monotonic.plus(RECHECK_MS);
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.evidence.asking) else { return };
        (state.evidence.asking, state.evidence.due) = (false, due);
        if state.is_open() {
            self.recheck_later(id);
        }
    }

    /// What evidence says to our lending a share: it must be nobody else's, and our verifier must accept it.
    pub(super) fn evidence_permits(&self, state: &State) -> Result<(), Status> {
        let Some(request) = state.slash_request() else {
            return Ok(());
        };
        if let Some(evidence) = request.evidence() {
            if self.limits.decided.get(&evidence).is_some_and(|executed| *executed != request.asked()) {
                return Err(Status::Declined(Code::EvidenceLocked));
            }
            let holders = self.limits.holders.get(&evidence);
            if holders.is_some_and(|holders| holders.iter().any(|holder| *holder != request.asked())) {
                return Err(Status::NotYet(Code::EvidenceLocked));
            }
        }
        match state.evidence.verdict.as_ref().map(EvidenceVerdict::accepts) {
            _ if !self.checks_evidence => Ok(()),
            Some(true) => Ok(()),
            Some(false) => Err(Status::Declined(Code::EvidenceRejected)),
            None => Err(Status::NotYet(Code::EvidenceUnchecked)),
        }
    }

    /// The same when a share would leave.
    pub(super) fn evidence_stands(&self, id: SubjectId) -> Result<(), Code> {
        let Some(state) = self.subjects.get(&id) else { return Ok(()) };
        self.evidence_permits(state).map_err(|status| match status {
            Status::Declined(code) | Status::NotYet(code) => code,
            Status::Willing => Code::EvidenceUnchecked,
        })
    }

    /// The chain has executed a slash: its evidence is used for ever.
    pub(crate) fn decide_evidence(&mut self, id: SubjectId) {
        let Some(request) = self.subjects.get(&id).and_then(State::request) else { return };
        if let Some(evidence) = request.evidence().filter(|_| request.second(&self.definition).is_none()) {
            self.limits.decided.insert(evidence, request.asked());
        }
    }
}
