//! The gate of the AVS: slashes are scheduled on chain, wait there, and are executed unless somebody cancels them
//! (docs/adr/0021-two-payloads.md).

use super::parse::{keys, share};
use super::problem::Problem;
use super::quantity::{write_duration, write_share};
use super::read::Value;
use super::write::{Lines, list, quoted};
use super::{Micros, Ppm, Scenario};
use firn_coordinator::limits::{EXECUTION_SECONDS, FINALITY_SECONDS};

/// How long what is ready can be executed, where a file does not say: OpenZeppelin's AccessManager has a week.
const EXPIRES: Micros = 7 * 86_400_000_000;

/// What the chain's delay adds to a deadline beside itself: the finality of its end, and signing twice.
const MARGIN: Micros = (FINALITY_SECONDS + 2 * EXECUTION_SECONDS) * 1_000_000;

/// A gate, and who stands at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gate {
    /// How long what is scheduled waits.
    pub delay: Micros,
    /// How long it can be executed from then on.
    pub expires: Micros,
    /// What is cancelled on chain.
    pub cancels: Vec<Cancel>,
    /// A request and its rival have nonces of their own and one piece of evidence.
    pub shared_evidence: bool,
}

/// A cancellation on chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancel {
    /// Of which requests.
    pub which: Which,
    /// How long after they were scheduled.
    pub after: Micros,
}

/// Some of the requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one that is posted as the how-manieth of all: 1 and up.
    Request(u32),
    /// Each with this probability.
    Share(Ppm),
}

pub(super) fn gate(value: &Value<'_>) -> Result<Gate, Problem> {
    let section = value.section(keys("gate"))?;
    let cancel = |value: &Value<'_>| {
        let section = value.section(keys("gate.cancels"))?;
        let request = section.get("request", |value| value.integer(1, 100_000))?;
        let which = match (request, section.get("share", share)?) {
            (Some(request), None) => Which::Request(request),
            (None, Some(share)) => Which::Share(share),
            _ => return Err(section.problem("SCENARIO_VALUE", "write either `request` or `share`")),
        };
        Ok(Cancel { which, after: section.need("after", Value::duration)? })
    };
    Ok(Gate {
        delay: section.need("delay", seconds)?,
        expires: section.get("expires", seconds)?.unwrap_or(EXPIRES),
        cancels: section.get("cancels", |value| value.list()?.iter().map(cancel).collect())?.unwrap_or_default(),
        shared_evidence: section.get("shared_evidence", Value::boolean)?.unwrap_or_default(),
    })
}

/// The chain counts in whole seconds, and without a delay nothing could be cancelled.
fn seconds(value: &Value<'_>) -> Result<Micros, Problem> {
    let whole = |text: &str| super::quantity::duration(text).filter(|time| *time > 0 && time.is_multiple_of(1_000_000));
    value.quantity("a time above zero in whole seconds like \"60s\"", whole)
}

impl Gate {
    /// With this delay, and nobody who cancels.
    #[must_use]
    pub fn new(delay: Micros) -> Self {
        Self { delay, expires: EXPIRES, cancels: Vec::new(), shared_evidence: false }
    }

    pub(super) fn write(&self, out: &mut Lines) {
        out.head("[gate]");
        out.text("delay", &write_duration(self.delay));
        if self.expires != EXPIRES {
            out.text("expires", &write_duration(self.expires));
        }
        if !self.cancels.is_empty() {
            out.pair("cancels", list(self.cancels.iter().map(Cancel::write)));
        }
        if self.shared_evidence {
            out.pair("shared_evidence", true);
        }
    }
}

impl Cancel {
    fn write(&self) -> String {
        let which = match self.which {
            Which::Request(request) => format!("request = {request}"),
            Which::Share(share) => format!("share = {}", quoted(&write_share(share))),
        };
        format!("{{ {which}, after = {} }}", quoted(&write_duration(self.after)))
    }
}

impl Scenario {
    /// What the gate takes of a request's time: its deadline is so much later than it would be without.
    #[must_use]
    pub fn gate_time(&self) -> Micros {
        self.gate.as_ref().map_or(0, |gate| gate.delay.saturating_add(MARGIN))
    }
}
