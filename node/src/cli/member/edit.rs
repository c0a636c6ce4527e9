//! Changes of a key's members in a definition, and what they come to.

use crate::failure::{Exit, Failure};
use crate::init::PublicIdentity;
use alloy::primitives::Address;
use firn_proto::author::AuthorKey;
use firn_proto::definition::{Content, KeyDefinition, Node};
use firn_proto::policy::{Person, Role};
use firn_proto::{Definition, Identifier, NodeId, Point};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Who becomes a member.
pub(super) enum Entry {
    /// A node of the definition.
    Known(NodeId),
    /// One that the definition does not have yet, with an admin of its organisation where that is new.
    New { node: Box<Node>, admin: Option<(String, Address)> },
}

/// Finds a node by name or number.
pub(in super::super) fn find(content: &Content, text: &str) -> Result<NodeId, Failure> {
    let named = content.nodes.iter().find(|(_, node)| node.name == text).map(|(id, _)| *id);
    let numbered = || text.parse().ok().map(NodeId).filter(|id| content.nodes.contains_key(id));
    named.or_else(numbered).ok_or_else(|| {
        let next = "name one of the definition (`firn network show`), or the identity/public.json of a new one";
        Failure::new("MEMBER_UNKNOWN", format!("the definition has no node {text}"), next, Exit::Refused)
    })
}

pub(super) fn key<'a>(content: &'a mut Content, name: &str) -> Result<&'a mut KeyDefinition, Failure> {
    content.keys.iter_mut().find(|key| key.name == name).ok_or_else(|| unknown_key(name))
}

pub(in super::super) fn unknown_key(name: &str) -> Failure {
    let next = "`firn network show` lists the keys of a definition";
    Failure::new("KEY_UNKNOWN", format!("the definition has no key {name}"), next, Exit::Refused)
}

/// The node stays in the definition: it still holds the old share, and may be needed to give it on.
pub(super) fn leave(content: &mut Content, name: &str, node: NodeId) -> Result<(), Failure> {
    let key = key(content, name)?;
    let identifier = key.identifier_of(node).ok_or_else(|| {
        let next = "`firn network show` lists the members of each key";
        Failure::new("MEMBER_UNKNOWN", format!("node {node} is no member of {name}"), next, Exit::Refused)
    })?;
    key.members.remove(&identifier);
    Ok(())
}

/// Gives the node the next identifier of the key, by all versions that are known.
pub(super) fn join(current: &Definition, content: &mut Content, name: &str, entry: Entry) -> Result<(), Failure> {
    let full = || Failure::new("MEMBER_NUMBERS", "there is no number left", "make a new key", Exit::Refused);
    let node = match entry {
        Entry::Known(node) => node,
        Entry::New { node, admin } => {
            let used = current.versions().filter_map(|version| version.nodes.keys().last().copied()).max();
            let id = NodeId(used.map_or(0, |id| id.0).checked_add(1).ok_or_else(full)?);
            content.organisations.insert(node.organisation.clone());
            if let Some((name, address)) = admin {
                let organisation = node.organisation.clone();
                content.policy.people.insert(name, Person { organisation, address, roles: [Role::Admin].into() });
            }
            content.nodes.insert(id, *node);
            id
        }
    };
    let identifier = current.next_identifier(name).ok_or_else(full)?;
    let key = key(content, name)?;
    if key.identifier_of(node).is_some() {
        let next = "`firn network show` lists the members of each key";
        return Err(Failure::new("MEMBER_ALREADY", format!("node {node} is a member of {name}"), next, Exit::Refused));
    }
    key.members.insert(identifier, node);
    Ok(())
}

/// A new node as its `firn init` described it: what is public of it, and where it stands.
pub(super) fn described(file: &Path, place: [&str; 3], addresses: &[String]) -> Result<Node, Failure> {
    let invalid = |cause: String| {
        let next = "give the file identity/public.json that `firn init` wrote at the new node";
        Failure::new("IDENTITY_FILE", format!("{}: {cause}", file.display()), next, Exit::Failure)
    };
    let text = std::fs::read_to_string(file).map_err(|error| invalid(error.to_string()))?;
    let public: PublicIdentity = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    let bytes = |text: &str| hex::decode(text).map_err(|error| invalid(error.to_string()));
    let [organisation, region, provider] = place.map(str::to_owned);
    Ok(Node {
        name: public.node,
        organisation,
        region,
        provider,
        author_key: AuthorKey::from_slice(&bytes(&public.author_key)?)
            .map_err(|refusal| invalid(refusal.to_string()))?,
        vault_key: Point::from_slice(&bytes(&public.vault_key)?).map_err(|refusal| invalid(refusal.to_string()))?,
        peer_id: public.peer_id,
        addresses: addresses.to_vec(),
    })
}

pub(super) fn admin(text: &str) -> Result<(String, Address), Failure> {
    let parts = text.split_once('=').and_then(|(name, address)| Some((name.to_owned(), address.parse().ok()?)));
    parts.ok_or_else(|| Failure::usage(format!("`{text}`: expected NAME=0x..."), "correct --admin"))
}

/// Who comes and goes with a version, and what the departed still hold.
#[derive(Serialize)]
pub(super) struct Claims {
    key: String,
    joins: Vec<Line>,
    leaves: Vec<Line>,
    before: Quorum,
    after: Quorum,
    /// Every node that has ever left the key.
    departed: Vec<String>,
    /// As many departed members of one epoch could sign.
    departed_limit: u16,
    /// The departed are as many: make a new key.
    alarm: bool,
    /// Members of before that stay are too few to give the shares on: so many of those who leave have to help.
    needed_of_the_leaving: u16,
}

#[derive(Serialize)]
struct Quorum {
    threshold: u16,
    members: usize,
}

#[derive(Serialize)]
struct Line {
    identifier: u16,
    node: u16,
    name: String,
    organisation: String,
}

/// The name that a node has, or had.
pub(in super::super) fn name(definition: &Definition, node: NodeId) -> String {
    let known = definition.versions().find_map(|version| version.nodes.get(&node));
    known.map_or_else(|| node.to_string(), |node| node.name.clone())
}

pub(super) fn claims(current: &Definition, proposed: &Definition, name: &str) -> Claims {
    let members = |definition: &Definition| {
        let key = definition.key(name);
        (key.map_or(0, |key| key.threshold), key.map(|key| key.members.clone()).unwrap_or_default())
    };
    let ((old_threshold, old), (threshold, new)) = (members(current), members(proposed));
    let line = |(identifier, node): (&Identifier, &NodeId)| {
        let entry = proposed.versions().find_map(|version| version.nodes.get(node));
        let (name, organisation) =
            entry.map(|entry| (entry.name.clone(), entry.organisation.clone())).unwrap_or_default();
        Line { identifier: identifier.0, node: node.0, name, organisation }
    };
    let missing = |of: &std::collections::BTreeMap<Identifier, NodeId>,
                   other: &std::collections::BTreeMap<Identifier, NodeId>| {
        of.iter().filter(|(id, _)| !other.contains_key(id)).map(line).collect::<Vec<_>>()
    };
    let leaves = missing(&old, &new);
    let staying = u16::try_from(old.len() - leaves.len()).unwrap_or(u16::MAX);
    let departed = proposed.departed(name);
    let nodes = departed.iter().flat_map(|departed| departed.nodes.keys());
    Claims {
        key: name.to_owned(),
        joins: missing(&new, &old),
        before: Quorum { threshold: old_threshold, members: old.len() },
        after: Quorum { threshold, members: new.len() },
        departed: nodes.map(|node| self::name(proposed, *node)).collect(),
        departed_limit: departed.as_ref().map_or(threshold, |departed| departed.threshold),
        alarm: departed.as_ref().is_some_and(firn_proto::definition::Departed::is_alarm),
        needed_of_the_leaving: old_threshold.saturating_sub(staying),
        leaves,
    }
}

impl Claims {
    /// For people; writing into a string cannot fail.
    pub(super) fn text(&self) -> String {
        let (before, after) = (&self.before, &self.after);
        let mut text = format!(
            "key {}: {} of {} sign now, {} of {} then\n",
            self.key, before.threshold, before.members, after.threshold, after.members
        );
        for (word, lines) in [("joins", &self.joins), ("leaves", &self.leaves)] {
            for Line { identifier, node, name, organisation } in lines {
                let _ = writeln!(text, "  {word:<7}{name} (node {node}, {organisation}) as identifier {identifier}");
            }
        }
        text.push_str(&exposure(&self.departed, self.departed_limit, self.alarm));
        if self.needed_of_the_leaving > 0 {
            let _ = writeln!(text, "  {} of those who leave have to help the resharing", self.needed_of_the_leaving);
        }
        text
    }
}

/// What those who left still hold, in a line.
pub(in super::super) fn exposure(departed: &[String], limit: u16, alarm: bool) -> String {
    if departed.is_empty() {
        return "  nobody has left this key: nobody but its members holds shares of it\n".to_owned();
    }
    let (count, names) = (departed.len(), departed.join(", "));
    let alarm = if alarm { "; ALARM: make a new key with `firn key rotate`" } else { "" };
    format!(
        "  the departed still hold old shares, which no resharing takes back: {count} ({names}); {limit} of one epoch could sign{alarm}\n"
    )
}

#[cfg(test)]
mod tests;
