//! Repair of one lost share: who consents, who is dead, restarts or lies, and what is left of it.

use crate::bench::{Bench, WALL};
use crate::pause::pausing;
use firn_coordinator::api::{Command, Event, Timer};
use firn_coordinator::journal;
use firn_coordinator::view::RepairView;
use firn_proto::message::KeyShares;
use firn_proto::pause::{Act, RESUME, consent};
use firn_proto::time::WallTime;
use firn_proto::{Code, Identifier, KeyId, Message, NodeId, Repair};

const LOST: u16 = 4;

impl Bench {
    /// A 3-of-5 key of which node 4 has lost its share, with its whole disk.
    fn lost() -> (Self, KeyId) {
        Self::lose(Self::ready(3, 5))
    }

    fn lose((mut bench, key_id): (Self, KeyId)) -> (Self, KeyId) {
        bench.kill(LOST);
        let host = bench.hosts.get_mut(&LOST).unwrap();
        host.records.clear();
        host.sealed.clear();
        bench.restart(LOST);
        bench.deliver();
        bench.rounds(2);
        assert_eq!((bench.key_state(LOST, key_id), bench.repaired()), ("active", false));
        (bench, key_id)
    }

    fn repaired(&self) -> bool {
        self.hosts[&LOST].sealed.keys().any(|key| key.starts_with(b"share/"))
    }

    fn repair(&self, salt: u8, helpers: &[u16]) -> Repair {
        let helpers: Vec<_> = helpers.iter().copied().map(NodeId).collect();
        let deadline = WallTime(WALL + self.now / 1000 + 600);
        self.hosts[&LOST].engine.repair_of("slash", Some(&helpers), deadline, [salt; 32]).unwrap()
    }

    fn ask_repair(&mut self, repair: &Repair) -> KeyId {
        self.event(LOST, Event::Operator(Command::RepairKey(repair.clone())));
        self.deliver();
        repair.id(self.definition.network_id())
    }

    fn consent(&mut self, id: u16, repair: KeyId) {
        self.event(id, Event::Operator(Command::ConsentRepair(repair, Vec::new())));
        self.deliver();
    }

    fn repair_view(&self, id: u16, repair: KeyId) -> RepairView {
        self.hosts[&id].engine.repairs().into_iter().find(|view| view.id == repair).unwrap()
    }

    fn is_refused(&mut self, id: u16, command: Command, code: Code) {
        self.event(id, Event::Operator(command));
        assert_eq!(self.answers.pop().unwrap(), (id, Err(code)));
    }

    /// The repair ended at the member that asked, and left nothing: for this reason, and for want of these.
    fn ended(&self, repair: KeyId, code: Code, missing: &[u16]) {
        let view = self.repair_view(LOST, repair);
        let missing: Vec<_> = missing.iter().copied().map(NodeId).collect();
        assert_eq!((view.state, view.code, view.waiting_for), ("ended", Some(code), missing));
        assert!(!self.repaired());
    }

    /// The repair works; node 4 signs with its share, which the others need.
    fn repairs(&mut self, salt: u8, helpers: &[u16; 3]) {
        let id = self.ask_repair(&self.repair(salt, helpers));
        for helper in helpers {
            assert_eq!(self.repair_view(*helper, id).state, "asked");
            self.consent(*helper, id);
        }
        assert_eq!((self.repair_view(LOST, id).state, self.repaired()), ("done", true));
        for helper in helpers {
            assert_eq!((self.repair_view(*helper, id).state, self.repair_view(*helper, id).code), ("done", None));
        }
    }

    fn signs_without(&mut self, dead: [u16; 2], nonce: u64) {
        let request = self.request(nonce);
        dead.into_iter().for_each(|id| self.kill(id));
        self.submit(LOST, &request);
        self.deliver();
        self.rounds(4);
        assert_eq!(self.state(LOST, &request), "signed", "nonce {nonce}");
    }
}

#[test]
fn r35_a_member_that_lost_its_share_has_it_again_and_signs() {
    let (mut bench, key_id) = Bench::lost();
    let before: Vec<_> = [1, 2, 3, 5].map(|id| bench.hosts[&id].sealed.clone()).into();
    bench.repairs(1, &[1, 2, 5]);
    let after: Vec<_> = [1, 2, 3, 5].map(|id| bench.hosts[&id].sealed.clone()).into();
    assert_eq!(before, after, "nobody else's share changes");
    for host in bench.hosts.values() {
        let replay = journal::replay(&host.journal).unwrap();
        assert_eq!(format!("{:?}", replay.engine), format!("{:?}", host.engine));
    }
    bench.restart(LOST);
    bench.deliver();
    assert_eq!(bench.key_state(LOST, key_id), "active");
    bench.signs_without([1, 2], 1);
}

#[test]
fn r35_a_request_that_waits_for_the_share_gets_it() {
    let (mut bench, _) = Bench::lost();
    let request = bench.request(1);
    bench.submit(3, &request);
    for id in [1, 2] {
        bench.kill(id);
    }
    bench.flights.clear();
    bench.connect(3);
    bench.rounds(3);
    assert_ne!(bench.state(3, &request), "signed");
    for id in [1, 2] {
        bench.restart(id);
    }
    // The two that are back help, and sign nothing: what they would say about the request is lost.
    let silent = |message: &Message, _: u16| {
        let signing = matches!(message, Message::Willingness(_) | Message::SignatureShare(_));
        if signing { None } else { Some(message.clone()) }
    };
    bench.liars.extend([(1, silent as crate::bench::Lie), (2, silent)]);
    bench.deliver();
    bench.rounds(1);
    assert_ne!(bench.state(3, &request), "signed");
    bench.repairs(1, &[1, 2, 3]);
    bench.rounds(4);
    assert_eq!(bench.state(3, &request), "signed");
}

#[test]
fn r35_without_the_consent_of_all_t_it_ends_at_the_deadline_and_another_one_works() {
    let (mut bench, _) = Bench::lost();
    let id = bench.ask_repair(&bench.repair(1, &[1, 2, 3]));
    bench.consent(1, id);
    bench.consent(2, id);
    let view = bench.repair_view(LOST, id);
    assert_eq!((view.state, view.consented), ("asked", vec![NodeId(1), NodeId(2)]));
    assert_eq!((view.waiting_for, bench.repaired()), (vec![NodeId(3)], false));
    bench.fire(LOST, "KeyRepair");
    bench.deliver();
    bench.ended(id, Code::RepairMissing, &[3]);
    bench.is_refused(3, Command::ConsentRepair(id, Vec::new()), Code::DkgConflict);
    bench.repairs(2, &[1, 3, 5]);
}

#[test]
fn r19_a_node_helps_when_two_people_of_its_organisation_agree() {
    // Persons 1 and 5 are of node 1's organisation, person 2 alone of node 2's.
    let (mut bench, _) = Bench::lose(Bench::ready_of(pausing(3, 5)));
    let repair = bench.repair(1, &[1, 2, 3]);
    let (id, number) = (bench.ask_repair(&repair), repair.deadline.0);
    let what = consent(id);
    let [first, second] = [1, 5].map(|person| bench.agreement(person, &what, 1, number));
    let consents = |bench: &mut Bench, node: u16, acts: &[&Act]| {
        let acts = acts.iter().map(|act| (*act).clone()).collect();
        bench.operator(node, Command::ConsentRepair(id, acts))
    };
    for acts in [&[][..], &[&first], &[&first, &first]] {
        assert_eq!(consents(&mut bench, 1, acts), Err(Code::ConsentApprovalsMissing), "one person is one person");
    }
    let other = consent(bench.repair(2, &[1, 2, 3]).id(bench.definition.network_id()));
    for other in [
        bench.agreement(5, &other, 1, number),
        bench.agreement(5, RESUME, 1, number),
        bench.agreement(5, &what, 1, number + 1),
    ] {
        assert_eq!(consents(&mut bench, 1, &[&first, &other]), Err(Code::ActMismatch));
    }
    assert_eq!(consents(&mut bench, 1, &[&first, &second]), Ok(()));
    assert_eq!(consents(&mut bench, 2, &[&first, &second]), Err(Code::ActMismatch), "they spoke of node 1");
    for node in [2, 3] {
        let only = bench.agreement(node, &what, node, number);
        assert_eq!(consents(&mut bench, node, &[&only]), Ok(()));
    }
    bench.deliver();
    assert!(bench.repaired());
}

#[test]
fn r35_a_helper_that_dies_is_named_within_a_bound() {
    // It dies before the other helpers have its parts, or before the member that asked has its sum.
    let no_sum = |message: &Message, _: u16| (!matches!(message, Message::RepairSigma(_))).then(|| message.clone());
    for early in [true, false] {
        let (mut bench, _) = Bench::lost();
        let id = bench.ask_repair(&bench.repair(1, &[1, 2, 3]));
        bench.consent(1, id);
        bench.consent(2, id);
        bench.event(3, Event::Operator(Command::ConsentRepair(id, Vec::new())));
        bench.liars.insert(3, no_sum);
        bench.dropped.extend([1, 2].into_iter().filter(|_| early).map(|to| (3, to)));
        bench.deliver();
        bench.kill(3);
        bench.dropped.clear();
        assert_ne!(bench.repair_view(LOST, id).state, "done");
        for id in [1, 2, LOST] {
            let bounded = |timer: &Timer| matches!(timer, Timer::KeyRepair { phase: 1, .. });
            assert!(bench.hosts[&id].timers.iter().any(bounded), "n{id} does not wait for people any more");
            bench.fire(id, "KeyRepair");
            bench.deliver();
        }
        bench.ended(id, Code::RepairMissing, &[3]);
        bench.repairs(2, &[1, 2, 5]);
    }
}

#[test]
fn r35_a_restart_ends_it_without_blame() {
    let (mut bench, _) = Bench::lost();
    let id = bench.ask_repair(&bench.repair(1, &[1, 2, 3]));
    bench.consent(1, id);
    bench.restart(1);
    bench.deliver();
    bench.ended(id, Code::DkgRestarted, &[1]);
    let id = bench.ask_repair(&bench.repair(2, &[1, 2, 3]));
    bench.consent(2, id);
    bench.restart(LOST);
    bench.deliver();
    assert_eq!(
        (bench.repair_view(2, id).code, bench.repair_view(3, id).code),
        (Some(Code::DkgRestarted), Some(Code::DkgRestarted))
    );
    assert!(bench.evidence.is_empty());
    bench.repairs(3, &[1, 2, 3]);
}

#[test]
fn r35_what_a_lost_channel_swallowed_is_said_again() {
    let (mut bench, _) = Bench::lost();
    bench.dropped.insert((LOST, 2));
    let id = bench.ask_repair(&bench.repair(1, &[1, 2, 3]));
    bench.consent(1, id);
    bench.dropped.extend([(1, 3), (1, LOST), (3, 1)]);
    bench.consent(3, id);
    bench.dropped.clear();
    for node in [LOST, 1] {
        bench.connect(node);
        bench.deliver();
        bench.rounds(1);
    }
    bench.consent(2, id);
    assert_eq!((bench.repair_view(LOST, id).state, bench.repaired()), ("done", true));
}

fn spoiled(shares: &KeyShares, recipient: u16) -> KeyShares {
    let mut shares = shares.clone();
    shares.sealed.get_mut(&Identifier(recipient)).unwrap()[7] ^= 1;
    shares
}

fn wrong_sum(message: &Message, _: u16) -> Option<Message> {
    let Message::RepairSigma(sigma) = message else { return Some(message.clone()) };
    Some(Message::RepairSigma(spoiled(sigma, LOST)))
}

fn wrong_part(message: &Message, _: u16) -> Option<Message> {
    let Message::RepairDeltas(deltas) = message else { return Some(message.clone()) };
    Some(Message::RepairDeltas(spoiled(deltas, 1)))
}

#[test]
fn r35_a_wrong_part_or_sum_changes_nothing_and_it_can_be_tried_again() {
    for lie in [wrong_sum as crate::bench::Lie, wrong_part] {
        let (mut bench, key_id) = Bench::lost();
        bench.liars.insert(3, lie);
        let id = bench.ask_repair(&bench.repair(1, &[1, 2, 3]));
        for helper in [1, 2, 3] {
            bench.consent(helper, id);
        }
        bench.ended(id, Code::RepairWrong, &[3]);
        assert!(bench.evidence.is_empty(), "there is no proof");
        assert_eq!(bench.key_state(LOST, key_id), "active");
        bench.liars.clear();
        bench.repairs(2, &[1, 2, 5]);
        bench.signs_without([1, 3], 1);
    }
}

#[test]
fn r35_who_holds_its_share_or_asks_for_anothers_is_refused() {
    let (mut bench, key_id) = Bench::lost();
    let repair = bench.repair(1, &[1, 2, 3]);
    let own = bench.hosts[&5].engine.repair_of("slash", None, repair.deadline, [1; 32]);
    assert_eq!(own, Err(Code::RepairInvalid), "it holds its share");
    let held = Repair { target: Identifier(5), ..repair.clone() };
    bench.is_refused(5, Command::RepairKey(held), Code::RepairInvalid);
    bench.is_refused(5, Command::RepairKey(repair.clone()), Code::RepairInvalid);
    let beside = Repair { target: Identifier(6), ..repair.clone() };
    bench.is_refused(LOST, Command::RepairKey(beside), Code::RepairInvalid);
    let late = Repair { deadline: WallTime(WALL - 1), ..repair.clone() };
    bench.is_refused(LOST, Command::RepairKey(late), Code::DkgExpired);
    let other = Repair { key_id: KeyId(firn_proto::Digest([9; 32])), ..repair.clone() };
    bench.is_refused(LOST, Command::RepairKey(other), Code::KeyUnknown);
    // What member 5 asks in member 4's name reaches nobody.
    let session = repair.id(bench.definition.network_id());
    bench.say(5, 1, session.into(), &Message::RepairAsk(repair.clone()));
    bench.deliver();
    assert!(bench.hosts[&1].engine.repairs().is_empty());
    let id = bench.ask_repair(&repair);
    bench.is_refused(5, Command::ConsentRepair(id, Vec::new()), Code::KeyUnknown);
    bench.is_refused(LOST, Command::ConsentRepair(id, Vec::new()), Code::DkgConflict);
    bench.is_refused(LOST, Command::RepairKey(bench.repair(2, &[1, 2, 3])), Code::DkgConflict);
    for helper in [1, 2, 3] {
        bench.consent(helper, id);
    }
    bench.is_refused(LOST, Command::RepairKey(Repair { salt: [3; 32], ..repair }), Code::RepairInvalid);
    assert_eq!(bench.key_state(LOST, key_id), "active");
}

#[test]
fn r35_a_member_that_asks_without_end_fills_nobodys_memory() {
    let (mut bench, _) = Bench::lost();
    for salt in 1..=9 {
        let repair = bench.repair(salt, &[1, 2, 3]);
        let session = repair.id(bench.definition.network_id());
        bench.say(LOST, 1, session.into(), &Message::RepairAsk(repair));
        bench.deliver();
    }
    assert_eq!(bench.hosts[&1].engine.repairs().len(), 2);
}

#[test]
fn r35_helpers_are_members_that_are_here() {
    let (mut bench, _) = Bench::lost();
    bench.kill(1);
    let deadline = WallTime(WALL + 60);
    let repair = bench.hosts[&LOST].engine.repair_of("slash", None, deadline, [1; 32]).unwrap();
    assert_eq!(repair.helpers, [2, 3, 5].map(Identifier).into());
    bench.kill(2);
    let few = bench.hosts[&LOST].engine.repair_of("slash", None, deadline, [1; 32]);
    assert_eq!(few, Err(Code::RepairMissing));
}
