//! What keys other than slashing ones answer for: the tables `authorities` and `calls`, and the contracts beyond EigenLayer's
//! AllocationManager. A definition without any of them has the digest that it had before there were any.

use super::{Content, KeyDefinition, Purpose, invalid, unique};
use crate::code::{Code, Refusal};
use crate::digest::CanonicalHasher;
use crate::ids::Digest;
use crate::operation::listed_call;
use alloy_primitives::{Address, FixedBytes};

/// The key that answers for an AVS's operations of one purpose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Authority {
    /// The AVS.
    pub avs: Address,
    /// The purpose: any but slashing, for which the operator set's own entry says the key.
    pub purpose: Purpose,
    /// Name of the key.
    pub key: String,
}

/// A function of a contract that an operation may call though there is no kind of its own for it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ListedCall {
    /// Whose keys may sign it.
    pub purpose: Purpose,
    /// The contract.
    pub target: Address,
    /// The function, by its first four bytes of calldata.
    pub selector: FixedBytes<4>,
    /// `function name(type,...)`, of which the selector is made: calldata is decoded by it.
    pub signature: String,
}

impl Content {
    /// The key that answers for an AVS's operations of this purpose.
    ///
    /// # Errors
    /// `AUTHORITY_NOT_LISTED`; `PURPOSE_MISMATCH` where the key is for something else (R7).
    pub(crate) fn authority(&self, avs: Address, purpose: Purpose) -> Result<&KeyDefinition, Refusal> {
        let listed = self.authorities.iter().find(|listed| listed.avs == avs && listed.purpose == purpose);
        let key = listed.and_then(|listed| self.key(&listed.key)).ok_or_else(|| {
            Refusal::new(Code::AuthorityNotListed, format!("purpose {}, avs {avs}", purpose.as_str()))
        })?;
        if key.purpose != purpose || purpose == Purpose::Slash {
            return Err(Refusal::new(
                Code::PurposeMismatch,
                format!("key {} is for {}", key.name, key.purpose.as_str()),
            ));
        }
        Ok(key)
    }

    /// Over everything that this file is about, where there is any of it.
    pub(super) fn authority_digest(&self) -> Option<Digest> {
        let contracts = [self.chain.permission_controller, self.chain.strategy_manager];
        if contracts.iter().all(Option::is_none) && self.authorities.is_empty() && self.calls.is_empty() {
            return None;
        }
        let hasher = CanonicalHasher::new("firn/authorities/v1")
            .list(contracts.iter(), |hasher, contract| hasher.list(contract.iter(), CanonicalHasher::field))
            .list(self.authorities.iter(), |hasher, listed| {
                hasher.field(listed.avs).field(listed.purpose.as_str()).field(&listed.key)
            })
            .list(self.calls.iter(), |hasher, call| {
                hasher.field(call.purpose.as_str()).field(call.target).field(call.selector).field(&call.signature)
            });
        Some(hasher.finish())
    }

    pub(super) fn check_authorities(&self) -> Result<(), Refusal> {
        unique("authority", self.authorities.iter().map(|listed| (listed.avs, listed.purpose)))?;
        for Authority { avs, purpose, key } in &self.authorities {
            let named = self.key(key).ok_or_else(|| invalid(format!("authority of {avs} names unknown key {key}")))?;
            if *purpose == Purpose::Slash {
                return Err(invalid(format!("authority of {avs}: who slashes is said by operator_sets")));
            }
            if named.purpose != *purpose {
                let (is, wanted) = (named.purpose.as_str(), purpose.as_str());
                return Err(invalid(format!("authority of {avs}: key {key} is for {is}, not for {wanted}")));
            }
        }
        listed_call::check(self)?;
        let slashes = |name: &str| self.key(name).is_some_and(|key| key.purpose == Purpose::Slash);
        if let Some(set) = self.operator_sets.iter().find(|set| !slashes(&set.key)) {
            return Err(invalid(format!("operator set {} of {}: key {} is not for slash", set.id, set.avs, set.key)));
        }
        Ok(())
    }
}
