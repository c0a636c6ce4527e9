//! One request under the liveness oracle: its windows, its bound, and in the end its verdict.

use super::bound::{Shape, Terms};
use super::core::{Committee, Graph, Members};
use super::ground::{self, Ground, rivals};
use super::rules;
use super::windows::Windows;
use crate::scenario::{FaultKind, Micros};
use crate::verdict::{End, RequestReport, Violation};
use crate::world::{PostedRequest, World};
use firn_coordinator::election;
use firn_proto::{Code, NodeId, SessionId, SubjectId};
use std::collections::BTreeMap;

/// A payload of a request that was posted.
#[derive(Debug)]
pub struct Track {
    request: usize,
    /// The second of two.
    second: bool,
    windows: Windows,
    /// When each node first knew the signature, or saw it executed.
    signed: BTreeMap<NodeId, Micros>,
    accepted: bool,
    refused: Option<Code>,
    violated: bool,
    /// The bound of the longest core so far, and how long that lasted.
    bound: Micros,
    core: Micros,
    due: Option<Micros>,
    closed: bool,
}

impl Track {
    /// The payloads of the request of this index.
    #[must_use]
    pub fn of(world: &World, request: usize) -> Vec<Self> {
        let two = world.requests().get(request).is_some_and(|posted| posted.follows.is_some());
        [false, true].into_iter().take(1 + usize::from(two)).map(|second| Self::new(request, second)).collect()
    }

    fn new(request: usize, second: bool) -> Self {
        Self {
            request,
            second,
            windows: Windows::default(),
            signed: BTreeMap::new(),
            accepted: false,
            refused: None,
            violated: false,
            bound: 0,
            core: 0,
            due: None,
            closed: false,
        }
    }

    /// Whether this is the payload of a session.
    #[must_use]
    pub fn is(&self, world: &World, session: SessionId) -> bool {
        self.posted(world).is_some_and(|posted| SessionId::from(self.subject(posted)) == session)
    }

    /// Whether this is the second of two payloads.
    #[must_use]
    pub fn is_second(&self) -> bool {
        self.second
    }

    /// Whether this is the second payload of the request of which `first` is the first.
    #[must_use]
    pub fn follows(&self, first: &Self) -> bool {
        self.second && self.request == first.request
    }

    fn subject(&self, posted: &PostedRequest) -> SubjectId {
        if self.second { posted.last() } else { posted.subject }
    }

    /// Whether anything may still be demanded.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// When it has to be looked at again if nothing else happens.
    #[must_use]
    pub fn due(&self) -> Option<Micros> {
        self.due
    }

    /// A node answered the post.
    pub fn answered(&mut self, outcome: Result<(), Code>) {
        self.accepted |= outcome.is_ok();
        self.refused = self.refused.or_else(|| outcome.err());
    }

    /// Whether a node has no reason to refuse it.
    #[must_use]
    pub fn is_owed_by(&self, world: &World, ground: &Ground, node: NodeId) -> bool {
        self.posted(world).is_some_and(|posted| ground.owes_acceptance(world, node, posted))
    }

    /// A node knows the signature, or that it was executed.
    pub fn signed(&mut self, at: Micros, node: NodeId) {
        self.signed.entry(node).or_insert(at);
    }

    /// Whatever lasted is interrupted.
    pub fn interrupt(&mut self) {
        self.windows = Windows::default();
    }

    /// Takes in how things are now, and judges what has lasted long enough.
    pub fn look(
        &mut self,
        world: &World,
        committee: &Committee,
        ground: &Ground,
        graph: &Graph,
        others: u64,
    ) -> Option<Violation> {
        let posted = world.requests().get(self.request)?;
        let now = world.now();
        let signed = committee.members(self.signed.keys().copied());
        let overdue = self.judge(world, committee, ground, posted, others);
        let willing = ground.willing(world, committee, posted, self.second);
        let within =
            Graph::new(committee.nodes().len(), |a, b| willing.contains(a) && willing.contains(b) && graph.hears(a, b));
        let bearers = rules::bearers(world, committee, posted);
        self.windows.change(now, committee, &within, ground.knows(committee, self.subject(posted)), bearers);
        if self.signed.is_empty() {
            self.core = self.core.max(self.windows.longest(now));
        }
        self.due = self
            .windows
            .open()
            .flat_map(|window| window.cores.iter().map(move |core| (window.since, *core)))
            .map(|(since, core)| since.saturating_add(self.terms(world, committee, ground, posted, core, others).sum()))
            // Time passes without an event: the end of the duty ends all windows.
            .chain([ground::duty_ends(posted, self.second).saturating_add(1)])
            .filter(|due| *due >= now)
            .min();
        // All members know: nothing more can be demanded.
        self.closed = usize::from(signed.len()) == committee.nodes().len();
        overdue
    }

    /// Whether a core that lasted for its bound has a member that does not know the signature.
    fn judge(
        &mut self,
        world: &World,
        committee: &Committee,
        ground: &Ground,
        posted: &PostedRequest,
        others: u64,
    ) -> Option<Violation> {
        let signed = committee.members(self.signed.keys().copied());
        let now = world.now();
        let mut found = None;
        for window in self.windows.open() {
            for core in &window.cores {
                let bound = self.terms(world, committee, ground, posted, *core, others).sum();
                if self.signed.is_empty() {
                    self.bound = self.bound.max(bound);
                }
                let missing = Members(core.0 & !signed.0);
                let due = window.since.saturating_add(bound);
                if due < now && due <= ground::duty_ends(posted, self.second) && !missing.is_empty() && found.is_none()
                {
                    found = Some((due, window.since, *core, missing));
                }
            }
        }
        let (due, since, core, missing) = found.filter(|_| !self.violated)?;
        self.violated = true;
        let detail = format!(
            "request {}{}: nodes {:?} were a live core from {} ms on, the bound was at {} ms, and nodes {:?} know no signature",
            self.request,
            if self.second { ", second payload" } else { "" },
            names(committee, core),
            since / 1_000,
            due / 1_000,
            names(committee, missing),
        );
        Some(Violation { id: "L1", at: due, node: Some(posted.node), detail })
    }

    fn terms(
        &self,
        world: &World,
        committee: &Committee,
        ground: &Ground,
        posted: &PostedRequest,
        core: Members,
        others: u64,
    ) -> Terms {
        let nodes: Vec<_> = core.positions().filter_map(|position| committee.nodes().get(position).copied()).collect();
        let order =
            election::order(self.subject(posted), world.epoch(), posted.node, committee.nodes().iter().copied());
        let links = nodes.iter().flat_map(|a| nodes.iter().filter(move |b| a != *b).map(move |b| world.link(*a, *b)));
        let (delay, loss) = links.fold((0, 0), |(delay, loss), link| (link.delay_max.max(delay), link.loss.max(loss)));
        let disturbed = ground.any(world, |kind| {
            matches!(kind, FaultKind::Duplicate { .. } | FaultKind::Reorder { .. } | FaultKind::Bandwidth { .. })
        });
        let n = committee.nodes().len();
        Terms::new(&Shape {
            // A tenth of a per cent takes up to ten times as long.
            delay: delay.saturating_mul(4),
            step: nodes.iter().map(|node| ground.step(world, *node)).max().unwrap_or_default(),
            ranks_before: order.iter().position(|node| nodes.contains(node)).unwrap_or_default() as u64,
            outside: (n - nodes.len()) as u64,
            attempts_max: (n + 1).saturating_sub(committee.threshold()) as u64,
            lossy: loss > 0 || disturbed,
            queue: others,
            ruled: rules::are_there(world),
            second: self.second,
        })
    }

    /// The verdict. Of two payloads it is the second one's, once the first is signed; times are the first one's, as the chain's delay
    /// would hide them.
    #[must_use]
    pub fn report(
        &self,
        second: Option<&Self>,
        world: &World,
        committee: &Committee,
        ground: &Ground,
    ) -> Option<RequestReport> {
        let posted = self.posted(world)?;
        let since = |at: &Micros| at.saturating_sub(posted.at);
        let tally =
            posted.follows.into_iter().fold(world.tally(posted.subject), |sum, next| sum.plus(world.tally(next)));
        let eligible = |nodes: &[NodeId]| committee.is_eligible(committee.members(nodes.iter().copied()));
        Some(RequestReport {
            subject: posted.subject,
            request: self.request,
            node: posted.node,
            wanted: posted.wanted,
            posted: posted.at,
            deadline: posted.deadline,
            end: match (self.end(world, ground, posted), second) {
                (End::Signed, Some(second)) => second.end(world, ground, posted),
                (end, _) => end,
            },
            latency: self.signed.values().min().map(since),
            latency_at_node: self.signed.get(&posted.node).map(since),
            floor: world.geography().floor(posted.node, committee.nodes(), eligible).unwrap_or_default(),
            attempts: tally.attempts,
            messages: tally.messages,
            bytes: tally.bytes,
            bound: self.bound,
            core: self.core,
        })
    }

    /// Signed; or why not, the most particular reason first.
    fn end(&self, world: &World, ground: &Ground, posted: &PostedRequest) -> End {
        if self.violated {
            return End::Violated;
        }
        if !self.signed.is_empty() {
            return End::Signed;
        }
        if let Some(reason) = self.waited_in_vain(world, posted) {
            return End::Excused(reason);
        }
        if let Some(code) = self.refused.filter(|_| !self.accepted) {
            return End::Refused(code);
        }
        let bound = |node: &NodeId| ground.is_rival_bound(world, *node, posted);
        let views = world.nodes().into_iter().filter_map(|node| world.node(node)?.engine.request(posted.subject));
        let refusal = views.filter(|view| view.state == "refused").find_map(|view| view.code);
        let late = posted.request.deadline().0 < world.wall().0;
        match refusal {
            _ if !self.accepted && !self.second => End::Excused(NOT_TAKEN_IN),
            _ if !self.second && rivals(world, posted).next().is_some() && world.nodes().iter().any(bound) => {
                End::Excused(RIVAL)
            }
            Some(code) => End::Refused(code),
            None if late => End::Expired,
            None if ground.any(world, FaultKind::is_of_chain) => End::Excused(CHAIN),
            None if !ground.doubted().is_empty() => End::Excused(DOUBTED),
            None if self.core > 0 => End::Excused(SHORT),
            None => End::Excused(NO_CORE),
        }
    }

    /// Why a second payload has nothing to execute.
    fn waited_in_vain(&self, world: &World, posted: &PostedRequest) -> Option<&'static str> {
        let scheduled = world.chain().once_ready(posted.subject, world.chain().number());
        match scheduled {
            _ if !self.second => None,
            None => Some(NOT_SCHEDULED),
            Some((_, cancelled)) => cancelled.then_some(CANCELLED),
        }
    }

    fn posted<'a>(&self, world: &'a World) -> Option<&'a PostedRequest> {
        world.requests().get(self.request)
    }
}

/// No node took the request in: where it was posted, nobody was.
pub const NOT_TAKEN_IN: &str = "not taken in";
/// A member is bound to a rival with the same requester nonce.
pub const RIVAL: &str = "bound to a rival";
/// Members do not see the chain, or see it late.
pub const CHAIN: &str = "chain not seen";
/// A node's disk was set back, copied or lost, and its peers keep it out.
pub const DOUBTED: &str = "identity in doubt";
/// The run ended before the live core had lasted for the bound.
pub const SHORT: &str = "core too short";
/// At no time was there a live core.
pub const NO_CORE: &str = "no live core";
/// Its first payload is signed, and never came onto the chain.
pub const NOT_SCHEDULED: &str = "not scheduled";
/// What it had scheduled was cancelled on chain.
pub const CANCELLED: &str = "cancelled on chain";

/// All excuses: a closed list, each reachable by ground truth alone.
pub const EXCUSES: [&str; 8] = [NOT_TAKEN_IN, RIVAL, CHAIN, DOUBTED, SHORT, NO_CORE, NOT_SCHEDULED, CANCELLED];

fn names(committee: &Committee, set: Members) -> Vec<u16> {
    set.positions().filter_map(|position| committee.nodes().get(position)).map(|node| node.0).collect()
}
