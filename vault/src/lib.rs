//! The only crate that ever holds key-share material: shares, nonces, polynomials, the author key.
//!
//! A [`Vault`] answers [`api::Request`]s one at a time. It is pure: randomness, time and storage come from the host, and
//! each [`api::Decision`] lists the sealed records that must be durable before its reply may be used.
//!
//! Attack classes that the design rules out, and where: nonce reuse in `nonces` and `release` (moved out by value after
//! all checks, one share per commitment pair); rogue keys, raised thresholds and replayed proofs in `keygen` (one frozen
//! map, lengths first, a polynomial is used once); false blame in [`complaint`] (publicly judged proofs); half-born keys
//! in `lifecycle` (certificate and abandonment exclude each other); moved or altered records in `seal`, and shares in
//! [`backup`].

pub mod api;
pub mod backup;
pub mod complaint;
mod dealing;
mod denial;
mod held;
mod keygen;
mod lifecycle;
mod limits;
mod nonces;
mod open;
mod record;
mod release;
mod repair;
mod reshare;
mod root;
mod seal;
mod settle;
mod suite;
#[cfg(test)]
mod testing;

pub use open::OpenError;
pub use root::RootSecret;

use api::{Decision, Reply, Request, VaultRefusal, Write};
use denial::Denial;
use firn_proto::certificate::KeyProposal;
use firn_proto::envelope::{self, Header};
use firn_proto::limits::FRAME_BYTES_MAX;
use firn_proto::message::{KeyRound1, KeyShares};
use firn_proto::{
    Code, Definition, Digest, Epoch, Identifier, Incarnation, KeyId, Message, NetworkId, NodeId, SessionId, SubjectId,
};
use held::HeldKey;
use keygen::{Attempt, Dealt, Failure, Roster};
use limits::{ATTEMPTS_MAX, DEALT_MAX};
use nonces::Pools;
use rand_core::{CryptoRng, RngCore};
use record::{Kind, key_record};
use release::Released;
use root::RootKeys;
use seal::Place;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// What the record keys of shares begin with: a host leaves nothing of those behind that it deletes.
pub const SHARES: &[u8] = b"share/";

/// One node's vault.
pub struct Vault {
    definition: Definition,
    network: NetworkId,
    node: NodeId,
    incarnation: Incarnation,
    keys: RootKeys,
    /// How many envelopes this boot has signed.
    sequence: u64,
    attempts: BTreeMap<KeyId, Attempt>,
    /// Key ids that this boot has dealt for: a second polynomial would be equivocation.
    dealt: BTreeSet<KeyId>,
    held: BTreeMap<(KeyId, Epoch), HeldKey>,
    /// Key ids that are used up for good.
    buried: BTreeSet<KeyId>,
    pools: Pools,
    /// Shares released in this boot, by the serial of our commitments.
    released: BTreeMap<u64, Released>,
    /// Payload by the record key of its lock.
    locks: BTreeMap<Vec<u8>, Digest>,
    /// The record keys of each subject's release markers.
    markers: BTreeMap<SubjectId, Vec<Vec<u8>>>,
}

impl Vault {
    /// Decides over one request. The host makes the decision's writes durable, in one synced batch, before it delivers
    /// the reply; where it cannot, it must stop the vault, whose memory is then ahead of storage.
    pub fn handle<R: RngCore + CryptoRng>(&mut self, request: Request, rng: &mut R) -> Decision {
        let (session, package) = self.subject_of(&request);
        let refuse = |denial: Denial| {
            let refusal = VaultRefusal { code: denial.code, session, package, culprit: denial.culprit };
            Decision { writes: Vec::new(), reply: Reply::Refused(refusal) }
        };
        self.decide(request, rng).unwrap_or_else(refuse)
    }

    /// The record key of our share of a key: what the host reads back for [`Request::Certify`].
    #[must_use]
    pub fn share_record(key_id: KeyId, epoch: Epoch) -> Vec<u8> {
        key_record(Kind::Share, key_id, epoch)
    }

    fn decide<R: RngCore + CryptoRng>(&mut self, request: Request, rng: &mut R) -> Result<Decision, Denial> {
        match request {
            Request::Author { session, message } => self.author(session, &message, rng).map(reply),
            Request::Deal { proposal } => self.deal(proposal, rng).map(reply),
            Request::Share { key_id, round1 } => self.share(key_id, round1, rng).map(reply),
            Request::Finish { key_id, dealings } => self.finish(key_id, &dealings, rng),
            Request::Certify { key_id, stored, .. } => self.certify(key_id, stored.as_deref(), rng),
            Request::AcceptCertificate { certificate, activation } => {
                self.accept_certificate(*certificate, activation.as_ref(), rng)
            }
            Request::Abandon { key_id } => self.abandon(key_id, None, rng),
            Request::AbandonProposal { proposal } => {
                // Also of a version that is over: it may be what keeps the name taken.
                let key = self.definition.at(proposal.definition).and_then(|version| version.key(&proposal.key_name));
                let member = key.and_then(|key| key.identifier_of(self.node)).ok_or(Code::DkgProposalInvalid)?;
                self.abandon(proposal.key_id(self.network), Some(member), rng)
            }
            Request::Redeal { proposal } => self.redeal(&proposal, rng).map(reply),
            Request::CheckRedeals(ask) => self.check_redeals(&ask, rng).map(reply),
            Request::FinishRedeals(ask) => self.finish_redeals(&ask, rng),
            Request::RepairDeal { repair } => self.repair_deal(&repair, rng).map(reply),
            Request::RepairSum { repair, deltas } => self.repair_sum(&repair, &deltas, rng).map(reply),
            Request::RepairFinish(ask) => self.repair_finish(&ask, rng),
            Request::Retire { key_id, successor, activation } => self.retire(key_id, &successor, &activation, rng),
            Request::Erase { key_id, abandonments } => self.erase(key_id, &abandonments, rng),
            Request::Forget { key_id } => self.forget(key_id, rng),
            Request::Commit { key_id, epoch, coordinator, count, now } => {
                self.commit((key_id, epoch, coordinator), count, now, rng).map(|made| reply(Reply::Committed(made)))
            }
            Request::Release(ask) => self.release(&ask, rng),
            Request::Settle { request, settlement } => self.settle(&request, settlement, rng),
        }
    }

    fn subject_of(&self, request: &Request) -> (SessionId, Option<Digest>) {
        let key_id = match request {
            Request::Author { session, .. } => return (*session, None),
            Request::Settle { request, .. } => return (request.id().into(), None),
            Request::Release(ask) => return (ask.package.subject.into(), Some(ask.package.hash())),
            Request::Deal { proposal } | Request::AbandonProposal { proposal } | Request::Redeal { proposal } => {
                proposal.key_id(self.network)
            }
            Request::CheckRedeals(ask) | Request::FinishRedeals(ask) => ask.proposal.key_id(self.network),
            Request::AcceptCertificate { certificate, .. } => certificate.key_id(),
            Request::RepairDeal { repair } | Request::RepairSum { repair, .. } => repair.id(self.network),
            Request::RepairFinish(ask) => ask.repair.id(self.network),
            Request::Share { key_id, .. }
            | Request::Finish { key_id, .. }
            | Request::Certify { key_id, .. }
            | Request::Abandon { key_id }
            | Request::Erase { key_id, .. }
            | Request::Forget { key_id }
            | Request::Retire { key_id, .. }
            | Request::Commit { key_id, .. } => *key_id,
        };
        (key_id.into(), None)
    }

    fn author<R: RngCore + CryptoRng>(
        &mut self,
        session: SessionId,
        message: &Message,
        rng: &mut R,
    ) -> Result<Reply, Denial> {
        let Some(sequence) = self.sequence.checked_add(1) else { unreachable!("2^64 envelopes in one boot") };
        let (network, sender, incarnation) = (self.network, self.node, self.incarnation);
        let header = Header { network, session, sender, incarnation, sequence };
        let envelope = envelope::seal(&header, message, |digest| self.keys.author.sign(digest, rng));
        if envelope.len() > FRAME_BYTES_MAX {
            return Err(Code::EnvelopeTooLarge.into());
        }
        self.sequence = sequence;
        Ok(Reply::Envelope(envelope))
    }

    fn deal<R: RngCore + CryptoRng>(&mut self, proposal: KeyProposal, rng: &mut R) -> Result<Reply, Denial> {
        let roster = Some(proposal).filter(|proposal| proposal.from.is_none());
        let roster = roster.and_then(|proposal| Roster::new(&self.definition, self.node, proposal));
        let roster = roster.ok_or(Code::DkgProposalInvalid)?;
        let key_id = roster.key_id;
        let known = self.dealt.contains(&key_id)
            || self.attempts.contains_key(&key_id)
            || self.buried.contains(&key_id)
            || self.holds(key_id);
        let under_way = self.attempts.values().filter(|attempt| !matches!(attempt, Attempt::Ended(_))).count();
        if known || under_way >= ATTEMPTS_MAX || self.dealt.len() >= DEALT_MAX {
            return Err(Code::DkgConflict.into());
        }
        let dealt = Dealt::new(roster, rng).ok_or(Code::VaultRefused)?;
        let package = dealt.package().clone();
        self.dealt.insert(key_id);
        self.attempts.insert(key_id, Attempt::Dealt(dealt));
        Ok(Reply::Dealt { key_id, package })
    }

    fn share<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        round1: BTreeMap<Identifier, KeyRound1>,
        rng: &mut R,
    ) -> Result<Reply, Denial> {
        let attempt = self.attempts.get_mut(&key_id).ok_or(Code::VaultRefused)?;
        if !matches!(attempt, Attempt::Dealt(_)) {
            return Err(Code::VaultRefused.into());
        }
        let ended = Attempt::Ended(attempt.identifier());
        let Attempt::Dealt(dealt) = std::mem::replace(attempt, ended) else { unreachable!("checked above") };
        let shared = dealt.share(round1, rng)?;
        let dealing = shared.dealing().clone();
        *attempt = Attempt::Shared(shared);
        Ok(Reply::Shared { key_id, dealing })
    }

    fn finish<R: RngCore + CryptoRng>(
        &mut self,
        key_id: KeyId,
        dealings: &BTreeMap<Identifier, KeyShares>,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let attempt = self.attempts.get_mut(&key_id).ok_or(Code::VaultRefused)?;
        if !matches!(attempt, Attempt::Shared(_)) {
            return Err(Code::VaultRefused.into());
        }
        let ended = Attempt::Ended(attempt.identifier());
        let Attempt::Shared(shared) = std::mem::replace(attempt, ended) else { unreachable!("checked above") };
        match shared.finish(&self.keys.decryption, dealings, rng) {
            Ok(finished) => {
                self.attempts.remove(&key_id);
                let held = HeldKey::new(finished.facts, &finished.share);
                let Some(held) = held else { unreachable!("a combined share fits its verifying share") };
                self.store(key_id, held, rng)
            }
            Err(Failure::Complaints(complaints)) => Ok(reply(Reply::BadShares { key_id, complaints })),
            Err(Failure::Denied(denial)) => Err(denial),
        }
    }

    /// Whether a share of this attempt is stored.
    fn holds(&self, key_id: KeyId) -> bool {
        self.held.contains_key(&self.place_of(key_id))
    }

    /// Where the share of an attempt is held: an attempt makes one epoch.
    fn place_of(&self, key_id: KeyId) -> (KeyId, Epoch) {
        let first = (key_id, Epoch(0));
        let mut held = self.held.range(first..=(key_id, Epoch(u32::MAX)));
        held.next().map_or(first, |(place, _)| *place)
    }

    /// The share of a key that may be used.
    fn certified(&self, key_id: KeyId, epoch: Epoch) -> Result<&HeldKey, Denial> {
        match self.held.get(&(key_id, epoch)) {
            Some(held) if held.certificate.is_some() => Ok(held),
            Some(_) => Err(Code::KeyNotReady.into()),
            None if self.holds(key_id) => Err(Code::EpochMismatch.into()),
            None if self.buried.contains(&key_id) => Err(Code::EpochRetired.into()),
            None => Err(Code::ShareMissing.into()),
        }
    }

    /// A record to be written, sealed for its place.
    fn put<R: RngCore + CryptoRng>(&self, kind: Kind, key: Vec<u8>, content: &[u8], rng: &mut R) -> Write {
        let value = self.keys.sealer.seal(&self.place(kind, &key), content, rng);
        Write::Put { key, value }
    }

    fn open_record(&self, kind: Kind, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.keys.sealer.open(&self.place(kind, key), sealed)
    }

    /// Locks and markers belong to no one key: theirs is zero.
    fn place<'a>(&self, kind: Kind, record_key: &'a [u8]) -> Place<'a> {
        let suffix = Kind::of(record_key).map(|(_, suffix)| suffix).unwrap_or_default();
        let (key_id, epoch) = match kind {
            Kind::Share | Kind::State => record::key_of(suffix).unwrap_or_default(),
            _ => Default::default(),
        };
        Place { kind: kind.name(), network: self.network, node: self.node, key_id, epoch, record_key }
    }
}

/// A decision that writes nothing.
fn reply(reply: Reply) -> Decision {
    Decision { writes: Vec::new(), reply }
}

#[cfg(test)]
mod tests;
