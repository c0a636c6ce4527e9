//! Where notices are for everybody to see: the newest in memory, and each as it comes for whoever follows.

use super::notice::{Id, Level, Notice};
use crate::metrics::Metrics;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

/// Notices that are kept: a kilobyte or so each.
pub(crate) const KEPT_MAX: usize = 1_024;
/// Notices that wait for one reader. Who is slower is told so and has to come again.
const WAITING_MAX: usize = 256;
/// Readers at a time.
const READERS_MAX: usize = 16;

/// How the watch stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Standing {
    /// The last block that was read.
    pub(crate) block: u64,
    /// Why it is not read on.
    pub(crate) problem: Option<&'static str>,
    /// Of the webhook, where there is one.
    pub(crate) webhook: Option<Delivery>,
}

/// How the webhook stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Delivery {
    /// Notices that wait for it.
    pub(crate) waiting: usize,
    /// Attempts in a row that failed.
    pub(crate) failures: u32,
    /// The last one's outcome.
    pub(crate) problem: String,
}

/// The newest notices, and whoever follows them.
pub(crate) struct Board {
    kept: Mutex<VecDeque<Arc<Notice>>>,
    news: broadcast::Sender<Arc<Notice>>,
    readers: Arc<Semaphore>,
    standing: watch::Sender<Standing>,
    metrics: Arc<Metrics>,
}

/// From where a reader wants notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Since {
    /// From the oldest that is kept.
    Start,
    /// From this one on, without it.
    After(Id),
    /// Those to come.
    Now,
}

/// A reader: what there was, and what comes.
pub(crate) struct Reader {
    /// The notice it asked for is not kept any more, or never was: some may be lacking.
    pub(crate) gap: bool,
    pub(crate) before: VecDeque<Arc<Notice>>,
    pub(crate) news: broadcast::Receiver<Arc<Notice>>,
    _place: OwnedSemaphorePermit,
}

impl Board {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            kept: Mutex::default(),
            news: broadcast::Sender::new(WAITING_MAX),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            standing: watch::Sender::new(Standing::default()),
            metrics: Arc::clone(metrics),
        }
    }

    /// Shows a notice. One that was told before this process began is neither logged nor counted again.
    pub(crate) fn show(&self, notice: &Arc<Notice>, is_news: bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|kept| kept.id == notice.id) {
            return;
        }
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(notice));
        // Under the lock: a reader gets each notice once. Nobody may be there to hear.
        let _ = self.news.send(Arc::clone(notice));
        drop(kept);
        if is_news {
            self.metrics.noticed(&notice.kind, notice.level == Level::Alarm);
            log(notice);
        }
    }

    /// What has become of a request on chain, as far as that is kept: its own notices, those of the same transactions, and the
    /// clearing of what it slashed.
    pub(crate) fn life(&self, request: &str) -> Vec<Arc<Notice>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = kept.iter().filter(|notice| notice.request.as_deref() == Some(request));
        let transactions: BTreeSet<_> = own.map(|notice| notice.transaction).collect();
        let slash = |notice: &Notice| {
            let field = |name| notice.fields.get(name).cloned();
            Some((notice.avs?, field("operator_set_id")?, field("slash_id")?))
        };
        let with_it = |notice: &&Arc<Notice>| transactions.contains(&notice.transaction);
        let slashes: Vec<_> = kept.iter().filter(with_it).filter_map(|notice| slash(notice)).collect();
        let later = |notice: &Arc<Notice>| slash(notice).is_some_and(|of| slashes.contains(&of));
        kept.iter().filter(|notice| with_it(notice) || later(notice)).cloned().collect()
    }

    /// A place among the readers, if there is one.
    pub(crate) fn read(&self, since: Since) -> Option<Reader> {
        let place = Arc::clone(&self.readers).try_acquire_owned().ok()?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let news = self.news.subscribe();
        let (gap, before) = match since {
            Since::Start => (false, kept.clone()),
            Since::Now => (false, VecDeque::new()),
            Since::After(id) => match kept.iter().position(|notice| notice.id == id) {
                Some(at) => (false, kept.iter().skip(at + 1).cloned().collect()),
                None => (true, kept.clone()),
            },
        };
        Some(Reader { gap, before, news, _place: place })
    }

    /// How the watch stands, and how it comes to stand.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    pub(super) fn stands(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_modify(change);
    }
}

fn log(notice: &Notice) {
    let Notice { id, kind, text, next_step, request, .. } = notice;
    let request = request.as_deref().unwrap_or_default();
    match notice.level {
        Level::Alarm => tracing::error!(%id, kind, text, next = next_step, "chain_alarm"),
        Level::Warning => tracing::warn!(%id, kind, text, next = next_step, "chain_warning"),
        Level::Info => tracing::info!(%id, kind, text, request, "chain_notice"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloy::primitives::{Address, B256};

    pub(crate) fn notice(block: u64, level: Level) -> Arc<Notice> {
        Arc::new(Notice {
            id: Id((block, 0)),
            level,
            kind: "paused".to_owned(),
            block,
            time: 12 * block,
            avs: None,
            text: "the gate is paused".to_owned(),
            until: None,
            request: None,
            next_step: String::new(),
            contract: Address::ZERO,
            transaction: B256::ZERO,
            fields: serde_json::json!({}),
        })
    }

    fn board() -> Board {
        Board::new(&Arc::new(Metrics::new()))
    }

    fn blocks(reader: &Reader) -> Vec<u64> {
        reader.before.iter().map(|notice| notice.block).collect()
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_is_told_of_a_gap() {
        let board = board();
        (1..=KEPT_MAX as u64 + 2).for_each(|block| board.show(&notice(block, Level::Info), true));
        board.show(&notice(9, Level::Info), true);
        let all = board.read(Since::Start).unwrap();
        assert_eq!((all.gap, blocks(&all).len(), blocks(&all)[0]), (false, KEPT_MAX, 3), "the newest, each once");
        let last = KEPT_MAX as u64 + 2;
        let rest = board.read(Since::After(Id((last - 2, 0)))).unwrap();
        assert_eq!((rest.gap, blocks(&rest)), (false, vec![last - 1, last]));
        for unknown in [Id((2, 0)), Id((9, 1))] {
            let gap = board.read(Since::After(unknown)).unwrap();
            assert_eq!((gap.gap, blocks(&gap).len()), (true, KEPT_MAX), "{unknown}");
        }
        let mut now = board.read(Since::Now).unwrap();
        board.show(&notice(9_999, Level::Info), true);
        assert_eq!((blocks(&now), now.news.try_recv().unwrap().block), (Vec::new(), 9_999));
    }

    #[test]
    fn readers_have_a_bound_each_and_together() {
        let board = board();
        let mut readers: Vec<_> = (0..READERS_MAX).map(|_| board.read(Since::Now).unwrap()).collect();
        assert!(board.read(Since::Now).is_none());
        (0..=WAITING_MAX as u64).for_each(|block| board.show(&notice(block, Level::Info), true));
        let lagged = readers.pop().unwrap().news.try_recv();
        assert_eq!(lagged.unwrap_err(), broadcast::error::TryRecvError::Lagged(1));
        assert!(board.read(Since::Now).is_some(), "its place is free again");
    }
}
