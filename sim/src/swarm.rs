//! The swarm: a seed expands to a concrete scenario, which then runs like any other.
//!
//! Each scenario has two phases. In the first, anything goes. Before the second, a random core that could sign is healed
//! for good, while what is broken elsewhere stays broken for ever: what the core is asked then, it has to sign.
//! Which kinds of fault occur at all is drawn per seed as well, since bugs hide where many kinds mask each other.

use crate::random::Source;
use crate::scenario::parse::LATENCY;
use crate::scenario::{
    Byzantine, Expect, Key, KeyOrigin, Micros, Network, Organisation, Scenario, Workload, names::ACTS,
};
use draw::Draw;
use firn_proto::NodeId;
use std::collections::BTreeMap;

mod chain;
mod draw;
mod faults;
mod gate;
mod governance;
mod renewal;

const SECOND: Micros = 1_000_000;

/// Seeds next to each other share this many networks, so that keys can be made once; other seeds have others.
const SHAPES: u64 = 48;

/// How many seeds share them.
const BLOCK: u64 = 4_096;

/// How many of a hundred seeds have rules and people.
const GOVERNED: u64 = 35;

/// And slashes that go through a gate.
const GATED: u64 = 25;

/// How many of a hundred of these have a hostile chain.
const HOSTILE: u64 = 50;

/// When the core is healed.
const HEALED: Micros = 60 * SECOND;

/// Where nodes of the swarm run: near, far and in between.
const REGIONS: [&str; 6] = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1", "ap-southeast-2"];

/// Who takes part in what.
struct Cast {
    all: Vec<NodeId>,
    corrupted: Vec<NodeId>,
    /// What is healed in the second phase; empty where the corrupted leave too few.
    core: Vec<NodeId>,
}

/// Seeds of a swarm that belongs to a commit: equal for the same commit, fresh for each.
#[must_use]
pub fn seed_of_commit(hash: &str) -> u64 {
    let digits: String = hash.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(1)
}

/// The scenario of a seed.
#[must_use]
pub fn expand(seed: u64) -> Scenario {
    let draw = Draw::new(Source::new(seed));
    let shape = seed / BLOCK * SHAPES + draw.between(0, SHAPES - 1, "shape", 0);
    let shape = Draw::new(Source::new(shape));
    let n = shape.between(3, 7, "nodes", 0);
    let threshold = shape.between(n / 2 + 1, n - 1, "threshold", 0);
    let organisations = organisations(&shape, n);
    let cast = cast(&draw, n, threshold);
    let faults = faults::faults(&draw, &cast);
    let several = u64::try_from(organisations.len()).unwrap_or(1).min(2);
    let generated = KeyOrigin::Generated { at: draw.micros(0, 5 * SECOND, "generated at", 0) };
    let mut scenario = Scenario {
        name: format!("swarm-{seed}"),
        about: "Drawn by the swarm.".to_owned(),
        seed,
        runs: 1,
        network: network(&draw),
        key: Key {
            threshold: small(threshold),
            organisations_min: if shape.percent(15, "diversity", 0) { small(several) } else { 1 },
            regions_min: 1,
            origin: if draw.percent(10, "generated", 0) { generated } else { KeyOrigin::Given },
            members: Vec::new(),
            renewals: Vec::new(),
            repairs: Vec::new(),
        },
        workload: workload(&draw, &cast),
        rules: Vec::new(),
        people: Vec::new(),
        quorums: None,
        pauses: Vec::new(),
        versions: Vec::new(),
        verifiers: Vec::new(),
        gate: None,
        finality: 0,
        faults,
        byzantine: byzantine(&draw, &cast),
        expect: Expect::default(),
        until: None,
        organisations,
    };
    if draw.percent(GOVERNED, "governed", 0) {
        governance::govern(&mut scenario, &shape, &draw, &cast);
    }
    renewal::renew(&mut scenario, &draw);
    if shape.percent(GATED, "gated", 0) {
        gate::put(&mut scenario, &draw, &cast);
        if draw.percent(HOSTILE, "hostile", 0) {
            chain::harden(&mut scenario, &draw, &cast);
        }
    }
    scenario
}

fn small(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// One to four organisations that share the nodes, each in one or two regions.
fn organisations(draw: &Draw, n: u64) -> Vec<Organisation> {
    let count = draw.between(1, n.min(4), "organisations", 0);
    let mut left = n;
    let mut organisations = Vec::new();
    for index in 0..count {
        let others = count - index - 1;
        let size = if others == 0 { left } else { draw.between(1, left - others, "size", index) };
        left -= size;
        let mut nodes: Vec<(String, u16)> = Vec::new();
        for node in 0..size {
            let region = draw.pick(&REGIONS, "region", index * 2 + node % 2).copied().unwrap_or_default();
            match nodes.iter_mut().find(|(name, _)| name == region) {
                Some((_, count)) => *count += 1,
                None => nodes.push((region.to_owned(), 1)),
            }
        }
        let name = ["alpha", "beta", "gamma", "delta"].get(usize::try_from(index).unwrap_or(0)).copied();
        organisations.push(Organisation { name: name.unwrap_or("omega").to_owned(), nodes, cloud: None });
    }
    organisations
}

fn network(draw: &Draw) -> Network {
    let loss = draw.percent(25, "loss", 0).then(|| draw.loss(20_000, "loss", 0));
    let bandwidth = draw.percent(10, "bandwidth", 0).then(|| 1_000 * draw.between(50, 2_000, "bandwidth", 1));
    Network { latency: LATENCY.to_owned(), rtt: BTreeMap::new(), loss, bandwidth }
}

fn cast(draw: &Draw, n: u64, threshold: u64) -> Cast {
    let all: Vec<_> = (1..=small(n)).map(NodeId).collect();
    // Mostly as few corrupted nodes as leave an honest threshold; sometimes as many as safety must stand.
    let most = if draw.percent(85, "corrupted", 0) { (n - threshold).min(threshold - 1) } else { threshold - 1 };
    let count = if draw.percent(45, "corrupted", 1) { 0 } else { draw.between(1, most.max(1), "corrupted", 2) };
    let shuffled = draw.shuffle(&all, "cast", 0);
    let (corrupted, honest) = shuffled.split_at_checked(usize::try_from(count).unwrap_or(0)).unwrap_or((&[], &all));
    let able = u64::try_from(honest.len()).unwrap_or(0);
    let size = if able < threshold { 0 } else { draw.between(threshold, able, "core", 0) };
    let sorted = |nodes: &[NodeId]| {
        let mut nodes = nodes.to_vec();
        nodes.sort_unstable();
        nodes
    };
    let core = honest.get(..usize::try_from(size).unwrap_or(0)).unwrap_or_default();
    Cast { corrupted: sorted(corrupted), core: sorted(core), all }
}

/// A few requests anywhere while things break, and a few at the core when it is healed.
fn workload(draw: &Draw, cast: &Cast) -> Vec<Workload> {
    let mut workload: Vec<_> = (0..draw.between(1, 3, "workloads", 0))
        .map(|index| Workload {
            at: draw.micros(SECOND, HEALED, "posted", index),
            count: u32::from(small(draw.between(1, 3, "count", index))),
            every: draw.micros(0, 3 * SECOND, "every", index),
            to: draw.some(&cast.all, "posted to", index),
            deadline: draw.micros(10 * SECOND, 120 * SECOND, "deadline", index),
            requester: small(draw.between(1, 2, "requester", index)),
            repeats: if draw.percent(20, "repeats", index) { 2 } else { 0 },
            rivals: draw.percent(15, "rivals", index),
        })
        .collect();
    if !cast.core.is_empty() {
        workload.push(Workload {
            // Channels that were cut need a while to be noticed and opened again.
            at: HEALED + draw.micros(15 * SECOND, 30 * SECOND, "posted at the core", 0),
            count: 2,
            every: draw.micros(0, 10 * SECOND, "every at the core", 0),
            to: draw.some(&cast.core, "posted to the core", 0),
            // Longer than the bound over the worst links, or nothing could be demanded.
            deadline: 900 * SECOND,
            requester: 1,
            repeats: 0,
            rivals: false,
        });
    }
    workload
}

fn byzantine(draw: &Draw, cast: &Cast) -> Vec<Byzantine> {
    let each = |node: &NodeId| Byzantine {
        node: *node,
        from: if draw.percent(50, "from", u64::from(node.0)) {
            0
        } else {
            draw.micros(0, HEALED, "corrupted from", u64::from(node.0))
        },
        acts: {
            let count = draw.between(1, 3, "acts", u64::from(node.0));
            let mut acts: Vec<_> = (0..count)
                .filter_map(|index| draw.pick(&ACTS, "act", u64::from(node.0) * 8 + index))
                .map(|(act, _)| *act)
                .collect();
            acts.sort_unstable();
            acts.dedup();
            acts
        },
    };
    cast.corrupted.iter().map(each).collect()
}
