//! How long a key generation and a resharing take in the network, and what a refresh does to requests: `cargo run --release -p firn-sim --example epochs`.
//!
//! In virtual time, over nine regions and with real cryptography, whose own time does not count here. With an argument: sizes of
//! committees, for example `5,20,50,100`; the largest takes minutes.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measuring tool: it prints, and stops at the first surprise"
)]

use firn_coordinator::api::Observation;
use firn_proto::{KeyId, NodeId};
use firn_sim::history::What;
use firn_sim::scenario::{Expect, Key, KeyOrigin, Micros, Network, Organisation, Renewal, Scenario};
use firn_sim::verdict::End;
use firn_sim::{Options, run};
use std::collections::BTreeMap;

const SECOND: Micros = 1_000_000;

/// Where nodes are, one after the other.
const REGIONS: [&str; 9] = [
    "us-east-1",
    "us-west-2",
    "sa-east-1",
    "eu-west-1",
    "eu-central-1",
    "ap-south-1",
    "ap-southeast-2",
    "ap-southeast-1",
    "ap-northeast-1",
];

fn main() {
    let sizes = std::env::args().nth(1).unwrap_or_else(|| "5,20,50".to_owned());
    println!("| n | t | worst round trip | key generation | round trips | resharing | round trips |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    sizes.split(',').for_each(|size| measure(size.parse().unwrap()));
    println!("\n| requests | median | p99 | lost |\n| --- | --- | --- | --- |");
    let quiet = load("without a refresh", false);
    let refreshed = load("with one", true);
    println!("p99 with a refresh: {:.2} of what it is without", refreshed as f64 / quiet as f64);
}

/// Requests at a rate and in a burst, over twenty seeds, with or without the refresh in their middle; gives the 99th percentile.
fn load(name: &str, refreshed: bool) -> Micros {
    let mut scenario = Scenario::parse(include_str!("../scenarios/refresh-under-load.toml")).unwrap();
    if !refreshed {
        scenario.key.renewals.clear();
    }
    let (mut latencies, mut lost) = (Vec::new(), 0);
    for seed in 1..=20 {
        scenario.seed = seed;
        let finished = run(&scenario, &Options { stop_when_quiet: true, ..Options::default() });
        assert_eq!(finished.outcome.violations, []);
        let requests = &finished.outcome.requests;
        lost += requests.iter().filter(|request| request.end != End::Signed).count();
        latencies.extend(requests.iter().filter_map(|request| request.latency_at_node));
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100) - 1];
    println!("| {}, {name} | {} ms | {} ms | {lost} |", latencies.len(), at(50) / 1_000, at(99) / 1_000);
    at(99)
}

/// n members and a spare, which takes the place of the last one.
fn measure(n: u16) {
    let t = n * 2 / 3 + 1;
    let scenario = scenario(n, t);
    let finished = run(&scenario, &Options { keep_history: true, stop_when_quiet: true, ..Options::default() });
    assert_eq!(finished.outcome.violations, []);
    let geography = finished.geography.unwrap();
    let nodes: Vec<_> = (1..=n + 1).map(NodeId).collect();
    let pairs = nodes.iter().flat_map(|a| nodes.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
    let worst = pairs.map(|(a, b)| geography.rtt(a, b).p50).max().unwrap();
    let mut spans: BTreeMap<KeyId, (Micros, Micros)> = BTreeMap::new();
    let mut order = Vec::new();
    for entry in &finished.history {
        let What::Observed(Observation::KeyPhase { key_id, phase }) = &entry.what else { continue };
        let proposed = matches!(*phase, "proposed" | "accepting");
        if proposed && !spans.contains_key(key_id) {
            order.push(*key_id);
            spans.insert(*key_id, (entry.at, entry.at));
        }
        // Who left, and the spare before it joins, hear of an epoch when they hear of it.
        let other = if order.len() > 1 { n } else { n + 1 };
        let newest = order.last() == Some(key_id);
        if newest && *phase == "active" && entry.process.is_some_and(|process| process.node != NodeId(other)) {
            spans.entry(*key_id).and_modify(|span| span.1 = entry.at);
        }
    }
    assert_eq!(order.len(), 2, "one attempt each");
    let times: Vec<_> = order.iter().map(|key_id| spans[key_id]).map(|(from, to)| to - from).collect();
    let trips = |time: Micros| format!("{:.1}", time as f64 / worst as f64);
    let ms = |time: Micros| format!("{} ms", time / 1_000);
    let (made, renewed) = (times[0], times[1]);
    println!("| {n} | {t} | {} | {} | {} | {} | {} |", ms(worst), ms(made), trips(made), ms(renewed), trips(renewed));
}

fn scenario(n: u16, threshold: u16) -> Scenario {
    let organisation = |k: u16| Organisation {
        name: format!("org-{k}"),
        nodes: vec![(REGIONS[usize::from(k - 1) % REGIONS.len()].to_owned(), 1)],
        cloud: None,
    };
    let (add, remove) = (vec![NodeId(n + 1)], vec![NodeId(n)]);
    Scenario {
        name: format!("epochs-{n}"),
        about: String::new(),
        seed: 1,
        runs: 1,
        network: Network::plain(),
        organisations: (1..=n + 1).map(organisation).collect(),
        key: Key {
            threshold,
            organisations_min: 1,
            regions_min: 1,
            origin: KeyOrigin::Generated { at: SECOND },
            members: (1..=n).map(NodeId).collect(),
            renewals: vec![Renewal { at: 60 * SECOND, add, remove, threshold: None }],
            repairs: Vec::new(),
        },
        workload: Vec::new(),
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
        until: Some(180 * SECOND),
    }
}
