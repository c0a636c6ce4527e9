// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostOwner} from "../src/FrostOwner.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
import {TestToken} from "../src/sim/TestToken.sol";
import {Signer} from "./Signer.sol";

/// @dev The part of Safe 1.4.1 and 1.5.0 that the tests use.
interface ISafe {
    function setup(
        address[] calldata owners,
        uint256 threshold,
        address to,
        bytes calldata data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address payable paymentReceiver
    ) external;
    function execTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address payable refundReceiver,
        bytes calldata signatures
    ) external payable returns (bool);
    function domainSeparator() external view returns (bytes32);
    function nonce() external view returns (uint256);
}

interface ISafeProxyFactory {
    function createProxyWithNonce(address singleton, bytes calldata initializer, uint256 salt) external returns (address);
}

/// @dev A group key as owner of a Safe, tried on the code that Safe publishes: 1.5.0 asks by (bytes32,bytes), 1.4.1 by
/// (bytes,bytes).
contract FrostOwnerTest is Signer {
    uint256 private constant D = 0xd00d;
    uint256 private constant K = 0xcafe;
    string private constant SAFE_TX =
        "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)";
    string private constant NESTED =
        "TypedDataSign(SafeTx contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)";
    string private constant SAFE_1_5_0 = "node_modules/@safe-global/safe-smart-account/build/artifacts/contracts/";
    string private constant SAFE_1_4_1 = "node_modules/@safe-global/safe-contracts/build/artifacts/contracts/";

    FrostVerifier private verifier = new FrostVerifier();
    FrostOwner private owner;
    TestToken private token = new TestToken("Token", "T");

    function setUp() external {
        owner = newOwner(D);
    }

    function newOwner(uint256 d) private returns (FrostOwner) {
        (uint256 px, uint256 py) = publicKey(d);
        return new FrostOwner(address(verifier), bytes32(px), bytes32(py));
    }

    function deploy(string memory path) private returns (address where) {
        bytes memory code = vm.parseJsonBytes(vm.readFile(path), ".bytecode");
        assembly {
            where := create(0, add(code, 0x20), mload(code))
        }
        check(where != address(0), "deployed");
    }

    function newSafe(string memory folder) private returns (ISafe safe) {
        address singleton = deploy(string.concat(folder, "Safe.sol/Safe.json"));
        address factory = deploy(string.concat(folder, "proxies/SafeProxyFactory.sol/SafeProxyFactory.json"));
        address[] memory owners = new address[](1);
        owners[0] = address(owner);
        bytes memory initializer = abi.encodeCall(
            ISafe.setup, (owners, 1, address(0), "", address(0), address(0), 0, payable(address(0)))
        );
        safe = ISafe(ISafeProxyFactory(factory).createProxyWithNonce(singleton, initializer, 1));
        token.mint(address(safe), 100);
    }

    function structHash(address to, bytes memory data, uint256 nonce) private pure returns (bytes32) {
        bytes memory head = abi.encode(keccak256(bytes(SAFE_TX)), to, uint256(0), keccak256(data), uint8(0));
        bytes memory tail =
            abi.encode(uint256(0), uint256(0), uint256(0), address(0), address(0), nonce);
        return keccak256(abi.encodePacked(head, tail));
    }

    /// @dev ERC-7739's nested form: what the group signs shows the Safe's transaction and binds the owner contract.
    function nested(address where, bytes32 separator, bytes32 contents) private returns (bytes memory) {
        bytes32 typeHash = keccak256(abi.encodePacked(NESTED, SAFE_TX));
        bytes memory domain =
            abi.encode(keccak256("FrostOwner"), keccak256("1"), block.chainid, where, bytes32(0));
        bytes32 digest = keccak256(
            abi.encodePacked("\x19\x01", separator, keccak256(abi.encodePacked(typeHash, contents, domain)))
        );
        bytes memory inner = pack(sign(D, K, digest));
        return abi.encodePacked(inner, separator, contents, SAFE_TX, uint16(bytes(SAFE_TX).length));
    }

    /// @dev Safe's form for a contract's signature: owner, offset 65, type 0, then length and bytes.
    function safeSignature(bytes memory signature) private view returns (bytes memory) {
        return abi.encodePacked(
            uint256(uint160(address(owner))), uint256(65), uint8(0), signature.length, signature
        );
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
