//! What it costs a member to evaluate a request: `cargo run --release -p firn-coordinator --example evaluate`.
//!
//! One engine with an active key and 100 rules, all of which bind. Timed is decoding, intake with its audit entry, the rules,
//! the chain's facts, the rules once more, and the answer with its audit entry; not the signatures of request and envelope,
//! and not the disk. Shown are medians and the 99th of 100 of wall time over 1,000 requests, after so many past ones.
#![allow(
    dead_code,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measuring tool: it reads the clock, prints, and stops at the first surprise"
)]

#[path = "../tests/engine/bench.rs"]
mod bench;
#[path = "../tests/engine/host.rs"]
mod host;
#[path = "../tests/engine/network.rs"]
mod network;
#[path = "../tests/engine/show.rs"]
mod show;

use alloy_primitives::U256;
use bench::{Bench, WALL};
use firn_coordinator::api::{ChainAnswer, Effect, Event, Observation};
use firn_proto::definition::Definition;
use firn_proto::message::BlockReference;
use firn_proto::policy::{Hours, Rule};
use firn_proto::request::{Request, SignedRequest};
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Message, NodeId, envelope, wire};
use firn_vault::api::{Reply, Request as Ask};
use prost::Message as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

const RULES: usize = 100;
const ROUNDS: usize = 1_000;

fn main() {
    println!("past requests  rules  median us  99% us");
    let medians = [100, 10_000].map(|past| {
        let mut times = measure(past);
        times.sort_unstable();
        let at = |hundredths: usize| times[times.len() * hundredths / 100].as_secs_f64() * 1e6;
        println!("{past:>13}  {RULES:>5}  {:>9.1}  {:>6.1}", at(50), at(99));
        at(50)
    });
    println!(
        "a hundred times the history costs {:.2} times as much; at most 200 us are wanted",
        medians[1] / medians[0]
    );
}

/// The times of so many evaluations after so many past requests.
fn measure(past: usize) -> Vec<Duration> {
    let mut member = Member::new();
    (0..past).for_each(|_| _ = member.evaluate());
    (0..ROUNDS).map(|_| member.evaluate()).collect()
}

struct Member {
    bench: Bench,
    requests: u64,
}

impl Member {
    fn new() -> Self {
        let mut content = (*network::definition(2, 3)).clone();
        let rule = Rule {
            wad_min: Some(U256::from(1)),
            wad_max: Some(U256::from(1_000)),
            lifetime_seconds_max: Some(86_400),
            hours: Some(Hours { from: 0, to: 24, days: (0..7).collect() }),
            ..Rule::default()
        };
        content.policy.rules = (0..RULES).map(|number| (format!("rule-{number:03}"), rule.clone())).collect();
        let (bench, _) = Bench::ready_of(Definition::new(content));
        Self { bench, requests: 0 }
    }

    /// Takes one request from node 2 and says what evaluating it cost; then the chain executes it.
    fn evaluate(&mut self) -> Duration {
        self.requests += 1;
        let request = self.bench.request(self.requests);
        let bytes = request.signed().to_wire().encode_to_vec();
        let received = self.spread(&request);
        let answer = ChainAnswer::Slash(self.facts(&request));
        let now = Time { monotonic: MonotonicTime(self.requests * 100), wall: WallTime(WALL + self.requests / 10) };
        let engine = &mut self.bench.hosts.get_mut(&1).unwrap().engine;
        let since = Instant::now();
        let decoded = wire::SignedRequest::decode(bytes.as_slice()).unwrap();
        black_box(SignedRequest::from_wire(&decoded).unwrap());
        let first = engine.step(now, received);
        let second = engine.step(now, Event::ChainReplied { subject: request.id(), answer });
        let time = since.elapsed();
        assert!(first.iter().any(|effect| matches!(effect, Effect::AskChain { .. })), "taken in");
        let willing =
            |effect: &Effect| matches!(effect, Effect::Observe(Observation::Subject { state: "willing", .. }));
        assert!(second.iter().any(willing), "and to be signed");
        let used = ChainAnswer::NonceUsed { block: BlockReference::default(), used: true };
        drop(engine.step(now, Event::ChainReplied { subject: request.id(), answer: used }));
        time
    }

    fn spread(&mut self, request: &Request) -> Event {
        let message = Message::RequestSpread { request: Box::new(request.clone()), origin: NodeId(2) };
        let author = Ask::Author { session: request.id().into(), message: Box::new(message) };
        let Reply::Envelope(bytes) = self.bench.hosts.get_mut(&2).unwrap().ask(author) else { panic!("sealed") };
        Event::Received {
            from: NodeId(2),
            message: Box::new(envelope::verify(&bytes, &self.bench.definition).unwrap()),
        }
    }

    fn facts(&self, request: &Request) -> firn_coordinator::api::SlashFacts {
        let slash = request.operation().slash().unwrap();
        let query = firn_coordinator::api::ChainQuery::Slash {
            avs: slash.avs,
            operator: slash.operator,
            operator_set_id: slash.operatorSetId,
            strategies: slash.strategies.clone(),
            account: slash.account,
            nonce: firn_proto::account::nonce_of(request.id()),
            wads: slash.wadsToSlash.clone(),
            history_seconds: None,
            slasher: slash.account,
            gate: None,
        };
        let ChainAnswer::Slash(facts) = self.bench.answer(&query) else { panic!("facts") };
        facts
    }
}
