//! Whether the keys of this node have backups: a warning among the checks, never a failure, and a metric.

use super::Shared;
use super::json::{self, Check};
use super::view;
use crate::backup::Shares;
use crate::backup::marks::{self, Mark};
use crate::metrics::BackupLabels;
use crate::runtime::Call;
use firn_coordinator::view::KeyView;
use firn_proto::{Code, NodeId, Refusal};
use tokio::sync::oneshot;

impl Shared {
    /// The keys as the API shows them. The address of one whose share here was in no verified backup yet is withheld: what it holds
    /// could be lost with one disk.
    pub(super) fn key_views(&self, keys: &[KeyView]) -> Vec<json::KeyView> {
        let marks = marks::read(&self.data_dir).unwrap_or_default();
        let safe = |name: &str| marks.iter().any(|mark| mark.key == name && mark.verified.is_some());
        let shown = |key: &KeyView| {
            let mut shown = view::key(key, &self.definition);
            let id = key.key_id.0.to_string();
            shown.backed_up = marks.iter().find(|mark| mark.key_id == id).and_then(|mark| mark.verified);
            let ours = key.members.values().any(|node: &NodeId| *node == self.me);
            if ours && !self.backups_waived && !safe(&key.name) {
                shown.account = None;
            }
            shown
        };
        keys.iter().map(shown).collect()
    }

    /// The certified shares of this node, sealed for a backup.
    pub(crate) async fn shares(&self) -> Result<Shares, Refusal> {
        let (answer, answered) = oneshot::channel();
        let draining = || Refusal::new(Code::Draining, "");
        self.calls.send(Call::Shares(answer)).await.map_err(|_| draining())?;
        answered.await.map_err(|_| draining())?.map_err(|code| Refusal::new(code, ""))
    }

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
