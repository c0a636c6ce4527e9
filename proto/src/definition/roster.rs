//! Who holds shares of a key from one version to the next: few come and few go at a time, and what names a member names it for ever.
//!
//! A version says who shall hold shares. Those of before hold them until a resharing has ended, and keep what they had.

use super::{Content, Definition, KeyDefinition, Node};
use crate::code::{Code, Refusal};
use crate::ids::{Identifier, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Members of a key that are none any more, each with what it still has: the shares of every epoch that it was in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departed {
    /// The nodes, each with the last version that had it as a member.
    pub nodes: BTreeMap<NodeId, u32>,
    /// The smallest threshold that the key has had: as many of them, of one epoch, could sign.
    pub threshold: u16,
}

impl Departed {
    /// Whether there are as many as a signature takes: high time for a new key.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        self.nodes.len() >= usize::from(self.threshold)
    }
}

impl KeyDefinition {
    /// Whether a resharing may lead from `before`'s members to these: an identifier means one node, and neither those who join
    /// nor those who leave are a threshold by themselves (R33).
    ///
    /// # Errors
    /// `DKG_PROPOSAL_INVALID` where an identifier means another node, `RESHARE_TOO_MANY`.
    pub fn may_follow(&self, before: &Self) -> Result<(), Code> {
        let moved = |(identifier, node): (&Identifier, &NodeId)| {
            self.members.get(identifier).is_some_and(|now| now != node)
                || self.identifier_of(*node).is_some_and(|now| now != *identifier)
        };
        if before.members.iter().any(moved) {
            return Err(Code::DkgProposalInvalid);
        }
        few_change(self, before).map_err(|_| Code::ReshareTooMany)
    }
}

impl Definition {
    /// Who has left a key, by this version and those before it that are known here.
    #[must_use]
    pub fn departed(&self, name: &str) -> Option<Departed> {
        let key = self.key(name)?;
        let members: BTreeSet<_> = key.nodes().collect();
        let mut departed = Departed { nodes: BTreeMap::new(), threshold: key.threshold };
        for (version, key) in self.versions().filter_map(|version| Some((version.version(), version.key(name)?))) {
            departed.threshold = departed.threshold.min(key.threshold);
            for node in key.nodes().filter(|node| !members.contains(node)) {
                departed.nodes.entry(node).or_insert(version);
            }
        }
        Some(departed)
    }

    /// The identifier for whoever becomes a member of a key next: greater than every one that the key has had.
    #[must_use]
    pub fn next_identifier(&self, name: &str) -> Option<Identifier> {
        let last = self.identifiers(name).last().map_or(0, |identifier| identifier.0);
        last.checked_add(1).map(Identifier)
    }

    /// Every identifier that a key has had.
    fn identifiers(&self, name: &str) -> BTreeSet<Identifier> {
        let keys = self.versions().filter_map(|version| version.key(name));
        keys.flat_map(|key| key.members.keys().copied()).collect()
    }

    /// What a version after this one must keep of keys and of their members.
    pub(super) fn keeps_members(&self, next: &Content) -> Result<(), Refusal> {
        for key in &self.keys {
            let Some(now) = next.key(&key.name).filter(|now| now.purpose == key.purpose) else {
                return forbidden(format!("key {} stays, and keeps its purpose", key.name));
            };
            few_change(now, key)?;
            let last = self.identifiers(&key.name).last().map_or(0, |identifier| identifier.0);
            let mut joined = now.members.iter().filter(|(_, node)| key.identifier_of(**node).is_none());
            if let Some((identifier, node)) = joined.find(|(identifier, _)| identifier.0 <= last) {
                return forbidden(format!(
                    "key {}: node {node} joins as {}, and the key has had identifiers up to {last}: none is given twice",
                    key.name, identifier.0
                ));
            }
            let there = key.nodes().filter(|node| next.nodes.contains_key(node)).count();
            if there < usize::from(key.threshold) {
                return forbidden(format!(
                    "key {}: {there} of its members stay among the nodes, {} are needed to give the shares on: take nodes out after the resharing",
                    key.name, key.threshold
                ));
            }
        }
        self.keeps_nodes(next)
    }

    /// Whoever has been a member of a key is the same for ever, where it is there at all: its shares and its signatures are.
    fn keeps_nodes(&self, next: &Content) -> Result<(), Refusal> {
        let mut members: BTreeMap<NodeId, &Node> = BTreeMap::new();
        for version in self.versions() {
            let nodes = version.keys.iter().flat_map(KeyDefinition::nodes);
            members.extend(nodes.filter_map(|id| Some((id, version.nodes.get(&id)?))));
        }
        let joins = next.keys.iter().flat_map(KeyDefinition::nodes);
        members.extend(joins.filter_map(|id| Some((id, self.nodes.get(&id)?))));
        for (id, was) in members {
            if next.nodes.get(&id).is_some_and(|now| !is_same(now, was)) {
                return forbidden(format!("node {id} is or was a member of a key: its name and keys stay"));
            }
            if let Some((other, _)) = next.nodes.iter().find(|(other, now)| **other != id && shares_key(now, was)) {
                return forbidden(format!("node {other} has a key of node {id}, a member: a member keeps its number"));
            }
        }
        Ok(())
    }
}

/// Whether shares may go from the members of `before` to those of `now`: nobody who stays changes its identifier, and neither
/// those who come nor those who go are enough to sign by themselves.
fn few_change(now: &KeyDefinition, before: &KeyDefinition) -> Result<(), Refusal> {
    let shifted =
        |(identifier, node): &(&Identifier, &NodeId)| now.identifier_of(**node).is_some_and(|new| new != **identifier);
    if let Some((identifier, node)) = before.members.iter().find(shifted) {
        return forbidden(format!("key {}: node {node} stays {}, as long as it is a member", now.name, identifier.0));
    }
    let (come, go) = (missing(now, before), missing(before, now));
    if come >= usize::from(now.threshold) {
        return forbidden(format!(
            "key {}: {come} join at once and {} sign: they alone could; let fewer join, and reshare in between",
            now.name, now.threshold
        ));
    }
    if go >= usize::from(before.threshold) {
        return forbidden(format!(
            "key {}: {go} leave at once and {} have signed: they alone still could; let fewer leave, or make a new key",
            now.name, before.threshold
        ));
    }
    Ok(())
}

/// How many members of one roster are not in the other.
fn missing(of: &KeyDefinition, other: &KeyDefinition) -> usize {
    of.nodes().filter(|node| other.identifier_of(*node).is_none()).count()
}

fn is_same(now: &Node, was: &Node) -> bool {
    let identity = |node: &Node| (node.name.clone(), node.peer_id.clone(), node.author_key, node.vault_key);
    identity(now) == identity(was)
}

fn shares_key(now: &Node, was: &Node) -> bool {
    now.peer_id == was.peer_id || now.author_key == was.author_key || now.vault_key == was.vault_key
}

fn forbidden(detail: String) -> Result<(), Refusal> {
    Err(Refusal::new(Code::ChangeForbidden, detail))
}
