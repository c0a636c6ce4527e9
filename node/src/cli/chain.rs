//! `firn chain`: deploying an AVS's contracts as the definition declares them, and comparing them with it
//! (docs/how-to/deploy-authority.md).

use super::{Output, PassphraseArgs, document, print, read_config};
use crate::chain::Chain;
use crate::chain::authority::{Accounts, Fact, Report, Standing, Surveyor};
use crate::chain::endpoints::Endpoints;
use crate::client::Client;
use crate::config::RpcUrl;
use crate::failure::{Exit, Failure};
use crate::host::read_definition;
use alloy::primitives::Address;
use clap::{Args, Subcommand};
use firn_proto::account::account_address;
use firn_proto::definition::{Contracts, Declared};
use firn_proto::{Code, Definition, Point};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

mod deploy;
mod plan;

/// Deploy the contracts that hold an AVS's authority, and compare them with the definition.
#[derive(Subcommand)]
pub(crate) enum ChainCommand {
    /// Show what will be deployed and granted: addresses, calldata, gas, roles, and what the AVS does in EigenLayer afterwards.
    Plan {
        #[command(flatten)]
        which: WhichArgs,
        /// Write the calldata of every step into this folder, a file each.
        #[arg(long, value_name = "DIR")]
        calldata: Option<PathBuf>,
    },
    /// Deploy what is missing, in the plan's order. Without `--execute` it only says what it would do.
    Deploy(DeployArgs),
    /// Read everything back from the chain and compare it with the definition, fact by fact.
    ///
    /// Exits with 6 where a fact differs.
    Verify {
        #[command(flatten)]
        which: WhichArgs,
    },
}

/// Which AVS, declared where, on which chain.
#[derive(Args)]
pub(crate) struct WhichArgs {
    /// The definition, a network.toml; without it that of the running node.
    #[arg(long, value_name = "FILE", required_unless_present = "data_dir")]
    definition: Option<PathBuf>,
    /// The AVS.
    #[arg(long)]
    avs: Address,
    /// What would stand under [contracts.declared], where the definition does not have it yet.
    #[arg(long, value_name = "FILE")]
    declared: Option<PathBuf>,
    /// The account of a key that the running node does not have, or where none is asked: its address or, so that it can be
    /// deployed, its group key (33 bytes). Repeatable.
    #[arg(long = "account", value_name = "KEY=HEX")]
    accounts: Vec<String>,
    /// An endpoint of the chain; by default the node's. Repeatable: all that are named must agree.
    #[arg(long, value_name = "URL", required_unless_present = "data_dir")]
    rpc: Vec<RpcUrl>,
    /// The data directory of a running node: its definition, endpoint, and keys' accounts.
    #[arg(long, env = "FIRN_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// What is deployed, by whom.
#[derive(Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// The deployer's key, an encrypted Ethereum JSON keystore. It pays, and has no power over anything afterwards.
    #[arg(long, value_name = "FILE", required_if_eq("execute", "true"))]
    keystore: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Send the transactions.
    #[arg(long)]
    execute: bool,
    /// Deploy the keys' accounts and nothing else: a key that takes another's place needs no more.
    #[arg(long)]
    accounts_only: bool,
    /// How long to wait for all of it to be final, in seconds.
    #[arg(long, default_value_t = 1_800)]
    timeout_seconds: u64,
}

/// [`WhichArgs`] looked up.
struct Which {
    definition: Definition,
    avs: Address,
    /// What the definition lists, if it does.
    listed: Option<Contracts>,
    declared: Declared,
    accounts: Accounts,
    group_keys: BTreeMap<String, Point>,
    endpoints: Endpoints,
    chain: Chain,
}

pub(super) async fn run(command: ChainCommand, output: Output) -> Result<(), Failure> {
    match command {
        ChainCommand::Plan { which, calldata } => plan::run(&which.look_up().await?, calldata.as_deref(), output).await,
        ChainCommand::Deploy(args) => deploy::run(&args, output).await,
        ChainCommand::Verify { which } => {
            let which = which.look_up().await?;
            let listed = which.listed.clone().ok_or_else(|| {
                let cause = format!("the definition names no contracts of AVS {}", which.avs);
                Failure::new("CONTRACT_NOT_LISTED", cause, "`firn chain plan` prints the entry", Exit::Refused)
            })?;
            let report = which.survey(&Contracts { declared: Some(which.declared.clone()), ..listed }).await?;
            print(output, &document("firn.chain-verification.v1", &report), || as_text(&report))?;
            judged(report.differing())
        }
    }
}

impl WhichArgs {
    async fn look_up(&self) -> Result<Which, Failure> {
        let config = self.data_dir.as_deref().map(read_config).transpose()?;
        let client =
            config.as_ref().map(|config| Client::new(config.api.listen, self.data_dir.as_deref())).transpose()?;
        let definition = match (&self.definition, &client) {
            (Some(file), _) => read_definition(file)?,
            (None, Some(client)) => Definition::parse(&client.network().await?.current.definition)?,
            (None, None) => return Err(Failure::usage("no definition is named", "name one with --definition")),
        };
        let (mut accounts, mut group_keys) = (Accounts::new(), BTreeMap::new());
        // With a file, accounts and an endpoint no node has to run.
        let keys = match client {
            Some(client) if self.accounts.is_empty() || self.definition.is_none() => client.keys().await?.keys,
            _ => Vec::new(),
        };
        for key in keys.into_iter().filter(|key| key.state == "active") {
            let (Some(account), Some(group_key)) = (key.account, key.group_key) else { continue };
            group_keys.extend(point(&group_key).map(|point| (key.name.clone(), point)));
            accounts.insert(key.name, account);
        }
        for text in &self.accounts {
            let usage = || Failure::usage(format!("`{text}`: expected KEY=0x..."), "correct --account");
            let (name, hex) = text.split_once('=').ok_or_else(usage)?;
            let address = match point(hex) {
                Some(group_key) => {
                    group_keys.insert(name.to_owned(), group_key);
                    account_address(&group_key)
                }
                None => hex.parse().map_err(|_| usage())?,
            };
            accounts.insert(name.to_owned(), address);
        }
        let rpc = match config {
            Some(config) if self.rpc.is_empty() => config.chain.rpc,
            _ => self.rpc.clone(),
        };
        if rpc.is_empty() {
            return Err(Failure::usage("no endpoint is named", "name one with --rpc"));
        }
        let endpoints = Endpoints::new(&rpc, rpc.len(), Default::default());
        let listed = definition.contracts.iter().find(|listed| listed.avs == self.avs).cloned();
        let declared = match &self.declared {
            Some(file) => {
                let text = std::fs::read_to_string(file);
                let text =
                    text.map_err(|error| Failure::general("DECLARED", format!("{}: {error}", file.display())))?;
                Some(Declared::parse(&text, &definition)?)
            }
            None => listed.as_ref().and_then(|listed| listed.declared.clone()),
        };
        let declared = declared.ok_or_else(|| {
            let cause = format!("nothing is declared of the contracts of AVS {}", self.avs);
            let next =
                "write [contracts.declared] into a file and name it with --declared: docs/how-to/deploy-authority.md";
            Failure::new("NOTHING_DECLARED", cause, next, Exit::Refused)
        })?;
        let chain = Chain::new(endpoints.clone(), &definition);
        Ok(Which { definition, avs: self.avs, listed, declared, accounts, group_keys, endpoints, chain })
    }
}

impl Which {
    async fn survey(&self, contracts: &Contracts) -> Result<Report, Failure> {
        let mut surveyor =
            Surveyor::new(contracts).ok_or_else(|| Failure::general("NOTHING_DECLARED", "nothing is declared"))?;
        surveyor.survey(&self.chain, &self.definition, &self.accounts).await.map_err(unreadable)
    }
}

/// A compressed point, as nodes show group keys.
fn point(text: &str) -> Option<Point> {
    let bytes = hex::decode(text.strip_prefix("0x")?).ok()?;
    let key = alloy::signers::k256::PublicKey::from_sec1_bytes(&bytes).ok()?;
    Point::from_affine(key.as_affine())
}

fn unreadable(code: Code) -> Failure {
    Failure::new(code.as_str(), code.cause(), code.next_step(), Exit::NotReady)
}

/// What differs, as a failure.
fn judged<'a>(differing: impl Iterator<Item = &'a Fact>) -> Result<(), Failure> {
    let names: Vec<_> = differing.map(|fact| fact.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let code = Code::AuthorityDiffers;
    let cause = format!("{} facts differ: {}", names.len(), names.join(", "));
    Err(Failure::new(code.as_str(), cause, code.next_step(), Exit::Verification))
}

/// A line for each fact; writing into a string cannot fail.
fn as_text(report: &Report) -> String {
    let generation = report.generation.as_str();
    let mut text = format!("AVS {} at finalised block {}; core {generation}\n\n", report.avs, report.block);
    for Fact { name, standing, expected, found, .. } in &report.facts {
        let _ = match standing {
            Standing::Ok => writeln!(text, "ok       {name}: {found}"),
            Standing::Differs => writeln!(text, "DIFFERS  {name}: expected {expected}; found {found}"),
            Standing::Pending => writeln!(text, "pending  {name}: {found}"),
        };
    }
    text
}
