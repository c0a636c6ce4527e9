//! `firn dkg`: proposing, accepting and following key generations.

use super::show::{ACCEPTED, keys_text};
use super::{NodeArgs, Output, document, print};
use crate::api::json::ProposeBody;
use crate::failure::Failure;
use clap::Subcommand;

/// Generate keys together with the other members.
#[derive(Subcommand)]
pub(crate) enum DkgCommand {
    /// Propose to generate a key of the definition, and accept it at this node.
    Propose {
        /// The key's name in network.toml.
        name: String,
        /// Seconds until all members must have accepted.
        #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
        within_seconds: u64,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Accept a proposal at this node. The ceremony runs once all members have accepted.
    Accept {
        /// The key id that `propose` printed, or `dkg status` shows.
        key_id: String,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Give up an undecided attempt, which ends once all members have done so, or a certified key that was never activated.
    Abandon {
        /// The key id.
        key_id: String,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Show all attempts and keys, whom they wait for, and why they ended.
    Status(NodeArgs),
}

pub(super) async fn run(command: DkgCommand, output: Output) -> Result<(), Failure> {
    match command {
        DkgCommand::Propose { name, within_seconds, node } => {
            let accepted = node.client()?.propose_key(&ProposeBody { name, within_seconds, next: None }).await?;
            let next = || {
                format!(
                    "{id}\nproposed, and accepted here; every other member now runs, with its own data directory:\n  \
                     firn dkg accept {id} --data-dir DIR\nfollow it with: firn dkg status{options}",
                    id = accepted.id,
                    options = node.options()
                )
            };
            print(output, &document(ACCEPTED, &accepted), next)
        }
        DkgCommand::Accept { key_id, node } => {
            let accepted = node.client()?.accept_key(&key_id).await?;
            print(output, &document(ACCEPTED, &accepted), || {
                format!("{}\naccepted; follow it with: firn dkg status{}", accepted.id, node.options())
            })
        }
        DkgCommand::Abandon { key_id, node } => {
            let accepted = node.client()?.abandon_key(&key_id).await?;
            print(output, &document(ACCEPTED, &accepted), || {
                format!("{}\nabandonment signed; it ends once all members have signed", accepted.id)
            })
        }
        DkgCommand::Status(node) => {
            let keys = node.client()?.keys().await?;
            print(output, &document("firn.keys.v1", &keys), || keys_text(&keys.keys, &node.options()))
        }
    }
}
