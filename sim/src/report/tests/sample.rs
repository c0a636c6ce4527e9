//! A run made by hand: 3 of 5; one node is down, then another is cut off, then it comes back. Request 0 comes while exactly
//! t are left, request 1 and 2 while t - 1 are.

use crate::geography::Geography;
use crate::history::{Entry, ProcessId, What};
use crate::report::Run;
use crate::scenario::{
    Act, Byzantine, Expect, Fault, FaultKind, Key, KeyOrigin, Micros, Moment, Network, Organisation, Scenario, Workload,
};
use crate::verdict::{CoreSize, End, Exit, Outcome, RequestReport, Violation};
use firn_coordinator::api::Observation;
use firn_proto::{Code, Digest, Incarnation, NodeId, SubjectId};
use std::collections::BTreeMap;

pub(super) struct Sample {
    pub(super) outcome: Outcome,
    pub(super) history: Vec<Entry>,
    pub(super) geography: Geography,
}

impl Sample {
    pub(super) fn run(&self) -> Run<'_> {
        Run {
            outcome: &self.outcome,
            history: &self.history,
            geography: &self.geography,
            exit: Exit::Pass,
            case: "exactly-t-left",
            reproduce: "firn-sim run sim/scenarios/exactly-t-left.toml --seed 42",
            note: None,
        }
    }
}

const SECOND: Micros = 1_000_000;

fn id(k: u8) -> SubjectId {
    SubjectId(Digest([k; 32]))
}

pub(super) fn scenario() -> Scenario {
    let organisation = |name: &str, nodes: &[(&str, u16)]| Organisation {
        name: name.to_owned(),
        nodes: nodes.iter().map(|(region, count)| ((*region).to_owned(), *count)).collect(),
        cloud: None,
    };
    let fault = |begin, lasts, kind| Fault { begin: Moment::At(begin * SECOND), lasts: Some(lasts * SECOND), kind };
    let nodes = |nodes: &[u16]| nodes.iter().map(|node| NodeId(*node)).collect::<Vec<_>>();
    Scenario {
        name: "exactly-t-left".to_owned(),
        about: "Two of five are away and three can sign; then a third is cut off, and comes back. <b> & \"quotes\""
            .to_owned(),
        seed: 42,
        runs: 1,
        network: Network { latency: "aws-2025-07".to_owned(), rtt: BTreeMap::new(), loss: None, bandwidth: None },
        organisations: vec![
            organisation("alpha", &[("eu-central-1", 1), ("eu-west-1", 1)]),
            organisation("beta", &[("us-east-1", 2)]),
            organisation("gamma", &[("ap-northeast-1", 1)]),
        ],
        key: Key {
            threshold: 3,
            organisations_min: 1,
            regions_min: 1,
            origin: KeyOrigin::Given,
            members: Vec::new(),
            renewals: Vec::new(),
            repairs: Vec::new(),
        },
        workload: vec![Workload {
            at: 12 * SECOND,
            count: 3,
            every: 10 * SECOND,
            to: Vec::new(),
            deadline: 30 * SECOND,
            requester: 1,
            repeats: 0,
            rivals: false,
        }],
        rules: Vec::new(),
        people: Vec::new(),
        quorums: None,
        pauses: Vec::new(),
        versions: Vec::new(),
        verifiers: Vec::new(),
        gate: None,
        finality: 0,
        faults: vec![
            fault(5, 50, FaultKind::Crash { nodes: nodes(&[5]) }),
            fault(8, 20, FaultKind::Pause { nodes: nodes(&[4]) }),
            fault(18, 22, FaultKind::Partition { groups: vec![nodes(&[1, 2, 4]), nodes(&[3])] }),
            fault(50, 5, FaultKind::SlowDisk { nodes: nodes(&[1]), sync: 200_000 }),
        ],
        byzantine: Vec::new(),
        expect: Expect { probes: vec!["takeover".to_owned(), "quarantine".to_owned()], ..Expect::default() },
        until: None,
    }
}

/// One request: willingness, an attempt by the node that got it, shares, the signature with everybody who is there.
struct Story {
    k: u8,
    at: u16,
    posted: Micros,
    opened: Option<Micros>,
    signers: &'static [u16],
}

struct Ledger {
    entries: Vec<Entry>,
    frame: u64,
}

impl Ledger {
    fn add(&mut self, at: Micros, node: u16, what: What) {
        self.entries.push(Entry { at, process: Some(ProcessId { node: NodeId(node), twin: 0 }), what });
    }

    fn send(&mut self, at: Micros, (from, to): (u16, u16), kind: &'static str, k: u8, loss: Option<&'static str>) {
        self.frame += 1;
        let frame = self.frame;
        self.add(at, from, What::Sent { frame, to: NodeId(to), kind, session: id(k).into(), bytes: 300 });
        match loss {
            Some(why) => self.add(at + 20_000, from, What::Lost { frame, why }),
            None => self.add(at + 40_000, to, What::Delivered { frame, from: NodeId(from) }),
        }
    }

    fn tell(&mut self, story: &Story) {
        let subject = id(story.k);
        self.add(story.posted, story.at, What::Posted { subject, request: usize::from(story.k) });
        for node in 1..=3 {
            let state = Observation::Subject { subject, state: "willing", code: None };
            self.add(story.posted + 50_000 * u64::from(node), node, What::Observed(state));
            if node != story.at {
                let loss = ((node == 3 || story.at == 3) && story.k > 0).then_some("partition");
                self.send(story.posted, (story.at, node), "request", story.k, loss);
                self.send(story.posted + 50_000 * u64::from(node), (node, story.at), "willingness", story.k, loss);
            }
        }
        let Some(opened) = story.opened else { return };
        let signers: Vec<_> = story.signers.iter().map(|node| NodeId(*node)).collect();
        self.add(opened, story.at, What::Observed(Observation::AttemptOpened { subject, attempt: 1, signers }));
        for node in story.signers {
            let share = Observation::ShareReleased { subject, coordinator: NodeId(story.at) };
            self.add(opened + 40_000, *node, What::Observed(share));
            if *node != story.at {
                self.send(opened, (story.at, *node), "signing-package", story.k, None);
                self.send(opened + 41_000, (*node, story.at), "share", story.k, None);
                self.send(opened + 82_000, (story.at, *node), "outcome", story.k, None);
            }
        }
    }
}

pub(super) fn sample() -> Sample {
    let mut ledger = Ledger { entries: Vec::new(), frame: 0 };
    for node in 1..=5 {
        ledger.add(0, node, What::Started { incarnation: Incarnation::default() });
    }
    for (fault, begin, end) in [(0, 5, 55), (1, 8, 28), (2, 18, 40), (3, 50, 55)] {
        ledger.entries.push(Entry { at: begin * SECOND, process: None, what: What::FaultBegins { fault } });
        ledger.entries.push(Entry { at: end * SECOND, process: None, what: What::FaultEnds { fault } });
    }
    ledger.add(5 * SECOND, 5, What::Stopped { why: "crash" });
    ledger.add(55 * SECOND, 5, What::Started { incarnation: Incarnation::default() });
    let stories = [
        Story { k: 0, at: 1, posted: 12 * SECOND, opened: Some(12 * SECOND + 90_000), signers: &[1, 2, 3] },
        Story { k: 1, at: 2, posted: 22 * SECOND, opened: Some(28 * SECOND + 200_000), signers: &[1, 2, 4] },
        Story { k: 2, at: 3, posted: 32 * SECOND, opened: None, signers: &[] },
    ];
    stories.iter().for_each(|story| ledger.tell(story));
    ledger.entries.sort_by_key(|entry| entry.at);
    let scenario = scenario();
    let geography = Geography::built_in(&scenario).unwrap();
    let core = |at, nodes| CoreSize { at: at * SECOND, nodes, eligible: nodes >= 3 };
    let outcome = Outcome {
        violations: Vec::new(),
        requests: vec![
            request(0, 12, Some(180_000)),
            request(1, 22, Some(6 * SECOND + 300_000)),
            RequestReport { end: End::Expired, deadline: 7 * SECOND, ..request(2, 32, None) },
        ],
        cores: vec![core(0, 5), core(5, 4), core(8, 3), core(18, 2), core(28, 3), core(40, 4), core(55, 5)],
        probes: BTreeMap::from([
            ("takeover".to_owned(), 2),
            ("attempt-warm".to_owned(), 1),
            ("evidence".to_owned(), 0),
        ]),
        epoch: 0,
        holding: Vec::new(),
        digest: Digest([0xab; 32]),
        ended: 70 * SECOND,
        events: 4_321,
        highs: vec![("sessions", 3, 1_000)],
        scenario,
    };
    Sample { outcome, history: ledger.entries, geography }
}

fn request(k: u8, posted: Micros, latency: Option<Micros>) -> RequestReport {
    RequestReport {
        subject: id(k),
        request: usize::from(k),
        node: NodeId(u16::from(k) + 1),
        wanted: NodeId(u16::from(k) + 1),
        posted: posted * SECOND,
        deadline: 30 * SECOND,
        end: End::Signed,
        latency,
        latency_at_node: latency,
        floor: 93_000,
        attempts: 1,
        messages: 20 + u64::from(k),
        bytes: 6_000,
        bound: 5 * SECOND,
        core: 2 * SECOND,
    }
}

/// The same run with a violation whose words try to get out of their quotes.
pub(super) fn broken() -> Sample {
    let mut sample = sample();
    let detail = "nonce used twice: </script><script>alert(1)</script> ]]> & \u{1} \u{202e}".to_owned();
    sample.outcome.scenario.byzantine =
        vec![Byzantine { node: NodeId(2), from: 10 * SECOND, acts: vec![Act::CommitThenSilence, Act::Flood] }];
    let process = Some(ProcessId { node: NodeId(2), twin: 0 });
    let flood = |k| Entry { at: 20 * SECOND + k, process, what: What::Misbehaved { act: Act::Flood } };
    sample.history.extend((0..1_000).map(flood));
    sample.outcome.violations = vec![Violation { id: "N1", at: 22 * SECOND, node: Some(NodeId(2)), detail }];
    let ends = [End::Violated, End::Refused(Code::AccountNotDeployed), End::Excused("a rival holds the lock")];
    for (request, end) in sample.outcome.requests.iter_mut().zip(ends) {
        (request.end, request.latency, request.latency_at_node) = (end, None, None);
    }
    sample
}
