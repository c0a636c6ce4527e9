//! Randomness keyed by what it is for. Every draw names its purpose, so that removing one fault or one message leaves
//! every other draw as it was.

use crate::scenario::Ppm;
use firn_proto::digest::CanonicalHasher;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The root of all randomness of a run.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    seed: u64,
}

impl Source {
    /// Of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 32 bytes for one purpose: a name, and numbers that identify the occasion.
    #[must_use]
    pub fn bytes(&self, purpose: &str, path: &[u64]) -> [u8; 32] {
        let hasher = CanonicalHasher::new("firn/simulation/v1").number(self.seed).field(purpose);
        path.iter().fold(hasher, |hasher, part| hasher.number(*part)).finish().0
    }

    /// A number for one purpose.
    #[must_use]
    pub fn number(&self, purpose: &str, path: &[u64]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes(purpose, path);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number below `bound`, for one purpose; 0 where the bound is 0. The bias is below 2^-40 for the bounds used here.
    #[must_use]
    pub fn below(&self, bound: u64, purpose: &str, path: &[u64]) -> u64 {
        self.number(purpose, path).checked_rem(bound).unwrap_or_default()
    }

    /// True with this probability.
    #[must_use]
    pub fn chance(&self, rate: Ppm, purpose: &str, path: &[u64]) -> bool {
        self.below(1_000_000, purpose, path) < u64::from(rate)
    }

    /// A stream for one purpose: what a node's operating system would give it.
    #[must_use]
    pub fn stream(&self, purpose: &str, path: &[u64]) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.bytes(purpose, path))
    }
}
