// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Guarded} from "../src/lib/Guarded.sol";
import {OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {TimelockVeto} from "../src/TimelockVeto.sol";
import {Treasury} from "../src/Treasury.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";

/// @dev How the authority changes: through the timelock, through GOVERNANCE's shorter delay, through RECOVERY.
contract GovernanceTest is AuthoritySetup {
    bytes4 private constant NOT_READY = IAccessManager.AccessManagerNotReady.selector;
    bytes4 private constant NOT_SCHEDULED = IAccessManager.AccessManagerNotScheduled.selector;
    address private constant NEW_VETOER = address(0x4E77);

    function setUp() external {
        buildAuthority(RESOLUTION, SimModel.SlasherFromV1_9);
    }

    function veto(bytes32 operation) private {
        bytes32 id = newId();
        vm.prank(vetoer);
        timelockVeto.cancel(id, operation);
    }

    function expectEnactRefused(address target, bytes memory data, bytes memory reason) private {
        vm.expectRevert(reason);
        timelock.execute(target, 0, data, 0, 0);
    }

    /// @dev The timelock's states are bits: 1 waiting, 2 ready.
    function unexpectedState(bytes32 operation, uint256 expected) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            TimelockController.TimelockUnexpectedOperationState.selector, operation, bytes32(expected)
        );
    }

    function notReady(address target, bytes memory data) private view returns (bytes memory) {
        return unexpectedState(timelock.hashOperation(target, 0, data, 0, 0), 1 << 2);
    }

    // Limits

    function testWiderLimitsTakeTheTimelock() external {
        SlashGate.Limits memory l = limits();
        (l.maxWad, l.operatorBudget) = (0.25e18, 0.25e18);
        bytes memory data = abi.encodeCall(SlashGate.setLimits, (newId(), AVS, SET, l));
        propose(address(gate), data);
        skip(TIMELOCK_DELAY - 1);
        expectEnactRefused(address(gate), data, notReady(address(gate), data));
        checkEq(gate.limitsOf(AVS, SET).maxWad, 0.1e18, "not yet");
        skip(1);
        enact(address(gate), data);
        checkEq(gate.limitsOf(AVS, SET).maxWad, 0.25e18, "in force");
    }

    function testVetoStopsATimelocksOperation() external {
        bytes memory data = abi.encodeCall(SlashGate.setLimits, (newId(), AVS, SET, limits()));
        bytes32 operation = propose(address(gate), data);
        skip(TIMELOCK_DELAY);
        veto(operation);
        expectEnactRefused(address(gate), data, notReady(address(gate), data));
        bytes32 id = newId();
        vm.expectRevert(unexpectedState(operation, 1 << 1 | 1 << 2));
        vm.prank(vetoer);
        timelockVeto.cancel(id, operation);
    }

    /// @dev What is ready in the timelock stays so until somebody executes or cancels it.
    function testTimelocksOperationsDoNotExpire() external {
        bytes memory data = abi.encodeCall(SlashGate.setLimits, (newId(), AVS, SET, limits()));
        propose(address(gate), data);
        skip(1_000 days);
        enact(address(gate), data);
    }

    function testTighterLimitsAndUnpinningTakeAWeek() external {
        SlashGate.Limits memory l = limits();
        l.maxWad = 0.05e18;
        bytes memory data = abi.encodeCall(SlashGate.tightenLimits, (newId(), AVS, SET, l));
        schedule(governanceAccount, address(gate), data);
        skip(GOVERNANCE_DELAY - 1);
        expectExecuteRefused(governanceAccount, address(gate), data, NOT_READY);
        skip(1);
        execute(governanceAccount, address(gate), data);
        checkEq(gate.limitsOf(AVS, SET).maxWad, 0.05e18, "tightened");
        data = abi.encodeCall(SlashGate.unpin, (newId(), AVS, SET));
        perform(governanceAccount, address(gate), data, GOVERNANCE_DELAY);
        checkEq(gate.limitsOf(AVS, SET).maxWad, 0, "unpinned");
    }

    // The service in EigenLayer

    function testTimelockActsForTheService() external {
        decree(address(sim), abi.encodeCall(sim.acceptAdmin, (AVS)));
        check(sim.isAdmin(AVS, address(timelock)) && !sim.isAdmin(AVS, AVS), "the timelock alone");
        vm.expectRevert(abi.encodePacked(InvalidPermissions.selector));
        vm.prank(AVS);
        sim.updateSlasher(set(), STRANGER);
        decree(address(sim), abi.encodeCall(sim.updateSlasher, (set(), STRANGER)));
        (address pending,) = sim.getPendingSlasher(set());
        checkEq(pending, STRANGER, "35 days in the open");
    }

    // Roles granted, and roles taken

    function testRotationTakesTheTimelock() external {
        address next = address(0x51B);
        propose(address(manager), grantData(1, next, SLASH_DELAY));
        propose(address(manager), revokeData(1, slashAccount));
        skip(TIMELOCK_DELAY);
        bytes memory data = slashData(newId());
        schedule(slashAccount, address(gate), data);
        enact(address(manager), grantData(1, next, SLASH_DELAY));
        enact(address(manager), revokeData(1, slashAccount));
        skip(SLASH_DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessManager.AccessManagerUnauthorizedCall.selector,
                slashAccount,
                address(gate),
                SlashGate.slash.selector
            )
        );
        execute(slashAccount, address(gate), data);
        perform(next, address(gate), data, SLASH_DELAY);
        checkEq(sim.getSlasher(set()), address(gate), "the slasher is the same");
    }

    function testNobodyButTheTimelockGrants() external {
        address[5] memory all = [slashAccount, treasuryAccount, governanceAccount, vetoer, STRANGER];
        for (uint256 i = 0; i < 5; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IAccessManager.AccessManagerUnauthorizedAccount.selector, all[i], uint64(0))
            );
            vm.prank(all[i]);
            manager.grantRole(1, STRANGER, 0);
        }
        check(!holds(1, STRANGER), "not granted");
    }

    /// @dev The one who can schedule at the timelock cannot shorten its delay but through it.
    function testTimelocksDelayIsItsOwn() external {
        vm.expectRevert(
            abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, governanceAccount)
        );
        vm.prank(governanceAccount);
        timelock.updateDelay(0);
        decree(address(timelock), abi.encodeCall(timelock.updateDelay, (20 days)));
        checkEq(timelock.getMinDelay(), 20 days, "longer now");
    }

    // Recovery: governance against a veto that blocks everything

    function testVetoCannotStopItsReplacement() external {
        bytes memory grant = grantData(4, NEW_VETOER, 0);
        bytes memory revoke = revokeData(4, vetoer);
        schedule(governanceAccount, address(manager), grant);
        schedule(governanceAccount, address(manager), revoke);
        expectCancelRefused(grant);
        expectCancelRefused(revoke);
        vm.prank(vetoer);
        gate.pause(newId(), uint64(clock + 21 days));
        skip(RECOVERY_DELAY - 1);
        expectExecuteRefused(governanceAccount, address(manager), grant, NOT_READY);
        skip(1);
        execute(governanceAccount, address(manager), grant);
        execute(governanceAccount, address(manager), revoke);
        check(holds(4, NEW_VETOER) && !holds(4, vetoer), "replaced");

        // The new veto holds for the timelock as well, and the old one does not.
        bytes32 operation = propose(address(manager), grantData(1, STRANGER, 0));
        bytes32 id = newId();
        vm.expectRevert(abi.encodeWithSignature("AccessManagedUnauthorized(address)", vetoer));
        vm.prank(vetoer);
        timelockVeto.cancel(id, operation);
        vm.prank(NEW_VETOER);
        timelockVeto.cancel(id, operation);
        check(!timelock.isOperationPending(operation), "cancelled by the new one");
    }

    function expectCancelRefused(bytes memory data) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessManager.AccessManagerUnauthorizedCancel.selector,
                vetoer,
                governanceAccount,
                address(manager),
                bytes4(data)
            )
        );
        cancel(vetoer, governanceAccount, address(manager), data);
    }

    /// @dev RECOVERY is the admin of VETO, and of nothing else; it has no function of its own.
    function testRecoveryReplacesTheVetoAndNothingElse() external {
        for (uint64 role = 0; role <= 7; ++role) {
            if (role == 4) continue;
            bytes memory data = grantData(role, STRANGER, 0);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAccessManager.AccessManagerUnauthorizedCall.selector,
                    governanceAccount,
                    address(manager),
                    AccessManager.grantRole.selector
                )
            );
            schedule(governanceAccount, address(manager), data);
        }
        bytes[] memory others = new bytes[](4);
        others[0] = abi.encodeCall(AccessManager.setRoleAdmin, (1, 6));
        others[1] = abi.encodeCall(AccessManager.setRoleGuardian, (1, 6));
        others[2] = abi.encodeCall(AccessManager.setTargetClosed, (address(gate), true));
        others[3] = abi.encodeCall(AccessManager.updateAuthority, (address(gate), address(this)));
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAccessManager.AccessManagerUnauthorizedCall.selector,
                    governanceAccount,
                    address(manager),
                    bytes4(others[i])
                )
            );
            schedule(governanceAccount, address(manager), others[i]);
        }
    }

    /// @dev Not even the only admin grants a veto; and the timelock can be vetoed, so it cannot make itself able to.
    function testAdminDoesNotGrantTheVeto() external {
        propose(address(manager), grantData(4, STRANGER, 0));
        skip(TIMELOCK_DELAY);
        bytes memory reason = abi.encodeWithSelector(
            IAccessManager.AccessManagerUnauthorizedAccount.selector, address(timelock), uint64(6)
        );
        expectEnactRefused(address(manager), grantData(4, STRANGER, 0), reason);
        bytes memory data = abi.encodeCall(AccessManager.setRoleAdmin, (4, 0));
        bytes32 operation = propose(address(manager), data);
        veto(operation);
        skip(TIMELOCK_DELAY);
        expectEnactRefused(address(manager), data, notReady(address(manager), data));
    }

    /// @dev grantRole has no request id; one at the calldata's end makes operations of their own and is ignored.
    function testRecoveryCarriesARequestIdAtItsEnd() external {
        bytes memory first = bytes.concat(grantData(4, NEW_VETOER, 0), newId());
        bytes memory second = bytes.concat(grantData(4, NEW_VETOER, 0), newId());
        schedule(governanceAccount, address(manager), first);
        schedule(governanceAccount, address(manager), second);
        cancel(governanceAccount, governanceAccount, address(manager), first);
        skip(RECOVERY_DELAY);
        expectExecuteRefused(governanceAccount, address(manager), first, NOT_SCHEDULED);
        execute(governanceAccount, address(manager), second);
        check(holds(4, NEW_VETOER), "granted");
    }

    /// @dev The veto asleep: payee and payment are scheduled together, and a week later the treasury is empty.
    function testGovernanceAndTreasuryTogetherTakeAWeek() external {
        token1.mint(address(treasury), 500e18);
        bytes memory list = abi.encodeCall(
            Treasury.setPayee, (newId(), address(token1), STRANGER, Treasury.Terms(0, 500e18, 1))
        );
        bytes memory take = abi.encodeCall(Treasury.payLarge, (newId(), address(token1), STRANGER, 500e18));
        schedule(governanceAccount, address(treasury), list);
        schedule(treasuryAccount, address(treasury), take);
        skip(GOVERNANCE_DELAY);
        execute(governanceAccount, address(treasury), list);
        execute(treasuryAccount, address(treasury), take);
        checkEq(token1.balanceOf(STRANGER), 500e18, "all of it");
    }

    /// @dev A pause of the longest kind, at once followed by the next that is allowed: a week of work in four, in which
    /// what was scheduled during the pause is ready.
    function testPausesLeaveAWeekInFour() external {
        uint256 slashed = 0;
        for (uint256 round = 0; round < 2; ++round) {
            vm.prank(vetoer);
            gate.pause(newId(), uint64(clock + 21 days));
            skip(18 days);
            bytes memory data = slashData(newId());
            schedule(slashAccount, address(gate), data);
            skip(3 days);
            execute(slashAccount, address(gate), data);
            checkEq(sim.getSlashCount(set()), ++slashed, "slashed in the rest");
            skip(7 days);
        }
    }

    /// @dev A stolen slash key floods, with slashes that are ready when the pause ends; governance has taken the role away by
    /// then, and without that they would pass.
    function testPauseOutlastsTheRevocation() external {
        vm.prank(vetoer);
        gate.pause(newId(), uint64(clock + 21 days));
        propose(address(manager), revokeData(1, slashAccount));
        skip(15 days);
        bytes[5] memory flood;
        for (uint256 i = 0; i < 5; ++i) {
            flood[i] = slashData(newId());
            schedule(slashAccount, address(gate), flood[i]);
            skip(0.5 days);
        }
        uint256 snapshot = vm.snapshotState();
        skip(3.5 days);
        check(!gate.paused(), "over");
        execute(slashAccount, address(gate), flood[4]);
        checkEq(sim.getSlashCount(set()), 1, "slashed by who was not stopped");
        vm.revertToState(snapshot);
        enact(address(manager), revokeData(1, slashAccount));
        check(gate.paused(), "revoked in the pause");
        bytes memory reason = abi.encodeWithSelector(
            IAccessManager.AccessManagerUnauthorizedCall.selector, slashAccount, address(gate), SlashGate.slash.selector
        );
        for (uint256 i = 0; i < 5; ++i) {
            vm.expectRevert(reason);
            execute(slashAccount, address(gate), flood[i]);
        }
        bytes memory data = slashData(newId());
        vm.expectRevert(reason);
        schedule(slashAccount, address(gate), data);
    }

    // Succession of the treasury

    function testHandOverTakesTheLongestDelay() external {
        token1.mint(address(treasury), 500e18);
        Treasury next = new Treasury(address(manager));
        bytes memory data = abi.encodeCall(Treasury.handOver, (newId(), address(next), addresses(address(token1))));
        schedule(governanceAccount, address(treasury), data);
        skip(HANDOVER_DELAY - 1);
        expectExecuteRefused(governanceAccount, address(treasury), data, NOT_READY);
        skip(1);
        execute(governanceAccount, address(treasury), data);
        checkEq(token1.balanceOf(address(next)), 500e18, "handed over");
    }
}
