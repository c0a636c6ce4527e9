//! Faults and corrupted nodes, and a lane for each node by region, organisation and name.

use super::Tops;
use super::draw::{Canvas, PLOT};
use crate::geography::Place;
use crate::history::What;
use crate::report::faults::{Sort, face, spans};
use crate::report::{Run, duration, name};
use crate::scenario::Micros;
use firn_coordinator::api::Observation;
use firn_proto::{NodeId, SubjectId};
use std::collections::BTreeMap;

const LANE: u64 = 26;
const ROW: u64 = 18;

/// One row for each fault and each corrupted node, from `top` on.
pub(super) fn faults(canvas: &mut Canvas, run: &Run<'_>, top: u64) -> u64 {
    let spans = spans(run);
    let mut y = top;
    for (index, fault) in run.outcome.scenario.faults.iter().enumerate() {
        let face = face(run, &fault.kind);
        let on: Vec<_> = spans.iter().filter(|span| span.fault == index).collect();
        let what = if on.is_empty() { format!("{} (never began)", face.what) } else { face.what };
        canvas.label("fault", 0, y + 13, &format!("\u{26a1} {what}"), &face.whom);
        canvas.plot(|canvas| {
            for span in &on {
                let end = if span.for_ever {
                    "to the end".to_owned()
                } else {
                    format!("for {}", duration(span.to - span.from))
                };
                let title = format!("{what} {}, from {} {end}", face.whom, duration(span.from));
                canvas.bar("fault", (span.from, span.to), (y + 3, ROW - 5), &title);
            }
            match on.first() {
                // Where one bar is long enough the words stand in it, else beside it.
                Some(span) if on.len() == 1 && canvas.width(span.from, span.to) > face.whom.len() as u64 * 6 + 8 => {
                    canvas.inside("fault", (span.from, span.to), y + 13, &face.whom);
                }
                Some(first) => {
                    let to = on.iter().map(|span| span.to).max().unwrap_or(first.to);
                    canvas.note("fault", (first.from, to), y + 13, &face.whom);
                }
                None => {}
            }
        });
        y += ROW;
    }
    for byzantine in &run.outcome.scenario.byzantine {
        let acts: Vec<_> = byzantine.acts.iter().map(|act| act.name()).collect();
        let what = format!("{}: {}", name(run.geography, byzantine.node), acts.join(", "));
        let span = (byzantine.from, run.outcome.ended);
        canvas.label("corrupted", 0, y + 13, "\u{2620} corrupted", &what);
        canvas.plot(|canvas| {
            canvas.bar("corrupted", span, (y + 3, ROW - 5), &what);
            canvas.inside("fault", span, y + 13, &what);
        });
        y += ROW;
    }
    y
}

/// All lanes from `top` on: where they end, and the middle of each.
pub(super) fn nodes(canvas: &mut Canvas, run: &Run<'_>, top: u64) -> (u64, Tops) {
    let mut order: Vec<(&NodeId, &Place)> = run.geography.places().iter().collect();
    order.sort_by_key(|(id, place)| (&place.region, &place.organisation, **id));
    let mut y = top;
    let mut tops = Tops::default();
    let (mut region, mut organisation) = (None, None);
    for (id, place) in order {
        if region != Some(&place.region) {
            canvas.rule("region", 0, y);
            canvas.label("strong", 0, y + 17, &place.region, "");
        } else if organisation != Some(&place.organisation) {
            canvas.rule("organisation", 120, y);
        }
        (region, organisation) = (Some(&place.region), Some(&place.organisation));
        let corrupted = run.outcome.scenario.byzantine.iter().any(|byzantine| byzantine.node == *id);
        let class = if corrupted { "end corrupted" } else { "end" };
        let title = format!("{}, hosted by {}", place.region, place.cloud);
        canvas.label(class, PLOT.0 - 6, y + 17, &place.name, &title);
        canvas.plot(|canvas| lane(canvas, run, *id, y));
        tops.0.insert(*id, y + LANE / 2);
        y += LANE;
    }
    canvas.rule("region", 0, y);
    (y, tops)
}

fn lane(canvas: &mut Canvas, run: &Run<'_>, node: NodeId, y: u64) {
    let mut paused = Vec::new();
    for span in spans(run) {
        let Some(fault) = run.outcome.scenario.faults.get(span.fault) else { continue };
        let face = face(run, &fault.kind);
        let Some(group) = face.groups.iter().position(|group| group.contains(&node)) else { continue };
        let title = format!("{} {}", face.what, face.whom);
        match face.sort {
            Sort::Network => {
                let class = format!("group g{}", group % 4);
                canvas.bar(&class, (span.from, span.to), (y + 1, LANE - 2), &title);
            }
            Sort::Node => canvas.bar("trouble", (span.from, span.to), (y + LANE - 5, 3), &title),
            Sort::Pause => paused.push((span.from, span.to)),
            Sort::Stop => {}
        }
    }
    for (twin, life) in lives(run, node) {
        // A twin's line lies below the node's own, and the twin is not what a pause is about.
        let line = y + LANE / 2 - 1 + 5 * u64::from(twin);
        let paused: &[_] = if twin == 0 { &paused } else { &[] };
        for (from, to) in life.up.iter().flat_map(|up| without(*up, paused)) {
            canvas.bar("up", (from, to), (line, 3), "");
        }
        let down = life.down.iter().filter(|_| twin == 0).copied();
        for (from, to, why) in down.chain(paused.iter().map(|(from, to)| (*from, *to, "paused"))) {
            canvas.bar("down", (from, to), (y + 4, LANE - 8), &format!("{why}, for {}", duration(to - from)));
            canvas.inside("down", (from, to), y + 17, why);
        }
    }
    marks(canvas, run, node, y + LANE / 2);
}

/// When a process was up, and why it was not.
#[derive(Default)]
struct Life {
    up: Vec<(Micros, Micros)>,
    down: Vec<(Micros, Micros, &'static str)>,
}

fn lives(run: &Run<'_>, node: NodeId) -> BTreeMap<u8, Life> {
    let mut lives: BTreeMap<u8, Life> = BTreeMap::new();
    let ended = run.outcome.ended;
    for entry in run.history {
        let Some(process) = entry.process.filter(|process| process.node == node) else { continue };
        let life = lives.entry(process.twin).or_default();
        match entry.what {
            What::Started { .. } => {
                if let Some((_, to, _)) = life.down.last_mut() {
                    *to = (*to).min(entry.at);
                }
                life.up.push((entry.at, ended));
            }
            What::Stopped { why } => {
                if let Some((_, to)) = life.up.last_mut() {
                    *to = (*to).min(entry.at);
                }
                life.down.push((entry.at, ended, why));
            }
            _ => {}
        }
    }
    lives
}

/// What is left of a time without some others, which are in order.
fn without((mut from, to): (Micros, Micros), others: &[(Micros, Micros)]) -> Vec<(Micros, Micros)> {
    let mut left = Vec::new();
    for (begin, end) in others {
        left.push((from, to.min(*begin)));
        from = from.max(*end);
    }
    left.push((from, to));
    left.retain(|(from, to)| from < to);
    left
}

fn marks(canvas: &mut Canvas, run: &Run<'_>, node: NodeId, y: u64) {
    let numbers: BTreeMap<SubjectId, usize> =
        run.outcome.requests.iter().map(|request| (request.subject, request.request)).collect();
    let about = |subject: &SubjectId| {
        numbers.get(subject).map_or_else(|| "the key's activation".to_owned(), |k| format!("request {k}"))
    };
    let (mut acted, pixel) = (BTreeMap::new(), run.outcome.ended / PLOT.1);
    for entry in run.history.iter().filter(|entry| entry.process.is_some_and(|process| process.node == node)) {
        let at = duration(entry.at);
        let (symbol, title) = match &entry.what {
            What::Observed(Observation::AttemptOpened { subject, attempt, signers }) => {
                let signers: Vec<_> = signers.iter().map(|node| name(run.geography, *node)).collect();
                ("attempt", format!("{at}: opens attempt {attempt} for {} with {}", about(subject), signers.join(" ")))
            }
            What::Observed(Observation::KeyPhase { phase, .. }) => ("phase", format!("{at}: key generation, {phase}")),
            What::Observed(Observation::KeyEnded { code, .. }) => {
                ("ended", format!("{at}: key generation ends, {}", code.as_str()))
            }
            What::Evidence { culprit, .. } => {
                ("evidence", format!("{at}: proof of a fault of {}", name(run.geography, *culprit)))
            }
            What::Released { subject, again: false, .. } => {
                ("share", format!("{at}: releases a share for {}", about(subject)))
            }
            What::Signed { subject, .. } => ("signed", format!("{at}: knows the signature of {}", about(subject))),
            What::Posted { request, .. } => ("posted", format!("{at}: request {request} is posted here")),
            What::Stopped { why } => ("stopped", format!("{at}: stops, {why}")),
            // A flood would be as many marks: the trace has all of them.
            What::Misbehaved { act } if acted.get(act).is_none_or(|before| entry.at - before >= pixel) => {
                acted.insert(*act, entry.at);
                ("misbehaved", format!("{at}: {}", act.name()))
            }
            _ => continue,
        };
        canvas.mark(symbol, entry.at, y, &title);
    }
}
