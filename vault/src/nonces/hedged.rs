//! Randomness for nonces that repeats only where everything else does.

use super::PoolKey;
use firn_proto::digest::CanonicalHasher;
use firn_proto::time::WallTime;
use firn_proto::{Digest, Incarnation, NodeId};
use rand_core::{CryptoRng, Error, RngCore};
use zeroize::Zeroizing;

/// A generator whose output also depends on what the nonces are for. A machine's generator may give the same bytes again, after a
/// restart or in a copy; the same nonces come of it only in the same process, for the same serial, in the same second.
pub(crate) struct Hedged<'a, R> {
    inner: &'a mut R,
    context: Digest,
    blocks: u64,
}

impl<'a, R: RngCore + CryptoRng> Hedged<'a, R> {
    pub(crate) fn new(
        inner: &'a mut R,
        (key_id, epoch, coordinator): PoolKey,
        (owner, incarnation): (NodeId, Incarnation),
        serial: u64,
        now: WallTime,
    ) -> Self {
        let context = CanonicalHasher::new("firn/nonce-context/v1")
            .field(key_id.0.0)
            .number(epoch.0)
            .number(coordinator.0)
            .number(owner.0)
            .number(incarnation.to_wire())
            .number(serial)
            .number(now.0)
            .finish();
        Self { inner, context, blocks: 0 }
    }
}

impl<R: RngCore + CryptoRng> RngCore for Hedged<'_, R> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(32) {
            let mut random = Zeroizing::new([0; 32]);
            self.inner.fill_bytes(&mut *random);
            self.blocks = self.blocks.wrapping_add(1);
            let hasher = CanonicalHasher::new("firn/nonce-randomness/v1").field(self.context.0);
            let block = Zeroizing::new(hasher.number(self.blocks).field(random.as_slice()).finish().0);
            chunk.iter_mut().zip(block.iter()).for_each(|(byte, hashed)| *byte = *hashed);
        }
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl<R: RngCore + CryptoRng> CryptoRng for Hedged<'_, R> {}
