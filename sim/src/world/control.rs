//! A world driven by hand, for tests that steer a run step by step.

use super::World;
use super::frame::Said;
use crate::history::ProcessId;
use crate::scenario::Micros;
use firn_coordinator::api::{Command, Event};
use firn_proto::{NodeId, Request, SessionId};

impl World {
    /// Gives a node's operator command at this moment.
    pub fn command(&mut self, node: NodeId, command: Command) {
        self.input(ProcessId { node, twin: 0 }, Event::Operator(command));
    }

    /// Posts a request to a node at this moment.
    pub fn submit(&mut self, node: NodeId, request: Request) {
        self.input(ProcessId { node, twin: 0 }, Event::Submitted { request: Box::new(request) });
    }

    /// Kills a node: its memory is gone, its peers see the channels close.
    pub fn kill(&mut self, node: NodeId) {
        self.stop(ProcessId { node, twin: 0 }, "crash");
    }

    /// Starts a dead node again from its disk.
    pub fn restart(&mut self, node: NodeId) {
        self.start(ProcessId { node, twin: 0 });
    }

    /// Lets nothing through between two nodes from now on.
    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.trouble.cut.extend([(a, b), (b, a)].into_iter().filter(|_| a != b));
        self.links_changed();
    }

    /// Lets everything through again between two nodes.
    pub fn heal(&mut self, a: NodeId, b: NodeId) {
        self.trouble.cut.remove(&(a, b));
        self.trouble.cut.remove(&(b, a));
        self.links_changed();
    }

    /// Puts bytes on a channel as `from` would: a Byzantine member's voice.
    pub fn inject(&mut self, from: NodeId, to: NodeId, bytes: Vec<u8>) {
        let from = ProcessId { node: from, twin: 0 };
        let frame = self.frame(from, to, "injected", SessionId::default(), &Said::new(bytes));
        self.send(from, to, frame);
    }

    /// Runs until `done` holds; false if it does not within `limit` of virtual time.
    pub fn run_until(&mut self, limit: Micros, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.saturating_add(limit);
        while !done(self) {
            if !self.next(end) {
                self.now = end;
                return false;
            }
        }
        true
    }
}
