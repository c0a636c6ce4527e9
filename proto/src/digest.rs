//! Canonical digests: SHA-256 over a domain and length-prefixed fields.
//!
//! Every field is preceded by its length as eight big-endian bytes, so that two different lists of fields never
//! give the same input; the domain is the first field.

use crate::ids::Digest;
use sha2::{Digest as _, Sha256};

/// Builds a canonical digest field by field.
#[derive(Clone)]
pub struct CanonicalHasher(Sha256);

impl CanonicalHasher {
    /// Starts a digest of its own `domain`, for example `firn/envelope/v1`.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self(Sha256::new()).field(domain.as_bytes())
    }

    /// Adds a field of bytes.
    #[must_use]
    pub fn field(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds an integer as eight big-endian bytes.
    #[must_use]
    pub fn number(self, value: impl Into<u64>) -> Self {
        self.field(value.into().to_be_bytes())
    }

    /// Adds the number of items, then each item by `add`.
    #[must_use]
    pub fn list<T>(self, items: impl ExactSizeIterator<Item = T>, add: impl Fn(Self, T) -> Self) -> Self {
        let counted = self.number(items.len() as u64);
        items.fold(counted, add)
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_be_shifted_into_each_other() {
        let split = |a: &str, b: &str| CanonicalHasher::new("t").field(a).field(b).finish();
        assert_ne!(split("ab", "c"), split("a", "bc"));
        assert_ne!(CanonicalHasher::new("t").field("a").finish(), CanonicalHasher::new("ta").finish());
        let list = |items: &[&str]| CanonicalHasher::new("t").list(items.iter(), CanonicalHasher::field).finish();
        assert_ne!(list(&["a", "b"]), split("a", "b"), "a list is not its items");
    }

    #[test]
    fn digest_is_pinned() {
        // Changing the encoding changes every signature of the network: this must never move within a version.
        let digest = CanonicalHasher::new("firn/test").field([1, 2]).number(7u32).finish();
        let mut expected = Sha256::new();
        for field in [&b"firn/test"[..], &[1, 2], &7u64.to_be_bytes()] {
            expected.update((field.len() as u64).to_be_bytes());
            expected.update(field);
        }
        assert_eq!(digest.0, <[u8; 32]>::from(expected.finalize()));
    }
}
