//! `firn init` and `firn network`.

use super::{Output, PassphraseArgs, document, init, pause, print, quoted};
use crate::config::RpcUrl;
use crate::data_dir::DataDir;
use crate::failure::{Exit, Failure};
use crate::host::read_definition;
use crate::keystore::{Context, KdfProfile, Keystore, PassphraseSource};
use clap::{Args, Subcommand};
use firn_proto::Definition;
use libp2p::Multiaddr;
use serde_json::json;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Make a new node.
#[derive(Args)]
pub(crate) struct InitArgs {
    /// Directory to make; it must not hold a node yet.
    #[arg(long, env = "FIRN_DATA_DIR")]
    data_dir: PathBuf,
    /// Name of the network, as network.toml will have it.
    #[arg(long)]
    network: String,
    /// Name of this node, as network.toml will have it.
    #[arg(long)]
    node: String,
    /// Addresses for other members, TCP and QUIC.
    #[arg(long, value_name = "MULTIADDR", default_values = ["/ip4/0.0.0.0/tcp/7400", "/ip4/0.0.0.0/udp/7400/quic-v1"])]
    listen: Vec<Multiaddr>,
    /// Address of the local API.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7401")]
    api: SocketAddr,
    /// The chain's JSON-RPC endpoint.
    #[arg(long, value_name = "URL")]
    rpc: String,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// The network as a whole.
#[derive(Subcommand)]
pub(crate) enum NetworkCommand {
    /// Show a network.toml with its digest, which all organisations must see alike.
    Show {
        /// The file, or a data directory with one.
        path: PathBuf,
    },
    /// Pause the whole network, as a veto holder: no member lends a share once enough organisations have said so.
    ///
    /// What stops things on chain, with keys of purpose `veto`, is still signed.
    Pause(pause::SignArgs),
    /// Resume the network, as a veto holder. It takes more organisations than pausing.
    Resume(pause::SignArgs),
}

pub(super) fn init(args: &InitArgs, output: Output) -> Result<(), Failure> {
    let rpc = RpcUrl::try_from(args.rpc.clone()).map_err(|reason| {
        Failure::new("CONFIG_INVALID", format!("--rpc: {reason}"), "give an http or https URL", Exit::Failure)
    })?;
    // Absolute, since `firn run` may start elsewhere.
    let file = args.passphrase.passphrase_file.as_ref().map(std::path::absolute).transpose();
    let file = file.map_err(|error| Failure::usage(format!("--passphrase-file: {error}"), "name a file"))?;
    let plan = init::Plan {
        network: args.network.clone(),
        node: args.node.clone(),
        listen: args.listen.clone(),
        api: args.api,
        rpc,
        passphrase_file: file,
        kdf: KdfProfile::Standard,
        relayer: None,
    };
    // Before anybody is asked for a passphrase.
    plan.check()?;
    let passphrase = args.passphrase.source().unwrap_or(PassphraseSource::Prompt).read_new()?;
    let identity = init::create(&args.data_dir, &plan, &passphrase)?;
    print(output, &document("firn.identity.v1", &identity), || {
        format!(
            "Made {dir}.\n\nGive the others this, for network.toml:\n\n  peer_id = \"{}\"\n  author_key = \"{}\"\n  vault_key = \"{}\"\n\n\
             Fund the relayer {} if this node shall relay transactions.\n\
             Next: put the agreed network.toml into {dir} (mode 0600), back up {dir}/keystore, then\n  firn run --data-dir {dir}",
            identity.peer_id,
            identity.author_key,
            identity.vault_key,
            identity.relayer,
            dir = quoted(&args.data_dir.to_string_lossy()),
        )
    })
}

/// Look after a keystore.
#[derive(Subcommand)]
pub(crate) enum KeystoreCommand {
    /// Wrap the keys under a new passphrase. Old copies of the file still open with the old one.
    ChangePassphrase {
        /// The node's data directory; the node must be stopped.
        #[arg(long, env = "FIRN_DATA_DIR")]
        data_dir: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// File whose first line is the new passphrase; asked for where it is not given.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
}

pub(super) fn keystore(command: &KeystoreCommand, output: Output) -> Result<(), Failure> {
    let KeystoreCommand::ChangePassphrase { data_dir, passphrase, new_passphrase_file } = command;
    let directory = DataDir::open(data_dir)?;
    let network = read_definition(&directory.network_file())?.name.clone();
    let context = Context { network, node: super::read_config(data_dir)?.node };
    let old = passphrase.source().unwrap_or(PassphraseSource::Prompt).read()?;
    let new = new_passphrase_file.clone().map_or(PassphraseSource::Prompt, PassphraseSource::File).read_new()?;
    Keystore::change_passphrase(&directory.keystore_dir(), &context, &old, &new, KdfProfile::Standard)?;
    print(output, &document("firn.keystore.v1", &json!({ "changed": true })), || {
        "The passphrase is changed. Destroy old copies of the keystore.".to_owned()
    })
}

pub(super) async fn network(command: &NetworkCommand, output: Output) -> Result<(), Failure> {
    match command {
        NetworkCommand::Show { path } => show(path, output),
        NetworkCommand::Pause(args) => pause::say(true, args, output).await,
        NetworkCommand::Resume(args) => pause::say(false, args, output).await,
    }
}

fn show(path: &Path, output: Output) -> Result<(), Failure> {
    let file = if path.is_dir() { path.join("network.toml") } else { path.to_owned() };
    let definition = read_definition(&file)?;
    print(output, &document("firn.network.v1", &as_json(&definition)), || as_text(&definition))
}

fn as_json(definition: &Definition) -> serde_json::Value {
    json!({
        "name": definition.name,
        "digest": definition.digest().to_string(),
        "network": definition.network_id().0.to_string(),
        "chain_id": definition.chain.id,
        "allocation_manager": definition.chain.allocation_manager,
        "nodes": definition.nodes.iter().map(|(id, node)| json!({
            "id": id.0, "name": node.name, "organisation": node.organisation, "region": node.region,
            "provider": node.provider, "peer_id": node.peer_id, "addresses": node.addresses,
        })).collect::<Vec<_>>(),
        "keys": definition.keys.iter().map(|key| json!({
            "name": key.name, "purpose": key.purpose.as_str(), "threshold": key.threshold,
            "members": key.nodes().map(|node| node.0).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "operator_sets": definition.operator_sets.iter().map(|set| json!({
            "avs": set.avs, "id": set.id, "key": set.key,
        })).collect::<Vec<_>>(),
        "requesters": definition.requesters.iter().map(|requester| json!({
            "name": requester.name, "address": requester.address, "operations": requester.operations, "avs": requester.avs,
        })).collect::<Vec<_>>(),
    })
}

/// Writing into a string cannot fail, so the results are dropped.
fn as_text(definition: &Definition) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "network  {} (version 1)", definition.name);
    let _ = writeln!(text, "digest   {}", definition.digest());
    let _ =
        writeln!(text, "chain    {}, AllocationManager {}", definition.chain.id, definition.chain.allocation_manager);
    let _ = writeln!(text, "\nnodes");
    for (id, node) in &definition.nodes {
        let _ = writeln!(
            text,
            "  {:>3}  {:<14} {:<18} {:<12} {}",
            id.0, node.name, node.organisation, node.region, node.peer_id
        );
    }
    let _ = writeln!(text, "\nkeys");
    for key in &definition.keys {
        let members: Vec<_> = key.nodes().map(|node| node.0.to_string()).collect();
        let _ = writeln!(
            text,
            "  {}: {}, {} of {} (nodes {})",
            key.name,
            key.purpose.as_str(),
            key.threshold,
            members.len(),
            members.join(", ")
        );
    }
    let _ = writeln!(text, "\noperator sets");
    for set in &definition.operator_sets {
        let _ = writeln!(text, "  {} / {}: key {}", set.avs, set.id, set.key);
    }
    let _ = writeln!(text, "\nrequesters");
    for requester in &definition.requesters {
        let _ = writeln!(text, "  {} {}: {}", requester.name, requester.address, requester.operations.join(", "));
    }
    text
}
