//! What reaches nodes from outside the network: requests, operators and the chain.

use super::hostile::Transaction;
use super::setting::{self, Ask, KEY_NAME};
use super::{EPOCH, Occurrence, PostedRequest, SLOT, World};
use crate::history::{ProcessId, What};
use crate::scenario::{FaultKind, KeyOrigin, KeyPhase, Micros, Point, Workload};
use crate::seeded::Bug;
use alloy_primitives::{Address, B256, U256};
use firn_coordinator::api::{ChainAnswer, ChainQuery, Command, Event, Observation, SubmissionOutcome};
use firn_proto::account::Execute;
use firn_proto::certificate::KeyProposal;
use firn_proto::time::WallTime;
use firn_proto::{Code, GroupSignature, NodeId, Request, SubjectId};
use firn_vault::api::Request as VaultRequest;

/// How long a node's own chain endpoint takes, at least, and how much more by chance; and when it is given up.
const CHAIN: (Micros, Micros, Micros) = (1_000, 4_000, 1_000_000);

/// How long an operator or a requester takes before another try.
const PERSON: Micros = 1_000_000;

/// How many attempts at a key are proposed in one run.
const PROPOSALS_MAX: u32 = 20;

/// How much is slashed by a request, and by its rival.
const WADS: [u64; 2] = [80_000_000_000_000_000, 90_000_000_000_000_000];

/// A request to be posted.
#[derive(Clone, Debug)]
pub(super) enum Post {
    /// For the first time: it is signed now.
    Fresh {
        /// Which part of the workload.
        part: usize,
        /// Its number in it.
        number: u32,
    },
    /// Signed before; no node could be reached.
    Again {
        /// What.
        request: Box<Request>,
        /// Where it should have gone.
        node: NodeId,
        /// Until when it is tried.
        until: Micros,
    },
}

impl World {
    // ---- requests ----

    pub(super) fn queue_workload(&mut self) {
        for (part, workload) in self.scenario.workload.clone().into_iter().enumerate() {
            for number in 0..workload.count {
                let at = workload.at.saturating_add(workload.every.saturating_mul(number.into()));
                self.at(at, Occurrence::Post(Box::new(Post::Fresh { part, number })));
            }
        }
    }

    pub(super) fn post(&mut self, post: Post) {
        match post {
            Post::Fresh { part, number } => {
                let Some(workload) = self.scenario.workload.get(part).cloned() else { return };
                if self.key().is_none() {
                    // Nobody can address an account that does not exist.
                    return self.after(PERSON, Occurrence::Post(Box::new(Post::Fresh { part, number })));
                }
                self.post_fresh(&workload, part, number);
            }
            Post::Again { request, node, until } => self.submit_somewhere(*request, node, until),
        }
    }

    fn post_fresh(&mut self, workload: &Workload, part: usize, number: u32) {
        let all = self.takers(&workload.to);
        let place = |k: u32| {
            let at = usize::try_from(number.saturating_add(k)).unwrap_or_default().checked_rem(all.len());
            at.and_then(|at| all.get(at)).copied()
        };
        let rival_of = self.requests.len();
        let rivals = u32::from(workload.rivals);
        let wanted = workload.deadline.saturating_add(self.scenario.gate_time());
        for (k, wad) in (0..=rivals).zip(WADS) {
            let Some(node) = place(k) else { return };
            let (nonce, evidence) = self.named(part as u64 * 1_000_000 + u64::from(number), k.into());
            let deadline = EPOCH + self.now.saturating_add(wanted) / 1_000_000;
            let ask = Ask { requester: workload.requester.max(1), nonce, wad, evidence, deadline };
            let request = self.key().and_then(|(_, group_key)| setting::request(&self.definition, &group_key, ask));
            let Some(request) = request else { return };
            let rival_of = (k > 0).then_some(rival_of);
            self.announce(&request, node, wanted, rival_of);
            let until = self.now.saturating_add(workload.deadline);
            self.submit_somewhere(request.clone(), node, until);
            for repeat in 1..=workload.repeats.min(u32::try_from(all.len()).unwrap_or(u32::MAX)) {
                place(k + repeat).into_iter().for_each(|node| self.submit_somewhere(request.clone(), node, until));
            }
        }
    }

    /// Who can be asked: of the nodes that were chosen those that hold the key now, or all who do.
    fn takers(&self, wanted: &[NodeId]) -> Vec<NodeId> {
        let holders = self.holders().members;
        let chosen: Vec<_> = wanted.iter().copied().filter(|node| holders.contains(node)).collect();
        if chosen.is_empty() { holders } else { chosen }
    }

    /// The nonce and the evidence of a request, or of its rival: they share the one or the other.
    fn named(&self, number: u64, rival: u64) -> (u64, B256) {
        let another = number + rival * 500_000;
        match &self.scenario.gate {
            None => (number, B256::ZERO),
            Some(gate) if gate.shared_evidence => (another, U256::from(number + 1).into()),
            Some(_) => (number, U256::from(another + 1).into()),
        }
    }

    fn announce(&mut self, request: &Request, node: NodeId, deadline: Micros, rival_of: Option<usize>) {
        let subject = request.id();
        let posted = PostedRequest {
            request: request.clone(),
            subject,
            follows: request.second(&self.definition).map(|second| second.id()),
            node,
            wanted: node,
            taken: false,
            at: self.now,
            deadline,
            gate_time: self.scenario.gate_time(),
            authorised: !self.has(Bug::StrayRequester),
            rival_of,
        };
        self.chain.announce(request, &self.definition);
        self.requests.push(posted);
        self.record(None, What::Posted { subject, request: self.requests.len() - 1 });
        self.queue_opinions(self.requests.len() - 1);
    }

    /// Posts to a node, to the next one if nothing answers there, or later if nothing answers anywhere.
    fn submit_somewhere(&mut self, request: Request, node: NodeId, until: Micros) {
        let nodes = self.takers(&[]);
        let later = nodes.iter().filter(|other| **other >= node);
        let order = later.chain(nodes.iter().filter(|other| **other < node));
        let answers = |node: &&NodeId| self.node(**node).is_some_and(|process| process.up && !process.paused);
        match order.copied().collect::<Vec<_>>().iter().find(answers).copied() {
            Some(node) => {
                let subject = request.id();
                let posted = self.requests.iter_mut().rev().find(|posted| posted.subject == subject);
                if let Some(posted) = posted.filter(|posted| !posted.taken) {
                    (posted.node, posted.taken) = (node, true);
                }
                let event = Event::Submitted { request: Box::new(request) };
                self.input(ProcessId { node, twin: 0 }, event);
            }
            None if self.now < until => {
                let again = Post::Again { request: Box::new(request), node, until };
                self.after(PERSON, Occurrence::Post(Box::new(again)));
            }
            None => {}
        }
    }

    // ---- operators ----

    /// Proposes the key at the next node that runs, unless there is one.
    pub(super) fn propose(&mut self, round: u32) {
        if self.key().is_some() || round != self.keys.proposals || round >= PROPOSALS_MAX {
            return;
        }
        self.keys.proposals += 1;
        let nodes = self.holders().members;
        let turn = usize::try_from(round).unwrap_or_default().checked_rem(nodes.len()).unwrap_or_default();
        let order = nodes.iter().cycle().skip(turn).take(nodes.len());
        let proposer = order.copied().find(|node| self.node(*node).is_some_and(|process| process.up));
        if let Some(proposer) = proposer {
            let proposal = KeyProposal {
                key_name: KEY_NAME.to_owned(),
                proposer,
                deadline: WallTime(self.wall().0 + 600),
                salt: self.source.bytes("proposal", &[round.into()]),
                definition: self.in_force(proposer).digest(),
                from: None,
            };
            let id = ProcessId { node: proposer, twin: 0 };
            self.input(id, Event::Operator(Command::ProposeKey(proposal)));
        }
        // Should nobody ever hear of it.
        self.after(120 * PERSON, Occurrence::Propose { round: round + 1 });
    }

    fn operators_wait(&self) -> bool {
        self.has(Bug::SecondKey) || matches!(self.scenario.key.origin, KeyOrigin::Generated { at } if at != Micros::MAX)
    }

    // ---- what a core says ----

    pub(super) fn observed(&mut self, id: ProcessId, observation: Observation) {
        self.record(Some(id), What::Observed(observation.clone()));
        self.blame_hastily(id, &observation);
        match observation {
            Observation::Subject { subject, state, .. } => match state {
                "received" => {
                    let second = self.posted(subject).is_some_and(|posted| posted.follows == Some(subject));
                    self.point(id, if second { Point::Scheduled } else { Point::RequestReceived });
                }
                "willing" => self.point(id, Point::Willing),
                "signed" => {
                    self.note_signed(id, subject);
                    self.point(id, Point::Signed);
                }
                _ => {}
            },
            Observation::AttemptOpened { .. } => self.point(id, Point::AttemptOpened),
            Observation::KeyPhase { key_id, phase } => {
                if phase == "proposed" && self.operators_wait() {
                    self.accept_later(id, key_id);
                }
                if phase == "certified" {
                    self.swap_share(id, key_id);
                }
                if phase == "active" && !self.is_corrupted(id.node) {
                    self.key_active(id, key_id);
                }
                key_phase(phase).into_iter().for_each(|phase| self.point(id, Point::KeyPhase(phase)));
            }
            Observation::KeyEnded { key_id, .. } if self.key().is_some() => self.renewal_ended(key_id),
            Observation::KeyEnded { .. } if self.operators_wait() => {
                // What was refused before, as another attempt was under way, is accepted now.
                let keys = self.processes.get(&id).map(|process| process.engine.keys()).unwrap_or_default();
                let waiting = keys.iter().filter(|key| key.state == "proposed");
                waiting.for_each(|key| self.accept_later(id, key.key_id));
                let round = self.keys.proposals;
                self.after(5 * PERSON, Occurrence::Propose { round });
            }
            Observation::Evidence { culprit, envelopes, .. } => {
                self.record(Some(id), What::Evidence { culprit, envelopes });
            }
            _ => {}
        }
    }

    fn accept_later(&mut self, id: ProcessId, key_id: firn_proto::KeyId) {
        let boot = self.processes.get(&id).map_or(0, |process| process.boot);
        let event = Box::new(Event::Operator(Command::AcceptKey(key_id)));
        self.after(PERSON / 10, Occurrence::Input { process: id, boot, event });
    }

    fn note_signed(&mut self, id: ProcessId, subject: SubjectId) {
        let view = self.processes.get(&id).and_then(|process| process.engine.request(subject));
        let Some(view) = view else { return };
        let (request, signature) = match view.schedule {
            _ if subject != view.id => (view.request.second(&self.definition), view.signature),
            Some(schedule) => (Some(view.request), schedule.signature),
            None => (Some(view.request), view.signature),
        };
        let Some((request, signature)) = request.zip(signature) else { return };
        if self.newly_known(id, subject) {
            let digest = request.payload_digest(&self.definition);
            self.record(Some(id), What::Signed { subject, digest, signature });
        }
    }

    /// An activation is no request: its signature shows where the vault is handed it.
    pub(super) fn note_activation(&mut self, id: ProcessId, request: &VaultRequest) {
        let VaultRequest::AcceptCertificate { certificate, activation: Some(signature) } = request else { return };
        let subject = certificate.activation(self.definition.network_id());
        if self.newly_known(id, subject) {
            self.record(Some(id), What::Signed { subject, digest: subject.0, signature: *signature });
        }
    }

    fn newly_known(&mut self, id: ProcessId, subject: SubjectId) -> bool {
        let new = !self.known.contains_key(&(id, subject));
        self.known.entry((id, subject)).or_insert(self.now);
        new
    }

    // ---- chain ----

    pub(super) fn block(&mut self) {
        for (id, boot) in self.processes.iter().map(|(id, process)| (*id, process.boot)).collect::<Vec<_>>() {
            if !self.chain_is_down(id.node) && !self.has(Bug::UnheardBlocks) {
                let block = self.view(id.node);
                let time = self.chain.time_of(block.number);
                let event = Box::new(Event::ChainFinalised { block, time });
                let delay = self.chain_delay(id, 0);
                self.after(delay, Occurrence::Input { process: id, boot, event });
            }
        }
        self.after(SLOT, Occurrence::Block);
    }

    pub(super) fn ask_chain(&mut self, id: ProcessId, subject: SubjectId, query: &ChainQuery) {
        let (answer, delay) = if self.chain_is_down(id.node) {
            (ChainAnswer::Unavailable(Code::ChainUnavailable), CHAIN.2)
        } else {
            let mut answer = self.chain.answer(query, self.view(id.node));
            self.lie_about(id.node, subject, &mut answer);
            self.forget_slashes(&mut answer);
            self.spoil_gate(subject, &mut answer);
            (answer, self.chain_delay(id, 1))
        };
        self.later(id, delay, Event::ChainReplied { subject, answer });
    }

    pub(super) fn submit_to_chain(
        &mut self,
        id: ProcessId,
        subject: SubjectId,
        account: Address,
        execute: &Execute,
        signature: &GroupSignature,
    ) {
        if self.chain_is_down(id.node) {
            return self.later(id, CHAIN.2, Event::SubmissionSettled { subject, outcome: SubmissionOutcome::Unknown });
        }
        let (execute, signature) = (execute.clone(), *signature);
        let transaction = Transaction { subject, account, execute, signature };
        let Some(transaction) = self.hold_back(id, transaction) else { return };
        let (outcome, included) = self.include(id, &transaction);
        let next = if included { SLOT - self.now % SLOT } else { 0 };
        let delay = next + self.chain_delay(id, 2);
        self.settle_submission(id, delay, subject, outcome);
    }

    /// Includes a transaction in the next block, if it goes through; whether it does.
    pub(super) fn include(&mut self, id: ProcessId, transaction: &Transaction) -> (SubmissionOutcome, bool) {
        let Transaction { subject, account, execute, signature } = transaction;
        let subject = *subject;
        let (outcome, used) = self.chain.submit(*account, execute, signature);
        let included = matches!(outcome, SubmissionOutcome::Included { .. }) || used && self.has(Bug::DoubleExecution);
        self.record(Some(id), if included { What::Executed { subject } } else { What::Reverted { subject, used } });
        if included {
            self.queue_cancels(subject);
        }
        (outcome, included)
    }

    pub(super) fn later(&mut self, id: ProcessId, delay: Micros, event: Event) {
        let boot = self.processes.get(&id).map_or(0, |process| process.boot);
        self.after(delay, Occurrence::Input { process: id, boot, event: Box::new(event) });
    }

    fn chain_delay(&self, id: ProcessId, purpose: u64) -> Micros {
        CHAIN.0 + self.source.below(CHAIN.1, "chain", &[id.node.0.into(), id.twin.into(), purpose, self.now])
    }

    fn chain_is_down(&self, node: NodeId) -> bool {
        self.trouble.kinds().any(|kind| matches!(kind, FaultKind::ChainDown { nodes } if nodes.contains(&node)))
    }

    pub(super) fn chain_lag(&self, node: NodeId) -> Micros {
        let lag = |kind: &FaultKind| match kind {
            FaultKind::ChainLag { nodes, by } if nodes.contains(&node) => Some(*by),
            _ => None,
        };
        self.trouble.kinds().filter_map(lag).max().unwrap_or(0)
    }
}

fn key_phase(name: &str) -> Option<KeyPhase> {
    Some(match name {
        "accepting" => KeyPhase::Accepting,
        "round-1" => KeyPhase::Round1,
        "echo" => KeyPhase::Echo,
        "round-2" => KeyPhase::Round2,
        "checking" => KeyPhase::Checking,
        "certifying" => KeyPhase::Certifying,
        "certified" => KeyPhase::Certified,
        _ => return None,
    })
}
