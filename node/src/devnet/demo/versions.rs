//! The act about a change of the definition: a ceiling is lowered while a request that passes it waits for approvals.

use super::people::wrong;
use super::{ABSENCE, Avs, name};
use crate::devnet::account::Account;
use crate::devnet::change::{connected, in_force, submit};
use crate::devnet::processes::{Cluster, Look};
use crate::failure::Failure;
use firn_proto::opinion::Decision;
use std::path::Path;

/// What waits, in hundredths of an allocation; allowed by the first version, not by the second.
const LARGE: u64 = 20;
/// The ceilings of both, in wad.
const CEILINGS: [&str; 2] = ["500000000000000000", "150000000000000000"];

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
        submit(cluster, account, dir, |text| Ok(text.replace(CEILINGS[0], CEILINGS[1]))).await?;
        in_force(cluster, 2).await?;
        let refused = async |cluster: &Cluster| {
            for node in names {
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
        cluster.wait("every node to refuse it", ABSENCE, refused).await?;
        let all = names.len();
        account
            .say(format!("all {all} nodes are on version 2, and say of the request: refused (POLICY_WAD_TOO_LARGE)"));
        connected(cluster).await
    }
}
