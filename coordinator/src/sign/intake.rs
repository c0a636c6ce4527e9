//! Taking a request in, from this node's API or from a member, or refusing it and answering the same for a while, or for good.

use super::State;
use crate::api::{Class, Effect, Observation};
use crate::engine::{Engine, Inbound};
use crate::limits::{OPEN_SUBJECTS_MAX, RECHECK_MS, REFUSAL_RETRY_MS, REFUSALS_MAX, UNSETTLED_SUBJECTS_MAX};
use firn_proto::account::account_address;
use firn_proto::message::{Status, Willingness};
use firn_proto::policy::{Moment, Waited};
use firn_proto::request::Request;
use firn_proto::time::{MonotonicTime, WallTime};
use firn_proto::{Code, Message, NodeId, SubjectId};
use firn_vault::api::Subject;
use std::collections::{BTreeMap, VecDeque};

/// Requests of members that we did not take in, with our answer: a member that still offers one gets the same answer
/// instead of a question for it. The oldest are forgotten.
#[derive(Default, Debug)]
pub(crate) struct Refusals {
    /// What we answer, and until when; a refusal for good has no end.
    answers: BTreeMap<SubjectId, (Status, Option<MonotonicTime>)>,
    order: VecDeque<SubjectId>,
}

impl Refusals {
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    fn insert(&mut self, id: SubjectId, status: Status, until: Option<MonotonicTime>) {
        if self.answers.insert(id, (status, until)).is_none() {
            self.order.push_back(id);
        }
        let excess = self.order.len().saturating_sub(REFUSALS_MAX);
        for id in self.order.drain(..excess) {
            self.answers.remove(&id);
        }
    }

    fn remove(&mut self, id: SubjectId) {
        if self.answers.remove(&id).is_some() {
            self.order.retain(|known| *known != id);
        }
    }

    /// Our answer. What was only too much at the time is asked for again after a while.
    fn answer(&mut self, id: SubjectId, now: MonotonicTime) -> Option<Status> {
        let (status, until) = self.answers.get(&id).copied()?;
        if until.is_some_and(|until| now >= until) {
            self.remove(id);
            return None;
        }
        Some(status)
    }
}

impl Engine {
    /// A request from this node's API: answered at once, spread, and coordinated here.
    pub(crate) fn submitted(&mut self, request: Request) {
        let session = request.id().into();
        let outcome = match self.subjects.get(&request.id()) {
            Some(_) => Ok(()),
            None => self.admit_request(&request),
        };
        let fresh = outcome.is_ok() && !self.subjects.contains_key(&request.id());
        if fresh {
            self.take_in(request, self.me);
        }
        self.effect(Effect::Answer { session, outcome });
    }

    pub(crate) fn on_request(&mut self, inbound: &Inbound<'_>, request: &Request, origin: NodeId) {
        if self.subjects.contains_key(&request.id()) {
            return;
        }
        match self.admit_request(request) {
            Ok(()) => self.take_in(request.clone(), origin),
            Err(code) => {
                self.ignored(inbound, code);
                // A clock that jumps must not refuse anything for much longer than it is wrong.
                let retry = match code {
                    Code::RequestExpired
                    | Code::RequesterExpired
                    | Code::RequestLifetimeTooLong
                    | Code::PolicyLifetimeTooLong => Some(RECHECK_MS),
                    Code::RequestLimit | Code::PolicyRate => Some(REFUSAL_RETRY_MS),
                    _ => None,
                };
                let status = if retry.is_some() { Status::NotYet(code) } else { Status::Declined(code) };
                self.refusals.insert(request.id(), status, retry.map(|retry| self.now.monotonic.plus(retry)));
                self.answer_unknown(inbound);
            }
        }
    }

    fn admit_request(&self, request: &Request) -> Result<(), Code> {
        request.check_time(self.now.wall)?;
        if self.definition.requester_expired(request, self.now.wall) {
            return Err(Code::RequesterExpired);
        }
        // For how long it waits is a matter of the chain's clock: ours may jump.
        let clock = Some(self.limits.clock()).filter(|clock| *clock != WallTime::default());
        let waited = clock.map(|clock| Waited { received: clock, now: clock });
        let moment = Moment { waited, ..self.now.wall.into() };
        if let Some((code, _)) = self.definition.policy.refuses(&self.definition, request, moment) {
            return Err(code);
        }
        let key = request.key(&self.definition).ok_or(Code::KeyUnknown)?;
        if let Some((_, group_key)) = self.usable_key(&key.name)
            && request.account() != account_address(&group_key)
        {
            return Err(Code::AccountMismatch);
        }
        // Each requester has a part of its own, so that none can keep the others out.
        let part = |all: usize| all.checked_div(self.definition.requesters.len()).unwrap_or_default().max(1);
        let (requester, nonce) = (request.requester(), request.nonce());
        let counts = self.index.counts(requester);
        debug_assert_eq!(counts, self.counts_anew(requester), "the index is of these subjects");
        if counts.open >= part(OPEN_SUBJECTS_MAX) || counts.unsettled >= part(UNSETTLED_SUBJECTS_MAX) {
            return Err(Code::RequestLimit);
        }
        if self.rate_wait(request).is_some() {
            return Err(Code::PolicyRate);
        }
        // What the chain shows as lapsed can never execute: the requester may mean something else by its nonce.
        let mut rivals = self.index.by_nonce(requester, nonce).filter_map(|id| self.subjects.get(&id));
        if rivals.any(|state| state.executed || !state.settled) {
            return Err(Code::RequestConflict);
        }
        Ok(())
    }

    /// What came in through our API is durable before anybody hears of it. What a member brought is written with our answer:
    /// after a crash before that, it is brought again.
    fn take_in(&mut self, request: Request, origin: NodeId) {
        let (id, key) = (request.id(), request.key(&self.definition).cloned());
        self.refusals.remove(id);
        let spread = Message::RequestSpread { request: Box::new(request.clone()), origin };
        let state = State::new(Subject::Request(Box::new(request)), origin, self.now.wall);
        self.subjects.insert(id, state);
        self.count_intake(id, self.limits.clock());
        self.reindex(id);
        self.note_intake(id);
        self.observe(Observation::Subject { subject: id, state: "received", code: None });
        if let Some(key) = key.filter(|_| origin == self.me) {
            self.write();
            self.broadcast(&key, id.into(), spread, Class::Protocol);
            self.sign_ahead(id);
        }
        self.evaluate(id);
    }

    /// What we say about a subject that is not here: why we refused it, or that we have not heard of it.
    pub(crate) fn unknown(&mut self, id: SubjectId) -> Status {
        self.refusals.answer(id, self.now.monotonic).unwrap_or(Status::NotYet(Code::SubjectUnknown))
    }

    pub(crate) fn answer_unknown(&mut self, inbound: &Inbound<'_>) {
        let answer = Willingness { status: self.unknown(inbound.session.into()), commitments: None };
        self.send(inbound.from, inbound.session, Message::Willingness(answer), Class::Protocol);
    }
}
