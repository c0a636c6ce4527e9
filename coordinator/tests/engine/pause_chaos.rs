//! Pauses under any schedule: messages lost and late, nodes killed, people speaking anywhere.

use crate::bench::Bench;
use crate::pause::pausing;
use firn_coordinator::api::Command;
use firn_coordinator::limits::PAUSE_MS;
use proptest::prelude::*;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Deliver(prop::sample::Index),
    Lose(prop::sample::Index),
    Restart(u16),
    Say { node: u16, person: u16, paused: bool },
    Pause(u16),
    Ask(u16),
    Fire(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 1u16..4;
    prop_oneof![
        12 => any::<prop::sample::Index>().prop_map(Step::Deliver),
        1 => any::<prop::sample::Index>().prop_map(Step::Lose),
        1 => node().prop_map(Step::Restart),
        3 => (node(), node(), any::<bool>()).prop_map(|(node, person, paused)| Step::Say { node, person, paused }),
        1 => node().prop_map(Step::Pause),
        2 => node().prop_map(Step::Ask),
        2 => node().prop_map(Step::Fire),
    ]
}

/// Does one step at its node, and holds it against what stood there before.
fn take(bench: &mut Bench, step: &Step, count: u64) -> Result<(), TestCaseError> {
    let pick = |bench: &Bench, index: &prop::sample::Index| {
        (!bench.flights.is_empty()).then(|| index.index(bench.flights.len()))
    };
    let at = match step {
        Step::Deliver(index) => pick(bench, index).map(|index| bench.flights[index].to),
        Step::Restart(node) | Step::Say { node, .. } | Step::Pause(node) | Step::Ask(node) | Step::Fire(node) => {
            Some(*node)
        }
        Step::Lose(_) => None,
    };
    let stood = |bench: &Bench| at.is_some_and(|node| bench.own(node).or_else(|| bench.network(node)).is_some());
    let (paused, before) = (stood(bench), at.map(|node| bench.shares_of(node)));
    match step {
        Step::Deliver(index) => pick(bench, index).into_iter().for_each(|index| bench.deliver_at(index)),
        Step::Lose(index) => drop(pick(bench, index).and_then(|index| bench.flights.remove(index))),
        Step::Restart(node) => bench.restart(*node),
        Step::Say { node, person, paused } => {
            // Within everybody's pace.
            bench.now += PAUSE_MS;
            let number = bench.proposal(1, 0).deadline.0 - 600 + count;
            let _ = bench.stop_or_go(*node, *person, *paused, number);
        }
        Step::Pause(node) => bench.operator(*node, Command::Pause).unwrap(),
        Step::Ask(node) => {
            let request = bench.request(count);
            bench.submit(*node, &request);
        }
        Step::Fire(node) => {
            ["Solicit", "Takeover", "Recheck", "AntiEntropy"].iter().for_each(|kind| bench.fire(*node, kind));
        }
    }
    if paused {
        prop_assert!(stood(bench) || !matches!(step, Step::Restart(_)), "a restart lifted a pause");
        let may_resume = matches!(step, Step::Say { paused: false, .. } | Step::Deliver(_));
        prop_assert!(stood(bench) || may_resume, "lifted by {step:?}");
        if stood(bench) {
            prop_assert_eq!(at.map(|node| bench.shares_of(node)), before, "a share left a paused node at {:?}", step);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn r21_no_schedule_gets_a_share_out_of_a_paused_node(steps in prop::collection::vec(step(), 1..90)) {
        let (mut bench, _) = Bench::ready_of(pausing(2, 3));
        for (count, step) in (1..).zip(&steps) {
            take(&mut bench, step, count)?;
        }
        // Once everybody hears everybody, all say the same.
        bench.deliver();
        bench.rounds(4);
        let standings: Vec<_> = (1..=3).map(|node| bench.network(node)).collect();
        prop_assert!(standings.iter().all(|standing| *standing == standings[0]), "{standings:?}");
    }
}
