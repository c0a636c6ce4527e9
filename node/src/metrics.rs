//! Counters and gauges, in Prometheus' text form.

use crate::schedule::ScheduleView;
use crate::store::StoreMetrics;
use crate::watch::notice::KINDS;
use firn_coordinator::api::Observation;
use firn_proto::Code;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    state: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct PeerLabel {
    pub(crate) peer: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabel {
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ScopeLabel {
    scope: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AvsLabel {
    avs: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ScheduleLabels {
    kind: String,
    key: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KeyLabel {
    key: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct BackupLabels {
    pub(crate) key: String,
    pub(crate) epoch: u32,
}

/// All metrics of a node.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    shares: Counter,
    attempts: Counter,
    evidence: Counter,
    paused: Family<ScopeLabel, Gauge>,
    differing: Family<AvsLabel, Gauge>,
    pending: Family<AvsLabel, Gauge>,
    schedule: Family<ScheduleLabels, Gauge>,
    departed: Family<KeyLabel, Gauge>,
    notices: Counter,
    alarms: Family<KindLabel, Counter>,
    /// The last block whose events were told.
    pub(crate) watched: Gauge,
    pub(crate) webhook_delivered: Counter,
    pub(crate) webhook_failed: Counter,
    pub(crate) webhook_waiting: Gauge,
    pub(crate) penalties: Counter,
    pub(crate) rejected: Counter,
    refusals: Family<CodeLabel, Counter>,
    pub(crate) ready: Gauge,
    pub(crate) finalised: Gauge,
    /// Contradictions between the chain's endpoints.
    pub(crate) disagreements: Counter,
    /// In ether: a float holds no more.
    pub(crate) relayer_balance: Gauge<f64, AtomicU64>,
    pub(crate) peer_connected: Family<PeerLabel, Gauge>,
    /// 0 where none ever was.
    pub(crate) backup_verified: Family<BackupLabels, Gauge>,
    /// Time in the vault: cryptography on secrets, and the signatures on our own envelopes.
    pub(crate) vault_seconds: Counter<f64, AtomicU64>,
    /// Time spent authenticating envelopes and what is nested in them.
    pub(crate) verify_seconds: Counter<f64, AtomicU64>,
    /// Signatures on envelopes and nested in them that were checked.
    pub(crate) verified: Counter,
    store_commits: Gauge,
    store_seconds: Gauge<f64, AtomicU64>,
    pub(crate) journal_bytes: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("firn"),
            requests: Family::default(),
            shares: Counter::default(),
            attempts: Counter::default(),
            evidence: Counter::default(),
            paused: Family::default(),
            differing: Family::default(),
            pending: Family::default(),
            schedule: Family::default(),
            departed: Family::default(),
            notices: Counter::default(),
            alarms: Family::default(),
            watched: Gauge::default(),
            webhook_delivered: Counter::default(),
            webhook_failed: Counter::default(),
            webhook_waiting: Gauge::default(),
            penalties: Counter::default(),
            rejected: Counter::default(),
            refusals: Family::default(),
            ready: Gauge::default(),
            finalised: Gauge::default(),
            disagreements: Counter::default(),
            relayer_balance: Gauge::default(),
            peer_connected: Family::default(),
            backup_verified: Family::default(),
            vault_seconds: Counter::default(),
            verify_seconds: Counter::default(),
            verified: Counter::default(),
            store_commits: Gauge::default(),
            store_seconds: Gauge::default(),
            journal_bytes: Gauge::default(),
        };
        // From the start on: a rate sees no step in a series that begins with it.
        for (kind, _) in KINDS {
            let _ = metrics.alarms.get_or_create(&KindLabel { kind: kind.to_owned() });
        }
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let build: Family<BuildLabels, Gauge> = Family::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
        let registry = &mut self.registry;
        registry.register("build_info", "Version of the binary", build);
        registry.register("requests", "State changes of requests", self.requests.clone());
        registry.register("shares_released", "Signature shares lent", self.shares.clone());
        registry.register("sign_attempts", "Signing attempts opened as coordinator", self.attempts.clone());
        registry.register("evidence", "Provable faults of members seen", self.evidence.clone());
        registry.register("paused", "Whether this node or the network is paused", self.paused.clone());
        registry.register("authority_differing", "Facts that contradict what is declared", self.differing.clone());
        registry.register("authority_pending", "Operations scheduled on chain, and pauses", self.pending.clone());
        registry.register("key_schedule_seconds", "Time until a key is overdue", self.schedule.clone());
        registry.register("key_departed_members", "Nodes that have left a key", self.departed.clone());
        registry.register("notices", "Notices of the chain", self.notices.clone());
        registry.register("alarms", "Those of them that are alarms, by kind", self.alarms.clone());
        registry.register("watch_block", "Last block whose events were told", self.watched.clone());
        registry.register("webhook_delivered", "Notices that the webhook took", self.webhook_delivered.clone());
        registry.register("webhook_failed", "Attempts at the webhook that failed", self.webhook_failed.clone());
        registry.register("webhook_waiting", "Notices that wait for the webhook", self.webhook_waiting.clone());
        registry.register("peer_penalties", "Misbehaviour of peers seen", self.penalties.clone());
        registry.register("messages_rejected", "Messages that failed authentication", self.rejected.clone());
        registry.register("peer_refusals", "Connections and greetings refused, by code", self.refusals.clone());
        registry.register("ready", "Whether all readiness checks hold", self.ready.clone());
        registry.register("chain_finalized_block", "Last finalised block seen", self.finalised.clone());
        let disagreements = self.disagreements.clone();
        registry.register("chain_rpc_disagreement", "Contradictions between the chain's endpoints", disagreements);
        registry.register("relayer_balance_ether", "What the relayer has for gas", self.relayer_balance.clone());
        registry.register("peer_connected", "Whether a member is connected", self.peer_connected.clone());
        let (verified, about) = (self.backup_verified.clone(), "When a backup of a key was verified last");
        registry.register("backup_last_verified_timestamp_seconds", about, verified);
        registry.register("vault_seconds", "Time spent in the vault", self.vault_seconds.clone());
        registry.register("verify_seconds", "Time spent authenticating messages", self.verify_seconds.clone());
        registry.register("signatures_verified", "Signatures of members and requesters checked", self.verified.clone());
        registry.register("store_commits", "Synced writes since the start", self.store_commits.clone());
        registry.register("store_commit_seconds", "Time spent in synced writes", self.store_seconds.clone());
        registry.register("journal_bytes", "Size of the event journal", self.journal_bytes.clone());
    }

    pub(crate) fn count(&self, observation: &Observation) {
        match observation {
            Observation::Subject { state, code, .. } => {
                let code = code.map_or("", Code::as_str).to_owned();
                self.requests.get_or_create(&RequestLabels { state: (*state).to_owned(), code }).inc();
            }
            Observation::ShareReleased { .. } => drop(self.shares.inc()),
            Observation::AttemptOpened { .. } => drop(self.attempts.inc()),
            Observation::Evidence { .. } => drop(self.evidence.inc()),
            Observation::Pause { network, paused } => {
                let scope = if *network { "network" } else { "node" };
                self.paused.get_or_create(&ScopeLabel { scope }).set(i64::from(*paused));
            }
            Observation::KeyPhase { .. }
            | Observation::KeyEnded { .. }
            | Observation::Quarantine { .. }
            | Observation::Version { .. }
            | Observation::Elsewhere { .. }
            | Observation::Ignored { .. } => {}
        }
    }

    /// What a survey of an AVS's contracts came to.
    pub(crate) fn authority(&self, avs: &str, differing: usize, pending: usize) {
        let label = AvsLabel { avs: avs.to_owned() };
        self.differing.get_or_create(&label).set(i64::try_from(differing).unwrap_or(i64::MAX));
        self.pending.get_or_create(&label).set(i64::try_from(pending).unwrap_or(i64::MAX));
    }

    /// When which key is overdue, where that is known, and how many have left each.
    pub(crate) fn scheduled(&self, view: &ScheduleView) {
        for entry in &view.entries {
            let labels = ScheduleLabels { kind: entry.kind.clone(), key: entry.name.clone() };
            if let Some(left) = entry.left_seconds {
                self.schedule.get_or_create(&labels).set(left);
            }
        }
        for departed in &view.departed {
            let label = KeyLabel { key: departed.key.clone() };
            self.departed.get_or_create(&label).set(i64::try_from(departed.nodes.len()).unwrap_or(i64::MAX));
        }
    }

    /// A notice of the chain was told.
    pub(crate) fn noticed(&self, kind: &str, is_alarm: bool) {
        self.notices.inc();
        if is_alarm {
            self.alarms.get_or_create(&KindLabel { kind: kind.to_owned() }).inc();
        }
    }

    /// A connection, greeting or frame was refused below the envelope.
    pub(crate) fn refused(&self, code: &str) {
        self.refusals.get_or_create(&CodeLabel { code: code.to_owned() }).inc();
    }

    pub(crate) fn store(&self, store: StoreMetrics) {
        self.store_commits.set(i64::try_from(store.commits).unwrap_or(i64::MAX));
        self.store_seconds.set(store.commit_time.as_secs_f64());
    }

    /// The exposition text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
