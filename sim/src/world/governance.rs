//! The policy of a scenario, and its people, who speak at nodes.

use super::{EPOCH, Occurrence, World};
use crate::history::ProcessId;
use crate::scenario::{Micros, Scenario};
use crate::seeded::Bug;
use alloy_primitives::{Address, U256};
use firn_coordinator::api::{Event, EvidenceVerdict};
use firn_proto::opinion::{Decision, SignedOpinion, digest};
use firn_proto::policy::{Approvals, Budget, Cooldown, Person, Policy, Rate, Role, Rule, Scope};
use firn_proto::{NodeId, Opinion, SubjectId};
use k256::ecdsa::SigningKey;

/// A millionth of all, in wad.
const PPM: u64 = 1_000_000_000_000;

/// How long people take before another try.
const PATIENCE: Micros = 1_000_000;

fn seconds(time: Micros) -> u64 {
    time / 1_000_000
}

/// What the definition says of it.
pub(super) fn policy(scenario: &Scenario) -> Policy {
    let rules = scenario.rules.iter().map(|rule| {
        let budget = rule.budget.map(|(share, window, per)| Budget {
            wad_max: U256::from(u64::from(share).saturating_mul(PPM)),
            seconds: seconds(window),
            per,
        });
        let rule_of = Rule {
            scope: Scope::default(),
            budget,
            cooldown: rule.cooldown.map(|(pause, per)| Cooldown { seconds: seconds(pause), per }),
            delay_seconds: rule.delay.map(seconds),
            rate: rule.rate.map(|(requests, window)| Rate { requests, seconds: seconds(window) }),
            approvals: rule.approvals.map(|(people, organisations)| Approvals { people, organisations }),
            ..Rule::default()
        };
        (rule.name.clone(), rule_of)
    });
    let people = scenario.people.iter().enumerate().map(|(index, person)| {
        let address = Address::from_public_key(key(index).verifying_key());
        let role = if person.says == Decision::Veto { Role::VetoHolder } else { Role::Approver };
        let organisation = person.organisation.clone();
        (person.name.clone(), Person { organisation, address, roles: [role].into() })
    });
    Policy { people: people.collect(), rules: rules.collect(), ..Policy::default() }
}

fn key(person: usize) -> SigningKey {
    let bytes = crate::random::Source::new(0).bytes("person", &[person as u64]);
    let Ok(key) = SigningKey::from_slice(&bytes) else { unreachable!("a hash above the curve order") };
    key
}

impl World {
    /// Everybody hears of a request when it is posted, and speaks when it is time.
    pub(super) fn queue_opinions(&mut self, request: usize) {
        for (person, after) in self.scenario.people.iter().map(|person| person.after).enumerate().collect::<Vec<_>>() {
            self.after(after, Occurrence::Speak { person, request });
        }
    }

    /// Speaks, or tries again where the node does not run or has not heard of the request; not beyond its deadline.
    pub(super) fn speak(&mut self, person: usize, request: usize) {
        let Some((spoken, posted)) = self.scenario.people.get(person).zip(self.requests.get(request)) else { return };
        let id = ProcessId { node: spoken.node, twin: 0 };
        let (subject, decision) = (posted.subject, spoken.says);
        let over = posted.request.deadline().0 < EPOCH + seconds(self.now);
        let knows = self
            .processes
            .get(&id)
            .is_some_and(|process| process.up && !process.paused && process.engine.request(subject).is_some());
        match self.opinion(person, subject, decision) {
            Some(opinion) if knows => self.input(id, Event::Opined { opinion: Box::new(opinion) }),
            _ if over => {}
            _ => self.after(PATIENCE, Occurrence::Speak { person, request }),
        }
    }

    /// Has a node's verifier look at a request: it answers in time, or gives no answer.
    pub(super) fn check_evidence(&mut self, id: ProcessId, request: SubjectId) {
        let Some(verifier) = self.scenario.verifier(id.node).cloned() else { return };
        let answer = |accepts| Event::EvidenceChecked { request, verdict: Some(EvidenceVerdict::new(accepts, "")) };
        if self.has(Bug::IgnoredVerdict) {
            return self.later(id, verifier.after, answer(true));
        }
        match verifier.accepts {
            Some(accepts) => {
                let at = self.now + verifier.after;
                if accepts {
                    self.accepted.entry((id.node, request)).or_insert(at);
                }
                self.later(id, verifier.after, answer(accepts));
            }
            None => self.later(id, verifier.after, Event::EvidenceChecked { request, verdict: None }),
        }
    }

    /// Whether a node has no verifier, or that one has accepted the evidence by now.
    #[must_use]
    pub fn is_verified(&self, node: NodeId, request: SubjectId) -> bool {
        let accepted = self.accepted.get(&(node, request));
        self.scenario.verifier(node).is_none() || accepted.is_some_and(|at| *at <= self.now)
    }

    fn opinion(&self, person: usize, request: SubjectId, decision: Decision) -> Option<Opinion> {
        let digest = digest(&self.definition, request, decision, 1).0;
        let (signature, recovery) = key(person).sign_prehash_recoverable(&digest).ok()?;
        let mut bytes = [27 + recovery.to_byte(); 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        SignedOpinion { request, decision, number: 1, signature: bytes }.verify(&self.definition).ok()
    }
}
