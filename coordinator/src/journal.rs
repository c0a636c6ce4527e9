//! The event journal: everything that ever went into an engine, so that an incident can be run again bit for bit.
//!
//! An engine is a function of its configuration, the records it was restored from, and its events with their times.
//! [`Recorder`] writes these down, with a running digest of the effects; [`Player`] restores an engine from them, feeds
//! it the same events, and stops at the first step whose effects were others. No secret can be in a journal: none is
//! in a record or an event of the engine.
//!
//! A journal is a list of frames, each a length (u32, big-endian) and a protobuf message (proto/schema/firn.proto): one
//! header, then one entry per event, written before the step, so that an event that ends the process is in it.

use crate::api::{Effect, Event, Record};
use crate::record::SCHEMA;
use crate::versions::in_force;
use crate::{Config, Engine};
use firn_proto::envelope::decode_strict;
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Definition, Digest, Incarnation, NodeId, wire};
use prost::Message;
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};

mod event;
mod reply;

/// The release that writes and replays: another one may rightly have other effects.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Turns a running engine's events into frames of its journal.
#[derive(Debug)]
pub struct Recorder {
    effects: Digest,
}

impl Recorder {
    /// Starts a journal; the bytes are its header.
    #[must_use]
    pub fn start(config: &Config, incarnation: Incarnation, records: &[Record]) -> (Self, Vec<u8>) {
        let root = config.definition.versions().last().unwrap_or(&config.definition);
        let header = wire::JournalHeader {
            schema: SCHEMA,
            release: RELEASE.to_owned(),
            definition: root.to_toml(),
            node: config.me.0.into(),
            incarnation: incarnation.to_wire(),
            records: records.iter().map(event::record_to).collect(),
            check_evidence: config.check_evidence,
            refresh_after: config.refresh_after,
        };
        (Self { effects: Digest::default() }, frame(&header))
    }

    /// The entry of an event, to be written before the engine takes it.
    #[must_use]
    pub fn event(&self, now: Time, event: &Event) -> Vec<u8> {
        self.entry(now, Some(event::event_to(event)))
    }

    /// Notes what the engine answered.
    pub fn effects(&mut self, effects: &[Effect]) {
        self.effects = absorb(self.effects, effects);
    }

    /// The last entry of a node that stops in order.
    #[must_use]
    pub fn end(&self, now: Time) -> Vec<u8> {
        self.entry(now, None)
    }

    fn entry(&self, now: Time, event: Option<wire::JournalEvent>) -> Vec<u8> {
        let effects = self.effects.0.to_vec();
        frame(&wire::JournalEntry { monotonic: now.monotonic.0, wall: now.wall.0, effects, event })
    }
}

/// Runs a journal again, step by step.
#[derive(Debug)]
pub struct Player<'a> {
    /// The engine, as far as the journal was played.
    pub engine: Engine,
    /// The network definition that it ran under.
    pub definition: Definition,
    /// The node.
    pub me: NodeId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// The release that wrote the journal.
    pub release: String,
    rest: &'a [u8],
    effects: Digest,
    /// Steps played, and the time and event of the last one.
    steps: u64,
    last: Option<(Time, &'static str)>,
    tail: Tail,
}

/// One step that was played again.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its index, from zero.
    pub index: u64,
    /// When the engine took the event.
    pub now: Time,
    /// The event.
    pub event: Event,
    /// What the engine answered, now as then.
    pub effects: Vec<Effect>,
}

/// How a journal ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tail {
    /// The node stopped in order.
    Stopped,
    /// The node was ended after its last entry, whose effects nothing confirms.
    Ended,
    /// The node was ended while it wrote: so many bytes of half an entry were left out.
    Cut(usize),
}

/// What came of a whole journal.
#[derive(Debug)]
pub struct Replay {
    /// The engine as it was at the end.
    pub engine: Engine,
    /// Steps played.
    pub steps: u64,
    /// How the journal ends.
    pub tail: Tail,
    /// The running digest of all effects: equal for equal runs.
    pub effects: Digest,
}

/// Why a journal cannot be played, or was played otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JournalError {
    /// It has no readable header.
    Header,
    /// The header has a schema that this release does not know.
    Schema(u32),
    /// A record that the engine was restored from does not read.
    Record(Code, Vec<u8>),
    /// An entry is not what a node writes.
    Entry {
        /// Its index, from zero.
        index: u64,
    },
    /// The effects of a step were others.
    Differs {
        /// Its index, from zero.
        index: u64,
        /// When the engine took the event.
        now: Time,
        /// The kind of event.
        event: &'static str,
        /// The release that wrote the journal.
        release: String,
    },
}

impl<'a> Player<'a> {
    /// Reads the header and restores the engine.
    ///
    /// # Errors
    /// [`JournalError::Header`], [`JournalError::Schema`], [`JournalError::Record`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, JournalError> {
        let (content, rest) = unframe(bytes).ok_or(JournalError::Header)?;
        let header = wire::JournalHeader::decode(content).map_err(|_| JournalError::Header)?;
        if header.schema != SCHEMA {
            return Err(JournalError::Schema(header.schema));
        }
        let me = u16::try_from(header.node).map(NodeId).map_err(|_| JournalError::Header)?;
        let records: Option<Vec<_>> = header.records.into_iter().map(event::record_from).collect();
        let records = records.ok_or(JournalError::Header)?;
        let root = Definition::parse(&header.definition).map_err(|_| JournalError::Header)?;
        let definition = in_force(root, &records).map_err(|(code, key)| JournalError::Record(code, key))?;
        let incarnation = Incarnation::from_wire(header.incarnation);
        let check_evidence = header.check_evidence;
        let refresh_after = header.refresh_after;
        let config = Config { definition: definition.clone(), me, incarnation, check_evidence, refresh_after };
        let engine = Engine::restore(config, &records).map_err(|(code, key)| JournalError::Record(code, key))?;
        Ok(Self {
            engine,
            definition,
            me,
            incarnation,
            release: header.release,
            rest,
            effects: Digest::default(),
            steps: 0,
            last: None,
            tail: Tail::Ended,
        })
    }

    /// Plays the next step; `None` at the end.
    ///
    /// # Errors
    /// [`JournalError::Entry`]; [`JournalError::Differs`] about the step before the one that shows it.
    pub fn step(&mut self) -> Result<Option<Step>, JournalError> {
        let index = self.steps;
        let Some((content, rest)) = unframe(self.rest) else {
            if !self.rest.is_empty() {
                self.tail = Tail::Cut(self.rest.len());
            }
            return Ok(None);
        };
        let malformed = || JournalError::Entry { index };
        let entry: wire::JournalEntry = decode_strict(content).ok_or_else(malformed)?;
        if entry.effects != self.effects.0 {
            let (now, event) = self.last.ok_or_else(malformed)?;
            return Err(JournalError::Differs { index: index - 1, now, event, release: self.release.clone() });
        }
        let now = Time { monotonic: MonotonicTime(entry.monotonic), wall: WallTime(entry.wall) };
        let Some(event) = entry.event else {
            self.tail = Tail::Stopped;
            return if rest.is_empty() { Ok(None) } else { Err(malformed()) };
        };
        let event = event::event_from(event, self).ok_or_else(malformed)?;
        let effects = self.engine.step(now, event.clone());
        self.effects = absorb(self.effects, &effects);
        self.last = Some((now, event.kind()));
        self.steps += 1;
        self.rest = rest;
        Ok(Some(Step { index, now, event, effects }))
    }
}

/// Plays a whole journal.
///
/// # Errors
/// As [`Player::open`] and [`Player::step`].
pub fn replay(bytes: &[u8]) -> Result<Replay, JournalError> {
    let mut player = Player::open(bytes)?;
    while player.step()?.is_some() {}
    let Player { engine, steps, tail, effects, .. } = player;
    Ok(Replay { engine, steps, tail, effects })
}

impl JournalError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Header => "JOURNAL_HEADER",
            Self::Schema(_) => "JOURNAL_SCHEMA",
            Self::Record(..) => "JOURNAL_RECORD",
            Self::Entry { .. } => "JOURNAL_ENTRY",
            Self::Differs { .. } => "JOURNAL_DIFFERS",
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code())?;
        match self {
            Self::Header => f.write_str("no readable header; give a file that `firn run --journal` wrote"),
            Self::Schema(found) => {
                write!(f, "schema {found}, this release reads {SCHEMA}; replay with the release that wrote it")
            }
            Self::Record(code, key) => {
                write!(f, "the engine was restored from a record {} that does not read: {code}", Hex(key))
            }
            Self::Entry { index } => write!(f, "entry {index} is not what a node writes; the file was changed"),
            Self::Differs { index, now, event, release } => write!(
                f,
                "step {index} ({event} at {} ms) had other effects then; written by release {release}, replayed by {RELEASE}",
                now.monotonic.0
            ),
        }
    }
}

impl std::error::Error for JournalError {}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Feeds text into a hash without building it.
struct Hashed(Sha256);

impl fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// The running digest with the effects of one more step. Their derived debug text is hashed: it covers every field, also
/// one that is added later, and effects hold no secret.
fn absorb(before: Digest, effects: &[Effect]) -> Digest {
    let mut hashed = Hashed(Sha256::new());
    hashed.0.update(before.0);
    // Writing into a hash cannot fail.
    let _ = write!(hashed, "{effects:?}");
    Digest(hashed.0.finalize().into())
}

fn frame(content: &impl Message) -> Vec<u8> {
    let content = content.encode_to_vec();
    let length = u32::try_from(content.len());
    assert!(length.is_ok(), "records and events of a node are far below 4 GiB");
    let mut frame = length.unwrap_or_default().to_be_bytes().to_vec();
    frame.extend(content);
    frame
}

/// The first frame's content and what follows it; `None` where no whole frame is left.
fn unframe(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
