// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Authority} from "../src/Authority.sol";
import {FrostAccount} from "../src/FrostAccount.sol";
import {FrostOwner} from "../src/FrostOwner.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
import {GuardFactory} from "../src/GuardFactory.sol";
import {SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {Treasury} from "../src/Treasury.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";
import {ISafe, SafeSetup} from "./SafeSetup.sol";

/// @dev What the authority costs. All is measured cold: every account and slot as a transaction finds it. "Transaction"
/// means with its 21,000 and its calldata (16 gas a byte, 4 for zero). The core is the simulation, which is cheaper than
/// EigenLayer: differences carry over, totals do not.
abstract contract GasSetup is AuthoritySetup, SafeSetup {
    event log_named_uint(string key, uint256 val);

    FrostAccount internal account;

    function buildGas() internal {
        (uint256 px, uint256 py) = publicKey(D);
        account = new FrostAccount(address(verifier), bytes32(px), bytes32(py));
        slashAccount = address(account);
        buildAuthority(RESOLUTION, SimModel.SlasherFromV1_9);
        token1.mint(address(treasury), 1_000e18);
    }

    /// @dev Lets this contract slash at once, through the gate and in the core.
    function allowSlashing() internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = sim.slashOperator.selector;
        vm.prank(address(timelock));
        manager.setTargetFunctionRole(address(sim), selectors, 1);
        vm.prank(address(timelock));
        manager.grantRole(1, address(this), 0);
    }

    function cold() internal {
        vm.cool(address(sim));
        vm.cool(address(manager));
        vm.cool(address(gate));
        vm.cool(address(account));
        vm.cool(address(verifier));
    }

    function params() internal pure returns (SlashingParams memory) {
        return SlashingParams(OPERATOR, SET, one(S1), wads1(0.1e18), "evidence");
    }

    function intrinsic(bytes memory data) internal pure returns (uint256 gas_) {
        gas_ = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            gas_ += data[i] == 0 ? 4 : 16;
        }
    }

    /// @dev What a transaction to `to` would cost.
    function transaction(address to, bytes memory data) internal returns (uint256) {
        cold();
        uint256 before = gasleft();
        (bool ok,) = to.call(data);
        uint256 used = before - gasleft();
        check(ok, "transaction failed");
        // The receiver of a transaction is warm.
        return used - 2_600 + intrinsic(data);
    }

    /// @dev What AccessManager.execute costs for one target, from a state that is left as it was.
    function managed(address target, bytes memory data) internal returns (uint256 used) {
        uint256 snapshot = vm.snapshotState();
        cold();
        uint256 before = gasleft();
        manager.execute(target, data);
        used = before - gasleft();
        vm.revertToState(snapshot);
    }

    /// @dev The slash comes from the AccessManager, once with the gate between it and the core, and once as the slasher
    /// itself. An operator's first slash fills two fresh storage slots, evidence and operator, for 44,200 gas.
    function beyondTheBareSlash() internal returns (uint256 beyond) {
        bytes memory data = abi.encodeCall(SlashGate.slash, (bytes32("r"), bytes32("e"), AVS, params()));
        uint256 snapshot = vm.snapshotState();
        uint256 throughGate = managed(address(gate), data);
        vm.prank(AVS);
        sim.updateSlasher(set(), address(manager));
        vm.roll(block.number + CONFIGURATION);
        uint256 bare = managed(address(sim), abi.encodeCall(sim.slashOperator, (AVS, params())));
        vm.revertToState(snapshot);
        beyond = throughGate - bare;
    }
}

contract GasAuthorityTest is GasSetup {
    uint256 private constant MAX_FIRST_GAS = 75_000;
    uint64 private constant FOREVER = type(uint64).max;

    uint256 private lastNonce;

    function setUp() external {
        buildGas();
    }

    function testGateBeyondTheBareSlash() external {
        allowSlashing();
        uint256 first = beyondTheBareSlash();
        emit log_named_uint("SlashGate.slash beyond slashOperator, an operator's first", first);
        check(first <= MAX_FIRST_GAS, "the gate adds more than 75,000 gas to an operator's first slash");
    }

    function signedBatch(address target, bytes memory data) private returns (bytes memory) {
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](1);
        calls[0] = FrostAccount.Call(target, 0, data);
        uint256 nonce = ++lastNonce;
        bytes memory signature = pack(sign(D, K + nonce, account.hashExecute(calls, nonce, 0, FOREVER)));
        return abi.encodeCall(FrostAccount.execute, (calls, nonce, 0, FOREVER, signature));
    }

    function testScheduleAndExecute() external {
        bytes memory data = slashData(newId());
        bytes memory first =
            signedBatch(address(manager), abi.encodeCall(AccessManager.schedule, (address(gate), data, 0)));
        uint256 scheduling = transaction(address(account), first);
        skip(SLASH_DELAY);
        bytes memory second =
            signedBatch(address(manager), abi.encodeCall(AccessManager.execute, (address(gate), data)));
        uint256 executing = transaction(address(account), second);
        emit log_named_uint("transaction: schedule a slash", scheduling);
        emit log_named_uint("transaction: execute it", executing);
        emit log_named_uint("both", scheduling + executing);
    }

    /// @dev A Safe 1.5.0 with the same key as its one owner, before a timelock of the same delay that is the slasher; no
    /// limits, no roles, no evidence kept.
    function testSafeWithTheSameDelay() external {
        owner = newOwner(D);
        ISafe safe = newSafe(SAFE_1_5_0);
        address[] memory anyone = new address[](1);
        TimelockController queue = new TimelockController(SLASH_DELAY, addresses(address(safe)), anyone, address(0));
        vm.prank(AVS);
        sim.updateSlasher(set(), address(queue));
        vm.roll(block.number + CONFIGURATION);

        bytes memory slash = abi.encodeCall(sim.slashOperator, (AVS, params()));
        bytes memory call = abi.encodeCall(queue.schedule, (address(sim), 0, slash, 0, 0, SLASH_DELAY));
        bytes memory signature = nested(address(owner), safe.domainSeparator(), structHash(address(queue), call, 0));
        bytes memory data = abi.encodeCall(
            ISafe.execTransaction,
            (address(queue), 0, call, 0, 0, 0, 0, address(0), payable(address(0)), safeSignature(signature))
        );
        vm.cool(address(safe));
        vm.cool(address(queue));
        vm.cool(address(owner));
        uint256 scheduling = transaction(address(safe), data);
        skip(SLASH_DELAY);
        vm.cool(address(queue));
        data = abi.encodeCall(queue.execute, (address(sim), 0, slash, 0, 0));
        uint256 executing = transaction(address(queue), data);
        emit log_named_uint("Safe and timelock, transaction: schedule", scheduling);
        emit log_named_uint("Safe and timelock, transaction: execute", executing);
        emit log_named_uint("Safe and timelock, both", scheduling + executing);
    }

    function testPayment() external {
        vm.prank(address(timelock));
        manager.grantRole(2, address(this), 0);
        bytes memory data = payData(newId(), 1e18);
        vm.cool(address(treasury));
        vm.cool(address(token1));
        emit log_named_uint("Treasury.pay, a payee's first", transaction(address(treasury), data));
    }

    function creation(bytes memory code) private returns (uint256 used, address where) {
        uint256 before = gasleft();
        assembly {
            where := create(0, add(code, 0x20), mload(code))
        }
        used = before - gasleft();
        check(where != address(0), "created");
        used += intrinsic(code);
    }

    function testDeployment() external {
        (uint256 used, address where) = creation(type(FrostVerifier).creationCode);
        emit log_named_uint("deploy FrostVerifier", used);
        (uint256 px, uint256 py) = publicKey(D);
        bytes memory key = abi.encode(where, px, py);
        (used,) = creation(abi.encodePacked(type(FrostAccount).creationCode, key));
        emit log_named_uint("deploy FrostAccount", used);
        (used,) = creation(abi.encodePacked(type(FrostOwner).creationCode, key));
        emit log_named_uint("deploy FrostOwner", used);
        (used,) = creation(type(GuardFactory).creationCode);
        emit log_named_uint("deploy GuardFactory", used);
        uint256 before = gasleft();
        deployAuthority(members(), delays());
        used = before - gasleft();
        emit log_named_uint("deploy Authority with two sets and two payees, without calldata", used);
        check(used < 16_000_000, "does not fit into a transaction (EIP-7825: 16,777,216 gas)");
    }

    /// @dev EIP-3860 counts arguments as well: what is left is for operator sets (256 bytes) and payees (160).
    function testCodeFitsIntoATransaction() external pure {
        check(type(Authority).creationCode.length <= 40_000, "9,152 bytes for arguments");
        check(type(GuardFactory).creationCode.length <= 24_576, "factory");
    }
}

/// @dev The first slash is in a transaction before, as in life: a slot that is written twice in one costs less.
contract GasLaterSlashTest is GasSetup {
    uint256 private constant MAX_LATER_GAS = 60_000;

    function setUp() external {
        buildGas();
        allowSlashing();
        manager.execute(address(gate), abi.encodeCall(SlashGate.slash, (bytes32("q"), bytes32("d"), AVS, params())));
        skip(1 days);
    }

    function testGateBeyondTheBareSlash() external {
        uint256 later = beyondTheBareSlash();
        emit log_named_uint("SlashGate.slash beyond slashOperator, later ones", later);
        check(later <= MAX_LATER_GAS, "the gate adds more than 60,000 gas");
    }
}
