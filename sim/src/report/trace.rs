//! `trace.jsonl`: the whole ledger, one line of JSON for each entry.

use super::{Run, name};
use crate::history::{Entry, What};
use firn_coordinator::api::Observation;
use firn_proto::{Code, NodeId};
use serde::Serialize;

/// The first line, which names the schema and the run.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    scenario: &'a str,
    seed: u64,
    digest: String,
    entries: usize,
}

/// Any other line: what does not apply is left out.
#[derive(Serialize, Default)]
struct Line {
    at_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<u8>,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// What it is about: a request, an activation or a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Index of a fault, number of a request, of an attempt, or of records.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// All entries of a run in order, below a line that names it.
#[must_use]
pub fn trace(run: &Run<'_>) -> String {
    let scenario = &run.outcome.scenario;
    let head = Head {
        schema: "firn.sim-trace.v1",
        scenario: &scenario.name,
        seed: scenario.seed,
        digest: run.outcome.digest.to_string(),
        entries: run.history.len(),
    };
    let mut text = json(&head);
    for entry in run.history {
        text.push_str(&json(&line(run, entry)));
    }
    text
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default() + "\n"
}

fn line(run: &Run<'_>, entry: &Entry) -> Line {
    let base = Line {
        at_us: entry.at,
        node: entry.process.map(|process| name(run.geography, process.node)),
        twin: entry.process.map(|process| process.twin).filter(|twin| *twin > 0),
        ..Line::default()
    };
    let peer = |node: &NodeId| Some(name(run.geography, *node));
    match &entry.what {
        What::Started { incarnation } => Line { what: "started", detail: Some(format!("{incarnation:?}")), ..base },
        What::Stopped { why } => Line { what: "stopped", detail: text(why), ..base },
        What::FaultBegins { fault } => Line { what: "fault-begins", number: number(*fault), ..base },
        What::FaultEnds { fault } => Line { what: "fault-ends", number: number(*fault), ..base },
        What::Sent { frame, to, kind, session, bytes } => Line {
            what: "sent",
            frame: Some(*frame),
            peer: peer(to),
            kind: text(kind),
            session: Some(session.0.to_string()),
            bytes: Some(u64::from(*bytes)),
            ..base
        },
        What::Delivered { frame, from } => Line { what: "delivered", frame: Some(*frame), peer: peer(from), ..base },
        What::Lost { frame, why } => Line { what: "lost", frame: Some(*frame), detail: text(why), ..base },
        What::Synced { records } => Line { what: "synced", number: Some(u64::from(*records)), ..base },
        What::Committed { statement } => Line {
            what: "committed",
            peer: peer(&statement.coordinator),
            detail: Some(format!("hiding nonce commitment {:?}", statement.hiding)),
            ..base
        },
        What::Observed(observation) => observed(run, observation, base),
        What::Evidence { culprit, envelopes } => {
            Line { what: "evidence", peer: peer(culprit), number: number(envelopes.len()), ..base }
        }
        other => about_requests(other, base),
    }
}

fn about_requests(what: &What, base: Line) -> Line {
    match what {
        What::Released { subject, package, approved, again, own, .. } => {
            let approval = if *approved { "approved" } else { "not approved" };
            let again = if *again { ", again" } else { "" };
            let detail = format!("package {package}, {approval}{again}, hiding nonce commitment {:?}", own.hiding);
            Line { what: "released", session: Some(subject.to_string()), detail: Some(detail), ..base }
        }
        What::Signed { subject, digest, .. } => Line {
            what: "signed",
            session: Some(subject.to_string()),
            detail: Some(format!("digest {digest}")),
            ..base
        },
        What::Posted { subject, request } => {
            Line { what: "posted", session: Some(subject.to_string()), number: number(*request), ..base }
        }
        What::Answered { session, outcome } => Line {
            what: "answered",
            session: Some(session.0.to_string()),
            code: outcome.as_ref().err().map(|code| code.as_str()),
            ..base
        },
        What::Executed { subject } => Line { what: "executed", session: Some(subject.to_string()), ..base },
        What::Vanished { subject, .. } => Line { what: "vanished", session: Some(subject.to_string()), ..base },
        What::Cancelled { subject } => Line { what: "cancelled", session: Some(subject.to_string()), ..base },
        What::Reverted { subject, used } => {
            let detail = if *used { "its nonce was used" } else { "refused" };
            Line { what: "reverted", session: Some(subject.to_string()), detail: text(detail), ..base }
        }
        What::Misbehaved { act } => Line { what: "misbehaved", detail: text(act.name()), ..base },
        What::Probe { name } => Line { what: "probe", detail: text(name), ..base },
        _ => Line { what: "other", ..base },
    }
}

fn observed(run: &Run<'_>, observation: &Observation, base: Line) -> Line {
    let names = |nodes: &[NodeId]| nodes.iter().map(|node| name(run.geography, *node)).collect::<Vec<_>>().join(" ");
    let code = |code: &Code| Some(code.as_str());
    match observation {
        Observation::KeyPhase { key_id, phase } => {
            Line { what: "key-phase", session: Some(key_id.to_string()), detail: text(phase), ..base }
        }
        Observation::KeyEnded { key_id, code: why, .. } => {
            Line { what: "key-ended", session: Some(key_id.to_string()), code: code(why), ..base }
        }
        Observation::Subject { subject, state, code } => Line {
            what: "subject",
            session: Some(subject.to_string()),
            detail: text(state),
            code: code.map(Code::as_str),
            ..base
        },
        Observation::ShareReleased { subject, coordinator } => Line {
            what: "share-released",
            session: Some(subject.to_string()),
            peer: Some(name(run.geography, *coordinator)),
            ..base
        },
        Observation::AttemptOpened { subject, attempt, signers } => Line {
            what: "attempt-opened",
            session: Some(subject.to_string()),
            number: Some(u64::from(*attempt)),
            detail: Some(names(signers)),
            ..base
        },
        Observation::Evidence { culprit, code: why, .. } => {
            Line { what: "accused", peer: Some(name(run.geography, *culprit)), code: code(why), ..base }
        }
        Observation::Ignored { from, session, code: why } => Line {
            what: "ignored",
            peer: Some(name(run.geography, *from)),
            session: Some(session.0.to_string()),
            code: code(why),
            ..base
        },
        // Observations are added as the core grows; until they get fields here they are shown as they are.
        #[allow(unreachable_patterns, reason = "no further kind exists at times")]
        other => Line { what: "observed", detail: Some(format!("{other:?}")), ..base },
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn number(value: usize) -> Option<u64> {
    u64::try_from(value).ok()
}
