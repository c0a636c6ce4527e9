//! `firn init`: a new node's data directory, keys and local configuration.

use crate::config::RpcUrl;
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use crate::keystore::{Context, KdfProfile, Keystore, Passphrase, RelayerKey, Secrets, TransportIdentity, VaultRoot};
use crate::store::Store;
use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use firn_vault::RootSecret;
use libp2p::{Multiaddr, identity::Keypair};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What a new node is told.
pub(crate) struct Plan {
    pub(crate) network: String,
    pub(crate) node: String,
    pub(crate) listen: Vec<Multiaddr>,
    pub(crate) api: SocketAddr,
    pub(crate) rpc: RpcUrl,
    pub(crate) passphrase_file: Option<PathBuf>,
    pub(crate) kdf: KdfProfile,
    /// The relayer key; a fresh one where `None`.
    pub(crate) relayer: Option<PrivateKeySigner>,
}

/// What goes into the network definition.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublicIdentity {
    pub(crate) node: String,
    pub(crate) peer_id: String,
    pub(crate) author_key: String,
    pub(crate) vault_key: String,
    pub(crate) relayer: Address,
}

/// Makes the directory and everything secret in it, and gives what is public.
pub(crate) fn create(data_dir: &Path, plan: &Plan, passphrase: &Passphrase) -> Result<PublicIdentity, Failure> {
    let directory = DataDir::create(data_dir)?;
    let transport = Keypair::generate_ed25519();
    let encoded = transport.to_protobuf_encoding();
    let encoded = encoded.map_err(|error| Failure::general("TRANSPORT_IDENTITY", error.to_string()))?;
    let root = Zeroizing::new(*VaultRoot::generate()?.into_inner());
    let relayer = plan.relayer.clone().unwrap_or_else(PrivateKeySigner::random);
    let secrets = Secrets {
        transport: TransportIdentity::new(Zeroizing::new(encoded)),
        relayer: Some(RelayerKey::new(Zeroizing::new(relayer.to_bytes().0))),
        vault_root: VaultRoot::new(root.clone()),
    };
    let context = Context { network: plan.network.clone(), node: plan.node.clone() };
    Keystore::create(&directory.keystore_dir(), &context, passphrase, &secrets, plan.kdf)?;
    Store::create(&directory.store_dir())?;
    let (author_key, vault_key) = RootSecret::from_bytes(root).public_keys();
    let identity = PublicIdentity {
        node: plan.node.clone(),
        peer_id: transport.public().to_peer_id().to_string(),
        author_key: hex::encode(author_key.as_bytes()),
        vault_key: hex::encode(vault_key.as_bytes()),
        relayer: relayer.address(),
    };
    write(&directory.config_file(), &config_text(plan))?;
    let public =
        serde_json::to_string_pretty(&identity).map_err(|error| Failure::general("IDENTITY", error.to_string()))?;
    write(&directory.identity_dir().join("public.json"), &public)?;
    Ok(identity)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    files::write_new(path, text.as_bytes()).map_err(|error| {
        Failure::new("DATA_DIR_WRITE", format!("{}: {error}", path.display()), "check the disk", Exit::Failure)
    })
}

fn config_text(plan: &Plan) -> String {
    let listen: Vec<_> = plan.listen.iter().map(|address| toml::Value::from(address.to_string())).collect();
    let mut config = toml::Table::new();
    config.insert("node".to_owned(), plan.node.clone().into());
    config.insert("listen".to_owned(), listen.into());
    let api = toml::Table::from_iter([("listen".to_owned(), plan.api.to_string().into())]);
    let rpc = vec![toml::Value::from(plan.rpc.expose().to_string())];
    let chain = toml::Table::from_iter([("rpc".to_owned(), rpc.into())]);
    config.insert("api".to_owned(), api.into());
    config.insert("chain".to_owned(), chain.into());
    if let Some(path) = &plan.passphrase_file {
        let path = path.to_string_lossy().into_owned();
        config
            .insert("unseal".to_owned(), toml::Table::from_iter([("passphrase_file".to_owned(), path.into())]).into());
    }
    config.to_string()
}
