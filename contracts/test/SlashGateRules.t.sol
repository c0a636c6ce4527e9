// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAllocationManager} from "../src/interfaces/IAllocationManager.sol";
import {IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {Guarded} from "../src/lib/Guarded.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {GateSetup} from "./GateSetup.sol";

/// @dev Stands before a core, returns nothing from slashOperator and counts no slashes, as cores before v1.5.
contract SilentCore {
    address private immutable CORE;

    constructor(address core) {
        CORE = core;
    }

    fallback() external {
        if (msg.sig == IAllocationManager.getSlashCount.selector) revert();
        (bool ok, bytes memory result) = CORE.call(msg.data);
        if (ok && msg.sig == IAllocationManager.slashOperator.selector) return;
        assembly {
            if ok { return(add(result, 0x20), mload(result)) }
            revert(add(result, 0x20), mload(result))
        }
    }
}

/// @dev Comes back to the gate while it is being called.
contract ReentrantCore {
    bytes public replay;
    bytes public answer;
    bool public succeeded;

    function arm(bytes calldata replay_) external {
        replay = replay_;
    }

    function getAllocation(address, OperatorSet memory, IStrategy) external pure returns (uint64, int128, uint32) {
        return (1e18, 0, 0);
    }

    function slashOperator(address, GateSetup.SlashingParams calldata) external returns (uint256, uint256[] memory s) {
        (succeeded, answer) = msg.sender.call(replay);
        s = new uint256[](1);
        s[0] = 1;
        return (1, s);
    }
}

/// @dev What the core's generation has no part in.
contract SlashGateRulesTest is GateSetup {
    function setUp() external {
        buildGate(RESOLUTION, SimModel.SlasherFromV1_9);
    }

    function testCoreThatReturnsNothing() external {
        build(0, SimModel.AppointeeUpToV1_8_1);
        register(SET);
        SilentCore silent = new SilentCore(address(sim));
        empower(address(silent));
        check(gate.CORE_RETURNS_SHARES(), "this one does");
        gate = new SlashGate(address(new AccessManager(address(this))), IAllocationManager(address(silent)));
        check(!gate.CORE_RETURNS_SHARES(), "and this one does not");
        gate.setLimits(newId(), AVS, SET, limits());
        uint256 before = shares(S1);
        checkEq(slashOne(OPERATOR, MAX_WAD), 0, "no number");
        checkEq(before - shares(S1), DEPOSIT / 20, "slashed");
        skip(COOL_DOWN);
        IStrategy empty = IStrategy(address(0x1000));
        vm.prank(AVS);
        sim.addStrategiesToOperatorSet(AVS, SET, one(empty));
        expectRefused(paramsOf(OPERATOR, one(empty), wads1(MIN_WAD)), reason0(SlashGate.NothingSlashed.selector));
        before = shares(S2);
        gate.slash(newId(), bytes32("partly"), AVS, paramsOf(OPERATOR, two(empty, S2), wads2(MIN_WAD, 0.05e18)));
        checkEq(before - shares(S2), DEPOSIT / 40, "what there is");
        skip(COOL_DOWN);
        deregister(SET);
        vm.roll(block.number + DEALLOCATION + 1);
        expectSlashRefused(OPERATOR, MIN_WAD, reason0(OperatorNotSlashable.selector));
    }

    function testReentrancyFindsTheEvidenceUsed() external {
        ReentrantCore core = new ReentrantCore();
        AccessManager manager = new AccessManager(address(this));
        gate = new SlashGate(address(manager), IAllocationManager(address(core)));
        gate.setLimits(newId(), AVS, SET, limits());
        manager.grantRole(0, address(core), 0);
        SlashingParams memory params = paramsOf(OPERATOR, one(S1), wads1(MIN_WAD));
        core.arm(abi.encodeCall(gate.slash, (bytes32("r"), bytes32("e"), AVS, params)));
        gate.slash(bytes32("r"), bytes32("e"), AVS, params);
        check(!core.succeeded(), "refused");
        bytes memory used = abi.encodeWithSelector(SlashGate.EvidenceAlreadyUsed.selector, bytes32("e"), bytes32("r"));
        checkEq(keccak256(core.answer()), keccak256(used), "why");
    }

    function testCoreWithoutCodeIsRefused() external {
        AccessManager manager = new AccessManager(address(this));
        vm.expectRevert(abi.encodeWithSelector(SlashGate.AllocationManagerWithoutCode.selector, STRANGER));
        new SlashGate(address(manager), IAllocationManager(STRANGER));
    }

    function testStrangersMayNothing() external {
        bytes32 id = newId();
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(gate.slash, (id, id, AVS, paramsOf(OPERATOR, one(S1), wads1(MIN_WAD))));
        calls[1] = abi.encodeCall(gate.setLimits, (id, AVS, SET, limits()));
        calls[2] = abi.encodeCall(gate.tightenLimits, (id, AVS, SET, limits()));
        calls[3] = abi.encodeCall(gate.unpin, (id, AVS, SET));
        calls[4] = abi.encodeCall(gate.pause, (id, uint64(clock + 1)));
        calls[5] = abi.encodeCall(gate.unpause, (id));
        bytes memory reason = abi.encodeWithSignature("AccessManagedUnauthorized(address)", STRANGER);
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(STRANGER);
            (bool ok, bytes memory answer) = address(gate).call(calls[i]);
            check(!ok && keccak256(answer) == keccak256(reason), "a stranger got through");
        }
    }

    // Limits

    function expectLimitsRefused(SlashGate.Limits memory l) private {
        bytes32 id = newId();
        vm.expectRevert(reason0(SlashGate.InvalidLimits.selector));
        gate.setLimits(id, AVS, SET, l);
    }

    function testInvalidLimitsAreRefused() external {
        expectLimitsRefused(SlashGate.Limits(0, MAX_WAD, OPERATOR_BUDGET, SET_BUDGET, WINDOW, COOL_DOWN));
        expectLimitsRefused(SlashGate.Limits(MAX_WAD + 1, MAX_WAD, OPERATOR_BUDGET, SET_BUDGET, WINDOW, COOL_DOWN));
        expectLimitsRefused(SlashGate.Limits(1, 1e18 + 1, 2e18, 2e18, WINDOW, COOL_DOWN));
        expectLimitsRefused(SlashGate.Limits(1, MAX_WAD, MAX_WAD - 1, SET_BUDGET, WINDOW, COOL_DOWN));
        expectLimitsRefused(SlashGate.Limits(1, MAX_WAD, OPERATOR_BUDGET, OPERATOR_BUDGET - 1, WINDOW, COOL_DOWN));
        expectLimitsRefused(SlashGate.Limits(1, MAX_WAD, OPERATOR_BUDGET, SET_BUDGET, 0, COOL_DOWN));
        gate.setLimits(newId(), AVS, SET, SlashGate.Limits(1e18, 1e18, 1e18, 1e18, 1, 0));
        checkEq(gate.limitsOf(AVS, SET).maxWad, 1e18, "the extreme is allowed");
    }

    function testNewLimitsHoldAtOnceAndUseCountsOn() external {
        slashOne(OPERATOR, MAX_WAD);
        skip(COOL_DOWN);
        SlashGate.Limits memory l = SlashGate.Limits(MIN_WAD, 0.05e18, 0.05e18, SET_BUDGET, WINDOW, COOL_DOWN);
        gate.tightenLimits(newId(), AVS, SET, l);
        checkEq(keccak256(abi.encode(gate.limitsOf(AVS, SET))), keccak256(abi.encode(l)), "read back");
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(SlashGate.OperatorBudgetExceeded.selector, 0));
        (l.maxWad, l.operatorBudget) = (0.3e18, 0.3e18);
        gate.setLimits(newId(), AVS, SET, l);
        slashOne(OPERATOR, 0.2e18);
        skip(COOL_DOWN);
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(SlashGate.OperatorBudgetExceeded.selector, 0));
    }

    function expectWidenRefused(SlashGate.Limits memory l) private {
        bytes32 id = newId();
        vm.expectRevert(reason0(SlashGate.LimitsWidened.selector));
        gate.tightenLimits(id, AVS, SET, l);
    }

    function testTighteningWidensNothing() external {
        SlashGate.Limits memory l = limits();
        l.minWad -= 1;
        expectWidenRefused(l);
        (l.minWad, l.maxWad) = (MIN_WAD, MAX_WAD + 1);
        expectWidenRefused(l);
        (l.maxWad, l.operatorBudget) = (MAX_WAD, OPERATOR_BUDGET + 1);
        expectWidenRefused(l);
        (l.operatorBudget, l.setBudget) = (OPERATOR_BUDGET, SET_BUDGET + 1);
        expectWidenRefused(l);
        (l.setBudget, l.window) = (SET_BUDGET, WINDOW - 1);
        expectWidenRefused(l);
        (l.window, l.coolDown) = (WINDOW, COOL_DOWN - 1);
        expectWidenRefused(l);
        gate.tightenLimits(newId(), AVS, SET, limits());
        l = SlashGate.Limits(MIN_WAD + 1, MAX_WAD - 1, OPERATOR_BUDGET - 1, SET_BUDGET - 1, WINDOW + 1, COOL_DOWN + 1);
        gate.tightenLimits(newId(), AVS, SET, l);
    }

    function testTighteningPinsNothing() external {
        bytes32 id = newId();
        vm.expectRevert(abi.encodeWithSelector(SlashGate.OperatorSetNotPinned.selector, AVS, SET + 1));
        gate.tightenLimits(id, AVS, SET + 1, limits());
    }

    function testUnpinnedSetKeepsItsUse() external {
        slashOne(OPERATOR, MAX_WAD);
        gate.unpin(newId(), AVS, SET);
        bytes memory notPinned = abi.encodeWithSelector(SlashGate.OperatorSetNotPinned.selector, AVS, SET);
        expectSlashRefused(OPERATOR, MIN_WAD, notPinned);
        bytes32 id = newId();
        vm.expectRevert(notPinned);
        gate.unpin(id, AVS, SET);
        gate.setLimits(newId(), AVS, SET, limits());
        (uint256 ofSet, uint256 ofOperator, uint256 end) = gate.usage(AVS, SET, OPERATOR);
        check(ofSet == MAX_WAD && ofOperator == MAX_WAD && end == clock + COOL_DOWN, "use survives");
    }

    function testRequestsOnlyOncePerFunction() external {
        bytes32 id = newId();
        bytes memory reason = abi.encodeWithSelector(Guarded.RequestAlreadyExecuted.selector, id);
        gate.setLimits(id, AVS, SET, limits());
        check(gate.executed(gate.setLimits.selector, id), "marked");
        check(!gate.executed(gate.tightenLimits.selector, id), "for this function alone");
        vm.expectRevert(reason);
        gate.setLimits(id, AVS, SET, limits());
        gate.tightenLimits(id, AVS, SET, limits());
        vm.expectRevert(reason);
        gate.tightenLimits(id, AVS, SET, limits());
        gate.unpin(id, AVS, SET);
        check(gate.executed(gate.unpin.selector, id), "marked");
        gate.setLimits(newId(), AVS, SET, limits());
        vm.expectRevert(reason);
        gate.unpin(id, AVS, SET);
    }

    /// @dev Whoever may pause uses up no request id: it is not scheduled, and all others are.
    function testPausesUseUpNoRequest() external {
        bytes32 id = newId();
        gate.pause(id, uint64(clock + 2));
        gate.unpause(id);
        gate.pause(id, uint64(clock + 3));
        gate.unpause(id);
        check(!gate.executed(gate.pause.selector, id) && !gate.executed(gate.unpause.selector, id), "not marked");
        gate.setLimits(id, AVS, SET, limits());
        gate.tightenLimits(id, AVS, SET, limits());
        gate.slash(id, id, AVS, paramsOf(OPERATOR, one(S1), wads1(MIN_WAD)));
        gate.unpin(id, AVS, SET);
    }

    // Windows that become shorter

    /// @dev What was used under the longer window counts on for one of the shorter, and not for less.
    function testShorterWindowForgetsNoUse() external {
        slashOne(OPERATOR, MAX_WAD);
        skip(WINDOW);
        slashOne(OPERATOR, MAX_WAD);
        skip(10 days);
        SlashGate.Limits memory l = limits();
        l.window = 1 days;
        gate.setLimits(newId(), AVS, SET, l);
        (uint256 ofSet, uint256 ofOperator,) = gate.usage(AVS, SET, OPERATOR);
        check(ofSet == OPERATOR_BUDGET && ofOperator == OPERATOR_BUDGET, "use survives");
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(SlashGate.OperatorBudgetExceeded.selector, 0));
        enrol(OPERATOR2);
        slashOne(OPERATOR2, MAX_WAD);
        enrol(address(0x0903));
        expectSlashRefused(address(0x0903), MIN_WAD, reason1(SlashGate.SetBudgetExceeded.selector, 0));
        skip(1 days - 1);
        (ofSet,,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(ofSet, SET_BUDGET, "to the last second");
        skip(1 days + 1);
        (ofSet,,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(ofSet, 0, "and no longer than two of the new window");
    }

    /// @dev The operator's buckets go over to the shorter window with its next slash.
    function testOperatorsUseIsCarriedIntoItsNextBucket() external {
        slashOne(OPERATOR, MAX_WAD);
        SlashGate.Limits memory l = limits();
        l.window = 2 days;
        gate.setLimits(newId(), AVS, SET, l);
        skip(10 days);
        slashOne(OPERATOR, MIN_WAD);
        (, uint256 ofOperator,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(ofOperator, uint256(MAX_WAD) + MIN_WAD, "both count");
        skip(4 days - 1);
        (, ofOperator,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(ofOperator, uint256(MAX_WAD) + MIN_WAD, "for two of the new windows");
        skip(1);
        (, ofOperator,) = gate.usage(AVS, SET, OPERATOR);
        checkEq(ofOperator, 0, "and no longer");
    }

    /// @dev Unpinning in between is no way round it.
    function testUnpinningBeforeAShorterWindowForgetsNoUse() external {
        slashOne(OPERATOR, MAX_WAD);
        gate.unpin(newId(), AVS, SET);
        skip(10 days);
        SlashGate.Limits memory l = limits();
        l.window = 1 days;
        gate.setLimits(newId(), AVS, SET, l);
        (uint256 ofSet, uint256 ofOperator,) = gate.usage(AVS, SET, OPERATOR);
        check(ofSet == MAX_WAD && ofOperator == MAX_WAD, "use survives");
        skip(60 days);
        slashOne(OPERATOR, MIN_WAD);
        l.window = WINDOW;
        gate.setLimits(newId(), AVS, SET, l);
        skip(WINDOW - 1);
        (ofSet, ofOperator,) = gate.usage(AVS, SET, OPERATOR);
        check(ofSet == MIN_WAD && ofOperator == MIN_WAD, "a longer window counts for longer");
    }

    // Pause

    function testPauseStopsSlashesAndEndsByItself() external {
        uint64 until = uint64(clock + 3 days);
        gate.pause(newId(), until);
        check(gate.paused(), "paused");
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(Guarded.EnforcedPause.selector, until));
        skip(3 days - 1);
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(Guarded.EnforcedPause.selector, until));
        skip(1);
        check(!gate.paused(), "over");
        slashOne(OPERATOR, MIN_WAD);
    }

    function expectPauseRefused(uint64 until, bytes memory reason) private {
        bytes32 id = newId();
        vm.expectRevert(reason);
        gate.pause(id, until);
    }

    function invalidEnd(uint64 until, uint256 latest) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Guarded.InvalidPauseEnd.selector, until, latest);
    }

    function testPauseIsBounded() external {
        uint64 latest = uint64(clock) + gate.MAX_PAUSE();
        expectPauseRefused(uint64(clock), invalidEnd(uint64(clock), latest));
        expectPauseRefused(latest + 1, invalidEnd(latest + 1, latest));
        expectPauseRefused(type(uint64).max, invalidEnd(type(uint64).max, latest));
        gate.pause(newId(), uint64(clock + 1 days));
        (uint64 since, uint64 until) = gate.pausedBetween();
        check(since == clock && until == clock + 1 days, "read back");
        skip(1 days - 1);
        expectPauseRefused(until, invalidEnd(until, latest));
        expectPauseRefused(latest + 1, invalidEnd(latest + 1, latest));
        gate.pause(newId(), until + 1);
        gate.pause(newId(), latest);
        (since, until) = gate.pausedBetween();
        check(since == clock - 1 days + 1 && until == latest, "prolonged to the bound");
    }

    function testPauseNeedsARestAfterwards() external {
        uint64 latest = uint64(clock) + gate.MAX_PAUSE();
        gate.pause(newId(), latest);
        skip(gate.MAX_PAUSE());
        bytes memory tooSoon = reason1(Guarded.PauseTooSoon.selector, latest + gate.PAUSE_REST());
        expectPauseRefused(uint64(clock + 1), tooSoon);
        skip(gate.PAUSE_REST() - 1);
        expectPauseRefused(uint64(clock + 2), tooSoon);
        slashOne(OPERATOR, MIN_WAD);
        skip(1);
        gate.pause(newId(), uint64(clock) + gate.MAX_PAUSE());
        check(gate.paused(), "again");
        (uint64 since,) = gate.pausedBetween();
        checkEq(since, clock, "from now on");
    }

    /// @dev One vetoer's early end takes no pause from the others: the days run from the first pause's beginning.
    function testPauseAgainAfterAnEarlyEnd() external {
        bytes32 id = newId();
        vm.expectRevert(reason0(Guarded.ExpectedPause.selector));
        gate.unpause(id);
        uint64 latest = uint64(clock) + gate.MAX_PAUSE();
        gate.pause(newId(), uint64(clock + 5 days));
        skip(1 days);
        gate.unpause(newId());
        slashOne(OPERATOR, MIN_WAD);
        vm.expectRevert(reason0(Guarded.ExpectedPause.selector));
        gate.unpause(id);
        gate.pause(newId(), uint64(clock + 1));
        expectSlashRefused(OPERATOR, MIN_WAD, reason1(Guarded.EnforcedPause.selector, clock + 1));
        skip(19 days);
        expectPauseRefused(latest + 1, invalidEnd(latest + 1, latest));
        gate.pause(newId(), latest);
        skip(1 days - 1);
        gate.unpause(newId());
        gate.pause(newId(), latest);
        skip(1);
        slashOne(OPERATOR, MIN_WAD);
        bytes memory tooSoon = reason1(Guarded.PauseTooSoon.selector, latest + gate.PAUSE_REST());
        expectPauseRefused(uint64(clock + 1), tooSoon);
    }

    // Storage, as it is documented

    function slot(bytes32 where) private view returns (uint256) {
        return uint256(vm.load(address(gate), where));
    }

    function testStorageLayout() external {
        gate.slash(bytes32("r"), bytes32("e"), AVS, paramsOf(OPERATOR, one(S1), wads1(MIN_WAD)));
        gate.pause(bytes32("p"), uint64(clock + 1 days));
        checkEq(address(uint160(slot(0))), gate.authority(), "authority");
        checkEq(uint40(slot(0) >> 168), clock, "pause's beginning");
        checkEq(uint40(slot(0) >> 208), clock + 1 days, "pause's end");
        bytes32 ofKind = keccak256(abi.encode(gate.setLimits.selector, 1));
        checkEq(slot(keccak256(abi.encode(bytes32(uint256(1)), ofKind))), 1, "executed");
        bytes32 key = bytes32(bytes20(AVS)) | bytes32(uint256(SET));
        bytes32 evidenceKey = keccak256(abi.encode(bytes32("e"), key, OPERATOR));
        checkEq(slot(keccak256(abi.encode(evidenceKey, 2))), uint256(bytes32("r")), "evidence");
        bytes32 first = keccak256(abi.encode(key, 3));
        uint256 packed = uint256(COOL_DOWN) << 224 | uint256(WINDOW) << 192 | uint256(OPERATOR_BUDGET) << 128
            | uint256(MAX_WAD) << 64 | MIN_WAD;
        checkEq(slot(first), packed, "limits");
        packed = uint256(MIN_WAD) << 184 | clock << 72 | SET_BUDGET;
        checkEq(slot(bytes32(uint256(first) + 1)), packed, "set's budget and use");
        packed = uint256(MIN_WAD) << 184 | uint256(WINDOW) << 80 | clock << 40 | clock;
        checkEq(slot(keccak256(abi.encode(OPERATOR, keccak256(abi.encode(key, 4))))), packed, "operator's use");
    }
}
