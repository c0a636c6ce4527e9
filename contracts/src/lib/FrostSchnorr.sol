// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Verification of FROST(secp256k1, SHA-256) signatures
/// @notice A FROST signature (R, z) is a plain Schnorr signature: it is valid for the public key P and the message m
/// when z*G = R + c*P with c = H2(R || P || m).
/// Sources: RFC 9591 section 6.5 (the ciphersuite), RFC 9380 sections 5.2 and 5.3.1 (hash_to_field and
/// expand_message_xmd), SEC 1 section 2.3.3 (compressed points), SEC 2 section 2.4.1 (the curve).
///
/// The equation is checked with the ecrecover precompile, the only elliptic-curve operation on secp256k1 that the EVM
/// offers: ecrecover(h, v, r, s) = address(r^-1 * (s*X - h*G)), where X is the point with x-coordinate r and the
/// parity given by v. With X = P (r = P.x), h = z*P.x and s = c*P.x, it returns address(c*P - z*G), which must be
/// address(-R) = keccak256(R.x || p - R.y), cut to 160 bits.
///
/// Nothing here reverts: every bad input, and every precompile that fails for lack of gas, yields `false`.
library FrostSchnorr {
    /// @dev The field prime p.
    uint256 internal constant P = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;

    /// @dev The group order n.
    uint256 internal constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// @notice Whether (x, y) are the canonical affine coordinates of a point of the curve y^2 = x^3 + 7.
    /// @dev The point at infinity has no such coordinates; (0, 0) is not on the curve. No point has y = 0, because the
    /// group order is odd. Source: SEC 1 section 2.3.4, SEC 2 section 2.4.1.
    function isOnCurve(uint256 x, uint256 y) internal pure returns (bool ok) {
        assembly ("memory-safe") {
            ok := and(
                and(lt(x, P), lt(y, P)),
                eq(mulmod(y, y, P), addmod(mulmod(x, mulmod(x, x, P), P), 7, P))
            )
        }
    }

    /// @notice Whether (px, py) can serve as a public key: on the curve, and P.x below the group order.
    /// @dev ecrecover refuses r >= n, so a key with P.x >= n (one in 2^127.65) could never verify anything.
    function isValidKey(uint256 px, uint256 py) internal pure returns (bool) {
        return px < N && isOnCurve(px, py);
    }

    /// @notice Whether (rx, ry, z) is a valid signature of `message` under the public key (px, py), which the caller
    /// has found to satisfy {isValidKey}.
    /// @dev Only R.x and the parity of R.y are hashed, so R must be proven to lie on the curve: otherwise a forger
    /// could fix the challenge and look for a colliding 160-bit address among arbitrary values of R.y.
    /// Of the key only P.x and the parity of P.y take part, and ecrecover refuses a P.x that is no abscissa of the
    /// curve or not below n: an invalid (px, py) is at worst another spelling of a valid key, which is why it has to
    /// be refused where keys are accepted.
    /// Source: RFC 9591, the verification in section 5.3 and appendix B.
    function verify(uint256 px, uint256 py, uint256 rx, uint256 ry, uint256 z, bytes32 message)
        internal
        view
        returns (bool ok)
    {
        // Branches cost more than they save: everything is computed, and the verdicts meet at the end.
        (bool hashed, uint256 c) = challenge(px, py, rx, ry, message);
        bool satisfied = satisfiesEquation(px, py, rx, ry, z, c);
        assembly ("memory-safe") {
            // isOnCurve(rx, ry), written out; and 0 < z < n, for which z - 1 wraps around if z = 0.
            ok := and(lt(rx, P), lt(ry, P))
            ok := and(ok, eq(mulmod(ry, ry, P), addmod(mulmod(rx, mulmod(rx, rx, P), P), 7, P)))
            ok := and(ok, lt(sub(z, 1), sub(N, 1)))
            ok := and(ok, and(hashed, satisfied))
        }
    }

    /// @notice The challenge c = H2(SEC1(R) || SEC1(P) || message), an integer below n.
    /// @dev H2(m) = hash_to_field(m, 1) with expand_message_xmd over SHA-256, L = 48, and
    /// DST = "FROST-secp256k1-SHA256-v1" || "chal". With DST' = DST || 0x1d (its length, 29) that is
    ///   b0 = SHA256(64 zero bytes || m || 0x0030 || 0x00 || DST')
    ///   b1 = SHA256(b0 || 0x01 || DST')
    ///   b2 = SHA256((b0 xor b1) || 0x02 || DST')
    ///   c  = (b1 || first 16 bytes of b2), read big-endian, mod n.
    /// Source: RFC 9591 section 6.5, RFC 9380 sections 5.2 and 5.3.1.
    /// @return ok False if one of the three SHA-256 calls failed: the caller must then discard c, or else whoever
    /// picks the gas limit would pick the challenge.
    /// @return c The challenge.
    function challenge(uint256 px, uint256 py, uint256 rx, uint256 ry, bytes32 message)
        internal
        view
        returns (bool ok, uint256 c)
    {
        assembly ("memory-safe") {
            // The first input, 195 bytes, is laid out past the free memory pointer, in memory that may be dirty; the
            // pointer is not moved, since nothing of it is used afterwards. Offsets in bytes:
            //   0..63 zeros | 64 tag of R | 65..96 R.x | 97 tag of P | 98..129 P.x | 130..161 message
            //   | 162..194 0x0030 || 0x00 || DST'
            // A tag is 2 for an even and 3 for an odd y.
            let m := mload(0x40)
            mstore(m, 0)
            mstore(add(m, 32), 0)
            mstore8(add(m, 64), or(2, and(ry, 1)))
            mstore(add(m, 65), rx)
            mstore8(add(m, 97), or(2, and(py, 1)))
            mstore(add(m, 98), px)
            mstore(add(m, 130), message)
            // "\x00\x30\x00FROST-secp256k1-SHA256-v1chal\x1d" is 33 bytes: the first alone, then one word.
            mstore8(add(m, 162), 0)
            mstore(add(m, 163), 0x300046524f53542d736563703235366b312d5348413235362d76316368616c1d)
            // The scratch space takes the second and third inputs, 63 bytes: b || counter || DST'. The word at 0x1f
            // begins one byte early; b overwrites that byte.
            mstore(0x1f, 0x000146524f53542d736563703235366b312d5348413235362d76316368616c1d)
            ok := staticcall(gas(), 2, m, 195, 0x00, 0x20) // b0
            ok := and(ok, staticcall(gas(), 2, 0x00, 63, m, 0x20)) // b1
            let b1 := mload(m)
            mstore(0x00, xor(mload(0x00), b1))
            mstore8(0x20, 2)
            ok := and(ok, staticcall(gas(), 2, 0x00, 63, 0x00, 0x20)) // b2
            // (b1 * 2^128 + b2 / 2^128) mod n
            c := addmod(mulmod(b1, 0x100000000000000000000000000000000, N), shr(128, mload(0x00)), N)
        }
    }

    /// @notice Whether z*G = R + c*P.
    /// @dev Says nothing about the ranges of its inputs. c = 0 is refused by ecrecover.
    /// A successful recovery returns exactly 32 bytes; a failed one, or a precompile out of gas, returns none.
    /// Source: Ethereum yellow paper, appendix E (ECREC).
    function satisfiesEquation(uint256 px, uint256 py, uint256 rx, uint256 ry, uint256 z, uint256 c)
        internal
        view
        returns (bool ok)
    {
        assembly ("memory-safe") {
            mstore(0x00, rx)
            mstore(0x20, sub(P, ry))
            let minusR := keccak256(0x00, 0x40)

            let m := mload(0x40)
            mstore(m, mulmod(z, px, N))
            mstore(add(m, 0x20), add(27, and(py, 1)))
            mstore(add(m, 0x40), px)
            mstore(add(m, 0x60), mulmod(c, px, N))
            mstore(0x00, 0)
            ok := staticcall(gas(), 1, m, 0x80, 0x00, 0x20)
            ok := and(ok, eq(returndatasize(), 0x20))
            ok := and(ok, iszero(shl(96, xor(mload(0x00), minusR))))
        }
    }
}
