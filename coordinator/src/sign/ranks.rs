//! Who coordinates, and who is told our answer: the first ranks of the election that are here, more when none of them gives
//! a sign of life. A rank takes over when those before it have had the time that their distance asks for.

use super::State;
use crate::api::{Class, Effect, Timer};
use crate::engine::Engine;
use crate::limits::{RANKS_TOLD, SESSIONS_MAX, TAKEOVER_MS_MIN, TAKEOVER_PATIENCE, WIDEN_MS_MAX};
use firn_proto::definition::KeyDefinition;
use firn_proto::diversity::eligible_subset;
use firn_proto::message::{Status, Willingness};
use firn_proto::time::MonotonicTime;
use firn_proto::{Message, NodeId, SubjectId};
use std::collections::BTreeMap;

/// Where a subject stands in the election.
#[derive(Debug)]
pub(crate) struct Ranks {
    /// Which answer of ours each member was told.
    informed: BTreeMap<NodeId, Status>,
    /// How many ranks we tell.
    width: usize,
    /// Whether we have heard of a coordinator since we last looked.
    pub(crate) alive: bool,
    /// How often the pause between two looks has doubled; none yet before the first.
    looks: Option<u32>,
    /// Since when we know enough members as willing.
    pub(crate) ripe: Option<MonotonicTime>,
    /// How many lower ranks are waited for, and until when.
    turn: Option<(usize, MonotonicTime)>,
    /// The timer that runs, and when it fires: at our turn or before, so that one is enough however often the turn changes.
    timer: Option<MonotonicTime>,
    round: u32,
}

impl Default for Ranks {
    fn default() -> Self {
        Self {
            informed: BTreeMap::new(),
            width: RANKS_TOLD,
            alive: false,
            looks: None,
            ripe: None,
            turn: None,
            timer: None,
            round: 0,
        }
    }
}

impl Engine {
    /// Whether a member is ourselves, or connected and not quarantined.
    pub(crate) fn is_here(&self, node: NodeId) -> bool {
        node == self.me || self.connected.contains_key(&node) && !self.is_quarantined(node)
    }

    /// Members in the order of their distance, ourselves first.
    pub(crate) fn by_distance(&self, nodes: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
        let mut nodes: Vec<_> = nodes.map(|node| (self.distance(node), node)).collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    fn distance(&self, node: NodeId) -> u64 {
        if node == self.me { 0 } else { self.round_trips.expected(node) }
    }

    /// The farthest member of the nearest eligible subset that is here: how far a signature is.
    pub(crate) fn farthest(&self, key: &KeyDefinition) -> Option<NodeId> {
        let here = self.by_distance(key.nodes().filter(|node| self.is_here(*node)));
        let nearest = eligible_subset(&self.definition, key, &here)?;
        nearest.into_iter().max_by_key(|node| self.distance(*node))
    }

    /// How long one rank is given before the next takes over. A rank that has several subjects to sign does them in turns,
    /// and one that was busy before is given more, within bounds: to sign its work beside it would only make it busier.
    fn takeover_pause(&self, key: &KeyDefinition, order: &[NodeId]) -> u64 {
        let farthest = self.farthest(key).unwrap_or(self.me);
        let lower = order.iter().take_while(|node| **node != self.me);
        let served = lower.map(|node| self.round_trips.served_late(*node)).max().unwrap_or_default();
        let ripe = self.open_subjects().filter(|(_, state)| state.ranks.ripe.is_some()).count();
        let turns = 1 + (ripe / SESSIONS_MAX) as u64;
        let pause = self.round_trips.takeover(farthest).max(TAKEOVER_MS_MIN).saturating_mul(turns);
        served.clamp(pause, pause.saturating_mul(TAKEOVER_PATIENCE))
    }

    /// Tells our answer to whom it concerns and who has not heard it: the origin, the ranks that may coordinate, and whoever
    /// heard another answer. Commitments come along where a rank has none of ours.
    pub(crate) fn inform(&mut self, id: SubjectId) {
        let me = self.me;
        let Some((key, order)) = self.order(id).filter(|(key, _)| key.identifier_of(me).is_some()) else { return };
        let key_id = self.subject_key(id).map(|(key_id, _)| key_id);
        let Some(state) = self.subjects.get(&id) else { return };
        let Some(status) = state.answer() else { return };
        let ranks = order.iter().copied().filter(|node| self.is_here(*node)).take(state.ranks.width);
        let informed = state.ranks.informed.keys().copied();
        let origin = [state.origin].into_iter().filter(|origin| !key.nodes().any(|node| node == *origin));
        let mut to: Vec<_> = ranks.chain(informed).chain(origin).filter(|node| self.is_here(*node)).collect();
        to.sort_unstable();
        to.dedup();
        to.retain(|node| state.ranks.informed.get(node) != Some(&status));
        let Some(state) = self.subjects.get_mut(&id) else { return };
        state.ranks.informed.extend(to.iter().map(|node| (*node, status)));
        if status == Status::Willing {
            let now = self.now.wall;
            let lent = &mut self.lent;
            let lacks = |node: &NodeId| key_id.is_some_and(|key_id| lent.outstanding(key_id, *node, now) == 0);
            let (lacking, supplied): (Vec<_>, Vec<_>) =
                to.into_iter().filter(|node| key.identifier_of(*node).is_some()).partition(lacks);
            to = supplied;
            lacking.into_iter().for_each(|node| self.offer(id, node));
        }
        to.retain(|node| *node != me);
        if !to.is_empty() {
            let message = Message::Willingness(Willingness { status, commitments: None });
            self.effect(Effect::Send { to, session: id.into(), message, class: Class::Protocol });
        }
        self.look_later(id, &key, &order);
    }

    /// A member has our answer by other means.
    pub(crate) fn is_informed(&mut self, id: SubjectId, node: NodeId, status: Status) {
        if let Some(state) = self.subjects.get_mut(&id) {
            state.ranks.informed.insert(node, status);
        }
    }

    /// What a member was told is lost, or no longer true.
    pub(crate) fn forget_informed(&mut self, id: SubjectId, node: NodeId) {
        if let Some(state) = self.subjects.get_mut(&id) {
            state.ranks.informed.remove(&node);
        }
    }

    fn look_later(&mut self, id: SubjectId, key: &KeyDefinition, order: &[NodeId]) {
        let looks = self.subjects.get(&id).filter(|state| state.is_open()).map(|state| state.ranks.looks);
        if looks == Some(None) {
            let pause = self.takeover_pause(key, order).saturating_mul(RANKS_TOLD as u64);
            self.set_timer(Timer::Widen { subject: id }, pause);
            if let Some(state) = self.subjects.get_mut(&id) {
                state.ranks.looks = Some(0);
            }
        }
    }

    /// The ranks that we told have had their time: all are told again, and more. A sign of life buys them the time once.
    pub(crate) fn widen(&mut self, id: SubjectId) {
        let Some((key, order)) = self.order(id) else { return };
        let pause = self.takeover_pause(&key, &order).saturating_mul(RANKS_TOLD as u64);
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.is_open()) else { return };
        let looks = state.ranks.looks.unwrap_or_default();
        state.ranks.looks = Some(looks.saturating_add(1));
        let alive = std::mem::take(&mut state.ranks.alive) && looks == 0 || state.coordinator.is_some();
        if !alive {
            state.ranks.width = state.ranks.width.saturating_add(RANKS_TOLD).min(key.members.len());
            state.ranks.informed.clear();
        }
        self.set_timer(Timer::Widen { subject: id }, pause.saturating_mul(2 << looks.min(16)).min(WIDEN_MS_MAX));
        if !alive {
            self.inform(id);
        }
    }

    /// The first rank coordinates at once. A later one does when enough members are willing, and those before it that are
    /// here, and may be willing, have had their time, which is counted anew when one of them is no longer.
    pub(crate) fn arm_takeover(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id).filter(|state| state.is_open() && state.coordinator.is_none()) else {
            return;
        };
        let Some((key, order)) = self.order(id).filter(|_| state.status == Some(Status::Willing)) else { return };
        if order.first() == Some(&self.me) {
            return self.coordinate(id);
        }
        if state.ranks.ripe.is_none() && !self.is_ripe(&key, state) {
            return;
        }
        let may =
            |node: &&NodeId| matches!(state.answers.get(node), None | Some(Status::Willing)) && self.is_here(**node);
        let lower = order.iter().take_while(|node| **node != self.me).filter(may).count();
        let (now, pause) = (self.now.monotonic, self.takeover_pause(&key, &order));
        let Some(ranks) = self.subjects.get_mut(&id).map(|state| &mut state.ranks) else { return };
        let since = *ranks.ripe.get_or_insert(now);
        let known = ranks.turn.filter(|(before, _)| *before == lower);
        let (_, due) =
            *ranks.turn.insert(known.unwrap_or_else(|| (lower, since.plus(pause.saturating_mul(lower as u64)))));
        if known.is_none() && due <= now {
            return self.coordinate(id);
        }
        if ranks.timer.is_none_or(|fires| fires > due) {
            ranks.timer = Some(due);
            ranks.round = ranks.round.saturating_add(1);
            let round = ranks.round;
            self.set_timer(Timer::Takeover { subject: id, round }, due.0.saturating_sub(now.0));
        }
    }

    /// Whether enough members are known as willing.
    fn is_ripe(&self, key: &KeyDefinition, state: &State) -> bool {
        let willing = state.answers.iter().filter(|(_, status)| **status == Status::Willing).map(|(node, _)| *node);
        let willing: Vec<_> = willing.collect();
        willing.len() >= usize::from(key.threshold) && eligible_subset(&self.definition, key, &willing).is_some()
    }

    pub(crate) fn takeover(&mut self, id: SubjectId, round: u32) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.ranks.round == round) else { return };
        let fired = state.ranks.timer.take();
        let ours = state.ranks.turn.is_some_and(|(_, due)| fired.is_some_and(|fired| fired >= due));
        if ours && state.is_open() && state.status == Some(Status::Willing) {
            return self.coordinate(id);
        }
        self.arm_takeover(id);
    }

    /// A peer has come, or gone: the ranks that are here are others.
    pub(crate) fn ranks_changed(&mut self, node: NodeId) {
        let open: Vec<_> = self.open_subjects().map(|(id, _)| id).collect();
        for id in open {
            self.forget_informed(id, node);
            self.inform(id);
            self.arm_takeover(id);
        }
    }
}
