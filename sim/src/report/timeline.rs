//! `timeline.html`: a run to look at. One file, no network: the strip of the live core against t, the faults, a lane for
//! each node by region, organisation and name, and one for each request. It reads without its script, which adds zoom,
//! messages and hints.

use super::record::Record;
use super::{Run, escape, name};
use crate::scenario::Micros;
use draw::{Canvas, PLOT};
use std::collections::BTreeMap;
use std::fmt::Write as _;

mod core;
mod draw;
mod lanes;
mod messages;
mod requests;

const STYLE: &str = include_str!("timeline/page.css");
const SCRIPT: &str = include_str!("timeline/page.js");
const SYMBOLS: &str = include_str!("timeline/symbols.svg");

/// Height of the time axis.
const AXIS: u64 = 26;

/// The picture matters more than a tenth violation of one cause.
const VIOLATIONS_MAX: usize = 5;

/// The page of a run. It needs the whole ledger.
#[must_use]
pub fn timeline(run: &Run<'_>) -> String {
    let mut canvas = Canvas::new(run.outcome.ended);
    let core = core::draw(&mut canvas, run, AXIS);
    let faults = lanes::faults(&mut canvas, run, core + 12);
    let (lanes, tops) = lanes::nodes(&mut canvas, run, faults + 14);
    let bottom = requests::draw(&mut canvas, run, lanes + 14) + 6;
    let mut axis = Canvas::new(run.outcome.ended);
    core::shade(&mut axis, run, (AXIS, bottom - AXIS));
    ticks(&mut axis, bottom);
    let record = Record::new(run);
    let scenario = &run.outcome.scenario;
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = write!(
        page,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{} seed {}: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&scenario.name),
        scenario.seed,
        record.verdict
    );
    page.push_str(&head(run, &record));
    page.push_str(&key(&canvas.svg));
    let (left, width) = PLOT;
    let _ = write!(
        page,
        "<div id=\"frame\">\n<svg id=\"timeline\" viewBox=\"0 0 {} {bottom}\" data-left=\"{left}\" data-width=\"{width}\" role=\"img\" aria-label=\"Timeline\">\n{SYMBOLS}<clipPath id=\"plot\"><rect x=\"{left}\" y=\"0\" width=\"{width}\" height=\"{bottom}\"/></clipPath>\n",
        left + width + 10
    );
    page.push_str(&axis.svg);
    page.push_str(&canvas.svg);
    let _ = write!(
        page,
        "<g id=\"messages\" clip-path=\"url(#plot)\"></g>\n<rect id=\"chosen\" y=\"{AXIS}\" height=\"{}\" width=\"0\"/>\n<line id=\"cursor\" y1=\"{AXIS}\" y2=\"{bottom}\"/>\n</svg>\n</div>\n<div id=\"tip\" hidden></div>\n",
        bottom - AXIS
    );
    let _ = write!(
        page,
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        messages::data(run, &tops)
    );
    page
}

/// What ran, what came of it, and how to see it again.
fn head(run: &Run<'_>, record: &Record) -> String {
    let scenario = &run.outcome.scenario;
    let good = if record.failed() { "bad" } else { "good" };
    let mut head = format!(
        "<header>\n<h1>{} <span class=\"verdict {good}\">{}</span></h1>\n<p class=\"about\">{}</p>\n<dl>\n",
        escape(&scenario.name),
        record.verdict,
        escape(&scenario.about)
    );
    let percent = record.availability.signed_percent.map_or_else(|| "no requests".to_owned(), |p| format!("{p:.0} %"));
    let (latency, cost) = (&record.latency, &record.cost);
    let facts = [
        ("threshold", format!("{} of {}", record.threshold, record.nodes)),
        ("requests signed", format!("{} of {} ({percent})", record.ended("signed"), record.requests.len())),
        ("signing was possible", together(&[(record.availability.core_percent, 1, "% of the time")])),
        ("latency, median", together(&[(latency.p50_ms, 0, "ms"), (latency.p50_floors, 2, "floors")])),
        ("latency, 99 %", together(&[(latency.p99_ms, 0, "ms"), (latency.p99_floors, 2, "floors")])),
        ("per signature", together(&[(cost.messages, 0, "messages"), (cost.attempts, 1, "attempts")])),
        ("simulated", super::duration(run.outcome.ended)),
    ];
    for (term, fact) in facts {
        let _ = writeln!(head, "<div><dt>{term}</dt><dd>{}</dd></div>", escape(&fact));
    }
    head.push_str("</dl>\n");
    for violation in run.outcome.violations.iter().take(VIOLATIONS_MAX) {
        let node = violation.node.map(|node| format!(" on {}", name(run.geography, node))).unwrap_or_default();
        let text = format!("{} at {}{node}: {}", violation.id, super::duration(violation.at), violation.detail);
        let _ = writeln!(head, "<p class=\"violation\">{}</p>", escape(&text));
    }
    if let Some(more) = run.outcome.violations.len().checked_sub(VIOLATIONS_MAX).filter(|more| *more > 0) {
        let _ = writeln!(head, "<p class=\"violation\">and {more} more, in report.json</p>");
    }
    if let Some(note) = run.note {
        let _ = writeln!(head, "<p class=\"violation\">{}</p>", escape(note));
    }
    let again = "<p class=\"again\">again: <code>";
    let digest: String = record.digest.chars().take(18).collect();
    let _ = write!(head, "{again}{}</code> \u{b7} digest {digest}\u{2026}</p>\n</header>\n", escape(run.reproduce));
    head + TOOLS
}

/// Numbers with their units, as far as there are any.
fn together(numbers: &[(Option<f64>, usize, &str)]) -> String {
    let known = numbers.iter().filter_map(|(number, digits, unit)| Some(format!("{:.digits$} {unit}", (*number)?)));
    let known: Vec<_> = known.collect();
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

const TOOLS: &str = "<nav id=\"tools\" hidden><button id=\"out\" title=\"wider\">\u{2212}</button><button id=\"in\" title=\"closer\">+</button>\
<button id=\"back\" title=\"earlier\">\u{25c0}</button><button id=\"forth\" title=\"later\">\u{25b6}</button><button id=\"fit\">whole run</button> \
<span id=\"shown\"></span> <span class=\"hint\">drag over a time to zoom in, click a request to see its messages</span></nav>\n";

/// The marks that occur in this run, with their meaning.
fn key(drawn: &str) -> String {
    let meanings = [
        ("posted", "request posted"),
        ("willing", "a member is willing"),
        ("says", "a member is not willing (yet)"),
        ("attempt", "attempt opened"),
        ("share", "share released"),
        ("signed", "signature known"),
        ("unsigned", "over without a signature"),
        ("stopped", "process stops"),
        ("misbehaved", "corrupted node acts"),
        ("evidence", "proof of a fault"),
        ("phase", "phase of key generation"),
        ("ended", "key generation failed"),
    ];
    let mut key = String::from("<p class=\"key\">");
    for (symbol, meaning) in meanings.iter().filter(|(symbol, _)| drawn.contains(&format!("href=\"#{symbol}\""))) {
        let _ = write!(
            key,
            "<span><svg viewBox=\"-8 -10 16 20\"><use href=\"#{symbol}\" class=\"{symbol}\"/></svg>{meaning}</span>"
        );
    }
    key + "</p>\n"
}

/// The axis: about ten ticks, each with a line to the bottom.
fn ticks(canvas: &mut Canvas, bottom: u64) {
    let steps: Vec<Micros> = (0..9).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power + 3))).collect();
    let step = steps.into_iter().find(|step| canvas.ended() / step <= 12).unwrap_or_else(|| canvas.ended());
    let mut svg = String::from("<g id=\"axis\">\n");
    for at in (0..=canvas.ended()).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let x = canvas.x(at);
        let seconds = if step >= 1_000_000 {
            format!("{} s", at / 1_000_000)
        } else {
            format!("{}.{:03} s", at / 1_000_000, at / 1_000 % 1_000)
        };
        let _ = writeln!(
            svg,
            "<line class=\"tick\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{bottom}\"/><text class=\"tick\" x=\"{x}\" y=\"{}\">{seconds}</text>",
            AXIS - 6,
            AXIS - 11
        );
    }
    canvas.svg.push_str(&svg);
    canvas.svg.push_str("</g>\n");
}

/// The middle of each node's lane.
#[derive(Default)]
struct Tops(BTreeMap<firn_proto::NodeId, u64>);
