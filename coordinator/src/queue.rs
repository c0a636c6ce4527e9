//! Which subject is signed next where more wait than are coordinated at once: the requesters take turns, and each one's
//! subjects go in the order in which they came.

use alloy_primitives::Address;
use firn_proto::SubjectId;
use std::collections::{BTreeMap, VecDeque};

/// Subjects that we coordinate and that wait for their turn.
#[derive(Default, Debug)]
pub(crate) struct Queue {
    waiting: BTreeMap<Address, VecDeque<SubjectId>>,
    /// Whose turn was last.
    last: Address,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// Has a subject wait behind the others of its requester, where it does not wait already.
    pub(crate) fn insert(&mut self, requester: Address, id: SubjectId) {
        let line = self.waiting.entry(requester).or_default();
        if !line.contains(&id) {
            line.push_back(id);
        }
    }

    /// A subject has had its turn.
    pub(crate) fn take(&mut self, requester: Address, id: SubjectId) {
        if self.remove(requester, id) {
            self.last = requester;
        }
    }

    /// A subject waits no more. True if it did.
    pub(crate) fn remove(&mut self, requester: Address, id: SubjectId) -> bool {
        let Some(line) = self.waiting.get_mut(&requester) else { return false };
        let before = line.len();
        line.retain(|waiting| *waiting != id);
        let removed = line.len() < before;
        if line.is_empty() {
            self.waiting.remove(&requester);
        }
        removed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next `count` in turn: the first of each requester's line, from the one after the last that had its turn; then
    /// the second of each, and so on.
    pub(crate) fn next(&self, count: usize) -> Vec<SubjectId> {
        let (before, after): (Vec<_>, Vec<_>) =
            self.waiting.iter().partition(|(requester, _)| **requester <= self.last);
        let lines: Vec<_> = after.into_iter().chain(before).map(|(_, line)| line).collect();
        let longest = lines.iter().map(|line| line.len()).max().unwrap_or_default();
        (0..longest)
            .flat_map(|place| lines.iter().filter_map(move |line| line.get(place)))
            .copied()
            .take(count)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_proto::Digest;

    fn id(number: u8) -> SubjectId {
        SubjectId(Digest([number; 32]))
    }

    #[test]
    fn a_burst_of_one_requester_delays_anothers_request_by_one_turn_at_most() {
        let (burst, single) = (Address::repeat_byte(1), Address::repeat_byte(2));
        for last in [burst, single] {
            let mut queue = Queue { last, ..Queue::default() };
            (0..100).for_each(|number| queue.insert(burst, id(number)));
            queue.insert(single, id(200));
            assert!(queue.next(2).contains(&id(200)));
        }
    }

    #[test]
    fn requesters_take_turns_and_each_ones_subjects_keep_their_order() {
        let mut queue = Queue::default();
        for (requester, number) in [(1, 1), (1, 2), (1, 3), (2, 21), (2, 22), (3, 31), (1, 1)] {
            queue.insert(Address::repeat_byte(requester), id(number));
        }
        let requester = |id: SubjectId| Address::repeat_byte((id.0.0[0] / 10).max(1));
        let mut served = Vec::new();
        while let Some(next) = queue.next(1).first().copied() {
            served.push(next.0.0[0]);
            queue.take(requester(next), next);
        }
        assert_eq!(served, [1, 21, 31, 2, 22, 3]);
        assert!(queue.is_empty());
    }
}
