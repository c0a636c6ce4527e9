//! From a log to what is said about it. What a log says is believed by nobody but shown: nothing in it can make this fail.

mod core;
mod guard;
#[cfg(test)]
pub(super) mod tests;

use super::events::{self, CoreEvents, FrostAccountEvents, GuardEvents, ManagerEvents, SpendingEvents, TimelockEvents};
use super::known::{Known, Question};
use super::notice::{Id, Level, Notice, Until, next_step};
use crate::chain::events::{Event, Place};
use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolEventInterface;
use firn_proto::SubjectId;
use firn_proto::definition::Content;
use firn_proto::definition::Contracts;
use firn_proto::operation::sanitised;
use serde_json::Value;

/// Bytes of what others wrote into the chain that are shown.
const SHOWN_MAX: usize = 200;
/// Bytes of calldata that are shown.
const DATA_MAX: usize = 1_024;

const UNREADABLE: &str = "unreadable";

/// Everything that a log is read by.
pub(super) struct Scene<'a> {
    pub(super) definition: &'a Content,
    pub(super) known: &'a Known,
    /// For how many blocks who leaves stays slashable, where that is known.
    pub(super) leaving: Option<u64>,
    /// All events of the same blocks.
    pub(super) events: &'a [Event],
}

/// A notice before its block's time is known, and before it is known whether a request explains it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) place: Place,
    transaction: B256,
    contract: Address,
    said: Said,
}

/// What an event comes to.
#[derive(Debug)]
struct Said {
    kind: &'static str,
    level: Level,
    text: String,
    fields: Value,
    avs: Option<Address>,
    until: Option<(&'static str, When)>,
    /// What has to be explained by a request, and the kind of notice it is if none does.
    question: Option<(Question, &'static str)>,
}

#[derive(Clone, Copy, Debug)]
enum When {
    Block(u64),
    Time(u64),
    /// So many seconds after the event's block.
    Delay(u64),
}

impl Said {
    fn new(kind: &'static str, level: Level, text: impl Into<String>, fields: Value) -> Self {
        Self { kind, level, text: text.into(), fields, avs: None, until: None, question: None }
    }

    fn until(self, what: &'static str, when: When) -> Self {
        Self { until: Some((what, when)), ..self }
    }

    fn asks(self, question: Question, unknown: &'static str) -> Self {
        Self { question: Some((question, unknown)), ..self }
    }
}

impl Draft {
    /// What a request has to explain.
    pub(super) fn question(&self) -> Option<&Question> {
        self.said.question.as_ref().map(|(question, _)| question)
    }

    /// Whether nothing is known of it but its name.
    pub(super) fn is_unreadable(&self) -> bool {
        self.said.kind == UNREADABLE
    }

    /// The notice, once the block's time is known and, where there is a question, whether a request explains it.
    pub(super) fn finish(self, request: Option<SubjectId>, time: u64, block_seconds: u64) -> Notice {
        let Said { mut kind, mut level, mut text, fields, avs, until, question } = self.said;
        match (&question, request) {
            (_, Some(id)) => text.push_str(&format!(", for request {id}")),
            (Some((_, unknown)), None) => {
                (kind, level) = (unknown, Level::Alarm);
                text.push_str(": no request that this node knows explains it");
            }
            (None, None) => {}
        }
        let (block, place) = self.place;
        let until = until.map(|(what, when)| {
            let (at, time) = match when {
                When::Time(at) => (None, at),
                When::Delay(seconds) => (None, time.saturating_add(seconds)),
                When::Block(at) => {
                    (Some(at), time.saturating_add(at.saturating_sub(block).saturating_mul(block_seconds)))
                }
            };
            Until { what: what.to_owned(), block: at, time }
        });
        Notice {
            id: Id((block, place)),
            level,
            kind: kind.to_owned(),
            block,
            time,
            avs,
            text,
            until,
            request: request.map(|id| id.to_string()),
            next_step: next_step(kind).to_owned(),
            contract: self.contract,
            transaction: self.transaction,
            fields,
        }
    }
}

impl Scene<'_> {
    /// What an event comes to; `None` where it is nobody's business here.
    pub(super) fn draft(&self, event: &Event) -> Option<Draft> {
        let said = self.said(event)?;
        Some(Draft { place: event.place, transaction: event.transaction, contract: event.log.address, said })
    }

    fn said(&self, event: &Event) -> Option<Said> {
        let (log, at) = (&event.log, event.log.address);
        if events::core(self.definition).contains(&Some(at)) {
            return CoreEvents::decode_log(log)
                .map_or_else(|_| Some(unreadable(event)), |read| self.core(event, read.data));
        }
        let contracts = self.definition.contracts.iter();
        let mut contracts = contracts.filter(|of| [of.manager, of.timelock, of.gate, of.treasury].contains(&at));
        let Some(of) = contracts.next() else {
            let read = FrostAccountEvents::decode_log(log);
            return self
                .known
                .is_ours(at)
                .then(|| read.map_or_else(|_| unreadable(event), |read| self.account(at, &read.data)));
        };
        let said = if at == of.manager {
            ManagerEvents::decode_log(log).ok().map(|read| self.manager(of, event, read.data))
        } else if at == of.timelock {
            TimelockEvents::decode_log(log).ok().map(|read| self.timelock(of, event, read.data))
        } else {
            let spent = || SpendingEvents::decode_log(log).ok().map(|read| self.spending(read.data));
            GuardEvents::decode_log(log).ok().map(|read| self.guard(of, at, read.data)).or_else(spent)
        };
        Some(Said { avs: Some(of.avs), ..said.unwrap_or_else(|| unreadable(event)) })
    }

    /// An address with what it is, where that is known.
    fn label(&self, address: Address) -> String {
        let contracts = self.definition.contracts.iter();
        let names = contracts.flat_map(|of| {
            [
                (of.manager, "the AccessManager"),
                (of.timelock, "the timelock"),
                (of.timelock_veto, "TimelockVeto"),
                (of.gate, "the gate"),
                (of.treasury, "the treasury"),
                (of.avs, "the AVS"),
            ]
        });
        if let Some((_, name)) = names.into_iter().find(|(at, _)| *at == address) {
            return format!("{address} ({name})");
        }
        let key = self.known.accounts.iter().find(|(_, account)| **account == address);
        key.map_or_else(|| address.to_string(), |(name, _)| format!("{address} (key {name})"))
    }

    /// Whether the transaction that deploys the AVS's contracts takes back what this event gives: its own powers. In any other
    /// transaction they may have been used in between.
    fn is_taken_back(
        &self,
        of: &Contracts,
        event: &Event,
        taken_back: impl Fn(&alloy::primitives::Log) -> bool,
    ) -> bool {
        let same = || self.events.iter().filter(|other| other.transaction == event.transaction);
        // Its first member is who creates the AccessManager, which nobody else can be.
        let deploys = same().filter(|other| other.log.address == of.manager).any(|other| {
            let read = ManagerEvents::decode_log(&other.log).map(|read| read.data);
            matches!(read, Ok(ManagerEvents::RoleGranted(e)) if e.roleId == 0 && e.account.create(1) == of.manager)
        });
        let mut later = same().filter(|other| other.place > event.place && other.log.address == event.log.address);
        deploys && later.any(|other| taken_back(&other.log))
    }
}

/// A log with the name of an event and not its content. Shown, since an upgrade may have changed what the event says.
fn unreadable(event: &Event) -> Said {
    let topic = event.log.topics().first().map(B256::to_string).unwrap_or_default();
    let text = format!("a log of {} does not read as the event it is named for", event.log.address);
    Said::new(UNREADABLE, Level::Warning, text, serde_json::json!({ "topic": topic }))
}

/// What others wrote, cut and without what could make a line lie.
fn quoted(text: &str) -> String {
    sanitised(text, SHOWN_MAX)
}

/// The beginning of what is called.
fn data(bytes: &Bytes) -> String {
    format!("0x{}", hex::encode(bytes.get(..DATA_MAX).unwrap_or(bytes)))
}

/// The function that is called, by its first four bytes.
fn selector(bytes: &Bytes) -> String {
    format!("0x{}", hex::encode(bytes.get(..4).unwrap_or_default()))
}
