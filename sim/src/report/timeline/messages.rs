//! What the page's script needs: the messages, which it draws as arrows when few enough are in sight.

use super::{AXIS, Tops};
use crate::history::What;
use crate::report::{Run, name};
use firn_proto::{NodeId, SessionId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A page with more than these would be slow to open: 60 bytes each, 3 MB. The trace has all of them.
const MESSAGES_MAX: usize = 50_000;

#[derive(Serialize)]
struct Data {
    ended: u64,
    axis: u64,
    lanes: Vec<(String, u64)>,
    kinds: Vec<&'static str>,
    /// Why messages were lost; the first means that they were not.
    losses: Vec<&'static str>,
    /// Sent, from and to which lane, arrived or lost when, kind, number of the request or -1, which loss.
    messages: Vec<(u64, usize, usize, u64, usize, i64, usize)>,
    left_out: usize,
    cores: Vec<(u64, u16, bool)>,
}

/// A message.
#[derive(Clone, Copy)]
struct Frame {
    at: u64,
    from: NodeId,
    to: NodeId,
    kind: &'static str,
    session: SessionId,
}

/// As JSON that may stand inside a script element.
pub(super) fn data(run: &Run<'_>, tops: &Tops) -> String {
    let lanes = tops.0.iter().map(|(node, y)| (name(run.geography, *node), *y)).collect();
    let indices: BTreeMap<_, _> = tops.0.keys().enumerate().map(|(index, node)| (*node, index)).collect();
    let numbers: BTreeMap<SessionId, i64> = run
        .outcome
        .requests
        .iter()
        .map(|request| (request.subject.into(), i64::try_from(request.request).unwrap_or(-1)))
        .collect();
    let arrivals = arrivals(run);
    let mut kinds = Vec::new();
    let mut losses = vec![""];
    let mut messages = Vec::new();
    for (frame, at, loss) in arrivals.iter().take(MESSAGES_MAX) {
        let (Some(from), Some(to)) = (indices.get(&frame.from), indices.get(&frame.to)) else { continue };
        let request = numbers.get(&frame.session).copied().unwrap_or(-1);
        messages.push((frame.at, *from, *to, *at, index(&mut kinds, frame.kind), request, index(&mut losses, loss)));
    }
    let cores = run.outcome.cores.iter().map(|core| (core.at, core.nodes, core.eligible)).collect();
    let left_out = arrivals.len() - messages.len();
    let data = Data { ended: run.outcome.ended, axis: AXIS, lanes, kinds, losses, messages, left_out, cores };
    let json = serde_json::to_string(&data).unwrap_or_default();
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Every arrival and loss of a frame with its time, in the order of sending; a frame still under way ends with the run.
fn arrivals(run: &Run<'_>) -> Vec<(Frame, u64, &'static str)> {
    let mut frames = BTreeMap::new();
    let mut ends = BTreeSet::new();
    for entry in run.history {
        match (&entry.what, entry.process) {
            (What::Sent { frame, to, kind, session, .. }, Some(process)) => {
                let sent = Frame { at: entry.at, from: process.node, to: *to, kind, session: *session };
                frames.insert(*frame, sent);
            }
            (What::Delivered { frame, .. }, _) => _ = ends.insert((*frame, entry.at, "")),
            (What::Lost { frame, why }, _) => _ = ends.insert((*frame, entry.at, why)),
            _ => {}
        }
    }
    let ended: BTreeSet<u64> = ends.iter().map(|(frame, ..)| *frame).collect();
    let open = frames.keys().filter(|frame| !ended.contains(frame));
    ends.extend(open.map(|frame| (*frame, run.outcome.ended, "under way at the end")));
    ends.into_iter().filter_map(|(frame, at, loss)| Some((*frames.get(&frame)?, at, loss))).collect()
}

/// The place of a word in a list, at its end where it is new.
fn index(words: &mut Vec<&'static str>, word: &'static str) -> usize {
    let known = words.iter().position(|known| *known == word);
    known.unwrap_or_else(|| {
        words.push(word);
        words.len() - 1
    })
}
