//! What the vault keeps: record keys, and the canonical contents under them.
//!
//! A key's share record is written once and never rewritten, so that what was certified is what stays in storage; what
//! happens to the key afterwards stands in its state record. Locks and release markers complete the list.

use firn_proto::author::AuthorSignature;
use firn_proto::certificate::{KeyProposal, KeySource};
use firn_proto::time::WallTime;
use firn_proto::{Digest, Epoch, Identifier, KeyId, NodeId, Point};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The kinds of record. The name is the record key's prefix and part of the sealed record's associated data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The key share with all public facts of its key.
    Share,
    /// What became of the key.
    State,
    /// Which payload an account nonce is given to.
    AccountLock,
    /// Which payload a requester's nonce is given to.
    RequesterLock,
    /// Which payload has a budget or a cool-down to itself.
    BucketLock,
    /// Which payload has a piece of evidence to itself.
    EvidenceLock,
    /// A signature share was released for this package.
    Release,
}

impl Kind {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Share, "share/"),
        (Self::State, "state/"),
        (Self::AccountLock, "lock/account/"),
        (Self::RequesterLock, "lock/requester/"),
        (Self::BucketLock, "lock/bucket/"),
        (Self::EvidenceLock, "lock/evidence/"),
        (Self::Release, "release/"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of a record key and what follows the prefix.
    pub(crate) fn of(record_key: &[u8]) -> Option<(Self, &[u8])> {
        Self::NAMES.iter().find_map(|(kind, name)| Some((*kind, record_key.strip_prefix(name.as_bytes())?)))
    }

    /// The record key of this kind with the given parts.
    pub(crate) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        [&[self.name().as_bytes()], parts].concat().concat()
    }
}

/// The record key of a key's share or state.
pub(crate) fn key_record(kind: Kind, key_id: KeyId, epoch: Epoch) -> Vec<u8> {
    kind.key(&[&key_id.0.0, &epoch.0.to_be_bytes()])
}

/// Reads back what [`key_record`] put after the prefix.
pub(crate) fn key_of(suffix: &[u8]) -> Option<(KeyId, Epoch)> {
    let mut reader = Reader(suffix);
    let key = (KeyId(Digest(reader.array()?)), Epoch(u32::from_be_bytes(reader.array()?)));
    reader.end()?;
    Some(key)
}

/// What a later epoch's record ends with: key id, epoch and statement of the one before.
const SOURCE_BYTES: usize = 32 + 4 + 32;

/// The public facts of a key that a share record holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyFacts {
    pub(crate) proposal: KeyProposal,
    pub(crate) identifier: Identifier,
    pub(crate) threshold: u16,
    pub(crate) transcript: Digest,
    pub(crate) group_key: Point,
    pub(crate) verifying_shares: BTreeMap<Identifier, Point>,
}

impl KeyFacts {
    /// Facts and signing share in their one encoding. The buffer never grows, so no copy stays behind unwiped.
    pub(crate) fn encode(&self, share: &[u8; 32]) -> Zeroizing<Vec<u8>> {
        let proposal = &self.proposal;
        let name = proposal.key_name.as_bytes();
        let capacity = 32 + 2 * 2 + 32 + 65 + 8 + name.len() + 2 + 8 + 64 + 8 + self.verifying_shares.len() * 67;
        let capacity = capacity + proposal.from.map_or(0, |_| SOURCE_BYTES);
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        bytes.extend_from_slice(share);
        bytes.extend_from_slice(&self.identifier.0.to_be_bytes());
        bytes.extend_from_slice(&self.threshold.to_be_bytes());
        bytes.extend_from_slice(&self.transcript.0);
        bytes.extend_from_slice(self.group_key.as_bytes());
        bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&proposal.proposer.0.to_be_bytes());
        bytes.extend_from_slice(&proposal.deadline.0.to_be_bytes());
        bytes.extend_from_slice(&proposal.salt);
        bytes.extend_from_slice(&proposal.definition.0);
        bytes.extend_from_slice(&(self.verifying_shares.len() as u64).to_be_bytes());
        for (member, point) in &self.verifying_shares {
            bytes.extend_from_slice(&member.0.to_be_bytes());
            bytes.extend_from_slice(point.as_bytes());
        }
        // A first epoch ends here, as all did before there were others.
        if let Some(from) = proposal.from {
            bytes.extend_from_slice(&from.key_id.0.0);
            bytes.extend_from_slice(&from.epoch.0.to_be_bytes());
            bytes.extend_from_slice(&from.statement.0);
        }
        assert_eq!(bytes.len(), capacity, "the buffer was sized for exactly this content");
        bytes
    }

    /// Reads the one encoding. Cut, extended, unordered or invalid content gives `None`.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, Zeroizing<[u8; 32]>)> {
        let mut reader = Reader(bytes);
        let share = Zeroizing::new(reader.array()?);
        let identifier = reader.identifier()?;
        let threshold = reader.u16()?;
        let transcript = Digest(reader.array()?);
        let group_key = Point::from_slice(reader.take(65)?).ok()?;
        let length = reader.length()?;
        let key_name = String::from_utf8(reader.take(length)?.to_vec()).ok()?;
        let mut proposal = KeyProposal {
            key_name,
            proposer: NodeId(reader.u16()?),
            deadline: WallTime(u64::from_be_bytes(reader.array()?)),
            salt: reader.array()?,
            definition: Digest(reader.array()?),
            from: None,
        };
        let verifying_shares = reader.members(|reader| Point::from_slice(reader.take(65)?).ok())?;
        if !reader.0.is_empty() {
            let key_id = KeyId(Digest(reader.array()?));
            let epoch = Epoch(u32::from_be_bytes(reader.array()?));
            proposal.from = Some(KeySource { key_id, epoch, statement: Digest(reader.array()?) });
        }
        reader.end()?;
        Some((Self { proposal, identifier, threshold, transcript, group_key, verifying_shares }, share))
    }
}

/// What became of a key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct KeyState {
    /// Our certificate signature has left, or may have.
    pub(crate) attested: bool,
    /// Our abandonment has left, or may have.
    pub(crate) abandoned: bool,
    /// The share is gone for good, and its key id stays used up.
    pub(crate) erased: bool,
    /// The certificate's signatures, once it is whole.
    pub(crate) certificate: Option<BTreeMap<Identifier, AuthorSignature>>,
}

impl KeyState {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let certified = self.certificate.is_some();
        let mut bytes = [self.attested, self.abandoned, self.erased, certified].map(u8::from).to_vec();
        if let Some(signatures) = &self.certificate {
            bytes.extend_from_slice(&(signatures.len() as u64).to_be_bytes());
            for (member, signature) in signatures {
                bytes.extend_from_slice(&member.0.to_be_bytes());
                bytes.extend_from_slice(&signature.0);
            }
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let (attested, abandoned, erased) = (reader.flag()?, reader.flag()?, reader.flag()?);
        let signatures = |reader: &mut Reader<'_>| reader.members(|reader| Some(AuthorSignature(reader.array()?)));
        let certificate = if reader.flag()? { Some(signatures(&mut reader)?) } else { None };
        reader.end()?;
        let state = Self { attested, abandoned, erased, certificate };
        (!state.erased || state == Self { erased: true, ..Self::default() }).then_some(state)
    }
}

/// Reads a content front to back.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn identifier(&mut self) -> Option<Identifier> {
        self.u16().filter(|number| *number != 0).map(Identifier)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            [_] => None,
        }
    }

    /// A count of items that are still to come, so that it is never more than the bytes left.
    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(u64::from_be_bytes(self.array()?)).ok()?;
        (length <= self.0.len()).then_some(length)
    }

    /// A list of items by member, strictly ascending.
    fn members<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<BTreeMap<Identifier, T>> {
        let mut map = BTreeMap::new();
        for _ in 0..self.length()? {
            let member = self.identifier()?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= member) {
                return None;
            }
            map.insert(member, item(self)?);
        }
        Some(map)
    }
}

#[cfg(test)]
mod tests;
