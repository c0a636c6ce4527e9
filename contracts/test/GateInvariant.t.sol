// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";
import {TestBase} from "./Vm.sol";

/// @dev Acts at random: schedules slashes with evidence from a small pool, executes, vetoes, pauses, waits. It keeps books
/// of its own, in the simplest form, and remembers the first rule that was broken.
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
        uint256 wad;
        uint256 ready;
        Status status;
    }

    struct Done {
        address operator;
        uint256 wad;
        uint256 time;
    }

    string public broken;
    uint256 public slashes;
    Operation[] private operations;
    Done[] private done;
    mapping(bytes32 => bool) private evidenceUsed;
    uint256 private pausedUntil;
    address[3] private operators = [OPERATOR, address(0x0902), address(0x0903)];

    constructor() {
        buildAuthority(RESOLUTION, SimModel.SlasherFromV1_9);
        for (uint256 i = 1; i < 3; ++i) {
            enrol(operators[i]);
        }
    }

    function enrol(address operator) private {
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

    function demand(bool ok, string memory rule) private {
        if (!ok && bytes(broken).length == 0) broken = rule;
    }

    /// @dev The wad goes from a little below the floor to a little above the ceiling.
    function scheduleSlash(uint256 who, uint256 wad, uint256 evidence) external {
        wad = 0.005e18 + wad % 0.1e18;
        address operator = operators[who % 3];
        bytes32 hash = keccak256(abi.encode(evidence % 64));
        SlashingParams memory params = SlashingParams(operator, SET, one(S1), wads1(wad), "");
        bytes memory data = abi.encodeCall(SlashGate.slash, (newId(), hash, AVS, params));
        schedule(slashAccount, address(gate), data);
        operations.push(Operation(data, hash, operator, wad, clock + SLASH_DELAY, Status.Scheduled));
    }

    function executeSlash(uint256 which) external {
        if (operations.length == 0) return;
        Operation storage o = operations[which % operations.length];
        vm.prank(slashAccount);
        try manager.execute(address(gate), o.data) {
            book(o);
        } catch {}
    }

    /// @dev The most recent ones are the ones that can still be executed.
    function executeRecent(uint256 which) external {
        if (operations.length == 0) return;
        uint256 recent = operations.length < 6 ? operations.length : 6;
        Operation storage o = operations[operations.length - 1 - which % recent];
        vm.prank(slashAccount);
        try manager.execute(address(gate), o.data) {
            book(o);
        } catch {}
    }

    function book(Operation storage o) private {
        demand(o.status == Status.Scheduled, "executed after a veto, or twice");
        demand(clock >= o.ready, "executed before its delay was over");
        demand(clock >= pausedUntil, "executed in a pause");
        demand(!evidenceUsed[o.evidence], "evidence used twice");
        demand(o.wad >= 0.01e18 && o.wad <= 0.1e18, "wad out of limits");
        uint256 ofOperator = o.wad;
        uint256 ofSet = o.wad;
        for (uint256 i = 0; i < done.length; ++i) {
            bool same_ = done[i].operator == o.operator;
            demand(!same_ || done[i].time + 1 days <= clock, "cool-down");
            if (done[i].time + 30 days <= clock) continue;
            ofSet += done[i].wad;
            if (same_) ofOperator += done[i].wad;
        }
        demand(ofOperator <= 0.2e18, "operator's budget");
        demand(ofSet <= 0.3e18, "set's budget");
        (o.status, evidenceUsed[o.evidence]) = (Status.Executed, true);
        done.push(Done(o.operator, o.wad, clock));
        demand(sim.getSlashCount(set()) == ++slashes, "the core counts otherwise");
    }

    function vetoSlash(uint256 which) external {
        if (operations.length == 0) return;
        Operation storage o = operations[operations.length - 1 - which % (operations.length < 6 ? operations.length : 6)];
        vm.prank(vetoer);
        try manager.cancel(slashAccount, address(gate), o.data) {
            demand(o.status == Status.Scheduled, "vetoed what was over");
            o.status = Status.Vetoed;
        } catch {}
    }

    function pauseGate(uint256 length) external {
        bytes32 id = newId();
        uint256 until = clock + length % 25 days;
        vm.prank(vetoer);
        try gate.pause(id, uint64(until)) {
            demand(until <= clock + 21 days, "a pause too long");
            pausedUntil = until;
        } catch {}
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

    /// @dev The handler would prove nothing if its slashes never came through.
    function testHandlerReachesTheCore() external {
        for (uint256 i = 0; i < 3; ++i) {
            handler.scheduleSlash(i, 0.05e18, i);
            handler.waitForTheDelay();
            handler.executeRecent(0);
        }
        checkEq(handler.slashes(), 3, "slashed");
        check(bytes(handler.broken()).length == 0, handler.broken());
    }
}
