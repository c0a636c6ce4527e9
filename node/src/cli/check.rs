//! `firn network check`: how many members, organisations and places each key holds against, and what a definition allows that
//! may not be meant.

use super::{Output, document, print};
use crate::failure::Failure;
use firn_proto::definition::{Definition, KeyDefinition, Node, Purpose};
use firn_proto::diversity::eligible_subset;
use firn_proto::ids::NodeId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

#[derive(Serialize)]
struct Checked {
    digest: String,
    keys: Vec<KeyCheck>,
    warnings: Vec<String>,
}

/// What a key holds against, in members: t of n sign.
#[derive(Serialize)]
struct KeyCheck {
    name: String,
    purpose: &'static str,
    threshold: usize,
    members: usize,
    /// Corrupted members that cannot forge: t - 1.
    forgery_holds_against: usize,
    /// Corrupted members against whom one of two rivals is signed and no budget is passed: 2t - n - 1, since two quorums share 2t - n.
    rivals_hold_against: usize,
    /// Members that may be away at most: n - t, whichever of them the diversity rule can spare.
    away_max: usize,
    /// The fewest organisations whose members together are t.
    organisations_to_forge: usize,
    /// The organisations, regions and providers without any one of which nothing can be signed.
    indispensable: Vec<String>,
}

/// A kind of place, and where a node is.
type Family = (&'static str, fn(&Node) -> &str);
const FAMILIES: [Family; 3] =
    [("organisation", |node| &node.organisation), ("region", |node| &node.region), ("provider", |node| &node.provider)];

pub(super) fn check(definition: &Definition, output: Output) -> Result<(), Failure> {
    let keys: Vec<_> = definition.keys.iter().map(|key| key_check(definition, key)).collect();
    let warnings = warnings(definition, &keys);
    let checked = Checked { digest: definition.digest().to_string(), keys, warnings };
    print(output, &document("firn.network-check.v1", &checked), || as_text(&checked))
}

fn key_check(definition: &Definition, key: &KeyDefinition) -> KeyCheck {
    let (threshold, members) = (usize::from(key.threshold), key.members.len());
    let mut held: Vec<_> = held_by(definition, key, FAMILIES[0].1).into_values().collect();
    held.sort_unstable_by(|a, b| b.cmp(a));
    let sums = held.iter().scan(0, |sum, more| {
        *sum += more;
        Some(*sum)
    });
    let indispensable = FAMILIES.iter().flat_map(|(kind, place)| {
        let places = held_by(definition, key, *place).into_keys();
        places
            .filter(|lost| !signs_without(definition, key, |node| place(node) == *lost))
            .map(move |lost| format!("{kind} {lost}"))
    });
    KeyCheck {
        name: key.name.clone(),
        purpose: key.purpose.as_str(),
        threshold,
        members,
        forgery_holds_against: threshold - 1,
        rivals_hold_against: 2 * threshold - members - 1,
        away_max: members - threshold,
        organisations_to_forge: 1 + sums.take_while(|sum| *sum < threshold).count(),
        indispensable: indispensable.collect(),
    }
}

/// How many members of the key each place has.
fn held_by<'a>(definition: &'a Definition, key: &KeyDefinition, place: fn(&Node) -> &str) -> BTreeMap<&'a str, usize> {
    let mut held = BTreeMap::new();
    for node in key.nodes().filter_map(|node| definition.nodes.get(&node)) {
        *held.entry(place(node)).or_default() += 1;
    }
    held
}

fn signs_without(definition: &Definition, key: &KeyDefinition, is_lost: impl Fn(&Node) -> bool) -> bool {
    let is_there = |node: &NodeId| definition.nodes.get(node).is_some_and(|node| !is_lost(node));
    let rest: Vec<_> = key.nodes().filter(is_there).collect();
    eligible_subset(definition, key, &rest).is_some()
}

fn warnings(definition: &Definition, keys: &[KeyCheck]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (key, checked) in definition.keys.iter().zip(keys) {
        let name = &key.name;
        for (organisation, held) in held_by(definition, key, FAMILIES[0].1) {
            if held >= checked.threshold {
                warnings
                    .push(format!("key {name}: organisation {organisation} alone has {held} members and can forge"));
            } else if held > checked.rivals_hold_against {
                warnings.push(format!(
                    "key {name}: {held} of its members are organisation {organisation}'s, and {} corrupted ones are enough to pass budgets \
                     and to have two rivals signed: against it only the caps on chain hold",
                    checked.rivals_hold_against + 1
                ));
            }
        }
        warnings
            .extend(checked.indispensable.iter().map(|place| format!("key {name}: without {place} it signs nothing")));
        let has_budget = definition.policy.rules.values().any(|rule| rule.budget.is_some());
        if key.purpose == Purpose::Slash && !has_budget {
            warnings.push(format!("key {name}: no rule has a budget, so no sum of slashes is ever too much"));
        }
    }
    for (index, one) in definition.keys.iter().enumerate() {
        warnings.extend(definition.keys.iter().skip(index + 1).filter_map(|other| shared(definition, one, other)));
    }
    let easiest = |purpose| definition.keys.iter().filter(|key| key.purpose == purpose).map(|key| key.threshold).min();
    if let (Some(veto), Some(slash)) = (easiest(Purpose::Veto), easiest(Purpose::Slash))
        && veto >= slash
    {
        warnings
            .push(format!("a veto takes {veto} members and a slash {slash}: stopping should be easier than acting"));
    }
    if !definition.has_admins() {
        warnings.push("nobody has the role `admin`: this definition can never be changed".to_owned());
    }
    warnings
}

/// Whoever slashes should not pay out, and whoever stops either should do neither.
fn shared(definition: &Definition, one: &KeyDefinition, other: &KeyDefinition) -> Option<String> {
    let apart = |key: &KeyDefinition| matches!(key.purpose, Purpose::Slash | Purpose::Treasury | Purpose::Veto);
    let (mine, theirs): (BTreeSet<_>, BTreeSet<_>) = (one.nodes().collect(), other.nodes().collect());
    let both: Vec<_> = mine.intersection(&theirs).filter_map(|node| definition.nodes.get(node)).collect();
    if one.purpose == other.purpose || !apart(one) || !apart(other) || both.is_empty() {
        return None;
    }
    let names: Vec<_> = both.iter().map(|node| node.name.as_str()).collect();
    Some(format!("keys {} and {} share machines: {}", one.name, other.name, names.join(", ")))
}

/// Writing into a string cannot fail, so the results are dropped.
fn as_text(checked: &Checked) -> String {
    let mut text = format!("digest   {}\n", checked.digest);
    for key in &checked.keys {
        let _ = writeln!(text, "\nkey {}: {}, {} of {}", key.name, key.purpose, key.threshold, key.members);
        let _ = writeln!(
            text,
            "  forgery            takes {} members, of {} organisations at least; {} cannot",
            key.threshold, key.organisations_to_forge, key.forgery_holds_against
        );
        let _ = writeln!(
            text,
            "  rivals and budgets hold against {} corrupted members (2t - n - 1); beyond that the caps on chain are the guarantee",
            key.rivals_hold_against
        );
        let _ = writeln!(
            text,
            "  signing            takes {} members, so that at most {} may be away",
            key.threshold, key.away_max
        );
        let places = if key.indispensable.is_empty() { "none".to_owned() } else { key.indispensable.join(", ") };
        let _ = writeln!(text, "  indispensable      {places}");
    }
    if !checked.warnings.is_empty() {
        text.push('\n');
    }
    for warning in &checked.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}
