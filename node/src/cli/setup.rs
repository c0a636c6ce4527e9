//! `firn init` and `firn keystore`.

use super::{Output, PassphraseArgs, document, init, print, quoted};
use crate::config::RpcUrl;
use crate::data_dir::DataDir;
use crate::failure::{Exit, Failure};
use crate::host::read_definition;
use crate::keystore::{Context, KdfProfile, Keystore, PassphraseSource};
use clap::{Args, Subcommand};
use libp2p::Multiaddr;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// The chain's JSON-RPC endpoints, of different providers: two must agree on what this node believes. Repeatable.
    #[arg(long, value_name = "URL", required = true)]
    rpc: Vec<String>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(super) fn init(args: &InitArgs, output: Output) -> Result<(), Failure> {
    let rpc = args.rpc.iter().map(|url| url.parse()).collect::<Result<Vec<RpcUrl>, _>>().map_err(|reason| {
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
