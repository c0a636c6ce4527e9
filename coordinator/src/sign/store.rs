//! A request on disk: written when it comes in, and whenever its outcome changes.

use super::State;
use crate::api::{EvidenceVerdict, Family, Record};
use crate::audit::{AuditNote, INTAKE};
use crate::engine::Engine;
use crate::record::{self, SCHEMA};
use alloy_primitives::B256;
use firn_proto::opinion::SignedOpinion;
use firn_proto::request::SignedRequest;
use firn_proto::time::WallTime;
use firn_proto::{Code, GroupSignature, NodeId, SubjectId, wire};
use firn_vault::api::Subject;

impl Engine {
    pub(crate) fn persist_subject(
        &mut self,
        id: SubjectId,
        event: &'static str,
        code: Option<Code>,
        members: &[NodeId],
    ) {
        self.note_subject(id, event, code, members);
        self.write();
    }

    /// As [`Self::persist_subject`], with the next batch.
    pub(crate) fn note_subject(&mut self, id: SubjectId, event: &'static str, code: Option<Code>, members: &[NodeId]) {
        self.store_subject(id, AuditNote { code, members, ..AuditNote::new(id, event) });
    }

    /// A request has come in: the entry holds all of it, so that what follows is understood from the log alone.
    pub(crate) fn note_intake(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id) else { return };
        let intake = state.request().map(|request| wire::AuditIntake {
            definition: self.definition.digest().0.to_vec(),
            requester: request.requester().to_vec(),
            operation: request.operation().kind().to_owned(),
            request: Some(request.signed().to_wire()),
            origin: state.origin.0.into(),
        });
        self.store_subject(id, AuditNote { intake, ..AuditNote::new(id, INTAKE) });
    }

    /// The subject's record and this entry, with the next batch.
    pub(crate) fn store_subject(&mut self, id: SubjectId, note: AuditNote<'_>) {
        self.unwritten.extend(self.subject_record(id));
        self.note(note);
    }

    /// A request as it is written; an activation is in its key's record.
    pub(crate) fn subject_record(&self, id: SubjectId) -> Option<Record> {
        let state = self.subjects.get(&id)?;
        let request = state.request()?;
        let (evidence, evidence_reason) = EvidenceVerdict::to_wire(state.evidence.verdict.as_ref());
        let stored = wire::StoredSubject {
            schema: SCHEMA,
            request: Some(request.signed().to_wire()),
            origin: state.origin.0.into(),
            received: state.received.0,
            signature: state.signature.map(|signature| signature.as_bytes().to_vec()).unwrap_or_default(),
            executed: state.executed,
            closed: state.closed.map_or(0, Code::to_wire),
            transaction: state.transaction.map(|hash| hash.to_vec()).unwrap_or_default(),
            signers: state.signers.iter().map(|node| node.0.into()).collect(),
            opinions: state.opinions.iter().map(|(_, opinion)| opinion.signed().to_wire()).collect(),
            received_chain: state.received_chain.0,
            executed_at: state.executed_at,
            lent: state.lent,
            evidence,
            evidence_reason,
            second: request.is_second(),
        };
        Some(record::put(Family::Requests, id.0, &stored))
    }

    /// Takes a request up from its record under `record_key`.
    pub(crate) fn restore_subject(&mut self, record_key: &[u8], value: &[u8]) -> Option<()> {
        let stored: wire::StoredSubject = record::decode(value)?;
        if stored.schema != SCHEMA {
            return None;
        }
        let request = SignedRequest::from_wire(stored.request.as_ref()?).ok()?;
        // What a later version would not take stays known, so that its locks come free, and is over where it was open.
        let (request, refused) = request.verify_known(&self.definition).ok()?;
        let request = request.step(stored.second, &self.definition).ok()?;
        let node = |id: u32| u16::try_from(id).ok().map(NodeId);
        let (id, origin) = (request.id(), node(stored.origin)?);
        if record_key != id.0.0 {
            return None;
        }
        let mut state = State::new(Subject::Request(Box::new(request)), origin, WallTime(stored.received));
        if !stored.signature.is_empty() {
            state.signature = Some(GroupSignature::from_slice(&stored.signature).ok()?);
        }
        if stored.closed != 0 {
            state.closed = Some(Code::from_wire(stored.closed)?);
        }
        if !stored.transaction.is_empty() {
            state.transaction = Some(B256::try_from(stored.transaction.as_slice()).ok()?);
        }
        for opinion in &stored.opinions {
            let opinion = SignedOpinion::from_wire(opinion, id).ok()?;
            match opinion.verify(&self.definition) {
                Ok(opinion) => state.opinions.insert(opinion),
                // Of a person that had a say in a version before.
                Err(_) if self.definition.versions().any(|version| opinion.verify(version).is_ok()) => {}
                Err(_) => return None,
            }
        }
        (state.executed, state.executed_at) = (stored.executed, stored.executed_at);
        state.received_chain = WallTime(stored.received_chain);
        state.evidence.verdict = EvidenceVerdict::from_wire(stored.evidence, &stored.evidence_reason)?;
        self.limits.see_time(state.received_chain);
        self.limits.see_executed(stored.executed_at);
        if state.is_open() {
            state.superseded = refused;
        }
        state.signers = stored.signers.iter().map(|id| node(*id)).collect::<Option<_>>()?;
        self.subjects.insert(id, state);
        self.reindex(id);
        if !stored.second {
            self.count_intake(id, WallTime(stored.received_chain));
        }
        if stored.executed {
            self.decide_evidence(id);
        }
        if stored.lent {
            self.hold_buckets(id);
        }
        Some(())
    }

    pub(crate) fn resume_subject(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get(&id) else { return };
        if state.is_open() {
            self.evaluate(id);
        } else if state.signature.is_some() && !state.is_settled() {
            self.arm_relay(id);
        }
    }
}
