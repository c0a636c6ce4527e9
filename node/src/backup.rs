//! Backups of a node: one file, encrypted for people of its organisation, with what it takes to have the node's shares again
//! (docs/spec/backup.md).
//!
//! A file that opens proves nothing: whoever knows the recipients can make one. So nothing in it is believed but what the
//! definition at hand, or one that it follows from, bears out: certificates by all members, each share by its certificate.

use crate::data_dir::DataDir;
use crate::failure::{Exit, Failure};
use crate::host::versions;
use crate::host::{named, read_records, restore as restore_core};
use crate::keystore::{Context, Keystore, Passphrase, Unlocked};
use crate::runtime::wall_time;
use crate::store::Store;
use file::{Backup, Identity, Kept, Manifest, Secrets};
use firn_coordinator::Engine;
use firn_coordinator::api::{Family, Record};
use firn_coordinator::versions::in_force;
use firn_proto::certificate::KeyCertificate;
use firn_proto::envelope::decode_strict;
use firn_proto::{Code, Definition, GroupSignature, Incarnation, KeyId, NodeId, Refusal, wire};
use firn_vault::backup::{BackupKey, verify};
use firn_vault::{RootSecret, Vault};
use libp2p::identity::Keypair;
use prost::Message as _;
use rand_core::OsRng;
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) mod file;
pub(crate) mod marks;
pub(crate) mod people;
pub(crate) mod restore;
pub(crate) mod standing;
#[cfg(test)]
mod tests;

/// A data directory as it is, beside its node or without one. Nothing is written.
pub(crate) struct Inside {
    line: Line,
    config: String,
    me: NodeId,
    engine: Engine,
    context: Context,
    unlocked: Unlocked,
    vault: Vault,
}

impl Inside {
    /// Opens store, keystore and vault for a look.
    pub(crate) fn look(data_dir: &Path, passphrase: &Passphrase) -> Result<Self, Failure> {
        let directory = DataDir::look(data_dir)?;
        let text = std::fs::read_to_string(directory.config_file());
        let text = text.map_err(|error| Failure::general("DATA_DIR_IO", error.to_string()))?;
        let config = crate::cli::read_config(data_dir)?;
        let store = Store::look(&directory.store_dir())?;
        let file = versions::with_earlier(&directory.network_file())?;
        let line = versions::kept(&store, file)?;
        let me = named(&line.definition, &config)?;
        let context = Context { network: line.definition.name.clone(), node: config.node };
        let unlocked = Keystore::open(&directory.keystore_dir(), &context, passphrase)?;
        let secret = RootSecret::from_bytes(unlocked.vault_root.copied());
        let core = core(&line.definition, me);
        let (engine, vault) = restore_core(&store, core, secret, &read_records(&store)?)?;
        Ok(Self { line, config: text, me, engine, context, unlocked, vault })
    }

    /// Everything that belongs into a backup, now.
    pub(crate) fn backup(self, with_identity: bool) -> Result<Backup, Failure> {
        let Shares { key, kept, .. } = Shares::seal(&self.engine, &self.vault).map_err(refused)?;
        if kept.is_empty() && !with_identity {
            let next = "generate a key first (`firn dkg propose`), or keep the identity with --with-identity";
            return Err(Failure::new("BACKUP_EMPTY", "this node holds no certified share", next, Exit::Conflict));
        }
        let Unlocked { transport, relayer, vault_root: root, .. } = self.unlocked;
        let identity = with_identity.then_some(Identity { root, transport, relayer, config: self.config });
        let manifest = self.line.manifest(self.me, self.context.node, kept);
        Ok(Backup { manifest, secrets: Secrets { key, identity } })
    }
}

/// The certified shares of a node, each sealed under one key that was made for them.
pub(crate) struct Shares {
    key: BackupKey,
    kept: Vec<Kept>,
    /// Of these attempts.
    pub(crate) of: BTreeSet<KeyId>,
}

impl Shares {
    /// # Errors
    /// Those of the vault, which gives a share that it holds certified and no other.
    pub(crate) fn seal(engine: &Engine, vault: &Vault) -> Result<Self, Code> {
        let key = BackupKey::generate(&mut OsRng);
        let seal = |(certificate, activation): (KeyCertificate, Option<GroupSignature>)| {
            Ok(Kept {
                certificate: certificate.to_wire().encode_to_vec(),
                activation: activation.map(|signature| signature.as_bytes().to_vec()).unwrap_or_default(),
                share: vault.export(certificate.key_id(), certificate.epoch(), &key, &mut OsRng)?,
            })
        };
        let keys = engine.certified_keys();
        let of = keys.iter().map(|(certificate, _)| certificate.key_id()).collect();
        let kept = keys.into_iter().map(seal).collect::<Result<_, _>>()?;
        Ok(Self { key, kept, of })
    }
}

/// The definition in force, what the node was set up with, and the changes between them.
pub(crate) struct Line {
    pub(crate) definition: Definition,
    pub(crate) root: Definition,
    pub(crate) changes: Vec<Record>,
}

impl Line {
    fn manifest(&self, node: NodeId, name: String, keys: Vec<Kept>) -> Manifest {
        Manifest {
            network: self.definition.network_id().0.0.to_vec(),
            definition: self.definition.digest().0.to_vec(),
            version: self.definition.version(),
            node: node.0.into(),
            name,
            created: wall_time().0,
            root: self.root.to_toml(),
            changes: self.changes.iter().cloned().map(file::Change::from).collect(),
            keys,
        }
    }
}

/// The keys that a data directory's node holds certified shares of. Takes no passphrase.
pub(crate) fn certified_keys(data_dir: &Path) -> Result<Vec<KeyCertificate>, Failure> {
    let directory = DataDir::look(data_dir)?;
    let config = crate::cli::read_config(data_dir)?;
    let store = Store::look(&directory.store_dir())?;
    let Line { definition, .. } = versions::kept(&store, versions::with_earlier(&directory.network_file())?)?;
    let core = core(&definition, named(&definition, &config)?);
    let engine = Engine::restore(core, &read_records(&store)?);
    let engine = engine.map_err(|(code, key)| Refusal::new(code, format!("record {}", hex::encode(key))))?;
    Ok(engine.certified_keys().into_iter().map(|(certificate, _)| certificate).collect())
}

fn core(definition: &Definition, me: NodeId) -> firn_coordinator::Config {
    let incarnation = Incarnation::default();
    firn_coordinator::Config {
        definition: definition.clone(),
        me,
        incarnation,
        check_evidence: false,
        refresh_after: None,
    }
}

fn refused(code: Code) -> Failure {
    Refusal::new(code, "").into()
}

/// A key of a backup that holds what it promises.
pub(crate) struct Checked {
    pub(crate) certificate: KeyCertificate,
    pub(crate) activation: Option<GroupSignature>,
    share: Vec<u8>,
}

impl Backup {
    pub(crate) fn node(&self) -> NodeId {
        NodeId(u16::try_from(self.manifest.node).unwrap_or_default())
    }

    /// The definition to judge the backup by: the one at hand, or one that follows from it by signed changes in the file. What
    /// comes before the one at hand is authentic too, as that one names it.
    pub(crate) fn judged_by(&self, at_hand: &Definition) -> Result<Definition, Refusal> {
        let ours = at_hand.network_id();
        if self.manifest.network != ours.0.0 {
            let theirs = hex::encode(&self.manifest.network);
            return Err(Refusal::new(Code::BackupOtherNetwork, format!("0x{theirs}, not {}", ours.0)));
        }
        let file = self.definition()?;
        let follows = file.network_id() == ours && file.versions().any(|known| known.digest() == at_hand.digest());
        Ok(if follows { file } else { at_hand.clone() })
    }

    /// The definition by the file alone.
    pub(crate) fn definition(&self) -> Result<Definition, Refusal> {
        let version = |(_, key)| {
            let what = format!("version {} of the definition does not read", hex::encode(key));
            Refusal::new(Code::BackupUncertified, what)
        };
        in_force(self.root()?, &self.changes()).map_err(version)
    }

    /// What the node was set up with.
    fn root(&self) -> Result<Definition, Refusal> {
        Definition::parse(&self.manifest.root)
            .map_err(|refusal| Refusal::new(Code::BackupUncertified, refusal.to_string()))
    }

    /// Lends the node's own identity to a backup without one, for a drill.
    pub(crate) fn with_identity_of(mut self, data_dir: &Path, passphrase: &Passphrase) -> Result<Self, Failure> {
        if self.secrets.identity.is_none() {
            let Inside { unlocked, config, .. } = Inside::look(data_dir, passphrase)?;
            let Unlocked { transport, relayer, vault_root: root, .. } = unlocked;
            self.secrets.identity = Some(Identity { root, transport, relayer, config });
        }
        Ok(self)
    }

    fn changes(&self) -> Vec<Record> {
        let record = |change: &file::Change| Record {
            family: Family::Definitions,
            key: change.version.to_be_bytes().to_vec(),
            value: Some(change.change.clone()),
        };
        self.manifest.changes.iter().map(record).collect()
    }

    /// Proves all of it: that node and keys are the definition's, and that each share opens and is the certified one.
    pub(crate) fn check(&self, definition: &Definition) -> Result<Vec<Checked>, Refusal> {
        let name = definition.nodes.get(&self.node()).map(|node| &node.name);
        if name != Some(&self.manifest.name) {
            return Err(Refusal::new(Code::BackupOtherNode, format!("the definition has no {}", self.manifest.name)));
        }
        if let Some(identity) = &self.secrets.identity {
            self.check_identity(definition, identity)?;
        }
        self.manifest.keys.iter().map(|kept| self.check_key(definition, kept)).collect()
    }

    fn check_key(&self, definition: &Definition, kept: &Kept) -> Result<Checked, Refusal> {
        let uncertified = |what: &str| Refusal::new(Code::BackupUncertified, what);
        let certificate = decode_strict::<wire::KeyCertificate>(&kept.certificate);
        let certificate = certificate.ok_or_else(|| uncertified("a certificate does not read"))?;
        let certificate = KeyCertificate::from_wire(&certificate, definition)
            .map_err(|refusal| uncertified(&format!("{}: {}", refusal.code, refusal.detail)))?;
        let name = certificate.proposal().key_name.clone();
        let activation = Some(&kept.activation).filter(|bytes| !bytes.is_empty());
        let activation = activation.map(|bytes| GroupSignature::from_slice(bytes)).transpose();
        let activation = activation.map_err(|_| uncertified(&format!("the activation of {name} does not read")))?;
        let activates = |signature: &GroupSignature| {
            signature.verifies(certificate.group_key(), certificate.activation(definition.network_id()).0)
        };
        if !activation.as_ref().is_none_or(activates) {
            return Err(uncertified(&format!("the activation of {name} is not the key's")));
        }
        verify(definition, self.node(), &certificate, &kept.share, &self.secrets.key)
            .map_err(|code| Refusal::new(code, name))?;
        Ok(Checked { certificate, activation, share: kept.share.clone() })
    }

    /// Whether root secret and transport identity are those that the definition lists for the node.
    fn check_identity(&self, definition: &Definition, identity: &Identity) -> Result<(), Refusal> {
        let other = |what: &str| Refusal::new(Code::BackupOtherNode, what);
        let listed = definition.nodes.get(&self.node()).ok_or_else(|| other("no such node"))?;
        if RootSecret::from_bytes(identity.root.copied()).public_keys() != (listed.author_key, listed.vault_key) {
            return Err(other("the definition lists other keys than its root secret gives"));
        }
        let transport = Keypair::from_protobuf_encoding(identity.transport.expose());
        let peer = transport.map(|pair| pair.public().to_peer_id().to_string());
        if peer.ok().as_ref() != Some(&listed.peer_id) {
            return Err(other("the definition lists another transport identity"));
        }
        Ok(())
    }
}
