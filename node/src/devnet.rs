//! `firn devnet`: a whole network on one machine, for a first look, for trying things out and for tests.

use crate::api::json::{KeyView, ProposeBody};
use crate::cli::Output;
use crate::failure::{Exit, Failure};
use account::{Account, amount, duration};
use alloy::primitives::Address;
use clap::{Args, Subcommand};
use files::{Manifest, WARNING, Wish};
use firn_proto::Point;
use processes::{Cluster, Look};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

mod account;
mod contracts;
mod demo;
mod files;
mod processes;
mod roster;

/// What connecting all nodes may take.
const CONNECT: Duration = Duration::from_secs(20);
/// Longer than anybody watches.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// What generating a key may take.
const KEYGEN: Duration = Duration::from_secs(40);
/// What a block may take to become final: two epochs of one slot, and some patience.
const FINALITY: Duration = Duration::from_secs(20);

/// A whole network on this machine: nodes, a chain, a sample AVS.
///
/// Everything is real but the stakes: one process, data directory, database and keystore per node, libp2p between
/// them, anvil as the chain. NEVER use a devnet's keys for anything of value: its keystores open fast, its passphrases
/// lie beside them, its relayer keys are public knowledge, and EigenLayer is a simulation.
#[derive(Subcommand)]
pub(crate) enum DevnetCommand {
    /// Show Firn at work in five acts, in a temporary directory, in about half a minute.
    Demo(DemoArgs),
    /// Start a devnet and keep it running until Ctrl-C; makes it first where it does not exist.
    ///
    /// The directory stays. The next `up` on it continues with the same keys and the same chain.
    #[command(after_help = UP_EXAMPLE)]
    Up(PrepareArgs),
    /// Make the directories, keys and network.toml of a devnet, and start nothing.
    Prepare(PrepareArgs),
    /// Deploy the contracts of a prepared devnet whose nodes run and have generated the key.
    Deploy(DirArgs),
}

const UP_EXAMPLE: &str = "Example:
  firn devnet up --dir my-devnet
  # in a second terminal, with the lines that `up` prints:
  firn request slash ... --data-dir my-devnet/nordlys
  firn status --data-dir my-devnet/nordlys";

/// Which devnet.
#[derive(Args)]
pub(crate) struct DirArgs {
    /// The devnet's directory.
    #[arg(long)]
    dir: PathBuf,
}

/// Which devnet, and what a new one is like.
#[derive(Args)]
pub(crate) struct PrepareArgs {
    /// The devnet's directory. Never overwritten.
    #[arg(long)]
    dir: PathBuf,
    /// How many nodes, 3 to 6, each of another organisation.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=6))]
    nodes: u16,
    /// How many of them sign: more than half, fewer than all.
    #[arg(long, default_value_t = 3)]
    threshold: u16,
    /// A chain that runs already: a fresh anvil with chain id 31337. Without it, `up` runs one.
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
}

/// How to run the demo.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Keep the directory with keys, databases and logs, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// Runs a `firn devnet` command.
pub(crate) async fn run(command: DevnetCommand, output: Output) -> Result<(), Failure> {
    match command {
        DevnetCommand::Prepare(args) => prepare(&args, output),
        DevnetCommand::Deploy(args) => deploy(&args.dir, output).await,
        DevnetCommand::Up(args) => Box::pin(up(&args, output)).await,
        DevnetCommand::Demo(args) => Box::pin(demo::run(args.keep, output)).await,
    }
}

fn prepare(args: &PrepareArgs, output: Output) -> Result<(), Failure> {
    let account = Account::new(output);
    let manifest = make(args)?;
    account.document(&json!(manifest));
    account.plain(WARNING);
    for node in &manifest.nodes {
        account.plain(&format!(
            "  {:<10} {:<18} {:<9} {}",
            node.name,
            node.organisation,
            node.region,
            node.data_dir.display()
        ));
    }
    account.plain(&format!("start it with: firn devnet up --dir {}", args.dir.display()));
    Ok(())
}

fn make(args: &PrepareArgs) -> Result<Manifest, Failure> {
    let wish = Wish { dir: &args.dir, nodes: args.nodes, threshold: args.threshold, rpc: args.rpc.as_deref() };
    files::prepare(&wish)
}

async fn deploy(dir: &Path, output: Output) -> Result<(), Failure> {
    let (account, manifest) = (Account::new(output), Manifest::read(dir)?);
    let node = manifest.nodes.first().ok_or_else(|| Failure::general("DEVNET_NODE", "no nodes"))?;
    let keys = crate::client::Client::new(node.api, None)?.keys().await?.keys;
    let active = keys.iter().find(|key| key.state == "active").ok_or_else(|| {
        let next = "run `firn dkg propose slash` at one node and `firn dkg accept` at the others";
        Failure::new("KEY_NOT_READY", format!("{} has no active key", node.name), next, Exit::NotReady)
    })?;
    let address = contracts::deploy(&manifest, &group_key(active)?).await?;
    account.document(
        &json!({ "schema": "firn/devnet-contracts/v1", "account": address, "contracts": manifest.contracts }),
    );
    account.plain(&format!("the operator set's slasher is the account {address}"));
    Ok(())
}

async fn up(args: &PrepareArgs, output: Output) -> Result<(), Failure> {
    let mut account = Account::new(output);
    let manifest = if Manifest::exists(&args.dir) { Manifest::read(&args.dir)? } else { make(args)? };
    account.plain(WARNING);
    let mut signals = Signals::new()?;
    let mut cluster = Cluster::new(&args.dir, manifest);
    // Signals first: Ctrl-C reaches the children as well, and their end is then no failure.
    let outcome = tokio::select! {
        biased;
        () = signals.received() => Ok(()),
        outcome = Box::pin(serve(&mut cluster, &mut account, &args.dir)) => outcome,
    };
    if let Err(failure) = &outcome {
        show_tails(&cluster, failure);
    }
    account.say("stopping");
    let stopped = cluster.stop().await;
    account.say(format!("stopped; {} stays", args.dir.display()));
    outcome.and(stopped)
}

/// Starts everything, prints how to use it, and returns only when a process ends that should not.
async fn serve(cluster: &mut Cluster, account: &mut Account, dir: &Path) -> Result<(), Failure> {
    account.act("the chain and the nodes");
    start(cluster, account).await?;
    account.act("the key");
    let key = generate_key(cluster, account).await?;
    account.act("the contracts");
    let address = deploy_contracts(cluster, account, &key).await?;
    account.say("ready; Ctrl-C stops everything and keeps the directory");
    account.document(&json!({
        "schema": "firn/devnet-ready/v1", "devnet": cluster.manifest, "pids": cluster.pids(),
        "key": key, "account": address,
    }));
    account.plain(&instructions(&cluster.manifest, dir));
    cluster.wait::<()>("the end", FOREVER, async |_| Ok(Look::Waiting(String::new()))).await
}

/// Starts anvil and all nodes, and waits until everybody sees everybody.
async fn start(cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
    let clock = Instant::now();
    cluster.start_chain().await?;
    let rpc = cluster.manifest.rpc.clone();
    account.say(format!(
        "anvil answers at {rpc}: a block a second, final two blocks later ({})",
        duration(clock.elapsed())
    ));
    let (clock, names) = (Instant::now(), cluster.names());
    cluster.start_nodes(&names).await?;
    let statuses = cluster.connected(&names, CONNECT).await?;
    let pids = cluster.pids();
    for status in &statuses {
        let node = cluster.node(&status.name)?;
        let pid = pids.get(&status.name).copied().unwrap_or_default();
        account.say(format!(
            "{:<10} {:<18} {:<9} process {pid}, libp2p port {}, API {}",
            node.name, node.organisation, node.region, node.port, node.api
        ));
    }
    let nodes = names.len();
    account.say(format!("all {nodes} nodes are connected with each other ({})", duration(clock.elapsed())));
    Ok(())
}

/// Generates the key where there is none, and waits until every node holds it, certified by all.
async fn generate_key(cluster: &mut Cluster, account: &Account) -> Result<KeyView, Failure> {
    let (clock, names) = (Instant::now(), cluster.names());
    let first = names.first().cloned().unwrap_or_default();
    let existing = cluster.client(&first)?.keys().await?.keys.into_iter().find(|key| key.state == "active");
    let key_id = if let Some(key) = existing {
        account.say(format!("the key `{}` exists since an earlier start", key.name));
        key.key_id
    } else {
        let body = ProposeBody { name: cluster.manifest.key.clone(), within_seconds: 120 };
        let id = cluster.client(&first)?.propose_key(&body).await?.id;
        account.say(format!(
            "{first} proposes a key `{}`, {} of {}",
            body.name,
            cluster.manifest.threshold,
            names.len()
        ));
        accept_everywhere(cluster, &names, &first, &id).await?;
        account.say("every organisation accepts; the nodes exchange commitments and encrypted shares");
        id
    };
    let key =
        cluster.wait("the key at every node", KEYGEN, async |cluster| same_key(cluster, &names, &key_id).await).await?;
    account.say(format!("group key {}", key.group_key.clone().unwrap_or_default()));
    account.say(format!("the same at all {} nodes, certified by {}", names.len(), key.certified_by.join(", ")));
    account.say(format!(
        "active: {} of {} members signed with it ({})",
        key.threshold,
        names.len(),
        duration(clock.elapsed())
    ));
    Ok(key)
}

async fn accept_everywhere(cluster: &mut Cluster, names: &[String], first: &str, id: &str) -> Result<(), Failure> {
    for name in names.iter().filter(|name| *name != first) {
        let what = format!("the proposal at {name}");
        cluster
            .wait(&what, KEYGEN, async |cluster| {
                let keys = cluster.client(name)?.keys().await?.keys;
                let known = keys.iter().any(|key| key.key_id == id);
                Ok(if known { Look::Done(()) } else { Look::Waiting("it has not arrived".to_owned()) })
            })
            .await?;
        cluster.client(name)?.accept_key(id).await?;
    }
    Ok(())
}

/// The key, once all nodes hold one and the same, active and certified by all.
async fn same_key(cluster: &Cluster, names: &[String], id: &str) -> Result<Look<KeyView>, Failure> {
    let mut found: Option<KeyView> = None;
    for name in names {
        let keys = cluster.client(name)?.keys().await?.keys;
        let Some(key) = keys.into_iter().find(|key| key.key_id == id) else {
            return Ok(Look::Waiting(format!("{name} does not know it")));
        };
        if let Some(code) = key.code.as_ref().filter(|_| matches!(key.state.as_str(), "aborted" | "abandoned")) {
            let culprit = key.culprit.clone().unwrap_or_else(|| "nobody".to_owned());
            let cause = format!("{name}: key generation {} with {code}; at fault: {culprit}", key.state);
            return Err(Failure::new("DEVNET_KEYGEN", cause, "look at the log lines above", Exit::Failure));
        }
        if key.state != "active" || key.certified_by.len() != names.len() {
            let waiting = format!("{name}: {}, certified by {} of {}", key.state, key.certified_by.len(), names.len());
            return Ok(Look::Waiting(waiting));
        }
        if found.as_ref().is_some_and(|other| other.group_key != key.group_key) {
            return Err(Failure::general("DEVNET_KEYGEN", format!("{name} holds another group key than the others")));
        }
        found = Some(key);
    }
    Ok(found.map_or_else(|| Look::Waiting("no nodes".to_owned()), Look::Done))
}

/// Deploys what is missing, and waits until the nodes can rely on it.
async fn deploy_contracts(cluster: &mut Cluster, account: &Account, key: &KeyView) -> Result<Address, Failure> {
    let clock = Instant::now();
    let address = contracts::deploy(&cluster.manifest, &group_key(key)?).await?;
    if key.account != Some(address) {
        return Err(Failure::general("DEVNET_ADDRESS", format!("the nodes expect another account than {address}")));
    }
    let of = cluster.manifest.contracts.clone();
    account.say(format!("FrostVerifier  {}", of.verifier));
    account.say(format!("FrostAccount   {address}, the address that every node computed from the group key"));
    account.say(format!("EigenLayerSim  {}, a simulation of EigenLayer's core", of.allocation_manager));
    account.say(format!(
        "AVS            {}, redistributing operator set {}, slasher: the account",
        of.avs, of.operator_set_id
    ));
    let rpc = contracts::reader(&cluster.manifest.rpc)?;
    let stake = amount(contracts::shares(&rpc, &of).await?);
    account.say(format!("operator       {}, {stake} shares, all allocated to the set", of.operator));
    cluster
        .wait("the operator set to be final", FINALITY, async |_| {
            let ready = contracts::slashable(&rpc, &of, address).await?;
            Ok(if ready { Look::Done(()) } else { Look::Waiting("not in a finalised block".to_owned()) })
        })
        .await?;
    account.say(format!("all of it is final ({})", duration(clock.elapsed())));
    Ok(address)
}

fn group_key(key: &KeyView) -> Result<Point, Failure> {
    let invalid = || Failure::general("DEVNET_KEY", "a node shows no valid group key");
    let bytes =
        hex::decode(key.group_key.as_deref().unwrap_or_default().trim_start_matches("0x")).map_err(|_| invalid())?;
    let key = alloy::signers::k256::PublicKey::from_sec1_bytes(&bytes).map_err(|_| invalid())?;
    Point::from_affine(key.as_affine()).ok_or_else(invalid)
}

/// What to type in a second terminal.
fn instructions(manifest: &Manifest, dir: &Path) -> String {
    let program = std::env::current_exe().map_or_else(|_| "firn".to_owned(), |path| path.display().to_string());
    let node = |at: usize| manifest.nodes.get(at).map(|node| node.data_dir.display().to_string()).unwrap_or_default();
    let (of, asks) = (&manifest.contracts, &manifest.requester);
    format!(
        "
Ask for a slash of 8 % as the sample AVS, at any node; the request's id is printed:

  {program} request slash --data-dir {first} \\
    --keystore {keystore} \\
    --passphrase-file {passphrase} \\
    --avs {avs} --operator-set {set} \\
    --operator {operator} \\
    --slash {strategy}=8% --description 'missed its duties'

Follow it at another node, and look at the network:

  {program} request show --data-dir {second}
  {program} status --data-dir {first}

Logs are in {dir}/logs. To see what happens when nodes are missing, kill some (kill -9 and the process number above).
",
        first = node(0),
        second = node(1),
        keystore = asks.keystore.display(),
        passphrase = asks.passphrase_file.display(),
        avs = of.avs,
        set = of.operator_set_id,
        operator = of.operator,
        strategy = of.strategy,
        dir = dir.display(),
    )
}

/// What ends a devnet from outside.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::general("DEVNET_SIGNALS", error.to_string());
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(failed)? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The ends of the logs of whoever is involved, on standard error.
fn show_tails(cluster: &Cluster, failure: &Failure) {
    let _ = std::io::stderr().write_all(cluster.tails(failure).as_bytes());
}
