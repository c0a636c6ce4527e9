// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostAccount} from "../src/FrostAccount.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
import {FrostSchnorr} from "../src/lib/FrostSchnorr.sol";
import {Signer} from "./Signer.sol";

/// @dev Forge prints string/uint logs of this event with -vv.
contract GasTest is Signer {
    event log_named_uint(string key, uint256 val);

    uint256 private constant MAX_LIBRARY_GAS = 4_450;
    address private constant TARGET = address(0xdead);

    /// @dev The cost of the internal call alone: the difference of two gas readings, an empty pair subtracted.
    /// The inputs are known at run time only.
    function testLibraryVerify() external {
        Signature memory s = sign(7, 9, keccak256("gas"));
        (uint256 px, uint256 py) = publicKey(7);
        (uint256 rx, uint256 ry, uint256 z) = (s.rx, s.ry, s.z);
        bytes32 message = keccak256("gas");

        uint256 a = gasleft();
        uint256 b = gasleft();
        bool ok = FrostSchnorr.verify(px, py, rx, ry, z, message);
        // The result is put to use before the last reading: the optimizer could otherwise finish the work after it.
        assembly ("memory-safe") {
            mstore(0x00, ok)
        }
        uint256 c = gasleft();
        uint256 used = (b - c) - (a - b);
        check(ok, "valid signature");
        emit log_named_uint("library verify", used);
        check(used <= MAX_LIBRARY_GAS, "library verify costs more than 4,450 gas");
    }

    /// @dev What execute costs beyond the call it makes: one plain call to an address without code, no value, a fresh
    /// nonce bucket, measured in a transaction's first touch of account and verifier (cold).
    function testExecuteOverhead() external {
        (uint256 px, uint256 py) = publicKey(7);
        FrostAccount account = new FrostAccount(address(new FrostVerifier()), bytes32(px), bytes32(py));
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](1);
        calls[0] = FrostAccount.Call(TARGET, 0, "");
        bytes memory signature = pack(sign(7, 9, account.hashExecute(calls, 1, 0, type(uint64).max)));

        uint256 a = gasleft();
        (bool direct,) = TARGET.call("");
        uint256 b = gasleft();
        account.execute(calls, 1, 0, type(uint64).max, signature);
        uint256 c = gasleft();
        account.execute(calls, 2, 0, type(uint64).max, pack(sign(7, 9, account.hashExecute(calls, 2, 0, type(uint64).max))));
        check(direct, "direct call");
        emit log_named_uint("execute, first nonce of its bucket, beyond the bare call", (b - c) - (a - b));
    }
}
