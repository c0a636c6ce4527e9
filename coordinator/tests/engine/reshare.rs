//! Refresh and resharing: the same group key in other shares, whoever joins, leaves, is dead or lies.

use crate::bench::{Bench, WALL, requester};
use crate::network::definition;
use alloy_primitives::Address;
use firn_coordinator::api::{Command, Event};
use firn_proto::certificate::KeyProposal;
use firn_proto::definition::{Change, Content, Definition, SignedChange, change};
use firn_proto::policy::{Person, Role};
use firn_proto::time::WallTime;
use firn_proto::{Code, Identifier, KeyId, Message, NodeId, Point};
use std::collections::BTreeMap;

/// Nodes 1 to `nodes`, of which the first n are members; node i is org-i's, whose admin holds key 60 + i.
fn network(t: u16, n: u16, nodes: u16) -> Definition {
    let mut content = (*definition(t, nodes)).clone();
    content.keys[0].members = (1..=n).map(|id| (Identifier(id), NodeId(id))).collect();
    let organisation = |id: u16| format!("org-{id}");
    content.organisations = (1..=nodes).map(organisation).collect();
    content.nodes.iter_mut().for_each(|(id, node)| node.organisation = organisation(id.0));
    let admin = |id: u16| {
        let address = Address::from_public_key(requester(&admin_key(id)).verifying_key());
        (format!("admin-{id}"), Person { organisation: organisation(id), address, roles: [Role::Admin].into() })
    };
    content.policy.people = (1..=nodes).map(admin).collect();
    Definition::new(content)
}

fn admin_key(organisation: u16) -> [u8; 32] {
    [60 + u8::try_from(organisation).unwrap(); 32]
}

/// The version that follows, signed by all.
fn next(current: &Definition, block: u64, edit: impl FnOnce(&mut Content)) -> Change {
    let mut content = (**current).clone();
    edit(&mut content);
    let proposed = current.succeeded_by(content, block).unwrap();
    let mut change = SignedChange::propose(&proposed);
    for organisation in 1..=u16::try_from(current.organisations.len()).unwrap() {
        let digest = change::digest(&proposed).0;
        let (signature, recovery) = requester(&admin_key(organisation)).sign_prehash_recoverable(&digest).unwrap();
        let mut bytes = [27 + recovery.to_byte(); 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        change.signatures.insert(bytes);
    }
    change.verify(current).unwrap()
}

/// The key's members by identifier.
fn members(of: &[u16]) -> BTreeMap<Identifier, NodeId> {
    of.iter().map(|id| (Identifier(*id), NodeId(*id))).collect()
}

impl Bench {
    /// Takes the version up in which the key has these members and this threshold.
    fn change_members(&mut self, t: u16, of: &[u16]) {
        let current = self.hosts[&of[0]].definition.clone();
        let change = next(&current, self.block + 1, |content| {
            content.keys[0].members = members(of);
            content.keys[0].threshold = t;
        });
        self.event(of[0], Event::Changed { change: Box::new(change) });
        self.deliver();
        self.block_final();
        self.deliver();
    }

    fn reshare_by(&mut self, proposer: u16, salt: u8) -> KeyId {
        let host = &self.hosts[&proposer];
        let proposal = KeyProposal {
            key_name: "slash".to_owned(),
            proposer: NodeId(proposer),
            deadline: WallTime(WALL + self.now / 1000 + 60),
            salt: [salt; 32],
            definition: host.definition.digest(),
            from: host.engine.key_source("slash"),
        };
        let key_id = proposal.key_id(self.definition.network_id());
        self.event(proposer, Event::Operator(Command::ProposeKey(proposal)));
        self.deliver();
        key_id
    }

    fn finish(&mut self) {
        for _ in 0..5 {
            self.fire_all("KeyGrace");
            self.deliver();
            self.fire_all("Solicit");
            self.deliver();
        }
    }

    fn reshared(&mut self, proposer: u16, salt: u8) -> KeyId {
        let key_id = self.reshare_by(proposer, salt);
        self.finish();
        key_id
    }

    fn key_states(&self, key_id: KeyId, of: impl IntoIterator<Item = u16>) -> Vec<&'static str> {
        of.into_iter().map(|id| self.key_state(id, key_id)).collect()
    }

    fn group_key(&self, id: u16, key_id: KeyId) -> Point {
        self.hosts[&id].engine.keys().iter().find(|key| key.key_id == key_id).unwrap().group_key.unwrap()
    }

    fn signs(&mut self, by: u16, nonce: u64) {
        let request = self.request(nonce);
        self.submit(by, &request);
        self.deliver();
        self.rounds(3);
        assert_eq!(self.state(by, &request), "signed", "nonce {nonce}");
    }

    /// How many share records a node's vault has on disk.
    fn share_records(&self, id: u16) -> usize {
        self.hosts[&id].sealed.keys().filter(|key| key.starts_with(b"share/")).count()
    }
}

#[test]
fn r33_a_refresh_keeps_the_key_and_leaves_no_old_share() {
    let (mut bench, first) = Bench::ready_of(network(3, 5, 5));
    let group_key = bench.group_key(1, first);
    bench.signs(1, 1);
    let second = bench.reshared(2, 9);
    assert_eq!(bench.key_states(second, 1..=5), ["active"; 5]);
    assert_eq!(bench.key_states(first, 1..=5), ["retired"; 5]);
    for id in 1..=5 {
        assert_eq!((bench.group_key(id, second), bench.share_records(id)), (group_key, 1), "n{id}");
    }
    bench.signs(4, 2);
    let third = bench.reshared(5, 10);
    assert_eq!(bench.key_states(third, 1..=5), ["active"; 5]);
    bench.signs(1, 3);
    // What is on disk is all that a restart needs.
    (1..=5).for_each(|id| bench.restart(id));
    bench.deliver();
    assert_eq!(
        (bench.key_states(third, 1..=5), bench.key_states(first, 1..=5)),
        (vec!["active"; 5], vec!["retired"; 5])
    );
    bench.signs(3, 4);
}

#[test]
fn r33_a_member_is_replaced_and_the_threshold_raised_under_the_same_key() {
    let (mut bench, first) = Bench::ready_of(network(3, 5, 7));
    let group_key = bench.group_key(1, first);
    bench.change_members(3, &[1, 2, 3, 4, 6]);
    bench.signs(2, 1);
    let second = bench.reshared(1, 9);
    assert_eq!(bench.key_states(second, [1, 2, 3, 4, 6, 5]), ["active"; 6], "who leaves hears of it");
    assert_eq!(bench.key_states(first, 1..=6), ["retired"; 6]);
    assert_eq!((bench.share_records(5), bench.share_records(6), bench.group_key(6, second)), (0, 1, group_key));
    for dead in [1, 2] {
        bench.kill(dead);
    }
    bench.signs(6, 2);
}

#[test]
fn r33_three_of_five_become_five_of_seven_while_a_dealer_is_dead() {
    let (mut bench, first) = Bench::ready_of(network(3, 5, 8));
    bench.change_members(5, &[1, 2, 3, 4, 6, 7, 8]);
    bench.kill(5);
    let second = bench.reshare_by(1, 9);
    assert_eq!(bench.key_states(second, [1, 6]), ["accepting"; 2], "the dead dealer has its time");
    bench.fire_all("KeyGrace");
    bench.deliver();
    bench.fire_all("KeyGrace");
    bench.deliver();
    bench.finish();
    let view = bench.hosts[&1].engine.keys().into_iter().find(|key| key.key_id == second).unwrap();
    assert_eq!((view.code, view.waiting_for), (None, Vec::new()));
    assert_eq!(bench.key_states(second, [1, 2, 3, 4, 6, 7, 8]), ["active"; 7]);
    bench.signs(7, 1);
    bench.restart(5);
    bench.deliver();
    bench.rounds(2);
    assert_eq!(
        (bench.key_states(first, [5]), bench.share_records(5)),
        (vec!["retired"], 0),
        "it hears of it when it is back"
    );
}

#[test]
fn a_request_that_was_open_goes_on_in_the_new_epoch() {
    let (mut bench, _) = Bench::ready_of(network(3, 5, 5));
    bench.kill(4);
    bench.kill(5);
    let request = bench.request(5);
    for id in 1..=5 {
        bench.dropped.extend((1..=5).filter(|to| *to != id).map(|to| (id, to)));
    }
    bench.submit(1, &request);
    bench.deliver();
    bench.dropped.clear();
    for back in [4, 5] {
        bench.restart(back);
    }
    bench.deliver();
    assert_ne!(bench.state(1, &request), "signed");
    let second = bench.reshared(2, 9);
    assert_eq!(bench.key_states(second, 1..=5), ["active"; 5]);
    bench.rounds(4);
    assert_eq!(bench.state(1, &request), "signed");
    assert_eq!(bench.state(5, &request), "signed");
}

#[test]
fn a_member_that_lost_its_share_gets_one_in_a_refresh() {
    let (mut bench, first) = Bench::ready_of(network(3, 5, 5));
    bench.kill(4);
    bench.hosts.get_mut(&4).unwrap().records.clear();
    bench.hosts.get_mut(&4).unwrap().sealed.clear();
    bench.restart(4);
    bench.deliver();
    bench.rounds(2);
    assert_eq!((bench.key_state(4, first), bench.share_records(4)), ("active", 0));
    let request = bench.request(1);
    bench.submit(4, &request);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(4, &request), "signed", "the others sign what it brings in");
    let second = bench.reshared(1, 9);
    assert_eq!(bench.key_states(second, 1..=5), ["active"; 5]);
    assert_eq!(bench.share_records(4), 1);
}

/// The first member's dealing with its constant term exchanged for its second coefficient.
fn other_constant(message: &Message, _: u16) -> Option<Message> {
    let Message::KeyRedeal(redeal) = message else { return Some(message.clone()) };
    let mut redeal = redeal.clone();
    redeal.commitment[0] = redeal.commitment[1];
    Some(Message::KeyRedeal(redeal))
}

fn longer(message: &Message, _: u16) -> Option<Message> {
    let Message::KeyRedeal(redeal) = message else { return Some(message.clone()) };
    let mut redeal = redeal.clone();
    redeal.commitment.push(redeal.commitment[1]);
    Some(Message::KeyRedeal(redeal))
}

fn wrong_share(message: &Message, _: u16) -> Option<Message> {
    let Message::KeyRedeal(redeal) = message else { return Some(message.clone()) };
    let mut redeal = redeal.clone();
    let (mine, theirs) = (redeal.shares.sealed[&Identifier(4)].clone(), redeal.shares.sealed[&Identifier(5)].clone());
    redeal.shares.sealed.insert(Identifier(4), theirs);
    redeal.shares.sealed.insert(Identifier(5), mine);
    Some(Message::KeyRedeal(redeal))
}

#[test]
fn r26_a_dealer_that_lies_is_named_by_proof_and_left_out() {
    for (lie, code) in [
        (other_constant as fn(&Message, u16) -> Option<Message>, Code::ReshareDealingInvalid),
        (longer, Code::ReshareDealingInvalid),
        (wrong_share, Code::DkgShareInvalid),
    ] {
        let (mut bench, _) = Bench::ready_of(network(3, 5, 5));
        bench.liars.insert(1, lie);
        let second = bench.reshared(2, 9);
        bench.liars.clear();
        assert_eq!(bench.key_states(second, 1..=5), ["active"; 5], "{code}: the four others are enough");
        let about = |(_, culprit, found): &(u16, u16, Code)| (*culprit, *found);
        assert!(!bench.evidence.is_empty(), "{code}");
        assert!(bench.evidence.iter().map(about).all(|found| found == (1, code)), "{:?}", bench.evidence);
        bench.signs(3, 1);
    }
}

#[test]
fn fewer_than_t_good_dealers_end_it_and_the_old_epoch_signs_on() {
    let (mut bench, first) = Bench::ready_of(network(3, 5, 5));
    for liar in [1, 2, 3] {
        bench.liars.insert(liar, other_constant);
    }
    let second = bench.reshared(4, 9);
    bench.liars.clear();
    let view = bench.hosts[&4].engine.keys().into_iter().find(|key| key.key_id == second).unwrap();
    assert_eq!((view.state, view.code), ("aborted", Some(Code::ReshareDealersTooFew)));
    assert!([1, 2, 3].iter().all(|liar| view.waiting_for.contains(&NodeId(*liar))), "{:?}", view.waiting_for);
    assert_eq!(bench.key_states(first, 1..=5), ["active"; 5]);
    bench.signs(5, 1);
    let third = bench.reshared(4, 10);
    assert_eq!(bench.key_states(third, 1..=5), ["active"; 5], "and it can be tried again");
}

#[test]
fn r28_a_dealing_of_an_earlier_attempt_counts_for_nothing() {
    let (mut bench, _) = Bench::ready_of(network(3, 5, 5));
    for liar in [1, 2, 3] {
        bench.liars.insert(liar, other_constant);
    }
    bench.reshared(4, 9);
    bench.liars.clear();
    let old: Vec<_> = bench.sent.iter().filter(|flight| flight.name == "KeyRedeal").cloned().collect();
    let third = bench.reshare_by(4, 10);
    old.iter().for_each(|flight| bench.hand_over(flight));
    bench.finish();
    assert_eq!(bench.key_states(third, 1..=5), ["active"; 5]);
    assert!(bench.evidence.iter().all(|(_, culprit, _)| *culprit <= 3), "{:?}", bench.evidence);
}

#[test]
fn r33_a_proposal_for_another_epoch_or_roster_is_refused() {
    let (mut bench, _) = Bench::ready_of(network(3, 5, 6));
    let mut proposal = bench.proposal(1, 9);
    let source = bench.hosts[&1].engine.key_source("slash").unwrap();
    proposal.from = Some(firn_proto::certificate::KeySource { epoch: firn_proto::Epoch(7), ..source });
    bench.event(1, Event::Operator(Command::ProposeKey(proposal.clone())));
    assert_eq!(bench.answers.pop().unwrap().1, Err(Code::EpochMismatch));
    proposal.from = None;
    bench.event(1, Event::Operator(Command::ProposeKey(proposal)));
    assert_eq!(bench.answers.pop().unwrap().1, Err(Code::DkgConflict), "a key of this name signs");
}
