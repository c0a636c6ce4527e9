//! Scenarios of five nodes, and runs of them.

use firn_proto::NodeId;
use firn_sim::scenario::{
    Act, Byzantine, Expect, Fault, FaultKind, Key, KeyOrigin, Micros, Moment, Network, Organisation, Scenario, Workload,
};
use firn_sim::verdict::Outcome;
use firn_sim::{Options, run};

pub(crate) const SECOND: Micros = 1_000_000;

/// Three of five, in five organisations and regions; three requests from second 10 on.
pub(crate) fn scenario(seed: u64) -> Scenario {
    let regions = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1"];
    let organisation = |(k, region): (usize, &&str)| Organisation {
        name: format!("org-{}", k + 1),
        nodes: vec![((*region).to_owned(), 1)],
        cloud: None,
    };
    Scenario {
        name: "seeded".to_owned(),
        about: String::new(),
        seed,
        runs: 1,
        network: Network::plain(),
        organisations: regions.iter().enumerate().map(organisation).collect(),
        key: Key {
            threshold: 3,
            organisations_min: 1,
            regions_min: 1,
            origin: KeyOrigin::Given,
            members: Vec::new(),
            renewals: Vec::new(),
            repairs: Vec::new(),
        },
        workload: vec![requests(3, 10 * SECOND)],
        rules: Vec::new(),
        people: Vec::new(),
        quorums: None,
        pauses: Vec::new(),
        versions: Vec::new(),
        verifiers: Vec::new(),
        gate: None,
        finality: 0,
        faults: Vec::new(),
        byzantine: Vec::new(),
        expect: Expect::default(),
        until: Some(100 * SECOND),
    }
}

pub(crate) fn requests(count: u32, at: Micros) -> Workload {
    let (every, deadline) = (5 * SECOND, 60 * SECOND);
    Workload { at, count, every, to: Vec::new(), deadline, requester: 1, repeats: 0, rivals: false }
}

pub(crate) fn fault(at: Micros, lasts: Option<Micros>, kind: FaultKind) -> Fault {
    Fault { begin: Moment::At(at), lasts, kind }
}

pub(crate) fn liar(node: u16, acts: &[Act]) -> Byzantine {
    Byzantine { node: NodeId(node), from: 0, acts: acts.to_vec() }
}

/// The ids of what was violated, in order.
pub(crate) fn violated(scenario: &Scenario, options: &Options) -> (Vec<&'static str>, Outcome) {
    let outcome = run(scenario, options).outcome;
    (outcome.violations.iter().map(|violation| violation.id).collect(), outcome)
}
