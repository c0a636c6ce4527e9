//! The audit log: every decision, hash-chained, written in the same batch as the state it explains (docs/spec/audit.md).

use crate::api::{Family, Record};
use crate::record;
use firn_proto::digest::CanonicalHasher;
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, NodeId, SessionId, wire};
use prost::Message;

#[cfg(test)]
mod tests;
pub mod verify;
mod witness;

pub use witness::HeldHead;

pub use firn_proto::checkpoint::Head;

/// The schema of the entries that this release writes. It reads every earlier one: the log keeps them for ever.
pub const SCHEMA: u32 = 2;

/// The event of the entry that holds a whole request.
pub const INTAKE: &str = "request-received";

/// The hash of an entry with these bytes: what the next entry names.
#[must_use]
pub fn hash(entry: &[u8]) -> Digest {
    CanonicalHasher::new("firn/audit-entry/v1").field(entry).finish()
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AuditLog {
    head: Head,
}

impl AuditLog {
    /// Continues after the last record in storage. `None` where it does not decode.
    pub(crate) fn restore(last: Option<(&[u8], &[u8])>) -> Option<Self> {
        let Some((key, value)) = last else { return Some(Self::default()) };
        let number = u64::from_be_bytes(key.try_into().ok()?);
        let entry: wire::AuditEntry = record::decode(value)?;
        let known = entry.schema < SCHEMA || entry.schema == SCHEMA && entry.number == number;
        known.then_some(Self { head: Head { size: number.checked_add(1)?, hash: hash(value) } })
    }

    /// How many entries there are, and the last one's hash.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Appends an entry and gives its record.
    pub(crate) fn append(&mut self, at: WallTime, note: AuditNote<'_>) -> Record {
        let AuditNote { session, event, code, members, coordinator, reference, evidence, intake, reason } = note;
        let entry = wire::AuditEntry {
            schema: SCHEMA,
            previous: self.head.hash.0.to_vec(),
            at: at.0,
            session: session.0.0.to_vec(),
            event: event.to_owned(),
            code: code.map_or(0, Code::to_wire),
            members: members.iter().map(|node| node.0.into()).collect(),
            reference: reference.to_vec(),
            evidence: evidence.to_vec(),
            number: self.head.size,
            coordinator: coordinator.map_or(0, |node| node.0.into()),
            intake,
            reason: reason.to_owned(),
        };
        let key = self.head.size.to_be_bytes().to_vec();
        let value = entry.encode_to_vec();
        self.head = Head { size: self.head.size + 1, hash: hash(&value) };
        Record { family: Family::Audit, key, value: Some(value) }
    }
}

/// What an audit entry says.
pub(crate) struct AuditNote<'a> {
    pub(crate) session: SessionId,
    pub(crate) event: &'static str,
    pub(crate) code: Option<Code>,
    /// The signers, or the member that it is about.
    pub(crate) members: &'a [NodeId],
    /// Who asked for the share.
    pub(crate) coordinator: Option<NodeId>,
    pub(crate) reference: &'a [u8],
    /// Signed envelopes that prove a fault: kept, so that others can be shown them.
    pub(crate) evidence: &'a [Vec<u8>],
    /// The request that came in.
    pub(crate) intake: Option<wire::AuditIntake>,
    /// What an evidence verifier gave as its reason.
    pub(crate) reason: &'a str,
}

impl AuditNote<'_> {
    /// An entry that names its session and event only.
    pub(crate) fn new(session: impl Into<SessionId>, event: &'static str) -> Self {
        let (code, coordinator, intake) = (None, None, None);
        let (session, reason) = (session.into(), "");
        Self { session, event, code, members: &[], coordinator, reference: &[], evidence: &[], intake, reason }
    }
}
