//! The steps that `up` and `demo` share: starting everything, generating the key, deploying the contracts.

use super::account::{Account, amount, duration};
use super::contracts;
use super::processes::{Cluster, Look};
use crate::api::json::{KeyView, ProposeBody};
use crate::failure::{Exit, Failure};
use alloy::primitives::Address;
use firn_proto::Point;
use std::time::{Duration, Instant};

/// What connecting all nodes may take.
const CONNECT: Duration = Duration::from_secs(20);
/// What generating a key may take.
const KEYGEN: Duration = Duration::from_secs(40);
/// What a block may take to become final: two epochs of one slot, and some patience.
const FINALITY: Duration = Duration::from_secs(20);

/// Starts anvil and all nodes, and waits until everybody sees everybody.
pub(super) async fn start(cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
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

/// Generates a key of these members where there is none, and waits until each holds it, certified by all.
pub(super) async fn generate_key(
    cluster: &mut Cluster,
    account: &Account,
    name: &str,
    names: &[String],
) -> Result<KeyView, Failure> {
    let clock = Instant::now();
    let first = names.first().cloned().unwrap_or_default();
    let keys = cluster.client(&first)?.keys().await?.keys;
    let key_id = if let Some(key) = keys.into_iter().find(|key| key.name == name && key.state == "active") {
        account.say(format!("the key `{name}` exists since an earlier start"));
        key.key_id
    } else {
        let body = ProposeBody { name: name.to_owned(), within_seconds: 120, next: None };
        let id = cluster.client(&first)?.propose_key(&body).await?.id;
        accept_everywhere(cluster, names, &first, &id).await?;
        account.say(format!(
            "{first} proposes a key `{name}`, {} accept, and exchange commitments and encrypted shares",
            names.len()
        ));
        id
    };
    let key =
        cluster.wait("the key at every node", KEYGEN, async |cluster| same_key(cluster, names, &key_id).await).await?;
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
pub(super) async fn deploy_contracts(
    cluster: &mut Cluster,
    account: &Account,
    key: &KeyView,
) -> Result<Address, Failure> {
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
            // anvil that has loaded its state knows no state at the finalised block until a few more are mined.
            Ok(match contracts::slashable(&rpc, &of, address).await {
                Ok(true) => Look::Done(()),
                Ok(false) => Look::Waiting("not in a finalised block".to_owned()),
                Err(failure) => Look::Waiting(failure.cause),
            })
        })
        .await?;
    account.say(format!("all of it is final ({})", duration(clock.elapsed())));
    Ok(address)
}

pub(super) fn group_key(key: &KeyView) -> Result<Point, Failure> {
    let invalid = || Failure::general("DEVNET_KEY", "a node shows no valid group key");
    let bytes =
        hex::decode(key.group_key.as_deref().unwrap_or_default().trim_start_matches("0x")).map_err(|_| invalid())?;
    let key = alloy::signers::k256::PublicKey::from_sec1_bytes(&bytes).map_err(|_| invalid())?;
    Point::from_affine(key.as_affine()).ok_or_else(invalid)
}
