//! `firn peer`: what an operator decides about other members.

use super::show::ACCEPTED;
use super::{NodeArgs, Output, document, print};
use crate::failure::Failure;
use clap::Subcommand;

/// Decide about other members.
#[derive(Subcommand)]
pub(crate) enum PeerCommand {
    /// End a member's quarantine at this node, once its operator has said what happened and one sound copy of it is left.
    ///
    /// Trusts the start that is connected now, and no other. Every member decides for itself.
    Trust {
        /// The member's name in network.toml.
        name: String,
        #[command(flatten)]
        node: NodeArgs,
    },
}

pub(super) async fn run(command: PeerCommand, output: Output) -> Result<(), Failure> {
    let PeerCommand::Trust { name, node } = command;
    let accepted = node.client()?.trust_peer(&name).await?;
    print(output, &document(ACCEPTED, &accepted), || format!("{}\nsigned with again", accepted.id))
}
