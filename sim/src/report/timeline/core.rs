//! The strip of the live core: how many nodes could sign together at each time, against t.

use super::draw::{Canvas, PLOT};
use crate::report::{Run, duration, story};
use crate::scenario::Micros;
use crate::verdict::CoreSize;

const HEIGHT: u64 = 62;

/// Draws the strip from `top` on, and says where it ends.
pub(super) fn draw(canvas: &mut Canvas, run: &Run<'_>, top: u64) -> u64 {
    let bottom = top + HEIGHT;
    let n = (run.geography.places().len() as u64).max(1);
    let t = u64::from(run.outcome.scenario.key.threshold);
    let height = |nodes: u64| nodes.min(n) * (HEIGHT - 18) / n;
    canvas.label(
        "strong",
        0,
        top + 30,
        "live core",
        "the largest set of honest nodes that are up, reach each other and may sign",
    );
    canvas.label("muted", 0, top + 45, "nodes that could sign together", "");
    canvas.label("end", PLOT.0 - 6, bottom - height(t) + 4, &format!("t = {t}"), "");
    if run.outcome.cores.is_empty() {
        canvas.label("muted", PLOT.0 + 8, top + 13, "not computed in this run", "");
    }
    canvas.plot(|canvas| {
        for (size, to) in sizes(run) {
            let nodes = u64::from(size.nodes);
            let class = if size.eligible { "core able" } else { "core unable" };
            let can = if size.eligible { "a signature is possible" } else { "no signature is possible" };
            let title = format!("{nodes} of {n} nodes, t = {t}: {can}, for {}", duration(to - size.at));
            // A core of nobody is a line, so that it can be told from no data.
            let height = height(nodes).max(2);
            canvas.bar(class, (size.at, to), (bottom - height, height), &title);
            canvas.inside(if size.eligible { "able" } else { "unable" }, (size.at, to), bottom - 5, &nodes.to_string());
        }
        for (from, to, _) in story::intervals(run.outcome).filter(|(.., core)| !core) {
            canvas.inside("unable", (from, to), top + 13, "no signature possible");
        }
    });
    canvas.rule("threshold", PLOT.0, bottom - height(t));
    bottom
}

/// A shade over everything below, wherever no signature was possible.
pub(super) fn shade(canvas: &mut Canvas, run: &Run<'_>, span: (u64, u64)) {
    canvas.plot(|canvas| {
        for (from, to, _) in story::intervals(run.outcome).filter(|(.., core)| !core) {
            canvas.bar("impossible", (from, to), span, "");
        }
    });
}

/// Each size with its end; equal neighbours are one.
fn sizes<'a>(run: &Run<'a>) -> Vec<(CoreSize, Micros)> {
    let mut sizes: Vec<(CoreSize, Micros)> = Vec::new();
    let ends = run.outcome.cores.iter().skip(1).map(|next| next.at).chain([run.outcome.ended]);
    for (size, end) in run.outcome.cores.iter().zip(ends) {
        let end = end.max(size.at);
        match sizes.last_mut() {
            Some((last, to)) if (last.nodes, last.eligible) == (size.nodes, size.eligible) => *to = end,
            _ => sizes.push((*size, end)),
        }
    }
    sizes
}
