//! How fast the simulator is, and what it says about the protocol: `cargo run --release -p firn-sim --example throughput`.
//!
//! With arguments: the number of seeds of the swarm part, and sizes of committees, for example `1000 5,7,20,50,100`.
//! Keys of large committees are generated first, which takes minutes at 50 and beyond.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measuring tool: it reads the clock, prints, and stops at the first surprise"
)]

use firn_proto::NodeId;
use firn_sim::geography::Matrix;
use firn_sim::scenario::{Act, Byzantine, Fault, FaultKind, Micros, Moment, Point, Scenario, Workload};
use firn_sim::verdict::{End, RequestReport};
use firn_sim::{Options, run, swarm};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SECOND: Micros = 1_000_000;

/// Seven regions, one node each.
const REGIONS: [&str; 7] =
    ["us-east-1", "us-west-2", "sa-east-1", "eu-west-1", "eu-central-1", "ap-south-1", "ap-northeast-1"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().map_or(1_000, |seeds| seeds.parse().unwrap());
    let sizes = arguments.next().unwrap_or_else(|| "5,7,20".to_owned());
    swarm_speed(seeds);
    quiet_day();
    latencies();
    sizes.split(',').for_each(|size| spent(size.parse().unwrap()));
}

/// Seeds of the swarm on all processors.
fn swarm_speed(seeds: u64) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, simulated) = (AtomicU64::new(0), AtomicU64::new(0));
    let (before, half) = (AtomicU64::new(0), AtomicU64::new(0));
    let (started, spent) = (Instant::now(), processor_ms());
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                let options = Options { stop_when_quiet: true, ..Options::default() };
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    match seed {
                        _ if seed >= seeds => return,
                        _ if seed == seeds / 10 => before.store(resident(), Ordering::Relaxed),
                        _ if seed == seeds / 2 => half.store(resident(), Ordering::Relaxed),
                        _ => {}
                    }
                    let finished = run(&swarm::expand(seed), &options);
                    simulated.fetch_add(finished.outcome.ended, Ordering::Relaxed);
                }
            });
        }
    });
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap().max(1);
    println!("swarm, n <= 7, {processors} processors");
    // On a machine that is busy otherwise, processor time says what wall time would be.
    let spent = (processor_ms() - spent).max(1);
    let (wall, alone) = (milliseconds, spent / u64::try_from(processors).unwrap());
    let simulated = simulated.into_inner() / 1_000;
    println!("  {} seeds/min; {} by processor time", seeds * 60_000 / wall, seeds * 60_000 / alone.max(1));
    println!("  {} simulated s/s; {} by processor time", simulated / wall, simulated / alone.max(1));
    println!(
        "  resident: {} MB after a tenth, {} MB after half, {} MB at the end",
        before.into_inner(),
        half.into_inner(),
        resident()
    );
}

/// A day of five nodes, with a request an hour.
fn quiet_day() {
    let mut day = committee(3, 5, 24);
    day.workload[0].every = 3_600 * SECOND;
    let spent = processor_ms();
    let finished = run(&day, &Options::default());
    let spent = (processor_ms() - spent).max(1);
    println!("a quiet day of five nodes: {} simulated s/s by processor time", finished.outcome.ended / 1_000 / spent);
}

/// Time on processors so far, in milliseconds: clock ticks of 10 ms.
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10
}

/// Megabytes in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096 / 1_000_000
}

/// Nodes 1 to n, one organisation each, in seven regions by turns.
fn committee(threshold: u16, nodes: u16, count: u32) -> Scenario {
    let mut scenario = swarm::expand(1);
    scenario.organisations.truncate(1);
    let organisation = scenario.organisations[0].clone();
    let named = |k: u16| {
        let region = REGIONS[usize::from(k) % REGIONS.len()].to_owned();
        firn_sim::scenario::Organisation {
            name: format!("org-{}", k + 1),
            nodes: vec![(region, 1)],
            ..organisation.clone()
        }
    };
    scenario.organisations = (0..nodes).map(named).collect();
    scenario.network = firn_sim::scenario::Network {
        latency: Matrix::built_in("aws-2025-07").unwrap().name,
        rtt: Default::default(),
        loss: None,
        bandwidth: None,
    };
    scenario.key.threshold = threshold;
    scenario.key.organisations_min = 1;
    scenario.key.regions_min = 1;
    scenario.key.origin = firn_sim::scenario::KeyOrigin::Given;
    scenario.faults.clear();
    scenario.byzantine.clear();
    scenario.workload = vec![Workload {
        at: 10 * SECOND,
        count,
        every: 20 * SECOND,
        to: vec![NodeId(1)],
        deadline: 60 * SECOND,
        requester: 1,
        repeats: 0,
        rivals: false,
    }];
    scenario.until = None;
    scenario
}

fn signed(scenario: &Scenario) -> Vec<RequestReport> {
    let options = Options { stop_when_quiet: true, ..Options::default() };
    let requests = run(scenario, &options).outcome.requests;
    assert!(requests.iter().all(|request| request.end == End::Signed), "all are signed");
    requests
}

/// The kth of a hundred parts of the values.
fn percentile(values: impl Iterator<Item = u64>, k: usize) -> u64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values[(values.len() * k / 100).min(values.len() - 1)]
}

/// Latencies of 5 of 7 over seven regions, in floors.
fn latencies() {
    let floors = |request: &RequestReport| request.latency_at_node.unwrap() * 100 / request.floor;
    let warm = signed(&committee(5, 7, 1_001));
    let floor = warm[0].floor;
    println!("5 of 7 over seven regions, floor {} ms, posted at n1", floor / 1_000);
    println!("  first after the start: {} % of the floor", floors(&warm[0]));
    for k in [50, 90, 95, 98, 99] {
        println!("  warm: p{k} {} % of the floor", percentile(warm.iter().skip(1).map(floors), k));
    }
    let cold = warm.iter().skip(1).filter(|request| request.attempts > 1).count();
    println!("  {cold} of {} took more than one attempt", warm.len() - 1);

    let count = 40;
    let mut dead = committee(5, 7, count);
    let crash = |k: u32| Fault {
        begin: Moment::When { node: NodeId(1), point: Point::SharesAlmost, count: k + 1 },
        lasts: Some(10 * SECOND),
        kind: FaultKind::Crash { nodes: vec![NodeId(1)] },
    };
    dead.faults = (0..count).map(crash).collect();
    let requests = signed(&dead);
    // Any of the others may take over: the longest of their floors is a round trip to the members.
    let trip = |k: u16| {
        let mut one = committee(5, 7, 1);
        one.workload[0].to = vec![NodeId(k)];
        signed(&one)[0].floor
    };
    let trip = (2..=7).map(trip).max().unwrap();
    let usual = percentile(warm.iter().skip(1).map(|request| request.latency.unwrap()), 50);
    for k in [50, 99] {
        let latency = percentile(requests.iter().skip(1).map(|request| request.latency.unwrap()), k);
        println!(
            "  coordinator dies one share short: p{k} {} ms, {} ms more than warm: {} % of a round trip of {} ms",
            latency / 1_000,
            latency.saturating_sub(usual) / 1_000,
            latency.saturating_sub(usual) * 100 / trip,
            trip / 1_000
        );
    }

    let mut silent = committee(5, 7, 41);
    let quiet = |node: u16| Byzantine { node: NodeId(node), from: 0, acts: vec![Act::CommitThenSilence] };
    silent.byzantine = vec![quiet(2), quiet(4)];
    let requests = signed(&silent);
    let attempts = percentile(requests.iter().map(|request| request.attempts.into()), 100);
    let [p50, p99] = [50, 99].map(|k| percentile(requests.iter().map(floors), k));
    println!(
        "  n-t members commit and fall silent: p50 {p50} %, p99 {p99} % of the floor, at most {attempts} attempts"
    );
}

/// What a signature costs the network.
fn spent(nodes: u16) {
    let threshold = nodes * 2 / 3 + 1;
    let started = Instant::now();
    let requests = signed(&committee(threshold, nodes, 6));
    let warm: Vec<_> = requests.iter().skip(1).collect();
    let [messages, bytes] = [
        percentile(warm.iter().map(|request| request.messages), 50),
        percentile(warm.iter().map(|request| request.bytes), 50),
    ];
    let per = |total: u64| total / u64::from(nodes);
    println!(
        "{threshold} of {nodes}: {messages} messages and {bytes} bytes a signature, {} and {} per member ({} s)",
        per(messages),
        per(bytes),
        started.elapsed().as_secs()
    );
}
