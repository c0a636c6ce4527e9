// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SimModel} from "../src/sim/EigenLayerTypes.sol";
import {Treasury} from "../src/Treasury.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";
import {TestBase} from "./Vm.sol";

/// @dev Schedules payments to two payees at random, some under a request that was used before, executes, vetoes, pauses
/// and ends pauses, changes terms, waits.
contract TreasuryHandler is AuthoritySetup {
    enum Status {
        Scheduled,
        Vetoed,
        Executed
    }

    struct Operation {
        bytes data;
        bytes32 id;
        address payee;
        uint256 amount;
        uint256 ready;
        bool large;
        Status status;
    }

    /// @dev `window` is the shortest that was in force since.
    struct Done {
        address payee;
        uint256 amount;
        uint256 time;
        uint256 window;
        bool large;
    }

    uint256 private constant FUNDS = 1_000_000e18;

    string public broken;
    uint256 public payments;
    uint256 public changes;
    uint256 private paid;
    mapping(address payee => Treasury.Terms) private current;
    Operation[] private operations;
    Done[] private done;
    mapping(bytes32 => bool) private executedBefore;
    uint256 private pausedSince;
    uint256 private pausedUntil;

    constructor() {
        buildAuthority(RESOLUTION, SimModel.SlasherFromV1_9);
        token1.mint(address(treasury), FUNDS);
        current[PAYEE] = Treasury.Terms(10e18, 100e18, 30 days);
        // Without a delay: governance's is not what is tried here.
        vm.prank(address(timelock));
        manager.grantRole(5, address(this), 0);
        setPayee(1, 0);
    }

    function demand(bool ok, string memory rule) private {
        if (!ok && bytes(broken).length == 0) broken = rule;
    }

    /// @dev Every fourth payment takes an earlier one's request id.
    function schedulePayment(uint256 who, uint256 amount, bool large, uint256 reuse) external {
        address payee = anyPayee(who);
        amount = amount % (large ? 60e18 : 6e18) + 1;
        bytes32 id = newId();
        if (reuse % 4 == 0 && operations.length != 0) id = operations[reuse % operations.length].id;
        bytes memory data = large
            ? abi.encodeCall(Treasury.payLarge, (id, address(token1), payee, amount))
            : abi.encodeCall(Treasury.pay, (id, address(token1), payee, amount));
        vm.prank(treasuryAccount);
        try manager.schedule(address(treasury), data, 0) {
            uint256 ready = clock + (large ? LARGE_DELAY : TREASURY_DELAY);
            operations.push(Operation(data, id, payee, amount, ready, large, Status.Scheduled));
        } catch {}
    }

    function recentOperation(uint256 which) private view returns (Operation storage) {
        uint256 recent = operations.length < 6 ? operations.length : 6;
        return operations[operations.length - 1 - which % recent];
    }

    function executePayment(uint256 which) external {
        if (operations.length == 0) return;
        Operation storage o = recentOperation(which);
        vm.prank(treasuryAccount);
        try manager.execute(address(treasury), o.data) {
            book(o);
        } catch {}
        uint256 had = token1.balanceOf(anyPayee(0)) + token1.balanceOf(anyPayee(1));
        demand(had == paid, "the payees have something else than was paid");
        demand(token1.balanceOf(address(treasury)) == FUNDS - paid, "the treasury lost something else than it paid");
    }

    function book(Operation storage o) private {
        demand(o.status == Status.Scheduled, "paid after a veto, or twice");
        demand(clock >= o.ready, "paid before its delay was over");
        demand(clock >= pausedUntil, "paid in a pause");
        demand(!executedBefore[o.id], "request executed twice");
        Treasury.Terms storage t = current[o.payee];
        uint256 sum = o.amount;
        for (uint256 i = 0; i < done.length; ++i) {
            Done storage d = done[i];
            if (d.payee == o.payee && d.large == o.large && d.time + d.window > clock) sum += d.amount;
        }
        demand(sum <= (o.large ? t.largeBudget : t.budget), "budget");
        (o.status, executedBefore[o.id]) = (Status.Executed, true);
        done.push(Done(o.payee, o.amount, clock, t.window, o.large));
        (paid, payments) = (paid + o.amount, payments + 1);
    }

    function vetoPayment(uint256 which) external {
        if (operations.length == 0) return;
        Operation storage o = recentOperation(which);
        vm.prank(vetoer);
        try manager.cancel(treasuryAccount, address(treasury), o.data) {
            demand(o.status == Status.Scheduled, "vetoed what was over");
            o.status = Status.Vetoed;
        } catch {}
    }

    function pauseTreasury(uint256 length) external {
        bytes32 id = newId();
        uint256 until = clock + length % 25 days;
        vm.prank(vetoer);
        try treasury.pause(id, uint64(until)) {
            if (pausedSince == 0 || clock >= pausedSince + 28 days) pausedSince = clock;
            demand(until <= pausedSince + 21 days, "a pause too long");
            pausedUntil = until;
        } catch {}
    }

    function unpauseTreasury() external {
        bytes32 id = newId();
        vm.prank(vetoSafe);
        try treasury.unpause(id) {
            demand(clock < pausedUntil, "a pause ended that was none");
            pausedUntil = clock;
        } catch {
            demand(clock >= pausedUntil, "a pause that does not end");
        }
    }

    function anyPayee(uint256 who) private pure returns (address) {
        return who % 2 == 0 ? PAYEE : STRANGER;
    }

    /// @dev Every sixth time the payee is taken off the list.
    function setPayee(uint256 who, uint256 seed) public {
        Treasury.Terms memory t = Treasury.Terms(
            uint128(4e18 + seed % 3 * 3e18), uint128(40e18 + seed / 3 % 3 * 30e18), uint32(2 days + seed / 9 % 3 * 14 days)
        );
        if (seed % 6 == 5) t = Treasury.Terms(0, 0, 0);
        address payee = anyPayee(who);
        treasury.setPayee(newId(), address(token1), payee, t);
        (current[payee], changes) = (t, changes + 1);
        for (uint256 i = 0; i < done.length; ++i) {
            // Off the list, no window is in force.
            if (done[i].payee == payee && t.window != 0 && t.window < done[i].window) done[i].window = t.window;
        }
    }

    function waitSome(uint256 seconds_) external {
        uint256[4] memory most = [uint256(1 hours), 1 days, 4 days, 12 days];
        skip(seconds_ % most[seconds_ % 4]);
    }

    /// @dev The days pass, so that what was scheduled is ready.
    function waitForTheDelay(bool large) external {
        skip(large ? LARGE_DELAY : TREASURY_DELAY);
    }
}

contract TreasuryInvariantTest is TestBase {
    TreasuryHandler private handler;

    function setUp() external {
        handler = new TreasuryHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariantNoRuleIsBroken() external view {
        check(bytes(handler.broken()).length == 0, handler.broken());
    }

    /// @dev The handler would prove nothing if its payments never came through.
    function testHandlerPays() external {
        handler.schedulePayment(0, 1e18, false, 1);
        handler.waitForTheDelay(false);
        handler.executePayment(0);
        handler.schedulePayment(0, 50e18, true, 1);
        handler.pauseTreasury(1 days);
        handler.unpauseTreasury();
        handler.waitForTheDelay(true);
        handler.executePayment(0);
        handler.setPayee(1, 4);
        handler.schedulePayment(1, 50e18, true, 1);
        handler.waitForTheDelay(true);
        handler.executePayment(0);
        checkEq(handler.payments(), 3, "paid");
        checkEq(handler.changes(), 2, "payees set");
        check(bytes(handler.broken()).length == 0, handler.broken());
    }
}
