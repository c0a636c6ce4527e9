//! Five real processes, each in a network namespace, joined by a switch of ours: regions, partitions, cuts and kills.
//!
//! The harness is our own, as whether these tests can run is known only when they are listed: where the machine does
//! not allow namespaces they are listed as ignored, so that a runner counts them as skipped, and it is said why. With
//! `FIRN_REQUIRE_NAMESPACES=1` they fail instead.

#[cfg(test)]
#[path = "../e2e/asking.rs"]
#[allow(dead_code, reason = "shared with the tests on loopback")]
mod asking;
#[cfg(test)]
#[path = "../e2e/chain.rs"]
#[allow(dead_code, reason = "shared with the tests on loopback")]
mod chain;
#[cfg(test)]
mod cuts;
#[cfg(test)]
#[path = "../e2e/http.rs"]
#[allow(dead_code, reason = "shared with the tests on loopback")]
mod http;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod latency;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod namespace;
#[cfg(test)]
#[path = "../e2e/net.rs"]
#[allow(dead_code, reason = "shared with the tests on loopback")]
mod net;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod place;
#[cfg(test)]
#[path = "../e2e/process.rs"]
#[allow(dead_code, reason = "shared with the tests on loopback")]
mod process;
#[cfg(test)]
mod random;
#[cfg(test)]
mod switch;

#[cfg(test)]
const TESTS: [(&str, fn()); 6] = [
    ("a_warm_signature_costs_what_the_regions_cost", latency::warm),
    ("three_against_two_then_healed", partitions::three_against_two),
    ("two_two_and_one_then_healed", partitions::two_two_and_one),
    ("the_coordinator_is_cut_off_in_mid_round", cuts::coordinator_in_mid_round),
    ("one_way_cuts_hold_nothing_up", cuts::one_way),
    ("killed_at_random_instants_nothing_is_lost_or_done_twice", kills::at_random_instants),
];

#[cfg(test)]
fn main() {
    use libtest_mimic::{Arguments, Trial};

    let mut arguments = Arguments::from_args();
    // Each has the machine to itself.
    arguments.test_threads = Some(1);
    let missing = namespace::probe().err();
    let required = std::env::var_os("FIRN_REQUIRE_NAMESPACES").is_some_and(|value| value == "1");
    if let Some(reason) = &missing {
        eprintln!("network namespaces are not to be had here, so tests that need them are not run: {reason}");
    }
    let switch = Trial::test("the_switch_delays_loses_limits_and_cuts", || {
        switch::links_do_what_they_are_told();
        Ok(())
    });
    let trials = TESTS.map(|(name, test)| {
        let missing = missing.clone();
        let skip = missing.is_some() && !required;
        let run = move || missing.map_or(Ok(()), |reason| Err(reason.into())).map(|()| test());
        Trial::test(name, run).with_ignored_flag(skip)
    });
    libtest_mimic::run(&arguments, trials.into_iter().chain([switch]).collect()).exit();
}

#[cfg(not(test))]
fn main() {}
