//! `firn member expel`: what an organisation keeps, and what ends it.

use super::edit::{self, exposure};
use super::{InForceArgs, ProposalFiles, listed, shown, succeed, version_text};
use crate::cli::network::{fingerprint, write};
use crate::cli::{Output, document, print, quoted};
use crate::failure::{Exit, Failure};
use clap::Args;
use firn_proto::definition::Content;
use firn_proto::{Definition, NodeId};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// Who is expelled, and why all the same by a version.
#[derive(Args)]
pub(crate) struct ExpelArgs {
    /// The organisation.
    #[arg(long)]
    organisation: String,
    #[command(flatten)]
    in_force: InForceArgs,
    /// Why a version without the organisation is to come before new keys. Without it none is proposed.
    #[arg(long, requires_all = ["block", "out"])]
    reason: Option<String>,
    /// The finalised block from which on that version is in force.
    #[arg(long, requires = "reason")]
    block: Option<u64>,
    /// Where to write that version, for `firn network accept`; the reason goes beside it.
    #[arg(long, value_name = "FILE", requires = "reason")]
    out: Option<PathBuf>,
    /// A key's threshold from that version on, as KEY=N. Repeatable.
    #[arg(long = "threshold", value_name = "KEY=N", requires = "reason")]
    thresholds: Vec<String>,
}

/// What it keeps of one key.
#[derive(Serialize)]
struct Kept {
    key: String,
    nodes: Vec<String>,
    threshold: u16,
    /// So many others of the same epoch, and it signs.
    others_needed: usize,
    departed: Vec<String>,
    departed_limit: u16,
    alarm: bool,
    command: String,
}

pub(super) fn run(args: &ExpelArgs, output: Output) -> Result<(), Failure> {
    let current = args.in_force.read()?;
    let nodes: BTreeSet<_> = nodes_of(&current, &args.organisation);
    if !current.organisations.contains(&args.organisation) {
        let cause = format!("the definition has no organisation {}", args.organisation);
        return Err(Failure::new("ORGANISATION_UNKNOWN", cause, "`firn network show` lists them", Exit::Refused));
    }
    let kept: Vec<_> = kept(&current, &nodes, &args.in_force);
    let proposed = args.propose(&current, &nodes)?;
    let steps = steps(&kept, proposed.as_ref(), args);
    let version = proposed.as_ref().map(|proposed| {
        json!({
            "version": proposed.version(), "digest": proposed.digest().to_string(),
            "fingerprint": fingerprint(proposed.digest()), "effective_block": proposed.effective_block(),
            "file": args.out, "reason": args.reason,
        })
    });
    let view =
        json!({ "organisation": args.organisation, "why": WHY, "keys": kept, "version": version, "next": steps });
    print(output, &document("firn.expulsion.v1", &view), || {
        let version = proposed.as_ref().map(|proposed| {
            let reason = args.reason.as_deref().unwrap_or_default();
            format!("OVERRIDE: a version without {}, since: {reason}\n{}\n", args.organisation, version_text(proposed))
        });
        format!(
            "{}\n{}\n{}{}",
            wrapped(&args.organisation),
            kept_text(&kept),
            version.unwrap_or_default(),
            listed(&steps)
        )
    })
}

/// Why nothing but a new key helps.
const WHY: &str = "Neither a refresh nor a resharing is enough against it. Both make new shares of the same key; \
the old ones, and every backup of them, stay valid together with as many others of their epoch as a signature takes. \
Nothing can show that they were erased, and the contract cannot tell an old share's signature from a new one's. \
Only a new key, and the old one's loss of its role on chain, ends that.";

fn wrapped(organisation: &str) -> String {
    format!("{organisation} is to be expelled.\n{WHY}\n")
}

fn nodes_of(definition: &Definition, organisation: &str) -> BTreeSet<NodeId> {
    definition.nodes.iter().filter(|(_, node)| node.organisation == organisation).map(|(id, _)| *id).collect()
}

/// By every version that is known: whoever left a key holds its old shares still.
fn kept(current: &Definition, nodes: &BTreeSet<NodeId>, in_force: &InForceArgs) -> Vec<Kept> {
    let of_key = |key: &firn_proto::definition::KeyDefinition| {
        let departed = current.departed(&key.name)?;
        let was = |node: &&NodeId| key.identifier_of(**node).is_some() || departed.nodes.contains_key(node);
        let holders: Vec<_> = nodes.iter().filter(was).collect();
        let without = holders.iter().filter(|node| key.identifier_of(***node).is_some());
        let without: String =
            without.map(|node| format!(" --without {}", quoted(&edit::name(current, **node)))).collect();
        (!holders.is_empty()).then(|| Kept {
            key: key.name.clone(),
            nodes: holders.iter().map(|node| edit::name(current, **node)).collect(),
            threshold: key.threshold,
            others_needed: usize::from(departed.threshold).saturating_sub(holders.len()),
            departed: departed.nodes.keys().map(|node| edit::name(current, *node)).collect(),
            departed_limit: departed.threshold,
            alarm: departed.is_alarm(),
            command: format!(
                "firn key rotate --key {}{without} --current {}",
                quoted(&key.name),
                shown(&in_force.file())
            ),
        })
    };
    current.keys.iter().filter_map(of_key).collect()
}

fn kept_text(kept: &[Kept]) -> String {
    let mut text = String::new();
    for key in kept {
        let _ = writeln!(
            text,
            "key {}: {} hold shares; with {} others of one epoch they sign",
            key.key,
            key.nodes.join(", "),
            key.others_needed
        );
        text.push_str(&exposure(&key.departed, key.departed_limit, key.alarm));
    }
    if kept.is_empty() {
        text.push_str("it holds no share of any key\n");
    }
    text
}

fn steps(kept: &[Kept], proposed: Option<&Definition>, args: &ExpelArgs) -> Vec<String> {
    let mut steps = vec![
        "Where it may act now, pause: the gate on chain by the veto key, the network by `firn network pause`."
            .to_owned(),
    ];
    if let Some(out) = proposed.and(args.out.as_ref()) {
        let in_force = shown(&args.in_force.file());
        steps.push(format!(
            "Admins sign the version: firn network accept {} --current {in_force} --keystore FILE",
            shown(out)
        ));
        steps.push(format!("firn network submit {} --data-dir {}", shown(out), args.in_force.data_dir()));
    }
    steps.extend(kept.iter().map(|key| format!("A new key in place of {}: {}", key.key, key.command)));
    steps
}

impl ExpelArgs {
    /// The version without the organisation, where a reason is given: its nodes in no key, its people with no say.
    fn propose(&self, current: &Definition, nodes: &BTreeSet<NodeId>) -> Result<Option<Definition>, Failure> {
        let (Some(reason), Some(block), Some(out)) = (&self.reason, self.block, &self.out) else { return Ok(None) };
        let mut content: Content = (**current).clone();
        for key in &mut content.keys {
            key.members.retain(|_, node| !nodes.contains(node));
        }
        for text in &self.thresholds {
            let usage = || Failure::usage(format!("`{text}`: expected KEY=N"), "correct --threshold");
            let (name, threshold) = text.split_once('=').ok_or_else(usage)?;
            edit::key(&mut content, name)?.threshold = threshold.parse().map_err(|_| usage())?;
        }
        content.nodes.retain(|node, _| !nodes.contains(node));
        content.organisations.remove(&self.organisation);
        content.policy.people.retain(|_, person| person.organisation != self.organisation);
        content.policy.operators.retain(|_, organisation| *organisation != self.organisation);
        let proposed = succeed(current, content, block)?;
        ProposalFiles::to(out).write(&proposed)?;
        write(&out.with_extension("reason.txt"), &format!("{reason}\n"))?;
        Ok(Some(proposed))
    }
}

#[cfg(test)]
mod tests;
