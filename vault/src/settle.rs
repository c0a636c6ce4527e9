//! Locks: which payload nonces, budgets and evidence are given to, and when the finalised chain frees them.
//!
//! That the chain did or did not execute a request is the engine's word; whose the locks are, and that it is over, is ours.

use crate::Vault;
use crate::api::{Decision, Reply, Settlement, Write};
use crate::denial::Denial;
use crate::record::Kind;
use firn_proto::account::nonce_of;
use firn_proto::limits::EXECUTION_GRACE_SECONDS;
use firn_proto::request::Request;
use firn_proto::{Code, Digest};
use rand_core::{CryptoRng, RngCore};

/// A lock: its record key and the payload that it belongs to.
pub(crate) type Lock = (Kind, Vec<u8>, Digest);

impl Vault {
    /// Frees the locks that an ended request no longer needs, and forgets its release markers, which decide nothing.
    pub(crate) fn settle<R: RngCore + CryptoRng>(
        &mut self,
        request: &Request,
        settlement: Settlement,
        rng: &mut R,
    ) -> Result<Decision, Denial> {
        let (known, _) = request.signed().clone().verify_known(&self.definition)?;
        let (lasting, _) = self.locks_of(request, &known.step(request.is_second(), &self.definition)?)?;
        let over = request.deadline().0.saturating_add(EXECUTION_GRACE_SECONDS);
        if matches!(settlement, Settlement::Lapsed { now } if now.0 <= over) {
            return Err(Code::VaultRefused.into());
        }
        let (executed, mut writes) = (settlement == Settlement::Executed, Vec::new());
        // Before evidence and intents, which may stay, are the locks that it holds only while it is open: so it is between two payloads.
        let goes_on = executed && request.second(&self.definition).is_some();
        let payloads = [request.clone(), request.first()].map(|request| request.payload_digest(&self.definition));
        let open = self.locks.range(..Kind::EvidenceLock.key(&[])).filter(|(_, holder)| payloads.contains(holder));
        let mut ended: Vec<_> = open.filter(|_| !goes_on).map(|(key, _)| key.clone()).collect();
        for (kind, lock, payload) in lasting {
            let holder = self.locks.get(&lock).copied();
            if !executed {
                ended.extend((holder == Some(payload)).then_some(lock));
            } else if holder != Some(payload) && !(goes_on && holder.is_some()) {
                // Ours or a rival's before, now it is the payload's that the chain has: none other may ever follow it. A rival of what
                // is scheduled only may still be what executes.
                writes.push(self.put(kind, lock.clone(), &payload.0, rng));
                self.locks.insert(lock, payload);
            }
        }
        ended.iter().map(|key| self.locks.remove(key)).for_each(drop);
        let markers = self.markers.remove(&request.id()).unwrap_or_default();
        writes.extend(ended.into_iter().chain(markers).map(|key| Write::Delete { key }));
        Ok(Decision { writes, reply: Reply::Settled { subject: request.id() } })
    }

    /// The locks of a request on its evidence and its requester's nonce, and those on its account's and on the buckets of its
    /// budgets and cool-downs, if it is what its own signature says. All but the account's are its first payload's for both.
    pub(crate) fn locks_of(&self, request: &Request, verified: &Request) -> Result<(Vec<Lock>, Vec<Lock>), Denial> {
        if verified != request {
            return Err(Code::VaultRefused.into());
        }
        let holder = request.first().payload_digest(&self.definition);
        let lock = |kind: Kind, parts: &[&[u8]]| (kind, kind.key(parts), holder);
        let [account, intent] = [nonce_of(request.id()), request.nonce()].map(|nonce| nonce.to_be_bytes::<32>());
        let evidence = request.evidence().map(|evidence| lock(Kind::EvidenceLock, &[&evidence.0]));
        let intent = lock(Kind::RequesterLock, &[request.requester().as_slice(), &intent]);
        let account = Kind::AccountLock.key(&[request.account().as_slice(), &account]);
        let mut locks = vec![(Kind::AccountLock, account, request.payload_digest(&self.definition))];
        let buckets = self.definition.policy.buckets(&self.definition, request).into_iter();
        locks.extend(buckets.map(|bucket| lock(Kind::BucketLock, &[&bucket.0])));
        Ok((evidence.into_iter().chain([intent]).collect(), locks))
    }
}

#[cfg(test)]
mod tests;
