//! Who is asked next. Requesters take turns, and none of them has more than its part of what waits or is under way: a verifier
//! that hangs over one requester's slashes is still asked about another's.

use alloy::primitives::Address;
use firn_coordinator::api::{Event, EvidenceVerdict};
use firn_proto::SubjectId;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use tokio::sync::mpsc;

/// Questions under way: as many programs run at once.
const CONCURRENT_MAX: usize = 8;
/// Of one requester: two that hang leave no other without a place.
const CONCURRENT_EACH: usize = 3;
/// Questions of one requester that wait. One request has one, and its size is bounded.
const WAITING_EACH: usize = 256;

/// Questions that wait, and how many are under way, by requester.
struct Queue<Q> {
    waiting: BTreeMap<Address, VecDeque<Q>>,
    asking: BTreeMap<Address, usize>,
    /// Who was served last: those after it come first.
    last: Address,
}

impl<Q> Queue<Q> {
    fn new() -> Self {
        Self { waiting: BTreeMap::new(), asking: BTreeMap::new(), last: Address::ZERO }
    }

    /// Takes a question, unless too many of its requester wait.
    fn push(&mut self, requester: Address, question: Q) -> bool {
        let waiting = self.waiting.entry(requester).or_default();
        let has_room = waiting.len() < WAITING_EACH;
        if has_room {
            waiting.push_back(question);
        }
        has_room
    }

    /// The next question that may be put, if any.
    fn next(&mut self) -> Option<Q> {
        if self.asking.values().sum::<usize>() >= CONCURRENT_MAX {
            return None;
        }
        let may = |requester: &&Address| self.asking.get(*requester).copied().unwrap_or_default() < CONCURRENT_EACH;
        let mut after = self.waiting.range((std::ops::Bound::Excluded(self.last), std::ops::Bound::Unbounded));
        let requester = after.find_map(|(requester, _)| Some(requester).filter(may));
        let requester = *requester.or_else(|| self.waiting.keys().find(may))?;
        let waiting = self.waiting.get_mut(&requester)?;
        let question = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&requester);
        }
        *self.asking.entry(requester).or_default() += 1;
        self.last = requester;
        question
    }

    /// A question of this requester is not under way any more.
    fn answered(&mut self, requester: Address) {
        let left = self.asking.remove(&requester).unwrap_or_default().saturating_sub(1);
        if left > 0 {
            self.asking.insert(requester, left);
        }
    }
}

/// Serves questions until nobody asks any more. However a question ends, its place is free again and the loop is told.
pub(super) async fn serve<Q, F: Future<Output = Option<EvidenceVerdict>>>(
    mut questions: mpsc::Receiver<Q>,
    events: &mpsc::Sender<Event>,
    about: impl Fn(&Q) -> (Address, SubjectId),
    ask: impl Fn(Q) -> F,
) {
    let (mut queue, mut asked) = (Queue::new(), FuturesUnordered::new());
    loop {
        while let Some(question) = queue.next() {
            let (requester, request) = about(&question);
            let verdict = async { ask(question).await };
            asked.push(AssertUnwindSafe(verdict).catch_unwind().map(move |verdict| (requester, request, verdict)));
        }
        let event = tokio::select! {
            question = questions.recv() => {
                let Some(question) = question else { return };
                let (requester, request) = about(&question);
                if queue.push(requester, question) {
                    continue;
                }
                Event::EvidenceUnasked { request }
            }
            Some((requester, request, verdict)) = asked.next() => {
                queue.answered(requester);
                // It panicked, which its own message tells.
                Event::EvidenceChecked { request, verdict: verdict.unwrap_or_default() }
            }
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_proto::Digest;
    use tokio::sync::{Mutex, oneshot};

    /// A requester's question, by number.
    type Question = (u8, u8);

    fn about((requester, number): &Question) -> (Address, SubjectId) {
        (Address::repeat_byte(*requester), SubjectId(Digest([*number; 32])))
    }

    /// What the loop is told: the question's number, and the answer if it was put.
    async fn next(told: &mut mpsc::Receiver<Event>) -> (u8, Option<Option<EvidenceVerdict>>) {
        match told.recv().await {
            Some(Event::EvidenceChecked { request, verdict }) => (request.0.0[0], Some(verdict)),
            Some(Event::EvidenceUnasked { request }) => (request.0.0[0], None),
            _ => panic!("nothing about evidence"),
        }
    }

    #[test]
    fn requesters_take_turns_and_none_takes_all_places() {
        let mut queue = Queue::new();
        for question in (1..=9).map(|number| (1, number)).chain([(2, 20), (3, 30), (2, 21)]) {
            assert!(queue.push(about(&question).0, question));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(order, [(1, 1), (2, 20), (3, 30), (1, 2), (2, 21), (1, 3)], "and not a fourth of the first");
        queue.answered(about(&(2, 20)).0);
        assert_eq!(queue.next(), None, "another's place is not the first's");
        queue.answered(about(&(1, 1)).0);
        assert_eq!(queue.next(), Some((1, 4)));
        for number in 0..10 {
            queue.push(about(&(4, number)).0, (4, number));
            queue.push(about(&(5, number)).0, (5, number));
        }
        let rest: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(rest, [(4, 0), (5, 0), (4, 1)], "eight in all");
        let mut full = Queue::new();
        assert!((0..WAITING_EACH).all(|_| full.push(Address::ZERO, ())) && !full.push(Address::ZERO, ()));
        assert!(full.push(Address::repeat_byte(1), ()), "another's");
    }

    #[tokio::test]
    async fn one_requesters_slashes_keep_no_others_from_being_asked() {
        let (ask, questions) = mpsc::channel(1);
        let (events, mut told) = mpsc::channel(1);
        // The verifier hangs over everything that the first asks.
        let verdict = |(requester, _): Question| async move {
            if requester == 1 { std::future::pending().await } else { Some(EvidenceVerdict::new(true, "")) }
        };
        let serving = tokio::spawn(async move { serve(questions, &events, about, verdict).await });
        let flood = WAITING_EACH + CONCURRENT_EACH;
        for number in 0..flood {
            ask.send((1, u8::try_from(number % 200).unwrap())).await.unwrap();
        }
        ask.send((1, 201)).await.unwrap();
        assert_eq!(next(&mut told).await, (201, None));
        ask.send((2, 7)).await.unwrap();
        let verdict = Some(EvidenceVerdict::new(true, ""));
        assert_eq!(next(&mut told).await, (7, Some(verdict)));
        drop(ask);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_question_that_panics_gives_its_place_back_and_has_no_answer() {
        let (ask, questions) = mpsc::channel(1);
        let (events, mut told) = mpsc::channel(1);
        let verdict = |(_, number): Question| async move {
            assert_eq!(number, 100, "as the test wants it");
            None
        };
        let serving = tokio::spawn(async move { serve(questions, &events, about, verdict).await });
        for number in (0..u8::try_from(CONCURRENT_MAX + 1).unwrap()).chain([100]) {
            ask.send((1, number)).await.unwrap();
            assert_eq!(next(&mut told).await, (number, Some(None)));
        }
        drop(ask);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_place_is_taken_until_its_answer() {
        let (ask, questions) = mpsc::channel(1);
        let (events, mut told) = mpsc::channel(1);
        let (answer, answered) = oneshot::channel::<()>();
        let answered = std::sync::Arc::new(Mutex::new(Some(answered)));
        let verdict = move |_: Question| {
            let answered = std::sync::Arc::clone(&answered);
            async move {
                match answered.lock().await.take() {
                    Some(first) => first.await.ok().map(|()| EvidenceVerdict::new(false, "late")),
                    None => std::future::pending().await,
                }
            }
        };
        let serving = tokio::spawn(async move { serve(questions, &events, about, verdict).await });
        for number in 0..4 {
            ask.send((1, number)).await.unwrap();
        }
        answer.send(()).unwrap();
        let verdict = Some(EvidenceVerdict::new(false, "late"));
        assert_eq!(next(&mut told).await, (0, Some(verdict)));
        drop((ask, told));
        serving.await.unwrap();
    }
}
