//! Pauses: a node's own and the network's; what they keep from leaving, who hears of them, and what lifts them.

use crate::bench::{AVS, Bench, REQUESTER, WALL, requester};
use crate::people::{governed, key};
use alloy_primitives::{Address, FixedBytes, U256};
use firn_coordinator::api::{Command, Effect, Event};
use firn_coordinator::limits::PAUSE_AHEAD_SECONDS;
use firn_proto::account::account_address;
use firn_proto::definition::{Authority, Content, Definition, ListedCall, Purpose};
use firn_proto::envelope;
use firn_proto::message::{Status, Willingness};
use firn_proto::operation::{ContractCall, Operation};
use firn_proto::pause::{Act, Pause, Quorums, RESUME, SignedAct, SignedPause, act_digest, digest};
use firn_proto::policy::Role;
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Digest, Message, NodeId, Request, SessionId};
use firn_vault::api::Request as VaultRequest;

/// As `governed`, without rules: one organisation's veto holder pauses, those of two resume. Everybody may veto; the last
/// person is of the first organisation.
pub(crate) fn pausing(t: u16, n: u16) -> Definition {
    let mut content = (*governed(t, n)).clone();
    content.policy.rules.clear();
    content.policy.pause = Some(Quorums { stop: 1, resume: 2 });
    for person in content.policy.people.values_mut() {
        person.roles.insert(Role::VetoHolder);
    }
    let last = content.policy.people.get_mut(&format!("person-{n}")).unwrap();
    last.organisation = "org-1".to_owned();
    Definition::new(content)
}

fn sign(person: u16, digest: Digest) -> [u8; 65] {
    let (signature, recovery) = requester(&key(person)).sign_prehash_recoverable(&digest.0).unwrap();
    let mut bytes = [27 + recovery.to_byte(); 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes
}

impl Bench {
    fn statement(&self, person: u16, paused: bool, number: u64) -> Pause {
        let signature = sign(person, digest(&self.definition, paused, number));
        SignedPause { paused, number, signature }.verify(&self.definition).unwrap()
    }

    /// A veto holder speaks at a node; what it is answered.
    pub(crate) fn stop_or_go(&mut self, node: u16, person: u16, paused: bool, number: u64) -> Result<(), Code> {
        let pause = Box::new(self.statement(person, paused, number));
        self.event(node, Event::Paused { pause });
        self.answers.last().unwrap().1
    }

    pub(crate) fn agreement(&self, person: u16, what: &str, node: u16, number: u64) -> Act {
        let (what, node) = (what.to_owned(), NodeId(node));
        let signature = sign(person, act_digest(&self.definition, &what, node, number));
        SignedAct { what, node, number, signature }.verify(&self.definition).unwrap()
    }

    pub(crate) fn operator(&mut self, node: u16, command: Command) -> Result<(), Code> {
        self.event(node, Event::Operator(command));
        self.answers.last().unwrap().1
    }

    pub(crate) fn own(&self, node: u16) -> Option<u64> {
        self.hosts[&node].engine.pauses().own
    }

    pub(crate) fn network(&self, node: u16) -> Option<u64> {
        self.hosts[&node].engine.pauses().network
    }

    pub(crate) fn shares_of(&self, node: u16) -> usize {
        self.sent.iter().filter(|flight| flight.name == "SignatureShare" && flight.from == node).count()
    }

    pub(crate) fn all_shares(&self) -> usize {
        self.hosts.keys().map(|node| self.shares_of(*node)).sum()
    }

    pub(crate) fn says(&self, node: u16, request: &Request) -> Option<Code> {
        let view = self.hosts[&node].engine.request(request.id()).unwrap();
        view.members.iter().find(|member| member.node.0 == node).unwrap().code
    }

    /// A new request at node 1, and all that follows.
    pub(crate) fn asked(&mut self, nonce: u64) -> Request {
        let request = self.request(nonce);
        self.submit(1, &request);
        self.deliver();
        self.rounds(3);
        request
    }
}

fn clock(bench: &Bench) -> u64 {
    bench.proposal(1, 0).deadline.0 - 600
}

#[test]
fn r21_a_paused_node_lends_nothing_and_the_others_go_on() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    assert_eq!(bench.operator(2, Command::Pause), Ok(()));
    let before = bench.shares_of(2);
    let request = bench.asked(7);
    assert_eq!(bench.state(1, &request), "signed", "two others are enough");
    bench.kill(3);
    let waits = bench.asked(8);
    assert_eq!((bench.state(1, &waits), bench.says(2, &waits)), ("waiting", Some(Code::NodePaused)));
    assert_eq!(bench.shares_of(2), before);
}

#[test]
fn r21_a_nodes_pause_survives_restarts_and_takes_two_of_its_people_to_lift() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    assert_eq!(bench.operator(1, Command::Resume(Vec::new())), Err(Code::NodeNotPaused));
    assert_eq!(bench.operator(1, Command::Pause), Ok(()));
    let number = bench.own(1).unwrap();
    assert_eq!(bench.operator(1, Command::Pause), Ok(()), "again: nothing new");
    bench.restart(1);
    bench.deliver();
    assert_eq!(bench.own(1), Some(number));
    let before = bench.shares_of(1);
    bench.kill(2);
    let request = bench.asked(7);
    assert_eq!((bench.state(3, &request), bench.shares_of(1)), ("waiting", before));
    let acts = [bench.agreement(1, RESUME, 1, number), bench.agreement(3, RESUME, 1, number)];
    assert_eq!(bench.operator(1, Command::Resume(acts.to_vec())), Ok(()));
    bench.restart(1);
    bench.deliver();
    bench.rounds(3);
    assert_eq!((bench.own(1), bench.state(3, &request)), (None, "signed"));
}

#[test]
fn r19_resuming_takes_two_people_and_their_word_on_this_very_pause() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    bench.operator(1, Command::Pause).unwrap();
    let number = bench.own(1).unwrap();
    let [first, second] = [1, 3].map(|person| bench.agreement(person, RESUME, 1, number));
    let resume = |bench: &mut Bench, acts: &[&Act]| {
        bench.operator(1, Command::Resume(acts.iter().map(|act| (*act).clone()).collect()))
    };
    for acts in [&[][..], &[&first], &[&first, &first]] {
        assert_eq!(resume(&mut bench, acts), Err(Code::ResumeApprovalsMissing), "one person is one person");
    }
    for other in [bench.agreement(3, "unseal", 1, number), bench.agreement(3, RESUME, 1, number - 1)] {
        assert_eq!(resume(&mut bench, &[&first, &other]), Err(Code::ActMismatch));
    }
    assert_eq!(bench.own(1), Some(number));
    assert_eq!(resume(&mut bench, &[&first, &second]), Ok(()));
    // Within the same second: what was said to the one pause is no word on the next.
    bench.operator(1, Command::Pause).unwrap();
    assert_eq!(bench.own(1), Some(number + 1));
    assert_eq!(resume(&mut bench, &[&first, &second]), Err(Code::ActMismatch));
    // An organisation with one person needs that one.
    bench.operator(2, Command::Pause).unwrap();
    assert_eq!(bench.operator(2, Command::Resume(Vec::new())), Err(Code::ResumeApprovalsMissing));
    let only = bench.agreement(2, RESUME, 2, bench.own(2).unwrap());
    assert_eq!(bench.operator(2, Command::Resume(vec![only])), Ok(()));
}

/// A 2-of-3 network, with a package for a signer that waits to be delivered, and the signer.
fn in_mid_round() -> (Bench, Request, crate::bench::Flight) {
    let (bench, _) = Bench::ready_of(pausing(2, 3));
    bench.in_mid_round()
}

impl Bench {
    /// A request on its way, a package for a signer that waits to be delivered, and the signer would lend its share.
    pub(crate) fn in_mid_round(self) -> (Self, Request, crate::bench::Flight) {
        let mut bench = self;
        let request = bench.request(7);
        bench.submit(1, &request);
        while !bench.flights.iter().any(|flight| flight.name == "SigningPackage") {
            bench.deliver_at(0);
        }
        let at = bench.flights.iter().position(|flight| flight.name == "SigningPackage").unwrap();
        let package = bench.flights.remove(at).unwrap();
        // The signer knows of the request, and would lend its share.
        while let Some(at) = bench.flights.iter().position(|f| f.to == package.to && f.name == "RequestSpread") {
            bench.deliver_at(at);
        }
        assert_eq!(bench.says(package.to, &request), None);
        (bench, request, package)
    }
}

#[test]
fn r21_a_pause_in_mid_round_keeps_the_share_here() {
    let (mut bench, _, package) = in_mid_round();
    let before = bench.shares_of(package.to);
    bench.operator(package.to, Command::Pause).unwrap();
    bench.hand_over(&package);
    bench.deliver();
    bench.rounds(2);
    assert_eq!(bench.shares_of(package.to), before);
}

#[test]
fn r21_a_share_that_is_made_while_the_pause_comes_stays_here() {
    let (mut bench, request, package) = in_mid_round();
    let now = Time { monotonic: MonotonicTime(bench.now), wall: WallTime(clock(&bench)) };
    let message = Box::new(envelope::verify(&package.bytes, &bench.definition).unwrap());
    let host = bench.hosts.get_mut(&package.to).unwrap();
    let effects = host.engine.step(now, Event::Received { from: NodeId(package.from), message });
    let mut effects = effects;
    if let Some(Effect::AskChain { query, .. }) =
        effects.iter().find(|effect| matches!(effect, Effect::AskChain { .. })).cloned()
    {
        let answer = bench.answer(&query);
        let host = bench.hosts.get_mut(&package.to).unwrap();
        effects = host.engine.step(now, Event::ChainReplied { subject: request.id(), answer });
    }
    let release = effects.into_iter().find_map(|effect| match effect {
        Effect::AskVault(ask @ VaultRequest::Release(_)) => Some(ask),
        _ => None,
    });
    let host = bench.hosts.get_mut(&package.to).unwrap();
    let reply = host.ask(release.expect("the vault is asked for a share"));
    drop(host.engine.step(now, Event::Operator(Command::Pause)));
    let after = host.engine.step(now, Event::VaultReplied { reply });
    let sent: Vec<_> = after
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    assert!(matches!(sent[..], [Message::ShareRefused { code: Code::NodePaused, .. }]), "{sent:?}");
}

#[test]
fn r21_one_stops_the_network_everywhere_and_two_organisations_resume_it() {
    let (mut bench, _) = Bench::ready_of(pausing(3, 4));
    let now = clock(&bench);
    assert_eq!(bench.stop_or_go(2, 1, true, now), Ok(()));
    bench.deliver();
    let before = bench.all_shares();
    let request = bench.asked(7);
    for node in 1..=4 {
        assert_eq!(
            (bench.network(node), bench.says(node, &request)),
            (Some(now), Some(Code::NetworkPaused)),
            "n{node}"
        );
    }
    // Persons 1 and 4 are of one organisation.
    assert_eq!(bench.stop_or_go(1, 1, false, now + 1), Ok(()));
    assert_eq!(bench.stop_or_go(1, 4, false, now + 1), Ok(()));
    bench.deliver();
    bench.rounds(2);
    assert_eq!((bench.network(3), bench.all_shares()), (Some(now), before));
    assert_eq!(bench.stop_or_go(3, 2, false, now + 1), Ok(()));
    bench.deliver();
    bench.rounds(3);
    assert!((1..=4).all(|node| bench.network(node).is_none() && bench.state(node, &request) == "signed"));
    // The old pause once more, at a node and by a member, changes nothing.
    assert_eq!(bench.stop_or_go(2, 1, true, now), Err(Code::PauseOutdated));
    let old = Message::Pause(Box::new(bench.statement(1, true, now)));
    bench.say(1, 3, SessionId::default(), &old);
    bench.deliver();
    assert_eq!(bench.network(3), None);
}

#[test]
fn r21_a_network_pause_in_mid_round_keeps_the_share_here() {
    let (mut bench, request, package) = in_mid_round();
    let (before, now) = (bench.all_shares(), clock(&bench));
    bench.stop_or_go(package.to, 2, true, now).unwrap();
    bench.hand_over(&package);
    bench.deliver();
    bench.rounds(3);
    assert_eq!(bench.all_shares(), before);
    assert!((1..=3).all(|node| bench.says(node, &request) == Some(Code::NetworkPaused)));
}

#[test]
fn r21_whoever_was_away_hears_of_the_pause_before_it_can_sign() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    let now = clock(&bench);
    // Node 3's disk is of the time before the pause; node 2 was away.
    let (records, sealed) = (bench.hosts[&3].records.clone(), bench.hosts[&3].sealed.clone());
    bench.kill(2);
    bench.stop_or_go(1, 1, true, now).unwrap();
    bench.deliver();
    assert_eq!(bench.network(3), Some(now));
    let before = bench.all_shares();
    bench.kill(3);
    let host = bench.hosts.get_mut(&3).unwrap();
    (host.records, host.sealed) = (records, sealed);
    bench.restart(3);
    assert_eq!(bench.network(3), None, "an old disk knows of no pause");
    bench.deliver();
    assert_eq!(bench.network(3), Some(now), "until the first member is here that does");
    bench.restart(2);
    bench.deliver();
    assert_eq!(bench.network(2), Some(now));
    let request = bench.asked(7);
    assert_eq!((bench.state(1, &request), bench.all_shares()), ("waiting", before));
}

/// The pause is the first thing that a member says on a new channel.
#[test]
fn r21_a_pause_goes_ahead_of_everything_else() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    let now = clock(&bench);
    bench.kill(3);
    bench.stop_or_go(1, 1, true, now).unwrap();
    bench.deliver();
    bench.restart(3);
    for node in [1, 2] {
        let first = bench.flights.iter().find(|flight| flight.from == node && flight.to == 3).unwrap();
        assert_eq!(first.name, "Pause", "n{node}");
    }
}

#[test]
fn r21_a_pause_lost_on_a_living_channel_is_brought_again() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    let now = clock(&bench);
    bench.stop_or_go(1, 1, true, now).unwrap();
    bench.flights.clear();
    bench.rounds(4);
    assert!((1..=3).all(|node| bench.network(node) == Some(now)));
}

#[test]
fn r21_a_network_pause_survives_restarts_of_all() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    let now = clock(&bench);
    bench.stop_or_go(1, 1, true, now).unwrap();
    bench.deliver();
    (1..=3).for_each(|node| bench.kill(node));
    (1..=3).for_each(|node| bench.restart(node));
    bench.flights.clear();
    assert!((1..=3).all(|node| bench.network(node) == Some(now)));
}

#[test]
fn r21_a_wrong_clock_may_keep_the_network_paused_and_never_resumes_it() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    let now = clock(&bench);
    let far = now + PAUSE_AHEAD_SECONDS + 1;
    for paused in [true, false] {
        assert_eq!(bench.stop_or_go(1, 1, paused, far), Err(Code::PauseNumberAhead));
    }
    assert_eq!(bench.stop_or_go(1, 1, true, now), Ok(()));
    bench.deliver();
    for person in [2, 3] {
        let ahead = Message::Pause(Box::new(bench.statement(person, false, far)));
        bench.say(2, 1, SessionId::default(), &ahead);
    }
    bench.deliver();
    assert_eq!(bench.network(1), Some(now), "a member cannot have it resumed ahead of time");
    let ahead = Message::Pause(Box::new(bench.statement(2, true, far)));
    bench.say(2, 1, SessionId::default(), &ahead);
    bench.deliver();
    assert_eq!(bench.network(1), Some(far));
}

#[test]
fn r21_one_persons_flood_is_written_no_faster_than_its_pace() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    let now = clock(&bench);
    let answers: Vec<_> = (0..20).map(|n| bench.stop_or_go(1, 1, n % 2 == 0, now + n)).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 8);
    assert_eq!(answers[19], Err(Code::RequestLimit));
    assert_eq!(bench.stop_or_go(1, 2, true, now + 20), Ok(()), "another has a pace of its own");
}

/// A 2-of-3 network whose only key is for `purpose`, paused, and an operation of that purpose that was asked for.
fn paused_with(purpose: Purpose) -> (Bench, Request) {
    let mut content = (*pausing(2, 3)).clone();
    only_for(&mut content, purpose);
    let (mut bench, _) = Bench::ready_of(Definition::new(content));
    let now = clock(&bench);
    bench.stop_or_go(1, 1, true, now).unwrap();
    bench.deliver();
    let request = bench.asked_for(purpose);
    assert!((1..=3).all(|node| bench.network(node) == Some(now)));
    (bench, request)
}

const TARGET: Address = Address::repeat_byte(0xd1);
/// pause()
const STOP: [u8; 4] = [0x84, 0x56, 0xcb, 0x59];

/// Makes a definition's only key one for this purpose.
pub(crate) fn only_for(content: &mut Content, purpose: Purpose) {
    content.keys[0].purpose = purpose;
    content.operator_sets.clear();
    content.authorities = vec![Authority { avs: AVS, purpose, key: "slash".to_owned() }];
    content.requesters[0].operations = vec!["contract_call".to_owned()];
    let (target, selector, signature) = (TARGET, FixedBytes(STOP), "function pause()".to_owned());
    content.calls = vec![ListedCall { purpose, target, selector, signature }];
}

impl Bench {
    /// An operation of this purpose, asked for at node 1, and all that follows.
    pub(crate) fn asked_for(&mut self, purpose: Purpose) -> Request {
        let operation = Operation::ContractCall(ContractCall {
            purpose: purpose.as_str().to_owned(),
            avs: AVS,
            target: TARGET,
            value: U256::ZERO,
            data: STOP.into(),
            account: account_address(&self.hosts[&1].engine.keys()[0].group_key.unwrap()),
            nonce: U256::from(7),
            deadline: WALL + 7_200,
        });
        let request = self.signed(&REQUESTER, operation);
        self.submit(1, &request);
        self.deliver();
        self.rounds(3);
        request
    }
}

#[test]
fn r20_what_stops_things_on_chain_is_signed_while_the_network_is_paused() {
    let (bench, request) = paused_with(Purpose::Veto);
    assert_eq!(bench.state(1, &request), "signed");
    for purpose in [Purpose::Treasury, Purpose::Governance] {
        let (bench, request) = paused_with(purpose);
        assert_eq!((bench.state(1, &request), bench.says(1, &request)), ("waiting", Some(Code::NetworkPaused)));
    }
}

#[test]
fn without_a_quorum_in_the_definition_nobody_pauses_the_network() {
    let (mut bench, _) = Bench::ready_of(governed(2, 3));
    let now = clock(&bench);
    assert_eq!(bench.stop_or_go(1, 1, true, now), Err(Code::PauseNotDefined));
    let said = Message::Pause(Box::new(bench.statement(1, true, now)));
    bench.say(2, 1, SessionId::default(), &said);
    bench.deliver();
    assert!(bench.hosts[&1].engine.pauses().said.is_empty());
}

#[test]
fn a_member_that_is_paused_still_hears_and_coordinates() {
    let (mut bench, _) = Bench::ready_of(pausing(2, 3));
    bench.operator(1, Command::Pause).unwrap();
    let request = bench.asked(7);
    assert_eq!(bench.state(1, &request), "signed");
    let told = bench.sent.iter().any(|flight| {
        let said = (flight.from == 1).then(|| envelope::verify(&flight.bytes, &bench.definition).unwrap());
        let paused = Willingness { status: Status::NotYet(Code::NodePaused), commitments: None };
        said.is_some_and(|said| *said.content() == Message::Willingness(paused))
    });
    assert!(told);
}
