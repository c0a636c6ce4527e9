//! The backup that a node keeps by itself, where its operator names a directory: one file, made anew whenever its shares change and
//! put in the place of the one before when it was read back and proven (docs/spec/backup.md).

use super::file::{Backup, FILE_BYTES_MAX, Secrets};
use super::marks::{self, Event};
use super::people::{self, Witness};
use super::{Line, Shares};
use crate::config::Config;
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use firn_proto::NodeId;
use firn_proto::certificate::KeyCertificate;
use std::fs;
use std::io::{self, Read};
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

impl Standing {
    /// Absent where the operator wants none.
    pub(crate) fn of_node(config: &Config, directory: &DataDir, line: Line, me: NodeId) -> Option<Self> {
        let (name, recipients) = (config.node.clone(), config.backup.recipients.clone());
        let file = config.backup.directory.as_ref()?.join(format!("firn-{name}.age"));
        Some(Self { file, recipients, data_dir: directory.root().to_owned(), line, me, name })
    }

    /// Makes it of these shares, reads it back from the disk and proves each share in it, and only then takes the one before away.
    ///
    /// # Errors
    /// `BACKUP_RECIPIENTS`, `BACKUP_FILE` and those of a proof; the file before is then as it was.
    pub(crate) fn make(&self, Shares { key, kept }: Shares) -> Result<(), Failure> {
        let manifest = self.line.manifest(self.me, self.name.clone(), kept);
        let backup = Backup { manifest, secrets: Secrets { key, identity: None } };
        let witness = Witness::generate();
        let text = people::encrypt(&backup.encode(), &self.recipients, Some(&witness))?;
        let unproven = self.file.with_extension("unproven");
        let proven = files::replace(&unproven, &text)
            .and_then(|()| read(&unproven))
            .map_err(|error| unwritable(&unproven, &error))
            .and_then(|text| self.prove(&text, &witness))
            .inspect_err(|_| drop(fs::remove_file(&unproven)))?;
        let parent = self.file.parent().unwrap_or(&self.file);
        fs::rename(&unproven, &self.file)
            .and_then(|()| files::sync_dir(parent))
            .map_err(|error| unwritable(&self.file, &error))?;
        marks::note(&self.data_dir, proven.iter(), Event::Made)?;
        marks::note(&self.data_dir, proven.iter(), Event::Verified)
    }

    fn prove(&self, text: &[u8], witness: &Witness) -> Result<Vec<KeyCertificate>, Failure> {
        let backup = Backup::decode(&witness.decrypt(text)?)?;
        Ok(backup.check(&self.line.definition)?.into_iter().map(|key| key.certificate).collect())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let next = "see that backup.directory is there, and that the node's user may write in it";
    Failure::new("BACKUP_FILE", format!("{}: {error}", path.display()), next, Exit::Failure)
}
