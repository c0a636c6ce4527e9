// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostOwner} from "../src/FrostOwner.sol";
import {TestToken} from "../src/sim/TestToken.sol";
import {ISafe, SafeSetup} from "./SafeSetup.sol";

/// @dev A group key as owner of a Safe.
contract FrostOwnerTest is SafeSetup {
    TestToken private token = new TestToken("Token", "T");

    function setUp() external {
        owner = newOwner(D);
    }

    function execute(ISafe safe, bytes memory data, bytes memory signature) private returns (bool ok) {
        bytes memory call = abi.encodeCall(
            ISafe.execTransaction,
            (address(token), 0, data, 0, 0, 0, 0, address(0), payable(address(0)), safeSignature(signature))
        );
        (ok,) = address(safe).call(call);
    }

    function tryOn(string memory folder) private {
        ISafe safe = newSafe(folder);
        token.mint(address(safe), 100);
        bytes memory data = abi.encodeCall(token.transfer, (address(0xbee), 40));
        bytes32 contents = structHash(address(token), data, 0);
        bytes32 separator = safe.domainSeparator();
        bytes32 hash = keccak256(abi.encodePacked("\x19\x01", separator, contents));
        check(!execute(safe, data, pack(sign(D, K, hash))), "a bare signature is none");
        check(!execute(safe, data, nested(address(this), separator, contents)), "nor one for another owner");
        bytes memory signature = nested(address(owner), separator, contents);
        check(!execute(safe, abi.encodeCall(token.transfer, (address(0xbee), 41)), signature), "nor for another call");
        check(execute(safe, data, signature), "accepted");
        checkEq(token.balanceOf(address(0xbee)), 40, "moved");
        check(!execute(safe, data, signature), "once");
    }

    function testSafe150() external {
        tryOn(SAFE_1_5_0);
    }

    function testSafe141() external {
        tryOn(SAFE_1_4_1);
    }

    function testBothFormsAnswer() external {
        bytes32 separator = keccak256("separator");
        bytes32 contents = keccak256("contents");
        bytes memory data = abi.encodePacked("\x19\x01", separator, contents);
        bytes memory signature = nested(address(owner), separator, contents);
        check(owner.isValidSignature(keccak256(data), signature) == bytes4(0x1626ba7e), "hash form");
        check(owner.isValidSignature(data, signature) == bytes4(0x20c13b0b), "data form");
        check(owner.isValidSignature(abi.encodePacked(data, uint8(0)), signature) == bytes4(0xffffffff), "other data");
        check(owner.isValidSignature(bytes32(0), signature) == bytes4(0xffffffff), "other hash");
        check(newOwner(D).isValidSignature(data, signature) == bytes4(0xffffffff), "other owner of the key");
        check(newOwner(D + 1).isValidSignature(data, signature) == bytes4(0xffffffff), "other key");
        vm.chainId(block.chainid + 1);
        check(owner.isValidSignature(data, signature) == bytes4(0xffffffff), "other chain");
    }

    function testConstructorChecks() external {
        (uint256 px, uint256 py) = publicKey(D);
        vm.expectRevert(abi.encodePacked(FrostOwner.InvalidPublicKey.selector));
        new FrostOwner(address(verifier), bytes32(px), bytes32(py + 1));
        vm.expectRevert(abi.encodeWithSelector(FrostOwner.VerifierWithoutCode.selector, address(0xdead)));
        new FrostOwner(address(0xdead), bytes32(px), bytes32(py));
        checkEq(keccak256(owner.signer()), keccak256(abi.encodePacked(verifier, px, py)), "ERC-7913");
    }
}
