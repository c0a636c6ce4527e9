//! Versions: the genesis names the network, and each later definition names the one that it follows.

use super::{Content, Definition, invalid};
use crate::code::{Code, Refusal};
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, NetworkId};
use std::sync::Arc;

/// What a later definition says beside its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Succession {
    /// Which version it is: 2 and up.
    pub(crate) version: u32,
    /// The genesis' digest.
    pub(crate) network: NetworkId,
    /// Digest of the version before.
    pub(crate) previous: Digest,
    /// The finalised block from which on it is in force.
    pub(crate) block: u64,
}

impl Succession {
    fn digest(&self, content: Digest) -> Digest {
        CanonicalHasher::new("firn/network-definition/v2")
            .field(self.network.0.0)
            .number(self.version)
            .field(self.previous.0)
            .number(self.block)
            .field(content.0)
            .finish()
    }
}

impl Definition {
    /// Seals a genesis that a program puts together. What people write goes through [`Self::parse`], which checks it.
    #[must_use]
    pub fn new(content: Content) -> Self {
        let digest = content.digest();
        Self { content, succession: None, network: NetworkId(digest), digest, before: None }
    }

    pub(super) fn later(content: Content, succession: Succession) -> Self {
        let (network, digest) = (succession.network, succession.digest(content.digest()));
        Self { content, succession: Some(succession), network, digest, before: None }
    }

    /// The version that follows this one with another content, from a finalised block on.
    ///
    /// # Errors
    /// `DEFINITION_INVALID`; `CHANGE_FORBIDDEN` where it changes what no version may.
    pub fn succeeded_by(&self, content: Content, block: u64) -> Result<Self, Refusal> {
        content.check()?;
        let version = self.version().checked_add(1).ok_or_else(|| invalid("no more versions"))?;
        Self::later(content, Succession { version, network: self.network, previous: self.digest, block }).after(self)
    }

    /// This definition as the one that follows `before`.
    ///
    /// # Errors
    /// `DEFINITION_MISMATCH` with both digests, where it names another; `CHANGE_FORBIDDEN`.
    pub fn after(self, before: &Self) -> Result<Self, Refusal> {
        let follows = self.network == before.network
            && Some(self.version()) == before.version().checked_add(1)
            && self.previous() == Some(before.digest);
        if !follows {
            let named = self.previous().unwrap_or_default();
            let (theirs, ours) = (self.version(), before.version());
            let detail = format!("version {theirs} follows {named}; version {ours} is {}", before.digest);
            return Err(Refusal::new(Code::DefinitionMismatch, detail));
        }
        self.keeps(before)?;
        Ok(Self { before: Some(Arc::new(before.clone())), ..self })
    }

    /// What lives longer than a version: the chain, and what names keys and their members.
    fn keeps(&self, before: &Self) -> Result<(), Refusal> {
        let forbidden = |what: String| Err(Refusal::new(Code::ChangeForbidden, what));
        if (&self.name, self.chain.id, self.chain.allocation_manager)
            != (&before.name, before.chain.id, before.chain.allocation_manager)
        {
            return forbidden("name, chain.id and chain.allocation_manager stay as they are".to_owned());
        }
        // A payload that somebody holds a lock for is the same in every version.
        let contracts = |content: &Self| [content.chain.permission_controller, content.chain.strategy_manager];
        if contracts(before).into_iter().zip(contracts(self)).any(|(old, new)| old.is_some() && old != new) {
            return forbidden("the chain's contracts may be added, and stay as they are".to_owned());
        }
        if let Some(old) = before.contracts.iter().find(|old| !self.contracts.iter().any(|now| now.is_at(old))) {
            return forbidden(format!("contracts of AVS {} may be added, and stay where they are", old.avs));
        }
        let new = |listed: &&super::Contracts| before.contracts.iter().all(|old| old.avs != listed.avs);
        let had_sets = |avs: alloy_primitives::Address| before.operator_sets.iter().any(|set| set.avs == avs);
        if let Some(late) = self.contracts.iter().filter(new).find(|listed| had_sets(listed.avs)) {
            return forbidden(format!(
                "contracts of AVS {} come with its first operator sets: a slash asked for before would be another payload after",
                late.avs
            ));
        }
        before.keeps_members(self)?;
        if before.has_admins() && !self.has_admins() {
            return forbidden("without admins nobody could ever change it again".to_owned());
        }
        Ok(())
    }

    /// 1 for the genesis.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.succession.as_ref().map_or(1, |succession| succession.version)
    }

    /// Digest of the version before.
    #[must_use]
    pub fn previous(&self) -> Option<Digest> {
        self.succession.as_ref().map(|succession| succession.previous)
    }

    /// The finalised block from which on it is in force; 0 for the genesis.
    #[must_use]
    pub fn effective_block(&self) -> u64 {
        self.succession.as_ref().map_or(0, |succession| succession.block)
    }

    /// This version and those before it, as far as they are known here, newest first.
    pub fn versions(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |definition| definition.before.as_deref())
    }

    /// The version of this digest: this one or one before it. Where the one before the oldest known is named, the oldest known
    /// stands for it: what a version keeps of keys has its members sign for it all the same.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Option<&Self> {
        self.versions().find(|known| known.digest == digest).or_else(|| {
            let oldest = self.versions().last()?;
            (oldest.previous() == Some(digest) || oldest.network.0 == digest).then_some(oldest)
        })
    }

    /// Whether `digest` names this version or one before it.
    #[must_use]
    pub fn has_been(&self, digest: Digest) -> bool {
        digest == self.network.0
            || self.versions().any(|known| known.digest == digest || known.previous() == Some(digest))
    }

    /// Names the network for ever: the genesis' digest.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        self.network
    }

    /// The canonical digest over every field.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
