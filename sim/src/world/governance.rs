//! The policy of a scenario, and its people, who speak at nodes.

use super::{EPOCH, Occurrence, World};
use crate::geography::Geography;
use crate::history::{ProcessId, What};
use crate::scenario::{Halt, Micros, Renewal, Rule as RuleOf, Scenario};
use crate::seeded::Bug;
use alloy_primitives::{Address, U256};
use firn_coordinator::api::{Command, Event, EvidenceVerdict};
use firn_proto::opinion::{Decision, SignedOpinion};
use firn_proto::pause::{Act, Quorums, RESUME, SignedAct, SignedPause};
use firn_proto::policy::{Approvals, Budget, Cooldown, Person, Policy, Rate, Role, Rule, Scope};
use firn_proto::{Digest, NodeId, SubjectId, opinion, pause};
use k256::ecdsa::SigningKey;
use std::collections::BTreeMap;

/// A millionth of all, in wad.
const PPM: u64 = 1_000_000_000_000;

/// How long people take before another try, and how often they try.
const PATIENCE: Micros = 1_000_000;
const TRIES_MAX: u32 = 120;

/// What a person has said, and a node that runs has heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// When.
    pub at: Micros,
    /// Whose say it is, by name.
    pub person: String,
    /// At which node.
    pub node: NodeId,
    /// What.
    pub word: Word,
}

/// Kinds of word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// To a request.
    Opinion(SubjectId, Decision),
    /// To the network, with the number that orders it.
    Pause {
        /// Whether to pause.
        paused: bool,
        /// The number.
        number: u64,
    },
}

fn seconds(time: Micros) -> u64 {
    time / 1_000_000
}

/// Whether anybody has a say: then organisations are those of the scenario, and each has an admin.
pub(super) fn is_governed(scenario: &Scenario) -> bool {
    let reshares = scenario.key.renewals.iter().any(Renewal::is_reshare);
    reshares || !scenario.people.is_empty() || !scenario.versions.is_empty()
}

/// The definition's rules.
pub(super) fn rules(rules: &[RuleOf]) -> BTreeMap<String, Rule> {
    let rule = |rule: &RuleOf| Rule {
        scope: Scope::default(),
        budget: rule.budget.map(|(share, window, per)| Budget {
            wad_max: U256::from(u64::from(share).saturating_mul(PPM)),
            seconds: seconds(window),
            per,
        }),
        cooldown: rule.cooldown.map(|(pause, per)| Cooldown { seconds: seconds(pause), per }),
        delay_seconds: rule.delay.map(seconds),
        rate: rule.rate.map(|(requests, window)| Rate { requests, seconds: seconds(window) }),
        approvals: rule.approvals.map(|(people, organisations)| Approvals { people, organisations }),
        ..Rule::default()
    };
    rules.iter().map(|one| (one.name.clone(), rule(one))).collect()
}

/// What the definition says of who has a say, and of how much.
pub(super) fn policy(scenario: &Scenario, geography: &Geography) -> Policy {
    let people = scenario.people.iter().enumerate().map(|(index, person)| {
        let address = Address::from_public_key(key("person", index as u64).verifying_key());
        let roles = match person.says {
            Some(Decision::Veto) => [Role::VetoHolder].into(),
            Some(_) => [Role::Approver].into(),
            None => [Role::Approver, Role::VetoHolder].into(),
        };
        (person.name.clone(), Person { organisation: person.organisation.clone(), address, roles })
    });
    let admins = geography.places().values().filter(|_| is_governed(scenario)).map(|place| {
        let organisation = place.organisation.clone();
        let address = Address::from_public_key(admin(&organisation).verifying_key());
        (format!("admin-{organisation}"), Person { organisation, address, roles: [Role::Admin].into() })
    });
    let pause = scenario.quorums.map(|quorums| Quorums { stop: quorums.stop, resume: quorums.resume });
    Policy { people: people.chain(admins).collect(), rules: rules(&scenario.rules), pause, ..Policy::default() }
}

/// The key of the admin of an organisation.
pub(super) fn admin(organisation: &str) -> SigningKey {
    key(&format!("admin of {organisation}"), 0)
}

/// A key for somebody.
pub(super) fn key(purpose: &str, number: u64) -> SigningKey {
    let bytes = crate::random::Source::new(0).bytes(purpose, &[number]);
    let Ok(key) = SigningKey::from_slice(&bytes) else { unreachable!("a hash above the curve order") };
    key
}

/// A signature with an Ethereum key: r || s || v.
pub(super) fn sign(key: &SigningKey, digest: Digest) -> [u8; 65] {
    let Ok((signature, recovery)) = key.sign_prehash_recoverable(&digest.0) else { unreachable!("32 bytes") };
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes
}

impl World {
    // ---- requests ----

    /// Everybody hears of a request when it is posted, and speaks when it is time.
    pub(super) fn queue_opinions(&mut self, request: usize) {
        let speaks = self.scenario.people.iter().enumerate().filter(|(_, person)| person.says.is_some());
        for (person, after) in speaks.map(|(index, person)| (index, person.after)).collect::<Vec<_>>() {
            self.after(after, Occurrence::Speak { person, request });
        }
    }

    /// Speaks, or tries again where the node does not run or has not heard of the request; not beyond its deadline.
    pub(super) fn speak(&mut self, person: usize, request: usize) {
        let Some((spoken, posted)) = self.scenario.people.get(person).zip(self.requests.get(request)) else { return };
        let Some(decision) = spoken.says else { return };
        let (id, name, subject) = (ProcessId { node: spoken.node, twin: 0 }, spoken.name.clone(), posted.subject);
        let over = posted.request.deadline().0 < EPOCH + seconds(self.now);
        let process = self.processes.get(&id).filter(|process| process.up && !process.paused);
        let opinion = process.filter(|process| process.engine.request(subject).is_some()).and_then(|process| {
            let digest = opinion::digest(&process.definition, subject, decision, 1);
            let signature = sign(&key("person", person as u64), digest);
            SignedOpinion { request: subject, decision, number: 1, signature }.verify(&process.definition).ok()
        });
        match opinion {
            Some(opinion) => {
                // A thief has the person's key, who never spoke.
                if !self.has(Bug::StolenApprovals) {
                    self.note_said(name, id.node, Word::Opinion(subject, decision));
                }
                self.input(id, Event::Opined { opinion: Box::new(opinion) });
            }
            None if over => {}
            None => self.after(PATIENCE, Occurrence::Speak { person, request }),
        }
    }

    fn note_said(&mut self, person: String, node: NodeId, word: Word) {
        self.said.push(Said { at: self.now, person, node, word });
        self.record(None, What::Said { index: self.said.len() - 1 });
    }

    /// What people have said so far, in order.
    #[must_use]
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    // ---- pauses ----

    pub(super) fn queue_halts(&mut self) {
        for (pause, halt) in self.scenario.pauses.clone().into_iter().enumerate() {
            self.at(halt.begin, Occurrence::Halt { pause, paused: true, tries: 0 });
            let end = halt.end.into_iter();
            end.for_each(|end| self.at(end, Occurrence::Halt { pause, paused: false, tries: 0 }));
        }
    }

    /// People pause or resume, or try again where the node does not run.
    pub(super) fn halt(&mut self, pause: usize, paused: bool, tries: u32) {
        let Some(halt) = self.scenario.pauses.get(pause).cloned() else { return };
        let id = ProcessId { node: halt.node, twin: 0 };
        if !self.processes.get(&id).is_some_and(|process| process.up && !process.paused) {
            if tries < TRIES_MAX {
                self.after(PATIENCE, Occurrence::Halt { pause, paused, tries: tries + 1 });
            }
            return;
        }
        match (halt.people.is_empty(), paused) {
            (true, true) => self.input(id, Event::Operator(Command::Pause)),
            (true, false) => self.resume_node(id, &halt),
            (false, _) => self.halt_network(id, &halt, paused),
        }
    }

    /// The operator resumes with what people of the node's organisation have signed.
    fn resume_node(&mut self, id: ProcessId, halt: &Halt) {
        let Some(process) = self.processes.get(&id) else { return };
        let Some(number) = process.engine.pauses().own else { return };
        let acts = self.acts(id, halt.resume.iter(), RESUME, number);
        self.input(id, Event::Operator(Command::Resume(acts)));
    }

    /// What people of a node's organisation sign about an act of it: all of them.
    pub(super) fn agreed(&self, id: ProcessId, what: &str, number: u64) -> Vec<Act> {
        self.acts(id, self.scenario.people.iter().map(|person| &person.name), what, number)
    }

    /// What these people sign about an act of a node. Whoever has no say over it counts for nothing.
    fn acts<'a>(&self, id: ProcessId, by: impl Iterator<Item = &'a String>, what: &str, number: u64) -> Vec<Act> {
        let Some(process) = self.processes.get(&id) else { return Vec::new() };
        let definition = &process.definition;
        let act = |person: &String| {
            let key = key("person", self.person(person)?);
            let signature = sign(&key, pause::act_digest(definition, what, id.node, number));
            SignedAct { what: what.to_owned(), node: id.node, number, signature }.verify(definition).ok()
        };
        by.filter_map(act).collect()
    }

    /// Veto holders speak to the network. Their clocks are right; who speaks later says a greater number.
    fn halt_network(&mut self, id: ProcessId, halt: &Halt, paused: bool) {
        for name in if paused { &halt.people } else { &halt.resume } {
            let Some((process, person)) = self.processes.get(&id).zip(self.person(name)) else { return };
            let number = self.wall().0.max(process.engine.pauses().next_number);
            let signature = sign(&key("person", person), pause::digest(&process.definition, paused, number));
            if let Ok(pause) = (SignedPause { paused, number, signature }).verify(&process.definition) {
                self.note_said(name.clone(), id.node, Word::Pause { paused, number });
                self.input(id, Event::Paused { pause: Box::new(pause) });
            }
        }
    }

    fn person(&self, name: &str) -> Option<u64> {
        let index = self.scenario.people.iter().position(|person| person.name == *name)?;
        u64::try_from(index).ok()
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
}
