//! `firn devnet demo`: Firn at work in eight acts, each checked as it is shown.

use super::account::{Account, amount, duration, short};
use super::change::firn;
use super::contracts::{self, Execution, WAD};
use super::files::{self, KEY, Keys, Manifest, Wish};
use super::processes::{Cluster, Look};
use super::steps::{deploy_contracts, generate_key, group_key, start};
use super::{Signals, show_tails};
use crate::api::json::{KeyView, RequestBody, RequestView};
use crate::cli::Output;
use crate::failure::{Exit, Failure};
use crate::requester::sign;
use crate::runtime::wall_time;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::DynProvider;
use alloy::signers::local::PrivateKeySigner;
use firn_proto::account::nonce_of;
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::{Definition, Digest, GroupSignature, SubjectId};
use rand_core::{OsRng, RngCore};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

mod logs;
mod people;
mod versions;

/// Somebody ended the demo: no log explains that.
const INTERRUPTED: &str = "INTERRUPTED";
/// The demo's network.
const NODES: u16 = 5;
const THRESHOLD: u16 = 3;
/// What a request may take from being posted to being final.
const EXECUTION: Duration = Duration::from_secs(45);
/// What noticing that a node is gone may take.
const ABSENCE: Duration = Duration::from_secs(30);
/// How many more blocks must be final without a signature before we believe that there will be none.
const SILENT_BLOCKS: u64 = 4;
/// Shares of the operator's allocation to slash, in hundredths, each of what the one before has left.
const PERCENT: [u64; 3] = [8, 5, 10];

/// Runs the demo in a directory of its own, and leaves nothing behind but what `keep` asks for.
pub(super) async fn run(keep: bool, output: Output) -> Result<(), Failure> {
    let wish = (NODES, THRESHOLD, Keys::One);
    staged(wish, keep, output, async |cluster, account, dir| acts(cluster, account, dir).await).await
}

/// Runs acts over a network that is made for them, in a directory of its own.
pub(super) async fn staged(
    (nodes, threshold, keys): (u16, u16, Keys),
    keep: bool,
    output: Output,
    acts: impl AsyncFnOnce(&mut Cluster, &mut Account, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut account = Account::new(output, "act");
    let private = Permissions::from_mode(0o700);
    let temporary = tempfile::Builder::new().prefix("firn-demo-").permissions(private).tempdir();
    let temporary = temporary.map_err(|error| Failure::general("DEVNET_IO", error.to_string()))?;
    let dir = temporary.path().join("devnet");
    let manifest = files::prepare(&Wish { dir: &dir, nodes, threshold, rpc: None, keys })?;
    let mut signals = Signals::new()?;
    let mut cluster = Cluster::new(&dir, manifest);
    account.plain(&format!("{nodes} organisations, no server. {}", files::WARNING));
    // Signals first: Ctrl-C reaches the children as well, and their end is then no failure.
    let outcome = tokio::select! {
        biased;
        () = signals.received() => {
            Err(Failure::new(INTERRUPTED, "the demo was interrupted", "run it again", Exit::Interrupted))
        }
        outcome = Box::pin(acts(&mut cluster, &mut account, temporary.path())) => outcome,
    };
    if let Some(failure) = outcome.as_ref().err().filter(|failure| failure.code != INTERRUPTED) {
        show_tails(&cluster, failure);
    }
    let stopped = cluster.stop().await;
    if keep {
        account.say(format!("kept: {}", temporary.keep().display()));
    } else {
        temporary.close().map_err(|error| Failure::general("DEVNET_IO", error.to_string()))?;
    }
    outcome.and(stopped)?;
    account.say(format!("everything is stopped{}", if keep { "" } else { " and removed" }));
    account.plain(&format!("\nFirn worked as promised, in {:.1} s.", account.elapsed().as_secs_f32()));
    Ok(())
}

async fn acts(cluster: &mut Cluster, account: &mut Account, dir: &Path) -> Result<(), Failure> {
    account.next("five organisations in five regions start their nodes");
    start(cluster, account).await?;
    account.next("they generate one key that none of them ever holds");
    let names = cluster.names();
    let key = generate_key(cluster, account, KEY, &names).await?;
    account.next("an AVS hands that key its slashing authority");
    let address = deploy_contracts(cluster, account, &key).await?;
    let avs = Avs::new(&cluster.manifest, &key, address)?;
    account.next("the AVS asks for a slash, and three of five sign it");
    let (first, second) = (name(&names, 0)?, name(&names, 1)?);
    let asked = avs.ask(cluster, account, &first, PERCENT[0]).await?;
    avs.executed(cluster, account, &asked).await?;
    account.next("rules that the organisations agreed on, and people who approve and veto");
    avs.governed(cluster, account, &names).await?;
    account.next("three of five organisations change a rule, and a request that passed it is refused");
    avs.changed(cluster, account, &names, dir).await?;
    account.next("nodes die, and Firn goes on while three are left");
    let gone = [name(&names, 3)?, name(&names, 4)?];
    for node in &gone {
        cluster.kill_node(node).await?;
    }
    account.say(format!("SIGKILL to {}; three nodes are left", gone.join(" and ")));
    let asked = avs.ask(cluster, account, &second, PERCENT[1]).await?;
    avs.executed(cluster, account, &asked).await?;
    let third = name(&names, 2)?;
    cluster.kill_node(&third).await?;
    account.say(format!("SIGKILL to {third}; two nodes are left, three are needed"));
    let asked = avs.ask(cluster, account, &first, PERCENT[2]).await?;
    let [fourth, fifth] = gone;
    avs.stays_unsigned(cluster, account, &asked, &[third, fourth, fifth.clone()]).await?;
    let clock = Instant::now();
    cluster.start_nodes(std::slice::from_ref(&fifth)).await?;
    let incarnation = cluster.client(&fifth)?.status().await?.incarnation;
    account.say(format!(
        "{fifth} starts again with its data directory, start {incarnation} ({})",
        duration(clock.elapsed())
    ));
    avs.executed(cluster, account, &Asked { at: clock, since: "restarted", ..asked }).await?;
    account.next("everybody's log is held against what the others have signed");
    logs::shown(cluster, account, dir).await
}

/// The sample AVS, with everything it needs for asking and for checking.
struct Avs {
    definition: Definition,
    signer: PrivateKeySigner,
    rpc: DynProvider,
    key: KeyView,
    address: Address,
}

/// A request that was posted.
struct Asked {
    id: String,
    /// How much of the operator's allocation, in hundredths.
    percent: u64,
    to: String,
    body: RequestBody,
    /// When the clock for its execution starts, and what starts it.
    at: Instant,
    since: &'static str,
    before: U256,
}

/// When what happened, from the start of the clock.
#[derive(Default)]
struct Times {
    signed: Option<Duration>,
    mined: Option<(Duration, Execution)>,
}

impl Avs {
    fn new(manifest: &Manifest, key: &KeyView, address: Address) -> Result<Self, Failure> {
        Ok(Self {
            definition: manifest.read_definition()?,
            signer: manifest.requester.open()?,
            rpc: contracts::reader(&manifest.rpc)?,
            key: key.clone(),
            address,
        })
    }

    /// Signs a request as `firn request slash` does, and posts it to one node.
    async fn ask(&self, cluster: &Cluster, account: &Account, to: &str, percent: u64) -> Result<Asked, Failure> {
        let of = &cluster.manifest.contracts;
        let operation = Operation::SlashOperator(SlashOperator {
            avs: of.avs,
            operator: of.operator,
            operatorSetId: of.operator_set_id,
            strategies: vec![of.strategy],
            wadsToSlash: vec![wad(percent)],
            description: format!("sample offence, {percent} %"),
            evidenceHash: B256::ZERO,
            evidenceLocation: String::new(),
            account: self.address,
            nonce: U256::from(OsRng.next_u64()),
            deadline: wall_time().0.saturating_add(3600),
        });
        let body = RequestBody::from_signed(&sign(&self.definition, operation, &self.signer)?);
        let before = contracts::shares(&self.rpc, of).await?;
        let at = Instant::now();
        let id = cluster.client(to)?.submit(&body).await?.id;
        account.say(format!("the AVS posts a slash of {percent} %, signed with its requester key, to {to}"));
        account.say(format!("request {id}"));
        Ok(Asked { id, percent, to: to.to_owned(), body, at, since: "posted", before })
    }

    /// Follows a request until it is final, and checks what it did.
    async fn executed(&self, cluster: &mut Cluster, account: &Account, asked: &Asked) -> Result<(), Failure> {
        let nonce = nonce_of(subject(&asked.id)?);
        let mut times = Times::default();
        let what = format!("request {} to be executed, posted to {}", asked.id, asked.to);
        cluster.wait(&what, EXECUTION, async |cluster| self.progress(cluster, asked, nonce, &mut times).await).await?;
        let finalised = asked.at.elapsed();
        let views = self.all_say_executed(cluster, asked).await?;
        let (Some(signed), Some((mined, execution))) = (times.signed, times.mined) else {
            return Err(Failure::general("DEVNET_CHAIN", "executed without having been signed"));
        };
        let signature = self.check_signature(asked, &views)?;
        let signers = views.iter().map(|view| &view.signers).find(|signers| !signers.is_empty());
        let signers = signers.map_or_else(|| "members".to_owned(), |signers| signers.join(", "));
        account.say(format!("{} of {} shares, from {signers}: signature", self.key.threshold, self.key.members.len()));
        account.quote(&signature);
        let relayer = cluster.manifest.nodes.iter().find(|node| node.relayer == execution.relayer);
        let relayer = relayer.map_or_else(|| execution.relayer.to_string(), |node| node.name.clone());
        let transaction = short(&execution.transaction.to_string());
        account.say(format!("{relayer} relays it: {transaction}, block {}, {} gas", execution.block, execution.gas));
        let split = [signed, mined.saturating_sub(signed), finalised.saturating_sub(mined)].map(duration);
        let [to_sign, to_mine, to_finish] = &split;
        account
            .say(format!("{} to signed {to_sign}, signed to mined {to_mine}, mined to final {to_finish}", asked.since));
        let after = contracts::shares(&self.rpc, &cluster.manifest.contracts).await?;
        self.check_shares(asked, after)?;
        account.say(format!(
            "the operator's shares fell from {} to {}: exactly {} %",
            amount(asked.before),
            amount(after),
            asked.percent
        ));
        account.document(&json!({
            "schema": "firn/devnet-slash/v1", "request": asked.id, "since": asked.since, "signature": signature, "gas": execution.gas,
            "signed_ms": millis(signed), "mined_ms": millis(mined), "finalised_ms": millis(finalised),
        }));
        Ok(())
    }

    /// One look at the node that took the request, and at the chain.
    async fn progress(
        &self,
        cluster: &Cluster,
        asked: &Asked,
        nonce: U256,
        times: &mut Times,
    ) -> Result<Look<()>, Failure> {
        let view = cluster.client(&asked.to)?.request(&asked.id).await?;
        if matches!(view.state.as_str(), "refused" | "expired") {
            let code = view.code.clone().unwrap_or_default();
            return Err(Failure::general("DEVNET_REQUEST", format!("{} says: {} ({code})", asked.to, view.state)));
        }
        if times.signed.is_none() && view.signature.is_some() {
            times.signed = Some(asked.at.elapsed());
        }
        if times.mined.is_none() && view.signature.is_some() {
            let execution = contracts::execution(&self.rpc, self.address, nonce).await?;
            times.mined = execution.map(|execution| (asked.at.elapsed(), execution));
        }
        let Some((_, execution)) = &times.mined else {
            let missing = if view.missing.is_empty() { "nobody".to_owned() } else { view.missing.join(", ") };
            return Ok(Look::Waiting(format!("{} says: {}, missing {missing}", asked.to, view.state)));
        };
        if contracts::finalised_block(&self.rpc).await? < execution.block {
            return Ok(Look::Waiting(format!("block {} is not final", execution.block)));
        }
        Ok(Look::Done(()))
    }

    /// Waits until every running node has seen the execution in a finalised block.
    async fn all_say_executed(&self, cluster: &mut Cluster, asked: &Asked) -> Result<Vec<RequestView>, Failure> {
        let names = cluster.running();
        let all = async |cluster: &Cluster| {
            let mut views = Vec::new();
            for name in &names {
                let view = cluster.client(name)?.request(&asked.id).await?;
                if view.state != "executed" {
                    return Ok(Look::Waiting(format!("{name} says: {}", view.state)));
                }
                views.push(view);
            }
            Ok(Look::Done(views))
        };
        cluster.wait("every node to see the execution", EXECUTION, all).await
    }

    /// Verifies the signature here, over the payload built from what the AVS posted.
    fn check_signature(&self, asked: &Asked, views: &[RequestView]) -> Result<String, Failure> {
        let invalid = |cause: &str| Failure::general("DEVNET_SIGNATURE", format!("request {}: {cause}", asked.id));
        let text = views.iter().find_map(|view| view.signature.clone()).ok_or_else(|| invalid("no signature"))?;
        let bytes = hex::decode(text.trim_start_matches("0x")).map_err(|_| invalid("not hexadecimal"))?;
        let signature = GroupSignature::from_slice(&bytes)?;
        let request = asked.body.to_signed()?.verify(&self.definition)?;
        let valid = signature.verifies(&group_key(&self.key)?, request.payload_digest(&self.definition));
        if valid { Ok(text) } else { Err(invalid("the signature is not the group's over this request")) }
    }

    fn check_shares(&self, asked: &Asked, after: U256) -> Result<(), Failure> {
        let unit = U256::from(WAD);
        let expected = asked.before * (unit - wad(asked.percent)) / unit;
        if after == expected {
            return Ok(());
        }
        let cause = format!("shares were {}, should be {expected}, are {after}", asked.before);
        Err(Failure::general("DEVNET_SHARES", cause))
    }

    /// Watches finalised blocks go by without a signature, and checks that exactly the killed members are named.
    async fn stays_unsigned(
        &self,
        cluster: &mut Cluster,
        account: &Account,
        asked: &Asked,
        killed: &[String],
    ) -> Result<(), Failure> {
        let (names, killed) = (cluster.running(), killed.iter().cloned().collect::<BTreeSet<_>>());
        let from = contracts::finalised_block(&self.rpc).await?;
        let nonce = nonce_of(subject(&asked.id)?);
        let watch = async |cluster: &Cluster| {
            let mut problem = None;
            for name in &names {
                let view = cluster.client(name)?.request(&asked.id).await?;
                if view.signature.is_some() {
                    return Err(Failure::general(
                        "DEVNET_SIGNATURE",
                        format!("{name} shows a signature of two members"),
                    ));
                }
                let missing: BTreeSet<_> = view.missing.iter().cloned().collect();
                if missing != killed {
                    problem = Some(format!("{name} names {} as missing", view.missing.join(", ")));
                }
            }
            let blocks = contracts::finalised_block(&self.rpc).await?.saturating_sub(from);
            Ok(match problem {
                Some(problem) => Look::Waiting(problem),
                None if blocks < SILENT_BLOCKS => Look::Waiting(format!("{blocks} more blocks are final")),
                None => Look::Done(blocks),
            })
        };
        let blocks = cluster.wait("the missing members to be named", ABSENCE, watch).await?;
        if contracts::execution(&self.rpc, self.address, nonce).await?.is_some() {
            return Err(Failure::general("DEVNET_SIGNATURE", "two members executed a request"));
        }
        account.say(format!(
            "{blocks} more blocks are final, and there is no signature; `firn status` at {} says:",
            asked.to
        ));
        account.quote(&status(cluster, &asked.to).await?);
        let missing = killed.into_iter().collect::<Vec<_>>().join(", ");
        account.say(format!("{} name as missing exactly the killed ones: {missing}", names.join(" and ")));
        Ok(())
    }
}

/// What `firn status` prints.
async fn status(cluster: &Cluster, name: &str) -> Result<String, Failure> {
    let dir = cluster.node(name)?.data_dir.to_string_lossy();
    let output = firn(&["status", "--data-dir", &dir]).await?;
    // A node without enough peers says that it is not ready by its exit code, after the whole status.
    if !output.status.success() && output.status.code() != Some(Exit::NotReady as i32) {
        let cause = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::general("DEVNET_COMMAND", format!("firn status at {name}: {cause}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn subject(id: &str) -> Result<SubjectId, Failure> {
    let digest =
        Digest::from_hex(id).ok_or_else(|| Failure::general("DEVNET_REQUEST", format!("{id} is not an id")))?;
    Ok(SubjectId(digest))
}

fn wad(percent: u64) -> U256 {
    U256::from(WAD / 100 * percent)
}

fn name(names: &[String], at: usize) -> Result<String, Failure> {
    names.get(at).cloned().ok_or_else(|| Failure::general("DEVNET_NODE", format!("key {KEY} has too few members")))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
