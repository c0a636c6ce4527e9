//! Locks: which payload an account's nonce and a requester's nonce are given to, and when the finalised chain frees them.
//!
//! That the chain did or did not execute a request is the engine's word; that the locks are the request's own, and that its
//! validity is over, is checked here.

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
        let (verified, _) = request.signed().clone().verify_known(&self.definition)?;
        let [account, intent] = self.locks_of(request, &verified)?;
        let mut writes = Vec::new();
        let mut free = |(_, key, payload): &Lock| {
            if self.locks.get(key) == Some(payload) {
                self.locks.remove(key);
                writes.push(Write::Delete { key: key.clone() });
            }
        };
        match settlement {
            Settlement::Lapsed { now } if now.0 <= request.deadline().0.saturating_add(EXECUTION_GRACE_SECONDS) => {
                return Err(Code::VaultRefused.into());
            }
            Settlement::Lapsed { .. } => [account, intent].iter().for_each(free),
            // Ours or a rival's before, now it is the payload's that the chain has: none other may ever follow it.
            Settlement::Executed => {
                free(&account);
                let (kind, key, payload) = intent;
                if self.locks.insert(key.clone(), payload) != Some(payload) {
                    writes.push(self.put(kind, key, &payload.0, rng));
                }
            }
        }
        let markers = self.markers.remove(&request.id()).unwrap_or_default();
        writes.extend(markers.into_iter().map(|key| Write::Delete { key }));
        Ok(Decision { writes, reply: Reply::Settled { subject: request.id() } })
    }

    /// The locks of a request on its account's nonce and on its requester's, if it is what its own signature says.
    pub(crate) fn locks_of(&self, request: &Request, verified: &Request) -> Result<[Lock; 2], Denial> {
        if verified != request {
            return Err(Code::VaultRefused.into());
        }
        let payload = request.payload_digest(&self.definition);
        let lock = |kind: Kind, address: &[u8], nonce: &[u8]| (kind, kind.key(&[address, nonce]), payload);
        let account_nonce = nonce_of(request.id()).to_be_bytes::<32>();
        Ok([
            lock(Kind::AccountLock, request.account().as_slice(), &account_nonce),
            lock(Kind::RequesterLock, request.requester().as_slice(), &request.nonce().to_be_bytes::<32>()),
        ])
    }
}

#[cfg(test)]
mod tests;
