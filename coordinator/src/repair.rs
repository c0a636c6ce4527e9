//! The repair of a share that one member lost (docs/spec/repair.md): t members that hold theirs help it to the same share again.
//!
//! It lives in memory. A helper that restarts, or does not answer in time, ends it, and nothing is left of it: every repair has an
//! id of its own, and what was made for one counts in no other. Each helper's operator consents.

use crate::api::{Class, Observation, Timer};
use crate::audit::AuditNote;
use crate::engine::Engine;
use crate::keygen::Phase as KeyPhase;
use crate::limits::{KEY_PHASE_MS, KEY_PROPOSAL_SECONDS_MAX, REPAIRS_PER_MEMBER_MAX};
use crate::pause::reference;
use crate::view::RepairView;
use firn_proto::certificate::KeyCertificate;
use firn_proto::definition::KeyDefinition;
use firn_proto::message::{KeyAbort, KeyShares};
use firn_proto::pause::{self, Act};
use firn_proto::time::WallTime;
use firn_proto::{Code, Identifier, Incarnation, KeyId, Message, NodeId, Repair};
use firn_vault::api::{RepairFinish, Reply, Request, VaultRefusal};
use std::collections::{BTreeMap, BTreeSet};

mod messages;

/// Where a repair stands at this node. Ordered: later phases are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    /// It waits for consents: at a helper for its own.
    Asked,
    /// At a helper: it has consented. At the member that asked: all have.
    Helping,
    /// Our vault adds up.
    Summing,
    /// We have helped, or have our share again.
    Done,
    Ended,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Helping => "helping",
            Self::Summing => "summing",
            Self::Done => "done",
            Self::Ended => "ended",
        }
    }
}

/// A repair that this node asked for or is asked to help with.
#[derive(Clone, Debug)]
pub(crate) struct Repairing {
    repair: Repair,
    /// The key as its members are in this epoch.
    key: KeyDefinition,
    me: Identifier,
    phase: Phase,
    /// The start of the member that asked.
    asker: Incarnation,
    /// Who helps, and in which start.
    consents: BTreeMap<Identifier, Incarnation>,
    /// Each helper's parts for the helpers.
    deltas: BTreeMap<Identifier, KeyShares>,
    /// Helpers that have ours.
    told: BTreeSet<Identifier>,
    /// Each helper's sum for the member that asked; at a helper its own.
    sigmas: BTreeMap<Identifier, KeyShares>,
    /// All have consented: what follows has a bound of its own.
    bounded: bool,
    code: Option<Code>,
    missing: Vec<Identifier>,
}

impl Repairing {
    fn new(repair: Repair, key: KeyDefinition, me: Identifier, asker: Incarnation) -> Self {
        Self {
            repair,
            key,
            me,
            phase: Phase::Asked,
            asker,
            consents: BTreeMap::new(),
            deltas: BTreeMap::new(),
            told: BTreeSet::new(),
            sigmas: BTreeMap::new(),
            bounded: false,
            code: None,
            missing: Vec::new(),
        }
    }

    fn is_target(&self) -> bool {
        self.me == self.repair.target
    }

    fn is_open(&self) -> bool {
        self.phase < Phase::Done
    }

    fn node(&self, member: Identifier) -> Option<NodeId> {
        self.key.members.get(&member).copied()
    }

    /// The identifier of a node that takes part.
    fn party(&self, node: NodeId) -> Option<Identifier> {
        let takes_part = |id: &Identifier| *id == self.repair.target || self.repair.helpers.contains(id);
        self.key.identifier_of(node).filter(takes_part)
    }

    /// The other helpers, and the member that asked.
    fn others(&self) -> Vec<NodeId> {
        let all = self.repair.helpers.iter().chain([&self.repair.target]);
        all.filter(|id| **id != self.me).filter_map(|id| self.node(*id)).collect()
    }

    /// Whom it waits for, or who was missing at its end.
    fn waiting_for(&self) -> Vec<Identifier> {
        let lacking = |has: &dyn Fn(&Identifier) -> bool| -> Vec<Identifier> {
            self.repair.helpers.iter().filter(|id| !has(id)).copied().collect()
        };
        match self.phase {
            Phase::Ended => self.missing.clone(),
            Phase::Done => Vec::new(),
            _ if !self.consented() => lacking(&|id| self.consents.contains_key(id)),
            _ if self.is_target() => lacking(&|id| self.sigmas.contains_key(id)),
            _ => lacking(&|id| self.deltas.contains_key(id)),
        }
    }

    fn consented(&self) -> bool {
        self.consents.len() == self.repair.helpers.len()
    }
}

/// Which bound a timer of a repair is: until all consent, or for what follows.
const CONSENT: u8 = 0;
const WORK: u8 = 1;

impl Engine {
    // ---- asking and consenting ----

    /// A repair of our lost share of the epoch that signs now; by these helpers, or else the first t members that are here.
    ///
    /// # Errors
    /// `KEY_NOT_READY`, `REPAIR_INVALID`, `REPAIR_MISSING`.
    pub fn repair_of(
        &self,
        name: &str,
        helpers: Option<&[NodeId]>,
        deadline: WallTime,
        salt: [u8; 32],
    ) -> Result<Repair, Code> {
        let (key_id, _) = self.usable_key(name).ok_or(Code::KeyNotReady)?;
        let attempt = self.attempts.get(&key_id).filter(|attempt| !attempt.holds).ok_or(Code::RepairInvalid)?;
        let certificate = attempt.certificate.as_ref().ok_or(Code::KeyNotReady)?;
        let target = attempt.key.identifier_of(self.me).ok_or(Code::RepairInvalid)?;
        let here = |node: &NodeId| self.connected.contains_key(node) && !self.is_quarantined(*node);
        let helpers: BTreeSet<_> = match helpers {
            Some(named) => named
                .iter()
                .map(|node| attempt.key.identifier_of(*node).ok_or(Code::RepairInvalid))
                .collect::<Result<_, _>>()?,
            None => attempt
                .key
                .members
                .iter()
                .filter(|(id, node)| **id != target && here(node))
                .map(|(id, _)| *id)
                .take(attempt.key.threshold.into())
                .collect(),
        };
        if helpers.len() < usize::from(attempt.key.threshold) {
            return Err(Code::RepairMissing);
        }
        Ok(Repair { key_id, epoch: certificate.epoch(), target, helpers, deadline, salt })
    }

    /// Asks the helpers for our lost share.
    pub(crate) fn ask_repair(&mut self, repair: Repair) -> Result<(), Code> {
        let key = self.repairable(&repair)?;
        let me = self.my_identifier(&key).filter(|me| *me == repair.target).ok_or(Code::RepairInvalid)?;
        if self.attempts.get(&repair.key_id).is_some_and(|attempt| attempt.holds) {
            return Err(Code::RepairInvalid);
        }
        if self
            .repairs
            .values()
            .any(|other| other.is_open() && other.is_target() && other.repair.key_id == repair.key_id)
        {
            return Err(Code::DkgConflict);
        }
        let id = repair.id(self.definition.network_id());
        let repairing = Repairing::new(repair.clone(), key, me, self.incarnation);
        let helpers: Vec<_> = repair.helper_nodes(&repairing.key).into_iter().collect();
        self.remember_repair(id, repairing);
        self.persist(Vec::new(), AuditNote { members: &helpers, ..AuditNote::new(id, "key-repair-asked") });
        for node in helpers {
            self.send(node, id.into(), Message::RepairAsk(repair.clone()), Class::Protocol);
        }
        Ok(())
    }

    /// Helps, on behalf of this node's operator and of people of its organisation: two of them, where it has two.
    pub(crate) fn consent_repair(&mut self, id: KeyId, acts: &[Act]) -> Result<(), Code> {
        let now = self.now.wall;
        let repairing = self.repairs.get(&id).ok_or(Code::KeyUnknown)?;
        if repairing.phase != Phase::Asked || repairing.is_target() {
            return Err(Code::DkgConflict);
        }
        if repairing.repair.deadline < now {
            return Err(Code::DkgExpired);
        }
        if !self.agreed(acts, &pause::consent(id), repairing.repair.deadline.0)? {
            return Err(Code::ConsentApprovalsMissing);
        }
        let Some(repairing) = self.repairs.get_mut(&id) else { return Err(Code::KeyUnknown) };
        repairing.phase = Phase::Helping;
        repairing.consents.insert(repairing.me, Incarnation::default());
        let (repair, others) = (repairing.repair.clone(), repairing.others());
        let target: Vec<_> = repairing.node(repair.target).into_iter().collect();
        let (note, reference) = (AuditNote::new(id, "key-repair-consented"), reference(acts));
        self.persist(Vec::new(), AuditNote { members: &target, reference: &reference, ..note });
        self.observe(Observation::KeyPhase { key_id: id, phase: "repair-helping" });
        for node in others {
            self.send(node, id.into(), Message::RepairConsent, Class::Protocol);
        }
        self.ask_vault(Request::RepairDeal { repair });
        self.repair_goes_on(id);
        Ok(())
    }

    /// The key, where this is a repair in the epoch that signs now and its deadline is near enough.
    fn repairable(&self, repair: &Repair) -> Result<KeyDefinition, Code> {
        let attempt = self.attempts.get(&repair.key_id).ok_or(Code::KeyUnknown)?;
        let newest = self.usable_key(&attempt.proposal.key_name).map(|(key_id, _)| key_id);
        let certificate = attempt.certificate.as_ref().filter(|_| attempt.phase == KeyPhase::Active);
        let certificate = certificate.filter(|_| newest == Some(repair.key_id)).ok_or(Code::EpochMismatch)?;
        let now = self.now.wall.0;
        if !(now..=now.saturating_add(KEY_PROPOSAL_SECONDS_MAX)).contains(&repair.deadline.0) {
            return Err(Code::DkgExpired);
        }
        repair.key(&self.definition, certificate).cloned().map_err(|refusal| refusal.code)
    }

    /// Remembers a repair until its deadline at least; the oldest of the same member makes room.
    fn remember_repair(&mut self, id: KeyId, repairing: Repairing) {
        let asker = repairing.node(repairing.repair.target);
        let same = |(_, other): &(&KeyId, &Repairing)| other.node(other.repair.target) == asker;
        if self.repairs.iter().filter(same).count() >= REPAIRS_PER_MEMBER_MAX {
            let oldest = self.repairs.iter().filter(same);
            let oldest = oldest.min_by_key(|(_, other)| (other.is_open(), other.repair.deadline));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.repairs.remove(&oldest);
            }
        }
        let seconds = repairing.repair.deadline.0.saturating_sub(self.now.wall.0);
        self.repairs.insert(id, repairing);
        self.observe(Observation::KeyPhase { key_id: id, phase: "repair-asked" });
        self.set_timer(Timer::KeyRepair { repair: id, phase: CONSENT }, seconds.saturating_add(1).saturating_mul(1000));
    }

    // ---- progress ----

    /// Moves on as far as what has arrived allows.
    fn repair_goes_on(&mut self, id: KeyId) {
        let Some(repairing) = self.repairs.get_mut(&id).filter(|repairing| repairing.is_open()) else { return };
        let (consented, target) = (repairing.consented(), repairing.is_target());
        if consented && target && repairing.phase == Phase::Asked {
            repairing.phase = Phase::Helping;
            // A helper that did not hear of another one's consent is to miss it in time.
            for node in repairing.others() {
                self.send(node, id.into(), Message::RepairConsent, Class::Protocol);
            }
        }
        if consented {
            self.bound_repair(id);
        }
        self.spread_deltas(id);
        let Some(repairing) = self.repairs.get_mut(&id).filter(|repairing| repairing.phase == Phase::Helping) else {
            return;
        };
        let needed = repairing.repair.helpers.len();
        let repair = repairing.repair.clone();
        if !target && repairing.deltas.len() == needed {
            repairing.phase = Phase::Summing;
            let deltas = repairing.deltas.clone();
            self.ask_vault(Request::RepairSum { repair, deltas });
        } else if target && repairing.sigmas.len() == needed {
            repairing.phase = Phase::Summing;
            let sigmas = repairing.sigmas.clone();
            let attempt = self.attempts.get(&repair.key_id).filter(|attempt| attempt.phase == KeyPhase::Active);
            let known = attempt.and_then(|attempt| attempt.certificate.clone().zip(attempt.activation));
            match known {
                Some((certificate, activation)) => {
                    let certificate = Box::new(certificate);
                    let ask = RepairFinish { repair, certificate, activation, sigmas };
                    self.ask_vault(Request::RepairFinish(Box::new(ask)));
                }
                None => self.end_repair(id, Code::EpochMismatch, Vec::new()),
            }
        }
    }

    /// All have consented: what is left has a bound. Helpers that lack a part say so before the member that asked has waited for as long.
    fn bound_repair(&mut self, id: KeyId) {
        let helping = self.repairs.get_mut(&id).filter(|repairing| repairing.phase == Phase::Helping);
        let Some(repairing) = helping.filter(|repairing| !repairing.bounded) else { return };
        repairing.bounded = true;
        let bound = if repairing.is_target() { KEY_PHASE_MS.saturating_mul(2) } else { KEY_PHASE_MS };
        self.set_timer(Timer::KeyRepair { repair: id, phase: WORK }, bound);
    }

    /// Our vault has answered.
    pub(crate) fn on_repair_reply(&mut self, reply: Reply) {
        match reply {
            Reply::RepairDealt { repair, deltas } => {
                let Some(repairing) = self.repairs.get_mut(&repair).filter(|r| r.phase == Phase::Helping) else {
                    return;
                };
                repairing.deltas.insert(repairing.me, deltas);
                self.repair_goes_on(repair);
            }
            Reply::RepairSummed { repair, sigma } => {
                let Some(repairing) = self.repairs.get_mut(&repair).filter(|r| r.phase == Phase::Summing) else {
                    return;
                };
                repairing.phase = Phase::Done;
                repairing.sigmas.insert(repairing.me, sigma.clone());
                let target: Vec<_> = repairing.node(repairing.repair.target).into_iter().collect();
                self.persist(Vec::new(), AuditNote { members: &target, ..AuditNote::new(repair, "key-repair-helped") });
                self.observe(Observation::KeyPhase { key_id: repair, phase: "repair-done" });
                for node in target {
                    self.send(node, repair.into(), Message::RepairSigma(sigma.clone()), Class::Protocol);
                }
            }
            Reply::Repaired { repair } => self.repaired(repair),
            _ => {}
        }
    }

    /// Our share is on disk again: what is open can have it.
    fn repaired(&mut self, id: KeyId) {
        let Some(repairing) = self.repairs.get_mut(&id).filter(|repairing| repairing.phase == Phase::Summing) else {
            return;
        };
        repairing.phase = Phase::Done;
        repairing.sigmas.clear();
        let key_id = repairing.repair.key_id;
        let Some(attempt) = self.attempts.get_mut(&key_id) else { return };
        if attempt.phase != KeyPhase::Active {
            return self.retire_repaired(key_id);
        }
        attempt.holds = true;
        self.persist_attempt(key_id, "key-repaired", None);
        self.observe(Observation::KeyPhase { key_id: id, phase: "repair-done" });
        let open: Vec<_> = self.open_subjects().map(|(subject, _)| subject).collect();
        for subject in open {
            if self.subject_key(subject).is_some_and(|(of, _)| of == key_id) {
                self.evaluate(subject);
            }
        }
    }

    /// A later epoch became active meanwhile: the share goes at once.
    fn retire_repaired(&mut self, key_id: KeyId) {
        let Some(attempt) = self.attempts.get(&key_id) else { return };
        let newest = self.usable_key(&attempt.proposal.key_name).and_then(|(newest, _)| self.attempts.get(&newest));
        let known = newest.and_then(|newest| newest.certificate.clone().zip(newest.activation));
        if let Some((successor, activation)) = known {
            self.ask_vault(Request::Retire { key_id, successor: Box::new(successor), activation });
        }
    }

    // ---- its end ----

    /// A bound has passed.
    pub(crate) fn repair_over(&mut self, id: KeyId, phase: u8) {
        let Some(repairing) = self.repairs.get(&id).filter(|repairing| repairing.is_open()) else { return };
        if phase == WORK || !repairing.consented() {
            let missing = repairing.waiting_for();
            self.end_repair(id, Code::RepairMissing, missing);
        }
    }

    /// Whether the refusal is about a repair, which it ends. A member at fault is named without a proof.
    pub(crate) fn repair_refused(&mut self, refusal: &VaultRefusal) -> bool {
        let id = KeyId::from(refusal.session);
        let known = self.repairs.contains_key(&id);
        if known {
            self.end_repair(id, refusal.code, refusal.culprit.into_iter().collect());
        }
        known
    }

    /// Ends a repair, which changes nothing, and says so: a helper to the member that asked, which says it to all.
    fn end_repair(&mut self, id: KeyId, code: Code, missing: Vec<Identifier>) {
        let Some(repairing) = self.repairs.get_mut(&id).filter(|repairing| repairing.is_open()) else { return };
        let helped = repairing.phase > Phase::Asked;
        (repairing.phase, repairing.code, repairing.missing) = (Phase::Ended, Some(code), missing.clone());
        repairing.deltas.clear();
        repairing.sigmas.clear();
        let nodes: Vec<_> = missing.iter().filter_map(|member| repairing.node(*member)).collect();
        let told = if repairing.is_target() {
            repairing.others()
        } else {
            repairing.node(repairing.repair.target).into_iter().filter(|_| helped).collect()
        };
        if repairing.is_target() || helped {
            let note = AuditNote::new(id, "key-repair-ended");
            self.persist(Vec::new(), AuditNote { code: Some(code), members: &nodes, ..note });
        }
        for node in told {
            let abort = KeyAbort { code, missing: missing.clone(), culprit: None };
            self.send(node, id.into(), Message::KeyAbort(abort), Class::Protocol);
        }
        self.observe(Observation::KeyEnded { key_id: id, code, missing, culprit: None });
    }

    // ---- views ----

    /// All repairs that this node remembers.
    #[must_use]
    pub fn repairs(&self) -> Vec<RepairView> {
        let view = |(id, repairing): (&KeyId, &Repairing)| {
            let nodes = |of: Vec<Identifier>| of.into_iter().filter_map(|member| repairing.node(member)).collect();
            let attempt = self.attempts.get(&repairing.repair.key_id);
            Some(RepairView {
                id: *id,
                key_id: repairing.repair.key_id,
                name: repairing.key.name.clone(),
                epoch: attempt.and_then(|attempt| attempt.certificate.as_ref()).map(KeyCertificate::epoch)?,
                target: repairing.node(repairing.repair.target)?,
                helpers: nodes(repairing.repair.helpers.iter().copied().collect()),
                state: repairing.phase.name(),
                deadline: repairing.repair.deadline,
                consented: nodes(repairing.consents.keys().copied().collect()),
                waiting_for: nodes(repairing.waiting_for()),
                code: repairing.code,
            })
        };
        self.repairs.iter().filter_map(view).collect()
    }
}
