//! `firn init`: a new node's data directory, keys and local configuration.

use crate::config::{Config, Layers, Overrides, RpcUrl};
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use crate::keystore::{Context, KdfProfile, Keystore, Passphrase, RelayerKey, Secrets, TransportIdentity, VaultRoot};
use crate::store::Store;
use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use firn_vault::RootSecret;
use libp2p::{Multiaddr, identity::Keypair};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What a new node is told.
pub(crate) struct Plan {
    pub(crate) network: String,
    pub(crate) node: String,
    pub(crate) listen: Vec<Multiaddr>,
    pub(crate) api: SocketAddr,
    pub(crate) rpc: Vec<RpcUrl>,
    pub(crate) passphrase_file: Option<PathBuf>,
    pub(crate) kdf: KdfProfile,
    /// The relayer key; a fresh one where `None`.
    pub(crate) relayer: Option<PrivateKeySigner>,
}

/// What goes into the network definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PublicIdentity {
    pub(crate) node: String,
    pub(crate) peer_id: String,
    pub(crate) author_key: String,
    pub(crate) vault_key: String,
    pub(crate) relayer: Address,
}

impl Plan {
    /// Checks that the configuration it comes to is one that the node will start with.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let listen: Vec<_> = self.listen.iter().map(ToString::to_string).collect();
        let flags = vec![
            ("node", self.node.clone()),
            ("listen", listen.join(",")),
            ("api.listen", self.api.to_string()),
            ("chain.rpc", self.rpc.iter().map(|url| url.expose().as_str()).collect::<Vec<_>>().join(",")),
        ];
        // The text too, so that what is written reads back; the flags, so that a refusal says where the value came from.
        let overrides = Overrides { environment: Vec::new(), flags };
        Config::parse(&Layers::merge(Path::new("config.toml"), &config_text(self), &overrides)?)?;
        Ok(())
    }
}

/// Makes the directory and everything secret in it, and gives what is public.
pub(crate) fn create(data_dir: &Path, plan: &Plan, passphrase: &Passphrase) -> Result<PublicIdentity, Failure> {
    plan.check()?;
    let directory = DataDir::create(data_dir)?;
    let transport = Keypair::generate_ed25519();
    let encoded = transport.to_protobuf_encoding();
    let encoded = encoded.map_err(|error| Failure::general("TRANSPORT_IDENTITY", error.to_string()))?;
    let root = Zeroizing::new(*VaultRoot::generate()?.copied());
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
    let endpoints: Vec<_> = plan.rpc.iter().map(|url| toml::Value::from(url.expose().as_str())).collect();
    let chain = toml::Table::from_iter([("rpc".to_owned(), endpoints.into())]);
    config.insert("api".to_owned(), api.into());
    config.insert("chain".to_owned(), chain.into());
    if let Some(path) = &plan.passphrase_file {
        let path = path.to_string_lossy().into_owned();
        config
            .insert("unseal".to_owned(), toml::Table::from_iter([("passphrase_file".to_owned(), path.into())]).into());
    }
    config.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(api: &str, rpc: &str) -> Plan {
        Plan {
            network: "n".to_owned(),
            node: "a".to_owned(),
            listen: vec!["/ip4/127.0.0.1/tcp/7400".parse().unwrap()],
            api: api.parse().unwrap(),
            rpc: vec![rpc.parse().unwrap()],
            passphrase_file: Some(PathBuf::from("/run/credentials/firn \"1\"")),
            kdf: KdfProfile::InsecureFast,
            relayer: None,
        }
    }

    #[test]
    fn a_configuration_that_would_not_start_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("node");
        let passphrase = Passphrase::new(Zeroizing::new(b"canary".to_vec()));
        for (api, rpc, code) in [
            ("0.0.0.0:7401", "http://127.0.0.1:8545", "API_NOT_LOOPBACK"),
            ("127.0.0.1:7401", "ws://127.0.0.1:8545", "CONFIG_INVALID_VALUE"),
        ] {
            let failure = create(&dir, &plan(api, rpc), &passphrase).unwrap_err();
            assert_eq!(failure.code, code, "{failure}");
            assert!(failure.cause.contains("command line"), "{failure}");
            assert!(!dir.exists());
        }
        create(&dir, &plan("127.0.0.1:7401", "http://127.0.0.1:8545"), &passphrase).unwrap();
        let text = std::fs::read_to_string(dir.join("config.toml")).unwrap();
        let layers = Layers::merge(Path::new("config.toml"), &text, &Overrides::default()).unwrap();
        let config = Config::parse(&layers).unwrap();
        assert_eq!(config.unseal.passphrase_file, Some(PathBuf::from("/run/credentials/firn \"1\"")));
    }
}
