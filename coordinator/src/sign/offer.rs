//! Commitments on their way: with our willingness, or ahead of requests for members that coordinate.

use crate::api::{Class, Timer};
use crate::engine::{Engine, Inbound};
use crate::keygen::Phase;
use crate::limits::{POOL_ANSWER_BURST, POOL_ANSWER_MS, POOL_LOOK_MS, POOL_REFRESH_SECONDS, POOL_TARGET};
use crate::pace::Pace;
use crate::sign::State;
use firn_proto::certificate::KeyCertificate;
use firn_proto::commitments::Commitments;
use firn_proto::message::{Status, Willingness};
use firn_proto::{Code, Epoch, KeyId, Message, NodeId, SubjectId};
use firn_vault::api::Request as VaultRequest;

/// What the vault was asked for commitments for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// To send them with our willingness.
    Willing(SubjectId),
    /// For the coordinator's pool.
    Pool,
}

impl Engine {
    /// Asks the vault for commitments for `coordinator`; they leave with our willingness.
    pub(crate) fn offer(&mut self, id: SubjectId, coordinator: NodeId) {
        let Some((key_id, epoch)) = self.subject_key(id) else { return };
        self.want(key_id, epoch, coordinator, 1, Want::Willing(id));
    }

    fn want(&mut self, key_id: KeyId, epoch: Epoch, coordinator: NodeId, count: u16, want: Want) {
        let wanted = self.wanted.entry((key_id, coordinator)).or_default();
        if wanted.contains(&want) {
            return;
        }
        wanted.push_back(want);
        self.ask_vault(VaultRequest::Commit { key_id, epoch, coordinator, count, now: self.now.wall });
    }

    pub(crate) fn on_committed(&mut self, commitments: Vec<Commitments>) {
        self.lent.made(&commitments);
        let Some(statement) = commitments.first().map(Commitments::statement) else { return };
        let (key_id, coordinator) = (statement.key_id, statement.coordinator);
        let Some(wanted) = self.wanted.get_mut(&(key_id, coordinator)) else { return };
        let Some(want) = wanted.pop_front() else { return };
        if wanted.is_empty() {
            self.wanted.remove(&(key_id, coordinator));
        }
        match want {
            Want::Pool => {
                self.send(coordinator, key_id.into(), Message::CommitmentsOffered(commitments), Class::Bulk);
            }
            Want::Willing(id) => {
                // What was true when we asked may have changed.
                if self.subjects.get(&id).is_some_and(|s| s.is_open() && s.status == Some(Status::Willing)) {
                    let commitments = commitments.into_iter().next();
                    let message = Willingness { status: Status::Willing, commitments };
                    self.send(coordinator, id.into(), Message::Willingness(message), Class::Protocol);
                }
            }
        }
    }

    /// Keeps commitments that a member of a certified key offered to us.
    pub(crate) fn pool(&mut self, commitments: Commitments) {
        let statement = commitments.statement();
        let Some(attempt) = self.attempts.get(&statement.key_id) else { return };
        let epoch = attempt.certificate.as_ref().map(KeyCertificate::epoch);
        let known = attempt.key.identifier_of(statement.owner).is_some() && !self.is_quarantined(statement.owner);
        if statement.coordinator == self.me && epoch == Some(statement.epoch) && known {
            self.pools.add(commitments);
            self.stirred = true;
        }
    }

    /// A member that coordinates asks for commitments ahead of requests.
    pub(crate) fn on_commitments_wanted(&mut self, inbound: &Inbound<'_>, epoch: Epoch, count: u16) {
        let key_id = KeyId::from(inbound.session);
        let Some(attempt) = self.attempts.get(&key_id).filter(|attempt| attempt.phase == Phase::Active) else { return };
        let certified = attempt.certificate.as_ref().map(KeyCertificate::epoch);
        if certified != Some(epoch) || attempt.key.identifier_of(inbound.from).is_none() {
            return self.ignored(inbound, Code::EpochMismatch);
        }
        let pace =
            self.offers.entry((key_id, inbound.from)).or_insert_with(|| Pace::new(POOL_ANSWER_BURST, POOL_ANSWER_MS));
        if pace.allow(self.now.monotonic) {
            let count = count.min(u16::try_from(POOL_TARGET).unwrap_or(1));
            self.want(key_id, epoch, inbound.from, count, Want::Pool);
        }
    }

    pub(crate) fn on_commitments_offered(&mut self, inbound: &Inbound<'_>, offered: &[Commitments]) {
        let by_owner = |commitments: &&Commitments| commitments.statement().owner == inbound.from;
        offered.iter().filter(by_owner).for_each(|commitments| self.pool(*commitments));
    }

    /// We have coordinated: from now on our pools of this boot are kept full in idle time.
    pub(crate) fn keep_pools(&mut self, key_id: KeyId) {
        let armed = !self.kept.is_empty();
        self.kept.insert(key_id);
        if !armed {
            self.set_timer(Timer::Pools, POOL_LOOK_MS);
        }
    }

    /// A look at our pools: whose are short, and will be soon, is asked, unless something is being signed.
    pub(crate) fn fill_pools(&mut self) {
        self.set_timer(Timer::Pools, POOL_LOOK_MS);
        if self.subjects.values().any(State::is_signing) {
            return;
        }
        let now = self.now;
        for key_id in self.kept.clone() {
            let Some(attempt) = self.attempts.get(&key_id).filter(|attempt| attempt.phase == Phase::Active) else {
                continue;
            };
            let Some(epoch) = attempt.certificate.as_ref().map(KeyCertificate::epoch) else { continue };
            let members: Vec<_> = attempt.key.nodes().filter(|node| self.is_here(*node)).collect();
            for node in members {
                let lasting = self.pools.count(key_id, node, now.wall, POOL_REFRESH_SECONDS);
                let short = POOL_TARGET.saturating_sub(lasting);
                let Ok(count) = u16::try_from(short) else { continue };
                // A share brings one for each that was used: only what is half empty is worth a message.
                if lasting > POOL_TARGET / 2 || !self.pools.ask(key_id, node, now.monotonic) {
                    continue;
                }
                if node == self.me {
                    self.want(key_id, epoch, node, count, Want::Pool);
                } else {
                    let message = Message::CommitmentsWanted { epoch, count };
                    self.send(node, key_id.into(), message, Class::Bulk);
                }
            }
        }
    }
}
