//! Who may do what in a network, since when, and when they last did: for access reviews.
//!
//! Rights come from the definition. Use comes from one node's audit log, where each word of a person is verified again; what
//! only other nodes saw is in theirs.

use alloy::primitives::Address;
use firn_coordinator::versions::ADOPTED;
use firn_proto::definition::{Definition, SignedChange};
use firn_proto::opinion::SignedOpinion;
use firn_proto::pause::{SignedAct, SignedPause, witnesses};
use firn_proto::policy::Role;
use firn_proto::{Digest, NodeId, SubjectId, wire};
use prost::Message;
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A right that was not used for so long is looked at.
pub(crate) const UNUSED_DAYS: u64 = 90;

/// The columns, as CSV names them.
pub(crate) const COLUMNS: [&str; 9] =
    ["kind", "name", "organisation", "identity", "may", "since", "last_used", "unused", "expires"];

/// One holder of rights.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Holder {
    /// person, requester, node or operator.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) organisation: String,
    /// The address, or the author key, that proves it.
    pub(crate) identity: String,
    pub(crate) may: Vec<String>,
    /// The first version of the definition that lists it.
    pub(crate) since: String,
    /// RFC 3339, by the node's clock.
    pub(crate) last_used: Option<String>,
    /// Whether it was not used for so many days: `None` where the log is younger than that.
    pub(crate) unused: Option<bool>,
    /// Where its entry in the definition ends by itself.
    pub(crate) expires: Option<String>,
}

/// What a log says about use: by kind and name, the last second.
#[derive(Default)]
pub(crate) struct Use {
    last: BTreeMap<(&'static str, String), u64>,
    begins: Option<u64>,
}

impl Use {
    /// Takes in an entry of the log of `node`.
    pub(crate) fn entry(&mut self, bytes: &[u8], node: NodeId, definition: &Definition) {
        let Ok(entry) = wire::AuditEntry::decode(bytes) else { return };
        self.begins = Some(self.begins.map_or(entry.at, |first| first.min(entry.at)));
        for person in speakers(&entry, definition) {
            self.used("person", person, entry.at);
        }
        let requester = entry.intake.as_ref().and_then(|intake| {
            definition.requesters.iter().find(|requester| requester.address.as_slice() == intake.requester)
        });
        if let Some(requester) = requester {
            self.used("requester", requester.name.clone(), entry.at);
        }
        let name = |node: NodeId| definition.nodes.get(&node).map(|node| node.name.clone());
        if matches!(entry.event.as_str(), "share-release" | "request-signed") {
            let signers = entry.members.iter().filter_map(|node| name(NodeId(u16::try_from(*node).ok()?)));
            signers.for_each(|signer| self.used("node", signer, entry.at));
        }
        if OPERATED.contains(&entry.event.as_str()) {
            name(node).into_iter().for_each(|name| self.used("operator", name, entry.at));
        }
    }

    fn used(&mut self, kind: &'static str, name: String, at: u64) {
        let last = self.last.entry((kind, name)).or_default();
        *last = at.max(*last);
    }
}

/// What only the operator's token brings about.
const OPERATED: [&str; 7] = [
    "node-paused",
    "node-resumed",
    "peer-trusted",
    "key-accepted",
    "key-abandonment-signed",
    "key-repair-asked",
    "key-repair-consented",
];

/// Who spoke in an entry, by signatures that are theirs.
fn speakers(entry: &wire::AuditEntry, definition: &Definition) -> Vec<String> {
    let reference = entry.reference.as_slice();
    let name = match entry.event.as_str() {
        "approved" | "rejected" | "vetoed" | "opinion-withdrawn" => {
            let session = Digest::from_slice(&entry.session).map(SubjectId);
            let opinion = wire::Opinion::decode(reference).ok().zip(session);
            let signed = opinion.and_then(|(opinion, request)| SignedOpinion::from_wire(&opinion, request).ok());
            signed.and_then(|signed| Some(signed.verify(definition).ok()?.person().to_owned()))
        }
        "pause-said" | "resume-said" => {
            let signed = wire::Pause::decode(reference).ok().and_then(|pause| SignedPause::from_wire(&pause).ok());
            signed.and_then(|signed| Some(signed.verify(definition).ok()?.person().to_owned()))
        }
        ADOPTED => {
            let change = wire::DefinitionChange::decode(reference).ok();
            let signed = change.and_then(|change| SignedChange::from_wire(change).ok());
            // By the admins of today: who is one no more holds no right that could be unused.
            let names = signed.and_then(|signed| {
                let admins = signed.organisations(&signed.definition().ok()?, definition).ok()?;
                Some(admins.into_values().map(str::to_owned).collect())
            });
            return names.unwrap_or_default();
        }
        "node-resumed" | "key-repair-consented" => {
            let acts = wire::Acts::decode(reference).unwrap_or_default().acts;
            let person = |act| Some(SignedAct::from_wire(act).ok()?.verify(definition).ok()?.person().to_owned());
            return acts.iter().filter_map(person).collect();
        }
        _ => None,
    };
    name.into_iter().collect()
}

/// Whether a definition has somebody under this name, with this identity.
fn lists(definition: &Definition, kind: &str, name: &str, identity: &str) -> bool {
    let address = |address: &Address| address.to_string() == identity;
    match kind {
        "person" => definition.policy.people.get(name).is_some_and(|person| address(&person.address)),
        "requester" => definition.requesters.iter().any(|other| other.name == name && address(&other.address)),
        _ => definition.nodes.values().any(|node| node.name == name),
    }
}

/// Everybody whom the definition names, people first. `earlier` are the versions before it, newest first.
pub(crate) fn report(definition: &Definition, earlier: &[Definition], used: &Use, now: u64) -> Vec<Holder> {
    let since = |kind: &str, name: &str, identity: &str| {
        let listed = earlier.iter().take_while(|version| lists(version, kind, name, identity));
        listed.last().unwrap_or(definition).version()
    };
    let holder = |kind: &'static str, name: &str, organisation: &str, identity: String, may: Vec<String>| {
        let last = used.last.get(&(kind, name.to_owned())).copied();
        let days = UNUSED_DAYS * 24 * 3600;
        let old = |at: u64| now.saturating_sub(at) > days;
        let unused = match last {
            Some(at) => Some(old(at)),
            None => used.begins.filter(|begins| old(*begins)).map(|_| true),
        };
        Holder {
            kind,
            name: name.to_owned(),
            organisation: organisation.to_owned(),
            may,
            since: format!("version {}", since(kind, name, &identity)),
            last_used: last.and_then(moment),
            unused,
            expires: None,
            identity,
        }
    };
    let people = definition.policy.people.iter().map(|(name, person)| {
        let mut may: Vec<_> = person.roles.iter().flat_map(|role| rights(*role, definition)).collect();
        let over =
            definition.nodes.iter().filter(|(id, _)| witnesses(definition, **id).any(|(other, _)| other == name));
        may.extend(over.map(|(_, node)| format!("agree that {} resumes", node.name)));
        holder("person", name, &person.organisation, person.address.to_string(), may)
    });
    let requesters = definition.requesters.iter().map(|requester| {
        let avs: Vec<_> = requester.avs.iter().map(ToString::to_string).collect();
        let may = requester.operations.iter().map(|kind| format!("ask for {kind} for {}", avs.join(" and ")));
        let expires = requester.expires.and_then(|expires| moment(expires.0));
        Holder { expires, ..holder("requester", &requester.name, "", requester.address.to_string(), may.collect()) }
    });
    let nodes = definition.nodes.iter().map(|(id, node)| {
        let keys = definition.keys.iter().filter(|key| key.identifier_of(*id).is_some());
        let lends = |key: &firn_proto::definition::KeyDefinition| {
            let (t, n) = (key.threshold, key.members.len());
            format!("lend a share of {} ({}, {t} of {n})", key.name, key.purpose.as_str())
        };
        let identity = hex::encode(node.author_key.as_bytes());
        holder("node", &node.name, &node.organisation, identity, keys.map(lends).collect())
    });
    let operators = definition.nodes.values().map(|node| {
        let may = ["generate keys", "trust peers", "pause", "resume with two people"].map(str::to_owned);
        holder("operator", &node.name, &node.organisation, "token of the node's user".to_owned(), may.into())
    });
    people.chain(requesters).chain(nodes).chain(operators).collect()
}

fn rights(role: Role, definition: &Definition) -> Vec<String> {
    let pauses = definition.policy.pause.is_some();
    match role {
        Role::Approver => vec!["approve and reject".to_owned()],
        Role::VetoHolder if pauses => vec!["veto".to_owned(), "pause and resume the network".to_owned()],
        Role::VetoHolder => vec!["veto".to_owned()],
        Role::Admin => vec!["sign versions of the definition".to_owned()],
    }
}

fn moment(at: u64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at).ok()?).ok()?.format(&Rfc3339).ok()
}

impl Holder {
    /// In the order of [`COLUMNS`].
    pub(crate) fn cells(&self) -> [String; 9] {
        let unused = match self.unused {
            Some(true) => format!("for {UNUSED_DAYS} days"),
            Some(false) => "no".to_owned(),
            None => "too early to say".to_owned(),
        };
        [
            self.kind.to_owned(),
            self.name.clone(),
            self.organisation.clone(),
            self.identity.clone(),
            self.may.join("; "),
            self.since.clone(),
            self.last_used.clone().unwrap_or_else(|| "never".to_owned()),
            unused,
            self.expires.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    }
}

/// A line of CSV (RFC 4180). Names come from others: none is taken for a formula by a spreadsheet.
pub(crate) fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cell = |text: &str| {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let text = if formula { format!("'{text}") } else { text.to_owned() };
        let quoted = text.contains([',', '"', '\n', '\r']);
        if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
