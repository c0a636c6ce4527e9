//! People's opinions of requests: taken from this node's API or from any member, written down before they count, and brought
//! to whoever lacks them.

use super::State;
use crate::api::{Class, Effect, Observation};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use firn_proto::opinion::{Decision, Opinion};
use firn_proto::request::second_of;
use firn_proto::{Code, Message, NodeId, SubjectId};

impl Engine {
    /// An opinion from this node's API: durable and on its way to all members before it is answered.
    pub(crate) fn opined(&mut self, opinion: Opinion) {
        let id = opinion.request();
        let outcome = match self.subjects.get(&id) {
            Some(State { opinions, .. }) if opinions.iter().any(|(_, known)| *known == opinion) => Ok(()),
            _ => self.take_opinion(&opinion),
        };
        if outcome.is_ok()
            && let Some((key, _)) = self.order(id)
        {
            self.broadcast(&key, id.into(), Message::Opinion(Box::new(opinion.clone())), Class::Protocol);
        }
        self.effect(Effect::Answer { session: opinion.session(), outcome });
    }

    /// An opinion that a member brings. Whoever spoke signed it: who brings it says nothing.
    pub(crate) fn on_opinion(&mut self, inbound: &Inbound<'_>, opinion: &Opinion) {
        if !self.subjects.contains_key(&opinion.request()) {
            return self.answer_unknown(inbound);
        }
        if let Err(code) = self.take_opinion(opinion) {
            self.ignored(inbound, code);
        }
    }

    fn take_opinion(&mut self, opinion: &Opinion) -> Result<(), Code> {
        let id = opinion.request();
        // People speak of requests, not of their second payloads.
        let is_request = self.asked(id) == id;
        let undecided = self.is_undecided(id);
        let state = self.subjects.get_mut(&id).filter(|_| is_request).ok_or(Code::RequestUnknown)?;
        if !undecided {
            return Err(Code::OpinionTooLate);
        }
        if !state.opinions.is_news(opinion) {
            return Err(Code::OpinionOutdated);
        }
        state.opinions.insert(opinion.clone());
        state.heard.clear();
        let event = match opinion.decision() {
            Decision::Withdraw => "opinion-withdrawn",
            Decision::Approve => "approved",
            Decision::Reject => "rejected",
            Decision::Veto => "vetoed",
        };
        let reference = firn_proto::opinion::encode(opinion);
        self.store_subject(id, AuditNote { reference: &reference, ..AuditNote::new(id, event) });
        self.write();
        self.observe(Observation::Subject { subject: id, state: event, code: None });
        self.evaluate(id);
        self.evaluate(second_of(id));
        Ok(())
    }

    /// Brings a member the opinions that it may lack: once, until there is another or it has another boot.
    pub(crate) fn tell_opinions(&mut self, id: SubjectId, to: NodeId) {
        let id = self.asked(id);
        let Some(state) = self.subjects.get_mut(&id).filter(|state| !state.opinions.is_empty()) else { return };
        if to == self.me || !state.heard.insert(to) {
            return;
        }
        let opinions: Vec<_> = state.opinions.iter().map(|(_, opinion)| Box::new(opinion.clone())).collect();
        for opinion in opinions {
            self.send(to, id.into(), Message::Opinion(opinion), Class::Protocol);
        }
    }

    /// Opinions that were on their way to a member when its channel closed may be lost.
    pub(crate) fn forget_heard(&mut self, node: NodeId) {
        for state in self.subjects.values_mut() {
            state.heard.remove(&node);
        }
    }
}
