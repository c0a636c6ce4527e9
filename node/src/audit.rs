//! Exports of audit logs: written from a running node page by page, read and verified without any.
//!
//! An export is lines of JSON: what it is, then every entry as its bytes, then the heads that its node holds of its own log and
//! of others'. Nothing in it is believed but what `network.toml` has keys for.

use crate::api::json::{AuditPage, HeadsView};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use firn_coordinator::audit::Head;
use firn_coordinator::audit::verify::{Fault, Stored, verify};
use firn_proto::checkpoint::Note;
use firn_proto::{Definition, NodeId};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The schema of an export's first line.
const SCHEMA: &str = "firn.audit-export.v1";

/// Longest line that is read: an entry with two envelopes as evidence, in hexadecimal.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A line of an export.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Start { schema: String, network: String, definition: String, node: u16 },
    Entry { number: u64, entry: String },
    Head { head: String },
}

/// An export on disk: whose log it is, and which heads come with it.
pub(crate) struct Export {
    path: PathBuf,
    pub(crate) node: NodeId,
    pub(crate) heads: Vec<Note>,
}

/// What became of one log.
pub(crate) struct Verdict {
    pub(crate) node: NodeId,
    pub(crate) path: PathBuf,
    /// The log's head, or the first bad place.
    pub(crate) outcome: Result<Head, Fault>,
    /// The greatest size for which somebody's signature is known.
    pub(crate) vouched: u64,
    /// Who has signed any head of it besides its owner.
    pub(crate) witnesses: Vec<NodeId>,
}

/// Writes a running node's log and the heads it holds. A page at a time: the node's own work goes on between them.
pub(crate) async fn export(client: &Client, out: &mut impl Write) -> Result<u64, Failure> {
    let mut put = |line: &Line| {
        let text = serde_json::to_string(line).map_err(|error| Failure::general("JSON", error.to_string()))?;
        writeln!(out, "{text}").map_err(|error| Failure::general("OUTPUT", error.to_string()))
    };
    let status = client.status().await?;
    let (network, definition) = (status.network, status.definition);
    put(&Line::Start { schema: SCHEMA.to_owned(), network, definition, node: status.node })?;
    let mut next = 0;
    loop {
        let page: AuditPage = client.audit(next).await?;
        let Some(last) = page.entries.last() else { break };
        next = last.number.saturating_add(1);
        for entry in page.entries {
            put(&Line::Entry { number: entry.number, entry: entry.entry })?;
        }
    }
    let held: HeadsView = client.heads().await?;
    held.heads.into_iter().try_for_each(|held| put(&Line::Head { head: held.note }))?;
    Ok(next)
}

impl Export {
    /// Reads whose log it is, and the heads, each of which must be signed by a node of `definition` or of a version before it.
    pub(crate) fn open(path: &Path, definition: &Definition) -> Result<Self, Failure> {
        let mut lines = Lines::open(path)?;
        let network = definition.network_id().0.to_string();
        let node = match lines.next().transpose()? {
            Some(Line::Start { schema, network: of, node, .. }) if schema == SCHEMA && of == network => NodeId(node),
            Some(Line::Start { schema, network: of, .. }) if schema == SCHEMA => {
                return Err(unreadable(path, format!("it is of network {of}, network.toml names {network}")));
            }
            _ => return Err(unreadable(path, format!("its first line does not name {SCHEMA}"))),
        };
        if !definition.versions().any(|version| version.nodes.contains_key(&node)) {
            return Err(unreadable(path, format!("network.toml has no node {node}")));
        }
        let mut heads = Vec::new();
        for line in lines {
            if let Line::Head { head } = line? {
                // By whichever version has its signers with the keys that they had then.
                let earlier = definition.versions().find_map(|version| Note::from_text(&head, version).ok());
                let read = earlier.map_or_else(|| Note::from_text(&head, definition), Ok);
                heads.push(read.map_err(|refusal| unreadable(path, refusal.to_string()))?);
            }
        }
        Ok(Self { path: path.to_owned(), node, heads })
    }

    /// The entries in the order of the file.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<Stored, Failure>> {
        let path = self.path.clone();
        let (lines, failed) = match Lines::open(&self.path) {
            Ok(lines) => (Some(lines.skip(1)), None),
            Err(failure) => (None, Some(Err(failure))),
        };
        let entries = lines.into_iter().flatten().filter_map(move |line| match line {
            // What is no hexadecimal is no entry: it fails where it stands.
            Ok(Line::Entry { number, entry }) => {
                Some(Ok(Stored { number, bytes: hex::decode(entry).unwrap_or_default() }))
            }
            Ok(Line::Head { .. }) => None,
            Ok(Line::Start { .. }) => Some(Err(unreadable(&path, "a second first line".to_owned()))),
            Err(failure) => Some(Err(failure)),
        });
        // After the first line, which says what it is.
        failed.into_iter().chain(entries)
    }
}

/// Holds each log against itself and against every head of it that comes with any of the exports.
pub(crate) fn verify_all(exports: &[Export], definition: &Definition) -> Result<Vec<Verdict>, Failure> {
    let judge = |export: &Export| {
        let of = |note: &&Note| note.checkpoint.owner == export.node;
        let notes: Vec<_> = exports.iter().flat_map(|other| &other.heads).filter(of).collect();
        let vouched: Vec<_> = notes.iter().map(|note| note.checkpoint.head).collect();
        // A log begins under the version that its node was set up with: mostly the first.
        let versions: Vec<_> = definition.versions().collect();
        let mut outcome = verify(|| export.entries(), versions.last().unwrap_or(&definition), &vouched)?;
        for version in versions.iter().rev().skip(1) {
            if matches!(outcome, Err(Fault::Invalid { .. })) {
                outcome = verify(|| export.entries(), version, &vouched)?.or(outcome);
            }
        }
        let cosigners = notes.iter().flat_map(|note| note.signatures.keys().copied());
        // Whoever holds a head that its owner has signed can show it, with or without a cosignature.
        let holders = exports.iter().filter(|other| other.heads.iter().any(|note| of(&note))).map(|other| other.node);
        let mut witnesses: Vec<_> = cosigners.chain(holders).filter(|node| *node != export.node).collect();
        witnesses.sort_unstable();
        witnesses.dedup();
        let vouched = vouched.iter().map(|head| head.size).max().unwrap_or_default();
        Ok(Verdict { node: export.node, path: export.path.clone(), outcome, vouched, witnesses })
    };
    exports.iter().map(judge).collect()
}

/// The lines of a file, each of bounded length.
struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| unreadable(path, error.to_string()))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), number: 0 })
    }

    fn read(&mut self) -> Result<Option<Line>, Failure> {
        let mut text = Vec::new();
        self.number = self.number.saturating_add(1);
        let failed = |cause: String| unreadable(&self.path, format!("line {}: {cause}", self.number));
        let limit = LINE_BYTES_MAX as u64;
        let read = std::io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut text);
        match read.map_err(|error| failed(error.to_string()))? {
            0 => Ok(None),
            LINE_BYTES_MAX => Err(failed(format!("longer than {LINE_BYTES_MAX} bytes"))),
            _ => serde_json::from_slice(&text).map(Some).map_err(|error| failed(error.to_string())),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Line, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn unreadable(path: &Path, cause: String) -> Failure {
    let next = "export it anew with `firn audit export`; keep this file if it may have been tampered with";
    Failure::new("AUDIT_EXPORT_UNREADABLE", format!("{}: {cause}", path.display()), next, Exit::Verification)
}
