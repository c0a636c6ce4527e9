//! The audit log: every decision, hash-chained, written in the same batch as the state it explains.

use crate::api::{Family, Record};
use crate::record::{self, SCHEMA};
use firn_proto::digest::CanonicalHasher;
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, NodeId, SessionId, wire};
use prost::Message;

/// The end of the chain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AuditLog {
    next: u64,
    head: Digest,
}

impl AuditLog {
    /// Continues after the last record in storage. `None` where it does not decode.
    pub(crate) fn restore(last: Option<(&[u8], &[u8])>) -> Option<Self> {
        let Some((key, value)) = last else { return Some(Self::default()) };
        let number = u64::from_be_bytes(key.try_into().ok()?);
        let entry: wire::AuditEntry = record::decode(value)?;
        Some(Self { next: number.checked_add(1)?, head: hash(&entry) })
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> u64 {
        self.next
    }

    /// Appends an entry and gives its record.
    pub(crate) fn append(&mut self, at: WallTime, note: &AuditNote<'_>) -> Record {
        let AuditNote { session, event, code, members, reference, evidence } = note;
        let entry = wire::AuditEntry {
            schema: SCHEMA,
            previous: self.head.0.to_vec(),
            at: at.0,
            session: session.0.0.to_vec(),
            event: (*event).to_owned(),
            code: code.map_or(0, Code::to_wire),
            members: members.iter().map(|node| node.0.into()).collect(),
            reference: reference.to_vec(),
            evidence: evidence.to_vec(),
        };
        let key = self.next.to_be_bytes().to_vec();
        self.head = hash(&entry);
        self.next += 1;
        Record { family: Family::Audit, key, value: Some(entry.encode_to_vec()) }
    }
}

/// What an audit entry says.
pub(crate) struct AuditNote<'a> {
    pub(crate) session: SessionId,
    pub(crate) event: &'static str,
    pub(crate) code: Option<Code>,
    pub(crate) members: &'a [NodeId],
    pub(crate) reference: &'a [u8],
    /// Signed envelopes that prove a fault: kept, so that others can be shown them.
    pub(crate) evidence: &'a [Vec<u8>],
}

impl AuditNote<'_> {
    /// An entry that names its session and event only.
    pub(crate) fn new(session: impl Into<SessionId>, event: &'static str) -> Self {
        Self { session: session.into(), event, code: None, members: &[], reference: &[], evidence: &[] }
    }
}

fn hash(entry: &wire::AuditEntry) -> Digest {
    CanonicalHasher::new("firn/audit-entry/v1").field(entry.encode_to_vec()).finish()
}
