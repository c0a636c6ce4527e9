// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SimModel} from "../src/sim/EigenLayerTypes.sol";
import {Treasury} from "../src/Treasury.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";
import {TestBase} from "./Vm.sol";

/// @dev Schedules payments at random, some under a request that was used before, executes, vetoes, pauses, waits.
contract TreasuryHandler is AuthoritySetup {
    enum Status {
        Scheduled,
        Vetoed,
        Executed
    }

    struct Operation {
        bytes data;
        bytes32 id;
        uint256 amount;
        uint256 ready;
        bool large;
        Status status;
    }

    struct Done {
        uint256 amount;
        uint256 time;
        bool large;
    }

    uint256 private constant FUNDS = 1_000_000e18;

    string public broken;
    uint256 public payments;
    uint256 private paid;
    Operation[] private operations;
    Done[] private done;
    mapping(bytes32 => bool) private executedBefore;
    uint256 private pausedUntil;

    constructor() {
        buildAuthority(RESOLUTION, SimModel.SlasherFromV1_9);
        token1.mint(address(treasury), FUNDS);
    }

    function demand(bool ok, string memory rule) private {
        if (!ok && bytes(broken).length == 0) broken = rule;
    }

    /// @dev Every fourth payment takes an earlier one's request id.
    function schedulePayment(uint256 amount, bool large, uint256 reuse) external {
        amount = amount % (large ? 60e18 : 6e18) + 1;
        bytes32 id = newId();
        if (reuse % 4 == 0 && operations.length != 0) id = operations[reuse % operations.length].id;
        bytes memory data = large
            ? abi.encodeCall(Treasury.payLarge, (id, address(token1), PAYEE, amount))
            : abi.encodeCall(Treasury.pay, (id, address(token1), PAYEE, amount));
        vm.prank(treasuryAccount);
        try manager.schedule(address(treasury), data, 0) {
            uint256 ready = clock + (large ? LARGE_DELAY : TREASURY_DELAY);
            operations.push(Operation(data, id, amount, ready, large, Status.Scheduled));
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
        demand(token1.balanceOf(PAYEE) == paid, "the payee has something else than was paid");
        demand(token1.balanceOf(address(treasury)) == FUNDS - paid, "the treasury lost something else than it paid");
    }

    function book(Operation storage o) private {
        demand(o.status == Status.Scheduled, "paid after a veto, or twice");
        demand(clock >= o.ready, "paid before its delay was over");
        demand(clock >= pausedUntil, "paid in a pause");
        demand(!executedBefore[o.id], "request executed twice");
        uint256 sum = o.amount;
        for (uint256 i = 0; i < done.length; ++i) {
            if (done[i].large == o.large && done[i].time + 30 days > clock) sum += done[i].amount;
        }
        demand(sum <= (o.large ? 100e18 : 10e18), "budget");
        (o.status, executedBefore[o.id]) = (Status.Executed, true);
        done.push(Done(o.amount, clock, o.large));
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
            demand(until <= clock + 21 days, "a pause too long");
            pausedUntil = until;
        } catch {}
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
        handler.schedulePayment(1e18, false, 1);
        handler.waitForTheDelay(false);
        handler.executePayment(0);
        handler.schedulePayment(50e18, true, 1);
        handler.waitForTheDelay(true);
        handler.executePayment(0);
        checkEq(handler.payments(), 2, "paid");
        check(bytes(handler.broken()).length == 0, handler.broken());
    }
}
