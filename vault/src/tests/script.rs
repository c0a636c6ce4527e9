//! A generator that hands out what a test gives it.

use rand_core::RngCore;

/// Hands out given bytes, and nothing after them.
pub(crate) struct Script(pub(crate) std::collections::VecDeque<u8>);

impl Script {
    pub(crate) fn new(parts: &[Vec<u8>]) -> Self {
        Self(parts.concat().into())
    }
}

impl RngCore for Script {
    fn next_u32(&mut self) -> u32 {
        unreachable!("scripts hand out bytes")
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!("scripts hand out bytes")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.pop_front().expect("the script is long enough"));
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core::CryptoRng for Script {}
