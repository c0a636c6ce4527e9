//! The ordered log of a round: what is written, and what may leave once everything written before it is durable.

/// Writes `W` that are not durable yet, and what waits for them, in order.
pub(super) struct OrderedLog<W, T> {
    writes: Vec<W>,
    waiting: Vec<T>,
}

impl<W, T> OrderedLog<W, T> {
    pub(super) fn new() -> Self {
        Self { writes: Vec::new(), waiting: Vec::new() }
    }

    /// To be written with the next sync.
    pub(super) fn write(&mut self, write: W) {
        self.writes.push(write);
    }

    /// Gives `item` back if it may leave at once, as nothing before it waits for a sync; else it waits as well.
    pub(super) fn leave(&mut self, item: T) -> Option<T> {
        if self.writes.is_empty() {
            return Some(item);
        }
        self.waiting.push(item);
        None
    }

    /// Whether anything waits: writes with nothing behind them hold up nobody.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Makes all writes durable by `commit`, in one go, and gives what may leave then, in order.
    ///
    /// # Errors
    /// Where `commit` fails, nothing of it may leave any more: it is dropped.
    pub(super) fn settle<E>(&mut self, commit: impl FnOnce(Vec<W>) -> Result<(), E>) -> Result<Vec<T>, E> {
        let waiting = std::mem::take(&mut self.waiting);
        if !self.writes.is_empty() {
            commit(std::mem::take(&mut self.writes))?;
        }
        Ok(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store, a network, and a log between them. Writes and items are numbered together.
    struct Bench {
        log: OrderedLog<u32, u32>,
        durable: Vec<u32>,
        left: Vec<u32>,
        syncs: u32,
    }

    impl Bench {
        /// `w` writes, `s` sends, `|` ends a round, `.` is a wait for input.
        fn run(script: &str) -> Self {
            let mut bench = Self { log: OrderedLog::new(), durable: Vec::new(), left: Vec::new(), syncs: 0 };
            for (number, act) in (0_u32..).zip(script.chars()) {
                match act {
                    'w' => bench.log.write(number),
                    's' => {
                        if let Some(item) = bench.log.leave(number) {
                            bench.leaves(script, item);
                        }
                    }
                    '|' if bench.log.is_awaited() => bench.settle(script),
                    '.' => bench.settle(script),
                    _ => {}
                }
            }
            bench
        }

        fn settle(&mut self, script: &str) {
            let (durable, syncs) = (&mut self.durable, &mut self.syncs);
            let left = self.log.settle(|writes| {
                durable.extend(writes);
                *syncs += 1;
                Ok::<(), ()>(())
            });
            left.unwrap().into_iter().for_each(|item| self.leaves(script, item));
        }

        /// The barrier: all that was written before it is durable, and nothing overtakes.
        fn leaves(&mut self, script: &str, item: u32) {
            let before = (0_u32..item).zip(script.chars()).filter(|(_, act)| *act == 'w');
            assert!(
                before.into_iter().all(|(write, _)| self.durable.contains(&write)),
                "{item} left too early: {script}"
            );
            assert!(self.left.last().is_none_or(|last| *last < item), "{item} was overtaken: {script}");
            self.left.push(item);
        }
    }

    #[test]
    fn r58_nothing_leaves_before_what_was_written_before_it_is_durable() {
        // Every script of eight acts out of four.
        for number in 0..4_u32.pow(8) {
            let script: String =
                (0..8).map(|place| ['w', 's', '|', '.'][(number >> (2 * place)) as usize % 4]).collect();
            let bench = Bench::run(&format!("{script}."));
            assert_eq!(bench.left.len(), script.matches('s').count(), "everything leaves in the end: {script}");
            assert_eq!(bench.durable.len(), script.matches('w').count(), "{script}");
        }
    }

    #[test]
    fn one_sync_covers_a_round() {
        assert_eq!(Bench::run("wswwswss|").syncs, 1);
        assert_eq!(Bench::run("ws|ws|").syncs, 2);
    }

    #[test]
    fn what_nothing_was_written_before_waits_for_no_sync() {
        let bench = Bench::run("ssw");
        assert_eq!((bench.left, bench.syncs), (vec![0, 1], 0));
    }

    #[test]
    fn a_trailing_write_waits_for_company_and_at_most_until_the_loop_waits() {
        let bench = Bench::run("sw|w|w|ws|");
        assert_eq!((bench.syncs, bench.durable.len()), (1, 4));
        assert_eq!(Bench::run("sw|").syncs, 0);
        assert_eq!(Bench::run("sw|.").syncs, 1);
    }

    #[test]
    fn r58_after_a_failed_sync_nothing_leaves() {
        let mut log: OrderedLog<u32, u32> = OrderedLog::new();
        log.write(1);
        assert_eq!(log.leave(2), None);
        assert_eq!(log.settle(|_| Err("disk")), Err("disk"));
        assert_eq!(log.settle(|_| Ok::<(), &str>(())), Ok(Vec::new()));
    }
}
