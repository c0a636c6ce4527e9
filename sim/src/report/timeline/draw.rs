//! Pieces of SVG. Whatever has a place in time carries it in `data-t` and `data-u`, so that the page's script can zoom.

use crate::report::{escape, hundredths};
use crate::scenario::Micros;
use std::fmt::Write as _;

/// Where the plot begins, right of the labels, and how wide it is.
pub(super) const PLOT: (u64, u64) = (230, 1_000);

/// An SVG in the making.
pub(super) struct Canvas {
    pub(super) svg: String,
    ended: Micros,
}

impl Canvas {
    pub(super) fn new(ended: Micros) -> Self {
        Self { svg: String::new(), ended: ended.max(1) }
    }

    pub(super) fn ended(&self) -> Micros {
        self.ended
    }

    /// Hundredths of a pixel from the left.
    fn position(&self, at: Micros) -> u64 {
        let along = u128::from(at.min(self.ended)) * u128::from(PLOT.1) * 100 / u128::from(self.ended);
        PLOT.0 * 100 + u64::try_from(along).unwrap_or_default()
    }

    /// The place of a moment, in pixels.
    pub(super) fn x(&self, at: Micros) -> String {
        hundredths(self.position(at))
    }

    pub(super) fn width(&self, from: Micros, to: Micros) -> u64 {
        self.position(to).saturating_sub(self.position(from)) / 100
    }

    /// A bar over a time.
    pub(super) fn bar(&mut self, class: &str, (from, to): (Micros, Micros), (y, height): (u64, u64), title: &str) {
        let width = hundredths((self.position(to) - self.position(from).min(self.position(to))).max(100));
        let _ = writeln!(
            self.svg,
            "<rect class=\"{class}\" data-t=\"{from}\" data-u=\"{to}\" x=\"{}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">{}</rect>",
            self.x(from),
            titled(title)
        );
    }

    /// A mark at a moment. The symbols are defined in the page.
    pub(super) fn mark(&mut self, symbol: &str, at: Micros, y: u64, title: &str) {
        let _ = writeln!(
            self.svg,
            "<use href=\"#{symbol}\" class=\"{symbol}\" data-t=\"{at}\" x=\"{}\" y=\"{y}\">{}</use>",
            self.x(at),
            titled(title)
        );
    }

    /// Text beside a time: right of it, or left of it where the page ends too early.
    pub(super) fn note(&mut self, class: &str, (from, to): (Micros, Micros), y: u64, text: &str) {
        let right = self.position(to) / 100 + 8;
        let room = PLOT.0 + PLOT.1 - right.min(PLOT.0 + PLOT.1);
        let (x, anchor) = match room >= text.chars().count() as u64 * 6 {
            true => (right, "start"),
            false => (self.position(from) / 100 - 8, "end"),
        };
        let _ = writeln!(
            self.svg,
            "<text class=\"note {class}\" data-t=\"{from}\" data-u=\"{to}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }

    /// Text in the middle of a time, where there is room for it.
    pub(super) fn inside(&mut self, class: &str, (from, to): (Micros, Micros), y: u64, text: &str) {
        let middle = from + to.saturating_sub(from) / 2;
        let needed = text.chars().count() as u64 * 6 + 8;
        let hidden = if self.width(from, to) < needed { " style=\"display:none\"" } else { "" };
        let _ = writeln!(
            self.svg,
            "<text class=\"inside {class}\" data-t=\"{from}\" data-u=\"{to}\" data-w=\"{needed}\" x=\"{}\" y=\"{y}\"{hidden}>{}</text>",
            self.x(middle),
            escape(text)
        );
    }

    /// Text in the column of labels.
    pub(super) fn label(&mut self, class: &str, x: u64, y: u64, text: &str, title: &str) {
        let _ = writeln!(
            self.svg,
            "<text class=\"label {class}\" x=\"{x}\" y=\"{y}\">{}{}</text>",
            escape(text),
            titled(title)
        );
    }

    /// A line from `left` to the end of the plot.
    pub(super) fn rule(&mut self, class: &str, left: u64, y: u64) {
        let _ = writeln!(
            self.svg,
            "<line class=\"{class}\" x1=\"{left}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>",
            PLOT.0 + PLOT.1
        );
    }

    /// Opens the part that is cut off at the edges of the plot.
    pub(super) fn plot(&mut self, draw: impl FnOnce(&mut Self)) {
        self.svg.push_str("<g clip-path=\"url(#plot)\">\n");
        draw(self);
        self.svg.push_str("</g>\n");
    }
}

fn titled(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}
