// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostVerifier} from "../src/FrostVerifier.sol";
import {FrostSchnorr} from "../src/lib/FrostSchnorr.sol";
import {Signer} from "./Signer.sol";

/// @dev Calls the library in memory that holds rubbish past the free memory pointer.
contract DirtyMemory {
    function verify(uint256 px, uint256 py, uint256 rx, uint256 ry, uint256 z, bytes32 message)
        external
        view
        returns (bool)
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            for { let i := 0 } lt(i, 0x400) { i := add(i, 0x20) } { mstore(add(m, i), not(0)) }
            mstore(0x00, not(0))
            mstore(0x20, not(0))
        }
        return FrostSchnorr.verify(px, py, rx, ry, z, message);
    }

    function challenge(uint256 px, uint256 py, uint256 rx, uint256 ry, bytes32 message)
        external
        view
        returns (bool, uint256)
    {
        return FrostSchnorr.challenge(px, py, rx, ry, message);
    }

    function satisfiesEquation(uint256 px, uint256 py, uint256 rx, uint256 ry, uint256 z, uint256 c)
        external
        view
        returns (bool)
    {
        return FrostSchnorr.satisfiesEquation(px, py, rx, ry, z, c);
    }
}

contract FrostVerifierTest is Signer {
    bytes4 private constant VALID = 0x024ad318;
    bytes4 private constant INVALID = 0xffffffff;
    bytes32 private constant MESSAGE = keccak256("message");
    uint256 private constant D = 0xd00d;
    uint256 private constant K = 0xcafe;

    FrostVerifier private verifier = new FrostVerifier();
    DirtyMemory private dirty = new DirtyMemory();

    function key() private returns (bytes memory) {
        return packedKey(D);
    }

    function expect(bool accepted, bytes memory k, bytes32 message, bytes memory signature, string memory what) private view {
        check(verifier.verify(k, message, signature) == (accepted ? VALID : INVALID), what);
    }

    function expectRejected(Signature memory s, string memory what) private {
        expect(false, key(), MESSAGE, pack(s), what);
    }

    /// @dev Makes ecrecover answer what it would for an R with these coordinates, so that only the checks on R, P and
    /// z themselves stand between the forgery and acceptance.
    function forgeEquation(uint256 rx, uint256 ry) private {
        uint256 minusR;
        unchecked {
            minusR = uint160(uint256(keccak256(abi.encodePacked(rx, P - ry))));
        }
        vm.mockCall(address(1), "", abi.encode(minusR));
    }

    /// @dev Makes every SHA-256 return `h`, and returns the challenge that follows: a forger's dream, in which R can
    /// be chosen after c.
    function forgeChallenge(bytes32 h) private returns (uint256 c) {
        vm.mockCall(address(2), "", abi.encode(h));
        c = addmod(mulmod(uint256(h), 1 << 128, N), uint256(h) >> 128, N);
    }

    // Vectors

    /// @dev RFC 9591 appendix E.5 (FROST(secp256k1, SHA-256)), message "test". The verifier takes 32-byte messages, so
    /// the challenge comes from the test's own code over bytes, and the equation is the library's.
    function testRfcVector() external {
        uint256 px = 0xf37c34b66ced1fb51c34a90bdae006901f10625cc06c4f64663b0eae87d87b4f;
        uint256 py = 0x27be69ffdc4ad5af4bbad67a570e9f8cede4e1a87ce3df1588dfe0b85c6272b8;
        uint256 rx = 0x4c1ad4e031872661fa6ebd05dfc7fb30db08b38d79f0edbc82051ae931381bc6;
        uint256 ry = 0x004f4e57b19db58941523f0f8af6bf04bbe925e4550517c3a87e1bf89d6fd032;
        uint256 z = 0xa46881e25c7989d3816eae32074f1ab0d49ee908a59713ed5284c6bade7cfb02;
        uint256 groupSecret = 0x0d004150d27c3bf2a42f312683d35fac7394b1e9e318249c1bfe7f0795a83114;
        (uint256 x, uint256 y) = publicKey(groupSecret);
        checkEq(x, px, "P.x");
        checkEq(y, py, "P.y");
        check(FrostSchnorr.isOnCurve(rx, ry), "R on curve");
        uint256 c = rfcChallenge(px, py, rx, ry, "test");
        check(dirty.satisfiesEquation(px, py, rx, ry, z, c), "the vector's signature");
        check(!dirty.satisfiesEquation(px, py, rx, ry, z, addmod(c, 1, N)), "another challenge");
        check(!dirty.satisfiesEquation(px, py, rx, ry, addmod(z, 1, N), c), "another z");
    }

    /// @dev RFC 9380 appendix K.1 (SHA-256, DST "QUUX-V01-CS02-with-expander-SHA256-128", length 0x20), for the
    /// test's own expand_message_xmd.
    function testExpandMessageVector() external pure {
        bytes memory dst = "QUUX-V01-CS02-with-expander-SHA256-128";
        bytes32 empty = 0x68a985b87eb6b46952128911f2a4412bbc302a9d759667f87f7a21d803f07235;
        bytes32 abc = 0xd8ccab23b5985ccea865c6c97b6e5b8350e794e603b4b97902f53a8a0d605615;
        checkEq(bytes32(expandMessageXmd("", dst, 32)), empty, "empty message");
        checkEq(bytes32(expandMessageXmd("abc", dst, 32)), abc, "abc");
    }

    function testFuzzChallengeIsTheRfcs(uint256 px, uint256 py, uint256 rx, uint256 ry, bytes32 message) external view {
        (bool ok, uint256 c) = dirty.challenge(px, py, rx, ry, message);
        check(ok, "hashed");
        checkEq(c, rfcChallenge(px, py, rx, ry, abi.encodePacked(message)), "challenge");
    }

    // Acceptance

    function testFuzzValidIsAccepted(uint256 d, uint256 k, bytes32 message) external {
        d = 1 + d % (N - 1);
        k = 1 + k % (N - 1);
        expect(true, packedKey(d), message, pack(sign(d, k, message)), "valid signature");
    }

    function testDirtyMemoryChangesNothing() external {
        (uint256 px, uint256 py) = publicKey(D);
        Signature memory s = sign(D, K, MESSAGE);
        check(dirty.verify(px, py, s.rx, s.ry, s.z, MESSAGE), "valid signature");
        check(!dirty.verify(px, py, s.rx, s.ry, s.z, keccak256("other")), "other message");
    }

    function testMagicValues() external view {
        check(verifier.verify.selector == VALID, "ERC-7913 magic value");
    }

    // Rejection

    function testEveryFlippedBitIsRejected() external {
        bytes memory k = key();
        bytes memory signature = pack(sign(D, K, MESSAGE));
        expect(true, k, MESSAGE, signature, "untouched");
        for (uint256 i = 0; i < 512; ++i) {
            k[i / 8] ^= bytes1(uint8(1 << (i % 8)));
            expect(false, k, MESSAGE, signature, "flipped bit in the key");
            k[i / 8] ^= bytes1(uint8(1 << (i % 8)));
        }
        for (uint256 i = 0; i < 768; ++i) {
            signature[i / 8] ^= bytes1(uint8(1 << (i % 8)));
            expect(false, k, MESSAGE, signature, "flipped bit in the signature");
            signature[i / 8] ^= bytes1(uint8(1 << (i % 8)));
        }
        for (uint256 i = 0; i < 256; ++i) {
            expect(false, k, bytes32(uint256(MESSAGE) ^ (1 << i)), signature, "flipped bit in the message");
        }
    }

    function testFuzzFlippedBitIsRejected(uint256 d, uint256 k, bytes32 message, uint256 bit) external {
        d = 1 + d % (N - 1);
        k = 1 + k % (N - 1);
        bytes memory all = abi.encodePacked(packedKey(d), message, pack(sign(d, k, message)));
        bit %= all.length * 8;
        all[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bytes memory k2, bytes32 m2, bytes memory s2) = this.split(all);
        expect(false, k2, m2, s2, "flipped bit");
    }

    function split(bytes calldata all) external pure returns (bytes memory, bytes32, bytes memory) {
        return (all[:64], bytes32(all[64:96]), all[96:]);
    }

    function testFuzzJunkIsRejected(bytes calldata k, bytes32 message, bytes calldata signature) external view {
        expect(false, k, message, signature, "junk");
    }

    function testFuzzJunkOfRightLengthIsRejected(uint256[3] calldata s, bytes32 message) external {
        expect(false, key(), message, abi.encodePacked(s), "junk signature");
        expect(false, abi.encodePacked(s[0], s[1]), message, pack(sign(D, K, message)), "junk key");
    }

    function testWrongLengthsAreRejected() external {
        bytes memory k = key();
        bytes memory signature = pack(sign(D, K, MESSAGE));
        for (uint256 length = 0; length < 200; ++length) {
            if (length != 96) expect(false, k, MESSAGE, resized(signature, length), "signature length");
            if (length != 64) {
                expect(false, resized(k, length), MESSAGE, signature, "key length");
                check(!verifier.isValidKey(resized(k, length)), "isValidKey of a wrong length");
            }
        }
    }

    function resized(bytes memory data, uint256 length) private pure returns (bytes memory result) {
        result = new bytes(length);
        for (uint256 i = 0; i < length && i < data.length; ++i) {
            result[i] = data[i];
        }
    }

    function testZeroZIsRejected() external {
        uint256 c = forgeChallenge(keccak256("h"));
        // R = -c*P makes z = 0 satisfy the equation.
        (uint256 rx, uint256 ry) = publicKey(N - mulmod(c, D, N));
        (uint256 px, uint256 py) = publicKey(D);
        check(dirty.satisfiesEquation(px, py, rx, ry, 0, c), "the equation holds");
        expectRejected(Signature(rx, ry, 0), "z = 0");
    }

    function testSecondEncodingOfZIsRejected() external {
        uint256 c = forgeChallenge(keccak256("h"));
        uint256 z = 5;
        (uint256 rx, uint256 ry) = publicKey(addmod(z, N - mulmod(c, D, N), N));
        expect(true, key(), MESSAGE, pack(Signature(rx, ry, z)), "z");
        expectRejected(Signature(rx, ry, z + N), "z + n");
        expectRejected(Signature(rx, ry, N), "z = n");
        expectRejected(Signature(rx, ry, type(uint256).max), "z = 2^256 - 1");
    }

    function testNegatedZIsRejected() external {
        Signature memory s = sign(D, K, MESSAGE);
        expectRejected(Signature(s.rx, s.ry, N - s.z), "n - z");
    }

    function testOtherParityOfRIsRejected() external {
        Signature memory s = sign(D, K, MESSAGE);
        expectRejected(Signature(s.rx, P - s.ry, s.z), "-R");
    }

    function testOtherParityOfPIsRejected() external {
        (uint256 px, uint256 py) = publicKey(D);
        expect(false, abi.encodePacked(px, P - py), MESSAGE, pack(sign(D, K, MESSAGE)), "-P");
    }

    function testOtherMessageIsRejected() external {
        expect(false, key(), keccak256("other"), pack(sign(D, K, MESSAGE)), "other message");
    }

    function testOtherKeyIsRejected() external {
        expect(false, packedKey(D + 1), MESSAGE, pack(sign(D, K, MESSAGE)), "other key");
    }

    function testROffTheCurveIsRejected() external {
        Signature memory s = sign(D, K, MESSAGE);
        forgeEquation(s.rx, s.ry);
        expect(true, key(), MESSAGE, pack(s), "R on the curve, equation forged");
        uint256 ry = addmod(s.ry, 2, P);
        forgeEquation(s.rx, ry);
        expectRejected(Signature(s.rx, ry, s.z), "R off the curve");
        forgeEquation(0, 0);
        expectRejected(Signature(0, 0, s.z), "R = (0, 0)");
        forgeEquation(s.rx, 0);
        expectRejected(Signature(s.rx, 0, s.z), "R.y = 0");
    }

    /// @dev x = 1 and y = 1 are the smallest coordinates of points of the curve: 1 + p still fits into a word.
    function testRCoordinatesBeyondTheFieldAreRejected() external {
        (uint256 xOf1, uint256 y) = (1, 0x4218f20ae6c646b363db68605822fb14264ca8d2587fdd6fbc750d587e76a7ee);
        forgeEquation(xOf1, y);
        expect(true, key(), MESSAGE, pack(Signature(xOf1, y, 1)), "R.x = 1");
        forgeEquation(xOf1 + P, y);
        expectRejected(Signature(xOf1 + P, y, 1), "R.x = p + 1");

        (uint256 x, uint256 yOf1) = (0x1fe1e5ef3fceb5c135ab7741333ce5a6e80d68167653f6b2b24bcbcfaaaff507, 1);
        forgeEquation(x, yOf1);
        expect(true, key(), MESSAGE, pack(Signature(x, yOf1, 1)), "R.y = 1");
        forgeEquation(x, yOf1 + P);
        expectRejected(Signature(x, yOf1 + P, 1), "R.y = p + 1");
    }

    // Keys

    function expectKey(bool valid, uint256 px, uint256 py, string memory what) private view {
        bytes memory k = abi.encodePacked(px, py);
        check(verifier.isValidKey(k) == valid, what);
        (uint256 rx, uint256 ry) = (1, 0x4218f20ae6c646b363db68605822fb14264ca8d2587fdd6fbc750d587e76a7ee);
        // The equation is forged by the caller: only the key decides.
        expect(valid, k, MESSAGE, abi.encodePacked(rx, ry, uint256(1)), what);
    }

    function testInvalidKeysAreRejected() external {
        (uint256 px, uint256 py) = publicKey(D);
        (uint256 x1, uint256 y1) = (1, 0x4218f20ae6c646b363db68605822fb14264ca8d2587fdd6fbc750d587e76a7ee);
        (uint256 x2, uint256 y2) = (0x1fe1e5ef3fceb5c135ab7741333ce5a6e80d68167653f6b2b24bcbcfaaaff507, 1);
        uint256 yOfN = 0x98f66641cb0ae1776b463ebdee3d77fe2658f021db48e2c8ac7ab4c92f83621e;
        forgeEquation(x1, y1);
        expectKey(true, px, py, "a key");
        expectKey(true, x1, y1, "P.x = 1");
        expectKey(true, x2, y2, "P.y = 1");
        expectKey(false, 0, 0, "P = (0, 0)");
        expectKey(false, px, 0, "P.y = 0");
        expectKey(false, px, addmod(py, 2, P), "P off the curve");
        expectKey(false, x2, y2 + P, "P.y = p + 1");
        expectKey(false, x1 + P, y1, "P.x = p + 1");
        check(FrostSchnorr.isOnCurve(N, yOfN), "(n, y) is on the curve");
        expectKey(false, N, yOfN, "P.x = n");
        check(!FrostSchnorr.isOnCurve(x1 + P, y1), "a curve point has x < p");
    }

    /// @dev Even without the mock nothing verifies under such a key: ecrecover refuses r >= n.
    function testKeyXBeyondTheOrderNeverVerifies() external view {
        uint256 yOfN = 0x98f66641cb0ae1776b463ebdee3d77fe2658f021db48e2c8ac7ab4c92f83621e;
        (uint256 rx, uint256 ry) = (1, 0x4218f20ae6c646b363db68605822fb14264ca8d2587fdd6fbc750d587e76a7ee);
        check(!FrostSchnorr.verify(N, yOfN, rx, ry, 1, MESSAGE), "P.x = n");
    }

    // Precompiles that fail

    function testEmptyRecoveryIsRejected() external {
        Signature memory s = sign(D, K, MESSAGE);
        vm.mockCall(address(1), "", "");
        expectRejected(s, "empty answer");
    }

    function testRecoveryOfAnotherSizeIsRejected() external {
        Signature memory s = sign(D, K, MESSAGE);
        bytes32 minusR = bytes32(uint256(uint160(uint256(keccak256(abi.encodePacked(s.rx, P - s.ry))))));
        vm.mockCall(address(1), "", abi.encode(minusR, minusR));
        expectRejected(s, "64 bytes");
    }

    function testRecoveryThatFailsIsRejected() external {
        Signature memory s = sign(D, K, MESSAGE);
        vm.mockCallRevert(address(1), "", abi.encode(uint160(uint256(keccak256(abi.encodePacked(s.rx, P - s.ry))))));
        expectRejected(s, "failed call");
    }

    /// @dev The failed call leaves the very bytes in memory that a forger wants hashed to.
    function testHashThatFailsIsRejected() external {
        bytes32 h = keccak256("h");
        uint256 c = forgeChallenge(h);
        (uint256 rx, uint256 ry) = publicKey(K);
        Signature memory s = Signature(rx, ry, addmod(K, mulmod(c, D, N), N));
        expect(true, key(), MESSAGE, pack(s), "forged challenge");
        // Only the call whose input has this length and start fails.
        bytes memory second = abi.encodePacked(h, uint8(1));
        bytes memory third = abi.encodePacked(bytes32(0), uint8(2));
        vm.mockCallRevert(address(2), new bytes(64), abi.encode(h));
        expectRejected(s, "first hash failed");
        vm.clearMockedCalls();
        forgeChallenge(h);
        vm.mockCallRevert(address(2), second, abi.encode(h));
        expectRejected(s, "second hash failed");
        vm.clearMockedCalls();
        forgeChallenge(h);
        expect(true, key(), MESSAGE, pack(s), "forged challenge again");
        vm.mockCallRevert(address(2), third, abi.encode(h));
        expectRejected(s, "third hash failed");
    }

    /// @dev Whatever the gas limit: a valid signature is accepted or not, an invalid one never.
    function testLowGasNeverAcceptsTheInvalid() external {
        bytes memory k = key();
        bytes memory valid = abi.encodeCall(verifier.verify, (k, MESSAGE, pack(sign(D, K, MESSAGE))));
        bytes memory invalid = abi.encodeCall(verifier.verify, (k, MESSAGE, pack(sign(D, K, keccak256("other")))));
        uint256 accepted = 0;
        for (uint256 gas_ = 0; gas_ < 8_000; ++gas_) {
            accepted += answer(gas_, valid);
            checkEq(answer(gas_, invalid), 0, "invalid signature accepted at this gas limit");
        }
        check(accepted > 0, "enough gas was reached");
    }

    function answer(uint256 gas_, bytes memory call) private view returns (uint256 accepted) {
        (bool ok, bytes memory result) = address(verifier).staticcall{gas: gas_}(call);
        if (!ok) return 0;
        bytes4 magic = abi.decode(result, (bytes4));
        check(magic == VALID || magic == INVALID, "neither of the two answers");
        return magic == VALID ? 1 : 0;
    }
}
