//! The devnet's commands and its changes of the definition, made as its organisations would make them.

use super::account::Account;
use super::contracts;
use super::processes::{Cluster, Look};
use crate::failure::Failure;
use std::path::Path;
use std::process::Output as Ended;
use std::time::Duration;

/// How many blocks from now on the next version is in force: its signatures take less.
const BLOCKS_AHEAD: u64 = 4;
/// What taking a version up may take.
pub(super) const CHANGE: Duration = Duration::from_secs(40);

/// A command, run as a user would.
pub(super) async fn firn(arguments: &[&str]) -> Result<Ended, Failure> {
    let failed = |error: std::io::Error| Failure::general("DEVNET_COMMAND", format!("firn: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = tokio::process::Command::new(program);
    let form: &[&str] = if arguments.contains(&"--output") { &[] } else { &["--output", "text"] };
    command.args(arguments).args(form).kill_on_drop(true);
    command.output().await.map_err(failed)
}

/// What a command prints that succeeds.
pub(super) async fn said(arguments: &[&str]) -> Result<String, Failure> {
    let ended = firn(arguments).await?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let command: Vec<_> = arguments.iter().take_while(|word| !word.starts_with('-')).copied().collect();
    Err(Failure::general("DEVNET_COMMAND", format!("firn {}: {said}", command.join(" "))))
}

/// Makes an edited definition the next version: proposed, signed by admins of more than half of the organisations, given to a node.
/// It is in force from the block that this gives.
pub(super) async fn submit(
    cluster: &Cluster,
    account: &Account,
    dir: &Path,
    edit: impl FnOnce(String) -> Result<String, Failure>,
) -> Result<u64, Failure> {
    let rpc = contracts::reader(&cluster.manifest.rpc)?;
    let block = contracts::finalised_block(&rpc).await?.saturating_add(BLOCKS_AHEAD);
    let node = cluster.running().into_iter().nth(1).unwrap_or_default();
    let data_dir = path(&cluster.node(&node)?.data_dir);
    let text = said(&["network", "status", "--toml", "--data-dir", &data_dir]).await?;
    let [current, edited, change] = ["current.toml", "edited.toml", "change.json"].map(|file| path(&dir.join(file)));
    let write = |file: &str, text: &str| {
        std::fs::write(file, text).map_err(|error| Failure::general("DEVNET_IO", error.to_string()))
    };
    write(&current, &text)?;
    write(&edited, &edit(text)?)?;
    let options = ["--current", &current, "--block", &block.to_string(), "--out", &change];
    let proposed = said(&[&["network", "propose", &edited][..], &options].concat()).await?;
    account.say("an organisation proposes another version; `firn network propose` says:");
    account.excerpt(proposed.split("\n\n").next().unwrap_or_default());
    let quorum = cluster.manifest.admins.len() / 2 + 1;
    for admin in cluster.manifest.admins.iter().take(quorum) {
        let (keystore, passphrase) = (path(&admin.keystore), path(&admin.passphrase_file));
        let options = ["--current", &current, "--keystore", &keystore, "--passphrase-file", &passphrase];
        let signed = said(&[&["network", "accept", &change][..], &options].concat()).await?;
        account.say(format!("{} signs: {}", admin.name, signed.lines().next().unwrap_or_default()));
    }
    said(&["network", "submit", &change, "--data-dir", &data_dir]).await?;
    account.say(format!("the change is given to {node}; it is in force from finalised block {block} on"));
    Ok(block)
}

/// Waits until every running node is on this version.
pub(super) async fn in_force(cluster: &mut Cluster, version: u32) -> Result<(), Failure> {
    let names = cluster.running();
    let look = async |cluster: &Cluster| {
        for node in &names {
            // A node that takes a version up starts anew: it may not answer for a moment.
            let Ok(view) = cluster.client(node)?.network().await else {
                return Ok(Look::Waiting(format!("{node} starts anew")));
            };
            if view.current.version != version {
                let block = view.finalised_block;
                return Ok(Look::Waiting(format!("{node} is on version {}, block {block}", view.current.version)));
            }
        }
        Ok(Look::Done(()))
    };
    cluster.wait(&format!("every node to take version {version} up"), CHANGE, look).await
}

/// Waits until every running node is there for all others again, and says that it is ready.
pub(super) async fn connected(cluster: &mut Cluster) -> Result<(), Failure> {
    let names = cluster.running();
    let ready = async |cluster: &Cluster| {
        for node in &names {
            let Ok(status) = cluster.client(node)?.status().await else {
                return Ok(Look::Waiting(format!("{node} starts anew")));
            };
            let connected = status.peers.iter().filter(|peer| peer.connected).count();
            if connected + 1 < names.len() || !status.ready {
                let failing = status.checks.iter().find(|check| !check.ok).map(|check| check.detail.clone());
                return Ok(Look::Waiting(format!("{node} has {connected} peers; {}", failing.unwrap_or_default())));
            }
        }
        Ok(Look::Done(()))
    };
    cluster.wait("the nodes to find each other again", CHANGE, ready).await
}

pub(super) fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
