//! What the definition says about an AVS's contracts beyond their addresses: who holds which role, after which delays, within
//! which limits, and what EigenLayer shall say. Nodes compare it with the chain (docs/adr/0019-declared-authority.md).

use super::{Content, Purpose, file, invalid, unique};
use crate::code::Refusal;
use crate::digest::CanonicalHasher;
use crate::ids::Digest;
use alloy_primitives::{Address, FixedBytes};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// All of an operator's allocation.
const WAD: u128 = 1_000_000_000_000_000_000;
/// The longest that gate and treasury can be paused, which the timelock's delay has to stay below.
const PAUSE_SECONDS_MAX: u32 = 21 * 86_400;
/// Entries of each list, at most: what one verification reads, and one transaction can deploy.
const ENTRIES_MAX: usize = 64;

/// The declared part of an AVS's contracts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// A block before which none of the contracts was there: logs are read from it on.
    pub since: u64,
    /// Who may slash.
    pub slash: Holder,
    /// Who may pay.
    pub treasury: Holder,
    /// Who proposes to the timelock, tightens limits, lists payees, replaces the veto and hands over.
    pub governance: Holder,
    /// Who may pause and cancel.
    pub veto: Vec<Holder>,
    /// EigenLayer's admins of the AVS, where that is not the timelock alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "addresses")]
    pub admins: Vec<Address>,
    /// What waits how long.
    pub delays: Delays,
    /// The operator sets that the gate may slash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<PinnedSet>,
    /// Whom the treasury may pay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payees: Vec<ListedPayee>,
    /// Who else may call EigenLayer's AllocationManager for the AVS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub appointees: Vec<Appointee>,
}

/// Who holds a role: the account of a key of the definition, or another address, such as a Safe's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Holder {
    /// The account of the key of this name.
    Key(String),
    /// This address.
    Address(Address),
}

/// Delays on chain, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Delays {
    /// Of `SlashGate.slash`.
    pub slash: u32,
    /// Of `Treasury.pay`.
    pub treasury: u32,
    /// Of `Treasury.payLarge`.
    pub treasury_large: u32,
    /// Of what narrows limits, and of payees.
    pub governance: u32,
    /// Of everything that the timelock does.
    pub timelock: u32,
    /// Of `Treasury.handOver`.
    pub hand_over: u32,
    /// Of replacing the veto.
    pub recovery: u32,
}

/// An operator set with the gate's limits for it, and what EigenLayer says of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedSet {
    /// Its id.
    pub id: u32,
    /// The least of an allocation that a slash may take in a strategy, in 10^-18.
    #[serde(with = "decimal")]
    pub min_wad: u128,
    /// The most.
    #[serde(with = "decimal")]
    pub max_wad: u128,
    /// What one operator may lose within a window.
    #[serde(with = "decimal")]
    pub operator_budget: u128,
    /// What all operators of the set together may lose within a window.
    #[serde(with = "decimal")]
    pub set_budget: u128,
    /// The window, in seconds.
    pub window: u32,
    /// Seconds between two slashes of an operator.
    pub cool_down: u32,
    /// EigenLayer's slasher of the set, where that is not the gate.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub slasher: Option<Address>,
    /// EigenLayer's redistribution recipient of the set, where that is not the treasury. It can never change.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub recipient: Option<Address>,
}

/// A payee of the treasury, in one token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListedPayee {
    /// The token; zero is ether.
    #[serde(with = "super::contracts::text")]
    pub token: Address,
    /// The payee.
    #[serde(with = "super::contracts::text")]
    pub payee: Address,
    /// What `pay` may spend within a window, in the token's smallest unit.
    #[serde(with = "decimal")]
    pub budget: u128,
    /// What `payLarge` may spend within a window.
    #[serde(with = "decimal")]
    pub large_budget: u128,
    /// The window, in seconds.
    pub window: u32,
}

/// Somebody who may call a function of EigenLayer's AllocationManager for the AVS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Appointee {
    /// Who.
    #[serde(with = "super::contracts::text")]
    pub appointee: Address,
    /// The function, by its first four bytes of calldata.
    #[serde(with = "selector")]
    pub selector: FixedBytes<4>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Serialize for Holder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Holder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("0x") {
            return file::address(&text).map(Self::Address).map_err(|refusal| D::Error::custom(refusal.detail));
        }
        Ok(Self::Key(text))
    }
}

impl Declared {
    /// Reads the declared part by itself, as it stands under `[contracts.declared]`, and checks it against the keys of `content`.
    ///
    /// # Errors
    /// `DEFINITION_INVALID`, naming the key or value. Unknown keys are errors.
    pub fn parse(text: &str, content: &Content) -> Result<Self, Refusal> {
        let mut declared: Self = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        declared.sort();
        declared.check(content)?;
        Ok(declared)
    }

    /// Everyone who holds a role, with the purpose of the key that may.
    pub fn holders(&self) -> impl Iterator<Item = (Purpose, &Holder)> {
        let one = [
            (Purpose::Slash, &self.slash),
            (Purpose::Treasury, &self.treasury),
            (Purpose::Governance, &self.governance),
        ];
        one.into_iter().chain(self.veto.iter().map(|holder| (Purpose::Veto, holder)))
    }

    pub(super) fn sort(&mut self) {
        self.veto.sort();
        self.admins.sort();
        self.sets.sort();
        self.payees.sort();
        self.appointees.sort();
    }

    /// What no Authority could be deployed with is refused here as well (contracts/src/Authority.sol).
    pub(super) fn check(&self, content: &Content) -> Result<(), Refusal> {
        unique("holder of a role", self.holders().map(|(_, holder)| holder))?;
        for (purpose, holder) in self.holders() {
            match holder {
                Holder::Address(address) if address.is_zero() => {
                    return Err(invalid(format!("{}: the zero address is nobody's", purpose.as_str())));
                }
                Holder::Address(_) => {}
                Holder::Key(name) if content.key(name).is_none_or(|key| key.purpose != purpose) => {
                    return Err(invalid(format!("{}: there is no key {name} for that", purpose.as_str())));
                }
                Holder::Key(_) => {}
            }
        }
        if self.veto.is_empty() {
            return Err(invalid("veto: somebody has to hold it"));
        }
        if content.chain.permission_controller.is_none() {
            return Err(invalid("a declared authority needs chain.permission_controller"));
        }
        unique("operator set", self.sets.iter().map(|set| set.id))?;
        unique("payee", self.payees.iter().map(|payee| (payee.token, payee.payee)))?;
        unique("appointee", self.appointees.iter())?;
        unique("admin", self.admins.iter())?;
        let lists = [self.veto.len(), self.admins.len(), self.sets.len(), self.payees.len(), self.appointees.len()];
        if lists.iter().any(|length| *length > ENTRIES_MAX) {
            return Err(invalid(format!("more than {ENTRIES_MAX} entries of one kind")));
        }
        self.delays.check()?;
        self.sets.iter().try_for_each(PinnedSet::check)?;
        self.payees.iter().try_for_each(ListedPayee::check)
    }

    pub(super) fn digest(&self) -> Digest {
        let Delays { slash, treasury, treasury_large, governance, timelock, hand_over, recovery } = self.delays;
        let delays = [slash, treasury, treasury_large, governance, timelock, hand_over, recovery];
        CanonicalHasher::new("firn/declared-authority/v1")
            .number(self.since)
            .field(self.slash.to_string())
            .field(self.treasury.to_string())
            .field(self.governance.to_string())
            .list(self.veto.iter(), |hasher, holder| hasher.field(holder.to_string()))
            .list(self.admins.iter(), CanonicalHasher::field)
            .list(delays.iter(), |hasher, delay| hasher.number(*delay))
            .list(self.sets.iter(), |hasher, set| {
                let wads = [set.min_wad, set.max_wad, set.operator_budget, set.set_budget];
                hasher
                    .number(set.id)
                    .list(wads.iter(), |hasher, wad| hasher.field(wad.to_be_bytes()))
                    .number(set.window)
                    .number(set.cool_down)
                    .list(set.slasher.iter(), CanonicalHasher::field)
                    .list(set.recipient.iter(), CanonicalHasher::field)
            })
            .list(self.payees.iter(), |hasher, payee| {
                let budgets = [payee.budget, payee.large_budget];
                let hasher = hasher.field(payee.token).field(payee.payee);
                hasher.list(budgets.iter(), |hasher, sum| hasher.field(sum.to_be_bytes())).number(payee.window)
            })
            .list(self.appointees.iter(), |hasher, entry| hasher.field(entry.appointee).field(entry.selector))
            .finish()
    }
}

impl Delays {
    fn check(&self) -> Result<(), Refusal> {
        let Self { slash, treasury, treasury_large, governance, timelock, hand_over, recovery } = *self;
        if [slash, treasury, governance, timelock, hand_over].contains(&0) {
            return Err(invalid("delays: none may be zero"));
        }
        if treasury_large <= treasury {
            return Err(invalid("delays: treasury_large has to be above treasury"));
        }
        if [slash, treasury_large, governance, timelock, hand_over].iter().any(|delay| *delay > recovery) {
            return Err(invalid("delays: recovery has to be the longest"));
        }
        if timelock >= PAUSE_SECONDS_MAX {
            return Err(invalid("delays: timelock has to be below 21 days, the longest pause"));
        }
        Ok(())
    }
}

impl PinnedSet {
    fn check(&self) -> Result<(), Refusal> {
        let Self { id, min_wad, max_wad, operator_budget, set_budget, window, .. } = *self;
        let ordered = 0 < min_wad && min_wad <= max_wad && max_wad <= operator_budget && operator_budget <= set_budget;
        if !ordered || max_wad > WAD || window == 0 {
            let rule = "0 < min_wad <= max_wad <= 10^18, max_wad <= operator_budget <= set_budget and 0 < window";
            return Err(invalid(format!("operator set {id}: it takes {rule}")));
        }
        if operator_budget > u128::from(u64::MAX) || set_budget >= 1 << 72 {
            return Err(invalid(format!("operator set {id}: operator_budget is below 2^64 and set_budget below 2^72")));
        }
        Ok(())
    }
}

impl ListedPayee {
    fn check(&self) -> Result<(), Refusal> {
        if self.payee.is_zero() || self.window == 0 || (self.budget == 0 && self.large_budget == 0) {
            return Err(invalid(format!("payee {}: it takes an address, a window and a budget", self.payee)));
        }
        Ok(())
    }
}

/// Large numbers as decimal digits in quotes: TOML's integers end at 2^63.
mod decimal {
    use super::{Deserialize, Deserializer, Error, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Without signs and leading zeros, so that one number has one form.
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain).ok_or_else(|| D::Error::custom(format!("`{text}` is not a whole number")))
    }
}

mod selector {
    use super::{Deserialize, Deserializer, Error, FixedBytes, Serializer};

    pub(super) fn serialize<S: Serializer>(selector: &FixedBytes<4>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(selector)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FixedBytes<4>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a selector")))
    }
}

mod optional {
    use super::{Address, Deserialize, Deserializer, Error, Serializer, file};

    pub(super) fn serialize<S: Serializer>(address: &Option<Address>, serializer: S) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
        let text = String::deserialize(deserializer)?;
        file::address(&text).map(Some).map_err(|refusal| D::Error::custom(refusal.detail))
    }
}

mod addresses {
    use super::{Address, Deserialize, Deserializer, Error, Serializer, file};

    pub(super) fn serialize<S: Serializer>(addresses: &[Address], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(addresses.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let read = texts.iter().map(|text| file::address(text)).collect::<Result<_, _>>();
        read.map_err(|refusal| D::Error::custom(refusal.detail))
    }
}
