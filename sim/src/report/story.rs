//! What became of a request, and why it took so long, in a sentence.

use super::{duration, floors, hundredths};
use crate::geography::places;
use crate::scenario::Micros;
use crate::verdict::{End, Outcome, RequestReport};

/// How a request ended, as a word, and its reason where it has one.
pub(super) fn end(end: &End) -> (&'static str, Option<String>) {
    match end {
        End::Signed => ("signed", None),
        End::Refused(code) => ("refused", Some(code.as_str().to_owned())),
        End::Expired => ("expired", None),
        End::Excused(reason) => ("excused", Some((*reason).to_owned())),
        End::Violated => ("violated", None),
    }
}

/// In a sentence, which begins with where it was posted if that is not where it was wanted.
pub(super) fn story(outcome: &Outcome, request: &RequestReport) -> String {
    let became = became(outcome, request);
    if request.node == request.wanted {
        return became;
    }
    let places = places(&outcome.scenario.organisations);
    let [wanted, node] = [request.wanted, request.node]
        .map(|node| places.get(&node).map_or_else(|| format!("node {node}"), |place| place.name.clone()));
    format!("{wanted} did not answer, posted at {node}: {became}")
}

fn became(outcome: &Outcome, request: &RequestReport) -> String {
    let (core, bound) = (duration(request.core), duration(request.bound));
    match &request.end {
        End::Signed => signed(outcome, request),
        End::Refused(code) => format!("refused: {}", code.as_str()),
        End::Expired if request.core == 0 => {
            format!("expired: no live core knew it in all its {}", duration(request.deadline))
        }
        End::Expired => format!("expired: the longest live core that knew it lasted {core}, bound {bound}"),
        End::Excused(reason) => format!("not signed, excused: {reason}"),
        End::Violated if request.latency.is_some() => {
            format!("{}, but NOT KNOWN to all of a live core within {bound}", signed(outcome, request))
        }
        End::Violated => format!("NOT SIGNED although a live core lasted {core}, bound {bound}"),
    }
}

fn signed(outcome: &Outcome, request: &RequestReport) -> String {
    let Some(latency) = request.latency_at_node.or(request.latency) else { return "signed".to_owned() };
    let at = request.posted.saturating_add(latency);
    let waited = without_core(outcome, request);
    let back = intervals(outcome).filter(|(begin, _, core)| *core && (request.posted..=at).contains(begin)).last();
    match back {
        Some((back, ..)) if waited > 0 => format!(
            "signed after {}: no live core for {}, then within {}",
            duration(latency),
            duration(waited),
            duration(at - back)
        ),
        _ => {
            let multiple = floors(latency, request.floor).map(|floors| format!(", {} floors", hundredths(floors)));
            format!("signed after {}{}", duration(latency), multiple.unwrap_or_default())
        }
    }
}

/// When a request was over: signed where it was posted, or past its deadline, or the run had ended.
pub(super) fn over(outcome: &Outcome, request: &RequestReport) -> Micros {
    let open = request.latency_at_node.or(request.latency).unwrap_or(request.deadline);
    request.posted.saturating_add(open).min(outcome.ended.max(request.posted))
}

/// For how long there was no live core while a request was open.
pub(super) fn without_core(outcome: &Outcome, request: &RequestReport) -> Micros {
    let over = over(outcome, request);
    if outcome.cores.is_empty() {
        return 0;
    }
    (over - request.posted).saturating_sub(with_core(outcome, request.posted, over))
}

/// For how long there was a live core in a part of the run.
pub(super) fn with_core(outcome: &Outcome, from: Micros, to: Micros) -> Micros {
    let cores = intervals(outcome).filter(|(.., core)| *core);
    cores.map(|(begin, end, _)| end.min(to).saturating_sub(begin.max(from))).sum()
}

/// The strip of the live core: from, to, and whether a signature was possible. Neighbours that agree are one.
pub(super) fn intervals(outcome: &Outcome) -> impl Iterator<Item = (Micros, Micros, bool)> + '_ {
    let mut rest = outcome.cores.iter().peekable();
    std::iter::from_fn(move || {
        let first = rest.next()?;
        while rest.next_if(|next| next.eligible == first.eligible).is_some() {}
        let end = rest.peek().map_or(outcome.ended, |next| next.at);
        Some((first.at, end.max(first.at), first.eligible))
    })
}
