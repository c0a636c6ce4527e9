//! A process: engine, vault, disk and the work that waits for them.

use super::disk::{Batch, Disk};
use super::frame::Said;
use crate::byzantine::Deed;
use crate::random::Source;
use crate::scenario::Micros;
use firn_coordinator::api::{Effect, Event, Timer};
use firn_coordinator::versions::in_force;
use firn_coordinator::{Config, Engine};
use firn_proto::commitments::CommitmentStatement;
use firn_proto::message::BlockReference;
use firn_proto::{Definition, Digest, Epoch, Incarnation, KeyId, NodeId, SessionId, SubjectId};
use firn_vault::api::Reply;
use firn_vault::{RootSecret, Vault};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use zeroize::Zeroizing;

/// A running or stopped process of a node. Engine and vault of a stopped one are as they were at its end.
pub struct Process {
    /// The version of the definition that it runs under.
    pub definition: Definition,
    /// The protocol.
    pub engine: Engine,
    /// The secrets.
    pub vault: Vault,
    /// What survives.
    pub disk: Disk,
    /// Whether it runs.
    pub up: bool,
    /// Whether its machine stands still.
    pub paused: bool,
    /// Which start of the node this is.
    pub incarnation: Incarnation,
    /// Unique among all starts of a run.
    pub(super) boot: u64,
    /// What its machine's monotonic clock showed at the start.
    pub(super) started: Micros,
    pub(super) rng: ChaCha20Rng,
    pub(super) work: Work,
}

/// What a process has yet to do, lost with its memory.
#[derive(Default)]
pub(super) struct Work {
    /// Waiting inputs.
    pub(super) inputs: VecDeque<Event>,
    /// How many have come since the start.
    pub(super) came: u64,
    /// What follows from the current input at once: replies of the vault.
    pub(super) replies: VecDeque<Event>,
    /// The rest of the current step.
    pub(super) deeds: VecDeque<Deed>,
    /// What the engine and the vault want kept.
    pub(super) batch: Batch,
    /// What waits for the batch to be durable, in order.
    pub(super) waiting: Vec<Leaving>,
    /// What has waited and leaves now.
    pub(super) leaving: VecDeque<Leaving>,
    /// Inputs taken since the last sync.
    pub(super) taken: usize,
    /// Shares that may be used once the batch is durable.
    pub(super) releases: Vec<Release>,
    pub(super) doing: Doing,
    pub(super) timers: BTreeMap<(u64, u64), Timer>,
    pub(super) timer_count: u64,
    /// Records that a host with a bug writes later, and since when it has them.
    pub(super) late: Vec<(Micros, firn_coordinator::api::Record)>,
    pub(super) syncs: u64,
    /// How many of them are over.
    pub(super) synced: u64,
    /// Packages that shares of this boot have answered.
    pub(super) answered: BTreeSet<Digest>,
    /// The block of the facts that the chain showed last, by what they are about.
    pub(super) facts: BTreeMap<SubjectId, BlockReference>,
    /// Whose shares have come in, by package.
    pub(super) shares: BTreeMap<Digest, BTreeSet<NodeId>>,
}

/// What may happen only after everything written before it is durable.
pub(super) enum Leaving {
    /// An envelope to these nodes.
    Frame(Vec<NodeId>, &'static str, SessionId, Rc<Said>),
    /// An effect that people or the chain notice.
    Effect(Effect),
    /// A reply of the vault.
    Reply(Reply),
}

/// What a process waits for.
#[derive(Default)]
pub(super) enum Doing {
    /// Nothing.
    #[default]
    Idle,
    /// A sync.
    Syncing,
    /// Its processor.
    Computing(Box<Event>),
}

/// A share whose marker is not durable yet.
#[derive(Clone, Debug)]
pub(super) struct Release {
    /// The version under which it was lent.
    pub(super) version: u32,
    pub(super) subject: SubjectId,
    pub(super) digest: Digest,
    pub(super) key_id: KeyId,
    pub(super) epoch: Epoch,
    pub(super) package: Digest,
    pub(super) own: CommitmentStatement,
    /// The block of the facts on which it is lent.
    pub(super) facts: Option<BlockReference>,
}

/// Which start of which node, and where its randomness comes from.
pub(super) struct Boot {
    pub(super) node: NodeId,
    /// Unique among all starts.
    pub(super) number: u64,
    /// What its machine's clock shows.
    pub(super) started: Micros,
    pub(super) source: Source,
    /// Names the stream that the machine's generator gives.
    pub(super) entropy: [u64; 2],
    /// The start is not counted: a bug.
    pub(super) stale: bool,
    /// Its node has an evidence verifier.
    pub(super) verifies: bool,
}

impl Process {
    /// Starts from a disk, under the version that it says is in force; gives it back with a word where engine or vault refuse.
    pub(super) fn start(first: &Definition, boot: &Boot, mut disk: Disk) -> Result<Self, (Disk, &'static str)> {
        let count = if boot.stale { disk.start_again() } else { disk.start() };
        let [a, b, c, d, ..] = boot.source.bytes("instance", &boot.entropy);
        let incarnation = Incarnation::new(count, u32::from_be_bytes([a, b, c, d]));
        let image = disk.visible();
        let records = image.engine_records();
        let Ok(definition) = in_force(first.clone(), &records) else { return Err((disk, "corrupt")) };
        let config = Config {
            definition: definition.clone(),
            me: boot.node,
            incarnation,
            check_evidence: boot.verifies,
            refresh_after: Some(0),
        };
        let engine = Engine::restore(config, &records);
        let vault = Vault::open(definition.clone(), boot.node, incarnation, root(boot.node), image.vault.clone());
        let (Ok(engine), Ok(vault)) = (engine, vault) else { return Err((disk, "corrupt")) };
        Ok(Self {
            definition,
            engine,
            vault,
            disk,
            up: true,
            paused: false,
            incarnation,
            boot: boot.number,
            started: boot.started,
            rng: boot.source.stream("vault", &boot.entropy),
            work: Work::default(),
        })
    }

    /// Whether nothing waits to be carried out or written.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let work = &self.work;
        work.inputs.is_empty()
            && work.replies.is_empty()
            && work.deeds.is_empty()
            && work.batch.is_empty()
            && work.leaving.is_empty()
            && self.is_free()
    }

    /// How many inputs have come since the start, and how many of them still wait.
    #[must_use]
    pub fn inputs(&self) -> (u64, usize) {
        (self.work.came, self.work.inputs.len())
    }

    /// How many timers are set.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.work.timers.len()
    }

    /// Whether it could take something up at this moment.
    pub(super) fn is_free(&self) -> bool {
        self.up && !self.paused && matches!(self.work.doing, Doing::Idle)
    }
}

/// The root secret of a node: the same in every run, so that keys can be made once and used by many runs.
pub(super) fn root(node: NodeId) -> RootSecret {
    RootSecret::from_bytes(Zeroizing::new(root_bytes(node)))
}

/// See [`root`].
pub(super) fn root_bytes(node: NodeId) -> [u8; 32] {
    Source::new(0).bytes("root", &[node.0.into()])
}
