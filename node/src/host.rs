//! `firn run`: opens the data directory, unseals, restores, starts every task, and stops them in order.

use crate::api::{self, Door, Intake, Shared};
use crate::backup::standing::Standing;
use crate::chain::authority::watch::Watch;
use crate::chain::endpoints::Endpoints;
use crate::chain::{self, Chain, Job};
use crate::client::token_file;
use crate::config::{self, Config, Layers, Overrides};
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use crate::generation::Generation;
use crate::keystore::{Context, Keystore, PassphraseSource, Unlocked};
use crate::metrics::Metrics;
use crate::net::{self, Network};
use crate::runtime::journal::Journal;
use crate::runtime::{CALLS_MAX, Call, EVENTS_MAX, Ended, Inputs, Runtime};
use crate::schedule::upkeep::Upkeep;
use crate::store::{Family, Store};
use crate::verifier::{self, Verifier};
use alloy::signers::local::PrivateKeySigner;
use firn_coordinator::Engine;
use firn_coordinator::PEOPLE;
use firn_coordinator::api::{Event, Family as RecordFamily, Record};
use firn_proto::{Code, Definition, Digest, Incarnation, Message, NodeId, envelope};
use firn_vault::{RootSecret, Vault};
use libp2p::{Multiaddr, PeerId, identity::Keypair};
use rand_core::{OsRng, RngCore};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

mod signals;
pub(crate) mod versions;

/// What lasts as long as the process.
struct Opened {
    directory: DataDir,
    config: Config,
    unlocked: Unlocked,
    /// The operator's, for the local API.
    token: String,
    /// Its calls that were answered.
    used: Arc<api::session::Used>,
    generation: Generation,
}

/// What lasts as long as a version of the definition is in force.
struct Started {
    definition: Definition,
    me: NodeId,
    store: Store,
    incarnation: Incarnation,
}

/// Runs a node until SIGTERM or Ctrl-C. Under each version of the definition everything but the unsealed keys starts anew.
pub(crate) fn run(
    data_dir: &Path,
    passphrase: Option<PassphraseSource>,
    journal: Option<&Path>,
) -> Result<(), Failure> {
    check_entropy()?;
    let opened = open(data_dir, passphrase)?;
    let told_to_stop = signals::told_to_stop()?;
    loop {
        let now = Instant::now();
        let started = start(&opened)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::general("RUNTIME", error.to_string()))?;
        let ended = runtime.block_on(serve(&opened, started, journal, told_to_stop.clone(), now));
        // Sockets and the store are free before anything takes them again.
        runtime.shutdown_timeout(SHUTDOWN);
        if !matches!(ended, Ok(Ended::Superseded)) || *told_to_stop.borrow() {
            let _ = std::fs::remove_file(token_file(data_dir));
            return ended.map(drop);
        }
        tracing::info!("another version of the definition is in force");
    }
}

/// How long tasks have to end that nothing waits for any more.
const SHUTDOWN: Duration = Duration::from_secs(5);

fn open(data_dir: &Path, passphrase: Option<PassphraseSource>) -> Result<Opened, Failure> {
    let directory = DataDir::open(data_dir)?;
    let overrides = Overrides { environment: std::env::vars().collect(), flags: Vec::new() };
    let config = Config::parse(&Layers::read(&directory.config_file(), &overrides)?)?;
    let definition = read_definition(&directory.network_file())?;
    named(&definition, &config)?;
    let source = passphrase.or_else(|| config.unseal.passphrase_file.clone().map(PassphraseSource::File));
    let passphrase = source.unwrap_or(PassphraseSource::Prompt).read()?;
    let context = Context { network: definition.name.clone(), node: config.node.clone() };
    let unlocked = Keystore::open(&directory.keystore_dir(), &context, &passphrase)?;
    let token = new_token(data_dir)?;
    Ok(Opened { directory, config, unlocked, token, used: Arc::default(), generation: Generation::watch() })
}

fn start(opened: &Opened) -> Result<Started, Failure> {
    let mut store = Store::open(&opened.directory.store_dir())?;
    let file = versions::with_earlier(&opened.directory.network_file())?;
    let definition = versions::current(&opened.directory, &mut store, &file)?;
    let me = named(&definition, &opened.config)?;
    let incarnation = Incarnation::new(store.next_incarnation()?, OsRng.next_u32());
    Ok(Started { definition, me, store, incarnation })
}

/// Which node of the definition this one is.
pub(crate) fn named(definition: &Definition, config: &Config) -> Result<NodeId, Failure> {
    let found = definition.nodes.iter().find(|(_, node)| node.name == config.node);
    found.map(|(id, _)| *id).ok_or_else(|| {
        let had = |version: &&Definition| version.nodes.values().any(|node| node.name == config.node);
        let (cause, next) = match definition.versions().find(had) {
            Some(_) => (
                format!("version {} of the definition has no node `{}` any more", definition.version(), config.node),
                "the organisations have taken it out; nothing is lost here, and `firn network status` at another node shows why",
            ),
            None => (
                format!("network.toml has no node `{}`", config.node),
                "correct `node` in config.toml, or use the right network.toml",
            ),
        };
        Failure::new("NODE_UNKNOWN", cause, next, Exit::Failure)
    })
}

/// Reads and checks a `network.toml`.
pub(crate) fn read_definition(path: &Path) -> Result<Definition, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let next = "copy the network.toml that all organisations agreed on to this place, mode 0600";
        Failure::new("DEFINITION_MISSING", format!("{}: {error}", path.display()), next, Exit::Failure)
    })?;
    Ok(Definition::parse(&text)?)
}

async fn serve(
    opened: &Opened,
    run: Started,
    journal: Option<&Path>,
    mut told_to_stop: watch::Receiver<bool>,
    started: Instant,
) -> Result<Ended, Failure> {
    let Opened { config, unlocked, token, used, generation, .. } = opened;
    let Started { definition, me, store, incarnation } = run;
    let metrics = Arc::new(Metrics::new());
    let root = RootSecret::from_bytes(unlocked.vault_root.copied());
    let records = read_records(&store)?;
    let standing = Standing::of_node(config, &opened.directory, versions::kept(&store, definition.clone())?, me)?;
    let core = config.of_engine(&definition, me, incarnation);
    let (engine, vault) = restore(&store, core.clone(), root, &records)?;
    let journal =
        journal.map(|path| Journal::start(path, &core, incarnation, &records, Arc::clone(&metrics))).transpose()?;
    let (network, peers, net_events) = start_network(config, &definition, me, incarnation, transport(unlocked)?)?;
    let listening = network.listening();
    let (endpoints, client) = chain_client(config, unlocked, &definition, &metrics)?;

    let (reported, health) = watch::channel(chain::Health::default());
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let (calls, called) = mpsc::channel(CALLS_MAX);
    let (chain, waiting) = mpsc::channel::<Job>(chain::JOBS_MAX);
    let (verifier, questions) = mpsc::channel(verifier::QUESTIONS_MAX);
    let (counted, generation) = (Arc::clone(&metrics), generation.clone());
    let core =
        Runtime { engine, vault, store, network, chain, verifier, metrics: counted, journal, generation, started };
    let mut ended = start_core(core, Inputs { events: received, calls: called })?;
    let mut tasks = JoinSet::new();
    tasks.spawn(client.run(waiting, events.clone(), reported));
    if let Some(evidence) = &config.evidence {
        tasks.spawn(Verifier::new(evidence, &definition)?.run(questions, events.clone()));
    }
    let (watch, surveyed) = Watch::new(endpoints.clone(), &definition, &calls, &events, &metrics);
    tasks.spawn(watch.run());
    let (notices, watching) =
        crate::watch::start(config, endpoints, opened.directory.watch_file(), &definition, &calls, &metrics)?;
    tasks.spawn(watching);
    tasks.spawn(deliver(net_events, definition.clone(), events, Arc::clone(&metrics)));

    let api = Arc::new(Shared {
        intake: Intake::new(definition.requesters.len()),
        definition,
        me,
        incarnation,
        calls: calls.clone(),
        data_dir: opened.directory.root().to_owned(),
        metrics,
        token: token.clone(),
        used: Arc::clone(used),
        health,
        surveyed,
        notices,
        peers,
        insecure_kdf: unlocked.insecure_kdf,
        backups_waived: config.backup.policy == config::BackupPolicy::Waived,
        schedule: crate::schedule::Schedule::of_node(config, &opened.directory),
    });
    Upkeep::new(Arc::clone(&api), standing, &config.keys).map(|upkeep| tasks.spawn(upkeep.run()));
    let (servers, stop) = start_api(&config.api, api).await?;
    let (api, elapsed_ms) = (config.api.listen, started.elapsed().as_millis());
    tracing::info!(node = me.0, incarnation = incarnation.count(), %api, ?listening, elapsed_ms, "started");

    let outcome = finish(&mut ended, &mut tasks, &calls, &mut told_to_stop).await;
    let _ = stop.send(());
    servers.iter().for_each(ApiTask::abort);
    outcome
}

/// The chain's endpoints, and the client that asks them and relays.
fn chain_client(
    config: &Config,
    unlocked: &Unlocked,
    definition: &Definition,
    metrics: &Metrics,
) -> Result<(Endpoints, Chain), Failure> {
    let relayer = unlocked.relayer.as_ref().map(|key| PrivateKeySigner::from_slice(key.expose())).transpose();
    let relayer = relayer.map_err(|error| Failure::general("RELAYER_KEY", error.to_string()))?;
    let endpoints = Endpoints::of_node(&config.chain, definition.chain.id, metrics.disagreements.clone())?;
    let client = Chain::new(endpoints.clone(), definition).of_node(&config.chain, relayer);
    Ok((endpoints, client))
}

/// How the loop ended.
type Outcome = oneshot::Receiver<Result<Ended, Failure>>;

/// Waits until the loop ends, or ends it in order.
async fn finish(
    ended: &mut Outcome,
    tasks: &mut JoinSet<()>,
    calls: &mpsc::Sender<Call>,
    told_to_stop: &mut watch::Receiver<bool>,
) -> Result<Ended, Failure> {
    let early = tokio::select! {
        outcome = &mut *ended => Some(outcome),
        // A node that hears or sees nothing must not live on by half. A loop that ends takes these with it, and says so next.
        _ = tasks.join_next() => Some(tokio::time::timeout(SHUTDOWN, &mut *ended).await.unwrap_or_else(|_| {
            let next = "start the node again; report this with the log";
            Ok(Err(Failure::new("TASK_ENDED", "the network or the chain client ended abruptly", next, Exit::Failure)))
        })),
        _ = told_to_stop.wait_for(|told| *told) => None,
    };
    tracing::info!("stopping");
    if early.is_none() {
        let _ = calls.send(Call::Stop).await;
    }
    let outcome = match early {
        Some(outcome) => outcome,
        None => ended.await,
    };
    outcome.unwrap_or_else(|_| {
        Err(Failure::general("CORE_PANIC", "the protocol loop ended abruptly; nothing was released after it"))
    })
}

/// What the engine is restored from.
pub(crate) fn read_records(store: &Store) -> Result<Vec<Record>, Failure> {
    let mut all = versions::records(store)?;
    for (family, target) in [
        (Family::Keys, RecordFamily::Keys),
        (Family::Requests, RecordFamily::Requests),
        (Family::Peers, RecordFamily::Peers),
    ] {
        for record in store.scan(family) {
            let (key, value) = record?;
            all.push(Record { family: target, key, value: Some(value) });
        }
    }
    // Among the node's singletons.
    for record in store.scan_from(Family::Meta, PEOPLE) {
        let (key, value) = record?;
        if !key.starts_with(PEOPLE) {
            break;
        }
        all.push(Record { family: RecordFamily::People, key, value: Some(value) });
    }
    // Of the audit log, which grows for ever, the engine needs the end only.
    let last = store.last(Family::Audit)?;
    all.extend(last.map(|(key, value)| Record { family: RecordFamily::Audit, key, value: Some(value) }));
    Ok(all)
}

/// Rebuilds engine and vault out of what is stored. Nothing is made anew in place of what does not read.
pub(crate) fn restore(
    store: &Store,
    config: firn_coordinator::Config,
    root: RootSecret,
    records: &[Record],
) -> Result<(Engine, Vault), Failure> {
    let sealed = store.scan(Family::Vault).collect::<Result<Vec<_>, _>>()?;
    let vault =
        Vault::open(config.definition.clone(), config.me, config.incarnation, root, sealed).map_err(|error| {
            let next = "restore this node from its backup; nothing was changed or made anew";
            // The text opens with the code, which the failure says by itself.
            let (code, text) = (error.code().as_str(), error.to_string());
            let cause = text.strip_prefix(code).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
            Failure::new(code, cause, next, Exit::Failure)
        })?;
    let engine = Engine::restore(config, records).map_err(|(code, key)| {
        Failure::new(
            code.as_str(),
            format!("record {} does not read", hex::encode(key)),
            code.next_step(),
            Exit::Failure,
        )
    })?;
    Ok((engine, vault))
}

/// Serves the API until something is sent to, or dropped with, the sender.
async fn start_api(config: &config::Api, shared: Arc<Shared>) -> Result<(Vec<ApiTask>, watch::Sender<()>), Failure> {
    let address = config.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let next = "choose another api.listen, or stop what uses it";
        Failure::new("API_LISTEN", format!("{address}: {error}"), next, Exit::Conflict)
    })?;
    let (stop, mut stopped) = watch::channel(());
    let graceful = async move { drop(stopped.changed().await) };
    let local = api::router(Arc::clone(&shared), Door::Local);
    let mut servers = vec![tokio::spawn(axum::serve(listener, local).with_graceful_shutdown(graceful).into_future())];
    if let Some(remote) = &config.remote {
        servers.push(api::remote::serve(remote, shared, stop.subscribe()).await?);
    }
    Ok((servers, stop))
}

type ApiTask = JoinHandle<std::io::Result<()>>;

fn transport(unlocked: &Unlocked) -> Result<Keypair, Failure> {
    let identity = Keypair::from_protobuf_encoding(unlocked.transport.expose());
    identity.map_err(|error| Failure::general("TRANSPORT_IDENTITY", error.to_string()))
}

type Peers = Box<dyn Fn() -> Vec<net::PeerStatus> + Send + Sync>;

fn start_network(
    config: &Config,
    definition: &Definition,
    me: NodeId,
    incarnation: Incarnation,
    identity: Keypair,
) -> Result<(Network, Peers, mpsc::Receiver<net::Event>), Failure> {
    let invalid =
        |what: String| Failure::new("DEFINITION_INVALID", what, "correct network.toml on all nodes", Exit::Failure);
    let mut peers = BTreeMap::new();
    for (id, node) in &definition.nodes {
        let peer: PeerId = node.peer_id.parse().map_err(|_| invalid(format!("node {}: peer_id", node.name)))?;
        if *id == me {
            if peer != identity.public().to_peer_id() {
                return Err(invalid(format!("node {}: the keystore holds another transport identity", node.name)));
            }
            continue;
        }
        let addresses: Result<Vec<Multiaddr>, _> = node.addresses.iter().map(|address| address.parse()).collect();
        let addresses = addresses.map_err(|_| invalid(format!("node {}: addresses", node.name)))?;
        peers.insert(peer, net::Peer { node: id.0, name: node.name.clone(), addresses });
    }
    let hello = net::Hello {
        version_min: envelope::VERSION,
        version_max: envelope::VERSION,
        network: definition.network_id().0.0,
        definition: definition.digest().0,
        incarnation: incarnation.to_wire(),
    };
    let config = net::Config { identity, listen: config.listen.clone(), peers, hello, limits: net::Limits::default() };
    let (network, events) = net::start(config)
        .map_err(|error| Failure::new("NETWORK", error.to_string(), "check `listen` in config.toml", Exit::Conflict))?;
    let status = network.status();
    Ok((network, Box::new(status), events))
}

/// Starts the protocol loop on its own thread; the receiver gives how it ended.
fn start_core(core: Runtime, inputs: Inputs) -> Result<Outcome, Failure> {
    let (finished, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| Failure::general("RUNTIME", error.to_string()))?;
    std::thread::Builder::new()
        .name("firn-core".to_owned())
        .spawn(move || {
            let outcome = runtime.block_on(core.run(inputs));
            let _ = finished.send(outcome);
        })
        .map_err(|error| Failure::general("THREAD", error.to_string()))?;
    Ok(ended)
}

/// Authenticates frames and hands them to the loop, in each peer's order.
async fn deliver(
    mut events: mpsc::Receiver<net::Event>,
    definition: Definition,
    inputs: mpsc::Sender<Event>,
    metrics: Arc<Metrics>,
) {
    let mut elsewhere = BTreeSet::new();
    while let Some(event) = events.recv().await {
        let event = match event {
            net::Event::Up { node, definition: theirs, .. } if theirs != definition.digest().0 => {
                elsewhere.insert(node);
                Event::PeerElsewhere { node: NodeId(node), definition: Digest(theirs) }
            }
            net::Event::Up { node, incarnation, version, .. } => {
                let incarnation = Incarnation::from_wire(incarnation);
                tracing::info!(peer = node, incarnation = incarnation.count(), version, "peer_up");
                Event::PeerUp { node: NodeId(node), incarnation }
            }
            net::Event::Down { node } => {
                elsewhere.remove(&node);
                tracing::info!(peer = node, "peer_down");
                Event::PeerDown { node: NodeId(node) }
            }
            net::Event::RoundTrip { node, round_trip } => {
                // Rounded up: no round trip takes no time.
                let milliseconds = u64::try_from(round_trip.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
                Event::RoundTrip { node: NodeId(node), milliseconds }
            }
            net::Event::Frame { from, bytes } => match timed(&metrics, || envelope::verify(&bytes, &definition)) {
                Ok(message) => {
                    metrics.verified.inc_by(signatures(message.content()));
                    Event::Received { from: NodeId(from), message: Box::new(message) }
                }
                // What it says may be right under its own version: it is not heard, and not held against it.
                Err(_) if elsewhere.contains(&from) => {
                    tracing::debug!(peer = from, code = Code::DefinitionMismatch.as_str(), "message_ignored");
                    continue;
                }
                Err(refusal) => {
                    metrics.rejected.inc();
                    tracing::warn!(
                        peer = from,
                        code = refusal.code.as_str(),
                        detail = refusal.detail,
                        "message_rejected"
                    );
                    continue;
                }
            },
            net::Event::Refused { node, code, detail } => {
                metrics.refused(code.name);
                tracing::warn!(peer = node, code = code.name, detail, "peer_refused");
                continue;
            }
            net::Event::Listening(address) => {
                tracing::info!(%address, "listening");
                continue;
            }
        };
        if inputs.send(event).await.is_err() {
            return;
        }
    }
}

/// How many signatures were checked for a message: its author's, and those nested in it.
fn signatures(message: &Message) -> u64 {
    let nested = match message {
        Message::RequestSpread { .. } | Message::Opinion(_) | Message::Pause(_) => 1,
        Message::Checkpoint(signed) => 1 + usize::from(signed.cosignature.is_some()),
        Message::Willingness(willingness) => usize::from(willingness.commitments.is_some()),
        Message::SigningPackage(package) => package.commitments.len(),
        Message::SignatureShare(share) => share.next.len(),
        Message::CommitmentsOffered(offered) => offered.len(),
        Message::KeyCertificate(certificate) => certificate.signatures().len(),
        Message::DefinitionChange(change) => change.signed().signatures.len(),
        _ => 0,
    };
    1 + nested as u64
}

/// Counts the time that authenticating a message takes.
fn timed<T>(metrics: &Metrics, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    metrics.verify_seconds.inc_by(started.elapsed().as_secs_f64());
    done
}

/// A fresh token for the operator's own commands; the old one dies with the old process.
fn new_token(data_dir: &Path) -> Result<String, Failure> {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    let token = hex::encode(bytes);
    let path = token_file(data_dir);
    files::replace(&path, token.as_bytes())
        .map_err(|error| Failure::general("TOKEN", format!("{}: {error}", path.display())))?;
    Ok(token)
}

/// The system's generator must not be dead or constant (R45): two draws that are equal or empty stop the start.
fn check_entropy() -> Result<(), Failure> {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    let drawn = OsRng.try_fill_bytes(&mut first).and_then(|()| OsRng.try_fill_bytes(&mut second));
    if drawn.is_ok() && first != second && first != [0; 32] && second != [0; 32] {
        return Ok(());
    }
    let next = "do not run a signer on this machine before its random source is repaired";
    Err(Failure::new("ENTROPY", "the system's random generator is dead or constant", next, Exit::Failure))
}
