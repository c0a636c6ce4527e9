//! Release of a signature share: every check of DESIGN section 4 that a vault can make by itself.

use crate::Vault;
use crate::api::{Decision, ReleaseRequest, Reply, Subject, Write};
use crate::denial::Denial;
use crate::held::HeldKey;
use crate::limits::{OFFERS_MAX, RELEASED_MAX};
use crate::nonces::{Hedged, Nonces, PoolKey};
use crate::record::Kind;
use crate::settle::Lock;
use crate::suite::{self, frost};
use firn_proto::certificate::KeyProposal;
use firn_proto::commitments::{CommitmentStatement, Commitments};
use firn_proto::definition::KeyDefinition;
use firn_proto::digest::CanonicalHasher;
use firn_proto::diversity::is_eligible;
use firn_proto::limits::{COMMITMENTS_NEXT_MAX, NONCE_LIFETIME_SECONDS};
use firn_proto::message::SigningPackage;
use firn_proto::request::Request;
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, Identifier, Point};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;

/// A share that left, or may have: asked the same again, the vault answers the same again.
pub(crate) struct Released {
    package: Digest,
    decision: Decision,
}

impl Vault {
    /// Makes nonces for one coordinator and commits to them.
    pub(crate) fn commit<R: RngCore + CryptoRng>(
        &mut self,
        pool: PoolKey,
        count: u16,
        now: WallTime,
        rng: &mut R,
    ) -> Result<Vec<Commitments>, Denial> {
        let (key_id, epoch, coordinator) = pool;
        if !(1..=OFFERS_MAX).contains(&count.into()) {
            return Err(Code::VaultRefused.into());
        }
        let serials: Vec<_> = (0..count).map(|_| self.pools.next_serial()).collect();
        let held = self.certified(key_id, epoch)?;
        self.key_of(held)?.identifier_of(coordinator).ok_or(Code::VaultRefused)?;
        let share = held.package().signing_share();
        let (owner, incarnation) = (self.node, self.incarnation);
        let pair = |serial| {
            // The share goes in as well, so the key and the owner do.
            let context = CanonicalHasher::new("firn/nonce-context/v1").number(incarnation.to_wire()).number(serial);
            Some((serial, Nonces::generate(share, &mut Hedged(&mut *rng, context.number(now.0)))?))
        };
        let generated: Option<Vec<_>> = serials.into_iter().map(pair).collect();
        self.pools.drop_expired(now);
        let expires = WallTime(now.0.saturating_add(NONCE_LIFETIME_SECONDS));
        let mut offer = |(serial, (nonces, (hiding, binding)))| {
            let statement = CommitmentStatement {
                key_id,
                epoch,
                coordinator,
                owner,
                incarnation,
                serial,
                expires,
                hiding,
                binding,
            };
            let commitments = Commitments::seal(self.network, statement, |digest| self.keys.author.sign(digest, rng));
            self.pools.insert(pool, nonces, commitments);
            commitments
        };
        Ok(generated.ok_or(Code::VaultRefused)?.into_iter().map(&mut offer).collect())
    }

    /// Lends a share, once per commitment. All checks come before the nonces move; the lock, the marker and the share
    /// belong to one decision, whose writes the host syncs before the reply leaves.
    pub(crate) fn release<R: RngCore + CryptoRng>(
        &mut self,
        ask: &ReleaseRequest,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let package = &ask.package;
        let is_next = (1..=COMMITMENTS_NEXT_MAX).contains(&ask.next.into());
        if !is_next || ask.subject.id(self.network) != package.subject {
            return Err(Code::VaultRefused.into());
        }
        let held = self.certified(package.key_id, package.epoch)?;
        let signers = self.check_package(held, package)?;
        let locks = match &ask.subject {
            Subject::Request(request) => self.check_request(held, request, ask)?,
            // A member that abandoned a key may follow its activation, but never takes part in it.
            Subject::Activation(_) if held.abandoned => return Err(Code::DkgAbandoned.into()),
            Subject::Activation(certificate) if held.is_certified_by(certificate) => Vec::new(),
            Subject::Activation(_) => return Err(Code::VaultRefused.into()),
        };
        let message = ask.subject.digest(&self.definition);
        let signing_package = suite::signing_package(&signers, &message.0).ok_or(Code::PackageInvalid)?;
        let own = *package.commitments.get(&self.node).ok_or(Code::PackageInvalid)?.statement();
        let pool = (package.key_id, package.epoch, package.coordinator);
        let hash = package.hash();
        match self.released.get(&own.serial).filter(|_| own.incarnation == self.incarnation) {
            Some(released) if released.package == hash => return Ok(released.decision.clone()),
            Some(_) => return Err(Code::PackageRival.into()),
            None => {}
        }
        self.check_locks(&locks)?;
        self.pools.drop_expired(ask.now);
        let share = self.consume(&pool, package, &signing_package)?;
        let next = self.commit(pool, ask.next, ask.now, rng)?;
        let reply = Reply::Released { subject: package.subject, package: hash, share, next };
        let decision = Decision { writes: self.release_writes(hash, &own, package, locks, rng), reply };
        let replaced = self.released.insert(own.serial, Released { package: hash, decision: decision.clone() });
        assert!(replaced.is_none(), "one commitment pair releases one share");
        while self.released.len() > RELEASED_MAX {
            self.released.pop_first();
        }
        Ok(decision)
    }

    /// Moves the nonces of our commitments out of the pool and signs with them.
    fn consume(
        &mut self,
        pool: &PoolKey,
        package: &SigningPackage,
        signing_package: &frost::SigningPackage,
    ) -> Result<firn_proto::PublicScalar, Denial> {
        let own = package.commitments.get(&self.node).filter(|own| self.pools.offers(pool, own));
        let serial = own.ok_or(Code::CommitmentUnknown)?.statement().serial;
        let nonces = self.pools.take(pool, serial).ok_or(Code::CommitmentUnknown)?;
        let held = self.certified(package.key_id, package.epoch)?;
        nonces.sign(signing_package, held.package()).ok_or_else(|| Code::PackageInvalid.into())
    }

    /// Who signs: exactly t members, with commitments for this key, epoch and coordinator, our own among them.
    fn check_package(
        &self,
        held: &HeldKey,
        package: &SigningPackage,
    ) -> Result<BTreeMap<Identifier, (Point, Point)>, Denial> {
        let key = self.key_of(held)?;
        if package.commitments.len() != usize::from(held.facts.threshold) || package.commitments.len() < 2 {
            return Err(Code::PackageInvalid.into());
        }
        let mut signers = BTreeMap::new();
        for (owner, commitments) in &package.commitments {
            let statement = commitments.statement();
            let identifier = key.identifier_of(*owner).ok_or(Code::PackageInvalid)?;
            if statement.epoch != package.epoch {
                return Err(Code::EpochMismatch.into());
            }
            if statement.owner != *owner
                || statement.key_id != package.key_id
                || statement.coordinator != package.coordinator
            {
                return Err(Code::PackageInvalid.into());
            }
            signers.insert(identifier, (statement.hiding, statement.binding));
        }
        if !signers.contains_key(&held.facts.identifier) {
            return Err(Code::PackageInvalid.into());
        }
        let nodes: Vec<_> = package.commitments.keys().copied().collect();
        if is_eligible(&self.definition, key, &nodes) { Ok(signers) } else { Err(Code::DiversityUnmet.into()) }
    }

    /// The key as its members were when this epoch was made.
    pub(crate) fn key_of(&self, held: &HeldKey) -> Result<&KeyDefinition, Code> {
        let KeyProposal { definition, key_name, .. } = &held.facts.proposal;
        self.definition.at(*definition).unwrap_or(&self.definition).key(key_name).ok_or(Code::KeyUnknown)
    }

    /// Checks a request anew against our own definition, and names the locks that it takes.
    fn check_request(&self, held: &HeldKey, request: &Request, ask: &ReleaseRequest) -> Result<Vec<Lock>, Denial> {
        let (lasting, mut locks) = self.locks_of(request, &request.verify_anew(&self.definition)?)?;
        locks.extend(lasting);
        let key = request.key(&self.definition).ok_or(Code::KeyUnknown)?;
        if key.name != held.facts.proposal.key_name || key.purpose != request.operation().purpose() {
            return Err(Code::PackageInvalid.into());
        }
        if request.account().into_array() != held.account {
            return Err(Code::AccountMismatch.into());
        }
        self.definition.permits_release(self.node, request, &ask.opinions, ask.now)?;
        Ok(locks)
    }

    fn check_locks(&self, locks: &[Lock]) -> Result<(), Denial> {
        let rival = |(_, key, payload): &&Lock| self.locks.get(key).is_some_and(|taken| taken != payload);
        match locks.iter().rev().find(rival) {
            Some((Kind::BucketLock, ..)) => Err(Code::BudgetLocked.into()),
            Some((Kind::EvidenceLock, ..)) => Err(Code::EvidenceLocked.into()),
            Some(_) => Err(Code::RivalLocked.into()),
            None => Ok(()),
        }
    }

    /// The new locks, then the marker: which package our commitments went into.
    fn release_writes<R: RngCore + CryptoRng>(
        &mut self,
        hash: Digest,
        own: &CommitmentStatement,
        package: &SigningPackage,
        locks: Vec<Lock>,
        rng: &mut R,
    ) -> Vec<Write> {
        let mut writes = Vec::new();
        for (kind, key, payload) in locks {
            if self.locks.insert(key.clone(), payload).is_none() {
                writes.push(self.put(kind, key, &payload.0, rng));
            }
        }
        let marker = [
            &package.subject.0.0[..],
            &package.key_id.0.0,
            &package.epoch.0.to_be_bytes(),
            &package.coordinator.0.to_be_bytes(),
            &own.incarnation.to_wire().to_be_bytes(),
            &own.serial.to_be_bytes(),
        ];
        let marker_key = Kind::Release.key(&[&hash.0]);
        self.markers.entry(package.subject).or_default().push(marker_key.clone());
        writes.push(self.put(Kind::Release, marker_key, &marker.concat(), rng));
        writes
    }
}

/// Length of a release marker: subject, key id, epoch, coordinator, incarnation, serial.
pub(crate) const MARKER_BYTES: usize = 32 + 32 + 4 + 2 + 8 + 8;

#[cfg(test)]
mod tests;
