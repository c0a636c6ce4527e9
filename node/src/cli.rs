//! The command line: arguments, and what is printed. Data goes to standard output, talk to standard error.

use crate::api::remote::client_config;
use crate::client::Client;
use crate::config::{Config, Layers, Overrides};
use crate::devnet::{self, DevnetCommand};
use crate::failure::{Exit, Failure};
use crate::hardening::HardeningError;
use crate::keystore::PassphraseSource;
use crate::{host, init};
use clap::{Args, Parser, Subcommand, ValueEnum};
use firn_proto::opinion::Decision;
use serde::Serialize;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

mod access;
mod audit;
mod backup;
mod chain;
mod check;
mod dkg;
mod key;
mod member;
mod network;
mod opinion;
mod pause;
mod peer;
mod policy;
mod repair;
mod request;
mod setup;
mod show;
mod submit;
mod token;
mod usage;
mod watch;

/// Threshold signing for the keys that guard staked money.
#[derive(Parser)]
#[command(
    name = "firn",
    version,
    about = "Threshold signing for the keys that guard staked money.",
    max_term_width = 100
)]
struct Cli {
    /// How to print results, failures and log lines.
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
    /// For programs: one JSON document on standard output, a failure as one line of JSON on standard error.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new node's data directory, keys and configuration.
    Init(setup::InitArgs),
    /// Run the node in the foreground until SIGTERM. With `--output json` its log lines are JSON.
    Run(RunArgs),
    /// Show a running node at a glance: readiness, peers, keys, open requests and who is missing.
    ///
    /// Exits with 4 where the node is not ready.
    Status(NodeArgs),
    /// Follow what happens on chain to what the network guards, with countdowns, until Ctrl-C.
    ///
    /// First what the node still has in memory. With `--output json` one line of JSON each.
    Watch(watch::WatchArgs),
    /// Look after a stopped node's keystore.
    #[command(subcommand)]
    Keystore(setup::KeystoreCommand),
    /// Look at the network definition, and change it; pause and resume the network.
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// Deploy the contracts that hold an AVS's authority, and compare them with the definition.
    #[command(subcommand)]
    Chain(Box<chain::ChainCommand>),
    /// Generate keys together with the other members.
    #[command(subcommand)]
    Dkg(dkg::DkgCommand),
    /// Look after keys that are there: when what is to be renewed, and how a new key takes an old one's place.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Change who the members of a key are: the next version of the definition, for admins to sign.
    #[command(subcommand)]
    Member(Box<member::MemberCommand>),
    /// Decide about other members.
    #[command(subcommand)]
    Peer(peer::PeerCommand),
    /// Look at the rules of a network.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Ask for operations and follow them.
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Approve a request, for the organisation that the definition names you under.
    Approve(opinion::OpinionArgs),
    /// Reject a request: the nodes of your organisation will not sign it, until you withdraw that.
    Reject(opinion::OpinionArgs),
    /// Take an approval or a rejection back. What has been signed stays signed.
    Withdraw(opinion::OpinionArgs),
    /// Veto a request: nobody will sign it, ever.
    Veto(opinion::OpinionArgs),
    /// Pause this node at once: it lends no share until it resumes.
    Pause(NodeArgs),
    /// Resume this node, with the approvals of two people of its organisation.
    Resume(pause::ResumeArgs),
    /// Agree that a paused node of your organisation resumes; its operator needs what this prints.
    ApproveResume(pause::AgreeArgs),
    /// Review who may do what.
    #[command(subcommand)]
    Access(access::AccessCommand),
    /// Make an operator's token for one call of the API, for programs that call it by themselves.
    Token(token::TokenArgs),
    /// Look at a node's audit log, export it, and verify exports.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Make, verify and restore backups of a node's key shares.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
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
    /// Write every event of the protocol to this file, for running an incident again with `firn-sim replay`.
    ///
    /// It holds no secret, and ends at 1 GiB. A file of an earlier start is kept as FILE.previous.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
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
    #[arg(long, env = "FIRN_DATA_DIR", required_unless_present_any = ["api", "url"])]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the API, instead of a data directory: enough for what needs no operator's token.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) api: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// A node on another machine, by its certificate and ours.
#[derive(Args, Clone, Default)]
pub(crate) struct RemoteArgs {
    /// The API of a node on another machine, as https://HOST:PORT.
    #[arg(long, value_name = "URL", conflicts_with = "api", requires_all = ["ca", "cert", "key"])]
    pub(crate) url: Option<String>,
    /// The authority of the node's certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca: Option<PathBuf>,
    /// Your certificate, PEM: it says in which role you act.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, PEM, readable by you only.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) key: Option<PathBuf>,
}

impl RemoteArgs {
    /// A client, where a node on another machine is named.
    fn client(&self) -> Option<Result<Client, Failure>> {
        let (Some(url), Some(ca), Some(cert), Some(key)) = (&self.url, &self.ca, &self.cert, &self.key) else {
            return None;
        };
        let https = url.parse::<reqwest::Url>().ok().filter(|url| url.scheme() == "https");
        let usage = || Failure::usage(format!("--url {url}: not an https address"), "give https://HOST:PORT");
        Some(https.ok_or_else(usage).and_then(|url| Client::remote(&url, client_config(ca, cert, key)?)))
    }

    fn options(&self) -> String {
        let url = self.url.as_ref().map(|url| format!(" --url {}", quoted(url)));
        let files = [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key)];
        let files = files.into_iter().filter_map(|(name, path)| {
            path.as_ref().map(|path| format!(" --{name} {}", quoted(&path.to_string_lossy())))
        });
        url.into_iter().chain(files).collect()
    }
}

impl NodeArgs {
    /// A client for the node.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        if let Some(client) = self.remote.client() {
            return client;
        }
        let address = match (self.api, &self.data_dir) {
            (Some(address), _) => address,
            (None, Some(dir)) => read_config(dir)?.api.listen,
            (None, None) => return Err(Failure::usage("no node is named", "name a node with --data-dir or --api")),
        };
        Client::new(address, self.data_dir.as_deref())
    }

    /// The options that name the same node again, for commands that people paste.
    pub(crate) fn options(&self) -> String {
        let data_dir = self.data_dir.as_ref().map(|dir| format!(" --data-dir {}", quoted(&dir.to_string_lossy())));
        let api = self.api.map(|address| format!(" --api {address}"));
        [data_dir, api, Some(self.remote.options())].into_iter().flatten().collect()
    }
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The configuration in a data directory, without locking it.
pub(crate) fn read_config(data_dir: &Path) -> Result<Config, Failure> {
    let overrides = Overrides { environment: std::env::vars().collect(), flags: Vec::new() };
    Ok(Config::parse(&Layers::read(&data_dir.join("config.toml"), &overrides)?)?)
}

/// Parses the arguments, runs the command, and says what became of it.
pub(crate) fn main(weak: &[HardeningError]) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::explain(&error),
    };
    start_logging(&cli.command, cli.output);
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
        Command::Run(args) => host::run(&args.data_dir, args.passphrase.source(), args.journal.as_deref()),
        Command::Keystore(command) => setup::keystore(&command, output),
        Command::Network(command) => block_on(network::network(command, output)),
        Command::Chain(command) => block_on(chain::run(*command, output)),
        Command::Status(args) => block_on(async move { show::status(&args, output).await }),
        Command::Watch(args) => block_on(async move { watch::run(&args, output).await }),
        Command::Dkg(command) => block_on(async move { dkg::run(command, output).await }),
        Command::Key(command) => block_on(async move { key::run(command, output).await }),
        Command::Member(command) => member::run(&command, output),
        Command::Peer(command) => block_on(async move { peer::run(command, output).await }),
        Command::Policy(command) => block_on(async move { policy::run(command, output).await }),
        Command::Request(command) => block_on(async move { request::run(command, output).await }),
        Command::Approve(args) => block_on(async move { opinion::run(Decision::Approve, &args, output).await }),
        Command::Reject(args) => block_on(async move { opinion::run(Decision::Reject, &args, output).await }),
        Command::Withdraw(args) => block_on(async move { opinion::run(Decision::Withdraw, &args, output).await }),
        Command::Veto(args) => block_on(async move { opinion::run(Decision::Veto, &args, output).await }),
        Command::Pause(args) => block_on(async move { pause::pause(&args, output).await }),
        Command::Resume(args) => block_on(async move { pause::resume(&args, output).await }),
        Command::ApproveResume(args) => block_on(async move { pause::approve_resume(&args, output).await }),
        Command::Access(command) => block_on(async move { access::run(command, output).await }),
        Command::Token(args) => token::run(&args, output),
        Command::Audit(command) => block_on(async move { audit::run(command, output).await }),
        Command::Backup(command) => backup::run(command, output),
        Command::Devnet(command) => block_on(async move { devnet::run(command, output).await }),
    }
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::general("RUNTIME", error.to_string()))?.block_on(work)
}

/// Logs go to standard error; `FIRN_LOG` filters them. Only a running node logs by itself.
fn start_logging(command: &Command, output: Output) {
    let default = if matches!(command, Command::Run(_)) { "info" } else { "error" };
    let filter = std::env::var("FIRN_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match output {
        Output::Text => lines.init(),
        Output::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}

fn print_failure(failure: &Failure, output: Output) {
    let text = match output {
        Output::Text => format!("error: {failure}\n"),
        Output::Json => format!("{}\n", failure.to_json()),
    };
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Asks until what is found has `ended`, or its time is over; then as it stands.
async fn until_ended<T>(
    within: Duration,
    look: impl AsyncFn() -> Result<T, Failure>,
    ended: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    let until = Instant::now() + within;
    loop {
        let found = look().await?;
        if ended(&found) || Instant::now() > until {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
}

const LOOK: Duration = Duration::from_millis(200);

/// Says something beside the data.
fn talk(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// A JSON document of the command line: what it is, and its content beside that.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    content: &'a T,
}

/// `content` with the name of its schema.
fn document<'a, T>(schema: &'static str, content: &'a T) -> Document<'a, T> {
    Document { schema, content }
}

/// Prints `value` as JSON, or `text` for people.
fn print(output: Output, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
    print_as(output, || serde_json::to_string_pretty(value), text)
}

/// The same with the JSON on one line, for one document of many.
fn print_line(output: Output, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
    print_as(output, || serde_json::to_string(value), text)
}

fn print_as(
    output: Output,
    json: impl FnOnce() -> serde_json::Result<String>,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    write_out(&match output {
        Output::Json => json().map_err(|error| Failure::general("JSON", error.to_string()))?,
        Output::Text => text(),
    })
}

fn write_out(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        // Whoever reads has seen enough, as in `firn request show | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new("OUTPUT", error.to_string(), "check where standard output goes", Exit::Failure)),
        Ok(()) => Ok(()),
    }
}

/// Every command that does something, by its words.
#[cfg(test)]
pub(crate) fn leaf_commands() -> Vec<String> {
    fn walk(command: &clap::Command, words: &str, into: &mut Vec<String>) {
        let mut below = command.get_subcommands().filter(|below| below.get_name() != "help").peekable();
        if below.peek().is_none() {
            return into.push(words.trim_start().to_owned());
        }
        below.for_each(|below| walk(below, &format!("{words} {}", below.get_name()), into));
    }
    let mut found = Vec::new();
    walk(&<Cli as clap::CommandFactory>::command(), "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_to_be_pasted_names_the_same_node() {
        let data_dir = Some(PathBuf::from("/tmp/a node's/dir"));
        let remote = RemoteArgs::default();
        let node = NodeArgs { data_dir, api: Some(([127, 0, 0, 1], 7401).into()), remote: remote.clone() };
        assert_eq!(node.options(), r" --data-dir '/tmp/a node'\''s/dir' --api 127.0.0.1:7401");
        let data_dir = Some(PathBuf::from("my-devnet/nordlys"));
        let node = NodeArgs { data_dir, api: None, remote };
        assert_eq!(node.options(), " --data-dir my-devnet/nordlys");
    }

    #[test]
    fn arguments_are_checked_before_anything_is_asked() {
        let within = |seconds| {
            Cli::try_parse_from(["firn", "dkg", "propose", "k", "--data-dir", "d", "--within-seconds", seconds])
        };
        assert!(within("0").is_err());
        assert!(within("1").is_ok());
    }
}
