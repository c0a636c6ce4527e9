//! Warm signing over emulated regions: `make bench`. Five release nodes in network namespaces, 3 of 5, at the distances of
//! five AWS regions, as a multiple of what the distances alone cost the node that received the request: one round trip
//! to the farther of the two members next to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    reason = "a measuring tool made of the tests' parts: it prints, and stops at the first surprise"
)]

#[path = "../tests/e2e/asking.rs"]
mod asking;
#[path = "../tests/e2e/chain.rs"]
mod chain;
#[path = "../tests/e2e/http.rs"]
mod http;
#[path = "../tests/stack/lab.rs"]
mod lab;
#[path = "../tests/stack/latency.rs"]
mod latency;
#[path = "../tests/stack/namespace.rs"]
mod namespace;
#[path = "../tests/e2e/net.rs"]
mod net;
#[path = "../tests/stack/place.rs"]
mod place;
#[path = "../tests/e2e/process.rs"]
mod process;
#[path = "../tests/stack/random.rs"]
mod random;
#[path = "../tests/stack/switch.rs"]
mod switch;

const WARM_UP: usize = 10;
const MEASURED: usize = 100;
/// The median that the design aims at, in floors.
const AIM: f64 = 1.25;

fn main() {
    if let Err(reason) = namespace::probe() {
        println!("not measured: no network namespaces here: {reason}");
        return;
    }
    let lab = lab::Lab::start();
    println!(
        "warm latency in floors       median     p99    floor   ({MEASURED} requests each; aim at {AIM:.2} for the median)"
    );
    for (node, region) in lab::REGIONS.iter().enumerate() {
        let latencies = latency::latencies(&lab, node, WARM_UP, MEASURED);
        let floor = lab::floor(node);
        let [median, p99] = [50, 99].map(|percent| latencies[MEASURED * percent / 100].div_duration_f64(floor));
        println!("  received in {region:<16} {median:5.2}   {p99:5.2}   {:3} ms", floor.as_millis());
    }
}
