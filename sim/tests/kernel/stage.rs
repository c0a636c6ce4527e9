//! Scenarios of a few nodes, for tests to change.

use firn_proto::NodeId;
use firn_sim::scenario::{
    Expect, Fault, FaultKind, Key, KeyOrigin, Micros, Moment, Network, Organisation, Scenario, Workload,
};
use std::collections::BTreeMap;

pub(crate) const SECOND: Micros = 1_000_000;

/// Regions in which nodes are placed one after the other.
const REGIONS: [&str; 5] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-northeast-1"];

/// t of n, a node per organisation, two requests at nodes 1 and 2.
pub(crate) fn scenario(seed: u64, threshold: u16, nodes: u16) -> Scenario {
    let organisation = |k: u16| Organisation {
        name: format!("org-{k}"),
        nodes: vec![(REGIONS[usize::from(k - 1) % REGIONS.len()].to_owned(), 1)],
        cloud: None,
    };
    Scenario {
        name: "by-hand".to_owned(),
        about: String::new(),
        seed,
        runs: 1,
        network: Network { latency: "aws-2025-07".to_owned(), rtt: BTreeMap::new(), loss: None, bandwidth: None },
        organisations: (1..=nodes).map(organisation).collect(),
        key: Key {
            threshold,
            organisations_min: 1,
            regions_min: 1,
            origin: KeyOrigin::Given,
            members: Vec::new(),
            renewals: Vec::new(),
            repairs: Vec::new(),
        },
        workload: vec![requests(2)],
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
        until: None,
    }
}

pub(crate) fn requests(count: u32) -> Workload {
    Workload {
        at: 5 * SECOND,
        count,
        every: 2 * SECOND,
        to: Vec::new(),
        deadline: 60 * SECOND,
        requester: 1,
        repeats: 0,
        rivals: false,
    }
}

pub(crate) fn fault(at: Micros, lasts: Option<Micros>, kind: FaultKind) -> Fault {
    Fault { begin: Moment::At(at), lasts, kind }
}

pub(crate) fn node(id: u16) -> NodeId {
    NodeId(id)
}
