//! Where Firn's own contracts are that hold an AVS's authority (contracts/src/Authority.sol): the table `contracts`. A
//! definition without it has the digest that it had before there was any.

use super::{Content, Declared, file, invalid, unique};
use crate::code::{Code, Refusal};
use crate::digest::CanonicalHasher;
use crate::ids::Digest;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// The five contracts of one AVS, and what they shall say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Contracts {
    /// The AVS.
    #[serde(with = "text")]
    pub avs: Address,
    /// The `AccessManager`: who may do what, after which delay.
    #[serde(with = "text")]
    pub manager: Address,
    /// The `TimelockController`, the AccessManager's only admin.
    #[serde(with = "text")]
    pub timelock: Address,
    /// `TimelockVeto`, the timelock's only canceller.
    #[serde(with = "text")]
    pub timelock_veto: Address,
    /// `SlashGate`, the slasher of the AVS's operator sets.
    #[serde(with = "text")]
    pub gate: Address,
    /// `Treasury`, where what is slashed goes.
    #[serde(with = "text")]
    pub treasury: Address,
    /// What the chain shall say of them, where that is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
}

/// Addresses as network.toml has them.
pub(super) mod text {
    use super::{Address, file};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        file::address(&String::deserialize(deserializer)?).map_err(|refusal| D::Error::custom(refusal.detail))
    }
}

impl Contracts {
    fn addresses(&self) -> [Address; 5] {
        [self.manager, self.timelock, self.timelock_veto, self.gate, self.treasury]
    }

    /// Whether it is the same contracts, whatever they shall say.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        (self.avs, self.addresses()) == (other.avs, other.addresses())
    }
}

impl Content {
    /// The contracts that hold an AVS's authority.
    ///
    /// # Errors
    /// `CONTRACT_NOT_LISTED`.
    pub(crate) fn contracts_of(&self, avs: Address) -> Result<&Contracts, Refusal> {
        let listed = self.contracts.iter().find(|listed| listed.avs == avs);
        listed.ok_or_else(|| Refusal::new(Code::ContractNotListed, format!("contracts of AVS {avs}")))
    }

    /// Over the table, where there is one.
    pub(super) fn contracts_digest(&self) -> Option<Digest> {
        let hasher = CanonicalHasher::new("firn/contracts/v1").list(self.contracts.iter(), |hasher, listed| {
            listed.addresses().iter().fold(hasher.field(listed.avs), CanonicalHasher::field)
        });
        (!self.contracts.is_empty()).then(|| hasher.finish())
    }

    /// Over what is declared of them, where anything is.
    pub(super) fn declared_digest(&self) -> Option<Digest> {
        let declared = || self.contracts.iter().filter_map(|listed| Some((listed.avs, listed.declared.as_ref()?)));
        let all: Vec<_> = declared().collect();
        let hasher = CanonicalHasher::new("firn/declared/v1");
        let hasher = hasher.list(all.iter(), |hasher, (avs, declared)| hasher.field(avs).field(declared.digest().0));
        (!all.is_empty()).then(|| hasher.finish())
    }

    pub(super) fn check_contracts(&self) -> Result<(), Refusal> {
        unique("contracts of an AVS", self.contracts.iter().map(|listed| listed.avs))?;
        for listed in &self.contracts {
            if listed.addresses().iter().chain([&listed.avs]).any(|address| address.is_zero()) {
                return Err(invalid(format!("contracts of {}: the zero address is nobody's", listed.avs)));
            }
            unique("address among the contracts of an AVS", listed.addresses().iter())?;
            listed.declared.iter().try_for_each(|declared| declared.check(self))?;
        }
        Ok(())
    }
}
