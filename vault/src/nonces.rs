//! Signing nonces: made here, kept in memory, moved out by value, gone after one use (R36).
//!
//! frost's own type can be cloned and is borrowed by `sign`; this one cannot, and is consumed.

use crate::limits::OFFERS_MAX;
use crate::suite::{self, frost};
use firn_proto::commitments::Commitments;
use firn_proto::digest::CanonicalHasher;
use firn_proto::time::WallTime;
use firn_proto::{Epoch, KeyId, NodeId, Point, PublicScalar};
use frost::keys::{KeyPackage, SigningShare};
use rand_core::{CryptoRng, RngCore};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// One pair of nonces. Neither cloned, shown nor stored.
pub(crate) struct Nonces(frost::round1::SigningNonces);

impl Nonces {
    /// A fresh pair, and its commitments: hiding, binding.
    pub(crate) fn generate<R: RngCore + CryptoRng>(
        share: &SigningShare,
        rng: &mut R,
    ) -> Option<(Self, (Point, Point))> {
        let (nonces, commitments) = frost::round1::commit(share, rng);
        let wire = |commitment: &frost::round1::NonceCommitment| suite::point_from_frost(&commitment.serialize().ok()?);
        let points = (wire(commitments.hiding())?, wire(commitments.binding())?);
        Some((Self(nonces), points))
    }

    /// The signature share for `package`; `None` for zero, which no honest signer sends. The nonces end here.
    pub(crate) fn sign(self, package: &frost::SigningPackage, key: &KeyPackage) -> Option<PublicScalar> {
        PublicScalar::from_slice(&frost::round2::sign(package, &self.0, key).ok()?.serialize()).ok()
    }
}

/// A generator whose output also depends on a context. A machine may give the same bytes again, after a restart or in a copy: the
/// same nonces come of it only where the context is the same as well.
pub(crate) struct Hedged<'a, R>(pub(crate) &'a mut R, pub(crate) CanonicalHasher);

impl<R: RngCore + CryptoRng> RngCore for Hedged<'_, R> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
        for chunk in dest.chunks_mut(32) {
            self.1 = self.1.clone().field(&*chunk);
            let block = Zeroizing::new(self.1.clone().finish().0);
            chunk.iter_mut().zip(block.iter()).for_each(|(byte, hashed)| *byte = *hashed);
        }
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl<R: CryptoRng> CryptoRng for Hedged<'_, R> {}

/// For which key and epoch, and for which coordinator alone.
pub(crate) type PoolKey = (KeyId, Epoch, NodeId);

/// The unused nonces of this boot.
#[derive(Default)]
pub(crate) struct Pools {
    pools: BTreeMap<PoolKey, BTreeMap<u64, Offer>>,
    serial: u64,
}

/// Nonces with the commitments that offer them.
struct Offer {
    nonces: Nonces,
    commitments: Commitments,
}

impl Pools {
    /// The next serial of this boot, never given twice.
    pub(crate) fn next_serial(&mut self) -> u64 {
        let Some(next) = self.serial.checked_add(1) else { unreachable!("2^64 nonces in one boot") };
        self.serial = next;
        next
    }

    /// Forgets what is no longer on offer at `now`.
    pub(crate) fn drop_expired(&mut self, now: WallTime) {
        self.pools.retain(|_, pool| {
            pool.retain(|_, offer| offer.commitments.statement().expires > now);
            !pool.is_empty()
        });
    }

    /// Forgets what was on offer with a key's shares.
    pub(crate) fn drop_key(&mut self, key_id: KeyId) {
        self.pools.retain(|(key, ..), _| *key != key_id);
    }

    /// Keeps an offer; the oldest of a full pool goes.
    pub(crate) fn insert(&mut self, key: PoolKey, nonces: Nonces, commitments: Commitments) {
        let pool = self.pools.entry(key).or_default();
        let replaced = pool.insert(commitments.statement().serial, Offer { nonces, commitments });
        assert!(replaced.is_none(), "a serial is given once");
        while pool.len() > OFFERS_MAX {
            pool.pop_first();
        }
    }

    /// Whether exactly these commitments are on offer.
    pub(crate) fn offers(&self, key: &PoolKey, commitments: &Commitments) -> bool {
        let offer = self.pools.get(key).and_then(|pool| pool.get(&commitments.statement().serial));
        offer.is_some_and(|offer| offer.commitments.statement() == commitments.statement())
    }

    /// Moves the nonces out.
    pub(crate) fn take(&mut self, key: &PoolKey, serial: u64) -> Option<Nonces> {
        self.pools.get_mut(key)?.remove(&serial).map(|offer| offer.nonces)
    }
}

#[cfg(test)]
mod tests;
