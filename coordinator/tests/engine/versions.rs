//! Versions of the definition in a running network: who hears of one, when it is in force, and what becomes of requests.

use crate::audit::{check, log};
use crate::bench::{Bench, requester};
use crate::network::definition;
use alloy_primitives::{Address, U256};
use firn_coordinator::api::{Command, Event, Family};
use firn_coordinator::audit;
use firn_coordinator::audit::verify::{Fault, Stored};
use firn_coordinator::versions::ADOPTED;
use firn_proto::definition::{Change, Content, Definition, SignedChange, change};
use firn_proto::policy::{Budget, Person, Role, Rule, Unit};
use firn_proto::{Code, Digest, NodeId, Request, wire};
use prost::Message as _;

/// Node i is org-i's, whose admin-i holds key 60 + i.
fn administered(t: u16, n: u16) -> Definition {
    let mut content = (*definition(t, n)).clone();
    let organisation = |id: u16| format!("org-{id}");
    content.organisations = (1..=n).map(organisation).collect();
    content.nodes.iter_mut().for_each(|(id, node)| node.organisation = organisation(id.0));
    let admin = |id: u16| {
        let address = Address::from_public_key(requester(&key(id)).verifying_key());
        (format!("admin-{id}"), Person { organisation: organisation(id), address, roles: [Role::Admin].into() })
    };
    content.policy.people = (1..=n).map(admin).collect();
    Definition::new(content)
}

fn key(organisation: u16) -> [u8; 32] {
    [60 + u8::try_from(organisation).unwrap(); 32]
}

/// At most so much of any strategy.
fn cap(wad: u64) -> impl FnOnce(&mut Content) {
    move |content| {
        let rule = Rule { wad_max: Some(U256::from(wad)), ..Rule::default() };
        content.policy.rules = [("most".to_owned(), rule)].into();
    }
}

/// The version that follows `current` from `block` on, signed by the admins of two organisations.
fn next(current: &Definition, block: u64, edit: impl FnOnce(&mut Content)) -> Change {
    let mut content = (**current).clone();
    edit(&mut content);
    let proposed = current.succeeded_by(content, block).unwrap();
    let mut change = SignedChange::propose(&proposed);
    for organisation in 1..=2 {
        let digest = change::digest(&proposed).0;
        let (signature, recovery) = requester(&key(organisation)).sign_prehash_recoverable(&digest).unwrap();
        let mut bytes = [27 + recovery.to_byte(); 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        change.signatures.insert(bytes);
    }
    change.verify(current).unwrap()
}

impl Bench {
    fn change(&mut self, node: u16, change: &Change) -> Result<(), Code> {
        self.event(node, Event::Changed { change: Box::new(change.clone()) });
        self.answers.pop().unwrap().1
    }

    /// The version in force at a node.
    fn version(&self, node: u16) -> u32 {
        self.hosts[&node].engine.versions().current.version()
    }

    fn holders(&self, node: u16) -> Vec<u16> {
        self.hosts[&node].engine.versions().holders.iter().map(|node| node.0).collect()
    }

    fn entries(&self, node: u16, event: &str) -> Vec<wire::AuditEntry> {
        let records = self.hosts[&node].all_records().into_iter().filter(|record| record.family == Family::Audit);
        let entries = records.map(|record| wire::AuditEntry::decode(&*record.value.unwrap()).unwrap());
        entries.filter(|entry| entry.event == event).collect()
    }
}

/// The chain made anew over changed entries.
fn rewritten(log: &[Stored], edit: impl Fn(&mut wire::AuditEntry)) -> Vec<Stored> {
    let mut previous = Digest::default();
    let entry = |stored: &Stored| {
        let mut entry = wire::AuditEntry::decode(stored.bytes.as_slice()).unwrap();
        edit(&mut entry);
        entry.previous = previous.0.to_vec();
        let bytes = entry.encode_to_vec();
        previous = audit::hash(&bytes);
        Stored { number: stored.number, bytes }
    };
    log.iter().map(entry).collect()
}

/// A 2-of-3 key, and a change that lowers the cap below what requests of this bench ask for, in two blocks.
fn bench() -> (Bench, Change) {
    let (bench, _) = Bench::ready_of(administered(2, 3));
    let change = next(&bench.definition, bench.block + 2, cap(50));
    (bench, change)
}

#[test]
fn r16_a_version_is_with_all_before_its_block_and_in_force_at_all_from_it_on() {
    let (mut bench, change) = bench();
    assert_eq!(bench.change(2, &change), Ok(()));
    bench.deliver();
    for id in 1..=3 {
        assert_eq!((bench.version(id), bench.holders(id)), (1, vec![1, 2, 3]), "n{id} before the block");
        assert_eq!(bench.entries(id, "definition-stored").len(), 1, "n{id}");
    }
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(3, &request), "signed", "the version in force still is the first");
    bench.block_final();
    assert_eq!((1..=3).map(|id| bench.version(id)).collect::<Vec<_>>(), [1, 1, 1]);
    bench.block_final();
    bench.deliver();
    bench.rounds(2);
    for id in 1..=3 {
        assert_eq!(bench.version(id), 2, "n{id}");
        let adopted = bench.entries(id, ADOPTED);
        let signed = wire::DefinitionChange::decode(&*adopted[0].reference).unwrap();
        assert_eq!(SignedChange::from_wire(signed).as_ref(), Ok(change.signed()), "the log holds the signatures");
    }
    assert_eq!(bench.change(1, &change), Err(Code::DefinitionMismatch), "it is in force");
}

#[test]
fn r16_a_request_that_waits_is_refused_at_release_by_the_version_that_came_between() {
    let (mut bench, change) = bench();
    // Two of three are needed, and the chain is silent for all: everybody waits, a package is under way to nobody.
    bench.facts = |facts| facts.slashable = false;
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "waiting");
    let before = bench.sent.iter().filter(|flight| flight.name == "SignatureShare").count();
    assert_eq!(bench.change(1, &change), Ok(()));
    bench.deliver();
    bench.facts = |_| {};
    bench.block_final();
    bench.flights.clear();
    bench.block_final();
    bench.deliver();
    bench.rounds(3);
    for id in 1..=3 {
        let view = bench.hosts[&id].engine.request(request.id()).unwrap();
        assert_eq!((view.state, view.code), ("refused", Some(Code::PolicyWadTooLarge)), "n{id}");
    }
    let shares = bench.sent.iter().filter(|flight| flight.name == "SignatureShare").count();
    assert_eq!(shares, before, "a share left under the version before");
    // What the new version allows is signed by the members together, under it.
    let small = bench.request_of(8, 40);
    bench.submit(2, &small);
    bench.deliver();
    bench.rounds(2);
    assert_eq!(bench.state(3, &small), "signed");
}

#[test]
fn r16_members_on_different_versions_sign_nothing_together_and_name_both() {
    let (mut bench, change) = bench();
    bench.kill(3);
    assert_eq!(bench.change(1, &change), Ok(()));
    bench.deliver();
    bench.block_final();
    bench.block_final();
    bench.deliver();
    assert_eq!((bench.version(1), bench.version(2)), (2, 2));
    // The third comes back and hears of nothing but versions, which it is kept from at first.
    (1..=2).for_each(|other| {
        bench.dropped.insert((other, 3));
        bench.dropped.insert((3, other));
    });
    bench.kill(2);
    bench.watched = Some(1);
    bench.restart(3);
    let request = bench.request_of(9, 40);
    bench.submit(1, &request);
    bench.deliver();
    bench.dropped.remove(&(1, 3));
    bench.dropped.remove(&(3, 1));
    bench.rounds(2);
    assert_eq!(bench.version(3), 1, "nobody has told it: its channel opened while nothing came through");
    assert!(bench.log.iter().any(|line| line.contains("n3 elsewhere")), "{:#?}", bench.log);
    assert_ne!(bench.state(1, &request), "signed", "members of two versions signed together");
    // A new channel tells it of the version that it missed. Its block is final for long.
    bench.connect(3);
    bench.deliver();
    bench.block_final();
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.version(3), 2);
    assert_eq!(bench.state(1, &request), "signed");
}

#[test]
fn r16_a_node_that_missed_several_versions_takes_them_up_one_by_one() {
    let (mut bench, second) = bench();
    let third = next(second.definition(), bench.block + 3, |content| content.quorum = Some(3));
    bench.kill(3);
    for (change, blocks) in [(&second, 2), (&third, 2)] {
        assert_eq!(bench.change(1, change), Ok(()));
        bench.deliver();
        (0..blocks).for_each(|_| bench.block_final());
        bench.deliver();
    }
    assert_eq!((bench.version(1), bench.version(2)), (3, 3));
    bench.restart(3);
    bench.deliver();
    for _ in 0..3 {
        bench.block_final();
        bench.deliver();
    }
    assert_eq!(bench.version(3), 3);
    bench.restart(3);
    assert_eq!(bench.version(3), 3, "its disk knows");
    assert_eq!(bench.entries(3, ADOPTED).len(), 2);
}

#[test]
fn r16_the_first_of_two_versions_stays_and_a_crash_forgets_none() {
    let (mut bench, change) = bench();
    let rival = next(&bench.definition, bench.block + 2, cap(60));
    bench.event(1, Event::Changed { change: Box::new(change.clone()) });
    bench.flights.clear();
    bench.restart(1);
    assert_eq!(bench.change(1, &rival), Err(Code::ChangeConflict), "what is on disk was said to be held");
    assert_eq!(bench.change(1, &change), Ok(()), "once more the same");
    bench.deliver();
    bench.block_final();
    bench.block_final();
    bench.deliver();
    bench.rounds(2);
    for id in 1..=3 {
        assert_eq!(bench.hosts[&id].engine.versions().current.digest(), change.definition().digest(), "n{id}");
    }
}

#[test]
fn r08_a_requester_that_a_version_drops_gets_nothing_more_and_what_it_asked_for_is_over() {
    let (mut bench, _) = bench();
    let dropped = next(&bench.definition, bench.block + 1, |content| content.requesters.clear());
    bench.facts = |facts| facts.slashable = false;
    let (open, signed) = (bench.request(7), bench.request(8));
    bench.submit(1, &open);
    bench.deliver();
    bench.facts = |_| {};
    bench.submit(2, &signed);
    bench.deliver();
    assert_eq!((bench.state(1, &open), bench.state(1, &signed)), ("waiting", "signed"));
    assert_eq!(bench.change(3, &dropped), Ok(()));
    bench.deliver();
    bench.flights.clear();
    bench.block_final();
    bench.deliver();
    bench.rounds(3);
    for id in 1..=3 {
        let view = bench.hosts[&id].engine.request(open.id()).unwrap();
        assert_eq!((view.state, view.code), ("refused", Some(Code::RequesterUnknown)), "n{id}");
        assert_eq!(bench.state(id, &signed), "signed", "what is signed is signed, n{id}");
    }
    // The vault knows the request's locks still: they come free when it has lapsed.
    bench.ahead = 0;
    bench.now += 10_000_000;
    (0..4).for_each(|_| bench.block_final());
    bench.deliver();
    assert!(bench.hosts.values().all(|host| host.alive));
}

#[test]
fn r14_a_budget_that_a_version_brings_counts_what_was_lent_before_it() {
    let (mut bench, _) = bench();
    let budget = Budget { wad_max: U256::from(100), seconds: 1_000, per: Unit::Operator };
    let brings = next(&bench.definition, bench.block + 1, |content| {
        content.policy.rules = [("week".to_owned(), Rule { budget: Some(budget), ..Rule::default() })].into();
    });
    let first = bench.request_of(1, 80);
    bench.submit(1, &first);
    bench.deliver();
    assert_eq!(bench.state(2, &first), "signed");
    assert_eq!(bench.change(1, &brings), Ok(()));
    bench.deliver();
    bench.block_final();
    bench.deliver();
    let second = bench.request_of(2, 80);
    bench.submit(2, &second);
    bench.deliver();
    bench.rounds(3);
    let lent = |id: u16, request: &Request| {
        bench.entries(id, "share-release").iter().any(|entry| entry.session == request.id().0.0)
    };
    let both: Vec<_> = (1..=3).filter(|id| lent(*id, &first) && lent(*id, &second)).collect();
    assert!(both.is_empty(), "nodes {both:?} lent for both, before the chain showed the first");
    assert_ne!(bench.state(1, &second), "signed", "two of three share a member: the budget is passed");
}

#[test]
fn r16_a_node_that_a_version_drops_leaves_nothing_that_keeps_the_others_from_starting() {
    let mut content = (*administered(2, 4)).clone();
    content.keys[0].members.retain(|_, node| node.0 < 4);
    content.nodes.get_mut(&NodeId(4)).unwrap().organisation = "org-3".to_owned();
    content.organisations.remove("org-4");
    content.policy.people.remove("admin-4");
    let mut bench = Bench::of(Definition::new(content));
    let key_id = bench.propose(1);
    (2..=3).for_each(|id| bench.event(id, Event::Operator(Command::AcceptKey(key_id))));
    bench.deliver();
    (1..=4).for_each(|id| bench.event(id, Event::Operator(Command::ShowHead)));
    bench.deliver();
    assert!(bench.hosts[&4].engine.heads_held().iter().any(|held| held.from == NodeId(1)), "heads are exchanged");
    let dropped = next(&bench.definition, bench.block + 1, |content| {
        content.nodes.remove(&NodeId(4));
    });
    bench.kill(4);
    assert_eq!(bench.change(1, &dropped), Ok(()));
    bench.deliver();
    bench.block_final();
    bench.deliver();
    assert_eq!((1..=3).map(|id| bench.version(id)).collect::<Vec<_>>(), [2, 2, 2]);
}

#[test]
fn a_version_too_far_ahead_is_refused_before_it_keeps_the_network_from_changing() {
    let (mut bench, change) = bench();
    let mistyped = next(&bench.definition, 1_800_000_000, cap(50));
    assert_eq!(bench.change(1, &mistyped), Err(Code::ChangeTooFarAhead));
    assert_eq!(bench.change(1, &change), Ok(()), "nothing of it was kept");
}

#[test]
fn a_log_names_the_digest_that_each_request_was_taken_in_under() {
    let (mut bench, change) = bench();
    let first = bench.request_of(1, 40);
    bench.submit(1, &first);
    bench.deliver();
    assert_eq!(bench.change(1, &change), Ok(()));
    bench.deliver();
    bench.block_final();
    bench.block_final();
    bench.deliver();
    let second = bench.request_of(2, 40);
    bench.submit(1, &second);
    bench.deliver();
    let named: Vec<_> = bench.entries(1, audit::INTAKE).into_iter().filter_map(|entry| entry.intake).collect();
    let digests: Vec<_> = named.iter().filter_map(|intake| Digest::from_slice(&intake.definition)).collect();
    assert_eq!(digests, [bench.definition.digest(), change.definition().digest()]);
    // The log begins under the first version and brings the second with its signatures: with that alone it is not believed.
    let log = log(&bench, 1);
    let head = check(&bench, &log, &[]).expect("a log of two versions");
    bench.definition = change.definition().clone();
    let number = bench.entries(1, audit::INTAKE)[0].number;
    assert_eq!(check(&bench, &log, &[head]), Err(Fault::Invalid { number }));
    // Half of the organisations do not make a version, whatever the log says.
    let mut signed = change.signed().clone();
    signed.signatures.pop_first();
    let forged = rewritten(&log, |entry| {
        if entry.event == ADOPTED {
            entry.reference = signed.to_wire().encode_to_vec();
        }
    });
    bench.definition = administered(2, 3);
    let number = bench.entries(1, ADOPTED)[0].number;
    assert_eq!(check(&bench, &forged, &[]), Err(Fault::Invalid { number }));
}
