//! Engines with their vaults and disks, and the messages between them, which move only when a test says so.

use crate::host::{Host, boot};
use crate::network::definition;
use crate::show;
use alloy_primitives::{Address, B256, Bytes, U256};
use firn_coordinator::api::{
    AccountFacts, ChainAnswer, ChainQuery, Command, Effect, Event, GateFacts, Observation, SlashFacts, Timer,
};
use firn_proto::account::{account_address, verifier_address};
use firn_proto::certificate::KeyProposal;
use firn_proto::definition::Definition;
use firn_proto::message::BlockReference;
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::policy::{PastSlash, SlashHistory};
use firn_proto::request::{Request, SignedRequest};
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Digest, GroupSignature, Incarnation, KeyId, Message, NodeId, Point, SessionId, envelope};
use firn_vault::api::{Reply, Request as VaultRequest};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) const REQUESTER: [u8; 32] = [7; 32];
pub(crate) const WALL: u64 = 1_800_000_000;
pub(crate) const AVS: Address = Address::repeat_byte(0x11);
/// How long the AccessManager has slashes wait, in seconds.
pub(crate) const GATE_DELAY: u64 = 3_600;

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) arrives: u64,
}

/// What a Byzantine member says instead: nothing, or another message.
pub(crate) type Lie = fn(&Message, to: u16) -> Option<Message>;

pub(crate) struct Bench {
    pub(crate) definition: Definition,
    pub(crate) hosts: BTreeMap<u16, Host>,
    pub(crate) flights: VecDeque<Flight>,
    /// Everything ever sent, for replays.
    pub(crate) sent: Vec<Flight>,
    pub(crate) dropped: BTreeSet<(u16, u16)>,
    pub(crate) liars: BTreeMap<u16, Lie>,
    pub(crate) evidence: Vec<(u16, u16, firn_proto::Code)>,
    pub(crate) submitted: Vec<(KeyId, GroupSignature)>,
    /// What was answered at the API.
    pub(crate) answers: Vec<(u16, Result<(), firn_proto::Code>)>,
    pub(crate) log: Vec<String>,
    pub(crate) watched: Option<u16>,
    pub(crate) now: u64,
    /// By how many seconds all wall clocks are ahead of the chain's.
    pub(crate) ahead: u64,
    pub(crate) block: u64,
    /// What the chain shows as slashed.
    pub(crate) slashes: Vec<PastSlash>,
    pub(crate) facts: fn(&mut SlashFacts),
    /// When what is scheduled in the AccessManager can be executed.
    pub(crate) ready: Option<WallTime>,
    pub(crate) account_facts: fn(&mut AccountFacts),
    /// Milliseconds there and back.
    pub(crate) distance: fn(u16, u16) -> u64,
    /// Whether questions to the chain stay open.
    pub(crate) chain_silent: bool,
    pub(crate) asked: Vec<(u16, firn_proto::SubjectId)>,
    /// Whether nodes have evidence verifiers, from their next start on, and what they were asked.
    pub(crate) verifiers: bool,
    pub(crate) checks: Vec<(u16, firn_proto::SubjectId)>,
    account: Option<Point>,
}

impl Bench {
    pub(crate) fn new(t: u16, n: u16) -> Self {
        Self::of(definition(t, n))
    }

    pub(crate) fn of(definition: Definition) -> Self {
        let n = u16::try_from(definition.nodes.len()).unwrap();
        assert_eq!(Definition::parse(&definition.to_toml()), Ok(definition.clone()));
        let mut bench = Self {
            hosts: (1..=n).map(|id| (id, boot(&definition, id, 1, false, BTreeMap::new(), BTreeMap::new()))).collect(),
            definition,
            flights: VecDeque::new(),
            sent: Vec::new(),
            dropped: BTreeSet::new(),
            liars: BTreeMap::new(),
            evidence: Vec::new(),
            submitted: Vec::new(),
            answers: Vec::new(),
            log: Vec::new(),
            watched: None,
            now: 0,
            ahead: 0,
            block: 10,
            slashes: Vec::new(),
            facts: |_| {},
            ready: None,
            account_facts: |_| {},
            distance: |_, _| 0,
            chain_silent: false,
            asked: Vec::new(),
            verifiers: false,
            checks: Vec::new(),
            account: None,
        };
        for id in 1..=n {
            bench.event(id, Event::Started);
            bench.connect(id);
        }
        bench.deliver();
        bench
    }

    /// A bench with an active key, deployed.
    pub(crate) fn ready(t: u16, n: u16) -> (Self, KeyId) {
        Self::ready_of(definition(t, n))
    }

    pub(crate) fn ready_of(definition: Definition) -> (Self, KeyId) {
        let mut bench = Self::of(definition);
        let key_id = bench.propose(1);
        bench.accept_all(key_id);
        bench.deliver();
        bench.settle(key_id);
        (bench, key_id)
    }

    pub(crate) fn settle(&mut self, key_id: KeyId) {
        for _ in 0..20 {
            self.fire_all("Solicit");
            self.deliver();
        }
        let ids: Vec<_> = self.hosts.keys().copied().collect();
        for id in ids {
            if self.definition.keys[0].identifier_of(NodeId(id)).is_some() {
                assert_eq!(self.key_state(id, key_id), "active", "n{id}");
            }
        }
        self.account = self.hosts[&1].engine.keys()[0].group_key;
        for host in self.hosts.values_mut() {
            let lasts = |timer: &Timer| matches!(timer, Timer::Pools | Timer::AntiEntropy);
            host.timers.retain(lasts);
            host.due.retain(|(_, timer)| lasts(timer));
        }
        self.block_final();
        self.log.clear();
    }

    pub(crate) fn proposal(&self, proposer: u16, salt: u8) -> KeyProposal {
        KeyProposal {
            key_name: "slash".to_owned(),
            proposer: NodeId(proposer),
            deadline: WallTime(WALL + self.now / 1000 + 600),
            salt: [salt; 32],
            definition: self.definition.digest(),
            from: None,
        }
    }

    pub(crate) fn propose(&mut self, salt: u8) -> KeyId {
        let proposal = self.proposal(1, salt);
        let key_id = proposal.key_id(self.definition.network_id());
        self.event(1, Event::Operator(Command::ProposeKey(proposal)));
        self.deliver();
        key_id
    }

    pub(crate) fn accept_all(&mut self, key_id: KeyId) {
        for id in self.hosts.keys().copied().filter(|id| *id != 1).collect::<Vec<_>>() {
            self.event(id, Event::Operator(Command::AcceptKey(key_id)));
        }
    }

    pub(crate) fn key_state(&self, id: u16, key_id: KeyId) -> &'static str {
        let keys = self.hosts[&id].engine.keys();
        keys.iter().find(|key| key.key_id == key_id).map_or("none", |key| key.state)
    }

    pub(crate) fn request(&self, nonce: u64) -> Request {
        self.request_by(&REQUESTER, nonce)
    }

    pub(crate) fn request_by(&self, key: &[u8; 32], nonce: u64) -> Request {
        self.request_with(key, nonce, 80)
    }

    /// A request for a slash of so much.
    pub(crate) fn request_of(&self, nonce: u64, wad: u64) -> Request {
        self.request_with(&REQUESTER, nonce, wad)
    }

    fn request_with(&self, key: &[u8; 32], nonce: u64, wad: u64) -> Request {
        self.signed(key, Operation::SlashOperator(self.slash(nonce, wad)))
    }

    pub(crate) fn slash(&self, nonce: u64, wad: u64) -> SlashOperator {
        SlashOperator {
            avs: AVS,
            operator: Address::repeat_byte(0x22),
            operatorSetId: 0,
            strategies: vec![Address::repeat_byte(0x33)],
            wadsToSlash: vec![U256::from(wad)],
            description: "test".to_owned(),
            // The gate asks for some.
            evidenceHash: if self.definition.contracts.is_empty() { B256::ZERO } else { U256::from(nonce + 1).into() },
            evidenceLocation: String::new(),
            account: account_address(&self.account.unwrap()),
            nonce: U256::from(nonce),
            deadline: WALL + 7_200,
        }
    }

    pub(crate) fn signed(&self, key: &[u8; 32], operation: Operation) -> Request {
        let digest = operation.id(&self.definition).0.0;
        let (signature, recovery) = requester(key).sign_prehash_recoverable(&digest).unwrap();
        let mut bytes = [27 + recovery.to_byte(); 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        SignedRequest { operation, signature: bytes }.verify(&self.definition).unwrap()
    }

    pub(crate) fn submit(&mut self, id: u16, request: &Request) {
        self.event(id, Event::Submitted { request: Box::new(request.clone()) });
    }

    pub(crate) fn state(&self, id: u16, request: &Request) -> &'static str {
        self.hosts[&id].engine.request(request.id()).map_or("none", |view| view.state)
    }

    /// All nodes hear of a new finalised block.
    pub(crate) fn block_final(&mut self) {
        self.block += 1;
        let block = BlockReference { number: self.block, hash: Digest::default() };
        let time = WallTime(WALL + self.now / 1000);
        for id in self.hosts.keys().copied().collect::<Vec<_>>() {
            self.event(id, Event::ChainFinalised { block, time });
        }
    }

    /// Gives a node new channels to all others.
    pub(crate) fn connect(&mut self, id: u16) {
        for other in self.hosts.keys().copied().filter(|other| *other != id).collect::<Vec<_>>() {
            if self.hosts[&other].alive && self.hosts[&id].alive {
                let (ours, theirs) = (self.hosts[&id].incarnation, self.hosts[&other].incarnation);
                let (our, their) = (self.hosts[&id].definition.digest(), self.hosts[&other].definition.digest());
                let up = |node, boot, definition| match our == their {
                    true => Event::PeerUp { node: NodeId(node), incarnation: Incarnation::new(boot, 0) },
                    false => Event::PeerElsewhere { node: NodeId(node), definition },
                };
                self.event(other, up(id, ours, our));
                self.event(id, up(other, theirs, their));
            }
        }
    }

    pub(crate) fn kill(&mut self, id: u16) {
        let host = self.hosts.get_mut(&id).unwrap();
        host.alive = false;
        host.timers.clear();
        host.due.clear();
        self.flights.retain(|flight| flight.to != id);
        for other in self.hosts.keys().copied().filter(|other| *other != id).collect::<Vec<_>>() {
            self.event(other, Event::PeerDown { node: NodeId(id) });
        }
    }

    pub(crate) fn restart(&mut self, id: u16) {
        if self.hosts[&id].alive {
            self.kill(id);
        }
        let host = &self.hosts[&id];
        let (records, sealed) = (host.records.clone(), host.sealed.clone());
        let next = boot(&self.definition, id, host.incarnation + 1, self.verifiers, records, sealed);
        self.hosts.insert(id, next);
        self.event(id, Event::Started);
        self.connect(id);
    }

    pub(crate) fn event(&mut self, id: u16, event: Event) {
        let mut events = VecDeque::from([event]);
        let now = Time { monotonic: MonotonicTime(self.now), wall: WallTime(WALL + self.now / 1000 + self.ahead) };
        while let Some(event) = events.pop_front() {
            let Some(host) = self.hosts.get_mut(&id).filter(|host| host.alive) else { return };
            let seen = show::event(&event);
            host.journal.extend(host.recorder.event(now, &event));
            let effects = host.engine.step(now, event);
            host.recorder.effects(&effects);
            if self.watched == Some(id) && !effects.is_empty() {
                self.log.push(format!("n{id} <- {seen}"));
                self.log.extend(effects.iter().map(|effect| format!("  {}", show::effect(effect, self.now))));
            }
            for effect in effects {
                if effect == Effect::Restart {
                    return self.restart(id);
                }
                self.carry_out(id, effect, &mut events);
            }
        }
    }

    fn carry_out(&mut self, id: u16, effect: Effect, events: &mut VecDeque<Event>) {
        let host = self.hosts.get_mut(&id).unwrap();
        match effect {
            Effect::Persist(records) => host.persist(records),
            Effect::Send { to, session, message, .. } => {
                assert!(!to.contains(&NodeId(id)), "never to ourselves");
                to.into_iter().for_each(|to| self.say(id, to.0, session, &message));
            }
            Effect::AskVault(request) => events.push_back(Event::VaultReplied { reply: host.ask(request) }),
            Effect::SetTimer { timer, at } => {
                host.timers.push(timer);
                host.due.push((at.0, timer));
            }
            Effect::AskChain { subject, query } => {
                self.asked.push((id, subject));
                if !self.chain_silent {
                    events.push_back(Event::ChainReplied { subject, answer: self.answer(&query) });
                }
            }
            Effect::CheckEvidence { request } => self.checks.push((id, request.id())),
            Effect::SubmitToChain { subject, signature, .. } => self.submitted.push((KeyId(subject.0), signature)),
            Effect::Observe(Observation::Evidence { culprit, code, .. }) => self.evidence.push((id, culprit.0, code)),
            Effect::Answer { outcome, .. } => self.answers.push((id, outcome)),
            Effect::Penalise { .. } | Effect::Observe(_) | Effect::Restart => {}
        }
    }

    fn gate_facts(&self, time: WallTime) -> GateFacts {
        GateFacts { time, delay: GATE_DELAY, ready: self.ready, used_by: B256::ZERO, call_succeeds: true }
    }

    pub(crate) fn answer(&self, query: &ChainQuery) -> ChainAnswer {
        let block = BlockReference { number: self.block, hash: Digest::default() };
        let signer = |key: Point| Bytes::from([verifier_address().as_slice(), &key.x(), &key.y()].concat());
        match query {
            ChainQuery::Slash { slasher, history_seconds, gate, .. } => {
                let time = WallTime(WALL + self.now / 1000);
                let mut facts = SlashFacts {
                    block,
                    head: block.number,
                    gate: gate.as_ref().map(|_| self.gate_facts(time)),
                    slasher: *slasher,
                    slashable: true,
                    strategies: vec![Address::repeat_byte(0x33)],
                    signer: self.account.map(signer),
                    nonce_used: false,
                    history: history_seconds.map(|_| SlashHistory { time, slashes: self.slashes.clone() }),
                    last_block: u64::MAX,
                    takes: None,
                };
                (self.facts)(&mut facts);
                ChainAnswer::Slash(facts)
            }
            ChainQuery::Account { .. } => {
                let signer = self.account.map(signer);
                let mut facts = AccountFacts { block, signer, nonce_used: false, calls_succeed: true };
                (self.account_facts)(&mut facts);
                ChainAnswer::Account(facts)
            }
            ChainQuery::NonceUsed { .. } => ChainAnswer::NonceUsed { block, used: false },
        }
    }

    /// Puts a message of `from` on its way, as itself or as its lie.
    pub(crate) fn say(&mut self, from: u16, to: u16, session: SessionId, message: &Message) {
        let told = match self.liars.get(&from) {
            Some(lie) => lie(message, to),
            None => Some(message.clone()),
        };
        let Some(message) = told else { return };
        let name = show::message_name(&message);
        let author = VaultRequest::Author { session, message: Box::new(message) };
        let Reply::Envelope(bytes) = self.hosts.get_mut(&from).unwrap().ask(author) else { return };
        let arrives = self.now + (self.distance)(from, to) / 2;
        let flight = Flight { from, to, name, bytes, arrives };
        self.sent.push(flight.clone());
        self.flights.push_back(flight);
    }

    /// Delivers the message that has waited longest at `index`.
    pub(crate) fn deliver_at(&mut self, index: usize) {
        let Some(flight) = self.flights.remove(index) else { return };
        self.hand_over(&flight);
    }

    pub(crate) fn hand_over(&mut self, flight: &Flight) {
        if self.dropped.contains(&(flight.from, flight.to)) {
            return;
        }
        if let Ok(message) = envelope::verify(&flight.bytes, &self.hosts[&flight.to].definition) {
            self.event(flight.to, Event::Received { from: NodeId(flight.from), message: Box::new(message) });
        }
    }

    /// Delivers until nothing is on its way.
    pub(crate) fn deliver(&mut self) {
        for _ in 0..20_000 {
            if self.flights.is_empty() {
                return;
            }
            self.deliver_at(0);
        }
        panic!("the network never falls silent: {}", self.flights[0].name);
    }

    /// Fires all timers of a kind that a node has set so far.
    pub(crate) fn fire(&mut self, id: u16, kind: &str) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let (due, rest) =
            std::mem::take(&mut host.timers).into_iter().partition(|timer| show::timer_name(timer) == kind);
        host.timers = rest;
        let due: Vec<Timer> = due;
        due.into_iter().for_each(|timer| self.event(id, Event::TimerFired(timer)));
    }

    pub(crate) fn fire_all(&mut self, kind: &str) {
        self.hosts.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.fire(id, kind));
    }

    /// Lets every kind of signing timer fire and delivers what follows, `rounds` times.
    pub(crate) fn rounds(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for kind in ["CatchUp", "AntiEntropy", "Stalled", "Solicit", "Takeover", "Widen", "Recheck"] {
                self.fire_all(kind);
                self.deliver();
            }
        }
    }
}

pub(crate) fn requester(key: &[u8; 32]) -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(key).unwrap()
}
