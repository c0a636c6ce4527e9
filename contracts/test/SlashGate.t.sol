// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IEigenLayerEvents, IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {GateSetup} from "./GateSetup.sol";
import {Vm} from "./Vm.sol";

/// @dev What the gate does on each of the core's generations.
abstract contract SlashGateTests is GateSetup {
    // The slash itself

    function testSlashTakesTheSharesAndSaysSo() external {
        uint256 before = shares(S1);
        vm.recordLogs();
        uint256 slashId = gate.slash(bytes32("r"), bytes32("e"), AVS, paramsOf(OPERATOR, both(), wads2(0.1e18, 0.05e18)));
        checkEq(slashId, 1, "the core's number");
        checkEq(before - shares(S1), DEPOSIT / 20, "a tenth of the half allocated");
        checkEq(gate.requestOf(bytes32("e"), AVS, SET, OPERATOR), bytes32("r"), "evidence used by the request");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory log = logs[logs.length - 1];
        checkEq(log.topics[0], keccak256("Slashed(bytes32,bytes32,address,address,uint32,uint256,uint256)"), "event");
        checkEq(log.topics[1], bytes32("r"), "request");
        checkEq(log.topics[2], bytes32("e"), "evidence");
        checkEq(address(uint160(uint256(log.topics[3]))), OPERATOR, "operator");
        (address avs, uint32 id, uint256 number, uint256 counted) =
            abi.decode(log.data, (address, uint32, uint256, uint256));
        check(avs == AVS && id == SET && number == 1, "set and number");
        checkEq(counted, 0.1e18, "the heaviest wad counts");
    }

    function testDescriptionOfTenKilobytesPasses() external {
        SlashingParams memory params = paramsOf(OPERATOR, one(S1), wads1(0.1e18));
        params.description = string(new bytes(10_240));
        vm.recordLogs();
        gate.slash(newId(), bytes32("e"), AVS, params);
        Vm.Log memory log = lastLog(IEigenLayerEvents.OperatorSlashed.selector);
        (,,,, string memory description) =
            abi.decode(log.data, (address, OperatorSet, IStrategy[], uint256[], string));
        checkEq(keccak256(bytes(description)), keccak256(new bytes(10_240)), "unchanged in the core");
    }

    // Wads: at the limit, one below, one above

    function testFloorAndCeiling() external {
        expectSlashRefused(OPERATOR, MIN_WAD - 1, outOfLimits(0, MIN_WAD - 1));
        expectSlashRefused(OPERATOR, MAX_WAD + 1, outOfLimits(0, MAX_WAD + 1));
        expectSlashRefused(OPERATOR, 0, outOfLimits(0, 0));
        expectSlashRefused(OPERATOR, type(uint256).max, outOfLimits(0, type(uint256).max));
        slashOne(OPERATOR, MIN_WAD);
        skip(COOL_DOWN);
        slashOne(OPERATOR, MAX_WAD);
    }

    function testEveryWadIsHeldToTheLimits() external {
        expectRefused(paramsOf(OPERATOR, both(), wads2(0.05e18, MAX_WAD + 1)), outOfLimits(1, MAX_WAD + 1));
        expectRefused(paramsOf(OPERATOR, both(), wads2(0.05e18, MIN_WAD - 1)), outOfLimits(1, MIN_WAD - 1));
    }

    function outOfLimits(uint256 index, uint256 wad) private pure returns (bytes memory) {
        return abi.encodeWithSelector(SlashGate.WadOutOfLimits.selector, index, wad);
    }

    // Budgets

    function testOperatorBudgetAtTheLimitOneBelowAndOneAbove() external {
        slashOne(OPERATOR, MAX_WAD);
        skip(COOL_DOWN);
        slashOne(OPERATOR, MAX_WAD - MIN_WAD);
        skip(COOL_DOWN);
        expectSlashRefused(OPERATOR, MIN_WAD + 1, reason1(SlashGate.OperatorBudgetExceeded.selector, MIN_WAD));
        slashOne(OPERATOR, MIN_WAD);
        skip(COOL_DOWN);
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(SlashGate.OperatorBudgetExceeded.selector, 0));
        (, uint256 used,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(used, OPERATOR_BUDGET, "all used");
    }

    function testHeaviestWadCountsWhateverItsPlace() external {
        gate.slash(newId(), bytes32("1"), AVS, paramsOf(OPERATOR, both(), wads2(0.02e18, 0.07e18)));
        (uint256 ofSet, uint256 ofOperator,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(ofSet, 0.07e18, "set");
        checkEq(ofOperator, 0.07e18, "operator");
    }

    function testSetBudgetCountsAllOperators() external {
        enrol(OPERATOR2);
        slashOne(OPERATOR, MAX_WAD);
        slashOne(OPERATOR2, MAX_WAD);
        skip(COOL_DOWN);
        slashOne(OPERATOR, MAX_WAD - MIN_WAD);
        expectSlashRefused(OPERATOR2, MIN_WAD + 1, reason1(SlashGate.SetBudgetExceeded.selector, MIN_WAD));
        slashOne(OPERATOR2, MIN_WAD);
        skip(COOL_DOWN);
        expectSlashRefused(OPERATOR2, MIN_WAD, reason1(SlashGate.SetBudgetExceeded.selector, 0));
    }

    /// @dev Two slashes at the end of a bucket still count in all of the next one, and not a second longer.
    function testWindowsEdge() external {
        slashOne(OPERATOR, MAX_WAD);
        skip(WINDOW - 1);
        slashOne(OPERATOR, MAX_WAD);
        skip(WINDOW);
        expectSlashRefused(OPERATOR, MAX_WAD + 0, reason1(SlashGate.OperatorBudgetExceeded.selector, 0));
        skip(1);
        slashOne(OPERATOR, MAX_WAD);
    }

    function testFirstBucketMovesOverAtItsEdge() external {
        slashOne(OPERATOR, MAX_WAD);
        skip(WINDOW);
        slashOne(OPERATOR, MAX_WAD);
        (, uint256 used,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(used, 2 * uint256(MAX_WAD), "both buckets count");
        skip(WINDOW - 1);
        (, used,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(used, 2 * uint256(MAX_WAD), "to the last second");
        skip(1);
        (, used,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(used, MAX_WAD, "the older one is out");
        skip(WINDOW);
        (, used,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(used, 0, "and the younger");
    }

    function testCoolDown() external {
        enrol(OPERATOR2);
        slashOne(OPERATOR, MIN_WAD);
        uint256 end = clock + COOL_DOWN;
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(SlashGate.CoolingDown.selector, end));
        slashOne(OPERATOR2, MIN_WAD);
        skip(COOL_DOWN - 1);
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(SlashGate.CoolingDown.selector, end));
        skip(1);
        slashOne(OPERATOR, MIN_WAD);
        (,, uint256 until) = gate.usage(AVS, SET, OPERATOR);
        checkEq(until, clock + COOL_DOWN, "begins again");
    }

    // Evidence

    function testEvidenceOnlyOnce() external {
        SlashingParams memory params = paramsOf(OPERATOR, one(S1), wads1(MIN_WAD));
        gate.slash(bytes32("a"), bytes32("e"), AVS, params);
        skip(10 * WINDOW);
        bytes memory used = abi.encodeWithSelector(SlashGate.EvidenceAlreadyUsed.selector, bytes32("e"), bytes32("a"));
        vm.expectRevert(used);
        gate.slash(bytes32("a"), bytes32("e"), AVS, params);
        vm.expectRevert(used);
        gate.slash(bytes32("b"), bytes32("e"), AVS, params);
        checkEq(sim.getSlashCount(set()), 1, "slashed once");
    }

    /// @dev One offence of two operators slashes each of them once; an operator's slash uses up nobody else's evidence.
    function testEvidenceOncePerOperator() external {
        enrol(OPERATOR2);
        SlashingParams memory params = paramsOf(OPERATOR2, one(S1), wads1(MIN_WAD));
        gate.slash(bytes32("a"), bytes32("e"), AVS, params);
        checkEq(gate.requestOf(bytes32("e"), AVS, SET, OPERATOR), 0, "unused against the other");
        gate.slash(bytes32("a"), bytes32("e"), AVS, paramsOf(OPERATOR, one(S1), wads1(MIN_WAD)));
        skip(COOL_DOWN);
        vm.expectRevert(abi.encodeWithSelector(SlashGate.EvidenceAlreadyUsed.selector, bytes32("e"), bytes32("a")));
        gate.slash(bytes32("b"), bytes32("e"), AVS, params);
    }

    /// @dev A set is known by the service as well: the same number under another service has evidence of its own.
    function testEvidenceOncePerSet() external {
        gate.slash(bytes32("a"), bytes32("e"), AVS, paramsOf(OPERATOR, one(S1), wads1(MIN_WAD)));
        checkEq(gate.requestOf(bytes32("e"), AVS, SET + 1, OPERATOR), 0, "another set");
        checkEq(gate.requestOf(bytes32("e"), STRANGER, SET, OPERATOR), 0, "another service");
        checkEq(gate.requestOf(bytes32("f"), AVS, SET, OPERATOR), 0, "another evidence");
    }

    function testZeroRequestIdIsRefused() external {
        SlashingParams memory params = paramsOf(OPERATOR, one(S1), wads1(MIN_WAD));
        vm.expectRevert(reason0(SlashGate.ZeroRequestId.selector));
        gate.slash(0, bytes32("e"), AVS, params);
    }

    function testAFailedSlashUsesNothing() external {
        sim.simPauseAllocationManager(2);
        SlashingParams memory params = paramsOf(OPERATOR, one(S1), wads1(MIN_WAD));
        vm.expectRevert(reason0(CurrentlyPaused.selector));
        gate.slash(bytes32("a"), bytes32("e"), AVS, params);
        sim.simPauseAllocationManager(0);
        (uint256 ofSet, uint256 ofOperator, uint256 end) = gate.usage(AVS, SET, OPERATOR);
        check(ofSet == 0 && ofOperator == 0 && end == 0, "no budget used");
        gate.slash(bytes32("a"), bytes32("e"), AVS, params);
    }

    // Slashes that would take nothing

    function testStrategyWithoutAllocationIsRefused() external {
        vm.prank(AVS);
        sim.addStrategiesToOperatorSet(AVS, SET, one(S3));
        expectRefused(paramsOf(OPERATOR, one(S3), wads1(MIN_WAD)), reason0(SlashGate.NothingSlashed.selector));
        slashOne(OPERATOR, MIN_WAD);
    }

    /// @dev An operator does not escape by taking its allocation out of one of the strategies.
    function testEmptyStrategyProtectsNoOther() external {
        vm.prank(AVS);
        sim.addStrategiesToOperatorSet(AVS, SET, one(S3));
        uint256 before = shares(S1);
        gate.slash(newId(), bytes32("e"), AVS, paramsOf(OPERATOR, two(S1, S3), wads2(MAX_WAD, MAX_WAD)));
        checkEq(before - shares(S1), DEPOSIT / 20, "the other is slashed");
        skip(COOL_DOWN);
        allocate(S2, 0);
        vm.roll(block.number + DEALLOCATION + 1);
        before = shares(S1);
        gate.slash(newId(), bytes32("f"), AVS, paramsOf(OPERATOR, both(), wads2(MIN_WAD, MIN_WAD)));
        check(shares(S1) < before, "after a deallocation too");
    }

    function testAllocationWithoutStakeIsRefused() external {
        vm.prank(AVS);
        sim.addStrategiesToOperatorSet(AVS, SET, one(S3));
        allocate(S3, 1e18);
        expectRefused(paramsOf(OPERATOR, one(S3), wads1(MIN_WAD)), reason0(SlashGate.NothingSlashed.selector));
        gate.slash(newId(), bytes32("e"), AVS, paramsOf(OPERATOR, two(S1, S3), wads2(MIN_WAD, MIN_WAD)));
    }

    function testNoStrategyIsRefused() external {
        bytes memory invalid = reason0(SlashGate.InvalidStrategies.selector);
        expectRefused(paramsOf(OPERATOR, new IStrategy[](0), new uint256[](0)), invalid);
        expectRefused(paramsOf(OPERATOR, both(), wads1(MIN_WAD)), invalid);
        expectRefused(paramsOf(OPERATOR, one(S1), wads2(MIN_WAD, MIN_WAD)), invalid);
    }

    // What the core refuses is passed on as it is

    function testCoresRefusalsArePassedOn() external {
        expectRefused(
            paramsOf(OPERATOR, two(S2, S1), wads2(MIN_WAD, MIN_WAD)),
            reason0(StrategiesMustBeInAscendingOrder.selector)
        );
        expectRefused(
            paramsOf(OPERATOR, two(S1, S1), wads2(MIN_WAD, MIN_WAD)),
            reason0(StrategiesMustBeInAscendingOrder.selector)
        );
        vm.prank(AVS);
        sim.removeStrategiesFromOperatorSet(AVS, SET, one(S2));
        expectRefused(
            paramsOf(OPERATOR, two(S1, S2), wads2(MIN_WAD, MIN_WAD)), reason0(StrategyNotInOperatorSet.selector)
        );
    }

    function testDeregisteredOperatorUntilItsLastBlock() external {
        uint256 number = block.number;
        deregister(SET);
        vm.roll(number + DEALLOCATION);
        slashOne(OPERATOR, MIN_WAD);
        skip(COOL_DOWN);
        vm.roll(number + DEALLOCATION + 1);
        expectSlashRefused(OPERATOR, MIN_WAD, reason0(OperatorNotSlashable.selector));
    }

    function testSlasherTakenAwayByTheService() external {
        bytes4 reason = InvalidCaller.selector;
        if (sim.simModel() == SimModel.AppointeeUpToV1_8_1) {
            reason = InvalidPermissions.selector;
            vm.prank(AVS);
            sim.removeAppointee(AVS, address(gate), address(sim), sim.slashOperator.selector);
        } else {
            uint256 number = block.number;
            vm.prank(AVS);
            sim.updateSlasher(set(), STRANGER);
            vm.roll(number + CONFIGURATION - 1);
            slashOne(OPERATOR, MIN_WAD);
            skip(COOL_DOWN);
            vm.roll(number + CONFIGURATION);
        }
        expectSlashRefused(OPERATOR, MIN_WAD, reason0(reason));
    }

    /// @dev The same set number of another service, another set of the service: neither is pinned.
    function testOnlyPinnedSets() external {
        SlashingParams memory params = paramsOf(OPERATOR, one(S1), wads1(MIN_WAD));
        vm.expectRevert(abi.encodeWithSelector(SlashGate.OperatorSetNotPinned.selector, STRANGER, SET));
        gate.slash(newId(), bytes32("e"), STRANGER, params);
        params.operatorSetId = SET + 1;
        vm.expectRevert(abi.encodeWithSelector(SlashGate.OperatorSetNotPinned.selector, AVS, SET + 1));
        gate.slash(newId(), bytes32("e"), AVS, params);
    }

    // Fuzz

    /// @dev Whatever the waits and wads: no stretch of one window sees more than the budget.
    function testFuzzNoWindowSeesMoreThanTheBudget(uint32[12] calldata waits, uint64[12] calldata wads) external {
        uint256[12] memory times;
        uint256[12] memory done;
        for (uint256 i = 0; i < 12; ++i) {
            skip(waits[i] % (WINDOW / 2));
            bytes32 id = newId();
            SlashingParams memory params =
                paramsOf(OPERATOR, one(S1), wads1(MIN_WAD + uint256(wads[i]) % (MAX_WAD - MIN_WAD + 1)));
            try gate.slash(id, id, AVS, params) {
                (times[i], done[i]) = (clock, params.wadsToSlash[0]);
            } catch {}
            uint256 sum = 0;
            for (uint256 j = 0; j <= i; ++j) {
                if (times[j] + WINDOW > clock) sum += done[j];
            }
            check(sum <= OPERATOR_BUDGET, "budget passed within a window");
        }
    }
}

contract SlashGateAppointeeTest is SlashGateTests {
    function setUp() external {
        buildGate(0, SimModel.AppointeeUpToV1_8_1);
    }
}

contract SlashGateSlasherTest is SlashGateTests {
    function setUp() external {
        buildGate(0, SimModel.SlasherFromV1_9);
    }
}

contract SlashGateResolutionTest is SlashGateTests {
    function setUp() external {
        buildGate(RESOLUTION, SimModel.SlasherFromV1_9);
    }
}
