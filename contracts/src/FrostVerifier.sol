// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";
import {FrostSchnorr} from "./lib/FrostSchnorr.sol";

/// @title ERC-7913 verifier of FROST(secp256k1, SHA-256) signatures
/// @notice Stateless and without any authority: one deployment serves every key.
/// A key is 64 bytes, P.x || P.y. A signature is 96 bytes, R.x || R.y || z. All numbers are big-endian.
/// The signature says nothing about chain, contract or purpose: whoever builds the hash has to bind these.
/// Sources: ERC-7913; RFC 9591 section 6.5.
contract FrostVerifier is IERC7913SignatureVerifier {
    /// @notice Verifies `signature` of `hash` by `key`.
    /// @dev Never reverts on its own: malformed lengths, numbers out of range, points off the curve and failed
    /// precompiles all answer 0xffffffff. A caller that gives too little gas gets either that or an out-of-gas revert.
    /// The key is validated every time, so that a key has one spelling: whoever counts signers by their bytes (m of n)
    /// counts each key once. Source: ERC-7913.
    /// @return 0x024ad318 if the signature is valid, 0xffffffff if not.
    function verify(bytes calldata key, bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (key.length != 64 || signature.length != 96) return 0xffffffff;
        (uint256 px, uint256 py) = _point(key);
        (uint256 rx, uint256 ry) = _point(signature);
        uint256 z = uint256(bytes32(signature[64:]));
        bool ok = FrostSchnorr.isValidKey(px, py) && FrostSchnorr.verify(px, py, rx, ry, z, hash);
        return ok ? IERC7913SignatureVerifier.verify.selector : bytes4(0xffffffff);
    }

    /// @notice Whether `key` is 64 bytes that can serve as a public key: a canonical point with P.x below the order.
    /// @dev Sources: SEC 1 section 2.3.4; the bound on P.x is ecrecover's.
    function isValidKey(bytes calldata key) external pure returns (bool) {
        if (key.length != 64) return false;
        (uint256 px, uint256 py) = _point(key);
        return FrostSchnorr.isValidKey(px, py);
    }

    /// @dev The first two words of `data`, which has at least 64 bytes.
    function _point(bytes calldata data) private pure returns (uint256 x, uint256 y) {
        x = uint256(bytes32(data[:32]));
        y = uint256(bytes32(data[32:64]));
    }
}
