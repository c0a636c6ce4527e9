//! People and policy: what waits for approvals, what a veto stops, and that every member comes to know.

use crate::bench::{Bench, requester};
use crate::network::definition;
use alloy_primitives::{Address, U256};
use firn_coordinator::api::Event;
use firn_proto::definition::Definition;
use firn_proto::opinion::{Decision, SignedOpinion, digest};
use firn_proto::policy::{Approvals, Person, Role, Rule, Scope};
use firn_proto::{Code, Message, Opinion, Request, SubjectId};
use std::collections::BTreeSet;

/// Node i is org-i's, whose person-i approves with key 20 + i; person-1 vetoes as well. Rule "two" takes two approvals from
/// two organisations, rule "most" allows 100 wad.
pub(crate) fn governed(t: u16, n: u16) -> Definition {
    let mut content = (*definition(t, n)).clone();
    let organisation = |id: u16| format!("org-{id}");
    content.organisations = (1..=n).map(organisation).collect();
    content.nodes.iter_mut().for_each(|(id, node)| node.organisation = organisation(id.0));
    let person = |id: u16| {
        let roles = if id == 1 { [Role::Approver, Role::VetoHolder].into() } else { BTreeSet::from([Role::Approver]) };
        let address = Address::from_public_key(requester(&key(id)).verifying_key());
        (format!("person-{id}"), Person { organisation: organisation(id), address, roles })
    };
    content.policy.people = (1..=n).map(person).collect();
    let two = Rule { approvals: Some(Approvals { people: 2, organisations: 2 }), ..Rule::default() };
    let most = Rule { wad_max: Some(U256::from(100)), scope: Scope::default(), ..Rule::default() };
    content.policy.rules = [("two".to_owned(), two), ("most".to_owned(), most)].into();
    Definition::new(content)
}

pub(crate) fn key(person: u16) -> [u8; 32] {
    [20 + u8::try_from(person).unwrap(); 32]
}

impl Bench {
    fn opinion(&self, person: u16, request: SubjectId, decision: Decision, number: u64) -> Opinion {
        let digest = digest(&self.definition, request, decision, number).0;
        let (signature, recovery) = requester(&key(person)).sign_prehash_recoverable(&digest).unwrap();
        let mut bytes = [27 + recovery.to_byte(); 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        SignedOpinion { request, decision, number, signature: bytes }.verify(&self.definition).unwrap()
    }

    /// A person speaks at a node.
    pub(crate) fn speak(&mut self, node: u16, person: u16, request: &Request, decision: Decision, number: u64) {
        let opinion = Box::new(self.opinion(person, request.id(), decision, number));
        self.event(node, Event::Opined { opinion });
    }

    /// How many shares for the request have left a member for another, so far.
    fn shares(&self) -> usize {
        self.sent.iter().filter(|flight| flight.name == "SignatureShare").count()
    }

    #[track_caller]
    fn all_wait_for(&self, request: &Request, code: Code) {
        for (id, host) in &self.hosts {
            let view = host.engine.request(request.id()).unwrap();
            assert_eq!(view.state, "waiting", "n{id}");
            let own = view.members.iter().find(|member| member.node.0 == *id).unwrap();
            assert_eq!((own.status, own.code), ("not yet", Some(code)), "n{id}");
        }
    }
}

/// A 2-of-3 key with a request at all three, and how many shares had left before.
fn asked() -> (Bench, Request, usize) {
    let (mut bench, _) = Bench::ready_of(governed(2, 3));
    let before = bench.shares();
    let request = bench.request(7);
    bench.submit(1, &request);
    bench.deliver();
    bench.rounds(2);
    (bench, request, before)
}

#[test]
fn r18_a_request_waits_for_its_people_and_is_signed_once_they_approve() {
    let (mut bench, request, before) = asked();
    bench.all_wait_for(&request, Code::PolicyApprovalsMissing);
    bench.speak(2, 1, &request, Decision::Approve, 1);
    bench.deliver();
    // The same person once more, by a greater number and at another node, is still one person.
    bench.speak(3, 1, &request, Decision::Approve, 2);
    bench.deliver();
    bench.rounds(2);
    bench.all_wait_for(&request, Code::PolicyApprovalsMissing);
    assert_eq!(bench.shares(), before, "no share before two people have approved");
    bench.speak(3, 2, &request, Decision::Approve, 1);
    bench.deliver();
    bench.rounds(2);
    for id in 1..=3 {
        assert_eq!(bench.state(id, &request), "signed", "n{id}");
    }
}

#[test]
fn r18_an_approval_may_be_taken_back_until_the_share_leaves() {
    let (mut bench, request, before) = asked();
    bench.speak(1, 1, &request, Decision::Approve, 1);
    bench.deliver();
    bench.speak(1, 2, &request, Decision::Approve, 1);
    // Packages are on their way to signers that hear of the withdrawal first.
    let packages: Vec<_> = bench.flights.drain(..).partition::<Vec<_>, _>(|f| f.name == "SigningPackage").0;
    bench.speak(2, 2, &request, Decision::Withdraw, 2);
    bench.deliver();
    packages.iter().for_each(|package| bench.hand_over(package));
    bench.deliver();
    bench.rounds(3);
    bench.all_wait_for(&request, Code::PolicyApprovalsMissing);
    assert_eq!(bench.shares(), before, "a withdrawn approval was counted");
}

#[test]
fn r18_an_approval_is_written_down_where_it_is_given() {
    let (mut bench, request, _) = asked();
    bench.speak(2, 1, &request, Decision::Approve, 1);
    bench.flights.clear();
    bench.restart(2);
    let view = bench.hosts[&2].engine.request(request.id()).unwrap();
    let said: Vec<_> = view.opinions.iter().map(|(person, opinion)| (person, opinion.decision())).collect();
    assert_eq!(said, [("person-1", Decision::Approve)]);
}

#[test]
fn r20_a_veto_ends_a_request_everywhere_and_survives_a_restart() {
    let (mut bench, request, before) = asked();
    bench.speak(2, 2, &request, Decision::Approve, 1);
    bench.deliver();
    bench.speak(3, 1, &request, Decision::Veto, 1);
    bench.deliver();
    (1..=3).for_each(|id| bench.restart(id));
    bench.deliver();
    bench.speak(1, 3, &request, Decision::Approve, 1);
    bench.deliver();
    bench.rounds(3);
    for id in 1..=3 {
        let view = bench.hosts[&id].engine.request(request.id()).unwrap();
        assert_eq!((view.state, view.code), ("refused", Some(Code::RequestVetoed)), "n{id}");
        assert!(
            view.opinions.iter().any(|(person, opinion)| person == "person-1" && opinion.decision() == Decision::Veto)
        );
    }
    assert_eq!(bench.shares(), before);
}

#[test]
fn r20_a_veto_in_mid_round_keeps_the_share_here() {
    let (mut bench, request, before) = asked();
    bench.speak(1, 2, &request, Decision::Approve, 1);
    bench.deliver();
    bench.speak(1, 3, &request, Decision::Approve, 1);
    while !bench.flights.iter().any(|flight| flight.name == "SigningPackage") {
        bench.deliver_at(0);
    }
    let to = bench.flights.iter().find(|flight| flight.name == "SigningPackage").unwrap().to;
    bench.speak(to, 1, &request, Decision::Veto, 1);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(to, &request), "refused");
    assert_eq!(bench.shares(), before, "a share left after the veto");
    assert!((1..=3).all(|id| bench.state(id, &request) == "refused"), "a veto reaches everybody");
}

#[test]
fn a_member_that_was_away_learns_what_people_said() {
    let (mut bench, request, _) = asked();
    bench.kill(3);
    bench.speak(1, 1, &request, Decision::Approve, 1);
    bench.deliver();
    bench.kill(2);
    bench.restart(3);
    bench.deliver();
    // Node 3 heard nothing yet but what node 1 brings; node 2, which also knew, is away.
    bench.speak(3, 2, &request, Decision::Approve, 1);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(1, &request), "signed");
    assert_eq!(bench.state(3, &request), "signed");
}

#[test]
fn opinions_lost_on_a_living_channel_are_brought_again() {
    for lost in [Decision::Approve, Decision::Veto] {
        let (mut bench, request, _) = asked();
        bench.speak(1, 2, &request, Decision::Approve, 1);
        bench.deliver();
        bench.speak(1, 1, &request, lost, 1);
        bench.flights.retain(|flight| flight.name != "Opinion");
        bench.deliver();
        bench.rounds(6);
        let expected = if lost == Decision::Veto { "refused" } else { "signed" };
        for id in 1..=3 {
            assert_eq!(bench.state(id, &request), expected, "n{id} {lost:?}");
        }
    }
}

#[test]
fn an_organisations_nodes_follow_its_own_peoples_rejection() {
    let (mut bench, request, before) = asked();
    bench.speak(1, 1, &request, Decision::Approve, 1);
    bench.deliver();
    bench.speak(2, 2, &request, Decision::Reject, 1);
    bench.deliver();
    bench.speak(3, 3, &request, Decision::Approve, 1);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.state(1, &request), "signed", "two organisations that agree are enough");
    let by_second = bench.sent.iter().filter(|flight| flight.name == "SignatureShare" && flight.from == 2).count();
    let second_before = bench.sent.iter().take(before).filter(|f| f.name == "SignatureShare" && f.from == 2).count();
    assert!(by_second <= second_before + 1, "node 2 lent nothing to what its people rejected");
    let view = bench.hosts[&2].engine.request(request.id()).unwrap();
    let own = view.members.iter().find(|member| member.node.0 == 2).unwrap();
    assert_eq!(own.code, Some(Code::RequestRejected));
}

#[test]
fn r14_every_member_refuses_what_a_rule_forbids_whoever_brings_it() {
    let (mut bench, _) = Bench::ready_of(governed(2, 3));
    let before = bench.shares();
    let request = bench.request_of(8, 101);
    bench.submit(1, &request);
    assert_eq!(bench.state(1, &request), "none", "not taken in");
    // A member that takes it in all the same finds nobody who signs with it.
    let spread = Message::RequestSpread { request: Box::new(request.clone()), origin: firn_proto::NodeId(1) };
    [2, 3].iter().for_each(|to| bench.say(1, *to, request.id().into(), &spread));
    bench.deliver();
    bench.rounds(2);
    assert!((1..=3).all(|id| bench.state(id, &request) == "none"));
    assert_eq!(bench.shares(), before);
    let most = bench.request_of(9, 100);
    bench.submit(1, &most);
    bench.deliver();
    bench.all_wait_for(&most, Code::PolicyApprovalsMissing);
}

#[test]
fn what_is_signed_is_not_vetoed_any_more() {
    let (mut bench, request, _) = asked();
    for person in [1, 2] {
        bench.speak(1, person, &request, Decision::Approve, 1);
        bench.deliver();
    }
    bench.rounds(1);
    bench.speak(3, 1, &request, Decision::Veto, 2);
    bench.deliver();
    for id in 1..=3 {
        let view = bench.hosts[&id].engine.request(request.id()).unwrap();
        assert_eq!(view.state, "signed", "n{id}");
        assert!(view.opinions.iter().all(|(_, opinion)| opinion.decision() == Decision::Approve), "n{id}");
    }
}
