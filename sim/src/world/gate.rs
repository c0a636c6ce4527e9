//! Who stands at the gate: cancels on chain what was scheduled, as the scenario says.

use super::{Occurrence, PostedRequest, SLOT, World};
use crate::history::What;
use crate::scenario::{Cancel, Which};
use crate::seeded::Bug;
use firn_coordinator::api::ChainAnswer;
use firn_proto::SubjectId;

impl PostedRequest {
    /// What the session of its last payload is about.
    #[must_use]
    pub fn last(&self) -> SubjectId {
        self.follows.unwrap_or(self.subject)
    }
}

impl World {
    /// The request that a session is about, in its first or its second payload.
    #[must_use]
    pub fn posted(&self, subject: SubjectId) -> Option<&PostedRequest> {
        self.requests.iter().find(|posted| posted.subject == subject || posted.follows == Some(subject))
    }

    /// Where a payload that has executed is one that schedules, has it cancelled in time.
    pub(super) fn queue_cancels(&mut self, subject: SubjectId) {
        let Some(request) = self.requests.iter().position(|posted| posted.subject == subject) else { return };
        let cancels = self.scenario.gate.as_ref().map(|gate| gate.cancels.clone()).unwrap_or_default();
        let included = (self.now / SLOT + 1) * SLOT;
        for (index, Cancel { which, after }) in cancels.into_iter().enumerate() {
            let chosen = match which {
                Which::Request(number) => usize::try_from(number).is_ok_and(|number| number == request + 1),
                Which::Share(share) => {
                    self.source.below(1_000_000, "cancelled", &[request as u64, index as u64]) < share.into()
                }
            };
            if chosen {
                self.at(included.saturating_add(after), Occurrence::Cancel { request });
            }
        }
    }

    pub(super) fn cancel(&mut self, request: usize) {
        let Some(subject) = self.requests.get(request).map(|posted| posted.subject) else { return };
        if self.chain.cancel(subject) {
            self.record(None, What::Cancelled { subject });
        }
    }

    /// What a host with a bug makes of what gate and manager say.
    pub(super) fn spoil_gate(&self, subject: SubjectId, answer: &mut ChainAnswer) {
        let ChainAnswer::Slash(facts) = answer else { return };
        let Some((gate, posted)) = facts.gate.as_mut().zip(self.posted(subject)) else { return };
        let Some((ready, cancelled)) = self.chain.once_ready(posted.subject, facts.block.number) else { return };
        if self.has(Bug::HastyExecution) && !cancelled && gate.used_by.is_zero() {
            (gate.ready, gate.call_succeeds) = (Some(gate.time), true);
        }
        if self.has(Bug::UnseenCancellation) && cancelled {
            (gate.ready, gate.call_succeeds) = (Some(ready), ready <= gate.time);
        }
    }
}
