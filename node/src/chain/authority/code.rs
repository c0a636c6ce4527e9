//! Firn's contracts as compiled: where a deployment puts them, and whether what stands somewhere is one of them.

use super::abi;
use super::{Accounts, resolve};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use firn_proto::account::DEPLOYER;
use firn_proto::definition::{Content, Contracts, Declared};
use std::sync::LazyLock;

/// A contract's compiled code.
pub(crate) struct Artifact {
    pub(crate) creation: Bytes,
    pub(crate) runtime: Bytes,
}

impl Artifact {
    /// The artifacts are this program's own, and tests read all of them: one that does not read is empty, and nothing equals it.
    fn read(json: &str) -> Self {
        let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
        let code = |field: &str| json.get(field).and_then(|code| code.as_str()?.parse().ok()).unwrap_or_default();
        Self { creation: code("bytecode"), runtime: code("deployedBytecode") }
    }
}

pub(crate) static MANAGER: LazyLock<Artifact> =
    LazyLock::new(|| Artifact::read(include_str!("../../../../contracts/artifacts/AccessManager.json")));
pub(crate) static TIMELOCK: LazyLock<Artifact> =
    LazyLock::new(|| Artifact::read(include_str!("../../../../contracts/artifacts/TimelockController.json")));
pub(crate) static TIMELOCK_VETO: LazyLock<Artifact> =
    LazyLock::new(|| Artifact::read(include_str!("../../../../contracts/artifacts/TimelockVeto.json")));
pub(crate) static GATE: LazyLock<Artifact> =
    LazyLock::new(|| Artifact::read(include_str!("../../../../contracts/artifacts/SlashGate.json")));
pub(crate) static TREASURY: LazyLock<Artifact> =
    LazyLock::new(|| Artifact::read(include_str!("../../../../contracts/artifacts/Treasury.json")));
static FACTORY: LazyLock<Artifact> =
    LazyLock::new(|| Artifact::read(include_str!("../../../../contracts/artifacts/GuardFactory.json")));
static AUTHORITY: LazyLock<Artifact> =
    LazyLock::new(|| Artifact::read(include_str!("../../../../contracts/artifacts/Authority.json")));

/// Where everything will be, and of what.
pub(crate) struct Predicted {
    pub(crate) factory: Address,
    pub(crate) factory_code: Bytes,
    pub(crate) authority: Address,
    pub(crate) authority_code: Bytes,
    pub(crate) contracts: Contracts,
}

/// All addresses follow from the accounts, the declaration, and the chain's AllocationManager. The name of a key without an
/// account is the error.
pub(crate) fn predict(
    definition: &Content,
    avs: Address,
    declared: &Declared,
    accounts: &Accounts,
) -> Result<Predicted, String> {
    let allocation_manager = definition.chain.allocation_manager;
    let factory_code = FACTORY.creation.clone();
    let factory = DEPLOYER.create2_from_code(B256::ZERO, &factory_code);
    let arguments = arguments(factory, allocation_manager, avs, declared, accounts)?;
    let authority_code = Bytes::from([&AUTHORITY.creation[..], &arguments].concat());
    let authority = DEPLOYER.create2_from_code(B256::ZERO, &authority_code);
    let [manager, timelock, timelock_veto] = [1, 2, 3].map(|nonce| authority.create(nonce));
    let made = |artifact: &Artifact, arguments: Vec<u8>| {
        factory.create2(authority.into_word(), keccak256([&artifact.creation[..], &arguments].concat()))
    };
    let gate = made(&GATE, (manager, allocation_manager).abi_encode_params());
    let treasury = made(&TREASURY, manager.abi_encode());
    let declared = Some(declared.clone());
    let contracts = Contracts { avs, manager, timelock, timelock_veto, gate, treasury, declared };
    Ok(Predicted { factory, factory_code, authority, authority_code, contracts })
}

/// The constructor's arguments. What is declared was checked to fit these types.
fn arguments(
    factory: Address,
    allocation_manager: Address,
    avs: Address,
    declared: &Declared,
    accounts: &Accounts,
) -> Result<Vec<u8>, String> {
    let vetoers = declared.veto.iter().map(|holder| resolve(holder, accounts)).collect::<Result<_, _>>()?;
    let members = abi::Members {
        slash: resolve(&declared.slash, accounts)?,
        treasury: resolve(&declared.treasury, accounts)?,
        governance: resolve(&declared.governance, accounts)?,
        vetoers,
    };
    let delays = declared.delays;
    let delays = abi::Delays {
        slash: delays.slash,
        treasury: delays.treasury,
        treasuryLarge: delays.treasury_large,
        governance: delays.governance,
        timelock: delays.timelock,
        handOver: delays.hand_over,
        recovery: delays.recovery,
    };
    let sets = declared.sets.iter().map(|set| abi::PinnedSet { avs, operatorSetId: set.id, limits: limits(set) });
    let payees = declared.payees.iter().map(|payee| abi::ListedPayee {
        token: payee.token,
        payee: payee.payee,
        terms: terms(payee),
    });
    let (sets, payees): (Vec<_>, Vec<_>) = (sets.collect(), payees.collect());
    Ok((factory, allocation_manager, members, delays, sets, payees).abi_encode_params())
}

pub(crate) fn limits(set: &firn_proto::definition::declared::PinnedSet) -> abi::Limits {
    let wad = |wad: u128| u64::try_from(wad).unwrap_or(u64::MAX);
    abi::Limits {
        minWad: wad(set.min_wad),
        maxWad: wad(set.max_wad),
        operatorBudget: wad(set.operator_budget),
        setBudget: U256::from(set.set_budget).saturating_to(),
        window: set.window,
        coolDown: set.cool_down,
    }
}

pub(crate) fn terms(payee: &firn_proto::definition::declared::ListedPayee) -> abi::Terms {
    abi::Terms { budget: payee.budget, largeBudget: payee.large_budget, window: payee.window }
}

/// What precedes an immutable in code: the compiler leaves 32 zero bytes after it for the constructor to fill.
const PUSH32: u8 = 0x7f;
/// What follows the gate's second immutable, a truth value, wherever it is used: ISZERO.
const IS_ZERO: u8 = 0x15;

/// Whether `found` is this code, with every immutable as `allowed` says: its word, and the instruction after it.
fn is_code(artifact: &Artifact, found: &[u8], allowed: impl Fn(&[u8], u8) -> bool) -> bool {
    let expected = &artifact.runtime[..];
    if expected.is_empty() || expected.len() != found.len() {
        return false;
    }
    let (mut expected, mut found) = (expected, found);
    while let Some((byte, rest)) = expected.split_first() {
        let Some((other, after)) = found.split_first() else { return false };
        if byte != other {
            return false;
        }
        (expected, found) = (rest, after);
        let place = rest.split_at_checked(32).filter(|(zeros, _)| zeros.iter().all(|byte| *byte == 0));
        if let (PUSH32, Some((_, rest)), Some((word, after))) = (*byte, place, after.split_at_checked(32)) {
            if !allowed(word, rest.first().copied().unwrap_or_default()) {
                return false;
            }
            (expected, found) = (rest, after);
        }
    }
    true
}

/// Whether it is a contract without immutables.
pub(crate) fn is_plain(artifact: &Artifact, found: &[u8]) -> bool {
    is_code(artifact, found, |_, _| false)
}

/// Whether it is `TimelockVeto` for this timelock.
pub(crate) fn is_timelock_veto(found: &[u8], timelock: Address) -> bool {
    is_code(&TIMELOCK_VETO, found, |word, _| word == timelock.into_word())
}

/// Whether it is `SlashGate` for this core, whatever its constructor learned of that core's age: it says the same everywhere.
pub(crate) fn is_gate(found: &[u8], allocation_manager: Address) -> bool {
    [U256::ZERO, U256::ONE].iter().any(|flag| {
        is_code(&GATE, found, |word, after| match after {
            IS_ZERO => word == flag.to_be_bytes::<32>(),
            _ => word == allocation_manager.into_word(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gate's code with its immutables filled in.
    fn gate(manager: Address, flag: u8) -> Vec<u8> {
        let mut code = GATE.runtime.to_vec();
        let mut places = 0;
        for at in 0..code.len() - 33 {
            if code[at] == PUSH32 && code[at + 1..at + 33] == [0; 32] {
                places += 1;
                match code[at + 33] {
                    IS_ZERO => code[at + 32] = flag,
                    _ => code[at + 1..at + 33].copy_from_slice(manager.into_word().as_slice()),
                }
            }
        }
        assert_eq!(places, 5, "two of the flag, three of the manager");
        code
    }

    #[test]
    fn every_artifact_reads() {
        let all = [&MANAGER, &TIMELOCK, &TIMELOCK_VETO, &GATE, &TREASURY, &FACTORY, &AUTHORITY];
        assert!(all.iter().all(|artifact| artifact.creation.len() > 500 && artifact.runtime.len() > 500));
    }

    #[test]
    fn code_is_the_same_to_the_byte_but_for_immutables() {
        let (manager, other) = (Address::repeat_byte(0xa1), Address::repeat_byte(0xa2));
        assert!(is_gate(&gate(manager, 0), manager) && is_gate(&gate(manager, 1), manager));
        assert!(!is_gate(&gate(other, 1), manager), "another core");
        assert!(!is_gate(&gate(manager, 2), manager));
        assert!(!is_gate(&GATE.runtime, manager), "never constructed");
        let code = gate(manager, 1);
        for at in (0..code.len()).step_by(7) {
            let mut changed = code.clone();
            changed[at] ^= 1;
            assert!(!is_gate(&changed, manager), "byte {at}");
        }
        assert!(!is_gate(&code[1..], manager) && !is_gate(&[], manager));
        assert!(is_plain(&TREASURY, &TREASURY.runtime) && !is_plain(&TREASURY, &MANAGER.runtime));
    }
}
