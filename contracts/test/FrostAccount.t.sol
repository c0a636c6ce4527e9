// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {FrostAccount} from "../src/FrostAccount.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
import {Signer} from "./Signer.sol";

/// @dev Something to call.
contract Target {
    error Refused(uint256 reason);

    uint256 public total;
    address public lastCaller;

    function add(uint256 amount) external payable returns (uint256) {
        total += amount;
        lastCaller = msg.sender;
        return total;
    }

    function refuse(uint256 reason) external pure {
        revert Refused(reason);
    }

    function refuseSilently() external pure {
        assembly {
            revert(0, 0)
        }
    }
}

/// @dev Comes back to the account with the very call that reached it.
contract Reentrant {
    bytes public replay;
    bytes public answer;
    bool public succeeded;

    function arm(bytes calldata replay_) external {
        replay = replay_;
    }

    fallback() external {
        (succeeded, answer) = msg.sender.call(replay);
    }
}

contract FrostAccountTest is Signer {
    uint256 private constant D = 0xd00d;
    uint256 private constant K = 0xcafe;
    uint64 private constant FOREVER = type(uint64).max;
    address private constant CREATE2_DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    bytes4 private constant ERC1271_VALID = 0x1626ba7e;
    bytes4 private constant ERC1271_INVALID = 0xffffffff;

    FrostVerifier private verifier = new FrostVerifier();
    Target private target = new Target();
    FrostAccount private account;

    constructor() {
        account = newAccount(D);
    }

    function newAccount(uint256 d) private returns (FrostAccount) {
        (uint256 px, uint256 py) = publicKey(d);
        return new FrostAccount(address(verifier), bytes32(px), bytes32(py));
    }

    function oneCall(address to, uint256 value, bytes memory data) private pure returns (FrostAccount.Call[] memory calls) {
        calls = new FrostAccount.Call[](1);
        calls[0] = FrostAccount.Call(to, value, data);
    }

    function addCall(uint256 amount) private view returns (FrostAccount.Call[] memory) {
        return oneCall(address(target), 0, abi.encodeCall(Target.add, (amount)));
    }

    function signExecute(FrostAccount.Call[] memory calls, uint256 nonce, uint64 validAfter, uint64 validUntil)
        private
        returns (bytes memory)
    {
        return pack(sign(D, K, account.hashExecute(calls, nonce, validAfter, validUntil)));
    }

    function run(FrostAccount.Call[] memory calls, uint256 nonce) private returns (bytes[] memory) {
        bytes memory signature = signExecute(calls, nonce, 0, FOREVER);
        return account.execute(calls, nonce, 0, FOREVER, signature);
    }

    function runExpecting(FrostAccount.Call[] memory calls, uint256 nonce, bytes memory reason) private {
        bytes memory signature = signExecute(calls, nonce, 0, FOREVER);
        vm.expectRevert(reason);
        account.execute(calls, nonce, 0, FOREVER, signature);
    }

    function reason1(bytes4 selector, uint256 argument) private pure returns (bytes memory) {
        return abi.encodePacked(selector, argument);
    }

    // EIP-712

    function domainSeparator(address where) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("FrostAccount"),
                keccak256("1"),
                block.chainid,
                where
            )
        );
    }

    function testDigestIsEip712s() external {
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](2);
        calls[0] = FrostAccount.Call(address(0x1111), 5, hex"0102030405");
        calls[1] = FrostAccount.Call(address(0x2222), 0, "");
        bytes32 callType = keccak256("Call(address target,uint256 value,bytes data)");
        bytes32 a = keccak256(abi.encode(callType, address(0x1111), uint256(5), keccak256(hex"0102030405")));
        bytes32 b = keccak256(abi.encode(callType, address(0x2222), uint256(0), keccak256("")));
        bytes32 executeType = keccak256(
            "Execute(Call[] calls,uint256 nonce,uint64 validAfter,uint64 validUntil)Call(address target,uint256 value,bytes data)"
        );
        bytes32 structHash = keccak256(
            abi.encode(executeType, keccak256(abi.encodePacked(a, b)), uint256(77), uint64(8), uint64(9))
        );
        bytes32 expected = keccak256(abi.encodePacked("\x19\x01", domainSeparator(address(account)), structHash));
        checkEq(account.hashExecute(calls, 77, 8, 9), expected, "digest");
        vm.chainId(999);
        expected = keccak256(abi.encodePacked("\x19\x01", domainSeparator(address(account)), structHash));
        checkEq(account.hashExecute(calls, 77, 8, 9), expected, "digest after a chain fork");
    }

    // Construction

    function testConstructorRefusesInvalidKeys() external {
        (uint256 px, uint256 py) = publicKey(D);
        expectKeyRefused(px, addmod(py, 1, P));
        expectKeyRefused(0, 0);
        expectKeyRefused(N, 0x98f66641cb0ae1776b463ebdee3d77fe2658f021db48e2c8ac7ab4c92f83621e);
        expectKeyRefused(0x1fe1e5ef3fceb5c135ab7741333ce5a6e80d68167653f6b2b24bcbcfaaaff507, P + 1);
    }

    function expectKeyRefused(uint256 px, uint256 py) private {
        vm.expectRevert(abi.encodePacked(FrostAccount.InvalidPublicKey.selector));
        new FrostAccount(address(verifier), bytes32(px), bytes32(py));
    }

    function testConstructorRefusesVerifierWithoutCode() external {
        (uint256 px, uint256 py) = publicKey(D);
        vm.expectRevert(abi.encodeWithSelector(FrostAccount.VerifierWithoutCode.selector, address(0xdead)));
        new FrostAccount(address(0xdead), bytes32(px), bytes32(py));
    }

    function testSignerIsErc7913() external {
        check(keccak256(account.signer()) == keccak256(abi.encodePacked(verifier, packedKey(D))), "verifier || key");
        bytes32 hash = keccak256("hash");
        check(SignatureChecker.isValidSignatureNow(account.signer(), hash, pack(sign(D, K, hash))), "accepted by OZ");
    }

    /// @dev The address depends on code, verifier, key and salt, and on nobody who sends the transaction.
    function testDeploysThroughTheCreate2Deployer() external {
        vm.etch(
            CREATE2_DEPLOYER,
            hex"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
        );
        (uint256 px, uint256 py) = publicKey(D);
        bytes memory code = abi.encodePacked(type(FrostAccount).creationCode, abi.encode(verifier, px, py));
        (bool ok, bytes memory where) = CREATE2_DEPLOYER.call(abi.encodePacked(bytes32(uint256(1)), code));
        check(ok, "deployed");
        bytes32 expected = keccak256(abi.encodePacked(hex"ff", CREATE2_DEPLOYER, bytes32(uint256(1)), keccak256(code)));
        checkEq(address(bytes20(where)), address(uint160(uint256(expected))), "CREATE2 address");
        account = FrostAccount(payable(address(bytes20(where))));
        run(addCall(3), 1);
        checkEq(target.total(), 3, "works");
    }

    // Execution

    function testBatchRunsInOrderAndReturnsResults() external {
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](3);
        calls[0] = FrostAccount.Call(address(target), 0, abi.encodeCall(Target.add, (2)));
        calls[1] = FrostAccount.Call(address(target), 0, abi.encodeCall(Target.add, (40)));
        calls[2] = FrostAccount.Call(address(0xdead), 0, "");
        vm.prank(address(0x5e1a7)); // whoever relays it
        bytes memory signature = signExecute(calls, 1, 0, FOREVER);
        vm.recordLogs();
        bytes[] memory results = account.execute(calls, 1, 0, FOREVER, signature);
        checkEq(results.length, 3, "results");
        checkEq(abi.decode(results[0], (uint256)), 2, "first");
        checkEq(abi.decode(results[1], (uint256)), 42, "second");
        checkEq(results[2].length, 0, "third");
        checkEq(target.lastCaller(), address(account), "msg.sender");
        check(account.nonceUsed(1), "nonce used");
        bytes32[] memory topics = vm.getRecordedLogs()[0].topics;
        checkEq(topics[0], keccak256("Executed(uint256)"), "event");
        checkEq(uint256(topics[1]), 1, "its nonce");
    }

    function testValueComesFromBalanceAndCaller() external {
        vm.deal(address(account), 1 ether);
        vm.deal(address(this), 1 ether);
        FrostAccount.Call[] memory calls = oneCall(address(target), 1.5 ether, abi.encodeCall(Target.add, (1)));
        bytes memory signature = signExecute(calls, 1, 0, FOREVER);
        account.execute{value: 0.75 ether}(calls, 1, 0, FOREVER, signature);
        checkEq(address(target).balance, 1.5 ether, "paid");
        checkEq(address(account).balance, 0.25 ether, "the rest stays");
    }

    function testReceivesEth() external {
        vm.deal(address(this), 1 ether);
        (bool ok,) = address(account).call{value: 1 ether}("");
        check(ok && address(account).balance == 1 ether, "received");
    }

    function testCallFailsWithoutBalance() external {
        runExpecting(oneCall(address(0xdead), 1, ""), 1, reason1(FrostAccount.CallFailed.selector, 0));
    }

    function testReplayIsRefused() external {
        FrostAccount.Call[] memory calls = addCall(1);
        bytes memory signature = signExecute(calls, 7, 0, FOREVER);
        account.execute(calls, 7, 0, FOREVER, signature);
        vm.expectRevert(reason1(FrostAccount.NonceAlreadyUsed.selector, 7));
        account.execute(calls, 7, 0, FOREVER, signature);
        // Another signature for the same nonce is no better.
        bytes memory second = pack(sign(D, K + 1, account.hashExecute(calls, 7, 0, FOREVER)));
        vm.expectRevert(reason1(FrostAccount.NonceAlreadyUsed.selector, 7));
        account.execute(calls, 7, 0, FOREVER, second);
        checkEq(target.total(), 1, "ran once");
    }

    function testNoncesAreUnorderedAndIndependent() external {
        uint256[6] memory nonces = [type(uint256).max, 0, 256, 255, 257, 1];
        for (uint256 i = 0; i < nonces.length; ++i) {
            check(!account.nonceUsed(nonces[i]), "unused before");
            run(addCall(1), nonces[i]);
            check(account.nonceUsed(nonces[i]), "used after");
        }
        checkEq(target.total(), 6, "all ran");
        check(!account.nonceUsed(2) && !account.nonceUsed(512), "neighbours untouched");
    }

    function testEveryFieldIsSigned() external {
        bytes memory signature = signExecute(addCall(1), 1, 10, 20);
        vm.warp(15);
        bytes memory reason = abi.encodePacked(FrostAccount.InvalidSignature.selector);
        vm.expectRevert(reason);
        account.execute(addCall(2), 1, 10, 20, signature);
        vm.expectRevert(reason);
        account.execute(oneCall(address(this), 0, abi.encodeCall(Target.add, (1))), 1, 10, 20, signature);
        vm.expectRevert(reason);
        account.execute(oneCall(address(target), 1, abi.encodeCall(Target.add, (1))), 1, 10, 20, signature);
        vm.expectRevert(reason);
        account.execute(addCall(1), 2, 10, 20, signature);
        vm.expectRevert(reason);
        account.execute(addCall(1), 1, 9, 20, signature);
        vm.expectRevert(reason);
        account.execute(addCall(1), 1, 10, 21, signature);
        FrostAccount.Call[] memory twice = new FrostAccount.Call[](2);
        (twice[0], twice[1]) = (addCall(1)[0], addCall(1)[0]);
        vm.expectRevert(reason);
        account.execute(twice, 1, 10, 20, signature);
        account.execute(addCall(1), 1, 10, 20, signature);
        checkEq(target.total(), 1, "the signed one runs");
    }

    function testOtherChainIsRefused() external {
        vm.chainId(1);
        bytes memory signature = signExecute(addCall(1), 1, 0, FOREVER);
        vm.chainId(2);
        vm.expectRevert(abi.encodePacked(FrostAccount.InvalidSignature.selector));
        account.execute(addCall(1), 1, 0, FOREVER, signature);
        run(addCall(1), 2);
        vm.chainId(1);
        account.execute(addCall(1), 1, 0, FOREVER, signature);
        checkEq(target.total(), 2, "each on its own chain");
    }

    function testOtherAccountOfTheSameKeyIsRefused() external {
        bytes memory signature = signExecute(addCall(1), 1, 0, FOREVER);
        FrostAccount twin = newAccount(D);
        vm.expectRevert(abi.encodePacked(FrostAccount.InvalidSignature.selector));
        twin.execute(addCall(1), 1, 0, FOREVER, signature);
    }

    function testOtherKeyIsRefused() external {
        bytes memory signature = pack(sign(D + 1, K, account.hashExecute(addCall(1), 1, 0, FOREVER)));
        vm.expectRevert(abi.encodePacked(FrostAccount.InvalidSignature.selector));
        account.execute(addCall(1), 1, 0, FOREVER, signature);
        vm.expectRevert(abi.encodePacked(FrostAccount.InvalidSignature.selector));
        account.execute(addCall(1), 1, 0, FOREVER, "");
        check(!account.nonceUsed(1), "nonce still free");
    }

    function testTimeWindowIncludesItsEdges() external {
        bytes memory early = signExecute(addCall(1), 1, 100, 200);
        bytes memory late = signExecute(addCall(1), 2, 100, 200);
        vm.warp(99);
        vm.expectRevert(reason1(FrostAccount.NotYetValid.selector, 100));
        account.execute(addCall(1), 1, 100, 200, early);
        vm.warp(100);
        account.execute(addCall(1), 1, 100, 200, early);
        vm.warp(201);
        vm.expectRevert(reason1(FrostAccount.Expired.selector, 200));
        account.execute(addCall(1), 2, 100, 200, late);
        vm.warp(200);
        account.execute(addCall(1), 2, 100, 200, late);
    }

    function testEmptyBatchIsRefused() external {
        runExpecting(new FrostAccount.Call[](0), 1, abi.encodePacked(FrostAccount.EmptyBatch.selector));
    }

    function testBatchIsAtomicAndPassesTheReasonOn() external {
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](2);
        calls[0] = FrostAccount.Call(address(target), 0, abi.encodeCall(Target.add, (1)));
        calls[1] = FrostAccount.Call(address(target), 0, abi.encodeCall(Target.refuse, (99)));
        runExpecting(calls, 1, reason1(Target.Refused.selector, 99));
        calls[1].data = abi.encodeCall(Target.refuseSilently, ());
        runExpecting(calls, 1, reason1(FrostAccount.CallFailed.selector, 1));
        checkEq(target.total(), 0, "first call undone");
        check(!account.nonceUsed(1), "nonce not spent");
    }

    function testDataForAnAddressWithoutCodeIsRefused() external {
        bytes memory reason = abi.encodeWithSelector(FrostAccount.TargetWithoutCode.selector, 0, address(0xdead));
        runExpecting(oneCall(address(0xdead), 0, hex"00"), 1, reason);
        vm.deal(address(account), 1);
        run(oneCall(address(0xdead), 1, ""), 1);
        checkEq(address(0xdead).balance, 1, "a plain payment is fine");
    }

    function testReentrancyWithTheSameNonceIsRefused() external {
        Reentrant reentrant = new Reentrant();
        FrostAccount.Call[] memory calls = oneCall(address(reentrant), 0, "");
        bytes memory signature = signExecute(calls, 1, 0, FOREVER);
        reentrant.arm(abi.encodeCall(account.execute, (calls, 1, 0, FOREVER, signature)));
        account.execute(calls, 1, 0, FOREVER, signature);
        check(!reentrant.succeeded(), "second entry failed");
        check(keccak256(reentrant.answer()) == keccak256(reason1(FrostAccount.NonceAlreadyUsed.selector, 1)), "why");
    }

    // Nonces given up

    function invalidation(uint256 nonce) private view returns (FrostAccount.Call[] memory) {
        return oneCall(address(account), 0, abi.encodeCall(account.invalidateNonce, (nonce)));
    }

    function testInvalidatedNonceIsRefused() external {
        bytes memory signature = signExecute(addCall(1), 5, 0, FOREVER);
        vm.recordLogs();
        run(invalidation(5), 1);
        bytes32[] memory topics = vm.getRecordedLogs()[0].topics;
        checkEq(topics[0], keccak256("NonceInvalidated(uint256)"), "event");
        checkEq(uint256(topics[1]), 5, "its nonce");
        check(account.nonceUsed(5) && account.nonceUsed(1), "both used");
        vm.expectRevert(reason1(FrostAccount.NonceAlreadyUsed.selector, 5));
        account.execute(addCall(1), 5, 0, FOREVER, signature);
    }

    function testOnlyTheAccountInvalidates() external {
        vm.expectRevert(abi.encodeWithSelector(FrostAccount.OnlySelf.selector, address(this)));
        account.invalidateNonce(5);
    }

    function testUsedNonceCannotBeInvalidated() external {
        run(addCall(1), 5);
        runExpecting(invalidation(5), 1, reason1(FrostAccount.NonceAlreadyUsed.selector, 5));
        runExpecting(invalidation(1), 1, reason1(FrostAccount.NonceAlreadyUsed.selector, 1));
    }

    // ERC-1271 by way of ERC-7739

    string private constant CONTENTS_TYPE = "Order(uint256 amount)";
    bytes32 private constant APP = keccak256("separator of some application");

    function orderHash(uint256 amount) private pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(bytes(CONTENTS_TYPE)), amount));
    }

    function typedHash(bytes32 separator, bytes32 structHash) private pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", separator, structHash));
    }

    /// @dev What the group signs so that `where` answers yes for an Order of the application.
    function nestedDigest(address where, uint256 amount) private view returns (bytes32) {
        bytes32 typeHash = keccak256(
            abi.encodePacked(
                "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)",
                CONTENTS_TYPE
            )
        );
        bytes32 name = keccak256("FrostAccount");
        bytes memory domain = abi.encode(name, keccak256("1"), block.chainid, where, bytes32(0));
        return typedHash(APP, keccak256(abi.encodePacked(typeHash, orderHash(amount), domain)));
    }

    function nestedSignature(address where, uint256 amount) private returns (bytes memory) {
        bytes memory inner = pack(sign(D, K, nestedDigest(where, amount)));
        return abi.encodePacked(inner, APP, orderHash(amount), CONTENTS_TYPE, uint16(bytes(CONTENTS_TYPE).length));
    }

    function personalSignature(address where, bytes32 hash) private returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(keccak256("PersonalSign(bytes prefixed)"), hash));
        return pack(sign(D, K, typedHash(domainSeparator(where), structHash)));
    }

    function expect1271(FrostAccount where, bytes32 hash, bytes memory signature, bool valid, string memory what) private view {
        check(where.isValidSignature(hash, signature) == (valid ? ERC1271_VALID : ERC1271_INVALID), what);
    }

    function testErc1271TypedData() external {
        bytes32 hash = typedHash(APP, orderHash(5));
        bytes memory signature = nestedSignature(address(account), 5);
        expect1271(account, hash, signature, true, "signed order");
        expect1271(account, typedHash(APP, orderHash(6)), signature, false, "other order");
        expect1271(newAccount(D), hash, signature, false, "other account of the same key");
        expect1271(newAccount(D + 1), hash, signature, false, "other key");
        vm.chainId(block.chainid + 1);
        expect1271(account, hash, signature, false, "other chain");
    }

    function testErc1271PersonalSign() external {
        bytes32 hash = keccak256("\x19Ethereum Signed Message:\n5hello");
        bytes memory signature = personalSignature(address(account), hash);
        expect1271(account, hash, signature, true, "signed text");
        expect1271(account, keccak256("other"), signature, false, "other text");
        expect1271(newAccount(D), hash, signature, false, "other account of the same key");
        vm.chainId(block.chainid + 1);
        expect1271(account, hash, signature, false, "other chain");
    }

    function testErc1271RefusesBareSignatures() external {
        bytes32 hash = typedHash(APP, orderHash(5));
        expect1271(account, hash, pack(sign(D, K, hash)), false, "a bare signature binds no account");
        expect1271(account, hash, "", false, "no signature");
    }

    function testErc7739Detection() external view {
        bytes32 probe = 0x7739773977397739773977397739773977397739773977397739773977397739;
        check(account.isValidSignature(probe, "") == bytes4(0x77390001), "ERC-7739 version 1");
    }

    function testExecuteSignatureIsNoErc1271Signature() external {
        FrostAccount.Call[] memory calls = addCall(1);
        bytes32 digest = account.hashExecute(calls, 1, 0, FOREVER);
        bytes memory bare = pack(sign(D, K, digest));
        expect1271(account, digest, bare, false, "bare");
        bytes32 separator = domainSeparator(address(account));
        bytes32 structHash = executeStructHash(calls, 1);
        checkEq(typedHash(separator, structHash), digest, "struct hash");
        string memory description =
            "Execute(Call[] calls,uint256 nonce,uint64 validAfter,uint64 validUntil)Call(address target,uint256 value,bytes data)";
        bytes memory wrapped =
            abi.encodePacked(bare, separator, structHash, description, uint16(bytes(description).length));
        expect1271(account, digest, wrapped, false, "wrapped as ERC-7739");
    }

    function executeStructHash(FrostAccount.Call[] memory calls, uint256 nonce) private pure returns (bytes32) {
        bytes32 callHash = keccak256(
            abi.encode(
                keccak256("Call(address target,uint256 value,bytes data)"),
                calls[0].target,
                calls[0].value,
                keccak256(calls[0].data)
            )
        );
        bytes32 executeType = keccak256(
            "Execute(Call[] calls,uint256 nonce,uint64 validAfter,uint64 validUntil)Call(address target,uint256 value,bytes data)"
        );
        return keccak256(abi.encode(executeType, keccak256(abi.encodePacked(callHash)), nonce, uint64(0), FOREVER));
    }

    /// @dev The group has signed that ERC-1271 may say yes to an execute digest; execute still says no.
    function testErc1271SignatureDoesNotExecute() external {
        FrostAccount.Call[] memory calls = addCall(1);
        bytes32 digest = account.hashExecute(calls, 1, 0, FOREVER);
        bytes memory personal = personalSignature(address(account), digest);
        expect1271(account, digest, personal, true, "ERC-1271 says yes");
        vm.expectRevert(abi.encodePacked(FrostAccount.InvalidSignature.selector));
        account.execute(calls, 1, 0, FOREVER, personal);
        bytes memory nested = nestedSignature(address(account), 5);
        vm.expectRevert(abi.encodePacked(FrostAccount.InvalidSignature.selector));
        account.execute(calls, 1, 0, FOREVER, nested);
    }
}
