//! Where t or more are corrupted nothing holds, and the checkers say so; below t everything holds.

use crate::stage::{SECOND, fault, liar, scenario, violated};
use firn_proto::{NodeId, SessionId};
use firn_sim::Options;
use firn_sim::history::{Entry, ProcessId, What};
use firn_sim::invariants::r1::R1;
use firn_sim::invariants::secrets::reconstruct;
use firn_sim::invariants::wire::Wire;
use firn_sim::invariants::{Invariant, Sight};
use firn_sim::scenario::{Act, FaultKind};
use firn_sim::world::World;
use std::collections::BTreeMap;

#[test]
fn t_corrupted_members_sign_alone_and_t1_fires() {
    let mut stage = scenario(1);
    stage.byzantine = [1, 2, 3].map(|node| liar(node, &[Act::Contradict])).to_vec();
    let groups = vec![vec![NodeId(1), NodeId(2), NodeId(3)], vec![NodeId(4), NodeId(5)]];
    stage.faults = vec![fault(SECOND, Some(60 * SECOND), FaultKind::Partition { groups })];
    stage.workload.iter_mut().for_each(|workload| workload.to = vec![NodeId(1)]);
    let (ids, _) = violated(&stage, &Options::default());
    assert!(ids.contains(&"T1"), "{ids:?}");
}

#[test]
fn t_minus_1_corrupted_members_break_nothing() {
    for (seed, acts) in [
        [Act::InvalidShare, Act::RivalPackages],
        [Act::SplitPackages, Act::ReplayCommitments],
        [Act::FrameHonest, Act::Malformed],
        [Act::ForgeSignature, Act::WithholdSignature],
        [Act::CommitThenSilence, Act::DrainNonces],
        [Act::StaleEpoch, Act::Flood],
    ]
    .into_iter()
    .enumerate()
    {
        let mut stage = scenario(seed as u64);
        stage.byzantine = vec![liar(1, &acts), liar(2, &acts)];
        let (ids, outcome) = violated(&stage, &Options::default());
        assert_eq!(ids, Vec::<&str>::new(), "{acts:?}: {:?}", outcome.violations);
        assert!(outcome.probes.contains_key("misbehaved"), "{acts:?} did happen");
    }
}

#[test]
fn any_t_shares_on_disks_give_the_group_key_and_fewer_do_not() {
    let mut world = World::new(&scenario(1), &Options::default()).unwrap();
    world.begin();
    while world.next(SECOND) {}
    let (key_id, group_key) = world.key().unwrap();
    let held = |node: u16| {
        let keys = firn_sim::invariants::secrets::Keys::new(
            world.definition().network_id(),
            NodeId(node),
            world.seed_root(NodeId(node)),
        );
        let record = firn_vault::Vault::share_record(key_id, firn_proto::Epoch(0));
        keys.held(&record, &world.node(NodeId(node)).unwrap().disk.recoverable().vault[&record]).unwrap()
    };
    let secret = |nodes: &[u16]| {
        let shares = nodes.iter().map(|node| held(*node)).map(|held| (held.identifier, held.share));
        reconstruct(&shares.collect::<BTreeMap<_, _>>())
    };
    for nodes in [[1, 2, 3], [1, 4, 5], [2, 3, 5]] {
        assert_eq!(secret(&nodes), Some(group_key));
    }
    assert_ne!(secret(&[1, 2]), Some(group_key));
}

#[test]
fn frames_without_end_are_noticed() {
    let mut world = World::new(&scenario(1), &Options::default()).unwrap();
    world.begin();
    while world.next(SECOND) {}
    let (wire, mut r1) = (Wire::default(), R1::default());
    let sight = Sight { world: &world, wire: &wire };
    let process = Some(ProcessId { node: NodeId(1), twin: 0 });
    let mut fired = |at| {
        let what = What::Sent { frame: 0, to: NodeId(2), kind: "signed", session: SessionId::default(), bytes: 100 };
        r1.see(&Entry { at, process, what }, &sight).is_some()
    };
    assert!((0..100_000).all(|frame| !fired(frame * 100)), "10,000 a second are not too many");
    assert!((0..30_000).any(|_| fired(20 * SECOND)), "30,000 in one second are");
}
