// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC7739} from "@openzeppelin/contracts/utils/cryptography/signers/draft-ERC7739.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {FrostSchnorr} from "./lib/FrostSchnorr.sol";

/// @title An account whose only authority is one FROST group key
/// @notice Executes batches of calls that the group has signed, and answers ERC-1271 for it.
/// The key never changes, and there is no owner, no upgrade, no delegatecall: whoever needs another key deploys
/// another account and moves the roles there. Anyone may bring a signed batch; the signature binds chain, account,
/// nonce and time window, so it does not matter who does.
///
/// A batch happens as a whole or not at all, and its nonce is spent only if it happens. A relayer chooses the gas
/// limit; a target that swallows the failure of its own inner calls can therefore be starved, so do not sign calls to
/// such targets.
/// Sources: EIP-712, ERC-1271, ERC-7739, ERC-7913.
contract FrostAccount is ERC7739 {
    using BitMaps for BitMaps.BitMap;

    /// @notice One call of a batch.
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    /// @notice A batch was executed under this nonce.
    event Executed(uint256 indexed nonce);

    /// @notice This nonce was given up; no batch can ever be executed under it.
    event NonceInvalidated(uint256 indexed nonce);

    /// @notice The public key is not a point of the curve, or its x-coordinate is not below the group order.
    error InvalidPublicKey();

    /// @notice There is no code at the verifier's address.
    error VerifierWithoutCode(address verifier);

    /// @notice The batch holds no call.
    error EmptyBatch();

    /// @notice The batch may be executed from `validAfter` on.
    error NotYetValid(uint64 validAfter);

    /// @notice The batch could be executed until `validUntil`.
    error Expired(uint64 validUntil);

    /// @notice The nonce was spent or invalidated before.
    error NonceAlreadyUsed(uint256 nonce);

    /// @notice The signature is not the group's for this batch, nonce, window, account and chain.
    error InvalidSignature();

    /// @notice Call `index` carries data for an address without code, where it would silently do nothing.
    error TargetWithoutCode(uint256 index, address target);

    /// @notice Call `index` failed and gave no reason. (A reason is passed on as it is.)
    error CallFailed(uint256 index);

    /// @notice Only the account itself may call this, through {execute}.
    error OnlySelf(address caller);

    bytes32 private constant CALL_TYPEHASH = keccak256("Call(address target,uint256 value,bytes data)");
    bytes32 private constant EXECUTE_TYPEHASH = keccak256(
        "Execute(Call[] calls,uint256 nonce,uint64 validAfter,uint64 validUntil)Call(address target,uint256 value,bytes data)"
    );

    IERC7913SignatureVerifier private immutable VERIFIER;
    bytes32 private immutable PX;
    bytes32 private immutable PY;

    BitMaps.BitMap private _usedNonces;

    /// @notice Binds the account to a verifier and a public key, for ever.
    /// @param verifier An ERC-7913 verifier, such as FrostVerifier.
    /// @param px The public key's x-coordinate.
    /// @param py The public key's y-coordinate.
    constructor(address verifier, bytes32 px, bytes32 py) EIP712("FrostAccount", "1") {
        if (!FrostSchnorr.isValidKey(uint256(px), uint256(py))) revert InvalidPublicKey();
        if (verifier.code.length == 0) revert VerifierWithoutCode(verifier);
        VERIFIER = IERC7913SignatureVerifier(verifier);
        PX = px;
        PY = py;
    }

    /// @notice Accepts plain ETH.
    receive() external payable {}

    /// @notice Executes `calls` in order, if `signature` is the group's EIP-712 signature of
    /// Execute(calls, nonce, validAfter, validUntil) and the block's time lies in [validAfter, validUntil].
    /// @dev Nonces are unordered: any value not used before will do. The nonce is marked before the first call, so a
    /// target that comes back with the same signature is refused. Precompiles have no code: they cannot be called with
    /// data. Source: EIP-712.
    /// @return results What each call returned.
    function execute(
        Call[] calldata calls,
        uint256 nonce,
        uint64 validAfter,
        uint64 validUntil,
        bytes calldata signature
    ) external payable returns (bytes[] memory results) {
        if (calls.length == 0) revert EmptyBatch();
        if (block.timestamp < validAfter) revert NotYetValid(validAfter);
        if (block.timestamp > validUntil) revert Expired(validUntil);
        _spendNonce(nonce);
        if (!_rawSignatureValidation(hashExecute(calls, nonce, validAfter, validUntil), signature)) {
            revert InvalidSignature();
        }

        results = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            results[i] = _call(i, calls[i]);
        }
        emit Executed(nonce);
    }

    /// @notice Makes sure that no batch can be executed under `nonce` any more. Callable only by a batch of the
    /// account itself, which needs a nonce of its own.
    /// @dev Reverts if the nonce was spent already: it must not look as if that batch had been prevented.
    function invalidateNonce(uint256 nonce) external {
        if (msg.sender != address(this)) revert OnlySelf(msg.sender);
        _spendNonce(nonce);
        emit NonceInvalidated(nonce);
    }

    /// @notice Whether `nonce` was spent or invalidated.
    function nonceUsed(uint256 nonce) external view returns (bool) {
        return _usedNonces.get(nonce);
    }

    /// @notice The account's signer in the form of ERC-7913: verifier (20 bytes) || P.x || P.y.
    function signer() external view returns (bytes memory) {
        return abi.encodePacked(VERIFIER, PX, PY);
    }

    /// @notice The EIP-712 digest that the group signs to have {execute} accept these arguments.
    /// @dev The domain is ("FrostAccount", "1", chain id, this account); after a chain fork it follows the chain id.
    /// Source: EIP-712, definition of hashStruct and encodeData.
    function hashExecute(Call[] calldata calls, uint256 nonce, uint64 validAfter, uint64 validUntil)
        public
        view
        returns (bytes32)
    {
        bytes32[] memory hashes = new bytes32[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata c = calls[i];
            hashes[i] = keccak256(abi.encode(CALL_TYPEHASH, c.target, c.value, keccak256(c.data)));
        }
        bytes32 callsHash = keccak256(abi.encodePacked(hashes));
        return _hashTypedDataV4(keccak256(abi.encode(EXECUTE_TYPEHASH, callsHash, nonce, validAfter, validUntil)));
    }

    /// @dev Used by {execute} and, through {ERC7739}, by isValidSignature. The digests of the two can never be equal:
    /// their outermost struct types are Execute here, TypedDataSign or PersonalSign there.
    function _rawSignatureValidation(bytes32 hash, bytes calldata signature) internal view override returns (bool) {
        return VERIFIER.verify(abi.encodePacked(PX, PY), hash, signature) == IERC7913SignatureVerifier.verify.selector;
    }

    function _spendNonce(uint256 nonce) private {
        if (_usedNonces.get(nonce)) revert NonceAlreadyUsed(nonce);
        _usedNonces.set(nonce);
    }

    function _call(uint256 index, Call calldata c) private returns (bytes memory) {
        if (c.data.length != 0 && c.target.code.length == 0) revert TargetWithoutCode(index, c.target);
        (bool ok, bytes memory result) = c.target.call{value: c.value}(c.data);
        if (ok) return result;
        if (result.length == 0) revert CallFailed(index);
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }
}
