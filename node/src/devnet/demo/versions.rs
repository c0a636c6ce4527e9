//! The act about a change of the definition: a ceiling is lowered while a request that passes it waits for approvals.

use super::people::wrong;
use super::{ABSENCE, Avs, firn, name};
use crate::devnet::account::Account;
use crate::devnet::contracts;
use crate::devnet::processes::{Cluster, Look};
use crate::failure::Failure;
use firn_proto::opinion::Decision;
use std::path::Path;

/// What waits, in hundredths of an allocation; allowed by the first version, not by the second.
const LARGE: u64 = 20;
/// The ceilings of both, in wad.
const CEILINGS: [&str; 2] = ["500000000000000000", "150000000000000000"];
/// How many blocks from now on the second version is in force: its signatures take less.
const BLOCKS_AHEAD: u64 = 4;
/// How many organisations sign it: more than half of five.
const QUORUM: usize = 3;

impl Avs {
    /// Shows a version from its proposal to its effect, and what becomes of a request that came before it.
    pub(super) async fn changed(
        &self,
        cluster: &mut Cluster,
        account: &Account,
        names: &[String],
        dir: &Path,
    ) -> Result<(), Failure> {
        let (first, second) = (name(names, 0)?, name(names, 1)?);
        let asked = self.ask(cluster, account, &first, LARGE).await?;
        self.speak(cluster, account, &asked, 1, Decision::Approve, &second).await?;
        self.all_wait(cluster, &asked, "POLICY_APPROVALS_MISSING").await?;
        account.say(format!("the first version of the definition allows it: {LARGE} % waits for one more approval"));
        let (change, block) = self.propose(cluster, account, dir).await?;
        for admin in cluster.manifest.admins.iter().take(QUORUM) {
            let (keystore, passphrase) = (path(&admin.keystore), path(&admin.passphrase_file));
            let current = path(&cluster.manifest.network_file);
            let options = ["--current", &current, "--keystore", &keystore, "--passphrase-file", &passphrase];
            let said = run(&["network", "accept", &change], &options).await?;
            account.say(format!("{} signs: {}", admin.name, said.lines().next().unwrap_or_default()));
        }
        run(&["network", "submit", &change], &["--data-dir", &path(&cluster.node(&second)?.data_dir)]).await?;
        account.say(format!("the change is given to {second}; it is in force from finalised block {block} on"));
        let all = names.len();
        let in_force = async |cluster: &Cluster| {
            for node in names {
                // A node that takes a version up starts anew: it may not answer for a moment.
                let Ok(view) = cluster.client(node)?.network().await else {
                    return Ok(Look::Waiting(format!("{node} starts anew")));
                };
                if view.current.version != 2 {
                    let block = view.finalised_block;
                    return Ok(Look::Waiting(format!("{node} is on version {}, block {block}", view.current.version)));
                }
                let Ok(view) = cluster.client(node)?.request(&asked.id).await else {
                    return Ok(Look::Waiting(format!("{node} starts anew")));
                };
                if view.signature.is_some() {
                    return Err(wrong("signed though the version in force refuses it"));
                }
                if view.code.as_deref() != Some("POLICY_WAD_TOO_LARGE") {
                    return Ok(Look::Waiting(format!("{node} says: {}", view.state)));
                }
            }
            Ok(Look::Done(()))
        };
        cluster.wait("every node to take the second version up", ABSENCE, in_force).await?;
        account
            .say(format!("all {all} nodes are on version 2, and say of the request: refused (POLICY_WAD_TOO_LARGE)"));
        self.connected(cluster, all).await
    }

    /// Lowers the ceiling in a copy of the definition, and makes that the next version.
    async fn propose(&self, cluster: &Cluster, account: &Account, dir: &Path) -> Result<(String, u64), Failure> {
        let block = contracts::finalised_block(&self.rpc).await?.saturating_add(BLOCKS_AHEAD);
        let (edited, change) = (path(&dir.join("edited.toml")), path(&dir.join("change.json")));
        let text = self.definition.to_toml().replace(CEILINGS[0], CEILINGS[1]);
        std::fs::write(&edited, text).map_err(|error| Failure::general("DEVNET_IO", error.to_string()))?;
        let current = path(&cluster.manifest.network_file);
        let options = ["--current", &current, "--block", &block.to_string(), "--out", &change];
        let said = run(&["network", "propose", &edited], &options).await?;
        account.say("an organisation proposes another version; `firn network propose` says:");
        account.quote(said.split("\n\n").next().unwrap_or_default());
        Ok((change, block))
    }

    /// Waits until every node is there for all others again.
    async fn connected(&self, cluster: &mut Cluster, all: usize) -> Result<(), Failure> {
        let ready = async |cluster: &Cluster| {
            for node in &cluster.running() {
                let Ok(status) = cluster.client(node)?.status().await else {
                    return Ok(Look::Waiting(format!("{node} starts anew")));
                };
                let connected = status.peers.iter().filter(|peer| peer.connected).count();
                if connected + 1 < all || !status.ready {
                    return Ok(Look::Waiting(format!("{node} has {connected} peers")));
                }
            }
            Ok(Look::Done(()))
        };
        cluster.wait("the nodes to find each other again", ABSENCE, ready).await
    }
}

/// What a command prints.
async fn run(command: &[&str], options: &[&str]) -> Result<String, Failure> {
    let ended = firn(&[command, options].concat()).await?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(Failure::general("DEVNET_COMMAND", format!("firn {}: {said}", command.join(" "))))
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
