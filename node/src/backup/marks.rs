//! When backups of each key and epoch were made, and when one was verified last: `backups.json` in the data directory.

use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use crate::runtime::wall_time;
use firn_proto::certificate::KeyCertificate;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

const SCHEMA: &str = "firn.backups.v1";

/// What is known of one key and epoch. Times are in seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    pub(crate) key_id: String,
    pub(crate) key: String,
    pub(crate) epoch: u32,
    pub(crate) made: Option<u64>,
    pub(crate) verified: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marks {
    schema: String,
    keys: Vec<Mark>,
}

/// What happened to a backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Made,
    Verified,
}

impl Mark {
    /// A key without a backup.
    pub(crate) fn new(key_id: String, key: String, epoch: u32) -> Self {
        Self { key_id, key, epoch, made: None, verified: None }
    }

    fn of(certificate: &KeyCertificate) -> Self {
        let name = certificate.proposal().key_name.clone();
        Self::new(certificate.key_id().0.to_string(), name, certificate.epoch().0)
    }
}

/// What was noted in a data directory.
pub(crate) fn read(data_dir: &Path) -> Result<Vec<Mark>, Failure> {
    let path = DataDir::backups_file(data_dir);
    let unreadable = |cause: String| {
        let next = "move the file away: the node then says that there are no backups, and new ones are noted again";
        Failure::new("BACKUP_MARKS", format!("{}: {cause}", path.display()), next, Exit::Failure)
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let marks: Marks = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    Some(marks.keys).filter(|_| marks.schema == SCHEMA).ok_or_else(|| unreadable("of another release".to_owned()))
}

/// Those of `keys`, also of the ones that nothing was noted of.
pub(crate) fn of(data_dir: &Path, keys: impl IntoIterator<Item = Mark>) -> Result<Vec<Mark>, Failure> {
    let noted = read(data_dir)?;
    let found = |key: Mark| noted.iter().find(|mark| mark.key_id == key.key_id).cloned().unwrap_or(key);
    Ok(keys.into_iter().map(found).collect())
}

/// The same for keys by their certificates.
pub(crate) fn of_certified(data_dir: &Path, keys: &[KeyCertificate]) -> Result<Vec<Mark>, Failure> {
    of(data_dir, keys.iter().map(Mark::of))
}

/// Notes durably that something happened to a backup of these keys now.
pub(crate) fn note<'a>(
    data_dir: &Path,
    keys: impl Iterator<Item = &'a KeyCertificate>,
    event: Event,
) -> Result<(), Failure> {
    let (mut marks, now) = (read(data_dir)?, Some(wall_time().0));
    for key in keys.map(Mark::of) {
        let mut mark = match marks.iter().position(|mark| mark.key_id == key.key_id) {
            Some(place) => marks.swap_remove(place),
            None => key,
        };
        match event {
            Event::Made => mark.made = now,
            Event::Verified => mark.verified = now,
        }
        marks.push(mark);
    }
    marks.sort_by(|a, b| (&a.key, a.epoch, &a.key_id).cmp(&(&b.key, b.epoch, &b.key_id)));
    let text = serde_json::to_string_pretty(&Marks { schema: SCHEMA.to_owned(), keys: marks });
    let text = text.map_err(|error| Failure::general("JSON", error.to_string()))?;
    files::replace(&DataDir::backups_file(data_dir), text.as_bytes())
        .map_err(|error| Failure::general("DATA_DIR_IO", error.to_string()))
}
