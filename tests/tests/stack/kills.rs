//! Nodes killed at random instants while requests flow.

use std::time::{Duration, Instant};
use std::{env, fs};

use crate::lab::Lab;
use crate::ledger::Ledger;
use crate::process::step;
use crate::random::Random;

/// How often a node is killed, unless `FIRN_STACK_KILLS` says otherwise.
const KILLS: u64 = 20;
/// A node dies at most so long after a request, in which a signature comes about at these distances.
const INSTANT_MS_MAX: u64 = 500;
/// After so many kills, all requests are waited for.
const ROUND: u64 = 10;

pub(crate) fn at_random_instants() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().expect("a number"));
    let (kills, seed) = (number("FIRN_STACK_KILLS").unwrap_or(KILLS), number("FIRN_STACK_SEED").unwrap_or(1));
    let (mut lab, mut random, mut ledger) = (Lab::start(), Random(seed), Ledger::default());
    step(&format!("{kills} kills, seed {seed}"), || {
        for kill in 1..=kills {
            kill_one(&mut lab, &mut random, &mut ledger);
            if kill % ROUND == 0 || kill == kills {
                ledger.ask_again(&lab.net, random.index(5));
                ledger.settle(&lab.net);
            }
        }
        lab.net.assert_up();
    });
    let shares = step("nobody used a nonce twice, by all audit logs", || {
        lab.net.all().for_each(|node| assert_eq!(lab.net.stop(node).code(), Some(0)));
        ledger.audit(&lab.net)
    });
    let report = format!(
        "{kills} kills (seed {seed}), {} requests, each executed once; {shares} shares lent, no nonce twice; \
         {} answers of nodes held against each other, none taken back",
        ledger.asked(),
        ledger.answers
    );
    eprintln!("      {report}");
    if let Some(file) = env::var_os("FIRN_STACK_REPORT") {
        fs::write(file, report + "\n").expect("a report");
    }
}

/// Two requests, a node that dies at some instant after the first and comes back, the other one while it is away.
fn kill_one(lab: &mut Lab, random: &mut Random, ledger: &mut Ledger) {
    let [victim, first] = [(); 2].map(|()| random.index(5));
    let second = (victim + 1 + random.index(4)) % 5;
    let instant = Instant::now() + Duration::from_millis(random.below(INSTANT_MS_MAX));
    ledger.ask(&lab.net, first);
    while Instant::now() < instant {
        ledger.look(&lab.net, random.index(5));
    }
    lab.net.kill(victim);
    ledger.killed(victim);
    ledger.ask(&lab.net, second);
    lab.net.start_nodes(&[victim]);
}
