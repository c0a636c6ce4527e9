//! Lending a share, and the end of a subject: signed, or closed for good.

use super::State;
use crate::api::{Class, Effect, Observation};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::limits::POOL_TARGET;
use firn_proto::commitments::Commitments;
use firn_proto::message::{SignatureShare, SigningPackage, Status};
use firn_proto::{Code, Digest, GroupSignature, Message, NodeId, PublicScalar, SubjectId};
use firn_vault::api::{ReleaseRequest, Request as VaultRequest, Subject};

impl Engine {
    /// A coordinator's package: answered only at facts at least as new as those it relies on.
    pub(crate) fn on_package(&mut self, inbound: &Inbound<'_>, package: &SigningPackage) {
        let id = package.subject;
        if self.subjects.contains_key(&id) && !self.is_plausible(id, inbound.from, package) {
            let other = self.subject_key(id).is_some_and(|(key_id, _)| key_id != package.key_id);
            let code = if other { Code::EpochMismatch } else { Code::PackageInvalid };
            self.ignored(inbound, code);
            self.compare_epochs(package.key_id, inbound.from);
            return self.refuse_package(id, package, code);
        }
        let now = self.now.wall;
        let shunned = self.shunned(package).is_some();
        let refuse = match self.subjects.get(&id) {
            None => match self.unknown(id) {
                Status::NotYet(code) | Status::Declined(code) => Some(code),
                Status::Willing => return,
            },
            Some(state) if state.signature.is_some() => return self.answer_outcome(id, inbound.from),
            Some(State { closed: Some(code), .. }) => Some(*code),
            Some(state) if state.is_late(now) => Some(Code::RequestExpired),
            Some(_) if shunned => Some(Code::PeerQuarantined),
            // A request that is still being checked is answered when it is.
            Some(state) => match state.status {
                Some(Status::Willing) | None => None,
                Some(Status::NotYet(code) | Status::Declined(code)) => Some(code),
            },
        };
        let request = self.subjects.get(&id).and_then(State::request);
        let floor = request.and_then(|request| self.history_needed(request)).map_or(0, |(_, floor)| floor);
        let Some(state) = self.subjects.get_mut(&id).filter(|_| refuse.is_none()) else {
            return self.refuse_package(id, package, refuse.unwrap_or(Code::SubjectUnknown));
        };
        state.ranks.alive = true;
        // Facts must be those of the newest finalised block that we know: a coordinator may name an old one.
        let needed = package.block.number.max(self.finalised.number).max(floor);
        if state.request().is_none() || state.checked.is_some_and(|block| block.number >= needed) {
            return self.release(id, package.clone());
        }
        state.packages.insert(package.coordinator, package.clone());
        self.ask_chain(id);
    }

    pub(crate) fn answer_waiting_packages(&mut self, id: SubjectId) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.status.is_some()) else { return };
        let (status, checked) = (state.status, state.checked.map_or(0, |block| block.number));
        let newest = self.finalised.number;
        let mut stale = Vec::new();
        for package in std::mem::take(&mut state.packages).into_values() {
            match status {
                // A block became final while the chain was asked: its facts are asked for as well.
                Some(Status::Willing) if checked >= package.block.number && checked < newest => stale.push(package),
                Some(Status::Willing) if checked >= package.block.number => self.release(id, package),
                Some(Status::Willing) | None => self.refuse_package(id, &package, Code::ChainBehind),
                Some(Status::NotYet(code) | Status::Declined(code)) => self.refuse_package(id, &package, code),
            }
        }
        if !stale.is_empty() {
            if let Some(state) = self.subjects.get_mut(&id) {
                state.packages.extend(stale.into_iter().map(|package| (package.coordinator, package)));
            }
            self.ask_chain(id);
        }
    }

    fn release(&mut self, id: SubjectId, package: SigningPackage) {
        // Facts of a block at which another version is in force: that version decides.
        let checked = self.subjects.get(&id).and_then(|state| state.checked).map_or(0, |block| block.number);
        let superseded = self.is_superseded_at(checked.max(package.block.number)).then_some(Code::ChainBehind);
        if let Some(code) = self.halted(id).or(superseded).or_else(|| self.evidence_stands(id).err()) {
            return self.refuse_package(id, &package, code);
        }
        let (hash, coordinator) = (package.hash(), package.coordinator);
        let Some(own) = package.commitments.get(&self.me).map(|own| *own.statement()) else { return };
        let now = self.now.monotonic;
        if !self.subjects.get_mut(&id).is_some_and(|state| state.may_ask(coordinator, now)) {
            return self.refuse_package(id, &package, Code::RequestLimit);
        }
        let first = match self.lent.take(&own, hash) {
            Ok(first) => first,
            Err(code) => return self.refuse_package(id, &package, code),
        };
        let Some(state) = self.subjects.get_mut(&id) else { return };
        state.releasing.insert(hash, coordinator);
        let Some(state) = self.subjects.get(&id) else { return };
        let (subject, opinions) = (state.subject.clone(), self.opinions_of(id, state).clone());
        // A share says that we are willing.
        self.is_informed(id, coordinator, Status::Willing);
        // In one batch with our approval before it and the vault's marker after it: the host syncs neighbouring writes once.
        if first {
            let note = AuditNote::new(id, "share-release");
            // With our commitment, so that a nonce used twice would be seen in the log.
            let reference = [&hash.0[..], own.hiding.as_bytes()].concat();
            let signers: Vec<_> = package.commitments.keys().copied().collect();
            let (coordinator, reference) = (Some(coordinator), &reference);
            // Known to be lent before it may be: also where the vault's answer is cut off.
            let lent = self.hold_buckets(id).then(|| self.subject_record(id)).flatten();
            self.persist(lent.into_iter().collect(), AuditNote { members: &signers, coordinator, reference, ..note });
        }
        let now = self.now.wall;
        // One for the one used up, and one more while the coordinator's pool is short.
        let outstanding = self.lent.outstanding(package.key_id, coordinator, now);
        let next = if outstanding + 1 < POOL_TARGET { 2 } else { 1 };
        self.ask_vault(VaultRequest::Release(Box::new(ReleaseRequest { subject, opinions, package, now, next })));
    }

    pub(crate) fn on_released(&mut self, id: SubjectId, package: Digest, share: PublicScalar, next: Vec<Commitments>) {
        self.lent.made(&next);
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(coordinator) = state.releasing.remove(&package) else { return };
        // Paused while the vault worked: the share stays here. Asked again later, the vault gives the same one.
        if let Some(code) = self.halted(id) {
            let refusal = Message::ShareRefused { package, code, shunned: None };
            return self.send(coordinator, id.into(), refusal, Class::Protocol);
        }
        self.observe(Observation::ShareReleased { subject: id, coordinator });
        let audit = self.audited.size;
        let message = Message::SignatureShare(SignatureShare { package, share, next, audit });
        self.send(coordinator, id.into(), message, Class::Protocol);
    }

    fn refuse_package(&mut self, id: SubjectId, package: &SigningPackage, code: Code) {
        let shunned = self.shunned(package).filter(|_| code == Code::PeerQuarantined);
        if code == Code::NetworkPaused {
            self.tell_pauses(package.coordinator);
        }
        let message = Message::ShareRefused { package: package.hash(), code, shunned };
        self.send(package.coordinator, id.into(), message, Class::Protocol);
        self.answer_is_refusal(id, package.coordinator, code);
    }

    /// A signer of a package with whom we do not sign.
    fn shunned(&self, package: &SigningPackage) -> Option<NodeId> {
        package.commitments.keys().copied().find(|owner| self.is_quarantined(*owner))
    }

    /// The vault refused to release: its coordinator learns why.
    pub(crate) fn on_release_refused(&mut self, id: SubjectId, package: Digest, code: Code) {
        let Some(state) = self.subjects.get_mut(&id) else { return };
        let Some(coordinator) = state.releasing.remove(&package) else { return };
        // Once per coordinator and code: a coordinator that goes on asking fills no log.
        if state.refused.insert((coordinator, code)) {
            let note = AuditNote::new(id, "share-refused");
            let (code, coordinator) = (Some(code), Some(coordinator));
            self.persist(Vec::new(), AuditNote { code, coordinator, reference: &package.0, ..note });
        } else {
            self.observe(Observation::Ignored { from: coordinator, session: id.into(), code });
        }
        let refusal = Message::ShareRefused { package, code, shunned: None };
        self.send(coordinator, id.into(), refusal, Class::Protocol);
        self.answer_is_refusal(id, coordinator, code);
    }

    /// A refusal may say what our answer is; if it was the package that was not good enough, the coordinator gets our answer
    /// beside it, with what it lacks.
    fn answer_is_refusal(&mut self, id: SubjectId, coordinator: NodeId, code: Code) {
        match self.subjects.get(&id).and_then(State::answer) {
            Some(status @ (Status::NotYet(said) | Status::Declined(said))) if said == code => {
                self.is_informed(id, coordinator, status);
            }
            Some(Status::Willing) if matches!(code, Code::CommitmentUnknown | Code::ChainBehind) => {
                self.forget_informed(id, coordinator);
                self.inform(id);
            }
            _ => {}
        }
    }

    /// What costs nothing to see, before anything is written: a member coordinates t members of the right key and epoch
    /// by commitments that were made for just that, and we are among them.
    fn is_plausible(&self, id: SubjectId, from: NodeId, package: &SigningPackage) -> bool {
        let Some((key, _)) = self.order(id) else { return false };
        let fits = |(owner, commitments): (&NodeId, &Commitments)| {
            let statement = commitments.statement();
            statement.owner == *owner
                && (statement.key_id, statement.epoch) == (package.key_id, package.epoch)
                && statement.coordinator == from
                && key.identifier_of(*owner).is_some()
        };
        let known = self.subject_key(id).is_none_or(|known| known == (package.key_id, package.epoch));
        known
            && package.coordinator == from
            && key.identifier_of(from).is_some()
            && package.commitments.iter().all(fits)
            && package.commitments.len() == usize::from(key.threshold)
            && package.commitments.contains_key(&self.me)
    }

    /// A finished signature that has been verified. It is public, so nobody waits for its record.
    pub(crate) fn finish(&mut self, id: SubjectId, signature: GroupSignature, signers: Vec<NodeId>) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| state.signature.is_none()) else { return };
        state.signature = Some(signature);
        state.signers.clone_from(&signers);
        state.packages.clear();
        state.coordinator = None;
        let activation = match &state.subject {
            Subject::Activation(certificate) => Some(certificate.key_id()),
            Subject::Request(_) => None,
        };
        self.reindex(id);
        self.observe(Observation::Subject { subject: id, state: "signed", code: None });
        self.stirred = true;
        match activation {
            Some(key_id) => self.activated(key_id, signature),
            None => {
                self.note_subject(id, "request-signed", None, &signers);
                self.arm_relay(id);
            }
        }
    }

    pub(crate) fn on_signed(&mut self, inbound: &Inbound<'_>, signature: &GroupSignature) {
        let id = SubjectId::from(inbound.session);
        let Some(state) = self.subjects.get(&id) else {
            // Whoever brought the request in kept it from us: asks for it, unless it is one that we refused.
            if self.unknown(id) == Status::NotYet(Code::SubjectUnknown) {
                self.answer_unknown(inbound);
            }
            return;
        };
        let Some(group_key) = self.subject_group_key(id).filter(|_| state.signature.is_none()) else { return };
        if signature.verifies(&group_key, state.subject.digest(&self.definition)) {
            if let Some(since) = state.ranks.ripe {
                self.round_trips.served(inbound.from, self.now.monotonic.0.saturating_sub(since.0));
            }
            self.finish(id, *signature, Vec::new());
        } else {
            self.effect(Effect::Penalise { peer: inbound.from, reason: Code::BodyMalformed });
        }
    }

    /// Will never be signed here.
    pub(crate) fn close(&mut self, id: SubjectId, code: Code) {
        let Some(state) = self.subjects.get_mut(&id).filter(|state| !state.is_settled()) else { return };
        let open = state.is_open();
        state.closed = Some(code);
        state.coordinator = None;
        state.packages.clear();
        self.reindex(id);
        let state = if code == Code::RequestExpired { "expired" } else { "refused" };
        self.observe(Observation::Subject { subject: id, state, code: Some(code) });
        self.persist_subject(id, "request-closed", Some(code), &[]);
        if open {
            self.inform(id);
        }
    }
}
