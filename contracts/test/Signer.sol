// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostSchnorr} from "../src/lib/FrostSchnorr.sol";
import {TestBase} from "./Vm.sol";

/// @dev Makes the signatures that a FROST group would: the group's secret d and nonce k are known to the test.
/// The challenge is written a second time here, from the RFCs and for messages of any length, with Solidity's own
/// sha256, so that it shares no code with the library.
abstract contract Signer is TestBase {
    struct Signature {
        uint256 rx;
        uint256 ry;
        uint256 z;
    }

    uint256 internal constant P = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;
    uint256 internal constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function publicKey(uint256 d) internal returns (uint256 x, uint256 y) {
        x = vm.createWallet(d).publicKeyX;
        y = vm.createWallet(d).publicKeyY;
    }

    function packedKey(uint256 d) internal returns (bytes memory) {
        (uint256 x, uint256 y) = publicKey(d);
        return abi.encodePacked(x, y);
    }

    function sign(uint256 d, uint256 k, bytes32 message) internal returns (Signature memory s) {
        (s.rx, s.ry) = publicKey(k);
        (uint256 px, uint256 py) = publicKey(d);
        uint256 c = rfcChallenge(px, py, s.rx, s.ry, abi.encodePacked(message));
        s.z = addmod(k, mulmod(c, d, N), N);
    }

    function pack(Signature memory s) internal pure returns (bytes memory) {
        return abi.encodePacked(s.rx, s.ry, s.z);
    }

    /// @dev RFC 9591 section 6.5: H2(m) = hash_to_field(m, 1) mod n, DST = contextString || "chal".
    function rfcChallenge(uint256 px, uint256 py, uint256 rx, uint256 ry, bytes memory message)
        internal
        pure
        returns (uint256)
    {
        bytes memory input = abi.encodePacked(compressed(rx, ry), compressed(px, py), message);
        bytes memory uniform = expandMessageXmd(input, "FROST-secp256k1-SHA256-v1chal", 48);
        uint256 value = 0;
        for (uint256 i = 0; i < uniform.length; ++i) {
            value = addmod(mulmod(value, 256, N), uint8(uniform[i]), N);
        }
        return value;
    }

    /// @dev SEC 1 section 2.3.3.
    function compressed(uint256 x, uint256 y) internal pure returns (bytes memory) {
        return abi.encodePacked(y % 2 == 0 ? bytes1(0x02) : bytes1(0x03), x);
    }

    /// @dev RFC 9380 section 5.3.1, with SHA-256 (b_in_bytes = 32, s_in_bytes = 64).
    function expandMessageXmd(bytes memory message, bytes memory dst, uint16 length)
        internal
        pure
        returns (bytes memory uniform)
    {
        bytes memory dstPrime = abi.encodePacked(dst, uint8(dst.length));
        bytes32 b0 = sha256(abi.encodePacked(new bytes(64), message, length, uint8(0), dstPrime));
        bytes32 bi = sha256(abi.encodePacked(b0, uint8(1), dstPrime));
        uniform = abi.encodePacked(bi);
        for (uint8 i = 2; uniform.length < length; ++i) {
            bi = sha256(abi.encodePacked(b0 ^ bi, i, dstPrime));
            uniform = abi.encodePacked(uniform, bi);
        }
        assembly ("memory-safe") {
            mstore(uniform, length)
        }
    }
}
