// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostOwner} from "../src/FrostOwner.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
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

/// @dev A Safe whose only owner is a group key, from the code that Safe publishes: 1.5.0 asks its owners by
/// (bytes32,bytes), 1.4.1 by (bytes,bytes).
abstract contract SafeSetup is Signer {
    uint256 internal constant D = 0xd00d;
    uint256 internal constant K = 0xcafe;
    string internal constant SAFE_TX =
        "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)";
    string internal constant NESTED =
        "TypedDataSign(SafeTx contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)";
    string internal constant SAFE_1_5_0 = "node_modules/@safe-global/safe-smart-account/build/artifacts/contracts/";
    string internal constant SAFE_1_4_1 = "node_modules/@safe-global/safe-contracts/build/artifacts/contracts/";

    FrostVerifier internal verifier = new FrostVerifier();
    FrostOwner internal owner;

    function newOwner(uint256 d) internal returns (FrostOwner) {
        (uint256 px, uint256 py) = publicKey(d);
        return new FrostOwner(address(verifier), bytes32(px), bytes32(py));
    }

    function deploy(string memory path) internal returns (address where) {
        bytes memory code = vm.parseJsonBytes(vm.readFile(path), ".bytecode");
        assembly {
            where := create(0, add(code, 0x20), mload(code))
        }
        check(where != address(0), "deployed");
    }

    function newSafe(string memory folder) internal returns (ISafe safe) {
        address singleton = deploy(string.concat(folder, "Safe.sol/Safe.json"));
        address factory = deploy(string.concat(folder, "proxies/SafeProxyFactory.sol/SafeProxyFactory.json"));
        address[] memory owners = new address[](1);
        owners[0] = address(owner);
        bytes memory initializer = abi.encodeCall(
            ISafe.setup, (owners, 1, address(0), "", address(0), address(0), 0, payable(address(0)))
        );
        safe = ISafe(ISafeProxyFactory(factory).createProxyWithNonce(singleton, initializer, 1));
    }

    function structHash(address to, bytes memory data, uint256 nonce) internal pure returns (bytes32) {
        bytes memory head = abi.encode(keccak256(bytes(SAFE_TX)), to, uint256(0), keccak256(data), uint8(0));
        bytes memory tail =
            abi.encode(uint256(0), uint256(0), uint256(0), address(0), address(0), nonce);
        return keccak256(abi.encodePacked(head, tail));
    }

    /// @dev ERC-7739's nested form: what the group signs shows the Safe's transaction and binds the owner contract.
    function nested(address where, bytes32 separator, bytes32 contents) internal returns (bytes memory) {
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
    function safeSignature(bytes memory signature) internal view returns (bytes memory) {
        return abi.encodePacked(
            uint256(uint160(address(owner))), uint256(65), uint8(0), signature.length, signature
        );
    }
}
