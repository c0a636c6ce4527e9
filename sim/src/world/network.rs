//! Channels: one ordered stream in each direction between two processes, opened by a handshake, closed by whoever notices.
//!
//! A frame on a channel arrives once, in order, or the channel ends and nobody knows which frames arrived.

use super::frame::Frame;
use super::{Occurrence, World};
use crate::history::{ProcessId, What};
use crate::scenario::Micros;
use crate::seeded::Bug;
use firn_coordinator::api::Event;
use firn_proto::NodeId;
use std::collections::{BTreeMap, VecDeque};

/// How long a channel may be silent before its ends take it for dead.
const KEEP_ALIVE: Micros = 5_000_000;

/// How often a transport measures a round trip.
const MEASURE: Micros = 60_000_000;

/// First and longest pause before another attempt to connect.
const DIAL: (Micros, Micros) = (100_000, 5_000_000);

/// How long, and how many, frames wait for a peer that is away.
const OUTBOX: (Micros, usize) = (30_000_000, 1_024);

/// One end of a channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Side {
    /// Who dialled.
    Dialler,
    /// Who answered.
    Listener,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Listener,
            Self::Listener => Self::Dialler,
        }
    }
}

/// A connection between two processes.
pub(super) struct Channel {
    dialler: End,
    listener: End,
}

/// One end, and the stream towards it.
struct End {
    process: ProcessId,
    boot: u64,
    open: bool,
    /// When the last frame of the stream arrives.
    last: Micros,
    /// Frames that the network holds back.
    held: VecDeque<Frame>,
}

/// State of the ways between nodes, beside channels.
#[derive(Default)]
pub(super) struct Ways {
    /// Frames per direction so far: the ordinal that draws are keyed with.
    pub(super) ordinals: BTreeMap<(NodeId, NodeId), u64>,
    /// When a direction with a limit is free again.
    pub(super) free: BTreeMap<(NodeId, NodeId), Micros>,
    /// Bad states of lossy directions.
    pub(super) bursts: BTreeMap<(NodeId, NodeId), super::link::Burst>,
    /// When a process was last told how far a peer is, and at which rate of delays.
    measured: BTreeMap<(ProcessId, NodeId), (Micros, u64)>,
    /// What waits for a peer that is away.
    outboxes: BTreeMap<(ProcessId, NodeId), VecDeque<(Micros, Frame)>>,
}

impl Channel {
    fn end(&self, side: Side) -> &End {
        match side {
            Side::Dialler => &self.dialler,
            Side::Listener => &self.listener,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Listener => &mut self.listener,
        }
    }

    fn nodes(&self) -> (NodeId, NodeId) {
        (self.dialler.process.node, self.listener.process.node)
    }
}

impl World {
    // ---- opening ----

    /// Has a process that has just started look for its peers.
    pub(super) fn dial_all(&mut self, from: ProcessId) {
        let Some(boot) = self.processes.get(&from).map(|process| process.boot) else { return };
        for to in self.other(from.node).collect::<Vec<_>>() {
            self.after(0, Occurrence::Dial { from, boot, to, attempt: 0 });
        }
    }

    pub(super) fn dial(&mut self, from: ProcessId, boot: u64, to: NodeId, attempt: u32) {
        if !self.is_boot(from, boot) || self.current.contains_key(&(from, to)) {
            return;
        }
        // A name leads to the process that has started last.
        let candidates = self.processes.range(ProcessId { node: to, twin: 0 }..=ProcessId { node: to, twin: u8::MAX });
        let listener =
            candidates.filter(|(_, process)| process.up).max_by_key(|(_, process)| (process.started, process.boot));
        let listener = listener.map(|(id, process)| (*id, process.boot));
        match listener.filter(|_| self.reaches_both(from.node, to)) {
            Some(to) => {
                let handshake = 3 * self.geography.rtt(from.node, to.0.node).p50 / 2;
                self.after(handshake, Occurrence::Connect { from: (from, boot), to, attempt });
            }
            None => self.dial_again(from, boot, to, attempt),
        }
    }

    fn dial_again(&mut self, from: ProcessId, boot: u64, to: NodeId, attempt: u32) {
        let pause = DIAL.0.saturating_mul(1 << attempt.min(10)).min(DIAL.1);
        let path = [from.node.0.into(), to.0.into(), boot, attempt.into(), self.now];
        let spread = self.source.below(pause / 2, "dial", &path);
        self.after(pause * 3 / 4 + spread, Occurrence::Dial { from, boot, to, attempt: attempt.saturating_add(1) });
    }

    pub(super) fn connect(&mut self, from: (ProcessId, u64), to: (ProcessId, u64), attempt: u32) {
        let (dialler, listener) = (from.0, to.0);
        let connected = self.current.get(&(dialler, listener.node)).and_then(|(id, _)| self.channels.get(id));
        if !self.is_boot(dialler, from.1) || connected.is_some() {
            return;
        }
        let hears = |process: &ProcessId| self.processes.get(process).is_some_and(|process| !process.paused);
        if !self.is_boot(listener, to.1) || !hears(&listener) || !self.reaches_both(dialler.node, listener.node) {
            return self.dial_again(dialler, from.1, listener.node, attempt);
        }
        // A newer channel replaces an earlier one: a peer that connects again has lost the other end.
        if let Some((old, side)) = self.current.get(&(listener, dialler.node)).copied() {
            self.close_end(old, side);
            self.notice(old, side.other(), 0);
        }
        self.queued += 1;
        let id = self.queued;
        let end = |(process, boot)| End { process, boot, open: true, last: self.now, held: VecDeque::new() };
        self.channels.insert(id, Channel { dialler: end(from), listener: end(to) });
        self.current.insert((dialler, listener.node), (id, Side::Dialler));
        self.current.insert((listener, dialler.node), (id, Side::Listener));
        for (me, peer) in [(dialler, listener), (listener, dialler)] {
            self.greet(me, peer);
            self.measure(me, peer.node);
        }
        for (me, peer) in [(dialler, listener.node), (listener, dialler.node)] {
            for (until, frame) in self.ways.outboxes.remove(&(me, peer)).unwrap_or_default() {
                match until >= self.now {
                    true => self.transmit(me, peer, frame),
                    false => self.lose(&frame, "away"),
                }
            }
        }
    }

    /// What a process hears in a peer's greeting: its boot, and the version under which it runs.
    fn greet(&mut self, me: ProcessId, peer: ProcessId) {
        let Some(theirs) = self.processes.get(&peer) else { return };
        let (node, incarnation, definition) = (peer.node, theirs.incarnation, theirs.definition.digest());
        let ours = self.processes.get(&me).map(|process| process.definition.digest());
        let event = match ours == Some(definition) || self.has(Bug::UnnamedVersion) {
            true => Event::PeerUp { node, incarnation },
            false => Event::PeerElsewhere { node, definition },
        };
        self.input(me, event);
    }

    // ---- frames ----

    /// Sends a frame on the channel to a peer, or keeps it for a while if there is none.
    pub(super) fn send(&mut self, from: ProcessId, to: NodeId, frame: Frame) {
        let bytes = u32::try_from(frame.said.bytes.len()).unwrap_or(u32::MAX);
        let (number, kind, session) = (frame.number, frame.kind, frame.session);
        self.trail.bytes(&frame.said.bytes);
        self.frame = Some(frame.clone());
        self.record(Some(from), What::Sent { frame: number, to, kind, session, bytes });
        if self.current.contains_key(&(from, to)) {
            return self.transmit(from, to, frame);
        }
        let outbox = self.ways.outboxes.entry((from, to)).or_default();
        outbox.push_back((self.now + OUTBOX.0, frame));
        let dropped = if outbox.len() > OUTBOX.1 { outbox.pop_front() } else { None };
        if let Some((_, frame)) = dropped {
            self.lose(&frame, "away");
        }
    }

    /// Sends what was kept back until now.
    pub(super) fn put(&mut self, from: ProcessId, boot: u64, to: NodeId, mut frame: Frame) {
        if self.is_boot(from, boot) {
            frame.syncs = self.syncs(from);
            self.send(from, to, frame);
        }
    }

    fn transmit(&mut self, from: ProcessId, to: NodeId, frame: Frame) {
        let Some((id, side)) = self.current.get(&(from, to)).copied() else { return };
        let way = (from.node, to);
        if self.trouble.filters(way, frame.kind) {
            return self.lose(&frame, "filter");
        }
        let ordinal = self.ways.ordinals.entry(way).or_default();
        *ordinal += 1;
        let ordinal = *ordinal;
        if self.drops(way) {
            // On a stream a loss is a reset; whether this frame made it, nobody knows.
            if self.source.chance(500_000, "lost", &[way.0.0.into(), way.1.0.into(), ordinal]) {
                self.lose(&frame, "loss");
            } else {
                self.deliver_later(id, side.other(), way, ordinal, frame);
            }
            return self.reset(id);
        }
        let holds = self.holds(way).is_some();
        let Some(end) = self.channels.get_mut(&id).map(|channel| channel.end_mut(side.other())) else { return };
        if holds || !end.held.is_empty() {
            end.held.push_back(frame);
        } else {
            self.deliver_later(id, side.other(), way, ordinal, frame);
        }
    }

    /// Puts a frame on its way, in the order of its stream, or beside it where a fault has it so.
    fn deliver_later(&mut self, id: u64, to: Side, way: (NodeId, NodeId), ordinal: u64, frame: Frame) {
        let path = [way.0.0.into(), way.1.0.into(), ordinal];
        let delay = self.delay(way, ordinal, frame.said.bytes.len());
        self.trail.number(delay);
        let (duplicate, reorder) = (self.trouble.duplicates(way), self.trouble.reorders(way));
        if duplicate > 0 && self.source.chance(duplicate, "duplicate", &path) {
            let copy = Box::new(frame.clone());
            self.after(2 * delay, Occurrence::Arrive { channel: id, side: to, frame: copy, stray: true });
        }
        let stray = reorder > 0 && self.source.chance(reorder, "reorder", &path);
        let mut at = self.now + delay * if stray { 2 } else { 1 };
        if let Some(end) = self.channels.get_mut(&id).map(|channel| channel.end_mut(to)).filter(|_| !stray) {
            at = at.max(end.last);
            end.last = at;
        }
        self.at(at, Occurrence::Arrive { channel: id, side: to, frame: Box::new(frame), stray });
    }

    pub(super) fn arrive(&mut self, id: u64, side: Side, frame: Frame, stray: bool) {
        let way = (frame.from.node, frame.to);
        let held = self.holds(way);
        let Some(channel) = self.channels.get_mut(&id) else { return self.lose(&frame, "reset") };
        let end = channel.end_mut(side);
        let (process, boot) = (end.process, end.boot);
        if !end.open || !self.is_boot(process, boot) {
            return self.lose(&frame, "down");
        }
        let Some(end) = self.channels.get_mut(&id).map(|channel| channel.end_mut(side)) else { return };
        if held.is_some() || !stray && !end.held.is_empty() {
            return end.held.push_back(frame);
        }
        self.frame = Some(frame.clone());
        self.record(Some(process), What::Delivered { frame: frame.number, from: frame.from.node });
        let heard = self.processes.get(&process).and_then(|process| frame.said.verified(&process.definition));
        if let Some(message) = heard {
            self.measure(process, frame.from.node);
            let event = Event::Received { from: frame.from.node, message: Box::new(message.clone()) };
            self.input(process, event);
        }
    }

    /// Tells a process how far a peer is, as its transport measures while frames flow.
    fn measure(&mut self, process: ProcessId, peer: NodeId) {
        let told = self.ways.measured.get(&(process, peer)).copied();
        let rate = self.trouble.slowness((process.node, peer)) + self.trouble.slowness((peer, process.node));
        if told.is_some_and(|(at, before)| before == rate && self.now < at + MEASURE) {
            return;
        }
        self.ways.measured.insert((process, peer), (self.now, rate));
        let milliseconds = (self.geography.rtt(process.node, peer).p50 * rate / 200).div_ceil(1_000);
        self.input(process, Event::RoundTrip { node: peer, milliseconds });
    }

    pub(super) fn lose(&mut self, frame: &Frame, why: &'static str) {
        self.record(Some(frame.from), What::Lost { frame: frame.number, why });
    }

    // ---- closing ----

    /// Closes a channel at once for both ends, as each of them notices after one more way.
    pub(super) fn reset(&mut self, id: u64) {
        let Some(nodes) = self.channels.get(&id).map(Channel::nodes) else { return };
        let way = self.geography.rtt(nodes.0, nodes.1).p50 / 2;
        for side in [Side::Dialler, Side::Listener] {
            self.notice(id, side, way);
        }
    }

    /// Has an end notice after `delay` that the channel is closed.
    pub(super) fn notice(&mut self, channel: u64, side: Side, delay: Micros) {
        self.after(delay, Occurrence::Down { channel, side });
    }

    pub(super) fn down(&mut self, id: u64, side: Side) {
        let Some(end) = self.channels.get(&id).map(|channel| channel.end(side)) else { return };
        let (process, boot, open) = (end.process, end.boot, end.open);
        let Some(peer) = self.channels.get(&id).map(|channel| channel.end(side.other()).process.node) else { return };
        self.close_end(id, side);
        if open && self.is_boot(process, boot) {
            self.input(process, Event::PeerDown { node: peer });
            self.dial_again(process, boot, peer, 0);
        }
    }

    fn close_end(&mut self, id: u64, side: Side) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let peer = channel.end(side.other()).process.node;
        let end = channel.end_mut(side);
        end.open = false;
        let (process, held) = (end.process, std::mem::take(&mut end.held));
        if !channel.dialler.open && !channel.listener.open {
            self.channels.remove(&id);
        }
        if self.current.get(&(process, peer)).is_some_and(|(current, _)| *current == id) {
            self.current.remove(&(process, peer));
        }
        held.iter().for_each(|frame| self.lose(frame, "reset"));
    }

    /// The sockets of a process that has ended: its peers hear of it if anything of it still reaches them.
    pub(super) fn hang_up(&mut self, process: ProcessId) {
        let peers = self.current.range((process, NodeId(0))..=(process, NodeId(u16::MAX)));
        for ((_, peer), (id, side)) in peers.map(|(key, value)| (*key, *value)).collect::<Vec<_>>() {
            let delay = match self.holds((process.node, peer)) {
                None => self.geography.rtt(process.node, peer).p50 / 2,
                Some(_) => self.patience(process.node, peer),
            };
            self.close_end(id, side);
            self.notice(id, side.other(), delay);
            let waiting = self.ways.outboxes.remove(&(process, peer)).unwrap_or_default();
            waiting.iter().for_each(|(_, frame)| self.lose(frame, "down"));
        }
    }

    /// Channels between two nodes.
    pub(super) fn channels_between(&self, a: NodeId, b: NodeId) -> Vec<u64> {
        let between = |channel: &Channel| channel.nodes() == (a, b) || channel.nodes() == (b, a);
        self.channels.iter().filter(|(_, channel)| between(channel)).map(|(id, _)| *id).collect()
    }

    /// Starts to doubt all channels between two nodes.
    pub(super) fn doubt(&mut self, a: NodeId, b: NodeId) {
        for channel in self.channels_between(a, b) {
            let patience = self.patience(a, b);
            self.after(patience, Occurrence::KeepAlive { channel });
        }
    }

    fn patience(&self, a: NodeId, b: NodeId) -> Micros {
        let path = [a.0.into(), b.0.into(), self.now];
        KEEP_ALIVE * 4 / 5 + self.source.below(KEEP_ALIVE * 2 / 5, "keep-alive", &path)
    }

    pub(super) fn keep_alive(&mut self, id: u64) {
        let Some(channel) = self.channels.get(&id) else { return };
        let (a, b) = channel.nodes();
        let mute = |process: ProcessId| self.processes.get(&process).is_some_and(|process| process.paused);
        let silent = |way| self.trouble.cut_since(way).is_some_and(|since| since + KEEP_ALIVE * 4 / 5 <= self.now);
        let paused = mute(channel.dialler.process) || mute(channel.listener.process);
        if paused || silent((a, b)) || silent((b, a)) {
            self.notice(id, Side::Dialler, 0);
            self.notice(id, Side::Listener, 0);
        }
    }

    /// Lets go on what the network held back on a way.
    pub(super) fn let_go(&mut self, way: (NodeId, NodeId)) {
        for id in self.channels_between(way.0, way.1) {
            for side in [Side::Dialler, Side::Listener] {
                let Some(channel) = self.channels.get_mut(&id) else { continue };
                let from = channel.end(side.other()).process.node;
                let end = channel.end_mut(side);
                if from != way.0 {
                    continue;
                }
                for frame in std::mem::take(&mut end.held) {
                    let ordinal = self.ways.ordinals.entry(way).or_default();
                    *ordinal += 1;
                    let ordinal = *ordinal;
                    self.deliver_later(id, side, way, ordinal, frame);
                }
            }
        }
    }
}
