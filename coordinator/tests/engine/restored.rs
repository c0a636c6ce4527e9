//! A node that comes out of a backup: paused, until members have met it as the only copy with shares that are of use.

use crate::bench::{Bench, WALL};
use crate::pause::pausing;
use firn_coordinator::api::Command;
use firn_proto::message::Heads;
use firn_proto::pause::{Act, RESUME};
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Incarnation, KeyId, Message, NodeId, SessionId};

/// Two of three; the disk of node 1, in its third start, is lost, and it has come back out of a backup.
fn restored() -> (Bench, KeyId, Vec<Act>) {
    let (mut bench, key_id) = Bench::ready_of(pausing(2, 3));
    bench.restart(1);
    bench.restart(1);
    bench.deliver();
    bench.kill(1);
    let now = Time { monotonic: MonotonicTime(0), wall: WallTime(WALL) };
    bench.hosts.get_mut(&1).unwrap().comes_out_of_a_backup(1, now);
    bench.restart(1);
    bench.deliver();
    let number = bench.own(1).expect("paused from its first start on");
    let acts = [1, 3].map(|person| bench.agreement(person, RESUME, 1, number)).to_vec();
    (bench, key_id, acts)
}

fn resumed(bench: &mut Bench, acts: &[Act]) -> Result<(), Code> {
    bench.operator(1, Command::Resume(acts.to_vec()))
}

fn trusted(bench: &mut Bench, by: u16) {
    let command = Command::TrustPeer { node: NodeId(1), incarnation: Incarnation::new(1, 0) };
    assert_eq!(bench.operator(by, command), Ok(()));
    bench.deliver();
    bench.rounds(1);
}

fn heads(bench: &mut Bench, from: u16, seen: Incarnation, keys: Vec<KeyId>) {
    let heads = Heads { open: Vec::new(), signed: Vec::new(), keys, seen, audit: 0, pauses: None };
    bench.say(from, 1, SessionId::default(), &Message::Heads(heads));
    bench.deliver();
}

#[test]
fn r54_a_restored_node_lends_nothing_until_members_confirm_it_and_people_agree() {
    let (mut bench, key_id, acts) = restored();
    assert_eq!(bench.key_state(1, key_id), "active");
    bench.kill(3);
    let before = bench.shares_of(1);
    let request = bench.asked(7);
    assert_eq!((bench.state(2, &request), bench.says(1, &request)), ("waiting", Some(Code::RestoreUnconfirmed)));
    assert_eq!(resumed(&mut bench, &acts), Err(Code::RestoreUnconfirmed), "members have met a later start");
    trusted(&mut bench, 2);
    assert_eq!(resumed(&mut bench, &acts), Err(Code::RestoreUnconfirmed), "one of two says so");
    let view = bench.hosts[&1].engine.pauses().restored.unwrap();
    assert_eq!((view.confirmed, view.missing), (vec![NodeId(2)], vec![NodeId(3)]));
    bench.restart(3);
    bench.deliver();
    trusted(&mut bench, 3);
    assert_eq!(bench.hosts[&1].engine.pauses().restored.unwrap().code, None, "nothing is missing now but people");
    assert_eq!(resumed(&mut bench, &acts[..1]), Err(Code::ResumeApprovalsMissing), "one person is not enough");
    bench.kill(3);
    let request = bench.asked(8);
    assert_eq!((bench.state(2, &request), bench.says(1, &request)), ("waiting", Some(Code::NodePaused)));
    assert_eq!(bench.shares_of(1), before);
    assert_eq!(resumed(&mut bench, &acts), Ok(()));
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(2, &request), "signed");
    bench.restart(1);
    bench.deliver();
    assert_eq!(bench.own(1), None, "an ordinary node from here on");
}

#[test]
fn r54_a_restored_node_starts_again_as_a_restored_one() {
    let (mut bench, _, acts) = restored();
    bench.restart(1);
    bench.deliver();
    assert_eq!(resumed(&mut bench, &acts), Err(Code::RestoreUnconfirmed));
}

#[test]
fn r54_a_share_of_an_epoch_that_members_do_not_know_as_active_never_signs() {
    let (mut bench, key_id, acts) = restored();
    let seen = Incarnation::new(1, 0);
    heads(&mut bench, 2, seen, vec![key_id]);
    heads(&mut bench, 3, seen, vec![KeyId::default()]);
    assert_eq!(resumed(&mut bench, &acts), Err(Code::RestoreStale));
    let before = bench.shares_of(1);
    let request = bench.asked(7);
    assert_eq!(bench.says(1, &request), Some(Code::RestoreStale));
    assert_eq!(bench.shares_of(1), before);
}

#[test]
fn r54_a_copy_that_members_met_meanwhile_undoes_their_confirmation() {
    let (mut bench, key_id, acts) = restored();
    for from in [2, 3] {
        heads(&mut bench, from, Incarnation::new(1, 0), vec![key_id]);
    }
    heads(&mut bench, 3, Incarnation::new(1, 9), vec![key_id]);
    assert_eq!(resumed(&mut bench, &acts), Err(Code::RestoreUnconfirmed));
}
