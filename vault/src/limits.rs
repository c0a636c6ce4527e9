//! Bounds of what the vault keeps in memory, with their arithmetic.

/// Unused nonce pairs per key, epoch and coordinator: a warm session takes one, ROAST at most one per attempt, so 16 carry
/// as many requests at once; the oldest go first. 16 x 100 coordinators x about 500 bytes = 800 kB per key.
pub(crate) const OFFERS_MAX: usize = 16;

/// Released shares that are answered again when asked again: 1,024 x about 2 kB = 2 MB. Older ones are forgotten, which
/// only means that a repeated package is refused.
pub(crate) const RELEASED_MAX: usize = 1_024;

/// Key generations under way at once: 32 x (100 members x 67 points x 65 bytes) = 14 MB.
pub(crate) const ATTEMPTS_MAX: usize = 32;

/// Key ids that one boot may deal for, and remembers as used up: 32 bytes each, 128 kB.
pub(crate) const DEALT_MAX: usize = 4_096;

/// Key ids that stay on disk as used up after their keys were erased or abandoned: about 120 bytes each, 1 MB.
pub(crate) const TOMBSTONES_MAX: usize = 8_192;
