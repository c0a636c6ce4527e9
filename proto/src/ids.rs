//! Identifier newtypes. Each wraps bytes or a small integer and means one thing.

use std::fmt;

/// Declares nothing itself: renders bytes as lower-case hex for the identifiers below.
fn hex_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A 32-byte SHA-256 or Keccak-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex_bytes(&self.0, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex_bytes(&self.0, f)
    }
}

impl Digest {
    /// The digest in `bytes`, if there are exactly 32 of them.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads 64 hexadecimal digits, with or without `0x`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()?;
        Self::from_slice(&bytes)
    }
}

/// Names a network for ever: the digest of its genesis definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NetworkId(pub Digest);

/// Names one key-generation attempt and the key it makes. A new attempt has a new key id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct KeyId(pub Digest);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names what is to be signed: the EIP-712 digest of a request, or the digest of a key's activation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SubjectId(pub Digest);

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an envelope belongs to: a key id, a subject id, or nothing (zero).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionId(pub Digest);

impl From<KeyId> for SessionId {
    fn from(id: KeyId) -> Self {
        Self(id.0)
    }
}

impl From<SubjectId> for SessionId {
    fn from(id: SubjectId) -> Self {
        Self(id.0)
    }
}

impl From<SessionId> for KeyId {
    fn from(id: SessionId) -> Self {
        Self(id.0)
    }
}

impl From<SessionId> for SubjectId {
    fn from(id: SessionId) -> Self {
        Self(id.0)
    }
}

/// A node of the network definition, 1 and up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A participant's FROST identifier within one key (RFC 9591 section 4), 1 and up, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identifier(pub u16);

/// Which generation of shares of a key. Key generation makes epoch 0; refresh and resharing count up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u32);

/// One start of a node: how often it has started, counted up durably before a start does anything else, and which of the
/// processes with that count it is. Two that run from copies of one disk have equal counts and different instances.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Incarnation {
    count: u32,
    instance: u32,
}

impl Incarnation {
    /// The start number `count`, told apart from others of that number by a random `instance`.
    #[must_use]
    pub const fn new(count: u32, instance: u32) -> Self {
        Self { count, instance }
    }

    /// How often the node has started. A higher count is a newer boot.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Random of this start. It has no order.
    #[must_use]
    pub const fn instance(self) -> u32 {
        self.instance
    }

    /// Reads the wire form: the count in the upper half, the instance in the lower.
    #[must_use]
    pub fn from_wire(number: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        Self { count: u32::from_be_bytes([a, b, c, d]), instance: u32::from_be_bytes([e, f, g, h]) }
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(self) -> u64 {
        u64::from(self.count) << 32 | u64::from(self.instance)
    }
}
