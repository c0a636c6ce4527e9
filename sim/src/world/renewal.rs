//! The key of the network and what becomes of it: the epoch that is active, who holds it, and the operators who renew it.

use super::setting::KEY_NAME;
use super::{Occurrence, World};
use crate::history::{ProcessId, What};
use crate::scenario::{Micros, Roster};
use crate::seeded::Bug;
use firn_coordinator::api::{Command, Event};
use firn_coordinator::view::KeyView;
use firn_proto::certificate::KeyProposal;
use firn_proto::time::WallTime;
use firn_proto::{Epoch, KeyId, NodeId, Point};
use std::collections::{BTreeMap, BTreeSet};

/// How long an operator takes before another look, and after an attempt has ended.
const PATIENCE: Micros = 1_000_000;
const PAUSE: Micros = 5_000_000;

/// Until when a proposal may be accepted, in seconds; a new one follows should nobody ever hear of it.
const ACCEPTANCE: u64 = 60;
const UNHEARD: Micros = 180_000_000;

/// How many attempts are made at one epoch.
const ROUNDS_MAX: u32 = 12;

/// How often an operator looks whether the version that a resharing needs is in force.
const LOOKS_MAX: u32 = 180;

/// How far the world is with its key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The newest epoch that is active at any honest node, and the group key.
    pub(super) current: Option<(KeyId, Point)>,
    epoch: Epoch,
    /// Who holds it.
    holders: Option<Roster>,
    /// Proposals of the first epoch.
    pub(super) proposals: u32,
    /// How many renewals are over, done or given up, and how often the next one was proposed.
    renewed: usize,
    round: u32,
    /// Whether that is proposed by now.
    wanted: bool,
    /// Which renewal an attempt is for.
    attempts: BTreeMap<KeyId, usize>,
    /// How many repairs are not over.
    pub(super) repairs: usize,
    /// Attempts that ended without an epoch.
    ended: BTreeSet<KeyId>,
}

impl World {
    /// The newest active epoch and the group key, as soon as any honest node has it active.
    #[must_use]
    pub fn key(&self) -> Option<(KeyId, Point)> {
        self.keys.current
    }

    /// The number of the newest active epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.keys.epoch
    }

    /// Who holds the newest active epoch; before there is one, who is to.
    #[must_use]
    pub fn holders(&self) -> Roster {
        let first = || {
            let key = self.definition.keys.first();
            let members = key.into_iter().flat_map(|key| key.nodes()).collect();
            Roster { threshold: key.map_or(1, |key| key.threshold), members }
        };
        self.keys.holders.clone().unwrap_or_else(first)
    }

    /// Whether renewals are still to come, or under way.
    #[must_use]
    pub fn renews(&self) -> bool {
        self.keys.renewed < self.scenario.key.renewals.len()
    }

    /// The renewal that is proposed and not over, with everybody who takes part in it.
    #[must_use]
    pub fn renewing(&self) -> Option<(usize, Vec<NodeId>)> {
        let renewal = Some(self.keys.renewed).filter(|_| self.keys.wanted)?;
        let mut party = self.holders().members;
        party.extend(self.scenario.rosters().into_iter().nth(renewal + 1)?.members);
        party.sort_unstable();
        party.dedup();
        Some((renewal, party))
    }

    pub(super) fn queue_renewals(&mut self) {
        for (renewal, at) in self.scenario.key.renewals.iter().map(|renewal| renewal.at).enumerate().collect::<Vec<_>>()
        {
            self.at(at, Occurrence::Renew { renewal, round: 0, looks: 0 });
        }
    }

    /// Proposes the next epoch at a member that runs, once the one before and the version that it takes are there.
    pub(super) fn renew(&mut self, renewal: usize, round: u32, looks: u32) {
        let before = renewal > self.keys.renewed || self.keys.current.is_none();
        if renewal < self.keys.renewed || !before && round != self.keys.round {
            return;
        }
        if round >= ROUNDS_MAX || looks >= LOOKS_MAX && !before {
            return self.give_up(renewal);
        }
        let again = |looks| Occurrence::Renew { renewal, round, looks };
        if before {
            return self.after(PATIENCE, again(0));
        }
        if self.settle_undecided() {
            return self.after(PAUSE, again(looks + 5));
        }
        let Some(proposal) = self.proposal(renewal, round) else {
            return self.after(PATIENCE, again(looks + 1));
        };
        self.keys.wanted = true;
        self.keys.round += 1;
        let key_id = proposal.key_id(self.definition.network_id());
        self.keys.attempts.insert(key_id, renewal);
        let id = ProcessId { node: proposal.proposer, twin: 0 };
        self.after(UNHEARD, Occurrence::Renew { renewal, round: round + 1, looks: 0 });
        self.input(id, Event::Operator(Command::ProposeKey(proposal)));
    }

    /// Whether an attempt is undecided somewhere. Where nobody has its certificate, operators give it up together.
    fn settle_undecided(&mut self) -> bool {
        let up = self.processes.iter().filter(|(_, process)| process.up && !process.paused);
        let views: Vec<_> =
            up.flat_map(|(id, process)| process.engine.keys().into_iter().map(|key| (*id, key))).collect();
        let undecided: BTreeSet<_> =
            views.iter().filter(|(_, key)| key.state == "undecided").map(|(_, key)| key.key_id).collect();
        let known = |key_id: &KeyId| {
            let has = |state: &str| matches!(state, "certified" | "active" | "retired" | "certifying");
            views.iter().any(|(_, key)| key.key_id == *key_id && has(key.state))
        };
        for key_id in undecided.iter().filter(|key_id| !known(key_id)) {
            // All members have to, those included where it merely ended.
            let ended = |key: &KeyView| key.key_id == *key_id && matches!(key.state, "undecided" | "aborted");
            for (id, _) in views.iter().filter(|(_, key)| ended(key)) {
                self.input(*id, Event::Operator(Command::AbandonKey(*key_id)));
            }
        }
        !undecided.is_empty()
    }

    /// The proposal that the next operator in turn makes.
    fn proposal(&self, renewal: usize, round: u32) -> Option<KeyProposal> {
        let next = self.scenario.rosters().into_iter().nth(renewal + 1)?;
        let fits = |node: &NodeId| {
            let process = self.node(*node).filter(|process| process.up && !process.paused)?;
            let key = process.definition.key(KEY_NAME)?;
            let current = key.threshold == next.threshold && key.nodes().eq(next.members.iter().copied());
            let from = process.engine.key_source(KEY_NAME).filter(|_| current)?;
            (Some(from.key_id) == self.key().map(|(key_id, _)| key_id)).then_some((*node, from))
        };
        let able: Vec<_> = next.members.iter().filter_map(fits).collect();
        // Members that run under the version before would not know what is proposed: they have a while.
        let runs = |node: &&NodeId| self.node(**node).is_some_and(|process| process.up && !process.paused);
        if able.len() < next.members.iter().filter(runs).count() && round == 0 && self.now < self.due(renewal) {
            return None;
        }
        let turn = usize::try_from(round).ok()?.checked_rem(able.len())?;
        let (proposer, from) = able.get(turn).copied()?;
        Some(KeyProposal {
            key_name: KEY_NAME.to_owned(),
            proposer,
            deadline: WallTime(self.wall().0 + ACCEPTANCE),
            salt: self.source.bytes("renewal", &[renewal as u64, round.into()]),
            definition: self.in_force(proposer).digest(),
            from: Some(from),
        })
    }

    /// Until when operators wait for all members to be ready.
    fn due(&self, renewal: usize) -> Micros {
        self.scenario.key.renewals.get(renewal).map_or(0, |renewal| renewal.at.saturating_add(60_000_000))
    }

    fn give_up(&mut self, renewal: usize) {
        self.keys.renewed = renewal + 1;
        (self.keys.round, self.keys.wanted) = (0, false);
    }

    /// An attempt ended at a node: if it was at the next epoch, somebody tries again.
    pub(super) fn renewal_ended(&mut self, key_id: KeyId) {
        let Some(renewal) = self.keys.attempts.get(&key_id).copied() else { return };
        if renewal == self.keys.renewed && self.keys.ended.insert(key_id) {
            let round = self.keys.round;
            self.after(PAUSE, Occurrence::Renew { renewal, round, looks: 0 });
        }
    }

    /// An honest node has an epoch active: the newest of them is the network's.
    pub(super) fn key_active(&mut self, id: ProcessId, key_id: KeyId) {
        let views = self.processes.get(&id).map(|process| process.engine.keys()).unwrap_or_default();
        let Some(view) = views.into_iter().find(|view| view.key_id == key_id) else { return };
        let Some(group_key) = view.group_key else { return };
        if self.keys.current.is_none() {
            self.set_key(key_id, group_key);
        }
        if view.epoch <= self.keys.epoch {
            return;
        }
        let open = self.requests.iter().any(|posted| !self.known.keys().any(|(_, subject)| *subject == posted.subject));
        if open {
            self.record(None, What::Probe { name: "epoch-switched-under-load" });
        }
        if self.keys.round > 1 {
            self.record(None, What::Probe { name: "reshare-aborted-and-retried" });
        }
        self.keys.epoch = view.epoch;
        self.keys.holders = Some(Roster { threshold: view.threshold, members: view.members.into_values().collect() });
        if let Some((current, _)) = &mut self.keys.current {
            *current = key_id;
        }
        if let Some(renewal) = self.keys.attempts.get(&key_id).copied().filter(|renewal| *renewal >= self.keys.renewed)
        {
            self.give_up(renewal);
        }
    }

    /// Deploys the account of the network's key.
    pub(super) fn set_key(&mut self, key_id: KeyId, group_key: Point) {
        self.keys.current = Some((key_id, group_key));
        self.chain.deploy(group_key);
    }

    /// Forgets the key: people make another.
    pub(super) fn lose_key(&mut self) {
        debug_assert!(self.has(Bug::SecondKey), "keys are not lost otherwise");
        self.keys = Keys { proposals: self.keys.proposals, ..Keys::default() };
    }
}
