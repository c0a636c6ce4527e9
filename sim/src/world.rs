//! Virtual time: a queue of occurrences, handled one by one in a fixed order.

use crate::chain::Chain;
use crate::node::{Node, root};
use alloy_primitives::Address;
use firn_coordinator::api::{Command, Effect, Event, Observation, SubmissionOutcome, Timer};
use firn_proto::definition::{self, Definition, KeyDefinition, OperatorSetEntry, Purpose, Requester};
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Identifier, NodeId, Request, envelope};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// n.
    pub nodes: u16,
    /// t.
    pub threshold: u16,
    /// One way, in milliseconds, between any two nodes.
    pub latency_ms: u64,
    /// The address of the one requester.
    pub requester: Address,
}

/// Several nodes, the network between them, and a chain.
pub struct World {
    /// The network definition that all nodes hold.
    pub definition: Definition,
    /// The chain.
    pub chain: Chain,
    /// What the engines observed, with time and node.
    pub observations: Vec<(u64, NodeId, Observation)>,
    /// What each node answered to submissions and commands, in order.
    pub answers: Vec<(NodeId, Result<(), firn_proto::Code>)>,
    /// How many envelopes have arrived, genuine or not.
    pub delivered: u64,
    config: WorldConfig,
    nodes: BTreeMap<NodeId, Node>,
    cut: BTreeSet<(NodeId, NodeId)>,
    now: u64,
    queue: BTreeMap<(u64, u64), Occurrence>,
    count: u64,
}

/// Wall time when virtual time is zero, in seconds.
pub(crate) const EPOCH: u64 = 1_800_000_000;

enum Occurrence {
    Deliver { from: NodeId, to: NodeId, envelope: Vec<u8> },
    Event { node: NodeId, incarnation: u64, event: Box<Event> },
    Block,
}

impl World {
    /// A world at time zero, all nodes started and connected, blocks every second.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let strategies = vec![Address::repeat_byte(0x33), Address::repeat_byte(0x44)];
        let definition = definition(&config);
        let mut world = Self {
            chain: Chain::new(definition.chain.id, strategies),
            observations: Vec::new(),
            answers: Vec::new(),
            delivered: 0,
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            now: 0,
            queue: BTreeMap::new(),
            count: 0,
            config,
            definition,
        };
        for id in world.definition.nodes.keys().copied().collect::<Vec<_>>() {
            world.nodes.insert(id, Node::start(&world.definition, id, world.config.seed));
        }
        let all: Vec<_> = world.nodes.keys().copied().collect();
        for node in &all {
            world.started(*node);
        }
        world.at(1_000, Occurrence::Block);
        world
    }

    /// Milliseconds of virtual time.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now
    }

    /// Seconds since the Unix epoch at this moment.
    #[must_use]
    pub fn wall(&self) -> u64 {
        EPOCH + self.now / 1000
    }

    /// A node, dead or alive.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// Living nodes.
    pub fn alive(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().filter(|(_, node)| node.alive).map(|(id, node)| (*id, node))
    }

    /// Gives a node's operator command at this moment.
    pub fn command(&mut self, node: NodeId, command: Command) {
        self.event(node, 0, Event::Operator(command));
    }

    /// Posts a request to a node at this moment.
    pub fn submit(&mut self, node: NodeId, request: Request) {
        self.event(node, 0, Event::Submitted { request: Box::new(request) });
    }

    /// Kills a node: its memory is gone, its peers see the channel close.
    pub fn kill(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.alive = false;
        }
        self.each_other(id, |world, other| world.event(other, world.config.latency_ms, Event::PeerDown { node: id }));
    }

    /// Starts a dead node again from its disk.
    pub fn restart(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.restart(&self.definition, id, self.config.seed);
        }
        self.started(id);
    }

    /// Drops everything between two nodes from now on, silently.
    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.cut.extend([(a, b), (b, a)]);
    }

    /// Delivers again between two nodes.
    pub fn heal(&mut self, a: NodeId, b: NodeId) {
        self.cut.remove(&(a, b));
        self.cut.remove(&(b, a));
    }

    /// Puts bytes on a channel as `from` would: a Byzantine member's voice.
    pub fn inject(&mut self, from: NodeId, to: NodeId, envelope: Vec<u8>) {
        self.at(self.config.latency_ms, Occurrence::Deliver { from, to, envelope });
    }

    /// Runs until `done` holds; false if it does not within `limit_ms` of virtual time.
    pub fn run_until(&mut self, limit_ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit_ms;
        while !done(self) {
            let Some(((time, _), _)) = self.queue.first_key_value() else { return false };
            if *time > end {
                return false;
            }
            self.next();
        }
        true
    }

    fn next(&mut self) {
        let Some(((time, _), occurrence)) = self.queue.pop_first() else { return };
        assert!(time >= self.now, "time never goes back");
        self.now = time;
        match occurrence {
            Occurrence::Deliver { from, to, envelope } => self.deliver(from, to, &envelope),
            Occurrence::Event { node, incarnation, event } => {
                if self
                    .nodes
                    .get(&node)
                    .is_some_and(|node| node.alive && u64::from(node.incarnation.count()) == incarnation)
                {
                    self.handle(node, *event);
                }
            }
            Occurrence::Block => {
                let block = self.chain.mine();
                for node in self.nodes.keys().copied().collect::<Vec<_>>() {
                    self.event(node, 0, Event::ChainFinalised { block });
                }
                self.at(1_000, Occurrence::Block);
            }
        }
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, bytes: &[u8]) {
        if self.cut.contains(&(from, to)) {
            return;
        }
        self.delivered += 1;
        if let Ok(message) = envelope::verify(bytes, &self.definition) {
            self.event(to, 0, Event::Received { from, message: Box::new(message) });
        }
    }

    fn handle(&mut self, id: NodeId, event: Event) {
        let now = Time { monotonic: MonotonicTime(self.now), wall: WallTime(self.wall()) };
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(node) = self.nodes.get_mut(&id) else { return };
            for effect in node.step(now, event) {
                self.carry_out(id, effect, &mut events);
            }
        }
    }

    fn carry_out(&mut self, id: NodeId, effect: Effect, events: &mut VecDeque<Event>) {
        let latency = self.config.latency_ms;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        match effect {
            Effect::Persist(records) => node.persist(records),
            Effect::Send { to, session, message, .. } => {
                let envelope = node.author(session, message);
                for to in to {
                    self.at(latency, Occurrence::Deliver { from: id, to, envelope: envelope.clone() });
                }
            }
            Effect::AskVault(request) => events.push_back(Event::VaultReplied { reply: node.ask(request) }),
            Effect::SetTimer { timer, at } => self.set_timer(id, timer, at),
            Effect::AskChain { subject, query } => {
                let answer = self.chain.answer(&query);
                self.event(id, 1, Event::ChainReplied { subject, answer });
            }
            Effect::SubmitToChain { subject, account, execute, signature } => {
                let outcome: SubmissionOutcome = self.chain.submit(account, &execute, &signature);
                self.event(id, 1, Event::SubmissionSettled { subject, outcome });
            }
            Effect::Answer { outcome, .. } => self.answers.push((id, outcome)),
            Effect::Penalise { .. } => {}
            Effect::Observe(observation) => self.observations.push((self.now, id, observation)),
        }
    }

    fn set_timer(&mut self, node: NodeId, timer: Timer, at: MonotonicTime) {
        self.event(node, at.0.saturating_sub(self.now), Event::TimerFired(timer));
    }

    fn started(&mut self, id: NodeId) {
        self.event(id, 0, Event::Started);
        self.each_other(id, |world, other| {
            let incarnation = |node: NodeId| world.nodes.get(&node).map(|node| node.incarnation).unwrap_or_default();
            let (ours, theirs) = (incarnation(id), incarnation(other));
            let delay = world.config.latency_ms;
            world.event(other, delay, Event::PeerUp { node: id, incarnation: ours });
            world.event(id, delay, Event::PeerUp { node: other, incarnation: theirs });
        });
    }

    fn each_other(&mut self, id: NodeId, act: impl Fn(&mut Self, NodeId)) {
        let others: Vec<_> = self.alive().map(|(other, _)| other).filter(|other| *other != id).collect();
        others.into_iter().for_each(|other| act(self, other));
    }

    /// Queues an event for a node as it is now: one that restarts meanwhile does not get it.
    fn event(&mut self, node: NodeId, delay: u64, event: Event) {
        let incarnation = self.nodes.get(&node).map(|node| node.incarnation.count()).unwrap_or_default().into();
        self.at(delay, Occurrence::Event { node, incarnation, event: Box::new(event) });
    }

    fn at(&mut self, delay: u64, occurrence: Occurrence) {
        self.count += 1;
        self.queue.insert((self.now + delay, self.count), occurrence);
    }
}

/// A definition of `n` nodes in as many organisations and regions, with one slash key.
fn definition(config: &WorldConfig) -> Definition {
    let ids = 1..=config.nodes;
    let avs = Address::repeat_byte(0x11);
    let node = |id: u16| {
        let (author_key, vault_key) = root(config.seed, NodeId(id)).public_keys();
        definition::Node {
            name: format!("node-{id}"),
            organisation: format!("org-{id}"),
            region: format!("region-{id}"),
            provider: format!("provider-{id}"),
            peer_id: format!("peer-{id}"),
            author_key,
            vault_key,
            addresses: Vec::new(),
        }
    };
    Definition::new(definition::Content {
        name: "simulation".to_owned(),
        chain: definition::Chain { id: 31_337, allocation_manager: Address::repeat_byte(0xa1) },
        organisations: ids.clone().map(|id| format!("org-{id}")).collect(),
        nodes: ids.clone().map(|id| (NodeId(id), node(id))).collect(),
        keys: vec![KeyDefinition {
            name: "slash".to_owned(),
            purpose: Purpose::Slash,
            threshold: config.threshold,
            members: ids.map(|id| (Identifier(id), NodeId(id))).collect(),
            organisations_min: 1,
            regions_min: 1,
        }],
        operator_sets: vec![OperatorSetEntry { avs, id: 0, key: "slash".to_owned() }],
        requesters: vec![Requester {
            name: "avs".to_owned(),
            address: config.requester,
            operations: vec!["slash_operator".to_owned()],
            avs: vec![avs],
        }],
    })
}
