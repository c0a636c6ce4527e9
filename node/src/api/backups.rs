//! Whether the keys of this node have backups: a warning among the checks, never a failure, and a metric.

use super::Shared;
use super::json::Check;
use crate::backup::marks::{self, Mark};
use crate::metrics::BackupLabels;
use firn_coordinator::view::KeyView;

impl Shared {
    /// The check, where there are keys. Sets the metric on the way.
    pub(super) fn backups(&self, keys: &[KeyView]) -> Option<Check> {
        let keys = keys.iter().filter(|key| matches!(key.state, "certified" | "active"));
        let keys = keys.map(|key| Mark::new(key.key_id.0.to_string(), key.name.clone(), key.epoch.0));
        let detail = match marks::of(&self.data_dir, keys) {
            Ok(marks) if marks.is_empty() => return None,
            Ok(marks) => {
                for mark in &marks {
                    let labels = BackupLabels { key: mark.key.clone(), epoch: mark.epoch };
                    let verified = i64::try_from(mark.verified.unwrap_or_default()).unwrap_or(i64::MAX);
                    self.metrics.backup_verified.get_or_create(&labels).set(verified);
                }
                let lacking = marks.iter().filter(|mark| mark.verified.is_none());
                let lacking: Vec<_> = lacking.map(|mark| format!("key {} epoch {}", mark.key, mark.epoch)).collect();
                match lacking.is_empty() {
                    true => "verified for every key".to_owned(),
                    false => format!("WARNING: {} has no verified backup", lacking.join(", ")),
                }
            }
            Err(failure) => format!("WARNING: {}: {}", failure.code, failure.cause),
        };
        Some(Check { name: "backups".to_owned(), ok: true, detail })
    }
}
