//! Restoring: into the directory of a node that is stopped, or into an empty one where the backup has the node's identity. What
//! was restored is paused from the first start on (docs/spec/backup.md).

use super::file::{Backup, Identity};
use super::{Checked, Inside, core, refused};
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use crate::host::{named, read_records, restore as restore_core, versions};
use crate::init::PublicIdentity;
use crate::keystore::{Context, KdfProfile, Keystore, Passphrase, RelayerKey, Secrets, TransportIdentity, VaultRoot};
use crate::runtime::{family, wall_time};
use crate::store::{self, Batch, Store};
use alloy::signers::local::PrivateKeySigner;
use firn_coordinator::Engine;
use firn_proto::certificate::KeyCertificate;
use firn_proto::time::{MonotonicTime, Time};
use firn_proto::{Code, Definition, GroupSignature, NodeId, Refusal};
use firn_vault::RootSecret;
use firn_vault::api::Write;
use libp2p::identity::Keypair;
use rand_core::{OsRng, RngCore};
use std::path::Path;
use zeroize::Zeroizing;

/// Takes the shares that are missing into a data directory of the same node. Those that are there stay as they are.
pub(crate) fn into_used(
    data_dir: &Path,
    backup: &Backup,
    passphrase: &Passphrase,
) -> Result<Vec<KeyCertificate>, Failure> {
    DataDir::make_store_folder(data_dir)?;
    let directory = DataDir::open(data_dir)?;
    let config = crate::cli::read_config(data_dir)?;
    let file = versions::with_earlier(&directory.network_file())?;
    let mut store = match Store::open(&directory.store_dir()) {
        Err(store::StoreError::Missing { .. }) => {
            // Moved away by its operator: what it knew beside the shares is in no backup.
            Store::create(&directory.store_dir())?;
            Store::open(&directory.store_dir())?
        }
        opened => opened?,
    };
    let definition = versions::current(&directory, &mut store, &file)?;
    let me = named(&definition, &config)?;
    backup.judged_by(&definition)?;
    if me != backup.node() {
        let detail = format!("{}, not {}", backup.manifest.name, config.node);
        return Err(Refusal::new(Code::BackupOtherNode, detail).into());
    }
    // By what the directory holds, whatever the file says.
    let keys = backup.check(&definition)?;
    if keys.is_empty() {
        let next = "take a later backup; what else it holds, this directory has already";
        return Err(Failure::new("BACKUP_EMPTY", "the backup holds no share", next, Exit::Conflict));
    }
    let context = Context { network: definition.name.clone(), node: config.node };
    let root = Keystore::open(&directory.keystore_dir(), &context, passphrase)?.vault_root;
    take(&mut store, Batch::new(), &definition, me, &root, backup, keys)
}

/// An empty database in place of one that is gone, with no backup at hand: the node starts paused like a restored one, and holds no
/// share until a next epoch, or a repair, gives it one.
pub(crate) fn from_nothing(data_dir: &Path, passphrase: &Passphrase) -> Result<String, Failure> {
    DataDir::make_store_folder(data_dir)?;
    let directory = DataDir::open(data_dir)?;
    let config = crate::cli::read_config(data_dir)?;
    let file = versions::with_earlier(&directory.network_file())?;
    let context = Context { network: file.name.clone(), node: config.node.clone() };
    let root = Keystore::open(&directory.keystore_dir(), &context, passphrase)?.vault_root;
    if !matches!(Store::open(&directory.store_dir()), Err(store::StoreError::Missing { .. })) {
        let next = "move the folder `store` away first, and keep it: what it knows of locks is nowhere else";
        return Err(Failure::new("STORE_EXISTS", "the node has a database", next, Exit::Conflict));
    }
    Store::create(&directory.store_dir())?;
    let mut store = Store::open(&directory.store_dir())?;
    let definition = versions::current(&directory, &mut store, &file)?;
    let me = named(&definition, &config)?;
    let root = RootSecret::from_bytes(root.copied());
    let (mut engine, _) = restore_core(&store, core(&definition, me), root, &read_records(&store)?)?;
    commit_paused(&mut store, Batch::new(), &mut engine, &[])?;
    Ok(config.node)
}

/// Makes the node anew, by the identity in the backup. `at_hand` is the definition as others have it.
pub(crate) fn into_empty(
    data_dir: &Path,
    backup: &Backup,
    at_hand: &Definition,
    passphrase: &Passphrase,
    kdf: KdfProfile,
) -> Result<Vec<KeyCertificate>, Failure> {
    let definition = backup.judged_by(at_hand)?;
    let root = backup.root()?;
    let own = backup.definition()?;
    if !own.versions().any(|known| known.digest() == definition.digest()) && !definition.has_been(own.digest()) {
        let detail = "its definition and the one at hand are not of one line";
        return Err(Refusal::new(Code::BackupUncertified, detail).into());
    }
    let keys = backup.check(&own)?;
    let Some(identity) = &backup.secrets.identity else {
        let next = "restore into the node's own data directory, or a backup that was made with --with-identity";
        return Err(Failure::new("BACKUP_NO_IDENTITY", "the backup holds shares only", next, Exit::Conflict));
    };
    let directory = DataDir::create(data_dir)?;
    let context = Context { network: own.name.clone(), node: backup.manifest.name.clone() };
    Keystore::create(&directory.keystore_dir(), &context, passphrase, &copied(identity), kdf)?;
    Store::create(&directory.store_dir())?;
    let mut store = Store::open(&directory.store_dir())?;
    let mut batch = Batch::new();
    versions::put(&mut batch, &root, &backup.changes());
    let restored = take(&mut store, batch, &own, backup.node(), &identity.root, backup, keys)?;
    let io = |error: std::io::Error| Failure::general("DATA_DIR_IO", error.to_string());
    files::replace(&directory.config_file(), identity.config.as_bytes()).map_err(io)?;
    let public = serde_json::to_string_pretty(&public(backup, identity)?);
    let public = public.map_err(|error| Failure::general("IDENTITY", error.to_string()))?;
    files::replace(&directory.identity_dir().join("public.json"), public.as_bytes()).map_err(io)?;
    // Last: without it nothing starts.
    versions::write_all(&directory.network_file(), &own)?;
    Ok(restored)
}

/// Restores into a throw-away directory, opens vault and keystore from there, makes a backup out of it and proves that one too.
/// In the directory everything is sealed under a passphrase that nobody has; it is gone when this returns.
pub(crate) fn drill(backup: &Backup, at_hand: &Definition) -> Result<Vec<KeyCertificate>, Failure> {
    let io = |error: std::io::Error| Failure::general("DATA_DIR_IO", error.to_string());
    let folder = tempfile::tempdir().map_err(io)?;
    let data_dir = folder.path().join("node");
    let mut random = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(&mut *random);
    let passphrase = Passphrase::new(Zeroizing::new(random.to_vec()));
    let restored = into_empty(&data_dir, backup, at_hand, &passphrase, KdfProfile::InsecureFast)?;
    let again = Inside::look(&data_dir, &passphrase)?.backup(true)?;
    again.check(&again.judged_by(at_hand)?)?;
    folder.close().map_err(io)?;
    Ok(restored)
}

/// Writes what is missing of `keys`, and the pause, in one batch.
fn take(
    store: &mut Store,
    mut batch: Batch,
    definition: &Definition,
    me: NodeId,
    root: &VaultRoot,
    backup: &Backup,
    keys: Vec<Checked>,
) -> Result<Vec<KeyCertificate>, Failure> {
    let root = RootSecret::from_bytes(root.copied());
    let (mut engine, mut vault) = restore_core(store, core(definition, me), root, &read_records(store)?)?;
    let nothing_to_take = keys.is_empty();
    let mut taken = Vec::new();
    for Checked { certificate, activation, share } in keys {
        match vault.import(certificate.clone(), &share, &backup.secrets.key, &mut OsRng) {
            Ok(writes) => {
                for write in writes {
                    match write {
                        Write::Put { key, value } => batch.put(store::Family::Vault, key, value),
                        Write::Delete { key } => batch.delete(store::Family::Vault, key),
                    }
                }
                taken.push((certificate, activation));
            }
            Err(Code::ShareExists) => {}
            Err(code) => return Err(refused(code)),
        }
    }
    if taken.is_empty() && !nothing_to_take {
        return Err(refused(Code::ShareExists));
    }
    commit_paused(store, batch, &mut engine, &taken)?;
    Ok(taken.into_iter().map(|(certificate, _)| certificate).collect())
}

/// Adds to the batch what the node knows of the keys that were `taken`, and its pause, and makes all of it durable.
fn commit_paused(
    store: &mut Store,
    mut batch: Batch,
    engine: &mut Engine,
    taken: &[(KeyCertificate, Option<GroupSignature>)],
) -> Result<(), Failure> {
    let now = Time { monotonic: MonotonicTime(0), wall: wall_time() };
    for record in engine.restore_keys(now, taken).map_err(refused)? {
        batch.put(family(record.family), record.key, record.value.unwrap_or_default());
    }
    Ok(store.commit(batch)?)
}

/// For a new keystore.
fn copied(identity: &Identity) -> Secrets {
    Secrets {
        transport: TransportIdentity::new(Zeroizing::new(identity.transport.expose().to_vec())),
        relayer: identity.relayer.as_ref().map(|key| RelayerKey::new(Zeroizing::new(*key.expose()))),
        vault_root: VaultRoot::new(identity.root.copied()),
    }
}

fn public(backup: &Backup, identity: &Identity) -> Result<PublicIdentity, Failure> {
    let transport = Keypair::from_protobuf_encoding(identity.transport.expose());
    let transport = transport.map_err(|error| Failure::general("TRANSPORT_IDENTITY", error.to_string()))?;
    let relayer = identity.relayer.as_ref().map(|key| PrivateKeySigner::from_slice(key.expose())).transpose();
    let relayer = relayer.map_err(|error| Failure::general("RELAYER_KEY", error.to_string()))?;
    let (author_key, vault_key) = RootSecret::from_bytes(identity.root.copied()).public_keys();
    Ok(PublicIdentity {
        node: backup.manifest.name.clone(),
        peer_id: transport.public().to_peer_id().to_string(),
        author_key: hex::encode(author_key.as_bytes()),
        vault_key: hex::encode(vault_key.as_bytes()),
        relayer: relayer.map(|relayer| relayer.address()).unwrap_or_default(),
    })
}
