//! The definition that a node runs under: the one that it was set up with, and the changes in its store since.
//!
//! `network.toml` always says what is in force; versions before it are kept beside it as `network.1.toml` and so on.

use crate::backup::Line;
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use crate::store::{Batch, Family, Store};
use firn_coordinator::api::{Family as RecordFamily, Record};
use firn_coordinator::versions::in_force;
use firn_proto::definition::{Definition, SignedChange};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Under which key the store remembers its network, and under which the definition that it was set up with.
const NETWORK_KEY: &[u8] = b"network";
const ROOT_KEY: &[u8] = b"definition";

/// The definition in force. Writes `network.toml` where a version has come into force since it was written.
pub(crate) fn current(directory: &DataDir, store: &mut Store, file: &Definition) -> Result<Definition, Failure> {
    check_network(store, file)?;
    let root = root(directory, store, file)?;
    let records = records(store)?;
    let current = after(root, &records)?;
    let written = |definition: &Definition| definition.digest() == file.digest();
    if !written(&current) {
        if !current.versions().any(written) {
            return Err(mismatch(file, current.digest().to_string()));
        }
        write_all(&directory.network_file(), &current)?;
        tracing::info!(version = current.version(), digest = %current.digest(), "network.toml written anew");
    }
    if let Some(oldest) = current.versions().last().filter(|oldest| oldest.version() > 1) {
        let version = oldest.version();
        tracing::warn!(version, "earlier versions are not beside network.toml: keys made under them cannot be checked");
    }
    Ok(current)
}

fn after(root: Definition, records: &[Record]) -> Result<Definition, Failure> {
    in_force(root, records).map_err(|(code, key)| {
        let cause = format!("version {} of the definition does not read", hex::encode(key));
        Failure::new(code.as_str(), cause, code.next_step(), Exit::Failure)
    })
}

/// The definition in force, the one that the node was set up with, and the changes since. Writes nothing, so that it may be
/// asked beside a running node.
pub(crate) fn kept(store: &Store, file: Definition) -> Result<Line, Failure> {
    let root = stored_root(store)?.map_or_else(|| file.clone(), |root| with_past(root, &file));
    let changes = records(store)?;
    Ok(Line { definition: after(root.clone(), &changes)?, root, changes })
}

/// Sets a new store up with what [`kept`] gave.
pub(crate) fn put(batch: &mut Batch, root: &Definition, changes: &[Record]) {
    batch.put(Family::Meta, NETWORK_KEY, root.network_id().0.0);
    batch.put(Family::Meta, ROOT_KEY, root.to_toml());
    for Record { key, value, .. } in changes {
        batch.put(Family::Definitions, key.clone(), value.clone().unwrap_or_default());
    }
}

/// Writes `network.toml`, and the versions before it beside it.
pub(crate) fn write_all(network: &Path, current: &Definition) -> Result<(), Failure> {
    for version in current.versions().filter(|version| version.version() < current.version()) {
        write(&earlier_file(network, version.version()), &version.to_toml())?;
    }
    write(network, &current.to_toml())
}

/// The records of later versions, for the engine.
pub(super) fn records(store: &Store) -> Result<Vec<Record>, Failure> {
    let record = |(key, value)| Record { family: RecordFamily::Definitions, key, value: Some(value) };
    Ok(store.scan(Family::Definitions).map(|found| found.map(record)).collect::<Result<_, _>>()?)
}

/// Where an earlier version is kept beside `network.toml`.
pub(crate) fn earlier_file(network: &Path, version: u32) -> PathBuf {
    network.with_file_name(format!("network.{version}.toml"))
}

/// The versions before `version` that are kept beside `network.toml`, newest first, without a gap.
pub(crate) fn earlier_versions(network: &Path, version: u32) -> Vec<Definition> {
    let read = |version| Definition::parse(&std::fs::read_to_string(earlier_file(network, version)).ok()?).ok();
    (1..version).rev().map_while(read).collect()
}

/// The definition in a file, with the versions before it that are kept beside it: each names the one before by its digest.
pub(crate) fn with_earlier(network: &Path) -> Result<Definition, Failure> {
    let current = super::read_definition(network)?;
    let mut versions = earlier_versions(network, current.version());
    let Some(oldest) = versions.pop() else { return Ok(current) };
    let later = versions.into_iter().rev().chain([current]);
    Ok(later.into_iter().try_fold(oldest, |before, version| version.after(&before))?)
}

/// Where the signatures of a genesis are kept beside `network.toml`, one in hexadecimal digits per line.
pub(crate) fn signatures_file(network: &Path) -> PathBuf {
    network.with_file_name("network.signatures")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    files::replace(path, text.as_bytes())
        .map_err(|error| Failure::general("DATA_DIR_IO", format!("{}: {error}", path.display())))
}

/// The definition that the node was set up with: the file, at its first start.
fn root(directory: &DataDir, store: &mut Store, file: &Definition) -> Result<Definition, Failure> {
    if let Some(root) = stored_root(store)? {
        return Ok(with_past(root, file));
    }
    if file.version() == 1 {
        check_signatures(file, &signatures_file(&directory.network_file()))?;
    }
    let mut batch = Batch::new();
    batch.put(Family::Meta, ROOT_KEY, file.to_toml());
    store.commit(batch)?;
    Ok(file.clone())
}

/// The version that a node was set up with, with those before it that are kept beside network.toml: certificates of keys name the
/// version that they were made under.
fn with_past(root: Definition, file: &Definition) -> Definition {
    file.versions().find(|version| version.digest() == root.digest()).cloned().unwrap_or(root)
}

fn stored_root(store: &Store) -> Result<Option<Definition>, Failure> {
    let Some(text) = store.get(Family::Meta, ROOT_KEY)? else { return Ok(None) };
    let text = String::from_utf8(text).map_err(|error| Failure::general("RECORD_CORRUPT", error.to_string()))?;
    Ok(Some(Definition::parse(&text)?))
}

/// A genesis with admins is signed by those of every organisation.
fn check_signatures(genesis: &Definition, path: &Path) -> Result<(), Failure> {
    if !genesis.has_admins() {
        tracing::warn!("the definition has no admins: nobody has signed it, and nobody will be able to change it");
        return Ok(());
    }
    let unsigned = |cause: String| {
        let next =
            "have every organisation sign it (`firn network accept`), and put it here with `firn network install`";
        Failure::new("DEFINITION_UNSIGNED", cause, next, Exit::Verification)
    };
    let text = std::fs::read_to_string(path).map_err(|error| unsigned(format!("{}: {error}", path.display())))?;
    let signatures =
        parse_signatures(text.lines()).ok_or_else(|| unsigned(format!("{}: no signatures", path.display())))?;
    let signed = SignedChange { text: genesis.to_toml(), signatures };
    signed.verify_genesis().map_err(|refusal| unsigned(refusal.to_string()))?;
    Ok(())
}

/// As [`parse_signatures`] reads them.
pub(crate) fn signature_lines(signed: &SignedChange) -> String {
    signed.signatures.iter().map(|signature| format!("0x{}\n", hex::encode(signature))).collect()
}

/// Signatures in hexadecimal digits.
pub(crate) fn parse_signatures<'a>(lines: impl Iterator<Item = &'a str>) -> Option<BTreeSet<[u8; 65]>> {
    let signature = |line: &str| hex::decode(line.trim().trim_start_matches("0x")).ok()?.try_into().ok();
    lines.map(signature).collect()
}

/// What a store holds belongs to one network for ever: a changed `network.toml` must not look like damage.
fn check_network(store: &mut Store, file: &Definition) -> Result<(), Failure> {
    let ours = file.network_id().0;
    match store.get(Family::Meta, NETWORK_KEY)? {
        None => {
            let mut batch = Batch::new();
            batch.put(Family::Meta, NETWORK_KEY, ours.0);
            Ok(store.commit(batch)?)
        }
        Some(held) if held == ours.0 => Ok(()),
        Some(held) => Err(mismatch(file, format!("0x{} (of the network)", hex::encode(held)))),
    }
}

fn mismatch(file: &Definition, held: String) -> Failure {
    let cause = format!("network.toml has digest {}, the node's data belongs to {held}", file.digest());
    let next = "put the network.toml back that this node was set up with; its data is intact. \
                The definition is changed with `firn network propose`, never in this file";
    Failure::new("DEFINITION_MISMATCH", cause, next, Exit::Conflict)
}
