//! `firn devnet life`: the whole life of a slash under Firn's contracts, against each release of EigenLayer's core: deployed as it is
//! declared, scheduled, vetoed, executed, cleared and paid out; a limit raised, a key rotated, and a role granted behind Firn's back.

use super::account::Account;
use super::change::path;
use super::contracts::{self, WAD};
use super::demo::staged;
use super::files::Keys;
use super::processes::{Cluster, Look};
use crate::api::json::{RequestBody, RequestView};
use crate::cli::Output;
use crate::failure::{Exit, Failure};
use crate::requester::sign;
use crate::runtime::wall_time;
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::signers::local::PrivateKeySigner;
use firn_proto::definition::{Authority, Contracts, KeyDefinition, Purpose};
use firn_proto::operation::Operation;
use firn_proto::{Definition, Identifier, NodeId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod acts;
mod authority;
mod rotation;

const NODES: u16 = 6;
/// What a signature, its execution and finality may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// What two surveys by every node may take.
const SURVEYS: Duration = Duration::from_secs(90);
/// Of slashes, of payments, and of everything that the timelock does; in seconds of the chain's time, which is put forward.
const SLASH_DELAY: u32 = 1_800;
const PAY_DELAY: u32 = 600;
const TIMELOCK_DELAY: u32 = 3_600;
/// Of an allocation: what a slash may take at first, and once that is raised.
const CEILINGS: [u64; 2] = [WAD / 10, WAD / 5];

/// A release of EigenLayer's core.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Core {
    /// Appointees of the AVS slash.
    #[value(name = "v1.8")]
    Appointees,
    /// Each operator set has one slasher.
    #[value(name = "v1.9")]
    Slashers,
    /// And what is slashed waits before it can be cleared.
    #[value(name = "v1.13")]
    Resolution,
}

impl Core {
    /// Delays in blocks, short as a test network's, and the model. (ABI words all.)
    fn arguments(self) -> (u32, u32, u32, u32) {
        match self {
            Self::Appointees => (50, 75, 0, 0),
            Self::Slashers => (50, 75, 0, 1),
            Self::Resolution => (50, 75, RESOLUTION_BLOCKS, 1),
        }
    }
}

/// How long the newest core has a slash wait to be cleared.
const RESOLUTION_BLOCKS: u32 = 50;

/// The stage with what has been made on it.
struct Life {
    core: Core,
    dir: PathBuf,
    signer: PrivateKeySigner,
    rpc: DynProvider,
    /// In force.
    definition: Definition,
    /// By the names of keys.
    accounts: BTreeMap<String, Address>,
    group_keys: BTreeMap<String, String>,
    /// The last account nonce that was asked for.
    nonce: u64,
    /// The slash that was executed first.
    slash: Option<Asked>,
}

/// Shows it, and leaves nothing behind but what `keep` asks for.
pub(super) async fn run(core: Core, keep: bool, output: Output) -> Result<(), Failure> {
    staged((NODES, 4, Keys::Four), keep, output, async |cluster, account, dir| {
        let mut life = Life {
            core,
            dir: dir.to_owned(),
            signer: cluster.manifest.requester.open()?,
            rpc: contracts::reader(&cluster.manifest.rpc)?,
            definition: cluster.manifest.read_definition()?,
            accounts: BTreeMap::new(),
            group_keys: BTreeMap::new(),
            nonce: 0,
            slash: None,
        };
        account.next("six organisations make four keys, of different members and thresholds");
        life.keys(cluster, account).await?;
        account.next("an authority is declared, planned, deployed and verified");
        life.authority(cluster, account).await?;
        account.next("two slashes are scheduled: one is cancelled by the veto, one executed after its delay");
        life.slashes(cluster, account).await?;
        account.next("what was slashed is cleared into the treasury, and the treasury pays a beneficiary");
        life.cleared(cluster, account).await?;
        life.paid(cluster, account).await?;
        account.next("governance raises a limit, through the timelock, in the open");
        life.limit(cluster, account).await?;
        account.next("the slashing key is rotated; EigenLayer's slasher stays the same");
        life.rotated(cluster, account).await?;
        account.next("somebody grants a role behind Firn's back");
        life.behind(cluster, account).await
    })
    .await
}

/// The same network before its AVS has contracts, with a key for each purpose.
pub(super) fn with_four_keys(definition: &Definition) -> Definition {
    let mut content = (**definition).clone();
    let Some((avs, plain)) = content.operator_sets.first().map(|set| set.avs).zip(content.keys.first().cloned()) else {
        return definition.clone();
    };
    let key = |(purpose, threshold, nodes): (Purpose, u16, &[u16])| {
        let members = nodes.iter().map(|node| (Identifier(*node), NodeId(*node))).collect();
        KeyDefinition { name: purpose.as_str().to_owned(), purpose, threshold, members, ..plain.clone() }
    };
    let (slash, others): (_, [(_, _, &[u16]); 3]) = (
        (Purpose::Slash, 2, &[1, 2, 3][..]),
        [
            (Purpose::Governance, 4, &[1, 2, 3, 4, 5, 6]),
            (Purpose::Treasury, 2, &[4, 5, 6]),
            (Purpose::Veto, 2, &[2, 4, 6]),
        ],
    );
    content.keys = others.into_iter().chain([slash]).map(key).collect();
    content.keys.sort_by(|a, b| a.name.cmp(&b.name));
    let authority =
        |(purpose, ..): (Purpose, u16, &[u16])| Authority { avs, purpose, key: purpose.as_str().to_owned() };
    content.authorities = others.into_iter().map(authority).collect();
    content.authorities.sort();
    content.operator_sets.clear();
    // The simulation is all of EigenLayer at one address.
    content.chain.permission_controller = Some(content.chain.allocation_manager);
    content.chain.strategy_manager = Some(content.chain.allocation_manager);
    let more = ["cancel_scheduled", "clear_redistribution", "grant_role", "revoke_role", "set_limits", "treasury_pay"];
    for requester in &mut content.requesters {
        requester.operations.extend(more.map(str::to_owned));
        requester.operations.sort();
    }
    Definition::new(content)
}

impl Life {
    fn contracts(&self) -> Result<&Contracts, Failure> {
        self.definition.contracts.first().ok_or_else(|| wrong("the definition lists no contracts"))
    }

    fn account_of(&self, key: &str) -> Result<Address, Failure> {
        self.accounts.get(key).copied().ok_or_else(|| wrong(&format!("key {key} has no account")))
    }

    /// What every operation ends with.
    fn terms(&mut self) -> (U256, u64, B256) {
        self.nonce += 1;
        // The chain's clock is ahead of ours by then.
        let deadline = wall_time().0.saturating_add(24 * 3_600);
        (U256::from(self.nonce), deadline, B256::from(U256::from(self.nonce)))
    }

    /// Posts an operation, signed by the AVS's requester, at a member of the key that answers.
    async fn ask(&self, cluster: &Cluster, key: &str, operation: Operation) -> Result<Asked, Failure> {
        let node = self.member(key)?;
        let title = operation.render(&self.definition).title;
        let body = RequestBody::from_signed(&sign(&self.definition, operation, &self.signer)?);
        let id = cluster.client(&node)?.submit(&body).await?.id;
        Ok(Asked { id, node, title })
    }

    /// Asks for these, and waits until each is executed.
    async fn done(
        &self,
        cluster: &mut Cluster,
        account: &Account,
        key: &str,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Result<(), Failure> {
        let mut all = Vec::new();
        for operation in operations {
            let details = operation.render(&self.definition).details;
            let step = details.into_iter().find(|detail| detail.starts_with("step "));
            let step = step.and_then(|step| Some(step.split(':').next()?.to_owned())).unwrap_or_default();
            all.push((self.ask(cluster, key, operation).await?, step));
        }
        for (asked, step) in all {
            asked.reaches(cluster, "executed").await?;
            account.say(format!("{key} key: {} {step}", asked.title));
        }
        Ok(())
    }

    /// A key's first member, by name.
    fn member(&self, key: &str) -> Result<String, Failure> {
        let node = self.definition.key(key).and_then(|key| key.nodes().next());
        let node = node.and_then(|id| self.definition.nodes.get(&id));
        node.map(|node| node.name.clone()).ok_or_else(|| wrong(&format!("key {key} has no members")))
    }

    fn members(&self, key: &str) -> Vec<String> {
        let nodes = self.definition.key(key).into_iter().flat_map(|key| key.nodes());
        nodes.filter_map(|id| Some(self.definition.nodes.get(&id)?.name.clone())).collect()
    }

    /// What only a chain for trying things out does.
    async fn anvil(&self, method: &'static str, parameters: Value) -> Result<(), Failure> {
        let done: Result<Value, _> = self.rpc.raw_request(method.into(), parameters).await;
        done.map(drop).map_err(|error| wrong(&format!("{method}: {error}")))
    }

    /// Puts the chain's clock forward.
    async fn pass(&self, account: &Account, seconds: u32, what: &str) -> Result<(), Failure> {
        self.anvil("evm_increaseTime", json!([u64::from(seconds) + 1])).await?;
        account.say(format!("{what}: the chain's clock is put {} minutes forward", seconds / 60));
        Ok(())
    }

    /// `firn chain COMMAND`, with all accounts.
    fn chain_command(&self, cluster: &Cluster, command: &str) -> Result<Vec<String>, Failure> {
        let node = cluster.node(&self.member("slash")?)?;
        let mut words = ["chain", command, "--data-dir", &path(&node.data_dir)].map(str::to_owned).to_vec();
        words.extend(["--avs".to_owned(), cluster.manifest.contracts.avs.to_string()]);
        for (key, hex) in &self.group_keys {
            words.extend(["--account".to_owned(), format!("{key}={hex}")]);
        }
        Ok(words)
    }

    async fn read<C: alloy::sol_types::SolCall>(&self, to: Address, call: C) -> Result<C::Return, Failure> {
        contracts::read(&self.rpc, to, call, BlockId::latest()).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// A request that was posted.
struct Asked {
    id: String,
    node: String,
    title: String,
}

impl Asked {
    /// Waits until its node says that it is in this state; `refused` and `expired` are failures where another is waited for.
    async fn reaches(&self, cluster: &mut Cluster, state: &str) -> Result<RequestView, Failure> {
        let what = format!("{} to be {state} at {}", self.title, self.node);
        let look = async |cluster: &Cluster| {
            let view = cluster.client(&self.node)?.request(&self.id).await?;
            let code = view.code.clone().unwrap_or_default();
            if view.state == state {
                return Ok(Look::Done(view));
            }
            if ["refused", "expired"].contains(&view.state.as_str()) {
                return Err(wrong(&format!("{}: {} ({code})", self.title, view.state)));
            }
            let own =
                view.members.iter().filter_map(|member| Some(format!("{}: {}", member.name, member.code.clone()?)));
            Ok(Look::Waiting(format!("{}, {}", view.state, own.collect::<Vec<_>>().join("; "))))
        };
        cluster.wait(&what, PATIENCE, look).await
    }
}

/// What scheduling in the timelock says of its delay, and executing does not.
fn timelock_delay(step: &str) -> u64 {
    if step == "schedule" { TIMELOCK_DELAY.into() } else { 0 }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::general("DEVNET_IO", error.to_string()))
}

fn wrong(cause: &str) -> Failure {
    Failure::new("DEVNET_LIFE", cause, "this is a defect: report it with the logs", Exit::Failure)
}
