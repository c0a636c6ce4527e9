// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAllocationManager} from "../src/interfaces/IAllocationManager.sol";
import {IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {TestToken} from "../src/sim/TestToken.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {SimSetup} from "./SimSetup.sol";

/// @dev A clock of its own: within one transaction the compiler may take block.timestamp for a constant.
abstract contract Clock is SimSetup {
    uint256 internal clock = 1_700_000_000;

    function startClock() internal {
        vm.warp(clock);
    }

    function skip(uint256 seconds_) internal {
        clock += seconds_;
        vm.warp(clock);
    }
}

/// @dev A gate whose authority obeys this contract at once, so that only the gate's own rules are in the way.
abstract contract GateSetup is Clock {
    uint64 internal constant MIN_WAD = 0.01e18;
    uint64 internal constant MAX_WAD = 0.1e18;
    uint64 internal constant OPERATOR_BUDGET = 0.2e18;
    uint72 internal constant SET_BUDGET = 0.3e18;
    uint32 internal constant WINDOW = 30 days;
    uint32 internal constant COOL_DOWN = 1 days;
    address internal constant OPERATOR2 = address(0x0902);

    SlashGate internal gate;
    uint256 private _lastId;

    function buildGate(uint32 resolution, SimModel model) internal {
        build(resolution, model);
        startClock();
        register(SET);
        gate = new SlashGate(address(new AccessManager(address(this))), IAllocationManager(address(sim)));
        gate.setLimits(newId(), AVS, SET, limits());
        empower(address(gate));
    }

    /// @dev Makes `who` the one that may slash, in the way of the core's generation.
    function empower(address who) internal {
        if (sim.simModel() == SimModel.AppointeeUpToV1_8_1) {
            vm.prank(AVS);
            sim.setAppointee(AVS, who, address(sim), sim.slashOperator.selector);
        } else {
            vm.prank(AVS);
            sim.updateSlasher(set(), who);
            vm.roll(1_000 + CONFIGURATION);
        }
    }

    function limits() internal pure returns (SlashGate.Limits memory) {
        return SlashGate.Limits(MIN_WAD, MAX_WAD, OPERATOR_BUDGET, SET_BUDGET, WINDOW, COOL_DOWN);
    }

    /// @dev Another operator like the first, with everything allocated.
    function enrol(address operator) internal {
        token1.mint(address(this), DEPOSIT);
        token1.approve(address(sim), DEPOSIT);
        sim.simDeposit(operator, S1, DEPOSIT);
        AllocateParams[] memory params = allocation(SET, S1, 1e18);
        vm.prank(operator);
        sim.registerAsOperator(address(0), 0, "");
        vm.prank(operator);
        sim.modifyAllocations(operator, params);
        vm.prank(operator);
        sim.registerForOperatorSets(operator, RegisterParams(AVS, ids(SET), ""));
    }

    function newId() internal returns (bytes32) {
        return bytes32(++_lastId);
    }

    function paramsOf(address operator, IStrategy[] memory strategies, uint256[] memory wads)
        internal
        pure
        returns (SlashingParams memory)
    {
        return SlashingParams(operator, SET, strategies, wads, "evidence");
    }

    /// @dev Slashes the first strategy of an operator, on fresh evidence.
    function slashOne(address operator, uint256 wad) internal returns (uint256) {
        bytes32 id = newId();
        return gate.slash(id, keccak256(abi.encode(id)), AVS, paramsOf(operator, one(S1), wads1(wad)));
    }

    function expectSlashRefused(address operator, uint256 wad, bytes memory reason) internal {
        bytes32 id = newId();
        SlashingParams memory params = paramsOf(operator, one(S1), wads1(wad));
        vm.expectRevert(reason);
        gate.slash(id, keccak256(abi.encode(id)), AVS, params);
    }

    function expectRefused(SlashingParams memory params, bytes memory reason) internal {
        bytes32 id = newId();
        vm.expectRevert(reason);
        gate.slash(id, keccak256(abi.encode(id)), AVS, params);
    }

    function reason0(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodePacked(selector);
    }

    function reason1(bytes4 selector, uint256 argument) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, argument);
    }

    function shares(IStrategy strategy) internal view returns (uint256) {
        return sim.operatorShares(OPERATOR, strategy);
    }
}
