//! Who has how many requests on their way into the loop: a burst of one requester leaves places for the others.

use crate::runtime::CALLS_MAX;
use alloy::primitives::Address;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places taken, by requester.
#[derive(Clone)]
pub(crate) struct Intake {
    taken: Arc<Mutex<BTreeMap<Address, usize>>>,
    /// Requests of one requester that may wait for their answer.
    places_max: usize,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    intake: Intake,
    requester: Address,
}

impl Intake {
    /// Half of the loop's places, in equal parts for so many requesters. The other half is for looking and commanding.
    pub(crate) fn new(requesters: usize) -> Self {
        let places_max = (CALLS_MAX / 2 / requesters.max(1)).max(1);
        Self { taken: Arc::default(), places_max }
    }

    /// Takes a place for a request, if its requester has one left.
    pub(crate) fn enter(&self, requester: Address) -> Option<Place> {
        let mut taken = self.lock();
        let count = taken.entry(requester).or_default();
        if *count >= self.places_max {
            return None;
        }
        *count += 1;
        Some(Place { intake: self.clone(), requester })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.intake.lock();
        if let Some(count) = taken.get_mut(&self.requester) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.requester);
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
