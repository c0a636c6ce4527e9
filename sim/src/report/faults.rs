//! Faults as a reader sees them: a title, and the nodes that they touch.

use super::{Run, duration, name};
use crate::history::What;
use crate::scenario::{FaultKind, Micros};
use firn_proto::NodeId;

/// What a fault does to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// Links.
    Network,
    /// The nodes are still: drawn as a gap in their lanes.
    Pause,
    /// The nodes stop, which the ledger says itself.
    Stop,
    /// Processes, disks, clocks, entropy or the chain of single nodes.
    Node,
}

/// A fault, ready to be drawn.
pub(super) struct Face {
    pub(super) sort: Sort,
    /// What it is.
    pub(super) what: String,
    /// Whom it touches.
    pub(super) whom: String,
    /// The groups of a partition, the two sides of a link fault, or the nodes touched.
    pub(super) groups: Vec<Vec<NodeId>>,
}

/// When a fault was on.
pub(super) struct Span {
    pub(super) fault: usize,
    pub(super) from: Micros,
    pub(super) to: Micros,
    /// It never ended.
    pub(super) for_ever: bool,
}

/// All times in which faults were on, from the ledger: triggers and repetitions included.
pub(super) fn spans(run: &Run<'_>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for entry in run.history {
        match entry.what {
            What::FaultBegins { fault } => {
                spans.push(Span { fault, from: entry.at, to: run.outcome.ended, for_ever: true });
            }
            What::FaultEnds { fault } => {
                if let Some(span) = spans.iter_mut().rev().find(|span| span.fault == fault && span.for_ever) {
                    span.to = entry.at;
                    span.for_ever = false;
                }
            }
            _ => {}
        }
    }
    spans
}

/// Words and nodes of a fault.
pub(super) fn face(run: &Run<'_>, kind: &FaultKind) -> Face {
    let list = |nodes: &[NodeId]| nodes.iter().map(|node| name(run.geography, *node)).collect::<Vec<_>>().join(" ");
    if let FaultKind::Partition { groups } = kind {
        let sides: Vec<_> = groups.iter().map(|group| list(group)).collect();
        return Face {
            sort: Sort::Network,
            what: "partition".to_owned(),
            whom: sides.join("  |  "),
            groups: groups.clone(),
        };
    }
    if let Some((what, arrow, from, to)) = links(kind) {
        let whom = format!("{} {arrow} {}", list(from), list(to));
        return Face { sort: Sort::Network, what, whom, groups: vec![from.to_vec(), to.to_vec()] };
    }
    let (what, nodes) = nodes(kind);
    let sort = match kind {
        FaultKind::Pause { .. } => Sort::Pause,
        FaultKind::Crash { .. } | FaultKind::Rolling { .. } => Sort::Stop,
        _ => Sort::Node,
    };
    Face { sort, what, whom: list(&nodes), groups: vec![nodes] }
}

fn links(kind: &FaultKind) -> Option<(String, &'static str, &[NodeId], &[NodeId])> {
    let percent = |rate: u32| format!("{}.{} %", rate / 10_000, rate / 1_000 % 10);
    Some(match kind {
        FaultKind::OneWay { from, to } => ("cut one way".to_owned(), "\u{2192}", from, to),
        FaultKind::Flapping { from, to, period } => {
            (format!("flapping every {}", duration(*period)), "\u{2194}", from, to)
        }
        FaultKind::Jam { from, to } => ("jammed".to_owned(), "\u{2192}", from, to),
        FaultKind::Slow { from, to, percent } => {
            (format!("slow x{}", super::hundredths(u64::from(*percent))), "\u{2192}", from, to)
        }
        FaultKind::Lossy { from, to, loss } => (format!("loses {}", percent(loss.rate)), "\u{2192}", from, to),
        FaultKind::Bandwidth { from, to, bytes_per_second } => {
            (format!("{bytes_per_second} bytes/s"), "\u{2192}", from, to)
        }
        FaultKind::Filter { from, to, message } => (format!("loses every {message}"), "\u{2192}", from, to),
        FaultKind::Duplicate { from, to, rate } => (format!("duplicates {}", percent(*rate)), "\u{2192}", from, to),
        FaultKind::Reorder { from, to, rate } => (format!("reorders {}", percent(*rate)), "\u{2192}", from, to),
        FaultKind::Reset { from, to } => ("reset".to_owned(), "\u{2194}", from, to),
        _ => return None,
    })
}

fn nodes(kind: &FaultKind) -> (String, Vec<NodeId>) {
    match kind {
        FaultKind::Swizzle { nodes } => ("cut off one by one".to_owned(), nodes.clone()),
        FaultKind::Crash { nodes } => ("crash".to_owned(), nodes.clone()),
        FaultKind::Rolling { nodes } => ("rolling restart".to_owned(), nodes.clone()),
        FaultKind::Pause { nodes } => ("paused".to_owned(), nodes.clone()),
        FaultKind::SlowCpu { nodes, step } => (format!("slow CPU, {} a step", duration(*step)), nodes.clone()),
        FaultKind::Rollback { node, image } => (format!("disk rolled back to {}", duration(*image)), vec![*node]),
        FaultKind::Twin { node } => ("cold twin".to_owned(), vec![*node]),
        FaultKind::Wipe { node } => ("disk lost".to_owned(), vec![*node]),
        FaultKind::SlowDisk { nodes, sync } => (format!("slow disk, {} a sync", duration(*sync)), nodes.clone()),
        FaultKind::LyingSync { nodes } => ("lying fsync".to_owned(), nodes.clone()),
        FaultKind::DiskFull { nodes } => ("disk full".to_owned(), nodes.clone()),
        FaultKind::BitFlip { node } => ("bit flip on disk".to_owned(), vec![*node]),
        FaultKind::ClockOffset { nodes, offset_ms } => (format!("clock off by {offset_ms} ms"), nodes.clone()),
        FaultKind::ClockDrift { nodes, ppm } => (format!("clock drifts by {ppm} ppm"), nodes.clone()),
        FaultKind::ClockFreeze { nodes } => ("clock stands still".to_owned(), nodes.clone()),
        FaultKind::EntropyRepeat { node } => ("entropy repeats".to_owned(), vec![*node]),
        FaultKind::ChainDown { nodes } => ("chain endpoint down".to_owned(), nodes.clone()),
        FaultKind::ChainLag { nodes, by } => (format!("chain {} behind", duration(*by)), nodes.clone()),
        FaultKind::Reorg { depth } => (format!("{depth} blocks replaced"), Vec::new()),
        FaultKind::LyingEndpoint { nodes, .. } => ("lying chain endpoint".to_owned(), nodes.clone()),
        FaultKind::MuddledOutcomes { nodes } => ("outcomes of submissions unsure".to_owned(), nodes.clone()),
        other => (other.name().to_owned(), Vec::new()),
    }
}
