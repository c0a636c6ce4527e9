//! `firn audit`: looking at a node's audit log, exporting it, and verifying exports.

use super::show::ACCEPTED;
use super::{NodeArgs, Output, document, print, print_line, talk};
use crate::api::json::{AuditEntryView, HeadView};
use crate::audit::{Export, Verdict, export, verify_all};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::host::versions::with_earlier;
use alloy::primitives::B256;
use clap::Subcommand;

use firn_proto::request::second_of;
use firn_proto::{Definition, Digest, NodeId, SubjectId};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often `tail --follow` looks for more.
const FOLLOW: Duration = Duration::from_millis(500);

/// Look at a node's audit log, export it, and verify exports.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the last entries.
    Tail {
        /// How many.
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u64,
        /// Go on with what is added, until interrupted.
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Show every entry about a request or a key.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Write the whole log, and the signed heads of others that this node holds, as lines of JSON.
    Export {
        /// The file to write; standard output without it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Show the signed heads that this node holds: the newest of each peer's log, and of its own what each peer has cosigned.
    ///
    /// In text each is a note (C2SP signed-note), to be kept or published.
    Heads {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Have every connected peer cosign the head of this node's log now. It happens by itself as well, a peer every 30 s.
    Checkpoint {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Verify exports, of one node or better of all: each log against itself and against the heads that the others hold.
    ///
    /// Needs no running node. Names the first bad place and exits with 6 where there is one.
    Verify {
        /// Files that `firn audit export` wrote.
        #[arg(required = true, value_name = "FILE")]
        exports: Vec<PathBuf>,
        /// The network definition, whose keys decide.
        #[arg(long, value_name = "FILE")]
        network: PathBuf,
    },
}

pub(super) async fn run(command: AuditCommand, output: Output) -> Result<(), Failure> {
    match command {
        AuditCommand::Tail { lines, follow, node } => tail(&node.client()?, lines, follow, output).await,
        AuditCommand::Show { id, node } => show(&node.client()?, &id, output).await,
        AuditCommand::Export { out, node } => write(&node.client()?, out.as_deref()).await,
        AuditCommand::Heads { node } => {
            let held = node.client()?.heads().await?;
            print(output, &held, || held.heads.iter().map(head_text).collect::<Vec<_>>().join("\n"))
        }
        AuditCommand::Checkpoint { node } => {
            let accepted = node.client()?.checkpoint().await?;
            print(output, &document(ACCEPTED, &accepted), || "asked every connected peer".to_owned())
        }
        AuditCommand::Verify { exports, network } => verify(&exports, &network, output),
    }
}

async fn tail(client: &Client, lines: u64, follow: bool, output: Output) -> Result<(), Failure> {
    let mut next = client.heads().await?.size.saturating_sub(lines);
    loop {
        let page = client.audit(next).await?;
        for entry in &page.entries {
            next = entry.number.saturating_add(1);
            print_line(output, entry, || entry_text(entry))?;
        }
        if page.entries.is_empty() {
            if !follow {
                return Ok(());
            }
            tokio::time::sleep(FOLLOW).await;
        }
    }
}

async fn show(client: &Client, id: &str, output: Output) -> Result<(), Failure> {
    let (mut next, mut found) = (0, false);
    // A request of two payloads has a session for each.
    let asked = id.parse::<B256>().map(|id| second_of(SubjectId(Digest(id.0))).to_string());
    let second = asked.unwrap_or_default();
    loop {
        let page = client.audit(next).await?;
        let Some(last) = page.entries.last() else { break };
        next = last.number.saturating_add(1);
        for entry in page.entries.iter().filter(|entry| [id, &second].contains(&entry.session.as_str())) {
            found = true;
            print_line(output, entry, || entry_text(entry))?;
        }
    }
    let unknown = || {
        let next = "give the whole id, as `firn request show` prints it, and ask a node that was running at the time";
        Failure::new("AUDIT_UNKNOWN", format!("no entry is about {id}"), next, Exit::Refused)
    };
    if found { Ok(()) } else { Err(unknown()) }
}

async fn write(client: &Client, out: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = out else { return export(client, &mut std::io::stdout().lock()).await.map(drop) };
    let failed = |error: std::io::Error| {
        let next = "choose a new name in a directory that you may write to";
        Failure::new("OUTPUT", format!("{}: {error}", path.display()), next, Exit::Failure)
    };
    // A file that is there may be the only copy of what a log once was.
    let mut file = BufWriter::new(File::create_new(path).map_err(failed)?);
    let entries = export(client, &mut file).await?;
    file.flush().map_err(failed)?;
    talk(&format!("{entries} entries in {}", path.display()));
    Ok(())
}

fn verify(paths: &[PathBuf], network: &Path, output: Output) -> Result<(), Failure> {
    let definition = with_earlier(network)?;
    let exports: Vec<_> = paths.iter().map(|path| Export::open(path, &definition)).collect::<Result<_, _>>()?;
    let verdicts = verify_all(&exports, &definition)?;
    let name = |node: NodeId| name(&definition, node);
    let logs: Vec<Value> = verdicts.iter().map(|verdict| verdict_json(verdict, &name)).collect();
    let text = || verdicts.iter().map(|verdict| verdict_text(verdict, &name)).collect::<Vec<_>>().join("\n");
    print(output, &json!({ "schema": "firn.audit-verification.v1", "logs": logs }), text)?;
    let Some((verdict, fault)) = verdicts.iter().find_map(|verdict| Some((verdict, verdict.outcome.err()?))) else {
        return Ok(());
    };
    let (code, cause) = (fault.code(), format!("{}: {fault}", name(verdict.node)));
    Err(Failure::new(code.as_str(), cause, code.next_step(), Exit::Verification))
}

fn name(definition: &Definition, node: NodeId) -> String {
    let entry = definition.versions().find_map(|version| version.nodes.get(&node));
    entry.map_or_else(|| node.to_string(), |entry| entry.name.clone())
}

fn verdict_json(verdict: &Verdict, name: &dyn Fn(NodeId) -> String) -> Value {
    let witnesses: Vec<_> = verdict.witnesses.iter().map(|node| name(*node)).collect();
    let (node, file, vouched) = (name(verdict.node), verdict.path.display().to_string(), verdict.vouched);
    match verdict.outcome {
        Ok(head) => json!({
            "node": node, "file": file, "sound": true, "entries": head.size, "head": head.hash.to_string(),
            "vouched": vouched, "witnesses": witnesses,
        }),
        Err(fault) => json!({
            "node": node, "file": file, "sound": false, "code": fault.code().as_str(), "entry": fault.number(),
            "cause": fault.to_string(), "vouched": vouched, "witnesses": witnesses,
        }),
    }
}

fn verdict_text(verdict: &Verdict, name: &dyn Fn(NodeId) -> String) -> String {
    let witnesses: Vec<_> = verdict.witnesses.iter().map(|node| name(*node)).collect();
    let seen = match witnesses.as_slice() {
        [] => "nobody else holds a head of it".to_owned(),
        _ => format!("{} of them vouched for by {}", verdict.vouched, witnesses.join(", ")),
    };
    match verdict.outcome {
        Ok(head) => format!("ok   {}: {} entries, {seen}", name(verdict.node), head.size),
        Err(fault) => format!("BAD  {}: {} {fault}", name(verdict.node), fault.code()),
    }
}

fn head_text(held: &HeadView) -> String {
    let signers = held.signers.join(", ");
    format!("# {}: {} entries, signed by {signers}; from {}\n{}", held.owner, held.size, held.from, held.note)
}

fn entry_text(entry: &AuditEntryView) -> String {
    let mut text = format!("{:>6}  {}  {:<18}", entry.number, entry.time, entry.event);
    let short = entry.session.get(..10).unwrap_or_default();
    if entry.session.trim_start_matches("0x").bytes().any(|digit| digit != b'0') {
        text += &format!("  {short}");
    }
    let parts = [
        entry.code.clone(),
        entry.coordinator.as_ref().map(|name| format!("asked by {name}")),
        (!entry.members.is_empty()).then(|| entry.members.join(", ")),
        Some(&entry.reason).filter(|reason| !reason.is_empty()).map(|reason| format!("({reason})")),
        entry.title.as_ref().map(|title| format!("\"{title}\"")),
        entry.requester.as_ref().map(|requester| format!("for {requester}")),
        (entry.evidence > 0).then(|| format!("{} signed proofs", entry.evidence)),
    ];
    parts.into_iter().flatten().for_each(|part| text += &format!("  {part}"));
    text
}
