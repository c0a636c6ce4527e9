//! The schedule of faults: when each begins and ends, and what it does to processes.

use super::disk::Disk;
use super::process::{Boot, Doing, Process};
use super::trouble::Active;
use super::{Occurrence, World};
use crate::history::{ProcessId, What};
use crate::scenario::{FaultKind, Micros, Moment, Point};
use crate::seeded::Bug;
use firn_coordinator::api::Event;
use firn_proto::NodeId;

/// What a fault does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// It begins.
    Begin,
    /// It ends.
    End,
    /// The disk is copied.
    Image,
    /// The kth node of a rolling restart stops.
    Stop(usize),
    /// The kth node of a rolling restart starts.
    Start(usize),
}

/// How long a process is down that a fault has stopped without saying how long.
const RESTART: Micros = 2_000_000;

/// How long a rolling restart takes that says nothing about it.
const ROLLING: Micros = 60_000_000;

impl World {
    pub(super) fn queue_faults(&mut self) {
        for (fault, wanted) in self.scenario.faults.clone().into_iter().enumerate() {
            if let FaultKind::Rollback { image, .. } = wanted.kind {
                self.at(image, Occurrence::Fault { fault, step: Step::Image });
            }
            if let Moment::At(at) = wanted.begin {
                self.at(at, Occurrence::Fault { fault, step: Step::Begin });
            }
        }
    }

    pub(super) fn fault(&mut self, fault: usize, step: Step) {
        let Some(kind) = self.scenario.faults.get(fault).map(|fault| fault.kind.clone()) else { return };
        let rolling = |k: usize| match &kind {
            FaultKind::Rolling { nodes } => nodes.get(k).map(|node| ProcessId { node: *node, twin: 0 }),
            _ => None,
        };
        match step {
            Step::Begin => self.begin_fault(fault),
            Step::End => self.end_fault(fault),
            Step::Image => {
                if let FaultKind::Rollback { node, .. } = kind {
                    let image = self.node(node).map(|process| process.disk.recoverable().clone());
                    self.trouble.images.extend(image.map(|image| (fault, image)));
                }
            }
            Step::Stop(k) => rolling(k).into_iter().for_each(|process| self.stop(process, "restart")),
            Step::Start(k) => rolling(k).into_iter().for_each(|process| self.start(process)),
        }
    }

    /// Something that can trigger faults has happened on a node.
    pub(super) fn point(&mut self, id: ProcessId, point: Point) {
        let count = self.trouble.points.entry((id.node, point)).or_default();
        *count += 1;
        let count = *count;
        if point == Point::Effect && self.options.crash_after == Some((id.node, u64::from(count))) {
            self.stop(id, "crash");
            self.after(RESTART, Occurrence::Start { process: id });
        }
        let due = |fault: &crate::scenario::Fault| fault.begin == Moment::When { node: id.node, point, count };
        let due: Vec<_> = self.scenario.faults.iter().enumerate().filter(|(_, fault)| due(fault)).collect();
        for fault in due.into_iter().map(|(index, _)| index).collect::<Vec<_>>() {
            self.begin_fault(fault);
        }
    }

    fn begin_fault(&mut self, fault: usize) {
        let Some(wanted) = self.scenario.faults.get(fault).cloned() else { return };
        let end = wanted.lasts.map(|lasts| self.now.saturating_add(lasts));
        self.trouble.active.insert(fault, Active { kind: wanted.kind.clone(), begin: self.now, end });
        self.record(None, What::FaultBegins { fault });
        if let Some(end) = end {
            self.at(end, Occurrence::Fault { fault, step: Step::End });
        }
        self.begin_links(&wanted.kind);
        self.begin_process(fault, &wanted.kind, wanted.lasts);
        self.begin_machine(&wanted.kind);
        self.begin_chain(&wanted.kind);
        let instant = matches!(
            wanted.kind,
            FaultKind::Reset { .. }
                | FaultKind::Rollback { .. }
                | FaultKind::Wipe { .. }
                | FaultKind::BitFlip { .. }
                | FaultKind::Reorg { .. }
        );
        if instant && end.is_none() {
            self.end_fault(fault);
        }
    }

    fn begin_links(&mut self, kind: &FaultKind) {
        match kind {
            FaultKind::Partition { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Flapping { .. }
            | FaultKind::Swizzle { .. } => self.links_changed(),
            FaultKind::Reset { from, to } => {
                let pairs = from.iter().flat_map(|a| to.iter().map(|b| (*a, *b)));
                for channel in pairs.flat_map(|(a, b)| self.channels_between(a, b)).collect::<Vec<_>>() {
                    self.reset(channel);
                }
            }
            _ => {}
        }
    }

    fn begin_process(&mut self, fault: usize, kind: &FaultKind, lasts: Option<Micros>) {
        let first = |node: &NodeId| ProcessId { node: *node, twin: 0 };
        let pause = lasts.unwrap_or(RESTART);
        match kind {
            FaultKind::Crash { nodes } => nodes.iter().for_each(|node| self.stop(first(node), "crash")),
            FaultKind::Rolling { nodes } => {
                let part = lasts.unwrap_or(ROLLING) / (nodes.len() as u64).max(1);
                for k in 0..nodes.len() {
                    self.after(part * k as u64, Occurrence::Fault { fault, step: Step::Stop(k) });
                    self.after(part * (k as u64 + 1), Occurrence::Fault { fault, step: Step::Start(k) });
                }
            }
            FaultKind::Pause { nodes } => nodes.iter().for_each(|node| self.pause(*node, true)),
            FaultKind::Rollback { node, .. } => {
                let image = self.trouble.images.get(&fault).cloned();
                self.replace_disk(first(node), pause, |disk| image.map_or(disk, Disk::of));
            }
            FaultKind::Wipe { node } => self.replace_disk(first(node), pause, |_| Disk::default()),
            FaultKind::BitFlip { node } => {
                let draw = self.source.number("bit", &[fault as u64]);
                self.replace_disk(first(node), pause, |mut disk| {
                    disk.flip(draw);
                    disk
                });
            }
            FaultKind::Twin { node } => {
                let copy = self.node(*node).map(|process| Disk::of(process.disk.recoverable().clone()));
                let twin = ProcessId { node: *node, twin: 1 };
                self.parked.extend(copy.map(|copy| (twin, copy)));
                self.start(twin);
            }
            _ => {}
        }
    }

    fn begin_machine(&mut self, kind: &FaultKind) {
        let now = self.now;
        match kind {
            FaultKind::LyingSync { nodes } => self.lie(nodes, true),
            FaultKind::ClockOffset { nodes, offset_ms } => {
                self.each_clock(nodes, |clock| clock.offset(*offset_ms));
            }
            FaultKind::ClockDrift { nodes, ppm } => self.each_clock(nodes, |clock| clock.drift(now, *ppm)),
            FaultKind::ClockFreeze { nodes } => self.each_clock(nodes, |clock| clock.freeze(Some(now))),
            _ => {}
        }
    }

    fn end_fault(&mut self, fault: usize) {
        let Some(Active { kind, .. }) = self.trouble.active.remove(&fault) else { return };
        let first = |node: &NodeId| ProcessId { node: *node, twin: 0 };
        let now = self.now;
        match &kind {
            FaultKind::Jam { from, to } => {
                from.iter().flat_map(|a| to.iter().map(|b| (*a, *b))).for_each(|way| self.let_go(way));
            }
            FaultKind::Crash { nodes } => nodes.iter().for_each(|node| self.start(first(node))),
            FaultKind::DiskFull { nodes } => nodes.iter().for_each(|node| self.start(first(node))),
            FaultKind::Pause { nodes } => nodes.iter().for_each(|node| self.pause(*node, false)),
            FaultKind::Twin { node } => self.stop(ProcessId { node: *node, twin: 1 }, "twin-ends"),
            FaultKind::LyingSync { nodes } => self.lie(nodes, false),
            FaultKind::ClockOffset { nodes, .. } => self.each_clock(nodes, |clock| clock.offset(0)),
            FaultKind::ClockDrift { nodes, .. } => self.each_clock(nodes, |clock| clock.drift(now, 0)),
            FaultKind::ClockFreeze { nodes } => self.each_clock(nodes, |clock| clock.freeze(None)),
            FaultKind::FinalityStall => {
                let stalled = self.trouble.kinds().any(|kind| *kind == FaultKind::FinalityStall);
                self.chain.stall(stalled);
            }
            _ => {}
        }
        self.links_changed();
        self.record(None, What::FaultEnds { fault });
    }

    /// Looks anew at which ways are cut.
    pub(super) fn links_changed(&mut self) {
        let nodes = self.nodes();
        let ways = nodes.iter().flat_map(|a| nodes.iter().filter(move |b| a != *b).map(move |b| (*a, *b)));
        let (lost, back) = self.trouble.refresh(self.now, self.source, ways);
        if !lost.is_empty() || !back.is_empty() {
            self.record(None, What::LinksChanged);
        }
        lost.into_iter().for_each(|(a, b)| self.doubt(a, b));
        back.into_iter().for_each(|way| self.let_go(way));
        let next = self.trouble.active.values().filter_map(|active| active.next_change(self.now)).min();
        // Several faults may ask for the same moment: looking twice does no harm.
        next.into_iter().for_each(|at| self.at(at, Occurrence::Links));
    }

    fn each_clock(&mut self, nodes: &[NodeId], change: impl Fn(&mut super::clock::Clock)) {
        self.clocks.iter_mut().filter(|(node, _)| nodes.contains(node)).for_each(|(_, clock)| change(clock));
        let affected: Vec<_> = self.processes.keys().filter(|id| nodes.contains(&id.node)).copied().collect();
        affected.into_iter().for_each(|id| self.arm_first(id));
    }

    fn lie(&mut self, nodes: &[NodeId], lying: bool) {
        let affected = self.processes.iter_mut().filter(|(id, _)| nodes.contains(&id.node));
        affected.for_each(|(_, process)| process.disk.lie(lying));
    }

    fn pause(&mut self, node: NodeId, paused: bool) {
        for id in [0, 1].map(|twin| ProcessId { node, twin }) {
            let Some(process) = self.processes.get_mut(&id).filter(|process| process.up) else { continue };
            process.paused = paused;
            let (boot, idle) = (process.boot, matches!(process.work.doing, Doing::Idle));
            if !paused {
                if !idle {
                    self.after(0, Occurrence::Resume { process: id, boot });
                }
                self.after(0, Occurrence::Wake { process: id, boot });
                self.run(id);
            }
        }
        if paused {
            self.other(node).collect::<Vec<_>>().into_iter().for_each(|other| self.doubt(node, other));
        }
        self.record(None, What::LinksChanged);
    }

    // ---- stops and starts ----

    /// Stops a process, which loses its disk and comes back.
    pub(super) fn wipe(&mut self, id: ProcessId) {
        self.replace_disk(id, RESTART, |_| Disk::default());
    }

    fn replace_disk(&mut self, id: ProcessId, pause: Micros, change: impl FnOnce(Disk) -> Disk) {
        self.stop(id, "crash");
        if let Some(process) = self.processes.get_mut(&id) {
            process.disk = change(std::mem::take(&mut process.disk));
        }
        self.after(pause, Occurrence::Start { process: id });
    }

    /// Ends a process: its memory is gone. A batch that was being synced may have made it to the disk, or not.
    pub(super) fn stop(&mut self, id: ProcessId, why: &'static str) {
        let lossy = self.has(Bug::LostVaultWrites);
        let Some(process) = self.processes.get_mut(&id).filter(|process| process.up) else { return };
        process.up = false;
        process.paused = false;
        let work = std::mem::take(&mut process.work);
        let path = [id.node.0.into(), id.twin.into(), process.boot, work.syncs];
        if matches!(work.doing, Doing::Syncing) && self.source.chance(500_000, "torn", &path) {
            process.disk.sync(&work.batch);
        }
        process.disk.crash();
        if lossy {
            process.disk.lose_shares();
        }
        self.record(Some(id), What::Stopped { why });
        self.hang_up(id);
    }

    /// Starts a process from its disk, if the disk lets it.
    pub(super) fn start(&mut self, id: ProcessId) {
        let full = |kind: &FaultKind| matches!(kind, FaultKind::DiskFull { nodes } if nodes.contains(&id.node));
        let twin = |kind: &FaultKind| matches!(kind, FaultKind::Twin { node } if *node == id.node);
        let is_over = id.twin > 0 && !self.trouble.kinds().any(twin);
        let is_up = self.processes.get(&id).is_some_and(|process| process.up);
        if is_up || is_over || self.trouble.kinds().any(full) {
            return;
        }
        let kept = self.processes.get_mut(&id).map(|process| std::mem::take(&mut process.disk));
        let disk = self.parked.remove(&id).or(kept).unwrap_or_default();
        let (starts, stream) = self.entropy.get(&id).copied().unwrap_or_default();
        let starts = starts + 1;
        let repeats =
            self.trouble.kinds().any(|kind| matches!(kind, FaultKind::EntropyRepeat { node } if *node == id.node));
        let stream = if (repeats || self.has(Bug::OldBoot)) && stream > 0 { stream } else { starts };
        self.entropy.insert(id, (starts, stream));
        let name = u64::from(id.node.0) << 8 | u64::from(id.twin);
        let (number, entropy) = (starts << 32 | name, [name, stream]);
        let clock = self.clocks.get(&id.node).copied().unwrap_or_default();
        let started = clock.monotonic(self.now);
        // The first start in this run is a boot of its own: peers remember the one in which the key was made.
        let stale = self.has(Bug::OldBoot) && starts > 1;
        let verifies = self.scenario.verifier(id.node).is_some();
        let boot = Boot { node: id.node, number, started, source: self.source, entropy, stale, verifies };
        match Process::start(&self.definition, &boot, disk) {
            Ok(mut process) => {
                let lies = self
                    .trouble
                    .kinds()
                    .any(|kind| matches!(kind, FaultKind::LyingSync { nodes } if nodes.contains(&id.node)));
                process.disk.lie(lies);
                let incarnation = process.incarnation;
                self.processes.insert(id, process);
                self.record(Some(id), What::Started { incarnation });
                self.input(id, Event::Started);
                self.dial_all(id);
            }
            Err((disk, why)) => {
                match self.processes.get_mut(&id) {
                    Some(process) => process.disk = disk,
                    None => drop(self.parked.insert(id, disk)),
                }
                self.record(Some(id), What::Stopped { why });
            }
        }
    }
}
