//! Selectors: how scenario files name sets of nodes.

use super::Scenario;
use super::near::nearest;
use super::problem::Problem;
use super::read::Value;
use crate::geography::Place;
use firn_proto::NodeId;
use std::collections::BTreeMap;

/// Kinds of selectors: a prefix before a pattern.
const PREFIXES: [&str; 3] = ["org", "region", "cloud"];

impl Scenario {
    /// n.
    #[must_use]
    pub fn node_count(&self) -> u16 {
        self.organisations.iter().flat_map(|organisation| &organisation.nodes).map(|(_, count)| count).sum()
    }
}

/// Nodes by one selector or a list of them, each once, in the order of the selectors and then of their ids.
pub(crate) fn nodes(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Vec<NodeId>, Problem> {
    let mut found = Vec::new();
    for item in value.one_or_list()? {
        for node in matching(&item, places)? {
            if !found.contains(&node) {
                found.push(node);
            }
        }
    }
    if found.is_empty() {
        return Err(value.problem("SCENARIO_EMPTY_SELECTION", "an empty list"));
    }
    Ok(found)
}

/// Exactly one node.
pub(crate) fn node(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<NodeId, Problem> {
    match *nodes(value, places)? {
        [node] => Ok(node),
        ref several => {
            Err(value.problem("SCENARIO_VALUE", format!("expected one node, the selector matches {}", several.len())))
        }
    }
}

/// One node by its name, as part of a longer text.
pub(crate) fn named(value: &Value<'_>, name: &str, places: &BTreeMap<NodeId, Place>) -> Result<NodeId, Problem> {
    let known: Vec<_> = places.iter().map(|(node, place)| (*node, place.name.as_str())).collect();
    value.named(name, "a node", &known)
}

fn matching(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Vec<NodeId>, Problem> {
    let text = value.text()?;
    let (prefix, pattern) = text.split_once(':').unwrap_or(("", text));
    let label: fn(&Place) -> &str = match prefix {
        "" => |place| &place.name,
        "org" => |place| &place.organisation,
        "region" => |place| &place.region,
        "cloud" => |place| &place.cloud,
        _ => {
            let known = PREFIXES.map(|prefix| (prefix, prefix));
            return value.named(prefix, "a kind of selector", &known).map(|_| Vec::new());
        }
    };
    let matches = places.iter().filter(|(_, place)| is_match(pattern, label(place)));
    let found: Vec<_> = matches.map(|(node, _)| *node).collect();
    if found.is_empty() {
        // As they can be written, so that the near match is right as it stands.
        let written = |place| match prefix {
            "" => label(place).to_owned(),
            prefix => format!("{prefix}:{}", label(place)),
        };
        let mut labels: Vec<_> = places.values().map(written).collect();
        labels.dedup();
        let hint = nearest(text, labels.iter().map(String::as_str))
            .map_or_else(|| format!("there are {}", labels.join(", ")), |near| format!("did you mean \"{near}\"?"));
        return Err(value.problem("SCENARIO_EMPTY_SELECTION", format!("\"{text}\" matches no node, {hint}")));
    }
    Ok(found)
}

/// Whether a pattern, in which `*` stands for anything, describes the whole text.
fn is_match(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.filter_map(|at| text.get(at..)).any(|tail| is_match(rest, tail))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text) in [("*", ""), ("*", "a"), ("eu-*", "eu-west-1"), ("*-1", "eu-west-1"), ("a*c*e", "abcde")]
        {
            assert!(is_match(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("eu-*", "us-east-1"), ("a", "ab"), ("a*c", "ab"), ("", "a")] {
            assert!(!is_match(pattern, text), "{pattern} {text}");
        }
    }
}
