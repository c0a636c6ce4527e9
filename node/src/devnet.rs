//! `firn devnet`: a whole network on one machine, for a first look, for trying things out and for tests.

use crate::cli::Output;
use crate::failure::{Exit, Failure};
use account::Account;
use clap::{Args, Subcommand};
use files::{Keys, Manifest, WARNING, Wish};
use processes::Cluster;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use steps::{deploy_contracts, generate_key, group_key, start};
use tokio::signal::unix::{SignalKind, signal};

mod account;
mod change;
mod contracts;
mod demo;
pub(crate) mod files;
mod life;
mod processes;
mod roster;
mod steps;

/// A whole network on this machine: nodes, a chain, a sample AVS.
///
/// Everything is real but the stakes: one process, data directory, database and keystore per node, libp2p between
/// them, anvil as the chain. NEVER use a devnet's keys for anything of value: its keystores open fast, its passphrases
/// lie beside them, its relayer keys are public knowledge, and EigenLayer is a simulation.
#[derive(Subcommand)]
#[command(after_help = EXAMPLE)]
pub(crate) enum DevnetCommand {
    /// Show Firn at work in eight acts, in a temporary directory, in about half a minute.
    Demo(DemoArgs),
    /// Show the whole life of a slash under Firn's contracts, from their deployment to the rotation of a key, in about two minutes.
    Life(LifeArgs),
    /// Start a devnet and keep it running until Ctrl-C; makes it first where it does not exist.
    ///
    /// The directory stays. The next `up` on it continues with the same keys and the same chain.
    #[command(after_help = EXAMPLE)]
    Up(PrepareArgs),
    /// Make the directories, keys and network.toml of a devnet, and start nothing.
    Prepare(PrepareArgs),
    /// Deploy the contracts of a prepared devnet whose nodes run and have generated the key.
    Deploy(DirArgs),
}

const EXAMPLE: &str = "Keep five nodes running, and ask for slashes of your own:

  firn devnet up --dir my-devnet
      Starts anvil and five nodes, generates their key, deploys the contracts, and stays until Ctrl-C.
      When it is ready it prints the whole of the next two lines, with the addresses filled in.

  firn request slash --data-dir my-devnet/nordlys --keystore my-devnet/avs/requester.json ...
  firn request show --data-dir my-devnet/halyard
      In a second terminal: ask at one node, look at another.

  firn status --data-dir my-devnet/nordlys
      A node at a glance, and who is missing.

The second `up` on a directory continues with the same keys and the same chain.";

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
    /// How many nodes, 3 to 7, each of another organisation.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=7))]
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

/// Against which core the life is shown.
#[derive(Args)]
pub(crate) struct LifeArgs {
    /// The release of EigenLayer's core whose rules the simulation plays.
    #[arg(long, value_enum, default_value = "v1.13")]
    core: life::Core,
    #[command(flatten)]
    demo: DemoArgs,
}

/// Runs a `firn devnet` command.
pub(crate) async fn run(command: DevnetCommand, output: Output) -> Result<(), Failure> {
    match command {
        DevnetCommand::Prepare(args) => prepare(&args, output),
        DevnetCommand::Deploy(args) => deploy(&args.dir, output).await,
        DevnetCommand::Up(args) => Box::pin(up(&args, output)).await,
        DevnetCommand::Demo(args) => Box::pin(demo::run(args.keep, output)).await,
        DevnetCommand::Life(args) => Box::pin(life::run(args.core, args.demo.keep, output)).await,
    }
}

fn prepare(args: &PrepareArgs, output: Output) -> Result<(), Failure> {
    let account = Account::new(output, "step");
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
    let wish = Wish {
        dir: &args.dir,
        nodes: args.nodes,
        threshold: args.threshold,
        rpc: args.rpc.as_deref(),
        keys: Keys::One,
    };
    files::prepare(&wish)
}

async fn deploy(dir: &Path, output: Output) -> Result<(), Failure> {
    let (account, manifest) = (Account::new(output, "step"), Manifest::read(dir)?);
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
    let mut account = Account::new(output, "step");
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

/// Starts everything, prints how to use it, and watches. Returns only when something fails.
async fn serve(cluster: &mut Cluster, account: &mut Account, dir: &Path) -> Result<(), Failure> {
    account.next("the chain and the nodes");
    start(cluster, account).await?;
    account.next("the key");
    let names = cluster.names();
    let key = generate_key(cluster, account, files::KEY, &names).await?;
    account.next("the contracts");
    let address = deploy_contracts(cluster, account, &key).await?;
    account.say("ready; Ctrl-C stops everything and keeps the directory");
    account.document(&json!({
        "schema": "firn/devnet-ready/v1", "devnet": cluster.manifest, "pids": cluster.pids(),
        "key": key, "account": address,
    }));
    account.plain(&instructions(&cluster.manifest, dir));
    watch(cluster, account).await
}

/// Reports processes that end. They may: killing some is what a devnet is for.
async fn watch(cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        for (name, status) in cluster.take_ended() {
            let again =
                cluster.node(&name).map(|node| format!("; again: firn run --data-dir {}", node.data_dir.display()));
            account.say(format!("{name} has ended ({status}){}", again.unwrap_or_default()));
        }
    }
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

Logs are in {dir}/logs. To see what happens when nodes are missing, kill some with `kill -9` and the process numbers
above, and start them again with `firn run --data-dir`.
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
