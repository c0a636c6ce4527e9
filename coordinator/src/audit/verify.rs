//! Holds a log against itself and against heads that others vouch for, and names the first bad place (R59).
//!
//! A log is read once from its first entry to its last, in constant memory. Where the chain breaks, a second reading tells what
//! was done to it: an editor who does not make the chain anew leaves entries that name each other by their hashes.

use super::{Head, INTAKE, SCHEMA, hash};
use crate::record;
use crate::versions::ADOPTED;
use firn_proto::definition::{Definition, SignedChange};
use firn_proto::request::SignedRequest;
use firn_proto::{Code, Digest, wire};
use prost::Message as _;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// An entry as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Under which number it is kept.
    pub number: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The first bad place of a log, and what is wrong there. Numbers count from zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The entry is not the one that was written.
    Edited {
        /// The entry.
        number: u64,
    },
    /// Entries are missing.
    Missing {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// Another entry stands in this place, and its predecessor comes later.
    Reordered {
        /// The place.
        number: u64,
    },
    /// The entry was put in: the one after it names the one before it.
    Inserted {
        /// The entry.
        number: u64,
    },
    /// The log ends before a head that is vouched for.
    Cut {
        /// The first entry that is gone.
        number: u64,
        /// How many entries are vouched for.
        known: u64,
    },
    /// The chain is sound, and not the one that is vouched for.
    Rebuilt {
        /// The first entry that may be another.
        number: u64,
        /// The size for which another head is vouched for.
        known: u64,
    },
    /// The entry says what the definition, or a signature in it, contradicts.
    Invalid {
        /// The entry.
        number: u64,
    },
}

/// Reads a log, as often as `read` is called from its first entry on, and gives its head or the first bad place in it.
/// `vouched` are heads that somebody else has seen; `definition` is the version that the log begins under: later ones are in
/// it with their signatures.
///
/// # Errors
/// What the reader cannot read.
pub fn verify<E, I: Iterator<Item = Result<Stored, E>>>(
    read: impl Fn() -> I,
    definition: &Definition,
    vouched: &[Head],
) -> Result<Result<Head, Fault>, E> {
    let mut end = Head::default();
    let mut heads = Vouched::new(vouched);
    let (mut invalid, mut current) = (None, Cow::Borrowed(definition));
    for stored in read() {
        let stored = stored?;
        let link = Link::read(&stored);
        let Some(link) = link.as_ref().filter(|link| link.follows(end)) else {
            let edited = Fault::Edited { number: end.size };
            let fault = link.map_or(Ok(edited), |here| Break { end, here: &here, vouched }.name(read()))?;
            return Ok(Err(heads.fault.filter(|rebuilt| rebuilt.is_before(&fault)).or(invalid).unwrap_or(fault)));
        };
        if invalid.is_none() && !is_true(&stored.bytes, &mut current) {
            invalid = Some(Fault::Invalid { number: end.size });
        }
        end = Head { size: end.size.saturating_add(1), hash: link.hash };
        heads.compare(end);
    }
    let earliest = match (heads.fault, invalid) {
        (Some(rebuilt), Some(invalid)) if invalid.number() < rebuilt.number() => Some(invalid),
        (rebuilt, invalid) => rebuilt.or(invalid),
    };
    let longest = vouched.iter().map(|head| head.size).max().filter(|known| *known > end.size);
    let cut = longest.map(|known| Fault::Cut { number: end.size, known });
    Ok(earliest.or(cut).map_or(Ok(end), Err))
}

/// The heads that are vouched for, and the first that the log contradicts.
struct Vouched {
    heads: BTreeMap<u64, Vec<Digest>>,
    agreed: u64,
    fault: Option<Fault>,
}

impl Vouched {
    fn new(vouched: &[Head]) -> Self {
        let mut heads: BTreeMap<_, Vec<_>> = BTreeMap::new();
        vouched.iter().for_each(|head| heads.entry(head.size).or_default().push(head.hash));
        Self { heads, agreed: 0, fault: None }
    }

    fn compare(&mut self, head: Head) {
        let Some(hashes) = self.heads.get(&head.size).filter(|_| self.fault.is_none()) else { return };
        if hashes.iter().all(|known| *known == head.hash) {
            self.agreed = head.size;
        } else {
            self.fault = Some(Fault::Rebuilt { number: self.agreed, known: head.size });
        }
    }
}

/// What of an entry makes the chain.
struct Link {
    /// Under which number it is kept.
    number: u64,
    /// Which number it says it has; entries of schema 1 do not say.
    own: Option<u64>,
    previous: Digest,
    hash: Digest,
}

impl Link {
    fn read(stored: &Stored) -> Option<Self> {
        let entry: wire::AuditEntry = record::decode(&stored.bytes)?;
        let own = match entry.schema {
            1 => None,
            SCHEMA => Some(entry.number),
            _ => return None,
        };
        let previous = Digest::from_slice(&entry.previous)?;
        Some(Self { number: stored.number, own, previous, hash: hash(&stored.bytes) })
    }

    fn follows(&self, end: Head) -> bool {
        self.number == end.size && self.own.is_none_or(|own| own == end.size) && self.previous == end.hash
    }
}

/// A place where the chain breaks: the end of what is sound, and the entry that does not follow.
struct Break<'a> {
    end: Head,
    here: &'a Link,
    vouched: &'a [Head],
}

/// What the rest of the log says about a break.
#[derive(Default)]
struct Surroundings {
    /// The place of the entry that the one at the break names as its predecessor.
    predecessor: Option<u64>,
    /// A later entry follows where the log is sound.
    displaced: bool,
    /// The next entry names the one at the break.
    confirmed: Option<bool>,
}

impl Break<'_> {
    /// Reads the log once more to tell what was done to it.
    fn name<E>(&self, read: impl Iterator<Item = Result<Stored, E>>) -> Result<Fault, E> {
        let mut found = Surroundings::default();
        for (place, stored) in (0_u64..).zip(read) {
            let Some(link) = Link::read(&stored?).filter(|_| place != self.end.size) else { continue };
            if link.hash == self.here.previous {
                found.predecessor = Some(place);
            }
            if place > self.end.size {
                found.displaced |= link.previous == self.end.hash;
                // Of those that come later, the first.
                found.confirmed = found.confirmed.or_else(|| Some(link.previous == self.here.hash));
            }
        }
        Ok(self.judge(&found))
    }

    fn judge(&self, found: &Surroundings) -> Fault {
        let (at, before) = (self.end.size, self.end.size.saturating_sub(1));
        match found.predecessor {
            Some(place) if place > at => return Fault::Reordered { number: at },
            Some(place) if place < before => return Fault::Inserted { number: place.saturating_add(1) },
            // The first entry of all, and others stand before it.
            None if at > 0 && self.here.previous == Digest::default() => return Fault::Inserted { number: 0 },
            // It follows, and says itself that its place is another.
            _ if self.here.previous == self.end.hash => return Fault::Edited { number: at },
            _ if found.displaced => return Fault::Inserted { number: at },
            _ => {}
        }
        let own = self.here.own.unwrap_or(self.here.number);
        if own > at {
            return Fault::Missing { first: at, last: own.saturating_sub(1) };
        }
        // It names another predecessor than the one that stands there: one of the two is not what it was. Where nobody has
        // seen the later one, the earlier is named.
        let seen = self.vouched.iter().find(|head| head.size == at.saturating_add(1));
        let confirmed = found.confirmed.or_else(|| seen.map(|head| head.hash == self.here.hash));
        Fault::Edited { number: if confirmed == Some(false) { at } else { before } }
    }
}

/// Whether an entry in its place says what its signatures say: a request that came in was signed by a requester of the
/// definition, for the session it stands under; a version that came into force follows the one before, signed by enough
/// organisations of that.
fn is_true(bytes: &[u8], definition: &mut Cow<'_, Definition>) -> bool {
    let Some(entry) = record::decode::<wire::AuditEntry>(bytes) else { return false };
    match entry.intake {
        None if entry.event == ADOPTED => {
            let change = wire::DefinitionChange::decode(&*entry.reference).map_err(drop);
            let signed = change.and_then(|change| SignedChange::from_wire(change).map_err(drop));
            let adopted = signed.and_then(|signed| signed.verify(definition).map_err(drop));
            adopted.map(|change| *definition = Cow::Owned(change.definition().clone())).is_ok()
        }
        Some(intake) => entry.event == INTAKE && is_signed(&intake, &entry.session, definition) == Some(true),
        None => entry.schema < SCHEMA || entry.event != INTAKE,
    }
}

fn is_signed(intake: &wire::AuditIntake, session: &[u8], definition: &Definition) -> Option<bool> {
    let request = SignedRequest::from_wire(intake.request.as_ref()?).ok()?.verify(definition).ok()?;
    let says = intake.definition == definition.digest().0
        && intake.requester == request.requester().as_slice()
        && intake.operation == request.operation().kind()
        && session == request.id().0.0;
    Some(says)
}

impl Fault {
    /// The first bad place.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Missing { first, .. } => *first,
            Self::Edited { number }
            | Self::Reordered { number }
            | Self::Inserted { number }
            | Self::Cut { number, .. }
            | Self::Rebuilt { number, .. }
            | Self::Invalid { number } => *number,
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Edited { .. } => Code::AuditEdited,
            Self::Missing { .. } => Code::AuditMissing,
            Self::Reordered { .. } => Code::AuditReordered,
            Self::Inserted { .. } => Code::AuditInserted,
            Self::Cut { .. } => Code::AuditCut,
            Self::Rebuilt { .. } => Code::AuditRebuilt,
            Self::Invalid { .. } => Code::AuditEntryInvalid,
        }
    }

    /// Whether a vouched head was contradicted by entries that all stand before the break.
    fn is_before(&self, fault: &Self) -> bool {
        matches!(self, Self::Rebuilt { known, .. } if *known <= fault.number())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { number } => write!(f, "entry {number} is not the one that was written"),
            Self::Missing { first, last } if first == last => write!(f, "entry {first} is missing"),
            Self::Missing { first, last } => write!(f, "entries {first} to {last} are missing"),
            Self::Reordered { number } => write!(f, "entry {number} stands in another order than it was written in"),
            Self::Inserted { number } => write!(f, "entry {number} was put in later"),
            Self::Cut { number, known } => write!(f, "the log ends before entry {number}, and {known} are vouched for"),
            Self::Rebuilt { number, known } => {
                write!(f, "from entry {number} on it is another log than the one whose first {known} are vouched for")
            }
            Self::Invalid { number } => {
                write!(f, "entry {number} says what its signatures or the definition contradict")
            }
        }
    }
}
