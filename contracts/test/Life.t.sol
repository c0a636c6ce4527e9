// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {FrostAccount} from "../src/FrostAccount.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
import {IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {Treasury} from "../src/Treasury.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";
import {Signer} from "./Signer.sol";

/// @dev The whole life with group keys: every act is a batch that a group has signed and a stranger brings.
abstract contract LifeTests is AuthoritySetup, Signer {
    uint64 private constant FOREVER = type(uint64).max;
    uint256 private constant SLASH_KEY = 0x51;
    uint256 private constant NEW_SLASH_KEY = 0x52;
    uint256 private constant TREASURY_KEY = 0x72;
    uint256 private constant GOVERNANCE_KEY = 0x60;
    uint256 private constant VETO_KEY = 0xBE;

    FrostVerifier private verifier = new FrostVerifier();
    mapping(address account => uint256) private keys;
    uint256 private lastNonce;

    function newAccount(uint256 key) private returns (address account) {
        (uint256 px, uint256 py) = publicKey(key);
        account = address(new FrostAccount(address(verifier), bytes32(px), bytes32(py)));
        keys[account] = key;
    }

    function buildLife(uint32 resolution, SimModel model) internal {
        slashAccount = newAccount(SLASH_KEY);
        treasuryAccount = newAccount(TREASURY_KEY);
        governanceAccount = newAccount(GOVERNANCE_KEY);
        vetoer = newAccount(VETO_KEY);
        buildAuthority(resolution, model);
        redistribute();
    }

    /// @dev A set whose recipient is the treasury, with the gate as its slasher and the operator in it.
    function redistribute() private {
        uint32 id = REDISTRIBUTING_SET;
        if (sim.simModel() == SimModel.AppointeeUpToV1_8_1) {
            createSet(id, address(treasury));
        } else {
            CreateSetParamsV2[] memory v2 = new CreateSetParamsV2[](1);
            v2[0] = CreateSetParamsV2(id, both(), address(gate));
            vm.prank(AVS);
            sim.createRedistributingOperatorSets(AVS, v2, addresses(address(treasury)));
        }
        register(id);
        AllocateParams[] memory params = allocation(id, S1, 0.5e18);
        vm.prank(OPERATOR);
        sim.modifyAllocations(OPERATOR, params);
    }

    function batch(address target, bytes memory data) private pure returns (FrostAccount.Call[] memory calls) {
        calls = new FrostAccount.Call[](1);
        calls[0] = FrostAccount.Call(target, 0, data);
    }

    function signed(address account, FrostAccount.Call[] memory calls, uint256 nonce) private returns (bytes memory) {
        bytes32 digest = FrostAccount(payable(account)).hashExecute(calls, nonce, 0, FOREVER);
        return pack(sign(keys[account], 0xcafe + nonce, digest));
    }

    function act(address account, FrostAccount.Call[] memory calls) private {
        uint256 nonce = ++lastNonce;
        bytes memory signature = signed(account, calls, nonce);
        vm.prank(STRANGER);
        FrostAccount(payable(account)).execute(calls, nonce, 0, FOREVER, signature);
    }

    function expectActRefused(address account, FrostAccount.Call[] memory calls, bytes memory reason) private {
        uint256 nonce = ++lastNonce;
        bytes memory signature = signed(account, calls, nonce);
        vm.expectRevert(reason);
        FrostAccount(payable(account)).execute(calls, nonce, 0, FOREVER, signature);
    }

    function scheduling(address target, bytes memory data) private view returns (FrostAccount.Call[] memory) {
        return batch(address(manager), abi.encodeCall(AccessManager.schedule, (target, data, 0)));
    }

    function executing(address target, bytes memory data) private view returns (FrostAccount.Call[] memory) {
        return batch(address(manager), abi.encodeCall(AccessManager.execute, (target, data)));
    }

    function proposing(address target, bytes memory data) private view returns (FrostAccount.Call[] memory) {
        return batch(
            address(timelock), abi.encodeCall(timelock.schedule, (target, 0, data, 0, 0, uint256(TIMELOCK_DELAY)))
        );
    }

    function slashDataOf(bytes32 id) private pure returns (bytes memory) {
        SlashingParams memory params =
            SlashingParams(OPERATOR, REDISTRIBUTING_SET, one(S1), wads1(0.1e18), "evidence");
        return abi.encodeCall(SlashGate.slash, (id, keccak256(abi.encode(id)), AVS, params));
    }

    function notScheduled(address account, bytes memory data) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IAccessManager.AccessManagerNotScheduled.selector, manager.hashOperation(account, address(gate), data)
        );
    }

    function testFromOffenceToBeneficiary() external {
        // One slash is vetoed, its twin is not.
        bytes memory vetoed = slashDataOf(newId());
        bytes memory data = slashDataOf(newId());
        act(slashAccount, scheduling(address(gate), vetoed));
        act(slashAccount, scheduling(address(gate), data));
        skip(SLASH_DELAY - 1);
        act(vetoer, batch(address(manager), abi.encodeCall(AccessManager.cancel, (slashAccount, address(gate), vetoed))));
        skip(1);
        expectActRefused(slashAccount, executing(address(gate), vetoed), notScheduled(slashAccount, vetoed));
        act(slashAccount, executing(address(gate), data));
        OperatorSet memory redistributing = OperatorSet(AVS, REDISTRIBUTING_SET);
        checkEq(sim.getSlashCount(redistributing), 1, "slashed once");

        // The money comes after the core's delay, if it has one; anybody fetches it.
        vm.roll(block.number + RESOLUTION + 1);
        vm.prank(STRANGER);
        sim.clearBurnOrRedistributableShares(redistributing, 1);
        checkEq(token1.balanceOf(address(treasury)), DEPOSIT / 20, "redistributed");

        bytes memory pay = payData(newId(), 10e18);
        act(treasuryAccount, scheduling(address(treasury), pay));
        skip(TREASURY_DELAY);
        act(treasuryAccount, executing(address(treasury), pay));
        checkEq(token1.balanceOf(PAYEE), 10e18, "the beneficiary has it");
    }

    function testRotationToANewKeyKeepsTheSlasher() external {
        address next = newAccount(NEW_SLASH_KEY);
        bytes memory grant = grantData(1, next, SLASH_DELAY);
        bytes memory revoke = revokeData(1, slashAccount);
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](2);
        (calls[0], calls[1]) = (proposing(address(manager), grant)[0], proposing(address(manager), revoke)[0]);
        act(governanceAccount, calls);
        skip(TIMELOCK_DELAY);
        enact(address(manager), grant);
        enact(address(manager), revoke);

        bytes memory data = slashDataOf(newId());
        expectActRefused(
            slashAccount,
            scheduling(address(gate), data),
            abi.encodeWithSelector(
                IAccessManager.AccessManagerUnauthorizedCall.selector, slashAccount, address(gate), bytes4(data)
            )
        );
        act(next, scheduling(address(gate), data));
        skip(SLASH_DELAY);
        act(next, executing(address(gate), data));
        if (sim.simModel() == SimModel.SlasherFromV1_9) {
            checkEq(sim.getSlasher(OperatorSet(AVS, REDISTRIBUTING_SET)), address(gate), "same slasher");
        }
    }

    /// @dev The same keys under another deployment, and the same deployment on another chain: no signature carries over.
    function testSignaturesHoldForOneDeploymentOnOneChain() external {
        FrostAccount.Call[] memory calls = scheduling(address(gate), slashDataOf(newId()));
        bytes memory signature = signed(slashAccount, calls, 1);
        bytes memory invalid = abi.encodePacked(FrostAccount.InvalidSignature.selector);
        FrostAccount twin = FrostAccount(payable(newAccount(SLASH_KEY)));
        vm.expectRevert(invalid);
        twin.execute(calls, 1, 0, FOREVER, signature);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(invalid);
        FrostAccount(payable(slashAccount)).execute(calls, 1, 0, FOREVER, signature);
        vm.chainId(block.chainid - 1);
        FrostAccount(payable(slashAccount)).execute(calls, 1, 0, FOREVER, signature);
        vm.expectRevert(abi.encodeWithSelector(FrostAccount.NonceAlreadyUsed.selector, 1));
        FrostAccount(payable(slashAccount)).execute(calls, 1, 0, FOREVER, signature);
    }

    function testBatchWithOneBadCallDoesNothing() external {
        bytes memory good = slashDataOf(newId());
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](2);
        calls[0] = scheduling(address(gate), good)[0];
        calls[1] = executing(address(gate), good)[0];
        bytes32 id = manager.hashOperation(slashAccount, address(gate), good);
        expectActRefused(
            slashAccount, calls, abi.encodeWithSelector(IAccessManager.AccessManagerNotReady.selector, id)
        );
        checkEq(manager.getSchedule(id), 0, "not even scheduled");
    }
}

contract LifeAppointeeTest is LifeTests {
    function setUp() external {
        buildLife(0, SimModel.AppointeeUpToV1_8_1);
    }
}

contract LifeSlasherTest is LifeTests {
    function setUp() external {
        buildLife(0, SimModel.SlasherFromV1_9);
    }
}

contract LifeResolutionTest is LifeTests {
    function setUp() external {
        buildLife(RESOLUTION, SimModel.SlasherFromV1_9);
    }

    function testNoClearBeforeTheResolutionDelay() external {
        bytes memory data = slashData(newId());
        vm.prank(slashAccount);
        manager.schedule(address(gate), data, 0);
        skip(SLASH_DELAY);
        uint256 number = block.number;
        vm.prank(slashAccount);
        manager.execute(address(gate), data);
        vm.roll(number + RESOLUTION);
        vm.expectRevert(abi.encodePacked(SlashResolutionDelayNotElapsed.selector));
        sim.clearBurnOrRedistributableShares(set(), 1);
        vm.roll(number + RESOLUTION + 1);
        sim.clearBurnOrRedistributableShares(set(), 1);
    }
}
