//! Whether a finished run came out as its scenario says, and the exit code for it.

use crate::run::Finished;
use crate::scenario::quantity::{write_factor, write_share};
use crate::verdict::{End, Exit, RequestReport, Violation};

impl Finished {
    /// The worst thing about the run. What the scenario expects and did not get becomes a violation called `EXPECT`.
    pub fn judge(&mut self) -> Exit {
        let missed = missed(self);
        let expected = &self.outcome.scenario.expect.violates;
        let unexpected = |id: &str| !expected.iter().any(|known| known == id);
        let ids: Vec<_> = self.outcome.violations.iter().map(|one| one.id).filter(|id| unexpected(id)).collect();
        let silent = expected.iter().any(|id| self.outcome.violations.iter().all(|one| one.id != id));
        let probes = &self.outcome.probes;
        let dark = |probe: &String| probes.get(probe).is_none_or(|count| *count == 0);
        let exit = if ids.contains(&"SCENARIO") {
            Exit::BadScenario
        } else if silent || ids.iter().any(|id| *id != "L1") {
            Exit::Safety
        } else if !ids.is_empty() || !missed.is_empty() {
            Exit::Liveness
        } else if self.outcome.scenario.expect.probes.iter().any(dark) {
            Exit::ProbeMissing
        } else {
            Exit::Pass
        };
        let at = self.outcome.ended;
        let expectation = |detail| Violation { id: "EXPECT", at, node: None, detail };
        self.outcome.violations.extend(missed.into_iter().map(expectation));
        exit
    }
}

/// Expectations that were not met. Where there is nothing to measure, nothing is met.
fn missed(finished: &Finished) -> Vec<String> {
    let expect = &finished.outcome.scenario.expect;
    let requests = &finished.outcome.requests;
    let mut missed = Vec::new();
    let signed = requests.iter().filter(|request| request.end == End::Signed).count();
    let share = (signed * 1_000_000).checked_div(requests.len());
    let share = share.map(|share| u32::try_from(share).unwrap_or(u32::MAX));
    let seen = match share {
        Some(_) => format!("{signed} of {} requests were signed", requests.len()),
        None => "no request was posted".to_owned(),
    };
    if let Some(least) = expect.signed_min.filter(|least| share.is_none_or(|share| share < *least)) {
        missed.push(format!("{seen}, expected signed >= {}", write_share(least)));
    }
    if let Some(most) = expect.signed_max.filter(|most| share.is_none_or(|share| share > *most)) {
        missed.push(format!("{seen}, expected signed <= {}", write_share(most)));
    }
    for (percent, most) in [(50, expect.p50_floors_max), (99, expect.p99_floors_max)] {
        let Some(most) = most else { continue };
        let seen = match percentile(requests, percent) {
            Some(seen) if seen <= u64::from(most) => continue,
            Some(seen) => format!("is {} floor", write_factor(u32::try_from(seen).unwrap_or(u32::MAX))),
            None => "has no sample, as no signature came to where its request was posted".to_owned(),
        };
        missed.push(format!("p{percent} of latency {seen}, expected <= {} floor", write_factor(most)));
    }
    let (epoch, holding) = (finished.outcome.epoch, finished.outcome.holding.len());
    if let Some(least) = expect.epochs_min.filter(|least| epoch < u32::from(*least)) {
        missed.push(format!("{epoch} epochs follow the first, expected >= {least}"));
    }
    if let Some(least) = expect.keys_active_min.filter(|least| holding < usize::from(*least)) {
        missed.push(format!("{holding} nodes hold a share of the newest epoch, expected >= {least}"));
    }
    missed
}

/// Latency at the node that was asked, in hundredths of the floor.
fn percentile(requests: &[RequestReport], percent: usize) -> Option<u64> {
    let floors = |request: &RequestReport| (request.latency_at_node? * 100).checked_div(request.floor);
    let mut all: Vec<_> = requests.iter().filter_map(floors).collect();
    all.sort_unstable();
    let rank = (all.len() * percent).div_ceil(100).max(1);
    all.get(rank - 1).copied()
}
