//! Who takes part in a devnet, and with which of anvil's accounts.

use crate::failure::Failure;
use alloy::primitives::{Address, address};
use alloy::signers::local::PrivateKeySigner;

/// One organisation with one node.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) organisation: &'static str,
    pub(crate) region: &'static str,
    pub(crate) provider: &'static str,
    /// A person of the organisation.
    pub(crate) approver: &'static str,
    /// Another one.
    pub(crate) admin: &'static str,
}

/// Invented, like everything here. The labels mean nothing to anybody but people.
pub(crate) const MEMBERS: [Member; 7] = [
    member("nordlys", "Nordlys Custody", "eu-north", "fjord-hosting", ["astrid", "gudrun"]),
    member("halyard", "Halyard Systems", "us-east", "own-datacentre", ["benjamin", "hannah"]),
    member("kaveri", "Kaveri Labs", "ap-south", "deccan-cloud", ["charu", "ishaan"]),
    member("jacaranda", "Jacaranda Infra", "sa-east", "pampa-metal", ["davi", "joana"]),
    member("protea", "Protea Validators", "af-south", "cape-colo", ["esihle", "kagiso"]),
    member("kanuka", "Kanuka Staking", "ap-southeast", "tasman-cloud", ["fetu", "lagi"]),
    member("sakura", "Sakura Guardians", "ap-northeast", "honshu-metal", ["haruto", "yui"]),
];

const fn member(
    name: &'static str,
    organisation: &'static str,
    region: &'static str,
    provider: &'static str,
    people: [&'static str; 2],
) -> Member {
    let [approver, admin] = people;
    Member { name, organisation, region, provider, approver, admin }
}

/// The strategy of the operator set. The simulation knows strategies by their addresses only.
pub(crate) const STRATEGY: Address = address!("57a7e61e00000000000000000000000000000001");

/// anvil's account that relays for a node: 1 to 6, and for a seventh the one after those that have another part.
pub(crate) fn relayer(node: u16) -> usize {
    if node <= 6 { node.into() } else { usize::from(node) + 3 }
}

/// How many accounts anvil is to fund.
pub(crate) const ACCOUNTS: usize = ANVIL_KEYS.len();

/// anvil's account that deploys.
pub(crate) const DEPLOYER: usize = 0;
/// anvil's account that plays the AVS.
pub(crate) const AVS: usize = 7;
/// anvil's account that plays the operator.
pub(crate) const OPERATOR: usize = 8;
/// anvil's account that would receive slashed funds.
pub(crate) const RECIPIENT: usize = 9;

/// The signer of one of anvil's accounts.
pub(crate) fn signer(account: usize) -> Result<PrivateKeySigner, Failure> {
    let parsed = ANVIL_KEYS.get(account).and_then(|key| key.parse().ok());
    parsed.ok_or_else(|| Failure::general("DEVNET_ACCOUNT", format!("anvil funds no account {account}")))
}

/// The keys that anvil funds at its start, derived from the mnemonic `test test ... junk` and known to everybody.
const ANVIL_KEYS: [&str; 11] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
    "f214f2b2cd398c806f84e317254e0f0b801d0643303237d97a22a48e01628897",
];
