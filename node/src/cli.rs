//! The command line: arguments, and what is printed. Data goes to standard output, talk to standard error.

use crate::client::Client;
use crate::config::{Config, Layers, Overrides};
use crate::devnet::{self, DevnetCommand};
use crate::failure::{Exit, Failure};
use crate::hardening::HardeningError;
use crate::keystore::PassphraseSource;
use crate::{host, init};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod dkg;
mod request;
mod setup;
mod show;

/// Threshold signing for the keys that guard staked money.
#[derive(Parser)]
#[command(name = "firn", version, about, max_term_width = 100)]
struct Cli {
    /// How to print.
    #[arg(long, global = true, value_enum, default_value = "text", env = "FIRN_OUTPUT")]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new node's data directory, keys and configuration.
    Init(setup::InitArgs),
    /// Run the node in the foreground until SIGTERM.
    Run(RunArgs),
    /// Show a running node at a glance: readiness, peers, keys, open requests and who is missing.
    Status(NodeArgs),
    /// Look after a stopped node's keystore.
    #[command(subcommand)]
    Keystore(setup::KeystoreCommand),
    /// Look at the network definition.
    #[command(subcommand)]
    Network(setup::NetworkCommand),
    /// Generate keys together with the other members.
    #[command(subcommand)]
    Dkg(dkg::DkgCommand),
    /// Ask for operations and follow them.
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// A whole network on this machine: five nodes, a chain, a sample AVS.
    #[command(subcommand)]
    Devnet(DevnetCommand),
}

#[derive(Args)]
struct RunArgs {
    /// The node's data directory.
    #[arg(long, env = "FIRN_DATA_DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Where the passphrase comes from: a file or a descriptor, else the configuration, else a prompt. Never an argument.
#[derive(Args)]
pub(crate) struct PassphraseArgs {
    /// File whose first line is the passphrase; readable by its owner only.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Number of an open descriptor whose first line is the passphrase.
    #[arg(long, value_name = "FD", conflicts_with = "passphrase_file")]
    passphrase_fd: Option<u32>,
}

impl PassphraseArgs {
    fn source(&self) -> Option<PassphraseSource> {
        let file = self.passphrase_file.clone().map(PassphraseSource::File);
        file.or_else(|| self.passphrase_fd.map(PassphraseSource::Descriptor))
    }
}

/// Which running node to talk to.
#[derive(Args, Clone)]
pub(crate) struct NodeArgs {
    /// The node's data directory: its configuration says where the API listens.
    #[arg(long, env = "FIRN_DATA_DIR", required_unless_present = "api")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the API, instead of a data directory: enough for what needs no operator's token.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) api: Option<SocketAddr>,
}

impl NodeArgs {
    /// A client for the node.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let address = match (self.api, &self.data_dir) {
            (Some(address), _) => address,
            (None, Some(dir)) => read_config(dir)?.api.listen,
            (None, None) => return Err(Failure::general("USAGE", "name a node with --data-dir or --api")),
        };
        Client::new(address, self.data_dir.as_deref())
    }
}

/// The configuration in a data directory, without locking it.
pub(crate) fn read_config(data_dir: &Path) -> Result<Config, Failure> {
    let overrides = Overrides { environment: std::env::vars().collect(), flags: Vec::new() };
    Ok(Config::parse(&Layers::read(&data_dir.join("config.toml"), &overrides)?)?)
}

/// Parses the arguments, runs the command, and says what became of it.
pub(crate) fn main(weak: &[HardeningError]) -> ExitCode {
    let cli = Cli::parse();
    start_logging(&cli.command);
    for weakness in weak {
        tracing::warn!(code = weakness.code(), hint = weakness.hint(), "{weakness}");
    }
    match execute(cli.command, cli.output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_failure(&failure, cli.output);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn execute(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Init(args) => setup::init(&args, output),
        Command::Run(args) => host::run(&args.data_dir, args.passphrase.source()),
        Command::Keystore(command) => setup::keystore(&command, output),
        Command::Network(command) => setup::network(&command, output),
        Command::Status(args) => block_on(async move { show::status(&args, output).await }),
        Command::Dkg(command) => block_on(async move { dkg::run(command, output).await }),
        Command::Request(command) => block_on(async move { request::run(command, output).await }),
        Command::Devnet(command) => block_on(async move { devnet::run(command, output).await }),
    }
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::general("RUNTIME", error.to_string()))?.block_on(work)
}

/// Logs go to standard error; `FIRN_LOG` filters them. Only a running node logs by itself.
fn start_logging(command: &Command) {
    let default = if matches!(command, Command::Run(_)) { "info" } else { "error" };
    let filter = std::env::var("FIRN_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = tracing_subscriber::EnvFilter::new(filter);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

fn print_failure(failure: &Failure, output: Output) {
    let text = match output {
        Output::Text => format!("error: {failure}\n"),
        Output::Json => format!("{}\n", failure.to_json()),
    };
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Prints `value` as JSON, or `text` for people.
pub(crate) fn print(output: Output, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
    let printed = match output {
        Output::Json => {
            serde_json::to_string_pretty(value).map_err(|error| Failure::general("JSON", error.to_string()))?
        }
        Output::Text => text(),
    };
    match writeln!(std::io::stdout(), "{}", printed.trim_end()) {
        // Whoever reads has seen enough, as in `firn request show | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new("OUTPUT", error.to_string(), "check where standard output goes", Exit::Failure)),
        Ok(()) => Ok(()),
    }
}
