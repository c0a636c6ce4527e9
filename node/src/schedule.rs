//! Schedules: what a node knows of when keys were last changed, and when each kind is due (docs/how-to/schedule.md).
//!
//! Two sorts: what grows old is due some time after it was last changed, what expires is due some time before it does.

use crate::config::{Config, Span};
use crate::data_dir::DataDir;
use firn_coordinator::view::KeyView;
use firn_proto::limits::BLOCK_SECONDS;
use firn_proto::policy::Role;
use firn_proto::{Definition, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::UNIX_EPOCH;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) mod certificate;
pub(crate) mod upkeep;

/// When the node's own keys were made, as far as files tell, and how often each kind changes.
pub(crate) struct Schedule {
    intervals: crate::config::Schedule,
    made: Made,
}

/// Seconds since the epoch.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Made {
    /// The node's identity, of which the author key is a part that signs its audit log.
    pub(crate) identity: Option<u64>,
    /// The keystore's last wrapping.
    pub(crate) keystore: Option<u64>,
    /// The last second of the certificate of the API for other machines.
    pub(crate) certificate: Option<u64>,
}

/// What is known besides.
pub(crate) struct Facts<'a> {
    pub(crate) now: u64,
    pub(crate) definition: &'a Definition,
    pub(crate) me: NodeId,
    pub(crate) keys: &'a [KeyView],
    /// This node and those it is connected to.
    pub(crate) connected: &'a BTreeSet<NodeId>,
    /// The last finalised block; 0 before the first.
    pub(crate) block: u64,
}

/// The answer to `GET /v1/schedule`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScheduleView {
    pub(crate) schema: String,
    pub(crate) node: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) departed: Vec<DepartedView>,
}

/// One key of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// share-epoch, group-key, node-identity, key-encryption-key, tls, requester, approver or audit-signer.
    pub(crate) kind: String,
    /// The key, node, requester or person.
    pub(crate) name: String,
    /// When it was last changed, RFC 3339, where that is known.
    pub(crate) changed: Option<String>,
    /// From when on it is due.
    pub(crate) due: Option<String>,
    /// When it is overdue.
    pub(crate) until: Option<String>,
    /// Seconds until then; negative once that is past.
    pub(crate) left_seconds: Option<i64>,
    /// fresh, due, overdue, blocked (due or overdue, and it cannot be done now) or unknown.
    pub(crate) state: String,
    /// Who or what stands in the way.
    pub(crate) blocked_by: Vec<String>,
    /// How it is done.
    pub(crate) next_step: String,
}

/// Who has left a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DepartedView {
    pub(crate) key: String,
    /// Nodes that hold old shares and are no members any more.
    pub(crate) nodes: Vec<String>,
    /// As many of one epoch could sign.
    pub(crate) threshold: u16,
    /// They are as many.
    pub(crate) alarm: bool,
}

impl Schedule {
    /// Reads what the files of a data directory tell.
    pub(crate) fn of_node(config: &Config, directory: &DataDir) -> Self {
        let remote = config.api.remote.as_ref();
        let made = Made {
            identity: changed(&directory.identity_dir().join("public.json")),
            keystore: changed(&crate::keystore::keystore_file(&directory.keystore_dir())),
            certificate: remote.and_then(|remote| certificate::last_second(&remote.certificate)),
        };
        Self { intervals: config.schedule.clone(), made }
    }

    /// All there is to change, in the order of the kinds.
    pub(crate) fn view(&self, facts: &Facts<'_>) -> ScheduleView {
        let definition = facts.definition;
        let mine = definition.keys.iter().filter(|key| key.identifier_of(facts.me).is_some());
        let mut entries: Vec<_> =
            mine.flat_map(|key| [self.share_epoch(&key.name, facts), self.group_key(&key.name, facts)]).collect();
        entries.extend(self.own(facts));
        entries.extend(definition.requesters.iter().map(|requester| self.requester(&requester.name, facts)));
        let people = definition.policy.people.iter();
        let has_say = people.filter(|(_, person)| person.roles.iter().any(|role| *role != Role::VetoHolder));
        entries.extend(has_say.map(|(name, _)| self.person(name, facts)));
        let departed = definition.keys.iter().filter_map(|key| departed(definition, &key.name));
        ScheduleView {
            schema: "firn.schedule.v1".to_owned(),
            node: name(definition, facts.me),
            entries,
            departed: departed.collect(),
        }
    }

    fn share_epoch(&self, key: &str, facts: &Facts<'_>) -> Entry {
        let active = facts.keys.iter().filter(|view| view.name == key && view.state == "active");
        let since = active.max_by_key(|view| view.epoch).and_then(since);
        let next = format!("firn key refresh {key}");
        self.ages("share-epoch", key, since, self.intervals.share_epoch, facts, next).blocked(missing(key, facts))
    }

    /// The whole life of the group key, over all its epochs. Its rotation waits on chain as well, so that it is due earlier.
    fn group_key(&self, key: &str, facts: &Facts<'_>) -> Entry {
        let active = facts.keys.iter().find(|view| view.name == key && view.state == "active");
        let same = |view: &&KeyView| active.is_some_and(|active| active.group_key == view.group_key);
        // A member that came later does not know how old the key is.
        let first = facts.keys.iter().filter(same).min_by_key(|view| view.epoch).filter(|view| view.epoch.0 == 0);
        let since = first.and_then(since);
        let next = format!("firn key rotate --key {key}");
        let notice = self.intervals.notice.0.saturating_add(timelock(facts.definition));
        let entry = aged("group-key", key, since, self.intervals.group_key.0, notice, facts.now);
        Entry { next_step: next, ..entry }.blocked(missing(key, facts))
    }

    /// The node's own keys.
    fn own(&self, facts: &Facts<'_>) -> Vec<Entry> {
        let (me, made) = (name(facts.definition, facts.me), self.made);
        let anew = "a new node takes this one's place: firn member replace".to_owned();
        let wrap = "stop the node, then firn keystore change-passphrase".to_owned();
        let mut own = vec![
            self.ages("node-identity", &me, made.identity, self.intervals.node_identity, facts, anew.clone()),
            self.ages("key-encryption-key", &me, made.keystore, self.intervals.key_encryption_key, facts, wrap),
            self.ages("audit-signer", &me, made.identity, self.intervals.audit_signer, facts, anew),
        ];
        if let Some(until) = made.certificate {
            let next =
                "put a new certificate in the place of api.remote.certificate, and start the node anew".to_owned();
            own.push(Entry { next_step: next, ..expiring("tls", &me, until, self.intervals.tls.0, facts.now) });
        }
        own
    }

    fn requester(&self, requester: &str, facts: &Facts<'_>) -> Entry {
        let listed = facts.definition.requesters.iter().find(|listed| listed.name == requester);
        let next = "a version with another address: docs/how-to/definition.md".to_owned();
        let entry = match listed.and_then(|listed| listed.expires) {
            Some(expires) => expiring("requester", requester, expires.0, self.intervals.notice.0, facts.now),
            None => {
                let address = |version: &Definition| {
                    version.requesters.iter().find(|listed| listed.name == requester).map(|listed| listed.address)
                };
                let since = self.since_version(facts, address);
                return self
                    .ages("requester", requester, since, self.intervals.requester, facts, next)
                    .administered(facts);
            }
        };
        Entry { next_step: next, ..entry }.administered(facts)
    }

    fn person(&self, person: &str, facts: &Facts<'_>) -> Entry {
        let address = |version: &Definition| version.policy.people.get(person).map(|person| person.address);
        let since = self.since_version(facts, address);
        let next = "a version with another address: docs/how-to/definition.md".to_owned();
        self.ages("approver", person, since, self.intervals.approver, facts, next).administered(facts)
    }

    /// When the first version came into force that says the same, by its block. The first version of all names this node, so
    /// that it is no older than its identity.
    fn since_version<T: PartialEq>(&self, facts: &Facts<'_>, says: impl Fn(&Definition) -> Option<T>) -> Option<u64> {
        let now = says(facts.definition);
        let first = facts.definition.versions().take_while(|version| says(version) == now).last()?;
        if first.version() == 1 {
            return self.made.identity;
        }
        let blocks = facts.block.checked_sub(first.effective_block())?;
        let seconds = blocks.saturating_mul(facts.definition.chain.block_seconds.unwrap_or(BLOCK_SECONDS));
        Some(facts.now.saturating_sub(seconds))
    }

    fn ages(
        &self,
        kind: &str,
        name: &str,
        changed: Option<u64>,
        interval: Span,
        facts: &Facts<'_>,
        next: String,
    ) -> Entry {
        let entry = aged(kind, name, changed, interval.0, self.intervals.notice.0, facts.now);
        Entry { next_step: next, ..entry }
    }
}

/// When the key's epoch became active at this node, where that is known.
fn since(view: &KeyView) -> Option<u64> {
    Some(view.since).filter(|since| *since > 0)
}

/// What is due `notice` before it has had its interval.
fn aged(kind: &str, name: &str, changed: Option<u64>, interval: u64, notice: u64, now: u64) -> Entry {
    match changed {
        // A notice longer than half the interval would have it due for ever.
        Some(at) => Entry {
            changed: Some(moment(at)),
            ..expiring(kind, name, at.saturating_add(interval), notice.min(interval / 2), now)
        },
        None => Entry {
            kind: kind.to_owned(),
            name: name.to_owned(),
            changed: None,
            due: None,
            until: None,
            left_seconds: None,
            state: "unknown".to_owned(),
            blocked_by: Vec::new(),
            next_step: String::new(),
        },
    }
}

/// What is due `notice` before its last second.
fn expiring(kind: &str, name: &str, until: u64, notice: u64, now: u64) -> Entry {
    let due = until.saturating_sub(notice);
    let state = if now >= until {
        "overdue"
    } else if now >= due {
        "due"
    } else {
        "fresh"
    };
    Entry {
        kind: kind.to_owned(),
        name: name.to_owned(),
        changed: None,
        due: Some(moment(due)),
        until: Some(moment(until)),
        left_seconds: i64::try_from(i128::from(until) - i128::from(now)).ok(),
        state: state.to_owned(),
        blocked_by: Vec::new(),
        next_step: String::new(),
    }
}

impl Entry {
    /// What is due and cannot be done now is blocked.
    fn blocked(mut self, by: Vec<String>) -> Self {
        if matches!(self.state.as_str(), "due" | "overdue") && !by.is_empty() {
            "blocked".clone_into(&mut self.state);
            self.blocked_by = by;
        }
        self
    }

    /// A definition that nobody administers changes no more.
    fn administered(self, facts: &Facts<'_>) -> Self {
        let by = "the definition, which has no admins".to_owned();
        self.blocked(if facts.definition.has_admins() { Vec::new() } else { vec![by] })
    }

    /// Whether its time is past, whatever stands in the way.
    pub(crate) fn is_overdue(&self) -> bool {
        self.left_seconds.is_some_and(|left| left <= 0)
    }
}

/// Every member takes part in a refresh, and in a key generation.
fn missing(key: &str, facts: &Facts<'_>) -> Vec<String> {
    let members = facts.definition.key(key).map(|key| key.nodes().collect::<Vec<_>>()).unwrap_or_default();
    let away = members.into_iter().filter(|node| !facts.connected.contains(node));
    away.map(|node| format!("{} is not connected", name(facts.definition, node))).collect()
}

/// The longest delay of a timelock that is declared: a new key waits as long for its roles.
fn timelock(definition: &Definition) -> u64 {
    let declared = definition.contracts.iter().filter_map(|listed| listed.declared.as_ref());
    declared.map(|declared| declared.delays.timelock.into()).max().unwrap_or_default()
}

/// Who has left the key, whether anybody has or not.
pub(crate) fn departed(definition: &Definition, key: &str) -> Option<DepartedView> {
    let departed = definition.departed(key)?;
    Some(DepartedView {
        key: key.to_owned(),
        nodes: departed.nodes.keys().map(|node| name(definition, *node)).collect(),
        threshold: departed.threshold,
        alarm: departed.is_alarm(),
    })
}

/// The name that a node has, or had.
fn name(definition: &Definition, node: NodeId) -> String {
    let known = definition.versions().find_map(|version| version.nodes.get(&node));
    known.map_or_else(|| node.to_string(), |node| node.name.clone())
}

/// A file's last change.
fn changed(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// RFC 3339, in UTC; the number itself where no calendar has it.
pub(crate) fn moment(at: u64) -> String {
    let date = i64::try_from(at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_else(|| at.to_string())
}

#[cfg(test)]
mod tests;
