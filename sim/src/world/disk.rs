//! What survives a crash: synced batches, whole or not at all.

use firn_coordinator::api::{Family, Record};
use firn_proto::{SessionId, envelope, wire};
use firn_vault::api::Write;
use std::collections::{BTreeMap, BTreeSet};

/// The contents of a data directory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    /// The engine's records.
    pub records: BTreeMap<(Family, Vec<u8>), Vec<u8>>,
    /// The vault's sealed records.
    pub vault: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How often a process has started from it.
    pub boots: u32,
    /// Sessions that the audit log has this node approve of.
    pub approved: BTreeSet<SessionId>,
}

/// One disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Disk {
    image: Image,
    /// What reads give back while syncs lie.
    unsafe_image: Option<Box<Image>>,
}

/// Writes that are not synced yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The engine's.
    pub records: Vec<Record>,
    /// The vault's.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Whether there is nothing to sync.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.writes.is_empty()
    }

    /// How many records it changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() + self.writes.len()
    }
}

impl Image {
    /// All engine records, as the engine takes them up.
    #[must_use]
    pub fn engine_records(&self) -> Vec<Record> {
        let record = |((family, key), value): (&(Family, Vec<u8>), &Vec<u8>)| Record {
            family: *family,
            key: key.clone(),
            value: Some(value.clone()),
        };
        let state = self.records.iter().filter(|((family, _), _)| *family != Family::Audit).map(record);
        // Of the audit log, which grows for ever, the engine needs the end only.
        let audit = self.records.iter().rfind(|((family, _), _)| *family == Family::Audit).map(record);
        state.chain(audit).collect()
    }

    fn apply(&mut self, batch: &Batch) {
        for Record { family, key, value } in &batch.records {
            match value {
                Some(value) => {
                    self.approve(*family, value);
                    self.records.insert((*family, key.clone()), value.clone());
                }
                None => drop(self.records.remove(&(*family, key.clone()))),
            }
        }
        for write in &batch.writes {
            match write {
                Write::Put { key, value } => drop(self.vault.insert(key.clone(), value.clone())),
                Write::Delete { key } => drop(self.vault.remove(key)),
            }
        }
    }

    fn approve(&mut self, family: Family, value: &[u8]) {
        let entry = (family == Family::Audit).then(|| envelope::decode_strict::<wire::AuditEntry>(value)).flatten();
        let willing = entry.filter(|entry| entry.event == "willing");
        let session = willing.and_then(|entry| firn_proto::Digest::from_slice(&entry.session));
        self.approved.extend(session.map(SessionId));
    }
}

impl Disk {
    /// A disk with this content.
    #[must_use]
    pub fn of(image: Image) -> Self {
        Self { image, unsafe_image: None }
    }

    /// What a crash at this moment would leave.
    #[must_use]
    pub fn recoverable(&self) -> &Image {
        &self.image
    }

    /// Whether syncs keep nothing.
    #[must_use]
    pub fn lies(&self) -> bool {
        self.unsafe_image.is_some()
    }

    /// What the process reads back.
    #[must_use]
    pub fn visible(&self) -> &Image {
        self.unsafe_image.as_deref().unwrap_or(&self.image)
    }

    pub(super) fn sync(&mut self, batch: &Batch) {
        self.unsafe_image.as_deref_mut().unwrap_or(&mut self.image).apply(batch);
    }

    /// The count of the start before, where there was one.
    pub(super) fn start_again(&mut self) -> u32 {
        match self.visible().boots {
            0 => self.start(),
            boots => boots,
        }
    }

    /// Loses the shares, as if their writes had never been synced.
    pub(super) fn lose_shares(&mut self) {
        self.image.vault.retain(|key, _| !key.starts_with(b"share/"));
    }

    /// Puts another record in the place of one.
    pub(super) fn exchange(&mut self, key: &[u8], by: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
        if let Some(record) = self.image.vault.get_mut(key) {
            by(record).into_iter().for_each(|other| *record = other);
        }
    }

    /// Counts a start, durably; the count.
    pub(super) fn start(&mut self) -> u32 {
        let image = self.unsafe_image.as_deref_mut().unwrap_or(&mut self.image);
        image.boots += 1;
        image.boots
    }

    /// From now on syncs lie, or are honest again.
    pub(super) fn lie(&mut self, lying: bool) {
        match (lying, self.unsafe_image.take()) {
            (true, None) => self.unsafe_image = Some(Box::new(self.image.clone())),
            (true, kept) => self.unsafe_image = kept,
            (false, Some(kept)) => self.image = *kept,
            (false, None) => {}
        }
    }

    /// What was acknowledged and not kept is lost.
    pub(super) fn crash(&mut self) {
        if let Some(lost) = &mut self.unsafe_image {
            lost.clone_from(&Box::new(self.image.clone()));
        }
    }

    /// Flips one bit of one sealed record; false where there is none.
    pub(super) fn flip(&mut self, draw: u64) -> bool {
        let count = self.image.vault.len() as u64;
        let index = usize::try_from(draw.checked_rem(count).unwrap_or_default()).unwrap_or_default();
        let Some(value) = self.image.vault.values_mut().nth(index) else { return false };
        let bits = (value.len() as u64).saturating_mul(8);
        let bit = (draw >> 16).checked_rem(bits).unwrap_or_default();
        let byte = usize::try_from(bit / 8).ok().and_then(|at| value.get_mut(at));
        byte.map(|byte| *byte ^= 1 << (bit % 8)).is_some()
    }
}
