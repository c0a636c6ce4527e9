//! Draws of the swarm, each named for what it decides.

use crate::random::Source;
use crate::scenario::{Loss, Micros};

/// Keyed draws.
pub(super) struct Draw(Source);

impl Draw {
    pub(super) fn new(source: Source) -> Self {
        Self(source)
    }

    /// From `least` to `most`, both included.
    pub(super) fn between(&self, least: u64, most: u64, what: &str, index: u64) -> u64 {
        least + self.0.below(most.saturating_sub(least) + 1, &format!("swarm {what}"), &[index])
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&self, percent: u64, what: &str, index: u64) -> bool {
        self.between(1, 100, &format!("whether {what}"), index) <= percent
    }

    /// A time in whole milliseconds, so that files stay readable.
    pub(super) fn micros(&self, least: Micros, most: Micros, what: &str, index: u64) -> Micros {
        self.between(least / 1_000, most / 1_000, what, index) * 1_000
    }

    /// Loss up to a rate in parts per million.
    pub(super) fn loss(&self, most: u64, what: &str, index: u64) -> Loss {
        let rate = self.between(1, most / 100, &format!("{what} rate"), index) * 100;
        let burst = self.micros(20_000, 2_000_000, &format!("{what} burst"), index);
        Loss { rate: u32::try_from(rate).unwrap_or(u32::MAX), burst }
    }

    /// One of several.
    pub(super) fn pick<'a, T>(&self, from: &'a [T], what: &str, index: u64) -> Option<&'a T> {
        let last = u64::try_from(from.len()).ok()?.checked_sub(1)?;
        from.get(usize::try_from(self.between(0, last, what, index)).ok()?)
    }

    /// All, in an order of their own.
    pub(super) fn shuffle<T: Clone>(&self, items: &[T], what: &str, index: u64) -> Vec<T> {
        let key = |position: usize| self.0.number(&format!("swarm order {what}"), &[index, position as u64]);
        let mut keyed: Vec<_> =
            items.iter().enumerate().map(|(position, item)| (key(position), item.clone())).collect();
        keyed.sort_by_key(|(key, _)| *key);
        keyed.into_iter().map(|(_, item)| item).collect()
    }

    /// At least one of several, in ascending order.
    pub(super) fn some<T: Clone + Ord>(&self, items: &[T], what: &str, index: u64) -> Vec<T> {
        let most = u64::try_from(items.len()).unwrap_or(1).max(1);
        let count = self.between(1, most, &format!("{what} count"), index);
        let mut some = self.shuffle(items, what, index);
        some.truncate(usize::try_from(count).unwrap_or(1));
        some.sort_unstable();
        some
    }
}
