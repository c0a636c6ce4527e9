// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC7739} from "@openzeppelin/contracts/utils/cryptography/signers/draft-ERC7739.sol";
import {FrostSchnorr} from "./lib/FrostSchnorr.sol";

/// @title A group key as owner of a Safe, or of anything else that asks by ERC-1271
/// @notice Answers both forms that ERC-1271 has had: (bytes32,bytes), which Safe asks from 1.5.0 on, and (bytes,bytes),
/// which Safe asks up to 1.4.1. It does nothing else: it holds nothing, calls nobody and has no state.
///
/// What the group signs is bound to this contract and chain by ERC-7739; a bare signature of the hash is refused, so a
/// signature made for anything else (a FrostAccount's batch, another owner) is none here.
/// Sources: ERC-1271 and its first draft, ERC-7739, ERC-7913.
contract FrostOwner is ERC7739 {
    /// @notice The public key is not a point of the curve, or its x-coordinate is not below the group order.
    error InvalidPublicKey();

    /// @notice There is no code at the verifier's address.
    error VerifierWithoutCode(address verifier);

    /// @dev isValidSignature(bytes,bytes)'s selector, which stands for yes.
    bytes4 private constant LEGACY_VALID = 0x20c13b0b;
    bytes4 private constant VALID = 0x1626ba7e;

    IERC7913SignatureVerifier private immutable VERIFIER;
    bytes32 private immutable PX;
    bytes32 private immutable PY;

    /// @notice Binds the owner to a verifier and a public key, for ever.
    constructor(address verifier, bytes32 px, bytes32 py) EIP712("FrostOwner", "1") {
        if (!FrostSchnorr.isValidKey(uint256(px), uint256(py))) revert InvalidPublicKey();
        if (verifier.code.length == 0) revert VerifierWithoutCode(verifier);
        (VERIFIER, PX, PY) = (IERC7913SignatureVerifier(verifier), px, py);
    }

    /// @notice The older form: `data` is what was hashed. A Safe gives the 66 bytes 0x19 0x01, separator, struct hash.
    /// @return 0x20c13b0b if the signature is valid, 0xffffffff if not.
    function isValidSignature(bytes calldata data, bytes calldata signature) external view returns (bytes4) {
        return isValidSignature(keccak256(data), signature) == VALID ? LEGACY_VALID : bytes4(0xffffffff);
    }

    /// @notice The owner's signer in the form of ERC-7913: verifier (20 bytes) || P.x || P.y.
    function signer() external view returns (bytes memory) {
        return abi.encodePacked(VERIFIER, PX, PY);
    }

    function _rawSignatureValidation(bytes32 hash, bytes calldata signature) internal view override returns (bool) {
        return VERIFIER.verify(abi.encodePacked(PX, PY), hash, signature) == IERC7913SignatureVerifier.verify.selector;
    }
}
