// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IEigenLayerEvents, IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SimSetup} from "./SimSetup.sol";

/// @dev Slashing and clearing in the simulation.
contract EigenLayerSimTest is SimSetup {
    constructor() {
        buildCurrent();
    }

    // slashOperator

    /// @dev One call that breaks every rule; each error must appear as soon as those before it are repaired.
    function testSlashErrorsInOrder() external {
        SlashingParams memory p = SlashingParams(OPERATOR, 99, two(S2, S1), wads1(1), "");
        sim.simPauseAllocationManager(1 << 1);
        expectSlashError(STRANGER, p, CurrentlyPaused.selector);
        sim.simPauseAllocationManager(~uint256(1 << 1));
        expectSlashError(STRANGER, p, InputArrayLengthMismatch.selector);
        p.wadsToSlash = wads2(1, 0);
        expectSlashError(STRANGER, p, InvalidOperatorSet.selector);
        p.operatorSetId = SET;
        expectSlashError(STRANGER, p, OperatorNotSlashable.selector);
        sim.simPauseAllocationManager(0);
        register(SET);
        expectSlashError(STRANGER, p, InvalidCaller.selector);
        expectSlashError(AVS, p, InvalidCaller.selector);
        expectSlashError(SLASHER, p, StrategiesMustBeInAscendingOrder.selector);
        p.strategies = two(S1, S1);
        expectSlashError(SLASHER, p, StrategiesMustBeInAscendingOrder.selector);
        p.strategies = two(S1, S3);
        expectSlashError(SLASHER, p, InvalidWadToSlash.selector);
        p.wadsToSlash = wads2(1, 1e18 + 1);
        expectSlashError(SLASHER, p, InvalidWadToSlash.selector);
        p.wadsToSlash = wads2(1, 1e18);
        expectSlashError(SLASHER, p, StrategyNotInOperatorSet.selector);
        p.strategies = both();
        vm.prank(SLASHER);
        (uint256 slashId,) = sim.slashOperator(AVS, p);
        checkEq(slashId, 1, "failed attempts take no slashId");
    }

    function expectSlashError(address caller, SlashingParams memory p, bytes4 selector) private {
        expectError(selector);
        vm.prank(caller);
        sim.slashOperator(AVS, p);
    }

    /// @dev A tenth of a half allocation: logged as a twentieth of all, which is what the shares lose.
    function testWadIsAShareOfTheAllocation() external {
        register(SET);
        vm.recordLogs();
        (uint256 slashId, uint256[] memory shares) = slash(both(), wads2(0.1e18, 1e18));
        checkEq(slashId, 1, "slashId");
        checkEq(shares[0], 50e18, "a twentieth");
        checkEq(shares[1], 500e18, "a half");
        (address operator, OperatorSet memory where, IStrategy[] memory strategies, uint256[] memory wads, string memory description)
        = abi.decode(
            lastLog(IEigenLayerEvents.OperatorSlashed.selector).data,
            (address, OperatorSet, IStrategy[], uint256[], string)
        );
        checkEq(operator, OPERATOR, "operator");
        check(where.avs == AVS && where.id == SET, "set");
        check(strategies.length == 2 && same(strategies[0], S1) && same(strategies[1], S2), "strategies");
        checkEq(wads[0], 0.05e18, "wad of all");
        checkEq(wads[1], 0.5e18, "wad of all");
        checkEq(keccak256(bytes(description)), keccak256("evidence"), "description");
        checkEq(sim.getMaxMagnitude(OPERATOR, S1), 0.95e18, "max magnitude");
        checkEq(sim.getAllocation(OPERATOR, set(), S1).currentMagnitude, 0.45e18, "allocation");
        checkEq(sim.getAllocation(OPERATOR, set(), S2).currentMagnitude, 0, "allocation gone");
        uint256[] memory left = sim.getOperatorShares(OPERATOR, both());
        check(left[0] == 950e18 && left[1] == 500e18, "shares left");
        checkEq(sim.operatorShares(OPERATOR, S1), 950e18, "the same by the other view");
        checkEq(token1.balanceOf(address(sim)), DEPOSIT, "a slash moves no tokens");
    }

    function testMagnitudeRoundsUpAndSharesRoundDown() external {
        register(SET);
        token1.mint(address(this), 7);
        token1.approve(address(sim), 7);
        sim.simDeposit(OPERATOR, S1, 7);
        (, uint256[] memory shares) = slash(one(S1), wads1(1));
        checkEq(sim.getMaxMagnitude(OPERATOR, S1), 1e18 - 1, "half a unit of magnitude becomes one");
        checkEq(shares[0], 1000, "10^-18 of all, rounded down");
        // A third leaves thirds behind on both sides.
        (, shares) = slash(one(S1), wads1(uint256(1e18) / 3));
        uint256 newMax = sim.getMaxMagnitude(OPERATOR, S1);
        uint256 before = DEPOSIT + 7 - 1000;
        uint256 lost = (uint256(0.5e18 - 1) * (uint256(1e18) / 3) + 1e18 - 1) / 1e18;
        checkEq(newMax, 1e18 - 1 - lost, "lost magnitude, rounded up");
        check(before * newMax % (1e18 - 1) != 0, "does not divide");
        uint256 left = (before * newMax + (1e18 - 2)) / (1e18 - 1);
        checkEq(shares[0], before - left, "what is left is rounded up");
    }

    function testSameSlashTwiceSlashesTwice() external {
        register(SET);
        (uint256 first,) = slash(one(S1), wads1(0.5e18));
        (uint256 second, uint256[] memory shares) = slash(one(S1), wads1(0.5e18));
        check(first == 1 && second == 2 && sim.getSlashCount(set()) == 2, "two slashes");
        checkEq(shares[0], 125e18, "half of what the first left");
    }

    function testUnallocatedStrategyIsSkippedInSilence() external {
        createSet(8, RECIPIENT);
        register(8);
        vm.recordLogs();
        SlashingParams memory p = SlashingParams(OPERATOR, 8, both(), wads2(1e18, 1e18), "");
        vm.prank(SLASHER);
        (uint256 slashId, uint256[] memory shares) = sim.slashOperator(AVS, p);
        check(slashId == 1 && shares.length == 2 && shares[0] == 0 && shares[1] == 0, "nothing, but a slashId");
        (,,, uint256[] memory wads,) = abi.decode(
            lastLog(IEigenLayerEvents.OperatorSlashed.selector).data,
            (address, OperatorSet, IStrategy[], uint256[], string)
        );
        check(wads[0] == 0 && wads[1] == 0, "logged as 0");
        checkEq(sim.getBurnOrRedistributableCount(OperatorSet(AVS, 8), 1), 0, "nothing to clear");
        checkEq(sim.getSlashCount(set()), 0, "counted per set");
    }

    function testDeregisteredOperatorHasASlashableTail() external {
        register(SET);
        deregister(SET);
        vm.roll(1_000 + DEALLOCATION);
        check(sim.isOperatorSlashable(OPERATOR, set()) && sim.isOperatorRedistributable(OPERATOR), "last block");
        slash(one(S1), wads1(1));
        vm.roll(1_000 + DEALLOCATION + 1);
        check(!sim.isOperatorSlashable(OPERATOR, set()) && !sim.isOperatorRedistributable(OPERATOR), "over");
        expectSlashError(SLASHER, SlashingParams(OPERATOR, SET, one(S1), wads1(1), ""), OperatorNotSlashable.selector);
    }

    function testAppointeeModel() external {
        build(0, SimModel.AppointeeUpToV1_8_1);
        SlashingParams memory p = SlashingParams(OPERATOR, 99, one(S1), wads2(1, 1), "");
        expectSlashError(SLASHER, p, InvalidPermissions.selector);
        vm.prank(AVS);
        sim.setAppointee(AVS, SLASHER, address(sim), sim.slashOperator.selector);
        expectSlashError(SLASHER, p, InputArrayLengthMismatch.selector);
        register(SET);
        (uint256 slashId,) = slash(one(S1), wads1(1e18));
        checkEq(slashId, 1, "the appointee slashes");
        check(isAbsent(abi.encodeCall(sim.getSlasher, (set()))), "getSlasher is absent");
        check(isAbsent(abi.encodeCall(sim.getPendingSlasher, (set()))), "getPendingSlasher is absent");
        check(isAbsent(abi.encodeCall(sim.updateSlasher, (set(), SLASHER))), "updateSlasher is absent");
        CreateSetParamsV2[] memory v2 = new CreateSetParamsV2[](0);
        check(isAbsent(abi.encodeWithSelector(0x3dff8e7d, AVS, v2)), "createOperatorSets V2 is absent");
        check(isAbsent(abi.encodeWithSelector(0xd1a83f54, AVS, v2, new address[](0))), "and the redistributing one");
    }

    function testAppointmentIsWorthNothingInTheSlasherModel() external {
        register(SET);
        vm.prank(AVS);
        sim.setAppointee(AVS, STRANGER, address(sim), sim.slashOperator.selector);
        check(sim.canCall(AVS, STRANGER, address(sim), sim.slashOperator.selector), "canCall says yes");
        expectSlashError(STRANGER, SlashingParams(OPERATOR, SET, one(S1), wads1(1), ""), InvalidCaller.selector);
    }

    // Clearing

    function testClearMovesTokensAfterTheResolutionDelay() external {
        register(SET);
        vm.recordLogs();
        slash(both(), wads2(1e18, 0.5e18));
        (OperatorSet memory where, uint256 id, uint32 resolution) = abi.decode(
            lastLog(IEigenLayerEvents.SlashResolutionBlockSet.selector).data, (OperatorSet, uint256, uint32)
        );
        check(where.id == SET && id == 1 && resolution == 1_000 + RESOLUTION, "resolution block");
        checkEq(sim.getSlashResolutionBlock(set(), 1), resolution, "and by the view");
        checkEq(sim.SLASH_RESOLUTION_DELAY_BLOCKS(), RESOLUTION, "delay");
        (IStrategy[] memory strategies, uint256[] memory shares) = sim.getBurnOrRedistributableShares(set(), 1);
        check(strategies.length == 2 && same(strategies[0], S1) && shares[0] == 500e18 && shares[1] == 250e18, "pending");
        check(sim.getPendingSlashIds(set())[0] == 1 && sim.getPendingOperatorSets()[0].id == SET, "listed");

        vm.roll(resolution);
        expectError(SlashResolutionDelayNotElapsed.selector);
        sim.clearBurnOrRedistributableShares(set(), 1);
        expectError(SlashResolutionDelayNotElapsed.selector);
        sim.clearBurnOrRedistributableSharesByStrategy(set(), 1, S1);
        vm.roll(resolution + 1);
        vm.prank(STRANGER);
        uint256[] memory amounts = sim.clearBurnOrRedistributableShares(set(), 1);
        check(amounts.length == 2 && amounts[0] == 500e18 && amounts[1] == 250e18, "amounts");
        check(token1.balanceOf(RECIPIENT) == 500e18 && token2.balanceOf(RECIPIENT) == 250e18, "moved");

        check(sim.clearBurnOrRedistributableShares(set(), 1).length == 0, "again: nothing");
        check(sim.clearBurnOrRedistributableShares(set(), 42).length == 0, "unknown slashId: nothing");
        check(sim.clearBurnOrRedistributableShares(OperatorSet(STRANGER, 1), 1).length == 0, "unknown set: nothing");
        check(sim.getPendingSlashIds(set()).length == 0 && sim.getPendingOperatorSets().length == 0, "not listed");
        checkEq(token1.balanceOf(RECIPIENT), 500e18, "moved once");
    }

    function testClearByStrategy() external {
        register(SET);
        slash(both(), wads2(1e18, 1e18));
        vm.roll(1_000 + RESOLUTION + 1);
        vm.recordLogs();
        checkEq(sim.clearBurnOrRedistributableSharesByStrategy(set(), 1, S2), 500e18, "one strategy");
        (,, IStrategy strategy, uint256 amount) = abi.decode(
            lastLog(IEigenLayerEvents.BurnOrRedistributableSharesDecreased.selector).data,
            (OperatorSet, uint256, IStrategy, uint256)
        );
        check(same(strategy, S2) && amount == 500e18, "logged");
        checkEq(sim.clearBurnOrRedistributableSharesByStrategy(set(), 1, S2), 0, "again: nothing");
        checkEq(sim.getBurnOrRedistributableShares(set(), 1, S1), 500e18, "the other waits");
        check(sim.getBurnOrRedistributableCount(set(), 1) == 1 && sim.getPendingSlashIds(set()).length == 1, "listed");
        checkEq(token1.balanceOf(RECIPIENT), 0, "and did not move");
    }

    function testPauseBitStopsBothClears() external {
        register(SET);
        slash(one(S1), wads1(1e18));
        vm.roll(2_000);
        sim.simPauseStrategyManager(1 << 1);
        expectError(CurrentlyPaused.selector);
        sim.clearBurnOrRedistributableShares(set(), 1);
        expectError(CurrentlyPaused.selector);
        sim.clearBurnOrRedistributableSharesByStrategy(set(), 1, S1);
        sim.simPauseStrategyManager(~uint256(1 << 1));
        checkEq(sim.clearBurnOrRedistributableShares(set(), 1)[0], 500e18, "other bits do not matter");
    }

    function testBeforeV1_13ClearsAtOnce() external {
        build(0, SimModel.SlasherFromV1_9);
        register(SET);
        slash(one(S1), wads1(1e18));
        sim.simPauseStrategyManager(type(uint256).max);
        checkEq(sim.clearBurnOrRedistributableShares(set(), 1)[0], 500e18, "same block, no pause bit");
        check(isAbsent(abi.encodeCall(sim.SLASH_RESOLUTION_DELAY_BLOCKS, ())), "no delay");
        check(isAbsent(abi.encodeCall(sim.getSlashResolutionBlock, (set(), 1))), "no resolution block");
    }

    function testSetWithoutRecipientBurns() external {
        createSet(8, address(0));
        check(!sim.isRedistributingOperatorSet(OperatorSet(AVS, 8)), "not redistributing");
        AllocateParams[] memory params = allocation(8, S1, 0.5e18);
        vm.prank(OPERATOR);
        sim.modifyAllocations(OPERATOR, params);
        register(8);
        check(!sim.isOperatorRedistributable(OPERATOR), "not redistributable");
        SlashingParams memory p = SlashingParams(OPERATOR, 8, one(S1), wads1(1e18), "");
        vm.prank(SLASHER);
        sim.slashOperator(AVS, p);
        vm.roll(2_000);
        sim.clearBurnOrRedistributableShares(OperatorSet(AVS, 8), 1);
        checkEq(token1.balanceOf(0x00000000000000000000000000000000000E16E4), 500e18, "at the burn address");
    }

    // Allocations

    function testDeallocatedStakeStaysSlashableForTheDelay() external {
        register(SET);
        allocate(S1, 0.1e18);
        Allocation memory a = sim.getAllocation(OPERATOR, set(), S1);
        check(a.currentMagnitude == 0.5e18 && a.pendingDiff == -0.4e18, "pending");
        checkEq(a.effectBlock, 1_000 + DEALLOCATION + 1, "effect block");
        vm.roll(1_000 + DEALLOCATION);
        slash(one(S1), wads1(0.5e18));
        a = sim.getAllocation(OPERATOR, set(), S1);
        check(a.currentMagnitude == 0.25e18 && a.pendingDiff == -0.2e18, "both halved");
        vm.roll(1_000 + DEALLOCATION + 1);
        a = sim.getAllocation(OPERATOR, set(), S1);
        check(a.currentMagnitude == 0.05e18 && a.pendingDiff == 0 && a.effectBlock == 0, "done");
        (, uint256[] memory shares) = slash(one(S1), wads1(1e18));
        check(shares[0] != 0 && sim.getMaxMagnitude(OPERATOR, S1) == 0.7e18, "only the rest is slashed");
        // All that is free can be allocated again: 0.7 in all, none of it allocated.
        allocate(S1, 0.7e18);
        checkEq(sim.getAllocation(OPERATOR, set(), S1).currentMagnitude, 0.7e18, "allocated");
    }

    function testDeallocationIsInstantWhileNotSlashable() external {
        allocate(S1, 0);
        checkEq(sim.getAllocation(OPERATOR, set(), S1).currentMagnitude, 0, "at once");
    }

    function testAllocationErrors() external {
        register(SET);
        vm.prank(OPERATOR);
        expectError(InsufficientMagnitude.selector);
        sim.modifyAllocations(OPERATOR, allocation(SET, S1, 1e18 + 1));
        vm.prank(OPERATOR);
        expectError(SameMagnitude.selector);
        sim.modifyAllocations(OPERATOR, allocation(SET, S1, 0.5e18));
        vm.prank(OPERATOR);
        expectError(InvalidOperatorSet.selector);
        sim.modifyAllocations(OPERATOR, allocation(99, S1, 1));
        vm.prank(STRANGER);
        expectError(InvalidPermissions.selector);
        sim.modifyAllocations(OPERATOR, allocation(SET, S1, 1));
        vm.prank(STRANGER);
        expectError(UninitializedAllocationDelay.selector);
        sim.modifyAllocations(STRANGER, allocation(SET, S1, 1));
        allocate(S1, 0);
        vm.prank(OPERATOR);
        expectError(ModificationAlreadyPending.selector);
        sim.modifyAllocations(OPERATOR, allocation(SET, S1, 1));
        sim.simPauseAllocationManager(1);
        vm.prank(OPERATOR);
        expectError(CurrentlyPaused.selector);
        sim.modifyAllocations(OPERATOR, allocation(SET, S2, 1));
    }

    function testAllocationWaitsForTheOperatorsDelay() external {
        address slow = address(0x510);
        vm.prank(slow);
        sim.registerAsOperator(address(0), 20, "");
        vm.prank(slow);
        sim.modifyAllocations(slow, allocation(SET, S1, 1e18));
        vm.roll(1_019);
        checkEq(sim.getAllocation(slow, set(), S1).currentMagnitude, 0, "not yet");
        vm.roll(1_020);
        checkEq(sim.getAllocation(slow, set(), S1).currentMagnitude, 1e18, "now");
    }
}
