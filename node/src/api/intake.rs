//! Who has how many requests on their way into the loop, or connections: a burst of one leaves places for the others.

use crate::runtime::CALLS_MAX;
use alloy::primitives::Address;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places taken, by requester or by another name.
#[derive(Clone)]
pub(crate) struct Intake<K: Ord = Address> {
    taken: Arc<Mutex<BTreeMap<K, usize>>>,
    /// Places that one may have at a time.
    places_max: usize,
}

/// A place, until it is dropped.
pub(crate) struct Place<K: Ord = Address> {
    intake: Intake<K>,
    who: K,
}

impl Intake {
    /// Half of the loop's places, in equal parts for so many requesters. The other half is for looking and commanding.
    pub(crate) fn new(requesters: usize) -> Self {
        Self::with_places((CALLS_MAX / 2 / requesters.max(1)).max(1))
    }
}

impl<K: Ord + Copy> Intake<K> {
    /// So many places for each.
    pub(crate) fn with_places(places_max: usize) -> Self {
        Self { taken: Arc::default(), places_max }
    }

    /// Takes a place, if there is one left for who asks.
    pub(crate) fn enter(&self, who: K) -> Option<Place<K>> {
        let mut taken = self.lock();
        let count = taken.entry(who).or_default();
        if *count >= self.places_max {
            return None;
        }
        *count += 1;
        Some(Place { intake: self.clone(), who })
    }
}

impl<K: Ord> Intake<K> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.intake.lock();
        if let Some(count) = taken.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_leave_places_for_every_other_requester() {
        let intake = Intake::new(3);
        let [greedy, too, modest] = [1, 2, 3].map(Address::repeat_byte);
        let burst = |requester| -> Vec<_> { std::iter::from_fn(|| intake.enter(requester)).collect() };
        let (mut first, second) = (burst(greedy), burst(too));
        assert!(first.len() == second.len() && first.len() + second.len() < CALLS_MAX / 2);
        assert!(intake.enter(modest).is_some());
        first.pop();
        assert!(intake.enter(greedy).is_some(), "an answered request gives its place back");
        drop((first, second));
        assert!(intake.lock().is_empty(), "nobody is remembered who waits for nothing");
        assert!(Intake::new(10_000).enter(modest).is_some(), "one place at least");
    }
}
