//! The backup that a node keeps by itself, where its operator names a directory: one file, made anew whenever its shares change and
//! put in the place of the one before when it was read back and proven (docs/spec/backup.md).

use super::file::{Backup, Secrets, read};
use super::marks::{self, Event};
use super::people::{self, Witness};
use super::{Line, Shares};
use crate::config::Config;
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use firn_proto::NodeId;
use firn_proto::certificate::KeyCertificate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where it is, and what goes into it besides shares.
pub(crate) struct Standing {
    file: PathBuf,
    recipients: Vec<String>,
    data_dir: PathBuf,
    line: Line,
    me: NodeId,
    name: String,
}

/// What the file holds, for everybody who can read the directory: no node replaces it by something older.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    /// The newest epoch of each key by its name.
    epochs: BTreeMap<String, u32>,
}

impl Standing {
    /// Absent where the operator wants none.
    ///
    /// # Errors
    /// `BACKUP_RECIPIENTS`, and `BACKUP_FILE` for a place that is lost with the node's own disk.
    pub(crate) fn of_node(
        config: &Config,
        directory: &DataDir,
        line: Line,
        me: NodeId,
    ) -> Result<Option<Self>, Failure> {
        let Some(folder) = &config.backup.directory else { return Ok(None) };
        let (name, recipients) = (config.node.clone(), config.backup.recipients.clone());
        people::encrypt(&[], &recipients, None)?;
        if folder.starts_with(directory.root()) {
            let cause = format!("backup.directory {} is in the data directory, and lost with it", folder.display());
            return Err(Failure::new("BACKUP_FILE", cause, "name a place on another disk", Exit::Failure));
        }
        let file = folder.join(format!("firn-{}-{name}.age", line.definition.name));
        Ok(Some(Self { file, recipients, data_dir: directory.root().to_owned(), line, me, name }))
    }

    /// Makes it of these shares, reads it back from the disk and proves each share in it, and only then takes the one before away.
    ///
    /// # Errors
    /// `BACKUP_OLDER`, `BACKUP_RECIPIENTS`, `BACKUP_FILE` and those of a proof; the file before is then as it was.
    pub(crate) fn make(&self, Shares { key, kept, .. }: Shares) -> Result<(), Failure> {
        let manifest = self.line.manifest(self.me, self.name.clone(), kept);
        let backup = Backup { manifest, secrets: Secrets { key, identity: None } };
        let witness = Witness::generate();
        let text = people::encrypt(&backup.encode(), &self.recipients, Some(&witness))?;
        let unproven = self.file.with_extension("unproven");
        let proven = files::replace(&unproven, &text)
            .and_then(|()| read(&unproven))
            .map_err(|error| unwritable(&unproven, &error))
            .and_then(|text| self.prove(&text, &witness))
            .and_then(|keys| self.note(&keys).map(|()| keys))
            .inspect_err(|_| drop(fs::remove_file(&unproven)))?;
        let parent = self.file.parent().unwrap_or(&self.file);
        fs::rename(&unproven, &self.file)
            .and_then(|()| files::sync_dir(parent))
            .map_err(|error| unwritable(&self.file, &error))?;
        marks::note(&self.data_dir, proven.iter(), Event::Made)?;
        marks::note(&self.data_dir, proven.iter(), Event::Verified)
    }

    /// Writes beside the file what it holds, before it does: a node whose disk was set back finds there that it knows less.
    fn note(&self, keys: &[KeyCertificate]) -> Result<(), Failure> {
        let path = self.file.with_extension("json");
        let failed = |error: io::Error| unwritable(&path, &error);
        let mut held = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Held::default(),
            Err(error) => return Err(failed(error)),
        };
        let mut now: BTreeMap<_, u32> = BTreeMap::new();
        for key in keys {
            let newest = now.entry(key.proposal().key_name.clone()).or_default();
            *newest = key.epoch().0.max(*newest);
        }
        let member =
            |name: &String| self.line.definition.key(name).is_some_and(|key| key.identifier_of(self.me).is_some());
        let lost = |(name, held): &(&String, &u32)| now.get(*name).map_or_else(|| member(name), |now| now < *held);
        if let Some((name, epoch)) = held.epochs.iter().find(lost) {
            let cause =
                format!("{} holds epoch {epoch} of key {name}, which this node does not know", self.file.display());
            let next = "its disk may have been set back: restore from that file; where the key is another one by now, move both files away";
            return Err(Failure::new("BACKUP_OLDER", cause, next, Exit::Conflict));
        }
        held.epochs = now;
        let text = serde_json::to_vec(&held).map_err(|error| failed(error.into()))?;
        files::replace(&path, &text).map_err(failed)
    }

    fn prove(&self, text: &[u8], witness: &Witness) -> Result<Vec<KeyCertificate>, Failure> {
        let backup = Backup::decode(&witness.decrypt(text)?)?;
        Ok(backup.check(&self.line.definition)?.into_iter().map(|key| key.certificate).collect())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let next = "see that backup.directory is there, and that the node's user may write in it";
    Failure::new("BACKUP_FILE", format!("{}: {error}", path.display()), next, Exit::Failure)
}
