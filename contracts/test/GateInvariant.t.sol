// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";
import {TestBase} from "./Vm.sol";

/// @dev Acts at random, on two sets of two strategies each: schedules slashes with evidence from a small pool, executes,
/// vetoes, pauses and ends pauses, changes limits, waits. It keeps books of its own, in the simplest form, and remembers
/// the first rule that was broken.
contract GateHandler is AuthoritySetup {
    enum Status {
        Scheduled,
        Vetoed,
        Executed
    }

    struct Operation {
        bytes data;
        bytes32 evidence;
        address operator;
        uint32 set;
        uint256 heaviest;
        uint256 lightest;
        uint256 ready;
        Status status;
    }

    /// @dev `window` is the shortest that was in force since.
    struct Done {
        address operator;
        uint32 set;
        uint256 wad;
        uint256 time;
        uint256 window;
    }

    uint256 private constant MAX_PAUSE = 21 days;
    uint256 private constant REST = 7 days;

    string public broken;
    uint256 public slashes;
    uint256 public changes;
    Operation[] private operations;
    Done[] private done;
    mapping(bytes32 => bool) private evidenceUsed;
    mapping(uint32 set => SlashGate.Limits) private current;
    uint256 private pausedSince;
    uint256 private pausedUntil;
    address[3] private operators = [OPERATOR, address(0x0902), address(0x0903)];

    /// @dev GOVERNANCE without a delay: its delay is not what is tried here.
    constructor() {
        buildAuthority(RESOLUTION, SimModel.SlasherFromV1_9);
        CreateSetParamsV2[] memory v2 = new CreateSetParamsV2[](1);
        v2[0] = CreateSetParamsV2(REDISTRIBUTING_SET, both(), address(gate));
        vm.prank(AVS);
        sim.createRedistributingOperatorSets(AVS, v2, addresses(address(treasury)));
        register(REDISTRIBUTING_SET);
        AllocateParams[] memory params = allocation(REDISTRIBUTING_SET, S1, 0.5e18);
        vm.prank(OPERATOR);
        sim.modifyAllocations(OPERATOR, params);
        for (uint256 i = 1; i < 3; ++i) {
            enrol(operators[i]);
        }
        (current[SET], current[REDISTRIBUTING_SET]) = (limits(), limits());
        vm.prank(address(timelock));
        manager.grantRole(5, address(this), 0);
    }

    /// @dev Half of the first strategy for each set, and nothing of the second.
    function enrol(address operator) private {
        token1.mint(address(this), DEPOSIT);
        token1.approve(address(sim), DEPOSIT);
        sim.simDeposit(operator, S1, DEPOSIT);
        vm.prank(operator);
        sim.registerAsOperator(address(0), 0, "");
        for (uint32 id = SET; id <= REDISTRIBUTING_SET; ++id) {
            AllocateParams[] memory params = allocation(id, S1, 0.5e18);
            vm.prank(operator);
            sim.modifyAllocations(operator, params);
            vm.prank(operator);
            sim.registerForOperatorSets(operator, RegisterParams(AVS, ids(id), ""));
        }
    }

    function demand(bool ok, string memory rule) private {
        if (!ok && bytes(broken).length == 0) broken = rule;
    }

    function anySet(uint256 which) private pure returns (uint32) {
        return which % 2 == 0 ? SET : REDISTRIBUTING_SET;
    }

    /// @dev Wads go from a little below the floor to a little above the ceiling.
    function scheduleSlash(uint256 who, uint256 wad, uint256 other, uint256 evidence) external {
        wad = 0.005e18 + wad % 0.1e18;
        Operation storage o = operations.push();
        (o.operator, o.set, o.ready) = (operators[who % 3], anySet(who / 3), clock + SLASH_DELAY);
        o.evidence = keccak256(abi.encode(evidence % 24));
        (o.heaviest, o.lightest) = (wad, wad);
        SlashingParams memory params = SlashingParams(o.operator, o.set, one(S1), wads1(wad), "");
        if (other % 2 == 0) {
            other = 0.005e18 + other % 0.1e18;
            (params.strategies, params.wadsToSlash) = (both(), wads2(wad, other));
            (o.heaviest, o.lightest) = wad > other ? (wad, other) : (other, wad);
        }
        o.data = abi.encodeCall(SlashGate.slash, (newId(), o.evidence, AVS, params));
        schedule(slashAccount, address(gate), o.data);
    }

    function executeSlash(uint256 which) external {
        if (operations.length == 0) return;
        executeOne(operations[which % operations.length]);
    }

    /// @dev The most recent ones are the ones that can still be executed.
    function executeRecent(uint256 which) external {
        if (operations.length == 0) return;
        executeOne(recent(which));
    }

    function recent(uint256 which) private view returns (Operation storage) {
        uint256 last = operations.length < 6 ? operations.length : 6;
        return operations[operations.length - 1 - which % last];
    }

    function executeOne(Operation storage o) private {
        vm.prank(slashAccount);
        try manager.execute(address(gate), o.data) {
            book(o);
        } catch {}
    }

    function book(Operation storage o) private {
        SlashGate.Limits storage l = current[o.set];
        demand(o.status == Status.Scheduled, "executed after a veto, or twice");
        demand(clock >= o.ready, "executed before its delay was over");
        demand(clock >= pausedUntil, "executed in a pause");
        bytes32 key = keccak256(abi.encode(o.evidence, o.set, o.operator));
        demand(!evidenceUsed[key], "evidence used twice");
        demand(o.lightest >= l.minWad && o.heaviest <= l.maxWad, "wad out of limits");
        uint256 ofOperator = o.heaviest;
        uint256 ofSet = o.heaviest;
        for (uint256 i = 0; i < done.length; ++i) {
            Done storage d = done[i];
            if (d.set != o.set) continue;
            bool same_ = d.operator == o.operator;
            demand(!same_ || d.time + l.coolDown <= clock, "cool-down");
            if (d.time + d.window <= clock) continue;
            ofSet += d.wad;
            if (same_) ofOperator += d.wad;
        }
        demand(ofOperator <= l.operatorBudget, "operator's budget");
        demand(ofSet <= l.setBudget, "set's budget");
        (o.status, evidenceUsed[key]) = (Status.Executed, true);
        done.push(Done(o.operator, o.set, o.heaviest, clock, l.window));
        ++slashes;
        uint256 counted = sim.getSlashCount(OperatorSet(AVS, SET)) + sim.getSlashCount(OperatorSet(AVS, REDISTRIBUTING_SET));
        demand(counted == slashes, "the core counts otherwise");
    }

    function vetoSlash(uint256 which) external {
        if (operations.length == 0) return;
        Operation storage o = recent(which);
        vm.prank(vetoer);
        try manager.cancel(slashAccount, address(gate), o.data) {
            demand(o.status == Status.Scheduled, "vetoed what was over");
            o.status = Status.Vetoed;
        } catch {}
    }

    // Limits

    function someLimits(uint256 seed) private pure returns (SlashGate.Limits memory l) {
        l.minWad = uint64(0.005e18 + seed % 3 * 0.005e18);
        l.maxWad = uint64(0.05e18 + seed / 3 % 2 * 0.05e18);
        l.operatorBudget = uint64(0.1e18 + seed / 6 % 3 * 0.05e18);
        l.setBudget = uint72(0.2e18 + seed / 18 % 3 * 0.1e18);
        l.window = uint32(seed / 54 % 3 * 14 days + 2 days);
        l.coolDown = uint32(seed / 162 % 2 * 1 days);
    }

    function changeLimits(uint256 which, uint256 seed) external {
        SlashGate.Limits memory l = someLimits(seed);
        bytes32 id = newId();
        vm.prank(address(timelock));
        gate.setLimits(id, AVS, anySet(which), l);
        changed(anySet(which), l);
    }

    function tightenLimits(uint256 which, uint256 seed) external {
        SlashGate.Limits memory l = someLimits(seed);
        SlashGate.Limits memory before = current[anySet(which)];
        try gate.tightenLimits(newId(), AVS, anySet(which), l) {
            bool narrower = l.minWad >= before.minWad && l.maxWad <= before.maxWad && l.window >= before.window
                && l.operatorBudget <= before.operatorBudget && l.setBudget <= before.setBudget
                && l.coolDown >= before.coolDown;
            demand(narrower, "tightening widened");
            changed(anySet(which), l);
        } catch {}
    }

    function changed(uint32 id, SlashGate.Limits memory l) private {
        (current[id], changes) = (l, changes + 1);
        for (uint256 i = 0; i < done.length; ++i) {
            if (done[i].set == id && l.window < done[i].window) done[i].window = l.window;
        }
    }

    // Pauses

    function pauseGate(uint256 length) external {
        bytes32 id = newId();
        uint256 until = clock + length % 25 days;
        vm.prank(vetoer);
        try gate.pause(id, uint64(until)) {
            if (pausedSince == 0 || clock >= pausedSince + MAX_PAUSE + REST) pausedSince = clock;
            demand(until <= pausedSince + MAX_PAUSE, "a pause too long");
            demand(until > pausedUntil, "a pause became shorter");
            pausedUntil = until;
        } catch {
            bool free = pausedSince == 0 || clock >= pausedSince + MAX_PAUSE + REST || until <= pausedSince + MAX_PAUSE;
            demand(!free || until <= pausedUntil || until == clock || until > clock + MAX_PAUSE, "a pause refused");
        }
    }

    function unpauseGate() external {
        bytes32 id = newId();
        vm.prank(vetoSafe);
        try gate.unpause(id) {
            demand(clock < pausedUntil, "a pause ended that was none");
            pausedUntil = clock;
        } catch {
            demand(clock >= pausedUntil, "a pause that does not end");
        }
    }

    function waitSome(uint256 seconds_) external {
        uint256[4] memory most = [uint256(1 hours), 1 days, 4 days, 12 days];
        skip(seconds_ % most[seconds_ % 4]);
    }

    /// @dev The days pass, so that what was scheduled is ready.
    function waitForTheDelay() external {
        skip(SLASH_DELAY);
    }
}

contract GateInvariantTest is TestBase {
    GateHandler private handler;

    function setUp() external {
        handler = new GateHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariantNoRuleIsBroken() external view {
        check(bytes(handler.broken()).length == 0, handler.broken());
    }

    /// @dev The handler would prove nothing if its slashes never came through, in either set, with one strategy or two.
    function testHandlerReachesTheCore() external {
        for (uint256 i = 0; i < 3; ++i) {
            handler.scheduleSlash(i * 2, 0.05e18, 0.05e18 + i, i);
            handler.pauseGate(1 days);
            handler.unpauseGate();
            handler.waitForTheDelay();
            handler.executeRecent(0);
        }
        checkEq(handler.slashes(), 3, "slashed");
        handler.changeLimits(0, 0);
        handler.tightenLimits(0, 2);
        checkEq(handler.changes(), 2, "limits changed");
        check(bytes(handler.broken()).length == 0, handler.broken());
    }
}
