//! `firn request`: asking for operations as an AVS does, and following requests.

use super::show::{ACCEPTED, request_text};
use super::submit::{OperationArgs, SubmitArgs, print_typed_data, submit};
use super::{NodeArgs, Output, PassphraseArgs, document, print, print_line};
use crate::api::json::RequestBody;
use crate::failure::{Exit, Failure};
use crate::host::read_definition;
use crate::keystore::PassphraseSource;
use crate::requester::sign;
use crate::runtime::wall_time;
use alloy::primitives::{Address, B256, U256, utils::parse_units};
use alloy::signers::local::PrivateKeySigner;
use clap::{Args, Subcommand};
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::{Code, Definition};
use rand_core::{OsRng, RngCore};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The schema of one request.
const REQUEST: &str = "firn.request.v1";

/// Ask for operations and follow them.
#[derive(Subcommand)]
pub(crate) enum RequestCommand {
    /// Sign a slash request with a requester's key and post it to a node.
    Slash(Box<SlashArgs>),
    /// Sign an operation of any kind, written as JSON, and post it to a node.
    Submit(Box<SubmitArgs>),
    /// Print what a wallet signs for an operation (EIP-712, as JSON), and do nothing else.
    ///
    /// For example: cast wallet sign --ledger --data --from-file FILE
    TypedData(OperationArgs),
    /// Show a request, or all of them.
    Show {
        /// The request's id; all requests without it.
        id: Option<String>,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Follow a request until it is executed, refused or expired.
    ///
    /// Prints the request at each change of its state or of who is missing; with `--output json` one line of JSON each.
    Watch {
        /// The request's id.
        id: String,
        /// Give up after this many seconds.
        #[arg(long, default_value_t = 300)]
        timeout_seconds: u64,
        #[command(flatten)]
        node: NodeArgs,
    },
}

/// Everything a slash says. The account and a fresh nonce are filled in where they are not given.
#[derive(Args)]
pub(crate) struct SlashArgs {
    /// The requester's key, an encrypted Ethereum JSON keystore.
    #[arg(long, value_name = "FILE")]
    keystore: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// The network definition; the node's own where a data directory is given.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    /// The AVS.
    #[arg(long)]
    avs: Address,
    /// The operator to slash.
    #[arg(long)]
    operator: Address,
    /// The operator set.
    #[arg(long, default_value_t = 0)]
    operator_set: u32,
    /// A strategy and the share of the operator's allocation to slash in it, for example 0xabc...=8%. Repeatable.
    #[arg(long = "slash", value_name = "STRATEGY=PERCENT%", required = true)]
    slashes: Vec<String>,
    /// Why; it goes into the chain's log.
    #[arg(long)]
    description: String,
    /// The hash of the evidence: 0x and 64 hexadecimal digits.
    #[arg(long, default_value_t, value_name = "HASH")]
    evidence: B256,
    /// Where the evidence is: https, http or ipfs.
    #[arg(long, default_value_t, value_name = "URL")]
    evidence_location: String,
    /// The account that shall slash; asked of the node where it is not given.
    #[arg(long)]
    account: Option<Address>,
    /// The requester's nonce; random where it is not given.
    #[arg(long)]
    nonce: Option<U256>,
    /// Seconds until it expires; an hour, or ten days where it waits on chain.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    within_seconds: Option<u64>,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn run(command: RequestCommand, output: Output) -> Result<(), Failure> {
    match command {
        RequestCommand::Slash(args) => slash(&args, output).await,
        RequestCommand::Submit(args) => submit(&args, output).await,
        RequestCommand::TypedData(args) => print_typed_data(&args),
        RequestCommand::Show { id: Some(id), node } => {
            let view = node.client()?.request(&id).await?;
            print(output, &document(REQUEST, &view), || request_text(&view, wall_time().0))
        }
        RequestCommand::Show { id: None, node } => {
            let all = node.client()?.requests().await?;
            print(output, &document("firn.requests.v1", &all), || {
                all.requests.iter().map(|view| request_text(view, wall_time().0)).collect()
            })
        }
        RequestCommand::Watch { id, timeout_seconds, node } => watch(&id, timeout_seconds, &node, output).await,
    }
}

async fn slash(args: &SlashArgs, output: Output) -> Result<(), Failure> {
    let client = args.node.client()?;
    let definition = definition_of(args.network.as_deref(), &args.node)?;
    let signer = open_keystore(&args.keystore, &args.passphrase)?;
    let (mut strategies, mut wads) = (Vec::new(), Vec::new());
    let mut parts = args.slashes.iter().map(|text| parse_slash(text)).collect::<Result<Vec<_>, _>>()?;
    parts.sort();
    for (strategy, wad) in parts {
        strategies.push(strategy);
        wads.push(wad);
    }
    let account = match args.account {
        Some(account) => account,
        None => {
            let name = definition.key_for(args.avs, args.operator_set).map(|key| key.name.clone()).unwrap_or_default();
            let keys = client.keys().await?.keys;
            let active = keys.into_iter().find(|key| key.name == name && key.state == "active");
            active.and_then(|key| key.account).ok_or_else(|| {
                Failure::new(
                    "KEY_NOT_READY",
                    format!("the node has no active key `{name}`"),
                    format!("run `firn dkg status{}`", args.node.options()),
                    Exit::NotReady,
                )
            })?
        }
    };
    let waits = definition.contracts.iter().any(|listed| listed.avs == args.avs);
    let usual = if waits { 10 * 24 * 3600 } else { 3600 };
    let operation = Operation::SlashOperator(SlashOperator {
        avs: args.avs,
        operator: args.operator,
        operatorSetId: args.operator_set,
        strategies,
        wadsToSlash: wads,
        description: args.description.clone(),
        evidenceHash: args.evidence,
        evidenceLocation: args.evidence_location.clone(),
        account,
        nonce: args.nonce.unwrap_or_else(random_nonce),
        deadline: wall_time().0.saturating_add(args.within_seconds.unwrap_or(usual)),
    });
    let signed = sign(&definition, operation, &signer)?;
    let accepted = client.submit(&RequestBody::from_signed(&signed)).await?;
    print(output, &document(ACCEPTED, &accepted), || {
        let options = args.node.options();
        format!("{id}\naccepted; follow it with: firn request watch {id}{options}", id = accepted.id)
    })
}

async fn watch(id: &str, timeout_seconds: u64, node: &NodeArgs, output: Output) -> Result<(), Failure> {
    let client = node.client()?;
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(timeout_seconds);
    let mut last = String::new();
    loop {
        ticks.tick().await;
        let view = client.request(id).await?;
        let done = matches!(view.state.as_str(), "executed" | "refused" | "expired");
        let now = format!("{} {}", view.state, view.missing.join(", "));
        if now != last || done {
            print_line(output, &document(REQUEST, &view), || request_text(&view, wall_time().0))?;
            last = now;
        }
        if done {
            let failed = (view.state != "executed").then(|| view.code.unwrap_or(view.state));
            return failed.map_or(Ok(()), |code| Err(ended(&code)));
        }
        if tokio::time::Instant::now() > deadline {
            let cause = format!("still {} after {timeout_seconds} s; missing: {}", view.state, view.missing.join(", "));
            let next = format!("it stays open until its deadline; again: firn request watch {id}{}", node.options());
            return Err(Failure::new("WATCH_TIMEOUT", cause, next, Exit::Timeout));
        }
    }
}

/// Why a request that was followed will not be executed.
fn ended(name: &str) -> Failure {
    let code = Code::all().find(|code| code.as_str() == name);
    let reason = code.map(|code| format!(": {}", code.cause())).unwrap_or_default();
    let next = code.map_or("see the code in docs/reference/codes.md", Code::next_step);
    Failure::new(name, format!("the request will not be executed{reason}"), next, Exit::Refused)
}

/// The definition that a person names, or that of the node's data directory: what people sign is made from it.
pub(super) fn definition_of(network: Option<&Path>, node: &NodeArgs) -> Result<Definition, Failure> {
    let ours = || node.data_dir.as_ref().map(|dir| dir.join("network.toml"));
    let missing = || Failure::new("DEFINITION_MISSING", "no network.toml", "name it with --network", Exit::Failure);
    read_definition(&network.map(Path::to_owned).or_else(ours).ok_or_else(missing)?)
}

/// An Ethereum key from its encrypted JSON keystore.
pub(super) fn open_keystore(keystore: &Path, passphrase: &PassphraseArgs) -> Result<PrivateKeySigner, Failure> {
    let passphrase = passphrase.source().unwrap_or(PassphraseSource::Prompt).read()?;
    PrivateKeySigner::decrypt_keystore(keystore, passphrase.expose()).map_err(|error| {
        let cause = format!("{}: {error}", keystore.display());
        Failure::new("REQUESTER_KEYSTORE", cause, "check the file and the passphrase", Exit::Failure)
    })
}

/// `0xabc...=8%` or `0xabc...=0.5%`.
fn parse_slash(text: &str) -> Result<(Address, U256), Failure> {
    let invalid =
        || Failure::usage(format!("`{text}`: expected STRATEGY=PERCENT%, such as 0x...=8%"), "correct --slash");
    let (strategy, percent) = text.split_once('=').ok_or_else(invalid)?;
    let percent = percent.strip_suffix('%').ok_or_else(invalid)?;
    // The parser takes nothing at all for zero.
    let is_number = !percent.starts_with('-') && percent.bytes().any(|byte| byte.is_ascii_digit());
    let wad = parse_units(percent, 16_u8).ok().filter(|_| is_number).ok_or_else(invalid)?;
    Ok((strategy.parse().map_err(|_| invalid())?, wad.get_absolute()))
}

fn random_nonce() -> U256 {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    U256::from_be_bytes(bytes)
}
