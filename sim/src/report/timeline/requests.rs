//! A lane for each request: how long it was open, what each node said and did about it, and why it had to wait.

use super::draw::{Canvas, PLOT};
use crate::history::What;
use crate::report::{Run, duration, name, story};
use crate::scenario::Micros;
use crate::verdict::RequestReport;
use firn_coordinator::api::Observation;
use firn_proto::SubjectId;
use std::collections::BTreeMap;

const ROW: u64 = 22;

/// All requests from `top` on, in the order in which they were posted.
pub(super) fn draw(canvas: &mut Canvas, run: &Run<'_>, top: u64) -> u64 {
    let mut requests: Vec<_> = run.outcome.requests.iter().collect();
    requests.sort_by_key(|request| (request.posted, request.request));
    if requests.is_empty() {
        return top;
    }
    let marks = marks(run);
    let mut y = top;
    for request in requests {
        lane(canvas, run, request, marks.get(&request.subject).map_or(&[], Vec::as_slice), y);
        y += ROW;
    }
    y
}

fn lane(canvas: &mut Canvas, run: &Run<'_>, request: &RequestReport, marks: &[(&str, Micros, String)], y: u64) {
    let over = story::over(run.outcome, request);
    let span = (request.posted, over);
    let (end, _) = story::end(&request.end);
    let story = story::story(run.outcome, request);
    let about = format!(
        "request {} at {}, wanted for {}\nB {}, longest live core {}\n{} attempts, {} messages, {} bytes\n{story}",
        request.request,
        name(run.geography, request.node),
        duration(request.deadline),
        duration(request.bound),
        duration(request.core),
        request.attempts,
        request.messages,
        request.bytes
    );
    canvas.svg.push_str(&format!(
        "<g class=\"request\" data-request=\"{}\" data-from=\"{}\" data-to=\"{over}\" tabindex=\"0\">\n",
        request.request, request.posted
    ));
    canvas.label("strong", 0, y + 15, &format!("request {}", request.request), &about);
    canvas.label(end, 82, y + 15, end, &about);
    canvas.label("end muted", PLOT.0 - 6, y + 15, &format!("at {}", name(run.geography, request.node)), &about);
    canvas.svg.push_str("</g>\n");
    canvas.plot(|canvas| {
        canvas.bar(&format!("life {end}"), span, (y + 9, 4), &about);
        for (from, to, _) in story::intervals(run.outcome).filter(|(.., core)| !core) {
            let (from, to) = (from.max(request.posted), to.min(over));
            if from < to {
                canvas.bar(
                    "waits",
                    (from, to),
                    (y + 5, 12),
                    &format!("waits: no live core, for {}", duration(to - from)),
                );
            }
        }
        for (symbol, at, title) in marks {
            canvas.mark(symbol, *at, y + 11, title);
        }
        let symbol = if request.latency.is_some() { "signed" } else { "unsigned" };
        canvas.mark(symbol, over, y + 11, &about);
        canvas.note(end, span, y + 15, &story);
    });
}

/// What was said and done about each request, in one walk over the ledger.
fn marks(run: &Run<'_>) -> BTreeMap<SubjectId, Vec<(&'static str, Micros, String)>> {
    let mut marks: BTreeMap<SubjectId, Vec<(&'static str, Micros, String)>> = BTreeMap::new();
    for entry in run.history {
        let at = duration(entry.at);
        let node = entry.process.map(|process| name(run.geography, process.node)).unwrap_or_default();
        let (subject, symbol, title) = match &entry.what {
            What::Posted { subject, .. } => (subject, "posted", format!("{at}: posted at {node}")),
            What::Released { subject, again: false, .. } => {
                (subject, "share", format!("{at}: {node} releases a share"))
            }
            What::Observed(Observation::Subject { subject, state, code }) => {
                let code = code.map(|code| format!(", {}", code.as_str())).unwrap_or_default();
                let symbol = match *state {
                    "willing" => "willing",
                    "declined" | "not-yet" => "says",
                    _ => continue,
                };
                (subject, symbol, format!("{at}: {node} is {state}{code}"))
            }
            What::Observed(Observation::AttemptOpened { subject, attempt, signers }) => {
                let signers: Vec<_> = signers.iter().map(|node| name(run.geography, *node)).collect();
                (subject, "attempt", format!("{at}: {node} opens attempt {attempt} with {}", signers.join(" ")))
            }
            _ => continue,
        };
        marks.entry(*subject).or_default().push((symbol, entry.at, title));
    }
    marks
}
