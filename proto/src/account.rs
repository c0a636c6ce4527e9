//! `FrostAccount`: what is signed for it, and where it stands on chain.

use crate::ids::{Digest, SubjectId};
use crate::point::Point;
use alloy_primitives::{Address, B256, Keccak256, U256, address, keccak256};
use alloy_sol_types::{SolStruct, SolValue, eip712_domain, sol};
use std::sync::LazyLock;

sol! {
    /// One call of a batch.
    #[derive(Debug, PartialEq, Eq)]
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    /// The typed data that a group key signs for its account (contracts/src/FrostAccount.sol).
    #[derive(Debug, PartialEq, Eq)]
    struct Execute {
        Call[] calls;
        uint256 nonce;
        uint64 validAfter;
        uint64 validUntil;
    }

    /// The contract's interface as far as nodes use it.
    interface IFrostAccount {
        function execute(Call[] calldata calls, uint256 nonce, uint64 validAfter, uint64 validUntil, bytes calldata signature)
            external payable returns (bytes[] memory results);
        function nonceUsed(uint256 nonce) external view returns (bool);
        function signer() external view returns (bytes memory);
    }
}

/// The canonical CREATE2 deployer, at the same address on every chain and on a fresh anvil.
pub const DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// Creation code of `FrostVerifier`, from the committed artifact.
pub const VERIFIER_CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/FrostVerifier.bin"));

/// Creation code of `FrostAccount`, from the committed artifact.
pub const ACCOUNT_CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/FrostAccount.bin"));

/// The address of the one stateless verifier: a constant, whose computation hashes kilobytes of code.
static VERIFIER: LazyLock<Address> = LazyLock::new(|| DEPLOYER.create2_from_code(B256::ZERO, VERIFIER_CODE));

/// The hash over what the creation code of all accounts begins with: code, and the verifier as first argument.
static ACCOUNT_HASH: LazyLock<Keccak256> = LazyLock::new(|| {
    let mut hasher = Keccak256::new();
    hasher.update(ACCOUNT_CODE);
    hasher.update(VERIFIER.into_word());
    hasher
});

/// The address of the one stateless verifier.
#[must_use]
pub fn verifier_address() -> Address {
    *VERIFIER
}

/// The creation code of the account of `group_key` with its constructor arguments.
#[must_use]
pub fn account_init_code(group_key: &Point) -> Vec<u8> {
    let arguments = (verifier_address(), B256::from(group_key.x()), B256::from(group_key.y())).abi_encode_params();
    [ACCOUNT_CODE, &arguments].concat()
}

/// The address of the account of `group_key`: every node computes it from its own key (docs/adr/0007).
#[must_use]
pub fn account_address(group_key: &Point) -> Address {
    let mut hasher = ACCOUNT_HASH.clone();
    hasher.update(group_key.x());
    hasher.update(group_key.y());
    DEPLOYER.create2(B256::ZERO, hasher.finalize())
}

/// The EIP-712 digest of `execute` for the account at `account`.
#[must_use]
pub fn execute_digest(chain_id: u64, account: Address, execute: &Execute) -> Digest {
    let domain = eip712_domain! {
        name: "FrostAccount",
        version: "1",
        chain_id: chain_id,
        verifying_contract: account,
    };
    Digest(execute.eip712_signing_hash(&domain).0)
}

/// The account nonce of a subject, so that two signed payloads of one request execute at most once.
#[must_use]
pub fn nonce_of(subject: SubjectId) -> U256 {
    let mut input = b"firn/account-nonce/v1".to_vec();
    input.extend_from_slice(&subject.0.0);
    U256::from_be_bytes(keccak256(input).0)
}
