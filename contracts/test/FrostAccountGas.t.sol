// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostAccount} from "../src/FrostAccount.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
import {Signer} from "./Signer.sol";

/// @dev Burns whatever gas it gets.
contract Hog {
    fallback() external {
        while (true) {}
    }
}

/// @dev Answers with as many bytes as it is told, as a success or as a revert.
contract Bomb {
    function explode(uint256 size, bool succeed) external pure {
        assembly {
            if succeed { return(0, size) }
            revert(0, size)
        }
    }
}

/// @dev A relayer chooses the gas, and targets may waste it: the batch happens as a whole or not at all.
contract FrostAccountGasTest is Signer {
    uint256 private constant D = 0xd00d;
    uint64 private constant FOREVER = type(uint64).max;

    FrostAccount private account;
    Bomb private bomb = new Bomb();

    constructor() {
        (uint256 px, uint256 py) = publicKey(D);
        account = new FrostAccount(address(new FrostVerifier()), bytes32(px), bytes32(py));
    }

    function call(address target, bytes memory data) private returns (bytes memory) {
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](1);
        calls[0] = FrostAccount.Call(target, 0, data);
        bytes memory signature = pack(sign(D, 0xcafe, account.hashExecute(calls, 1, 0, FOREVER)));
        return abi.encodeCall(account.execute, (calls, 1, 0, FOREVER, signature));
    }

    function testTargetThatBurnsAllGas() external {
        bytes memory data = call(address(new Hog()), hex"01");
        (bool ok,) = address(account).call{gas: 3_000_000}(data);
        check(!ok && !account.nonceUsed(1), "nothing happened");
    }

    function testLargeAnswerCostsTheRelayerAndNobodyElse() external {
        bytes memory data = call(address(bomb), abi.encodeCall(Bomb.explode, (200_000, true)));
        (bool ok,) = address(account).call{gas: 200_000}(data);
        check(!ok && !account.nonceUsed(1), "too little gas: nothing happened");
        bytes memory answer;
        (ok, answer) = address(account).call(data);
        check(ok && account.nonceUsed(1), "enough gas: done");
        checkEq(abi.decode(answer, (bytes[]))[0].length, 200_000, "and all of it returned");
    }

    function testLargeReasonIsPassedOn() external {
        bytes memory data = call(address(bomb), abi.encodeCall(Bomb.explode, (200_000, false)));
        (bool ok, bytes memory answer) = address(account).call(data);
        check(!ok && answer.length == 200_000 && !account.nonceUsed(1), "nothing happened");
    }

    /// @dev Whatever gas a relayer gives: either the call was made and the nonce is spent, or neither.
    function testFuzzNoGasLimitSplitsTheBatch(uint256 gas_) external {
        Counter counter = new Counter();
        bytes memory data = call(address(counter), abi.encodeCall(Counter.count, ()));
        (bool ok,) = address(account).call{gas: gas_ % 200_000}(data);
        check(ok == account.nonceUsed(1) && counter.counted() == (ok ? 1 : 0), "half a batch");
    }
}

contract Counter {
    uint256 public counted;

    function count() external {
        counted += 1;
    }
}
