//! Requests of two payloads: where a delay on chain lies between scheduling and executing, each is signed in a session of its
//! own. Nothing is signed ahead: the second session begins when the finalised chain shows that the first payload has executed,
//! and lends shares once it shows the operation ready and not cancelled. Everything is checked anew.
//!
//! What people say, and what evidence, intents and budgets are held by, is the request's and serves both.

use super::State;
use crate::api::{Observation, SlashFacts};
use crate::audit::AuditNote;
use crate::engine::Engine;
use firn_proto::message::Status;
use firn_proto::opinion::Opinions;
use firn_proto::request::{Request, second_of};
use firn_proto::{Code, SubjectId};
use firn_vault::api::Subject;

impl Engine {
    /// The request that a session is about; itself, where it is about something else.
    pub(crate) fn asked(&self, id: SubjectId) -> SubjectId {
        self.subjects.get(&id).and_then(State::request).map_or(id, Request::asked)
    }

    /// What people say to a request, in either of its sessions.
    pub(super) fn opinions_of<'a>(&'a self, id: SubjectId, state: &'a State) -> &'a Opinions {
        self.subjects.get(&self.asked(id)).map_or(&state.opinions, |first| &first.opinions)
    }

    /// Whether shares for a request may still leave, in this session or in one to come.
    pub(super) fn is_undecided(&self, id: SubjectId) -> bool {
        let Some(state) = self.subjects.get(&id) else { return false };
        let follows = || state.request().is_some_and(|request| request.second(&self.definition).is_some());
        match self.subjects.get(&second_of(id)) {
            Some(second) => second.is_open(),
            None => state.is_open() || state.closed.is_none() && follows(),
        }
    }

    /// A block is final: what waits on chain may be ready in it, or gone.
    pub(crate) fn look_at_scheduled(&mut self) {
        let waits = |state: &State| state.status == Some(Status::NotYet(Code::ScheduleWaits));
        let waiting: Vec<_> = self.open_subjects().filter(|(_, state)| waits(state)).map(|(id, _)| id).collect();
        waiting.into_iter().for_each(|id| self.evaluate(id));
    }

    /// The finalised chain shows a payload as executed: the session of the one that follows begins, if there is one.
    pub(crate) fn begin_second(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id) else { return };
        let Some(request) = state.request().and_then(|request| request.second(&self.definition)) else { return };
        let second = request.id();
        if self.subjects.contains_key(&second) {
            return;
        }
        let mut fresh = State::new(Subject::Request(Box::new(request.clone())), state.origin, state.received);
        fresh.superseded = request.verify_anew(&self.definition).err().map(|refusal| refusal.code);
        self.subjects.insert(second, fresh);
        self.reindex(second);
        // Whether or not our vault lent a share for it: what is scheduled has evidence and budgets to itself.
        self.hold_buckets(id);
        self.store_subject(second, AuditNote { reference: &id.0.0, ..AuditNote::new(second, "execution-awaited") });
        self.observe(Observation::Subject { subject: second, state: "received", code: None });
    }

    /// Holds what gate and AccessManager say against a payload that can execute in so many seconds.
    pub(super) fn judge_gate(&self, request: &Request, facts: &SlashFacts, seconds: u64) -> Result<(), Status> {
        let Some(gate) = &facts.gate else { return Err(Status::NotYet(Code::ChainUnavailable)) };
        if !gate.used_by.is_zero() {
            return Err(Status::Declined(Code::EvidenceLocked));
        }
        if request.is_second() {
            let scheduled_at = self.subjects.get(&request.asked()).map_or(0, |first| first.executed_at);
            match gate.ready {
                _ if facts.block.number < scheduled_at => return Err(Status::NotYet(Code::ChainBehind)),
                None => return Err(Status::Declined(Code::ScheduleGone)),
                Some(ready) if gate.time < ready => return Err(Status::NotYet(Code::ScheduleWaits)),
                Some(_) => {}
            }
        } else if gate.time.0.saturating_add(seconds) > request.deadline().0 {
            return Err(Status::Declined(Code::DeadlineTooEarly));
        }
        // Without a delay, what was cancelled could be executed all the same.
        if gate.call_succeeds && gate.delay > 0 { Ok(()) } else { Err(Status::NotYet(Code::CallReverts)) }
    }
}
