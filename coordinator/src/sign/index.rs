//! Requests by what is asked of all of them at once, so that no question takes longer for those that are past.

use super::State;
use crate::engine::Engine;
use alloy_primitives::{Address, U256};
use firn_proto::SubjectId;
use firn_proto::time::WallTime;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of every request in memory.
#[derive(Default, Debug)]
pub(crate) struct Index {
    /// Subjects that still are to be signed, activations among them.
    open: BTreeSet<SubjectId>,
    standings: BTreeMap<SubjectId, Standing>,
    /// By requester and the nonce of its choice.
    nonces: BTreeSet<(Address, U256, SubjectId)>,
    /// How many of each requester are open, and how many the chain has not shown the end of.
    counts: BTreeMap<Address, Counts>,
    /// Those to which nothing more happens, the longest-known first.
    closed: BTreeSet<(WallTime, SubjectId)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Standing {
    requester: Address,
    nonce: U256,
    received: WallTime,
    open: bool,
    settled: bool,
}

/// Of one requester.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) open: usize,
    pub(crate) unsettled: usize,
}

impl Index {
    /// Takes in what became of a request; nothing where it is gone.
    fn set(&mut self, id: SubjectId, standing: Option<Standing>) {
        let before = match standing {
            Some(standing) => self.standings.insert(id, standing),
            None => self.standings.remove(&id),
        };
        if before == standing {
            return;
        }
        if let Some(before) = before {
            self.nonces.remove(&(before.requester, before.nonce, id));
            self.closed.remove(&(before.received, id));
            let counts = self.counts.entry(before.requester).or_default();
            counts.open = counts.open.saturating_sub(before.open.into());
            counts.unsettled = counts.unsettled.saturating_sub((!before.settled).into());
        }
        if let Some(now) = standing {
            self.nonces.insert((now.requester, now.nonce, id));
            if now.settled {
                self.closed.insert((now.received, id));
            }
            let counts = self.counts.entry(now.requester).or_default();
            counts.open = counts.open.saturating_add(now.open.into());
            counts.unsettled = counts.unsettled.saturating_add((!now.settled).into());
        }
    }

    pub(crate) fn counts(&self, requester: Address) -> Counts {
        self.counts.get(&requester).copied().unwrap_or_default()
    }

    /// Requests by this requester under this nonce.
    pub(crate) fn by_nonce(&self, requester: Address, nonce: U256) -> impl Iterator<Item = SubjectId> {
        let bound = |byte| (requester, nonce, SubjectId(firn_proto::Digest([byte; 32])));
        self.nonces.range(bound(0)..=bound(0xff)).map(|(_, _, id)| *id)
    }

    /// The longest-known request to which nothing more happens, where there are more than so many; not one to be kept.
    pub(crate) fn oldest_beyond(&self, max: usize, keep: impl Fn(SubjectId) -> bool) -> Option<SubjectId> {
        let mut closed = self.closed.iter().filter(|_| self.closed.len() > max).map(|(_, id)| *id);
        closed.find(|id| !keep(*id))
    }
}

impl Engine {
    /// Must follow each change of what [`State::is_open`] and [`State::is_settled`] say.
    pub(crate) fn reindex(&mut self, id: SubjectId) {
        let state = self.subjects.get(&id);
        match state.is_some_and(State::is_open) {
            true => self.index.open.insert(id),
            false => self.index.open.remove(&id),
        };
        self.index.set(id, state.and_then(standing));
    }

    /// What still is to be signed.
    pub(crate) fn open_subjects(&self) -> impl Iterator<Item = (SubjectId, &State)> {
        let anew = || self.subjects.iter().filter(|(_, state)| state.is_open()).map(|(id, _)| id);
        debug_assert!(self.index.open.iter().eq(anew()), "the index is of these subjects");
        self.index.open.iter().filter_map(|id| Some((*id, self.subjects.get(id)?)))
    }

    /// Counted one by one, for holding the index against.
    pub(crate) fn counts_anew(&self, requester: Address) -> Counts {
        let standings = self.subjects.values().filter_map(standing).filter(|standing| standing.requester == requester);
        standings.fold(Counts::default(), |counts, standing| Counts {
            open: counts.open.saturating_add(standing.open.into()),
            unsettled: counts.unsettled.saturating_add((!standing.settled).into()),
        })
    }
}

fn standing(state: &State) -> Option<Standing> {
    let request = state.request()?;
    let (open, settled) = (state.is_open(), state.is_settled());
    Some(Standing { requester: request.requester(), nonce: request.nonce(), received: state.received, open, settled })
}
