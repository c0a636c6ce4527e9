//! Logs of final blocks, in ranges that an endpoint grants. Final blocks do not change, so none is read twice unless its reader forgets it.

use super::{Trouble, unavailable};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Log};
use alloy::transports::{RpcError, TransportError};
use firn_proto::Code;

/// Blocks in one question, at most: what public endpoints grant. Where one grants less, it is asked for half, down to the least.
const SPAN_MAX: u64 = 10_000;
/// The least, and questions for one answer: 30 days of blocks of 12 s take 432 of them at the least span, and 22 at the greatest.
const DAYS: Limits = Limits { span_min: 500, questions: 600 };
/// The same where logs of years are read: 7,000 cover 27 years at the greatest span.
pub(super) const YEARS: Limits = Limits { span_min: 100, questions: 7_000 };

/// The same where strangers can fill blocks with logs, so that an endpoint answers for a few of them only.
pub(super) const EVENTS: Limits = Limits { span_min: 1, questions: 1_200 };

/// What may be asked.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    span_min: u64,
    questions: u32,
}

/// The blocks that have been read: a range without gaps.
pub(super) struct Blocks {
    range: Option<(u64, u64)>,
    /// So many are asked for at a time, as far as the endpoint has shown.
    span: u64,
    limits: Limits,
}

/// Questions for one answer, so far.
#[derive(Default)]
pub(super) struct Questions(u32);

impl Blocks {
    pub(super) fn new() -> Self {
        Self::within(DAYS)
    }

    pub(super) fn within(limits: Limits) -> Self {
        Self { range: None, span: SPAN_MAX, limits }
    }

    /// Reads the next range that is lacking, with its logs; `None` where nothing is. It counts once it is [`Self::take`]n.
    pub(super) async fn read(
        &mut self,
        provider: &DynProvider,
        filter: &Filter,
        wanted: (u64, u64),
        enough: bool,
        questions: &mut Questions,
    ) -> Result<Option<((u64, u64), Vec<Log>)>, Trouble> {
        loop {
            let Some((first, last)) = self.next(wanted, enough) else { return Ok(None) };
            questions.0 += 1;
            if questions.0 > self.limits.questions {
                return Err(Trouble::Unavailable(Code::ChainUnavailable));
            }
            let filter = filter.clone().from_block(first).to_block(last);
            match provider.get_logs(&filter).await {
                // No endpoint is believed that answers something else than it was asked.
                Ok(logs) if logs.iter().all(|log| !log.removed && filter.rpc_matches(log)) => {
                    return Ok(Some(((first, last), logs)));
                }
                Ok(_) => return Err(Trouble::Unavailable(Code::ChainUnavailable)),
                Err(error) if refuses(&error) && self.span > self.limits.span_min => {
                    self.span = (self.span / 2).max(self.limits.span_min);
                }
                Err(error) => return Err(unavailable(error)),
            }
        }
    }

    /// The next range to be read: first what is new, then further back, down to the oldest that is wanted or until it is enough.
    fn next(&self, (oldest, newest): (u64, u64), enough: bool) -> Option<(u64, u64)> {
        match self.range {
            Some((first, last)) if last.saturating_add(1) >= oldest => {
                if last < newest {
                    return Some((last.saturating_add(1), newest.min(last.saturating_add(self.span))));
                }
                let lacking = !enough && first > oldest;
                lacking.then(|| (first.saturating_sub(self.span).max(oldest), first.saturating_sub(1)))
            }
            _ => Some((newest.saturating_sub(self.span - 1).max(oldest), newest)),
        }
    }

    /// These blocks have been read. Blocks apart from those before begin anew.
    pub(super) fn take(&mut self, (first, last): (u64, u64)) {
        self.range = Some(match self.range {
            Some((from, to)) if first == to.saturating_add(1) => (from, last),
            Some((from, to)) if from == last.saturating_add(1) => (first, to),
            _ => (first, last),
        });
    }

    /// So many of the newest count as not read.
    pub(super) fn forget_newest(&mut self, blocks: u64) {
        let left = self.range.map(|(first, last)| (first, last.saturating_sub(blocks)));
        self.range = left.filter(|(first, last)| first <= last);
    }

    /// The first block of the range.
    pub(super) fn first(&self) -> Option<u64> {
        self.range.map(|(first, _)| first)
    }
}

/// The endpoint has read the question and does not answer it: mostly it is too long.
fn refuses(error: &TransportError) -> bool {
    let too_long = |status| matches!(status, 400 | 413);
    match error {
        RpcError::ErrorResp(_) => true,
        RpcError::Transport(kind) => kind.as_http_error().is_some_and(|error| too_long(error.status)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads until nothing is lacking; the ranges.
    fn ranges(blocks: &mut Blocks, wanted: (u64, u64)) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        while let Some(range) = blocks.next(wanted, false) {
            blocks.take(range);
            all.push(range);
        }
        all
    }

    #[test]
    fn r14_every_block_is_read_once_and_no_more_than_those_wanted() {
        let mut blocks = Blocks { span: 100, ..Blocks::new() };
        assert_eq!(ranges(&mut blocks, (751, 1_000)), [(901, 1_000), (801, 900), (751, 800)]);
        assert_eq!(ranges(&mut blocks, (751, 1_000)), []);
        assert_eq!(ranges(&mut blocks, (752, 1_001)), [(1_001, 1_001)]);
        assert_eq!(ranges(&mut blocks, (900, 1_250)), [(1_002, 1_101), (1_102, 1_201), (1_202, 1_250)]);
        assert_eq!(ranges(&mut blocks, (800, 900)), [], "an endpoint that is behind");
        assert_eq!(ranges(&mut blocks, (700, 900)), [(700, 750)]);
        assert_eq!(ranges(&mut blocks, (9_950, 10_000)), [(9_950, 10_000)], "nothing between");
        assert_eq!(blocks.first(), Some(9_950));
        assert_eq!(ranges(&mut Blocks::new(), (0, 5)), [(0, 5)], "a young chain");
        assert_eq!(ranges(&mut Blocks::new(), (u64::MAX - 1, u64::MAX)), [(u64::MAX - 1, u64::MAX)]);
    }

    #[test]
    fn r14_what_is_enough_is_read_no_further_back() {
        let mut blocks = Blocks { range: Some((901, 1_000)), span: 100, ..Blocks::new() };
        assert_eq!(blocks.next((0, 1_000), true), None);
        assert_eq!(blocks.next((0, 1_001), true), Some((1_001, 1_001)), "news all the same");
        blocks.take((1_001, 1_001));
        assert_eq!(blocks.next((0, 1_001), false), Some((801, 900)));
        blocks.forget_newest(50);
        assert_eq!(blocks.next((0, 1_001), true), Some((952, 1_001)), "once more");
        blocks.forget_newest(51);
        assert_eq!(blocks.next((0, 1_001), true), Some((902, 1_001)), "all of it");
    }
}
