//! Any order of events: never a panic, never two payloads of one request, never blame for an honest node.

use crate::bench::{Bench, Flight};
use firn_coordinator::api::Event;
use firn_proto::{Incarnation, NodeId};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Act {
    Deliver(Index),
    Drop(Index),
    Twice(Index),
    Garble(Index, Index, u8),
    Replay(Index, u16),
    Fire(u16, Index),
    Restart(u16),
    Submit(u16, u64),
    Block,
    Settle,
    Flap(u16, u16, bool),
    Measure(u16, u16, u64),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        40 => any::<Index>().prop_map(Act::Deliver),
        2 => any::<Index>().prop_map(Act::Drop),
        3 => any::<Index>().prop_map(Act::Twice),
        2 => (any::<Index>(), any::<Index>(), 1..=u8::MAX).prop_map(|(at, byte, mask)| Act::Garble(at, byte, mask)),
        3 => (any::<Index>(), 1..4_u16).prop_map(|(at, to)| Act::Replay(at, to)),
        6 => (1..4_u16, any::<Index>()).prop_map(|(node, at)| Act::Fire(node, at)),
        1 => (1..4_u16).prop_map(Act::Restart),
        2 => (1..4_u16, 0..2_u64).prop_map(|(node, nonce)| Act::Submit(node, nonce)),
        1 => Just(Act::Block),
        1 => Just(Act::Settle),
        1 => (1..4_u16, 1..4_u16, any::<bool>()).prop_map(|(node, peer, up)| Act::Flap(node, peer, up)),
        2 => (1..4_u16, 1..4_u16, any::<u64>()).prop_map(|(node, peer, time)| Act::Measure(node, peer, time)),
        2 => (0..20_000_u64).prop_map(Act::Pass),
    ]
}

fn apply(bench: &mut Bench, act: &Act, signing: bool) {
    let pick = |at: &Index, length: usize| (length > 0).then(|| at.index(length));
    match act {
        Act::Deliver(at) => pick(at, bench.flights.len()).into_iter().for_each(|at| bench.deliver_at(at)),
        Act::Drop(at) => pick(at, bench.flights.len()).into_iter().for_each(|at| drop(bench.flights.remove(at))),
        Act::Twice(at) => {
            if let Some(at) = pick(at, bench.flights.len()) {
                let flight = bench.flights[at].clone();
                bench.hand_over(&flight);
            }
        }
        Act::Garble(at, byte, mask) => {
            if let Some(at) = pick(at, bench.flights.len()) {
                let mut flight = bench.flights[at].clone();
                let byte = byte.index(flight.bytes.len());
                flight.bytes[byte] ^= mask;
                bench.hand_over(&flight);
            }
        }
        Act::Replay(at, to) => {
            if let Some(at) = pick(at, bench.sent.len()) {
                let flight = Flight { to: *to, ..bench.sent[at].clone() };
                if flight.from != flight.to {
                    bench.hand_over(&flight);
                }
            }
        }
        Act::Fire(node, at) => {
            if let Some(at) = pick(at, bench.hosts[node].timers.len()) {
                let timer = bench.hosts.get_mut(node).unwrap().timers.remove(at);
                bench.event(*node, Event::TimerFired(timer));
            }
        }
        Act::Restart(node) => bench.restart(*node),
        Act::Submit(node, nonce) if signing => {
            let request = bench.request(*nonce);
            bench.submit(*node, &request);
        }
        Act::Submit(..) => {}
        Act::Block => bench.block_final(),
        Act::Settle => bench.deliver(),
        Act::Flap(node, peer, up) if node != peer => {
            let incarnation = Incarnation::new(bench.hosts[peer].incarnation, 0);
            let node_id = NodeId(*peer);
            let event = match up {
                true => Event::PeerUp { node: node_id, incarnation },
                false => Event::PeerDown { node: node_id },
            };
            bench.event(*node, event);
        }
        Act::Measure(node, peer, milliseconds) => {
            bench.event(*node, Event::RoundTrip { node: NodeId(*peer), milliseconds: *milliseconds });
        }
        Act::Flap(..) => {}
        Act::Pass(milliseconds) => bench.now += milliseconds,
    }
}

fn check(bench: &Bench) {
    assert!(bench.evidence.is_empty(), "an honest node was blamed: {:?}", bench.evidence);
    let mut keys = std::collections::BTreeMap::new();
    for host in bench.hosts.values() {
        for key in host.engine.keys() {
            if let Some(group_key) = key.group_key {
                assert_eq!(*keys.entry(key.key_id).or_insert(group_key), group_key, "one key id, one key");
            }
            assert_eq!(key.culprit, None, "{key:?}");
        }
        for view in host.engine.requests() {
            if let Some(signature) = view.signature {
                let key = host.engine.keys().iter().find_map(|key| key.group_key).unwrap();
                assert!(signature.verifies(&key, view.request.payload_digest(&bench.definition)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 10, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn key_generation_in_any_order(acts in proptest::collection::vec(act(), 20..160)) {
        let mut bench = Bench::new(2, 3);
        let key_id = bench.propose(1);
        bench.accept_all(key_id);
        for act in &acts {
            apply(&mut bench, act, false);
            check(&bench);
        }
        bench.deliver();
        bench.fire_all("KeyPhase");
        bench.deliver();
        check(&bench);
        for id in 1..=3 {
            let state = bench.key_state(id, key_id);
            let outcome = ["none", "aborted", "undecided", "certified", "active"].contains(&state);
            prop_assert!(outcome, "n{id} ends in {state}");
        }
    }

    #[test]
    fn signing_in_any_order(acts in proptest::collection::vec(act(), 20..160)) {
        let (mut bench, _) = Bench::ready(2, 3);
        for act in &acts {
            apply(&mut bench, act, true);
            check(&bench);
        }
        // Once the channels are new and the network is kind, whatever is open is signed, and all know.
        let request = bench.request(0);
        bench.submit(1, &request);
        bench.deliver();
        (1..=3).for_each(|id| bench.connect(id));
        bench.deliver();
        bench.rounds(12);
        check(&bench);
        for id in 1..=3 {
            prop_assert_eq!(bench.state(id, &request), "signed", "n{}", id);
        }
    }
}
