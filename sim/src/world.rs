//! Virtual time: a queue of occurrences, handled one by one in a fixed order.
//!
//! The world is the host of all processes at once. It carries effects out as the node does (docs/spec/engine.md): in
//! order, a batch synced before anything that follows it leaves. Whatever is drawn is keyed by its purpose.

use crate::byzantine::Adversary;
use crate::geography::{Geography, Invalid};
use crate::history::{Entry, ProcessId};
use crate::oracle::Oracle;
use crate::random::Source;
use crate::run::Options;
use crate::scenario::{FaultKind, KeyOrigin, Micros, Point as Trigger, Scenario};
use crate::seeded::Bug;
use crate::verdict::Violation;
use firn_coordinator::api::Event;
use firn_proto::time::WallTime;
use firn_proto::{Definition, Message, NodeId, Request, SessionId, SubjectId, Verified};
use std::collections::{BTreeMap, BTreeSet};

mod chain;
mod clock;
mod control;
mod disk;
mod faults;
mod fixture;
mod frame;
mod gate;
mod governance;
mod host;
mod hostile;
mod ledger;
mod link;
mod network;
mod process;
mod renewal;
pub(crate) mod repair;
mod sabotage;
mod setting;
mod trouble;
mod versions;
mod workload;

pub use crate::byzantine::Corrupted;
pub use chain::{Chain, SLOT};
pub use clock::EPOCH;
pub use disk::{Batch, Disk, Image};
pub use fixture::Fixtures;
pub use frame::kind;
pub use governance::{Said, Word};
pub use ledger::{Mark, Tally};
pub use link::Link;
pub use process::Process;
pub use setting::{Ask, KEY_NAME, request};
pub use versions::SUPERSEDED;

use clock::Clock;
use frame::Frame;
use ledger::Trail;
use network::{Channel, Side};
use trouble::Trouble;

/// Several nodes, the network between them, a chain, and what goes wrong.
pub struct World {
    scenario: Scenario,
    options: Options,
    source: Source,
    /// What a delay depends on that it must not depend on: a bug.
    stray: Micros,
    /// The first version, and those that follow it.
    definition: Definition,
    versions: Vec<versions::Next>,
    geography: Geography,
    now: Micros,
    queue: BTreeMap<(Micros, u64), Occurrence>,
    /// Occurrences queued, and frames sent.
    queued: u64,
    frames: u64,
    processes: BTreeMap<ProcessId, Process>,
    clocks: BTreeMap<NodeId, Clock>,
    /// Disks of processes that do not run at all yet, or no more: a start was refused, or an image was put in place.
    parked: BTreeMap<ProcessId, Disk>,
    /// How often a process has started, and which stream its generator gave last.
    entropy: BTreeMap<ProcessId, (u64, u64)>,
    channels: BTreeMap<u64, Channel>,
    current: BTreeMap<(ProcessId, NodeId), (u64, Side)>,
    ways: network::Ways,
    trouble: Trouble,
    chain: Chain,
    requests: Vec<PostedRequest>,
    /// What people have said, in order.
    said: Vec<Said>,
    /// When which node's verifier accepted the evidence of which request.
    accepted: BTreeMap<(NodeId, SubjectId), Micros>,
    /// Whose chain endpoint has lied.
    misled: BTreeSet<NodeId>,
    keys: renewal::Keys,
    adversary: Option<Box<dyn Adversary>>,
    corrupted: BTreeMap<NodeId, Micros>,
    oracle: Option<Box<Oracle>>,
    violations: Vec<Violation>,
    history: Vec<Entry>,
    trail: Trail,
    known: BTreeMap<(ProcessId, SubjectId), Micros>,
    tallies: BTreeMap<SessionId, Tally>,
    frame: Option<Frame>,
    batch: Batch,
}

/// A request of the workload.
#[derive(Clone, Debug)]
pub struct PostedRequest {
    /// What is asked.
    pub request: Request,
    /// Its id.
    pub subject: SubjectId,
    /// What the session of its second payload is about, where it has two.
    pub follows: Option<SubjectId>,
    /// The node that took it in; until one does, where it is wanted.
    pub node: NodeId,
    /// Where the workload posts it.
    pub wanted: NodeId,
    /// A node took it in.
    pub taken: bool,
    /// When it was posted first.
    pub at: Micros,
    /// How long it is wanted, in virtual time.
    pub deadline: Micros,
    /// How much of that the gate takes: with less left, its first payload is signed no more.
    pub gate_time: Micros,
    /// A requester of the definition signed it for the workload.
    pub authorised: bool,
    /// The index of the request that it is a rival of.
    pub rival_of: Option<usize>,
}

/// Something that is going to happen.
enum Occurrence {
    /// Timers of a process may be due.
    Wake { process: ProcessId, boot: u64 },
    /// A sync or a computation of a process is over.
    Resume { process: ProcessId, boot: u64 },
    /// Something reaches a process from its own machine, the chain or an operator.
    Input { process: ProcessId, boot: u64, event: Box<Event> },
    /// A corrupted node's own bytes leave.
    Put { process: ProcessId, boot: u64, to: NodeId, said: Box<Frame> },
    /// A frame arrives; `stray` ones come beside their stream.
    Arrive { channel: u64, side: Side, frame: Box<Frame>, stray: bool },
    /// A process tries to connect.
    Dial { from: ProcessId, boot: u64, to: NodeId, attempt: u32 },
    /// A handshake is through.
    Connect { from: (ProcessId, u64), to: (ProcessId, u64), attempt: u32 },
    /// An end of a channel notices that it is closed.
    Down { channel: u64, side: Side },
    /// Whether anything was heard on a channel.
    KeepAlive { channel: u64 },
    /// A block.
    Block,
    /// A transaction that waited is included.
    Include(Box<(ProcessId, hostile::Transaction)>),
    /// A request of the workload.
    Post(Box<workload::Post>),
    /// Somebody cancels on chain what a request has scheduled.
    Cancel { request: usize },
    /// A person speaks to a request.
    Speak { person: usize, request: usize },
    /// A person pauses or resumes, for the how-manieth time of trying.
    Halt { pause: usize, paused: bool, tries: u32 },
    /// A version is handed in.
    Change { version: usize, tries: u32 },
    /// A proposal for the key.
    Propose { round: u32 },
    /// A proposal for the key's next epoch.
    Renew { renewal: usize, round: u32, looks: u32 },
    /// Operators look after a share that was lost.
    Repair { repair: usize, looks: u32 },
    /// A fault's next step.
    Fault { fault: usize, step: faults::Step },
    /// Links may have changed.
    Links,
    /// A process starts.
    Start { process: ProcessId },
    /// All disks are lost: a seeded bug.
    Loss,
}

impl World {
    /// A world at time zero: all nodes start and connect.
    ///
    /// # Errors
    /// The scenario's latency matrix is unknown, or lacks a region.
    pub fn new(scenario: &Scenario, options: &Options) -> Result<Self, Invalid> {
        let geography = match &options.geography {
            Some(geography) => geography.clone(),
            None => Geography::built_in(scenario)?,
        };
        let definition = setting::definition(scenario, &geography);
        let versions = versions::versions(scenario, &definition)?;
        let mut world = Self::bare(scenario, options, geography, definition);
        let revives = options.seeded == Some(Bug::RevivedSchedule);
        world.chain.put_gate(&world.definition, scenario.gate.as_ref(), revives);
        world.chain.set_finality(scenario.finality);
        world.versions = versions;
        world.give_key()?;
        Ok(world)
    }

    fn bare(scenario: &Scenario, options: &Options, geography: Geography, definition: Definition) -> Self {
        Self {
            chain: Chain::new(definition.chain.id, setting::strategies()),
            source: Source::new(scenario.seed),
            stray: if options.seeded == Some(Bug::StrayDraw) { options.fixtures.count_run() } else { 0 },
            scenario: scenario.clone(),
            options: options.clone(),
            clocks: definition.nodes.keys().map(|node| (*node, Clock::default())).collect(),
            corrupted: scenario.byzantine.iter().map(|byzantine| (byzantine.node, byzantine.from)).collect(),
            definition,
            versions: Vec::new(),
            geography,
            now: 0,
            queue: BTreeMap::new(),
            queued: 0,
            frames: 0,
            processes: BTreeMap::new(),
            parked: BTreeMap::new(),
            entropy: BTreeMap::new(),
            channels: BTreeMap::new(),
            current: BTreeMap::new(),
            ways: network::Ways::default(),
            trouble: Trouble::default(),
            requests: Vec::new(),
            said: Vec::new(),
            accepted: BTreeMap::new(),
            misled: BTreeSet::new(),
            keys: renewal::Keys::default(),
            adversary: None,
            oracle: None,
            violations: Vec::new(),
            history: Vec::new(),
            trail: Trail::default(),
            known: BTreeMap::new(),
            tallies: BTreeMap::new(),
            frame: None,
            batch: Batch::default(),
        }
    }

    /// Puts the oracle and the adversary in place; before the first step.
    pub fn watch(&mut self, oracle: Oracle, adversary: Option<Box<dyn Adversary>>) {
        self.oracle = Some(Box::new(oracle));
        self.adversary = adversary;
    }

    /// Starts all nodes and queues the scenario's workload and faults.
    pub fn begin(&mut self) {
        for node in self.nodes() {
            self.at(0, Occurrence::Start { process: ProcessId { node, twin: 0 } });
        }
        self.at(SLOT, Occurrence::Block);
        self.queue_workload();
        self.queue_faults();
        self.queue_sabotage();
        self.queue_halts();
        self.queue_versions();
        self.queue_renewals();
        self.queue_repairs();
        if let KeyOrigin::Generated { at } = self.scenario.key.origin
            && at != Micros::MAX
        {
            self.at(at, Occurrence::Propose { round: 0 });
        }
    }

    /// Handles the next occurrence if it is due by `limit`; false where there is none.
    pub fn next(&mut self, limit: Micros) -> bool {
        let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= limit) else { return false };
        let ((time, number), occurrence) = entry.remove_entry();
        assert!(time >= self.now, "time never goes back");
        self.now = time;
        self.chain.advance(time);
        self.trail.occurrence(time, number, &occurrence);
        match occurrence {
            Occurrence::Wake { process, boot } => self.wake(process, boot),
            Occurrence::Resume { process, boot } => self.resume(process, boot),
            Occurrence::Input { process, boot, event } => {
                if self.is_boot(process, boot) {
                    self.input(process, *event);
                }
            }
            Occurrence::Put { process, boot, to, said } => self.put(process, boot, to, *said),
            Occurrence::Arrive { channel, side, frame, stray } => self.arrive(channel, side, *frame, stray),
            Occurrence::Dial { from, boot, to, attempt } => self.dial(from, boot, to, attempt),
            Occurrence::Connect { from, to, attempt } => self.connect(from, to, attempt),
            Occurrence::Down { channel, side } => self.down(channel, side),
            Occurrence::KeepAlive { channel } => self.keep_alive(channel),
            Occurrence::Block => self.block(),
            Occurrence::Include(waiting) => drop(self.include(waiting.0, &waiting.1)),
            Occurrence::Post(post) => self.post(*post),
            Occurrence::Speak { person, request } => self.speak(person, request),
            Occurrence::Cancel { request } => self.cancel(request),
            Occurrence::Halt { pause, paused, tries } => self.halt(pause, paused, tries),
            Occurrence::Change { version, tries } => self.change(version, tries),
            Occurrence::Propose { round } => self.propose(round),
            Occurrence::Renew { renewal, round, looks } => self.renew(renewal, round, looks),
            Occurrence::Repair { repair, looks } => self.repair(repair, looks),
            Occurrence::Fault { fault, step } => self.fault(fault, step),
            Occurrence::Links => self.links_changed(),
            Occurrence::Start { process } => self.start(process),
            Occurrence::Loss => self.lose_all(),
        }
        true
    }

    /// Microseconds of virtual time.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Seconds since the Unix epoch at this moment, by a clock that is right.
    #[must_use]
    pub fn wall(&self) -> WallTime {
        WallTime(EPOCH + self.now / 1_000_000)
    }

    /// The ledger so far; empty where the run keeps none.
    #[must_use]
    pub fn history(&self) -> &[Entry] {
        &self.history
    }

    /// What runs.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// How it runs.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The first version of the network definition.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Where nodes are.
    #[must_use]
    pub fn geography(&self) -> &Geography {
        &self.geography
    }

    /// Keyed randomness of the run.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        self.definition.nodes.keys().copied().collect()
    }

    /// All processes that have ever run, stopped ones and twins included.
    pub fn processes(&self) -> impl Iterator<Item = (ProcessId, &Process)> {
        self.processes.iter().map(|(id, process)| (*id, process))
    }

    /// A process.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// The first process of a node.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<&Process> {
        self.process(ProcessId { node, twin: 0 })
    }

    /// The root secret of a node's vault: for checkers that look for secrets where none may be.
    #[must_use]
    pub fn seed_root(&self, node: NodeId) -> [u8; 32] {
        process::root_bytes(node)
    }

    /// Whether a node is corrupted at this moment.
    #[must_use]
    pub fn is_corrupted(&self, node: NodeId) -> bool {
        self.corrupted.get(&node).is_some_and(|from| *from <= self.now)
    }

    /// How many nodes are corrupted at some time of the run.
    #[must_use]
    pub fn corrupted_count(&self) -> usize {
        self.corrupted.len()
    }

    /// What has been posted so far.
    #[must_use]
    pub fn requests(&self) -> &[PostedRequest] {
        &self.requests
    }

    /// How far a node's wall clock is ahead, in milliseconds.
    #[must_use]
    pub fn clock_error(&self, node: NodeId) -> i64 {
        self.clocks.get(&node).map_or(0, |clock| clock.error_ms(self.now))
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Organisation and region of a node.
    #[must_use]
    pub fn location(&self, node: NodeId) -> (&str, &str) {
        let place = self.geography.places().get(&node);
        place.map_or(("", ""), |place| (place.organisation.as_str(), place.region.as_str()))
    }

    /// Median round trip between two nodes.
    #[must_use]
    pub fn rtt(&self, a: NodeId, b: NodeId) -> Micros {
        self.geography.rtt(a, b).p50
    }

    /// The bytes of the frame that the newest `Sent` or `Delivered` entry is about.
    #[must_use]
    pub fn frame_bytes(&self) -> &[u8] {
        self.frame.as_ref().map_or(&[], |frame| &frame.said.bytes)
    }

    /// The message in that frame, if it is genuine.
    #[must_use]
    pub fn message(&self) -> Option<&Verified<Message>> {
        let frame = self.frame.as_ref()?;
        frame.said.verified(self.version(frame.version))
    }

    /// The records that the newest `Synced` entry is about.
    #[must_use]
    pub fn synced_batch(&self) -> &Batch {
        &self.batch
    }

    /// Faults under way, with their ends.
    pub fn active_faults(&self) -> impl Iterator<Item = (&FaultKind, Option<Micros>)> {
        self.trouble.active.values().map(|active| (&active.kind, active.end))
    }

    /// Effects and syncs that each node has carried out.
    #[must_use]
    pub fn effects(&self) -> BTreeMap<NodeId, u64> {
        let effects = self.trouble.points.iter().filter(|((_, point), _)| *point == Trigger::Effect);
        effects.map(|((node, _), count)| (*node, u64::from(*count))).collect()
    }

    /// When an honest node first knew a request's signature, and when a certain node did.
    #[must_use]
    pub fn signed_at(&self, subject: SubjectId, node: NodeId) -> (Option<Micros>, Option<Micros>) {
        let known = self.known.iter().filter(|((_, known), _)| *known == subject);
        let honest = known.clone().filter(|((id, _), _)| !self.corrupted.contains_key(&id.node));
        (honest.map(|(_, at)| *at).min(), known.filter(|((id, _), _)| id.node == node).map(|(_, at)| *at).min())
    }

    /// Violations so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    fn is_boot(&self, process: ProcessId, boot: u64) -> bool {
        self.processes.get(&process).is_some_and(|process| process.up && process.boot == boot)
    }

    fn at(&mut self, time: Micros, occurrence: Occurrence) {
        self.queued += 1;
        self.queue.insert((time.max(self.now), self.queued), occurrence);
    }

    fn after(&mut self, delay: Micros, occurrence: Occurrence) {
        self.at(self.now.saturating_add(delay), occurrence);
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("scenario", &self.scenario.name).field("now", &self.now).finish_non_exhaustive()
    }
}
